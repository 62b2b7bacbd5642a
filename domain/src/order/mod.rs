//! One customer commitment: what was submitted, kept whole and never edited.
//!
//! Read [`states`] for its life, [`event`] for what is told about it.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CatalogVersion, ItemId, Json, Money, OrderKey, ProductId, RequestId, Timestamp};

pub mod event;
pub mod states;

pub use states::{ItemState, ItemTrigger, OrderState, OrderTrigger};

/// The snapshot of an order as captured; a later revision is a new snapshot.
///
/// `Option` is what the requester did not say. Every `pointer` is the place in the requester's own document (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub key: OrderKey,
    pub request_id: RequestId,
    /// Raised by every applied change; the stale guard compares against it. The first is 1.
    pub order_version: u32,
    /// The requester's version identifier.
    pub revision: Option<String>,
    pub catalog_version: CatalogVersion,
    /// Which contract the request came in (`tmf622-v4`, `tmf622-v5`, `orderstream-v1`): how to answer, nothing else.
    pub contract: String,
    pub requester: String,
    /// The requester's own id of the order, where it gave one.
    pub external_id: Option<String>,
    pub category: Option<String>,
    pub description: Option<String>,
    pub priority: Priority,
    pub channel: Option<String>,
    pub dates: Dates,
    pub billing_account: Option<String>,
    pub parties: Vec<Party>,
    pub notes: Vec<Note>,
    pub items: Vec<OrderItem>,
    /// The orders that must be completed before this one starts (seed 003, "follow-on orders").
    pub follows: Vec<OrderKey>,
    /// What the request says beyond what is read, as an object: carried along, and written back in the contract that it came in.
    pub carried: Option<Json>,
}

impl Order {
    pub fn item(&self, id: &ItemId) -> Option<&OrderItem> {
        self.items.iter().find(|item| item.id == *id)
    }

    /// The party of a role, compared without regard to case; the first where there are several.
    pub fn party(&self, role: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.role.eq_ignore_ascii_case(role))
    }
}

/// TMF: 0 is the highest, 4 the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    pub const HIGHEST: Priority = Priority(0);
    pub const LOWEST: Priority = Priority(4);

    /// `None` above 4.
    pub fn new(level: u8) -> Option<Priority> {
        (level <= Priority::LOWEST.0).then_some(Priority(level))
    }

    pub fn level(self) -> u8 {
        self.0
    }
}

/// An order that names none is of the lowest priority, as TMF622 has it.
impl Default for Priority {
    fn default() -> Priority {
        Priority::LOWEST
    }
}

impl TryFrom<u8> for Priority {
    type Error = String;

    fn try_from(level: u8) -> Result<Priority, String> {
        Priority::new(level).ok_or_else(|| format!("priority {level} is not within 0 and 4"))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

/// Dates are named and never reused for one another (seed 000, "Effective Dates").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dates {
    /// When the customer asked.
    pub requested: Option<Timestamp>,
    pub requested_start: Option<Timestamp>,
    pub requested_completion: Option<Timestamp>,
    pub accepted: Option<Timestamp>,
    pub effective: Option<Timestamp>,
    pub billing_effective: Option<Timestamp>,
    pub service_effective: Option<Timestamp>,
    pub contract_effective: Option<Timestamp>,
    pub cancellation_effective: Option<Timestamp>,
    pub fulfilment_start: Option<Timestamp>,
    pub fulfilment_completion: Option<Timestamp>,
    pub customer_committed: Option<Timestamp>,
    pub expected_completion: Option<Timestamp>,
    /// Where the requester said the two that are held against each other.
    pub requested_start_pointer: Option<String>,
    pub requested_completion_pointer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    pub role: String,
    pub id: String,
    pub name: Option<String>,
    /// What the id is an id of: `Individual`, `Organization`, `Customer`.
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    pub author: Option<String>,
    pub at: Option<Timestamp>,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemAction {
    Add,
    Modify,
    Delete,
    NoChange,
}

impl ItemAction {
    /// As it is written in records, catalogs and expressions.
    pub fn word(self) -> &'static str {
        match self {
            ItemAction::Add => "add",
            ItemAction::Modify => "modify",
            ItemAction::Delete => "delete",
            ItemAction::NoChange => "noChange",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    pub id: ItemId,
    pub action: ItemAction,
    pub quantity: u32,
    pub offering: Option<OfferingRef>,
    pub specification: Option<SpecificationRef>,
    /// The product instance that the item is about: what `modify`, `delete` and `noChange` name; what `add` may name.
    pub product: Option<ProductRef>,
    pub characteristics: Vec<Characteristic>,
    /// The item that holds this one, where the requester nested them.
    pub parent: Option<ItemId>,
    pub relationships: Vec<ItemRelationship>,
    pub prices: Vec<AgreedPrice>,
    pub billing_account: Option<String>,
    pub pointer: String,
    /// As [`Order::carried`], of the item and of its product.
    pub carried: Option<Json>,
}

impl OrderItem {
    pub fn characteristic(&self, name: &str) -> Option<&Characteristic> {
        self.characteristics.iter().find(|characteristic| characteristic.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferingRef {
    pub id: String,
    pub name: Option<String>,
    pub pointer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecificationRef {
    pub id: String,
    pub version: Option<String>,
    pub pointer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRef {
    pub id: ProductId,
    /// The version that the change was prepared against (seed 000, "Asset Version Guard").
    pub version: Option<u32>,
    pub pointer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Characteristic {
    pub name: String,
    pub value: Json,
    pub pointer: String,
}

/// `requires`, `reliesOn`, `bundles`, ...: the requester's word. Which words order the work is the catalog's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemRelationship {
    pub kind: String,
    pub target: ItemId,
    pub pointer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PriceKind {
    OneTime,
    Recurring,
    Usage,
}

/// A price as the customer agreed to it; evidence, checked and never recomputed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgreedPrice {
    /// The catalog's price that this is an agreement on: its id, else its name.
    pub reference: Option<String>,
    pub name: Option<String>,
    /// `None`: the requester said none, or a word that is not known.
    pub kind: Option<PriceKind>,
    /// For recurring prices: `month`, `year`, ...
    pub period: Option<String>,
    /// Without tax. `None`: missing, or without a currency.
    pub amount: Option<Money>,
    pub amount_with_tax: Option<Money>,
    pub alterations: Vec<PriceAlteration>,
    pub pointer: String,
}

/// A discount, or an extra, on a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceAlteration {
    pub name: Option<String>,
    pub kind: Option<PriceKind>,
    /// In percent of the price, as decimal text.
    pub percentage: Option<rust_decimal::Decimal>,
    pub amount: Option<Money>,
    /// For how many periods it applies.
    pub duration_periods: Option<u32>,
    pub pointer: String,
}

/// What downstream reported, or what a task is given: by name.
pub type Values = BTreeMap<String, Json>;
