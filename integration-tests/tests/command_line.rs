//! Wrong command lines, wrong files and wrong surroundings, over the real binary: it says in one line what is wrong, ends with the code
//! that says whose fault it is, and has done nothing by halves.
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cli::exit::{DONE, FAILED, REFUSED, USAGE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Stands for the test's own folder, in arguments and in files.
const HERE: &str = "{here}";
/// The longest that any of these commands may take: none of them has anything to wait for.
const COMMAND_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

/// A folder with a good configuration, whose data directory does not exist yet.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Site {
        let site = Site(tempfile::Builder::new().prefix("orderstream-cli-").tempdir().unwrap());
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config/catalog");
        site.write(
            "good.toml",
            &format!(
                "[node]\ndata_dir = \"{HERE}/data\"\n[catalog]\ndirectory = {catalog:?}\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"error\"\n"
            ),
        );
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn filled(&self, text: &str) -> String {
        text.replace(HERE, &self.0.path().display().to_string())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), self.filled(text)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments.iter().map(|argument| self.filled(argument)));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// The service with the good configuration, once it answers on its socket.
    fn started(&self) -> Running {
        let mut command = self.command(&["--config", "{here}/good.toml", "run"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + COMMAND_WAIT;
        while std::os::unix::net::UnixStream::connect(self.path("data/control.sock")).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "the service ended instead of starting");
            assert!(Instant::now() < deadline, "the service did not start");
            std::thread::sleep(LOOK_EVERY);
        }
        Running(child)
    }
}

/// Killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs it to its end; what takes too long is killed, and fails.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (ended, waited) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = ended.send(child.wait_with_output());
    });
    let Ok(output) = waited.recv_timeout(COMMAND_WAIT) else {
        kill(pid, Signal::SIGKILL).unwrap();
        panic!("{command:?} did not end within {COMMAND_WAIT:?}");
    };
    waiting.join().unwrap();
    output.unwrap()
}

/// What one wrong command came to, where that is not what it must come to.
fn judged(output: &Output, exit: u8, says: &str) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().count();
    let one_line = lines == usize::from(exit != DONE);
    let code = output.status.code();
    if code == Some(i32::from(exit)) && one_line && said.contains(says) && !said.contains("panicked") {
        return Ok(());
    }
    Err(format!(
        "expected exit {exit} and one line with \"{says}\", found {code:?} (signal {:?}):\n{said}",
        output.status.signal()
    ))
}

