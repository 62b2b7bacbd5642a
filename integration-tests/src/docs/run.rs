//! Runs a page in a fresh directory.
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::expected::{self, ANY_LINES};
use super::page::{Command, Page, Step, repository};

/// How long one command may take before it counts as hanging.
pub const COMMAND_WAIT: Duration = Duration::from_secs(120);
/// How long what a background command is shown to print may take to come.
pub const BACKGROUND_WAIT: Duration = Duration::from_secs(60);
/// How long the page waits for a background command of which nothing is shown to say [`READY`]; then it goes on.
const READY_WAIT: Duration = Duration::from_secs(10);
const READY: &str = "ready";
/// How long a background command may take to end after SIGTERM.
const STOP_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a failure shows of a background command's output at most, in lines from its end.
const OUTPUT_LINES_MAX: usize = 40;

/// Restores what the last command left, and keeps what this one leaves: exported variables, directory, `$?`.
const PREAMBLE: &str = r#"
trap 'code=$?; { export -p; printf "cd %q\n" "$PWD"; printf "DOCS_STATUS=%q\n" "$code"; } >"$DOCS_STATE"; exit $code' EXIT
DOCS_STATUS=0
if [ -f "$DOCS_STATE" ]; then . "$DOCS_STATE"; fi
(exit "$DOCS_STATUS")
"#;
/// The same for a command in the background, which keeps nothing. The shell outlives SIGTERM until what it started has ended.
const PREAMBLE_BACKGROUND: &str = r#"
trap : TERM
if [ -f "$DOCS_STATE" ]; then . "$DOCS_STATE"; fi
"#;
/// A `wait` that the signal interrupts is not yet the end of what it waits for.
const POSTAMBLE_BACKGROUND: &str = r#"
child=$!
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
"#;

/// Runs all of a page, in a directory that is removed afterwards.
///
/// # Errors
/// The first thing that is not as the page shows it, with page and line, what is expected and what came.
pub fn run(page: &Page, binary: &Path) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("orderstream-docs-").tempdir()?;
    let mut runner = Runner::prepare(directory.path(), binary)?;
    let mut outcome = Ok(());
    for step in &page.steps {
        outcome = match step {
            Step::File { path, content } => runner.write(path, content),
            Step::Command(command) => {
                runner.command(command).with_context(|| format!("{}:{}", page.name, command.line))
            }
        };
        if outcome.is_err() {
            break;
        }
    }
    let stopped = runner.stop().with_context(|| page.name.clone());
    outcome.and(stopped)
}

struct Runner {
    /// Where the page's commands run.
    place: PathBuf,
    /// Beside it: what the runner keeps for itself.
    own: PathBuf,
    path: OsString,
    started: usize,
    background: Vec<Background>,
}

struct Background {
    text: String,
    child: Child,
    output: PathBuf,
}

impl Runner {
    fn prepare(directory: &Path, binary: &Path) -> anyhow::Result<Runner> {
        let (place, own, bin) = (directory.join("page"), directory.join("own"), directory.join("bin"));
        for folder in [&place, &own, &bin] {
            std::fs::create_dir(folder)?;
        }
        copy(&repository().join("config"), &place.join("config"))?;
        let binary = binary.canonicalize().with_context(|| {
            format!("there is no binary at {}; `cargo build -p cli` makes it", binary.display())
        })?;
        std::os::unix::fs::symlink(binary, bin.join("orderstream"))?;
        let mut folders = vec![bin];
        let python = std::env::var_os("ORDERSTREAM_PYTHON").map(PathBuf::from);
        folders.extend(python.and_then(|python| python.parent().map(Path::to_owned)));
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path = std::env::join_paths(folders)?;
        Ok(Runner { place, own, path, started: 0, background: Vec::new() })
    }

