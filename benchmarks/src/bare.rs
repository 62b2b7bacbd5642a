//! What a broker and the client allow: W6 through a bare consume–produce–commit loop, exactly once, with nothing decided in it. One worker
//! that reads answers, and for each writes the next command and a record of state, or after the last the order's end; positions and records
//! are one transaction, on a ring of producers as in the product. Load and downstream are those of the product's measurement.
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::log::kafka::{self, Options};
use runtime::{AnyLog, Outgoing, StopSignal, SystemClock, TopicSpec, partition_for};
use serde::{Deserialize, Serialize};

const FEEDBACK: &str = "bare.feedback";
const COMMANDS: &str = "bare.commands";
const EVENTS: &str = "bare.events";
const CHANGELOG: &str = "bare.changelog";
/// Tasks of an order, one after the other.
const TASKS: u8 = 6;
/// As an average command and answer of the product.
const RECORD_BYTES: usize = 400;
const PRODUCERS: usize = 4;
const BATCH: Limits = Limits { records_max: 4_000, bytes_max: 16 << 20 };
const RECORDS_MAX: usize = 1_000;
const WAIT: Duration = Duration::from_millis(50);
const CALL_WAIT: Duration = Duration::from_secs(15);
const ACKNOWLEDGED_LOOK: Duration = Duration::from_micros(300);
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED_MAX: Duration = Duration::from_secs(5);
const MICROS_MAX: u64 = 600_000_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bare {
    pub orders_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// # Errors
/// The cluster does not answer, or a transaction fails.
pub fn measure(
    options: &Options,
    partitions: u32,
    in_flight: usize,
    measured: Duration,
) -> anyhow::Result<Bare> {
    let topics: Vec<TopicSpec> =
        [FEEDBACK, COMMANDS, EVENTS, CHANGELOG].map(|name| TopicSpec::new(name, partitions)).into();
    kafka::create(options, topics.clone())?;
    let log = AnyLog::on_kafka(options.clone(), topics, Arc::new(SystemClock))?;
    let stop = StopSignal::new();
    let engine = Engine::start(options, partitions, &stop)?;
    let downstream = downstream(&log, &stop)?;
    let ran = closed_loop(&log, in_flight, measured.min(MEASURED_MAX));
    stop.stop();
    for thread in [engine, downstream] {
        thread.join().map_err(|_| anyhow::anyhow!("a part of the bare loop panicked"))??;
    }
    ran
}

fn closed_loop(log: &AnyLog, in_flight: usize, measured: Duration) -> anyhow::Result<Bare> {
    let mut reader = log.reader(&[EVENTS.into()], &Start::End)?;
    let producer = log.producer();
    let mut times_us = Histogram::<u64>::new_with_bounds(1, MICROS_MAX, 3)?;
    let mut sent: HashMap<Bytes, Instant> = HashMap::new();
    let mut numbers = 0..u64::MAX;
    let mut send = |sent: &mut HashMap<Bytes, Instant>, orders: usize| -> anyhow::Result<()> {
        let first: Vec<Outgoing> = numbers.by_ref().take(orders).map(first_answer).collect();
        sent.extend(first.iter().filter_map(|record| Some((record.key.clone()?, Instant::now()))));
        drop(producer.submit(&first)?);
        Ok(())
    };
    send(&mut sent, in_flight)?;
    let warm = Instant::now() + WARM_UP;
    let (mut started, mut orders) = (None, 0_u64);
    loop {
        let begun = *started.get_or_insert_with(Instant::now);
        if Instant::now() < warm {
            (started, orders) = (None, 0);
            times_us.reset();
        } else if begun.elapsed() >= measured {
            return Ok(Bare {
                orders_per_s: orders as f64 / begun.elapsed().as_secs_f64(),
                p50_ms: times_us.value_at_quantile(0.50) as f64 / 1e3,
                p99_ms: times_us.value_at_quantile(0.99) as f64 / 1e3,
            });
        }
        let records = reader.poll(BATCH, WAIT)?;
        for key in records.iter().filter_map(|record| record.key.as_ref()) {
            if let Some(at) = sent.remove(key) {
                times_us.saturating_record(at.elapsed().as_micros() as u64);
                orders += 1;
            }
        }
        send(&mut sent, records.len())?;
    }
}

/// An order begins with an answer to no command.
fn first_answer(number: u64) -> Outgoing {
    outgoing(FEEDBACK, format!("order-{number}").into(), value(0).into())
}

/// How many tasks are done, and as many bytes as such a record has.
fn value(done: u8) -> Vec<u8> {
    let mut value = vec![b'.'; RECORD_BYTES];
    value[0] = done;
    value
}

fn outgoing(topic: &str, key: Bytes, value: Bytes) -> Outgoing {
    let (topic, key, value) = (topic.into(), Some(key), Some(value));
    Outgoing { topic, partition: None, key, value, headers: Vec::new(), timestamp_ms: 0 }
}

/// Answers every command at once.
fn downstream(log: &AnyLog, stop: &StopSignal) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let mut reader = log.reader(&[COMMANDS.into()], &Start::End)?;
    let (producer, stop) = (log.producer(), stop.clone());
    Ok(std::thread::spawn(move || {
        while !stop.is_stopped() {
            let answers: Vec<Outgoing> = reader
                .poll(BATCH, WAIT)?
                .into_iter()
                .filter_map(|command| Some(outgoing(FEEDBACK, command.key?, command.value?)))
                .collect();
            drop(producer.submit(&answers)?);
        }
        Ok(())
    }))
}

