//! What is deleted from the log, and when: records past their topic's retention, and, on compacted topics, records that
//! a newer one of the same key has replaced. Run by the committer now and then; a pass costs no more than its limits.

use std::collections::HashMap;

use rocksdb::WriteBatch;
use tracing::debug;

use super::store::{EARLIEST, Store, store_error};
use super::{format, options};
use crate::Error;

/// How many records of one partition one pass looks at.
const PASS_RECORDS_MAX: usize = 2_000;
/// How many records a pass looks at altogether; the next pass goes on where this one stopped.
const PASS_RECORDS_TOTAL_MAX: usize = 10_000;
/// How long a tombstone is kept, so that a reader that was away learns of the deletion.
const TOMBSTONE_RETENTION_MS: i64 = 24 * 60 * 60 * 1_000;
/// How far compaction has come: the offset of the first record it has not seen.
const COMPACTED: &str = "compacted";
/// The same for the search for tombstones that are old enough.
const TOMBSTONES: &str = "tombstones";

/// The oldest record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Oldest {
    offset: i64,
    timestamp_ms: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    /// The (topic, partition) to go on with.
    next: (usize, u32),
    /// By (topic, partition). With much in the log a look costs a read from the disk, and nothing is to be done before this one's time.
    oldest: HashMap<(usize, u32), Oldest>,
}

impl Maintenance {
    /// One round over the partitions, as far as the limits allow.
    pub(crate) fn pass(&mut self, store: &Store) -> Result<(), Error> {
        let partitions: Vec<(usize, u32)> = (0..)
            .zip(store.topics().iter())
            .filter(|(_, spec)| spec.compacted || spec.retention_ms.is_some())
            .flat_map(|(topic, spec)| (0..spec.partitions).map(move |partition| (topic, partition)))
            .collect();
        let start = partitions.iter().position(|place| *place >= self.next).unwrap_or(0);
        let mut looked_at = 0;
        for place in partitions[start..].iter().chain(&partitions[..start]) {
            self.next = *place;
            if looked_at >= PASS_RECORDS_TOTAL_MAX {
                return Ok(());
            }
            let spec = store.topics().at(place.0);
            if let Some(retention_ms) = spec.retention_ms {
                looked_at += self.trim(store, *place, store.now_ms().saturating_sub(retention_ms))?;
            }
            if spec.compacted {
                looked_at += compact(store, *place)?;
                looked_at += drop_tombstones(store, *place)?;
            }
        }
        Ok(())
    }

    /// Deletes the oldest records as long as they are older than `before_ms`.
    fn trim(&mut self, store: &Store, place: (usize, u32), before_ms: i64) -> Result<usize, Error> {
        let earliest = store.earliest(place.0, place.1);
        let is_kept = |oldest: &Oldest| oldest.offset == earliest && oldest.timestamp_ms >= before_ms;
        if earliest == store.end(place.0, place.1) || self.oldest.get(&place).is_some_and(is_kept) {
            return Ok(0);
        }
        let (looked_at, oldest) = trim(store, place, before_ms)?;
        match oldest {
            Some(oldest) => self.oldest.insert(place, oldest),
            None => self.oldest.remove(&place),
        };
        Ok(looked_at)
    }
}

fn write(store: &Store, batch: WriteBatch) -> Result<(), Error> {
    // Not synced: what a crash undoes, the next pass does again.
    if batch.is_empty() { Ok(()) } else { store.db().write(batch).map_err(store_error("delete records")) }
}

fn cursor(store: &Store, what: &str, (topic, partition): (usize, u32)) -> Result<(Vec<u8>, i64), Error> {
    let key = format::partition_meta_key(what, store.topic_id(topic), partition);
    let at = store.meta(&key)?.and_then(|raw| format::decode_i64(&raw)).unwrap_or(0);
    Ok((key, at))
}

fn damaged() -> Error {
    Error::Damaged { what: "a record cannot be decoded".to_owned() }
}

