//! Records from outside: whoever sends them learns where they lie once they are durable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tracing::debug;

use super::Shared;
use super::failure::refused;
use super::options::SEND_WAIT;
use super::transaction::{wire_headers, wire_partition};
use crate::Error;
use crate::log::embedded::room::{QUEUED_BYTES_MAX, Room, Taken};
use crate::record::Outgoing;

/// What a record takes in the client's memory beside its bytes.
const RECORD_OVERHEAD_BYTES: usize = 256;
/// More than the client itself takes to give a record up, so that its own reason is heard.
const ANSWER_WAIT: Duration = Duration::from_secs(SEND_WAIT.as_secs() + 5);

type Written = Result<Vec<(u32, i64)>, Arc<str>>;

/// Appends records to the log. Cheap to clone; any number may be used at once.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    client: Arc<ThreadedProducer<Context>>,
    room: Arc<Room>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Producer").finish_non_exhaustive()
    }
}

/// Records on their way.
#[derive(Debug)]
pub struct Pending {
    written: Receiver<Written>,
}

/// Records of one call.
struct Sending {
    state: Mutex<State>,
    reply: Sender<Written>,
    _taken: Taken,
}

struct State {
    left: usize,
    placed: Vec<(u32, i64)>,
    failure: Option<Arc<str>>,
}

impl Sending {
    fn settle(&self, index: usize, outcome: Result<(u32, i64), Arc<str>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(place) => state.placed[index] = place,
            Err(reason) => {
                state.failure.get_or_insert(reason);
            }
        }
        state.left -= 1;
        if state.left == 0 {
            let written = match state.failure.take() {
                Some(reason) => Err(reason),
                None => Ok(std::mem::take(&mut state.placed)),
            };
            // Whoever no longer waits is not told.
            let _ = self.reply.send(written);
        }
    }
}

/// One record of a call, by its place in it.
struct Part {
    sending: Arc<Sending>,
    index: usize,
}

struct Context;

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(facility, message, "Kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "Kafka client");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Part>;

    fn delivery(&self, result: &DeliveryResult<'_>, part: Box<Part>) {
        let outcome = match result {
            Ok(record) => Ok((record.partition().unsigned_abs(), record.offset())),
            Err((problem, _)) => Err(problem.to_string().into()),
        };
        part.sending.settle(part.index, outcome);
    }
}

impl Producer {
    pub(crate) fn open(shared: Arc<Shared>) -> Result<Self, Error> {
        let id = format!("{}-producer", shared.options.node);
        let config = shared.options.producing(&id, shared.record_bytes_max);
        let client = ThreadedProducer::from_config_and_context(&config, Context).map_err(refused)?;
        Ok(Self { shared, client: Arc::new(client), room: Arc::default() })
    }

    /// Sends the records and waits until they are durable: the (partition, offset) of each, in this sequence. Those of one
    /// partition lie in this sequence too.
    ///
    /// After [`Error::Write`] or [`Error::WaitEnded`] some of them may be there and others not; sending again may write
    /// them twice.
    pub fn send(&self, records: &[Outgoing]) -> Result<Vec<(u32, i64)>, Error> {
        self.submit(records)?.wait(ANSWER_WAIT)
    }

    /// Like [`Producer::send`], without waiting for durability; waits while the queue is full.
    pub fn submit(&self, records: &[Outgoing]) -> Result<Pending, Error> {
        let places = self.places(records)?;
        let taken = self.room.take(bytes(records));
        self.start(records, &places, taken)
    }

    /// Like [`Producer::submit`], but refuses with [`Error::QueueFull`] where that would wait.
    pub fn try_submit(&self, records: &[Outgoing]) -> Result<Pending, Error> {
        let places = self.places(records)?;
        let requests_max = QUEUED_BYTES_MAX / RECORD_OVERHEAD_BYTES;
        let full = Error::QueueFull { requests_max, bytes_max: QUEUED_BYTES_MAX };
        let taken = self.room.try_take(bytes(records)).ok_or(full)?;
        self.start(records, &places, taken)
    }

    /// Nothing is sent of a call with a record that would be refused.
    fn places(&self, records: &[Outgoing]) -> Result<Vec<(usize, u32)>, Error> {
        records.iter().map(|record| self.shared.topics.place(record)).collect()
    }

    fn start(&self, records: &[Outgoing], places: &[(usize, u32)], taken: Taken) -> Result<Pending, Error> {
        let (reply, written) = bounded(1);
        if records.is_empty() {
            let _ = reply.send(Ok(Vec::new()));
            return Ok(Pending { written });
        }
        let state = State { left: records.len(), placed: vec![(0, 0); records.len()], failure: None };
        let sending = Arc::new(Sending { state: Mutex::new(state), reply, _taken: taken });
        for (index, (outgoing, (topic, partition))) in records.iter().zip(places).enumerate() {
            let part = Box::new(Part { sending: sending.clone(), index });
            let mut record: BaseRecord<'_, [u8], [u8], Box<Part>> =
                BaseRecord::with_opaque_to(&self.shared.wire[*topic], part)
                    .partition(wire_partition(*partition))
                    .timestamp(outgoing.timestamp_ms);
            record.key = outgoing.key.as_deref();
            record.payload = outgoing.value.as_deref();
            record.headers = wire_headers(&outgoing.headers);
            // Those that were sent before it are on their way; the answer is that of all.
            if let Err((problem, _)) = self.client.send(record) {
                sending.settle(index, Err(problem.to_string().into()));
            }
        }
        Ok(Pending { written })
    }
}

fn bytes(records: &[Outgoing]) -> usize {
    records.iter().map(|record| record.bytes() + RECORD_OVERHEAD_BYTES).sum()
}

impl Pending {
    /// Waits until the records are durable: the (partition, offset) of each, in the sequence in which they were sent.
    pub fn wait(self, wait: Duration) -> Result<Vec<(u32, i64)>, Error> {
        match self.written.recv_timeout(wait) {
            Ok(Ok(placed)) => Ok(placed),
            Ok(Err(reason)) => Err(Error::Write { reason }),
            Err(RecvTimeoutError::Timeout) => Err(Error::WaitEnded { wait_ms: wait.as_millis() as u64 }),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Closed),
        }
    }
}
