//! How large the store is: for metrics. RocksDB keeps these numbers anyway; asking costs microseconds.

use super::store::{Store, store_error};
use super::{Embedded, options};
use crate::Error;

/// Sizes as RocksDB knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of each kind of content, the bytes of its files on disk: what is only in the write-ahead log is not among them.
    pub file_bytes: Vec<(&'static str, u64)>,
    /// Memory of what was read.
    pub block_cache_bytes: u64,
    /// Memory of what was written and is not in files yet.
    pub write_buffers_bytes: u64,
    /// How many timers are set, about: what was set anew since the last compaction counts twice.
    pub timers_estimate: u64,
}

/// What a person would call the contents of the column families.
const CONTENTS: [(&str, &str); 7] = [
    ("records", options::LOG),
    ("state", options::STATE),
    ("timers", options::TIMERS),
    ("timersDue", options::TIMERS_DUE),
    ("positions", options::POSITIONS),
    ("meta", options::META),
    ("newest", options::NEWEST),
];

impl Embedded {
    /// # Errors
    /// The store cannot be asked.
    pub fn sizes(&self) -> Result<Sizes, Error> {
        let store = &self.inner.store;
        let mut sizes = Sizes::default();
        for (content, family) in CONTENTS {
            sizes.file_bytes.push((content, property(store, family, "rocksdb.total-sst-files-size")?));
            sizes.write_buffers_bytes += property(store, family, "rocksdb.cur-size-all-mem-tables")?;
        }
        // One cache for all families: whichever is asked, it answers for all.
        sizes.block_cache_bytes = property(store, options::LOG, "rocksdb.block-cache-usage")?;
        sizes.timers_estimate = property(store, options::TIMERS, "rocksdb.estimate-num-keys")?;
        Ok(sizes)
    }
}

fn property(store: &Store, family: &str, name: &str) -> Result<u64, Error> {
    let value = store.db().property_int_value_cf(store.family(family), name);
    Ok(value.map_err(store_error("ask for the size of the store"))?.unwrap_or_default())
}
