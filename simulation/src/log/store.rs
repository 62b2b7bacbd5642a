//! A worker's local store: cells, timers, and how far it has applied the changelog of each partition.
//!
//! Writes are atomic, and those of the last moments may be gone after a crash, from some write on: what a write-ahead log
//! that is not synced each time gives. A torn last write is noticed by its checksum and dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use runtime::{CellKey, DueTimer, TimerKey};

use super::broker::Change;
use super::rebuild::Building;

/// So many of the last writes may be lost in a crash; older ones are on the disk for good.
pub const WRITES_UNSYNCED_MAX: usize = 4;

/// What undoes a write.
#[derive(Clone, Debug, Default)]
struct Undo {
    changes: Vec<Change>,
    positions: Vec<(u32, Option<Reached>)>,
}

/// The changelog is applied up to here; and when all was applied that it had.
pub type Reached = (i64, i64);

/// How a crash leaves the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// So many of the last writes are gone, as far as they were not synced.
    Writes(usize),
    /// As above, and the one before them is torn: a part of it reached the disk.
    Torn(usize),
    /// The disk is another one.
    All,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    cells: BTreeMap<CellKey, Bytes>,
    timers: BTreeMap<TimerKey, i64>,
    due: BTreeMap<u32, BTreeSet<DueTimer>>,
    positions: BTreeMap<u32, Reached>,
    building: BTreeMap<u32, Building>,
    /// By partition: of all that is in it; see [`digest_of`].
    digests: BTreeMap<u32, u64>,
    unsynced: VecDeque<Undo>,
    /// The auditor has to look at it.
    pub changed: bool,
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a.
pub fn digest(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(FNV_OFFSET, |hash, part| {
        let hash = (hash ^ part.len() as u64).wrapping_mul(FNV_PRIME);
        part.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
    })
}

/// The share of one entry in the digest of a partition, which is the exclusive or of all its entries' shares.
pub fn digest_of(change: &Change) -> u64 {
    match change {
        Change::Cell { cell, value: Some(value) } => digest(&[b"cell", cell.as_bytes(), value]),
        Change::Timer { timer, due_ms: Some(due_ms) } => {
            digest(&[b"timer", timer.as_bytes(), &due_ms.to_be_bytes()])
        }
        Change::Cell { value: None, .. } | Change::Timer { due_ms: None, .. } => 0,
    }
}

impl Store {
    /// Changes and positions in one write.
    pub fn write(&mut self, changes: &[Change], positions: &[(u32, Reached)]) {
        let mut undo = Undo::default();
        for change in changes {
            undo.changes.push(self.apply(change.clone()));
        }
        for (partition, position) in positions {
            undo.positions.push((*partition, self.positions.insert(*partition, *position)));
        }
        self.unsynced.push_back(undo);
        while self.unsynced.len() > WRITES_UNSYNCED_MAX {
            self.unsynced.pop_front();
        }
        self.changed = true;
    }

    /// Gives what was there before.
    fn apply(&mut self, change: Change) -> Change {
        let partition = change.partition();
        let share = digest_of(&change);
        let before = match change {
            Change::Cell { cell, value } => {
                let before = match value {
                    Some(value) => self.cells.insert(cell.clone(), value),
                    None => self.cells.remove(&cell),
                };
                Change::Cell { cell, value: before }
            }
            Change::Timer { timer, due_ms } => {
                let before = match due_ms {
                    Some(due_ms) => self.timers.insert(timer.clone(), due_ms),
                    None => self.timers.remove(&timer),
                };
                let due = self.due.entry(partition).or_default();
                if let Some(moved) = before.and_then(|due_ms| timer.due(due_ms)) {
                    due.remove(&moved);
                }
                due.extend(due_ms.and_then(|due_ms| timer.due(due_ms)));
                Change::Timer { timer, due_ms: before }
            }
        };
        *self.digests.entry(partition).or_default() ^= share ^ digest_of(&before);
        before
    }

    /// The machine went down. `keep_torn`: the part of a torn write that is there is kept, which is a mistake.
    pub fn crash(&mut self, loss: Loss, keep_torn: bool) {
        let lost = match loss {
            Loss::All => {
                *self = Store { changed: true, ..Store::default() };
                return;
            }
            Loss::Writes(lost) => lost,
            Loss::Torn(lost) => lost + 1,
        };
        if lost > 0 {
            // What was built lately is among what is lost, and without all of it the rest is of no use.
            self.building.clear();
        }
        for at in 0..lost {
            let Some(undo) = self.unsynced.pop_back() else { break };
            let is_torn = matches!(loss, Loss::Torn(_)) && at + 1 == lost;
            undo.changes.into_iter().rev().for_each(|change| drop(self.apply(change)));
            if is_torn && keep_torn {
                continue;
            }
            for (partition, position) in undo.positions.into_iter().rev() {
                match position {
                    Some(position) => self.positions.insert(partition, position),
                    None => self.positions.remove(&partition),
                };
            }
        }
        self.unsynced.clear();
        self.changed = true;
    }

