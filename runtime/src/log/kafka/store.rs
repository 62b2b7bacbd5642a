//! The state of one worker on its own disk: what the changelog says, up to a position that is written with it.
//!
//! It is at most behind the changelog, never ahead: written only once a transaction is known to be committed, cells,
//! timers and position in one write. So after any crash the gap is replayed, and nothing is thrown away.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    LogLevel, Options, ReadOptions, WriteBatch,
};
use tracing::warn;

use super::changelog::Change;
use crate::Error;
use crate::log::Batch;
use crate::log::embedded::directory::Directory;
use crate::store::keys::{self, CellKey, TimerKey};
use crate::timer::DueTimer;

const STATE: &str = "state";
const TIMERS: &str = "timers";
const TIMERS_DUE: &str = "timers_due";
/// partition → [`Progress`].
pub(super) const PROGRESS: &str = "progress";

const BLOCK_CACHE_BYTES: usize = 32 << 20;
const WRITE_BUFFERS_BYTES: usize = 48 << 20;
const WAL_BYTES_MAX: u64 = 64 << 20;
const OPEN_FILES_MAX: i32 = 256;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// How many timers are unlinked from their due times in one write, when a partition is emptied.
const CLEAR_TIMERS_MAX: usize = 10_000;

/// How far a partition's changelog is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The offset of the first record that is not in it.
    pub next_offset: i64,
    /// UTC milliseconds: when the store was last known to have all that the changelog had.
    pub applied_ms: i64,
    /// Begun anew and not yet at the end: it may still hold keys of before.
    pub rebuilding: bool,
    /// Whose state is in it, separated by commas; that of others is passed over.
    pub processors: String,
}

impl Progress {
    fn encode(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(17 + self.processors.len());
        raw.extend_from_slice(&self.next_offset.to_be_bytes());
        raw.extend_from_slice(&self.applied_ms.to_be_bytes());
        raw.push(u8::from(self.rebuilding));
        raw.extend_from_slice(self.processors.as_bytes());
        raw
    }

    pub(super) fn decode(raw: &[u8]) -> Option<Self> {
        let (next_offset, rest) = raw.split_at_checked(8)?;
        let (applied_ms, rest) = rest.split_at_checked(8)?;
        let (rebuilding, processors) = rest.split_first()?;
        Some(Self {
            next_offset: i64::from_be_bytes(next_offset.try_into().ok()?),
            applied_ms: i64::from_be_bytes(applied_ms.try_into().ok()?),
            rebuilding: *rebuilding != 0,
            processors: String::from_utf8(processors.to_vec()).ok()?,
        })
    }
}

