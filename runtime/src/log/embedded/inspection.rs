//! Looking at what lies in the store: all of it, for tools. Beside a running log ([`super::Embedded`]) as much as it shows, and on a
//! directory that nobody has open ([`Inspection`]) everything, with nothing changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::format;
use super::store::{Store, store_error};
use super::{Embedded, caller_key, options};
use crate::Names;
use crate::record::{Record, Topics};
use crate::store::keys::{self, CellKey, CellParts, TimerKey};
use crate::timer::DueTimer;
use crate::{Error, SystemClock};

/// A group's positions in one topic; `None` for a partition of which it never committed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub next_offsets: Vec<Option<i64>>,
}

/// An entry of one of the two timer indexes, as bytes and as far as they can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTimer {
    /// `None`: it cannot be read.
    pub timer: Option<DueTimer>,
    /// The key in the store, as hex.
    pub key: String,
}

/// Bytes as hex, for what cannot be named otherwise.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// All groups with positions in a topic, by name.
    fn groups(&self, topic: usize) -> Result<Vec<Group>, Error> {
        let (id, partitions) = (self.topic_id(topic), self.topics().at(topic).partitions);
        let mut groups: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
        let mut rows = self.iterator(options::POSITIONS, None);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let damaged = || Error::Damaged { what: format!("position {} cannot be read", hex(key)) };
            let (group, found_id, partition) = format::decode_position_key(key).ok_or_else(damaged)?;
            if found_id == id && partition < partitions {
                let next_offset = format::decode_i64(value).ok_or_else(damaged)?;
                let group = groups.entry(group).or_insert_with(|| vec![None; partitions as usize]);
                group[partition as usize] = Some(next_offset);
            }
            rows.next();
        }
        rows.status().map_err(store_error("read positions"))?;
        Ok(groups.into_iter().map(|(name, next_offsets)| Group { name, next_offsets }).collect())
    }

    fn partition_bytes(&self, topic: usize, partition: u32) -> Result<u64, Error> {
        let (from, to) = (self.earliest(topic, partition), self.end(topic, partition));
        let mut bytes = 0;
        self.visit_raw((topic, partition), from, to, |_, raw| {
            bytes += (raw.len() + format::LOG_KEY_BYTES) as u64;
            Ok(true)
        })?;
        Ok(bytes)
    }

    fn visit_cells(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(Result<CellParts, String>, &[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut cells = self.iterator(options::STATE, keys::prefix_end(prefix));
        cells.seek(prefix);
        while let Some((key, value)) = cells.item() {
            let parts = CellKey::from_encoded(key).parts().ok_or_else(|| hex(key));
            if !visit(parts, value) {
                return Ok(());
            }
            cells.next();
        }
        cells.status().map_err(store_error("read state"))
    }
}

/// Everything about one key of one processor begins with this.
fn key_prefix(partition: u32, processor: &str, key: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::new();
    keys::encode_cell(&mut prefix, partition, processor, key, &[]);
    prefix
}

impl Embedded {
    /// Per partition, the first offset that retention has left.
    pub fn earliest_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        let store = &self.inner.store;
        let index = store.topics().index(topic)?;
        Ok((0..store.topics().at(index).partitions)
            .map(|partition| store.earliest(index, partition))
            .collect())
    }

    /// All groups with positions in a topic, by name.
    pub fn groups(&self, topic: &str) -> Result<Vec<Group>, Error> {
        self.inner.store.groups(self.inner.store.topics().index(topic)?)
    }

    /// Per partition, the bytes of all its records before compression. Reads every record.
    pub fn partition_bytes(&self, topic: &str) -> Result<Vec<u64>, Error> {
        let store = &self.inner.store;
        let index = store.topics().index(topic)?;
        (0..store.topics().at(index).partitions)
            .map(|partition| store.partition_bytes(index, partition))
            .collect()
    }

    /// One committed cell, beside whoever owns it.
    pub fn cell(
        &self,
        partition: u32,
        processor: &str,
        key: &[u8],
        cell: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        self.inner.store.get(options::STATE, CellKey::new(partition, processor, key, cell).as_bytes())
    }

    /// Why nothing can be written at the moment, as on a full disk; `None`: the last write succeeded.
    pub fn write_failure(&self) -> Option<Arc<str>> {
        self.inner.store.write_failure()
    }

    /// Where the log lies.
    pub fn directory(&self) -> &Path {
        self.inner.store.path()
    }
}

