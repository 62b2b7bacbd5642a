//! How contracts may change: what was written with any version is read with any other, in both directions (a registry's FULL_TRANSITIVE).
//!
//! The rules are narrower than Avro's, so that they can be said in one breath: a record gains fields with defaults, an enum gains symbols
//! before `UNKNOWN`; nothing is removed, renamed, retyped or reordered. Avro's own test, as the library has it, answers `Partial` to what
//! a registry refuses, and takes what would surprise a reader: a symbol that is gone, text read as bytes.
use serde_json::Value;

pub mod history;
mod lint;

pub use lint::lints;
use lint::{Definitions, last};

/// What keeps one of two versions of a contract from reading the other: a line each, with its place. None: both read each other.
pub fn findings(older: &str, newer: &str) -> Vec<String> {
    let parsed =
        |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("no JSON: {error}"));
    let (older, newer) = match (parsed(older), parsed(newer)) {
        (Ok(older), Ok(newer)) => (older, newer),
        (Err(error), _) | (_, Err(error)) => return vec![error],
    };
    let mut comparison =
        Comparison { older: Definitions::of(&older), newer: Definitions::of(&newer), findings: Vec::new() };
    if older.get("namespace") != newer.get("namespace") {
        comparison.say("", "the namespace changed");
    }
    comparison.types(&older, &newer, "");
    comparison.findings
}

struct Comparison<'a> {
    older: Definitions<'a>,
    newer: Definitions<'a>,
    findings: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn say(&mut self, place: &str, what: impl AsRef<str>) {
        let place = if place.is_empty() { "the record" } else { place };
        self.findings.push(format!("{place}: {}", what.as_ref()));
    }

    fn types(&mut self, older: &'a Value, newer: &'a Value, place: &str) {
        let (older, newer) = (self.older.resolved(older), self.newer.resolved(newer));
        match (older, newer) {
            (Value::Array(before), Value::Array(after)) => self.unions(before, after, place),
            (Value::Object(before), Value::Object(after)) if before.get("type") == after.get("type") => {
                match before.get("type").and_then(Value::as_str) {
                    Some("record") => self.records(older, newer, place),
                    Some("enum") => self.enums(older, newer, place),
                    Some("array") => self.types(&older["items"], &newer["items"], &format!("{place}[]")),
                    Some("map") => self.types(&older["values"], &newer["values"], &format!("{place}{{}}")),
                    // A primitive with what it stands for.
                    Some(_) | None => {
                        if older != newer {
                            self.say(place, format!("{older} became {newer}"));
                        }
                    }
                }
            }
            _ if older == newer => {}
            _ => self.say(place, format!("the type changed from {} to {}", shown(older), shown(newer))),
        }
    }

    /// The sequence of branches counts: a default belongs to the first one.
    fn unions(&mut self, older: &'a [Value], newer: &'a [Value], place: &str) {
        let kinds = |branches: &[Value]| branches.iter().map(shown).collect::<Vec<_>>().join(", ");
        if older.len() != newer.len() {
            self.say(place, format!("the union ({}) became ({})", kinds(older), kinds(newer)));
            return;
        }
        for (before, after) in older.iter().zip(newer) {
            self.types(before, after, place);
        }
    }

    fn records(&mut self, older: &'a Value, newer: &'a Value, place: &str) {
        self.names(older, newer, place);
        let (before, after) = (fields(older), fields(newer));
        for field in before {
            let place = format!("{place}/{}", name(field));
            let Some(now) = after.iter().find(|now| name(now) == name(field)) else {
                self.say(&place, "the field is gone; keep it, and let nobody read it");
                continue;
            };
            self.types(&field["type"], &now["type"], &place);
            match (field.get("default"), now.get("default")) {
                (Some(_), None) => self.say(&place, "the default is gone"),
                (Some(before), Some(now)) if before != now => {
                    self.say(&place, format!("the default changed from {before} to {now}"));
                }
                (Some(_) | None, _) => {}
            }
        }
        for field in after.iter().filter(|field| !before.iter().any(|known| name(known) == name(field))) {
            if field.get("default").is_none() {
                self.say(&format!("{place}/{}", name(field)), "a new field needs a default");
            }
        }
    }

    fn enums(&mut self, older: &'a Value, newer: &'a Value, place: &str) {
        self.names(older, newer, place);
        if newer.get("default").is_none() || older.get("default") != newer.get("default") {
            self.say(place, "the enum's default is missing or changed; it is \"UNKNOWN\" for ever");
        }
        let (before, after) = (symbols(older), symbols(newer));
        let kept: Vec<&Value> = after.iter().filter(|symbol| before.contains(symbol)).collect();
        if kept.len() < before.len() {
            let gone = before.iter().filter(|symbol| !after.contains(symbol));
            let gone = gone.map(Value::to_string).collect::<Vec<_>>().join(", ");
            self.say(
                place,
                format!("the enum lost {gone}; a symbol stays even where nobody writes it any more"),
            );
        } else if !before.iter().eq(kept) {
            self.say(place, "the enum's symbols changed their sequence");
        }
    }

    fn names(&mut self, older: &Value, newer: &Value, place: &str) {
        if name(older) != name(newer) {
            self.say(place, format!("the type \"{}\" was renamed to \"{}\"", name(older), name(newer)));
        }
    }
}

fn fields(record: &Value) -> &[Value] {
    record["fields"].as_array().map_or(&[], Vec::as_slice)
}

fn symbols(definition: &Value) -> &[Value] {
    definition["symbols"].as_array().map_or(&[], Vec::as_slice)
}

fn name(named: &Value) -> &str {
    last(named["name"].as_str().unwrap_or_default())
}

/// A type in a few words.
fn shown(schema: &Value) -> String {
    match schema {
        Value::String(text) => text.clone(),
        Value::Array(_) => "a union".to_owned(),
        Value::Object(object) => match (object.get("name"), object.get("logicalType"), object.get("type")) {
            (Some(Value::String(named)), _, _) => last(named).to_owned(),
            (_, Some(Value::String(logical)), _) => logical.clone(),
            (_, _, Some(Value::String(kind))) => kind.clone(),
            _ => schema.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => schema.to_string(),
    }
}

#[cfg(test)]
mod tests;
