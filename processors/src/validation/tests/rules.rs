//! Every rule: an order that breaks it, and the one reason that it is given.
use domain::order::{
    AgreedPrice, Characteristic, ItemAction, ItemRelationship, Order, OrderItem, PriceAlteration, PriceKind,
    ProductRef, SpecificationRef,
};
use domain::{Currency, Json, Money, Reason, ReasonCode, Timestamp};
use rust_decimal::Decimal;

use crate::testing::{catalogs, item, order};
use crate::validation::{characteristics, eligibility, findings, items, offering, prices, structure};

const AT: Timestamp = Timestamp(1_800_000_000_000);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn found(order: &Order, known: &[Reason]) -> Vec<Reason> {
    let catalogs = catalogs();
    let catalog = catalogs.latest().unwrap();
    let order = characteristics::with_defaults(order, catalog);
    let mut reasons = structure::check(&order, catalog, AT);
    reasons.extend(items::check(&order));
    reasons.extend(offering::check(&order, catalog));
    reasons.extend(characteristics::check(&order, catalog));
    reasons.extend(prices::check(&order, catalog));
    let ineligible = eligibility::check(&order, catalog, &reasons);
    reasons.extend(ineligible);
    findings::joined(&order, known, reasons)
}

fn shown(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| format!("{:?} {}", reason.code, reason.pointer)).collect()
}

/// The order of one fibre item, changed; the reasons as `code pointer`.
#[track_caller]
fn check(change: impl FnOnce(&mut Order), expected: &[&str]) {
    let mut order = order();
    change(&mut order);
    assert_eq!(shown(&found(&order, &[])), expected);
}

/// The same, with what could not be read of it.
#[track_caller]
fn check_read(change: impl FnOnce(&mut Order), known: (ReasonCode, &str), expected: &[&str]) {
    let mut order = order();
    change(&mut order);
    let known = [Reason::new(known.0, known.1, "could not be read")];
    assert_eq!(shown(&found(&order, &known)[1..]), expected);
}

fn says(name: &str, value: impl Into<Json>) -> Characteristic {
    Characteristic { name: name.into(), value: value.into(), pointer: format!("/items/1/{name}") }
}

fn related(kind: &str, target: &str) -> ItemRelationship {
    ItemRelationship { kind: kind.into(), target: target.into(), pointer: format!("/relation/{target}") }
}

fn product(id: &str) -> Option<ProductRef> {
    Some(ProductRef { id: id.into(), version: None, pointer: "/product".into() })
}

fn euros(amount: i64) -> Option<Money> {
    Some(Money { amount: Decimal::from(amount), currency: Currency::new("EUR").unwrap() })
}

fn access() -> AgreedPrice {
    AgreedPrice {
        reference: Some("access".into()),
        name: None,
        kind: Some(PriceKind::OneTime),
        period: None,
        amount: euros(50),
        amount_with_tax: None,
        alterations: Vec::new(),
        pointer: "/items/2/prices/0".into(),
    }
}

/// Named by its name, and not by its id.
fn monthly() -> AgreedPrice {
    AgreedPrice {
        reference: Some("monthly fee".into()),
        kind: Some(PriceKind::Recurring),
        period: Some("month".into()),
        pointer: "/items/2/prices/1".into(),
        ..access()
    }
}

/// A static address as item 2, complete.
fn static_ip() -> OrderItem {
    let version = Characteristic { pointer: "/items/2/version".into(), ..says("version", 4) };
    OrderItem { characteristics: vec![version], prices: vec![access(), monthly()], ..item("2", "static-ip") }
}

/// A complete order of both, whose second item is changed.
#[track_caller]
fn check_ip(change: impl FnOnce(&mut OrderItem), expected: &[&str]) {
    let add = |order: &mut Order| {
        let mut item = static_ip();
        change(&mut item);
        order.items.push(item);
    };
    check(add, expected);
}

#[test]
fn an_order_that_breaks_no_rule_has_no_reasons() {
    check(|_| {}, &[]);
    check_ip(|_| {}, &[]);
}

#[test]
fn structure_rules() {
    check(|order| order.items.clear(), &["ItemsMissing "]);
    check(|order| order.items.push(item("1", "fiber")), &["ItemIdDuplicate /items/1"]);
    check(|order| order.items[0].parent = Some("9".into()), &["ItemParentMissing /items/1"]);
    check(
        |order| order.items[0].relationships.push(related("reliesOn", "9")),
        &["ItemRelationUnknownTarget /relation/9"],
    );
    check(
        |order| order.items[0].relationships.push(related("reliesOn", "1")),
        &["ItemRelationCyclic /items/1"],
    );
    check(|order| order.description = Some("x".repeat(5_000)), &["FieldTooLong "]);
    check(|order| order.follows = vec![order.key.clone()], &["FieldInvalid "]);
    let many = |order: &mut Order| order.items = (0..=500).map(|id| item(&id.to_string(), "fiber")).collect();
    check(many, &["TooMany "]);
}

