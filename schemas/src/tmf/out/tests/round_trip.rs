//! What was written is understood again, and means the same.
use super::*;
use crate::tmf::tests::official;

/// What may differ between an order and the same order submitted again: how it is named, where its parts stood, and when it was asked
/// for where that was not said.
fn normalised(order: &Order, is_v4: bool, is_other_contract: bool) -> Value {
    fn without(value: &mut Value, left_out: &dyn Fn(&str) -> bool) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !left_out(name));
                members.values_mut().for_each(|inner| without(inner, left_out));
            }
            Value::Array(all) => all.iter_mut().for_each(|inner| without(inner, left_out)),
            _ => {}
        }
    }
    let mut order = order.clone();
    order.dates.requested = order.dates.requested.or(Some(AT));
    let mut value = serde_json::to_value(&order).unwrap();
    // What is only carried along fits into the contract that it came in alone.
    without(&mut value, &|name| {
        name.to_ascii_lowercase().ends_with("pointer") || (is_other_contract && name == "carried")
    });
    let members = value.as_object_mut().unwrap();
    for name in ["requestId", "contract", "externalId"] {
        members.remove(name);
    }
    if is_v4 {
        // Its `externalId` is the reference alone: whose it is, and of which type, is said by v5 only.
        members.remove("key");
        members.remove("requester");
    }
    value
}

#[track_caller]
fn check(order: &Order, findings: &[Reason], name: &str) {
    for version in Version::ALL {
        let is_v4 = version == Version::V4;
        let text = product_order(&OrderView::captured(order.clone(), AT), &Style::of(version)).to_json();
        let again = translate(text.as_bytes(), None).unwrap();
        assert_eq!(again.contract.name(), format!("tmf622-{}", version.name()), "{name}: {text}");
        let is_other = again.contract.name() != order.contract;
        assert_eq!(
            normalised(&again.order, is_v4, is_other),
            normalised(order, is_v4, is_other),
            "{name} as {version:?}: {text}"
        );
        if findings.is_empty() {
            assert_eq!(again.findings, [], "{name} as {version:?}: {text}");
        }
    }
}

#[test]
fn every_official_example_that_is_an_order_is_the_same_order_again() {
    let mut orders = 0;
    for (name, bytes) in official() {
        // A list is orders as well, once it is taken apart.
        for document in crate::tmf::split::documents(&bytes) {
            let Ok(translated) = translate(document.text.unwrap().as_bytes(), None) else { continue };
            check(&translated.order, &translated.findings, &name);
            orders += 1;
        }
    }
    assert!(orders >= 11, "only {orders} of the examples are orders");
}

#[test]
fn an_order_with_everything_is_the_same_order_again() {
    let translated = translated(&whole());
    check(&translated.order, &translated.findings, "the whole order");
    let mut bare = translated.order.clone();
    bare.parties[0].kind = None;
    bare.parties[1].name = None;
    bare.items[1].prices[0].name = None;
    bare.items[1].prices[0].alterations[0].amount = None;
    check(&bare, &[], "an order with less");
}

#[test]
fn what_is_not_read_is_written_back_in_the_contract_that_it_came_in() {
    let mut document = whole();
    let place = json!([{ "@type": "RelatedPlaceRefOrValue", "role": "installation", "place": { "@type": "PlaceRef", "id": "A-1" } }]);
    document["quote"] = json!([{ "@type": "QuoteRef", "id": "Q-1" }]);
    document["acmeRebate"] = json!(1.5);
    document["productOrderItem"][0]["itemTerm"] = json!([{ "@type": "OrderTerm", "name": "12Months" }]);
    document["productOrderItem"][0]["productOrderItem"][0]["product"]["place"] = place.clone();
    let read = translated(&document);
    assert_eq!(read.findings, []);
    check(&read.order, &read.findings, "with more than is read");
    let view = OrderView::captured(read.order, AT);
    let back = written(&view, Version::V5);
    assert_eq!((&back["quote"], &back["acmeRebate"]), (&document["quote"], &document["acmeRebate"]));
    assert_eq!(back["productOrderItem"][0]["itemTerm"], document["productOrderItem"][0]["itemTerm"]);
    assert_eq!(back["productOrderItem"][0]["productOrderItem"][0]["product"]["place"], place);
    let other = written(&view, Version::V4);
    assert_eq!((other.get("quote"), other.get("acmeRebate")), (None, None));
}

#[test]
fn an_extended_order_keeps_the_types_that_the_requester_gave_it() {
    let document = json!({
        "@type": "AcmeOrder", "@baseType": "ProductOrder", "@schemaLocation": "https://acme.example/order.json", "acmeRebate": 1.5,
        "externalId": [{ "owner": "A", "externalIdentifierType": "B", "id": "1" }],
        "productOrderItem": [{ "id": "1", "action": "add", "product": { "productRelationship": [{ "id": "P-9", "relationshipType": "x" }] } }]
    });
    let read = translated(&document);
    check(&read.order, &read.findings, "an extended order");
    let back = written(&OrderView::captured(read.order, AT), Version::V5);
    for name in ["@type", "@baseType", "@schemaLocation", "acmeRebate"] {
        assert_eq!(back[name], document[name], "{name}");
    }
    let product = "/productOrderItem/0/product/productRelationship";
    assert_eq!(back.pointer(product), document.pointer(product));
}

#[test]
fn an_order_of_our_own_record_is_the_same_order_again() {
    let mut order = translated(&whole()).order;
    order.contract = "orderstream-v1".to_owned();
    order.external_id = None;
    check(&order, &[], "our own");
}
