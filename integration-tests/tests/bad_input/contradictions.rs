//! Answers that contradict one another: the first that moves a task counts, and each of the others is accounted for.
use std::collections::BTreeMap;

use domain::command::{Command, CommandKind, Feedback, FeedbackKind};
use domain::limits::{NOTE_BYTES_MAX, RECORD_BYTES_MAX};
use domain::order::OrderState;
use domain::order::event::OrderEvent;
use domain::{FeedbackId, Timestamp};
use integration_tests::bad_input::table;
use integration_tests::scenario::World;
use schemas::topics;

/// More rounds than the order has steps.
const ROUNDS_MAX: usize = 100;

fn answer(command: &Command, kind: FeedbackKind, at: Timestamp, name: &str) -> Feedback {
    Feedback {
        feedback_id: FeedbackId(format!("{}/{name}", command.command_id)),
        command_id: command.command_id,
        order_key: command.order_key.clone(),
        system: command.system.clone(),
        kind,
        attempt: Some(command.attempt),
        outputs: BTreeMap::new(),
        code: (kind == FeedbackKind::Failed).then(|| "ADDRESS_REJECTED".to_owned()),
        message: None,
        retryable: Some(false),
        at,
    }
}

/// What every command is answered: done long before it was sent, then the opposite, and all the rest.
fn contradictions(command: &Command, catalog: &domain::catalog::Catalog) -> Vec<Feedback> {
    let mut done = answer(command, FeedbackKind::Completed, Timestamp(i64::MIN), "done");
    let task_type = catalog.task_types.values().find(|it| it.command == command.name);
    let outputs = task_type.map(|it| it.outputs.as_slice()).unwrap_or_default();
    done.outputs = outputs.iter().map(|name| (name.clone(), domain::Json::from("x"))).collect();
    vec![
        done.clone(),
        answer(command, FeedbackKind::Failed, Timestamp::NEVER, "failed"),
        answer(command, FeedbackKind::Accepted, Timestamp(0), "accepted"),
        answer(command, FeedbackKind::NotKnown, Timestamp(i64::MAX - 1), "not-known"),
        answer(command, FeedbackKind::Unknown, Timestamp(-1), "unknown"),
        done,
    ]
}

#[test]
fn contradicting_answers_move_an_order_once_and_each_other_one_is_ignored_or_a_dead_letter() {
    let catalog = integration_tests::scenario::shipped_catalog().unwrap();
    let mut world = super::world();
    let case = table::all().unwrap().into_iter().find(|case| case.name == "good-v5").unwrap();
    let record = case.record(world.codec(), super::NOW.0).unwrap();
    world.send(vec![record]).unwrap();
    let (mut state, mut commands, mut ignored, mut dead_letters) = (None, 0, 0, 0_usize);
    for _ in 0..ROUNDS_MAX {
        let mut answers = Vec::new();
        for record in world.settle().unwrap() {
            match record.topic.as_ref() {
                topics::ORDER_EVENTS => {
                    let event = world.codec().decode_event(record.value.as_deref().unwrap()).unwrap();
                    assert!(!matches!(event, OrderEvent::FalloutDetected(_)), "{event:?}");
                    ignored += usize::from(matches!(event, OrderEvent::FeedbackIgnored(_)));
                    if let OrderEvent::OrderStateChanged(event) = event {
                        state = Some(event.to);
                    }
                }
                topics::DEAD_LETTERS => dead_letters += 1,
                topic if topics::system_of(topic).is_some() => {
                    let command: Command = world.codec().decode(record.value.as_deref().unwrap()).unwrap();
                    // Whether it could be done is validation's question, and answered once.
                    if command.kind == CommandKind::CheckFeasibility {
                        answers.push(answer(&command, FeedbackKind::Completed, super::NOW, "yes"));
                        continue;
                    }
                    commands += 1;
                    answers.extend(contradictions(&command, &catalog));
                }
                _ => {}
            }
        }
        if answers.is_empty() {
            break;
        }
        let records = answers.iter().map(|answer| cli::service::feedback(world.codec(), answer).unwrap());
        let records = records.collect();
        world.send(records).unwrap();
    }
    assert_eq!(state, Some(OrderState::Completed));
    assert!(commands > 0);
    assert_eq!(dead_letters, commands, "a word of a newer contract is a dead letter, one per command");
    assert_eq!(ignored, 4 * commands, "failed, accepted, not known, and the repeated one");
}

#[test]
fn a_failure_told_in_megabytes_is_heard_and_its_words_are_cut() {
    let mut world = super::world();
    let case = table::all().unwrap().into_iter().find(|case| case.name == "good-v5").unwrap();
    let record = case.record(world.codec(), super::NOW.0).unwrap();
    world.send(vec![record]).unwrap();
    let (mut said, mut dead_letters) = (Vec::new(), 0);
    for _ in 0..ROUNDS_MAX {
        let mut answers = Vec::new();
        for record in world.settle().unwrap() {
            let value = record.value.as_deref().unwrap();
            match record.topic.as_ref() {
                topics::DEAD_LETTERS => dead_letters += 1,
                topics::ORDER_EVENTS => {
                    if let OrderEvent::FalloutDetected(event) = world.codec().decode_event(value).unwrap() {
                        said.push(event.case.failure.message.clone());
                    }
                }
                topic if topics::system_of(topic).is_some() => {
                    let command: Command = world.codec().decode(value).unwrap();
                    let mut failed = answer(&command, FeedbackKind::Failed, super::NOW, "failed");
                    failed.message = Some("\u{1b}[2J".repeat(RECORD_BYTES_MAX / 5));
                    answers.push(failed);
                }
                _ => {}
            }
        }
        if answers.is_empty() {
            break;
        }
        let records = answers.iter().map(|answer| cli::service::feedback(world.codec(), answer).unwrap());
        let records = records.collect();
        world.send(records).unwrap();
    }
    assert_eq!((said.len(), dead_letters), (1, 0), "{said:?}");
    assert!(said[0].len() <= NOTE_BYTES_MAX && !said[0].contains('\u{1b}'));
}
