//! What the processors' tests share: an arrival, an order, a way to run many inputs.
use domain::catalog::{Catalog, CatalogPublished, Catalogs};
use domain::order::event::{Cause, Evidence, OrderCaptured, OrderEvent, RevisionRefused};
use domain::order::{Dates, ItemAction, OfferingRef, Order, OrderItem, Priority};
use domain::{OrderKey, Timestamp};
use serde_json::json;

use crate::Arrival;

pub(crate) fn arrival(now: i64) -> Arrival {
    Arrival { id: format!("input-{now}"), actor: "processor test".to_owned(), now: Timestamp(now) }
}

pub(crate) fn key() -> OrderKey {
    OrderKey::from("TMF/POnumber/456")
}

pub(crate) fn cause(at: i64) -> Cause {
    arrival(at).cause(&key(), "request-1")
}

/// A request came: the `submission`-th one under the key.
pub(crate) fn captured(at: i64, submission: u32) -> OrderEvent {
    let evidence = Evidence { media_type: String::new(), digest: String::new(), size_bytes: 0 };
    OrderCaptured { cause: cause(at), submission, order: order(), findings: Vec::new(), evidence }.into()
}

pub(crate) fn refused(at: i64, submission: u32) -> OrderEvent {
    RevisionRefused { cause: cause(at), submission, request_id: "r".into(), reasons: Vec::new() }.into()
}

/// An order of one item, `1`, that adds the offering `fiber`.
pub(crate) fn order() -> Order {
    Order {
        key: key(),
        request_id: "request-1".into(),
        order_version: 1,
        revision: None,
        catalog_version: "2026.11".into(),
        contract: "tmf622-v5".to_owned(),
        requester: "TMF".to_owned(),
        external_id: None,
        category: None,
        description: None,
        priority: Priority::default(),
        channel: None,
        dates: Dates::default(),
        billing_account: None,
        parties: Vec::new(),
        notes: Vec::new(),
        items: vec![item("1", "fiber")],
        follows: Vec::new(),
        carried: None,
    }
}

/// Adds one piece of an offering; `/items/<id>` is its place in the document.
pub(crate) fn item(id: &str, offering: &str) -> OrderItem {
    let pointer = format!("/items/{id}");
    OrderItem {
        id: id.into(),
        action: ItemAction::Add,
        quantity: 1,
        offering: Some(OfferingRef {
            id: offering.to_owned(),
            name: None,
            pointer: format!("{pointer}/offering"),
        }),
        specification: None,
        product: None,
        characteristics: Vec::new(),
        parent: None,
        relationships: Vec::new(),
        prices: Vec::new(),
        billing_account: None,
        pointer,
        carried: None,
    }
}

/// A catalog of fibre, a static address that requires it, a bundle of both, a router, and a copper line that is not sold any more.
pub(crate) fn catalogs() -> Catalogs {
    let price = |id: &str, kind: &str, period: Option<&str>| {
        json!({ "id": id, "name": format!("{id} fee"), "kind": kind, "period": period, "currency": "EUR", "required": kind != "usage",
                "discounts": [{ "name": "Welcome", "percentageMax": "20" }] })
    };
    let offering = |id: &str, more: serde_json::Value| {
        let mut offering =
            json!({ "id": id, "name": id, "specification": format!("{id}-spec"), "billable": false });
        let more = more.as_object().cloned().unwrap_or_default();
        offering.as_object_mut().expect("an object").extend(more);
        (id.to_owned(), offering)
    };
    let specification = |id: &str, characteristics: serde_json::Value| {
        let name = format!("{id}-spec");
        (
            name.clone(),
            json!({ "id": name, "name": name, "version": "1", "commercialOnly": true,
                               "characteristics": characteristics }),
        )
    };
    let system = |name: &str| {
        let circuit = json!({ "failuresMax": 3, "windowMs": 100, "openMsMin": 50, "openMsMax": 200, "probeMs": 20,
                              "releaseCount": 2, "releaseIntervalMs": 10 });
        (name.to_owned(), json!({ "name": name, "circuit": circuit, "outageCodes": ["DOWN"] }))
    };
    let offerings = [
        offering(
            "fiber",
            json!({
                "feasibility": { "system": "network", "answerMs": 100, "attemptsMax": 3 },
                "eligibility": [{ "condition": "characteristics.bandwidth <= 1000 || order.priority == 0", "message": "a gigabit is for urgent orders" }],
            }),
        ),
        offering(
            "static-ip",
            json!({
                "billable": true, "prices": [price("access", "oneTime", None), price("monthly", "recurring", Some("month"))],
                "relations": [{ "kind": "requires", "anyOf": ["fiber"] }, { "kind": "excludes", "anyOf": ["copper"] }],
            }),
        ),
        offering("router", json!({ "billable": true, "prices": [price("repair", "usage", None)] })),
        offering("copper", json!({ "sellable": false })),
        offering(
            "office",
            json!({
                "specification": null, "bundle": [{ "offering": "fiber", "min": 1, "max": 1 }, { "offering": "static-ip", "min": 0, "max": 2 }],
            }),
        ),
    ];
    let specifications = [
        specification(
            "fiber",
            json!([
                { "name": "bandwidth", "valueType": "integer", "minimum": "10", "maximum": "10000", "cardinalityMin": 1, "default": 100 },
                { "name": "address", "valueType": "string", "pattern": "[a-z ]+" },
                { "name": "class", "valueType": "string", "allowedValues": ["gold", "silver"] },
            ]),
        ),
        specification(
            "static-ip",
            json!([{ "name": "version", "valueType": "integer", "cardinalityMin": 1, "cardinalityMax": 2 }]),
        ),
        specification("router", json!([])),
        specification("copper", json!([])),
    ];
    let relation_kinds = json!({
        "bundles": { "name": "bundles", "required": true, "targetIsPart": true },
        "reliesOn": { "name": "reliesOn", "required": true, "ordersWork": true },
        "relatedTo": { "name": "relatedTo" },
    });
    let rule = |system: &str, code: &str, recoverability: &str, impact: bool| {
        json!({ "system": system, "code": code, "messagePattern": null, "normalizedCode": format!("N_{code}"), "domain": "provisioning",
                "recoverability": recoverability, "ownerGroup": "network-ops", "action": "look", "customerImpact": impact })
    };
    let document = json!({
        "version": "2026.11",
        "systems": serde_json::Map::from_iter([system("network"), system("provisioning")]),
        "taskTypes": {},
        "offerings": serde_json::Map::from_iter(offerings),
        "productSpecifications": serde_json::Map::from_iter(specifications),
        "serviceSpecifications": {},
        "relationKinds": relation_kinds,
        "falloutRules": [rule("provisioning", "PORT_FULL", "repairable", true), rule("*", "NO_SUCH_LINE", "terminal", true)],
    });
    let catalog = Catalog::from_json(&document.to_string()).expect("the test catalog has no findings");
    let mut catalogs = Catalogs::default();
    catalogs.take(&CatalogPublished::of(&catalog, Timestamp(0))).expect("a first version is taken");
    catalogs
}
