//! The health of downstream systems: one circuit breaker per system, shared by all shards by message.
use serde::{Deserialize, Serialize};

use crate::states::Machine;
use crate::{OrderKey, TaskId, Timestamp};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CircuitState {
    #[default]
    Closed,
    /// Nothing is sent; who wants to send waits for its turn.
    Open,
    /// One probe at a time is let through.
    HalfOpen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CircuitTrigger {
    FailuresReachedThreshold,
    OpenIntervalElapsed,
    ProbeSucceeded,
    ProbeFailed,
}

impl Machine for CircuitState {
    type Trigger = CircuitTrigger;
    const NAME: &'static str = "circuit";
    const INITIAL: CircuitState = CircuitState::Closed;
    const ALL: &'static [CircuitState] = &[CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen];
    #[rustfmt::skip]
    const TABLE: &'static [(CircuitState, CircuitTrigger, CircuitState)] = &[
        (CircuitState::Closed,   CircuitTrigger::FailuresReachedThreshold, CircuitState::Open),
        (CircuitState::Open,     CircuitTrigger::OpenIntervalElapsed,      CircuitState::HalfOpen),
        (CircuitState::HalfOpen, CircuitTrigger::ProbeSucceeded,           CircuitState::Closed),
        (CircuitState::HalfOpen, CircuitTrigger::ProbeFailed,              CircuitState::Open),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObservationKind {
    /// A command was answered in time. Told only while `Health::watched`.
    Answered,
    /// A command was answered with a failure of the system itself, or not at all in time.
    Unanswered,
    /// A task would be sent but for the circuit, and waits for its turn.
    TurnWanted,
    /// A task that waited does not want its turn any more.
    TurnRefused,
}

/// What an order saw of a system; keyed by the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownstreamObserved {
    pub system: String,
    pub kind: ObservationKind,
    pub order_key: OrderKey,
    pub task_id: Option<TaskId>,
    /// The priority of the order, 0 first.
    pub priority: u8,
    pub at: Timestamp,
}

/// What all shards know of a system; published whenever it changes, to a compacted topic, keyed by the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownstreamHealth {
    pub system: String,
    pub circuit: CircuitState,
    /// Whether the breaker counts: then answers in time are told too. A healthy system costs no messages.
    pub watched: bool,
    pub changed_at: Timestamp,
    pub reason: String,
    /// How many tasks wait for their turn.
    pub waiting: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        crate::states::check_table::<CircuitState>();
    }
}
