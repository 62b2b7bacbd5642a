//! What the planner makes of orders by the shipped catalog, and of every order.
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::catalog::tests::shipped;
use crate::order::{ItemAction, OrderItem};
use crate::plan::ServiceOrderKind;
use orders::{acting, item, order, relate};

pub(crate) mod orders;
mod properties;
mod refused;

fn plan(order: &Order) -> Plan {
    decompose(order, &shipped()).unwrap_or_else(|reasons| {
        let lines: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        panic!("no plan:\n{}", lines.join("\n"))
    })
}

/// `item:component:task`, or `item:task` where that is clear enough.
fn name(task: &PlannedTask) -> String {
    format!("{}:{}", task.item_id, task.task_type)
}

/// Every task with the tasks that it directly waits for.
fn edges(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<TaskId, String> = plan.tasks.iter().map(|task| (task.id, name(task))).collect();
    plan.tasks
        .iter()
        .map(|task| (name(task), task.predecessors.iter().map(|id| names[id].clone()).collect()))
        .collect()
}

/// Whether `later` waits, directly or not, for `earlier`.
fn waits(plan: &Plan, later: &str, earlier: &str) -> bool {
    let edges = edges(plan);
    let (mut open, mut seen) = (vec![later.to_owned()], BTreeSet::new());
    while let Some(task) = open.pop() {
        if task == earlier {
            return task != later || !seen.is_empty();
        }
        if seen.insert(task.clone()) {
            open.extend(edges[&task].iter().cloned());
        }
    }
    false
}

#[track_caller]
fn check_waits(plan: &Plan, rows: &[(&str, &str)]) {
    for (later, earlier) in rows {
        assert!(waits(plan, later, earlier), "{later} does not wait for {earlier}: {:#?}", edges(plan));
    }
}

fn task<'p>(plan: &'p Plan, task_type: &str) -> &'p PlannedTask {
    plan.tasks.iter().find(|task| task.task_type == task_type).unwrap()
}

#[test]
fn business_fiber_is_built_as_the_drills_have_it() {
    let plan = plan(&orders::business_fiber(&shipped()));
    let made: Vec<String> = edges(&plan).into_keys().collect();
    let expected = [
        "10:activateFiber",
        "20:activateStaticIp",
        "30:configureRouter",
        "30:reserveRouter",
        "30:shipRouter",
        "40:performInstallation",
        "40:scheduleInstallation",
        "50:createBillingAccount",
        "50:createSubscription",
    ];
    assert_eq!(made, expected);
    check_waits(
        &plan,
        &[
            ("50:createSubscription", "50:createBillingAccount"),
            ("30:shipRouter", "30:reserveRouter"),
            ("30:shipRouter", "50:createSubscription"),
            ("40:performInstallation", "30:shipRouter"),
            ("10:activateFiber", "40:performInstallation"),
            ("20:activateStaticIp", "10:activateFiber"),
            ("30:configureRouter", "20:activateStaticIp"),
        ],
    );
    assert!(!waits(&plan, "10:activateFiber", "20:activateStaticIp"));
    assert!(
        edges(&plan)["30:reserveRouter"].is_empty() && edges(&plan)["40:scheduleInstallation"].is_empty()
    );
}

#[test]
fn the_router_is_configured_with_the_address_that_the_static_ip_reports() {
    let plan = plan(&orders::business_fiber(&shipped()));
    let router = task(&plan, "configureRouter");
    let input = router.inputs.iter().find(|input| input.name == "ipAddress").unwrap();
    assert_eq!(input.task, Some(task(&plan, "activateStaticIp").id));
    assert_eq!((input.output.as_deref(), &input.value), (Some("ipAddress"), &None));
    assert!(router.predecessors.contains(&input.task.unwrap()));

    // Without a static IP on the order the input is left out, and the router still waits for the fiber.
    let mut order = orders::business_fiber(&shipped());
    order.items.retain(|item| item.id.as_str() != "20");
    let plan = super::decompose(&order, &shipped()).unwrap();
    assert!(task(&plan, "configureRouter").inputs.iter().all(|input| input.name != "ipAddress"));
    check_waits(&plan, &[("30:configureRouter", "10:activateFiber")]);
}

