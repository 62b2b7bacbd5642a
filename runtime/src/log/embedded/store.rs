//! The one RocksDB behind the log, what is known of its topics, and all reads.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions, WriteOptions};
use tracing::{error, warn};

use super::directory::{Directory, FORMAT_VERSION};
use super::format;
use super::options::Memory;
use super::registration::{register_topics, registered_topics};
use super::tail::{Fresh, RECORD_OVERHEAD_BYTES, TAIL_BYTES_MAX, Tail};
use super::{Durability, options};
use crate::Names;
use crate::log::Limits;
use crate::record::{Record, Topics};
use crate::store::keys::{self, CellKey, TimerKey};
use crate::timer::DueTimer;
use crate::{Clock, Error};

const FORMAT_KEY: &str = "format";
/// Where retention has cut a partition off: the offset of the first record it left.
pub(crate) const EARLIEST: &str = "earliest";

#[derive(Debug)]
struct Bounds {
    earliest: AtomicI64,
    end: AtomicI64,
}

/// Dropped last by whoever holds it last: then the database is closed and its directory free.
pub(crate) struct Store {
    // Before the directory: closed while that is still ours, and sealed only then.
    db: DB,
    topics: Arc<Topics>,
    /// By the topic's index in `topics`: the number it has in the store.
    topic_ids: Vec<u16>,
    bounds: Vec<Vec<Bounds>>,
    tail: Tail,
    clock: Arc<dyn Clock>,
    /// Nothing is written any more, and nobody is answered.
    closed: AtomicBool,
    /// Why nothing can be written at the moment.
    write_failure: Mutex<Option<Arc<str>>>,
    directory: Directory,
    #[cfg(test)]
    pub(crate) fault: std::sync::Mutex<Option<crate::conformance::Fault>>,
    /// How many of the next writes fail, as on a full disk.
    #[cfg(test)]
    pub(crate) writes_failing: std::sync::Mutex<u32>,
    /// The next write tells that it is done, and is made visible when it is told to.
    #[cfg(test)]
    pub(crate) held_before_visible:
        std::sync::Mutex<Option<(crossbeam_channel::Sender<()>, crossbeam_channel::Receiver<()>)>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("directory", &self.db.path()).finish_non_exhaustive()
    }
}

