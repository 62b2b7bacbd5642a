//! Orders for tests, by the shipped catalog.
use serde_json::Value;

use crate::catalog::Catalog;
use crate::order::{
    Characteristic, Dates, ItemAction, ItemRelationship, OfferingRef, Order, OrderItem, Party, Priority,
    ProductRef,
};
use crate::{Json, ProductId, RequestId};

pub(crate) fn item(id: &str, offering: &str, characteristics: &[(&str, Value)]) -> OrderItem {
    let mut item = OrderItem {
        id: id.into(),
        action: ItemAction::Add,
        quantity: 1,
        offering: Some(OfferingRef {
            id: offering.into(),
            name: None,
            pointer: format!("/item/{id}/offering"),
        }),
        specification: None,
        product: None,
        characteristics: Vec::new(),
        parent: None,
        relationships: Vec::new(),
        prices: Vec::new(),
        billing_account: None,
        pointer: format!("/item/{id}"),
        carried: None,
    };
    characteristics.iter().for_each(|(name, value)| set(&mut item, name, value.clone()));
    item
}

pub(crate) fn set(item: &mut OrderItem, name: &str, value: Value) {
    item.characteristics.retain(|one| one.name != name);
    let pointer = format!("{}/{name}", item.pointer);
    item.characteristics.push(Characteristic { name: name.into(), value: Json::from(&value), pointer });
}

pub(crate) fn relate(item: &mut OrderItem, kind: &str, target: &str) {
    let pointer = format!("{}/relation/{target}", item.pointer);
    item.relationships.push(ItemRelationship { kind: kind.into(), target: target.into(), pointer });
}

/// Of an action on a product that is there.
pub(crate) fn acting(mut item: OrderItem, action: ItemAction) -> OrderItem {
    item.action = action;
    let id = ProductId(format!("product of {}", item.id));
    item.product = Some(ProductRef { id, version: None, pointer: format!("{}/product", item.pointer) });
    item
}

pub(crate) fn order(catalog: &Catalog, items: Vec<OrderItem>) -> Order {
    Order {
        key: "TMF/POnumber/456".into(),
        request_id: RequestId::of_payload(b"456"),
        order_version: 1,
        revision: None,
        catalog_version: catalog.version.clone(),
        contract: "tmf622-v5".into(),
        requester: "TMF".into(),
        external_id: None,
        category: None,
        description: None,
        priority: Priority::LOWEST,
        channel: None,
        dates: Dates::default(),
        billing_account: None,
        parties: vec![Party { role: "Customer".into(), id: "c-1".into(), name: None, kind: None }],
        notes: Vec::new(),
        items,
        follows: Vec::new(),
        carried: None,
    }
}

/// Everything of the practice drills: bundle 1, fiber 10, static IP 20, router 30, installation 40, subscription 50.
/// No item says how it relates to another: the catalog does.
pub(crate) fn business_fiber(catalog: &Catalog) -> Order {
    let fiber = [
        ("bandwidthMbps", 1000.into()),
        ("serviceAddress", "Main St 1".into()),
        ("serviceLevel", "premium".into()),
    ];
    let ip = [("addresses", 1.into()), ("addressFamily", "IPv4".into())];
    order(
        catalog,
        vec![
            item("1", "businessConnect", &[]),
            item("10", "businessFiber", &fiber),
            item("20", "staticIp", &ip),
            item("30", "managedRouter", &[("model", "standard".into())]),
            item("40", "installation", &[("installationDate", "2026-12-01".into())]),
            item("50", "businessSubscription", &[("termMonths", 24.into())]),
        ],
    )
}

/// The official example of TMF622 v5.
pub(crate) fn tmf_example(catalog: &Catalog) -> Order {
    let mut items = vec![
        item("100", "14277", &[]),
        item("110", "14305", &[("TEL_MSISDN", "415 279 7439".into())]),
        item("120", "14344", &[]),
        item("130", "14354", &[("CoverageOptions", "National".into())]),
    ];
    for member in ["110", "120", "130"] {
        relate(&mut items[0], "bundles", member);
    }
    relate(&mut items[2], "reliesOn", "110");
    relate(&mut items[3], "reliesOn", "110");
    order(catalog, items)
}

pub(crate) fn dsl(id: &str) -> OrderItem {
    let characteristics =
        [("bandwidthMbps", 3.into()), ("serviceAddress", "Main St 1".into()), ("modemModel", "wifi".into())];
    item(id, "dslInternet", &characteristics)
}

pub(crate) fn home_internet(id: &str) -> OrderItem {
    item(id, "homeInternet", &[("bandwidthMbps", 100.into()), ("serviceAddress", "Main St 1".into())])
}

pub(crate) fn mobile(id: &str, quantity: u32) -> OrderItem {
    let mut line =
        item(id, "mobileLine", &[("simType", "physical".into()), ("shippingAddress", "Main St 1".into())]);
    line.quantity = quantity;
    line
}
