//! The state of one worker on its own disk: what the changelog says, up to a position that is written with it.
//!
//! It is at most behind the changelog, never ahead: written only once a transaction is known to be committed, cells,
//! timers and position in one write. So after any crash the gap is replayed, and nothing is thrown away. What cannot go on
//! is rebuilt in [`beside`], and is there until that is whole.

mod beside;
mod opening;
mod progress;
mod sides;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, DBRawIterator, FlushOptions, ReadOptions, WriteBatch};
use tracing::warn;

pub(super) use opening::Memory;
pub use opening::{STORES_BLOCK_CACHE_BYTES, STORES_WRITE_BUFFERS_BYTES};
pub use progress::{Origin, Progress};
pub(super) use sides::SECOND;
use sides::Side;

use super::changelog::Change;
use crate::Error;
use crate::log::Batch;
use crate::log::embedded::directory::Directory;
use crate::store::keys::{self, CellKey, TimerKey};
use crate::timer::DueTimer;

const STATE: &str = "state";
const TIMERS: &str = "timers";
const TIMERS_DUE: &str = "timers_due";
/// partition → [`Progress`]; with [`SECOND`] in the number, of what is being built.
pub(super) const PROGRESS: &str = "progress";

/// Where a committed batch lies in the changelog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// By partition, the offset behind its last record.
    pub(crate) ends: HashMap<u32, i64>,
    /// Of the partitions that had none before.
    pub(crate) origins: HashMap<u32, Origin>,
}

/// How far a partition is after a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) next_offset: i64,
    pub(crate) applied_ms: i64,
    pub(crate) origin: Option<Origin>,
}

/// Where what is replayed goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onto {
    InForce,
    /// What is being rebuilt.
    Beside,
}

/// What is in force of a partition.
#[derive(Clone, Debug)]
struct Known {
    side: Side,
    origin: Option<Origin>,
}

/// One worker's store. Dropped last by whoever holds it last: then its directory is free.
pub(crate) struct Store {
    // Before the directory: closed while that is still ours.
    db: DB,
    /// Whose state it keeps, in one string that is the same for the same set.
    processors: Arc<str>,
    known: RwLock<HashMap<u32, Known>>,
    directory: Directory,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("directory", &self.db.path()).finish_non_exhaustive()
    }
}

/// A set of processors in one string, the same for the same set.
pub fn named<'a>(processors: impl Iterator<Item = &'a str>) -> String {
    let mut named: Vec<&str> = processors.collect();
    named.sort_unstable();
    named.join(",")
}

fn damaged(what: &str) -> Error {
    Error::Damaged { what: what.to_owned() }
}

impl Store {
    fn known(&self) -> RwLockReadGuard<'_, HashMap<u32, Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, HashMap<u32, Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What RocksDB's error means. A block that was changed on the disk stays so: nobody goes on with such a store, and it is made anew
    /// when it is opened next.
    fn failed(&self, doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Error + '_ {
        move |source| {
            if source.kind() != rocksdb::ErrorKind::Corruption {
                return Error::Store { doing, source: source.into() };
            }
            let what = format!("could not {doing}: {source}");
            self.directory.distrust(&what);
            Error::Damaged { what }
        }
    }

    /// The side of a partition that is in force.
    fn side(&self, partition: u32) -> Side {
        self.known().get(&partition).map_or(Side::First, |known| known.side)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("all column families are created at opening")
    }

    /// How much may still be written on its disk.
    pub(crate) fn disk_left_bytes(&self) -> Result<u64, Error> {
        fs4::available_space(self.db.path())
            .map_err(|source| Error::Store { doing: "ask how much disk is left", source: source.into() })
    }

    /// None: nothing of the partition was ever here.
    pub(crate) fn progress(&self, partition: u32) -> Result<Option<Progress>, Error> {
        Ok(self.read_progress(partition)?.map(|(progress, _)| progress))
    }

    fn read_progress(&self, partition: u32) -> Result<Option<(Progress, Side)>, Error> {
        let raw = self.get(PROGRESS, &partition.to_be_bytes())?;
        let decode = |raw: Bytes| Progress::decode(&raw);
        raw.map(|raw| decode(raw).ok_or_else(|| damaged("a position cannot be decoded"))).transpose()
    }

    pub(crate) fn processors(&self) -> &Arc<str> {
        &self.processors
    }

    /// Whether it is one of those whose state is kept here.
    pub(crate) fn keeps(&self, processor: &[u8]) -> bool {
        self.processors.split(',').any(|kept| kept.as_bytes() == processor)
    }

