//! How an order is built: service orders, and a directed acyclic graph of fulfilment tasks.
use serde::{Deserialize, Serialize};

use crate::order::{ItemAction, Values};
use crate::{CatalogVersion, CommandId, ItemId, Json, ProductId, ServiceOrderId, TaskId, Timestamp};

pub mod states;

pub use states::{ServiceOrderState, ServiceOrderTrigger, TaskState, TaskTrigger};

/// What decomposition makes of an order. Equal order and catalog version: equal plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub catalog_version: CatalogVersion,
    /// Of which version of the order.
    pub order_version: u32,
    pub items: Vec<PlannedItem>,
    /// Sorted by id.
    pub service_orders: Vec<ServiceOrder>,
    /// Sorted by id; predecessors name tasks of this plan only, and the graph has no cycle.
    pub tasks: Vec<PlannedTask>,
}

/// What the catalog says of an item as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedItem {
    pub item_id: ItemId,
    pub action: ItemAction,
    /// Whether the order may complete without it.
    pub optional: bool,
    pub billable: bool,
    /// The product instances it makes or changes, one per unit.
    pub products: Vec<ProductId>,
    /// The items that it cannot do without.
    pub requires: Vec<ItemId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceOrderKind {
    Service,
    Resource,
    Billing,
    Shipping,
    Partner,
    Manual,
}

/// A part of an order item for one kind of system (TMF641 and its likes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOrder {
    pub id: ServiceOrderId,
    pub item_id: ItemId,
    pub kind: ServiceOrderKind,
    /// The catalog's service or resource specification that it realises.
    pub specification: String,
    /// The service order that needs this one: a resource order's service.
    pub parent: Option<ServiceOrderId>,
    pub characteristics: Values,
}

/// One node of the graph. `(item_id, component)` is the data key by which revisions are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTask {
    pub id: TaskId,
    pub item_id: ItemId,
    /// The component of the item that it realises; the unit's number is part of it where there are several (`access#2`).
    pub component: String,
    pub task_type: String,
    /// The system that is asked; the catalog's task type says so, and it is repeated here for whoever reads the plan.
    pub system: String,
    pub service_order: ServiceOrderId,
    pub action: ItemAction,
    /// Sorted.
    pub predecessors: Vec<TaskId>,
    pub inputs: Vec<PlannedInput>,
    /// The milestone that is reached when this task is done.
    pub milestone: Option<String>,
    /// The product instance that it works on.
    pub product: Option<ProductId>,
}

/// An input is a value, or what another task will report. Exactly one of `value` and `task` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedInput {
    pub name: String,
    pub value: Option<Json>,
    /// The task whose output is taken; always one of the predecessors, or one of theirs.
    pub task: Option<TaskId>,
    pub output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecutionMode {
    Do,
    Redo,
    Undo,
    AmendDo,
}

/// A task as it stands: its place in the plan, and its life so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub planned: PlannedTask,
    /// The tasks that wait for this one.
    pub successors: Vec<TaskId>,
    /// How many predecessors are not done.
    pub waiting_for: u32,
    pub state: TaskState,
    pub mode: ExecutionMode,
    /// The mode's run has failed and is being dealt with (seed 003, "Task Execution Modes").
    pub in_fallout: bool,
    /// Counts redos with changed data; a new run has a new command id.
    pub run: u32,
    /// Counts sendings of the same command.
    pub attempt: u32,
    pub command_id: Option<CommandId>,
    /// How often the outcome was asked for, since it became unknown.
    pub queries: u32,
    pub outputs: Values,
    /// What it last ran with (seed 003, "historical order perspective").
    pub ran_with: Option<Values>,
    pub dispatched_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// When an answer is due, or the next try is; what the timer of this task stands at.
    pub due: Option<Timestamp>,
    pub last_failure: Option<Failure>,
    pub skip_reason: Option<String>,
    /// The answers taken so far, newest last, at most [`crate::limits::FEEDBACK_SEEN_MAX`].
    pub feedback_seen: Vec<crate::FeedbackId>,
}

/// Why a task failed: what the downstream system said, word for word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub system: String,
    /// The original code, preserved exactly (seed 001, "rawErrorCode").
    pub code: String,
    pub message: String,
    pub at: Timestamp,
}
