//! What the customer has (TMF637), kept apart from what the network runs.
use serde::{Deserialize, Serialize};

use crate::order::Values;
use crate::states::Machine;
use crate::{CatalogVersion, ItemId, OrderKey, ProductId, Timestamp};

/// The TMF637 states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProductState {
    Created,
    PendingActive,
    Cancelled,
    Active,
    PendingTerminate,
    Terminated,
    Suspended,
    Aborted,
}

/// What the services of a product report (seed 002, "State Mapping").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceReport {
    /// Work on it has begun.
    Started,
    PartialActivation,
    Completed,
    Suspended,
    Resumed,
    /// It failed, and the catalog's rule is that an active product is to be terminated.
    FailedPendingTerminate,
    Failed,
    TerminationStarted,
    Terminated,
    Cancelled,
}

use ProductState::*;

impl Machine for ProductState {
    type Trigger = ServiceReport;
    const NAME: &'static str = "product instance";
    const INITIAL: ProductState = Created;
    const ALL: &'static [ProductState] =
        &[Created, PendingActive, Cancelled, Active, PendingTerminate, Terminated, Suspended, Aborted];
    #[rustfmt::skip]
    const TABLE: &'static [(ProductState, ServiceReport, ProductState)] = &[
        (Created,          ServiceReport::Started,                PendingActive),
        (Created,          ServiceReport::PartialActivation,      PendingActive),
        (Created,          ServiceReport::Completed,              Active),
        (Created,          ServiceReport::Failed,                 Aborted), // it never was active
        (Created,          ServiceReport::Cancelled,              Cancelled),
        (PendingActive,    ServiceReport::PartialActivation,      PendingActive),
        (PendingActive,    ServiceReport::Completed,              Active),
        (PendingActive,    ServiceReport::Failed,                 Aborted),
        (PendingActive,    ServiceReport::Cancelled,              Cancelled),
        (PendingActive,    ServiceReport::Terminated,             Terminated),
        (Active,           ServiceReport::Completed,              Active), // changed and active again
        (Active,           ServiceReport::Suspended,              Suspended),
        (Active,           ServiceReport::FailedPendingTerminate, PendingTerminate),
        (Active,           ServiceReport::TerminationStarted,     PendingTerminate),
        (Active,           ServiceReport::Terminated,             Terminated),
        (Suspended,        ServiceReport::Resumed,                Active),
        (Suspended,        ServiceReport::Completed,              Active),
        (Suspended,        ServiceReport::FailedPendingTerminate, PendingTerminate),
        (Suspended,        ServiceReport::TerminationStarted,     PendingTerminate),
        (Suspended,        ServiceReport::Terminated,             Terminated),
        (PendingTerminate, ServiceReport::Terminated,             Terminated),
        (PendingTerminate, ServiceReport::Completed,              Active), // the termination was given up
    ];
}

/// A product instance as it stands. Change orders carry the version they were prepared against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    pub id: ProductId,
    pub state: ProductState,
    /// Raised by every change; the first is 1.
    pub version: u32,
    pub offering: Option<String>,
    pub specification: Option<String>,
    pub catalog_version: Option<CatalogVersion>,
    pub characteristics: Values,
    pub customer: Option<String>,
    /// The order and the item that last changed it.
    pub order_key: OrderKey,
    pub item_id: ItemId,
    pub started_at: Option<Timestamp>,
    pub terminated_at: Option<Timestamp>,
    pub changed_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProductRequestKind {
    /// A service of it reports.
    Report,
    /// An order waits until the product is there and settled.
    Await,
}

/// What an order asks of a product; keyed by the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRequest {
    pub product_id: ProductId,
    pub kind: ProductRequestKind,
    pub order_key: OrderKey,
    pub item_id: ItemId,
    /// For `report`.
    pub report: Option<ServiceReport>,
    /// For `await`: the version that the change was prepared against.
    pub expected_version: Option<u32>,
    pub offering: Option<String>,
    pub specification: Option<String>,
    pub catalog_version: Option<CatalogVersion>,
    pub customer: Option<String>,
    /// What changes; merged over what is there.
    pub characteristics: Values,
    pub at: Timestamp,
    pub correlation_id: String,
    pub causation_id: String,
}

/// A product instance changed; keyed by the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductChanged {
    pub product: Product,
    pub previous_state: Option<ProductState>,
    pub correlation_id: String,
    pub causation_id: String,
}

/// A report that does not fit the product's state: nothing is changed, and reconciliation has to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductReportRefused {
    pub product_id: ProductId,
    pub order_key: OrderKey,
    pub state: Option<ProductState>,
    pub report: ServiceReport,
    pub message: String,
    pub at: Timestamp,
    pub correlation_id: String,
    pub causation_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        crate::states::check_table::<ProductState>();
    }

    #[test]
    fn a_failure_aborts_what_never_was_active_and_terminates_what_was() {
        assert_eq!(PendingActive.on(ServiceReport::Failed), Ok(Aborted));
        assert_eq!(Active.on(ServiceReport::FailedPendingTerminate), Ok(PendingTerminate));
        assert!(Active.on(ServiceReport::Failed).is_err());
    }
}
