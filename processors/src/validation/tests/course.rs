//! What comes of an order over time: rejected, submitted again, asked about, refused.
use domain::command::FeedbackKind;
use domain::order::OrderTrigger;
use domain::order::event::Evidence;
use domain::{CommandId, Timestamp};

use super::super::*;
use crate::testing::{arrival, catalogs, cause, item, key, order};

/// What happens.
#[derive(Clone)]
enum In {
    /// Submission, and whether it is broken: then its item names an unknown offering.
    Submit(u32, bool),
    /// An answer to the question of a submission: kind, code, the system's word on trying again.
    Answer(u32, FeedbackKind, Option<&'static str>, Option<bool>),
    Moved(OrderState),
    Timer,
}
use In::*;

fn captured(submission: u32, broken: bool, at: i64) -> OrderCaptured {
    let mut order = order();
    if broken {
        order.items = vec![item("1", "hovercraft")];
    }
    order.request_id = RequestId(format!("request-{submission}"));
    let evidence = Evidence { media_type: String::new(), digest: String::new(), size_bytes: 0 };
    OrderCaptured { cause: cause(at), submission, order, findings: Vec::new(), evidence }
}

fn feedback(submission: u32, kind: FeedbackKind, code: Option<&str>, retryable: Option<bool>) -> Feedback {
    Feedback {
        feedback_id: "f".into(),
        command_id: CommandId::feasibility(&key(), submission),
        order_key: key(),
        system: "network".into(),
        kind,
        attempt: None,
        outputs: Default::default(),
        code: code.map(str::to_owned),
        message: None,
        retryable,
        at: Timestamp(0),
    }
}

fn shown(output: &Output) -> String {
    let codes =
        |reasons: &[Reason]| reasons.iter().map(|reason| format!(" {:?}", reason.code)).collect::<String>();
    match output {
        Output::Command(command) => format!("command {} of attempt {}", command.name, command.attempt),
        Output::Event(OrderEvent::OrderRejected(event)) => {
            format!("rejected {}{}", event.submission, codes(&event.reasons))
        }
        Output::Event(OrderEvent::RevisionRefused(event)) => {
            format!("refused {}{}", event.submission, codes(&event.reasons))
        }
        Output::Event(OrderEvent::OrderValidated(event)) => format!("validated {}", event.submission),
        Output::Event(OrderEvent::FeasibilityAsked(event)) => format!("asked {}", event.attempt),
        Output::Event(event) => event.name().to_owned(),
    }
}

/// Rows of (time, what happens, what follows), run in sequence from an unknown order.
#[track_caller]
fn check(rows: &[(i64, In, &str)]) -> Option<State> {
    let catalogs = catalogs();
    let mut state: Option<State> = None;
    for (now, input, expected) in rows {
        let arrival = arrival(*now);
        let run = |state, event: Event<'_>| handle(&key(), state, event, &catalogs, &arrival);
        let decision = match input.clone() {
            Submit(submission, broken) => run(state, Event::Captured(&captured(submission, broken, *now))),
            Answer(submission, kind, code, retryable) => {
                run(state, Event::Feedback(&feedback(submission, kind, code, retryable)))
            }
            Moved(to) => {
                let from = OrderState::InProgress;
                let (reason, waiting_for, next_due) = (None, None, None);
                let (cause, trigger) = (cause(*now), OrderTrigger::AllItemsDone);
                let moved = OrderStateChanged {
                    cause,
                    order_version: 1,
                    from,
                    to,
                    trigger,
                    reason,
                    waiting_for,
                    next_due,
                };
                run(state, Event::StateChanged(&moved))
            }
            Timer => run(state, Event::TimerFired),
        };
        let timers = decision.timers.iter().map(|timer| match timer {
            crate::Timer::Set { due, .. } => format!("timer {}", due.0),
            crate::Timer::Cancel { .. } => "no timer".to_owned(),
        });
        let all: Vec<String> = decision.outputs.iter().map(shown).chain(timers).collect();
        assert_eq!(all.join(", "), *expected, "at {now}");
        state = decision.state;
    }
    state
}

const ASKED: &str = "asked 1, command checkFeasibility of attempt 1, timer 100";

#[test]
fn an_order_is_validated_once_it_can_be_delivered() {
    let state = check(&[
        (0, Submit(1, false), ASKED),
        (1, Submit(1, false), ""), // told twice
        (5, Answer(1, FeedbackKind::Accepted, None, None), ""),
        (6, Answer(1, FeedbackKind::Completed, None, None), "validated 1, no timer"),
        (7, Answer(1, FeedbackKind::Completed, None, None), ""),
        (100, Timer, ""),
    ]);
    assert_eq!(state, Some(State { submission: 1, phase: Phase::Validated, question: None }));
}

#[test]
fn an_order_that_cannot_be_delivered_is_rejected_and_may_be_corrected() {
    check(&[
        (0, Submit(1, false), ASKED),
        (
            5,
            Answer(1, FeedbackKind::Failed, Some("NOT_SERVICEABLE"), None),
            "rejected 1 NotFeasible, no timer",
        ),
        (10, Submit(2, true), "rejected 2 OfferingUnknown"),
        (20, Submit(3, false), "asked 1, command checkFeasibility of attempt 1, timer 120"),
        (21, Answer(1, FeedbackKind::Completed, None, None), ""), // the answer to an earlier question
        (22, Answer(3, FeedbackKind::Completed, None, None), "validated 3, no timer"),
    ]);
}

#[test]
fn no_answer_is_asked_for_again_under_the_same_id_and_counts_when_it_comes_late() {
    check(&[
        (0, Submit(1, false), ASKED),
        (50, Timer, ""), // not yet
        (100, Timer, "asked 2, command checkFeasibility of attempt 2, timer 300"),
        (300, Timer, "asked 3, command checkFeasibility of attempt 3, timer 700"),
        (700, Timer, "FeasibilityUnanswered"),
        (800, Timer, ""),
        (900, Answer(1, FeedbackKind::Completed, None, None), "validated 1, no timer"),
    ]);
}

#[test]
fn an_order_is_not_rejected_because_a_system_is_unwell() {
    check(&[
        (0, Submit(1, false), ASKED),
        (5, Answer(1, FeedbackKind::Failed, Some("DOWN"), None), ""),
        (6, Answer(1, FeedbackKind::Failed, Some("BUSY"), Some(true)), ""),
        (100, Timer, "asked 2, command checkFeasibility of attempt 2, timer 300"),
        (110, Answer(1, FeedbackKind::Failed, Some("NO"), Some(false)), "rejected 1 NotFeasible, no timer"),
    ]);
}

#[test]
fn another_request_under_the_key_is_refused_while_the_order_is_under_way_and_after() {
    check(&[
        (0, Submit(1, false), ASKED),
        (1, Submit(2, false), "refused 2 OrderInProgress"),
        (2, Answer(1, FeedbackKind::Completed, None, None), "validated 1, no timer"),
        (3, Submit(2, false), ""), // told twice
        (4, Submit(3, true), "refused 3 OrderInProgress"),
        (5, Moved(OrderState::Completed), ""),
        (6, Submit(4, false), "refused 4 OrderEnded"),
    ]);
    check(&[
        (0, Submit(1, false), ASKED),
        (2, Answer(1, FeedbackKind::Completed, None, None), "validated 1, no timer"),
        (5, Moved(OrderState::Failed), ""),
        (6, Moved(OrderState::InProgress), ""), // repaired
        (7, Submit(2, false), "refused 2 OrderInProgress"),
    ]);
}

#[test]
fn answers_to_other_questions_are_not_ours() {
    check(&[
        (0, Answer(1, FeedbackKind::Completed, None, None), ""),
        (1, Timer, ""),
        (2, Moved(OrderState::Completed), ""),
    ]);
}

#[test]
fn an_unknown_catalog_version_is_told_once() {
    let mut event = captured(1, false, 0);
    event.order.catalog_version = "1999.01".into();
    let decide = |event: &OrderCaptured| {
        let decision = handle(&key(), None, Event::Captured(event), &catalogs(), &arrival(0));
        decision.outputs.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(decide(&event), ["rejected 1 CatalogVersionUnknown"]);
    event.findings.push(Reason::new(ReasonCode::CatalogVersionUnknown, "", "none is published"));
    assert_eq!(decide(&event), ["rejected 1 CatalogVersionUnknown"]);
}

#[test]
fn the_question_carries_what_decides_about_it() {
    let event = captured(1, false, 0);
    let decision = handle(&key(), None, Event::Captured(&event), &catalogs(), &arrival(0));
    let command = decision.outputs.iter().find_map(|output| match output {
        Output::Command(command) => Some(command),
        Output::Event(_) => None,
    });
    let command = command.expect("a question is sent");
    assert_eq!(
        (command.system.as_str(), command.task_id, command.answer_due),
        ("network", None, Some(Timestamp(100)))
    );
    let input = command.inputs["item/1"].value();
    assert_eq!((&input["offering"], &input["characteristics"]["bandwidth"]), (&"fiber".into(), &100.into()));
}
