//! The rows of a batch, in memory.
use std::collections::{BTreeMap, BTreeSet};

use super::Row;

/// Rows of one table as a batch sees them: read once, changed in memory, written once.
#[derive(Debug)]
pub(crate) struct Stage<R: Row> {
    rows: BTreeMap<R::Key, R>,
    changed: BTreeSet<R::Key>,
}

impl<R: Row> Stage<R> {
    pub fn new(loaded: Vec<R>) -> Stage<R> {
        Stage { rows: loaded.into_iter().map(|row| (row.key(), row)).collect(), changed: BTreeSet::new() }
    }

    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.rows.get(key)
    }

    /// The row, which will be written.
    pub fn change(&mut self, key: &R::Key) -> Option<&mut R> {
        let row = self.rows.get_mut(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    /// A new row, or one in another's place.
    pub fn put(&mut self, row: R) {
        self.changed.insert(row.key());
        self.rows.insert(row.key(), row);
    }

    /// The keys of the staged rows that are meant.
    pub fn keys(&self, meant: impl Fn(&R) -> bool) -> Vec<R::Key> {
        self.rows.iter().filter(|(_, row)| meant(row)).map(|(key, _)| key.clone()).collect()
    }

    /// The keys from the first on, as long as their rows are meant.
    pub fn keys_from(&self, first: R::Key, meant: impl Fn(&R) -> bool) -> Vec<R::Key> {
        self.rows.range(first..).take_while(|(_, row)| meant(row)).map(|(key, _)| key.clone()).collect()
    }

    /// Forgets rows; whoever calls sees to it that they leave the table too.
    pub fn forget(&mut self, keys: Vec<R::Key>) {
        for key in &keys {
            self.rows.remove(key);
            self.changed.remove(key);
        }
    }

    /// All rows, changed or not; of two with one key, the later.
    pub fn into_all(self) -> Vec<R> {
        self.rows.into_values().collect()
    }

    /// What has to be written.
    pub fn into_changed(mut self) -> Vec<R> {
        self.changed.iter().filter_map(|key| self.rows.remove(key)).collect()
    }
}
