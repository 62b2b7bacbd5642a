use std::path::{Path, PathBuf};

use domain::order::PriceKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod findings;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration-tests/tmf-examples/TMF622-v5")
}

/// TM Forum's own files, by name.
pub(super) fn official() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json") && !name.ends_with(".expected.json") {
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    assert_eq!(files.len(), 34);
    files
}

/// A translation as a file shows it.
fn shown(translated: &Translated) -> Value {
    json!({
        "contract": translated.contract.name(),
        "key": translated.key.as_ref().map(OrderKey::as_str).map_err(Reason::to_string).unwrap_or("none"),
        "findings": translated.findings.iter().map(Reason::to_string).collect::<Vec<_>>(),
        "order": translated.order,
    })
}

#[test]
fn every_official_example_is_translated_as_expected_or_named_for_what_it_is() {
    let bless = std::env::var_os("ORDERSTREAM_BLESS").is_some();
    let mut refused = Vec::new();
    for (name, bytes) in official() {
        let expected = examples().join(name.replace(".json", ".expected.json"));
        match translate(&bytes, None) {
            Ok(translated) => {
                let shown = serde_json::to_string_pretty(&shown(&translated)).unwrap() + "\n";
                if bless {
                    std::fs::write(&expected, &shown).unwrap();
                }
                let known = std::fs::read_to_string(&expected).unwrap_or_default();
                assert_eq!(shown, known, "{name}");
            }
            Err(unreadable) => {
                assert!(!expected.exists(), "{name} is an order");
                assert_eq!(unreadable.0.code, ReasonCode::DocumentNotAnOrder, "{name}");
                refused.push(unreadable.0.message.replace("expected one TMF622 product order, found ", ""));
            }
        }
    }
    refused.sort();
    refused.dedup();
    let expected = [
        "a JSON patch",
        "a fragment of an order (neither \"productOrderItem\" nor \"externalId\"); a merge patch?",
        "a list of 1 documents; send each by itself",
        "a list of 2 documents; send each by itself",
        "a list of 3 documents; send each by itself",
        "a list of 4 documents; send each by itself",
        "a request to cancel an order",
        "an event (CancelProductOrderCreateEvent)",
        "an event (CancelProductOrderInformationRequiredEvent)",
        "an event (CancelProductOrderStateChangeEvent)",
        "an event (ProductOrderAttributeValueChangeEvent)",
        "an event (ProductOrderCreateEvent)",
        "an event (ProductOrderDeleteEvent)",
        "an event (ProductOrderErrorMessageEvent)",
        "an event (ProductOrderInformationRequiredEvent)",
        "an event (ProductOrderJeopardyAlertEvent)",
        "an event (ProductOrderMilestoneEvent)",
        "an event (ProductOrderStateChangeEvent)",
    ];
    assert_eq!(refused, expected);
}

fn translated(document: &Value) -> Translated {
    translate(document.to_string().as_bytes(), None).unwrap()
}

/// A v4 order that has everything we take.
fn v4() -> Value {
    json!({
        "externalId": "4711", "id": "my-1", "priority": "0", "orderDate": "2026-01-02T03:04:05+01:00",
        "requestedStartDate": "2026-02-01T00:00:00Z", "billingAccount": { "id": "B1" }, "revision": 3,
        "channel": [{ "id": "web", "name": "Web" }],
        "relatedParty": [
            { "id": "C9", "role": "Customer", "name": "Ann", "@referredType": "Individual" },
            { "id": "S1", "role": "Seller", "@referredType": "Organization" }
        ],
        "productOrderRelationship": [{ "id": "S1/externalId/4710", "relationshipType": "dependsOn" },
                                     { "id": "S1/externalId/1", "relationshipType": "correlates" }],
        "productOrderItem": [{
            "id": "1", "action": "add", "productOffering": { "id": "bundle" },
            "productOrderItem": [
                { "id": "1.1", "action": "modify", "quantity": 2,
                  "product": { "id": "P-7", "productVersion": 4, "productCharacteristic": [{ "name": "speed", "value": 100 }],
                               "productSpecification": { "id": "S", "version": "2" } },
                  "itemPrice": [{ "name": "Fee", "priceType": "recurring", "recurringChargePeriod": "month",
                                  "productOfferingPrice": { "id": "PR-1" },
                                  "price": { "dutyFreeAmount": { "unit": "EUR", "value": 19.9 } } }],
                  "productOrderItemRelationship": [{ "id": "1", "relationshipType": "reliesOn" }] }
            ]
        }]
    })
}

