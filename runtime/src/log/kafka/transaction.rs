//! One transaction on one producer: everything sent and acknowledged, then committed or aborted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::changelog;
use super::context::{Delivered, OF_CHANGELOG, OF_ORIGIN, OF_OUTPUT, RingContext};
use super::failure::{Kind, kind};
use super::options::CALL_WAIT;
use super::store::{Origin, Written};
use crate::log::{Batch, BatchId};
use crate::record::{Headers, Outgoing};

/// Between two looks for acknowledgements. `commit_transaction` itself would look every 100 ms. Slept and not polled: the client
/// counts its waits in whole milliseconds and spins through shorter ones, by which a worker took the core that its broker
/// needed to answer.
const ACKNOWLEDGED_LOOK: Duration = Duration::from_micros(300);

/// For outcomes of records, while a transaction is aborted.
const OUTCOME_WAIT: Duration = Duration::from_millis(20);

/// A position to be committed, the topic as the cluster knows it.
#[derive(Clone, Debug)]
pub(crate) struct WirePosition {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) next_offset: i64,
}

/// A batch on its way.
pub(crate) struct Work {
    pub(crate) id: BatchId,
    /// As it was when the batch began: of a generation that has passed, it is refused.
    pub(crate) membership: Arc<ConsumerGroupMetadata>,
    pub(crate) positions: Vec<WirePosition>,
    /// Of each output, its topic as the cluster knows it, and its partition.
    pub(crate) places: Vec<(Arc<str>, u32)>,
    pub(crate) changelog_topic: Arc<str>,
    /// Of the partitions whose changelog has none of this group yet: what is to be one.
    pub(crate) origins: Vec<(u32, Bytes)>,
    pub(crate) origin_key: Arc<[u8]>,
    pub(crate) batch: Batch,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) reason: String,
}

impl Failure {
    fn at(doing: &str, error: &KafkaError) -> Self {
        Self { kind: kind(error), reason: format!("could not {doing}: {error}") }
    }

    fn abort(reason: String) -> Self {
        Self { kind: Kind::Abort, reason }
    }

    /// Of a producer that is none any more the client says only that.
    fn not_taken(producer: &RingProducer, error: &KafkaError) -> Self {
        let fatal = producer.client().fatal_error().map(|(code, _)| KafkaError::MessageProduction(code));
        let is_superseded = |error: &KafkaError| kind(error) == Kind::Superseded;
        let superseded = is_superseded(error) || fatal.as_ref().is_some_and(is_superseded);
        let kind = if superseded { Kind::Superseded } else { Kind::Abort };
        Self { kind, reason: format!("a record was not taken: {error}") }
    }
}

pub(crate) type RingProducer = BaseProducer<RingContext>;

/// Begins a transaction, sends all of it, and waits until all is acknowledged: where it lies in the changelog. An error leaves
/// it to be aborted.
pub(crate) fn send(producer: &RingProducer, work: &Work) -> Result<Written, Failure> {
    let deadline = Instant::now() + CALL_WAIT;
    producer.context().take();
    producer.begin_transaction().map_err(|error| Failure::at("begin a transaction", &error))?;
    for (outgoing, (topic, partition)) in work.batch.outputs.iter().zip(&work.places) {
        produce(producer, deadline, || output(outgoing, topic, *partition))?;
    }
    for change in changelog::records_of(&work.batch) {
        produce(producer, deadline, || {
            let record = BaseRecord::with_opaque_to(&work.changelog_topic, OF_CHANGELOG);
            let record = record.partition(wire_partition(change.partition)).key(&change.key[..]);
            match &change.value {
                Some(value) => record.payload(&value[..]),
                None => record,
            }
        })?;
    }
    for (partition, id) in &work.origins {
        produce(producer, deadline, || {
            let record = BaseRecord::with_opaque_to(&work.changelog_topic, OF_ORIGIN);
            record.partition(wire_partition(*partition)).key(&work.origin_key[..]).payload(&id[..])
        })?;
    }
    // The records are on their way meanwhile.
    let offsets = offsets(&work.positions)?;
    producer
        .send_offsets_to_transaction(&offsets, &work.membership, CALL_WAIT)
        .map_err(|error| Failure::at("send positions", &error))?;
    drain(producer, deadline)?;
    let delivered = producer.context().take();
    match delivered.failure {
        Some(error) => Err(Failure::not_taken(producer, &error)),
        None => Ok(written(delivered, &work.origins)),
    }
}

