//! What goes wrong: tried again under the same id, asked for, repaired late, given up.
use domain::command::FeedbackKind;
use domain::downstream::ObservationKind;
use domain::order::{ItemAction, ItemState, OrderState};
use domain::plan::{ServiceOrderState, TaskState};

use super::super::dispatch;
use super::*;

type Diamond = Run<MemoryCells<Cell>>;

#[track_caller]
fn same_command_always(run: &Diamond) {
    let mut ids = BTreeMap::new();
    for command in run.commands() {
        let first = ids.entry(command.task_id).or_insert(command.command_id);
        assert_eq!(
            *first,
            command.command_id,
            "{:?} was sent under two identities",
            command.task_id.map(name_of)
        );
    }
}

#[test]
fn a_transient_failure_is_tried_again_under_the_same_id_after_a_backoff_that_doubles() {
    let mut run: Diamond = Run::of(diamond());
    run.fail("a", "FLAKY").gives(&["task a Dispatched>FailedRetrying", "timer a"]);
    let first = run.timers[&state::task_cell(task_id("a"))].0 - run.now;
    run.task_timer("a").gives(&["task a FailedRetrying>Dispatched", "send a #2", "timer a"]);
    run.fail("a", "FLAKY");
    let second = run.timers[&state::task_cell(task_id("a"))].0 - run.now;
    assert!((100..125).contains(&first) && (200..250).contains(&second), "{first} {second}");
    run.task_timer("a").complete("a").stands(OrderState::InProgress, &[("a", TaskState::Completed)], &[]);
    same_command_always(&run);
}

#[test]
fn a_late_success_makes_the_retry_needless() {
    let mut run: Diamond = Run::of(diamond());
    run.fail("a", "FLAKY").complete("a").gives_of("task a", &["task a FailedRetrying>Completed"]);
    run.gives_of("no timer", &["no timer a"]);
}

#[test]
fn a_success_of_an_earlier_attempt_is_the_truth_and_its_failure_is_not() {
    let mut run: Diamond = Run::of(diamond());
    let (failed, completed) =
        (run.feedback("a", FeedbackKind::Failed), run.feedback("a", FeedbackKind::Completed));
    run.fail("a", "FLAKY").task_timer("a");
    run.take(failed).gives(&["ignored Repeated"]);
    run.take(completed).stands(OrderState::InProgress, &[("a", TaskState::Completed)], &[]);
}

#[test]
fn a_spent_budget_blocks_the_item_and_a_late_success_frees_it() {
    let mut run: Diamond = Run::of(diamond());
    run.fail("a", "FLAKY").task_timer("a").fail("a", "FLAKY").task_timer("a").fail("a", "FLAKY");
    run.gives(&[
        "task a Dispatched>FailedRepairable",
        "service 1 InProgress>Held",
        "item 1 InProgress>Blocked",
        "no timer a",
    ]);
    run.stands(OrderState::InProgress, &[], &[("1", ItemState::Blocked), ("2", ItemState::Pending)]);
    assert!(run.timers.is_empty());
    run.complete("a")
        .gives_of("item", &["item 1 Blocked>InProgress"])
        .gives_of("service", &["service 1 Held>InProgress"]);
    for name in ["b", "c", "d", "e", "f"] {
        run.complete(name);
    }
    run.stands(OrderState::Completed, &[], &[("1", ItemState::Completed)]);
    same_command_always(&run);
}

#[test]
fn no_retry_is_later_than_its_window() {
    let mut run: Diamond = Run::of(diamond());
    run.now += 1_000_000;
    run.fail("a", "FLAKY").gives_of("task", &["task a Dispatched>FailedRepairable"]);
}

#[test]
#[rustfmt::skip]
fn who_decides_what_a_failure_means() {
    use TaskState::*;
    for (code, retryable, expected) in [
        ("BUSY",     Some(false), FailedRetrying),   // the policy goes before the rule, and before the system's word
        ("FLAKY",    Some(false), FailedRetrying),   // the rule goes before the system's word
        ("BAD_DATA", Some(true),  FailedRepairable),
        ("BROKEN",   Some(true),  FailedTerminal),
        ("TWICE",    None,        UnknownOutcome),
        ("DOWN",     Some(false), FailedRetrying),   // the system is unwell
        ("ODD",      Some(true),  FailedRetrying),   // nobody knows it but the system
        ("ODD",      Some(false), FailedRepairable),
        ("ODD",      None,        FailedRepairable),
    ] {
        let mut run: Diamond = Run::of(diamond());
        let feedback = run.feedback("a", FeedbackKind::Failed);
        run.take(Feedback { code: Some(code.to_owned()), retryable, ..feedback });
        assert_eq!(run.task("a").task.state, expected, "{code} {retryable:?}");
    }
}

