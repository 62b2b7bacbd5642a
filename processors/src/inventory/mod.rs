//! Keeps what the customer has: one product instance per key, moved by what its services report, awaited by follow-on orders.
//!
//! A report that the product's state does not take changes nothing and is told ([`ProductReportRefused`]). An order that
//! waits is answered as soon as the product is settled, whichever of the two came first.
use domain::ProductId;
use domain::inventory::{
    Product, ProductChanged, ProductReportRefused, ProductRequest, ProductRequestKind, ProductState,
    ServiceReport,
};
use domain::limits::ORDER_WAITS_MAX;
use domain::order::event::{OrderSignal, SignalKind};
use domain::states::Machine;

use crate::{Arrival, Decision};

pub mod state;
#[cfg(test)]
mod tests;

pub use state::{State, TakenReport, Wait};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Changed(Box<ProductChanged>),
    Refused(Box<ProductReportRefused>),
    /// Keyed by the order that waited.
    Signal(Box<OrderSignal>),
}

/// Total and pure; sets no timers.
///
/// # Panics
/// If the request is about another product than `key`: then the shell has mixed up two records.
pub fn handle(
    key: &ProductId,
    state: Option<State>,
    request: &ProductRequest,
    arrival: &Arrival,
) -> Decision<State, Output> {
    assert_eq!(request.product_id, *key, "a request is handled under the key of its product");
    let mut state = state.unwrap_or_default();
    let outputs = match (request.kind, request.report) {
        (ProductRequestKind::Report, Some(report)) => take_report(&mut state, request, report, arrival),
        // Who sends a report without saying which has nothing to say about the product.
        (ProductRequestKind::Report, None) => Vec::new(),
        (ProductRequestKind::Await, _) => await_settled(key, &mut state, request, arrival),
    };
    let is_known = state.product.is_some() || !state.waits.is_empty();
    Decision { outputs, ..Decision::keep(is_known.then_some(state)) }
}

fn take_report(
    state: &mut State,
    request: &ProductRequest,
    report: ServiceReport,
    arrival: &Arrival,
) -> Vec<Output> {
    let taken = TakenReport {
        causation_id: request.causation_id.clone(),
        order_key: request.order_key.clone(),
        item_id: request.item_id.clone(),
        report,
    };
    if state.last_report.as_ref() == Some(&taken) {
        return Vec::new();
    }
    let previous_state = state.product.as_ref().map(|product| product.state);
    let next = match previous_state.unwrap_or(ProductState::INITIAL).on(report) {
        Ok(next) => next,
        Err(refused) => {
            return vec![Output::Refused(Box::new(refusal(
                previous_state,
                request,
                report,
                refused.to_string(),
                arrival,
            )))];
        }
    };
    let product = changed(state.product.take(), next, request, arrival);
    let mut outputs = vec![Output::Changed(Box::new(ProductChanged {
        product: product.clone(),
        previous_state,
        correlation_id: request.correlation_id.clone(),
        causation_id: arrival.id.clone(),
    }))];
    outputs.extend(settle(&mut state.waits, &product, arrival));
    state.product = Some(product);
    state.last_report = Some(taken);
    outputs
}

fn refusal(
    state: Option<ProductState>,
    request: &ProductRequest,
    report: ServiceReport,
    message: String,
    arrival: &Arrival,
) -> ProductReportRefused {
    ProductReportRefused {
        product_id: request.product_id.clone(),
        order_key: request.order_key.clone(),
        state,
        report,
        message,
        at: arrival.now,
        correlation_id: request.correlation_id.clone(),
        causation_id: arrival.id.clone(),
    }
}

