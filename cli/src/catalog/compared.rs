//! What differs between two documents, each place by its path: `offerings.fiber.prices[monthly].required`.
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// One difference; names of fields are contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Change {
    Added { path: String, value: Value },
    Removed { path: String, value: Value },
    Changed { path: String, from: Value, to: Value },
}

/// What names an element of a list, where each of the list has such a one and no two are the same.
const NAMES: &[&[&str]] = &[
    &["id"],
    &["name"],
    &["component"],
    &["taskType"],
    &["offering"],
    &["system", "code", "messagePattern"],
];

/// All differences, in the sequence of their paths in the documents.
pub fn compare(from: &Value, to: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    values("", from, to, &mut changes);
    changes
}

fn values(path: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => objects(path, from, to, changes),
        (Value::Array(from_list), Value::Array(to_list)) => match named(from_list).zip(named(to_list)) {
            Some((from, to)) => elements(path, &from, &to, changes),
            None if from_list == to_list => {}
            None => changed(path, from, to, changes),
        },
        (from, to) if from == to => {}
        (from, to) => changed(path, from, to, changes),
    }
}

fn changed(path: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    changes.push(Change::Changed { path: path.to_owned(), from: from.clone(), to: to.clone() });
}

fn objects(path: &str, from: &Map<String, Value>, to: &Map<String, Value>, changes: &mut Vec<Change>) {
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for key in keys {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        // Null and absent are one thing in a catalog.
        let there = |map: &Map<String, Value>| map.get(key).filter(|value| !value.is_null()).cloned();
        either(below, there(from), there(to), changes);
    }
}

fn elements(path: &str, from: &[(String, &Value)], to: &[(String, &Value)], changes: &mut Vec<Change>) {
    let mut names: Vec<&String> = from.iter().map(|(name, _)| name).collect();
    names.extend(to.iter().map(|(name, _)| name).filter(|name| from.iter().all(|(known, _)| known != *name)));
    for name in names {
        let find = |list: &[(String, &Value)]| {
            list.iter().find(|(known, _)| known == name).map(|(_, value)| (*value).clone())
        };
        either(format!("{path}[{name}]"), find(from), find(to), changes);
    }
    let common = |list: &[(String, &Value)], other: &[(String, &Value)]| -> Vec<Value> {
        let both = list.iter().filter(|(name, _)| other.iter().any(|(known, _)| known == name));
        both.map(|(name, _)| Value::from(name.as_str())).collect()
    };
    let (before, after) = (common(from, to), common(to, from));
    if before != after {
        changed(&format!("{path}, their sequence"), &before.into(), &after.into(), changes);
    }
}

fn either(path: String, from: Option<Value>, to: Option<Value>, changes: &mut Vec<Change>) {
    match (from, to) {
        (Some(from), Some(to)) => values(&path, &from, &to, changes),
        (Some(value), None) => changes.push(Change::Removed { path, value }),
        (None, Some(value)) => changes.push(Change::Added { path, value }),
        (None, None) => {}
    }
}

/// The elements with their names, where all have one of a kind; an empty list has all names.
fn named(list: &[Value]) -> Option<Vec<(String, &Value)>> {
    NAMES.iter().find_map(|fields| {
        let all: Option<Vec<(String, &Value)>> =
            list.iter().map(|value| Some((name(value, fields)?, value))).collect();
        let all = all?;
        let different: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
        (different.len() == all.len()).then_some(all)
    })
}

/// The first field must be there; the others may be absent.
fn name(value: &Value, fields: &[&str]) -> Option<String> {
    let mut parts = vec![value.get(fields.first()?)?.as_str()?];
    parts.extend(fields[1..].iter().filter_map(|field| value.get(field)?.as_str()));
    Some(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(from: Value, to: Value, expected: &[&str]) {
        let shown: Vec<String> = compare(&from, &to)
            .into_iter()
            .map(|change| match change {
                Change::Added { path, value } => format!("+ {path} {value}"),
                Change::Removed { path, value } => format!("- {path} {value}"),
                Change::Changed { path, from, to } => format!("~ {path} {from} {to}"),
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn differences_are_named_by_their_paths() {
        check(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 1, "c": 3}, "d": true}),
            &["~ a.c 2 3", "+ d true"],
        );
        check(json!({"a": 1}), json!({}), &["- a 1"]);
        check(json!({"a": null}), json!({}), &[]);
        check(json!({"a": [1, 2]}), json!({"a": [2, 1]}), &["~ a [1,2] [2,1]"]);
        check(json!([]), json!([]), &[]);
    }

    #[test]
    fn elements_of_lists_are_found_by_their_names_wherever_they_stand() {
        let (one, two) = (json!({"id": "one", "x": 1}), json!({"id": "two", "x": 1}));
        check(json!([one]), json!([two, one]), &["+ [two] {\"id\":\"two\",\"x\":1}"]);
        check(
            json!([one, two]),
            json!([{"id": "two", "x": 2}]),
            &["- [one] {\"id\":\"one\",\"x\":1}", "~ [two].x 1 2"],
        );
        check(
            json!([one, two]),
            json!([two, one]),
            &["~ , their sequence [\"one\",\"two\"] [\"two\",\"one\"]"],
        );
        let rule = |pattern: Option<&str>, action: &str| json!({"system": "*", "code": "*", "messagePattern": pattern, "action": action});
        let before = json!([rule(None, "wait"), rule(Some("x"), "look")]);
        check(
            before,
            json!([rule(None, "wait"), rule(Some("x"), "act")]),
            &["~ [* * x].action \"look\" \"act\""],
        );
    }
}
