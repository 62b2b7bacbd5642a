//! What every contract keeps to, so that it can grow: one record, enums with a default, and words for everything.
use std::collections::BTreeMap;

use serde_json::Value;

/// Stands for every symbol that the reader's contract does not know yet.
const UNKNOWN: &str = "UNKNOWN";

/// The last part of a name: definitions within one contract differ in it.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The named types of one contract, wherever they are defined in it.
pub(super) struct Definitions<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Definitions<'a> {
    pub(super) fn of(schema: &'a Value) -> Definitions<'a> {
        let mut found = BTreeMap::new();
        collect(schema, &mut found);
        Definitions(found)
    }

    /// A reference as what it refers to; everything else as it is.
    pub(super) fn resolved(&self, schema: &'a Value) -> &'a Value {
        schema.as_str().and_then(|name| self.0.get(last(name)).copied()).unwrap_or(schema)
    }
}

fn is_definition(schema: &Value) -> bool {
    schema.get("fields").or(schema.get("symbols")).is_some()
}

fn collect<'a>(schema: &'a Value, found: &mut BTreeMap<&'a str, &'a Value>) {
    match schema {
        Value::Object(object) => {
            if let Some(name) = object.get("name").and_then(Value::as_str).filter(|_| is_definition(schema)) {
                found.insert(last(name), schema);
            }
            let parts = ["type", "items", "values"].iter().filter_map(|part| object.get(*part));
            parts.for_each(|part| collect(part, found));
            let fields = object.get("fields").and_then(Value::as_array);
            fields.into_iter().flatten().for_each(|field| collect(field, found));
        }
        Value::Array(branches) => branches.iter().for_each(|branch| collect(branch, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What of a contract will be in the way of its next version, or leaves its reader alone: a line each. None: all is well.
pub fn lints(source: &str) -> Vec<String> {
    let schema: Value = match serde_json::from_str(source) {
        Ok(schema) => schema,
        Err(error) => return vec![format!("no JSON: {error}")],
    };
    if schema["type"] != "record" {
        return vec!["a contract is one record; a union or a plain type at the top cannot grow".to_owned()];
    }
    let mut lints = Vec::new();
    for (name, definition) in &Definitions::of(&schema).0 {
        if definition["doc"].as_str().is_none_or(str::is_empty) {
            lints.push(format!("\"{name}\" has no \"doc\""));
        }
        if let Some(symbols) = definition.get("symbols").and_then(Value::as_array)
            && (definition["default"] != UNKNOWN || !symbols.iter().any(|symbol| symbol == UNKNOWN))
        {
            lints.push(format!("enum \"{name}\" needs the symbol \"{UNKNOWN}\", and it as its default"));
        }
        for field in definition.get("fields").and_then(Value::as_array).into_iter().flatten() {
            field_lints(name, field, &mut lints);
        }
    }
    lints
}

fn field_lints(record: &str, field: &Value, lints: &mut Vec<String>) {
    let place = format!("{record}.{}", field["name"].as_str().unwrap_or_default());
    if field["doc"].as_str().is_none_or(str::is_empty) {
        lints.push(format!("field \"{place}\" has no \"doc\""));
    }
    if field.get("aliases").is_some() {
        lints.push(format!("field \"{place}\" has aliases; fields are never renamed"));
    }
    if let Some(branches) = field["type"].as_array()
        && (branches.len() != 2 || branches[0] != "null" || field.get("default") != Some(&Value::Null))
    {
        lints.push(format!("field \"{place}\" may only be [\"null\", type] with the default null"));
    }
}
