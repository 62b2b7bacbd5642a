//! The anti-corruption layer: a TMF622 document becomes an order.
use domain::Timestamp;
use domain::limits::REASONS_MAX;
use domain::order::event::{Cause, Evidence, OrderCaptured};
use schemas::tmf::{self, json};

use crate::samples::CODECS;

pub(super) fn run(bytes: &[u8]) {
    let translated = match tmf::translate(bytes, None) {
        Ok(translated) => translated,
        Err(unreadable) => {
            let said = unreadable.to_string();
            assert!(!unreadable.0.message.is_empty(), "it says why");
            assert!(!said.chars().any(char::is_control), "one line that no terminal obeys: {said:?}");
            return;
        }
    };
    assert!(translated.findings.len() <= REASONS_MAX);
    let text =
        std::str::from_utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).expect("it was read");
    let document = json::parse(text).expect("it was read");
    for finding in &translated.findings {
        // What is missing has no place of its own: then its parent has one.
        let parent = finding.pointer.rfind('/').map_or("", |end| &finding.pointer[..end]);
        let found = document.at(&finding.pointer).or_else(|| document.at(parent));
        assert!(found.is_some(), "{finding} points nowhere");
        assert!(!finding.to_string().chars().any(char::is_control), "{:?}", finding.to_string());
    }
    let Ok(key) = translated.key else { return };
    let captured = OrderCaptured {
        cause: Cause {
            order_key: key,
            at: Timestamp(0),
            correlation_id: "c".into(),
            causation_id: "c".into(),
            actor: "fuzz".into(),
        },
        submission: 1,
        order: translated.order,
        findings: translated.findings,
        evidence: Evidence { media_type: "m".into(), digest: "d".into(), size_bytes: bytes.len() as i64 },
    };
    let record = CODECS.records.encode("orderstream.order.events", &captured);
    let record = record.unwrap_or_else(|error| panic!("what was read can be written: {error}"));
    let read: OrderCaptured = CODECS.records.decode(&record).expect("what was written can be read");
    assert_eq!(read, captured);
}
