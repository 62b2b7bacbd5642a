//! What is asked of the generator, and what it gives.
use std::collections::BTreeSet;

use domain::{OrderKey, ReasonCode, RequestId, Timestamp};

use super::faults::PlantedFault;
use super::oracle::ExpectedOrder;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub seed: u64,
    pub orders: u32,
    /// The share of orders with a planted fault, 0 to 1.
    pub fault_rate: f64,
    /// Future start dates lie up to `future_start_ms_max` after this; nothing else in a document depends on a time.
    pub base_time: Timestamp,
    pub future_start_ms_max: i64,
    /// Whether systems are away for a while now and then; orders survive that.
    pub outages: bool,
    /// The only kind of order that is wanted, by its name in [`super::shapes::ALL`]; then none is invalid. `None`: a mixture.
    pub only: Option<&'static str>,
}

/// A document of somebody else that is mixed in, with what must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub name: String,
    pub body: Vec<u8>,
    pub media_type: String,
    /// `None`: it is no order, and must lie among the dead letters.
    pub expected: Option<(OrderKey, ExpectedOrder)>,
}

/// What must come of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Taken as an order, or as the next submission of a refused one; the oracle says how that ends.
    Taken,
    /// Refused with these codes.
    Rejected(BTreeSet<ReasonCode>),
    /// Recognised as a request that had come before.
    Ignored,
    /// Refused, because the order is in progress or has ended; the order is not touched.
    RevisionRefused,
    DeadLetter,
}

/// One request, as a requester sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The requester's name of the request; a repeated one has the same. To be the event's id (`ce_id`).
    pub request_id: RequestId,
    /// The key to send it under. For what is no order, some text.
    pub order_key: OrderKey,
    pub body: Vec<u8>,
    pub media_type: String,
    pub expected: Expected,
    /// What was planted for its order.
    pub faults: Vec<PlantedFault>,
}
