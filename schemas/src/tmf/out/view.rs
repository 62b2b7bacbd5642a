//! What has to be known of an order to write it down, in the domain's own words. Whoever keeps it fills it in.
use std::collections::BTreeMap;

use domain::fallout::Detection;
use domain::inventory::Product;
use domain::order::{AgreedPrice, ItemState, Order, OrderState};
use domain::plan::{ServiceOrder, ServiceOrderState};
use domain::{CaseId, ItemId, ProductId, Reason, ServiceOrderId, TaskId, Timestamp};

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// As validated; as submitted before it is.
    pub order: Order,
    pub state: OrderState,
    pub captured_at: Timestamp,
    /// When nothing was left to do for it.
    pub ended_at: Option<Timestamp>,
    pub stuck_since: Option<Timestamp>,
    /// Why it was refused, where it was: by validation, or because it cannot be decomposed.
    pub refusal: Option<RefusalView>,
    /// An item that is not in here has not begun.
    pub items: BTreeMap<ItemId, ItemView>,
    /// In the sequence of the work.
    pub milestones: Vec<MilestoneView>,
    /// The open ones, in the sequence in which they were detected.
    pub cases: Vec<CaseView>,
    pub service_orders: Vec<ServiceOrderView>,
}

impl OrderView {
    /// An order of which no more is known than that it came.
    pub fn captured(order: Order, captured_at: Timestamp) -> OrderView {
        OrderView {
            order,
            state: OrderState::Captured,
            captured_at,
            ended_at: None,
            stuck_since: None,
            refusal: None,
            items: BTreeMap::new(),
            milestones: Vec::new(),
            cases: Vec::new(),
            service_orders: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalView {
    pub at: Timestamp,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemView {
    pub state: ItemState,
    /// The products that it makes or changes, one per unit.
    pub products: Vec<ProductId>,
}

/// A milestone that the plan has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneView {
    /// The task that reaches it.
    pub task_id: TaskId,
    pub item_id: ItemId,
    pub service_order: ServiceOrderId,
    pub name: String,
    /// `None`: not yet.
    pub reached_at: Option<Timestamp>,
}

/// An open fallout case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseView {
    pub id: CaseId,
    /// `None`: it is about the order as a whole.
    pub item_id: Option<ItemId>,
    pub service_order: Option<ServiceOrderId>,
    pub normalized_code: String,
    /// What whoever ordered may be told.
    pub customer_message: Option<String>,
    pub detection: Detection,
    pub system: String,
    /// The original code, preserved exactly.
    pub code: String,
    pub message: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOrderView {
    pub service_order: ServiceOrder,
    pub state: ServiceOrderState,
    /// When the first command of it was sent.
    pub started_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    /// The product instance that it works on.
    pub product: Option<ProductId>,
}

/// A product instance as it stands, and what the order that last changed it says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    pub product: Product,
    /// The name of its offering, as the requester gave it.
    pub name: Option<String>,
    pub billing_account: Option<String>,
    pub prices: Vec<AgreedPrice>,
    /// How it relates to other products: the requester's word, and the other.
    pub relationships: Vec<(String, ProductId)>,
    /// The service and resource orders that made it: kept as what realises it.
    pub realised_by: Vec<ServiceOrder>,
}
