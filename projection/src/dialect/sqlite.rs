//! SQLite: one file, with its write-ahead log beside it.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqlitePool};

use super::{Pools, Purpose, READERS_MAX, STATEMENTS_KEPT};

/// How long a connection waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a swap waits until nobody else has the old file open.
const SWAP_WAIT: Duration = Duration::from_secs(10);
const SWAP_LOOK_EVERY: Duration = Duration::from_millis(50);

/// The codes that SQLite gives for a file that is none of its, or not whole: SQLITE_CORRUPT and SQLITE_NOTADB.
const DAMAGE_CODES: [i32; 2] = [11, 26];

pub(super) async fn open(options: &SqliteConnectOptions, purpose: Purpose) -> Result<Pools, sqlx::Error> {
    if purpose == Purpose::Read && !options.get_filename().exists() {
        return Err(sqlx::Error::RowNotFound);
    }
    let synchronous = match purpose {
        // A power failure may lose the last transactions, rows and positions together: the log has them.
        Purpose::Write | Purpose::Read => SqliteSynchronous::Normal,
        Purpose::Rebuild => SqliteSynchronous::Off,
    };
    let options = options
        .clone()
        .disable_statement_logging()
        .create_if_missing(purpose != Purpose::Read)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT);
    let readers_options = options.clone().pragma("query_only", "on");
    let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(readers_options);
    let writer = SqlitePoolOptions::new().max_connections(1).before_acquire(|connection, _| {
        // SQLite itself rolls back what a full disk stops; the connection then waits for the end of a transaction that is over, and
        // would refuse to begin another for ever. It makes way for a new one.
        let is_idle = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_idle) })
    });
    let writer = match purpose {
        Purpose::Write | Purpose::Rebuild => writer.connect_with(options).await?,
        Purpose::Read => writer.connect_lazy_with(options),
    };
    Ok(Pools::Sqlite { writer, readers })
}

pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.try_downcast_ref::<sqlx::sqlite::SqliteError>().and_then(|_| error.code());
    // The low byte is the kind, what is above tells its sub-kinds apart.
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| DAMAGE_CODES.contains(&(code & 0xff)))
}

pub(super) async fn bytes(readers: &SqlitePool) -> Result<i64, sqlx::Error> {
    let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    sqlx::query(sql).fetch_one(readers).await?.try_get(0)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn beside(path: &Path) -> PathBuf {
    with_suffix(path, ".rebuilding")
}

/// Removes a database with what lies beside it.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        match std::fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Renames the new file over the old one. Before it, both are brought into the mode without a log beside them: an old log would be
/// taken for the new file's, and what is in the new one's has to be in the file.
pub(super) async fn swap_in(path: &Path) -> Result<(), sqlx::Error> {
    let new = beside(path);
    into_one_file(&new).await?;
    std::fs::File::open(&new)?.sync_all()?;
    if path.exists() {
        match into_one_file(path).await {
            // What is damaged cannot be brought into order, and is what is being replaced.
            Err(error) if is_damage(&error) => remove(path)?,
            other => other?,
        }
    }
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Succeeds only while nobody else has the file open, which is the point too.
async fn into_one_file(path: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let mut connection: SqliteConnection = options.connect().await?;
    let deadline = Instant::now() + SWAP_WAIT;
    loop {
        let changed = sqlx::query("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await;
        match changed.and_then(|row| row.try_get::<String, _>(0)) {
            Ok(mode) if mode == "delete" => return connection.close().await,
            Err(error) if is_damage(&error) || Instant::now() > deadline => return Err(error),
            Ok(_) if Instant::now() > deadline => return Err(sqlx::Error::PoolTimedOut),
            Ok(_) | Err(_) => tokio::time::sleep(SWAP_LOOK_EVERY).await,
        }
    }
}
