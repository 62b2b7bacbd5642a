//! Characteristics against their specification: known, typed, allowed, as many as there may be; defaults filled in.
use domain::catalog::{Catalog, CharacteristicSpecification, ProductSpecification, ValueType};
use domain::order::{Characteristic, ItemAction, Order, OrderItem};
use domain::{Json, Reason, ReasonCode};
use rust_decimal::Decimal;
use serde_json::{Number, Value};

/// The most of a value that a reason shows, in bytes.
const VALUE_SHOWN_BYTES_MAX: usize = 100;

/// The order with the catalog's defaults for what items of action add do not say.
pub(super) fn with_defaults(order: &Order, catalog: &Catalog) -> Order {
    let mut order = order.clone();
    for item in order.items.iter_mut().filter(|item| item.action == ItemAction::Add) {
        let Some(specification) = catalog.specification_of(item) else { continue };
        for wanted in &specification.characteristics {
            let Some(default) = &wanted.default else { continue };
            if item.characteristic(&wanted.name).is_none() {
                // The requester said nothing there: the item as a whole is the nearest place.
                let (name, pointer) = (wanted.name.clone(), item.pointer.clone());
                item.characteristics.push(Characteristic { name, value: Json::from(default), pointer });
            }
        }
    }
    order
}

pub(super) fn check(order: &Order, catalog: &Catalog) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for item in &order.items {
        match item.action {
            ItemAction::Add | ItemAction::Modify => {}
            // What is said of a product that ends, or stays as it is, changes nothing.
            ItemAction::Delete | ItemAction::NoChange => continue,
        }
        match catalog.specification_of(item) {
            Some(specification) => {
                given(item, specification, catalog, &mut reasons);
                counted(item, specification, &mut reasons);
            }
            None => of_bundle(item, catalog, &mut reasons),
        }
    }
    reasons
}

/// A mere bundle has no characteristics. Of an offering that is not known nothing more is said.
fn of_bundle(item: &OrderItem, catalog: &Catalog, reasons: &mut Vec<Reason>) {
    let Some(offering) = catalog.offering_of(item) else { return };
    for characteristic in &item.characteristics {
        let message = format!("offering \"{}\" has no characteristics of its own", offering.id);
        reasons.push(Reason::new(ReasonCode::CharacteristicUnknown, &characteristic.pointer, message));
    }
}

fn given(
    item: &OrderItem,
    specification: &ProductSpecification,
    catalog: &Catalog,
    reasons: &mut Vec<Reason>,
) {
    for characteristic in &item.characteristics {
        let Some(wanted) = specification.characteristic(&characteristic.name) else {
            let message = format!(
                "\"{}\" is no characteristic of specification \"{}\"",
                characteristic.name, specification.id
            );
            reasons.push(Reason::new(ReasonCode::CharacteristicUnknown, &characteristic.pointer, message));
            continue;
        };
        let value = characteristic.value.value();
        let fault = if wanted.value_type.admits(&value) {
            not_allowed(&value, wanted, catalog).map(|why| (ReasonCode::CharacteristicValueNotAllowed, why))
        } else {
            Some((ReasonCode::CharacteristicTypeWrong, format!("expected {}", type_name(wanted.value_type))))
        };
        if let Some((code, why)) = fault {
            let message = format!("\"{}\" is {}: {why}", characteristic.name, shown(&characteristic.value));
            reasons.push(Reason::new(code, &characteristic.pointer, message));
        }
    }
}

/// What would be allowed, where the value is not.
fn not_allowed(value: &Value, wanted: &CharacteristicSpecification, catalog: &Catalog) -> Option<String> {
    if let Some(allowed) = wanted.allowed_values.as_ref().filter(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Some(format!("expected one of {}", allowed.join(", ")));
    }
    if let Value::Number(number) = value {
        let number = decimal(number);
        let below = wanted.minimum.filter(|minimum| number.is_none_or(|number| number < *minimum));
        let above = wanted.maximum.filter(|maximum| number.is_none_or(|number| number > *maximum));
        if let Some(minimum) = below {
            return Some(format!("expected {minimum} or more"));
        }
        if let Some(maximum) = above {
            return Some(format!("expected {maximum} or less"));
        }
    }
    let pattern = wanted.pattern.as_ref()?;
    let text = value.as_str()?;
    (!catalog.matches(pattern, text)).then(|| format!("expected text that matches {pattern}"))
}

/// Exactly; none for a number that has too many digits to be compared.
fn decimal(number: &Number) -> Option<Decimal> {
    let text = number.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn counted(item: &OrderItem, specification: &ProductSpecification, reasons: &mut Vec<Reason>) {
    for wanted in &specification.characteristics {
        let count =
            item.characteristics.iter().filter(|characteristic| characteristic.name == wanted.name).count();
        if count > wanted.cardinality_max as usize {
            let message = format!(
                "\"{}\" is given {count} times, at most {} are taken",
                wanted.name, wanted.cardinality_max
            );
            reasons.push(Reason::new(ReasonCode::CharacteristicCardinality, &item.pointer, message));
        }
        // What a change does not name stays as it is.
        if item.action != ItemAction::Add || count >= wanted.cardinality_min as usize {
            continue;
        }
        let (code, message) = if count == 0 {
            let message =
                format!("\"{}\" is missing; expected {}", wanted.name, type_name(wanted.value_type));
            (ReasonCode::CharacteristicMissing, message)
        } else {
            let message = format!(
                "\"{}\" is given {count} times, at least {} are needed",
                wanted.name, wanted.cardinality_min
            );
            (ReasonCode::CharacteristicCardinality, message)
        };
        reasons.push(Reason::new(code, &item.pointer, message));
    }
}

fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "text",
        ValueType::Integer => "a whole number",
        ValueType::Number => "a number",
        ValueType::Boolean => "true or false",
        ValueType::Date => "a date such as \"2026-11-30\", or a time with zone",
        ValueType::Object => "an object",
        ValueType::Array => "an array",
    }
}

fn shown(value: &Json) -> String {
    let text = value.text();
    if text.len() <= VALUE_SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(VALUE_SHOWN_BYTES_MAX)])
}
