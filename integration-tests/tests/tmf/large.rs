//! An order whose plan does not fit into a record is refused with a reason, and never lost among the dead letters.
use domain::limits::{REQUEST_BYTES_MAX, VALUE_BYTES_MAX};
use domain::order::event::OrderEvent;
use domain::{Reason, ReasonCode};
use integration_tests::scenario::World;
use schemas::topics;
use serde_json::json;

use crate::documents::generated;
use crate::seen::ran;

/// What `{"...": "..."}` takes around a long text.
const AROUND_BYTES: usize = 4_096;
const ITEMS: usize = 4;

#[test]
fn an_order_that_would_not_fit_into_a_record_is_refused_with_a_reason() {
    let long = "x".repeat(VALUE_BYTES_MAX - AROUND_BYTES);
    // Each of 200 lines of each item carries the address along; what is only carried fills the rest of the largest request.
    let characteristics = [
        json!({ "name": "simType", "value": "physical" }),
        json!({ "name": "shippingAddress", "value": long }),
    ];
    let item = |id: usize| {
        json!({
            "id": id.to_string(), "action": "add", "quantity": 200, "productOffering": { "id": "mobileLine" },
            "itemPrice": [{ "priceType": "recurring", "recurringChargePeriod": "month",
                            "productOfferingPrice": { "id": "mobileLineMonthly" },
                            "price": { "dutyFreeAmount": { "unit": "EUR", "value": 1 } } }],
            "product": { "productCharacteristic": characteristics }
        })
    };
    let document = json!({
        "externalId": "LARGE-1", "acmeAttachment": "x".repeat(REQUEST_BYTES_MAX - (ITEMS + 1) * VALUE_BYTES_MAX),
        "relatedParty": [{ "id": "SHOP", "role": "Seller", "@referredType": "Organization" }],
        "productOrderItem": (1..=ITEMS).map(item).collect::<Vec<_>>()
    });
    let mut scenario = generated(1, Default::default());
    scenario.when.truncate(1);
    scenario.when[0].contract = "v4".to_owned();
    scenario.when[0].submit = document.to_string();
    let (world, outcome) = ran(&scenario);
    let dead = outcome.records.iter().filter(|record| &*record.topic == topics::DEAD_LETTERS).count();
    assert_eq!(dead, 0, "nothing of it lies among the dead letters");
    let events = outcome.records.iter().filter(|record| &*record.topic == topics::ORDER_EVENTS);
    let events: Vec<OrderEvent> =
        events.map(|record| world.codec().decode_event(record.value.as_deref().unwrap()).unwrap()).collect();
    let reasons = events.iter().find_map(|event| match event {
        OrderEvent::DecompositionFailed(failed) => Some(failed.reasons.clone()),
        OrderEvent::OrderRejected(rejected) => panic!("validation refused it: {:?}", rejected.reasons),
        _ => None,
    });
    let names: Vec<&str> = events.iter().map(OrderEvent::name).collect();
    let [Reason { code, message, .. }] = &reasons.unwrap_or_else(|| panic!("it was taken: {names:?}"))[..]
    else {
        panic!("one reason")
    };
    assert_eq!(*code, ReasonCode::PlanTooLarge);
    assert!(message.contains("bytes, at most"), "{message}");
    assert!(names.contains(&"FalloutDetected"), "somebody is told: {names:?}");
}
