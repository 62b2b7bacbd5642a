mod directory;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::conformance::{self, BROADCAST, Fault, GROUP, Harness, INPUT, OUTPUT, PROCESSOR, input};
use crate::record::Outgoing;
use crate::{ManualClock, StopSignal};

const LIMITS: Limits = Limits { records_max: 10_000, bytes_max: 1 << 24 };

struct EmbeddedHarness {
    directory: TempDir,
    log: Option<Embedded>,
}

impl EmbeddedHarness {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let log = Some(open(directory.path()));
        Self { directory, log }
    }

    fn log(&self) -> &Embedded {
        self.log.as_ref().unwrap()
    }
}

fn open(directory: &Path) -> Embedded {
    open_with(directory, conformance::topics()).unwrap()
}

fn open_with(directory: &Path, topics: Vec<TopicSpec>) -> Result<Embedded, Error> {
    Embedded::open(directory, topics, Durability::Fsync, Arc::new(ManualClock::at(0)))
}

impl Harness for EmbeddedHarness {
    type Log = Member;

    fn open(&mut self, worker: &str) -> Member {
        let membership = Membership {
            group: GROUP.into(),
            processors: vec![PROCESSOR.into()],
            worker: worker.into(),
            topics: vec![INPUT.into()],
            topics_broadcast: vec![BROADCAST.into()],
        };
        self.log().member(membership).unwrap()
    }

    fn kill(&mut self, log: Member) {
        drop(log);
    }

    fn expire(&mut self, log: &Member) {
        self.log().expire(GROUP, log.id()).unwrap();
    }

    fn fault_next_commit(&mut self, fault: Fault) {
        self.log().fault_next_commit(fault);
    }

    /// The directory as a crash would leave it at this moment: copied under the running log, opened elsewhere.
    fn crash(&mut self, logs: Vec<Member>) {
        let copy = TempDir::new().unwrap();
        copy_folder(self.directory.path(), copy.path());
        drop(logs);
        self.log = None;
        self.directory = copy;
        self.log = Some(open(self.directory.path()));
    }

    fn produce(&mut self, records: Vec<Outgoing>) {
        self.log().producer().send(&records).unwrap();
    }

