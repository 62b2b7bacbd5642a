//! Plays: consumers in Java and in Python that know nothing of us but Kafka, a schema registry and the contract.
//!
//! Faults met: batches that are aborted, and batches whose worker is not told what became of them.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::order::event::RequestIgnored;
use integration_tests::kafka::Cluster;
use integration_tests::outsiders::{in_java, in_python};
use integration_tests::registry::Registry;
use runtime::conformance::Fault;
use runtime::log::kafka::{Faults, Kafka, Member, Options, create};
use runtime::{
    Batch, Limits, Log, ManualClock, Membership, Outcome, Outgoing, Polled, Position, Record, TopicSpec,
};
use schemas::codec::Codec;
use schemas::headers::CE_ID;
use schemas::registry::RemoteIds;
use schemas::registry::registration::{self, Task};
use schemas::topics::ORDER_EVENTS;
use serde_json::{Value, json};

const INPUT: &str = "requests";
const PARTITIONS: u32 = 3;
/// In each partition.
const INPUTS: usize = 12;
const LIMITS: Limits = Limits { records_max: 4, bytes_max: 1 << 20 };
const EVERYTHING: Limits = Limits { records_max: 100_000, bytes_max: 1 << 26 };
const POLL_WAIT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);
/// What becomes of the batches, in turn.
const FATES: &[Option<Fault>] =
    &[None, Some(Fault::Aborted), Some(Fault::UnknownCommitted), None, Some(Fault::UnknownNotCommitted)];

/// Answers each input with an event; counts what was tried, and knows what of it is committed.
struct Worker {
    log: Member,
    faults: Arc<Faults>,
    codec: Codec,
    batches: usize,
    committed: BTreeSet<String>,
    abandoned: BTreeSet<String>,
}

impl Worker {
    /// Until every input is answered.
    fn work(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.committed.len() < INPUTS * PARTITIONS as usize {
            assert!(Instant::now() < deadline, "{} answered in time", self.committed.len());
            match self.log.poll(LIMITS, POLL_WAIT) {
                Ok(Polled::Records(records)) => self.answer(&records, deadline),
                Ok(Polled::Lost(_)) => self.go_back(deadline),
                Ok(_) => {}
                Err(problem) => {
                    assert!(problem.is_passing(), "{}", problem.chain());
                    self.go_back(deadline);
                }
            }
        }
    }

    fn answer(&mut self, records: &[Record], deadline: Instant) {
        let fate = FATES[self.batches % FATES.len()];
        self.batches += 1;
        // Unlike at any other attempt, so that one which was aborted is known again wherever it comes up.
        let id = |record: &Record| format!("{}-{}-{}", record.partition, record.offset, self.batches);
        let ids: Vec<String> = records.iter().map(id).collect();
        let outputs = ids.iter().zip(records).map(|(id, record)| event(&self.codec, id, record)).collect();
        let partitions: BTreeSet<u32> = records.iter().map(|record| record.partition).collect();
        let position = |partition: &u32| {
            let last = records.iter().rfind(|record| record.partition == *partition);
            let next_offset = last.expect("it is of these records").offset + 1;
            Position { topic: INPUT.into(), partition: *partition, next_offset }
        };
        let positions = partitions.iter().map(position).collect();
        let partitions = partitions.into_iter().collect();
        self.faults.set_next(fate);
        self.log.append(Batch { partitions, positions, outputs, cells: vec![], timers: vec![] }).unwrap();
        let outcome = loop {
            if let Some((_, outcome)) = self.log.settle(POLL_WAIT).unwrap() {
                break outcome;
            }
            assert!(Instant::now() < deadline, "no outcome in time");
        };
        match (fate, outcome) {
            (None, Outcome::Committed) => self.committed.extend(ids),
            (Some(Fault::UnknownCommitted), Outcome::Unknown { .. }) => {
                self.committed.extend(ids);
                self.go_back(deadline);
            }
            (Some(Fault::Aborted), Outcome::Aborted { .. })
            | (Some(Fault::UnknownNotCommitted), Outcome::Unknown { .. }) => {
                self.abandoned.extend(ids);
                self.go_back(deadline);
            }
            (fate, outcome) => panic!("{outcome:?} of a batch that was to be {fate:?}"),
        }
    }

