use domain::CatalogVersion;
use domain::limits::{REQUESTS_SEEN_MAX, SUBMISSIONS_MAX};
use domain::order::event::{Evidence, OrderCaptured, OrderEvent};

use super::*;
use crate::testing::{arrival, key, order};

fn request(id: &str) -> CaptureRequest {
    let evidence =
        Evidence { media_type: "application/json".into(), digest: format!("digest of {id}"), size_bytes: 2 };
    CaptureRequest { request_id: id.into(), order: order(), findings: Vec::new(), evidence }
}

/// What came of one request: `captured <submission>` or `ignored`, with the codes of its findings, and whether bytes are kept.
fn shown(outputs: &[Output]) -> String {
    let words = outputs.iter().map(|output| match output {
        Output::KeepEvidence { digest } => format!("keep {digest}"),
        Output::Event(OrderEvent::OrderCaptured(event)) => {
            let codes: Vec<_> = event.findings.iter().map(|finding| format!(" {:?}", finding.code)).collect();
            format!("captured {}{}", event.submission, codes.concat())
        }
        Output::Event(event) => event.name().to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Rows of (request id, what comes of it), run in sequence from an unknown key.
#[track_caller]
fn check(rows: &[(&str, &str)]) {
    let current = CatalogVersion::from("2026.11");
    let mut state = None;
    for (index, (id, expected)) in rows.iter().enumerate() {
        let decision = handle(&key(), state, request(id), Some(&current), &arrival(index as i64));
        assert_eq!(shown(&decision.outputs), *expected, "row {index}");
        state = decision.state;
    }
}

fn captured(decision: &Decision<State, Output>) -> &OrderCaptured {
    let mut events = decision.outputs.iter().filter_map(|output| match output {
        Output::Event(OrderEvent::OrderCaptured(event)) => Some(&**event),
        Output::Event(_) | Output::KeepEvidence { .. } => None,
    });
    events.next_back().expect("an order was captured")
}

#[test]
fn a_repeated_request_is_ignored_and_another_one_is_a_submission() {
    check(&[
        ("a", "keep digest of a, captured 1"),
        ("a", "RequestIgnored"),
        ("b", "keep digest of b, captured 2"),
        ("a", "RequestIgnored"),
        ("b", "RequestIgnored"),
    ]);
}

#[test]
fn the_current_catalog_is_pinned_whatever_the_request_names() {
    let mut asked = request("a");
    asked.order.catalog_version = "1999.01".into();
    asked.order.order_version = 7;
    let current = CatalogVersion::from("2026.11");
    let decision = handle(&key(), None, asked, Some(&current), &arrival(5));
    let event = captured(&decision);
    assert_eq!((&event.order.catalog_version, event.order.order_version), (&current, 1));
    assert_eq!((event.cause.correlation_id.as_str(), event.cause.causation_id.as_str()), ("a", "input-5"));
    assert_eq!(event.findings, []);
}

#[test]
fn before_the_first_catalog_an_order_is_captured_with_a_finding() {
    let decision = handle(&key(), None, request("a"), None, &arrival(5));
    assert_eq!(shown(&decision.outputs), "keep digest of a, captured 1 CatalogVersionUnknown");
}

#[test]
fn the_oldest_requests_are_forgotten_but_the_base_is_not() {
    let current = CatalogVersion::from("2026.11");
    let mut state = None;
    let mut handle_next = |id: &str| {
        let decision = handle(&key(), state.take(), request(id), Some(&current), &arrival(0));
        state = decision.state;
        (shown(&decision.outputs), state.clone().unwrap())
    };
    handle_next("base");
    for number in 0..=REQUESTS_SEEN_MAX {
        let (_, state) = handle_next(&format!("r{number}"));
        assert!(state.requests_seen.len() <= REQUESTS_SEEN_MAX);
    }
    assert_eq!(handle_next("base").0, "RequestIgnored");
    assert_eq!(handle_next("r1").0, "RequestIgnored");
    assert!(handle_next("r0").0.contains("captured"), "r0 is beyond what is remembered");
}

#[test]
fn beyond_the_most_submissions_an_order_is_still_answered_but_not_kept() {
    let current = CatalogVersion::from("2026.11");
    let mut state = None;
    let mut last = String::new();
    for number in 0..=SUBMISSIONS_MAX {
        let decision = handle(&key(), state, request(&format!("r{number}")), Some(&current), &arrival(0));
        last = shown(&decision.outputs);
        state = decision.state;
    }
    assert_eq!(last, "captured 101 SubmissionsTooMany");
    let state = state.unwrap();
    assert_eq!(state.evidence.len(), SUBMISSIONS_MAX as usize);
}

#[test]
fn the_state_survives_being_written_and_read() {
    let decision = handle(&key(), None, request("a"), None, &arrival(5));
    let state = decision.state.unwrap();
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains("\"requestsSeen\":[\"a\"]"), "{text}");
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}