    fn read(&mut self, topic: &str, partition: u32) -> Vec<Record> {
        self.log().read_range(topic, partition, 0, LIMITS).unwrap()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

crate::conformance_tests!(EmbeddedHarness::new());

#[test]
fn a_directory_opened_twice_is_refused_and_named() {
    let directory = TempDir::new().unwrap();
    let first = open(directory.path());
    let refused = open_with(directory.path(), conformance::topics()).unwrap_err();
    assert!(matches!(refused, Error::DirectoryInUse { .. }), "{refused}");
    assert!(refused.to_string().contains(&directory.path().display().to_string()), "{refused}");
    drop(first);
    open(directory.path());
}

#[test]
fn another_partition_count_is_refused_and_new_topics_are_added() {
    let directory = TempDir::new().unwrap();
    open(directory.path());
    let refused = open_with(directory.path(), vec![TopicSpec::new(INPUT, 5)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "topic \"conformance-input\" has 2 partitions in the store and 5 in the settings; \
         the count of a topic never changes"
    );
    let log = open_with(directory.path(), vec![TopicSpec::new("new", 3), TopicSpec::new(INPUT, 2)]).unwrap();
    assert_eq!(log.end_offsets("new").unwrap(), [0, 0, 0]);
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    let store = &log.inner.store;
    store.db().put_cf(store.family(options::META), "format", 2u32.to_le_bytes()).unwrap();
    drop(log);
    let refused = open_with(directory.path(), conformance::topics()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("has format version 2, written by a newer program; this program reads up to 1"),
        "{refused}"
    );
}

#[test]
fn what_callers_keep_survives_and_a_closed_log_says_so() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    log.meta_put("schema/7", Bytes::from_static(b"seven")).unwrap();
    let producer = log.producer();
    drop(log);
    let refused = producer.send(&[input(INPUT, 0, "k", "v")]).unwrap_err();
    assert!(matches!(refused, Error::Closed), "{refused}");
    drop(producer);
    let log = open(directory.path());
    assert_eq!(log.meta_get("schema/7").unwrap(), Some(Bytes::from_static(b"seven")));
    assert_eq!(log.meta_get("format").unwrap(), None, "the log's own entries are not the caller's");
}

#[test]
fn what_no_topic_takes_is_refused_with_a_reason() {
    let directory = TempDir::new().unwrap();
    let small = TopicSpec { record_bytes_max: 10, ..TopicSpec::new("small", 2) };
    let log = open_with(directory.path(), vec![small]).unwrap();
    let check = |record: Outgoing, expected: &str| {
        let refused = log.producer().send(&[input("small", 0, "k", "v"), record]).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    };
    check(input("none", 0, "k", ""), "topic \"none\" is unknown; it was not named at opening");
    check(input("small", 2, "k", ""), "topic \"small\" has no partition 2; it has 2, counted from 0");
    check(
        input("small", 0, "k", "0123456789"),
        "record of 11 bytes for topic \"small\" is too large; at most 10 are allowed",
    );
    assert_eq!(log.end_offsets("small").unwrap(), [0, 0], "all or none");
}

#[test]
fn a_reader_wakes_on_a_record_and_goes_on_where_its_group_committed() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    let topics: Vec<Arc<str>> = vec![INPUT.into(), OUTPUT.into()];
    let group = Start::Group("projection".into());
    let mut reader = log.reader(&topics, &group).unwrap();
    let producer = log.producer();
    let thread =
        std::thread::spawn(move || reader.poll(LIMITS, Duration::from_secs(60)).map(|got| (got, reader)));
    let placed = producer.send(&[input(INPUT, 1, "k", "a")]).unwrap();
    assert_eq!(placed, [(1, 0)]);
    let (records, mut reader) = thread.join().unwrap().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(reader.lag_records(), 0);
    reader.commit().unwrap();
    producer.send(&[input(OUTPUT, 0, "k", "b"), input(INPUT, 1, "k", "c")]).unwrap();
    assert_eq!(log.lag_records("projection", INPUT).unwrap(), [0, 1]);
    drop(reader);
    let mut again = log.reader(&topics, &group).unwrap();
    assert_eq!(again.lag_records(), 2);
    assert_eq!(again.poll(LIMITS, Duration::ZERO).unwrap().len(), 2);
    let mut behind = log.reader(&topics, &Start::Positions(reader_positions(&again))).unwrap();
    assert!(behind.poll(LIMITS, Duration::ZERO).unwrap().is_empty());
    assert!(behind.commit().is_err(), "without a group");
}

fn reader_positions(reader: &Reader) -> Vec<crate::Position> {
    assert_eq!(reader.positions(), reader.end_positions());
    reader.positions()
}

fn stamped(topic: &str, key: &str, value: Option<&'static str>, timestamp_ms: i64) -> Outgoing {
    let value = value.map(|text| Bytes::from_static(text.as_bytes()));
    Outgoing { timestamp_ms, value, ..input(topic, 0, key, "") }
}

#[test]
fn records_past_retention_go_and_offsets_go_on() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(0);
    let spec = TopicSpec { retention_ms: Some(1_000), ..TopicSpec::new("events", 1) };
    let open =
        || Embedded::open(directory.path(), vec![spec.clone()], Durability::Os, Arc::new(clock.clone()));
    let log = open().unwrap();
    let mut late = log.reader(&["events".into()], &Start::Earliest).unwrap();
    let sent: Vec<Outgoing> = (0..5).map(|at| stamped("events", "k", Some("v"), at * 500)).collect();
    log.producer().send(&sent).unwrap();
    let mut maintenance = retention::Maintenance::default();
    let mut pass = |log: &Embedded| maintenance.pass(&log.inner.store).unwrap();
    let offsets = |records: Vec<Record>| records.iter().map(|record| record.offset).collect::<Vec<_>>();
    clock.set(2_000);
    pass(&log);
    assert_eq!(offsets(log.read_range("events", 0, 0, LIMITS).unwrap()), [2, 3, 4]);
    assert_eq!(offsets(late.poll(LIMITS, Duration::ZERO).unwrap()), [2, 3, 4]);
    clock.set(2_001);
    pass(&log);
    assert_eq!(offsets(log.read_range("events", 0, 0, LIMITS).unwrap()), [3, 4], "its time comes");
    clock.set(2_500);
    pass(&log);
    assert_eq!(
        offsets(log.read_range("events", 0, 0, LIMITS).unwrap()),
        [3, 4],
        "it is that old, and not older"
    );
    clock.set(100_000);
    pass(&log);
    assert!(log.read_range("events", 0, 0, LIMITS).unwrap().is_empty());
    drop((log, late));
    let log = open().unwrap();
    assert_eq!(log.end_offsets("events").unwrap(), [5], "although no record is left");
}

