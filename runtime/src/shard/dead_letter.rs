//! What becomes of an input that no handler can process: never dropped, and complete enough to be replayed.

use std::sync::Arc;

use bytes::Bytes;

use super::settings::DEAD_LETTER_BYTES_MAX;
use crate::record::{Headers, Outgoing, Record};
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

/// A longer reason is cut; with the other headers it stays below [`DEAD_LETTER_BYTES_MAX`].
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
/// `record_bytes_max`: of the dead-letter topic. A record so large that the headers do not fit goes with a shorter reason,
/// then without its own headers; key and value are always kept.
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
    let headers = record.headers.iter().cloned().chain(described.iter().cloned()).collect();
    let mut letter = Outgoing {
        topic: topic.clone(),
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
        timestamp_ms: now_ms,
    };
    if letter.bytes() > record_bytes_max {
        letter.headers = described;
    }
    if letter.bytes() > record_bytes_max {
        letter.headers.clear();
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
