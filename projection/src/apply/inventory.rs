//! Products: as they stand, and what happened to them.
use domain::ProductId;
use domain::inventory::{Product, ProductChanged, ProductReportRefused};

use super::history::bounded;
use super::{Staged, counted};
use crate::rows::{At, JsonText, ProductHistoryRow, ProductRow, indexed, text_of};

pub(super) fn changed(staged: &mut Staged, event: ProductChanged) {
    let ProductChanged { product, previous_state, correlation_id, causation_id } = event;
    let before = previous_state.map_or_else(|| "new".to_owned(), |state| text_of(&state));
    let details =
        JsonText::of(&serde_json::json!({ "version": product.version, "previousState": previous_state,
        "state": product.state, "characteristics": JsonText::of_values(&product.characteristics) }));
    staged.count(counted::EVENTS, "ProductChanged", 1);
    staged.product_history.push(ProductHistoryRow {
        product_id: product.id.clone(),
        sequence: staged.sequence,
        at: At(product.changed_at),
        name: "ProductChanged".to_owned(),
        summary: bounded(format!(
            "product {before} → {}, version {}",
            text_of(&product.state),
            product.version
        )),
        order_key: product.order_key.clone(),
        correlation_id,
        causation_id,
        details,
    });
    staged.products.put(product_row(product));
}

fn product_row(product: Product) -> ProductRow {
    ProductRow {
        id: product.id,
        state: product.state,
        version: product.version,
        offering: product.offering.map(indexed),
        specification: product.specification,
        catalog_version: product.catalog_version,
        characteristics: JsonText::of_values(&product.characteristics),
        customer: product.customer.map(indexed),
        order_key: product.order_key,
        item_id: product.item_id,
        started_at: product.started_at.map(At),
        terminated_at: product.terminated_at.map(At),
        changed_at: At(product.changed_at),
    }
}

/// The product is not changed; it may not even be there.
pub(super) fn report_refused(staged: &mut Staged, event: ProductReportRefused) {
    staged.count(counted::EVENTS, "ProductReportRefused", 1);
    let details = JsonText::of(&serde_json::json!({ "state": event.state, "report": event.report }));
    let product_id: ProductId = event.product_id;
    staged.product_history.push(ProductHistoryRow {
        product_id,
        sequence: staged.sequence,
        at: At(event.at),
        name: "ProductReportRefused".to_owned(),
        summary: bounded(format!("report {} refused: {}", text_of(&event.report), event.message)),
        order_key: event.order_key,
        correlation_id: event.correlation_id,
        causation_id: event.causation_id,
        details,
    });
}
