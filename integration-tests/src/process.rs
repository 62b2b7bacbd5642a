//! The real binary on a data directory of its own, as an operator uses it.
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a start and a stop may take before they count as hanging.
const START_WAIT: Duration = Duration::from_secs(60);
const STOP_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// In which Linux counts CPU for those who ask (USER_HZ).
const TICKS_PER_SECOND: u64 = 100;
/// How much of a service's log is shown where its test fails.
const LINES_SHOWN_MAX: usize = 60;

/// The root of the repository: shipped files are named from there.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in the workspace")
}

/// `orderstream`, as `ORDERSTREAM_BIN` names it, or beside the tests.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    test.parent().and_then(Path::parent).expect("tests lie below the binary").join("orderstream")
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Said {
    /// Standard output as JSON, of a command that ended with this code.
    ///
    /// # Panics
    /// It ended otherwise, or did not print JSON.
    #[track_caller]
    pub fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// # Panics
    /// It ended otherwise.
    #[track_caller]
    pub fn ended(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A command of the binary, from the root, on a data directory.
pub fn orderstream(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(root()).arg("--data-dir").arg(data_dir).args(arguments).stdin(Stdio::null());
    // Several run at a time: none of them listens.
    command.env("ORDERSTREAM__GATEWAY__LISTEN", "");
    command
}

/// The same, to its end.
pub fn run(data_dir: &Path, arguments: &[&str]) -> Said {
    orderstream(data_dir, arguments).output().expect("the binary is built before").into()
}

/// Memory of a process that is in RAM.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub now_bytes: u64,
    /// The most that it had at any time.
    pub peak_bytes: u64,
}

/// A service that runs; killed when it is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    data_dir: PathBuf,
    log: PathBuf,
}

impl Service {
    /// Starts `command` (`orderstream(..., &["run"])`, with what the test adds) and waits until it answers.
    ///
    /// # Panics
    /// It ends, or does not answer in time.
    #[track_caller]
    pub fn start(mut command: Command, data_dir: &Path) -> Service {
        // Beside the data directory: that may be full, or not there yet.
        let log = data_dir.with_extension("log");
        let file = std::fs::File::options().create(true).append(true).open(&log).expect("log of the service");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        let child = child.expect("the binary is built before");
        let mut service = Service { child, data_dir: data_dir.to_owned(), log };
        let deadline = Instant::now() + START_WAIT;
        while run(data_dir, &["status"]).out.starts_with("not running") {
            let ended = service.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the service ended instead of starting: {}", service.said());
            assert!(Instant::now() < deadline, "the service did not start within {START_WAIT:?}");
            std::thread::sleep(LOOK_EVERY);
        }
        service
    }

    /// As an operator starts it.
    #[track_caller]
    pub fn run(data_dir: &Path) -> Service {
        Service::start(orderstream(data_dir, &["run"]), data_dir)
    }

    /// What it has logged so far, this and earlier ones on the directory.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it politely; gives its exit code.
    ///
    /// # Panics
    /// It does not end in time.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + STOP_WAIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "the service did not stop within {STOP_WAIT:?}: {}",
                self.said()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends it as a crash does, also where it is held.
    ///
    /// # Panics
    /// It had ended by itself: then nothing was killed, whatever the test is about.
    #[track_caller]
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        let status = self.child.wait().expect("it is our child");
        let killed = Some(Signal::SIGKILL as i32);
        assert_eq!(status.signal(), killed, "it had ended by itself: {}", self.said());
    }

    /// Holds it: it hears nothing, and does nothing, as on a machine that hangs.
    pub fn hold(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a held one go on where it was.
    pub fn release(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it has in memory.
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn resident(&self) -> Resident {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            number.unwrap_or_else(|| panic!("no {name} of a process that has ended: {}", self.said())) * 1_024
        };
        Resident { now_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:") }
    }

    /// CPU that it has used, of all its threads.
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        // See proc(5): utime and stime are 14 and 15, and what may have spaces in it is 2.
        let behind_name = stat.rsplit(')').next().expect("its name ends");
        let ticks = |field: usize| behind_name.split_whitespace().nth(field - 3)?.parse::<u64>().ok();
        let ticks = ticks(14).zip(ticks(15)).map(|(user, system)| user + system).expect("they are numbers");
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    /// Lets the peak of its memory begin anew, from what it has now.
    ///
    /// # Panics
    /// It has ended.
    pub fn forget_peak(&self) {
        // See proc(5): 5 resets the peak.
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("it runs, and is ours");
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("ids of processes are small");
        kill(Pid::from_raw(id), signal).expect("it is our child, and was not waited for");
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n");
            eprintln!("the end of what the service on {} said:\n{last}", self.data_dir.display());
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An order of the shipped scenarios, under another number; its key is `PARTNER-7/externalId/NUMBER`.
pub fn order(number: &str) -> String {
    let file = root().join("integration-tests/scenarios/000-happy-path.toml");
    let text = std::fs::read_to_string(file).expect("the scenario is shipped");
    let scenario: toml::Table = text.parse().expect("the scenario is TOML");
    let document = scenario["when"][0]["submit"].as_str().expect("the scenario submits an order");
    document.replace("H-001", number)
}

/// Submits orders of these numbers, in one go.
pub fn submit(data_dir: &Path, numbers: &[&str]) -> Said {
    let file = data_dir.with_extension(format!("{}.ndjson", numbers.join("-")));
    // One document per line.
    let document = |number: &&str| {
        let document: Value = serde_json::from_str(&order(number)).expect("the order is JSON");
        document.to_string()
    };
    let documents: Vec<String> = numbers.iter().map(document).collect();
    std::fs::write(&file, documents.join("\n")).expect("the folder can be written");
    run(data_dir, &["submit", &file.display().to_string()])
}

/// Asks until it is so.
///
/// # Panics
/// It is not so within `wait`.
#[track_caller]
pub fn until(wait: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + wait;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {wait:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How many orders are in this state.
pub fn orders_in(data_dir: &Path, state: &str) -> usize {
    let said = run(data_dir, &["order", "list", "--state", state, "--limit", "1000", "--json"]);
    let page: Value = serde_json::from_str(&said.out).unwrap_or_default();
    page["rows"].as_array().map_or(0, Vec::len)
}

/// A folder with all that is below it; sockets are left out.
///
/// # Panics
/// It cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the copy can be made");
    for entry in std::fs::read_dir(from).expect("the original is there") {
        let entry = entry.expect("the original can be read");
        let kind = entry.file_type().expect("the original can be read");
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).expect("the original can be read");
        }
    }
}
