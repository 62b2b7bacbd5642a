//! Systems that are unwell: nothing is sent without a turn, and every turn is used or given back.
use domain::command::FeedbackKind;
use domain::downstream::CircuitState;
use domain::order::event::SignalKind;
use domain::order::{ItemState, OrderState};
use domain::plan::TaskState;

use super::*;

fn under(circuit: CircuitState, waiting: u32) -> Run {
    let mut run: Run = Run::new();
    let (order, plan) = diamond();
    run.circuit(circuit, waiting, true).decomposed(order, plan);
    run
}

#[test]
fn nothing_is_sent_while_the_circuit_is_not_closed_or_others_wait() {
    for (circuit, waiting) in
        [(CircuitState::Open, 0), (CircuitState::HalfOpen, 0), (CircuitState::Closed, 7)]
    {
        let mut run = under(circuit, waiting);
        run.gives(&[
            "order Decomposed>InProgress",
            "task a NotStarted>Deferred",
            "tell requester inProgress",
            "observe TurnWanted",
        ]);
        run.stands(OrderState::InProgress, &[("a", TaskState::Deferred)], &[("1", ItemState::Pending)]);
    }
    under(CircuitState::Closed, 0).gives_of("send", &["send a #1"]);
}

#[test]
fn a_granted_turn_is_sent_whatever_the_circuit_and_its_answer_is_told() {
    let mut run = under(CircuitState::Open, 0);
    run.signal(SignalKind::TurnGranted, None, None, Some("a"));
    run.gives_of("send", &["send a #1"]).gives_of("observe", &[]);
    run.circuit(CircuitState::Closed, 0, false);
    run.answer("a", FeedbackKind::Accepted).gives_of("observe", &["observe Answered"]);
    run.complete("a").gives_of("observe", &[]);
}

#[test]
fn a_turn_that_is_not_wanted_any_more_is_given_back() {
    let mut run: Run = Run::of(diamond());
    run.signal(SignalKind::TurnGranted, None, None, Some("a")).gives(&["observe TurnRefused"]);
    run.signal(SignalKind::TurnGranted, None, None, Some("d")).gives(&["observe TurnRefused"]);
    // A retry waits for its turn, and the answer to the first sending comes after all.
    run.fail("a", "FLAKY").circuit(CircuitState::Open, 0, true).task_timer("a").gives(&[
        "task a FailedRetrying>Deferred",
        "observe TurnWanted",
        "no timer a",
    ]);
    run.complete("a").gives_of("observe TurnRefused", &["observe TurnRefused"]);
    run.stands(OrderState::InProgress, &[("a", TaskState::Completed)], &[]);
}

#[test]
fn a_turn_of_an_order_that_can_only_fail_is_given_back() {
    let mut run: Run = Run::new();
    let items = vec![planned_item("1", false, &[]), planned_item("2", false, &[])];
    run.decomposed(order(), plan(items, vec![planned_task("1", "a", &[]), planned_task("2", "b", &[])]));
    run.fail("b", "FLAKY").circuit(CircuitState::Open, 0, true).task_timer("b").fail("a", "BROKEN");
    run.stands(OrderState::InProgress, &[("b", TaskState::Deferred)], &[]);
    run.signal(SignalKind::TurnGranted, None, None, Some("b")).gives_of("observe", &["observe TurnRefused"]);
    run.stands(OrderState::Failed, &[("b", TaskState::Cancelled)], &[]);
}

#[test]
fn questions_wait_for_their_turn_as_well() {
    let mut run: Run = Run::of(diamond());
    run.circuit(CircuitState::Open, 0, true).task_timer("a").gives(&[
        "task a Dispatched>UnknownOutcome",
        "observe Unanswered",
        "observe TurnWanted",
        "no timer a",
    ]);
    run.signal(SignalKind::TurnGranted, None, None, Some("a")).gives(&["ask a #1", "timer a"]);
    let next = ["observe TurnWanted", "observe TurnWanted", "observe Answered"]; // b and c wait, too
    run.complete("a").gives_of("observe", &next);
}

#[test]
fn a_healthy_system_costs_no_messages_and_an_unwell_one_is_told_of() {
    let mut run: Run = Run::of(diamond());
    run.complete("a").gives_of("observe", &[]);
    run.circuit(CircuitState::Closed, 0, true).complete("b").gives_of("observe", &["observe Answered"]);
    run.fail("c", "DOWN").gives_of("observe", &["observe Unanswered"]);
}
