//! Rows and positions go together, whatever ends the work in between.
use std::future::Future as _;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::story::{self, EVENTS, order_records};
use crate::{on_both, seen};

/// Polls a future a number of times and then drops it, wherever it is. Whether it was done by then.
async fn dropped_after(polls: u32, work: impl Future<Output = Result<(), projection::Error>>) -> bool {
    let (mut work, mut left) = (Box::pin(work), polls);
    std::future::poll_fn(move |context: &mut Context<'_>| {
        let state = work.as_mut().poll(context);
        left -= 1;
        match state {
            Poll::Ready(result) => Poll::Ready(result.is_ok()),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_batch_that_is_dropped_in_the_middle_leaves_all_of_it_or_nothing() {
    on_both(async |place| {
        let records = order_records(0, story::whole(&story::key("7")));
        let total = i64::try_from(records.len()).unwrap();
        let complete = place.projected(records.clone()).await;
        let expected = seen(&complete, &["7"]).await;
        complete.close().await;
        let (mut nothing, mut all) = (0, 0);
        for polls in (1..).step_by(place.polls_apart()) {
            let place = place.another();
            let projection = place.open().await;
            let done = dropped_after(polls, projection.apply(records.clone())).await;
            projection.close().await;

            let reopened = place.open().await;
            let rows = reopened.history(&story::key("7"), -1).await.unwrap().len() as i64;
            let next =
                reopened.positions().await.unwrap().get(&(EVENTS.to_owned(), 0)).copied().unwrap_or_default();
            assert!((rows, next) == (0, 0) || (rows, next) == (total, total), "{rows} rows, position {next}");
            if next == 0 {
                nothing += 1
            } else {
                all += 1
            }
            reopened.apply(records.clone()).await.unwrap();
            assert_eq!(seen(&reopened, &["7"]).await, expected, "dropped after {polls} polls");
            reopened.close().await;
            if done {
                break;
            }
        }
        assert!(nothing > 3 && all > 0, "{nothing} times nothing, {all} times all");
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_the_database_refuses_leaves_nothing() {
    on_both(async |place| {
        let projection = place.open().await;
        let records = order_records(0, story::whole(&story::key("7")));
        // Everything is written but the positions, which come last.
        place.execute(place.refuse_positions()).await;
        let error = projection.apply(records.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("could not apply {} records", records.len()));
        assert_eq!(projection.history(&story::key("7"), -1).await.unwrap(), []);
        place.execute(place.allow_positions()).await;
        projection.apply(records).await.unwrap();
        assert!(projection.order(&story::key("7")).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_reader_can_wait_for_what_is_being_written() {
    on_both(async |place| {
        let projection = place.open().await;
        let waiting = {
            let projection = projection.clone();
            async move { projection.reached(EVENTS, 0, 3).await }
        };
        let mut waiting = std::pin::pin!(waiting);
        let records = order_records(0, story::whole(&story::key("7")));
        projection.apply(records[..3].to_vec()).await.unwrap();
        let early =
            std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(!early, "the record at 3 is not applied yet");
        projection.apply(records[3..4].to_vec()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
    })
    .await;
}
