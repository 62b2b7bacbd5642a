//! A client that is none of ours, as outsiders have theirs: it sends to a cluster whatever it is given.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use runtime::Outgoing;

/// How long all records of a call may take.
const SEND_WAIT: Duration = Duration::from_secs(120);
const LOOK_WAIT: Duration = Duration::from_millis(10);
/// So much waits in the client at most: a test may send more than it should have in memory.
const QUEUED_KILOBYTES_MAX: usize = 64 << 10;
/// More than any broker takes: that it is too large is the broker's to say.
const RECORD_BYTES_MAX: usize = 100_000_000;

/// Where a record lies, or why the cluster did not take it.
pub type Placed = Result<(u32, i64), RDKafkaErrorCode>;

/// By the number of the record within its call.
#[derive(Default)]
struct Told(Mutex<BTreeMap<usize, Placed>>);

impl Told {
    fn placed(&self) -> MutexGuard<'_, BTreeMap<usize, Placed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let placed = match result {
            Ok(record) => Ok((record.partition().unsigned_abs(), record.offset())),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        self.placed().insert(number, placed);
    }
}

/// Sends to the topics of one system.
pub struct Plain {
    producer: BaseProducer<Told>,
    prefix: String,
}

impl Plain {
    /// `prefix`: of the names of the topics.
    ///
    /// # Panics
    /// The client refuses its settings.
    pub fn new(brokers: &str, prefix: &str) -> Plain {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        config.set("enable.idempotence", "true");
        config.set("message.max.bytes", RECORD_BYTES_MAX.to_string());
        config.set("queue.buffering.max.kbytes", QUEUED_KILOBYTES_MAX.to_string());
        // As the client of Java: records of a key lie where ours look for them.
        config.set("partitioner", "murmur2_random");
        let producer = BaseProducer::from_config_and_context(&config, Told::default());
        Plain { producer: producer.expect("the settings are right"), prefix: prefix.to_owned() }
    }

    /// One record: where it lies.
    ///
    /// # Panics
    /// As [`Plain::send_all`].
    #[track_caller]
    pub fn send(&self, record: &Outgoing) -> Placed {
        self.send_all(std::slice::from_ref(record)).remove(0)
    }

    /// All of them, and waits until each is taken or refused; in this sequence.
    ///
    /// # Panics
    /// Nothing is known of one in time.
    #[track_caller]
    pub fn send_all(&self, records: &[Outgoing]) -> Vec<Placed> {
        let deadline = Instant::now() + SEND_WAIT;
        for (number, record) in records.iter().enumerate() {
            self.start(number, record, deadline);
        }
        while self.producer.context().placed().len() < records.len() {
            assert!(Instant::now() < deadline, "the cluster did not answer within {SEND_WAIT:?}");
            self.producer.poll(LOOK_WAIT);
        }
        std::mem::take(&mut *self.producer.context().placed()).into_values().collect()
    }

    #[track_caller]
    fn start(&self, number: usize, record: &Outgoing, deadline: Instant) {
        let topic = format!("{}{}", self.prefix, record.topic);
        loop {
            let mut wire = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&topic, number);
            wire.partition = record.partition.and_then(|partition| i32::try_from(partition).ok());
            wire.key = record.key.as_deref();
            wire.payload = record.value.as_deref();
            wire.timestamp = Some(record.timestamp_ms);
            wire.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(&value[..]) })
            }));
            match self.producer.send(wire) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    assert!(
                        Instant::now() < deadline,
                        "the cluster did not take records within {SEND_WAIT:?}"
                    );
                    self.producer.poll(LOOK_WAIT);
                }
                Err((error, _)) => {
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    self.producer.context().placed().insert(number, Err(code));
                    return;
                }
            }
        }
    }
}
