//! Making it anew beside the one in use.
use projection::{Projection, Rebuild};

use crate::story::{self, order_records};
use crate::{all_rows, beside, on_both};

fn log() -> Vec<projection::Applied> {
    [
        order_records(0, [story::whole(&story::key("1")), story::until_planned(&story::key("2"))].concat()),
        beside::beside(),
    ]
    .concat()
}

#[tokio::test]
async fn a_rebuilt_projection_has_the_same_rows_and_until_it_is_complete_nobody_sees_it() {
    on_both(async |place| {
        let projection = place.projected(log()).await;
        let before = all_rows(&projection).await;
        projection.close().await;
        // A row that no event made: gone afterwards.
        place.execute("INSERT INTO counters (name, label, amount) VALUES ('planted', '', 1)").await;
        let rebuild = Rebuild::begin(&place.url()).await.unwrap();
        for batch in log().chunks(5) {
            rebuild.projection().apply(batch.to_vec()).await.unwrap();
            let old = Projection::open_existing(&place.url()).await.unwrap();
            assert!(all_rows(&old).await.contains("planted"), "the old one is in use");
            old.close().await;
        }
        rebuild.swap_in().await.unwrap();
        let rebuilt = place.open().await;
        assert_eq!(all_rows(&rebuilt).await, before);
        // It is one like any other: goes on, and can be rebuilt again.
        rebuilt.apply(order_records(1_000, story::whole(&story::key("3")))).await.unwrap();
        rebuilt.close().await;
        Rebuild::begin(&place.url()).await.unwrap().swap_in().await.unwrap();
        assert!(place.open().await.orders(Default::default()).await.unwrap().rows.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_rebuild_leaves_the_old_one_and_the_next_begins_afresh() {
    on_both(async |place| {
        let projection = place.projected(log()).await;
        let before = all_rows(&projection).await;
        let interrupted = Rebuild::begin(&place.url()).await.unwrap();
        interrupted.projection().apply(log()[..7].to_vec()).await.unwrap();
        // Dropped without a word, as a killed process would.
        drop(interrupted);
        assert_eq!(all_rows(&projection).await, before);
        let again = Rebuild::begin(&place.url()).await.unwrap();
        assert!(again.projection().positions().await.unwrap().is_empty(), "nothing of the first is left");
        again.discard().await.unwrap();
        assert_eq!(all_rows(&projection).await, before);
        if let Some(file) = place.file() {
            let left: Vec<_> = std::fs::read_dir(file.parent().unwrap())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert!(left.iter().all(|name| !name.to_string_lossy().contains("rebuilding")), "{left:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_is_open_during_the_swap_reads_on_in_postgresql_and_holds_it_up_in_a_file() {
    on_both(async |place| {
        let old = place.projected(log()).await;
        let rebuild = Rebuild::begin(&place.url()).await.unwrap();
        rebuild.projection().apply(order_records(0, story::whole(&story::key("9")))).await.unwrap();
        assert_eq!(old.orders(Default::default()).await.unwrap().rows.len(), 2);
        let swapped = rebuild.swap_in().await;
        if place.file().is_some() {
            // Else its last connection would delete the new file's log with the old name.
            assert!(
                swapped
                    .unwrap_err()
                    .to_string()
                    .starts_with("could not put the new projection in the place of")
            );
            assert_eq!(
                old.orders(Default::default()).await.unwrap().rows.len(),
                2,
                "the old one is as it was"
            );
        } else {
            swapped.unwrap();
            let rows = old.orders(Default::default()).await.unwrap().rows;
            assert_eq!(rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>(), [story::key("9")]);
        }
        old.close().await;
    })
    .await;
}

/// What is at a place that somebody has named, after a rebuild was to be made there.
async fn rebuilt_at(path: &std::path::Path) -> Result<(), String> {
    let url = format!("sqlite://{}", path.display());
    match Rebuild::begin_at(&url).await {
        Ok(rebuild) => {
            rebuild.projection().apply(log()).await.unwrap();
            rebuild.swap_in().await.map(drop).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Plays: a rebuild into a file of somebody else's.
#[tokio::test]
async fn what_is_no_projection_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named");
    rebuilt_at(&path).await.unwrap();
    rebuilt_at(&path).await.unwrap();
    let refused = format!(
        "\"{}\" is there, and is no projection; it would be gone: name another place, or remove it first",
        path.display()
    );
    let lines = "root:x:0:0:root:/root:/bin/bash\n";
    for content in [lines, "x", &lines.repeat(16), &lines.repeat(20), &lines.repeat(1_000)] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(rebuilt_at(&path).await.unwrap_err(), refused);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is beside it");
    }
    std::fs::remove_file(&path).unwrap();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let other = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE orders (key TEXT)").execute(&other).await.unwrap();
    other.close().await;
    assert_eq!(rebuilt_at(&path).await.unwrap_err(), refused);
    std::fs::write(&path, b"").unwrap();
    rebuilt_at(&path).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_replaced_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("projection.db");
    let url = format!("sqlite://{}", path.display());
    let text = "no database at all, though there is a file with enough text in it to be looked at for long";
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.path().join("projection.db-wal"), "and this was its log").unwrap();
    let rebuild = Rebuild::begin(&url).await.unwrap();
    rebuild.projection().apply(log()).await.unwrap();
    rebuild.swap_in().await.unwrap();
    assert_eq!(Projection::open(&url).await.unwrap().orders(Default::default()).await.unwrap().rows.len(), 2);
    assert_eq!(std::fs::read_to_string(folder.path().join("projection.db.damaged")).unwrap(), text);
}

#[tokio::test]
async fn a_view_of_somebody_elses_is_named_and_not_dropped_with_the_old_tables() {
    let server = crate::postgres::server();
    let database = server.database();
    let url = server.url("orderstream", "", &database);
    let projection = Projection::open(&url).await.unwrap();
    projection.apply(log()).await.unwrap();
    server.psql(&database, "CREATE VIEW public.mine AS SELECT key FROM orderstream.orders");
    let error = Rebuild::begin(&url).await.unwrap().swap_in().await.unwrap_err();
    let shown = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    let expected =
        "(view mine depends on table orders): error returned from database: cannot drop table orders";
    assert!(shown.contains(expected), "{shown}");
    assert_eq!(server.psql(&database, "SELECT COUNT(*) FROM public.mine"), "2");
    assert_eq!(projection.orders(Default::default()).await.unwrap().rows.len(), 2);
}
