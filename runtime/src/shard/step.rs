//! What a handler works on: one record or one timer, all or nothing.

use bytes::Bytes;

use super::HandlerError;
use crate::Error;
use crate::log::Log;
use crate::record::{KEY_BYTES_MAX, Outgoing};
use crate::store::keys::TimerKey;
use crate::store::overlay::Overlay;
use crate::store::timers::Timers;

/// Reads see what this batch and those on their way staged first, then the store. Writes are staged.
pub struct Step<'a> {
    pub(super) log: &'a mut dyn Log,
    pub(super) overlay: &'a mut Overlay,
    pub(super) timers: &'a mut Timers,
    pub(super) outputs: &'a mut Vec<Outgoing>,
    pub(super) outputs_bytes: &'a mut usize,
    /// No timer of the partition is due before this.
    pub(super) next_due_ms: &'a mut i64,
    pub(super) now_ms: i64,
    pub(super) partition: u32,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Step")
            .field("partition", &self.partition)
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}

impl Step<'_> {
    /// UTC milliseconds; the same for the whole batch. Less than in the batch before only where the clock was turned back by more
    /// than [`CLOCK_BACK_MS_MAX`](crate::clock::CLOCK_BACK_MS_MAX), or another worker had the partition.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The partition that state and timers of this step belong to: that of the record or timer.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The partition that a record of this key belongs to; None: there is no such topic.
    pub fn partition_of(&self, topic: &str, key: &[u8]) -> Option<u32> {
        self.log.topics().get(topic).map(|spec| crate::partition_for(key, spec.partitions))
    }

    /// The value of a cell; None: there is none.
    pub fn get(&mut self, processor: &str, key: &[u8], cell: &[u8]) -> Result<Option<Bytes>, HandlerError> {
        Ok(self.overlay.get(self.log, self.partition, processor, key, cell)?)
    }

    /// All cells of the key whose names begin with `cell_prefix`: (name, value), in the order of the names, the first
    /// `cells_max`. Costs what it returns, and what this batch changed under the prefix.
    pub fn scan(
        &mut self,
        processor: &str,
        key: &[u8],
        cell_prefix: &[u8],
        cells_max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, HandlerError> {
        Ok(self.overlay.scan(self.log, self.partition, processor, key, cell_prefix, cells_max)?)
    }

    /// Sets a cell. Refused (a dead letter) if key or cell name is longer than [`KEY_BYTES_MAX`].
    pub fn put(
        &mut self,
        processor: &str,
        key: &[u8],
        cell: &[u8],
        value: impl Into<Bytes>,
    ) -> Result<(), HandlerError> {
        check_key(key)?;
        check_key(cell)?;
        self.overlay.put(self.partition, processor, key, cell, Some(value.into()));
        Ok(())
    }

    /// Deletes a cell; one that is not there is no error.
    pub fn delete(&mut self, processor: &str, key: &[u8], cell: &[u8]) {
        self.overlay.put(self.partition, processor, key, cell, None);
    }

    /// Sends a record with the batch. Refused (a dead letter) if no topic would take it.
    pub fn emit(&mut self, outgoing: Outgoing) -> Result<(), HandlerError> {
        self.log.topics().check(&outgoing)?;
        *self.outputs_bytes += outgoing.bytes();
        self.outputs.push(outgoing);
        Ok(())
    }

    /// Sets a timer, instead of the one of that name if there is one; one that is due already fires in a later batch.
    pub fn set_timer(
        &mut self,
        processor: &str,
        key: &[u8],
        name: &str,
        due_ms: i64,
    ) -> Result<(), HandlerError> {
        check_key(key)?;
        check_key(name.as_bytes())?;
        let timer = TimerKey::new(self.partition, processor, key, name);
        self.timers.set(self.log, timer, Some(due_ms))?;
        *self.next_due_ms = due_ms.min(*self.next_due_ms);
        Ok(())
    }

    /// Cancels a timer; one that is not set is no error.
    pub fn cancel_timer(&mut self, processor: &str, key: &[u8], name: &str) -> Result<(), HandlerError> {
        let timer = TimerKey::new(self.partition, processor, key, name);
        Ok(self.timers.set(self.log, timer, None)?)
    }

    /// When a timer is due; None: it is not set.
    pub fn timer_due_ms(
        &mut self,
        processor: &str,
        key: &[u8],
        name: &str,
    ) -> Result<Option<i64>, HandlerError> {
        let timer = TimerKey::new(self.partition, processor, key, name);
        Ok(self.timers.due_ms(self.log, &timer)?)
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::KeyTooLong { key_bytes: key.len(), key_bytes_max: KEY_BYTES_MAX });
    }
    Ok(())
}