#[test]
fn a_v4_order_with_nested_items() {
    let translated = translated(&v4());
    assert_eq!(translated.findings, []);
    assert_eq!(translated.contract, Contract::Tmf622V4);
    assert_eq!(translated.key.as_ref().unwrap().as_str(), "S1/externalId/4711");
    let order = &translated.order;
    assert_eq!(order.requester, "S1");
    assert_eq!(order.revision.as_deref(), Some("3"));
    assert_eq!(order.priority.level(), 0);
    assert_eq!(order.dates.requested.unwrap().to_string(), "2026-01-02T02:04:05.000Z");
    assert_eq!(order.channel.as_deref(), Some("web"));
    assert_eq!(order.follows, [OrderKey::from("S1/externalId/4710")]);
    let [bundle, access] = order.items.as_slice() else { panic!("two items") };
    assert_eq!((bundle.parent.as_ref(), bundle.quantity), (None, 1));
    assert_eq!((access.parent.as_ref(), access.quantity), (Some(&bundle.id), 2));
    assert_eq!(access.pointer, "/productOrderItem/0/productOrderItem/0");
    assert_eq!(access.product.as_ref().unwrap().version, Some(4));
    let price = &access.prices[0];
    assert_eq!(
        (price.reference.as_deref(), price.kind, price.period.as_deref()),
        (Some("PR-1"), Some(PriceKind::Recurring), Some("month"))
    );
    assert_eq!(price.amount.as_ref().unwrap().to_string(), "19.9 EUR");
    assert_eq!(price.pointer, "/productOrderItem/0/productOrderItem/0/itemPrice/0");
    assert_eq!(access.characteristics[0].value.text(), "100");
}

#[test]
fn amounts_and_values_are_taken_by_their_digits() {
    let document = r#"{"externalId": "1", "productOrderItem": [{"id": "1", "action": "add",
        "product": {"productCharacteristic": [{"name": "n", "value": {"b": 1.10, "a": 12345678901234567890123}}]},
        "itemPrice": [{"price": {"dutyFreeAmount": {"unit": "EUR", "value": 1234567890123456.789},
                                 "taxIncludedAmount": {"unit": "EUR", "value": 1.5e1}}}]}]}"#;
    let translated = translate(document.as_bytes(), None).unwrap();
    assert_eq!(translated.findings, []);
    let item = &translated.order.items[0];
    assert_eq!(item.prices[0].amount.as_ref().unwrap().to_string(), "1234567890123456.789 EUR");
    assert_eq!(item.prices[0].amount_with_tax.as_ref().unwrap().to_string(), "15 EUR");
    assert_eq!(item.characteristics[0].value.text(), r#"{"b":1.10,"a":12345678901234567890123}"#);
}

#[test]
fn the_key_is_the_reference_else_the_requesters_id() {
    let key = |document: Value| match translated(&document).key {
        Ok(key) => key.0,
        Err(reason) => format!("{:?}", reason.code),
    };
    let items = json!([{ "id": "1", "action": "add" }]);
    let v5 = |external: Value| key(json!({ "externalId": external, "id": "77", "productOrderItem": items }));
    assert_eq!(
        v5(json!([{ "owner": "TMF", "externalIdentifierType": "PO", "id": "1/2" }, { "id": "9" }])),
        "TMF/PO/1%2F2"
    );
    assert_eq!(v5(json!([{ "owner": "TMF" }, { "id": "9" }])), "unknown/externalId/9");
    assert_eq!(v5(json!([])), "unknown/id/77");
    assert_eq!(v5(json!("A 1")), "unknown/externalId/A 1");
    assert_eq!(v5(json!("")), "unknown/id/77");
    assert_eq!(v5(json!("x".repeat(300))), "OrderKeyInvalid");
    assert_eq!(v5(json!("a\tb")), "OrderKeyInvalid");
    assert_eq!(key(json!({ "productOrderItem": items })), "OrderKeyMissing");
}

