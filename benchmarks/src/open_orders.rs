//! Many open orders, each waiting for an answer that does not come: memory with them, bytes on the disk, and how soon after
//! a `kill -9` the service works again.
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cli::control::{Client, Submission};
use cli::service::Store;
use cli::settings::Settings;
use domain::OrderKey;
use domain::order::OrderState;
use projection::Projection;
use runtime::Outgoing;
use serde::Serialize;

use crate::process::{self, Resident};
use crate::running::Running;
use crate::world;

/// As many requests go into one write.
const BATCH: usize = 1_000;
const START_WAIT: Duration = Duration::from_secs(120);
/// All orders must have been taken up, and be in the projection, at this pace and so long beside.
const TAKEN_ORDERS_PER_S_MIN: u32 = 150;
const TAKEN_WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY_AT_START: Duration = Duration::from_millis(2);
/// Memory is read again so long after the last order came: what was only needed on the way is then given back or not.
const REST: Duration = Duration::from_secs(5);
/// What it costs to keep them is measured for so long.
const KEPT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    pub orders: usize,
    /// From an empty service to all of them waiting for their first answer.
    pub taken_orders_per_s: f64,
    pub resident: Resident,
    /// CPU while all of them wait: scans for stuck orders, time-outs, heartbeats.
    pub waiting_cpu_ms_per_s: f64,
    pub log_and_state_bytes_per_order: f64,
    pub projection_bytes_per_order: f64,
    /// After `kill -9`, from the start of the process: until it takes a request durably ...
    pub start_to_request_ms: f64,
    /// ... until that order's first command is sent ...
    pub start_to_command_ms: f64,
    /// ... and of an empty service, for comparison.
    pub empty_start_to_command_ms: f64,
    pub of_empty_start: f64,
    pub resident_after_start: Resident,
}

/// # Errors
/// The binary does not run, or does not take up the orders in time.
pub fn measure(binary: &Path, orders: usize) -> anyhow::Result<Open> {
    let directory = tempfile::tempdir()?;
    let settings = world::settings(directory.path(), true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let now_ms = runtime::Clock::now_ms(&runtime::SystemClock);
    let generator = world::w6_orders(1, now_ms)?;
    let mut requests = world::requests(&generator, now_ms);
    let catalog = cli::service::catalog::load(&settings.catalog)?;
    feed(&Store::open(&settings, &catalog)?, requests.by_ref().take(orders))?;
    let (started, service) = (Instant::now(), Running::start(binary, directory.path(), &[])?);
    runtime.block_on(taken(&settings, orders))?;
    let taken_s = started.elapsed().as_secs_f64();
    let (resident, waiting_cpu_ms_per_s) = at_rest(service.id())?;
    service.kill()?;
    let log_bytes = process::directory_bytes(&directory.path().join("log"))?;
    let projection_bytes = process::directory_bytes(directory.path())? - log_bytes;
    let mut next = |what: &str| requests.next().context(format!("no request left for {what}"));
    let (start_to_request_ms, start_to_command_ms, service) =
        runtime.block_on(first_command(binary, &settings, next("the start")?))?;
    let resident_after_start = process::resident(service.id())?;
    service.kill()?;
    let empty = tempfile::tempdir()?;
    let (_, empty_start_to_command_ms, service) = runtime.block_on(first_command(
        binary,
        &world::settings(empty.path(), true),
        next("the empty start")?,
    ))?;
    service.kill()?;
    Ok(Open {
        orders,
        taken_orders_per_s: orders as f64 / taken_s,
        resident,
        waiting_cpu_ms_per_s,
        log_and_state_bytes_per_order: log_bytes as f64 / orders as f64,
        projection_bytes_per_order: projection_bytes as f64 / orders as f64,
        start_to_request_ms,
        start_to_command_ms,
        empty_start_to_command_ms,
        of_empty_start: start_to_command_ms / empty_start_to_command_ms,
        resident_after_start,
    })
}

/// Memory once it rests, and CPU per second while it does nothing but wait.
pub(crate) fn at_rest(pid: u32) -> anyhow::Result<(Resident, f64)> {
    std::thread::sleep(REST);
    let resident = process::resident(pid)?;
    let (before, started) = (process::cpu_ms_by_thread(pid)?, Instant::now());
    std::thread::sleep(KEPT);
    let spent = process::spent(&before, &process::cpu_ms_by_thread(pid)?);
    let spent_ms: f64 = spent.iter().map(|(_, ms)| ms).sum();
    Ok((resident, spent_ms / started.elapsed().as_secs_f64()))
}

/// Appends requests before any service runs.
pub(crate) fn feed(store: &Store, requests: impl Iterator<Item = Outgoing>) -> anyhow::Result<()> {
    let producer = store.log.producer();
    let mut requests = requests.peekable();
    while requests.peek().is_some() {
        let batch: Vec<Outgoing> = requests.by_ref().take(BATCH).collect();
        producer.send(&batch)?;
    }
    Ok(())
}

/// Waits until all orders are in progress and told so.
pub(crate) async fn taken(settings: &Settings, orders: usize) -> anyhow::Result<()> {
    let wait = TAKEN_WAIT + Duration::from_secs(orders as u64) / TAKEN_ORDERS_PER_S_MIN;
    let deadline = Instant::now() + wait;
    let projection = opened(settings, deadline).await?;
    loop {
        let summary = projection.summary().await?;
        let count = |state| summary.orders_by_state.get(&state).copied().unwrap_or(0);
        let in_progress = count(OrderState::InProgress);
        // Some are to follow another order, and wait for it.
        let open = in_progress + count(OrderState::Scheduled);
        if usize::try_from(open)? >= orders && summary.commands_sent >= in_progress {
            projection.close().await;
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{open} of {orders} orders were taken up within {} s", wait.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The projection, once the service has made it.
async fn opened(settings: &Settings, deadline: Instant) -> anyhow::Result<Projection> {
    loop {
        if settings.node.data_dir.join("projection.sqlite").exists()
            && let Ok(projection) = Projection::open(&settings.projection_url()).await
        {
            return Ok(projection);
        }
        if Instant::now() > deadline {
            bail!("the service made no projection within {} s", START_WAIT.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY_AT_START).await;
    }
}

/// Starts the service and sends one more order; gives the times until it is durable and until its first command is sent.
async fn first_command(
    binary: &Path,
    settings: &Settings,
    request: Outgoing,
) -> anyhow::Result<(f64, f64, Running)> {
    let (started, deadline) = (Instant::now(), Instant::now() + START_WAIT);
    let service = Running::start(binary, &settings.node.data_dir, &[])?;
    let key = String::from_utf8(request.key.context("a request without a key")?.to_vec())?;
    let body = request.value.context("a request without a body")?;
    let submission = Submission {
        key: Some(key.clone()),
        request_id: None,
        media_type: "application/json".to_owned(),
        body_bytes: body.len(),
    };
    let mut client = loop {
        if let Some(client) = Client::connect(&settings.node.data_dir).await? {
            break client;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the service did not start within {} s",
            START_WAIT.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY_AT_START).await;
    };
    client.submit(submission, &body).await?;
    let request_ms = started.elapsed().as_secs_f64() * 1e3;
    let projection = opened(settings, deadline).await?;
    loop {
        let order = projection.order(&OrderKey(key.clone())).await?;
        if order.is_some_and(|order| order.order.state == OrderState::InProgress) {
            break;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the order was not taken up within {} s",
            START_WAIT.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY_AT_START).await;
    }
    let command_ms = started.elapsed().as_secs_f64() * 1e3;
    projection.close().await;
    Ok((request_ms, command_ms, service))
}