pub(crate) fn store_error(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Error {
    move |source| Error::Store { doing, source: source.into() }
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::Damaged { what: what.to_owned() }
}

impl Store {
    pub(crate) fn open(
        directory: &Path,
        topics: Topics,
        memory: Memory,
        durability: Durability,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut directory = Directory::take(directory)?;
        let options = options::database(directory.is_new(), memory, durability);
        let opened = DB::open_cf_descriptors(&options, directory.store(), options::families(memory));
        let db = opened.map_err(|source| directory.unusable(source))?;
        check_format(&db, directory.path())?;
        directory.opened()?;
        let topic_ids = register_topics(&db, &topics)?;
        Self::assembled(db, directory, topics, topic_ids, clock)
    }

    /// As it lies there, with the topics that it knows itself; nothing in the directory is changed.
    pub(crate) fn open_read_only(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let directory = Directory::take_to_look(directory)?;
        let options = options::database(false, Memory::default(), Durability::Fsync);
        let opened = DB::open_cf_descriptors_read_only(
            &options,
            directory.store(),
            options::families(Memory::default()),
            false,
        );
        let db = opened.map_err(|source| directory.unusable(source))?;
        check_format(&db, directory.path())?;
        let (topics, topic_ids) = registered_topics(&db)?;
        Self::assembled(db, directory, topics, topic_ids, clock)
    }

    fn assembled(
        db: DB,
        directory: Directory,
        topics: Topics,
        topic_ids: Vec<u16>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let tail = Tail::new(topics.iter().map(|spec| spec.partitions), TAIL_BYTES_MAX);
        let mut store = Self {
            db,
            topics: Arc::new(topics),
            topic_ids,
            bounds: Vec::new(),
            tail,
            clock,
            closed: AtomicBool::new(false),
            write_failure: Mutex::default(),
            directory,
            #[cfg(test)]
            fault: std::sync::Mutex::default(),
            #[cfg(test)]
            writes_failing: std::sync::Mutex::default(),
            #[cfg(test)]
            held_before_visible: std::sync::Mutex::default(),
        };
        for (index, spec) in store.topics.clone().iter().enumerate() {
            let bounds = (0..spec.partitions).map(|partition| store.find_bounds(index, partition));
            let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
            store.bounds.push(bounds);
        }
        Ok(store)
    }

    pub(crate) fn set_write_failure(&self, reason: Option<Arc<str>>) {
        *self.write_failure.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub(crate) fn write_failure(&self) -> Option<Arc<str>> {
        self.write_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    pub(crate) fn topic_id(&self, topic: usize) -> u16 {
        self.topic_ids[topic]
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("all column families are created at opening")
    }

    pub(crate) fn iterator(&self, family: &str, end: Option<Vec<u8>>) -> DBRawIterator<'_> {
        let mut read = ReadOptions::default();
        if let Some(end) = end {
            read.set_iterate_upper_bound(end);
        }
        self.db.raw_iterator_cf_opt(self.family(family), read)
    }

    /// The end is behind the last record; where retention took the last, it is where retention stopped.
    fn find_bounds(&self, topic: usize, partition: u32) -> Result<Bounds, Error> {
        let id = self.topic_ids[topic];
        let key = format::partition_meta_key(EARLIEST, id, partition);
        let earliest = self.meta(&key)?.and_then(|raw| format::decode_i64(&raw)).unwrap_or(0);
        let mut records = self.iterator(options::LOG, None);
        records.seek_for_prev(format::log_key(id, partition, i64::MAX));
        let last = records
            .key()
            .filter(|key| key.starts_with(&format::log_key(id, partition, 0)[..6]))
            .and_then(format::log_offset);
        records.status().map_err(store_error("read the end of a partition"))?;
        let end = last.map_or(earliest, |last| last + 1).max(earliest);
        Ok(Bounds { earliest: AtomicI64::new(earliest), end: AtomicI64::new(end) })
    }

    /// The offset that the next record will get.
    pub(crate) fn end(&self, topic: usize, partition: u32) -> i64 {
        self.bounds[topic][partition as usize].end.load(Ordering::Acquire)
    }

    /// What was just written, before it is made visible. Not of compacted topics: what is superseded there leaves the store alone.
    pub(crate) fn keep_tail(&self, written: impl Iterator<Item = Fresh>) {
        self.tail.extend(written.filter(|fresh| !self.topics.at(fresh.topic).compacted));
    }

    /// Makes records up to `end` visible: they are written.
    pub(crate) fn publish_end(&self, topic: usize, partition: u32, end: i64) {
        self.bounds[topic][partition as usize].end.store(end, Ordering::Release);
    }

    /// No record before it is left; there may be gaps behind it.
    pub(crate) fn earliest(&self, topic: usize, partition: u32) -> i64 {
        self.bounds[topic][partition as usize].earliest.load(Ordering::Acquire)
    }

    pub(crate) fn publish_earliest(&self, topic: usize, partition: u32, earliest: i64) {
        self.bounds[topic][partition as usize].earliest.store(earliest, Ordering::Release);
    }

    /// Records of a partition from `from` on, appended to `out`; gives the offset to go on at.
    pub(crate) fn fetch(
        &self,
        (topic, partition): (usize, u32),
        mut from: i64,
        limits: &mut Limits,
        names: &mut Names,
        out: &mut Vec<Record>,
    ) -> Result<i64, Error> {
        let end = self.end(topic, partition);
        let earliest = self.earliest(topic, partition);
        let spec = self.topics.at(topic);
        if from < earliest {
            // Whoever reads here misses them for ever: retention is shorter than it was away.
            error!(topic = %spec.name, partition, from, earliest, "records were deleted before they were read");
            from = earliest;
        }
        if from >= end || limits.records_max == 0 || limits.bytes_max == 0 {
            return Ok(from.max(0));
        }
        let mut decode = |offset: i64, raw: &[u8]| {
            format::decode_record(&spec.name, partition, offset, raw, names)
                .ok_or_else(|| damaged("a record cannot be decoded"))
        };
        if let Some(newest) = self.tail.read((topic, partition), from, end, limits) {
            for raw in newest {
                out.push(decode(from, &raw)?);
                from += 1;
            }
            return Ok(from);
        }
        let id = self.topic_ids[topic];
        let mut records = self.iterator(options::LOG, Some(format::log_key(id, partition, end).to_vec()));
        records.seek(format::log_key(id, partition, from.max(0)));
        while limits.records_max > 0 && limits.bytes_max > 0 {
            let Some((key, raw)) = records.item() else {
                records.status().map_err(store_error("read records"))?;
                return Ok(end);
            };
            let offset = format::log_offset(key).ok_or_else(|| damaged("a record has no offset"))?;
            let record = decode(offset, raw)?;
            limits.records_max -= 1;
            limits.bytes_max = limits.bytes_max.saturating_sub(raw.len() + RECORD_OVERHEAD_BYTES);
            from = record.offset + 1;
            out.push(record);
            records.next();
        }
        Ok(from)
    }

    /// Encoded records in [from, to), each with its offset, until `visit` says false.
    pub(crate) fn visit_raw(
        &self,
        (topic, partition): (usize, u32),
        from: i64,
        to: i64,
        mut visit: impl FnMut(i64, &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let id = self.topic_ids[topic];
        let mut records = self.iterator(options::LOG, Some(format::log_key(id, partition, to).to_vec()));
        records.seek(format::log_key(id, partition, from));
        while let Some((key, raw)) = records.item() {
            let offset = format::log_offset(key).ok_or_else(|| damaged("a record has no offset"))?;
            if !visit(offset, raw)? {
                return Ok(());
            }
            records.next();
        }
        records.status().map_err(store_error("read records"))
    }

    pub(crate) fn get(&self, family: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.db.get_pinned_cf(self.family(family), key).map_err(store_error("read the store"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(crate) fn meta(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get(options::META, key)
    }

    /// Where the group goes on; None: it never committed a position there.
    pub(crate) fn position(&self, group: &str, topic: usize, partition: u32) -> Result<Option<i64>, Error> {
        let key = format::position_key(group, self.topic_ids[topic], partition);
        let raw = self.get(options::POSITIONS, &key)?;
        raw.map(|raw| format::decode_i64(&raw).ok_or_else(|| damaged("a position cannot be decoded")))
            .transpose()
    }

    pub(crate) fn cells(&self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        let mut cells = self.iterator(options::STATE, keys::prefix_end(prefix));
        cells.seek(prefix);
        let mut found = Vec::new();
        while found.len() < cells_max
            && let Some((key, value)) = cells.item()
        {
            found.push((CellKey::from_encoded(key), Bytes::copy_from_slice(value)));
            cells.next();
        }
        cells.status().map_err(store_error("read state"))?;
        Ok(found)
    }

    pub(crate) fn timer_due_ms(&self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        let raw = self.get(options::TIMERS, timer.as_bytes())?;
        raw.map(|raw| format::decode_i64(&raw).ok_or_else(|| damaged("a due time cannot be decoded")))
            .transpose()
    }

    /// The timers of one processor due in [from, until], by (due, key, name).
    pub(crate) fn due_timers(
        &self,
        processor: &str,
        partition: u32,
        (from_ms, until_ms): (i64, i64),
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        let below = |place: Vec<u8>| [keys::due_prefix_of_processor(processor), place].concat();
        let end = match until_ms.checked_add(1) {
            Some(after_ms) => keys::due_prefix(partition, after_ms),
            None => keys::due_prefix(partition + 1, i64::MIN), // partitions end far below u32::MAX
        };
        let mut timers = self.iterator(options::TIMERS_DUE, Some(below(end)));
        timers.seek(below(keys::due_prefix(partition, from_ms)));
        let mut due = Vec::new();
        while due.len() < timers_max
            && let Some(key) = timers.key()
        {
            let timer = keys::decode_due_of_processor(key);
            due.push(timer.ok_or_else(|| damaged("a timer cannot be decoded"))?);
            timers.next();
        }
        timers.status().map_err(store_error("read timers"))?;
        Ok(due)
    }
}

fn check_format(db: &DB, directory: &Path) -> Result<(), Error> {
    let meta = db.cf_handle(options::META).expect("all column families are created at opening");
    let stored = db.get_cf(meta, FORMAT_KEY).map_err(store_error("read the format version"))?;
    let Some(stored) = stored else {
        let mut write = WriteOptions::default();
        write.set_sync(true);
        return db
            .put_cf_opt(meta, FORMAT_KEY, FORMAT_VERSION.to_le_bytes(), &write)
            .map_err(store_error("write the format version"));
    };
    let found = stored.try_into().map(u32::from_le_bytes).map_err(|_| damaged("no format version"))?;
    if found > FORMAT_VERSION {
        let software = "a newer program".to_owned();
        return Err(Error::FormatNewer {
            directory: directory.to_owned(),
            found,
            known: FORMAT_VERSION,
            software,
        });
    }
    Ok(())
}

impl Drop for Store {
    fn drop(&mut self) {
        // What the operating system still has is on disk before the directory is sealed as closed.
        match self.db.flush_wal(true) {
            Ok(()) => {}
            // A store that was opened for looking has nothing of its own.
            Err(problem) if problem.kind() == rocksdb::ErrorKind::NotSupported => {}
            Err(problem) => {
                warn!(%problem, "log could not be closed cleanly; the next start recovers it");
                self.directory.leave_open();
            }
        }
    }
}
