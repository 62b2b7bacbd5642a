//! What becomes of an input that no handler can process: never dropped, and complete enough to be replayed.

use std::sync::Arc;

use bytes::Bytes;

use super::settings::DEAD_LETTER_BYTES_MAX;
use crate::record::{Headers, KEY_BYTES_MAX, Outgoing, Record};
use crate::timer::DueTimer;

/// "record" or "timer".
pub const HEADER_KIND: &str = "dead-letter-kind";
/// Why it could not be processed.
pub const HEADER_REASON: &str = "dead-letter-reason";
pub const HEADER_TOPIC: &str = "dead-letter-topic";
pub const HEADER_PARTITION: &str = "dead-letter-partition";
pub const HEADER_OFFSET: &str = "dead-letter-offset";
/// When the original was produced, or the timer due; UTC milliseconds.
pub const HEADER_TIMESTAMP_MS: &str = "dead-letter-timestamp-ms";
pub const HEADER_PROCESSOR: &str = "dead-letter-processor";
pub const HEADER_TIMER_NAME: &str = "dead-letter-timer-name";
/// The key, where it is too long to be one. Outsiders may write such a key to Kafka, which has no limit of its own.
pub const HEADER_KEY: &str = "dead-letter-key";
/// What of the record is not here, since no record may be so large, in words: it lies where it came from. Outsiders may write such a record to
/// a topic of Kafka that takes more than we do.
pub const HEADER_LEFT_OUT: &str = "dead-letter-left-out";

/// A longer reason is cut; with the other headers it stays below [`DEAD_LETTER_BYTES_MAX`], a long key apart.
const REASON_BYTES_MAX: usize = 2_000;
const _: () = assert!(REASON_BYTES_MAX < DEAD_LETTER_BYTES_MAX);

fn header(name: &str, value: impl Into<Bytes>) -> (Arc<str>, Bytes) {
    (name.into(), value.into())
}

fn shortened(reason: &str) -> Bytes {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    Bytes::copy_from_slice(&reason.as_bytes()[..end])
}

/// The record as it was, key, bytes and headers, with headers that say what happened and where it lay.
///
/// `record_bytes_max`: of the dead-letter topic. A record so large that the headers do not fit goes without its own, then without any. One that
/// is larger than any may be goes without its value, and says so.
pub(crate) fn of_record(
    topic: &Arc<str>,
    record: &Record,
    reason: &str,
    now_ms: i64,
    record_bytes_max: usize,
) -> Outgoing {
    let described: Headers = vec![
        header(HEADER_KIND, "record"),
        header(HEADER_REASON, shortened(reason)),
        header(HEADER_TOPIC, record.topic.to_string()),
        header(HEADER_PARTITION, record.partition.to_string()),
        header(HEADER_OFFSET, record.offset.to_string()),
        header(HEADER_TIMESTAMP_MS, record.timestamp_ms.to_string()),
    ];
    let key_bytes = record.key.as_ref().map_or(0, Bytes::len);
    let value_bytes = record.value.as_ref().map_or(0, Bytes::len);
    let is_long = key_bytes > KEY_BYTES_MAX;
    let long_key: Headers =
        record.key.iter().filter(|_| is_long).map(|key| header(HEADER_KEY, key.clone())).collect();
    let value_alone = format!("the value, {value_bytes} bytes");
    let both = format!("value and key, {value_bytes} and {key_bytes} bytes");
    let (without_value, without_both) = (
        vec![header(HEADER_LEFT_OUT, value_alone.clone())],
        vec![header(HEADER_LEFT_OUT, if is_long { both } else { value_alone })],
    );
    let value = &record.value;
    // From all that there is to what always fits.
    let forms: [(Vec<&Headers>, &Option<Bytes>); 5] = [
        (vec![&record.headers, &described, &long_key], value),
        (vec![&described, &long_key], value),
        (if is_long { vec![&described, &long_key] } else { Vec::new() }, value),
        (vec![&record.headers, &described, &long_key, &without_value], &None),
        (vec![&described, &without_both], &None),
    ];
    let mut letter = Outgoing {
        topic: topic.clone(),
        partition: None,
        key: record.key.clone().filter(|_| !is_long),
        value: None,
        headers: Headers::new(),
        timestamp_ms: now_ms,
    };
    for (headers, value) in forms {
        letter.headers = headers.into_iter().flatten().cloned().collect();
        letter.value = value.clone();
        if letter.bytes() <= record_bytes_max {
            break;
        }
    }
    letter
}

