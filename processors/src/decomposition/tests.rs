use domain::catalog::Catalog;
use domain::order::event::{OrderEvent, OrderValidated};

use crate::testing::{arrival, cause, item, order};

/// One offering, one component, one task.
const CATALOG: &str = r#"
version = "2026.11"
[[system]]
name = "network"
circuit = { failuresMax = 3, windowMs = 1000, openMsMin = 10, openMsMax = 100, probeMs = 10, releaseCount = 1, releaseIntervalMs = 1 }
[[offering]]
id = "fiber"
name = "Fiber"
specification = "fiber"
[[productSpecification]]
id = "fiber"
name = "Fiber"
version = "1"
components = [{ component = "access", service = "access" }]
[[serviceSpecification]]
id = "access"
name = "Access"
kind = "service"
tasks = [{ taskType = "activate" }]
[[taskType]]
name = "activate"
system = "network"
command = "activate"
expectedMs = 1
warningMs = 2
breachMs = 3
ownerGroup = "ops"
sideEffect = "none"
"#;

/// The decision on an order of one item, shown in a line.
fn decide(offering: &str, catalog: Option<&Catalog>) -> String {
    let mut order = order();
    order.items = vec![item("1", offering)];
    let validated = OrderValidated { cause: cause(3), submission: 1, order };
    let event = super::handle(&validated, catalog, &arrival(5));
    let given = event.cause();
    assert_eq!(
        (given.correlation_id.as_str(), given.causation_id.as_str(), given.at.0),
        ("request-1", "input-5", 5)
    );
    match event {
        OrderEvent::OrderDecomposed(event) => {
            format!("{} tasks on {}", event.plan.tasks.len(), event.plan.tasks[0].system)
        }
        OrderEvent::DecompositionFailed(event) => event.reasons.iter().map(ToString::to_string).collect(),
        other => panic!("decomposition does not write {}", other.name()),
    }
}

#[test]
fn an_order_becomes_a_plan_or_a_reason() {
    let catalog = Catalog::from_files(&[("catalog.toml", CATALOG)]).unwrap();
    assert_eq!(decide("fiber", Some(&catalog)), "1 tasks on network");
    assert!(decide("carpet", Some(&catalog)).starts_with("OfferingUnknown at /items/1/offering"));
    assert!(decide("fiber", None).contains("\"2026.11\" is not published here"));
    assert!(decide("fiber", Some(&catalog.scaled(2, 0))).contains("\"2026.11/2-0\" was given"));
}
