//! docs/asyncapi.yaml against AsyncAPI's own schema, and against itself.
use schemas::contracts::Contract;
use serde_json::Value;

fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn document() -> Value {
    serde_saphyr::from_str(&text("../docs/asyncapi.yaml")).unwrap()
}

fn findings(document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&json("tests/asyncapi/3.0.0.json")).unwrap();
    validator.iter_errors(document).map(|error| format!("{} {error:.200}", error.instance_path())).collect()
}

#[test]
fn the_document_is_asyncapi_3() {
    let document = document();
    assert_eq!(findings(&document), Vec::<String>::new());

    // So that a schema which takes anything would be noticed.
    let mut broken = document.clone();
    broken["operations"]["receive.order.events"]["action"] = "listen".into();
    assert!(!findings(&broken).is_empty());
    let mut broken = document;
    broken["channels"]["feedback"]["adress"] = "x".into();
    assert!(!findings(&broken).is_empty());
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|inner| references(inner, found));
        }
        Value::Array(inner) => inner.iter().for_each(|inner| references(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_public_record_is_there() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer =
            reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for topic in schemas::topics::TOPICS {
        let is_public = topic.outsiders_read() || topic.outsiders_write();
        for record in topic.records {
            assert_eq!(document["components"]["messages"].get(record).is_some(), is_public, "{record}");
        }
    }
}

/// AsyncAPI's schema takes any payload; ours have to be the contracts, whole in themselves.
#[test]
fn every_avro_payload_is_its_contract() {
    let document = document();
    let messages = document["components"]["messages"].as_object().unwrap();
    let mut checked = 0;
    for (name, message) in
        messages.iter().filter(|(_, message)| message["payload"].get("schemaFormat").is_some())
    {
        let payload = Contract::keep(&message["payload"]["schema"].to_string()).unwrap();
        let contract = schemas::contracts::all().iter().find(|contract| contract.name == *name).unwrap();
        assert_eq!(payload.schema, contract.schema, "{name}");
        checked += 1;
    }
    assert!(checked > 20);
}