#[test]
fn what_the_catalog_says_of_items_is_in_the_plan() {
    let plan = plan(&orders::business_fiber(&shipped()));
    let item = |id: &str| plan.items.iter().find(|item| item.item_id.as_str() == id).unwrap();
    assert!(item("20").optional && item("20").billable && !item("10").optional && !item("1").billable);
    let requires = |id: &str| item(id).requires.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!((requires("20"), requires("10")), (vec!["10".to_owned()], vec![]));
    assert_eq!(task(&plan, "activateFiber").milestone.as_deref(), Some("fiberActive"));
    assert_eq!(task(&plan, "activateFiber").product.as_ref(), Some(&item("10").products[0]));
    let kinds: BTreeSet<ServiceOrderKind> = plan.service_orders.iter().map(|order| order.kind).collect();
    assert_eq!(kinds.len(), 5, "service, resource, billing, shipping and manual: {kinds:?}");
}

#[test]
fn a_resource_order_belongs_to_its_service_and_comes_first() {
    let catalog = shipped();
    let plan = plan(&order(&catalog, vec![orders::home_internet("1")]));
    let port = plan.service_orders.iter().find(|order| order.kind == ServiceOrderKind::Resource).unwrap();
    let access = plan.service_orders.iter().find(|order| order.specification == "homeAccess").unwrap();
    assert_eq!(port.parent, Some(access.id));
    assert_eq!(port.characteristics["bandwidthMbps"], access.characteristics["bandwidthMbps"]);
    assert_eq!(task(&plan, "assignAccessPort").component, "access/port");
    check_waits(
        &plan,
        &[("1:activateHomeAccess", "1:assignAccessPort"), ("1:startCharges", "1:activateHomeAccess")],
    );
}

#[test]
fn the_official_example_is_a_plan() {
    let plan = plan(&orders::tmf_example(&shipped()));
    assert_eq!(edges(&plan).len(), 3);
    check_waits(
        &plan,
        &[("120:createTariffPlan", "110:activateTelephony"), ("130:setCoverage", "110:activateTelephony")],
    );
    let item = |id: &str| plan.items.iter().find(|item| item.item_id.as_str() == id).unwrap();
    assert!(
        item("110").requires.iter().any(|id| id.as_str() == "100"),
        "a member cannot do without its bundle"
    );
    assert!(!item("130").billable && item("120").billable);
}

#[test]
fn an_item_waits_as_a_whole_where_it_relies_on_one_that_the_catalog_does_not_relate_it_to() {
    let catalog = shipped();
    let mut line = orders::mobile("1", 1);
    relate(&mut line, "reliesOn", "2");
    let plan = plan(&order(&catalog, vec![line, orders::home_internet("2")]));
    // The first of the one wait for the last of the other.
    assert_eq!(edges(&plan)["1:assignSim"], BTreeSet::from(["2:startCharges".to_owned()]));
    check_waits(&plan, &[("1:startCharges", "2:activateHomeAccess")]);
}

#[test]
fn what_the_catalog_says_of_two_products_goes_before_a_relation_between_their_items() {
    let mut order = orders::business_fiber(&shipped());
    // The installation relies on the fiber, but the fiber is activated after it is installed.
    let installation = order.items.iter_mut().find(|item| item.id.as_str() == "40").unwrap();
    relate(installation, "reliesOn", "10");
    check_waits(&plan(&order), &[("10:activateFiber", "40:performInstallation")]);
}

#[test]
fn deleting_goes_the_other_way_round() {
    let catalog = shipped();
    let mut order = orders::business_fiber(&catalog);
    order.items = order.items.into_iter().map(|item| acting(item, ItemAction::Delete)).collect();
    let removed = plan(&order);
    check_waits(&removed, &[("10:deactivateFiber", "20:releaseStaticIp")]);
    assert!(!waits(&removed, "20:releaseStaticIp", "10:deactivateFiber"));

    let line = plan(&orders::order(&catalog, vec![acting(orders::dsl("1"), ItemAction::Delete)]));
    check_waits(&line, &[("1:releasePort", "1:deactivateDslam"), ("1:deactivateDslam", "1:collectModem")]);
    let home = plan(&orders::order(&catalog, vec![acting(orders::home_internet("1"), ItemAction::Delete)]));
    check_waits(
        &home,
        &[("1:releaseAccessPort", "1:deactivateHomeAccess"), ("1:deactivateHomeAccess", "1:stopCharges")],
    );
}

