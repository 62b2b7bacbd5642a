//! What validation keeps of an order key.
use domain::order::Order;
use domain::{CommandId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Asked whether it can be delivered; the answer decides.
    Awaiting,
    Validated,
    /// May be corrected and submitted again.
    Rejected,
    Ended,
}

/// Lives as long as the key is known: what comes under it next is judged by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The newest submission that was heard of.
    pub submission: u32,
    pub phase: Phase,
    /// While awaiting.
    pub question: Option<Question>,
}

/// Whether the order can be delivered, as it is being asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub submission: u32,
    /// One for all sendings, to all systems.
    pub command_id: CommandId,
    /// Whom to ask, one after the other; the first is being asked now.
    pub inquiries: Vec<Inquiry>,
    /// How often the first was asked.
    pub attempt: u32,
    /// When it is asked again; absent once nobody answered for too long: an answer still counts.
    pub due: Option<Timestamp>,
    pub correlation_id: String,
    /// With the catalog's defaults filled in.
    pub order: Order,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inquiry {
    pub system: String,
    pub answer_ms: i64,
    pub attempts_max: u32,
}
