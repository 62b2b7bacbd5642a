//! What inventory keeps of a product id.
use domain::inventory::{Product, ServiceReport};
use domain::{ItemId, OrderKey};
use serde::{Deserialize, Serialize};

/// Lives for ever once the product is there: what the customer had stays known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Absent while orders wait for a product of which nothing was reported yet.
    pub product: Option<Product>,
    /// Who waits until it settles, in the sequence in which they asked; at most [`domain::limits::ORDER_WAITS_MAX`].
    pub waits: Vec<Wait>,
    /// The last report taken: the same one again changes nothing.
    pub last_report: Option<TakenReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    pub order_key: OrderKey,
    pub item_id: ItemId,
    pub expected_version: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenReport {
    pub causation_id: String,
    pub order_key: OrderKey,
    pub item_id: ItemId,
    pub report: ServiceReport,
}
