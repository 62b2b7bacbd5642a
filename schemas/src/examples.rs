//! One example of every record, as a reader may meet it: part of the generated documentation, and written and read by the tests.
use apache_avro::Schema;
use serde_json::{Map, Value, json};

use crate::contracts::Contract;

/// 2026-11-02T08:15:30.000Z.
const AT_MS: i64 = 1_793_607_330_000;

/// Stands for every id that we derive.
const UUID: &str = "3d0ca8a6-4e8e-5b0c-9f0e-1d2c3b4a5968";

/// What stands in a field of this name, whatever its record; the tests make sure that each fits its type.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("carried", "{\"agreement\":[{\"id\":\"A-7\"}]}"), ("orderKey", "ACME/POnumber/456"), ("key", "ACME/POnumber/456"), ("fromOrder", "ACME/POnumber/455"),
    ("correlationId", "b7c1f1d2-9c0a-5c1e-8a53-0d6a3f1d2c11"), ("causationId", "b7c1f1d2-9c0a-5c1e-8a53-0d6a3f1d2c11"),
    ("requestId", "b7c1f1d2-9c0a-5c1e-8a53-0d6a3f1d2c11"), ("digest", "6d0f1e3a-4b5c-5d6e-8f70-8192a3b4c5d6"),
    ("actor", "processor orchestration"), ("requester", "ACME"), ("reference", "456"), ("referenceType", "POnumber"),
    ("system", "provisioning"), ("itemId", "1"), ("id", "1"), ("taskId", "3d0ca8a6-4e8e-5b0c-9f0e-1d2c3b4a5968"),
    ("commandId", "9a1e7c52-7c5d-5f3a-b1f4-2e3d4c5b6a79"), ("feedbackId", "9a1e7c52/1/completed"),
    ("caseId", "c4a5e1b0-1f2e-5d3c-8b4a-5968778695a4"), ("serviceOrder", "5e6f7a8b-9c0d-5e1f-8a2b-3c4d5e6f7a8b"),
    ("product", "P-1001"), ("productId", "P-1001"), ("catalogVersion", "2026.11"), ("version", "2026.11"),
    ("contract", "orderstream-v1"), ("offering", "mobileLine"), ("offeringName", "Mobile Line"),
    ("specification", "mobileLine"), ("specificationVersion", "1"), ("component", "line"),
    ("taskType", "activateMobileLine"), ("name", "activateMobileLine"), ("milestone", "lineActive"),
    ("mediaType", "application/vnd.apache.avro+binary"), ("pointer", "/items/0"), ("code", "NO_PORT_AVAILABLE"),
    ("message", "every port of the access node is taken"), ("reason", "as the catalog says"),
    ("waitingFor", "order ACME/POnumber/455"), ("resolution", "the task was completed"), ("target", "2"),
    ("ownerGroup", "mobile-ops"), ("normalizedCode", "CAPACITY_EXHAUSTED"), ("action", "free a port, then retry"),
    ("customerMessage", "Your line takes longer than planned."), ("billingAccount", "BA-7001"),
    ("commercialEvidence", "ACME/POnumber/456 version 1"), ("audience", "requester"), ("shownState", "inProgress"),
    ("role", "customer"), ("kind", "recurring"), ("customer", "C-17"), ("channel", "web"), ("category", "B2C"),
    ("description", "A mobile line"), ("revision", "1"), ("externalId", "456"), ("period", "month"),
    ("currency", "EUR"), ("amount", "19.90"), ("percentage", "10"), ("text", "Call before delivery."),
    ("author", "ACME"), ("assignee", "operator-7"), ("output", "iccid"), ("value", "\"eSim\""),
    ("document", "{}"), ("parent", "1"),
];

