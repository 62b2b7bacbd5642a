//! Which number stands for which schema: a record's bytes begin with the id of the schema that they were written with.
use std::fmt::Debug;

use crate::contracts::Contract;

mod local;
pub mod registration;
mod remote;
mod rest;

pub use local::{InMemory, KeyValue, LocalIds};
pub use remote::RemoteIds;

/// Gives ids to schemas and schemas for ids. Answers never change, so callers keep them.
pub trait SchemaIds: Send + Sync + Debug {
    /// The id of a schema under a subject.
    ///
    /// # Errors
    /// [`Error::NotRegistered`] where the other side does not take new schemas from us; [`Error::Unavailable`] may work next time.
    fn id_of(&self, subject: &str, schema_json: &str) -> Result<u32, Error>;

    /// The schema of an id.
    ///
    /// # Errors
    /// [`Error::IdUnknown`] for an id that was never given; [`Error::Unavailable`] may work next time.
    fn schema_of(&self, id: u32) -> Result<String, Error>;
}

/// What can go wrong with ids of schemas.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Permanent until somebody registers it.
    #[error("schema id {id} is not known to the registry")]
    IdUnknown { id: u32 },
    /// Permanent until somebody registers it: schemas are registered by whoever deploys, never by the way.
    #[error("subject \"{subject}\" has no such schema; register it before starting")]
    NotRegistered { subject: String },
    /// Passing.
    #[error("could not ask the registry about {what}")]
    Unavailable { what: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// Permanent: what is kept is not what we wrote.
    #[error("what is kept under \"{key}\" is no schema")]
    Corrupt { key: String },
}

impl Error {
    /// Whether the same may work the next time, with nothing done by anybody.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Unavailable { .. } => true,
            Error::IdUnknown { .. } | Error::NotRegistered { .. } | Error::Corrupt { .. } => false,
        }
    }
}

/// The subject of a record on a topic (Confluent's `TopicRecordNameStrategy`): each record type evolves by itself.
pub fn subject(topic: &str, contract: &Contract) -> String {
    format!("{topic}-{}", contract.full_name)
}

/// The blocking client must not be used, nor dropped, on a thread of an async runtime; so each question has a thread of its own.
/// There are as many questions as schemas in the life of a process.
fn asked<T: Send>(question: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(question).join() {
        Ok(answer) => answer,
        Err(panicked) => std::panic::resume_unwind(panicked),
    })
}