/// Arguments, exit code, what the line says. Nothing of it may make the data directory.
#[rustfmt::skip]
const WRONG: &[(&[&str], u8, &str)] = &[
    (&["frobnicate"],                                                   USAGE,  "unrecognized subcommand"),
    (&["run", "--workers", "3"],                                        USAGE,  "--workers"),
    (&["submit"],                                                       USAGE,  "FILE"),
    (&["order", "list", "--limit", "-1"],                               USAGE,  "-1"),
    (&["order", "list", "--limit", "1e3"],                              USAGE,  "--limit"),
    (&["order", "list", "--state", "lost"],                             USAGE,  "inProgress"),
    (&["order", "list", "--format", "tmf641", "--tmf-version", "5"],    USAGE,  "version 4 alone"),
    (&["dlq", "list", "--since", "abc"],                                USAGE,  "neither a span of time"),
    (&["dlq", "show", "abc"],                                           USAGE,  "3:17"),
    (&["dlq", "replay", "--all", "--where", "foo"],                     USAGE,  "topic=NAME"),
    (&["submit", "--media-type", "avro", "{here}/order.json"],          USAGE,  "application/json"),
    (&["catalog", "try", "--media-type", "text/plain", "{here}/order.json"], USAGE, "application/json"),
    (&["submit", "--timeout", "1s", "{here}/order.json"],               USAGE,  "--wait"),
    (&["-c", "{here}/good.toml", "submit", "--request-id", "r", "{here}/order.json", "{here}/order.json"], USAGE, "2 documents"),
    (&["demo", "--orders", "0"],                                        USAGE,  "--orders"),
    (&["demo", "--faults", "NaN"],                                      USAGE,  "--faults"),
    (&["demo", "--seed", "99999999999999999999999"],                    USAGE,  "--seed"),
    (&["-c", "{here}/no-such.toml", "run"],                             FAILED, "no-such.toml"),
    (&["-c", "{here}", "run"],                                          FAILED, "could not read"),
    (&["-c", "{here}/binary.toml", "run"],                              FAILED, "binary.toml"),
    (&["-c", "{here}/broken.toml", "run"],                              FAILED, "broken.toml"),
    (&["-c", "{here}/other-ini.conf", "run"],                           FAILED, "other-ini.conf"),
    (&["-c", "{here}/other-toml.toml", "run"],                          FAILED, "other-toml.toml"),
    (&["-c", "{here}/other.json", "run"],                               FAILED, "other.json"),
    (&["-c", "{here}/types.toml", "run"],                               FAILED, "types.toml"),
    (&["-c", "{here}/range.toml", "run"],                               FAILED, "partitions"),
    (&["-c", "{here}/level.toml", "run"],                               FAILED, "level"),
    (&["-c", "{here}/no-catalog.toml", "run"],                          FAILED, "no-such-catalog"),
    (&["-c", "{here}/empty-catalog.toml", "run"],                       FAILED, "empty"),
    (&["-c", "{here}/catalog-of-pipes.toml", "run"],                    FAILED, "pipe.toml"),
    (&["-c", "{here}/catalog-not-text.toml", "run"],                    FAILED, "not-text.toml"),
    (&["-c", "{here}/good.toml", "submit", "{here}/no-such.json"],      FAILED, "no-such.json"),
    (&["-c", "{here}/good.toml", "topology", "show"],                   FAILED, "there is no log in"),
    (&["-c", "{here}/good.toml", "topology", "apply"],                  FAILED, "there is no log in"),
    (&["-c", "{here}/good.toml", "verify"],                             FAILED, "there is no log in"),
    (&["-c", "{here}/good.toml", "run", "--listen", "rubbish"],         USAGE,  "--listen: gateway.listen is \"rubbish\", expected an IP address"),
    (&["topology", "apply", "--check", "--drain"],                      USAGE,  "--drain"),
    (&["-c", "{here}/good.toml", "submit", "{here}"],                   FAILED, "could not read"),
    (&["-c", "{here}/good.toml", "submit", "{here}/empty"],             FAILED, "no document"),
    (&["-c", "{here}/good.toml", "submit", "-"],                        FAILED, "no document"),
    (&["-c", "{here}/good.toml", "submit", "{here}/loop"],              FAILED, "loop"),
    (&["-c", "{here}/good.toml", "submit", "{here}/good.toml/x.json"],  FAILED, "x.json"),
    (&["-c", "{here}/good.toml", "submit", "/proc/self/mem"],           FAILED, "could not read"),
    (&["-c", "{here}/good.toml", "submit", "/dev/zero"],                FAILED, "larger than"),
    (&["-c", "{here}/good.toml", "submit", "{here}/page.html"],         REFUSED, "DocumentUnreadable"),
    (&["-c", "{here}/good.toml", "topics", "list"],                     FAILED, "no log"),
    (&["-c", "{here}/good.toml", "submit", "--media-type", "application/vnd.apache.avro+binary", "{here}/page.html"], FAILED, "Avro"),
    (&["-c", "{here}/good.toml", "submit", "--media-type", "application/json;profile=tmf622-v3", "{here}/order.json"], REFUSED, "v3"),
    (&["-c", "{here}/good.toml", "order", "list"],                      FAILED, "no data directory"),
    (&["-c", "{here}/good.toml", "order", "show", "x"],                 FAILED, "no data directory"),
];

