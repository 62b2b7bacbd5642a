//! The sign of life that goes through every shard: a record like any other, about no order.
use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// See `schemas/avro/Heartbeat.avsc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// When the service sent it.
    pub sent_at: Timestamp,
    /// The sub-topology that passed it on; none while it is on its way there.
    pub passed_by: Option<String>,
    /// The processors of that sub-topology.
    pub stages: Vec<String>,
}
