//! From which event which row.
use domain::order::OrderState;
use domain::order::event::OrderEvent;
use domain::{OrderKey, Timestamp};
use projection::Projected;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::beside::{self, PRODUCTS};
use crate::story::{self, EVENTS, order_records, records};
use crate::{Place, on_both, seen};

/// The members of an order's view, by JSON pointer.
#[track_caller]
fn check(view: &Value, rows: &[(&str, Value)]) {
    for (pointer, expected) in rows {
        assert_eq!(view.pointer(pointer), Some(expected), "at {pointer}");
    }
}

async fn view_of(place: &Place, key: &OrderKey, events: Vec<OrderEvent>) -> Value {
    let projection = place.projected(order_records(0, events)).await;
    serde_json::to_value(projection.order(key).await.unwrap()).unwrap()
}

#[tokio::test]
#[rustfmt::skip]
async fn a_rejected_order_is_shown_with_its_reasons_and_a_later_submission_changes_nothing_yet() {
    on_both(async |place| {
        let key = story::key("7");
        let view = view_of(place, &key, story::until_planned(&key)[..3].to_vec()).await;
        check(&view, &[
            ("/state",                             json!("rejected")),
            ("/shownState",                        json!("rejected")),
            ("/submission",                        json!(1)),
            ("/submissions",                       json!(2)),
            ("/endedAt",                           json!("2023-11-14T22:13:21.000Z")),
            ("/submissions",                       json!(2)),
            ("/submissionList/0/outcome",          json!("rejected")),
            ("/submissionList/0/reasons/0/code",   json!("OfferingUnknown")),
            ("/submissionList/1/outcome",          json!("pending")),
            ("/itemCount",                         json!(2)),
        ]);
    })
    .await;
}

#[tokio::test]
#[rustfmt::skip]
async fn a_plan_is_shown_in_a_sequence_in_which_it_can_be_done() {
    on_both(async |place| {
        let key = story::key("7");
        let view = view_of(place, &key, story::until_planned(&key)).await;
        check(&view, &[
            ("/state",                     json!("decomposed")),
            ("/shownState",                json!("inProgress")),
            ("/endedAt",                   Value::Null),
            ("/waitingFor",                Value::Null),
            ("/submission",                json!(2)),
            ("/requestId",                 json!("TMF/POnumber/7#2")),
            ("/taskCount",                 json!(2)),
            ("/tasks/0/taskType",          json!("activateAccess")),
            ("/tasks/1/taskType",          json!("configureRouter")),
            ("/tasks/1/predecessors/0",    json!(story::access(&key))),
            ("/tasks/1/inputs/0/output",   json!("ipAddress")),
            ("/tasks/0/state",             json!("notStarted")),
            ("/tasks/0/outputs",           json!({})),
            ("/tasks/0/failure",           Value::Null),
            ("/items/1/optional",          json!(true)),
            ("/items/0/characteristics",   json!({"speed": 1.10})),
            ("/items/0/products",          json!(["P-1"])),
            ("/serviceOrders/0/state",     json!("acknowledged")),
            ("/submissionList/1/outcome",  json!("validated")),
        ]);
        let two = view_of(&place.another(), &key, story::until_planned(&key)[..5].to_vec()).await;
        check(&two, &[
            ("/waitingFor", json!("answer of network whether it can be delivered")),
            ("/nextDue",    json!("2023-11-14T22:13:50.000Z")),
        ]);
    })
    .await;
}

#[tokio::test]
#[rustfmt::skip]
async fn an_order_in_trouble_shows_its_case_and_its_silence() {
    on_both(async |place| {
        let key = story::key("7");
        let view = view_of(place, &key, [story::until_planned(&key), story::until_stuck(&key)].concat()).await;
        check(&view, &[
            ("/state",                   json!("inProgress")),
            ("/stuck",                   json!(true)),
            ("/stuckSince",              json!("2023-11-14T22:13:35.000Z")),
            ("/openCases",               json!(1)),
            ("/cases",                   json!(1)),
            ("/tasks/0/state",           json!("failedRepairable")),
            ("/tasks/0/inFallout",       json!(true)),
            ("/tasks/0/failure/message", json!("port \"3\" busy")),
            ("/caseList/0/failureCode",  json!("E-17")),
            ("/caseList/0/detection",    json!("timeout")),
            ("/caseList/0/severity",     json!("critical")),
            ("/caseList/0/filed",        json!(2)),
            ("/caseList/0/offering",     json!("fibre")),
            ("/caseList/0/isOpen",       json!(true)),
            ("/items/0/state",           json!("inProgress")),
        ]);
    })
    .await;
}

