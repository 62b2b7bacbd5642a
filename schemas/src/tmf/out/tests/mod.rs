use std::collections::BTreeSet;

use domain::fallout::Detection;
use domain::inventory::{Product, ProductState};
use domain::order::{ItemState, Order, OrderState};
use domain::plan::{ServiceOrder, ServiceOrderKind, ServiceOrderState};
use domain::states::Machine;
use domain::{CaseId, ItemId, Json, OrderKey, Reason, ReasonCode, ServiceOrderId, TaskId, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::tmf::{Translated, translate};

mod documented;
mod round_trip;

const AT: Timestamp = Timestamp(1_780_000_000_000);

/// A v5 order that has everything we take.
fn whole() -> Value {
    serde_json::from_str(include_str!("whole.json")).unwrap()
}

fn translated(document: &Value) -> Translated {
    translate(document.to_string().as_bytes(), None).unwrap()
}

/// The whole order, in a state, with everything that can be known of it.
fn view(state: OrderState) -> OrderView {
    let translated = translated(&whole());
    assert_eq!(translated.findings, []);
    let (key, item) = (translated.order.key.clone(), ItemId::from("1"));
    let task = TaskId::derived(&key, &item, "access", "activate");
    let resource = ServiceOrderId::derived(&key, &item, "port", 1);
    let service = ServiceOrderId::derived(&key, &item, "access", 1);
    let order = |id, kind, parent: Option<ServiceOrderId>, specification: &str| ServiceOrderView {
        service_order: ServiceOrder {
            id,
            item_id: item.clone(),
            kind,
            specification: specification.to_owned(),
            parent,
            characteristics: [("speed".to_owned(), Json::try_from("1.10".to_owned()).unwrap())].into(),
        },
        state: match state {
            OrderState::Completed => ServiceOrderState::Completed,
            OrderState::Failed => ServiceOrderState::Failed,
            _ => ServiceOrderState::InProgress,
        },
        started_at: Some(AT),
        updated_at: AT,
        product: Some("P-1".into()),
    };
    OrderView {
        state,
        ended_at: (!state.is_active()).then_some(AT),
        refusal: (state == OrderState::Rejected).then(|| RefusalView {
            at: AT,
            reasons: vec![Reason::new(
                ReasonCode::OfferingUnknown,
                "/productOrderItem/0/productOffering",
                "no such offering",
            )],
        }),
        items: [(
            item.clone(),
            ItemView { state: ItemState::InProgress, products: vec!["P-1".into(), "P-2".into()] },
        )]
        .into(),
        milestones: vec![MilestoneView {
            task_id: task,
            item_id: item.clone(),
            service_order: service,
            name: "fiberActive".to_owned(),
            reached_at: Some(AT),
        }],
        cases: vec![CaseView {
            id: CaseId::derived(&key, "task", "1"),
            item_id: Some(item.clone()),
            service_order: Some(service),
            normalized_code: "ADDRESS".to_owned(),
            customer_message: None,
            detection: Detection::TaskFailed,
            system: "network".to_owned(),
            code: "E-4711".to_owned(),
            message: "host nms-3 refused".to_owned(),
            at: AT,
        }],
        service_orders: vec![
            order(service, ServiceOrderKind::Service, None, "access"),
            order(resource, ServiceOrderKind::Resource, Some(service), "port"),
        ],
        ..OrderView::captured(translated.order, AT)
    }
}

fn product_view() -> ProductView {
    let view = view(OrderState::Completed);
    let priced = view.order.items.iter().find(|item| !item.prices.is_empty()).unwrap();
    ProductView {
        product: Product {
            id: "P-1".into(),
            state: ProductState::Active,
            version: 3,
            offering: Some("bundle".to_owned()),
            specification: Some("S".to_owned()),
            catalog_version: None,
            characteristics: [("speed".to_owned(), Json::from(100))].into(),
            customer: Some("C9".to_owned()),
            order_key: view.order.key.clone(),
            item_id: "1".into(),
            started_at: Some(AT),
            terminated_at: Some(AT),
            changed_at: AT,
        },
        name: Some("Bundle".to_owned()),
        billing_account: Some("B2".to_owned()),
        prices: priced.prices.clone(),
        relationships: vec![("reliesOn".to_owned(), "P-7".into())],
        realised_by: view.service_orders.into_iter().map(|one| one.service_order).collect(),
    }
}

fn tree(node: &Node) -> Value {
    serde_json::from_str(&node.to_json()).unwrap()
}

fn written(view: &OrderView, version: Version) -> Value {
    tree(&product_order(view, &Style::of(version)))
}

#[test]
fn the_states_of_an_order_are_those_that_the_domain_shows_outside() {
    for state in OrderState::ALL {
        assert_eq!(states::order(*state), state.shown_outside(), "{state:?}");
    }
}

#[test]
fn an_item_shows_its_own_end_and_before_it_what_holds_for_the_order() {
    use ItemState::*;
    #[rustfmt::skip]
    let rows = [
        (OrderState::Captured,   Pending,    "acknowledged"),
        (OrderState::Rejected,   Pending,    "rejected"),
        (OrderState::Scheduled,  Pending,    "pending"),
        (OrderState::InProgress, Pending,    "pending"),
        (OrderState::InProgress, InProgress, "inProgress"),
        (OrderState::InProgress, Blocked,    "held"),
        (OrderState::InProgress, Completed,  "completed"),
        (OrderState::Suspended,  InProgress, "held"),
        (OrderState::Suspended,  Failed,     "failed"),
        (OrderState::Cancelling, InProgress, "pendingCancellation"),
        (OrderState::Cancelling, Completed,  "completed"),
        (OrderState::Cancelled,  Pending,    "cancelled"),
        (OrderState::Failed,     Blocked,    "held"),
    ];
    for (order, item, expected) in rows {
        assert_eq!(states::item(order, item), expected, "{item:?} of an order that is {order:?}");
    }
}

#[test]
fn amounts_and_values_are_written_by_their_digits() {
    let document = r#"{"externalId": "1", "productOrderItem": [{"id": "1", "action": "add",
        "product": {"productCharacteristic": [{"name": "n", "value": {"b": 1.10, "a": 12345678901234567890123}}]},
        "itemPrice": [{"priceType": "usage", "price": {"dutyFreeAmount": {"unit": "EUR", "value": 1.10},
                                                       "taxIncludedAmount": {"unit": "EUR", "value": 1234567890123456.7890}}}]}]}"#;
    let translated = translate(document.as_bytes(), None).unwrap();
    assert_eq!(translated.findings, []);
    for version in Version::ALL {
        let view = OrderView::captured(translated.order.clone(), AT);
        let text = product_order(&view, &Style::of(version)).to_json();
        for digits in [
            r#""value":1.10}"#,
            r#""value":1234567890123456.7890}"#,
            r#"{"b":1.10,"a":12345678901234567890123}"#,
        ] {
            assert!(text.contains(digits), "{digits} is not in {text}");
        }
    }
}