#[test]
fn a_change_does_what_a_change_does_and_no_change_does_nothing() {
    let catalog = shipped();
    let mut fiber = item("10", "businessFiber", &[("bandwidthMbps", 500.into())]);
    fiber = acting(fiber, ItemAction::Modify);
    let kept = acting(item("50", "businessSubscription", &[]), ItemAction::NoChange);
    let changed = plan(&order(&catalog, vec![fiber, kept]));
    assert_eq!(edges(&changed).into_keys().collect::<Vec<_>>(), ["10:changeFiber"]);
    assert_eq!(changed.items[0].products[0].as_str(), "product of 10");
    let names: Vec<&str> = changed.tasks[0].inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["bandwidthMbps", "product"]);

    let changed = plan(&order(&catalog, vec![acting(orders::dsl("1"), ItemAction::Modify)]));
    assert_eq!(edges(&changed).len(), 3);
    check_waits(&changed, &[("1:activateDslam", "1:assignPort"), ("1:assignPort", "1:verifyAdslService")]);
}

#[test]
fn each_unit_has_its_own_tasks_and_product() {
    let plan = plan(&order(&shipped(), vec![orders::mobile("1", 3)]));
    assert_eq!(plan.tasks.len(), 3 * 4);
    assert_eq!(plan.items[0].products.len(), 3);
    let paths: BTreeSet<&str> = plan.tasks.iter().map(|task| task.component.as_str()).collect();
    let expected = [
        "billing",
        "billing#2",
        "billing#3",
        "line",
        "line#2",
        "line#3",
        "line/sim",
        "line/sim#2",
        "line/sim#3",
    ];
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), expected);
    let unit = |path: &str| path.rsplit_once('#').map_or("", |(_, unit)| unit).to_owned();
    let paths: BTreeMap<TaskId, String> =
        plan.tasks.iter().map(|task| (task.id, unit(&task.component))).collect();
    for task in &plan.tasks {
        assert!(
            task.predecessors.iter().all(|id| paths[id] == paths[&task.id]),
            "units do not wait for one another"
        );
    }
}

#[test]
fn a_component_that_is_not_asked_for_is_not_there() {
    let catalog = shipped();
    let voice = |port_in: bool| {
        let voice =
            item("2", "homeVoice", &[("portIn", port_in.into()), ("phoneNumber", "030 1234567".into())]);
        plan(&order(&catalog, vec![orders::home_internet("1"), voice]))
    };
    check_waits(
        &voice(true),
        &[("2:activateVoice", "2:portNumber"), ("2:activateVoice", "1:activateHomeAccess")],
    );
    assert!(!edges(&voice(false)).contains_key("2:portNumber"));
}

#[test]
fn every_offering_can_be_ordered() {
    let catalog = shipped();
    let alone: Vec<OrderItem> = vec![
        orders::dsl("1"),
        orders::home_internet("1"),
        orders::mobile("1", 1),
        item("1", "W6", &[]),
        item("1", "homeTv", &[]),
        item("1", "homeVoice", &[]),
        item("1", "businessSubscription", &[]),
        item("1", "staticIp", &[("addresses", 1.into())]),
        item("1", "installation", &[]),
        item("1", "managedRouter", &[("model", "premium".into())]),
        item("1", "14344", &[]),
        item("1", "14354", &[("CoverageOptions", "Local".into())]),
        item("1", "14305", &[("TEL_MSISDN", "1".into())]),
        item("1", "businessFiber", &[("bandwidthMbps", 100.into()), ("serviceAddress", "x".into())]),
    ];
    let tried: BTreeSet<String> =
        alone.iter().map(|item| item.offering.as_ref().unwrap().id.clone()).collect();
    for (id, offering) in &catalog.offerings {
        assert!(tried.contains(id) || offering.is_bundle(), "{id} is not tried");
    }
    for item in alone {
        let made = plan(&order(&catalog, vec![item.clone()]));
        assert!(!made.tasks.is_empty());
        // And whatever can be added can be changed and ended; but an installation has happened, and W6 is for adding.
        for action in [ItemAction::Modify, ItemAction::Delete] {
            if item.offering.as_ref().unwrap().id != "W6" {
                plan(&order(&catalog, vec![acting(item.clone(), action)]));
            }
        }
    }
    let six = plan(&order(&catalog, vec![item("1", "W6", &[])]));
    assert_eq!(six.tasks.len(), 6);
    check_waits(&six, &[("1:w6Step6", "1:w6Step1")]);
    assert!(edges(&six).values().all(|before| before.len() <= 1));
}
