//! What is wrong with documents, and where.
use super::*;

/// The findings about one order whose only fault is `text` in place of its first item, in the form `code pointer`.
#[track_caller]
fn check(document: &str, expected: &[&str]) {
    let translated = translate(document.as_bytes(), None).unwrap();
    let found: Vec<String> =
        translated.findings.iter().map(|reason| format!("{:?} {}", reason.code, reason.pointer)).collect();
    assert_eq!(found, expected);
}

fn order(members: &str) -> String {
    format!(r#"{{"externalId": "1", "productOrderItem": [{{"id": "1", "action": "add"}}], {members}}}"#)
}

fn item(members: &str) -> String {
    format!(r#"{{"externalId": "1", "productOrderItem": [{{{members}}}]}}"#)
}

#[test]
fn of_the_order_as_a_whole() {
    check(&order(r#""priority": "5""#), &["PriorityInvalid /priority"]);
    check(&order(r#""priority": 3"#), &[]);
    check(&order(r#""priority": -1"#), &["PriorityInvalid /priority"]);
    check(&order(r#""requestedStartDate": "2026-02-30T00:00:00Z""#), &["DateInvalid /requestedStartDate"]);
    check(&order(r#""requestedStartDate": "2026-02-20""#), &["DateInvalid /requestedStartDate"]);
    check(&order(r#""category": 7, "description": null"#), &["FieldInvalid /category"]);
    check(&order(&format!(r#""category": "{}""#, "é".repeat(300))), &["FieldTooLong /category"]);
    check(
        &order(r#""note": [{"text": "a"}, {}, 5]"#),
        &["FieldInvalid /note/2", "FieldMissing /note/1/text"],
    );
    check(&order(r#""relatedParty": [{"role": "Seller"}]"#), &["FieldMissing /relatedParty/0/id"]);
    check(&order(r#""relatedParty": {"role": "Seller"}"#), &["FieldInvalid /relatedParty"]);
    check(&order(r#""requestedInitialState": "draft""#), &["FieldInvalid /requestedInitialState"]);
    check(&order(r#""billingAccount": {}"#), &["FieldMissing /billingAccount/id"]);
    check(
        &order(r#""orderRelationship": [{"relationshipType": "dependsOn"}]"#),
        &["FieldMissing /orderRelationship/0/id"],
    );
    check(r#"{"externalId": "1", "productOrderItem": []}"#, &["ItemsMissing /productOrderItem"]);
    check(
        r#"{"externalId": "1", "productOrderItem": {"id": "1"}}"#,
        &["FieldInvalid /productOrderItem", "ItemsMissing /productOrderItem"],
    );
}

#[test]
fn of_items() {
    check(&item(""), &["FieldMissing /productOrderItem/0/id", "FieldMissing /productOrderItem/0/action"]);
    check(
        &item(r#""id": 1, "action": "ADD""#),
        &["FieldInvalid /productOrderItem/0/id", "ItemActionUnknown /productOrderItem/0/action"],
    );
    for quantity in ["0", "201", "1.5", "-1", "\"2\"", "1e99", "99999999999999999999"] {
        check(
            &item(&format!(r#""id": "1", "action": "add", "quantity": {quantity}"#)),
            &["QuantityInvalid /productOrderItem/0/quantity"],
        );
    }
    check(&item(r#""id": "1", "action": "add", "quantity": 2.0"#), &[]);
    check(
        &item(
            r#""id": "1", "action": "add", "product": {"productCharacteristic": [{"name": "a"}, {"value": 1}, {"name": "b", "value": 1e999}, {"name": "c", "value": null}]}"#,
        ),
        &[
            "FieldMissing /productOrderItem/0/product/productCharacteristic/0/value",
            "FieldMissing /productOrderItem/0/product/productCharacteristic/1/name",
            "FieldInvalid /productOrderItem/0/product/productCharacteristic/2/value",
        ],
    );
    check(
        &item(
            r#""id": "1", "action": "add", "productOrderItemRelationship": [{"id": "2"}, {"relationshipType": "reliesOn"}]"#,
        ),
        &[
            "FieldMissing /productOrderItem/0/productOrderItemRelationship/0/relationshipType",
            "FieldMissing /productOrderItem/0/productOrderItemRelationship/1/id",
        ],
    );
}

#[test]
fn of_prices() {
    let price = |members: &str| item(&format!(r#""id": "1", "action": "add", "itemPrice": [{members}]"#));
    check(&price(r#"{"priceType": "gift"}"#), &["FieldInvalid /productOrderItem/0/itemPrice/0/priceType"]);
    check(
        &price(
            r#"{"price": {"dutyFreeAmount": {"value": 1}, "taxIncludedAmount": {"unit": "euro", "value": "1"}}}"#,
        ),
        &[
            "PriceCurrencyMissing /productOrderItem/0/itemPrice/0/price/dutyFreeAmount/unit",
            "FieldInvalid /productOrderItem/0/itemPrice/0/price/taxIncludedAmount/value",
            "FieldInvalid /productOrderItem/0/itemPrice/0/price/taxIncludedAmount/unit",
        ],
    );
    check(
        &price(
            r#"{"price": {"dutyFreeAmount": {"unit": "EUR", "value": 99999999999999999999999999999999}}}"#,
        ),
        &["FieldInvalid /productOrderItem/0/itemPrice/0/price/dutyFreeAmount/value"],
    );
    check(
        &price(r#"{"priceAlteration": [{"applicationDuration": -1, "price": {"percentage": "20"}}]}"#),
        &[
            "FieldInvalid /productOrderItem/0/itemPrice/0/priceAlteration/0/price/percentage",
            "FieldInvalid /productOrderItem/0/itemPrice/0/priceAlteration/0/applicationDuration",
        ],
    );
}

#[test]
fn of_what_json_allows_and_an_order_must_not_have() {
    check(&order(r#""category": "a", "category": "b""#), &["FieldInvalid /category"]);
    check(&order(r#""category": "a\u0000""#), &["FieldInvalid /category"]);
    check(&order(r#""x": [{"a~/b": 1, "a~/b": 1}]"#), &["FieldInvalid /x/0/a~0~1b"]);
    // A pointer into the second one would point into the first.
    check(
        &order(r#""note": [{"text": "a"}], "note": [{"text": "a"}, {"text": "b", "text": "c"}]"#),
        &["FieldInvalid /note"],
    );
}

#[test]
fn long_names_make_no_long_pointers_and_no_long_work() {
    let name = "n/".repeat(200_000);
    let members = vec![r#""a": 1"#; 40_000].join(",");
    let findings =
        translate(order(&format!(r#""x": {{"{name}": {{{members}}}}}"#)).as_bytes(), None).unwrap().findings;
    assert_eq!(findings.len(), domain::limits::REASONS_MAX);
    assert!(findings[..99].iter().all(|reason| reason.pointer == "/x"));
    assert_eq!(findings[99].message, "39900 more reasons are not listed");
}

#[test]
fn of_too_much() {
    let items = vec![r#"{"id": "1", "action": "add"}"#; domain::limits::ORDER_ITEMS_MAX + 1].join(",");
    check(
        &format!(r#"{{"externalId": "1", "productOrderItem": [{items}]}}"#),
        &["TooMany /productOrderItem"],
    );
    let mut nested = r#"{"id": "1", "action": "add"}"#.to_owned();
    for _ in 0..domain::limits::ITEM_DEPTH_MAX {
        nested = format!(r#"{{"id": "1", "action": "add", "productOrderItem": [{nested}]}}"#);
    }
    let deepest = "/productOrderItem/0".repeat(domain::limits::ITEM_DEPTH_MAX) + "/productOrderItem";
    check(
        &format!(r#"{{"externalId": "1", "productOrderItem": [{nested}]}}"#),
        &[&format!("TooMany {deepest}")],
    );

    let many =
        translate(item("").replace("{}", &vec!["{}"; 400].join(",")).as_bytes(), None).unwrap().findings;
    assert_eq!(many.len(), domain::limits::REASONS_MAX);
    assert_eq!(many.last().unwrap().message, "701 more reasons are not listed");
}

#[test]
fn the_largest_request_of_the_smallest_parts_fits_into_a_record() {
    let characteristics =
        vec![r#"{"name":"a","value":1}"#; domain::limits::ITEM_CHARACTERISTICS_MAX].join(",");
    let one =
        format!(r#"{{"id":"1","action":"add","product":{{"productCharacteristic":[{characteristics}]}}}}"#);
    let items = vec![one.as_str(); REQUEST_BYTES_MAX / (one.len() + 1) - 2].join(",");
    let mut nested = items;
    for _ in 1..domain::limits::ITEM_DEPTH_MAX {
        nested = format!(r#"{{"id":"1","action":"add","productOrderItem":[{nested}]}}"#);
    }
    let document = format!(r#"{{"externalId": "1", "productOrderItem": [{nested}]}}"#);
    let translated = translate(document.as_bytes(), None).unwrap();
    assert_eq!(translated.findings.len(), 1);
    assert_eq!(
        (translated.findings[0].code, translated.findings[0].pointer.as_str()),
        (ReasonCode::TooMany, "/productOrderItem")
    );
    let event = domain::order::event::OrderValidated {
        cause: domain::order::event::Cause {
            order_key: translated.order.key.clone(),
            at: domain::Timestamp(0),
            correlation_id: String::new(),
            causation_id: String::new(),
            actor: String::new(),
        },
        submission: 1,
        order: translated.order,
    };
    let codec = crate::codec::Codec::new(std::sync::Arc::new(crate::registry::LocalIds::in_memory()));
    assert!(codec.encode_event(&event.into()).is_ok());
}

#[test]
fn what_is_no_order_or_no_document_says_what_it_is() {
    let said = |bytes: &[u8]| translate(bytes, None).unwrap_err().0;
    assert_eq!(said(b"").message, "line 1, column 1: expected a value, found the end");
    assert_eq!(
        said(b"{\"a\": 1}\n}").message,
        "line 2, column 1: expected the end of the document, found '}'"
    );
    assert_eq!(said(b"{\"a\": \"\xff\"}").message, "line 1, column 8: not UTF-8");
    assert_eq!(said(b"\xff\xfe{\0").message, "the document is UTF-16; JSON is sent as UTF-8");
    assert_eq!(said(&vec![b' '; REQUEST_BYTES_MAX + 1]).code, ReasonCode::DocumentTooLarge);
    assert_eq!(said(b"{\"a\": \"\\ud800\"}").code, ReasonCode::DocumentUnreadable);
    assert_eq!(said(b"null").message, "expected one TMF622 product order, found null");
    assert_eq!(said(b"{}").message, "expected one TMF622 product order, found an empty object");
    assert_eq!(
        said(b"{\"@type\": \"ServiceOrder\", \"id\": \"1\"}").message,
        "expected one TMF622 product order, found a ServiceOrder"
    );
    assert!(translate(b"\xEF\xBB\xBF{\"externalId\": \"1\", \"productOrderItem\": []}", None).is_ok());
}