/// One worker's store. Dropped last by whoever holds it last: then its directory is free.
pub(crate) struct Store {
    // Before the directory: closed while that is still ours.
    db: DB,
    /// Whose state it keeps, in one string that is the same for the same set.
    processors: Arc<str>,
    _directory: Directory,
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

fn failed(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Error {
    move |source| Error::Store { doing, source: source.into() }
}

fn damaged(what: &str) -> Error {
    Error::Damaged { what: what.to_owned() }
}

impl Store {
    /// Opens or creates it. A damaged one is set aside, and begun anew from the changelog.
    pub(crate) fn open(path: &Path, processors: &[Arc<str>]) -> Result<Self, Error> {
        let processors: Arc<str> = named(processors.iter().map(|processor| &**processor)).into();
        match Self::open_as_it_is(path, processors.clone()) {
            Err(Error::Damaged { what }) => {
                let aside = path.with_extension("damaged");
                warn!(
                    directory = %path.display(), aside = %aside.display(), what,
                    "store is damaged; it is set aside and rebuilt from the changelog"
                );
                let moved = match std::fs::remove_dir_all(&aside) {
                    Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => Err(problem),
                    _ => std::fs::rename(path, &aside),
                };
                moved.map_err(|source| Error::DirectoryOpen {
                    directory: path.to_owned(),
                    source: source.into(),
                })?;
                Self::open_as_it_is(path, processors)
            }
            opened => opened,
        }
    }

    fn open_as_it_is(path: &Path, processors: Arc<str>) -> Result<Self, Error> {
        let mut directory = Directory::take(path)?;
        let opened = DB::open_cf_descriptors(&options(directory.is_new()), directory.store(), families());
        let db = opened.map_err(|source| directory.unusable(source))?;
        directory.opened()?;
        Ok(Self { db, processors, _directory: directory })
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("all column families are created at opening")
    }

    /// None: nothing of the partition was ever here.
    pub(crate) fn progress(&self, partition: u32) -> Result<Option<Progress>, Error> {
        let raw = self.get(PROGRESS, &partition.to_be_bytes())?;
        raw.map(|raw| Progress::decode(&raw).ok_or_else(|| damaged("a position cannot be decoded")))
            .transpose()
    }

    pub(crate) fn processors(&self) -> &Arc<str> {
        &self.processors
    }

    fn put_progress(
        &self,
        write: &mut WriteBatch,
        partition: u32,
        next_offset: i64,
        rebuilding: bool,
        now_ms: i64,
    ) {
        let processors = self.processors.to_string();
        let progress = Progress { next_offset, applied_ms: now_ms, rebuilding, processors };
        write.put_cf(self.family(PROGRESS), partition.to_be_bytes(), progress.encode());
    }

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

    fn put_cell(&self, write: &mut WriteBatch, cell: &CellKey, value: Option<&[u8]>) {
        match value {
            Some(value) => write.put_cf(self.family(STATE), cell.as_bytes(), value),
            None => write.delete_cf(self.family(STATE), cell.as_bytes()),
        }
    }

    /// What a committed batch changed, with where its changes end in the changelog.
    pub(crate) fn apply(&self, batch: &Batch, ends: &HashMap<u32, i64>, now_ms: i64) -> Result<(), Error> {
        if ends.is_empty() {
            return Ok(());
        }
        let mut write = WriteBatch::default();
        for change in &batch.cells {
            self.put_cell(&mut write, &change.cell, change.value.as_deref());
        }
        for change in &batch.timers {
            self.put_timer(&mut write, &change.timer, change.before_ms, change.due_ms);
        }
        for (partition, next_offset) in ends {
            self.put_progress(&mut write, *partition, *next_offset, false, now_ms);
        }
        self.db.write(write).map_err(failed("write committed state"))
    }

    /// What was read from the changelog, in its sequence, up to `next_offset`. `rebuilding`: there is more to come.
    pub(crate) fn replay(
        &self,
        partition: u32,
        changes: &[Change],
        next_offset: i64,
        rebuilding: bool,
        now_ms: i64,
    ) -> Result<(), Error> {
        let mut write = WriteBatch::default();
        let mut due: HashMap<&TimerKey, Option<i64>> = HashMap::new();
        for change in changes {
            match change {
                Change::Cell(cell, value) => self.put_cell(&mut write, cell, value.as_deref()),
                Change::Timer(timer, due_ms) => {
                    let before_ms = match due.get(timer) {
                        Some(before_ms) => *before_ms,
                        None => self.timer_due_ms(timer)?,
                    };
                    self.put_timer(&mut write, timer, before_ms, *due_ms);
                    due.insert(timer, *due_ms);
                }
            }
        }
        self.put_progress(&mut write, partition, next_offset, rebuilding, now_ms);
        self.db.write(write).map_err(failed("write replayed state"))
    }

    /// Empties a partition, to be rebuilt from `next_offset` on. Should it be cut short, the mark that it began stays.
    pub(crate) fn clear(&self, partition: u32, next_offset: i64) -> Result<(), Error> {
        let mut write = WriteBatch::default();
        self.put_progress(&mut write, partition, next_offset, true, 0);
        self.db.write(write).map_err(failed("begin to rebuild state"))?;
        let from = partition.to_be_bytes().to_vec();
        let end = keys::prefix_end(&from).expect("partitions end far below u32::MAX");
        loop {
            let mut write = WriteBatch::default();
            let mut timers = self.iterator(TIMERS, Some(end.clone()));
            timers.seek(&from);
            let mut count = 0;
            while count < CLEAR_TIMERS_MAX
                && let Some((key, due_ms)) = timers.item()
            {
                let timer =
                    TimerKey::from_encoded(key).ok_or_else(|| damaged("a timer cannot be decoded"))?;
                self.put_timer(&mut write, &timer, Some(decode_due_ms(due_ms)?), None);
                count += 1;
                timers.next();
            }
            timers.status().map_err(failed("read timers"))?;
            if count == 0 {
                break;
            }
            self.db.write(write).map_err(failed("empty timers"))?;
        }
        let mut write = WriteBatch::default();
        write.delete_range_cf(self.family(STATE), &from, &end);
        self.db.write(write).map_err(failed("empty state"))
    }

    /// The partitions are held, so nobody else has changed them: the store is as new as it can be.
    pub(crate) fn touch(&self, partitions: impl Iterator<Item = u32>, now_ms: i64) -> Result<(), Error> {
        let mut write = WriteBatch::default();
        for partition in partitions {
            if let Some(progress) = self.progress(partition)? {
                self.put_progress(&mut write, partition, progress.next_offset, progress.rebuilding, now_ms);
            }
        }
        self.db.write(write).map_err(failed("write the time of the store"))
    }

    fn iterator(&self, family: &str, end: Option<Vec<u8>>) -> DBRawIterator<'_> {
        let mut read = ReadOptions::default();
        if let Some(end) = end {
            read.set_iterate_upper_bound(end);
        }
        self.db.raw_iterator_cf_opt(self.family(family), read)
    }

    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.db.get_pinned_cf(self.family(family), key).map_err(failed("read the store"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(crate) fn cell(&self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get(STATE, cell)
    }

    pub(crate) fn cells(&self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        let mut cells = self.iterator(STATE, keys::prefix_end(prefix));
        cells.seek(prefix);
        let mut found = Vec::new();
        while found.len() < cells_max
            && let Some((key, value)) = cells.item()
        {
            found.push((CellKey::from_encoded(key), Bytes::copy_from_slice(value)));
            cells.next();
        }
        cells.status().map_err(failed("read state"))?;
        Ok(found)
    }

    pub(crate) fn timer_due_ms(&self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        self.get(TIMERS, timer.as_bytes())?.map(|raw| decode_due_ms(&raw)).transpose()
    }

    /// The timers of one processor due at `until_ms` or before, and not before `from_ms`, by (due, key, name).
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
        let mut timers = self.iterator(TIMERS_DUE, Some(below(end)));
        timers.seek(below(keys::due_prefix(partition, from_ms)));
        let mut due = Vec::new();
        while due.len() < timers_max
            && let Some(key) = timers.key()
        {
            due.push(keys::decode_due_of_processor(key).ok_or_else(|| damaged("a timer cannot be decoded"))?);
            timers.next();
        }
        timers.status().map_err(failed("read timers"))?;
        Ok(due)
    }
}

fn decode_due_ms(raw: &[u8]) -> Result<i64, Error> {
    raw.try_into().map(i64::from_be_bytes).map_err(|_| damaged("a due time cannot be decoded"))
}

/// `create`: only for a directory that is known to be new; what is missing of another is damage.
fn options(create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    // No fsync per write: what a power cut takes is in the changelog. All before the first gap counts.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::PointInTime);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    [STATE, TIMERS, TIMERS_DUE, PROGRESS]
        .into_iter()
        .map(|name| {
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            blocks.set_cache_index_and_filter_blocks(true);
            blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
            let mut options = Options::default();
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(WRITE_BUFFERS_BYTES / 4);
            options.set_block_based_table_factory(&blocks);
            ColumnFamilyDescriptor::new(name, options)
        })
        .collect()
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(problem) = self.db.flush_wal(true) {
            warn!(%problem, "store could not be closed cleanly; the next start replays the changelog");
        }
    }
}