#[test]
fn a_command_that_is_not_answered_is_asked_for_by_its_own_id() {
    let mut run: Diamond = Run::of(diamond());
    run.task_timer("a").gives(&[
        "task a Dispatched>UnknownOutcome",
        "observe Unanswered",
        "ask a #1",
        "timer a",
    ]);
    run.complete("a").stands(
        OrderState::InProgress,
        &[("a", TaskState::Completed), ("b", TaskState::Dispatched)],
        &[],
    );
    same_command_always(&run);
}

#[test]
fn a_command_that_was_never_received_is_sent_again_under_its_id() {
    let mut run: Diamond = Run::of(diamond());
    run.task_timer("a").answer("a", FeedbackKind::NotKnown).gives(&[
        "task a UnknownOutcome>Dispatched",
        "send a #2",
        "timer a",
    ]);
    run.answer("a", FeedbackKind::NotKnown).gives(&["ignored Late"]);
    run.complete("a");
    same_command_always(&run);
}

#[test]
fn a_system_that_is_at_it_has_its_time_again() {
    let mut run: Diamond = Run::of(diamond());
    run.task_timer("a").answer("a", FeedbackKind::InProgress);
    run.stands(OrderState::InProgress, &[("a", TaskState::WaitingCallback)], &[]);
    assert_eq!(run.timers[&state::task_cell(task_id("a"))].0, run.now + BREACH_MS);
}

#[test]
fn a_question_that_nobody_answers_is_asked_so_often_and_then_a_person_finds_out() {
    let mut run: Diamond = Run::of(diamond());
    run.task_timer("a").task_timer("a").gives(&[
        "task a UnknownOutcome>UnknownOutcome",
        "observe Unanswered",
        "ask a #1",
        "timer a",
    ]);
    run.task_timer("a").gives_of("task", &["task a UnknownOutcome>FailedRepairable"]);
    run.stands(OrderState::InProgress, &[], &[("1", ItemState::Blocked)]);
    assert!(run.timers.is_empty());
    run.complete("a").stands(
        OrderState::InProgress,
        &[("a", TaskState::Completed)],
        &[("1", ItemState::InProgress)],
    );
    same_command_always(&run);
}

#[test]
fn a_command_that_was_lost_is_not_sent_more_often_than_allowed() {
    let mut tasks = vec![planned_task("1", "a", &[])];
    tasks[0].task_type = "once".to_owned();
    let mut run: Diamond = Run::of((order(), plan(vec![planned_item("1", false, &[])], tasks)));
    run.task_timer("a").answer("a", FeedbackKind::NotKnown);
    run.stands(OrderState::InProgress, &[("a", TaskState::FailedRepairable)], &[("1", ItemState::Blocked)]);
}

#[test]
fn a_slow_system_that_accepted_is_not_a_silent_one() {
    let mut run: Diamond = Run::of(diamond());
    run.answer("a", FeedbackKind::Accepted).task_timer("a").gives_of("observe", &[]);
    run.gives_of("ask", &["ask a #1"]);
}

#[test]
fn manual_work_is_watched_by_no_timer_but_by_an_expectation() {
    let mut tasks = vec![planned_task("1", "a", &[])];
    tasks[0].task_type = "manual".to_owned();
    let mut run: Diamond = Run::of((order(), plan(vec![planned_item("1", false, &[])], tasks)));
    assert!(run.timers.is_empty());
    let due = Some(Timestamp(run.now + BREACH_MS));
    let next_due = |run: &Diamond| {
        run.last.iter().find_map(|it| match it {
            Output::Event(OrderEvent::TaskStateChanged(told)) => Some(told.next_due),
            _ => None,
        })
    };
    assert_eq!(next_due(&run), Some(due));
    run.answer("a", FeedbackKind::Accepted);
    assert_eq!(next_due(&run), Some(due));
    run.complete("a");
    assert_eq!(next_due(&run), Some(None));
}

#[test]
fn an_optional_item_that_fails_leaves_the_others_to_go_on() {
    let mut run: Diamond = Run::of(diamond());
    run.complete("a").complete("b").fail("e", "BROKEN").gives(&[
        "task e Dispatched>FailedTerminal",
        "task f NotStarted>Cancelled",
        "item 2 InProgress>Failed",
        "service 2 InProgress>Failed",
        "report Failed of product-2",
        "no timer e",
    ]);
    run.complete("c").complete("d");
    run.stands(OrderState::PartiallyCompleted, &[], &[("1", ItemState::Completed), ("2", ItemState::Failed)]);
    run.gives_of("tell", &["tell requester partial"]);
    assert!(run.timers.is_empty(), "it may be repaired: nothing is forgotten");
}

