//! What the project itself says beyond the domain's records: the order request of upstream systems that speak Avro.
use domain::Timestamp;
use domain::order::{Note, Party};
use serde::{Deserialize, Serialize};

pub mod container;
#[cfg(test)]
mod tests;
mod translate;

pub use translate::translate;

/// The project's own order request; `avro/OrderRequest.avsc` says what each field means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRequest {
    pub request_id: Option<String>,
    pub requester: String,
    pub reference_type: String,
    pub reference: String,
    pub revision: Option<String>,
    pub external_id: Option<String>,
    pub category: Option<String>,
    pub description: Option<String>,
    pub priority: Option<i32>,
    pub channel: Option<String>,
    pub requested: Option<Timestamp>,
    pub requested_start: Option<Timestamp>,
    pub requested_completion: Option<Timestamp>,
    pub effective: Option<Timestamp>,
    pub billing_effective: Option<Timestamp>,
    pub service_effective: Option<Timestamp>,
    pub contract_effective: Option<Timestamp>,
    pub billing_account: Option<String>,
    pub parties: Vec<Party>,
    pub notes: Vec<Note>,
    pub items: Vec<RequestedItem>,
    pub follows: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedItem {
    pub id: String,
    pub action: RequestedAction,
    pub quantity: Option<i64>,
    pub offering: Option<String>,
    pub offering_name: Option<String>,
    pub specification: Option<String>,
    pub specification_version: Option<String>,
    pub product: Option<String>,
    pub product_version: Option<i64>,
    pub characteristics: Vec<RequestedCharacteristic>,
    pub parent: Option<String>,
    pub relationships: Vec<RequestedRelationship>,
    pub prices: Vec<RequestedPrice>,
    pub billing_account: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RequestedAction {
    Add,
    Modify,
    Delete,
    #[default]
    NoChange,
    /// A word of a newer contract: refused with a reason, never guessed at.
    #[serde(rename = "UNKNOWN")]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedCharacteristic {
    pub name: String,
    /// JSON text, not yet known to be any.
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedRelationship {
    pub kind: String,
    pub target: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedPrice {
    pub reference: Option<String>,
    pub name: Option<String>,
    pub kind: Option<String>,
    pub period: Option<String>,
    pub amount: Option<RequestedMoney>,
    pub amount_with_tax: Option<RequestedMoney>,
    pub alterations: Vec<RequestedAlteration>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedAlteration {
    pub name: Option<String>,
    pub kind: Option<String>,
    pub percentage: Option<String>,
    pub amount: Option<RequestedMoney>,
    pub duration_periods: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedMoney {
    pub amount: String,
    pub currency: String,
}
