//! What others rely on: the Avro contracts, the topics, the codec, and the translations of what outsiders send.
//!
//! Read [`topics`] for what lies where, [`codec`] for bytes to records and back, [`tmf`] for what becomes of a TMF622 document.
//!
//! Invariant: no TMF field name is known outside [`tmf`], and no topic name outside [`topics`].
//! Invariant: nothing here decides about an order. What is wrong with a document is found and said; what follows from it is not known here.
//! Invariant: no bytes, however broken or hostile, make this crate panic or allocate beyond a stated limit.

pub mod codec;
pub mod contracts;
pub mod evolution;
pub mod examples;
pub mod headers;
pub mod heartbeat;
pub mod own;
pub mod registry;
mod shape;
pub mod testing;
pub mod tmf;
pub mod topics;