#[test]
fn items_that_need_one_another_in_a_circle_are_one_reason() {
    let circle = |order: &mut Order, kinds: [&str; 2]| {
        order.items.push(item("2", "fiber"));
        order.items.push(item("3", "fiber"));
        order.items[0].relationships.push(related(kinds[0], "2"));
        order.items[1].relationships.push(related(kinds[1], "1"));
        order.items[2].relationships.push(related(kinds[0], "1"));
    };
    check(|order| circle(order, ["reliesOn", "reliesOn"]), &["ItemRelationCyclic /items/1"]);
    // The whole names its part, and the part relies on it: the same, said twice.
    let both_ways = |order: &mut Order| {
        order.items.push(item("2", "fiber"));
        order.items[0].relationships.push(related("bundles", "2"));
        order.items[1].relationships.push(related("reliesOn", "1"));
    };
    check(both_ways, &[]);
    check(|order| circle(order, ["relatedTo", "relatedTo"]), &[]);
}

#[test]
fn items_are_nested_as_deep_as_the_limit_and_no_deeper() {
    let nest = |order: &mut Order, depth: usize| {
        for level in 1..=depth {
            let parent = Some(level.to_string().as_str().into());
            order.items.push(OrderItem { parent, ..item(&(level + 1).to_string(), "fiber") });
        }
    };
    check(|order| nest(order, 8), &[]);
    check(|order| nest(order, 9), &["TooMany /items/10"]);
}

#[test]
fn date_rules() {
    let dates = |start: Option<i64>, completion: i64| {
        move |order: &mut Order| {
            order.dates.requested_start = start.map(|days| AT.plus_ms(days * DAY_MS));
            order.dates.requested_completion = Some(AT.plus_ms(completion * DAY_MS));
            order.dates.requested_completion_pointer = Some("/completion".to_owned());
        }
    };
    check(dates(Some(3), 5), &[]);
    check(dates(Some(5), 3), &["CompletionBeforeStart /completion"]);
    check(dates(Some(-5), -6), &["CompletionBeforeStart /completion"]); // which of the two is wrong is not known
    check(dates(None, -2), &["DateInPast /completion"]);
    check(dates(Some(-3), -2), &["DateInPast /completion"]);
    check(dates(None, -1), &[]); // the midnight that today begins with
    check(|order| order.dates.requested_start = Some(Timestamp(0)), &[]); // at once
}

#[test]
fn action_and_quantity_rules() {
    for action in [ItemAction::Modify, ItemAction::Delete, ItemAction::NoChange] {
        check(|order| order.items[0].action = action, &["ProductReferenceMissing /items/1"]);
        let known = |order: &mut Order| {
            order.items[0].action = action;
            order.items[0].product = product("P-1");
            order.items[0].offering = None;
        };
        check(known, &[]);
    }
    check(|order| order.items[0].quantity = 0, &["QuantityInvalid /items/1"]);
    check(|order| order.items[0].quantity = 201, &["QuantityInvalid /items/1"]);
    check(|order| order.items[0].quantity = 200, &[]);
    check(
        |order| (order.items[0].quantity, order.items[0].product) = (2, product("P-1")),
        &["QuantityInvalid /items/1"],
    );
}

#[test]
fn offering_rules() {
    check(|order| order.items[0].offering = None, &["OfferingMissing /items/1"]);
    check(|order| order.items[0] = item("1", "hovercraft"), &["OfferingUnknown /items/1/offering"]);
    check(|order| order.items[0] = item("1", "copper"), &["OfferingNotSellable /items/1/offering"]);
    let ended = |order: &mut Order| {
        order.items[0] =
            OrderItem { action: ItemAction::Delete, product: product("P-1"), ..item("1", "copper") };
    };
    check(ended, &[]);
    let of = |id: &str, version: Option<&str>| {
        let pointer = "/spec".to_owned();
        let named = SpecificationRef { id: id.into(), version: version.map(str::to_owned), pointer };
        move |order: &mut Order| order.items[0].specification = Some(named)
    };
    check(of("fiber-spec", Some("1")), &[]);
    check(of("fiber-spec", None), &[]);
    check(of("fiber-spec", Some("2")), &["SpecificationUnknown /spec"]);
    check(of("router-spec", None), &["SpecificationUnknown /spec"]);
    check(of("hovercraft-spec", None), &["SpecificationUnknown /spec"]);
}

