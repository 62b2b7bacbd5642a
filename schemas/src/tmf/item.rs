//! Items: nested ones (`productOrderItem` in an item) become a flat list, each naming its parent.
use domain::limits::{
    ITEM_CHARACTERISTICS_MAX, ITEM_DEPTH_MAX, ITEM_QUANTITY_MAX, ITEM_RELATIONSHIPS_MAX, ORDER_ITEMS_MAX,
    RECORD_BYTES_MAX, REQUEST_BYTES_MAX, VALUE_BYTES_MAX,
};
use domain::order::{
    Characteristic, ItemAction, ItemRelationship, OfferingRef, OrderItem, ProductRef, SpecificationRef,
};
use domain::{ItemId, Json, ProductId, ReasonCode};

use super::json::Node;
use super::place::{Findings, Place};
use super::{carried, order, price};

/// The most characteristics, relationships, prices and alterations of one order, together. Each carries the place that it came from, which
/// in nested items is longer than the thing itself: without this bound a request of the largest size would not fit into a record.
pub const ORDER_PARTS_MAX: usize = 10_000;
/// The longest place of one of them: `/productOrderItem/499` for each level, and what follows below an item.
const PART_POINTER_BYTES_MAX: usize = 22 * ITEM_DEPTH_MAX + 60;
// What was said, and where it was said, fits into a record with room to spare.
const _: () = assert!(
    REQUEST_BYTES_MAX + (ORDER_PARTS_MAX + 4 * ORDER_ITEMS_MAX) * PART_POINTER_BYTES_MAX < RECORD_BYTES_MAX
);

/// Cuts what is beyond [`ORDER_PARTS_MAX`].
pub(crate) fn bound_parts(items: &mut [OrderItem], pointer: &str, findings: &mut Findings) {
    let mut left = ORDER_PARTS_MAX;
    let mut cut = 0;
    for item in items {
        cut += bound(&mut item.characteristics, &mut left) + bound(&mut item.relationships, &mut left);
        cut += bound(&mut item.prices, &mut left);
        for price in &mut item.prices {
            cut += bound(&mut price.alterations, &mut left);
        }
    }
    if cut > 0 {
        let message = format!(
            "{} characteristics, relationships, prices and alterations; at most {ORDER_PARTS_MAX} are taken in one order",
            ORDER_PARTS_MAX + cut
        );
        findings.add(ReasonCode::TooMany, pointer, message);
    }
}

fn bound<T>(list: &mut Vec<T>, left: &mut usize) -> usize {
    let cut = list.len().saturating_sub(*left);
    list.truncate(*left);
    *left -= list.len();
    cut
}

/// In the sequence of the document, parents before their children.
pub(super) fn translate_all(document: &Place<'_>, findings: &mut Findings) -> Vec<OrderItem> {
    let mut items = Vec::new();
    collect(document, None, 1, &mut items, findings);
    bound_parts(&mut items, &document.below("productOrderItem"), findings);
    items
}

fn collect(
    holder: &Place<'_>,
    parent: Option<&ItemId>,
    depth: usize,
    items: &mut Vec<OrderItem>,
    findings: &mut Findings,
) {
    let places = holder.objects("productOrderItem", ORDER_ITEMS_MAX, findings);
    if depth > ITEM_DEPTH_MAX && !places.is_empty() {
        let message = format!("items nested deeper than {ITEM_DEPTH_MAX}");
        findings.add(ReasonCode::TooMany, holder.below("productOrderItem"), message);
        return;
    }
    for place in places {
        if items.len() == ORDER_ITEMS_MAX {
            findings.add(
                ReasonCode::TooMany,
                &place.pointer,
                format!("more than {ORDER_ITEMS_MAX} items in one order"),
            );
            return;
        }
        let item = translate(&place, parent, findings);
        let id = item.id.clone();
        items.push(item);
        collect(&place, Some(&id), depth + 1, items, findings);
    }
}

fn translate(place: &Place<'_>, parent: Option<&ItemId>, findings: &mut Findings) -> OrderItem {
    let product = place.object("product", findings);
    // An item without an id is named by its place, so that it is not also taken for a repeated one.
    let id = place.required("id", findings).map_or_else(|| ItemId(place.pointer.clone()), ItemId);
    let inner = product.as_ref();
    OrderItem {
        id,
        action: action(place, findings),
        quantity: quantity(place, findings),
        offering: offering(place, findings).or_else(|| offering(inner?, findings)),
        specification: inner.and_then(|product| specification(product, findings)),
        product: inner.and_then(|product| product_ref(product, findings)),
        characteristics: inner.map(|product| characteristics(product, findings)).unwrap_or_default(),
        parent: parent.cloned(),
        relationships: relationships(place, findings),
        prices: price::translate_all(place, findings),
        billing_account: order::billing_account(place, findings),
        pointer: place.pointer.clone(),
        carried: carried::of_item(place, inner),
    }
}