#[test]
fn compaction_keeps_the_newest_of_each_key_and_forgets_deleted_keys_after_a_while() {
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(0);
    let spec = TopicSpec { compacted: true, ..TopicSpec::new("catalog", 1) };
    let log = Embedded::open(directory.path(), vec![spec], Durability::Os, Arc::new(clock.clone())).unwrap();
    let mut maintenance = retention::Maintenance::default();
    let mut pass = || {
        maintenance.pass(&log.inner.store).unwrap();
        let records = log.read_range("catalog", 0, 0, LIMITS).unwrap();
        records.iter().map(|record| record.offset).collect::<Vec<_>>()
    };
    let send = |records: &[Outgoing]| drop(log.producer().send(records).unwrap());
    send(&[stamped("catalog", "a", Some("1"), 0), stamped("catalog", "b", Some("1"), 0)]);
    send(&[stamped("catalog", "a", Some("2"), 0)]);
    assert_eq!(pass(), [1, 2]);
    send(&[stamped("catalog", "b", None, 0), stamped("catalog", "c", Some("1"), 0)]);
    assert_eq!(pass(), [2, 3, 4], "the tombstone is kept for those who were away");
    clock.set(2 * 24 * 60 * 60 * 1_000);
    assert_eq!(pass(), [2, 4]);
    send(&[stamped("catalog", "b", Some("2"), 0), stamped("catalog", "a", None, 0)]);
    assert_eq!(pass(), [4, 5, 6], "the last record stays, tombstone or not");
}

#[test]
fn a_running_worker_answers_from_many_producers_and_stops_when_asked() {
    let harness = &mut EmbeddedHarness::new();
    let log = harness.log().clone();
    let member = harness.open("one");
    let stop = StopSignal::new();
    let settings = crate::Settings::new("one", conformance::DEAD_LETTERS);
    let worker = crate::Worker::new(member, Echo, Arc::new(crate::SystemClock), settings).unwrap();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || worker.run(&stop)
    });
    let producers: Vec<_> = (0..4)
        .map(|number| {
            let producer = log.producer();
            std::thread::spawn(move || {
                for at in 0..50 {
                    producer.send(&[input(INPUT, number % 2, "k", &format!("{number}-{at}"))]).unwrap();
                }
            })
        })
        .collect();
    producers.into_iter().for_each(|thread| thread.join().unwrap());
    let mut reader = log.reader(&[OUTPUT.into()], &Start::Earliest).unwrap();
    let (mut answers, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while answers.len() < 200 && Instant::now() < deadline {
        answers.extend(reader.poll(LIMITS, Duration::from_secs(1)).unwrap());
    }
    stop.stop();
    thread.join().unwrap().unwrap();
    assert_eq!(answers.len(), 200);
    assert_eq!(log.lag_records(GROUP, INPUT).unwrap(), [0, 0]);
}