#[test]
fn bundle_and_relation_rules() {
    let office = |order: &mut Order| {
        order.items[0].parent = Some("0".into());
        order.items.push(item("0", "office"));
    };
    check(office, &[]);
    let related_only = |order: &mut Order| {
        order.items.push(OrderItem { relationships: vec![related("bundles", "1")], ..item("0", "office") });
    };
    check(related_only, &[]);
    check(|order| order.items.push(item("0", "office")), &["CardinalityViolated /items/0"]);
    let two = |order: &mut Order| {
        office(order);
        order.items.push(OrderItem { parent: Some("0".into()), ..item("5", "fiber") });
    };
    check(two, &["CardinalityViolated /items/0"]);
    let foreign = |order: &mut Order| {
        order.items.push(OrderItem {
            relationships: vec![related("bundles", "1"), related("bundles", "2")],
            ..item("0", "office")
        });
        order.items.push(OrderItem {
            prices: vec![AgreedPrice { reference: None, ..access() }],
            ..item("2", "router")
        });
    };
    check(foreign, &["CardinalityViolated /items/2/offering", "PriceReferenceMissing /items/2/prices/0"]);
    let alone = |order: &mut Order| order.items[0] = static_ip();
    check(alone, &["ItemRelationMissing /items/2"]);
    let on_product = |order: &mut Order| {
        order.items[0] = OrderItem {
            action: ItemAction::NoChange,
            product: product("P-1"),
            offering: None,
            ..item("1", "")
        };
        order.items.push(OrderItem { relationships: vec![related("reliesOn", "1")], ..static_ip() });
    };
    check(on_product, &[]);
    let excluded = |order: &mut Order| {
        order.items.push(static_ip());
        let copper = item("3", "copper");
        order.items.push(OrderItem { action: ItemAction::Modify, product: product("P-1"), ..copper });
    };
    check(excluded, &["CardinalityViolated /items/2"]);
}

#[test]
fn characteristic_rules() {
    let with = |characteristics: Vec<Characteristic>| {
        move |order: &mut Order| order.items[0].characteristics = characteristics
    };
    check(with(vec![says("bandwidth", 500), says("address", "low road"), says("class", "gold")]), &[]);
    check(with(vec![says("colour", "red")]), &["CharacteristicUnknown /items/1/colour"]);
    check(with(vec![says("bandwidth", "fast")]), &["CharacteristicTypeWrong /items/1/bandwidth"]);
    check(with(vec![says("bandwidth", 9)]), &["CharacteristicValueNotAllowed /items/1/bandwidth"]);
    check(with(vec![says("bandwidth", 10)]), &[]);
    check(with(vec![says("class", "lead")]), &["CharacteristicValueNotAllowed /items/1/class"]);
    check(with(vec![says("address", "Low Road 7")]), &["CharacteristicValueNotAllowed /items/1/address"]);
    check(
        with(vec![says("class", "gold"), says("class", "silver")]),
        &["CharacteristicCardinality /items/1"],
    );
    let long = says("address", "a".repeat(20_000).as_str());
    check(with(vec![long]), &["FieldTooLong /items/1/address"]);
    check_ip(|item| item.characteristics.clear(), &["CharacteristicMissing /items/2"]);
    let on_bundle = |order: &mut Order| {
        order.items[0].parent = Some("0".into());
        order.items.push(OrderItem { characteristics: vec![says("colour", "red")], ..item("0", "office") });
    };
    check(on_bundle, &["CharacteristicUnknown /items/1/colour"]);
}

#[test]
fn what_a_change_does_not_name_stays_as_it_is() {
    let modify = |order: &mut Order| {
        order.items[0].action = ItemAction::Modify;
        order.items[0].product = product("P-1");
        order.items[0].characteristics = vec![says("bandwidth", 500)];
        let modified =
            OrderItem { action: ItemAction::Modify, product: product("P-2"), ..item("2", "static-ip") };
        order.items.push(modified);
    };
    check(modify, &[]);
}

#[test]
fn defaults_are_filled_in_where_an_item_says_nothing() {
    let catalogs = catalogs();
    let catalog = catalogs.latest().unwrap();
    let mut order = order();
    order.items.push(OrderItem { characteristics: vec![says("bandwidth", 500)], ..item("2", "fiber") });
    order.items.push(OrderItem { action: ItemAction::Modify, product: product("P-1"), ..item("3", "fiber") });
    let filled = characteristics::with_defaults(&order, catalog);
    let said: Vec<_> =
        filled.items.iter().map(|item| item.characteristic("bandwidth").map(|c| c.value.shown())).collect();
    assert_eq!(said, [Some("100".to_owned()), Some("500".to_owned()), None]);
}

