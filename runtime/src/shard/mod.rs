//! The loop of one worker: poll, stage, append, and settle while the next batch is already staged.
//!
//! A [`Handler`] says what follows from a record or a timer; it works on a [`Step`], which stages and never writes. What
//! the steps of a batch staged is committed whole or thrown away whole.

mod dead_letter;
mod settings;
mod step;
mod worker;
mod worker_metrics;

#[cfg(test)]
mod tests;

pub use dead_letter::{
    HEADER_KEY, HEADER_KIND, HEADER_LEFT_OUT, HEADER_OFFSET, HEADER_PARTITION, HEADER_PROCESSOR,
    HEADER_REASON, HEADER_TIMER_NAME, HEADER_TIMESTAMP_MS, HEADER_TOPIC,
};
pub use settings::Settings;
pub use step::Step;
pub use worker::{Turn, Worker};

use crate::Error;
use crate::record::Record;
use crate::timer::DueTimer;

/// What follows from what came in. One thread uses it.
///
/// Whatever it keeps in memory must be derived from broadcasts and cells alone, and be given up where
/// [`Handler::on_discarded`] or [`Handler::on_partitions`] says so: what was staged may be thrown away.
pub trait Handler: Send {
    /// A record of a broadcast topic. Seen again from the first after every start, and never undone.
    fn on_broadcast(&mut self, record: &Record);

    /// An error, or a panic, undoes what this step staged.
    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError>;

    /// The timer is cancelled already and may be set anew. An error, or a panic, undoes what this step staged.
    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError>;

    /// What was staged since the last call is one batch, and on its way.
    fn on_appended(&mut self) {}

    /// The oldest batch on its way is committed.
    fn on_committed(&mut self) {}

    /// The oldest batch on its way was aborted, or nobody knows what became of it; it is thrown away and done again.
    fn on_failed(&mut self, _reason: &str) {}

    /// All that was staged and is not committed is thrown away: a batch failed, or is tried again.
    fn on_discarded(&mut self) {}

    /// These partitions are the worker's from now on. What is kept of others may be changed by others.
    fn on_partitions(&mut self, _partitions: &[u32]) {}
}

/// Why a step cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// A passing condition: the whole batch is thrown away and tried again after a back-off.
    #[error("to be tried again: {0}")]
    Retry(String),
    /// What is kept cannot be read, and never will be: the worker ends.
    #[error("store is damaged: {what}")]
    Damaged { what: String },
    /// The worker may not do this at all, nor anything that comes: it ends.
    #[error("worker is refused: {reason}")]
    Refused { reason: String },
    /// It will never work: the record goes to the dead-letter topic, and the batch goes on without it.
    #[error("dead letter: {reason}")]
    DeadLetter { reason: String },
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Damaged { what } => Self::Damaged { what },
            // What the input asked for can never be written.
            Error::TopicUnknown { .. }
            | Error::PartitionUnknown { .. }
            | Error::RecordTooLarge { .. }
            | Error::KeyTooLong { .. } => Self::DeadLetter { reason: error.chain() },
            // The input is not to blame.
            Error::Store { .. }
            | Error::Write { .. }
            | Error::QueueFull { .. }
            | Error::WaitEnded { .. }
            | Error::DirectoryInUse { .. }
            | Error::DirectoryOpen { .. }
            | Error::NotADirectory { .. }
            | Error::FormatNewer { .. }
            | Error::TopicRefused { .. }
            | Error::PartitionsDiffer { .. }
            | Error::GroupRefused { .. }
            | Error::WorkerRefused { .. }
            | Error::ClientRefused { .. }
            | Error::ConnectionRefused { .. }
            | Error::ReadingRefused { .. }
            | Error::TopicsUnfit { .. }
            | Error::PositionsGone { .. }
            | Error::Closed => Self::Retry(error.chain()),
        }
    }
}
