//! Rows and positions go together, whatever ends the work in between.
use std::future::Future as _;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use projection::Projection;

use crate::story::{self, EVENTS, order_records};
use crate::{open, projected, seen};

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
    let records = order_records(0, story::whole(&story::key("7")));
    let total = i64::try_from(records.len()).unwrap();
    let (_folder, complete) = projected(records.clone()).await;
    let expected = seen(&complete, &["7"]).await;
    let (mut nothing, mut all) = (0, 0);
    for polls in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let projection = open(folder.path()).await;
        let done = dropped_after(polls, projection.apply(records.clone())).await;
        projection.close().await;

        let reopened = open(folder.path()).await;
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
        if done {
            break;
        }
    }
    assert!(nothing > 3 && all > 0, "{nothing} times nothing, {all} times all");
}

#[tokio::test]
async fn a_batch_that_the_database_refuses_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let projection = open(folder.path()).await;
    let records = order_records(0, story::whole(&story::key("7")));
    // Everything is written but the positions, which come last.
    let refuse = "CREATE TRIGGER refused BEFORE INSERT ON positions BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(folder.path(), refuse).await;
    let error = projection.apply(records.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not apply {} records", records.len()));
    assert_eq!(projection.history(&story::key("7"), -1).await.unwrap(), []);
    execute(folder.path(), "DROP TRIGGER refused").await;
    projection.apply(records).await.unwrap();
    assert!(projection.order(&story::key("7")).await.unwrap().is_some());
}

/// A statement from outside, on a connection of its own.
async fn execute(folder: &Path, sql: &'static str) {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("projection.db"));
    let mut connection = options.connect().await.unwrap();
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let projection = open(folder.path()).await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', TRUE, X'00', 0)";
    execute(folder.path(), later).await;
    projection.close().await;
    let error = Projection::open_file(&folder.path().join("projection.db")).await.unwrap_err().to_string();
    let expected =
        "the database was written by a newer version (its tables are at 9999, this version knows up to 1)";
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_database_that_is_none_or_is_nowhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("projection.db");
    std::fs::write(
        &path,
        "this is a text and no database, and long enough to be looked at by whoever opens it",
    )
    .unwrap();
    let error = Projection::open_file(&path).await.unwrap_err().to_string();
    assert_eq!(error, format!("could not open the database \"{}\"", path.display()));
    let error = Projection::open("sqlite::memory:").await.unwrap_err().to_string();
    assert_eq!(error, "the database \"sqlite::memory:\" would be gone with its connection; name a file");
    let url = format!("sqlite://{}", folder.path().join("by-url.db").display());
    Projection::open(&url).await.unwrap();
}

#[tokio::test]
async fn a_reader_can_wait_for_what_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let projection = open(folder.path()).await;
    let waiting = {
        let projection = projection.clone();
        async move { projection.reached(EVENTS, 0, 3).await }
    };
    let mut waiting = std::pin::pin!(waiting);
    let records = order_records(0, story::whole(&story::key("7")));
    projection.apply(records[..3].to_vec()).await.unwrap();
    let early = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
    assert!(!early, "the record at 3 is not applied yet");
    projection.apply(records[3..4].to_vec()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
}
