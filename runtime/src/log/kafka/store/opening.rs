//! Opens a store, with what it may take of memory and files.

use std::path::Path;
use std::sync::{Arc, RwLock};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, IteratorMode, LogLevel, Options,
};
use tracing::warn;

use super::{Known, PROGRESS, SECOND, STATE, Store, TIMERS, TIMERS_DUE, damaged, named, progress_row};
use crate::Error;
use crate::log::embedded::directory::Directory;
use crate::log::embedded::options::{in_pieces, unused};

/// Memory of each worker's store for what was read from it.
pub const STORE_BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Memory of each worker's store for what was written and is not yet in files of its own.
pub const STORE_WRITE_BUFFERS_BYTES: usize = 48 << 20;
const WAL_BYTES_MAX: u64 = 64 << 20;
const OPEN_FILES_MAX: i32 = 256;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

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
        if let Some(what) = directory.distrusted() {
            return Err(Error::Damaged { what });
        }
        let opened = DB::open_cf_descriptors(&options(directory.is_new()), directory.store(), families());
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
fn options(create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(STORE_WRITE_BUFFERS_BYTES);
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
    let cache = Cache::new_lru_cache(STORE_BLOCK_CACHE_BYTES);
    [STATE, TIMERS, TIMERS_DUE, PROGRESS]
        .into_iter()
        .map(|name| {
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            in_pieces(&mut blocks);
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
            let mut options = Options::default();
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(STORE_WRITE_BUFFERS_BYTES / 4);
            options.set_block_based_table_factory(&blocks);
            ColumnFamilyDescriptor::new(name, options)
        })
        .chain([unused()])
        .collect()
}
