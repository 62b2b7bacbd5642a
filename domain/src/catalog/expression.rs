//! CEL expressions: their text, the variables that they may name, and what evaluating one can come to.
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use crate::order::{Order, OrderItem, Values};

/// The source text of a CEL expression; compiled when the catalog is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub String);

/// Where an expression stands, and so which variables it may name. An expression that names another one is refused at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `order`, `item`, `characteristics` (the item's, by name) and `unit` (which of the quantity, from 1).
    Item,
    /// The same, and `service` (the characteristics of the service order, by name).
    Service,
    /// Of a task: `historical` (inputs it last ran with), `contemporary` (inputs it would run with now), `current` (what it
    /// reported since) and `task` (`state`, `mode`, `attempt`); seed 003, "data perspectives".
    Task,
}

impl Scope {
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Scope::Item => &["order", "item", "characteristics", "unit"],
            Scope::Service => &["order", "item", "characteristics", "unit", "service"],
            Scope::Task => &["historical", "contemporary", "current", "task"],
        }
    }
}

/// What `order` can hold; what the requester did not say is absent.
pub(super) const ORDER_FIELDS: &[&str] = &[
    "key",
    "requester",
    "priority",
    "items",
    "category",
    "channel",
    "billingAccount",
    "externalId",
    "customer",
];
/// What `item` can hold.
pub(super) const ITEM_FIELDS: &[&str] = &["id", "action", "quantity", "offering", "product"];
/// What `task` holds.
pub(super) const TASK_FIELDS: &[&str] = &["state", "mode", "attempt"];
/// What `item.action` can be.
pub(super) const ITEM_ACTIONS: &[&str] = &["add", "modify", "delete", "noChange"];

/// Why an expression has no value. Which of the caller's fall-backs then applies is the caller's business.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("expression \"{expression}\" failed: {message}")]
    Failed { expression: String, message: String },
    #[error("expression \"{expression}\" is {value}, which is neither true nor false")]
    NotACondition { expression: String, value: String },
    /// It was never compiled: it is no expression of this catalog.
    #[error("expression \"{expression}\" is not one of this catalog")]
    Unknown { expression: String },
}

/// The variables of one evaluation, by name.
#[derive(Clone, Debug, Default)]
pub struct Variables(pub(super) BTreeMap<&'static str, cel::Value>);

impl Variables {
    /// Those of [`Scope::Item`]. What the requester did not say is absent from `order` and `item`; `has()` asks for it.
    pub fn of_item(order: &Order, item: &OrderItem, unit: u32) -> Variables {
        let mut variables = BTreeMap::new();
        variables.insert("order", order_value(order));
        variables.insert("item", item_value(item));
        variables.insert("characteristics", characteristics_value(item));
        variables.insert("unit", cel::Value::Int(i64::from(unit)));
        Variables(variables)
    }

    /// These and one more, replacing one of the same name.
    pub fn with(mut self, name: &'static str, values: &Values) -> Variables {
        let entries = values.iter().map(|(name, value)| (name.as_str(), from_json(&value.value())));
        self.0.insert(name, map(entries.collect()));
        self
    }

    /// Those of [`Scope::Task`].
    pub fn of_task(historical: &Values, contemporary: &Values, current: &Values, task: &Values) -> Variables {
        Variables::default()
            .with("historical", historical)
            .with("contemporary", contemporary)
            .with("current", current)
            .with("task", task)
    }
}

fn map(entries: Vec<(&str, cel::Value)>) -> cel::Value {
    cel::Value::from(
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>(),
    )
}

fn order_value(order: &Order) -> cel::Value {
    let mut entries = vec![
        ("key", cel::Value::from(order.key.as_str())),
        ("requester", cel::Value::from(order.requester.as_str())),
        ("priority", cel::Value::Int(i64::from(order.priority.level()))),
        ("items", cel::Value::Int(order.items.len() as i64)),
    ];
    let texts = [
        ("category", &order.category),
        ("channel", &order.channel),
        ("billingAccount", &order.billing_account),
        ("externalId", &order.external_id),
    ];
    let said = texts.into_iter().filter_map(|(name, text)| Some((name, cel::Value::from(text.as_deref()?))));
    entries.extend(said);
    if let Some(customer) = order.party("customer") {
        entries.push(("customer", cel::Value::from(customer.id.as_str())));
    }
    map(entries)
}

fn item_value(item: &OrderItem) -> cel::Value {
    let mut entries = vec![
        ("id", cel::Value::from(item.id.as_str())),
        ("action", cel::Value::from(item.action.word())),
        ("quantity", cel::Value::Int(i64::from(item.quantity))),
    ];
    if let Some(offering) = &item.offering {
        entries.push(("offering", cel::Value::from(offering.id.as_str())));
    }
    if let Some(product) = &item.product {
        entries.push(("product", cel::Value::from(product.id.as_str())));
    }
    map(entries)
}

/// A name that occurs once is its value, one that occurs several times the list of its values.
fn characteristics_value(item: &OrderItem) -> cel::Value {
    let mut by_name: BTreeMap<&str, Vec<cel::Value>> = BTreeMap::new();
    for characteristic in &item.characteristics {
        by_name.entry(&characteristic.name).or_default().push(from_json(&characteristic.value.value()));
    }
    let single = |values: Vec<cel::Value>| match <[cel::Value; 1]>::try_from(values) {
        Ok([value]) => value,
        Err(values) => cel::Value::from(values),
    };
    map(by_name.into_iter().map(|(name, values)| (name, single(values))).collect())
}

pub(super) fn from_json(value: &JsonValue) -> cel::Value {
    match value {
        JsonValue::Null => cel::Value::Null,
        JsonValue::Bool(truth) => cel::Value::Bool(*truth),
        JsonValue::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        JsonValue::String(text) => cel::Value::from(text.as_str()),
        JsonValue::Array(values) => cel::Value::from(values.iter().map(from_json).collect::<Vec<_>>()),
        JsonValue::Object(entries) => {
            map(entries.iter().map(|(key, value)| (key.as_str(), from_json(value))).collect())
        }
    }
}

/// `None` for what JSON cannot say: bytes, functions, numbers that are none, keys that are no text.
pub(super) fn to_json(value: &cel::Value) -> Option<JsonValue> {
    Some(match value {
        cel::Value::Null => JsonValue::Null,
        cel::Value::Bool(truth) => JsonValue::Bool(*truth),
        cel::Value::Int(number) => JsonValue::from(*number),
        cel::Value::UInt(number) => JsonValue::from(*number),
        cel::Value::Float(number) => JsonValue::Number(serde_json::Number::from_f64(*number)?),
        cel::Value::String(text) => JsonValue::from(text.as_str()),
        cel::Value::List(values) => JsonValue::Array(values.iter().map(to_json).collect::<Option<_>>()?),
        cel::Value::Map(entries) => {
            // Sorted: the map's own order differs from run to run.
            let mut sorted = BTreeMap::new();
            for (key, value) in entries.map.iter() {
                let cel::objects::Key::String(key) = key else { return None };
                sorted.insert(key.to_string(), to_json(value)?);
            }
            JsonValue::Object(sorted.into_iter().collect())
        }
        // The types of another crate: those that carry no data of ours.
        _ => return None,
    })
}