/// How many records were looked at, and the first that is kept, if that was seen.
fn trim(store: &Store, place: (usize, u32), before_ms: i64) -> Result<(usize, Option<Oldest>), Error> {
    let (topic, partition) = place;
    let earliest = store.earliest(topic, partition);
    let end = store.end(topic, partition);
    let (mut keep_from, mut looked_at, mut oldest) = (earliest, 0, None);
    store.visit_raw(place, earliest, end, |offset, raw| {
        looked_at += 1;
        let timestamp_ms = format::timestamp_ms(raw).ok_or_else(damaged)?;
        if timestamp_ms >= before_ms {
            oldest = Some(Oldest { offset, timestamp_ms });
            return Ok(false);
        }
        if looked_at > PASS_RECORDS_MAX {
            return Ok(false);
        }
        keep_from = offset + 1;
        Ok(true)
    })?;
    if keep_from > earliest {
        let id = store.topic_id(topic);
        let mut batch = WriteBatch::default();
        let log = store.family(options::LOG);
        let (from, to) =
            (format::log_key(id, partition, earliest), format::log_key(id, partition, keep_from));
        batch.delete_range_cf(log, from, to);
        // In the same write: where all are deleted, this alone says which offset comes next.
        let key = format::partition_meta_key(EARLIEST, id, partition);
        batch.put_cf(store.family(options::META), key, keep_from.to_le_bytes());
        write(store, batch)?;
        store.publish_earliest(topic, partition, keep_from);
        debug!(topic = %store.topics().at(topic).name, partition, keep_from, "records past retention deleted");
    }
    Ok((looked_at, oldest))
}

/// Goes through the records that compaction has not seen, and deletes the older record of each key that comes again.
fn compact(store: &Store, place: (usize, u32)) -> Result<usize, Error> {
    let (topic, partition) = place;
    let (cursor_key, from) = cursor(store, COMPACTED, place)?;
    let from = from.max(store.earliest(topic, partition));
    let id = store.topic_id(topic);
    let (log, newest) = (store.family(options::LOG), store.family(options::NEWEST));
    let mut batch = WriteBatch::default();
    let mut seen: HashMap<Vec<u8>, i64> = HashMap::new();
    let (mut next, mut looked_at) = (from, 0);
    store.visit_raw(place, from, store.end(topic, partition), |offset, raw| {
        if looked_at == PASS_RECORDS_MAX {
            return Ok(false);
        }
        looked_at += 1;
        next = offset + 1;
        let (key, _) = format::key_and_tombstone(raw).ok_or_else(damaged)?;
        // A record without a key replaces nothing and is replaced by nothing.
        let Some(key) = key else { return Ok(true) };
        let key = format::newest_key(id, partition, key);
        let older = match seen.get(&key) {
            Some(older) => Some(*older),
            None => store.get(options::NEWEST, &key)?.and_then(|raw| format::decode_i64(&raw)),
        };
        if let Some(older) = older.filter(|older| *older < offset) {
            batch.delete_cf(log, format::log_key(id, partition, older));
        }
        batch.put_cf(newest, &key, offset.to_le_bytes());
        seen.insert(key, offset);
        Ok(true)
    })?;
    if next > from {
        batch.put_cf(store.family(options::META), cursor_key, next.to_le_bytes());
    }
    write(store, batch)?;
    Ok(looked_at)
}

/// Deletes tombstones that are old enough and still the newest of their key.
fn drop_tombstones(store: &Store, place: (usize, u32)) -> Result<usize, Error> {
    let (topic, partition) = place;
    let (cursor_key, from) = cursor(store, TOMBSTONES, place)?;
    let from = from.max(store.earliest(topic, partition));
    let id = store.topic_id(topic);
    let (_, compacted) = cursor(store, COMPACTED, place)?;
    // The last record stays: its offset says where the partition ends.
    let until = compacted.min(store.end(topic, partition) - 1).max(from);
    let before_ms = store.now_ms().saturating_sub(TOMBSTONE_RETENTION_MS);
    let (log, newest) = (store.family(options::LOG), store.family(options::NEWEST));
    let mut batch = WriteBatch::default();
    let (mut next, mut looked_at) = (from, 0);
    store.visit_raw(place, from, until, |offset, raw| {
        if looked_at == PASS_RECORDS_MAX || format::timestamp_ms(raw).ok_or_else(damaged)? > before_ms {
            return Ok(false);
        }
        looked_at += 1;
        next = offset + 1;
        if let (Some(key), true) = format::key_and_tombstone(raw).ok_or_else(damaged)? {
            // Only the newest record of a key is left where compaction has been: this one.
            batch.delete_cf(log, format::log_key(id, partition, offset));
            batch.delete_cf(newest, format::newest_key(id, partition, key));
        }
        Ok(true)
    })?;
    if next > from {
        batch.put_cf(store.family(options::META), cursor_key, next.to_le_bytes());
    }
    write(store, batch)?;
    Ok(looked_at)
}
