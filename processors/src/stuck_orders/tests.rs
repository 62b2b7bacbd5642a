use domain::fallout::{
    CaseState, Classification, Detection, FailureDomain, FalloutCase, Recoverability, Severity,
};
use domain::order::OrderTrigger;
use domain::order::event::{FalloutDetected, FalloutResolved, FeasibilityAsked, OrderRejected};
use domain::plan::{ExecutionMode, Failure, TaskTrigger};
use domain::{CommandId, TaskId};

use super::*;
use crate::testing::{arrival, captured, cause, key, refused};

const SETTINGS: Settings = Settings { grace_ms: 10, stage_ms: 100, deferred_ms: 1_000 };

fn task(name: &str) -> TaskId {
    TaskId::derived(&key(), &"1".into(), name, "activate")
}

fn case(name: &str) -> CaseId {
    CaseId::derived(&key(), "test", name)
}

fn rejected(at: i64) -> OrderEvent {
    OrderRejected { cause: cause(at), submission: 1, request_id: "r".into(), reasons: Vec::new() }.into()
}

fn asked(at: i64, due: i64) -> OrderEvent {
    let command_id = CommandId::feasibility(&key(), 1);
    let answer_due = Timestamp(due);
    FeasibilityAsked {
        cause: cause(at),
        submission: 1,
        command_id,
        system: "s".into(),
        attempt: 1,
        answer_due,
    }
    .into()
}

fn moved(at: i64, to: OrderState, waiting_for: Option<&str>, next_due: Option<i64>) -> OrderEvent {
    OrderStateChanged {
        cause: cause(at),
        order_version: 1,
        from: OrderState::Decomposed,
        to,
        trigger: OrderTrigger::Started,
        reason: None,
        waiting_for: waiting_for.map(str::to_owned),
        next_due: next_due.map(Timestamp),
    }
    .into()
}

fn task_to(at: i64, name: &str, to: TaskState, next_due: Option<i64>) -> OrderEvent {
    TaskStateChanged {
        cause: cause(at),
        task_id: task(name),
        item_id: "1".into(),
        component: name.to_owned(),
        task_type: "activate".to_owned(),
        system: "provisioning".to_owned(),
        from: TaskState::Ready,
        to,
        trigger: TaskTrigger::DispatchSent,
        mode: ExecutionMode::Do,
        in_fallout: false,
        attempt: 1,
        command_id: None,
        failure: None,
        reason: None,
        outputs: Default::default(),
        next_due: next_due.map(Timestamp),
    }
    .into()
}

fn opened(at: i64, id: CaseId) -> OrderEvent {
    let failure = Failure { system: "s".into(), code: "c".into(), message: "m".into(), at: Timestamp(at) };
    let classification = Classification {
        normalized_code: "C".into(),
        domain: FailureDomain::Platform,
        recoverability: Recoverability::Repairable,
        owner_group: "g".into(),
        action: "a".into(),
        customer_impact: false,
        revenue_impact: false,
        customer_message: None,
    };
    let case = FalloutCase {
        id,
        order_key: key(),
        item_id: None,
        task_id: None,
        detection: Detection::TaskFailed,
        failure,
        classification,
        severity: Severity::Low,
        state: CaseState::Assigned,
        escalated: false,
        assignee: None,
        detected_at: Timestamp(at),
        touched_at: Timestamp(at),
        sla_due: None,
        resolved_at: None,
        resolution: None,
        reopened: 0,
    };
    FalloutDetected { cause: cause(at), case }.into()
}

fn resolved(at: i64, case_id: CaseId) -> OrderEvent {
    FalloutResolved { cause: cause(at), case_id, task_id: None, resolution: "done".into() }.into()
}

