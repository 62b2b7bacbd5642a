use domain::inventory::ServiceReport::*;
use domain::inventory::{ProductRequestKind, ServiceReport};

use super::*;
use crate::testing::arrival;

/// What comes in: a report of a service, or an order that waits.
#[derive(Clone, Copy)]
enum In {
    Report(ServiceReport),
    /// The order's key, and the version that it was prepared against.
    Await(&'static str, Option<u32>),
}

fn request(input: In, at: i64) -> ProductRequest {
    let (kind, order, report, expected_version) = match input {
        In::Report(report) => (ProductRequestKind::Report, "base", Some(report), None),
        In::Await(order, expected) => (ProductRequestKind::Await, order, None, expected),
    };
    ProductRequest {
        product_id: "P-1".into(),
        kind,
        order_key: order.into(),
        item_id: "1".into(),
        report,
        expected_version,
        offering: None,
        specification: None,
        catalog_version: None,
        customer: None,
        characteristics: Default::default(),
        at: domain::Timestamp(at),
        correlation_id: "request-1".to_owned(),
        causation_id: format!("cause-{at}"),
    }
}

fn shown(output: &Output) -> String {
    match output {
        Output::Changed(event) => format!("{:?} v{}", event.product.state, event.product.version),
        Output::Refused(event) => format!("refused: {}", event.message),
        Output::Signal(signal) => match &signal.message {
            Some(message) => format!("{} {:?}: {message}", signal.order_key, signal.kind),
            None => format!("{} {:?} v{:?}", signal.order_key, signal.kind, signal.product_version.unwrap()),
        },
    }
}

/// Rows of (input, what comes of it), run in sequence from an unknown product.
#[track_caller]
fn check(rows: &[(In, &[&str])]) -> Option<State> {
    let mut state = None;
    for (index, (input, expected)) in rows.iter().enumerate() {
        let at = index as i64;
        let decision = handle(&"P-1".into(), state, &request(*input, at), &arrival(at));
        assert_eq!(decision.outputs.iter().map(shown).collect::<Vec<_>>(), *expected, "row {index}");
        state = decision.state;
    }
    state
}

use In::{Await, Report};

#[test]
fn a_product_moves_with_its_services_and_each_change_is_a_version() {
    let state = check(&[
        (Report(Started), &["PendingActive v1"]),
        (Report(PartialActivation), &["PendingActive v2"]),
        (Report(Completed), &["Active v3"]),
        (Report(Suspended), &["Suspended v4"]),
        (Report(Resumed), &["Active v5"]),
        (Report(TerminationStarted), &["PendingTerminate v6"]),
        (Report(Terminated), &["Terminated v7"]),
    ]);
    let product = state.unwrap().product.unwrap();
    assert_eq!(product.started_at, Some(domain::Timestamp(2)), "active for the first time, not for the last");
    assert_eq!(product.terminated_at, Some(domain::Timestamp(6)));
}

#[test]
fn a_report_that_does_not_fit_changes_nothing_and_is_told() {
    let state = check(&[
        (Report(Suspended), &["refused: product instance in state Created refuses Suspended"]),
        (Report(Completed), &["Active v1"]),
        (Report(Failed), &["refused: product instance in state Active refuses Failed"]),
    ]);
    assert_eq!(state.unwrap().product.unwrap().version, 1);
    assert!(
        check(&[(Report(Suspended), &["refused: product instance in state Created refuses Suspended"])])
            .is_none()
    );
}

#[test]
fn the_same_report_twice_is_one_change() {
    let first = handle(&"P-1".into(), None, &request(Report(Completed), 0), &arrival(0));
    let again = handle(&"P-1".into(), first.state.clone(), &request(Report(Completed), 0), &arrival(1));
    assert_eq!((again.outputs, again.state), (Vec::new(), first.state));
}

#[test]
fn a_follow_on_order_waits_whichever_comes_first() {
    check(&[
        (Await("later", None), &[]),
        (Await("later", None), &[]), // asked twice, answered once
        (Report(Started), &["PendingActive v1"]),
        (Report(Completed), &["Active v2", "later WaitOver v2"]),
        (Report(Completed), &["Active v3"]),
    ]);
    check(&[(Report(Completed), &["Active v1"]), (Await("later", None), &["later WaitOver v1"])]);
}

#[test]
fn a_change_prepared_against_another_version_fails_and_names_both() {
    let stale =
        "O-2 WaitFailed: the change was prepared against version 1 of product \"P-1\", which is at version 2";
    check(&[
        (Await("O-2", Some(1)), &[]),
        (Await("O-3", Some(2)), &[]),
        (Report(Started), &["PendingActive v1"]),
        (Report(Completed), &["Active v2", stale, "O-3 WaitOver v2"]),
        (Await("O-2", Some(1)), &[stale]),
    ]);
}

#[test]
fn who_waits_for_a_product_that_never_comes_hears_why() {
    check(&[
        (Await("O-2", None), &[]),
        (
            Report(Failed),
            &[
                "Aborted v1",
                "O-2 WaitFailed: product \"P-1\" is Aborted (version 1), a change needs it active",
            ],
        ),
        (
            Await("O-3", None),
            &["O-3 WaitFailed: product \"P-1\" is Aborted (version 1), a change needs it active"],
        ),
    ]);
}

#[test]
fn no_more_than_the_most_orders_wait() {
    let mut state = None;
    for number in 0..=ORDER_WAITS_MAX {
        let mut wait = request(Await("O-2", None), 0);
        wait.order_key = domain::OrderKey(format!("O-{number}"));
        let decision = handle(&"P-1".into(), state, &wait, &arrival(0));
        assert_eq!(decision.outputs.len(), usize::from(number == ORDER_WAITS_MAX), "order {number}");
        state = decision.state;
    }
    assert_eq!(state.unwrap().waits.len(), ORDER_WAITS_MAX);
}
