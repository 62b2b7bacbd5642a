//! The path on which all is well, and what belongs to it: reports, charges, words, forgetting.
use domain::command::FeedbackKind;
use domain::order::event::ChargeAction;
use domain::order::{Dates, ItemAction, ItemState, OrderState};
use domain::plan::{ServiceOrderState, TaskState};
use domain::{CommandId, ProductId, Timestamp};

use super::super::{FORGET_TIMER, billing, pinned_version, retention};
use super::*;

#[test]
fn the_first_tasks_are_sent_when_the_order_begins() {
    Run::<MemoryCells<Cell>>::of(diamond()).gives(&[
        "order Decomposed>InProgress",
        "task a NotStarted>Dispatched",
        "service 1 Acknowledged>InProgress",
        "item 1 Pending>InProgress",
        "tell requester inProgress",
        "report Started of product-1",
        "send a #1",
        "timer a",
    ]);
}

#[test]
fn a_whole_order_runs_in_the_sequence_of_its_plan() {
    let mut run: Run = Run::of(diamond());
    run.complete("a").gives_of("send", &sorted(["send b #1", "send c #1"], ["b", "c"]));
    run.complete("c").gives(&["task c Dispatched>Completed", "no timer c"]);
    run.complete("b").gives_of("send", &sorted(["send d #1", "send e #1"], ["d", "e"]));
    run.complete("d").gives(&[
        "task d Dispatched>Completed",
        "milestone lineReady",
        "service 1 InProgress>Completed",
        "item 1 InProgress>Completed",
        "report Completed of product-1",
        "bill Start item 1",
        "no timer d",
    ]);
    run.complete("e");
    assert_eq!(run.commands().last().unwrap().inputs["address"], Json::from("192.0.2.1"));
    run.complete("f").gives(&[
        "task f Dispatched>Completed",
        "service 2 InProgress>Completed",
        "item 2 InProgress>Completed",
        "order InProgress>Completed",
        "report Completed of product-2",
        "bill Start item 2",
        "tell requester completed",
        "timer forget",
        "no timer f",
    ]);
    assert!(run.timers.keys().eq([FORGET_TIMER]), "nothing else is awaited: {:?}", run.timers);
    assert_eq!(pinned_version(&run.cells), Some("2026.11".into()));
}

/// Tasks that are ready in the same step are sent in the sequence of their ids.
fn sorted<'a>(shown: [&'a str; 2], names: [&str; 2]) -> [&'a str; 2] {
    if task_id(names[0]) < task_id(names[1]) { shown } else { [shown[1], shown[0]] }
}

#[test]
fn an_acceptance_is_no_completion_and_nothing_moves_backwards() {
    let mut run: Run = Run::of(diamond());
    run.answer("a", FeedbackKind::Accepted).gives(&["task a Dispatched>Accepted"]);
    run.answer("a", FeedbackKind::InProgress).gives(&["task a Accepted>WaitingCallback"]);
    run.answer("a", FeedbackKind::Accepted).gives(&["ignored Late"]);
    run.complete("a").stands(
        OrderState::InProgress,
        &[("a", TaskState::Completed), ("d", TaskState::NotStarted)],
        &[],
    );
    for kind in
        [FeedbackKind::Accepted, FeedbackKind::InProgress, FeedbackKind::Failed, FeedbackKind::NotKnown]
    {
        run.answer("a", kind).gives(&["ignored Late"]);
    }
}

#[test]
fn a_repeated_answer_is_taken_once() {
    let mut run: Run = Run::of(diamond());
    let feedback = run.feedback("a", FeedbackKind::Completed);
    run.take(feedback.clone());
    run.take(feedback).gives(&["ignored Repeated"]);
}

#[test]
fn a_plan_that_comes_twice_changes_nothing() {
    let mut run: Run = Run::of(diamond());
    let (cells, (order, plan)) = (run.cells.clone(), diamond());
    run.decomposed(order, plan).gives(&[]);
    assert_eq!(run.cells, cells);
}

