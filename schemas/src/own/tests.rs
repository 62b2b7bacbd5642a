use domain::{Reason, ReasonCode, RequestId};

use super::*;

fn request() -> OrderRequest {
    let money = RequestedMoney { amount: "0.990".into(), currency: "EUR".into() };
    let price = RequestedPrice {
        name: Some("Fee".into()),
        kind: Some("oneTime".into()),
        amount: Some(money),
        ..RequestedPrice::default()
    };
    let item = RequestedItem {
        id: "1".into(),
        action: RequestedAction::Add,
        offering: Some("access".into()),
        characteristics: vec![RequestedCharacteristic { name: "speed".into(), value: "100".into() }],
        prices: vec![price],
        ..RequestedItem::default()
    };
    let (requester, reference_type) = ("TMF".to_owned(), "POnumber".to_owned());
    OrderRequest {
        requester,
        reference_type,
        reference: "456".into(),
        items: vec![item],
        ..OrderRequest::default()
    }
}

#[test]
fn a_request_becomes_an_order() {
    let translated = translate(&request(), b"bytes").unwrap();
    assert_eq!(translated.findings, []);
    assert_eq!(translated.key.unwrap().as_str(), "TMF/POnumber/456");
    assert_eq!(translated.order.request_id, RequestId::of_payload(b"bytes"));
    assert_eq!(translated.order.contract, "orderstream-v1");
    let item = &translated.order.items[0];
    assert_eq!((item.quantity, item.pointer.as_str()), (1, "/items/0"));
    assert_eq!(item.prices[0].amount.as_ref().unwrap().to_string(), "0.990 EUR");
    assert_eq!(item.prices[0].reference.as_deref(), Some("Fee"));

    let named = OrderRequest { request_id: Some("r-1".into()), ..request() };
    assert_eq!(translate(&named, b"").unwrap().order.request_id, RequestId::from("r-1"));
}

#[track_caller]
fn check(change: impl FnOnce(&mut OrderRequest), expected: &[&str]) {
    let mut request = request();
    change(&mut request);
    let findings = translate(&request, b"").unwrap().findings;
    let found: Vec<String> =
        findings.iter().map(|Reason { code, pointer, .. }| format!("{code:?} {pointer}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check(|r| r.items.clear(), &["ItemsMissing /items"]);
    check(|r| r.requester.clear(), &["FieldMissing /requester"]);
    check(|r| r.priority = Some(5), &["PriorityInvalid /priority"]);
    check(|r| r.follows = vec!["".into(), "a".into(), "a".into()], &["OrderKeyInvalid /follows/0"]);
    check(|r| r.items[0].action = RequestedAction::Unknown, &["ItemActionUnknown /items/0/action"]);
    check(|r| r.items[0].quantity = Some(i64::MAX), &["QuantityInvalid /items/0/quantity"]);
    check(|r| r.items[0].id.clear(), &["FieldMissing /items/0/id"]);
    check(
        |r| r.items[0].characteristics[0].value = "fast".into(),
        &["FieldInvalid /items/0/characteristics/0/value"],
    );
    check(|r| r.items[0].prices[0].kind = Some("gift".into()), &["FieldInvalid /items/0/prices/0/kind"]);
    check(
        |r| r.items[0].prices[0].amount.as_mut().unwrap().currency.clear(),
        &["PriceCurrencyMissing /items/0/prices/0/amount/currency"],
    );
    check(
        |r| r.items[0].prices[0].amount.as_mut().unwrap().amount = "1,5".into(),
        &["FieldInvalid /items/0/prices/0/amount/amount"],
    );
    let relationship = RequestedRelationship { kind: "requires".into(), target: String::new() };
    check(|r| r.items[0].relationships.push(relationship), &["FieldMissing /items/0/relationships/0"]);
    check(|r| r.category = Some("x".repeat(600)), &["FieldTooLong /category"]);
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let bytes = vec![0; domain::limits::REQUEST_BYTES_MAX + 1];
    assert_eq!(translate(&request(), &bytes).unwrap_err().0.code, ReasonCode::DocumentTooLarge);
}
