//! How RocksDB is set up: one store, little memory, nothing written without its write-ahead log.
//!
//! Resident memory is bounded by [`Memory`], whose defaults leave a process of 300 MB more than half for everything else. All column
//! families share both.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, DEFAULT_COLUMN_FAMILY_NAME, LogLevel, Options,
    UniversalCompactOptions,
};

use super::Durability;

/// Records: (topic, partition, offset) → timestamp, key, headers, value.
pub(crate) const LOG: &str = "log";
/// Cells: [`crate::CellKey`] → value.
pub(crate) const STATE: &str = "state";
/// Timers by name: [`crate::TimerKey`] → due time.
pub(crate) const TIMERS: &str = "timers";
/// Timers by due time: processor, then [`crate::TimerKey::at_due`] → nothing.
pub(crate) const TIMERS_DUE: &str = "timers_due";
/// (group, topic, partition) → next offset.
pub(crate) const POSITIONS: &str = "positions";
/// Format, topics, where each partition begins, and what the caller keeps.
pub(crate) const META: &str = "meta";
/// Of compacted topics: (topic, partition, key) → the offset of its newest record that compaction has seen.
pub(crate) const NEWEST: &str = "newest";

/// How much memory the store may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// For what was read.
    pub block_cache_bytes: usize,
    /// For what was written and is not in files of its own yet.
    pub write_buffers_bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { block_cache_bytes: 32 << 20, write_buffers_bytes: 48 << 20 }
    }
}

/// One buffer of a column family with much in it, as a share of all: several are full at the same time.
pub(crate) const LARGE_BUFFERS: usize = 4;
/// The same for one with little in it.
pub(crate) const SMALL_BUFFERS: usize = 16;
/// The smallest that there can be.
const UNUSED_BUFFER_BYTES: usize = 64 << 10;
const WAL_BYTES_MAX: u64 = 128 << 20;
const BLOCK_BYTES: usize = 16 << 10;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Indexes and filters are in pieces of this size. In one piece they are as large as the file allows, and with many orders there are more
/// than the cache holds: then each look at a cell that is not cached would read a megabyte.
const METADATA_BLOCK_BYTES: usize = 4 << 10;
const OPEN_FILES_MAX: i32 = 256;
const BACKGROUND_JOBS: i32 = 2;
/// A cell or a timer that is not there is asked for as often as one that is: each order begins with nothing. As a share of the buffer.
const BUFFER_BLOOM_RATIO: f64 = 0.02;
/// So many files of the log are merged at once. Fewer would be merged, and compressed, more often; more would all be looked into.
const LOG_FILES_MERGED: i32 = 8;
/// The newest records are in small files that are soon merged: only what is older is compressed.
const LOG_COMPRESSED_PERCENT: i32 = 80;
/// Of cells, timers and positions: what is soon overwritten is not worth compressing.
const BY_LEVEL: [DBCompressionType; 4] =
    [DBCompressionType::None, DBCompressionType::None, DBCompressionType::Lz4, DBCompressionType::Lz4];
const INFO_LOG_FILES_MAX: usize = 2;
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
/// Written back bit by bit, so that one fsync does not have to wait for a whole file.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// `create`: only for a directory that is known to be new; what is missing of another is damage.
pub(crate) fn database(create: bool, memory: Memory, durability: Durability) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(memory.write_buffers_bytes);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_wal_recovery_mode(match durability {
        // A torn write at the end is a batch that nobody was told of. Damage before the end is what somebody was told of: refused.
        Durability::Fsync => DBRecoveryMode::TolerateCorruptedTailRecords,
        // The operating system writes in whatever sequence it likes: after a power cut, all before the first gap counts.
        Durability::Os => DBRecoveryMode::PointInTime,
    });
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(INFO_LOG_FILES_MAX);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_stats_dump_period_sec(0);
    options
}

pub(crate) fn families(memory: Memory) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(memory.block_cache_bytes);
    [LOG, STATE, TIMERS, TIMERS_DUE, POSITIONS, META, NEWEST]
        .into_iter()
        .map(|name| ColumnFamilyDescriptor::new(name, family(name, &cache, memory)))
        .chain([unused()])
        .collect()
}

/// RocksDB keeps a family that nothing here writes to. The largest buffer counts nevertheless: so much is set aside for each file of the
/// log of writes, and a store whose disk was full goes on only once there is so much room.
pub(crate) fn unused() -> ColumnFamilyDescriptor {
    let mut options = Options::default();
    options.set_write_buffer_size(UNUSED_BUFFER_BYTES);
    ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, options)
}

fn family(name: &str, cache: &Cache, memory: Memory) -> Options {
    match name {
        LOG => {
            let mut options = Options::default();
            // Read in sequence and hardly ever rewritten: fewer, larger merges.
            let mut merging = UniversalCompactOptions::default();
            merging.set_compression_size_percent(LOG_COMPRESSED_PERCENT);
            options.set_compaction_style(DBCompactionStyle::Universal);
            options.set_universal_compaction_options(&merging);
            options.set_level_zero_file_num_compaction_trigger(LOG_FILES_MERGED);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(memory.write_buffers_bytes / LARGE_BUFFERS);
            options.set_block_based_table_factory(&in_pieces(cache));
            options
        }
        STATE => looked_up(cache, memory.write_buffers_bytes / LARGE_BUFFERS),
        _ => looked_up(cache, memory.write_buffers_bytes / SMALL_BUFFERS),
    }
}

/// Indexes and filters count as what is cached, and come in by pieces.
fn in_pieces(cache: &Cache) -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(METADATA_BLOCK_BYTES);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks
}

/// What is asked for by its key, and often not there; `buffer_bytes`: of one buffer.
pub(crate) fn looked_up(cache: &Cache, buffer_bytes: usize) -> Options {
    let (mut blocks, mut options) = (in_pieces(cache), Options::default());
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    options.set_memtable_prefix_bloom_ratio(BUFFER_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    options.set_compression_per_level(&BY_LEVEL);
    options.set_write_buffer_size(buffer_bytes);
    options.set_block_based_table_factory(&blocks);
    options
}
