//! What is sold: offerings, their prices as a model to check agreements against, their relations and conditions.
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use crate::Currency;
use crate::order::PriceKind;

fn yes() -> bool {
    true
}

/// One thing that a customer can order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offering {
    pub id: String,
    pub name: String,
    /// What the product is, a key of [`super::CatalogDocument::product_specifications`]; absent for a mere bundle.
    pub specification: Option<String>,
    /// Whether it can be ordered anew. One that cannot may still be changed and ended.
    #[serde(default = "yes")]
    pub sellable: bool,
    /// The offerings that belong into a bundle of this kind, as children of its item or through the relation `bundles`.
    #[serde(default)]
    pub bundle: Vec<BundleMember>,
    #[serde(default)]
    pub relations: Vec<OfferingRelation>,
    /// Whether an order may complete without it (seed 002, "Mark PartiallyCompleted").
    #[serde(default)]
    pub optional: bool,
    /// Whether an item of it must carry agreed prices.
    #[serde(default = "yes")]
    pub billable: bool,
    /// The prices that can be agreed on it. Where there is none, an agreed price is taken as it is.
    #[serde(default)]
    pub prices: Vec<PriceModel>,
    #[serde(default)]
    pub eligibility: Vec<EligibilityRule>,
    /// Whether and whom to ask if it can be delivered, before the order is accepted.
    pub feasibility: Option<Feasibility>,
    /// What becomes of an *active* product whose change failed for good (domain model, "Product instance"); one that
    /// never was active is aborted in any case.
    #[serde(default)]
    pub failed_product: FailedProduct,
}

impl Offering {
    /// The price model of this reference: its id, else its name.
    pub fn price(&self, reference: &str) -> Option<&PriceModel> {
        let by_id = self.prices.iter().find(|price| price.id == reference);
        by_id.or_else(|| self.prices.iter().find(|price| price.name == reference))
    }

    pub fn is_bundle(&self) -> bool {
        !self.bundle.is_empty()
    }
}

/// How many items of an offering belong to one item of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleMember {
    pub offering: String,
    pub min: u32,
    pub max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OfferingRelationKind {
    /// One of `any_of` has to be there: on the same order, or as a product that the item names or relies on.
    Requires,
    /// None of `any_of` may be on the same order.
    Excludes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferingRelation {
    pub kind: OfferingRelationKind,
    /// Offering ids; at least one.
    pub any_of: Vec<String>,
}

/// What a price can be. It carries no amount: an agreed price is checked for its shape and never computed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceModel {
    pub id: String,
    pub name: String,
    pub kind: PriceKind,
    /// For recurring prices, and only for them: `month`, `year`.
    pub period: Option<String>,
    pub currency: Currency,
    /// Whether an item that adds the offering must carry it.
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default)]
    pub discounts: Vec<DiscountModel>,
}

/// A discount that may be agreed on a price, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscountModel {
    pub name: String,
    /// In percent, 0 to 100, as decimal text.
    pub percentage_max: Decimal,
}

/// A condition on ordering it, over [`super::expression::Scope::Item`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EligibilityRule {
    /// Must hold.
    pub condition: Expression,
    /// What is said where it does not; a short fact in lower case.
    pub message: String,
}

/// Whom to ask whether it can be delivered, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feasibility {
    pub system: String,
    /// How long an answer is waited for before the same question is sent again.
    pub answer_ms: i64,
    /// How often it is sent at most, the first time included.
    pub attempts_max: u32,
}

/// Seed 002, "State Mapping": what an active product becomes that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailedProduct {
    /// It is to be ended.
    #[default]
    PendingTerminate,
    /// It stays as it was; only the change is given up.
    Aborted,
}