    pub fn position(&self, partition: u32) -> i64 {
        self.positions.get(&partition).map_or(0, |(position, _)| *position)
    }

    /// When all was applied that the changelog of a partition had; None: nothing of it was ever here.
    pub fn had_all_ms(&self, partition: u32) -> Option<i64> {
        self.positions.get(&partition).map(|(_, had_all_ms)| *had_all_ms)
    }

    pub fn building(&self, partition: u32) -> Option<&Building> {
        self.building.get(&partition)
    }

    pub fn drop_building(&mut self, partition: u32) {
        self.building.remove(&partition);
    }

    /// Begins to build beside what there is. `over_old`: with what there is, which is a mistake.
    pub fn begin_building(&mut self, partition: u32, now_ms: i64, over_old: bool) {
        let old = if over_old { self.entries(partition) } else { Vec::new() };
        let entries = old.into_iter().map(|change| (change.name(), change)).collect();
        self.building.insert(partition, Building { entries, position: 0, began_ms: now_ms });
    }

    pub fn build(&mut self, partition: u32, changes: Vec<Change>, position: i64) {
        let Some(building) = self.building.get_mut(&partition) else { return };
        for change in changes {
            match change.is_tombstone() {
                true => drop(building.entries.remove(&change.name())),
                false => drop(building.entries.insert(change.name(), change)),
            }
        }
        building.position = position;
    }

    /// What was built is in force from now on: one write.
    pub fn put_in_force(&mut self, partition: u32, had_all_ms: i64) {
        let Some(building) = self.building.remove(&partition) else { return };
        let old = self.entries(partition).into_iter().map(|change| match change {
            Change::Cell { cell, .. } => Change::Cell { cell, value: None },
            Change::Timer { timer, .. } => Change::Timer { timer, due_ms: None },
        });
        let changes: Vec<Change> = old.chain(building.entries.into_values()).collect();
        self.write(&changes, &[(partition, (building.position, had_all_ms))]);
    }

    /// All that is in force of a partition.
    fn entries(&self, partition: u32) -> Vec<Change> {
        let cells = self.cells.iter().filter(|(cell, _)| cell.partition() == partition);
        let cells =
            cells.map(|(cell, value)| Change::Cell { cell: cell.clone(), value: Some(value.clone()) });
        let timers = self.timers.iter().filter(|(timer, _)| timer.partition() == partition);
        let timers =
            timers.map(|(timer, due_ms)| Change::Timer { timer: timer.clone(), due_ms: Some(*due_ms) });
        cells.chain(timers).collect()
    }

    /// All partitions that it has something of, with position and digest.
    pub fn partitions(&self) -> impl Iterator<Item = (u32, i64, u64)> + '_ {
        let known: BTreeSet<u32> = self.positions.keys().chain(self.digests.keys()).copied().collect();
        known.into_iter().map(|partition| {
            (partition, self.position(partition), self.digests.get(&partition).copied().unwrap_or(0))
        })
    }

    pub fn cell(&self, cell: &[u8]) -> Option<Bytes> {
        self.cells.get(cell).cloned()
    }

    pub fn cells(&self, prefix: &[u8], cells_max: usize) -> Vec<(CellKey, Bytes)> {
        use std::ops::Bound::{Included, Unbounded};
        let from = self.cells.range::<[u8], _>((Included(prefix), Unbounded));
        let found = from.take_while(|(cell, _)| cell.as_bytes().starts_with(prefix)).take(cells_max);
        found.map(|(cell, value)| (cell.clone(), value.clone())).collect()
    }

    pub fn timer_due_ms(&self, timer: &TimerKey) -> Option<i64> {
        self.timers.get(timer).copied()
    }

    /// The timers of these processors that are due at `until_ms` or before.
    pub fn due(
        &self,
        processors: &[std::sync::Arc<str>],
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Vec<DueTimer> {
        let all = self.due.get(&partition).into_iter().flatten();
        let due = all.take_while(|timer| timer.due_ms <= until_ms);
        due.filter(|timer| processors.contains(&timer.processor)).take(timers_max).cloned().collect()
    }
}
