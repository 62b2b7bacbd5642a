//! Pumps events from the log into the projection, which keeps its own position.
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use projection::{Applied, Projected, Projection};
use runtime::log::embedded::Start;
use runtime::log::{Limits, Position};
use runtime::{Record, StopSignal};
use schemas::codec::Codec;
use schemas::topics;

use super::Store;

/// As many events as go into one transaction.
const BATCH: Limits = Limits { records_max: 2_000, bytes_max: 8 << 20 };
/// What it is made from.
pub const TOPICS: [&str; 2] = [topics::ORDER_EVENTS, topics::PRODUCT_EVENTS];
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// The pause after a transaction that failed, doubled with each failure in a row.
const BACKOFF_MS_MIN: u64 = 100;
const BACKOFF_MS_MAX: u64 = 10_000;

/// Whether the projection can be used, and fits this log: before anything else is started.
///
/// # Errors
/// It cannot be opened; it is of a newer version; it has read more of the log than there is, so that one of the two is not of this
/// directory, or the log has lost its end.
pub fn check(url: &str, store: &Store) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let unusable = || format!("projection \"{url}\" cannot be used; it can be made anew from the log");
        let projection = Projection::open(url).await.with_context(unusable)?;
        let positions = projection.positions().await.with_context(unusable);
        projection.close().await;
        for ((topic, partition), next) in positions? {
            let ends = store.log.end_offsets(&topic)?;
            let end = usize::try_from(partition).ok().and_then(|at| ends.get(at).copied()).unwrap_or(0);
            if next > end {
                bail!(
                    "the log is shorter than what the projection has read of it: partition {partition} of topic \"{topic}\" ends at \
                     {end}, and was read up to {next}; restore log and projection from the same backup"
                );
            }
        }
        Ok(())
    })
}

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
    let topics = TOPICS.map(Into::into);
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
    let batch: Vec<Applied> = records.iter().map(|record| applied(&store.codec, record)).collect();
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
pub fn applied(codec: &Codec, record: &Record) -> Applied {
    let event = decoded(codec, record).unwrap_or_else(|error| {
        tracing::error!(topic = %record.topic, partition = record.partition, offset = record.offset,
            error = format!("{error:#}"), "event could not be read, the projection passes over it");
        Projected::Skip
    });
    let partition = i32::try_from(record.partition).unwrap_or(i32::MAX);
    Applied { topic: record.topic.to_string(), partition, offset: record.offset, event }
}

fn decoded(codec: &Codec, record: &Record) -> anyhow::Result<Projected> {
    let value = record.value.as_deref().context("a tombstone")?;
    if &*record.topic == topics::ORDER_EVENTS {
        return Ok(Projected::Order(codec.decode_event(value)?));
    }
    match codec.record_name(value)? {
        "ProductChanged" => Ok(Projected::ProductChanged(Box::new(codec.decode(value)?))),
        "ProductReportRefused" => Ok(Projected::ProductReportRefused(Box::new(codec.decode(value)?))),
        other => bail!("a record \"{other}\""),
    }
}
