//! What every measurement needs: a service on a directory of its own, requests, and a downstream outside the engine.
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use cli::control::Submission;
use cli::service::{Store, feedback, request};
use cli::settings::{Durability, Settings};
use connectors::upstream::generator::ORDERS_MAX;
use connectors::upstream::{Expected, Generator, Settings as Upstream};
use domain::command::{Command, CommandKind, Feedback, FeedbackKind};
use domain::{FeedbackId, Timestamp};
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{AnyProducer, Outgoing, Record, StopSignal};
use schemas::codec::Codec;
use schemas::topics;

use crate::hops::Hops;

const BATCH: Limits = Limits { records_max: 2_000, bytes_max: 8 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// The only system of the workload.
pub const SYSTEM: &str = "provisioning";
/// The answer to it ends an order of the workload, and no command follows.
const LAST_COMMAND: &str = "w6Step6";

/// The shipped settings on `data_dir`, without the simulated downstream: the measurement answers itself.
pub fn settings(data_dir: &Path, fsync: bool) -> Settings {
    let mut settings = Settings { subtopologies: topology::SubTopology::defaults(), ..Settings::default() };
    settings.node.data_dir = data_dir.to_owned();
    settings.log.durability = if fsync { Durability::Fsync } else { Durability::Os };
    settings.downstream.simulated = false;
    settings
}

/// Orders W6: one order, six tasks one after the other.
///
/// # Errors
/// The generator does not know the order.
pub fn w6_orders(seed: u64, now_ms: i64) -> anyhow::Result<Generator> {
    let upstream = Upstream {
        seed,
        orders: ORDERS_MAX,
        fault_rate: 0.0,
        base_time: Timestamp(now_ms),
        future_start_ms_max: 1,
        outages: false,
        only: Some("W6"),
    };
    Generator::new(upstream, Vec::new()).map_err(|error| anyhow::anyhow!(error))
}

/// The records that ask for these orders; without the repeated and the unreadable ones that the generator mixes in.
pub fn requests(generator: &Generator, now_ms: i64) -> impl Iterator<Item = Outgoing> + '_ {
    let taken = generator.submissions().filter(|submission| submission.expected == Expected::Taken);
    taken.map(move |submission| {
        let described = Submission {
            key: Some(submission.order_key.0.clone()),
            request_id: Some(submission.request_id.0.clone()),
            media_type: submission.media_type.clone(),
            body_bytes: submission.body.len(),
        };
        request(&described, submission.body, now_ms)
    })
}

/// Whether the order waits for nothing but its answers: one that follows another order would wait for it, and it waits for ever.
pub fn goes_at_once(request: &Outgoing) -> bool {
    let body = request.value.as_deref().unwrap_or_default();
    !String::from_utf8_lossy(body).contains("productOrderRelationship")
}

/// Answers every command at once and well, on a thread of its own, by way of the log: as a downstream system that is
/// outside the engine.
pub struct Downstream {
    stop: StopSignal,
    thread: JoinHandle<anyhow::Result<u64>>,
    hops: Arc<Mutex<Hops>>,
}

impl Downstream {
    /// # Errors
    /// The log has no such topic.
    pub fn start(store: &Arc<Store>, systems: &[&str]) -> anyhow::Result<Downstream> {
        let names: Vec<Arc<str>> = systems.iter().map(|system| topics::commands(system).into()).collect();
        let mut reader = store.log.reader(&names, &Start::End)?;
        let (store, stop, hops) = (store.clone(), StopSignal::new(), Arc::new(Mutex::new(Hops::new()?)));
        let (stopped, measured) = (stop.clone(), hops.clone());
        let answer_all = move || {
            let producer = store.log.producer();
            let mut answered = 0;
            while !stopped.is_stopped() {
                let records = reader.poll(BATCH, IDLE_WAIT)?;
                if !records.is_empty() {
                    answer_each(&store, &producer, &measured, &records)?;
                    answered += records.len() as u64;
                }
            }
            Ok(answered)
        };
        let thread = std::thread::Builder::new().name("downstream".to_owned()).spawn(answer_all)?;
        Ok(Downstream { stop, thread, hops })
    }

    /// What it has measured so far.
    pub fn hops(&self) -> MutexGuard<'_, Hops> {
        locked(&self.hops)
    }

    /// How many commands it answered.
    ///
    /// # Errors
    /// Whatever kept it from answering.
    pub fn stop(self) -> anyhow::Result<u64> {
        self.stop.stop();
        self.thread.join().map_err(|_| anyhow::anyhow!("the downstream panicked"))?
    }
}

/// Nothing of it is left half done by whoever panicked with it.
fn locked(hops: &Mutex<Hops>) -> MutexGuard<'_, Hops> {
    hops.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commands that have just been read.
fn answer_each(
    store: &Store,
    producer: &AnyProducer,
    hops: &Mutex<Hops>,
    records: &[Record],
) -> anyhow::Result<()> {
    let (read_at, now) = (Instant::now(), Timestamp(store.clock.now_ms()));
    let (mut answers, mut followed) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for record in records {
        let command = execute(&store.codec, &record.value)?;
        let is_followed = command.name != LAST_COMMAND;
        let answer = done(&store.codec, now, command)?;
        followed.extend(answer.key.clone().filter(|_| is_followed));
        answers.push(answer);
    }
    let mut hops = locked(hops);
    for key in records.iter().filter_map(|record| record.key.as_ref()) {
        hops.command_read(key, read_at);
    }
    let handed_in_at = Instant::now();
    for key in followed {
        hops.answer_handed_in(key, handed_in_at);
    }
    drop(hops);
    // Not waited for: what is not durable is not read by anybody either.
    drop(producer.submit(&answers)?);
    Ok(())
}

/// That the command was carried out.
///
/// # Errors
/// It is no command to do something.
pub fn answer(codec: &Codec, now: Timestamp, command: &Option<Bytes>) -> anyhow::Result<Outgoing> {
    done(codec, now, execute(codec, command)?)
}

fn execute(codec: &Codec, command: &Option<Bytes>) -> anyhow::Result<Command> {
    let value = command.as_deref().context("a command without a value")?;
    let command: Command = codec.decode(value)?;
    anyhow::ensure!(command.kind == CommandKind::Execute, "only commands to do something are measured");
    Ok(command)
}

fn done(codec: &Codec, now: Timestamp, command: Command) -> anyhow::Result<Outgoing> {
    let answer = Feedback {
        feedback_id: FeedbackId(format!("{}/{}", command.command_id, command.attempt)),
        command_id: command.command_id,
        order_key: command.order_key,
        system: command.system,
        kind: FeedbackKind::Completed,
        attempt: Some(command.attempt),
        outputs: Default::default(),
        code: None,
        message: None,
        retryable: None,
        at: now,
    };
    feedback(codec, &answer)
}
