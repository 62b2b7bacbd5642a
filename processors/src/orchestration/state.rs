//! What is kept of one order, in cells: a step reads and writes those that it touches.
//!
//! | cell | record | changes |
//! |---|---|---|
//! | `head` | [`Head`] | with every step that moves something; small, and kept when all else is forgotten |
//! | `task/<task id>` | [`TaskRecord`] | with every step of that task |
//! | `item/<item id>` | [`ItemRecord`] | with every step of one of its tasks |
//! | `serviceOrder/<id>` | [`ServiceOrderRecord`] | with every step of one of its tasks |
//! | `itemPlan/<item id>` | [`ItemPlan`] | never |
//! | `command/<command id>` | [`CommandIndex`] | never |
//! | `waiter/<order key>` | [`Waiter`] | never; may be there before the order itself |
use serde::{Deserialize, Serialize};

use domain::order::{Dates, ItemAction, ItemState, OrderItem, OrderState, Priority};
use domain::plan::{PlannedItem, ServiceOrderState, Task};
use domain::{CatalogVersion, CommandId, ItemId, OrderKey, ProductId, ServiceOrderId, TaskId, Timestamp};

/// One cell's content; which variant it is follows from the cell's name.
// Boxed where large, so that the small ones stay small.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Head(Box<Head>),
    Task(Box<TaskRecord>),
    Item(ItemRecord),
    ServiceOrder(ServiceOrderRecord),
    ItemPlan(Box<ItemPlan>),
    Command(CommandIndex),
    Waiter(Waiter),
}

/// The prefixes of the cells' names; a name's prefix says which record the cell holds.
pub const HEAD_CELL: &str = "head";
pub const TASK_PREFIX: &str = "task/";
pub const ITEM_PREFIX: &str = "item/";
pub const SERVICE_ORDER_PREFIX: &str = "serviceOrder/";
pub const ITEM_PLAN_PREFIX: &str = "itemPlan/";
pub const COMMAND_PREFIX: &str = "command/";
pub const WAITER_PREFIX: &str = "waiter/";

pub fn task_cell(id: TaskId) -> String {
    format!("{TASK_PREFIX}{id}")
}

pub fn item_cell(id: &ItemId) -> String {
    format!("{ITEM_PREFIX}{id}")
}

pub fn service_order_cell(id: ServiceOrderId) -> String {
    format!("{SERVICE_ORDER_PREFIX}{id}")
}

pub fn item_plan_cell(id: &ItemId) -> String {
    format!("{ITEM_PLAN_PREFIX}{id}")
}

pub fn command_cell(id: CommandId) -> String {
    format!("{COMMAND_PREFIX}{id}")
}

pub fn waiter_cell(follower: &OrderKey) -> String {
    format!("{WAITER_PREFIX}{follower}")
}

/// The order as a whole: what every step needs, and counters instead of lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub state: OrderState,
    pub order_version: u32,
    /// The version that everything about this order is looked up in, until it ends.
    pub catalog_version: CatalogVersion,
    pub correlation_id: String,
    pub requester: String,
    /// The id of the party in the role `customer`, for the inventory.
    pub customer: Option<String>,
    pub priority: Priority,
    pub dates: Dates,
    pub billing_account: Option<String>,
    /// What the charges rest on: the request and its version.
    pub commercial_evidence: String,
    /// What has to be over before the order starts; what is over is taken out.
    pub waits: Vec<Wait>,
    /// Items that are neither completed, failed nor cancelled.
    pub items_open: u32,
    pub items_failed_mandatory: u32,
    pub items_failed_optional: u32,
    /// Tasks of which an answer, a timer or a turn is awaited.
    pub tasks_active: u32,
    pub ended_at: Option<Timestamp>,
}

impl Head {
    /// Whether tasks may be sent: nothing new is begun for an order that can only fail any more.
    pub fn may_dispatch(&self) -> bool {
        self.state == OrderState::InProgress && self.items_failed_mandatory == 0
    }
}

/// Something that is awaited before the start: exactly one of `start`, `order` and `product`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    pub start: Option<Timestamp>,
    pub order: Option<OrderKey>,
    pub product: Option<ProductId>,
    /// It ended otherwise than hoped, and that was told. The order still waits: a repair of the other may end it well.
    pub failed: bool,
}

/// The explicit wait in words: `order TMF/POnumber/7`, `start 2026-12-01T00:00:00.000Z`.
impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.start, &self.order, &self.product) {
            (Some(at), _, _) => write!(f, "start {at}"),
            (None, Some(order), _) => write!(f, "order {order}"),
            (None, None, Some(product)) => write!(f, "product {product}"),
            (None, None, None) => f.write_str("nothing"),
        }
    }
}

/// A task, and what of its sending is nobody else's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    pub task: Task,
    /// The first sending of this run's command: the retry window begins here.
    pub first_sent_at: Option<Timestamp>,
    /// Something was sent (the command or a question) and nothing at all has come back since.
    pub answer_awaited: bool,
    /// It was sent as a turn that the system's breaker granted: the breaker is told of the answer in any case.
    pub granted: bool,
    /// A turn was asked for and has not come.
    pub turn_wanted: bool,
}

/// An item as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemRecord {
    pub item_id: ItemId,
    pub state: ItemState,
    pub action: ItemAction,
    pub optional: bool,
    /// Its tasks that are not done, and the items whose completion it waits for.
    pub open: u32,
    /// Its tasks that need a person or a system to act.
    pub blocked: u32,
    /// Some task of it was sent.
    pub started: bool,
}

/// A service order as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOrderRecord {
    pub id: ServiceOrderId,
    pub item_id: ItemId,
    pub parent: Option<ServiceOrderId>,
    pub state: ServiceOrderState,
    /// Its tasks, and the service orders below it, that are not done.
    pub open: u32,
    pub active: u32,
    pub blocked: u32,
    pub cancelled: u32,
    pub started: bool,
    pub failed: bool,
    pub partial: bool,
}

/// What of an item does not change: read when it begins, completes or fails, and written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemPlan {
    pub planned: PlannedItem,
    pub ordered: Option<OrderItem>,
    /// Sorted.
    pub tasks: Vec<TaskId>,
    /// Those of them that wait for no other task.
    pub roots: Vec<TaskId>,
    /// Its service orders that have neither a task nor another service order below them.
    pub service_orders_idle: Vec<ServiceOrderId>,
    /// The items that fail with this one.
    pub needed_by: Vec<ItemId>,
    /// The items that do not complete before this one.
    pub awaited_by: Vec<ItemId>,
}

/// Which task a command belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandIndex {
    pub task_id: TaskId,
}

/// Another order waits until this one is completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiter {
    pub order_key: OrderKey,
    pub since: Timestamp,
}
