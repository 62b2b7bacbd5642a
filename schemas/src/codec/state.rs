//! The codec of what processors keep: as records, so that a newer build reads what an older one kept.
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, coder::Coder};
use crate::contracts;
use crate::registry::SchemaIds;

/// Stands where records have their topic, in subjects of a registry.
pub const STATE_SUBJECT: &str = "orderstream.state";

/// Reads and writes states by processor and record: `orchestration.TaskRecord`; [`contracts::STATE_SOURCES`] has all names.
#[derive(Debug)]
pub struct StateCodec(Coder);

impl StateCodec {
    pub fn new(ids: Arc<dyn SchemaIds>) -> StateCodec {
        StateCodec(Coder::new(ids, contracts::states().iter().copied()))
    }

    /// Whether a state of this name can be written and read.
    pub fn knows(&self, name: &str) -> bool {
        self.0.knows(name)
    }

    /// As [`super::Codec::learn`].
    ///
    /// # Errors
    /// As there.
    pub fn learn(&self, name: &str) -> Result<(), Error> {
        self.0.learn(STATE_SUBJECT, name)
    }

    /// The state's bytes, its schema's id in front.
    ///
    /// # Errors
    /// [`Error::StateUnknown`], [`Error::TooLarge`], [`Error::Registry`]; [`Error::Unwritable`] where type and contract differ.
    pub fn encode_state<T: Serialize>(&self, name: &str, state: &T) -> Result<Vec<u8>, Error> {
        self.0.encode(STATE_SUBJECT, name, state)
    }

    /// # Errors
    /// See [`Error`].
    pub fn decode_state<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, Error> {
        self.0.decode(name, bytes)
    }
}
