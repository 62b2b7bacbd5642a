//! Workers that count what they read, on a broker of their own.
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use integration_tests::commits::{PATIENCE, POLL_WAIT, commit, go_back};
use integration_tests::kafka::Cluster;
use runtime::log::kafka::{Kafka, Member, Options, create};
use runtime::{
    Batch, CellChange, CellKey, Limits, Log, ManualClock, Membership, Outcome, Outgoing, Polled, Position,
    Record, TimerChange, TimerKey, TopicSpec,
};
use tempfile::TempDir;

const LIMITS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
pub const INPUT: &str = "requests";
const PROCESSOR: &str = "counter";

/// One broker for all tests, and one test at a time: what they measure is how much is read.
static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| Mutex::new(Cluster::start(1)));

pub fn cluster() -> MutexGuard<'static, Cluster> {
    // RUST_LOG=runtime=debug shows what the log says.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    // A test that failed leaves a broker that the next one may still use.
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One test's topics and group, for several machines.
pub struct Place {
    pub folder: TempDir,
    pub options: Options,
    pub clock: ManualClock,
    pub partitions: u32,
    pub inputs: Vec<&'static str>,
}

impl Place {
    pub fn new(cluster: &Cluster, name: &str, partitions: u32) -> Place {
        Place::with_inputs(cluster, name, partitions, vec![INPUT])
    }

    pub fn with_inputs(cluster: &Cluster, name: &str, partitions: u32, inputs: Vec<&'static str>) -> Place {
        let folder = TempDir::new().unwrap();
        let options = Options {
            prefix: format!("{name}-"),
            session_timeout_ms: 2_000,
            ..cluster.options(folder.path())
        };
        let place = Place { folder, options, clock: ManualClock::at(1_000_000), partitions, inputs };
        create(&place.options, place.specs()).unwrap();
        place
    }

    pub fn specs(&self) -> Vec<TopicSpec> {
        self.inputs.iter().map(|input| TopicSpec::new(input, self.partitions)).collect()
    }

    /// The log as one machine has it, with its state in a folder of its own.
    pub fn machine(&self, name: &str, standby_partitions_max: usize) -> Machine {
        let directory = self.folder.path().join(name);
        let options =
            Options { node: name.into(), directory, standby_partitions_max, ..self.options.clone() };
        let log = Kafka::open(options, self.specs(), Arc::new(self.clock.clone())).unwrap();
        let inputs = self.inputs.iter().map(|input| (*input).into()).collect();
        Machine { log, inputs }
    }

    /// So many records into each partition.
    pub fn send(&self, machine: &Machine, records: usize) {
        self.send_to(INPUT, machine, records);
    }

    /// The same, of this input.
    pub fn send_to(&self, input: &str, machine: &Machine, records: usize) {
        self.send_sized(input, machine, records, 1);
    }

    /// The same, of so many bytes each, which its worker keeps.
    pub fn send_sized(&self, input: &str, machine: &Machine, records: usize, bytes: usize) {
        let outgoing = |partition| Outgoing {
            topic: input.into(),
            partition: Some(partition),
            key: Some(Bytes::from_static(b"k")),
            value: Some("x".repeat(bytes).into()),
            headers: Vec::new(),
            timestamp_ms: 1,
        };
        let all: Vec<Outgoing> = (0..records).flat_map(|_| (0..self.partitions).map(outgoing)).collect();
        machine.log.producer().unwrap().send(&all).unwrap();
    }

    /// The worker's folder on a machine.
    pub fn state(&self, machine: &str) -> std::path::PathBuf {
        self.folder.path().join(machine)
    }
}

pub struct Machine {
    pub log: Kafka,
    inputs: Vec<Arc<str>>,
}

impl Machine {
    pub fn worker(&self) -> Counting {
        self.worker_named("one")
    }

    /// One of several.
    pub fn worker_named(&self, name: &str) -> Counting {
        let membership = Membership {
            group: "orders".into(),
            worker: name.into(),
            processors: vec![PROCESSOR.into()],
            topics: self.inputs.clone(),
            topics_broadcast: vec![],
        };
        Counting { log: self.log.member(membership).unwrap(), held: Vec::new() }
    }
}