fn furnish(site: &Site) {
    std::fs::write(site.path("binary.toml"), b"\x7fELF\x02\x01\x01\0\0\xff\xfe").unwrap();
    site.write("broken.toml", "[node\ndata_dir = \n");
    site.write("other-ini.conf", "[mysqld]\nport = 3306\ndatadir = /var/lib/mysql\n");
    site.write("other-toml.toml", "[package]\nname = \"serde\"\nversion = \"1.0.0\"\n");
    site.write("other.json", "{\"node\": {\"data_dir\": \"x\"}}\n");
    site.write("types.toml", "[log]\npartitions = \"eight\"\n");
    site.write("range.toml", "[log]\npartitions = 0\n");
    let catalog = |directory: &str| {
        format!(
            "[node]\ndata_dir = \"{HERE}/data\"\n[catalog]\ndirectory = \"{HERE}/{directory}\"\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"error\"\n"
        )
    };
    site.write(
        "level.toml",
        "[node]\ndata_dir = \"{here}/data\"\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"loud,,=\"\n",
    );
    site.write("no-catalog.toml", &catalog("no-such-catalog"));
    site.write("empty-catalog.toml", &catalog("empty-folder"));
    site.write("catalog-of-pipes.toml", &catalog("pipes"));
    site.write("catalog-not-text.toml", &catalog("not-text"));
    std::fs::create_dir_all(site.path("empty-folder")).unwrap();
    std::fs::create_dir_all(site.path("pipes")).unwrap();
    nix::unistd::mkfifo(&site.path("pipes/pipe.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::create_dir_all(site.path("not-text")).unwrap();
    std::fs::write(site.path("not-text/not-text.toml"), b"version = \"\xff\"").unwrap();
    site.write("empty", "");
    site.write("page.html", "<!DOCTYPE html>");
    site.write("order.json", "{\"externalId\": \"1\", \"productOrderItem\": [{\"id\": \"1\"}]}");
    std::os::unix::fs::symlink(site.path("loop"), site.path("loop")).unwrap();
}

#[test]
fn whatever_is_wrong_is_said_in_one_line_and_nothing_is_done_by_halves() {
    let site = Site::new();
    furnish(&site);
    let mut failed = Vec::new();
    for (arguments, exit, says) in WRONG {
        let output = run(&mut site.command(arguments));
        if let Err(error) = judged(&output, *exit, says) {
            failed.push(format!("{}: {error}", arguments.join(" ")));
        }
        if !output.stdout.is_empty() {
            failed.push(format!("{}: wrote to standard output", arguments.join(" ")));
        }
        for made in ["data", "data/log"] {
            if site.path(made).exists() {
                failed.push(format!("{}: made \"{made}\"", arguments.join(" ")));
                std::fs::remove_dir_all(site.path("data")).unwrap();
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), WRONG.len(), failed.join("\n"));
}

/// Settings, what is put below the folder before, arguments, and what the line says; exit 1 each.
type Surroundings = (&'static str, fn(&Site), &'static [&'static str], &'static str);

const GOOD: &[&str] = &["-c", "{here}/good.toml", "run"];

#[rustfmt::skip]
const SURROUNDINGS: &[Surroundings] = &[
    ("a file where the data directory belongs", |site| site.write("data", "x"), GOOD, "data"),
    ("a folder where the socket belongs", |site| std::fs::create_dir_all(site.path("data/control.sock/x")).unwrap(), GOOD, "control.sock"),
    ("a file where the log belongs", |site| site.write("data/log", "x"), GOOD, "log"),
    ("damaged data", |site| site.write("data/log/store/CURRENT", "rubbish"), GOOD, "damaged"),
    ("a folder where the projection belongs", |site| std::fs::create_dir_all(site.path("data/projection.sqlite")).unwrap(), &["-c", "{here}/good.toml", "order", "list"], "projection"),
    ("a projection that is no database", |site| site.write("data/projection.sqlite", &"rubbish".repeat(1_000)), &["-c", "{here}/good.toml", "order", "list"], "projection"),
    ("a data directory that nobody may make", |_| (), &["-c", "{here}/good.toml", "--data-dir", "/proc/orderstream", "run"], "/proc/orderstream"),
    ("a scenario of another program", |site| { site.write("scenario.toml", "[package]\nname = \"x\"\n"); site.write("good.toml", &format!("{}[downstream]\nscenario = \"{HERE}/scenario.toml\"\n", std::fs::read_to_string(site.path("good.toml")).unwrap())); }, GOOD, "scenario.toml"),
    ("a projection of a database that is not known", |site| site.write("good.toml", &format!("{}[projection]\nurl = \"mysql://x/y\"\n", std::fs::read_to_string(site.path("good.toml")).unwrap())), &["-c", "{here}/good.toml", "order", "list"], "mysql"),
];

#[test]
fn surroundings_that_cannot_work_are_told_in_one_line() {
    let mut failed = Vec::new();
    for (name, prepare, arguments, says) in SURROUNDINGS {
        let site = Site::new();
        prepare(&site);
        if let Err(error) = judged(&run(&mut site.command(arguments)), FAILED, says) {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), SURROUNDINGS.len(), failed.join("\n"));
}

#[test]
fn a_data_directory_in_use_is_left_to_the_one_that_uses_it() {
    let site = Site::new();
    let mut first = site.started();
    judged(&run(&mut site.command(GOOD)), FAILED, "in use").unwrap();
    assert!(site.path("data/control.sock").exists(), "the socket of the first is still there");
    for what in ["order", "topics"] {
        let output = run(&mut site.command(&["-c", "{here}/good.toml", what, "list"]));
        assert_eq!(output.status.code(), Some(i32::from(DONE)), "{what}: looking goes on beside it");
    }
    let misspelt = ["-c", "{here}/good.toml", "dlq", "list", "--topic", "orderstream.feedbak"];
    judged(&run(&mut site.command(&misspelt)), REFUSED, "did you mean \"orderstream.feedback\"?").unwrap();
    assert!(first.0.try_wait().unwrap().is_none(), "the first goes on");
}

#[test]
fn a_variable_of_the_environment_that_is_wrong_is_named() {
    let site = Site::new();
    for (name, value) in [("ORDERSTREAM__LOG__PARTITIONS", "many"), ("ORDERSTREAM__LOG__KIND", "tape")] {
        let output = run(site.command(GOOD).env(name, value));
        judged(&output, FAILED, value).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(!site.path("data").exists());
}

#[test]
fn arguments_that_are_no_text_are_refused_as_such() {
    let site = Site::new();
    let not_text = OsString::from_vec(b"\xff\xfe".to_vec());
    let output = run(site.command(&["-c", "{here}/good.toml", "order", "show"]).arg(&not_text));
    judged(&output, USAGE, "UTF-8").unwrap();
    // A file may have any name.
    let output = run(site.command(&["-c", "{here}/good.toml", "submit"]).arg(&not_text));
    judged(&output, FAILED, "could not read").unwrap();
}

/// A pipe with a writer is a file like another.
#[test]
fn a_document_may_come_through_a_pipe() {
    let site = Site::new();
    let pipe = site.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::File::options().write(true).open(pipe).unwrap().write_all(b"{\"half\": ").unwrap()
    });
    let output = run(&mut site.command(&["-c", "{here}/good.toml", "submit", "{here}/pipe"]));
    writer.join().unwrap();
    judged(&output, REFUSED, "DocumentUnreadable").unwrap();
    assert!(!site.path("data").exists());
}

#[test]
fn without_a_locale_and_on_a_dumb_terminal_nothing_breaks() {
    let site = Site::new();
    let service = site.started();
    site.write(
        "order.json",
        "{\"externalId\": \"\u{1f9e8}-7\", \"productOrderItem\": [{\"id\": \"1\", \"action\": \"add\"}]}",
    );
    let plain = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env_clear().env("LC_ALL", "C").env("TERM", "dumb").env("PATH", "");
        run(&mut command)
    };
    let submitted = plain(&["-c", "{here}/good.toml", "submit", "{here}/order.json"]);
    judged(&submitted, DONE, "").unwrap();
    assert!(String::from_utf8_lossy(&submitted.stdout).contains("\u{1f9e8}-7"));
    let deadline = Instant::now() + COMMAND_WAIT;
    loop {
        let listed = plain(&["-c", "{here}/good.toml", "order", "list"]);
        judged(&listed, DONE, "").unwrap();
        if String::from_utf8_lossy(&listed.stdout).contains("\u{1f9e8}-7") {
            break;
        }
        assert!(Instant::now() < deadline, "the order was not listed within {COMMAND_WAIT:?}");
        std::thread::sleep(LOOK_EVERY);
    }
    drop(service);
}