/// The moment between a write and its being visible: there the group's position tells of a record that no end shows yet.
#[test]
fn whoever_sees_that_an_input_was_taken_finds_what_came_of_it() {
    let harness = &mut EmbeddedHarness::new();
    let log = harness.log().clone();
    log.producer().send(&[input(INPUT, 0, "k", "a")]).unwrap();
    let settings = crate::Settings::new("one", conformance::DEAD_LETTERS);
    let clock = Arc::new(ManualClock::at(0));
    let worker = crate::Worker::new(harness.open("one"), Echo, clock, settings).unwrap();
    let ((is_written, written), (go_on, told)) = (bounded(1), bounded(1));
    *log.inner.store.held_before_visible.lock().unwrap() = Some((is_written, told));
    let stop = StopSignal::new();
    let working = std::thread::spawn({
        let stop = stop.clone();
        move || worker.run(&stop)
    });
    written.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(log.lag_records(GROUP, INPUT).unwrap(), [0, 0]);
    assert_eq!(log.end_offsets(OUTPUT).unwrap(), [0, 0], "it is not visible yet");
    let asking = std::thread::spawn({
        let log = log.clone();
        move || log.last_record_end(OUTPUT, 0).unwrap()
    });
    while log.inner.requests.is_empty() && !asking.is_finished() {
        std::thread::yield_now();
    }
    go_on.send(()).unwrap();
    assert_eq!(asking.join().unwrap(), 1);
    stop.stop();
    working.join().unwrap().unwrap();
    let refused = log.last_record_end(OUTPUT, 9).unwrap_err().to_string();
    assert!(refused.contains("partition 9"), "{refused}");
}

#[test]
fn a_full_disk_fails_the_write_whole_and_the_worker_goes_on_when_there_is_room() {
    let harness = &mut EmbeddedHarness::new();
    let log = harness.log().clone();
    log.producer().send(&[input(INPUT, 0, "k", "a"), input(INPUT, 0, "k", "b")]).unwrap();
    *log.inner.store.writes_failing.lock().unwrap() = 1;
    let refused = log.producer().send(&[input(INPUT, 0, "k", "lost")]).unwrap_err();
    assert_eq!(refused.to_string(), "could not write to the log: no space left on device");
    assert_eq!(log.end_offsets(INPUT).unwrap(), [2, 0]);
    let settings =
        crate::Settings { batch_records_max: 1, ..crate::Settings::new("one", conformance::DEAD_LETTERS) };
    let clock = Arc::new(ManualClock::at(0));
    let mut worker = crate::Worker::new(harness.open("one"), Echo, clock, settings).unwrap();
    *log.inner.store.writes_failing.lock().unwrap() = 3;
    let (mut setbacks, deadline) = (0, Instant::now() + Duration::from_secs(60));
    while log.lag_records(GROUP, INPUT).unwrap() != [0, 0] && Instant::now() < deadline {
        let turn = worker.turn(Duration::from_millis(5)).unwrap();
        setbacks += u32::from(matches!(turn, crate::shard::Turn::SetBack { .. }));
    }
    assert!(setbacks >= 1, "the failures were noticed");
    assert_eq!(harness.read(OUTPUT, 0).len(), 2, "each answered once");
}

struct Echo;

impl crate::Handler for Echo {
    fn on_broadcast(&mut self, _record: &Record) {}

    fn on_record(&mut self, step: &mut crate::Step<'_>, record: &Record) -> Result<(), crate::HandlerError> {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap()).into_owned();
        step.emit(input(OUTPUT, record.partition, "k", &value))
    }

    fn on_timer(
        &mut self,
        _step: &mut crate::Step<'_>,
        _timer: &crate::DueTimer,
    ) -> Result<(), crate::HandlerError> {
        Ok(())
    }
}
