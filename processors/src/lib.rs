//! What happens when: one folder per processor, each a pure `handle(key, state, event, now)`.
//! Read `stuck_orders` first, it is the smallest; then `orchestration`, the heart.
//!
//! Invariant: nothing here opens a file or a socket, asks for the time, or draws a number.
//! Invariant: no processor names another. What two of them need is in `domain`.
//! Invariant: no topic, partition or offset appears here. `topology` knows those.

use std::collections::BTreeMap;

use domain::order::event::Cause;
use domain::{OrderKey, Timestamp};

pub mod capture;
pub mod catalog;
pub mod decomposition;
pub mod downstream;
pub mod fallout;
pub mod inventory;
pub mod orchestration;
pub mod stuck_orders;
#[cfg(test)]
mod testing;
pub mod validation;

/// A timer by its name within its key; setting one replaces the last of that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    Set { name: String, due: Timestamp },
    Cancel { name: String },
}

/// What a processor decides. `state` is all that is known of the key afterwards; none deletes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S, O> {
    pub state: Option<S>,
    pub outputs: Vec<O>,
    pub timers: Vec<Timer>,
}

impl<S, O> Decision<S, O> {
    /// Nothing follows.
    pub fn keep(state: Option<S>) -> Decision<S, O> {
        Decision { state, outputs: Vec::new(), timers: Vec::new() }
    }
}

/// What every input brings along beside itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The id of the record or the timer: the causation id of whatever follows from it.
    pub id: String,
    /// Who decides now, as events name it: `processor validation`.
    pub actor: String,
    /// The time of the input; no processor knows another one.
    pub now: Timestamp,
}

impl Arrival {
    /// The cause of an event that follows from this input; the story it belongs to is carried on.
    pub fn cause(&self, order_key: &OrderKey, correlation_id: &str) -> Cause {
        Cause {
            order_key: order_key.clone(),
            at: self.now,
            correlation_id: correlation_id.to_owned(),
            causation_id: self.id.clone(),
            actor: self.actor.clone(),
        }
    }
}

/// The state of one key in parts, each read and written by itself: a step costs what it touches.
///
/// Implemented over the store by the shell, and in memory by [`MemoryCells`]. What is put is seen by the next `get` and `scan`.
pub trait Cells<C> {
    fn get(&self, cell: &str) -> Option<C>;
    fn put(&mut self, cell: &str, value: C);
    fn delete(&mut self, cell: &str);
    /// The cells whose name begins with `prefix`, in the byte order of their names, at most `limit`.
    fn scan(&self, prefix: &str, limit: usize) -> Vec<(String, C)>;
}

/// Cells in memory, for tests and for asking "what if".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryCells<C>(pub BTreeMap<String, C>);

impl<C> Default for MemoryCells<C> {
    fn default() -> MemoryCells<C> {
        MemoryCells(BTreeMap::new())
    }
}

impl<C: Clone> Cells<C> for MemoryCells<C> {
    fn get(&self, cell: &str) -> Option<C> {
        self.0.get(cell).cloned()
    }

    fn put(&mut self, cell: &str, value: C) {
        self.0.insert(cell.to_owned(), value);
    }

    fn delete(&mut self, cell: &str) {
        self.0.remove(cell);
    }

    fn scan(&self, prefix: &str, limit: usize) -> Vec<(String, C)> {
        let from = self.0.range(prefix.to_owned()..);
        let matching = from.take_while(|(name, _)| name.starts_with(prefix)).take(limit);
        matching.map(|(name, cell)| (name.clone(), cell.clone())).collect()
    }
}