#[test]
fn a_mandatory_item_that_fails_takes_with_it_what_needs_it_and_nothing_new_is_sent() {
    let mut run: Diamond = Run::of(diamond());
    run.complete("a").fail("b", "BROKEN");
    run.stands(
        OrderState::InProgress, // c is still at work, and the truth about it is awaited
        &[
            ("c", TaskState::Dispatched),
            ("d", TaskState::Cancelled),
            ("e", TaskState::Cancelled),
            ("f", TaskState::Cancelled),
        ],
        &[("1", ItemState::Failed), ("2", ItemState::Failed)],
    );
    run.complete("c").gives(&[
        "task c Dispatched>Completed",
        "order InProgress>Failed",
        "tell requester failed",
        "no timer c",
    ]);
    assert_eq!(run.service_order_state("1"), ServiceOrderState::Failed);
    assert_eq!(run.service_order_state("2"), ServiceOrderState::Cancelled);
    assert_eq!(run.commands().len(), 3, "a, b and c");
}

#[test]
fn what_waits_for_a_retry_is_dropped_when_the_order_can_only_fail() {
    let items = vec![planned_item("1", false, &[]), planned_item("2", false, &[])];
    let mut run: Diamond =
        Run::of((order(), plan(items, vec![planned_task("1", "a", &[]), planned_task("2", "b", &[])])));
    run.fail("b", "FLAKY").fail("a", "BROKEN").stands(
        OrderState::InProgress,
        &[("b", TaskState::FailedRetrying)],
        &[],
    );
    run.task_timer("b").stands(
        OrderState::Failed,
        &[("b", TaskState::Cancelled)],
        &[("2", ItemState::InProgress)],
    );
    run.gives_of("send", &[]);
}

#[test]
fn an_unrelated_item_whose_task_can_never_start_fails_too() {
    let items =
        vec![planned_item("1", true, &[]), planned_item("2", true, &[]), planned_item("3", true, &[])];
    let tasks =
        vec![planned_task("1", "a", &[]), planned_task("2", "b", &["a"]), planned_task("3", "c", &[])];
    let mut run: Diamond = Run::of((order(), plan(items, tasks)));
    run.fail("a", "BROKEN").stands(
        OrderState::InProgress,
        &[("b", TaskState::Cancelled)],
        &[("1", ItemState::Failed), ("2", ItemState::Failed), ("3", ItemState::InProgress)],
    );
    run.complete("c").stands(OrderState::PartiallyCompleted, &[], &[("3", ItemState::Completed)]);
}

#[test]
fn a_mapping_whose_source_is_missing_stops_the_task_and_sends_nothing() {
    let mut run: Diamond = Run::of(diamond());
    run.complete("a").complete("c");
    let feedback = run.feedback("b", FeedbackKind::Completed);
    run.take(feedback).gives_of("send d", &[]);
    run.stands(
        OrderState::InProgress,
        &[("d", TaskState::FailedRepairable), ("e", TaskState::Dispatched)],
        &[("1", ItemState::Blocked)],
    );
    let failure = run.task("d").task.last_failure.unwrap();
    assert_eq!(
        (failure.system.as_str(), failure.code.as_str()),
        (dispatch::OWN_SYSTEM, domain::codes::INPUT_SOURCE_MISSING)
    );
    assert_eq!(
        failure.message,
        "input \"circuit\" needs output \"circuit\" of task type \"work\", which did not report it"
    );
}

#[test]
fn a_task_type_that_the_pinned_catalog_does_not_know_stops_the_task() {
    let mut tasks = vec![planned_task("1", "a", &[])];
    tasks[0].task_type = "unheard".to_owned();
    let mut run: Diamond = Run::of((order(), plan(vec![planned_item("1", false, &[])], tasks)));
    run.stands(OrderState::InProgress, &[("a", TaskState::FailedRepairable)], &[("1", ItemState::Blocked)]);
    assert_eq!(run.task("a").task.last_failure.unwrap().code, domain::codes::TASK_TYPE_MISSING);
}

#[test]
fn a_failed_change_ends_the_product_only_where_the_catalog_says_so() {
    for (offering, expected) in
        [("fiber", vec!["report FailedPendingTerminate of product-1"]), ("router", vec![])]
    {
        let mut items = vec![planned_item("1", false, &[])];
        items[0].action = ItemAction::Modify;
        let order = Order { items: vec![item("1", offering)], ..order() };
        let mut run: Diamond = Run::of((order, plan(items, vec![planned_task("1", "a", &[])])));
        run.fail("a", "BROKEN").gives_of("report", &expected);
        run.stands(OrderState::Failed, &[], &[("1", ItemState::Failed)]);
    }
}

#[test]
fn a_command_that_was_sent_twice_is_asked_for() {
    let mut run: Diamond = Run::of(diamond());
    run.fail("a", "TWICE").gives(&["task a Dispatched>UnknownOutcome", "ask a #1", "timer a"]);
    run.complete("a").stands(OrderState::InProgress, &[("a", TaskState::Completed)], &[]);
    assert!(
        !run.all
            .iter()
            .any(|it| matches!(it, Output::Observation(seen) if seen.kind == ObservationKind::Unanswered))
    );
}
