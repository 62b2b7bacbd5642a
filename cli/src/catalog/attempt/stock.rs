//! Products that are there already, and what the inventory would say to an order that changes them.
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use domain::inventory::{Product, ProductRequest, ProductRequestKind, ProductState};
use domain::order::event::SignalKind;
use domain::order::{ItemAction, Order, OrderItem, ProductRef, Values};
use domain::{ItemId, OrderKey};
use processors::{Arrival, inventory};
use serde::{Deserialize, Serialize};

use crate::files::read_text;

/// The largest file of products, in bytes.
const PRODUCTS_BYTES_MAX: u64 = 16 << 20;

/// One product of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InStock {
    pub id: String,
    #[serde(default = "active")]
    pub state: ProductState,
    #[serde(default = "first")]
    pub version: u32,
}

fn active() -> ProductState {
    ProductState::Active
}

fn first() -> u32 {
    1
}

/// What an item that changes a product would hear; names of fields are contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitShown {
    pub item: String,
    pub product: String,
    /// Whether the order could go on at once.
    pub ready: bool,
    pub message: String,
}

/// By id.
///
/// # Errors
/// The file cannot be read, or is no such list.
pub fn read(file: &Path) -> anyhow::Result<BTreeMap<String, InStock>> {
    let shown = || format!("products \"{}\"", file.display());
    let text = read_text(file, PRODUCTS_BYTES_MAX).with_context(shown)?;
    let products: Vec<InStock> = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} must be a JSON list like [{{\"id\": \"p-1\", \"state\": \"active\", \"version\": 1}}]",
            shown()
        )
    })?;
    Ok(products.into_iter().map(|product| (product.id.clone(), product)).collect())
}

/// Asked of the inventory's own rules, for each item that changes a product.
pub fn waits(order: &Order, products: &BTreeMap<String, InStock>, arrival: &Arrival) -> Vec<WaitShown> {
    let changes = |item: &&OrderItem| match item.action {
        ItemAction::Modify | ItemAction::Delete => true,
        ItemAction::Add | ItemAction::NoChange => false,
    };
    let items = order.items.iter().filter(changes);
    items.filter_map(|item| Some(wait(order, item, item.product.as_ref()?, products, arrival))).collect()
}

fn wait(
    order: &Order,
    item: &OrderItem,
    wanted: &ProductRef,
    products: &BTreeMap<String, InStock>,
    arrival: &Arrival,
) -> WaitShown {
    let shown = |ready: bool, message: String| WaitShown {
        item: item.id.0.clone(),
        product: wanted.id.0.clone(),
        ready,
        message,
    };
    let Some(in_stock) = products.get(wanted.id.as_str()) else {
        return shown(
            false,
            "is not among the products given; the order would wait until it is there".to_owned(),
        );
    };
    let state = inventory::State { product: Some(product(in_stock, item, arrival)), ..Default::default() };
    let request = request(order, item, wanted, arrival);
    let decided = inventory::handle(&wanted.id, Some(state), &request, arrival);
    let signal = decided.outputs.into_iter().find_map(|output| match output {
        inventory::Output::Signal(signal) => Some(signal),
        inventory::Output::Changed(_) | inventory::Output::Refused(_) => None,
    });
    match signal {
        Some(signal) if signal.kind == SignalKind::WaitOver => {
            shown(true, "is there, and settled".to_owned())
        }
        Some(signal) => shown(false, signal.message.unwrap_or_default()),
        None => shown(false, "is not settled; the order would wait until it is".to_owned()),
    }
}

fn product(in_stock: &InStock, item: &OrderItem, arrival: &Arrival) -> Product {
    Product {
        id: in_stock.id.as_str().into(),
        state: in_stock.state,
        version: in_stock.version,
        offering: item.offering.as_ref().map(|offering| offering.id.clone()),
        specification: None,
        catalog_version: None,
        characteristics: Values::new(),
        customer: None,
        order_key: OrderKey::from("an earlier order"),
        item_id: ItemId::from("1"),
        started_at: None,
        terminated_at: None,
        changed_at: arrival.now,
    }
}

fn request(order: &Order, item: &OrderItem, wanted: &ProductRef, arrival: &Arrival) -> ProductRequest {
    ProductRequest {
        product_id: wanted.id.clone(),
        kind: ProductRequestKind::Await,
        order_key: order.key.clone(),
        item_id: item.id.clone(),
        report: None,
        expected_version: wanted.version,
        offering: None,
        specification: None,
        catalog_version: None,
        customer: None,
        characteristics: Values::new(),
        at: arrival.now,
        correlation_id: arrival.id.clone(),
        causation_id: arrival.id.clone(),
    }
}
