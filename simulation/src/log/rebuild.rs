//! Reading a changelog into a store: from where the store stands, or beside what it has where it cannot go on from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::log::kafka::{Changelog, Progress, unfit};

use super::broker::{Broker, Change};
use super::compaction::TOMBSTONE_MS;
use super::store::Store;
use crate::bug::Bug;

/// How many entries of a changelog one write restores.
const RESTORE_ENTRIES_MAX: usize = 16;

/// What is being built beside what a store has of a partition.
#[derive(Clone, Debug, Default)]
pub struct Building {
    /// By name, what is not deleted.
    pub entries: BTreeMap<(bool, Vec<u8>), Change>,
    pub position: i64,
    pub began_ms: i64,
}

/// What one step of reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more before the end; whether any of it could be read now.
    More { moved: bool },
    /// The store has all, and is as new as it was when the end was asked for.
    Done,
    /// Deletions may be forgotten by now: to be begun anew.
    Late,
}

/// A changelog that is read into a store.
pub struct Reading<'a> {
    pub broker: &'a Broker,
    pub store: &'a mut Store,
    pub group: &'a Arc<str>,
    pub partition: u32,
    /// Where it ended when that was asked for.
    pub until: i64,
    pub asked_ms: i64,
    /// What the worker's clock shows.
    pub now_ms: i64,
    pub bug: Option<Bug>,
}

impl Reading<'_> {
    /// Decides where to read from, by what the production decides with.
    pub fn begin(&mut self) {
        let (position, had_all_ms) = (self.store.position(self.partition), self.had_all_ms());
        if self.is_fit(position, had_all_ms) {
            self.store.drop_building(self.partition);
            if position >= self.until {
                // One that lacks nothing is new, however long it was away.
                self.store.write(&[], &[(self.partition, (position, self.asked_ms))]);
            }
            return;
        }
        let begun = self.store.building(self.partition).map(|begun| (begun.position, begun.began_ms));
        if begun.is_none_or(|(position, began_ms)| !self.is_fit(position, began_ms)) {
            let is_over_old = self.bug == Some(Bug::RebuiltOverOld);
            self.store.begin_building(self.partition, self.asked_ms, is_over_old);
        }
    }

    fn is_fit(&self, position: i64, since_ms: i64) -> bool {
        let stands = Progress { next_offset: position, applied_ms: since_ms, ..Progress::default() };
        let delete_retention_ms = self.tombstone_ms();
        let changelog = Changelog { begin: 0, end: self.until, delete_retention_ms, is_same: None };
        unfit(&stands, "", changelog, self.asked_ms).is_none()
    }

    fn tombstone_ms(&self) -> i64 {
        if self.bug == Some(Bug::TombstonesForgotten) { i64::MAX } else { TOMBSTONE_MS }
    }

    /// When the store had all; one that never had any begins with the reading.
    fn had_all_ms(&self) -> i64 {
        self.store.had_all_ms(self.partition).unwrap_or(self.asked_ms)
    }

    /// Applies the next entries.
    pub fn step(&mut self) -> Step {
        let begun = self.store.building(self.partition).map(|begun| (begun.position, begun.began_ms));
        let (before, since_ms) =
            begun.unwrap_or_else(|| (self.store.position(self.partition), self.had_all_ms()));
        let (changes, position) = self.read(before);
        let moved = position > before;
        if moved && self.now_ms - since_ms > self.tombstone_ms() {
            return Step::Late;
        }
        match begun {
            Some(_) => self.store.build(self.partition, changes, position),
            None if moved => self.store.write(&changes, &[(self.partition, (position, since_ms))]),
            None => {}
        }
        if position < self.until {
            return Step::More { moved };
        }
        match begun {
            Some(_) => self.store.put_in_force(self.partition, self.asked_ms),
            None => self.store.write(&[], &[(self.partition, (position, self.asked_ms))]),
        }
        Step::Done
    }

    fn read(&self, from: i64) -> (Vec<Change>, i64) {
        let Some(changelog) = self.broker.changelog(self.group, self.partition) else {
            return (Vec::new(), from);
        };
        let (mut position, mut changes) = (from, Vec::new());
        let readable = self.until.min(changelog.last_stable());
        while changes.len() < RESTORE_ENTRIES_MAX
            && let Some((offset, change)) = changelog.next_committed(position, readable)
        {
            changes.push(change.clone());
            position = offset + 1;
        }
        if changes.len() < RESTORE_ENTRIES_MAX {
            // What is left before it is markers, and entries of aborted transactions, or was cleaned away.
            position = position.max(readable);
        }
        (changes, position)
    }
}
