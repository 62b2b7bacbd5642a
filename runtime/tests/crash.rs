//! A process that is killed at any moment, on real files: nothing acknowledged is lost, nothing is done twice.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::log::Membership;
use runtime::log::embedded::{Durability, Member};
use runtime::{
    DueTimer, Embedded, Handler, HandlerError, Limits, Outgoing, Record, Settings, Step, StopSignal,
    SystemClock, TopicSpec, Worker,
};

const DIRECTORY: &str = "ORDERSTREAM_CRASH_TEST_DIRECTORY";
const PARTITIONS: u32 = 2;
const LIMITS: Limits = Limits { records_max: 1_000_000, bytes_max: 1 << 30 };

fn open(directory: &Path) -> Embedded {
    let topics =
        vec![TopicSpec::new("in", PARTITIONS), TopicSpec::new("out", PARTITIONS), TopicSpec::new("dead", 1)];
    Embedded::open(directory, topics, Durability::Fsync, Arc::new(SystemClock)).unwrap()
}

fn member(log: &Embedded) -> Member {
    let membership = Membership {
        group: "counters".into(),
        processors: vec!["counter".into()],
        worker: "one".into(),
        topics: vec!["in".into()],
        topics_broadcast: Vec::new(),
    };
    log.member(membership).unwrap()
}

fn record(topic: &str, partition: u32, value: String) -> Outgoing {
    Outgoing {
        topic: topic.into(),
        partition: Some(partition),
        key: Some(Bytes::from_static(b"k")),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp_ms: 0,
    }
}

/// Counts in state what came, says so on the output, and once per ten records by a timer.
struct Counter;

impl Handler for Counter {
    fn on_broadcast(&mut self, _record: &Record) {}

    fn on_record(&mut self, step: &mut Step<'_>, record_in: &Record) -> Result<(), HandlerError> {
        let before = step.get("counter", b"k", b"count")?.map_or(0, |raw| number(&raw));
        step.put("counter", b"k", b"count", (before + 1).to_string())?;
        if before % 10 == 0 {
            step.set_timer("counter", before.to_string().as_bytes(), "ten", step.now_ms() + 1)?;
        }
        step.emit(record("out", record_in.partition, (before + 1).to_string()))
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        let key = String::from_utf8_lossy(&timer.key).into_owned();
        step.emit(record("out", timer.partition, format!("timer {key}")))
    }
}

fn number(raw: &[u8]) -> u64 {
    std::str::from_utf8(raw).unwrap().parse().unwrap()
}

/// Not a test by itself: the process that [`nothing_is_lost_or_done_twice_when_the_process_is_killed`] starts and kills.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let log = open(&directory);
    let worker =
        Worker::new(member(&log), Counter, Arc::new(SystemClock), Settings::new("one", "dead")).unwrap();
    std::thread::spawn(move || worker.run(&StopSignal::new()).unwrap());
    let producer = log.producer();
    loop {
        let sent: Vec<Outgoing> = (0..20).map(|at| record("in", at % PARTITIONS, "x".to_owned())).collect();
        producer.send(&sent).unwrap();
        // Only now is it promised: the parent counts these.
        let acknowledged = directory.join("acknowledged");
        let before = std::fs::read(&acknowledged).map_or(0, |raw| number(&raw));
        std::fs::write(directory.join("new"), (before + 20).to_string()).unwrap();
        std::fs::rename(directory.join("new"), acknowledged).unwrap();
    }
}

#[test]
fn nothing_is_lost_or_done_twice_when_the_process_is_killed() {
    let directory = tempfile::TempDir::new().unwrap();
    for round in 0..5u64 {
        let before = acknowledged(directory.path());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Killed once it got somewhere, at another moment each time: no race is hidden, any moment must do.
        while acknowledged(directory.path()) < before + 60 {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        check(directory.path());
    }
}

fn acknowledged(directory: &Path) -> u64 {
    std::fs::read(directory.join("acknowledged")).map_or(0, |raw| number(&raw))
}

/// Finishes what was left, and compares: the output is one run of counts, and each timer fired once.
fn check(directory: &Path) {
    let log = open(directory);
    let sent: i64 = log.end_offsets("in").unwrap().iter().sum();
    assert!(u64::try_from(sent).unwrap() >= acknowledged(directory), "what was acknowledged is there");
    let stop = StopSignal::new();
    let worker =
        Worker::new(member(&log), Counter, Arc::new(SystemClock), Settings::new("one", "dead")).unwrap();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || worker.run(&stop)
    });
    let counts_expected = |partition: u32| {
        let records = u64::try_from(log.end_offsets("in").unwrap()[partition as usize]).unwrap();
        let counts = (1..=records).map(|count| count.to_string());
        let timers = (0..records).step_by(10).map(|count| format!("timer {count}"));
        let mut expected: Vec<String> = counts.chain(timers).collect();
        expected.sort();
        expected
    };
    let mut reader = log.reader(&["out".into()], &runtime::log::embedded::Start::Earliest).unwrap();
    let expected: Vec<Vec<String>> = (0..PARTITIONS).map(counts_expected).collect();
    let mut found: Vec<Vec<String>> = vec![Vec::new(); PARTITIONS as usize];
    while found.iter().map(Vec::len).sum::<usize>() < expected.iter().map(Vec::len).sum() {
        let records = reader.poll(LIMITS, Duration::from_secs(30)).unwrap();
        assert!(!records.is_empty(), "an answer is missing");
        for record in records {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            found[record.partition as usize].push(value);
        }
    }
    stop.stop();
    thread.join().unwrap().unwrap();
    for (found, expected) in found.iter_mut().zip(&expected) {
        let counts: Vec<u64> = found.iter().filter_map(|value| value.parse().ok()).collect();
        assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "one run of counts");
        found.sort();
        assert_eq!(found, expected);
    }
    assert!(log.read_range("dead", 0, 0, LIMITS).unwrap().is_empty());
}