/// The one worker.
struct Engine {
    consumer: BaseConsumer,
    free: Receiver<BaseProducer>,
    sent: Sender<BaseProducer>,
    prefix: String,
    partitions: u32,
}

impl Engine {
    fn start(
        options: &Options,
        partitions: u32,
        stop: &StopSignal,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
        let prefix = options.prefix.clone();
        let consumer: BaseConsumer = client(options)
            .set("group.id", format!("{prefix}bare"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.queue.backoff.ms", "5")
            .create()?;
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions {
            let topic = format!("{prefix}{FEEDBACK}");
            places.add_partition_offset(&topic, i32::try_from(partition)?, Offset::Beginning)?;
        }
        consumer.assign(&places)?;
        let (free_in, free) = bounded(PRODUCERS);
        let (sent, commits) = bounded::<BaseProducer>(1);
        for number in 0..PRODUCERS {
            let producer: BaseProducer = client(options)
                .set("transactional.id", format!("{prefix}bare-{number}"))
                .set("linger.ms", "0")
                .create()?;
            producer.init_transactions(CALL_WAIT)?;
            free_in.send(producer)?;
        }
        let stop = stop.clone();
        let mut engine = Engine { consumer, free, sent, prefix, partitions };
        Ok(std::thread::spawn(move || {
            let committer = std::thread::spawn(move || -> anyhow::Result<()> {
                for producer in commits {
                    producer.commit_transaction(CALL_WAIT)?;
                    // Nobody takes it any more at the end.
                    let _ = free_in.send(producer);
                }
                Ok(())
            });
            let ended = engine.run(&stop);
            drop(engine);
            committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))??;
            ended
        }))
    }

    fn run(&mut self, stop: &StopSignal) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            let (mut answers, mut positions, mut wait) = (Vec::new(), HashMap::new(), WAIT);
            while answers.len() < RECORDS_MAX
                && let Some(answer) = self.consumer.poll(wait)
            {
                let answer = answer?;
                positions.insert(answer.partition(), answer.offset() + 1);
                answers.push(answer.detach());
                wait = Duration::ZERO;
            }
            if !answers.is_empty() {
                self.transact(&answers, &positions)?;
            }
        }
        Ok(())
    }

    fn transact(
        &mut self,
        answers: &[rdkafka::message::OwnedMessage],
        positions: &HashMap<i32, i64>,
    ) -> anyhow::Result<()> {
        let producer = self.free.recv_timeout(CALL_WAIT)?;
        producer.begin_transaction()?;
        for answer in answers {
            let key = answer.key().context("an answer without a key")?;
            let done = *answer.payload().and_then(<[u8]>::first).context("an answer without a value")?;
            let (topic, next) = if done == TASKS { (EVENTS, done) } else { (COMMANDS, done + 1) };
            for topic in [topic, CHANGELOG] {
                self.send(&producer, topic, key, &value(next))?;
            }
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, next_offset) in positions {
            let topic = format!("{}{FEEDBACK}", self.prefix);
            offsets.add_partition_offset(&topic, *partition, Offset::Offset(*next_offset))?;
        }
        let metadata = self.consumer.group_metadata().context("no membership")?;
        producer.send_offsets_to_transaction(&offsets, &metadata, CALL_WAIT)?;
        let deadline = Instant::now() + CALL_WAIT;
        while producer.in_flight_count() > 0 {
            if Instant::now() > deadline {
                bail!("records were not acknowledged");
            }
            producer.poll(Duration::ZERO);
            std::thread::sleep(ACKNOWLEDGED_LOOK);
        }
        self.sent.send(producer).context("the committer ended")
    }

    fn send(&self, producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
        let topic = format!("{}{topic}", self.prefix);
        let partition = i32::try_from(partition_for(key, self.partitions))?;
        let record = BaseRecord::to(&topic).partition(partition).key(key).payload(value);
        producer.send(record).map_err(|(error, _)| error.into())
    }
}

/// Of a cluster that asks for no password: what is started here.
fn client(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &options.connection.brokers).set("socket.nagle.disable", "true");
    config
}
