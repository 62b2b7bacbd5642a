//! A PostgreSQL server of the tests' own: made with initdb in a temporary folder, reached by a socket there, gone with the process.
//!
//! Also used by the tests of the queries' plans and of the whole system; none of them uses all of it.
#![allow(dead_code)]
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Where distributions put the server's programs.
const PLACES: &str = "/usr/lib/postgresql";

/// Runs the server until standard input ends, which it does when the test's process ends, whatever ends it. `$1`: the folder of the
/// programs; `$2`: the cluster's; `$3`: what to remove in the end, or nothing.
const KEEPER: &str = r#"
"$1/postgres" -D "$2" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200 >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
[ -z "$3" ] || rm -rf "$3"
"#;

/// A cluster, and its server while it runs.
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    /// Removed by the keeper, since statics are never dropped.
    kept_by_keeper: bool,
    keeper: Option<Child>,
}

/// One for all tests of this process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::make(true))
}

/// The programs of the newest server that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(PLACES).unwrap_or_else(|error| {
        panic!("no PostgreSQL in {PLACES} ({error}): scripts/setup.sh installs it");
    });
    let version = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok())
    };
    let newest =
        versions.map(|entry| entry.unwrap().path()).max_by_key(version).expect("a version of PostgreSQL");
    newest.join("bin")
}

/// What `id` says, where it knows.
fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().expect("id is there");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The server refuses to run as root: then it is run as the user that its package makes, or as nobody.
fn other_user() -> Option<&'static str> {
    (id(&["-u"]).as_deref() == Some("0"))
        .then(|| if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" })
}

fn unprivileged(program: &Path) -> Command {
    let Some(user) = other_user() else { return Command::new(program) };
    let group = id(&["-g", user]).expect("a user has a group");
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).args(["--clear-groups", "--"]);
    command.arg(program);
    command
}

impl Server {
    /// A running one for a single test, which may stop and start it.
    pub fn own() -> Server {
        Server::make(false)
    }

    fn make(kept_by_keeper: bool) -> Server {
        let folder = tempfile::Builder::new().prefix("ospg").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        // Theirs, so that the keeper can remove it.
        let owner = other_user().and_then(|user| id(&["-u", user])?.parse().ok());
        std::os::unix::fs::chown(&folder, owner, None).unwrap();
        let programs = programs();
        // A language whose sequence of texts is not that of their bytes: nothing may rely on the server's.
        let made = unprivileged(&programs.join("initdb"))
            .args(["-U", "orderstream", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en", "-D"])
            .arg(folder.join("cluster"))
            .env("TMPDIR", &folder)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Server { folder, programs, kept_by_keeper, keeper: None };
        server.start();
        server
    }

    fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// Adds a line at the top of the rules of who may come in how; before a restart.
    pub fn rule(&self, line: &str) {
        let path = self.cluster().join("pg_hba.conf");
        let rules = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{line}\n{rules}")).unwrap();
    }

    pub fn start(&mut self) {
        let removed = if self.kept_by_keeper { self.folder.clone() } else { PathBuf::new() };
        let keeper = unprivileged(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([&self.programs, &self.cluster(), &removed])
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        let deadline = Instant::now() + START_WAIT;
        while self.try_psql("postgres", "SELECT 1").is_err() {
            assert!(Instant::now() < deadline, "the server did not start: {}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// At once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.cluster().join("log")).unwrap_or_default()
    }

    /// As an address of the projection; the password is for those whom a rule asks.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@localhost/{database}?host={}", self.cluster().display())
    }

    /// A new, empty database.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// What statements answer, a line per row, columns with `|` between them.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}\n{}", self.log()))
    }

    fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"))
            .args([
                "-X",
                "-A",
                "-t",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "orderstream",
                "-d",
                database,
                "-h",
            ])
            .arg(self.cluster())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        // psql may be gone before it has read; then its answer says why.
        let _ = psql.stdin.take().map(|mut input| input.write_all(sql.as_bytes()));
        let output = psql.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let error = BufReader::new(output.stderr.as_slice()).lines().next();
        Err(error.and_then(Result::ok).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
