use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::json;

use super::*;

/// One record with one of everything.
fn published() -> Value {
    json!({
        "type": "record", "name": "Thing", "namespace": "io.orderstream", "doc": "A thing.",
        "fields": [
            { "name": "id", "doc": "Its id.", "type": "string" },
            { "name": "count", "doc": "How many.", "type": "int" },
            { "name": "at", "doc": "When.", "type": { "type": "long", "logicalType": "timestamp-millis" } },
            { "name": "note", "doc": "A note.", "type": ["null", "string"], "default": null },
            { "name": "kind", "doc": "Which.", "type": {
                "type": "enum", "name": "Kind", "doc": "Which.", "symbols": ["a", "b", "UNKNOWN"], "default": "UNKNOWN" } },
            { "name": "again", "doc": "Which else.", "type": ["null", "Kind"], "default": null },
            { "name": "parts", "doc": "Parts.", "type": { "type": "array", "items": {
                "type": "record", "name": "Part", "doc": "A part.", "fields": [
                    { "name": "size", "doc": "In millimetres.", "type": "long" } ] } } },
            { "name": "values", "doc": "Values.", "type": { "type": "map", "values": "string" }, "default": {} }
        ]
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut schema = published();
    change(&mut schema);
    schema.to_string()
}

/// What is said of a change, and that it is the same seen from the other side or a finding of its own; and where Avro's own test is not
/// content with both directions, so are we not.
#[track_caller]
fn check(change: impl FnOnce(&mut Value), expected: &str) {
    let (older, newer) = (published().to_string(), changed(change));
    let found = findings(&older, &newer);
    let avros = Schema::parse_str(&newer).ok().map(|newer| {
        SchemaCompatibility::mutual_read(&Schema::parse_str(&older).unwrap(), &newer)
            == Ok(Compatibility::Full)
    });
    if expected.is_empty() {
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(avros, Some(true), "what we take, Avro reads both ways");
    } else {
        assert!(found.iter().any(|finding| finding.contains(expected)), "{found:?} lacks \"{expected}\"");
    }
}

fn push(schema: &mut Value, at: &str, what: Value) {
    schema.pointer_mut(at).unwrap().as_array_mut().unwrap().push(what);
}

fn take(schema: &mut Value, field: usize) -> Value {
    schema["fields"].as_array_mut().unwrap().remove(field)
}

#[test]
fn a_contract_grows_by_fields_with_defaults_and_by_symbols() {
    check(|_| {}, "");
    check(|s| s["doc"] = json!("Other words."), "");
    check(|s| push(s, "/fields", json!({ "name": "new", "type": "string", "default": "" })), "");
    check(|s| push(s, "/fields", json!({ "name": "new", "type": ["null", "Kind"], "default": null })), "");
    check(|s| s["fields"].as_array_mut().unwrap().swap(0, 1), "");
    check(|s| s["fields"][4]["type"]["symbols"] = json!(["a", "b", "c", "UNKNOWN"]), "");
    let inner = "/fields/6/type/items/fields";
    check(|s| push(s, inner, json!({ "name": "colour", "type": "string", "default": "red" })), "");
}

#[test]
fn what_a_reader_would_miss_is_refused() {
    check(
        |s| push(s, "/fields", json!({ "name": "new", "type": "string" })),
        "/new: a new field needs a default",
    );
    check(|s| drop(take(s, 0)), "/id: the field is gone");
    check(|s| drop(take(s, 3)), "/note: the field is gone");
    check(|s| s["fields"][0]["name"] = json!("name"), "/id: the field is gone");
    check(|s| s["fields"][0]["name"] = json!("name"), "/name: a new field needs a default");
    check(
        |s| {
            s["fields"][0]["name"] = json!("name");
            s["fields"][0]["aliases"] = json!(["id"]);
        },
        "/id: the field is gone",
    );
    check(|s| drop(s["fields"][3].as_object_mut().unwrap().remove("default")), "/note: the default is gone");
    check(|s| s["fields"][7]["default"] = json!({ "a": "b" }), "/values: the default changed");
    let inner = "/fields/6/type/items/fields";
    check(|s| push(s, inner, json!({ "name": "colour", "type": "string" })), "/parts[]/colour: a new field");
}

#[test]
fn what_is_of_another_type_is_refused_in_either_direction() {
    check(|s| s["fields"][0]["type"] = json!("long"), "/id: the type changed from string to long");
    // Avro takes both of these for the same.
    check(|s| s["fields"][0]["type"] = json!("bytes"), "/id: the type changed from string to bytes");
    check(|s| s["fields"][2]["type"] = json!("long"), "/at: the type changed from timestamp-millis to long");
    // Avro promotes one way only.
    check(|s| s["fields"][1]["type"] = json!("long"), "/count: the type changed from int to long");
    check(
        |s| s["fields"][6]["type"]["items"]["fields"][0]["type"] = json!("int"),
        "/parts[]/size: the type changed",
    );
    check(|s| s["fields"][7]["type"]["values"] = json!("long"), "/values{}: the type changed");
    check(|s| s["fields"][6]["type"]["items"]["name"] = json!("Piece"), "\"Part\" was renamed to \"Piece\"");
    check(|s| s["name"] = json!("Object"), "\"Thing\" was renamed to \"Object\"");
    check(|s| s["namespace"] = json!("com.other"), "the namespace changed");
}

#[test]
fn unions_and_enums_stay_what_they_are() {
    check(
        |s| s["fields"][0]["type"] = json!(["null", "string"]),
        "/id: the type changed from string to a union",
    );
    check(|s| s["fields"][3]["type"] = json!("string"), "/note: the type changed from a union to string");
    check(
        |s| s["fields"][3]["type"] = json!(["string", "null"]),
        "/note: the type changed from null to string",
    );
    check(
        |s| s["fields"][3]["type"] = json!(["null", "string", "long"]),
        "/note: the union (null, string) became",
    );
    let symbols = |symbols: Value| move |s: &mut Value| s["fields"][4]["type"]["symbols"] = symbols;
    check(symbols(json!(["a", "UNKNOWN"])), "/kind: the enum lost \"b\"");
    check(symbols(json!(["b", "a", "UNKNOWN"])), "/kind: the enum's symbols changed their sequence");
    check(
        |s| s["fields"][4]["type"]["default"] = json!("a"),
        "/kind: the enum's default is missing or changed",
    );
    let without = |s: &mut Value| drop(s["fields"][4]["type"].as_object_mut().unwrap().remove("default"));
    check(without, "/kind: the enum's default is missing or changed");
}

/// Why the library's own answer is not taken alone: it is `Ok`, and yet the value cannot be read.
#[test]
fn avros_partial_is_a_no() {
    let schema = |symbols: &[&str]| {
        Schema::parse_str(&json!({ "type": "enum", "name": "E", "symbols": symbols }).to_string()).unwrap()
    };
    let answer = SchemaCompatibility::mutual_read(&schema(&["a", "b"]), &schema(&["a"]));
    assert_eq!(answer, Ok(Compatibility::Partial));
    let older = json!({ "type": "enum", "name": "E", "symbols": ["a", "b"] }).to_string();
    let newer = json!({ "type": "enum", "name": "E", "symbols": ["a"] }).to_string();
    assert_eq!(findings(&older, &newer).len(), 2);
}

#[test]
fn what_cannot_grow_is_found_before_it_has_to() {
    assert_eq!(lints(&published().to_string()), Vec::<String>::new());
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let found = lints(&changed(|schema| change(schema)));
        assert!(found.iter().any(|lint| lint.contains(expected)), "{found:?} lacks \"{expected}\"");
    };
    check(&|s| *s = json!(["null", "string"]), "one record");
    check(&|s| s["fields"][4]["type"]["default"] = json!("a"), "enum \"Kind\" needs");
    check(&|s| s["fields"][4]["type"]["symbols"] = json!(["a", "b"]), "enum \"Kind\" needs");
    check(&|s| drop(s["fields"][0].as_object_mut().unwrap().remove("doc")), "\"Thing.id\" has no \"doc\"");
    check(&|s| drop(s.as_object_mut().unwrap().remove("doc")), "\"Thing\" has no \"doc\"");
    check(&|s| s["fields"][3]["type"] = json!(["string", "null"]), "\"Thing.note\" may only be");
    check(&|s| s["fields"][0]["aliases"] = json!(["x"]), "has aliases");
}