/// What the tables by name cannot know: (record, pointer into its example, value as JSON).
#[rustfmt::skip]
const SPECIAL: &[(&str, &str, &str)] = &[
    ("OrderCaptured", "/cause/actor", r#""processor capture""#),
    ("OrderCaptured", "/findings", "[]"),
    ("RequestIgnored", "/cause/actor", r#""processor capture""#),
    ("OrderValidated", "/cause/actor", r#""processor validation""#),
    ("OrderRejected", "/cause/actor", r#""processor validation""#),
    ("OrderRejected", "/reasons/0", r#"{"code": "OfferingUnknown", "pointer": "/items/0/offering", "message": "the catalog has no offering \"mobilLine\""}"#),
    ("RevisionRefused", "/cause/actor", r#""processor validation""#),
    ("RevisionRefused", "/reasons/0", r#"{"code": "OrderInProgress", "pointer": "", "message": "the order is in progress"}"#),
    ("FeasibilityAsked", "/cause/actor", r#""processor validation""#),
    ("FeasibilityAsked", "/system", r#""networkInventory""#),
    ("FeasibilityUnanswered", "/cause/actor", r#""processor validation""#),
    ("FeasibilityUnanswered", "/system", r#""networkInventory""#),
    ("OrderDecomposed", "/cause/actor", r#""processor decomposition""#),
    ("DecompositionFailed", "/cause/actor", r#""processor decomposition""#),
    ("DecompositionFailed", "/reasons/0", r#"{"code": "MappingMissing", "pointer": "/items/0", "message": "no component of the specification fits"}"#),
    ("OrderStateChanged", "/from", r#""decomposed""#),
    ("OrderStateChanged", "/to", r#""inProgress""#),
    ("OrderStateChanged", "/trigger", r#""started""#),
    ("OrderStateChanged", "/waitingFor", "null"),
    ("OrderStateChanged", "/reason", "null"),
    ("ItemStateChanged", "/to", r#""inProgress""#),
    ("ItemStateChanged", "/reason", "null"),
    ("TaskStateChanged", "/from", r#""dispatched""#),
    ("TaskStateChanged", "/to", r#""completed""#),
    ("TaskStateChanged", "/trigger", r#""feedbackCompleted""#),
    ("TaskStateChanged", "/inFallout", "false"),
    ("TaskStateChanged", "/failure", "null"),
    ("TaskStateChanged", "/reason", "null"),
    ("TaskStateChanged", "/nextDue", "null"),
    ("TaskStateChanged", "/outputs", r#"{"subscriberId": "\"S-42\""}"#),
    ("ServiceOrderStateChanged", "/to", r#""inProgress""#),
    ("FeedbackIgnored", "/because", r#""late""#),
    ("WaitFailed", "/message", r#""order ACME/POnumber/455 failed""#),
    ("FalloutDetected", "/cause/actor", r#""processor fallout""#),
    ("FalloutDetected", "/case/state", r#""assigned""#),
    ("FalloutDetected", "/case/id", r#""c4a5e1b0-1f2e-5d3c-8b4a-5968778695a4""#),
    ("FalloutDetected", "/case/resolvedAt", "null"),
    ("FalloutDetected", "/case/resolution", "null"),
    ("FalloutDetected", "/case/reopened", "0"),
    ("FalloutClassified", "/cause/actor", r#""processor fallout""#),
    ("FalloutResolved", "/cause/actor", r#""processor fallout""#),
    ("OrderMarkedStuck", "/cause/actor", r#""processor stuckOrders""#),
    ("Notification", "/message", r#""Work on your order has begun.""#),
    ("Feedback", "/kind", r#""completed""#),
    ("Feedback", "/code", "null"),
    ("Feedback", "/message", "null"),
    ("Feedback", "/retryable", "null"),
    ("Feedback", "/outputs", r#"{"subscriberId": "\"S-42\""}"#),
    ("Command", "/inputs", r#"{"iccid": "\"8949020000000000001\"", "msisdn": "\"+49 151 0000001\""}"#),
    ("OrderSignal", "/kind", r#""waitOver""#),
    ("OrderSignal", "/taskId", "null"),
    ("OrderSignal", "/product", "null"),
    ("OrderSignal", "/productVersion", "null"),
    ("OrderSignal", "/message", "null"),
    ("DownstreamObserved", "/kind", r#""unanswered""#),
    ("DownstreamHealth", "/circuit", r#""open""#),
    ("DownstreamHealth", "/reason", r#""10 commands failed within 60 s""#),
    ("ProductChanged", "/product/id", r#""P-1001""#),
    ("ProductChanged", "/product/state", r#""active""#),
    ("ProductChanged", "/product/terminatedAt", "null"),
    ("ProductChanged", "/previousState", r#""pendingActive""#),
    ("ProductReportRefused", "/message", r#""an active product cannot be started""#),
    ("ProductReportRefused", "/state", r#""active""#),
    ("OrderRequest", "/follows", "[]"),
    ("OrderRequest", "/items/0/prices/0/alterations", "[]"),
    ("OrderRequest", "/items/0/relationships", "[]"),
    ("OrderRequest", "/items/0/parent", "null"),
    ("OrderRequest", "/items/0/product", "null"),
    ("OrderRequest", "/items/0/productVersion", "null"),
    ("OrderRequest", "/items/0/characteristics", r#"[{"name": "simType", "value": "\"eSim\""}]"#),
];

/// An example of a record, as JSON: its fields in the sequence of the contract, optional ones filled where that makes sense.
pub fn example(contract: &Contract) -> Value {
    let mut example = value(contract.schema, &mut Vec::new(), "", "");
    for (_, pointer, special) in SPECIAL.iter().filter(|(record, _, _)| *record == contract.name) {
        let place = example.pointer_mut(pointer);
        let parsed = serde_json::from_str(special);
        match (place, parsed) {
            (Some(place), Ok(special)) => *place = special,
            (place, parsed) => {
                panic!("{}{pointer}: {:?} {:?}; the tests try every example", contract.name, place, parsed)
            }
        }
    }
    example
}

/// `record` and `field` say whose value it is.
fn value(schema: &Schema, names: &mut Vec<(String, Schema)>, record: &str, field: &str) -> Value {
    match schema {
        Schema::Record(inner) => {
            names.push((inner.name.name().to_owned(), schema.clone()));
            let mut object = Map::new();
            for field in &inner.fields {
                object
                    .insert(field.name.clone(), value(&field.schema, names, inner.name.name(), &field.name));
            }
            Value::Object(object)
        }
        Schema::Enum(symbols) => {
            names.push((symbols.name.name().to_owned(), schema.clone()));
            json!(symbols.symbols.first())
        }
        Schema::Ref { name } => {
            let known =
                names.iter().find(|(known, _)| known == name.name()).map(|(_, schema)| schema.clone());
            known.map_or(Value::Null, |schema| value(&schema, names, record, field))
        }
        Schema::Union(union) => {
            union.variants().get(1).map_or(Value::Null, |some| value(some, names, record, field))
        }
        Schema::Array(array) => Value::Array(vec![value(&array.items, names, record, field)]),
        // A map of text is a map of JSON text.
        Schema::Map(_) => json!({ "msisdn": "\"+49 151 0000001\"" }),
        Schema::TimestampMillis => json!(AT_MS),
        Schema::Int | Schema::Long => json!(if field == "priority" { 4 } else { 1 }),
        Schema::Boolean => json!(true),
        Schema::String => {
            let is_own_uuid = matches!(
                (record, field),
                ("ServiceOrder", "id" | "parent") | ("PlannedTask" | "FalloutCase", "id")
            );
            let word = WORDS.iter().find(|(name, _)| *name == field && !is_own_uuid).map(|(_, word)| *word);
            json!(word.unwrap_or(UUID))
        }
        Schema::Null => Value::Null,
        other => panic!("no contract uses {other:?}; the tests try every example"),
    }
}
