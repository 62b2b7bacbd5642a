//! What a processor's adapter needs of the world: cells, timers, outputs. A shard's step gives it, and so does memory.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use bytes::Bytes;
use domain::Timestamp;
use processors::Cells;
use runtime::{HandlerError, Outgoing, Step};

use crate::graph::Processor;

/// One step's access to state, timers and outputs. All that is done through it is kept whole, or undone whole.
pub trait Shell {
    fn now(&self) -> Timestamp;
    fn get(&mut self, processor: Processor, key: &[u8], cell: &str) -> Result<Option<Bytes>, HandlerError>;
    /// The cells whose names begin with `prefix`, in the byte order of their names, at most `limit`.
    fn scan(
        &mut self,
        processor: Processor,
        key: &[u8],
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HandlerError>;
    fn put(&mut self, processor: Processor, key: &[u8], cell: &str, value: Bytes)
    -> Result<(), HandlerError>;
    fn delete(&mut self, processor: Processor, key: &[u8], cell: &str);
    fn emit(&mut self, outgoing: Outgoing) -> Result<(), HandlerError>;
    fn set_timer(
        &mut self,
        processor: Processor,
        key: &[u8],
        name: &str,
        due: Timestamp,
    ) -> Result<(), HandlerError>;
    fn cancel_timer(&mut self, processor: Processor, key: &[u8], name: &str) -> Result<(), HandlerError>;
    /// Whether a record of this key, on this topic, belongs to another shard than the one of this step.
    fn is_misplaced(&self, topic: &str, key: &[u8]) -> bool;
}

impl Shell for Step<'_> {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms())
    }

    fn get(&mut self, processor: Processor, key: &[u8], cell: &str) -> Result<Option<Bytes>, HandlerError> {
        Step::get(self, processor.name(), key, cell.as_bytes())
    }

    fn scan(
        &mut self,
        processor: Processor,
        key: &[u8],
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HandlerError> {
        let found = Step::scan(self, processor.name(), key, prefix.as_bytes(), limit)?;
        let named =
            found.into_iter().map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value));
        Ok(named.collect())
    }

    fn put(
        &mut self,
        processor: Processor,
        key: &[u8],
        cell: &str,
        value: Bytes,
    ) -> Result<(), HandlerError> {
        Step::put(self, processor.name(), key, cell.as_bytes(), value)
    }

    fn delete(&mut self, processor: Processor, key: &[u8], cell: &str) {
        Step::delete(self, processor.name(), key, cell.as_bytes());
    }

    fn emit(&mut self, outgoing: Outgoing) -> Result<(), HandlerError> {
        Step::emit(self, outgoing)
    }

    fn set_timer(
        &mut self,
        processor: Processor,
        key: &[u8],
        name: &str,
        due: Timestamp,
    ) -> Result<(), HandlerError> {
        Step::set_timer(self, processor.name(), key, name, due.0)
    }

    fn cancel_timer(&mut self, processor: Processor, key: &[u8], name: &str) -> Result<(), HandlerError> {
        Step::cancel_timer(self, processor.name(), key, name)
    }

    fn is_misplaced(&self, topic: &str, key: &[u8]) -> bool {
        Step::partition_of(self, topic, key).is_some_and(|partition| partition != Step::partition(self))
    }
}

/// How the cells of one processor are written.
pub trait CellCodec<C> {
    /// # Errors
    /// A dead letter, or a retry where only the ids of schemas could not be had.
    fn encode(&self, cell: &str, value: &C) -> Result<Bytes, HandlerError>;
    /// # Errors
    /// A retry where its schema could not be had, damage where it cannot be read: neither costs an input.
    fn decode(&self, cell: &str, bytes: &[u8]) -> Result<C, HandlerError>;
}

enum Slot<C> {
    Read(Option<C>),
    Changed(Option<C>),
}