#[test]
fn the_contract_is_what_the_media_type_says_else_what_the_document_shows() {
    let contract = |media_type: Option<&str>, document: Value| {
        translate(document.to_string().as_bytes(), media_type)
            .map(|t| t.contract.name())
            .map_err(|e| e.0.code)
    };
    let items = json!([{ "id": "1", "action": "add" }]);
    let order = |extra: Value| {
        let mut order = json!({ "productOrderItem": items });
        order.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        order
    };
    assert_eq!(contract(None, order(json!({}))), Ok("tmf622-v5"));
    assert_eq!(contract(None, order(json!({ "relatedParty": [{ "id": "1" }] }))), Ok("tmf622-v4"));
    assert_eq!(
        contract(None, order(json!({ "externalId": [], "relatedParty": [{ "id": "1" }] }))),
        Ok("tmf622-v5")
    );
    assert_eq!(contract(None, order(json!({ "channel": [{ "channel": { "id": "1" } }] }))), Ok("tmf622-v5"));
    assert_eq!(
        contract(Some("application/json;profile=TMF622-v4"), order(json!({ "externalId": [] }))),
        Ok("tmf622-v4")
    );
    assert_eq!(
        contract(Some("application/json;profile=tmf622-v3.1"), order(json!({}))),
        Err(ReasonCode::ContractUnsupported)
    );
    let v3 = translated(&json!({ "externalId": "1", "orderItem": [{}] }));
    assert!(v3.findings.iter().any(|reason| reason.code == ReasonCode::ContractUnsupported));
}

/// Sets, replaces or removes something somewhere in a document.
fn mutated(mut document: Value, path: &[u8], with: &Value) -> Value {
    let mut node = &mut document;
    for step in path {
        let count = match node {
            Value::Object(members) => members.len(),
            Value::Array(nodes) => nodes.len(),
            _ => 0,
        };
        if count == 0 {
            break;
        }
        let index = *step as usize % count;
        node = match node {
            Value::Object(members) => members.values_mut().nth(index).unwrap(),
            Value::Array(nodes) => &mut nodes[index],
            _ => unreachable!("it has members"),
        };
    }
    *node = with.clone();
    document
}

fn any_node() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!([[{}]])),
        Just(json!({ "id": {} })),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("x".repeat(5_000))),
        Just(json!([1, "2", null, {}])),
    ]
}

proptest! {
    #[test]
    fn no_mutation_of_an_official_example_panics_and_every_pointer_leads_somewhere(
        file in 0..34_usize, path in prop::collection::vec(any::<u8>(), 1..7), with in any_node(),
    ) {
        let (_, bytes) = official().swap_remove(file);
        let document = mutated(serde_json::from_slice(&bytes).unwrap(), &path, &with);
        if let Ok(translated) = translate(document.to_string().as_bytes(), None) {
            for reason in &translated.findings {
                // The parent of what is missing is there.
                let parent = reason.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                prop_assert!(document.pointer(parent).is_some(), "{}", reason);
            }
            prop_assert!(translated.order.items.iter().all(|item| document.pointer(&item.pointer).is_some()));
        }
    }

    #[test]
    fn no_damage_to_the_bytes_panics(file in 0..34_usize, at in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..5), length in 0..9_usize) {
        let (_, mut document) = official().swap_remove(file);
        let at = at as usize % document.len();
        let end = (at + length).min(document.len());
        document.splice(at..end, bytes);
        if let Err(unreadable) = translate(&document, None) {
            prop_assert!(!unreadable.0.message.is_empty());
        }
    }
}
