//! SQLite: one file, with its write-ahead log beside it.
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
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

/// What the writer keeps of the file, in KiB as SQLite counts it. Less than a batch changes would be written twice.
const WRITER_CACHE: &str = "-8192";
/// After so many pages of 4 KiB the log beside the file is worked into it: most pages change again soon, and are then written once.
const CHECKPOINT_PAGES: &str = "8192";

/// No database of SQLite is shorter than its smallest page.
const PAGE_BYTES_MIN: u64 = 512;

/// The codes that SQLite gives for a file that is none of its, or not whole: SQLITE_CORRUPT and SQLITE_NOTADB.
const DAMAGE_CODES: [i32; 2] = [11, 26];

pub(super) async fn open(options: &SqliteConnectOptions, purpose: Purpose) -> Result<Pools, sqlx::Error> {
    if purpose == Purpose::Read && !options.get_filename().exists() {
        return Err(sqlx::Error::RowNotFound);
    }
    if purpose == Purpose::Read {
        let (looking, is_frozen) = looking(options, may_write(options.get_filename()));
        let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(looking);
        return Ok(Pools::Sqlite { writer: readers.clone(), readers, is_frozen });
    }
    let synchronous = match purpose {
        // A power failure may lose the last transactions, rows and positions together: the log has them.
        Purpose::Write | Purpose::Read => SqliteSynchronous::Normal,
        Purpose::Rebuild => SqliteSynchronous::Off,
    };
    let options = options
        .clone()
        .disable_statement_logging()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT);
    let readers_options = options.clone().pragma("query_only", "on");
    let options = options.pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(readers_options);
    let writer = SqlitePoolOptions::new().max_connections(1).before_acquire(|connection, _| {
        // SQLite itself rolls back what a full disk stops; the connection then waits for the end of a transaction that is over, and
        // would refuse to begin another for ever. It makes way for a new one.
        let is_idle = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_idle) })
    });
    Ok(Pools::Sqlite { writer: writer.connect_with(options).await?, readers, is_frozen: false })
}

/// Asked for, and not tried: whoever closes a file gives up all locks that its process has on it, SQLite's too. Then the next outsider to
/// close the database would be the last to have it open, and take its log away from under a running service.
fn may_write(path: &Path) -> bool {
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

/// For whoever changes nothing, and may perhaps not; and whether what is written from now on stays unseen.
fn looking(options: &SqliteConnectOptions, may_write: bool) -> (SqliteConnectOptions, bool) {
    let path = options.get_filename();
    let options = options
        .clone()
        .disable_statement_logging()
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .pragma("query_only", "on");
    if may_write {
        // The last to close the file clears away what lies beside it, and only who may write can do so.
        return (options, false);
    }
    // Where nothing lies beside it SQLite would make that, even to look. Nobody has the file open then; whoever opens it afterwards
    // writes unseen, since what is taken for immutable is not asked for changes.
    let is_closed = !with_suffix(path, "-wal").exists();
    (options.read_only(true).immutable(is_closed), is_closed)
}

/// Whether there is no file, or an empty one, or a whole database that is empty or a projection.
pub(super) async fn is_free_or_ours(path: &Path) -> Result<bool, sqlx::Error> {
    // Told by its length: SQLite takes a short file of anything for an empty database. Not by its beginning, as `may_write` says.
    match std::fs::metadata(path) {
        Ok(found) if found.len() == 0 => return Ok(true),
        Ok(found) if found.len() < PAGE_BYTES_MIN => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    let (looking, _) = looking(&SqliteConnectOptions::new().filename(path), may_write(path));
    let mut connection = looking.connect().await?;
    let sql = "SELECT COUNT(*), COALESCE(SUM(name IN ('positions', 'orders', '_sqlx_migrations')), 0) \
               FROM sqlite_master WHERE type = 'table'";
    let counted = sqlx::query(sql).fetch_one(&mut connection).await;
    connection.close().await?;
    match counted {
        Ok(row) => Ok(row.try_get::<i64, _>(0)? == 0 || row.try_get::<i64, _>(1)? == 3),
        Err(error) if is_damage(&error) => Ok(false),
        Err(error) => Err(error),
    }
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

/// What is not whole stays for whoever wants to look into it; what was put aside before does not. Gives where it is now.
fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = with_suffix(path, ".damaged");
    std::fs::rename(path, &aside)?;
    remove(path)?;
    Ok(aside)
}

/// Renames the new file over the old one. Before it, both are brought into the mode without a log beside them: an old log would be
/// taken for the new file's, and what is in the new one's has to be in the file.
///
/// Gives where a file that was not whole is now.
pub(super) async fn swap_in(path: &Path) -> Result<Option<PathBuf>, sqlx::Error> {
    let new = beside(path);
    let mut aside = None;
    into_one_file(&new).await?;
    std::fs::File::open(&new)?.sync_all()?;
    if path.exists() {
        match into_one_file(path).await {
            // What is damaged cannot be brought into order, and may be a file of somebody's that was named by mistake.
            Err(error) if is_damage(&error) => aside = Some(put_aside(path)?),
            other => other?,
        }
    }
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(aside)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_has_open_is_frozen_for_those_who_may_not_write_and_lives_once_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("projection.db"));
        let count = async |options: SqliteConnectOptions| {
            let mut connection = options.connect().await.unwrap();
            let counted = sqlx::query("SELECT COUNT(*) FROM t").fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            counted.get::<i64, _>(0)
        };
        let opened = async || match open(&options, Purpose::Write).await.unwrap() {
            Pools::Sqlite { writer, is_frozen: false, .. } => writer,
            Pools::Sqlite { .. } | Pools::Postgres { .. } => panic!("a file that is written lives"),
        };
        let first = opened().await;
        sqlx::query("CREATE TABLE t (id BIGINT)").execute(&first).await.unwrap();
        first.close().await;
        let (as_it_was, is_frozen) = looking(&options, false);
        assert!(is_frozen && count(as_it_was).await == 0);
        assert!(!looking(&options, true).1);
        let service = opened().await;
        sqlx::query("INSERT INTO t VALUES (1)").execute(&service).await.unwrap();
        let (opened_anew, is_frozen) = looking(&options, false);
        assert!(!is_frozen && count(opened_anew).await == 1);
        service.close().await;
    }
}
