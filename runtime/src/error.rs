//! What can go wrong, in one type for the crate.

use std::path::PathBuf;
use std::sync::Arc;

/// What went wrong in the log or its store. Whether trying again may help: [`Error::is_passing`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("directory \"{}\" is in use by another process; stop it, or name another directory", directory.display())]
    DirectoryInUse { directory: PathBuf },
    #[error("could not open directory \"{}\"", directory.display())]
    DirectoryOpen { directory: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("\"{}\" is a file, where a directory is expected", path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "directory \"{}\" has format version {found}, written by {software}; this program reads up to {known}, use a newer one",
        directory.display()
    )]
    FormatNewer { directory: PathBuf, found: u32, known: u32, software: String },
    #[error("topic \"{topic}\" is refused: {reason}")]
    TopicRefused { topic: Arc<str>, reason: String },
    #[error(
        "topic \"{topic}\" has {stored} partitions in the store and {asked} in the settings; \
         the count of a topic never changes"
    )]
    PartitionsDiffer { topic: Arc<str>, stored: u32, asked: u32 },
    #[error("topic \"{topic}\" is unknown; it was not named at opening")]
    TopicUnknown { topic: Arc<str> },
    #[error("topic \"{topic}\" has no partition {partition}; it has {partitions}, counted from 0")]
    PartitionUnknown { topic: Arc<str>, partition: u32, partitions: u32 },
    #[error("group \"{group}\" is refused: {reason}")]
    GroupRefused { group: Arc<str>, reason: String },
    #[error("worker \"{worker}\" is refused: {reason}")]
    WorkerRefused { worker: Arc<str>, reason: String },
    #[error(
        "record of {record_bytes} bytes for topic \"{topic}\" is too large; at most {record_bytes_max} are allowed"
    )]
    RecordTooLarge { topic: Arc<str>, record_bytes: usize, record_bytes_max: usize },
    #[error("key of {key_bytes} bytes is too long; at most {key_bytes_max} are allowed")]
    KeyTooLong { key_bytes: usize, key_bytes_max: usize },
    #[error("could not {doing}")]
    Store { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// The write as a whole failed, for all that were part of it: a full disk, or an I/O error.
    #[error("could not write to the log: {reason}")]
    Write { reason: Arc<str> },
    /// Permanent: nothing was changed. A backup, or whoever damaged it, has what is missing.
    #[error("store is damaged: {what}")]
    Damaged { what: String },
    /// Brokers forget the positions of a group that nobody is in (`offsets.retention.minutes`). To begin again with the oldest records would do
    /// all over again what its state says is done.
    #[error(
        "group \"{group}\" has state in partition {partition}, and no position in any of its inputs ({topics}): the brokers have forgotten them. \
         Set where it goes on with kafka-consumer-groups --reset-offsets --execute: --to-latest leaves out what came since it stopped, \
         --by-duration or --to-datetime repeats what came after that time"
    )]
    PositionsGone { group: Arc<str>, partition: u32, topics: String },
    /// Bounded queues are the backpressure: the caller may wait, or pass the refusal on.
    #[error(
        "queue of the log is full, it takes {requests_max} requests and {bytes_max} bytes; try again later"
    )]
    QueueFull { requests_max: usize, bytes_max: usize },
    #[error("no answer from the log within {wait_ms} ms; the records may or may not have been written")]
    WaitEnded { wait_ms: u64 },
    /// Permanent: the settings of the log name what is not there, or what the client does not know.
    #[error("Kafka client refuses its settings")]
    ClientRefused { source: Box<dyn std::error::Error + Send + Sync> },
    /// Permanent: user, password and certificates are not those that the brokers know, or theirs not those that we trust.
    #[error("brokers refuse the connection; see the security settings of the log: {reason}")]
    ConnectionRefused { reason: String },
    /// Permanent: somebody has to give the right to read.
    #[error("reading is refused to this user, who needs READ on each of: {topics} ({reason})")]
    ReadingRefused { topics: String, reason: String },
    /// Permanent: somebody has to create or change the topics.
    #[error("topics of the cluster do not fit, {count} findings: {findings}")]
    TopicsUnfit { count: usize, findings: Arc<str> },
    #[error("log is closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later, with nothing changed by the caller.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store { .. } | Self::Write { .. } | Self::QueueFull { .. } | Self::WaitEnded { .. } => true,
            Self::DirectoryInUse { .. }
            | Self::DirectoryOpen { .. }
            | Self::NotADirectory { .. }
            | Self::FormatNewer { .. }
            | Self::TopicRefused { .. }
            | Self::PartitionsDiffer { .. }
            | Self::TopicUnknown { .. }
            | Self::PartitionUnknown { .. }
            | Self::GroupRefused { .. }
            | Self::WorkerRefused { .. }
            | Self::RecordTooLarge { .. }
            | Self::KeyTooLong { .. }
            | Self::Damaged { .. }
            | Self::PositionsGone { .. }
            | Self::ClientRefused { .. }
            | Self::ConnectionRefused { .. }
            | Self::ReadingRefused { .. }
            | Self::TopicsUnfit { .. }
            | Self::Closed => false,
        }
    }

    /// The sentence with all its causes, for a log line or a header.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
