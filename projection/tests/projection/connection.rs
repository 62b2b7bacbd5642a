//! A server that goes away and comes back.
use std::time::{Duration, Instant};

use projection::{Error, Projection};

use crate::postgres::Server;
use crate::story::{self, order_records};

#[tokio::test]
async fn a_batch_that_met_a_stopped_server_is_applied_once_it_is_back_and_the_error_says_why() {
    let mut server = Server::own();
    let projection = Projection::open(&server.url("orderstream", "", &server.database())).await.unwrap();
    let records = order_records(0, story::whole(&story::key("7")));
    projection.apply(records[..4].to_vec()).await.unwrap();
    server.stop();
    let error = projection.apply(records.clone()).await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    let error = projection.apply(records.clone()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.is_passing() && source.contains("error communicating with database"), "{source}");
    server.start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = projection.apply(records.clone()).await {
        // The server stops as in a crash, and commits before they are on its disk: it may not know what it confirmed.
        let is_expected = error.is_passing() || matches!(error, Error::Forgotten { .. });
        assert!(is_expected && Instant::now() < deadline, "{error:?}");
    }
    let history = projection.history(&story::key("7"), -1).await.unwrap();
    assert_eq!(history.len(), records.len(), "each event once");
    projection.close().await;
}

#[tokio::test]
async fn two_writers_of_one_database_apply_each_record_once() {
    let server = crate::postgres::server();
    let url = server.url("orderstream", "", &server.database());
    let (one, two) = (Projection::open(&url).await.unwrap(), Projection::open(&url).await.unwrap());
    let records = order_records(0, story::whole(&story::key("7")));
    for batch in records.chunks(3) {
        let (first, second) = tokio::join!(one.apply(batch.to_vec()), two.apply(batch.to_vec()));
        first.and(second).unwrap();
    }
    let events: i64 = one.summary().await.unwrap().events.values().sum();
    assert_eq!(events, records.len() as i64);
}
