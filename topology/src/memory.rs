//! The world in memory: cells, timers and outputs of a line without a log. For tests of the whole chain, and for "what if".
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::Timestamp;
use runtime::{HandlerError, Outgoing};

use crate::graph::Processor;
use crate::shell::Shell;

type CellName = (Processor, Vec<u8>, String);
type TimerName = (Processor, Vec<u8>, String);

/// Everything that was done is seen at once; nothing is undone.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub now: Timestamp,
    cells: BTreeMap<CellName, Bytes>,
    timers: BTreeMap<TimerName, Timestamp>,
    by_due: BTreeSet<(Timestamp, TimerName)>,
    /// What was emitted and not taken yet, in sequence.
    pub emitted: Vec<Outgoing>,
}

impl Memory {
    /// An empty world at this time.
    pub fn at(now: Timestamp) -> Memory {
        Memory { now, ..Memory::default() }
    }

    /// The first timer due at `now` or before, taken out.
    pub fn take_due(&mut self) -> Option<(Processor, Bytes, String, Timestamp)> {
        let (due, name) = self.by_due.first().cloned().filter(|(due, _)| *due <= self.now)?;
        self.by_due.remove(&(due, name.clone()));
        self.timers.remove(&name);
        Some((name.0, name.1.into(), name.2, due))
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// The cells of one processor by (key, cell): to compare two worlds.
    pub fn cells(&self) -> &BTreeMap<CellName, Bytes> {
        &self.cells
    }
}

impl Shell for Memory {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn get(&mut self, processor: Processor, key: &[u8], cell: &str) -> Result<Option<Bytes>, HandlerError> {
        Ok(self.cells.get(&(processor, key.to_vec(), cell.to_owned())).cloned())
    }

    fn scan(
        &mut self,
        processor: Processor,
        key: &[u8],
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HandlerError> {
        let from = (processor, key.to_vec(), prefix.to_owned());
        let found = self.cells.range(from..).take_while(|((found, name, cell), _)| {
            *found == processor && name.as_slice() == key && cell.starts_with(prefix)
        });
        Ok(found.take(limit).map(|((_, _, cell), value)| (cell.clone(), value.clone())).collect())
    }

    fn put(
        &mut self,
        processor: Processor,
        key: &[u8],
        cell: &str,
        value: Bytes,
    ) -> Result<(), HandlerError> {
        self.cells.insert((processor, key.to_vec(), cell.to_owned()), value);
        Ok(())
    }

    fn delete(&mut self, processor: Processor, key: &[u8], cell: &str) {
        self.cells.remove(&(processor, key.to_vec(), cell.to_owned()));
    }

    fn emit(&mut self, outgoing: Outgoing) -> Result<(), HandlerError> {
        self.emitted.push(outgoing);
        Ok(())
    }

    fn set_timer(
        &mut self,
        processor: Processor,
        key: &[u8],
        name: &str,
        due: Timestamp,
    ) -> Result<(), HandlerError> {
        self.cancel_timer(processor, key, name)?;
        let timer = (processor, key.to_vec(), name.to_owned());
        self.by_due.insert((due, timer.clone()));
        self.timers.insert(timer, due);
        Ok(())
    }

    fn cancel_timer(&mut self, processor: Processor, key: &[u8], name: &str) -> Result<(), HandlerError> {
        let timer = (processor, key.to_vec(), name.to_owned());
        if let Some(due) = self.timers.remove(&timer) {
            self.by_due.remove(&(due, timer));
        }
        Ok(())
    }

    /// There is one place.
    fn is_misplaced(&self, _topic: &str, _key: &[u8]) -> bool {
        false
    }
}