fn action(place: &Place<'_>, findings: &mut Findings) -> ItemAction {
    let expected = "\"add\", \"modify\", \"delete\" or \"noChange\"";
    let Some(found) = place.member("action") else {
        findings.add(
            ReasonCode::FieldMissing,
            place.below("action"),
            format!("\"action\" is missing; expected {expected}"),
        );
        return ItemAction::NoChange;
    };
    match found.node.text() {
        Some("add") => ItemAction::Add,
        Some("modify") => ItemAction::Modify,
        Some("delete") => ItemAction::Delete,
        Some("noChange") => ItemAction::NoChange,
        _ => {
            let message = format!("expected {expected}, found {}", found.shown());
            findings.add(ReasonCode::ItemActionUnknown, &found.pointer, message);
            ItemAction::NoChange
        }
    }
}

/// One, where it is not said.
fn quantity(place: &Place<'_>, findings: &mut Findings) -> u32 {
    let Some(found) = place.member("quantity") else { return 1 };
    let quantity = found.whole_number().and_then(|number| u32::try_from(number).ok());
    quantity.filter(|quantity| (1..=ITEM_QUANTITY_MAX).contains(quantity)).unwrap_or_else(|| {
        let message =
            format!("expected a whole number from 1 to {ITEM_QUANTITY_MAX}, found {}", found.shown());
        findings.add(ReasonCode::QuantityInvalid, &found.pointer, message);
        1
    })
}

fn offering(holder: &Place<'_>, findings: &mut Findings) -> Option<OfferingRef> {
    let place = holder.object("productOffering", findings)?;
    let id = place.required("id", findings)?;
    Some(OfferingRef { id, name: place.text("name", findings), pointer: place.pointer })
}

fn specification(product: &Place<'_>, findings: &mut Findings) -> Option<SpecificationRef> {
    let place = product.object("productSpecification", findings)?;
    let id = place.required("id", findings)?;
    Some(SpecificationRef { id, version: place.text("version", findings), pointer: place.pointer })
}

fn product_ref(product: &Place<'_>, findings: &mut Findings) -> Option<ProductRef> {
    let id = product.text("id", findings)?;
    Some(ProductRef {
        id: ProductId(id),
        version: product.count("productVersion", findings),
        pointer: product.pointer.clone(),
    })
}

fn characteristics(product: &Place<'_>, findings: &mut Findings) -> Vec<Characteristic> {
    let mut characteristics = Vec::new();
    for place in product.objects("productCharacteristic", ITEM_CHARACTERISTICS_MAX, findings) {
        let name = place.required("name", findings);
        let value = value(&place, findings);
        if let (Some(name), Some(value)) = (name, value) {
            characteristics.push(Characteristic { name, value, pointer: place.pointer });
        }
    }
    characteristics
}

/// The value as its JSON text, numbers by their digits.
fn value(place: &Place<'_>, findings: &mut Findings) -> Option<Json> {
    let pointer = place.below("value");
    let Some(node) = place.node.get("value") else {
        findings.add(ReasonCode::FieldMissing, pointer, "\"value\" is missing");
        return None;
    };
    let text = node.to_json();
    if text.len() > VALUE_BYTES_MAX {
        let message = format!("{} bytes of JSON; at most {VALUE_BYTES_MAX} are taken", text.len());
        findings.add(ReasonCode::FieldTooLong, pointer, message);
        return None;
    }
    // A number that is too large for whoever computes with it, such as 1e999.
    match serde_json::from_str::<serde_json::Value>(&text).and_then(|_| Json::try_from(text)) {
        Ok(json) => Some(json),
        Err(_) => {
            findings.add(ReasonCode::FieldInvalid, pointer, "it holds a number that is out of range");
            None
        }
    }
}

fn relationships(place: &Place<'_>, findings: &mut Findings) -> Vec<ItemRelationship> {
    let mut relationships = Vec::new();
    for place in place.objects("productOrderItemRelationship", ITEM_RELATIONSHIPS_MAX, findings) {
        let kind = place.required("relationshipType", findings);
        // v4 documents of some senders wrap the reference.
        let inner = place.member("orderItem").filter(|inner| matches!(inner.node, Node::Object(_)));
        let target = inner.as_ref().unwrap_or(&place).required("id", findings);
        if let (Some(kind), Some(target)) = (kind, target) {
            relationships.push(ItemRelationship { kind, target: ItemId(target), pointer: place.pointer });
        }
    }
    relationships
}