    fn progress_of(&self, reached: &Reached, rebuilding: bool) -> Progress {
        let Reached { next_offset, applied_ms, origin } = reached.clone();
        Progress { next_offset, applied_ms, rebuilding, processors: self.processors.to_string(), origin }
    }

    /// Of the name on its side, as all others here.
    fn put_timer(
        &self,
        write: &mut WriteBatch,
        timer: &TimerKey,
        before_ms: Option<i64>,
        due_ms: Option<i64>,
    ) {
        if let Some(before_ms) = before_ms {
            write.delete_cf(self.family(TIMERS_DUE), timer.at_due_of_processor(before_ms));
        }
        match due_ms {
            Some(due_ms) => {
                write.put_cf(self.family(TIMERS), timer.as_bytes(), due_ms.to_be_bytes());
                write.put_cf(self.family(TIMERS_DUE), timer.at_due_of_processor(due_ms), []);
            }
            None => write.delete_cf(self.family(TIMERS), timer.as_bytes()),
        }
    }

    fn put_cell(&self, write: &mut WriteBatch, cell: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => write.put_cf(self.family(STATE), cell, value),
            None => write.delete_cf(self.family(STATE), cell),
        }
    }

    /// What a committed batch changed, with where its changes lie in the changelog. `known_ms`: when it was certain that nobody
    /// else has the partitions.
    pub(crate) fn apply(&self, batch: &Batch, written: &Written, known_ms: i64) -> Result<(), Error> {
        if written.ends.is_empty() {
            return Ok(());
        }
        let known = self.known();
        let side = |partition: u32| known.get(&partition).map_or(Side::First, |known| known.side);
        let mut write = WriteBatch::default();
        for change in &batch.cells {
            let cell = side(change.cell.partition()).name(change.cell.as_bytes());
            self.put_cell(&mut write, &cell, change.value.as_deref());
        }
        for change in &batch.timers {
            let timer = side(change.timer.partition()).timer(&change.timer);
            self.put_timer(&mut write, &timer, change.before_ms, change.due_ms);
        }
        for (partition, next_offset) in &written.ends {
            let origin = written.origins.get(partition);
            let origin =
                origin.or_else(|| known.get(partition).and_then(|known| known.origin.as_ref())).cloned();
            let reached = Reached { next_offset: *next_offset, applied_ms: known_ms, origin };
            let progress = self.progress_of(&reached, false).encode(side(*partition));
            write.put_cf(self.family(PROGRESS), partition.to_be_bytes(), progress);
        }
        drop(known);
        self.db.write(write).map_err(self.failed("write committed state"))?;
        if !written.origins.is_empty() {
            let mut known = self.known_mut();
            for (partition, origin) in &written.origins {
                let side = known.get(partition).map_or(Side::First, |known| known.side);
                known.insert(*partition, Known { side, origin: Some(origin.clone()) });
            }
        }
        Ok(())
    }

    /// What was read from the changelog, in its sequence, and how far that is.
    pub(crate) fn replay(
        &self,
        partition: u32,
        onto: Onto,
        changes: &[Change],
        reached: &Reached,
    ) -> Result<(), Error> {
        let (side, key) = match onto {
            Onto::InForce => (self.side(partition), partition),
            Onto::Beside => (self.building_side(partition), Side::Second.partition(partition)),
        };
        let mut write = WriteBatch::default();
        let mut due: HashMap<&TimerKey, Option<i64>> = HashMap::new();
        for change in changes {
            match change {
                Change::Cell(cell, value) => {
                    self.put_cell(&mut write, &side.name(cell.as_bytes()), value.as_deref());
                }
                Change::Timer(timer, due_ms) => {
                    let on_side = side.timer(timer);
                    let before_ms = match due.get(timer) {
                        Some(before_ms) => *before_ms,
                        None => self.due_ms(on_side.as_bytes())?,
                    };
                    self.put_timer(&mut write, &on_side, before_ms, *due_ms);
                    due.insert(timer, *due_ms);
                }
            }
        }
        let progress = self.progress_of(reached, onto == Onto::Beside).encode(side);
        write.put_cf(self.family(PROGRESS), key.to_be_bytes(), progress);
        self.db.write(write).map_err(self.failed("write replayed state"))?;
        if onto == Onto::InForce {
            self.known_mut().insert(partition, Known { side, origin: reached.origin.clone() });
        }
        Ok(())
    }

    /// Begins to write to files what is in memory, and does not wait for it. That it fails is told by whoever writes next.
    pub(crate) fn write_out(&self) {
        let mut begin = FlushOptions::default();
        begin.set_wait(false);
        for family in [STATE, TIMERS, TIMERS_DUE] {
            if let Err(problem) = self.db.flush_cf_opt(self.family(family), &begin) {
                warn!(%problem, family, "what was read back is not in files yet");
            }
        }
    }

    /// The partitions are held, so nobody else has changed them: the store is as new as it can be.
    pub(crate) fn touch(&self, partitions: impl Iterator<Item = u32>, now_ms: i64) -> Result<(), Error> {
        let mut write = WriteBatch::default();
        for partition in partitions {
            if let Some((progress, side)) = self.read_progress(partition)? {
                let progress = Progress { applied_ms: now_ms, ..progress };
                write.put_cf(self.family(PROGRESS), partition.to_be_bytes(), progress.encode(side));
            }
        }
        self.db.write(write).map_err(self.failed("write the time of the store"))
    }

    fn iterator(&self, family: &str, end: Option<Vec<u8>>) -> DBRawIterator<'_> {
        let mut read = ReadOptions::default();
        if let Some(end) = end {
            read.set_iterate_upper_bound(end);
        }
        self.db.raw_iterator_cf_opt(self.family(family), read)
    }

    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.db.get_pinned_cf(self.family(family), key).map_err(self.failed("read the store"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// A name of a partition, as what is in force has it.
    fn in_force<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        let partition = name.first_chunk().map_or(0, |partition| u32::from_be_bytes(*partition));
        self.side(partition).name(name)
    }

    pub(crate) fn cell(&self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get(STATE, &self.in_force(cell))
    }

    pub(crate) fn cells(&self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        let prefix = self.in_force(prefix);
        let mut cells = self.iterator(STATE, keys::prefix_end(&prefix));
        cells.seek(&prefix);
        let mut found = Vec::new();
        while found.len() < cells_max
            && let Some((name, value)) = cells.item()
        {
            let cell = CellKey::from_encoded(&sides::name_without_side(name));
            found.push((cell, Bytes::copy_from_slice(value)));
            cells.next();
        }
        cells.status().map_err(self.failed("read state"))?;
        Ok(found)
    }

    pub(crate) fn timer_due_ms(&self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        self.due_ms(&self.in_force(timer.as_bytes()))
    }

    fn due_ms(&self, timer: &[u8]) -> Result<Option<i64>, Error> {
        self.get(TIMERS, timer)?.map(|raw| decode_due_ms(&raw)).transpose()
    }

    /// The timers of one processor due at `until_ms` or before, and not before `from_ms`, by (due, key, name).
    pub(crate) fn due_timers(
        &self,
        processor: &str,
        partition: u32,
        (from_ms, until_ms): (i64, i64),
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        let on_side = self.side(partition).partition(partition);
        let below = |place: Vec<u8>| [keys::due_prefix_of_processor(processor), place].concat();
        let end = match until_ms.checked_add(1) {
            Some(after_ms) => keys::due_prefix(on_side, after_ms),
            None => keys::due_prefix(on_side + 1, i64::MIN), // partitions end far below what the bit leaves
        };
        let mut timers = self.iterator(TIMERS_DUE, Some(below(end)));
        timers.seek(below(keys::due_prefix(on_side, from_ms)));
        let mut due = Vec::new();
        while due.len() < timers_max
            && let Some(key) = timers.key()
        {
            let found = keys::decode_due_of_processor(key);
            due.push(DueTimer { partition, ..found.ok_or_else(|| damaged("a timer cannot be decoded"))? });
            timers.next();
        }
        timers.status().map_err(self.failed("read timers"))?;
        Ok(due)
    }
}

/// A row of the positions. None: it is damaged.
pub(super) fn progress_row(key: &[u8], value: &[u8]) -> Option<(u32, Progress, Side)> {
    let partition = u32::from_be_bytes(key.try_into().ok()?);
    let (progress, side) = Progress::decode(value)?;
    Some((partition, progress, side))
}

fn decode_due_ms(raw: &[u8]) -> Result<i64, Error> {
    raw.try_into().map(i64::from_be_bytes).map_err(|_| damaged("a due time cannot be decoded"))
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(problem) = self.db.flush_wal(true) {
            warn!(%problem, "store could not be closed cleanly; the next start replays the changelog");
        }
    }
}
