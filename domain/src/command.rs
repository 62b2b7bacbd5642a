//! What is asked of downstream systems, and what they answer.
use serde::{Deserialize, Serialize};

use crate::order::{ItemAction, Priority, Values};
use crate::plan::ExecutionMode;
use crate::{CommandId, FeedbackId, ItemId, OrderKey, ProductId, ServiceOrderId, TaskId, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandKind {
    /// Do what `name` says, once per command id however often it is sent.
    Execute,
    /// Say what became of the command of this id (seed 001, "Unknown Outcome Pattern"). Does nothing.
    Query,
    /// Say whether it could be done. Does nothing.
    CheckFeasibility,
}

/// A request to a downstream system. `command_id` is its idempotency key: a retry, and a query, carry the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub command_id: CommandId,
    /// Asked back in the answer, with the command id.
    pub order_key: OrderKey,
    pub system: String,
    pub kind: CommandKind,
    /// The operation, in the catalog's words: `activateAccess`.
    pub name: String,
    pub mode: ExecutionMode,
    /// Counts the sendings of this command id, from 1.
    pub attempt: u32,
    pub priority: Priority,
    pub action: ItemAction,
    /// Absent for a feasibility check, which is about the whole order.
    pub task_id: Option<TaskId>,
    pub item_id: Option<ItemId>,
    pub service_order: Option<ServiceOrderId>,
    pub product: Option<ProductId>,
    pub inputs: Values,
    pub issued_at: Timestamp,
    /// By when an answer is expected.
    pub answer_due: Option<Timestamp>,
    pub correlation_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FeedbackKind {
    /// It will be dealt with; nothing is done yet.
    Accepted,
    InProgress,
    Completed,
    Failed,
    /// Some parts of it are done, others are not yet.
    PartialActivation,
    /// The answer to a query: no command of that id was ever received.
    NotKnown,
    /// Unasked, later: the service was paused.
    Suspended,
    /// Unasked, later: the service was resumed after it was paused.
    Resumed,
    /// Unasked, later: the service was taken away.
    Terminated,
    /// A word of a newer contract; taken as a dead letter, never guessed at.
    #[serde(rename = "UNKNOWN")]
    Unknown,
}

/// A downstream system's answer, correlated by `command_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    pub feedback_id: FeedbackId,
    pub command_id: CommandId,
    pub order_key: OrderKey,
    pub system: String,
    pub kind: FeedbackKind,
    /// The attempt that is answered, where the system echoes it.
    pub attempt: Option<u32>,
    /// What was assigned, reported with `completed` and `partialActivation`.
    #[serde(default)]
    pub outputs: Values,
    /// For `failed`: the system's own code.
    pub code: Option<String>,
    pub message: Option<String>,
    /// For `failed`: the system's own word on whether trying again could help. The retry policy decides.
    pub retryable: Option<bool>,
    pub at: Timestamp,
}
