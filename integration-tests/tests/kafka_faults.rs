//! The log on Kafka, when brokers and workers fail.
//!
//! Faults met: a worker that ends and comes back; a store that is gone, of another group of processors, ahead of the
//! changelog, or older than the changelog remembers deletions; brokers that are killed between two commits, held in the
//! middle of one, and away for a while; topics that are missing or set otherwise; a second process under the same name.
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use integration_tests::commits::{PATIENCE, POLL_WAIT, commit, go_back, outcome};
use integration_tests::kafka::Cluster;
use runtime::log::kafka::{self, Kafka, Member, Options, create};
use runtime::{
    Batch, CellChange, CellKey, Error, Limits, Log, ManualClock, Membership, Outcome, Outgoing, Polled,
    Position, Record, TimerChange, TimerKey, TopicSpec,
};
use tempfile::TempDir;

const LIMITS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
const INPUT: &str = "requests";
const OUTPUT: &str = "events";
const PROCESSOR: &str = "counter";
const DAY_MS: i64 = 86_400_000;

/// One broker for all tests: some of them end it, so one test at a time.
static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| Mutex::new(Cluster::start(1)));

fn cluster() -> MutexGuard<'static, Cluster> {
    // A test that failed leaves a broker that the next one may still use.
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn specs() -> Vec<TopicSpec> {
    vec![TopicSpec::new(INPUT, 1), TopicSpec::new(OUTPUT, 1)]
}

/// One test's topics, group and folder.
struct Place {
    folder: TempDir,
    options: Options,
    clock: ManualClock,
    log: Kafka,
}

impl Place {
    fn new(cluster: &Cluster, name: &str) -> Place {
        let folder = TempDir::new().unwrap();
        let options = Options { prefix: format!("{name}-"), ..cluster.options(folder.path()) };
        create(&options, specs()).unwrap();
        let clock = ManualClock::at(1_000_000);
        let log = Kafka::open(options.clone(), specs(), Arc::new(clock.clone())).unwrap();
        Place { folder, options, clock, log }
    }

    fn worker(&self) -> Counting {
        self.worker_of(&[PROCESSOR])
    }

    fn worker_of(&self, processors: &[&str]) -> Counting {
        let membership = Membership {
            group: "orders".into(),
            worker: "one".into(),
            processors: processors.iter().map(|name| (*name).into()).collect(),
            topics: vec![INPUT.into()],
            topics_broadcast: vec![],
        };
        let mut log = self.log.member(membership).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while log.poll(LIMITS, POLL_WAIT).unwrap() != Polled::Assigned(vec![0]) {
            assert!(Instant::now() < deadline, "the partition was not assigned in time");
        }
        Counting { log }
    }

    fn send(&self, values: std::ops::Range<usize>) {
        let records: Vec<Outgoing> = values.map(|value| outgoing(INPUT, &value.to_string())).collect();
        self.log.producer().unwrap().send(&records).unwrap();
    }

    fn answers(&self) -> Vec<String> {
        let limits = Limits { records_max: 100_000, bytes_max: 1 << 26 };
        values(&self.log.read_range(OUTPUT, 0, 0, limits).unwrap())
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("one")
    }
}

fn outgoing(topic: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.into(),
        partition: Some(0),
        key: Some(Bytes::from_static(b"k")),
        value: Some(value.to_owned().into()),
        headers: Vec::new(),
        timestamp_ms: 1,
    }
}

