//! Orders that must be refused: what is changed in a right one, and the codes of the refusal, all of them.
use domain::ReasonCode;
use serde_json::{Value, json};

/// One way to be wrong.
#[derive(Clone, Copy)]
pub struct Invalid {
    pub name: &'static str,
    /// The kind of order that is spoiled; a name in [`super::shapes::ALL`].
    pub shape: &'static str,
    pub(super) change: fn(&mut Value),
    pub codes: &'static [ReasonCode],
}

// By name: a function has no useful text.
impl std::fmt::Debug for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invalid")
            .field("name", &self.name)
            .field("codes", &self.codes)
            .finish_non_exhaustive()
    }
}

/// Sets what is at a JSON pointer; all but its last part must exist.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').expect("pointers are written here and begin with a slash");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.insert(last.to_owned(), value)),
        Some(Value::Array(elements)) => {
            let at: usize = last.parse().expect("pointers are written here, with numbers into lists");
            elements[at] = value;
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            unreachable!("\"{pointer}\" leads nowhere: a shape was changed and this list was not")
        }
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, last) = pointer.rsplit_once('/').expect("pointers are written here and begin with a slash");
    let removed = document
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .and_then(|members| members.shift_remove(last));
    assert!(removed.is_some(), "\"{pointer}\" leads nowhere: a shape was changed and this list was not");
}

/// A right date that is long past.
const PAST: &str = "2019-05-02T08:13:59.506Z";

