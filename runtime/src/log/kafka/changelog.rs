//! State as records of a compacted topic: what a store is rebuilt from.
//!
//! The key of a record is a byte that says what it is, then the name of the cell or timer without its partition, which is
//! the record's own. The value of a cell is its value, that of a timer its due time; a tombstone deletes.
//!
//! And one record for each group, its origin, which says nothing but which topic this is: its value is never written twice, so
//! a topic that was made anew under the same name has another one, elsewhere. The cluster's own id of a topic would do, and
//! the client does not tell it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::log::{Batch, CellChange, TimerChange};
use crate::store::keys::{self, CellKey, TimerKey};

const CELL: u8 = 1;
const TIMER: u8 = 2;
const ORIGIN: u8 = 3;
/// The longest value of an origin: a store keeps it beside every position.
pub(crate) const ORIGIN_BYTES_MAX: usize = 1_024;
/// What the names in a store begin with, and those in a changelog do not.
const PARTITION_BYTES: usize = 4;

/// One change, as it lies in the changelog of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangeRecord {
    pub(crate) partition: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Bytes>,
}

/// What a record of the changelog says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Cell(CellKey, Option<Bytes>),
    Timer(TimerKey, Option<i64>),
}

/// What a record of the changelog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Change(Change),
    /// Of this group.
    Origin {
        group: Bytes,
        id: Bytes,
    },
}

/// The key of the origin of a group's state.
pub(crate) fn origin_key(group: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + group.len());
    key.push(ORIGIN);
    key.extend_from_slice(group.as_bytes());
    key
}

pub(crate) fn records_of(batch: &Batch) -> Vec<ChangeRecord> {
    let cells = batch.cells.iter().map(of_cell);
    cells.chain(batch.timers.iter().map(of_timer)).collect()
}

fn of_cell(change: &CellChange) -> ChangeRecord {
    let key = named(CELL, change.cell.as_bytes());
    ChangeRecord { partition: change.cell.partition(), key, value: change.value.clone() }
}

fn of_timer(change: &TimerChange) -> ChangeRecord {
    let key = named(TIMER, change.timer.as_bytes());
    let value = change.due_ms.map(|due_ms| Bytes::copy_from_slice(&due_ms.to_be_bytes()));
    ChangeRecord { partition: change.timer.partition(), key, value }
}

fn named(kind: u8, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    key.push(kind);
    key.extend_from_slice(&name[PARTITION_BYTES..]);
    key
}

/// Whose state a record is of, without looking at the rest of it. None: of nobody's, or damaged.
pub(crate) fn processor_of(key: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (kind, name) = key.split_first()?;
    match *kind {
        CELL => keys::take_part(name).map(|(processor, _)| processor),
        TIMER => keys::take_part(keys::take_part(name)?.1).map(|(processor, _)| processor),
        _ => None,
    }
}

/// None: not written by this program, or damaged.
pub(crate) fn entry_of(partition: u32, key: &[u8], value: Option<&[u8]>) -> Option<Entry> {
    let (kind, name) = key.split_first()?;
    if *kind == ORIGIN {
        let id = value.filter(|id| id.len() <= ORIGIN_BYTES_MAX)?;
        let (group, id) = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(id));
        return Some(Entry::Origin { group, id });
    }
    change_of(*kind, partition, name, value).map(Entry::Change)
}

fn change_of(kind: u8, partition: u32, name: &[u8], value: Option<&[u8]>) -> Option<Change> {
    let mut encoded = Vec::with_capacity(PARTITION_BYTES + name.len());
    encoded.extend_from_slice(&partition.to_be_bytes());
    encoded.extend_from_slice(name);
    match kind {
        CELL => {
            let cell = CellKey::from_bytes(encoded.into())?;
            Some(Change::Cell(cell, value.map(Bytes::copy_from_slice)))
        }
        TIMER => {
            let timer = TimerKey::from_encoded(&encoded)?;
            let due_ms = match value {
                Some(value) => Some(i64::from_be_bytes(value.try_into().ok()?)),
                None => None,
            };
            Some(Change::Timer(timer, due_ms))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_change_is_read_as_it_was_written_whatever_the_partition(
            partition in 0u32..64, moved in 0u32..64, key in proptest::collection::vec(any::<u8>(), 0..8),
            value: Option<Vec<u8>>, due_ms: Option<i64>,
        ) {
            let value: Option<Bytes> = value.map(Bytes::from);
            let batch = Batch {
                cells: vec![CellChange { cell: CellKey::new(partition, "p", &key, b"c"), value: value.clone() }],
                timers: vec![TimerChange { timer: TimerKey::new(partition, "p", &key, "t"), before_ms: None, due_ms }],
                ..Batch::default()
            };
            let records = records_of(&batch);
            prop_assert!(records.iter().all(|record| record.partition == partition));
            let read = |record: &ChangeRecord| match entry_of(moved, &record.key, record.value.as_deref()) {
                Some(Entry::Change(change)) => change,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(read(&records[0]), Change::Cell(CellKey::new(moved, "p", &key, b"c"), value));
            prop_assert_eq!(read(&records[1]), Change::Timer(TimerKey::new(moved, "p", &key, "t"), due_ms));
            let processor = |record: &ChangeRecord| processor_of(&record.key).map(Cow::into_owned);
            prop_assert!(records.iter().all(|record| processor(record) == Some(b"p".to_vec())));
        }

        #[test]
        fn foreign_bytes_are_refused_and_never_panic(key in proptest::collection::vec(any::<u8>(), 0..20), value: Vec<u8>) {
            let _ = (entry_of(0, &key, Some(&value)), processor_of(&key));
        }
    }

    #[test]
    fn an_origin_is_read_as_that_of_its_group() {
        let expected = Entry::Origin { group: "orders".into(), id: "x".into() };
        assert_eq!(entry_of(3, &origin_key("orders"), Some(b"x")), Some(expected));
        assert_eq!(entry_of(3, &origin_key("orders"), None), None);
        let longest = [b'x'; ORIGIN_BYTES_MAX + 1];
        assert!(entry_of(3, &origin_key("orders"), Some(&longest[1..])).is_some());
        assert_eq!(entry_of(3, &origin_key("orders"), Some(&longest)), None, "no store could keep it");
    }
}
