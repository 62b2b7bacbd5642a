//! An order that was accepted, written down and submitted as a new request, is accepted again and means the same.
use std::collections::BTreeMap;

use cli::order::format::{Answer, Format, Version};
use domain::order::event::OrderEvent;
use domain::order::{ItemAction, Order};
use integration_tests::scenario::file::Step;
use integration_tests::scenario::{Scenario, World};
use projection::rows::SubmissionOutcome;
use runtime::Record;
use schemas::codec::Codec;
use schemas::tmf::json::Node;
use schemas::topics;
use serde_json::Value;

use crate::documents::generated;
use crate::seen::{Seen, documents, ran};

/// Fewer would mean that nothing was proved.
const ORDERS_MIN: usize = 10;

/// Every order as it is at the moment in which it is validated.
async fn validated(scenario: &Scenario) -> Vec<Answer> {
    let (world, outcome) = ran(scenario);
    let is_validated = |record: &Record, codec: &Codec| {
        let event = (&*record.topic == topics::ORDER_EVENTS)
            .then(|| codec.decode_event(record.value.as_deref().unwrap()).unwrap());
        matches!(event, Some(OrderEvent::OrderValidated(_)))
    };
    let (seen, mut answers, mut applied) = (Seen::new().await, Vec::new(), 0);
    let validated = outcome.records.iter().zip(1..).filter(|(record, _)| is_validated(record, world.codec()));
    for (record, end) in validated {
        // Up to the moment in which it is validated, and no further.
        seen.apply(world.codec(), &outcome.records[applied..end]).await;
        applied = end;
        let key = std::str::from_utf8(record.key.as_deref().unwrap()).unwrap();
        answers
            .extend(seen.answers().await.into_iter().filter(|answer| answer.view.order.key.as_str() == key));
    }
    answers
}

fn order(answer: &Answer) -> Order {
    let submission = answer.submission.as_ref().unwrap();
    assert_eq!(submission.outcome, SubmissionOutcome::Validated);
    serde_json::from_str(submission.snapshot.text()).unwrap()
}

/// Without what names the request, where its parts stood, and what is only carried along in the contract that it came in.
fn normalised(order: &Order) -> Value {
    fn without_pointers(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members
                    .retain(|name, _| !name.to_ascii_lowercase().ends_with("pointer") && name != "carried");
                members.values_mut().for_each(without_pointers);
            }
            Value::Array(all) => all.iter_mut().for_each(without_pointers),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::to_value(order).unwrap();
    without_pointers(&mut value);
    let members = value.as_object_mut().unwrap();
    for name in ["key", "requestId", "requester", "contract", "externalId"] {
        members.remove(name);
    }
    // Written as the time at which it came, where the requester did not say when the customer asked.
    members["dates"].as_object_mut().unwrap().remove("requested");
    value
}

/// The same, as a request of another order.
fn as_new(document: Node, version: Version, number: usize) -> Step {
    let (text, name) = (|text: &str| Node::Text(text.to_owned()), format!("again-{number}"));
    let (contract, reference) = match version {
        Version::V4 => ("v4", text(&name)),
        Version::V5 => {
            let entry = [("owner", "AGAIN"), ("externalIdentifierType", "again"), ("id", &name)];
            let entry = entry.map(|(name, content)| (name.to_owned(), text(content)));
            ("v5", Node::List(vec![Node::Object(entry.into())]))
        }
    };
    let Node::Object(mut members) = document else { panic!("an order is an object") };
    for (member, node) in &mut members {
        match member.as_str() {
            "externalId" => *node = reference.clone(),
            "id" => *node = text(&name),
            _ => {}
        }
    }
    let submit = Node::Object(members).to_json();
    Step { wait_ms: 1_000, contract: contract.to_owned(), request_id: None, submit }
}

#[tokio::test]
async fn an_accepted_order_that_is_written_and_sent_again_is_accepted_and_means_the_same() {
    let mut compared = 0;
    for seed in 0..6 {
        let scenario = generated(seed, BTreeMap::new());
        // What changes or ends a product would find it changed by the first order.
        let only_adds =
            |answer: &Answer| order(answer).items.iter().all(|item| item.action == ItemAction::Add);
        let accepted: Vec<Answer> = validated(&scenario).await.into_iter().filter(only_adds).collect();
        for version in [Version::V4, Version::V5] {
            for (number, answer) in accepted.iter().enumerate() {
                let document = documents(answer, Format::Tmf622, version).remove(0);
                let again =
                    Scenario { when: vec![as_new(document.clone(), version, number)], ..scenario.clone() };
                let again = validated(&again).await;
                let [again] = again.as_slice() else {
                    panic!("{version:?} was not accepted: {}", document.to_json())
                };
                assert_eq!(
                    normalised(&order(again)),
                    normalised(&order(answer)),
                    "{version:?} {}",
                    document.to_json()
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= ORDERS_MIN, "only {compared} orders were compared");
}
