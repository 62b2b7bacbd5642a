//! What is told about an order: one record type each, on one topic, in the sequence in which it happened.
//!
//! Each type is written by exactly one processor; [`OrderEvent::writer`] says which.
use serde::{Deserialize, Serialize};

use crate::fallout::{Classification, Detection, FalloutCase, Severity};
use crate::order::{ItemState, ItemTrigger, Order, OrderState, OrderTrigger, Values};
use crate::plan::{
    ExecutionMode, Failure, Plan, ServiceOrderState, ServiceOrderTrigger, TaskState, TaskTrigger,
};
use crate::{
    CaseId, CommandId, FeedbackId, ItemId, OrderKey, ProductId, Reason, RequestId, ServiceOrderId, TaskId,
    Timestamp,
};

/// Why and when something happened; part of every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub order_key: OrderKey,
    /// The time it was decided at; the next processor takes it as its `now`.
    pub at: Timestamp,
    /// The request that the whole story goes back to.
    pub correlation_id: String,
    /// The record or the timer that this follows from.
    pub causation_id: String,
    /// Who: `requester TMF`, `processor orchestration`, `system billing`.
    pub actor: String,
}

/// The raw request, kept by capture under this digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    pub media_type: String,
    pub digest: String,
    pub size_bytes: i64,
}

/// capture: an order came, or another one under a key that is in use (`submission` above 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCaptured {
    pub cause: Cause,
    /// 1 for the base order; counts the requests under the key that were not repeated ones.
    pub submission: u32,
    pub order: Order,
    /// What could not be read of the document: validation refuses it with all its reasons.
    pub findings: Vec<Reason>,
    pub evidence: Evidence,
}

/// capture: the same request came again; nothing follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestIgnored {
    pub cause: Cause,
    pub request_id: RequestId,
}

/// validation: every rule holds, and it can be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderValidated {
    pub cause: Cause,
    pub submission: u32,
    /// With the catalog's defaults filled in.
    pub order: Order,
}

/// validation: refused, with all its reasons. It can be corrected and submitted again under its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRejected {
    pub cause: Cause,
    pub submission: u32,
    pub request_id: RequestId,
    pub reasons: Vec<Reason>,
}

/// validation: a request under the key of an order that is in progress or ended; the order itself is not touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRefused {
    pub cause: Cause,
    pub submission: u32,
    pub request_id: RequestId,
    pub reasons: Vec<Reason>,
}

/// validation: the question was sent (again).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeasibilityAsked {
    pub cause: Cause,
    pub submission: u32,
    pub command_id: CommandId,
    pub system: String,
    pub attempt: u32,
    pub answer_due: Timestamp,
}

/// validation: nobody answers whether it can be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeasibilityUnanswered {
    pub cause: Cause,
    pub submission: u32,
    pub command_id: CommandId,
    pub system: String,
    pub attempts: u32,
}

/// decomposition: the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDecomposed {
    pub cause: Cause,
    pub order: Order,
    pub plan: Plan,
}

/// decomposition: the pinned catalog cannot say how to build it; it never takes another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecompositionFailed {
    pub cause: Cause,
    pub reasons: Vec<Reason>,
}

/// orchestration: the order as a whole moved, after decomposition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStateChanged {
    pub cause: Cause,
    pub order_version: u32,
    pub from: OrderState,
    pub to: OrderState,
    pub trigger: OrderTrigger,
    pub reason: Option<String>,
    /// The explicit wait, in words, where there is one: `order TMF/POnumber/7`, `start 2026-12-01T00:00:00.000Z`.
    pub waiting_for: Option<String>,
    /// When something is expected to happen next; absent where an outside event without a date is awaited.
    pub next_due: Option<Timestamp>,
}

/// orchestration: an item moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemStateChanged {
    pub cause: Cause,
    pub item_id: ItemId,
    pub from: ItemState,
    pub to: ItemState,
    pub trigger: ItemTrigger,
    pub reason: Option<String>,
}

/// orchestration: a task moved; one record per step, `from` its first state and `to` its last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStateChanged {
    pub cause: Cause,
    pub task_id: TaskId,
    pub item_id: ItemId,
    pub component: String,
    pub task_type: String,
    pub system: String,
    pub from: TaskState,
    pub to: TaskState,
    /// The last trigger of the step.
    pub trigger: TaskTrigger,
    pub mode: ExecutionMode,
    pub in_fallout: bool,
    pub attempt: u32,
    pub command_id: Option<CommandId>,
    pub failure: Option<Failure>,
    /// The reason of a skip, a deferral or a missing input.
    pub reason: Option<String>,
    /// What was reported with this step.
    pub outputs: Values,
    /// By when the task is expected to move again; absent where it is done, or nothing is expected of it.
    pub next_due: Option<Timestamp>,
}

/// orchestration: a service order moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOrderStateChanged {
    pub cause: Cause,
    pub service_order: ServiceOrderId,
    pub item_id: ItemId,
    pub from: ServiceOrderState,
    pub to: ServiceOrderState,
    pub trigger: ServiceOrderTrigger,
}

