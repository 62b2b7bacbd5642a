//! Following one request: which of its arrivals became what.
use domain::RequestId;
use domain::order::OrderState;
use domain::order::event::{Cause, OrderEvent, OrderRejected, OrderValidated, RequestIgnored};
use projection::query::RequestTrace;
use projection::rows::SubmissionOutcome;

use crate::story::{self, key, order, order_records};
use crate::{Place, on_both};

/// The event with the correlation that capture gives it: the id of the request.
fn of_request(event: OrderEvent, request: &RequestId) -> OrderEvent {
    let correlated = |cause: &Cause| Cause { correlation_id: request.0.clone(), ..cause.clone() };
    match event {
        OrderEvent::OrderCaptured(mut event) => {
            event.cause = correlated(&event.cause);
            (*event).into()
        }
        OrderEvent::RequestIgnored(mut event) => {
            event.cause = correlated(&event.cause);
            (*event).into()
        }
        other => other,
    }
}

#[tokio::test]
async fn a_request_is_followed_through_repetitions_and_beside_others() {
    on_both(async |place| followed(place).await).await;
}

async fn followed(place: &Place) {
    let key = key("a");
    let [first, second] = [1, 2].map(|submission| order(&key, submission).request_id);
    let reasons = vec![story::reason()];
    let ignored = |seconds: i64, request: &RequestId| {
        of_request(
            RequestIgnored { cause: story::cause(&key, seconds), request_id: request.clone() }.into(),
            request,
        )
    };
    let records = order_records(
        0,
        vec![
            of_request(story::captured(&key, 0, 1), &first),
            OrderRejected { cause: story::cause(&key, 1), submission: 1, request_id: first.clone(), reasons }
                .into(),
            ignored(2, &first),
            of_request(story::captured(&key, 3, 2), &second),
            ignored(4, &second),
            OrderValidated { cause: story::cause(&key, 5), submission: 2, order: order(&key, 2) }.into(),
        ],
    );
    let projection = place.projected(records).await;
    let shown = |trace: &RequestTrace| {
        let arrivals: Vec<(i64, bool)> =
            trace.arrivals.iter().map(|arrival| (arrival.sequence, arrival.repeated)).collect();
        (arrivals, trace.submission.as_ref().map(|submission| submission.outcome))
    };
    let trace = projection.request(&key, &first).await.unwrap();
    assert_eq!(shown(&trace), (vec![(0, false), (2, true)], Some(SubmissionOutcome::Rejected)));
    let trace = projection.request(&key, &second).await.unwrap();
    assert_eq!(shown(&trace), (vec![(3, false), (4, true)], Some(SubmissionOutcome::Validated)));
    assert_eq!(trace.order.map(|order| order.state), Some(OrderState::Validated));
    assert_eq!(projection.request(&key, &"another".into()).await.unwrap().arrivals, []);
    let nobody = projection.request(&story::key("b"), &first).await.unwrap();
    assert_eq!(nobody, RequestTrace::default());
    assert_eq!(projection.order_row(&key).await.unwrap().map(|order| order.submission), Some(2));
    assert_eq!(projection.order_row(&story::key("b")).await.unwrap(), None);
}