    fn write(&self, path: &Path, content: &str) -> anyhow::Result<()> {
        let path = self.place.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, content).with_context(|| format!("could not write {}", path.display()))
    }

    fn command(&mut self, command: &Command) -> anyhow::Result<()> {
        if command.background { self.in_background(command) } else { self.in_front(command) }
    }

    fn in_front(&mut self, command: &Command) -> anyhow::Result<()> {
        let (mut child, output) = self.start(&format!("{PREAMBLE}{}\n", command.text))?;
        let deadline = Instant::now() + COMMAND_WAIT;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                let printed = read(&output)?;
                end(&mut child)?;
                bail!(
                    "`{}` did not end within {} s, and printed:\n{}",
                    command.text,
                    COMMAND_WAIT.as_secs(),
                    shown(&printed)
                );
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let printed = read(&output)?;
        compare(command, &command.expected, &printed)?;
        ensure!(
            status.success() || !command.expected.is_empty(),
            "`{}` ended with {status} and printed nothing; a command that fails must show what it prints",
            command.text
        );
        self.still_running()
    }

    /// Starts it, and waits for what the page shows of it.
    fn in_background(&mut self, command: &Command) -> anyhow::Result<()> {
        let (child, output) =
            self.start(&format!("{PREAMBLE_BACKGROUND}{} &{POSTAMBLE_BACKGROUND}", command.text))?;
        self.background.push(Background { text: command.text.clone(), child, output: output.clone() });
        let mut expected = command.expected.clone();
        expected.push(ANY_LINES.to_owned());
        let wait = if command.expected.is_empty() { READY_WAIT } else { BACKGROUND_WAIT };
        let deadline = Instant::now() + wait;
        loop {
            let printed = read(&output)?;
            let there = match command.expected.is_empty() {
                true => printed.contains(READY),
                false => expected::compare(&expected, &printed).is_ok(),
            };
            if there {
                return Ok(());
            }
            self.still_running()?;
            if Instant::now() > deadline {
                // Not every program says that it is ready; what the page shows has to come.
                return if command.expected.is_empty() {
                    Ok(())
                } else {
                    compare(command, &expected, &printed)
                };
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// A shell of its own in a process group of its own; what it prints goes to a file.
    fn start(&mut self, script: &str) -> anyhow::Result<(Child, PathBuf)> {
        self.started += 1;
        let file = |kind: &str| self.own.join(format!("{}.{kind}", self.started));
        let (script_file, output) = (file("sh"), file("out"));
        std::fs::write(&script_file, script)?;
        let printed = File::create(&output)?;
        let mut shell = std::process::Command::new("bash");
        shell.args(["--noprofile", "--norc"]).arg(&script_file).current_dir(&self.place).process_group(0);
        for (name, _) in std::env::vars_os() {
            // The page starts as on a user's machine, whatever the tests are told.
            if name.to_string_lossy().starts_with("ORDERSTREAM_") {
                shell.env_remove(name);
            }
        }
        shell
            .env("PATH", &self.path)
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("ORDERSTREAM_SOURCE", crate::process::root())
            .env("DOCS_STATE", self.own.join("state"))
            .stdin(Stdio::null())
            .stderr(printed.try_clone()?)
            .stdout(printed);
        if let Some(python) = std::env::var_os("ORDERSTREAM_PYTHON") {
            shell.env("ORDERSTREAM_PYTHON", python);
        }
        let child = shell.spawn().context("could not start bash")?;
        Ok((child, output))
    }

    /// A service that ended by itself explains every failure after it.
    fn still_running(&mut self) -> anyhow::Result<()> {
        for background in &mut self.background {
            if let Some(status) = background.child.try_wait()? {
                let printed = read(&background.output)?;
                ensure!(
                    status.success(),
                    "`{} &` ended with {status} and printed:\n{}",
                    background.text,
                    shown(&printed)
                );
            }
        }
        Ok(())
    }

    /// SIGTERM to all that runs in the background, the last one first.
    fn stop(&mut self) -> anyhow::Result<()> {
        let mut hanging = Vec::new();
        for mut background in self.background.drain(..).rev() {
            let group = group(&background.child)?;
            signal(group, Signal::SIGTERM)?;
            let deadline = Instant::now() + STOP_WAIT;
            while background.child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    end(&mut background.child)?;
                    hanging.push(format!(
                        "`{} &` did not end within {} s after SIGTERM, and printed:\n{}",
                        background.text,
                        STOP_WAIT.as_secs(),
                        shown(&read(&background.output)?)
                    ));
                    break;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        if hanging.is_empty() { Ok(()) } else { bail!(hanging.join("\n")) }
    }
}

/// A page that fails in between leaves nothing running.
impl Drop for Runner {
    fn drop(&mut self) {
        for background in &mut self.background {
            let _ = end(&mut background.child);
        }
    }
}

fn compare(command: &Command, expected: &[String], printed: &str) -> anyhow::Result<()> {
    let Err(mismatch) = expected::compare(expected, printed) else { return Ok(()) };
    let wanted = match expected.get(mismatch.index) {
        Some(line) => format!("expected  {line}"),
        None => "expected  the end".to_owned(),
    };
    let got =
        mismatch.got.map_or("got       the end".to_owned(), |line| format!("got       {}", line.trim_end()));
    // The command stands in one line or several, and its output below.
    let line = command.line + command.text.lines().count() + mismatch.index;
    bail!("`{}`, line {line}:\n{wanted}\n{got}\nall that was printed:\n{}", command.text, shown(printed))
}

fn read(output: &Path) -> anyhow::Result<String> {
    Ok(expected::plain(&String::from_utf8_lossy(&std::fs::read(output)?)))
}

/// The last lines of a text, indented.
fn shown(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(OUTPUT_LINES_MAX);
    lines[from..].iter().map(|line| format!("  | {line}\n")).collect()
}

fn group(child: &Child) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

/// It may have ended meanwhile, which is as good.
fn signal(group: Pid, signal: Signal) -> anyhow::Result<()> {
    match killpg(group, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).context("could not send a signal"),
    }
}

fn end(child: &mut Child) -> anyhow::Result<()> {
    let leader = group(child)?;
    signal(leader, Signal::SIGKILL)?;
    // The leader may be in another group for an instant after its start.
    let _ = kill(leader, Signal::SIGKILL);
    child.wait()?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