#[tokio::test]
#[rustfmt::skip]
async fn a_completed_order_is_shown_whole() {
    on_both(async |place| {
        let key = story::key("7");
        let view = view_of(place, &key, story::whole(&key)).await;
        check(&view, &[
            ("/state",                            json!("completed")),
            ("/endedAt",                          json!("2023-11-14T22:14:00.000Z")),
            ("/stuck",                            json!(false)),
            ("/openCases",                        json!(0)),
            ("/cases",                            json!(1)),
            ("/tasksDone",                        json!(2)),
            ("/itemsCompleted",                   json!(2)),
            ("/submissions",                      json!(3)),
            ("/submission",                       json!(2)),
            ("/submissionList/2/outcome",         json!("revisionRefused")),
            ("/tasks/0/attempt",                  json!(2)),
            ("/tasks/0/commandsSent",             json!(2)),
            ("/tasks/0/retries",                  json!(1)),
            ("/tasks/0/outputs",                  json!({"ipAddress": "10.0.0.1"})),
            ("/tasks/0/startedAt",                json!("2023-11-14T22:13:30.000Z")),
            ("/tasks/0/finishedAt",               json!("2023-11-14T22:13:52.000Z")),
            ("/serviceOrders/0/state",            json!("completed")),
            ("/items/0/milestones/0/milestone",   json!("connected")),
            ("/caseList/0/state",                 json!("resolved")),
            ("/caseList/0/resolution",            json!("another port")),
            ("/history/0/name",                   json!("OrderCaptured")),
            ("/history/0/details/submission",     json!(1)),
            ("/history/10/summary",               json!("task activateAccess of item 1 (access) dispatched → failedRepairable (E-17: port \"3\" busy)")),
            ("/history/10/causationId",           json!("record 12")),
            ("/history/10/sequence",              json!(10)),
            ("/historyLeftOff",                   json!(false)),
        ]);
        assert_eq!(view["history"].as_array().unwrap().len(), story::whole(&key).len(), "one row per event");
    })
    .await;
}

#[tokio::test]
async fn the_summary_counts_what_happened() {
    on_both(async |place| {
        let (one, two) = (story::key("1"), story::key("2"));
        let stuck = [story::until_planned(&two), story::until_stuck(&two)].concat();
        let projection = place.projected(order_records(0, [story::whole(&one), stuck].concat())).await;
        let summary = serde_json::to_value(projection.summary().await.unwrap()).unwrap();
        let rows = [
            ("/orders", json!(2)),
            ("/ordersByState", json!({"inProgress": 1, "completed": 1})),
            ("/stuckOrders", json!(1)),
            ("/ordersInFallout", json!(1)),
            ("/openCases", json!(1)),
            ("/cases/0/normalizedCode", json!("PORT_BUSY")),
            ("/cases/0/total", json!(2)),
            // Two questions, three tasks' commands and one repetition.
            ("/commandsSent", json!(6)),
            ("/retries", json!(1)),
            ("/feedbackIgnored", json!({"repeated": 1})),
            ("/reasons", json!({"OfferingUnknown": 3})),
            ("/events/RequestIgnored", json!(2)),
            ("/unmatched", json!({})),
        ];
        check(&summary, &rows);
        let times = projection.times(&[OrderState::Completed], Timestamp(0), 10).await.unwrap();
        let elapsed: Vec<_> = times.iter().map(|time| (time.key.clone(), time.elapsed_ms())).collect();
        assert_eq!(elapsed, [(one, 40_000)]);
    })
    .await;
}

