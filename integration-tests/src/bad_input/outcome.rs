//! What became of a request or an answer, from the records that were written.
use std::collections::BTreeMap;

use anyhow::Context;
use domain::Reason;
use domain::order::event::OrderEvent;
use runtime::Record;
use runtime::shard::HEADER_REASON;
use schemas::codec::Codec;
use schemas::topics;

use super::table::HEADER_CASE;
use crate::scenario::word;

/// Stands last among expected reasons where there are more: of a hundred, nobody reads the rest.
const AND_MORE: &str = "...";

/// One of these, and exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Captured and valid; whether it can be delivered may still be asked.
    Accepted,
    /// Code and pointer of every reason.
    Rejected(Vec<String>),
    /// It is about an order that is there already, which it does not touch.
    RevisionRefused(Vec<String>),
    /// The same request again.
    Repeated,
    /// An answer that moves nothing, and why.
    Ignored(String),
    /// Its error.
    DeadLetter(String),
}

impl Outcome {
    /// Whether this came of what should come to `expected`; the error of a dead letter may go on.
    pub fn is(&self, expected: &Outcome) -> bool {
        match (self, expected) {
            (Outcome::DeadLetter(found), Outcome::DeadLetter(expected)) => found.starts_with(expected),
            (Outcome::Rejected(found), Outcome::Rejected(expected)) => match expected.as_slice() {
                [first @ .., last] if last == AND_MORE => {
                    found.len() > first.len() && found.starts_with(first)
                }
                all => found == all,
            },
            _ => self == expected,
        }
    }
}

/// A refusal's reasons as they are compared.
pub fn shown(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| format!("{:?} {}", reason.code, reason.pointer)).collect()
}

/// Outcomes by the name of what they are the outcome of: the request's id, the answer's id, or the case in a dead letter's headers.
///
/// # Errors
/// A record that we wrote ourselves and cannot read.
pub fn outcomes(codec: &Codec, records: &[Record]) -> anyhow::Result<BTreeMap<String, Vec<Outcome>>> {
    let mut found: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    let mut asked = Vec::new();
    for record in records {
        let (name, outcome) = match record.topic.as_ref() {
            topics::DEAD_LETTERS => dead_letter(record),
            topics::ORDER_EVENTS => {
                // Rubbish that lies there by intent is a dead letter as well; that is its outcome.
                let Some(Ok(event)) = record.value.as_deref().map(|value| codec.decode_event(value)) else {
                    continue;
                };
                if let OrderEvent::FeasibilityAsked(event) = &event {
                    asked.push(event.cause.correlation_id.clone());
                }
                match of_event(event) {
                    Some(named) => named,
                    None => continue,
                }
            }
            _ => continue,
        };
        found.entry(name).or_default().push(outcome);
    }
    // Asked whether it can be delivered, and not yet answered: nothing was found against it.
    for name in asked {
        let outcomes = found.entry(name).or_default();
        if outcomes.is_empty() {
            outcomes.push(Outcome::Accepted);
        }
    }
    Ok(found)
}

fn of_event(event: OrderEvent) -> Option<(String, Outcome)> {
    Some(match event {
        OrderEvent::OrderValidated(event) => (event.order.request_id.0.clone(), Outcome::Accepted),
        OrderEvent::OrderRejected(event) => {
            (event.request_id.0.clone(), Outcome::Rejected(shown(&event.reasons)))
        }
        OrderEvent::RevisionRefused(event) => {
            (event.request_id.0.clone(), Outcome::RevisionRefused(shown(&event.reasons)))
        }
        OrderEvent::RequestIgnored(event) => (event.request_id.0.clone(), Outcome::Repeated),
        OrderEvent::FeedbackIgnored(event) => {
            (event.feedback_id.0.clone(), Outcome::Ignored(word(&event.because)))
        }
        OrderEvent::OrderCaptured(_)
        | OrderEvent::FeasibilityAsked(_)
        | OrderEvent::FeasibilityUnanswered(_)
        | OrderEvent::OrderDecomposed(_)
        | OrderEvent::DecompositionFailed(_)
        | OrderEvent::OrderStateChanged(_)
        | OrderEvent::ItemStateChanged(_)
        | OrderEvent::TaskStateChanged(_)
        | OrderEvent::ServiceOrderStateChanged(_)
        | OrderEvent::MilestoneReached(_)
        | OrderEvent::WaitFailed(_)
        | OrderEvent::FalloutDetected(_)
        | OrderEvent::FalloutClassified(_)
        | OrderEvent::FalloutResolved(_)
        | OrderEvent::OrderMarkedStuck(_) => return None,
    })
}

fn dead_letter(record: &Record) -> (String, Outcome) {
    let header = |name: &str| {
        let found = record.headers.iter().find(|(found, _)| found.as_ref() == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    (header(HEADER_CASE).unwrap_or_default(), Outcome::DeadLetter(header(HEADER_REASON).unwrap_or_default()))
}

/// The one outcome among them.
///
/// # Errors
/// There is none, or more than one.
pub fn single(outcomes: Option<&Vec<Outcome>>) -> anyhow::Result<&Outcome> {
    let outcomes = outcomes.context("nothing came of it")?;
    match outcomes.as_slice() {
        [outcome] => Ok(outcome),
        several => anyhow::bail!("{} outcomes instead of one: {several:?}", several.len()),
    }
}