fn values(records: &[Record]) -> Vec<String> {
    let value = |record: &Record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
    records.iter().map(value).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A worker that answers each record with itself, and keeps how many it has answered, each in a cell, with a timer.
struct Counting {
    log: Member,
}

impl Counting {
    fn cell(number: u64) -> CellKey {
        CellKey::new(0, PROCESSOR, b"k", format!("c{number:06}").as_bytes())
    }

    fn timer() -> TimerKey {
        TimerKey::new(0, PROCESSOR, b"k", "last")
    }

    fn count(&mut self) -> usize {
        let prefix = CellKey::new(0, PROCESSOR, b"k", b"c");
        self.log.cells(prefix.as_bytes(), usize::MAX).unwrap().len()
    }

    fn batch(&mut self, records: &[Record]) -> Batch {
        let first = self.count() as u64;
        let cell = |(at, record): (u64, &Record)| CellChange {
            cell: Self::cell(first + at),
            value: record.value.clone(),
        };
        let before_ms = self.log.timer_due_ms(&Self::timer()).unwrap();
        let next_offset = records.last().unwrap().offset + 1;
        Batch {
            partitions: vec![0],
            positions: vec![Position { topic: INPUT.into(), partition: 0, next_offset }],
            outputs: values(records).iter().map(|value| outgoing(OUTPUT, value)).collect(),
            cells: (0..).zip(records).map(cell).collect(),
            timers: vec![TimerChange { timer: Self::timer(), before_ms, due_ms: Some(next_offset) }],
        }
    }

    /// Works until so many are answered, through whatever happens; one record per batch where `singly`.
    #[track_caller]
    fn work_until(&mut self, count: usize, singly: bool) {
        self.work_struck_until(count, singly, || {});
    }

    /// The same, where something strikes whenever a batch is on its way; how many of them were not committed.
    #[track_caller]
    fn work_struck_until(&mut self, count: usize, singly: bool, mut strike: impl FnMut()) -> usize {
        let (deadline, mut not_committed) = (Instant::now() + PATIENCE, 0);
        while self.count() < count {
            assert!(Instant::now() < deadline, "{} of {count} in time", self.count());
            let limits = Limits { records_max: if singly { 1 } else { LIMITS.records_max }, ..LIMITS };
            let worked = match self.log.poll(limits, POLL_WAIT) {
                Ok(Polled::Records(records)) => {
                    let batch = self.batch(&records);
                    self.log.append(batch).unwrap();
                    strike();
                    let committed = outcome(&mut self.log) == Outcome::Committed;
                    not_committed += usize::from(!committed);
                    committed
                }
                Ok(Polled::Lost(_)) => false,
                Ok(_) => true,
                Err(problem) => {
                    assert!(problem.is_passing(), "{}", problem.chain());
                    false
                }
            };
            if !worked {
                go_back(&mut self.log);
            }
        }
        not_committed
    }
}

#[test]
fn a_restart_replays_only_what_the_store_lacks() {
    let cluster = cluster();
    let place = Place::new(&cluster, "restart");
    place.send(0..200);
    let mut one = place.worker();
    one.work_until(100, true);
    drop(one);
    let older = place.folder.path().join("older");
    integration_tests::process::copy(&place.store(), &older);

    let mut again = place.worker();
    assert_eq!(again.log.replayed_records(), 0, "the store has everything");
    again.work_until(200, true);
    drop(again);

    // As a power cut leaves it: whole, and older than what is committed.
    std::fs::remove_dir_all(place.store()).unwrap();
    std::fs::rename(&older, place.store()).unwrap();
    let mut behind = place.worker();
    // A cell and a timer per record.
    assert_eq!(behind.log.replayed_records(), 2 * 100, "the gap and no more");
    assert_eq!(behind.count(), 200);
    drop(behind);

    std::fs::remove_dir_all(place.store()).unwrap();
    let mut elsewhere = place.worker();
    assert_eq!(elsewhere.log.replayed_records(), 2 * 200, "all of it");
    assert_eq!(elsewhere.count(), 200);
    assert_eq!(elsewhere.log.due_timers(0, i64::MAX, 10).unwrap().len(), 1, "set 200 times, and one timer");
    assert_eq!(place.answers(), numbers(0..200));
}

#[test]
fn a_store_that_cannot_go_on_is_rebuilt() {
    let cluster = cluster();
    let place = Place::new(&cluster, "rebuild");
    place.send(0..10);
    let mut one = place.worker();
    one.work_until(10, false);
    drop(one);
    let whole = 10 + 1; // cells, and the timer of one batch

    // Longer away than the changelog remembers deletions, and something happened meanwhile.
    let older = place.folder.path().join("older");
    integration_tests::process::copy(&place.store(), &older);
    place.send(10..11);
    let mut meanwhile = place.worker();
    meanwhile.work_until(11, false);
    drop(meanwhile);
    std::fs::remove_dir_all(place.store()).unwrap();
    std::fs::rename(&older, place.store()).unwrap();
    place.clock.set(1_000_000 + 2 * DAY_MS);
    let mut late = place.worker();
    assert_eq!(late.log.replayed_records(), whole + 2);
    assert_eq!(late.count(), 11);
    drop(late);

    // Of fewer processors than now.
    let mut more = place.worker_of(&["another", PROCESSOR]);
    assert_eq!(more.log.replayed_records(), whole + 2);
    assert_eq!(more.count(), 11);
    drop(more);

    // Damaged: set aside, and begun anew.
    let folder = place.store().join("store");
    let lost = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let lost = lost.filter(|path| path.to_string_lossy().contains("MANIFEST"));
    for path in lost.collect::<Vec<_>>() {
        std::fs::remove_file(path).unwrap();
    }
    let mut mended = place.worker_of(&["another", PROCESSOR]);
    assert_eq!(mended.count(), 11);
    assert!(place.store().with_extension("damaged").is_dir(), "what is left of it is kept");
}

#[test]
fn a_broker_that_dies_between_commits_costs_nothing_but_time() {
    let mut cluster = cluster();
    let place = Place::new(&cluster, "killed");
    place.send(0..60);
    let mut one = place.worker();
    one.work_until(20, true);
    cluster.kill(0);
    let restarting = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            one.work_until(60, true);
            one
        });
        // Away for a while: tries must fail meanwhile.
        std::thread::sleep(Duration::from_secs(8));
        cluster.restart(0);
        working.join().unwrap()
    });
    drop(restarting);
    assert_eq!(place.answers(), numbers(0..60), "each once and in order");
}

