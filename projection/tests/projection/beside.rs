//! What happens beside one order's events: charges, messages, the health of a system, products.
use domain::downstream::{CircuitState, DownstreamHealth};
use domain::inventory::{Product, ProductChanged, ProductReportRefused, ProductState, ServiceReport};
use domain::order::Values;
use domain::order::event::{BillingIntent, ChargeAction, Notification};
use domain::{Json, ProductId, Timestamp};
use projection::{Applied, Projected};

use crate::story::{STARTED_AT, cause, key, records};

pub const PRODUCTS: &str = "orderstream.product.events";
pub const BILLING: &str = "orderstream.billing.intents";
pub const NOTIFICATIONS: &str = "orderstream.notifications";
pub const HEALTH: &str = "orderstream.downstream.health";

pub fn product(state: ProductState, version: u32) -> Projected {
    let product = Product {
        id: "P-1".into(),
        state,
        version,
        offering: Some("fibre".to_owned()),
        specification: None,
        catalog_version: Some("2026.1".into()),
        characteristics: Values::from([("speed".to_owned(), Json::from(100))]),
        customer: Some("C-1".to_owned()),
        order_key: key("7"),
        item_id: "1".into(),
        started_at: None,
        terminated_at: None,
        changed_at: Timestamp(STARTED_AT + i64::from(version)),
    };
    let previous_state = (version > 1).then_some(ProductState::Created);
    let (correlation_id, causation_id) = ("c".to_owned(), "r".to_owned());
    Projected::ProductChanged(Box::new(ProductChanged {
        product,
        previous_state,
        correlation_id,
        causation_id,
    }))
}

pub fn report_refused() -> Projected {
    Projected::ProductReportRefused(Box::new(ProductReportRefused {
        product_id: ProductId::from("P-9"),
        order_key: key("7"),
        state: None,
        report: ServiceReport::Suspended,
        message: "there is no such product".to_owned(),
        at: Timestamp(STARTED_AT),
        correlation_id: "c".to_owned(),
        causation_id: "r".to_owned(),
    }))
}

/// One billing intent, two notifications, a system that was in trouble; a product, and a report that was refused.
pub fn beside() -> Vec<Applied> {
    let key = key("1");
    let intent = BillingIntent {
        cause: cause(&key, 38),
        item_id: "1".into(),
        product: Some("P-1".into()),
        action: ChargeAction::Start,
        billing_account: Some("BA-1".to_owned()),
        offering: Some("fibre".to_owned()),
        prices: Vec::new(),
        quantity: 1,
        billing_effective: Timestamp(STARTED_AT),
        commercial_evidence: "TMF/POnumber/1#1".to_owned(),
    };
    let told = |seconds: i64, audience: &str| {
        Projected::Notification(Box::new(Notification {
            cause: cause(&key, seconds),
            audience: audience.to_owned(),
            shown_state: "inProgress".to_owned(),
            message: "Work on your order has begun.".to_owned(),
        }))
    };
    let health = |circuit: CircuitState, seconds: i64| {
        Projected::Health(Box::new(DownstreamHealth {
            system: "network".to_owned(),
            circuit,
            watched: true,
            changed_at: Timestamp(STARTED_AT + seconds * 1_000),
            reason: "5 of 5 commands failed".to_owned(),
            waiting: 3,
        }))
    };
    let products = [product(ProductState::Created, 1), product(ProductState::Active, 2), report_refused()];
    [
        records(BILLING, 0, [Projected::Billing(Box::new(intent))]),
        records(NOTIFICATIONS, 7, [told(20, "requester"), told(38, "customer")]),
        records(HEALTH, 0, [health(CircuitState::Open, 1), health(CircuitState::HalfOpen, 2)]),
        records(PRODUCTS, 3, products),
    ]
    .concat()
}
