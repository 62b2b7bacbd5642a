//! Sends heartbeats into every partition and notes who has passed them on.
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{AnyReader, Record, StopSignal};
use schemas::heartbeat::Heartbeat;
use schemas::topics;
use topology::heartbeat::record_of;

use super::Store;
use super::backoff::until_done;
use super::vitals::Vitals;

const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
/// It looks at its stop signal at least this often.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// How long a start may take, and how often it beats meanwhile.
const START_TIME: Duration = Duration::from_secs(60);
const START_INTERVAL: Duration = Duration::from_millis(250);
const TOPICS: [&str; 2] = [topics::HEARTBEATS, topics::SYSTEM_HEARTBEATS];

/// Reads what is passed on from now on.
///
/// # Errors
/// The log does not know its topics.
pub fn reader(store: &Store) -> anyhow::Result<AnyReader> {
    Ok(store.log.reader(&TOPICS.map(Into::into), &Start::End)?)
}

/// Every heartbeat among the records, with the partition that it went through; those that nobody has passed on yet are left out.
pub fn passed(store: &Store, records: &[Record]) -> Vec<(Heartbeat, u32)> {
    let read = records.iter().filter_map(|record| {
        let decoded = store.codec.decode::<Heartbeat>(record.value.as_deref().unwrap_or_default());
        match decoded {
            Ok(heartbeat) => heartbeat.passed_by.is_some().then_some((heartbeat, record.partition)),
            Err(error) => {
                // Outsiders can write here, too; a heartbeat that is missed will be noticed by its age.
                tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset, %error,
                    "heartbeat could not be read");
                None
            }
        }
    });
    read.collect()
}

/// Until `stop`.
///
/// # Errors
/// The log cannot be read. One that cannot be written is tried again at the next beat.
pub fn run(store: &Store, interval: Duration, vitals: &Arc<Vitals>, stop: &StopSignal) -> anyhow::Result<()> {
    let Some(mut reader) = until_done("heartbeat", stop, || reader(store))? else { return Ok(()) };
    let (started, mut due) = (Instant::now(), Instant::now());
    // Said once: a log that cannot be written would else say so at every beat.
    let mut is_failing = false;
    while !stop.is_stopped() {
        if Instant::now() >= due {
            // Whoever begins to listen after the first beat would else make everybody wait for the second.
            let starting = started.elapsed() < START_TIME && !vitals.has_heard_all();
            due = Instant::now() + if starting { interval.min(START_INTERVAL) } else { interval };
            match send(store) {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(error = format!("{error:#}"), "heartbeat could not be sent");
                    }
                }
            }
        }
        let wait = due.saturating_duration_since(Instant::now()).min(IDLE_WAIT);
        for (heartbeat, partition) in passed(store, &reader.poll(BATCH, wait)?) {
            for stage in &heartbeat.stages {
                vitals.beat(stage, partition, heartbeat.sent_at.0);
            }
        }
    }
    Ok(())
}

/// One into each partition, all with one write.
fn send(store: &Store) -> anyhow::Result<()> {
    let now = Timestamp(store.clock.now_ms());
    let heartbeat = Heartbeat { sent_at: now, passed_by: None, stages: Vec::new() };
    let mut records = Vec::new();
    for topic in TOPICS {
        let partitions = store.log.topics().get(topic).map_or(0, |spec| spec.partitions);
        for partition in 0..partitions {
            records.push(record_of(&store.codec, topic, partition, &heartbeat, now)?);
        }
    }
    store.log.producer().send(&records)?;
    Ok(())
}