#[test]
fn a_broker_that_hangs_in_mid_commit_leaves_no_doubt_behind() {
    let cluster = cluster();
    let place = Place::new(&cluster, "held");
    place.send(0..40);
    let mut one = place.worker();
    one.work_until(10, true);
    let broker: &Cluster = &cluster;
    for count in [25, 40] {
        let not_committed = std::thread::scope(|scope| {
            let mut is_held = false;
            one.work_struck_until(count, true, || {
                if std::mem::replace(&mut is_held, true) {
                    return;
                }
                broker.hold(0);
                scope.spawn(move || {
                    // Longer than a call may take: what is on its way is unknown, or its transaction has timed out.
                    std::thread::sleep(Duration::from_secs(17));
                    broker.release(0);
                });
            })
        });
        // Were the one that is on its way quicker than the hold, the next would meet it.
        assert!(not_committed > 0, "the hold has met no commit");
    }
    assert_eq!(place.answers(), numbers(0..40), "each once and in order");
}

#[test]
fn a_second_process_under_the_same_name_ends_the_first() {
    let cluster = cluster();
    let place = Place::new(&cluster, "twin");
    place.send(0..5);
    let mut one = place.worker();
    let elsewhere = TempDir::new().unwrap();
    let options = Options { directory: elsewhere.path().to_owned(), ..place.options.clone() };
    let log = Kafka::open(options, specs(), Arc::new(place.clock.clone())).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let records = loop {
        if let Polled::Records(records) = one.log.poll(LIMITS, POLL_WAIT).unwrap() {
            break records;
        }
        assert!(Instant::now() < deadline, "no records in time");
    };
    let membership = Membership {
        group: "others".into(),
        worker: "one".into(),
        processors: vec![PROCESSOR.into()],
        topics: vec![INPUT.into()],
        topics_broadcast: vec![],
    };
    let _twin = log.member(membership).unwrap();
    let batch = one.batch(&records);
    let reason = match commit(&mut one.log, batch) {
        Outcome::Aborted { reason } | Outcome::Unknown { reason } => reason,
        outcome @ (Outcome::Committed | Outcome::Fenced) => panic!("{outcome:?}"),
    };
    assert!(reason.contains("another process works under the same name (node.name)"), "{reason}");
    assert_eq!(place.answers(), Vec::<String>::new());
}

#[test]
fn topics_that_do_not_fit_are_told_with_what_would() {
    let cluster = cluster();
    let folder = TempDir::new().unwrap();
    let options = Options { prefix: "drift-".to_owned(), ..cluster.options(folder.path()) };
    let open = |specs: Vec<TopicSpec>| {
        Kafka::open(options.clone(), specs, Arc::new(ManualClock::at(0)))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        open(vec![TopicSpec::new("a", 3)]).unwrap_err(),
        "topics of the cluster do not fit, 3 findings: \
         topic \"drift-a\": topic is missing, needed is one with 3 partitions; \
         topic \"drift-orderstream.changelog.3\": topic is missing, needed is one with 3 partitions; \
         topic \"drift-orderstream.notes\": topic is missing, needed is one with 1 partitions"
    );
    let small = TopicSpec { record_bytes_max: 1_000, retention_ms: Some(60_000), ..TopicSpec::new("a", 3) };
    create(&options, vec![small.clone()]).unwrap();
    create(&options, vec![small.clone()]).unwrap();
    open(vec![small.clone()]).unwrap();
    let wider = TopicSpec { retention_ms: Some(1_000), ..small.clone() };
    open(vec![wider]).unwrap();

    let settings = |spec: TopicSpec| -> Vec<String> {
        kafka::check(&options, vec![spec])
            .unwrap()
            .into_iter()
            .map(|drift| drift.setting.to_owned())
            .collect()
    };
    assert_eq!(settings(TopicSpec { retention_ms: None, ..small.clone() }), ["retention.ms"]);
    assert_eq!(settings(TopicSpec { record_bytes_max: 8 << 20, ..small.clone() }), ["max.message.bytes"]);
    assert_eq!(settings(TopicSpec { compacted: true, ..small.clone() }), ["cleanup.policy"]);
    assert_eq!(settings(TopicSpec { partitions: 2, ..small }), ["partitions", "topic"]);
}

#[test]
fn settings_that_cannot_work_are_refused_at_opening() {
    let cluster = cluster();
    let open = |options: Options| Kafka::open(options, specs(), Arc::new(ManualClock::at(0))).map(|_| ());
    let options = cluster.options(Path::new("/nonexistent"));
    for wrong in [
        Options { producers: 0, ..options.clone() },
        Options { node: "".into(), ..options.clone() },
        Options::new("", options.directory.clone()),
    ] {
        assert!(matches!(open(wrong), Err(Error::ClientRefused { .. })));
    }
}
