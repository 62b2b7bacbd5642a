//! What a broker does to a compacted topic behind everybody's back: of each key only the last record stays, and one that deletes
//! goes some time after it was looked at first.

use std::collections::BTreeMap;

use super::broker::{Broker, Change, Place};

/// A deletion is remembered so long at least. Short: workers are away for longer.
pub const TOMBSTONE_MS: i64 = 8_000;
/// And by so much longer, as brokers come by late: a worker judges by a clock of its own, and two clocks may be so far apart.
/// One that is further ahead is known by what it noted: a time that is yet to come.
pub const CLOCKS_APART_MS_MAX: i64 = 8_000;

/// What a cleaning left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub superseded: usize,
    pub deletions: usize,
}

impl Change {
    /// Whether it deletes.
    pub fn is_tombstone(&self) -> bool {
        match self {
            Change::Cell { value, .. } => value.is_none(),
            Change::Timer { due_ms, .. } => due_ms.is_none(),
        }
    }

    /// The key of its record: what a later record with the same one makes it superfluous.
    pub fn name(&self) -> (bool, Vec<u8>) {
        match self {
            Change::Cell { cell, .. } => (false, cell.as_bytes().to_vec()),
            Change::Timer { timer, .. } => (true, timer.as_bytes().to_vec()),
        }
    }
}

impl Broker {
    /// The changelogs that there are.
    pub fn changelogs(&self) -> Vec<Place> {
        self.changelogs.keys().cloned().collect()
    }

    /// Cleans a changelog up to `until`, and no further than all is settled: what is committed there and superseded there is shown
    /// to nobody any more. Deletions that a cleaning saw long enough ago ([`TOMBSTONE_MS`], [`CLOCKS_APART_MS_MAX`]) go too.
    pub fn compact(&mut self, place: &Place, until: i64) -> Cleaned {
        let (now_ms, remembered_ms) = (self.now_ms, TOMBSTONE_MS + CLOCKS_APART_MS_MAX);
        let mut cleaned = Cleaned::default();
        let Some(changelog) = self.changelogs.get_mut(place) else { return cleaned };
        let until = until.min(changelog.last_stable());
        let mut seen = Vec::new();
        let mut last = BTreeMap::new();
        let mut from = 0;
        while let Some((offset, change)) = changelog.next_committed(from, until) {
            from = offset + 1;
            last.insert(change.name(), offset);
            seen.push((offset, change.name(), change.is_tombstone()));
        }
        for (offset, name, is_tombstone) in seen {
            if last[&name] != offset {
                changelog.hide(offset);
                cleaned.superseded += 1;
            } else if is_tombstone && changelog.seen_since_ms(offset, now_ms) + remembered_ms <= now_ms {
                changelog.hide(offset);
                cleaned.deletions += 1;
            }
        }
        changelog.cleaned(until);
        self.version += 1;
        cleaned
    }
}