#[tokio::test]
async fn an_event_of_an_order_that_is_not_there_makes_no_order() {
    on_both(async |place| {
        let key = story::key("7");
        let events: Vec<_> =
            story::whole(&key).into_iter().filter(|event| event.name() != "OrderCaptured").collect();
        let total = events.len();
        let projection = place.projected(order_records(0, events)).await;
        assert_eq!(projection.order(&key).await.unwrap(), None);
        assert_eq!(projection.orders(Default::default()).await.unwrap().rows, []);
        assert_eq!(projection.history(&key, -1).await.unwrap().len(), total, "the history has them");
        let summary = projection.summary().await.unwrap();
        assert_eq!((summary.orders, summary.unmatched["OrderDecomposed"]), (0, 1));
        // Only what follows from nothing, or concerns the case, fits.
        assert!(summary.unmatched["TaskStateChanged"] == 6, "{:?}", summary.unmatched);
        assert!(!summary.unmatched.contains_key("FeedbackIgnored"), "{:?}", summary.unmatched);
    })
    .await;
}

#[tokio::test]
async fn a_product_is_shown_with_what_happened_to_it() {
    on_both(async |place| {
        use domain::inventory::ProductState;
        let events = [
            beside::product(ProductState::Created, 1),
            Projected::Skip,
            beside::product(ProductState::Active, 2),
            beside::report_refused(),
        ];
        let projection = place.projected(records(PRODUCTS, 5, events)).await;
        let view = serde_json::to_value(projection.product(&"P-1".into()).await.unwrap()).unwrap();
        check(
            &view,
            &[
                ("/state", json!("active")),
                ("/version", json!(2)),
                ("/characteristics", json!({"speed": 100})),
                ("/history/1/summary", json!("product created → active, version 2")),
                ("/history/1/sequence", json!(7)),
            ],
        );
        assert_eq!(
            projection.product(&"P-9".into()).await.unwrap(),
            None,
            "a refused report makes no product"
        );
        let next = projection.positions().await.unwrap()[&(PRODUCTS.to_owned(), 0)];
        assert_eq!(next, 9);
    })
    .await;
}

#[tokio::test]
async fn what_was_applied_is_not_applied_again() {
    on_both(async |place| {
        let records = order_records(100, story::whole(&story::key("7")));
        let projection = place.open().await;
        projection.apply(records.clone()).await.unwrap();
        let once = seen(&projection, &["7"]).await;
        projection.apply(records.clone()).await.unwrap();
        projection.apply(records[5..9].to_vec()).await.unwrap();
        assert_eq!(seen(&projection, &["7"]).await, once);
        projection.close().await;
        let reopened = place.open().await;
        reopened.apply(records).await.unwrap();
        assert_eq!(seen(&reopened, &["7"]).await, once);
        tokio::time::timeout(std::time::Duration::from_secs(5), reopened.reached(EVENTS, 0, 110))
            .await
            .unwrap();
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Three orders interleaved: however the records are cut into batches, the rows are those of one event at a time.
    #[test]
    fn any_batches_make_the_same_rows_in_either_database(lengths in prop::collection::vec(1_usize..20, 1..40)) {
        let stories: Vec<_> = ["1", "2", "3"].iter().map(|name| story::whole(&story::key(name))).collect();
        let interleaved = (0..stories[0].len()).flat_map(|at| stories.iter().map(move |events| events[at].clone()));
        let records = [order_records(0, interleaved.collect()), beside::beside()].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(async {
            let mut batches = Vec::new();
            let mut rest = records.as_slice();
            for length in lengths.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (batch, left) = rest.split_at(length.min(rest.len()));
                batches.push(batch.to_vec());
                rest = left;
            }
            let single: Vec<_> = records.into_iter().map(|record| vec![record]).collect();
            let [file, server] = Place::both();
            (in_batches(&file, batches.clone()).await, in_batches(&server, batches).await, in_batches(&file.another(), single).await)
        });
        prop_assert_eq!(&seen.0, &seen.2, "in batches, one by one");
        prop_assert_eq!(&seen.0, &seen.1, "SQLite, PostgreSQL");
    }
}

async fn in_batches(place: &Place, batches: Vec<Vec<projection::Applied>>) -> Value {
    let projection = place.open().await;
    for batch in batches {
        projection.apply(batch).await.unwrap();
    }
    let seen = seen(&projection, &["1", "2", "3"]).await;
    projection.close().await;
    seen
}
