//! One partition as a broker keeps it: entries of transactions and of none, and markers that say how a transaction ended.
//!
//! What a cleaning leaves out stays here for the auditor, and no reader is shown it.

use std::collections::{BTreeMap, BTreeSet};

/// A transaction's number, in the sequence of their beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxnId(pub usize);

/// What lies at one offset.
#[derive(Clone, Debug)]
pub enum Slot<T> {
    Data {
        txn: Option<TxnId>,
        value: T,
    },
    /// The end of a transaction. Takes an offset, and is shown to nobody.
    Marker,
}

/// Entries by offset; an entry's offset is its place.
#[derive(Clone, Debug)]
pub struct Partition<T> {
    slots: Vec<Slot<T>>,
    /// Transactions without a marker here yet, with their first offset.
    open: BTreeMap<TxnId, i64>,
    aborted: BTreeSet<TxnId>,
    hidden: BTreeSet<i64>,
    /// When a cleaning first came by the deletions that are still there.
    deletions_seen_ms: BTreeMap<i64, i64>,
    cleaned_until: i64,
}

impl<T> Default for Partition<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            open: BTreeMap::new(),
            aborted: BTreeSet::new(),
            hidden: BTreeSet::new(),
            deletions_seen_ms: BTreeMap::new(),
            cleaned_until: 0,
        }
    }
}

impl<T> Partition<T> {
    /// Gives the entry's offset.
    pub fn append(&mut self, txn: Option<TxnId>, value: T) -> i64 {
        let offset = self.end();
        if let Some(txn) = txn {
            self.open.entry(txn).or_insert(offset);
        }
        self.slots.push(Slot::Data { txn, value });
        offset
    }

    /// The transaction has ended: from now on it holds nobody up here.
    pub fn mark(&mut self, txn: TxnId, committed: bool) {
        self.open.remove(&txn);
        if !committed {
            self.aborted.insert(txn);
        }
        self.slots.push(Slot::Marker);
    }

    /// The high watermark: the offset that the next entry will get.
    pub fn end(&self) -> i64 {
        self.slots.len() as i64
    }

    /// The last stable offset: nothing of an open transaction lies before it, and a read-committed reader reads no further.
    pub fn last_stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or_else(|| self.end())
    }

    /// What lies at an offset.
    pub fn slot(&self, offset: i64) -> Option<&Slot<T>> {
        usize::try_from(offset).ok().and_then(|at| self.slots.get(at))
    }

    /// The first committed entry at `from` or behind it, before `until` and before the last stable offset.
    pub fn next_committed(&self, from: i64, until: i64) -> Option<(i64, &T)> {
        let until = until.min(self.last_stable());
        (from.max(0)..until).find_map(|offset| match self.slot(offset)? {
            Slot::Data { txn, value }
                if txn.is_none_or(|txn| !self.aborted.contains(&txn)) && !self.hidden.contains(&offset) =>
            {
                Some((offset, value))
            }
            Slot::Data { .. } | Slot::Marker => None,
        })
    }

    /// A cleaning leaves an entry out.
    pub fn hide(&mut self, offset: i64) {
        self.hidden.insert(offset);
        self.deletions_seen_ms.remove(&offset);
    }

    /// When a cleaning first came by a deletion: now, unless one did before.
    pub fn seen_since_ms(&mut self, offset: i64, now_ms: i64) -> i64 {
        *self.deletions_seen_ms.entry(offset).or_insert(now_ms)
    }

    /// Everything before `until` has been cleaned.
    pub fn cleaned(&mut self, until: i64) {
        self.cleaned_until = self.cleaned_until.max(until);
    }

    /// Behind the last place that was ever cleaned: who has not read as far may lack what was superseded on the way.
    pub fn cleaned_until(&self) -> i64 {
        self.cleaned_until
    }

    /// Whether anything more will be seen from `from` on, as of now.
    pub fn has_more(&self, from: i64) -> bool {
        self.next_committed(from, i64::MAX).is_some()
    }
}
