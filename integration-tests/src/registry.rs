//! A real schema registry on this machine, for tests: the program that `scripts/registry.sh` builds, with its schemas in memory.
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::process::root;

const START_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One registry, on a port that it keeps. What it knew is gone when it is stopped.
#[derive(Debug)]
pub struct Registry {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    running: Option<Child>,
}

impl Registry {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// It cannot be built, or does not answer in time.
    pub fn start() -> Registry {
        let output = Command::new(root().join("scripts/registry.sh"))
            .output()
            .expect("scripts/registry.sh can be run");
        assert!(output.status.success(), "scripts/registry.sh: {}", String::from_utf8_lossy(&output.stderr));
        let program = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let folder = TempDir::new().expect("a temporary folder");
        let mut registry = Registry { program, port: port.port(), folder, running: None };
        registry.restart();
        registry
    }

    /// As clients name it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it; nothing listens on its port then.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, knowing nothing.
    ///
    /// # Panics
    /// It runs, ends at once, or does not answer in time.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let log = self.folder.path().join("registry.log");
        let log = File::options().create(true).append(true).open(log).expect("log of the registry");
        let child = Command::new(&self.program)
            .env("SCHEMA_REGISTRY_HOST", "127.0.0.1")
            .env("SCHEMA_REGISTRY_PORT", self.port.to_string())
            .env("SCHEMA_REGISTRY_STORAGE_TYPE", "memory")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("it was built");
        self.running = Some(child);
        let deadline = Instant::now() + START_WAIT;
        while !self.answers() {
            let ended = self.running.as_mut().map(Child::try_wait).transpose().expect("it is our child");
            assert!(ended.flatten().is_none(), "the registry ended: {}", self.said());
            assert!(Instant::now() < deadline, "the registry does not answer: {}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Holds it: connections are taken, and nothing is answered. It forgets nothing.
    ///
    /// # Panics
    /// It does not run.
    pub fn hold(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a held one go on.
    ///
    /// # Panics
    /// It does not run.
    pub fn release(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.running.as_ref().expect("it runs").id();
        let id = Pid::from_raw(i32::try_from(id).expect("ids of processes are small"));
        kill(id, signal).expect("it is our child, and was not waited for");
    }

    fn answers(&self) -> bool {
        let answer = reqwest::blocking::get(format!("{}/subjects", self.url()));
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("registry.log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