#[test]
fn a_refused_order_says_why_and_of_which_item() {
    for version in Version::ALL {
        let document = written(&view(OrderState::Rejected), version);
        assert_eq!(document["state"], "rejected");
        let error = &document["productOrderErrorMessage"][0];
        assert_eq!(error["code"], "OfferingUnknown");
        assert_eq!(
            error["message"],
            "OfferingUnknown at /productOrderItem/0/productOffering: no such offering"
        );
        assert_eq!(error["productOrderItem"][0]["productOrderItemId"], "1");
        assert_eq!(document["productOrderItem"][0]["state"], "rejected");
    }
}

#[test]
fn whoever_ordered_is_not_told_how_we_work_inside() {
    for state in [OrderState::InProgress, OrderState::Failed] {
        let view = view(state);
        for version in Version::ALL {
            let text = product_order(&view, &Style::of(version)).to_json();
            for inside in ["nms-3", "E-4711", "network"] {
                assert!(!text.contains(inside), "{inside} is told outside: {text}");
            }
        }
        let orders: String =
            service_orders(&view, &Style::of(Version::V4)).iter().map(Node::to_json).collect();
        assert!(
            orders.contains("nms-3") && orders.contains("E-4711"),
            "and whoever runs the services is: {orders}"
        );
    }
}

#[test]
fn what_is_in_danger_while_the_order_goes_on_is_an_error_once_it_has_ended() {
    let count = |document: &Value, name: &str| document[name].as_array().map_or(0, Vec::len);
    for version in Version::ALL {
        let going_on = written(&view(OrderState::InProgress), version);
        assert_eq!(
            (count(&going_on, "productOrderJeopardyAlert"), count(&going_on, "productOrderErrorMessage")),
            (1, 0)
        );
        let ended = written(&view(OrderState::Failed), version);
        assert_eq!(
            (count(&ended, "productOrderJeopardyAlert"), count(&ended, "productOrderErrorMessage")),
            (0, 1)
        );
        let stuck = OrderView { cases: Vec::new(), stuck_since: Some(AT), ..view(OrderState::InProgress) };
        assert_eq!(written(&stuck, version)["productOrderJeopardyAlert"][0]["jeopardyType"], "stuckOrder");
    }
}

#[test]
fn an_object_with_members_of_ours_says_so_and_one_without_does_not() {
    let plain =
        translated(&json!({ "externalId": "1", "productOrderItem": [{ "id": "1", "action": "add" }] }));
    for version in Version::ALL {
        let document = written(&OrderView::captured(plain.order.clone(), AT), version);
        assert_eq!((&document["@type"], document.get("@baseType")), (&json!("ProductOrder"), None));
        let document = written(&view(OrderState::InProgress), version);
        assert_eq!(
            (&document["@type"], &document["@baseType"], &document["@schemaLocation"]),
            (&json!("OrderstreamProductOrder"), &json!("ProductOrder"), &json!(SCHEMA_LOCATION))
        );
        let product = &document["productOrderItem"][0]["productOrderItem"][0]["product"];
        assert_eq!(
            (&product["@type"], &product["@baseType"]),
            (&json!("OrderstreamProduct"), &json!("Product"))
        );
    }
}

