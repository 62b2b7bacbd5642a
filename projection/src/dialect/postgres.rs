//! PostgreSQL: one schema of a database that is there.
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool, Row as _};

use super::{Pools, Purpose, READERS_MAX, STATEMENTS_KEPT, Transaction};
use crate::rows::TABLES;

/// Holds the tables. One projection per database: two data directories need two databases.
pub(crate) const SCHEMA: &str = "orderstream";
pub(super) const SCHEMA_REBUILDING: &str = "orderstream_rebuilding";
/// How long a connection is waited for.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a swap waits for those who read the old tables.
const SWAP_LOCK_WAIT: &str = "10s";

/// duplicate_schema, and unique_violation of the catalog, which two at once can meet.
const TAKEN_CODES: [&str; 2] = ["42P06", "23505"];

/// The parameters of an address that are known. The driver logs others with their values, and one of them may be a password with a
/// slip in its name.
const PARAMETERS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];

/// # Errors
/// It is no address, or has a parameter that is not known; neither is shown.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let names = parameters.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
    if names.filter(|name| !name.is_empty()).any(|name| !PARAMETERS.contains(&name)) {
        let message = format!("it has a parameter that is not known; there are {}", PARAMETERS.join(", "));
        return Err(sqlx::Error::Configuration(message.into()));
    }
    PgConnectOptions::from_str(url)
}

pub(super) async fn open(
    options: &PgConnectOptions,
    schema: &'static str,
    purpose: Purpose,
) -> Result<Pools, sqlx::Error> {
    // By hand first: a pool says of a server that is not there only that it took too long.
    let mut connection = connect(options).await?;
    let encoding: String = connection.fetch_one("SHOW server_encoding").await?.try_get(0)?;
    if encoding != "UTF8" {
        let message = format!("its encoding is {encoding}, and any text has to fit in: make one with UTF8");
        return Err(sqlx::Error::Configuration(message.into()));
    }
    let found = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
    if found.fetch_optional(&mut connection).await?.is_none() {
        if purpose == Purpose::Read {
            return Err(sqlx::Error::RowNotFound);
        }
        match connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await {
            // Somebody else opens it at the same time, and was first.
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| TAKEN_CODES.contains(&&*code)) => {}
            created => {
                created?;
            }
        }
    }
    connection.close().await?;
    let options =
        options.clone().disable_statement_logging().statement_cache_capacity(STATEMENTS_KEPT).options([
            ("search_path", schema),
            // A crash of the server may lose the last transactions, rows and positions together: the log has them.
            ("synchronous_commit", "off"),
            // What lists read is in memory or on a flash disk; the server's default is that of a turning one, and makes it read whole
            // tables where an index would find a page.
            ("random_page_cost", "1.1"),
            // Compiling a plan takes longer than any of ours runs.
            ("jit", "off"),
        ]);
    let pool = |connections_max: u32| {
        let pool = PgPoolOptions::new().max_connections(connections_max).acquire_timeout(CONNECT_WAIT);
        pool.connect_lazy_with(options.clone())
    };
    Ok(Pools::Postgres { writer: pool(1), readers: pool(READERS_MAX), options: Box::new(options.clone()) })
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connecting = options.clone().disable_statement_logging();
    match tokio::time::timeout(CONNECT_WAIT, connecting.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

pub(super) async fn snapshot(
    readers: &PgPool,
    options: &PgConnectOptions,
) -> Result<Transaction, sqlx::Error> {
    begin(readers, options, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map(Transaction::Postgres)
}

pub(super) async fn write(writer: &PgPool, options: &PgConnectOptions) -> Result<Transaction, sqlx::Error> {
    let mut transaction = begin(writer, options, "BEGIN").await?;
    // Two writers would both go on from one position; the second waits here, and then sees what the first has written.
    transaction.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()))").await?;
    Ok(Transaction::Postgres(transaction))
}

async fn begin(
    pool: &PgPool,
    options: &PgConnectOptions,
    statement: &'static str,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    match pool.begin_with(statement).await {
        // The pool has no more to say; whoever reads the log wants to know why.
        Err(sqlx::Error::PoolTimedOut) => {
            Err(connect(options).await.err().unwrap_or(sqlx::Error::PoolTimedOut))
        }
        begun => begun,
    }
}

/// What the server says beside its message: which view depends on a table, who holds a lock.
pub(super) fn detail(error: &sqlx::Error) -> Option<String> {
    let sqlx::Error::Database(error) = error else { return None };
    error.try_downcast_ref::<PgDatabaseError>()?.detail().map(str::to_owned)
}

/// No connection, or a server that is starting, stopping, or has no connection left.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["57P", "53", "08"].iter().any(|class| code.starts_with(class)) && code.len() == 5
        }),
        _ => false,
    }
}

pub(super) async fn bytes(readers: &PgPool) -> Result<i64, sqlx::Error> {
    let sql = "SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0)::BIGINT FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'";
    sqlx::query(sql).fetch_one(readers).await?.try_get(0)
}

pub(super) async fn drop_schema(options: &PgConnectOptions, schema: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(options).await?;
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))).await?;
    connection.close().await
}

/// Drops the old tables and gives the new schema their name, in one transaction.
///
/// Without CASCADE: a view of somebody else's that reads our tables is named in the error, and not dropped with them.
pub(super) async fn swap_in(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = connect(options).await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(AssertSqlSafe(format!("SET LOCAL lock_timeout = '{SWAP_LOCK_WAIT}'"))).await?;
    for table in TABLES.iter().chain(&["_sqlx_migrations"]) {
        transaction.execute(AssertSqlSafe(format!("DROP TABLE IF EXISTS {SCHEMA}.{table}"))).await?;
    }
    transaction.execute(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {SCHEMA}"))).await?;
    transaction
        .execute(AssertSqlSafe(format!("ALTER SCHEMA {SCHEMA_REBUILDING} RENAME TO {SCHEMA}")))
        .await?;
    transaction.commit().await?;
    connection.close().await
}
