//! What a request says beyond what is read: carried along as it came, numbers by their digits.
//!
//! Whatever [`out::fields`](super::out::fields) names is read, or is ours to say; the rest of an order's, an item's and a product's own
//! members is carried. A product's members stand in its item's, under `product`. Types go along where the object says that it is an
//! extended one: else they say nothing that is not known.
use domain::Json;

use super::json::Node;
use super::out::{TYPE_PREFIX, fields};
use super::place::Place;

const TYPES: [&str; 3] = ["@type", "@baseType", "@schemaLocation"];
/// Where a product's members stand.
pub(super) const PRODUCT: &str = "product";

pub(super) fn of_order(document: &Place<'_>) -> Option<Json> {
    json(unread(document, ""))
}

pub(super) fn of_item(item: &Place<'_>, product: Option<&Place<'_>>) -> Option<Json> {
    let mut members = unread(item, "productOrderItem.");
    let inner = product.map(|product| unread(product, "productOrderItem.product.")).unwrap_or_default();
    if !inner.is_empty() {
        members.push((PRODUCT.to_owned(), Node::Object(inner)));
    }
    json(members)
}

fn unread(place: &Place<'_>, prefix: &str) -> Vec<(String, Node)> {
    let Node::Object(members) = place.node else { return Vec::new() };
    let is_ours =
        place.node.get("@type").and_then(Node::text).is_some_and(|name| name.starts_with(TYPE_PREFIX));
    let is_extended = place.member("@baseType").is_some() && !is_ours;
    let is_unread = |name: &str| match name {
        _ if TYPES.contains(&name) => is_extended,
        _ => !READ_ELSEWHERE.contains(&name) && !fields::names(prefix, name),
    };
    let unread = members.iter().filter(|(name, node)| *node != Node::Null && is_unread(name));
    unread.cloned().collect()
}

/// Read, and never written: an offering within the product becomes the item's, and an initial state is over.
const READ_ELSEWHERE: [&str; 3] = ["requestedInitialState", "orderItem", "productOffering"];

/// `None` where there is nothing, or it holds a number that nobody can compute with: then it stays in the kept request.
fn json(members: Vec<(String, Node)>) -> Option<Json> {
    if members.is_empty() { None } else { Json::try_from(Node::Object(members).to_json()).ok() }
}