/// Every way to be wrong that is generated. The items of `fiber` are 0 the fiber and 1 the subscription; of `businessConnect` 0 the bundle,
/// 1 the fiber, 2 the static IP, 3 the router.
#[rustfmt::skip]
pub const ALL: &[Invalid] = &[
    Invalid { name: "no items", shape: "fiber", codes: &[ReasonCode::ItemsMissing],
        change: |order| set(order, "/productOrderItem", json!([])) },
    Invalid { name: "an item id twice", shape: "fiber", codes: &[ReasonCode::ItemIdDuplicate],
        change: |order| set(order, "/productOrderItem/1/id", json!("2")) },
    Invalid { name: "an unknown action", shape: "fiber", codes: &[ReasonCode::ItemActionUnknown],
        change: |order| set(order, "/productOrderItem/1/action", json!("upgrade")) },
    Invalid { name: "quantity 0", shape: "fiber", codes: &[ReasonCode::QuantityInvalid],
        change: |order| set(order, "/productOrderItem/0/quantity", json!(0)) },
    Invalid { name: "priority 7", shape: "fiber", codes: &[ReasonCode::PriorityInvalid],
        change: |order| set(order, "/priority", json!("7")) },
    Invalid { name: "a date that is none", shape: "fiber", codes: &[ReasonCode::DateInvalid],
        change: |order| set(order, "/requestedCompletionDate", json!("next Tuesday")) },
    Invalid { name: "completion before start", shape: "fiber", codes: &[ReasonCode::CompletionBeforeStart],
        change: |order| {
            set(order, "/requestedStartDate", json!("2099-06-02T00:00:00.000Z"));
            set(order, "/requestedCompletionDate", json!("2099-06-01T00:00:00.000Z"));
        } },
    Invalid { name: "completion in the past", shape: "fiber", codes: &[ReasonCode::DateInPast],
        change: |order| set(order, "/requestedCompletionDate", json!(PAST)) },
    Invalid { name: "a relation to nothing", shape: "businessConnect", codes: &[ReasonCode::ItemRelationUnknownTarget],
        change: |order| set(order, "/productOrderItem/2/productOrderItemRelationship/0/id", json!("99")) },
    Invalid { name: "items in a circle", shape: "businessConnect", codes: &[ReasonCode::ItemRelationCyclic],
        change: |order| {
            set(order, "/productOrderItem/1/productOrderItemRelationship", json!([{ "relationshipType": "requires", "id": "3" }]));
        } },
    Invalid { name: "an unknown offering", shape: "fiber", codes: &[ReasonCode::OfferingUnknown],
        change: |order| set(order, "/productOrderItem/1/productOffering/id", json!("moonBase")) },
    Invalid { name: "no offering", shape: "fiber", codes: &[ReasonCode::OfferingMissing],
        change: |order| remove(order, "/productOrderItem/1/productOffering") },
    Invalid { name: "another version of the specification", shape: "fiber", codes: &[ReasonCode::SpecificationUnknown],
        change: |order| set(order, "/productOrderItem/0/product/productSpecification/version", json!("99")) },
    Invalid { name: "a characteristic that is missing", shape: "fiber", codes: &[ReasonCode::CharacteristicMissing],
        change: |order| remove_characteristic(order, 0) },
    Invalid { name: "a characteristic that is unknown", shape: "fiber", codes: &[ReasonCode::CharacteristicUnknown],
        change: |order| add_characteristic(order, json!({ "name": "flavour", "value": "vanilla" })) },
    Invalid { name: "a value of the wrong type", shape: "fiber", codes: &[ReasonCode::CharacteristicTypeWrong],
        change: |order| set(order, "/productOrderItem/0/product/productCharacteristic/0/value", json!("fast")) },
    Invalid { name: "a value that is not allowed", shape: "fiber", codes: &[ReasonCode::CharacteristicValueNotAllowed],
        change: |order| set(order, "/productOrderItem/0/product/productCharacteristic/0/value", json!(123)) },
    Invalid { name: "a characteristic twice", shape: "fiber", codes: &[ReasonCode::CharacteristicCardinality],
        change: |order| add_characteristic(order, json!({ "name": "bandwidthMbps", "value": 100 })) },
    Invalid { name: "a bundle without its mandatory part", shape: "businessConnect", codes: &[ReasonCode::CardinalityViolated],
        change: |order| remove_last(order, "/productOrderItem/0/productOrderItemRelationship") },
    Invalid { name: "a bundle of something that is not there", shape: "businessConnect",
        codes: &[ReasonCode::CardinalityViolated, ReasonCode::ItemRelationUnknownTarget],
        change: |order| set(order, "/productOrderItem/0/productOrderItemRelationship/0/id", json!("99")) },
    Invalid { name: "no price", shape: "fiber", codes: &[ReasonCode::PriceMissing],
        change: |order| remove(order, "/productOrderItem/1/itemPrice") },
    Invalid { name: "a price without currency", shape: "fiber", codes: &[ReasonCode::PriceCurrencyMissing],
        change: |order| {
            remove(order, "/productOrderItem/1/itemPrice/0/price/dutyFreeAmount/unit");
            remove(order, "/productOrderItem/1/itemPrice/0/price/taxIncludedAmount/unit");
        } },
    Invalid { name: "a recurring price without period", shape: "fiber", codes: &[ReasonCode::PricePeriodMissing],
        change: |order| remove(order, "/productOrderItem/1/itemPrice/0/recurringChargePeriod") },
    Invalid { name: "a price that the catalog does not know", shape: "fiber", codes: &[ReasonCode::PriceMissing, ReasonCode::PriceUnknown],
        change: |order| set(order, "/productOrderItem/1/itemPrice/0/productOfferingPrice/id", json!("gratis")) },
    Invalid { name: "a discount that nobody may give", shape: "fiber", codes: &[ReasonCode::PriceShapeWrong],
        change: |order| {
            let discount = json!([{ "name": "FriendOfTheBoss", "priceType": "recurring", "price": { "percentage": 90 } }]);
            set(order, "/productOrderItem/1/itemPrice/0/priceAlteration", discount);
        } },
    Invalid { name: "a price in another currency", shape: "fiber", codes: &[ReasonCode::PriceShapeWrong],
        change: |order| {
            set(order, "/productOrderItem/1/itemPrice/0/price/dutyFreeAmount/unit", json!("USD"));
            set(order, "/productOrderItem/1/itemPrice/0/price/taxIncludedAmount/unit", json!("USD"));
        } },
    Invalid { name: "a change without the product", shape: "fiber", codes: &[ReasonCode::ProductReferenceMissing],
        change: |order| set(order, "/productOrderItem/0/action", json!("modify")) },
    Invalid { name: "too many addresses", shape: "businessConnect", codes: &[ReasonCode::NotEligible],
        change: |order| set(order, "/productOrderItem/2/product/productCharacteristic/0/value", json!(64)) },
    Invalid { name: "three things at once", shape: "fiber",
        codes: &[ReasonCode::PriorityInvalid, ReasonCode::CharacteristicUnknown, ReasonCode::PriceMissing],
        change: |order| {
            set(order, "/priority", json!("urgent"));
            add_characteristic(order, json!({ "name": "flavour", "value": "vanilla" }));
            remove(order, "/productOrderItem/1/itemPrice");
        } },
];

const CHARACTERISTICS: &str = "/productOrderItem/0/product/productCharacteristic";

fn list<'d>(document: &'d mut Value, pointer: &str) -> &'d mut Vec<Value> {
    let found = document.pointer_mut(pointer).and_then(Value::as_array_mut);
    found.unwrap_or_else(|| unreachable!("\"{pointer}\" is no list: a shape was changed and this was not"))
}

/// Of the first item.
fn add_characteristic(order: &mut Value, characteristic: Value) {
    list(order, CHARACTERISTICS).push(characteristic);
}

/// Of the first item.
fn remove_characteristic(order: &mut Value, at: usize) {
    list(order, CHARACTERISTICS).remove(at);
}

fn remove_last(order: &mut Value, pointer: &str) {
    let removed = list(order, pointer).pop();
    assert!(removed.is_some(), "\"{pointer}\" is empty: a shape was changed and this was not");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::shapes;

    #[test]
    fn every_kind_of_order_that_is_spoiled_is_there() {
        for invalid in ALL {
            assert!(shapes::named(invalid.shape).is_some(), "{}", invalid.name);
        }
    }
}