    fn go_back(&mut self, deadline: Instant) {
        while let Err(problem) = self.log.rewind() {
            assert!(problem.is_passing(), "{}", problem.chain());
            assert!(Instant::now() < deadline, "no way back in time: {}", problem.chain());
        }
    }
}

fn event(codec: &Codec, id: &str, input: &Record) -> Outgoing {
    let key = text(input.key.as_ref());
    let cause = json!({ "orderKey": key, "at": 1_793_607_330_000_i64, "correlationId": "c", "causationId": "c", "actor": "a" });
    let event: RequestIgnored = serde_json::from_value(json!({ "cause": cause, "requestId": "r" })).unwrap();
    Outgoing {
        topic: ORDER_EVENTS.into(),
        partition: Some(input.partition),
        key: input.key.clone(),
        value: Some(codec.encode(ORDER_EVENTS, &event).unwrap().into()),
        headers: vec![(CE_ID.into(), Bytes::from(id.to_owned()))],
        timestamp_ms: 1,
    }
}

fn input(partition: u32, number: usize) -> Outgoing {
    Outgoing {
        topic: INPUT.into(),
        partition: Some(partition),
        key: Some(format!("ÄÖ/{partition}/{number}").into()),
        value: Some(Bytes::from_static(b"any")),
        headers: Vec::new(),
        timestamp_ms: 1,
    }
}

fn text(bytes: Option<&Bytes>) -> String {
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

/// What a reader has to print, by our own reading.
fn expected(log: &Kafka) -> Vec<Value> {
    let mut lines = Vec::new();
    for partition in 0..PARTITIONS {
        for record in log.read_range(ORDER_EVENTS, partition, 0, EVERYTHING).unwrap() {
            let key = text(record.key.as_ref());
            let id = record.headers.iter().find(|(name, _)| **name == *CE_ID).map(|(_, id)| text(Some(id)));
            lines.push(json!({ "key": key, "partition": partition, "offset": record.offset, "id": id,
                "record": "io.orderstream.RequestIgnored", "orderKey": key }));
        }
    }
    lines
}

#[test]
fn readers_in_java_and_python_see_what_was_committed_and_nothing_else() {
    let cluster = Cluster::start(1);
    let registry = Registry::start();
    registration::carry_out(&registry.url(), Task::Register, &registration::wanted([])).unwrap();
    let codec = Codec::new(Arc::new(RemoteIds::new(&[registry.url()]).unwrap()));

    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let options = Options { faults: Some(faults.clone()), ..cluster.options(folder.path()) };
    let specs = vec![TopicSpec::new(INPUT, PARTITIONS), TopicSpec::new(ORDER_EVENTS, PARTITIONS)];
    create(&options, specs.clone()).unwrap();
    let log = Kafka::open(options, specs, Arc::new(ManualClock::at(1_000_000))).unwrap();
    let inputs =
        (0..PARTITIONS).flat_map(|partition| (0..INPUTS).map(move |number| input(partition, number)));
    log.producer().unwrap().send(&inputs.collect::<Vec<_>>()).unwrap();
    let membership = Membership {
        group: "orders".into(),
        worker: "one".into(),
        processors: vec!["answering".into()],
        topics: vec![INPUT.into()],
        topics_broadcast: vec![],
    };
    let mut worker = Worker {
        log: log.member(membership).unwrap(),
        faults,
        codec,
        batches: 0,
        committed: BTreeSet::new(),
        abandoned: BTreeSet::new(),
    };
    worker.work();
    assert!(worker.batches > FATES.len() && !worker.abandoned.is_empty(), "every fate was met");

    let expected = expected(&log);
    let ids: BTreeSet<String> = expected.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (ids.len(), &ids),
        (expected.len(), &worker.committed),
        "each once, and none that was abandoned"
    );
    // What was abandoned lies there, between what was committed, for whoever does not ask for committed records alone.
    let ends: i64 = log.end_offsets(ORDER_EVENTS).unwrap().iter().sum();
    let abandoned = i64::try_from(worker.abandoned.len()).unwrap();
    assert!(ends >= i64::try_from(expected.len()).unwrap() + abandoned, "{ends}");

    let (servers, url) = (cluster.addresses(), registry.url());
    let arguments = [&*servers, ORDER_EVENTS, &*url];
    assert_eq!(in_python(&arguments), expected, "Python");
    assert_eq!(in_java(folder.path(), &arguments), expected, "Java");
}
