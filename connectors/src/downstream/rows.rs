//! Where the ledger's rows lie: on disk, or in memory for a simulation that keeps thousands of ledgers a minute.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DEFAULT_COLUMN_FAMILY_NAME, IteratorMode,
    Options, WriteBatch, WriteOptions,
};

pub(super) const ENTRIES: &str = "entries";
pub(super) const ANSWERS: &str = "answers";
pub(super) const COUNTERS: &str = "counters";
const FAMILIES: [&str; 3] = [ENTRIES, ANSWERS, COUNTERS];
const MEMTABLE_BYTES_MAX: usize = 8 * 1_048_576;

/// A family and the key of a row in it.
type Name = (&'static str, Vec<u8>);
/// A row's new value; absent: it is removed.
pub(super) type Change = (Name, Option<Vec<u8>>);
pub(super) type Row = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
pub(super) enum Rows {
    Disk(DB),
    Memory(Mutex<BTreeMap<Name, Vec<u8>>>),
}

impl Rows {
    /// Opens for writing, and creates what is missing.
    pub fn open(directory: &Path) -> Result<Rows, rocksdb::Error> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(2);
        // With the one that nothing is written to: RocksDB sets room aside by the largest buffer of all.
        let families = FAMILIES.into_iter().chain([DEFAULT_COLUMN_FAMILY_NAME]);
        let families = families.map(|name| ColumnFamilyDescriptor::new(name, family_options()));
        DB::open_cf_descriptors(&options, directory, families).map(Rows::Disk)
    }

    /// Opens for reading only, as of now, beside a process that writes.
    pub fn read(directory: &Path) -> Result<Rows, rocksdb::Error> {
        DB::open_cf_for_read_only(&Options::default(), directory, FAMILIES, false).map(Rows::Disk)
    }

    pub fn in_memory() -> Rows {
        Rows::Memory(Mutex::default())
    }

    /// All rows of a family, by key.
    pub fn scan(&self, family: &'static str) -> Box<dyn Iterator<Item = Result<Row, rocksdb::Error>> + '_> {
        match self {
            Rows::Disk(db) => {
                let rows = db.iterator_cf(handle(db, family), IteratorMode::Start);
                Box::new(rows.map(|row| row.map(|(key, value)| (key.into_vec(), value.into_vec()))))
            }
            Rows::Memory(rows) => {
                let rows = held(rows);
                let of_family = rows.range((family, Vec::new())..).take_while(|((of, _), _)| *of == family);
                let found: Vec<Row> =
                    of_family.map(|((_, key), value)| (key.clone(), value.clone())).collect();
                Box::new(found.into_iter().map(Ok))
            }
        }
    }

    /// The rows of these keys, in their sequence.
    pub fn get(
        &self,
        family: &'static str,
        keys: &[Vec<u8>],
    ) -> Vec<Result<Option<Vec<u8>>, rocksdb::Error>> {
        match self {
            Rows::Disk(db) => {
                let family = handle(db, family);
                db.multi_get_cf(keys.iter().map(|key| (family, key)))
            }
            Rows::Memory(rows) => {
                let rows = held(rows);
                keys.iter().map(|key| Ok(rows.get(&(family, key.clone())).cloned())).collect()
            }
        }
    }

    /// All or nothing; where `sync` says so, on disk before it returns.
    pub fn write(&self, changes: Vec<Change>, sync: bool) -> Result<(), rocksdb::Error> {
        match self {
            Rows::Disk(db) => {
                let mut batch = WriteBatch::default();
                for ((family, key), value) in changes {
                    match value {
                        Some(value) => batch.put_cf(handle(db, family), key, value),
                        None => batch.delete_cf(handle(db, family), key),
                    }
                }
                let mut options = WriteOptions::default();
                options.set_sync(sync);
                db.write_opt(batch, &options)
            }
            Rows::Memory(rows) => {
                let mut rows = held(rows);
                for (name, value) in changes {
                    match value {
                        Some(value) => rows.insert(name, value),
                        None => rows.remove(&name),
                    };
                }
                Ok(())
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle<'a>(db: &'a DB, family: &str) -> &'a ColumnFamily {
    db.cf_handle(family).expect("every family in FAMILIES is opened with the ledger")
}

fn family_options() -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(MEMTABLE_BYTES_MAX);
    options
}
