use domain::fallout::{CaseState, Detection, Recoverability};
use domain::order::event::{
    DecompositionFailed, FalloutDetected, FeasibilityUnanswered, OrderMarkedStuck, OrderRejected,
    OrderValidated, WaitFailed,
};
use domain::order::{OrderState, OrderTrigger, Priority};
use domain::plan::{ExecutionMode, Failure};
use domain::{CaseId, CommandId, Reason, ReasonCode, TaskId, Timestamp};

use super::*;
use crate::MemoryCells;
use crate::testing::{arrival, captured, catalogs, cause, key, order, refused};

fn task(name: &str) -> TaskId {
    TaskId::derived(&key(), &"1".into(), name, "activate")
}

fn task_to(at: i64, name: &str, to: TaskState, trigger: TaskTrigger, code: Option<&str>) -> OrderEvent {
    let failed = |code: &str| Failure {
        system: "provisioning".into(),
        code: code.into(),
        message: format!("{code} was said"),
        at: Timestamp(at),
    };
    TaskStateChanged {
        cause: cause(at),
        task_id: task(name),
        item_id: "1".into(),
        component: name.to_owned(),
        task_type: "activate".to_owned(),
        system: "provisioning".to_owned(),
        from: TaskState::Dispatched,
        to,
        trigger,
        mode: ExecutionMode::Do,
        in_fallout: false,
        attempt: 1,
        command_id: None,
        failure: code.map(failed),
        reason: None,
        outputs: Default::default(),
        next_due: None,
    }
    .into()
}

fn validated(at: i64, priority: u8) -> OrderEvent {
    let mut order = order();
    order.priority = Priority::new(priority).unwrap();
    OrderValidated { cause: cause(at), submission: 1, order }.into()
}

fn moved(at: i64, to: OrderState) -> OrderEvent {
    OrderStateChanged {
        cause: cause(at),
        order_version: 1,
        from: OrderState::InProgress,
        to,
        trigger: OrderTrigger::AllItemsDone,
        reason: None,
        waiting_for: None,
        next_due: None,
    }
    .into()
}

fn shown(event: &OrderEvent) -> String {
    match event {
        OrderEvent::FalloutDetected(event) => {
            let case = &event.case;
            assert_eq!(case.state, CaseState::Assigned);
            let by = (
                case.detection,
                &case.classification.normalized_code,
                case.severity,
                &case.classification.owner_group,
            );
            format!("opened {:?} {} {:?} for {}", by.0, by.1, by.2, by.3)
        }
        OrderEvent::FalloutClassified(event) => {
            format!(
                "filed {:?} {} {:?}",
                event.detection, event.classification.normalized_code, event.severity
            )
        }
        OrderEvent::FalloutResolved(event) => format!("resolved: {}", event.resolution),
        other => other.name().to_owned(),
    }
}

/// Rows of (event, what follows), run in sequence from an unknown order; each event is told twice, and the second time
/// nothing follows.
#[track_caller]
fn check(rows: &[(OrderEvent, &str)]) -> (MemoryCells<Cell>, Vec<OrderEvent>) {
    let (catalogs, mut cells, mut all) = (catalogs(), MemoryCells::default(), Vec::new());
    for (index, (event, expected)) in rows.iter().enumerate() {
        let arrival = arrival(event.at().0);
        let events = handle(&key(), &mut cells, event, &catalogs, &arrival);
        assert_eq!(events.iter().map(shown).collect::<Vec<_>>().join(", "), *expected, "row {index}");
        let before = cells.clone();
        assert_eq!(handle(&key(), &mut cells, event, &catalogs, &arrival), [], "row {index}, told again");
        assert_eq!(cells, before, "row {index}, told again");
        all.extend(events);
    }
    (cells, all)
}

fn first_case(events: &[OrderEvent]) -> &FalloutDetected {
    let mut cases = events.iter().filter_map(|event| {
        if let OrderEvent::FalloutDetected(event) = event { Some(&**event) } else { None }
    });
    cases.next().expect("a case was opened")
}