#[test]
fn an_answer_to_nobody_is_counted_unless_it_is_validations() {
    let mut run: Run = Run::of(diamond());
    let mut feedback = run.feedback("a", FeedbackKind::Completed);
    feedback.command_id = CommandId::feasibility(&key(), 2);
    run.take(feedback.clone()).gives(&[]);
    feedback.command_id = CommandId::feasibility(&"another".into(), 2);
    run.take(feedback.clone()).gives(&["ignored NotOurs"]);
    let mut empty: Run = Run::new();
    empty.take(feedback.clone()).gives(&["ignored NotOurs"]);
    feedback.command_id = CommandId::feasibility(&key(), 1);
    empty.take(feedback).gives(&[]);
    empty.event(Event::Timer { name: "start".to_owned() }).gives(&[]);
}

#[test]
fn a_partial_activation_keeps_its_outputs_and_its_service_order_says_partial() {
    let mut run: Run = Run::of(diamond());
    run.complete("a").complete("c");
    let mut feedback = run.feedback("b", FeedbackKind::PartialActivation);
    feedback.outputs.insert("circuit".to_owned(), Json::from("C-7"));
    run.take(feedback).gives(&[
        "task b Dispatched>WaitingCallback",
        "service 1 InProgress>Partial",
        "report PartialActivation of product-1",
    ]);
    let feedback = run.feedback("b", FeedbackKind::Completed);
    run.take(feedback);
    let sent = run.commands().into_iter().find(|command| command.task_id == Some(task_id("d"))).unwrap();
    assert_eq!(sent.inputs["circuit"], Json::from("C-7"));
}

#[test]
fn a_service_that_is_suspended_later_tells_its_product_and_leaves_the_task() {
    let mut run: Run = Run::of(diamond());
    run.answer("a", FeedbackKind::Suspended).gives(&["ignored Late"]);
    run.complete("a");
    let feedback = run.feedback("a", FeedbackKind::Suspended);
    run.take(feedback.clone()).gives(&["report Suspended of product-1"]);
    run.take(feedback).gives(&["ignored Repeated"]);
    run.answer("a", FeedbackKind::Resumed).gives(&["report Resumed of product-1"]);
    run.answer("a", FeedbackKind::Terminated).gives(&["report Terminated of product-1"]);
    run.stands(OrderState::InProgress, &[("a", TaskState::Completed)], &[]);
}

#[test]
fn items_without_work_are_done_at_once_and_bundles_when_what_is_in_them_is() {
    let mut parts = vec![
        planned_item("1", false, &["bundle"]),
        planned_item("bundle", false, &[]),
        planned_item("2", false, &[]),
    ];
    parts[2].action = ItemAction::NoChange;
    let mut run: Run = Run::of((order(), plan(parts, vec![planned_task("1", "a", &[])])));
    run.stands(
        OrderState::InProgress,
        &[],
        &[("1", ItemState::InProgress), ("bundle", ItemState::Pending), ("2", ItemState::Completed)],
    );
    assert!(!run.last.iter().any(|output| matches!(output, Output::Billing(_))), "nothing works yet");
    run.complete("a").gives_of("bill", &["bill Start item 1", "bill Start item bundle"]);
    run.stands(OrderState::Completed, &[], &[("bundle", ItemState::Completed)]);
}

#[test]
fn items_that_wait_for_one_another_in_a_circle_complete_all_the_same() {
    let items = vec![planned_item("1", false, &["2"]), planned_item("2", false, &["1"])];
    let mut run: Run =
        Run::of((order(), plan(items, vec![planned_task("1", "a", &[]), planned_task("2", "b", &[])])));
    run.complete("a").complete("b").stands(OrderState::Completed, &[], &[]);
}

