//! What a worker may take at once, and how long it waits.

use std::sync::Arc;

use crate::Error;
use crate::record::Topics;

/// The first pause after a batch that failed; doubled with each further failure in a row.
pub const BACKOFF_MS_MIN: u64 = 50;
/// The longest pause.
pub const BACKOFF_MS_MAX: u64 = 10_000;
/// Who tries again says so with the first failure of a row and with each so many more. With the pauses above: every five minutes or so.
pub const SETBACKS_TOLD_EVERY: u32 = 32;
/// How many times in a row the log itself may fail before the worker gives up. With the pauses above: some ten minutes.
/// A handler that asks for a retry may do so for ever.
pub const LOG_FAILURES_MAX: u32 = 64;
/// An idle worker looks at its stop signal at least this often.
pub const IDLE_WAIT_MS_MAX: u64 = 200;
/// Due timers wait so long at most for a record that was there when they came due, and does not come.
pub const HELD_WAIT_MS_MAX: u64 = 50;
/// What the headers of a dead letter add to the record.
pub const DEAD_LETTER_BYTES_MAX: usize = 4 << 10;

/// The settings of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name, for logs and metrics.
    pub worker: Arc<str>,
    /// The most records in one batch.
    pub batch_records_max: usize,
    /// About how many bytes one batch reads, and about how many it stages before it is committed early.
    pub batch_bytes_max: usize,
    /// The most timers that one batch fires.
    pub batch_timers_max: usize,
    /// Whether timers that are due fire; else they wait for the next worker that has their partition. A worker that reads only a part of
    /// its inputs must leave them: what they ask after may lie in the others.
    pub fires_timers: bool,
    /// Where records go that no handler can process.
    pub dead_letter_topic: Arc<str>,
}

impl Settings {
    /// The defaults, which suit two cores and orders of some kilobytes.
    pub fn new(worker: &str, dead_letter_topic: &str) -> Self {
        Self {
            worker: worker.into(),
            batch_records_max: 1_000,
            batch_bytes_max: 2 << 20,
            batch_timers_max: 500,
            fires_timers: true,
            dead_letter_topic: dead_letter_topic.into(),
        }
    }

    /// Refuses limits of zero, and a dead-letter topic that is unknown or would not take every record there may be.
    pub(crate) fn check(&self, topics: &Topics) -> Result<(), Error> {
        let refused = |reason: String| Err(Error::WorkerRefused { worker: self.worker.clone(), reason });
        if self.batch_records_max == 0 || self.batch_bytes_max == 0 || self.batch_timers_max == 0 {
            return refused("a batch of nothing; its limits must be at least 1".to_owned());
        }
        let Some(dead_letters) = topics.get(&self.dead_letter_topic) else {
            return Err(Error::TopicUnknown { topic: self.dead_letter_topic.clone() });
        };
        let largest = topics.iter().max_by_key(|spec| spec.record_bytes_max);
        match largest {
            Some(largest) if largest.record_bytes_max > dead_letters.record_bytes_max => refused(format!(
                "records of topic \"{}\" may have {} bytes, dead-letter topic \"{}\" takes {}; give it as much",
                largest.name, largest.record_bytes_max, dead_letters.name, dead_letters.record_bytes_max
            )),
            Some(_) | None => Ok(()),
        }
    }
}
