//! The rows of a batch, in memory.
use std::collections::{BTreeMap, BTreeSet};

use super::Row;
use crate::dialect::Value;

/// Rows of one table as a batch sees them: read once, changed in memory, written once.
#[derive(Debug)]
pub(crate) struct Stage<R: Row> {
    rows: BTreeMap<R::Key, R>,
    changed: BTreeSet<R::Key>,
    /// Of those that were read and changed, what [`Row::seldom`] said before.
    seldom_before: BTreeMap<R::Key, Vec<Value>>,
}

/// Rows that have to be written.
#[derive(Debug)]
pub(crate) struct Changed<R> {
    pub whole: Vec<R>,
    /// Those whose [`Row::SELDOM`] columns are as they are in the table.
    pub without_seldom: Vec<R>,
}

impl<R: Row> Stage<R> {
    pub fn new(loaded: Vec<R>) -> Stage<R> {
        Stage {
            rows: loaded.into_iter().map(|row| (row.key(), row)).collect(),
            changed: BTreeSet::new(),
            seldom_before: BTreeMap::new(),
        }
    }

    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.rows.get(key)
    }

    /// The row, which will be written.
    pub fn change(&mut self, key: &R::Key) -> Option<&mut R> {
        let row = self.rows.get_mut(key)?;
        if self.changed.insert(key.clone()) {
            self.seldom_before.insert(key.clone(), row.seldom());
        }
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
            self.seldom_before.remove(key);
        }
    }

    /// All rows, changed or not; of two with one key, the later.
    pub fn into_all(self) -> Vec<R> {
        self.rows.into_values().collect()
    }

    /// What has to be written.
    pub fn into_changed(mut self) -> Changed<R> {
        let is_as_before =
            |row: &R| self.seldom_before.get(&row.key()).is_some_and(|before| *before == row.seldom());
        let rows = self.changed.iter().filter_map(|key| self.rows.remove(key));
        let (without_seldom, whole) = rows.partition(is_as_before);
        Changed { whole, without_seldom }
    }
}

#[cfg(test)]
mod tests {
    use domain::plan::{ServiceOrderKind, ServiceOrderState};
    use domain::{ServiceOrderId, Timestamp};

    use super::*;
    use crate::rows::{At, JsonText, ServiceOrderRow};

    fn key(id: &str) -> (ServiceOrderId,) {
        (ServiceOrderId::derived(&"A".into(), &"1".into(), id, 0),)
    }

    fn row(id: &str) -> ServiceOrderRow {
        ServiceOrderRow {
            id: key(id).0,
            order_key: "A".into(),
            item_id: "1".into(),
            kind: ServiceOrderKind::Service,
            specification: id.to_owned(),
            parent: None,
            characteristics: JsonText::of(&()),
            state: ServiceOrderState::Acknowledged,
            updated_at: At(Timestamp(0)),
        }
    }

    #[test]
    fn only_what_was_read_and_is_indexed_as_before_is_written_without_its_seldom_columns() {
        let mut stage = Stage::new(["moved", "kept", "unread", "back"].map(row).into());
        let mut change = |id: &str, to: &str| {
            let row = stage.change(&key(id)).unwrap();
            (row.order_key, row.updated_at) = (to.into(), At(Timestamp(1)));
        };
        change("moved", "B");
        change("kept", "A");
        change("back", "B");
        change("back", "A");
        stage.put(row("new"));
        stage.change(&key("new")).unwrap().updated_at = At(Timestamp(1));
        let Changed { whole, without_seldom } = stage.into_changed();
        let names = |rows: Vec<ServiceOrderRow>| {
            rows.into_iter().map(|row| row.specification).collect::<BTreeSet<String>>()
        };
        let expected = |names: [&str; 2]| names.map(str::to_owned).into();
        assert_eq!(names(whole), expected(["moved", "new"]));
        assert_eq!(names(without_seldom), expected(["back", "kept"]));
    }
}
