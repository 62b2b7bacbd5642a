//! How it runs: log, shards, stores, timers, restore. Read `log` first, the trait that everything else rests on; then
//! `shard`, the loop of one worker; then `log::embedded`, the log for one machine.
//!
//! A worker reads records of the partitions it was assigned, hands each to a handler, and commits positions, outputs,
//! state and timers in one batch, all or nothing, while it already works on the next.
//!
//! Invariant: nothing here has heard of an order. Keys and values are bytes, processors are names, topics are given.
//! Invariant: a handler never sees a store, a thread or a broker; a log never sees a handler.
//! Invariant: nothing is visible before it is committed, except to the worker that staged it.

pub mod clock;
pub mod conformance;
mod error;
pub mod log;
mod names;
mod partitioner;
mod record;
pub mod shard;
pub mod store;
mod timer;

pub use clock::{Clock, ManualClock, StopSignal, SystemClock};
pub use error::Error;
pub use log::{
    Batch, BatchId, CellChange, Limits, Log, Membership, Outcome, Polled, Position, TimerChange,
    any::{AnyLog, AnyMember, AnyPending, AnyProducer, AnyReader},
    embedded::Embedded,
};
pub use names::Names;
pub use partitioner::{murmur2, partition_for};
pub use record::{Headers, Outgoing, RECORD_BYTES_MAX, Record, TopicSpec, Topics};
pub use shard::{Handler, HandlerError, Settings, Step, Worker};
pub use store::keys::{CellKey, CellParts, TimerKey};
pub use timer::DueTimer;