/// A worker that keeps how many records of each partition it has read: each in a cell of its own, every third of them deleted again,
/// and a timer.
pub struct Counting {
    pub log: Member,
    pub held: Vec<u32>,
}

/// How many records of state follow from so many inputs, each committed by itself: two cells and a timer of each, and the deletions.
pub fn changes_of(records: usize) -> u64 {
    (3 * records + records / 3) as u64
}

impl Counting {
    fn cell(partition: u32, number: usize) -> CellKey {
        CellKey::new(partition, PROCESSOR, b"k", format!("c{number:06}").as_bytes())
    }

    fn total(partition: u32) -> CellKey {
        CellKey::new(partition, PROCESSOR, b"k", b"total")
    }

    fn timer(partition: u32) -> TimerKey {
        TimerKey::new(partition, PROCESSOR, b"k", "last")
    }

    /// How many it has counted in a partition.
    pub fn counted(&mut self, partition: u32) -> usize {
        let total = self.log.cell(Self::total(partition).as_bytes()).unwrap();
        total.map_or(0, |total| String::from_utf8_lossy(&total).parse().unwrap())
    }

    /// The numbers that it keeps of a partition.
    pub fn kept(&mut self, partition: u32) -> Vec<usize> {
        let prefix = CellKey::new(partition, PROCESSOR, b"k", b"c");
        let cells = self.log.cells(prefix.as_bytes(), usize::MAX).unwrap();
        let number = |cell: CellKey| String::from_utf8(cell.parts().unwrap().cell[1..].to_vec()).unwrap();
        cells.into_iter().map(|(cell, _)| number(cell).parse().unwrap()).collect()
    }

    fn batch(&mut self, record: &Record) -> Batch {
        let partition = record.partition;
        let number = self.counted(partition);
        let mut cells =
            vec![CellChange { cell: Self::total(partition), value: Some((number + 1).to_string().into()) }];
        // Each third number takes the one before it along.
        cells.push(CellChange { cell: Self::cell(partition, number), value: record.value.clone() });
        if number % 3 == 2 {
            cells.push(CellChange { cell: Self::cell(partition, number - 1), value: None });
        }
        let before_ms = self.log.timer_due_ms(&Self::timer(partition)).unwrap();
        let next_offset = record.offset + 1;
        Batch {
            partitions: vec![partition],
            positions: vec![Position { topic: record.topic.clone(), partition, next_offset }],
            outputs: Vec::new(),
            cells,
            timers: vec![TimerChange {
                timer: Self::timer(partition),
                before_ms,
                due_ms: Some(number as i64),
            }],
        }
    }

    /// One look, and all that follows from what came.
    pub fn turn(&mut self) {
        match self.log.poll(LIMITS, POLL_WAIT) {
            Ok(Polled::Records(records)) => {
                for record in &records {
                    let batch = self.batch(record);
                    if commit(&mut self.log, batch) != Outcome::Committed {
                        return go_back(&mut self.log);
                    }
                }
            }
            Ok(Polled::Assigned(partitions)) => self.held.extend(partitions),
            Ok(Polled::Revoked(partitions)) => self.held.retain(|held| !partitions.contains(held)),
            Ok(Polled::Lost(partitions)) => {
                self.held.retain(|held| !partitions.contains(held));
                go_back(&mut self.log);
            }
            Ok(Polled::Broadcast(_) | Polled::Settled | Polled::Nothing) => {}
            Err(problem) => {
                assert!(problem.is_passing(), "{}", problem.chain());
                go_back(&mut self.log);
            }
        }
    }
}

/// Turns all of them until it is so.
#[track_caller]
pub fn until(workers: &mut [&mut Counting], what: &str, mut is_so: impl FnMut(&mut [&mut Counting]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(workers) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        workers.iter_mut().for_each(|worker| worker.turn());
    }
}

/// A worker of this machine, once it has the only partition and has counted so many there.
#[track_caller]
pub fn counts(machine: &Machine, records: usize) -> Counting {
    let mut worker = machine.worker();
    until(&mut [&mut worker], "it has it and counts", |workers| {
        workers[0].held == [0] && workers[0].counted(0) == records
    });
    worker
}

/// What a worker must keep that has counted so many.
pub fn kept_of(records: usize) -> Vec<usize> {
    (0..records).filter(|number| number % 3 != 1 || number + 1 == records).collect()
}
