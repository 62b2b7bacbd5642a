//! Opening: what is made, brought up to date, or refused, in one line each.
use domain::OrderKey;
use domain::order::event::OrderEvent;
use projection::query::OrderFilter;
use projection::{Error, Projection, schema_version};
use sqlx::migrate::Migrator;

use crate::postgres::Server;
use crate::story::{self, order_records};
use crate::{Place, all_rows, on_both, seen};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// An error with its causes, in one line.
fn line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_one_line() {
    on_both(async |place| {
        place.open().await.close().await;
        let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        place.execute(later).await;
        let known = schema_version();
        let expected = format!(
            "the database was written by a newer version (its tables are at 9999, this version knows up to {known})"
        );
        assert_eq!(line(&Projection::open(&place.url()).await.unwrap_err()), expected);
        assert_eq!(line(&Projection::open_existing(&place.url()).await.unwrap_err()), expected);
    })
    .await;
}

/// Takes a database back to the tables of version 1, as an older program left it.
async fn age(place: &Place) {
    let mut back = String::from(
        "DROP TABLE log_ends; DROP TABLE pruned; DROP TABLE billing_intents; DROP TABLE notifications; DROP TABLE downstream_health; ",
    );
    back.push_str(
        "ALTER TABLE positions DROP COLUMN applied_at; DELETE FROM _sqlx_migrations WHERE version > 1; ",
    );
    for (table, indexes) in [
        ("orders", &["external_id ON orders (external_id)", "stuck_since ON orders (stuck_since)"][..]),
        (
            "cases",
            &[
                "order ON cases (order_key)",
                "class ON cases (is_open, domain, recoverability, normalized_code)",
            ][..],
        ),
        ("products", &["customer ON products (customer, id)", "order ON products (order_key, id)"][..]),
    ] {
        for index in indexes {
            let name = index.split(' ').next().unwrap();
            back.push_str(&format!(
                "DROP INDEX IF EXISTS {table}_by_{name}; CREATE INDEX {table}_by_{index}; "
            ));
        }
    }
    for index in [
        "orders_stuck",
        "orders_in_fallout",
        "orders_open_by_catalog",
        "orders_by_catalog",
        "cases_by_severity",
        "cases_by_domain",
        "cases_by_recoverability",
        "cases_by_normalized_code",
        "cases_by_owner_group",
        "cases_by_failure_system",
        "products_by_state",
        "products_by_offering",
    ] {
        back.push_str(&format!("DROP INDEX {index}; "));
    }
    place.execute(&back).await;
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_with_its_rows_and_looking_at_it_does_not() {
    on_both(async |place| {
        let records = order_records(0, story::whole(&story::key("7")));
        let projection = place.projected(records.clone()).await;
        let before = seen(&projection, &["7"]).await;
        projection.close().await;
        age(place).await;
        let error = line(&Projection::open_existing(&place.url()).await.unwrap_err());
        let expected = "the tables of the projection are at 1 and this version reads 3; the service brings them up to date when it starts";
        assert_eq!((error.as_str(), MIGRATIONS.iter().count()), (expected, 3));
        let migrated = place.open().await;
        let mut after = seen(&migrated, &["7"]).await;
        // The older version did not note when the log had it; the next record does.
        let noted = "\"appliedAt\":null";
        assert!(after["rows"].as_str().unwrap().contains(noted), "{}", after["rows"]);
        after["rows"] = before["rows"].clone();
        assert_eq!(after, before);
        migrated.apply(order_records(records.len() as i64, story::whole(&story::key("8")))).await.unwrap();
        assert!(!seen(&migrated, &["7", "8"]).await["rows"].as_str().unwrap().contains(noted));
    })
    .await;
}

#[tokio::test]
async fn orders_of_an_older_database_get_the_external_id_that_the_same_events_give_now() {
    on_both(async |place| {
        let reference = "100 %/h%2F\u{1F4A9}";
        let keys = [
            OrderKey::from_reference("a/b", "POnumber", reference),
            OrderKey::from_reference("", "", ""),
            OrderKey::from_reference("TMF", "POnumber", "456"),
            OrderKey::from("of-their-own"),
            OrderKey::from("a/b"),
            OrderKey::from("a/b/c/d"),
        ];
        let mut events: Vec<OrderEvent> = keys.iter().flat_map(story::until_planned).collect();
        for event in &mut events {
            if let OrderEvent::OrderCaptured(event) = event {
                event.order.external_id = None;
            } else if let OrderEvent::OrderValidated(event) = event {
                event.order.external_id = None;
            } else if let OrderEvent::OrderDecomposed(event) = event {
                event.order.external_id = None;
            }
        }
        events.extend(story::until_planned(&story::key("7")));
        let projection = place.projected(order_records(0, events)).await;
        let named = OrderFilter { external_id: Some(reference.to_owned()), ..Default::default() };
        assert_eq!(projection.orders(named).await.unwrap().rows[0].key, keys[0]);
        let before = all_rows(&projection).await;
        projection.close().await;
        let back = "UPDATE orders SET external_id = NULL WHERE external_id <> 'PO-7'; DELETE FROM _sqlx_migrations WHERE version > 2";
        place.execute(back).await;
        assert_eq!(all_rows(&place.open().await).await, before);
    })
    .await;
}

#[tokio::test]
async fn looking_creates_nothing() {
    on_both(async |place| {
        let error = Projection::open_existing(&place.url()).await.unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error:?}");
        if let Some(file) = place.file() {
            assert!(!file.exists());
        }
        place.open().await.close().await;
        let existing = Projection::open_existing(&place.url()).await.unwrap();
        assert_eq!(existing.orders(Default::default()).await.unwrap().rows, []);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_database_or_a_damaged_one_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("projection.db");
    let url = format!("sqlite://{}", path.display());
    let expected = format!(
        "the projection \"{}\" is damaged; `orderstream projection rebuild` makes it anew from the log",
        path.display()
    );
    std::fs::write(
        &path,
        "this is a text and no database, and long enough to be looked at by whoever opens it",
    )
    .unwrap();
    for opened in [Projection::open(&url).await, Projection::open_existing(&url).await] {
        let error = opened.unwrap_err();
        assert!(error.is_damage() && !error.is_passing());
        assert_eq!(error.to_string(), expected);
    }
    // Whole at its beginning, and cut off: what is missing is noticed by whoever comes to it.
    std::fs::remove_file(&path).unwrap();
    let projection = Projection::open(&url).await.unwrap();
    projection.apply(order_records(0, story::whole(&story::key("7")))).await.unwrap();
    projection.close().await;
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = match Projection::open(&url).await {
        Err(error) => error,
        Ok(opened) => opened.apply(order_records(100, story::whole(&story::key("8")))).await.unwrap_err(),
    };
    assert!(error.is_damage(), "{error:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_and_no_error_shows_a_password() {
    let urls = [
        "postgres://u:verysecret@/d?host=/nowhere/at/all",
        "postgres://u:very/secret@h/d",
        "postgres://u:verysecret@h:notaport/d",
        "postgres://u:verysecret@h/d?sslmode=none",
        "postgres://u@h/d?pasword=verysecret",
        "mysql://u:verysecret@h/d",
        "postgres//u:verysecret@h",
        "verysecret@h",
        "",
    ];
    for url in urls {
        for opened in [Projection::open(url).await, Projection::open_existing(url).await] {
            let error = opened.unwrap_err();
            let shown = format!("{error:?} {}", line(&error));
            let hidden = if url == "verysecret@h" { "@h\"" } else { "secret" };
            assert!(!shown.contains(hidden), "{url}: {shown}");
        }
    }
    let error = line(&Projection::open("sqlite::memory:").await.unwrap_err());
    assert_eq!(error, "the database \"sqlite::memory:\" would be gone with its connection; name a file");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown_and_the_right_one_opens() {
    let mut server = Server::own();
    let database = server.database();
    server.psql(
        "postgres",
        &format!(
            "CREATE ROLE guarded LOGIN PASSWORD 'rightsecret'; GRANT CREATE ON DATABASE {database} TO guarded"
        ),
    );
    server.rule("local all guarded scram-sha-256");
    server.stop();
    server.start();
    let error = Projection::open(&server.url("guarded", "wrongsecret", &database)).await.unwrap_err();
    assert!(!error.is_passing());
    let shown = format!("{error:?} {}", line(&error));
    assert!(shown.contains("password authentication failed for user \"guarded\""), "{shown}");
    assert!(!shown.contains("wrongsecret"), "{shown}");
    let projection = Projection::open(&server.url("guarded", "rightsecret", &database)).await.unwrap();
    assert!(projection.place().starts_with("postgres://guarded@/"), "{}", projection.place());
    assert!(!format!("{projection:?}").contains("secret"));
    projection.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_any_text_is_refused() {
    let server = crate::postgres::server();
    let name = server.database();
    server.psql("postgres", &format!("CREATE DATABASE {name}_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"));
    let error =
        line(&Projection::open(&server.url("orderstream", "", &format!("{name}_ascii"))).await.unwrap_err());
    assert!(
        error.contains("its encoding is SQL_ASCII, and any text has to fit in: make one with UTF8"),
        "{error}"
    );
}
