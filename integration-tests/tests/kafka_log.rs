//! The properties of every log, on a real broker.
//!
//! Faults met: commits that are aborted, lost, and committed without a word; a worker that the group expels while it goes
//! on living; workers that die and are replaced; rebalances under load; a batch that is given up while its records are on their way;
//! a client whose call does not come back, and does long afterwards.
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use integration_tests::kafka::Cluster;
use runtime::conformance::{self, BROADCAST, Fault, GROUP, Harness, INPUT, OUTPUT, PROCESSOR};
use runtime::log::kafka::{Faults, Kafka, Member, Options, Producer, create};
use runtime::{
    Batch, CellChange, CellKey, Limits, Log, ManualClock, Membership, Outcome, Outgoing, Polled, Record,
};
use tempfile::TempDir;

/// One for all tests; it ends with the process.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(1));
static NEXT: AtomicU32 = AtomicU32::new(1);
const LIMITS: Limits = Limits { records_max: 100_000, bytes_max: 1 << 26 };

/// Topics, group and store of one test.
struct KafkaHarness {
    directory: TempDir,
    options: Options,
    faults: Arc<Faults>,
    log: Kafka,
    producer: Producer,
    /// Of a partition: the end it had, and its records up to there.
    read: HashMap<(String, u32), (i64, Vec<Record>)>,
}

impl KafkaHarness {
    fn new() -> Self {
        Self::on_producers(4)
    }

    /// `producers`: of the ring of each worker.
    fn on_producers(producers: usize) -> Self {
        // RUST_LOG=runtime=debug shows what the log says.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let directory = TempDir::new().unwrap();
        let faults = Arc::new(Faults::default());
        let options = Options {
            prefix: format!("test-{}-", NEXT.fetch_add(1, Ordering::Relaxed)),
            faults: Some(faults.clone()),
            session_timeout_ms: 6_000,
            producers,
            ..CLUSTER.options(directory.path())
        };
        create(&options, conformance::topics()).unwrap();
        let log = Kafka::open(options.clone(), conformance::topics(), Arc::new(ManualClock::at(0))).unwrap();
        let producer = log.producer().unwrap();
        Self { directory, options, faults, log, producer, read: HashMap::new() }
    }
}

impl Harness for KafkaHarness {
    type Log = Member;

    fn open(&mut self, worker: &str) -> Member {
        let membership = Membership {
            group: GROUP.into(),
            processors: vec![PROCESSOR.into()],
            worker: worker.into(),
            topics: vec![INPUT.into()],
            topics_broadcast: vec![BROADCAST.into()],
        };
        self.log.member(membership).unwrap()
    }

    fn kill(&mut self, log: Member) {
        drop(log);
    }

    fn expire(&mut self, log: &Member) {
        let group = format!("{}{GROUP}", self.options.prefix);
        let member = log.group_member_id().unwrap().expect("it is a member");
        expel(CLUSTER.port(0), &group, &member);
    }

    fn fault_next_commit(&mut self, fault: Fault) {
        self.faults.set_next(Some(fault));
    }

    fn crash(&mut self, logs: Vec<Member>) {
        drop(logs);
        self.faults.set_next(None);
    }

    fn produce(&mut self, records: Vec<Outgoing>) {
        self.producer.send(&records).unwrap();
    }

    fn read(&mut self, topic: &str, partition: u32) -> Vec<Record> {
        let end = self.log.end_offsets(topic).unwrap()[partition as usize];
        let known = self.read.entry((topic.to_owned(), partition)).or_default();
        if known.0 < end {
            known.1.extend(self.log.read_range(topic, partition, known.0, LIMITS).unwrap());
            known.0 = end;
        }
        known.1.clone()
    }
}

impl Drop for KafkaHarness {
    fn drop(&mut self) {
        assert!(self.directory.path().is_dir(), "it is kept for as long as the test runs");
    }
}

/// Takes a member out of its group in the group's own words, as the end of its session does: LeaveGroup, version 1.
fn expel(port: u16, group: &str, member: &str) {
    let mut body = Vec::new();
    let mut text = |text: &str| {
        body.extend_from_slice(&i16::try_from(text.len()).unwrap().to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    };
    text("test");
    text(group);
    text(member);
    let mut request = Vec::new();
    request.extend_from_slice(&i32::try_from(8 + body.len()).unwrap().to_be_bytes());
    request.extend_from_slice(&13_i16.to_be_bytes());
    request.extend_from_slice(&1_i16.to_be_bytes());
    request.extend_from_slice(&7_i32.to_be_bytes());
    request.extend_from_slice(&body);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).unwrap();
    // Its length, the request's number, a throttle time, and the error.
    assert_eq!(&answer[12..], [0, 0], "the group expels it");
}

runtime::conformance_tests!(KafkaHarness::new());