use TaskState::*;
use TaskTrigger::*;

#[test]
#[rustfmt::skip]
fn a_failure_is_filed_by_the_rules_of_the_pinned_catalog_and_resolved_by_the_late_answer() {
    let (_, events) = check(&[
        (validated(0, 4), ""),
        (task_to(1, "a", FailedRepairable, FailureRepairable, Some("PORT_FULL")), "opened TaskFailed N_PORT_FULL Medium for network-ops"),
        (task_to(2, "b", Completed, FeedbackCompleted, None), ""),
        (task_to(3, "a", Completed, FeedbackCompleted, None), "resolved: the task is done"),
    ]);
    let case = &first_case(&events).case;
    assert_eq!((case.failure.code.as_str(), case.failure.message.as_str()), ("PORT_FULL", "PORT_FULL was said"));
    assert_eq!((case.task_id, case.detected_at), (Some(task("a")), Timestamp(1)));
}

#[test]
#[rustfmt::skip]
fn an_urgent_order_weighs_more() {
    check(&[
        (validated(0, 0), ""),
        (task_to(1, "a", FailedTerminal, FailureTerminal, Some("NO_SUCH_LINE")), "opened TaskFailed N_NO_SUCH_LINE High for network-ops"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_timeout_is_a_case_of_low_severity_that_resolves_itself() {
    let (_, events) = check(&[
        (validated(0, 0), ""),
        (task_to(1, "a", UnknownOutcome, DeadlinePassed, None), "opened Timeout MISSING_CALLBACK Low for order-operations"),
        (task_to(2, "a", UnknownOutcome, DeadlinePassed, None), ""),
        (task_to(3, "a", WaitingCallback, FeedbackInProgress, None), "resolved: the outcome is known, and the task goes on"),
        (task_to(4, "a", UnknownOutcome, DeadlinePassed, None), "opened Timeout MISSING_CALLBACK Low for order-operations"),
        (task_to(5, "a", Dispatched, DispatchSent, None), "resolved: the task is sent again under its own command id"),
    ]);
    assert_eq!(first_case(&events).case.classification.recoverability, Recoverability::UnknownOutcome);
}

#[test]
#[rustfmt::skip]
fn a_timeout_that_nobody_resolves_is_the_same_case_filed_anew() {
    check(&[
        (validated(0, 4), ""),
        (task_to(1, "a", UnknownOutcome, DeadlinePassed, None), "opened Timeout MISSING_CALLBACK Low for order-operations"),
        (task_to(2, "a", FailedRepairable, RetriesExhausted, Some("PORT_FULL")), "filed RetriesExhausted N_PORT_FULL Medium"),
        (task_to(3, "a", Dispatched, RepairApplied, None), "resolved: a repair was applied, and the task goes on"),
        (task_to(4, "a", FailedRepairable, FailureRepairable, Some("PORT_FULL")), "opened TaskFailed N_PORT_FULL High for network-ops"), // it came back
    ]);
}

#[test]
#[rustfmt::skip]
fn every_stage_that_cannot_go_on_has_its_own_case() {
    let command_id = CommandId::feasibility(&key(), 1);
    let unanswered = FeasibilityUnanswered { cause: cause(1), submission: 1, command_id, system: "network".into(), attempts: 3 };
    let reasons = vec![Reason::new(ReasonCode::MappingMissing, "", "no mapping")];
    let failed = DecompositionFailed { cause: cause(3), reasons };
    let wait = WaitFailed { cause: cause(4), waiting_for: "order O-7".into(), message: "it was cancelled".into() };
    let (cells, events) = check(&[
        (unanswered.into(), "opened FeasibilityUnanswered FEASIBILITY_UNANSWERED Low for order-operations"),
        (validated(2, 4), "resolved: the question was answered"),
        (failed.into(), "opened DecompositionFailed MappingMissing Low for catalog-operations"),
        (wait.into(), "opened WaitEnded WAIT_ENDED Low for order-operations"),
        (moved(5, OrderState::InProgress), "resolved: what the order waited for is over"),
        (moved(6, OrderState::Cancelled), "resolved: the order is cancelled"),
    ]);
    assert!(cells.0.is_empty(), "{cells:?}");
    assert_eq!(events.len(), 6);
}

#[test]
#[rustfmt::skip]
fn a_stuck_order_has_the_case_that_the_scan_named_until_it_moves() {
    let case_id = CaseId::derived(&key(), "stuck", "since");
    let stuck = OrderMarkedStuck { cause: cause(1), case_id, silent_since: Timestamp(0), task_id: Some(task("a")), item_id: None };
    let (_, events) = check(&[
        (validated(0, 4), ""),
        (stuck.into(), "opened StuckOrder ORDER_STUCK Low for order-operations"),
        (task_to(2, "a", Accepted, FeedbackAccepted, None), "resolved: the order moved again"),
    ]);
    assert_eq!((first_case(&events).case.id, first_case(&events).case.task_id), (case_id, Some(task("a"))));
    assert_eq!(first_case(&events).case.detection, Detection::StuckOrder);
}

#[test]
#[rustfmt::skip]
fn a_mark_that_comes_after_the_end_of_its_order_opens_no_case() {
    let stuck = |at| OrderEvent::from(OrderMarkedStuck { cause: cause(at), case_id: CaseId::derived(&key(), "stuck", "since"), silent_since: Timestamp(0), task_id: None, item_id: None });
    let opened = "opened StuckOrder ORDER_STUCK Low for order-operations";
    let (cells, _) = check(&[(captured(0, 1), ""), (validated(1, 4), ""), (moved(2, OrderState::Completed), ""), (stuck(3), "")]);
    assert!(cells.0.is_empty(), "{cells:?}");
    check(&[(captured(0, 1), ""), (stuck(1), opened)]);
    check(&[(captured(0, 1), ""), (validated(1, 4), ""), (moved(2, OrderState::Failed), ""), (stuck(3), "")]);
    check(&[(captured(0, 1), ""), (validated(1, 4), ""), (moved(2, OrderState::Failed), ""), (moved(3, OrderState::InProgress), ""), (stuck(4), opened)]);
    check(&[(captured(0, 2), ""), (stuck(1), opened), (refused(2, 2), "resolved: the request was refused")]);
}

#[test]
fn a_refused_request_leaves_nothing_and_takes_nothing() {
    let (cells, _) = check(&[(captured(0, 2), ""), (refused(1, 2), "")]);
    assert!(cells.0.is_empty(), "{cells:?}");
    let (cells, _) =
        check(&[(captured(0, 1), ""), (validated(1, 4), ""), (captured(2, 2), ""), (refused(3, 2), "")]);
    assert_eq!(cells.0.len(), 1, "{cells:?}");
}

#[test]
#[rustfmt::skip]
fn an_order_that_ends_leaves_nothing_and_one_that_failed_leaves_its_cases() {
    let failed = || task_to(1, "a", FailedTerminal, FailureTerminal, Some("X"));
    let opened = "opened TaskFailed UNCLASSIFIED Low for order-operations";
    let (cells, _) = check(&[(validated(0, 4), ""), (failed(), opened), (moved(2, OrderState::Failed), "")]);
    assert_eq!(cells.0.len(), 3, "the head, the subject, the case: {cells:?}");
    let (cells, _) = check(&[(validated(0, 4), ""), (failed(), opened), (moved(2, OrderState::Completed), "resolved: the order is completed")]);
    assert!(cells.0.is_empty());
    let rejected = OrderRejected { cause: cause(1), submission: 1, request_id: "r".into(), reasons: Vec::new() };
    let (cells, _) = check(&[(rejected.into(), "")]);
    assert!(cells.0.is_empty());
}

#[test]
fn a_case_under_repair_is_not_resolved_by_the_way() {
    let catalogs = catalogs();
    let mut cells = MemoryCells::default();
    let failed = task_to(1, "a", FailedRepairable, FailureRepairable, Some("PORT_FULL"));
    handle(&key(), &mut cells, &failed, &catalogs, &arrival(1));
    for cell in cells.0.values_mut() {
        if let Cell::Case(case) = cell {
            case.state = CaseState::Repairing;
        }
    }
    let done = task_to(2, "a", Completed, FeedbackCompleted, None);
    assert_eq!(handle(&key(), &mut cells, &done, &catalogs, &arrival(2)), []);
}

#[test]
fn a_rule_for_every_code_of_a_system_is_not_about_our_own_words() {
    let published = catalogs();
    let mut document: serde_json::Value =
        serde_json::from_str(&published.latest().unwrap().to_json()).unwrap();
    let mut rule = document["falloutRules"][0].clone();
    (rule["code"], rule["normalizedCode"]) = ("*".into(), "ANY_REFUSAL".into());
    document["falloutRules"].as_array_mut().unwrap().push(rule);
    let catalog = domain::catalog::Catalog::from_json(&document.to_string()).unwrap();
    let mut catalogs = Catalogs::default();
    catalogs.take(&domain::catalog::CatalogPublished::of(&catalog, Timestamp(0))).unwrap();
    let filed_as = |event: OrderEvent| {
        let mut cells = MemoryCells::default();
        handle(&key(), &mut cells, &validated(0, 4), &catalogs, &arrival(0));
        let events = handle(&key(), &mut cells, &event, &catalogs, &arrival(1));
        first_case(&events).case.classification.normalized_code.clone()
    };
    assert_eq!(
        filed_as(task_to(1, "a", FailedRepairable, FailureRepairable, Some("NEVER_SEEN"))),
        "ANY_REFUSAL"
    );
    assert_eq!(filed_as(task_to(1, "a", UnknownOutcome, DeadlinePassed, None)), "MISSING_CALLBACK");
}

/// The shipped catalog, from its files.
fn shipped() -> domain::catalog::Catalog {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/catalog");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<(String, String)> =
        paths.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect();
    domain::catalog::Catalog::from_files(&files).unwrap()
}

#[test]
fn the_shipped_catalog_has_a_rule_for_every_code_of_our_own() {
    let own = [
        domain::codes::MISSING_CALLBACK,
        domain::codes::INPUT_MISSING,
        domain::codes::RETRIES_EXHAUSTED,
        domain::codes::TASK_FAILED,
        domain::codes::FEASIBILITY_UNANSWERED,
        domain::codes::WAIT_ENDED,
        domain::codes::ORDER_STUCK,
        // Of orchestration, which keeps their names to itself.
        "INPUT_SOURCE_MISSING",
        "TASK_TYPE_MISSING",
    ];
    // Whatever decomposition can say first.
    let reasons = [
        ReasonCode::CatalogVersionUnknown,
        ReasonCode::CharacteristicMissing,
        ReasonCode::ExpressionFailed,
        ReasonCode::ItemIdDuplicate,
        ReasonCode::ItemParentMissing,
        ReasonCode::ItemRelationUnknownTarget,
        ReasonCode::MappingAmbiguous,
        ReasonCode::MappingMissing,
        ReasonCode::OfferingUnknown,
        ReasonCode::PlanCyclic,
        ReasonCode::PlanEmpty,
        ReasonCode::PlanTooLarge,
        ReasonCode::QuantityInvalid,
    ];
    let catalog = shipped();
    let codes = own.map(str::to_owned).into_iter().chain(reasons.map(|code| format!("{code:?}")));
    let systems: Vec<&str> =
        catalog.systems.keys().map(String::as_str).chain([blockage::OWN_SYSTEM]).collect();
    for code in codes {
        for system in &systems {
            let rule = catalog.fallout().rule(system, &code, "no answer: it timed out");
            assert_eq!(rule.map(|rule| rule.code.as_str()), Some(code.as_str()), "{system}");
        }
    }
}
