//! Where a worker goes on: each partition as soon as it can, and never with what it has done before.
use std::time::{Duration, Instant};

use integration_tests::commits::{PATIENCE, POLL_WAIT};
use integration_tests::kafka::{Cluster, Extra};
use integration_tests::process::until as until_so;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use runtime::log::kafka::Restoration;
use runtime::{Error, Limits, Log};

use super::workers::{INPUT, Machine, Place, cluster, counts, kept_of, until};

const QUIET: &str = "signals";
const LIMITS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
const CALL_WAIT: Duration = Duration::from_secs(10);
/// How long it may take until brokers that keep positions for a minute, the least that can be set, have forgotten one.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(150);

fn admin(cluster: &Cluster) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", cluster.addresses()).create().unwrap()
}

/// A transaction that somebody has left open over the changelog and the positions of this partition.
fn left_open(cluster: &Cluster, place: &Place, partition: i32) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.addresses())
        .set("transactional.id", format!("{}left-open", place.options.prefix))
        .create()
        .unwrap();
    producer.init_transactions(CALL_WAIT).unwrap();
    producer.begin_transaction().unwrap();
    let topic = format!("{}orderstream.changelog.{}", place.options.prefix, place.partitions);
    let record = BaseRecord::to(&topic).partition(partition).key("of nobody").payload("x");
    producer.send(record).map_err(|(problem, _)| problem).unwrap();
    producer.flush(CALL_WAIT).unwrap();
    let mut positions = TopicPartitionList::new();
    let topic = format!("{}{INPUT}", place.options.prefix);
    positions.add_partition_offset(&topic, partition, Offset::Offset(1)).unwrap();
    let group = outsider(cluster, place).group_metadata().unwrap();
    producer.send_offsets_to_transaction(&positions, &group, CALL_WAIT).unwrap();
    producer
}

/// Somebody who names the group, and is no member of it.
fn outsider(cluster: &Cluster, place: &Place) -> BaseConsumer {
    of_group(cluster, &format!("{}orders", place.options.prefix))
}

fn of_group(cluster: &Cluster, group: &str) -> BaseConsumer {
    ClientConfig::new().set("bootstrap.servers", cluster.addresses()).set("group.id", group).create().unwrap()
}

/// Somebody who subscribes to something else, as the workers do, and commits a position once.
struct Forgetful {
    consumer: BaseConsumer,
    committed: TopicPartitionList,
}

impl Forgetful {
    fn new(cluster: &Cluster, subscribed: &str, topic: &str) -> Forgetful {
        let consumer = of_group(cluster, "forgetful");
        consumer.subscribe(&[subscribed]).unwrap();
        let mut committed = TopicPartitionList::new();
        committed.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
        until_so(PATIENCE, "it is a member", || {
            consumer.poll(POLL_WAIT);
            consumer.assignment().is_ok_and(|assigned| assigned.count() > 0)
        });
        consumer.commit(&committed, CommitMode::Sync).unwrap();
        Forgetful { consumer, committed }
    }

    /// Whether the brokers have forgotten its position. It stays a member.
    fn is_forgotten(&self) -> bool {
        self.consumer.poll(Duration::ZERO);
        let told = self.consumer.committed_offsets(self.committed.clone(), CALL_WAIT).unwrap();
        told.elements()[0].offset() == Offset::Invalid
    }
}

/// Fault: a transaction is left open over changelog and positions of one partition, by somebody who was killed.
#[test]
fn a_partition_is_ready_while_another_still_waits() {
    let cluster = cluster();
    let place = Place::new(&cluster, "open", 2);
    let one = place.machine("one", 0);
    place.send(&one, 20);
    let mut worker = one.worker();
    until(&mut [&mut worker], "all is counted", |workers| {
        (0..2).all(|partition| workers[0].counted(partition) == 20)
    });
    drop(worker);
    let open = left_open(&cluster, &place, 0);
    let other = place.machine("other", 0);
    let mut worker = other.worker();
    until(&mut [&mut worker], "it has the one over which nothing is open", |workers| workers[0].held == [1]);
    assert_eq!(worker.kept(1), kept_of(20));
    place.send(&other, 5);
    until(&mut [&mut worker], "it goes on there", |workers| workers[0].counted(1) == 25);
    let waits = Restoration { worker: "one".into(), partition: 0, left_records: None };
    until(&mut [&mut worker], "it says what it waits for", |workers| {
        assert_eq!(workers[0].held, [1]);
        other.log.restoring() == [waits.clone()]
    });
    open.abort_transaction(CALL_WAIT).unwrap();
    until(&mut [&mut worker], "it has the other", |workers| {
        workers[0].held == [1, 0] && workers[0].counted(0) == 25
    });
    assert_eq!(worker.kept(0), kept_of(25));
    until(&mut [&mut worker], "nothing is left to wait for", |_| other.log.restoring().is_empty());
}

