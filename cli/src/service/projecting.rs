//! Pumps events from the log into the projection, which keeps its own position.
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use projection::{Applied, Projected, Projection};
use runtime::log::embedded::{Reader, Start};
use runtime::log::{Limits, Position};
use runtime::{Record, StopSignal};
use schemas::topics;

use super::vitals::{PROJECTION, Vitals};
use super::{Store, heartbeat};

/// As many bytes of events as go into one transaction.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// As many heartbeats as are read at once.
const BEATS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// The pause after a transaction that failed, doubled with each failure in a row.
const BACKOFF_MS_MIN: u64 = 100;
const BACKOFF_MS_MAX: u64 = 10_000;

/// Until `stop`; then what is read is applied and the database closed.
///
/// # Errors
/// The database cannot be opened, or the log cannot be read. A transaction that fails is tried again for ever.
pub fn run(
    url: &str,
    records_max: usize,
    store: &Arc<Store>,
    vitals: &Arc<Vitals>,
    stop: &StopSignal,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = Projection::open(url).await?;
        let batch = Limits { records_max, bytes_max: BATCH_BYTES_MAX };
        let ended = pump(&projection, batch, store, vitals, stop).await;
        projection.close().await;
        ended
    })
}

async fn pump(
    projection: &Projection,
    batch: Limits,
    store: &Arc<Store>,
    vitals: &Vitals,
    stop: &StopSignal,
) -> anyhow::Result<()> {
    let topics = [topics::ORDER_EVENTS.into(), topics::PRODUCT_EVENTS.into()];
    let known = projection.positions().await?.into_iter();
    let positions = known.map(|((topic, partition), next_offset)| Position {
        topic: topic.as_str().into(),
        partition: partition.unsigned_abs(),
        next_offset,
    });
    let mut reader = store.log.reader(&topics, &Start::Positions(positions.collect()))?;
    let mut beats = heartbeat::reader(store)?;
    let lag = metrics::gauge!("orderstream_projection_lag_records");
    let lag_seconds = metrics::gauge!("orderstream_projection_lag_seconds");
    while !stop.is_stopped() {
        let records = reader.poll(batch, IDLE_WAIT)?;
        if !records.is_empty() && !apply(projection, store, &records, stop).await {
            return Ok(());
        }
        let left = reader.lag_records();
        lag.set(left as f64);
        vitals.projected(left);
        let age_ms = records.last().filter(|_| left > 0).map(|last| store.clock.now_ms() - last.timestamp_ms);
        if left == 0 || age_ms.is_some() {
            lag_seconds.set(age_ms.unwrap_or_default().max(0) as f64 / 1_000.0);
        }
        beat(projection, &mut beats, store, vitals).await?;
    }
    Ok(())
}

/// A heartbeat has reached its end here: what was read before it is applied, and the database answers.
async fn beat(
    projection: &Projection,
    beats: &mut Reader,
    store: &Store,
    vitals: &Vitals,
) -> anyhow::Result<()> {
    let passed = heartbeat::passed(store, &beats.poll(BEATS, Duration::ZERO)?);
    let last = passed.iter().map(|(heartbeat, _)| heartbeat.sent_at.0).max();
    if let Some(sent_at_ms) = last
        && projection.positions().await.is_ok()
    {
        vitals.beat(PROJECTION, 0, sent_at_ms);
    }
    Ok(())
}

/// Applies a batch however often it takes; says whether it was applied before `stop`.
async fn apply(projection: &Projection, store: &Store, records: &[Record], stop: &StopSignal) -> bool {
    let batch: Vec<Applied> = records.iter().map(|record| applied(store, record)).collect();
    let mut backoff_ms = BACKOFF_MS_MIN;
    loop {
        let Err(error) = projection.apply(batch.clone()).await else { return true };
        let error = format!("{:#}", anyhow::Error::from(error));
        tracing::warn!(error, backoff_ms, "projection could not be written, it is tried again");
        if stop.wait(Duration::from_millis(backoff_ms)) {
            return false;
        }
        backoff_ms = (backoff_ms * 2).min(BACKOFF_MS_MAX);
    }
}

/// A record as the projection takes it; one that cannot be read moves the position and is said so.
fn applied(store: &Store, record: &Record) -> Applied {
    let event = decoded(store, record).unwrap_or_else(|error| {
        tracing::error!(topic = %record.topic, partition = record.partition, offset = record.offset,
            error = format!("{error:#}"), "event could not be read, the projection passes over it");
        Projected::Skip
    });
    let partition = i32::try_from(record.partition).unwrap_or(i32::MAX);
    Applied { topic: record.topic.to_string(), partition, offset: record.offset, event }
}

fn decoded(store: &Store, record: &Record) -> anyhow::Result<Projected> {
    let value = record.value.as_deref().context("a tombstone")?;
    if &*record.topic == topics::ORDER_EVENTS {
        return Ok(Projected::Order(store.codec.decode_event(value)?));
    }
    match store.codec.record_name(value)? {
        "ProductChanged" => Ok(Projected::ProductChanged(Box::new(store.codec.decode(value)?))),
        "ProductReportRefused" => Ok(Projected::ProductReportRefused(Box::new(store.codec.decode(value)?))),
        other => anyhow::bail!("a record \"{other}\""),
    }
}