/// The product after a report: what the request does not say stays as it was.
fn changed(
    before: Option<Product>,
    next: ProductState,
    request: &ProductRequest,
    arrival: &Arrival,
) -> Product {
    let mut product = before.unwrap_or_else(|| Product {
        id: request.product_id.clone(),
        state: next,
        version: 0,
        offering: None,
        specification: None,
        catalog_version: None,
        characteristics: Default::default(),
        customer: None,
        order_key: request.order_key.clone(),
        item_id: request.item_id.clone(),
        started_at: None,
        terminated_at: None,
        changed_at: arrival.now,
    });
    product.state = next;
    product.version = product.version.saturating_add(1);
    product.offering = request.offering.clone().or(product.offering);
    product.specification = request.specification.clone().or(product.specification);
    product.catalog_version = request.catalog_version.clone().or(product.catalog_version);
    product.customer = request.customer.clone().or(product.customer);
    product.characteristics.extend(request.characteristics.clone());
    product.order_key = request.order_key.clone();
    product.item_id = request.item_id.clone();
    product.changed_at = arrival.now;
    if next == ProductState::Active {
        product.started_at = product.started_at.or(Some(arrival.now));
    }
    if next == ProductState::Terminated {
        product.terminated_at = product.terminated_at.or(Some(arrival.now));
    }
    product
}

fn await_settled(
    key: &ProductId,
    state: &mut State,
    request: &ProductRequest,
    arrival: &Arrival,
) -> Vec<Output> {
    let wait = Wait {
        order_key: request.order_key.clone(),
        item_id: request.item_id.clone(),
        expected_version: request.expected_version,
    };
    if let Some(answer) = state.product.as_ref().and_then(|product| answer(&wait, product)) {
        return vec![signal(key, &wait, state.product.as_ref(), answer, arrival)];
    }
    let is_known = state
        .waits
        .iter()
        .any(|known| (&known.order_key, &known.item_id) == (&wait.order_key, &wait.item_id));
    if is_known {
        return Vec::new();
    }
    if state.waits.len() >= ORDER_WAITS_MAX {
        let message =
            format!("{ORDER_WAITS_MAX} orders wait for product \"{key}\" already, no more are taken");
        return vec![signal(key, &wait, state.product.as_ref(), Answer::Failed(message), arrival)];
    }
    state.waits.push(wait);
    Vec::new()
}

/// Answers everybody who waited, where the product has settled.
fn settle(waits: &mut Vec<Wait>, product: &Product, arrival: &Arrival) -> Vec<Output> {
    let mut outputs = Vec::new();
    waits.retain(|wait| {
        let Some(answer) = answer(wait, product) else { return true };
        outputs.push(signal(&product.id, wait, Some(product), answer, arrival));
        false
    });
    outputs
}

enum Answer {
    Over,
    /// Why not, in words.
    Failed(String),
}

/// What a waiting order hears; none while the product is not settled (seed 000, "Asset Version Guard").
fn answer(wait: &Wait, product: &Product) -> Option<Answer> {
    match product.state {
        ProductState::Created | ProductState::PendingActive | ProductState::PendingTerminate => None,
        ProductState::Terminated | ProductState::Aborted | ProductState::Cancelled => {
            Some(Answer::Failed(format!(
                "product \"{}\" is {:?} (version {}), a change needs it active",
                product.id, product.state, product.version
            )))
        }
        ProductState::Active | ProductState::Suspended => Some(match wait.expected_version {
            Some(expected) if expected != product.version => Answer::Failed(format!(
                "the change was prepared against version {expected} of product \"{}\", which is at version {}",
                product.id, product.version
            )),
            Some(_) | None => Answer::Over,
        }),
    }
}

fn signal(
    key: &ProductId,
    wait: &Wait,
    product: Option<&Product>,
    answer: Answer,
    arrival: &Arrival,
) -> Output {
    let (kind, message) = match answer {
        Answer::Over => (SignalKind::WaitOver, None),
        Answer::Failed(message) => (SignalKind::WaitFailed, Some(message)),
    };
    Output::Signal(Box::new(OrderSignal {
        order_key: wait.order_key.clone(),
        kind,
        from_order: None,
        product: Some(key.clone()),
        product_version: product.map(|product| product.version),
        task_id: None,
        message,
        at: arrival.now,
        causation_id: arrival.id.clone(),
    }))
}