/// Fault: nothing comes in one input for longer than brokers keep a position that is not committed again.
#[test]
fn what_is_quiet_for_longer_than_brokers_keep_positions_is_not_read_again() {
    let properties = "offsets.retention.minutes=1\noffsets.retention.check.interval.ms=1000\n".to_owned();
    let cluster = Cluster::start_with(1, Extra { properties, ..Extra::default() });
    let place = Place::with_inputs(&cluster, "quiet", 1, vec![INPUT, QUIET]);
    let one = place.machine("one", 0);
    place.send_to(QUIET, &one, 3);
    let mut worker = counts(&one, 3);
    let (began, mut records) = (Instant::now(), 3);
    let wire = |topic: &str| format!("{}{topic}", place.options.prefix);
    let forgetful = Forgetful::new(&cluster, &wire(INPUT), &wire(QUIET));
    while !forgetful.is_forgotten() {
        assert!(began.elapsed() < FORGOTTEN_WITHIN, "the brokers forget nothing");
        place.send(&one, 1);
        records += 1;
        until(&mut [&mut worker], "it is counted", |workers| workers[0].counted(0) == records);
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(worker);
    let mut worker = counts(&one, records);
    // What was read again would have been counted before what comes now.
    place.send_to(QUIET, &one, 1);
    until(&mut [&mut worker], "what is new is counted", |workers| workers[0].counted(0) > records);
    assert_eq!(worker.counted(0), records + 1);
}

/// The error that ends a worker which cannot go on.
fn refused(machine: &Machine) -> Error {
    let mut worker = machine.worker();
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "it is not refused in time");
        match worker.log.poll(LIMITS, POLL_WAIT) {
            Ok(_) => {}
            Err(problem) if problem.is_passing() => {}
            Err(problem) => return problem,
        }
    }
}

/// Fault: the brokers have forgotten where a group that was stopped for long went on.
#[test]
fn a_group_whose_positions_are_gone_does_not_begin_anew_before_it_is_told_where() {
    let cluster = cluster();
    let place = Place::new(&cluster, "gone", 1);
    let one = place.machine("one", 0);
    place.send(&one, 20);
    drop(counts(&one, 20));
    let group = format!("{}orders", place.options.prefix);
    let admin = admin(&cluster);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let deleted = runtime.block_on(admin.delete_groups(&[&group], &AdminOptions::new())).unwrap();
        if deleted.iter().all(Result::is_ok) {
            break;
        }
        // The worker's leave comes to the group a moment later.
        assert!(Instant::now() < deadline, "{deleted:?}");
    }
    for machine in [&one, &place.machine("other", 0)] {
        let problem = refused(machine);
        let is_gone = matches!(&problem, Error::PositionsGone { group: named, partition: 0, topics }
            if **named == *group && *topics == format!("{}{INPUT}", place.options.prefix));
        assert!(is_gone, "{}", problem.chain());
    }
    // As the tool does it: the position of a group that nobody is in.
    let consumer = outsider(&cluster, &place);
    let topic = format!("{}{INPUT}", place.options.prefix);
    let mut positions = TopicPartitionList::new();
    positions.add_partition_offset(&topic, 0, Offset::Offset(20)).unwrap();
    until_so(PATIENCE, "its position is set", || consumer.commit(&positions, CommitMode::Sync).is_ok());
    let mut worker = counts(&one, 20);
    place.send(&one, 1);
    until(&mut [&mut worker], "what is new is counted", |workers| workers[0].counted(0) == 21);
    assert_eq!(worker.kept(0), kept_of(21), "once, and nothing of before again");
}