#[test]
fn an_order_without_any_work_is_completed_in_its_first_step() {
    let mut items = vec![planned_item("1", false, &[])];
    items[0].action = ItemAction::NoChange;
    Run::<MemoryCells<Cell>>::of((order(), plan(items, Vec::new()))).gives(&[
        "order Decomposed>InProgress",
        "item 1 Pending>Completed",
        "order InProgress>Completed",
        "tell requester inProgress",
        "tell requester completed",
        "timer forget",
    ]);
}

#[test]
fn a_service_order_waits_for_those_below_it() {
    let mut only = plan(vec![planned_item("1", false, &[])], vec![planned_task("1", "a", &[])]);
    let above = ServiceOrderId::derived(&key(), &"1".into(), "above", 1);
    only.service_orders[0].parent = Some(above);
    only.service_orders.push(ServiceOrder { id: above, ..service_order("1") });
    let mut run: Run = Run::of((order(), only));
    run.gives_of("service", &["service 1 Acknowledged>InProgress"; 2]);
    run.complete("a").gives_of("service", &["service 1 InProgress>Completed"; 2]);
}

#[test]
fn an_ending_reports_its_own_words() {
    let mut items = vec![planned_item("1", false, &[])];
    items[0].action = ItemAction::Delete;
    let mut tasks = vec![planned_task("1", "a", &[])];
    tasks[0].action = ItemAction::Delete;
    let mut run: Run = Run::of((order(), plan(items, tasks)));
    run.gives_of("report", &["report TerminationStarted of product-1"]);
    run.complete("a").gives_of("report", &["report Terminated of product-1"]);
    run.gives_of("bill", &["bill Stop item 1"]);
    run.answer("a", FeedbackKind::Terminated).gives(&["ignored Late"]);
}

#[test]
fn every_unit_has_its_own_report_and_the_item_its_one_charge() {
    let mut items = vec![planned_item("1", false, &[])];
    items[0].products = (1..=3).map(|unit| ProductId(format!("unit-{unit}"))).collect();
    let mut run: Run = Run::of((order(), plan(items, vec![planned_task("1", "a", &[])])));
    run.gives_of(
        "report",
        &["report Started of unit-1", "report Started of unit-2", "report Started of unit-3"],
    );
    run.complete("a").gives_of("bill", &["bill Start item 1"]);
}

#[test]
fn the_customer_is_told_what_the_catalog_says() {
    let mut tasks = vec![planned_task("1", "a", &[])];
    tasks[0].task_type = "once".to_owned();
    let mut run: Run = Run::of((order(), plan(vec![planned_item("1", false, &[])], tasks)));
    run.complete("a").gives_of("tell", &["tell customer inProgress", "tell requester completed"]);
}

#[test]
#[rustfmt::skip]
fn billing_begins_with_the_service_and_stops_when_agreed() {
    let agreed = |at| Dates { billing_effective: Some(Timestamp(at)), ..Dates::default() };
    let cancelled = |at| Dates { cancellation_effective: Some(Timestamp(at)), ..Dates::default() };
    for (action, dates, done_at, expected) in [
        (ChargeAction::Start,  Dates::default(), 50, 50),
        (ChargeAction::Start,  agreed(90),       50, 90),
        (ChargeAction::Start,  agreed(20),       50, 50), // not before it works
        (ChargeAction::Change, agreed(20),       50, 50),
        (ChargeAction::Stop,   agreed(20),       50, 20), // our delay is not charged for
        (ChargeAction::Stop,   cancelled(80),    50, 80),
        (ChargeAction::Start,  cancelled(80),    50, 50),
        (ChargeAction::Stop,   Dates::default(), 50, 50),
    ] {
        assert_eq!(billing::effective(action, &dates, Timestamp(done_at)), Timestamp(expected), "{action:?} {dates:?}");
    }
}