/// What the client refuses behind what it has begun to send. A producer that is used again at once must not have lost count of its records.
#[test]
fn a_batch_that_is_given_up_in_mid_send_leaves_its_producer_whole() {
    const ROUNDS: usize = 5;
    const RECORDS: usize = 20_000;
    let mut harness = KafkaHarness::on_producers(1);
    let mut log = harness.open("one");
    await_partitions(&mut log);
    let batch = |records: usize, cell: &[u8]| Batch {
        partitions: (0..conformance::PARTITIONS).collect(),
        outputs: (0..records).map(|number| output(number as u32 % conformance::PARTITIONS)).collect(),
        cells: vec![CellChange {
            cell: CellKey::new(0, PROCESSOR, b"k", b"c"),
            value: Some(Bytes::copy_from_slice(cell)),
        }],
        ..Batch::default()
    };
    let too_large = vec![b'.'; runtime::TopicSpec::new(INPUT, 1).record_bytes_max + (1 << 20)];
    for round in 0..ROUNDS {
        let id = log.append(batch(RECORDS, &too_large)).unwrap();
        let (settled, outcome) = log.settle(Duration::from_secs(60)).unwrap().unwrap();
        // Unknown: the brokers were still ending the transaction before, and the client gave the producer up; the rewind makes a new one.
        let given_up = matches!(outcome, Outcome::Aborted { .. } | Outcome::Unknown { .. });
        assert!(settled == id && given_up, "round {round}: {outcome:?}");
        log.rewind().unwrap();
        let id = log.append(batch(conformance::PARTITIONS as usize, b"small")).unwrap();
        let settled = log.settle(Duration::from_secs(60)).unwrap();
        assert_eq!(settled, Some((id, Outcome::Committed)), "round {round}");
    }
    for partition in 0..conformance::PARTITIONS {
        assert_eq!(harness.read(OUTPUT, partition).len(), ROUNDS, "what was given up is not there");
    }
}

/// Until it has all partitions.
fn await_partitions(log: &mut Member) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut held = 0;
    while held < conformance::PARTITIONS as usize {
        assert!(Instant::now() < deadline, "the partitions were not assigned in time");
        if let Polled::Assigned(partitions) = log.poll(LIMITS, Duration::from_millis(100)).unwrap() {
            held += partitions.len();
        }
    }
}

/// How many threads of this process have this name.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let named = |task: std::io::Result<std::fs::DirEntry>| {
        let comm = std::fs::read_to_string(task.unwrap().path().join("comm"));
        comm.is_ok_and(|comm| comm.trim() == name)
    };
    tasks.map(named).filter(|is_named| *is_named).count()
}

/// What is on its way in a client that hangs is given up; what that client does once it goes on changes nothing any more.
#[test]
fn a_client_that_hangs_is_replaced_and_what_it_does_afterwards_is_void() {
    let mut harness = KafkaHarness::new();
    let mut log = harness.open("hanging");
    await_partitions(&mut log);
    let batch = |value: &'static [u8]| Batch {
        partitions: vec![0],
        outputs: vec![Outgoing { value: Some(Bytes::from_static(value)), ..output(0) }],
        cells: vec![CellChange {
            cell: CellKey::new(0, PROCESSOR, b"k", b"c"),
            value: Some(Bytes::from_static(value)),
        }],
        ..Batch::default()
    };
    let held = harness.faults.hang_next(Duration::from_secs(2));
    let id = log.append(batch(b"hangs")).unwrap();
    let settled = log.settle(Duration::from_secs(60)).unwrap();
    assert!(matches!(&settled, Some((of, Outcome::Unknown { .. })) if *of == id), "{settled:?}");
    log.rewind().unwrap();
    assert_eq!(threads_named("hanging-send"), 2, "one hangs");
    for value in [b"second".as_slice(), b"third"] {
        let id = log.append(batch(value)).unwrap();
        let settled = log.settle(Duration::from_secs(60)).unwrap();
        assert_eq!(settled, Some((id, Outcome::Committed)));
    }
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(60);
    while threads_named("hanging-send") > 1 {
        assert!(Instant::now() < deadline, "it still hangs");
        std::thread::sleep(Duration::from_millis(20));
    }
    let cell = CellKey::new(0, PROCESSOR, b"k", b"c");
    assert_eq!(log.cell(cell.as_bytes()).unwrap().as_deref(), Some(b"third".as_slice()));
    let id = log.append(batch(b"fourth")).unwrap();
    assert_eq!(
        log.settle(Duration::from_secs(60)).unwrap(),
        Some((id, Outcome::Committed)),
        "it is not fenced"
    );
    let written: Vec<_> = harness.read(OUTPUT, 0).into_iter().filter_map(|record| record.value).collect();
    assert_eq!(written, [b"second".as_slice(), b"third", b"fourth"]);
}

fn output(partition: u32) -> Outgoing {
    Outgoing {
        topic: OUTPUT.into(),
        partition: Some(partition),
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from_static(&[b'.'; 1_000])),
        headers: Vec::new(),
        timestamp_ms: 1,
    }
}