#[test]
fn v5_names_the_type_of_every_value_party_and_product() {
    let value = |text: &str| {
        let json = Json::try_from(text.to_owned()).unwrap();
        tree(&item::characteristic("n", &json, &Style::of(Version::V5)))["@type"].as_str().unwrap().to_owned()
    };
    #[rustfmt::skip]
    let rows = [
        (r#""a""#,    "StringCharacteristic"),  (r#"["a"]"#,     "StringArrayCharacteristic"),
        ("true",      "BooleanCharacteristic"), ("[true]",       "BooleanArrayCharacteristic"),
        ("-7",        "IntegerCharacteristic"), ("[1, 2]",       "IntegerArrayCharacteristic"),
        ("1.0",       "NumberCharacteristic"),  ("[1, 2.5]",     "NumberArrayCharacteristic"),
        (r#"{"a":1}"#, "ObjectCharacteristic"), ("[{}]",         "ObjectArrayCharacteristic"),
        ("null",      "Characteristic"),        (r#"[1, "a"]"#,  "Characteristic"),
        ("[]",        "StringArrayCharacteristic"), ("1e3",      "NumberCharacteristic"),
    ];
    for (text, expected) in rows {
        assert_eq!(value(text), expected, "{text}");
    }
    let document = written(&view(OrderState::Captured), Version::V5);
    let party = |index: usize| &document["relatedParty"][index]["partyOrPartyRole"]["@type"];
    assert_eq!((party(0), party(1)), (&json!("PartyRoleRef"), &json!("PartyRef")));

    let delete = json!({ "externalId": "1", "productOrderItem": [{ "id": "1", "action": "delete", "product": { "id": "P" } }] });
    let document = written(&OrderView::captured(translated(&delete).order, AT), Version::V5);
    assert_eq!(document["productOrderItem"][0]["product"]["@type"], "ProductRef");
}

#[test]
fn the_product_that_an_item_makes_is_named_by_it_once_it_is_known() {
    let of = |products: &[&str]| {
        let mut view = view(OrderState::InProgress);
        let products = products.iter().map(|id| (*id).into()).collect();
        view.items = [(ItemId::from("1"), ItemView { state: ItemState::InProgress, products })].into();
        written(&view, Version::V5)["productOrderItem"][0]["product"].clone()
    };
    assert_eq!(of(&[]), Value::Null);
    assert_eq!(of(&["P-1"])["id"], "P-1");
    let units = of(&["P-1", "P-2"]);
    assert_eq!(units.get("id"), None);
    assert_eq!(units["productRelationship"].as_array().unwrap().len(), 2);
}

#[test]
fn items_that_hold_one_another_or_nest_without_end_are_each_written_once() {
    fn ids(items: &Value, found: &mut Vec<String>) {
        for item in items.as_array().into_iter().flatten() {
            found.push(item["id"].as_str().unwrap().to_owned());
            ids(&item["productOrderItem"], found);
        }
    }
    let items: Vec<Value> = (0..40).map(|id| json!({ "id": id.to_string(), "action": "add" })).collect();
    let order = translated(&json!({ "externalId": "1", "productOrderItem": items })).order;
    let circle = |index: usize| Some(ItemId::from(((index + 1) % 40).to_string().as_str()));
    let chain = |index: usize| index.checked_sub(1).map(|above| ItemId::from(above.to_string().as_str()));
    for parents in [&circle as &dyn Fn(usize) -> Option<ItemId>, &chain] {
        let mut order = order.clone();
        for (index, item) in order.items.iter_mut().enumerate() {
            item.parent = parents(index);
        }
        let mut found = Vec::new();
        ids(&written(&OrderView::captured(order, AT), Version::V5)["productOrderItem"], &mut found);
        assert_eq!(found.len(), 40);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 40);
    }
}

#[test]
fn an_order_is_found_by_its_address_whatever_its_key_has() {
    let style = Style { version: Version::V5, base: "https://orders.example.com/".to_owned() };
    let key = OrderKey::from("TMF/PO number/ä%2F?#");
    let Node::Text(href) = style.order_href(&key) else { panic!("an address is text") };
    let expected = "https://orders.example.com/tmf-api/productOrderingManagement/v5/productOrder/TMF%2FPO%20number%2F%C3%A4%252F%3F%23";
    assert_eq!(href, expected);
}

#[test]
fn a_time_that_never_comes_is_not_written() {
    let mut order: Order = translated(&whole()).order;
    order.dates.requested_start = Some(Timestamp::NEVER);
    order.dates.requested_completion = Some(Timestamp(i64::MIN));
    let document = written(&OrderView::captured(order, AT), Version::V5);
    assert_eq!((document.get("requestedStartDate"), document.get("requestedCompletionDate")), (None, None));
    assert_eq!(document["creationDate"], "2026-01-02T03:04:05.000Z");
}
