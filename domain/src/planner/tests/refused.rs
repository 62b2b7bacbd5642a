//! Orders that the catalog cannot say how to build.
use super::orders::{self, acting, item, order, relate};
use super::*;
use crate::order::SpecificationRef;

#[track_caller]
fn check(order: &Order, expected: &[(ReasonCode, &str)]) {
    let reasons = decompose(order, &shipped()).err().unwrap_or_default();
    let found: Vec<(ReasonCode, &str)> =
        reasons.iter().map(|reason| (reason.code, reason.pointer.as_str())).collect();
    assert_eq!(found, expected, "{reasons:#?}");
}

#[test]
fn it_never_takes_another_version() {
    let catalog = shipped();
    let order = orders::business_fiber(&catalog);
    let reasons = decompose(&order, &catalog.scaled(60, 0)).unwrap_err();
    assert_eq!(reasons[0].code, ReasonCode::CatalogVersionUnknown);
    assert!(
        reasons[0].message.contains("\"2026.11\"") && reasons[0].message.contains("\"2026.11/60-0\""),
        "{reasons:?}"
    );
}

#[test]
fn every_reason_is_given_at_once_and_once() {
    let catalog = shipped();
    let mut unknown = item("3", "jetpack", &[]);
    unknown.quantity = 2;
    let nothing = |id: &str| {
        let mut item = item(id, "x", &[]);
        item.offering = None;
        item
    };
    let mut named = nothing("5");
    named.specification =
        Some(SpecificationRef { id: "dfg-56d".into(), version: None, pointer: String::new() });
    let line = item("1", "mobileLine", &[("simType", "physical".into())]); // and no address to ship it to
    let mut line = OrderItem { quantity: 3, ..line };
    relate(&mut line, "reliesOn", "99");
    check(
        &order(
            &catalog,
            vec![
                line,
                item("2", "homeInternet", &[]),
                unknown,
                acting(nothing("4"), ItemAction::Modify),
                named,
            ],
        ),
        &[
            (ReasonCode::OfferingUnknown, "/item/3/offering"),
            (ReasonCode::ItemRelationUnknownTarget, "/item/1/relation/99"),
            (ReasonCode::MappingMissing, "/item/4"),
            (ReasonCode::MappingMissing, "/item/5"),
            (ReasonCode::CharacteristicMissing, "/item/1"),
            (ReasonCode::MappingMissing, "/item/2"),
            (ReasonCode::MappingMissing, "/item/2"),
            (ReasonCode::MappingMissing, "/item/2"),
            (ReasonCode::MappingMissing, "/item/2"),
        ],
    );
}

#[test]
fn which_of_two_is_meant_has_to_be_said() {
    let catalog = shipped();
    let fiber = |id: &str| {
        item(id, "businessFiber", &[("bandwidthMbps", 100.into()), ("serviceAddress", "x".into())])
    };
    let ip = item("3", "staticIp", &[("addresses", 1.into())]);
    let reasons =
        decompose(&order(&catalog, vec![fiber("1"), fiber("2"), ip.clone()]), &catalog).unwrap_err();
    assert!(reasons.iter().all(|reason| reason.code == ReasonCode::MappingAmbiguous), "{reasons:#?}");
    assert!(reasons[0].message.contains("items \"1\" and \"2\" sell it"), "{reasons:#?}");

    let mut said = ip;
    relate(&mut said, "requires", "2");
    let plan = plan(&order(&catalog, vec![fiber("1"), fiber("2"), said]));
    assert_eq!(edges(&plan)["3:activateStaticIp"], BTreeSet::from(["2:activateFiber".to_owned()]));
}

#[test]
fn the_one_in_the_same_bundle_is_meant() {
    let catalog = shipped();
    let mut items = Vec::new();
    for bundle in ["1", "2"] {
        items.push(item(bundle, "triplePlay", &[]));
        for mut member in
            [orders::home_internet(&format!("{bundle}-i")), item(&format!("{bundle}-t"), "homeTv", &[])]
        {
            member.parent = Some(bundle.into());
            items.push(member);
        }
    }
    let plan = plan(&order(&catalog, items));
    assert_eq!(edges(&plan)["2-t:activateTv"], BTreeSet::from(["2-i:activateHomeAccess".to_owned()]));
}

#[test]
fn items_that_rely_on_one_another_are_refused() {
    let catalog = shipped();
    let (mut a, mut b, mut c) = (orders::mobile("1", 1), orders::dsl("2"), orders::home_internet("3"));
    relate(&mut a, "reliesOn", "2");
    relate(&mut b, "reliesOn", "3");
    relate(&mut c, "reliesOn", "1");
    let reasons = decompose(&order(&catalog, vec![a, b, c, item("4", "W6", &[])]), &catalog).unwrap_err();
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
    assert_eq!(reasons[0].code, ReasonCode::PlanCyclic);
    assert!(reasons[0].message.contains("of items 1, 2, 3 wait for one another"), "{reasons:#?}");
}

#[test]
fn an_order_without_work_and_one_with_too_much_are_refused() {
    let catalog = shipped();
    check(
        &order(&catalog, vec![acting(item("1", "W6", &[]), ItemAction::NoChange)]),
        &[(ReasonCode::PlanEmpty, "")],
    );
    let many = (0..6).map(|id| OrderItem { quantity: 200, ..orders::mobile(&id.to_string(), 1) }).collect();
    check(&order(&catalog, many), &[(ReasonCode::PlanTooLarge, "")]);
    // Few tasks, but each unit carries the same long text along.
    let long = "x".repeat(crate::limits::VALUE_BYTES_MAX);
    let heavy = item("1", "mobileLine", &[("simType", "physical".into()), ("shippingAddress", long.into())]);
    check(&order(&catalog, vec![OrderItem { quantity: 200, ..heavy.clone() }]), &[]);
    // The order goes into the same record.
    let mut laden = order(&catalog, vec![OrderItem { quantity: 200, ..heavy.clone() }]);
    laden.carried = Some("x".repeat(crate::limits::REQUEST_BYTES_MAX).as_str().into());
    check(&laden, &[(ReasonCode::PlanTooLarge, "")]);
    let heavy = ["1", "2"].map(|id| OrderItem { id: id.into(), quantity: 200, ..heavy.clone() });
    check(&order(&catalog, heavy.into()), &[(ReasonCode::PlanTooLarge, "")]);
    let mut none = orders::mobile("1", 1);
    none.quantity = 0;
    check(&order(&catalog, vec![none]), &[(ReasonCode::QuantityInvalid, "/item/1")]);
}

#[test]
fn an_expression_that_fails_is_a_reason_and_not_a_guess() {
    let catalog = shipped();
    let voice = item("2", "homeVoice", &[("portIn", "perhaps".into())]);
    let reasons = decompose(&order(&catalog, vec![orders::home_internet("1"), voice]), &catalog).unwrap_err();
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
    assert_eq!((reasons[0].code, reasons[0].pointer.as_str()), (ReasonCode::ExpressionFailed, "/item/2"));
}