#[test]
fn outputs_beyond_the_limits_are_dropped_and_named() {
    let mut run: Run = Run::of(diamond());
    let mut feedback = run.feedback("a", FeedbackKind::Completed);
    feedback
        .outputs
        .insert("big".to_owned(), Json::from("x".repeat(domain::limits::VALUE_BYTES_MAX).as_str()));
    feedback
        .outputs
        .extend((0..=domain::limits::TASK_OUTPUTS_MAX).map(|n| (format!("n{n:03}"), Json::from(n as i64))));
    run.take(feedback);
    let kept = run.task("a").task.outputs;
    assert_eq!(kept.len(), domain::limits::TASK_OUTPUTS_MAX);
    assert!(!kept.contains_key("big"));
    let Some(Output::Event(OrderEvent::TaskStateChanged(told))) = run.last.first() else {
        panic!("{:?}", run.last)
    };
    assert!(
        told.reason.as_ref().unwrap().starts_with("2 outputs were dropped (big, n064)"),
        "{:?}",
        told.reason
    );
    assert_eq!(told.outputs, kept);
}

#[test]
fn an_ended_order_knows_late_answers_until_its_retention_is_over() {
    let mut run: Run = Run::of(diamond());
    for name in ["a", "b", "c", "d", "e", "f"] {
        run.complete(name);
    }
    let late = run.feedback("a", FeedbackKind::Failed);
    run.take(late.clone()).gives(&["ignored Late"]);
    let ended = run.now;
    run.event(Event::Timer { name: FORGET_TIMER.to_owned() }).gives(&["timer forget"]);
    run.timer(FORGET_TIMER).gives(&[]);
    assert!(run.now >= ended + Settings::default().retention_ms - 2);
    assert!(run.cells.0.keys().eq([state::HEAD_CELL]), "{:?}", run.cells.0.keys());
    run.take(late).gives(&["ignored NotOurs"]);
}

#[test]
fn forgetting_is_done_in_bounded_steps() {
    let names: Vec<String> = (0..200).map(|n| format!("t{n}")).collect();
    let tasks = names.iter().map(|name| planned_task("1", name, &[])).collect();
    let mut run: Run = Run::of((order(), plan(vec![planned_item("1", false, &[])], tasks)));
    for name in &names {
        run.complete(name);
    }
    run.stands(OrderState::Completed, &[], &[("1", ItemState::Completed)]);
    let before = run.cells.0.len();
    run.timer(FORGET_TIMER).gives(&["timer forget"]);
    assert_eq!(run.cells.0.len(), before - retention::FORGET_CELLS_MAX);
    run.timer(FORGET_TIMER).gives(&[]);
    assert_eq!(run.cells.0.len(), 1);
    assert_eq!(run.head().state, OrderState::Completed);
}

#[test]
fn every_record_is_plain_and_comes_back_as_it_was() {
    let run: Run = Run::of(diamond());
    let mut seen = std::collections::BTreeSet::new();
    for (name, cell) in &run.cells.0 {
        fn check<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
            let text = serde_json::to_string(value).unwrap();
            assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
        }
        seen.insert(name.split('/').next().unwrap().to_owned());
        match cell {
            Cell::Head(it) => check(it),
            Cell::Task(it) => check(it),
            Cell::Item(it) => check(it),
            Cell::ServiceOrder(it) => check(it),
            Cell::ItemPlan(it) => check(it),
            Cell::Command(it) => check(it),
            Cell::Waiter(it) => check(it),
        }
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>().join(" "),
        "command head item itemPlan serviceOrder task"
    );
}

#[test]
fn service_orders_follow_their_tasks() {
    let mut run: Run = Run::of(diamond());
    assert_eq!(run.service_order_state("2"), ServiceOrderState::Acknowledged);
    run.fail("a", "BAD_DATA");
    assert_eq!(run.service_order_state("1"), ServiceOrderState::Held);
    run.complete("a");
    assert_eq!(run.service_order_state("1"), ServiceOrderState::InProgress);
}