/// orchestration: a milestone of an item was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MilestoneReached {
    pub cause: Cause,
    pub item_id: ItemId,
    pub task_id: TaskId,
    pub milestone: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IgnoredBecause {
    /// The same answer had been taken before.
    Repeated,
    /// It came when the task had already moved past it.
    Late,
    /// No command of this id belongs to the order, or there is no such order.
    NotOurs,
}

/// orchestration: an answer that changed nothing; counted, never dropped in silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackIgnored {
    pub cause: Cause,
    pub feedback_id: FeedbackId,
    pub command_id: CommandId,
    pub system: String,
    pub because: IgnoredBecause,
}

/// orchestration: what it waited for ended otherwise than hoped; a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitFailed {
    pub cause: Cause,
    pub waiting_for: String,
    pub message: String,
}

/// fallout: a case was opened, classified and given to its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FalloutDetected {
    pub cause: Cause,
    pub case: FalloutCase,
}

/// fallout: an open case was seen again, and is filed anew (a timeout that turned out to be a failure).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FalloutClassified {
    pub cause: Cause,
    pub case_id: CaseId,
    pub detection: Detection,
    pub failure: Failure,
    pub classification: Classification,
    pub severity: Severity,
}

/// fallout: the blockage is gone. The case stays searchable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FalloutResolved {
    pub cause: Cause,
    pub case_id: CaseId,
    pub task_id: Option<TaskId>,
    pub resolution: String,
}

/// stuckOrders: an active order that nothing will move again (seed 001, "Progress Invariant").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderMarkedStuck {
    pub cause: Cause,
    pub case_id: CaseId,
    /// When something should have happened at the latest.
    pub silent_since: Timestamp,
    /// The task that was expected to move, where it was one.
    pub task_id: Option<TaskId>,
    pub item_id: Option<ItemId>,
}

macro_rules! order_events {
    ($($writer:literal: $($name:ident),+;)+) => {
        /// One of all records of the order's topic.
        // Boxed where large, so that a list of small events stays small.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum OrderEvent {
            $($($name(Box<$name>),)+)+
        }
        $($(
            impl From<$name> for OrderEvent {
                fn from(event: $name) -> OrderEvent {
                    OrderEvent::$name(Box::new(event))
                }
            }
        )+)+
        impl OrderEvent {
            /// Every record type's name, in the sequence of the chain.
            pub const NAMES: &'static [&'static str] = &[$($(stringify!($name),)+)+];

            pub fn cause(&self) -> &Cause {
                match self {
                    $($(OrderEvent::$name(event) => &event.cause,)+)+
                }
            }

            /// The name of the record type.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(OrderEvent::$name(_) => stringify!($name),)+)+
                }
            }

            /// The only processor that writes a record type of this name; `None` for a name that is not ours.
            pub fn writer_of(name: &str) -> Option<&'static str> {
                match name {
                    $($(stringify!($name) => Some($writer),)+)+
                    _ => None,
                }
            }
        }
    };
}

order_events! {
    "capture": OrderCaptured, RequestIgnored;
    "validation": OrderValidated, OrderRejected, RevisionRefused, FeasibilityAsked, FeasibilityUnanswered;
    "decomposition": OrderDecomposed, DecompositionFailed;
    "orchestration": OrderStateChanged, ItemStateChanged, TaskStateChanged, ServiceOrderStateChanged, MilestoneReached,
        FeedbackIgnored, WaitFailed;
    "fallout": FalloutDetected, FalloutClassified, FalloutResolved;
    "stuckOrders": OrderMarkedStuck;
}

impl OrderEvent {
    pub fn order_key(&self) -> &OrderKey {
        &self.cause().order_key
    }

    pub fn at(&self) -> Timestamp {
        self.cause().at
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SignalKind {
    /// `from_order` waits until the addressed order is completed.
    FollowerWaits,
    /// The addressed order waited for `from_order` or `product`, which is done now.
    WaitOver,
    /// The addressed order waited for `from_order` or `product`, which ended otherwise.
    WaitFailed,
    /// The task may be sent now, although its system's circuit is not closed or lets few in.
    TurnGranted,
}

/// What crosses keys: a message to an order, keyed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSignal {
    pub order_key: OrderKey,
    pub kind: SignalKind,
    pub from_order: Option<OrderKey>,
    pub product: Option<ProductId>,
    pub product_version: Option<u32>,
    pub task_id: Option<TaskId>,
    pub message: Option<String>,
    pub at: Timestamp,
    pub causation_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChargeAction {
    Start,
    Change,
    Stop,
}

/// Explicit billing evidence: what billing has to do, never how much of it (seed 000, "Billing Impact"). Keyed by the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BillingIntent {
    pub cause: Cause,
    pub item_id: ItemId,
    pub product: Option<ProductId>,
    pub action: ChargeAction,
    pub billing_account: Option<String>,
    pub offering: Option<String>,
    pub prices: Vec<crate::order::AgreedPrice>,
    pub quantity: u32,
    pub billing_effective: Timestamp,
    /// The agreement that the charge rests on: the request and its version.
    pub commercial_evidence: String,
}

/// To whoever ordered: true, and free of internals. Keyed by the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub cause: Cause,
    /// `requester` or `customer`.
    pub audience: String,
    /// The TMF622 state as shown outside.
    pub shown_state: String,
    pub message: String,
}
