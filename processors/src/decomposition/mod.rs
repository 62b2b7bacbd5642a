//! From a validated order to its plan: nothing but the pinned catalog, asked through the one planner. Stateless.
use domain::catalog::Catalog;
use domain::order::event::{DecompositionFailed, OrderDecomposed, OrderEvent, OrderValidated};
use domain::{Reason, ReasonCode, planner};

use crate::Arrival;

#[cfg(test)]
mod tests;

/// The plan, or every reason for which the pinned catalog has none (domain model, "Decomposition").
///
/// `catalog` is the version that the order pins; `None` where it is not there. No other version is ever taken in its place.
pub fn handle(event: &OrderValidated, catalog: Option<&Catalog>, arrival: &Arrival) -> OrderEvent {
    let order = &event.order;
    let cause = arrival.cause(&order.key, &event.cause.correlation_id);
    let planned = match catalog {
        Some(catalog) => planner::decompose(order, catalog),
        None => {
            let message = format!("catalog version \"{}\" is not published here", order.catalog_version);
            Err(vec![Reason::new(ReasonCode::CatalogVersionUnknown, "", message)])
        }
    };
    match planned {
        Ok(plan) => OrderDecomposed { cause, order: order.clone(), plan }.into(),
        Err(reasons) => DecompositionFailed { cause, reasons }.into(),
    }
}
