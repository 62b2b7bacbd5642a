//! What events follow from where that is no record of ours: the names of timers and answers. Ids of events are made of them, so no two
//! may share one: not the timers of two keys that are due in the same millisecond, and not the answers of two systems that count alike.
use std::borrow::Cow;

use domain::command::Feedback;

const TIMER: &str = "timer";
const ANSWER: &str = "answer";

/// What a cause names, as far as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    Timer {
        processor: &'a str,
    },
    Answer {
        feedback_id: &'a str,
    },
    /// A record: a request, an event, a signal.
    Record(&'a str),
}

/// `timer/orchestration/PT1/1790000000000/WEBSHOP/orderNumber/7`
pub(crate) fn of_timer(processor: &str, key: &str, name: &str, due_ms: i64) -> String {
    format!("{TIMER}/{processor}/{}/{due_ms}/{key}", part(name))
}

/// `answer/provisioning/9a1e7c52/1/completed`: a feedback id is unique within its system.
pub(crate) fn of_answer(feedback: &Feedback) -> String {
    format!("{ANSWER}/{}/{}", part(&feedback.system), feedback.feedback_id.as_str())
}

/// Reads a causation id.
pub fn read(causation_id: &str) -> Cause<'_> {
    let mut parts = causation_id.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(TIMER), Some(processor), Some(_)) => Cause::Timer { processor },
        (Some(ANSWER), Some(_), Some(feedback_id)) => Cause::Answer { feedback_id },
        _ => Cause::Record(causation_id),
    }
}

/// With no `/` of its own.
fn part(text: &str) -> Cow<'_, str> {
    match text.contains(['/', '%']) {
        true => text.replace('%', "%25").replace('/', "%2F").into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use domain::command::FeedbackKind;
    use domain::{OrderKey, Timestamp};

    use super::*;

    fn answer(system: &str, feedback_id: &str) -> Feedback {
        Feedback {
            feedback_id: feedback_id.into(),
            command_id: domain::CommandId(uuid::Uuid::nil()),
            order_key: OrderKey("SHOP/orderNumber/1".into()),
            system: system.into(),
            kind: FeedbackKind::Completed,
            attempt: None,
            outputs: Default::default(),
            code: None,
            message: None,
            retryable: None,
            at: Timestamp(0),
        }
    }

    #[test]
    fn answers_of_two_systems_are_two_causes() {
        assert_ne!(of_answer(&answer("billing", "1")), of_answer(&answer("warehouse", "1")));
        assert_ne!(of_answer(&answer("a/b", "c")), of_answer(&answer("a", "b/c")));
        assert_ne!(of_answer(&answer("a/b", "c")), of_answer(&answer("a%2Fb", "c")));
    }

    #[test]
    fn timers_of_two_keys_are_two_causes() {
        let of = |key, name| of_timer("downstream", key, name, 7);
        assert_ne!(of("billing", "release"), of("warehouse", "release"));
        assert_ne!(of("a/b", "c"), of("b", "c/7/a"));
    }

    #[test]
    fn what_is_written_is_read() {
        let timer = of_timer("orchestration", "SHOP/orderNumber/1", "wake", 7);
        assert_eq!(read(&timer), Cause::Timer { processor: "orchestration" });
        let answer = of_answer(&answer("billing", "9a1e/1/completed"));
        assert_eq!(read(&answer), Cause::Answer { feedback_id: "9a1e/1/completed" });
        for record in ["request-7", "timer", "answer/x", ""] {
            assert_eq!(read(record), Cause::Record(record));
        }
    }
}