/// The cells of one processor and key: decoded once, encoded once, however often a step reads and writes them.
pub struct ShellCells<'a, C, K> {
    shell: RefCell<&'a mut dyn Shell>,
    processor: Processor,
    key: &'a [u8],
    codec: &'a K,
    slots: RefCell<BTreeMap<String, Slot<C>>>,
    /// The first thing that went wrong: `Cells` cannot say it, so [`ShellCells::finish`] does.
    failed: Cell<Option<HandlerError>>,
}

impl<C, K> std::fmt::Debug for ShellCells<'_, C, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShellCells").field("processor", &self.processor).finish_non_exhaustive()
    }
}

impl<'a, C: Clone, K: CellCodec<C>> ShellCells<'a, C, K> {
    pub fn new(shell: &'a mut dyn Shell, processor: Processor, key: &'a [u8], codec: &'a K) -> Self {
        let slots = RefCell::default();
        ShellCells { shell: RefCell::new(shell), processor, key, codec, slots, failed: Cell::new(None) }
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// Whatever went wrong on the way: the step is then undone as a whole.
    pub fn finish(self) -> Result<(), HandlerError> {
        self.write();
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn fail(&self, error: HandlerError) {
        let first = self.failed.take().unwrap_or(error);
        self.failed.set(Some(first));
    }

    fn decoded(&self, cell: &str, bytes: &[u8]) -> Option<C> {
        match self.codec.decode(cell, bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = format!("cell \"{cell}\" of processor \"{}\"", self.processor.name());
                self.fail(match error {
                    HandlerError::Retry(reason) => {
                        HandlerError::Retry(format!("could not read {place}: {reason}"))
                    }
                    HandlerError::Damaged { what } => {
                        HandlerError::Damaged { what: format!("could not read {place}: {what}") }
                    }
                    HandlerError::Refused { reason } => {
                        HandlerError::Refused { reason: format!("could not read {place}: {reason}") }
                    }
                    HandlerError::DeadLetter { reason } => {
                        HandlerError::DeadLetter { reason: format!("could not read {place}: {reason}") }
                    }
                });
                None
            }
        }
    }

    fn write(&self) {
        for (cell, slot) in self.slots.borrow_mut().iter_mut() {
            let Slot::Changed(value) = slot else { continue };
            let mut shell = self.shell.borrow_mut();
            match value {
                None => shell.delete(self.processor, self.key, cell),
                Some(changed) => {
                    let encoded = self.codec.encode(cell, changed);
                    if let Err(error) =
                        encoded.and_then(|bytes| shell.put(self.processor, self.key, cell, bytes))
                    {
                        self.fail(error);
                    }
                }
            }
            *slot = Slot::Read(value.take());
        }
    }
}

impl<C: Clone, K: CellCodec<C>> Cells<C> for ShellCells<'_, C, K> {
    fn get(&self, cell: &str) -> Option<C> {
        if let Some(Slot::Read(value) | Slot::Changed(value)) = self.slots.borrow().get(cell) {
            return value.clone();
        }
        let found = self.shell.borrow_mut().get(self.processor, self.key, cell);
        let value = match found {
            Ok(bytes) => bytes.and_then(|bytes| self.decoded(cell, &bytes)),
            Err(error) => {
                self.fail(error);
                None
            }
        };
        self.slots.borrow_mut().insert(cell.to_owned(), Slot::Read(value.clone()));
        value
    }

    fn put(&mut self, cell: &str, value: C) {
        self.slots.get_mut().insert(cell.to_owned(), Slot::Changed(Some(value)));
    }

    fn delete(&mut self, cell: &str) {
        self.slots.get_mut().insert(cell.to_owned(), Slot::Changed(None));
    }

    fn scan(&self, prefix: &str, limit: usize) -> Vec<(String, C)> {
        self.write();
        let found = self.shell.borrow_mut().scan(self.processor, self.key, prefix, limit);
        match found {
            Ok(cells) => {
                let decoded = cells.into_iter().map(|(cell, bytes)| {
                    let value = self.decoded(&cell, &bytes);
                    value.map(|value| (cell, value))
                });
                decoded.flatten().collect()
            }
            Err(error) => {
                self.fail(error);
                Vec::new()
            }
        }
    }
}
