//! Each item by itself: action against product reference, quantity, how many things it carries and how long they are.
use domain::limits::{
    ITEM_CHARACTERISTICS_MAX, ITEM_PRICES_MAX, ITEM_QUANTITY_MAX, ITEM_RELATIONSHIPS_MAX, TEXT_BYTES_MAX,
    VALUE_BYTES_MAX,
};
use domain::order::{ItemAction, Order, OrderItem};
use domain::{Reason, ReasonCode};

pub(super) fn check(order: &Order) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for item in &order.items {
        product(item, &mut reasons);
        quantity(item, &mut reasons);
        counts(item, &mut reasons);
        lengths(item, &mut reasons);
    }
    reasons
}

fn product(item: &OrderItem, reasons: &mut Vec<Reason>) {
    let needs_product = match item.action {
        ItemAction::Add => false,
        ItemAction::Modify | ItemAction::Delete | ItemAction::NoChange => true,
    };
    if needs_product && item.product.is_none() {
        let message = format!(
            "an item of action {} has to name the product that it is about",
            action_name(item.action)
        );
        reasons.push(Reason::new(ReasonCode::ProductReferenceMissing, &item.pointer, message));
    }
}

fn quantity(item: &OrderItem, reasons: &mut Vec<Reason>) {
    if item.quantity == 0 || item.quantity > ITEM_QUANTITY_MAX {
        let message = format!("quantity {} is not within 1 and {ITEM_QUANTITY_MAX}", item.quantity);
        reasons.push(Reason::new(ReasonCode::QuantityInvalid, &item.pointer, message));
    } else if item.quantity > 1 && item.product.is_some() {
        let message =
            format!("quantity {} of one named product; name no product, or ask for 1", item.quantity);
        reasons.push(Reason::new(ReasonCode::QuantityInvalid, &item.pointer, message));
    }
}

fn counts(item: &OrderItem, reasons: &mut Vec<Reason>) {
    let alterations_max = item.prices.iter().map(|price| price.alterations.len()).max().unwrap_or(0);
    let lists = [
        ("characteristics", item.characteristics.len(), ITEM_CHARACTERISTICS_MAX),
        ("relationships", item.relationships.len(), ITEM_RELATIONSHIPS_MAX),
        ("prices", item.prices.len(), ITEM_PRICES_MAX),
        ("alterations of one price", alterations_max, ITEM_PRICES_MAX),
    ];
    for (what, count, max) in lists {
        if count > max {
            let message = format!("{count} {what} of one item, at most {max} are taken");
            reasons.push(Reason::new(ReasonCode::TooMany, &item.pointer, message));
        }
    }
}

fn lengths(item: &OrderItem, reasons: &mut Vec<Reason>) {
    let mut too_long = |pointer: &str, what: &str, length: usize, max: usize| {
        if length > max {
            let message = format!("the {what} has {length} bytes, at most {max} are taken");
            reasons.push(Reason::new(ReasonCode::FieldTooLong, pointer, message));
        }
    };
    too_long(&item.pointer, "item id", item.id.as_str().len(), TEXT_BYTES_MAX);
    if let Some(offering) = &item.offering {
        too_long(&offering.pointer, "offering id", offering.id.len(), TEXT_BYTES_MAX);
    }
    if let Some(specification) = &item.specification {
        too_long(&specification.pointer, "specification id", specification.id.len(), TEXT_BYTES_MAX);
    }
    if let Some(product) = &item.product {
        too_long(&product.pointer, "product id", product.id.as_str().len(), TEXT_BYTES_MAX);
    }
    for characteristic in &item.characteristics {
        too_long(
            &characteristic.pointer,
            "name of a characteristic",
            characteristic.name.len(),
            TEXT_BYTES_MAX,
        );
        too_long(&characteristic.pointer, "value", characteristic.value.text().len(), VALUE_BYTES_MAX);
    }
    for price in &item.prices {
        too_long(
            &price.pointer,
            "price reference",
            price.reference.as_ref().map_or(0, String::len),
            TEXT_BYTES_MAX,
        );
    }
}

/// As requesters write it.
pub(super) fn action_name(action: ItemAction) -> &'static str {
    match action {
        ItemAction::Add => "add",
        ItemAction::Modify => "modify",
        ItemAction::Delete => "delete",
        ItemAction::NoChange => "noChange",
    }
}
