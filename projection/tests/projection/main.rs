//! The projection on real databases: every test runs on an SQLite file and on a PostgreSQL server.
mod atomic;
mod beside;
mod connection;
mod counts;
mod follow;
mod hostile;
mod lists;
mod opening;
mod postgres;
mod pruning;
mod rebuilding;
mod rows;
mod story;

use std::path::PathBuf;

use projection::rows::EVENT_TABLES;
use projection::{Applied, Projection};
use serde_json::{Value, json};

/// An empty place for a projection, that lives as long as the test.
pub enum Place {
    Sqlite(tempfile::TempDir),
    /// The name of a database on the server of the tests.
    Postgres(String),
}

impl Place {
    pub fn both() -> [Place; 2] {
        [Place::Sqlite(tempfile::tempdir().unwrap()), Place::Postgres(postgres::server().database())]
    }

    /// An empty one of the same kind.
    pub fn another(&self) -> Place {
        let [sqlite, postgres] = Place::both();
        match self {
            Place::Sqlite(_) => sqlite,
            Place::Postgres(_) => postgres,
        }
    }

    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Place::Sqlite(folder) => Some(folder.path().join("projection.db")),
            Place::Postgres(_) => None,
        }
    }

    pub fn url(&self) -> String {
        match self {
            Place::Sqlite(folder) => format!("sqlite://{}", folder.path().join("projection.db").display()),
            Place::Postgres(database) => postgres::server().url("orderstream", "unused", database),
        }
    }

    pub async fn open(&self) -> Projection {
        Projection::open(&self.url()).await.unwrap()
    }

    /// A projection of these records.
    pub async fn projected(&self, records: Vec<Applied>) -> Projection {
        let projection = self.open().await;
        projection.apply(records).await.unwrap();
        projection
    }

    /// How many polls apart a write is dropped: a database is made for each, and on a server that takes a while.
    pub fn polls_apart(&self) -> usize {
        match self {
            Place::Sqlite(_) => 1,
            Place::Postgres(_) => 3,
        }
    }

    /// Makes the last statement of a batch fail.
    pub fn refuse_positions(&self) -> &'static str {
        match self {
            Place::Sqlite(_) => {
                "CREATE TRIGGER refused BEFORE INSERT ON positions BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
            Place::Postgres(_) => "ALTER TABLE positions ADD CONSTRAINT refused CHECK (topic = 'none')",
        }
    }

    pub fn allow_positions(&self) -> &'static str {
        match self {
            Place::Sqlite(_) => "DROP TRIGGER refused",
            Place::Postgres(_) => "ALTER TABLE positions DROP CONSTRAINT refused",
        }
    }

    /// A statement from outside, on a connection of its own.
    pub async fn execute(&self, sql: &str) {
        match self {
            Place::Sqlite(_) => {
                use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file().unwrap());
                let mut connection = options.connect().await.unwrap();
                connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
                connection.close().await.unwrap();
            }
            Place::Postgres(database) => {
                postgres::server().psql(database, &format!("SET search_path = orderstream; {sql}"));
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Which of the two it was, for whoever reads why a test failed.
        if std::thread::panicking() {
            eprintln!("on {}", if matches!(self, Place::Sqlite(_)) { "SQLite" } else { "PostgreSQL" });
        }
    }
}

/// Runs a test on an empty place of each kind.
pub async fn on_both(test: impl AsyncFn(&Place)) {
    for place in Place::both() {
        test(&place).await;
    }
}

/// All rows of all tables, a line each under the table's name.
pub async fn all_rows(projection: &Projection) -> String {
    let mut text = String::new();
    for table in EVENT_TABLES {
        let lines = projection.lines(table).await.unwrap();
        text.push_str(&format!("-- {table}\n{}\n", lines.join("\n")));
    }
    text
}

/// Everything that can be seen of these orders and of the whole.
pub async fn seen(projection: &Projection, orders: &[&str]) -> Value {
    let mut views = Vec::new();
    for name in orders {
        views.push(projection.order(&story::key(name)).await.unwrap());
        views.last_mut().iter_mut().for_each(|view| assert!(view.is_some(), "order {name}"));
    }
    let summary = projection.summary().await.unwrap();
    let products = projection.products(Default::default()).await.unwrap();
    let cases = projection.cases(Default::default()).await.unwrap();
    let billing = projection.billing_intents(Default::default()).await.unwrap();
    let notifications = projection.notifications(Default::default()).await.unwrap();
    json!({ "orders": views, "summary": summary, "products": products, "cases": cases, "billing": billing,
        "notifications": notifications, "health": projection.downstream_health().await.unwrap(),
        "catalogs": projection.catalog_uses().await.unwrap(), "rows": all_rows(projection).await,
        "positions": format!("{:?}", projection.positions().await.unwrap()) })
}