fn written(delivered: Delivered, sent: &[(u32, Bytes)]) -> Written {
    let origin = |(partition, id): &(u32, Bytes)| {
        let offset = *delivered.origins.get(partition)?;
        Some((*partition, Origin { offset, id: id.clone() }))
    };
    Written { origins: sent.iter().filter_map(origin).collect(), ends: delivered.changelog }
}

pub(crate) fn commit(producer: &RingProducer) -> Result<(), Failure> {
    producer.commit_transaction(CALL_WAIT).map_err(|error| Failure::at("commit a transaction", &error))
}

/// Nothing of it is there afterwards, and the producer may be used again; an error leaves both open.
///
/// What waits is purged by the client, and what is on its way is waited for: to purge that too would leave gaps in the numbers by which
/// brokers know records again, and the next transaction of this producer was then refused, or not answered until it timed out. The client
/// counts a record as gone once somebody has taken its outcome, and does not take it itself.
pub(crate) fn abort(producer: &RingProducer) -> Result<(), Failure> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let take_outcomes = || {
            while !done.load(Ordering::Acquire) {
                producer.poll(OUTCOME_WAIT);
            }
        };
        let taking = std::thread::Builder::new().name("abort".to_owned()).spawn_scoped(scope, take_outcomes);
        if let Err(problem) = taking {
            return Err(Failure {
                kind: Kind::Unknown,
                reason: format!("could not start a thread: {problem}"),
            });
        }
        let aborted = producer.abort_transaction(CALL_WAIT);
        done.store(true, Ordering::Release);
        aborted.map_err(|error| Failure::at("abort a transaction", &error))
    })
}

fn offsets(positions: &[WirePosition]) -> Result<TopicPartitionList, Failure> {
    let mut offsets = TopicPartitionList::with_capacity(positions.len());
    for position in positions {
        offsets
            .add_partition_offset(
                &position.topic,
                wire_partition(position.partition),
                Offset::Offset(position.next_offset),
            )
            .map_err(|error| Failure::abort(format!("a position is none: {error}")))?;
    }
    Ok(offsets)
}

fn drain(producer: &RingProducer, deadline: Instant) -> Result<(), Failure> {
    while producer.in_flight_count() > 0 {
        if Instant::now() >= deadline {
            return Err(Failure::abort(format!("records were not acknowledged within {CALL_WAIT:?}")));
        }
        look(producer);
    }
    Ok(())
}

/// Takes what has come, or waits a little where nothing has.
fn look(producer: &RingProducer) {
    let in_flight = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() == in_flight {
        std::thread::sleep(ACKNOWLEDGED_LOOK);
    }
}

type Outbound<'a> = BaseRecord<'a, [u8], [u8], usize>;

fn produce<'a>(
    producer: &RingProducer,
    deadline: Instant,
    record: impl Fn() -> Outbound<'a>,
) -> Result<(), Failure> {
    loop {
        match producer.send(record()) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                if Instant::now() < deadline =>
            {
                look(producer);
            }
            Err((error, _)) => return Err(Failure::not_taken(producer, &error)),
        }
    }
}

fn output<'a>(outgoing: &'a Outgoing, topic: &'a str, partition: u32) -> Outbound<'a> {
    let mut record = BaseRecord::with_opaque_to(topic, OF_OUTPUT)
        .partition(wire_partition(partition))
        .timestamp(outgoing.timestamp_ms);
    record.key = outgoing.key.as_deref();
    record.payload = outgoing.value.as_deref();
    record.headers = wire_headers(&outgoing.headers);
    record
}

pub(crate) fn wire_headers(headers: &Headers) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let wire = OwnedHeaders::new_with_capacity(headers.len());
    let add = |wire: OwnedHeaders, (name, value): &(Arc<str>, bytes::Bytes)| {
        wire.insert(Header { key: name, value: Some(&value[..]) })
    };
    Some(headers.iter().fold(wire, add))
}

/// Kafka counts partitions with a sign.
pub(crate) fn wire_partition(partition: u32) -> i32 {
    i32::try_from(partition).expect("partitions are checked against PARTITIONS_MAX")
}
