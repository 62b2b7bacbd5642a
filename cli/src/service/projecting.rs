//! Pumps events from the log into the projection, which keeps its own position.
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use projection::{Applied, Projected, Projection};
use runtime::log::embedded::Start;
use runtime::log::{Limits, Position};
use runtime::{Record, StopSignal};
use schemas::topics;

use super::Store;

/// As many events as go into one transaction.
const BATCH: Limits = Limits { records_max: 2_000, bytes_max: 8 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// The pause after a transaction that failed, doubled with each failure in a row.
const BACKOFF_MS_MIN: u64 = 100;
const BACKOFF_MS_MAX: u64 = 10_000;

/// Until `stop`; then what is read is applied and the database closed.
///
/// # Errors
/// The database cannot be opened, or the log cannot be read. A transaction that fails is tried again for ever.
pub fn run(url: &str, store: &Arc<Store>, stop: &StopSignal) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = Projection::open(url).await?;
        let ended = pump(&projection, store, stop).await;
        projection.close().await;
        ended
    })
}

async fn pump(projection: &Projection, store: &Arc<Store>, stop: &StopSignal) -> anyhow::Result<()> {
    let topics = [topics::ORDER_EVENTS.into(), topics::PRODUCT_EVENTS.into()];
    let known = projection.positions().await?.into_iter();
    let positions = known.map(|((topic, partition), next_offset)| Position {
        topic: topic.as_str().into(),
        partition: partition.unsigned_abs(),
        next_offset,
    });
    let mut reader = store.log.reader(&topics, &Start::Positions(positions.collect()))?;
    let lag = metrics::gauge!("orderstream_projection_lag_records");
    while !stop.is_stopped() {
        let records = reader.poll(BATCH, IDLE_WAIT)?;
        lag.set(reader.lag_records() as f64);
        if !records.is_empty() && !apply(projection, store, &records, stop).await {
            return Ok(());
        }
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
