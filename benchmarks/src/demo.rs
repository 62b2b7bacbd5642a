//! The demonstration's workload, by the real binary: every kind of order and fault, and the oracle's judgement at the end. The feed and
//! the simulated downstream with its latencies set the pace, so its orders/s are no limit of the engine; its cost is what counts.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;
use domain::Timestamp;
use domain::order::OrderState;
use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};
use projection::Projection;
use serde::Serialize;

use crate::process;

const FAULTS: &str = "0.1";
const ELAPSED_MS_MAX: u64 = 3_600_000;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Demo {
    pub orders: i64,
    pub completed: i64,
    pub orders_per_s: f64,
    /// Of completed orders, from capture to the end; latencies, time-outs and outages of the simulated systems included.
    pub p50_ms: u64,
    pub p99_ms: u64,
    /// Engine, projection, feed, simulated downstream with its ledger, and the judgement.
    pub cpu_ms_per_order: f64,
    pub log_and_state_bytes_per_order: f64,
    pub projection_bytes_per_order: f64,
}

/// # Errors
/// The binary does not run, or the oracle finds a fault.
pub fn measure(binary: &Path, orders: u32) -> anyhow::Result<Demo> {
    let directory = tempfile::tempdir()?;
    let (started, cpu_before_ms) = (Instant::now(), cpu_of_children_ms()?);
    let ended = Command::new(binary)
        .args(["demo", "--faults", FAULTS, "--orders", &orders.to_string(), "--data-dir"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .status()?;
    let (elapsed_s, cpu_ms) = (started.elapsed().as_secs_f64(), cpu_of_children_ms()? - cpu_before_ms);
    ensure!(ended.success(), "the demonstration ended with {ended}");
    let file = directory.path().join("projection.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (summary, times) = runtime.block_on(async {
        let projection = Projection::open_file(&file).await?;
        let summary = projection.summary().await?;
        let limit = usize::try_from(summary.orders)?;
        let times = projection.times(&[OrderState::Completed], Timestamp(0), limit).await?;
        projection.close().await;
        anyhow::Ok((summary, times))
    })?;
    let mut times_ms = Histogram::<u64>::new_with_bounds(1, ELAPSED_MS_MAX, 3)?;
    for time in times {
        times_ms.saturating_record(time.elapsed_ms().max(1).unsigned_abs());
    }
    let per_order = |amount: f64| amount / summary.orders.max(1) as f64;
    Ok(Demo {
        orders: summary.orders,
        completed: summary.orders_by_state.get(&OrderState::Completed).copied().unwrap_or_default(),
        orders_per_s: summary.orders as f64 / elapsed_s,
        p50_ms: times_ms.value_at_quantile(0.50),
        p99_ms: times_ms.value_at_quantile(0.99),
        cpu_ms_per_order: per_order(cpu_ms),
        log_and_state_bytes_per_order: per_order(
            process::directory_bytes(&directory.path().join("log"))? as f64
        ),
        projection_bytes_per_order: per_order(std::fs::metadata(&file)?.len() as f64),
    })
}

/// CPU of all children that have ended.
fn cpu_of_children_ms() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    Ok(ms(usage.user_time()) + ms(usage.system_time()))
}