/// What happens at a time: an event of the order, or the timer.
type Row = (i64, Option<OrderEvent>, &'static str);

/// Rows of (time, event or the timer, what follows), run in sequence from an unknown order.
#[track_caller]
fn check(rows: Vec<Row>) -> Option<State> {
    let mut state = None;
    for (now, event, expected) in rows {
        let event = event.as_ref().map_or(Event::TimerFired, Event::Order);
        let decision = handle(&key(), state, event, &SETTINGS, &arrival(now));
        let timers = decision.timers.iter().map(|timer| match timer {
            Timer::Set { due, .. } => format!("timer {}", due.0),
            Timer::Cancel { .. } => "cancel".to_owned(),
        });
        let outputs = decision.outputs.iter().map(|event| match event {
            OrderEvent::OrderMarkedStuck(event) if event.task_id == Some(task("a")) => {
                format!("stuck at task a since {}", event.silent_since.0)
            }
            OrderEvent::OrderMarkedStuck(event) => format!("stuck since {}", event.silent_since.0),
            other => other.name().to_owned(),
        });
        assert_eq!(outputs.chain(timers).collect::<Vec<_>>().join(", "), expected, "at {now}");
        state = decision.state;
    }
    state
}

use OrderState::*;
use TaskState::Dispatched;

#[test]
#[rustfmt::skip]
fn a_silence_is_one_case_and_an_ended_order_is_none() {
    let end = check(vec![
        (0,   Some(captured(0, 1)),                              "timer 110"),
        (1,   Some(moved(1, InProgress, None, None)),            "timer 11"),
        (1,   Some(task_to(1, "a", Dispatched, Some(50))),       ""),          // moved away: nothing to write
        (11,  None,                                              "timer 60"),  // looked at: not yet
        (20,  Some(task_to(20, "a", Dispatched, Some(30))),      "timer 40"),  // came nearer
        (40,  None,                                              "stuck at task a since 30"),
        (41,  None,                                              ""),          // reported already
        (45,  Some(task_to(45, "a", Dispatched, Some(90))),      "timer 100"), // moves again: watched again
        (50,  Some(moved(50, OrderState::Completed, None, None)), ""),
        (100, None,                                              ""),
    ]);
    assert_eq!(end, None);
}

#[test]
#[rustfmt::skip]
fn the_longest_of_several_active_tasks_keeps_an_order_alive_until_it_is_done() {
    check(vec![
        (0,   Some(moved(0, InProgress, None, None)),                  "timer 10"),
        (0,   Some(task_to(0, "a", Dispatched, Some(50))),             ""),
        (0,   Some(task_to(0, "install", Dispatched, Some(5_000))),    ""),
        (10,  None,                                                    "timer 5010"),
        (60,  Some(task_to(60, "install", TaskState::Completed, None)), "timer 70"), // only "a" is left, and overdue
        (70,  None,                                                    "stuck since 60"),
    ]);
}

#[test]
#[rustfmt::skip]
fn an_open_case_is_progress_until_it_is_resolved() {
    check(vec![
        (0,   Some(moved(0, InProgress, None, None)),             "timer 10"),
        (1,   Some(task_to(1, "a", TaskState::FailedRepairable, None)), ""),
        (1,   Some(opened(1, case("x"))),                         ""),
        (10,  None,                                               ""),
        (500, Some(resolved(500, case("x"))),                     "timer 510"),
        (510, None,                                               "stuck since 500"), // resolved, and yet nothing moved
    ]);
}

#[test]
#[rustfmt::skip]
fn an_explicit_wait_is_never_stuck_and_a_missed_date_is() {
    check(vec![
        (0,   Some(moved(0, Scheduled, Some("order O-7"), None)),  ""),
        (900, Some(moved(900, InProgress, None, None)),            "timer 910"),
    ]);
    check(vec![
        (0,   Some(moved(0, Scheduled, Some("start"), Some(40))),  "timer 50"),
        (50,  None,                                                "stuck since 40"),
    ]);
}

#[test]
#[rustfmt::skip]
fn an_order_that_our_own_stages_forgot_is_stuck_too() {
    check(vec![
        (0,   Some(captured(0, 1)),          "timer 110"),
        (5,   Some(asked(5, 60)),            "timer 70"),
        (70,  None,                          "stuck since 60"),
    ]);
    check(vec![(0, Some(captured(0, 1)), "timer 110"), (110, None, "stuck since 100")]);
}

#[test]
#[rustfmt::skip]
fn a_refused_request_begins_no_watch_and_ends_none() {
    assert_eq!(check(vec![(0, Some(captured(0, 1)), "timer 110"), (1, Some(rejected(1)), ""), (110, None, "")]), None);
    // Under the key of an order that ended.
    assert_eq!(check(vec![(0, Some(captured(0, 2)), "timer 110"), (0, Some(refused(0, 2)), "")]), None);
    // Under the key of one that runs.
    let running = check(vec![
        (0, Some(captured(0, 1)), "timer 110"),
        (3, Some(captured(3, 2)), ""),
        (3, Some(refused(3, 2)),  ""),
    ]);
    assert_eq!(running.unwrap().submission, 1);
}

#[test]
fn a_stuck_order_that_a_person_closes_without_a_move_is_reported_again() {
    let stuck = CaseId::derived(&key(), "stuck", &Timestamp(100).to_string());
    check(vec![
        (0, Some(captured(0, 1)), "timer 110"),
        (110, None, "stuck since 100"),
        (110, Some(opened(110, stuck)), ""),
        (200, Some(resolved(200, stuck)), "timer 210"),
        (210, None, "stuck since 200"),
    ]);
}

/// Fault: the clock is ahead of those that the events are written by.
#[test]
fn no_two_silences_are_the_same_case_where_the_clock_is_ahead() {
    let ahead = 1_000;
    let stuck = |due: i64| CaseId::derived(&key(), "stuck", &Timestamp(due).to_string());
    check(vec![
        (ahead, Some(captured(0, 1)), "timer 110"),
        (ahead, None, "stuck since 100"),
        // Written in the same millisecond.
        (ahead, Some(asked(0, 100)), "timer 111"),
        (ahead, None, "stuck since 101"),
        (ahead, Some(opened(3, stuck(101))), ""),
        (ahead, Some(resolved(4, stuck(101))), "timer 112"),
        (ahead, None, "stuck since 102"),
        (ahead, Some(moved(300, InProgress, None, Some(500))), "timer 510"),
    ]);
}

#[test]
fn a_deferred_task_waits_longer_than_one_that_nobody_expects_anything_of() {
    let state = check(vec![
        (0, Some(moved(0, InProgress, None, None)), "timer 10"),
        (0, Some(task_to(0, "a", TaskState::Deferred, None)), ""),
    ]);
    assert_eq!(state.unwrap().last_due().unwrap().due, Timestamp(1_000));
}

#[test]
fn beyond_the_most_watched_tasks_an_order_is_never_called_stuck_too_early() {
    let mut state = State::new(1, "r", Timestamp(0));
    let tasks_max = state::TASKS_WATCHED_MAX as i64;
    for number in 0..tasks_max * 3 {
        state.expect_task(task(&number.to_string()), TaskDue { item_id: "1".into(), due: Timestamp(number) });
        assert_eq!(state.last_due().unwrap().due, Timestamp(number));
    }
    assert_eq!(state.tasks.len() as i64, tasks_max);
    state.tasks.clear();
    assert_eq!(state.last_due().unwrap().due, Timestamp(tasks_max * 2 - 1), "the latest of those forgotten");
}

#[test]
fn cases_are_a_set_and_those_beyond_the_known_are_counted() {
    let mut state = State::new(1, "r", Timestamp(0));
    state.case_opened(case("x"));
    state.case_opened(case("x"));
    state.case_resolved(case("x"));
    assert!(state.last_due().is_some());
    let cases: Vec<_> = (0..state::CASES_KNOWN_MAX + 3).map(|number| case(&number.to_string())).collect();
    cases.iter().for_each(|id| state.case_opened(*id));
    assert_eq!((state.cases.len(), state.cases_beyond), (state::CASES_KNOWN_MAX, 3));
    cases.iter().for_each(|id| state.case_resolved(*id));
    assert!(state.last_due().is_some());
}