#[test]
fn price_rules() {
    let second = "/items/2/prices/1";
    let at = |code: &str| format!("{code} {second}");
    check_ip(|item| item.prices.truncate(1), &["PriceMissing /items/2"]);
    check_ip(|item| item.prices.clear(), &["PriceMissing /items/2", "PriceMissing /items/2"]);
    check_ip(|item| item.prices[1].amount = None, &[&at("PriceCurrencyMissing")]);
    check_ip(|item| item.prices[1].period = None, &[&at("PricePeriodMissing")]);
    check_ip(|item| item.prices[1].period = Some("year".into()), &[&at("PriceShapeWrong")]);
    check_ip(|item| item.prices[1].kind = Some(PriceKind::Usage), &[&at("PriceShapeWrong")]);
    check_ip(|item| item.prices[1].kind = None, &[&at("FieldMissing")]);
    check_ip(|item| item.prices[1].amount = euros(-1), &[&at("PriceShapeWrong")]);
    let dollars = Some(Money { amount: Decimal::ONE, currency: Currency::new("USD").unwrap() });
    let both = |item: &mut OrderItem| {
        (item.prices[1].amount, item.prices[1].amount_with_tax) = (dollars.clone(), dollars)
    };
    check_ip(both, &[&at("PriceShapeWrong")]);
    check_ip(|item| item.prices.push(monthly()), &[&at("PriceShapeWrong")]);
    check_ip(
        |item| item.prices[1].reference = None,
        &["PriceMissing /items/2", &at("PriceReferenceMissing")],
    );
    let unknown = Some("yearly".to_owned());
    check_ip(|item| item.prices[1].reference = unknown, &["PriceMissing /items/2", &at("PriceUnknown")]);
    let router = |order: &mut Order| order.items.push(item("3", "router"));
    check(router, &["PriceMissing /items/3"]); // billable, and no price is agreed at all
}

#[test]
fn discount_rules() {
    let welcome = |name: &str, percentage: Option<i64>, amount: Option<Money>| {
        let alteration = PriceAlteration {
            name: Some(name.into()),
            kind: None,
            percentage: percentage.map(Decimal::from),
            amount,
            duration_periods: Some(3),
            pointer: "/discount".into(),
        };
        move |item: &mut OrderItem| item.prices[1].alterations.push(alteration)
    };
    check_ip(welcome("Welcome", Some(20), None), &[]);
    check_ip(welcome("Welcome", None, euros(10)), &[]);
    check_ip(welcome("Welcome", Some(21), None), &["PriceShapeWrong /discount"]);
    check_ip(welcome("Welcome", Some(-1), None), &["PriceShapeWrong /discount"]);
    check_ip(welcome("Welcome", None, euros(11)), &["PriceShapeWrong /discount"]);
    check_ip(welcome("Friends", Some(5), None), &["PriceShapeWrong /discount"]);
}

#[test]
fn eligibility_rules() {
    let fast = |order: &mut Order| order.items[0].characteristics = vec![says("bandwidth", 2_000)];
    check(fast, &["NotEligible /items/1"]);
    // A condition that cannot be decided on an item that is wrong otherwise says nothing new.
    let wrong = |order: &mut Order| order.items[0].characteristics = vec![says("bandwidth", "fast")];
    check(wrong, &["CharacteristicTypeWrong /items/1/bandwidth"]);
    let undecided = |order: &mut Order| {
        order.items[0].action = ItemAction::Modify;
        order.items[0].product = product("P-1");
    };
    check(undecided, &["ExpressionFailed /items/1"]);
}

#[test]
fn all_reasons_come_at_once() {
    let broken = |order: &mut Order| {
        order.dates.requested_completion = Some(Timestamp(0));
        order.items[0].quantity = 0;
        order.items[0].characteristics = vec![says("colour", "red")];
        order.items.push(OrderItem { prices: vec![access()], ..static_ip() });
        order.items.push(item("3", "hovercraft"));
    };
    let expected = [
        "DateInPast ",
        "QuantityInvalid /items/1",
        "OfferingUnknown /items/3/offering",
        "CharacteristicUnknown /items/1/colour",
        "PriceMissing /items/2",
    ];
    check(broken, &expected);
}

#[test]
fn what_could_not_be_read_is_not_also_called_missing() {
    let unread_action = |order: &mut Order| order.items[0].action = ItemAction::NoChange;
    check_read(unread_action, (ReasonCode::ItemActionUnknown, "/items/1/action"), &[]);
    let of_other = (ReasonCode::ItemActionUnknown, "/items/10/action");
    check_read(unread_action, of_other, &["ProductReferenceMissing /items/1"]);
    let unread_price = |order: &mut Order| {
        let mut item = static_ip();
        item.prices[1].amount = None;
        item.characteristics.clear();
        order.items.push(item);
    };
    let currency = (ReasonCode::PriceCurrencyMissing, "/items/2/prices/1/amount/unit");
    check_read(unread_price, currency, &["CharacteristicMissing /items/2"]);
    check_read(|order| order.items.clear(), (ReasonCode::FieldInvalid, "/items"), &[]);
}
