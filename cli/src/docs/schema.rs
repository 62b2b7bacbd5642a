//! Avro in words: what a field holds, for people who have never seen Avro.
use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

/// The named types within contracts, each once, by name.
pub type Types = BTreeMap<String, Value>;

/// A contract as JSON.
pub fn parsed(source: &str) -> anyhow::Result<Value> {
    serde_json::from_str(source).context("contract is no JSON")
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The types that are defined within this one, without itself.
pub fn collect(schema: &Value, types: &mut Types) {
    for field in list(schema, "fields") {
        inner(&field["type"], types);
    }
}

fn inner(schema: &Value, types: &mut Types) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| inner(branch, types)),
        Value::Object(_) => {
            if schema.get("fields").or(schema.get("symbols")).is_some() {
                types.insert(text(schema, "name").to_owned(), schema.clone());
            }
            collect(schema, types);
            ["items", "values"]
                .iter()
                .filter_map(|part| schema.get(*part))
                .for_each(|part| inner(part, types));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a field of this type holds, in words, with links to the types on the same page.
pub fn shown(schema: &Value) -> String {
    match schema {
        Value::String(name) => match name.as_str() {
            "string" => "text".to_owned(),
            "int" | "long" => "whole number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "null" => "nothing".to_owned(),
            named => link(named),
        },
        Value::Array(branches) => {
            let some = branches.iter().find(|branch| *branch != "null");
            format!("{}, or null", some.map(shown).unwrap_or_default())
        }
        Value::Object(_) => match (text(schema, "type"), text(schema, "logicalType")) {
            (_, "timestamp-millis") => "time, in UTC milliseconds since 1970".to_owned(),
            ("array", _) => format!("list of {}", shown(&schema["items"])),
            ("map", _) => format!("{} by name", shown(&schema["values"])),
            ("record" | "enum", _) => link(text(schema, "name")),
            (other, _) => other.to_owned(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// Text within one cell of a table.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