/// A log that nobody has open, for looking: all that lies in it, and nothing is changed. Locks the directory as long as it lives.
#[derive(Debug)]
pub struct Inspection {
    store: Store,
}

impl Inspection {
    /// Errors: there is no log, it is in use, of a newer version, or damaged so that it cannot be opened at all.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self { store: Store::open_read_only(directory, Arc::new(SystemClock))? })
    }

    /// All topics that were ever written here, with their partitions; what settings say of them is not known.
    pub fn topics(&self) -> &Arc<Topics> {
        self.store.topics()
    }

    /// Per partition, the first offset that is left and the one behind the last.
    pub fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, Error> {
        let index = self.store.topics().index(topic)?;
        let bounds = |partition| (self.store.earliest(index, partition), self.store.end(index, partition));
        Ok((0..self.store.topics().at(index).partitions).map(bounds).collect())
    }

    pub fn groups(&self, topic: &str) -> Result<Vec<Group>, Error> {
        self.store.groups(self.store.topics().index(topic)?)
    }

    /// Every record of a partition from an offset on, each with its offset, until `visit` says false; `None` for one that cannot be
    /// read.
    pub fn visit_records(
        &self,
        topic: &str,
        partition: u32,
        from: i64,
        mut visit: impl FnMut(i64, Option<Record>) -> bool,
    ) -> Result<(), Error> {
        let index = self.store.topics().index(topic)?;
        let name = self.store.topics().at(index).name.clone();
        let mut names = Names::default();
        self.store.visit_raw((index, partition), from, i64::MAX, |offset, raw| {
            Ok(visit(offset, format::decode_record(&name, partition, offset, raw, &mut names)))
        })
    }

    /// Every cell, until `visit` says false: its parts, or its key as hex where that cannot be read.
    pub fn visit_cells(
        &self,
        visit: impl FnMut(Result<CellParts, String>, &[u8]) -> bool,
    ) -> Result<(), Error> {
        self.store.visit_cells(&[], visit)
    }

    /// The cells of one key of one processor: (name, value), by name.
    pub fn cells(&self, partition: u32, processor: &str, key: &[u8]) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let mut cells = Vec::new();
        self.store.visit_cells(&key_prefix(partition, processor, key), |parts, value| {
            cells.extend(parts.ok().map(|parts| (parts.cell, Bytes::copy_from_slice(value))));
            true
        })?;
        Ok(cells)
    }

    /// Every timer by its name, until `visit` says false.
    pub fn visit_timers(&self, mut visit: impl FnMut(StoredTimer) -> bool) -> Result<(), Error> {
        let mut rows = self.store.iterator(options::TIMERS, None);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let due_ms = format::decode_i64(value);
            let timer = due_ms.and_then(|due_ms| TimerKey::from_encoded(key)?.due(due_ms));
            if !visit(StoredTimer { timer, key: hex(key) }) {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(store_error("read timers"))
    }

    /// Every timer by its due time, until `visit` says false.
    pub fn visit_timers_due(&self, mut visit: impl FnMut(StoredTimer) -> bool) -> Result<(), Error> {
        let mut rows = self.store.iterator(options::TIMERS_DUE, None);
        rows.seek_to_first();
        while let Some(key) = rows.key() {
            if !visit(StoredTimer { timer: keys::decode_due_of_processor(key), key: hex(key) }) {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(store_error("read timers"))
    }

    /// When a timer is due, by the index of names; `None`: it is not set.
    pub fn timer_due_ms(&self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        self.store.timer_due_ms(timer)
    }

    /// Whether a timer stands under its due time.
    pub fn is_due_at(&self, timer: &TimerKey, due_ms: i64) -> Result<bool, Error> {
        Ok(self.store.get(options::TIMERS_DUE, &timer.at_due_of_processor(due_ms))?.is_some())
    }

    /// What a caller of the log kept there.
    pub fn meta_get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.store.meta(&caller_key(key))
    }
}
