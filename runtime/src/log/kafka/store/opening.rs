//! Opens a store, with what it may take of memory and files.

use std::path::Path;
use std::sync::{Arc, RwLock};

use rocksdb::{Cache, ColumnFamilyDescriptor, DB, IteratorMode, LogLevel, Options, WriteBufferManager};
use tracing::warn;

use super::{Known, PROGRESS, SECOND, STATE, Store, TIMERS, TIMERS_DUE, damaged, named, progress_row};
use crate::Error;
use crate::log::embedded::directory::Directory;
use crate::log::embedded::options::{LARGE_BUFFERS, SMALL_BUFFERS, looked_up, unused};

/// Memory of all stores of a process for what was read from them.
pub const STORES_BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Memory of all stores of a process for what was written and is not yet in files of its own. About so much: what is on its way into files
/// comes on top.
pub const STORES_WRITE_BUFFERS_BYTES: usize = 48 << 20;
/// Buffers are given memory in steps of this: with the default of a megabyte, the families of a dozen stores with next to nothing in them
/// would take all that there is.
const BUFFER_STEP_BYTES: usize = 64 << 10;
/// So many buffers that were written to files are merged at once: each time, about all that there is of a family is rewritten.
const FILES_MERGED: i32 = 8;
/// Who writes is slowed down when so many are there. A restore writes faster than files are merged, and more of them only for a while.
const FILES_MAX: i32 = 32;
const WAL_BYTES_MAX: u64 = 64 << 20;
const OPEN_FILES_MAX: i32 = 256;

/// What all stores of a process share. Memory is for those that are busy: each with a part of its own would have to have it for the most
/// that it is ever given.
pub(crate) struct Memory {
    cache: Cache,
    buffers: WriteBufferManager,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let cache = Cache::new_lru_cache(STORES_BLOCK_CACHE_BYTES);
        // Nobody is made to wait: whoever writes next has its oldest buffer written to a file.
        let buffers = WriteBufferManager::new_write_buffer_manager(STORES_WRITE_BUFFERS_BYTES, false);
        Self { cache, buffers }
    }
}

impl Store {
    /// Opens or creates it. A damaged one is set aside, and begun anew from the changelog.
    pub(crate) fn open(path: &Path, processors: &[Arc<str>], memory: &Memory) -> Result<Self, Error> {
        let processors: Arc<str> = named(processors.iter().map(|processor| &**processor)).into();
        match Self::open_as_it_is(path, processors.clone(), memory) {
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
                Self::open_as_it_is(path, processors, memory)
            }
            opened => opened,
        }
    }

    fn open_as_it_is(path: &Path, processors: Arc<str>, memory: &Memory) -> Result<Self, Error> {
        let mut directory = Directory::take(path)?;
        if let Some(what) = directory.distrusted() {
            return Err(Error::Damaged { what });
        }
        let options = options(directory.is_new(), memory);
        let opened = DB::open_cf_descriptors(&options, directory.store(), families(memory));
        let db = opened.map_err(|source| directory.unusable(source))?;
        directory.opened()?;
        let store = Self { db, processors, known: RwLock::default(), directory };
        store.look()?;
        store.sweep()?;
        Ok(store)
    }

    /// What is in force of each partition.
    fn look(&self) -> Result<(), Error> {
        let mut known = self.known_mut();
        for row in self.db.iterator_cf(self.family(PROGRESS), IteratorMode::Start) {
            let (key, value) = row.map_err(self.failed("read positions"))?;
            let (partition, progress, side) =
                progress_row(&key, &value).ok_or_else(|| damaged("a position cannot be decoded"))?;
            if partition & SECOND == 0 {
                known.insert(partition, Known { side, origin: progress.origin });
            }
        }
        Ok(())
    }
}

/// `create`: only for a directory that is known to be new; what is missing of another is damage.
fn options(create: bool, memory: &Memory) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(&memory.buffers);
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

fn families(memory: &Memory) -> Vec<ColumnFamilyDescriptor> {
    [STATE, TIMERS, TIMERS_DUE, PROGRESS]
        .into_iter()
        .map(|name| {
            let buffers = if name == STATE { LARGE_BUFFERS } else { SMALL_BUFFERS };
            let mut options = looked_up(&memory.cache, STORES_WRITE_BUFFERS_BYTES / buffers);
            options.set_level_zero_file_num_compaction_trigger(FILES_MERGED);
            options.set_level_zero_slowdown_writes_trigger(FILES_MAX);
            options.set_arena_block_size(BUFFER_STEP_BYTES);
            ColumnFamilyDescriptor::new(name, options)
        })
        .chain([unused()])
        .collect()
}
