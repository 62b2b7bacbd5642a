//! Records to bytes and back: Confluent's framing around Avro, straight from and to the typed value.
//!
//! What was written with another version of a contract is resolved to ours by Avro's rules; that costs a detour and is for transitions.
use std::sync::Arc;

use domain::limits::RECORD_BYTES_MAX;
use domain::order::event::OrderEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::registry::{self, SchemaIds};
use crate::{contracts, topics};

mod coder;
pub mod frame;
pub(crate) mod plain;
mod records;
mod state;

use coder::Coder;
pub use records::Recorded;
pub use state::{STATE_SUBJECT, StateCodec};

/// Why bytes are no record of ours, or a record no bytes. All but [`Error::Registry`] are permanent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no framed record, which begins with a zero byte and the four bytes of its schema's id, in {found} bytes"
    )]
    NotFramed { found: usize },
    #[error("a record of {bytes} bytes is larger than {RECORD_BYTES_MAX}")]
    TooLarge { bytes: usize },
    /// The schema is Avro of somebody else, or no Avro at all.
    #[error("schema id {id} is none of ours: {why}")]
    SchemaForeign { id: u32, why: String },
    /// A record of our namespace which this build does not know: a newer one, or one of another topic's.
    #[error("schema id {id} is the record \"{found}\", which is not read here")]
    RecordUnknown { id: u32, found: String },
    #[error("record \"{found}\" lies where \"{expected}\" is expected")]
    RecordOther { expected: String, found: String },
    /// Neither has the reader's contract a default for what the writer's lacks, nor can one be read as the other.
    #[error("record \"{name}\" could not be read: {why}")]
    Malformed { name: String, why: String },
    #[error("record \"{name}\" ends {left} bytes before its bytes do")]
    TrailingBytes { name: String, left: usize },
    /// Our own mistake: type and contract differ. Tests write every type.
    #[error("record \"{name}\" could not be written: {why}")]
    Unwritable { name: String, why: String },
    #[error("state \"{name}\" has no contract")]
    StateUnknown { name: String },
    /// Passing or not as the registry's error says.
    #[error("could not learn about a schema")]
    Registry(#[from] registry::Error),
}

impl Error {
    /// Whether the same may work the next time: the ids of schemas could not be asked for, or not be kept.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Registry(error) => error.is_passing(),
            Error::NotFramed { .. }
            | Error::TooLarge { .. }
            | Error::SchemaForeign { .. }
            | Error::RecordUnknown { .. }
            | Error::RecordOther { .. }
            | Error::Malformed { .. }
            | Error::TrailingBytes { .. }
            | Error::Unwritable { .. }
            | Error::StateUnknown { .. } => false,
        }
    }
}

/// The codec of all records on topics. Cheap to share; holds what it learnt of ids for as long as it lives.
#[derive(Debug)]
pub struct Codec(Coder);

impl Codec {
    pub fn new(ids: Arc<dyn SchemaIds>) -> Codec {
        Codec(Coder::new(ids, contracts::all().iter().copied()))
    }

    /// Asks for the id of a record's schema, so that none need be asked for when it is written.
    ///
    /// # Errors
    /// [`Error::Registry`]; [`Error::StateUnknown`] for a name that is none of ours.
    pub fn learn(&self, topic: &str, record: &str) -> Result<(), Error> {
        self.0.learn(topic, record)
    }

    /// The bytes of any record for its topic. A full record of the largest plan stays below the limit; see [`domain::limits`].
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Registry`]; [`Error::Unwritable`] is our own mistake.
    pub fn encode<T: Recorded + Serialize>(&self, topic: &str, record: &T) -> Result<Vec<u8>, Error> {
        self.0.encode(topic, T::NAME, record)
    }

    /// Any record of type `T`, from whatever version of its contract it was written with.
    ///
    /// # Errors
    /// See [`Error`]; nothing here panics on any bytes.
    pub fn decode<T: Recorded + DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Error> {
        self.0.decode(T::NAME, bytes)
    }

    /// The name of the record in these bytes, by their schema id; the body is not looked at.
    ///
    /// # Errors
    /// As [`Codec::decode`], as far as the frame and the schema are concerned.
    pub fn record_name(&self, bytes: &[u8]) -> Result<&'static str, Error> {
        self.0.record_of(bytes)
    }

    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode_event(&self, event: &OrderEvent) -> Result<Vec<u8>, Error> {
        records::encode_event(&self.0, topics::ORDER_EVENTS, event)
    }

    /// # Errors
    /// As [`Codec::decode`]; [`Error::RecordUnknown`] for a record that is not one of the order's events.
    pub fn decode_event(&self, bytes: &[u8]) -> Result<OrderEvent, Error> {
        records::decode_event(&self.0, bytes)
    }

    /// Any record as a tree, for people and scripts: its name and its fields.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_shown(&self, bytes: &[u8]) -> Result<(&'static str, serde_json::Value), Error> {
        records::decode_shown(&self.0, bytes)
    }
}

#[cfg(test)]
mod tests;
