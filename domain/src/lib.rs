//! What is true: the order, its plan, its state machines, the catalog and the one planner.
//!
//! Start at [`order`], then [`plan`]; [`states`] has what all state machines share; [`limits`] every bound in one place.
//!
//! Invariant: nothing here opens a file or a socket, asks for the time, or draws a number: time is an argument, ids are derived.
//! Invariant: no TMF wire spelling and no topic name appears here. `schemas` knows those.
//! Invariant: what is serialised is a plain record (structs, unit enums, options, lists, string maps), so that one Avro record
//! per type can carry it without a translation.

pub mod catalog;
pub mod codes;
pub mod command;
pub mod downstream;
pub mod fallout;
pub mod id;
pub mod inventory;
pub mod json;
pub mod limits;
pub mod money;
pub mod mutation;
pub mod order;
pub mod plan;
pub mod planner;
pub mod reason;
pub mod size;
pub mod states;
pub mod text;
pub mod time;

pub use id::{
    CaseId, CatalogVersion, CommandId, FeedbackId, ItemId, MutationId, OrderKey, ProductId, RequestId,
    ServiceOrderId, TaskId,
};
pub use json::Json;
pub use money::{Currency, Money};
pub use reason::{Reason, ReasonCode};
pub use time::Timestamp;