/// A timer has no bytes of its own: its headers describe it.
pub(crate) fn of_timer(topic: &Arc<str>, timer: &DueTimer, reason: &str, now_ms: i64) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition: None,
        key: Some(timer.key.clone()),
        value: Some(Bytes::new()),
        headers: vec![
            header(HEADER_KIND, "timer"),
            header(HEADER_REASON, shortened(reason)),
            header(HEADER_PROCESSOR, timer.processor.to_string()),
            header(HEADER_TIMER_NAME, timer.name.to_string()),
            header(HEADER_PARTITION, timer.partition.to_string()),
            header(HEADER_TIMESTAMP_MS, timer.due_ms.to_string()),
        ],
        timestamp_ms: now_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TopicSpec, Topics};

    const BYTES_MAX: usize = 100_000;

    /// A letter of a record of these sizes, with a header of its own: key, value, and the names of its headers that are no numbers of the place.
    #[track_caller]
    fn check(key: usize, value: usize, own: usize, expected: (Option<usize>, Option<usize>, &[&str])) {
        let record = Record {
            topic: "in".into(),
            partition: 1,
            offset: 2,
            timestamp_ms: 3,
            key: Some(vec![b'k'; key].into()),
            value: Some(vec![b'v'; value].into()),
            headers: vec![header("own", vec![b'h'; own])],
        };
        let letter = of_record(&"dead".into(), &record, "why", 4, BYTES_MAX);
        assert!(letter.bytes() <= BYTES_MAX, "{} bytes", letter.bytes());
        let spec = TopicSpec { record_bytes_max: BYTES_MAX, ..TopicSpec::new("dead", 1) };
        Topics::checked(vec![spec]).unwrap().check(&letter).unwrap();
        let told = ["own", HEADER_REASON, HEADER_KEY, HEADER_LEFT_OUT];
        let names: Vec<&str> = letter.headers.iter().map(|(name, _)| &**name).collect();
        let told: Vec<&str> = told.into_iter().filter(|name| names.contains(name)).collect();
        let length = |part: &Option<Bytes>| part.as_ref().map(Bytes::len);
        assert_eq!((length(&letter.key), length(&letter.value), told.as_slice()), expected);
    }

    #[test]
    fn whatever_size_a_record_has_its_letter_is_taken_and_has_as_much_of_it_as_fits() {
        let limit = KEY_BYTES_MAX;
        check(9, 10, 10, (Some(9), Some(10), &["own", HEADER_REASON]));
        check(limit, 10, 10, (Some(limit), Some(10), &["own", HEADER_REASON]));
        check(9, 90_000, 11_000, (Some(9), Some(90_000), &[HEADER_REASON]));
        check(9, BYTES_MAX - 9, 10, (Some(9), Some(BYTES_MAX - 9), &[]));
        // What only a log that is not ours takes.
        check(limit + 1, 10, 10, (None, Some(10), &["own", HEADER_REASON, HEADER_KEY]));
        check(9, BYTES_MAX, 10, (Some(9), None, &["own", HEADER_REASON, HEADER_LEFT_OUT]));
        check(9, BYTES_MAX, BYTES_MAX, (Some(9), None, &[HEADER_REASON, HEADER_LEFT_OUT]));
        check(limit + 1, BYTES_MAX, 10, (None, None, &["own", HEADER_REASON, HEADER_KEY, HEADER_LEFT_OUT]));
        check(BYTES_MAX, 10, 10, (None, None, &[HEADER_REASON, HEADER_LEFT_OUT]));
    }
}
