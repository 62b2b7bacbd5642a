//! Many open orders, each waiting for an answer that does not come: memory with them, what waiting costs, bytes on the disk, and how soon
//! after a `kill -9` the service works again. With several numbers of them, beside each other.
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cli::control::{Client, Submission};
use cli::service::Store;
use cli::settings::Settings;
use comfy_table::Table;
use domain::OrderKey;
use domain::order::OrderState;
use projection::Projection;
use runtime::Outgoing;
use serde::Serialize;

use crate::process::{self, Resident};
use crate::running::Running;
use crate::waiting::{self, Looks, Patience, Waiting};
use crate::{report, world};

/// As many requests go into one write.
const BATCH: usize = 1_000;
const START_WAIT: Duration = Duration::from_secs(120);
/// All orders must have been taken up, and be in the projection, at this pace and so long beside.
const TAKEN_ORDERS_PER_S_MIN: u32 = 150;
const TAKEN_WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY_AT_START: Duration = Duration::from_millis(2);
/// So many of them come due in the measured time of what it costs to look whether an order is stuck.
const LOOKED_AT: usize = 1_000;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: report::Machine,
    pub open_orders: Vec<Open>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    pub orders: usize,
    /// From an empty service to all of them waiting for their first answer.
    pub taken_orders_per_s: f64,
    pub resident: Resident,
    pub waiting: Waiting,
    /// Of some more orders among them; None: those were taken too late to be measured.
    pub looks: Option<Looks>,
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

/// One after the other, each with a service of its own.
///
/// # Errors
/// The binary does not run, or does not take up the orders in time.
pub fn measure(binary: &Path, orders: &[usize]) -> anyhow::Result<Vec<Open>> {
    let one = |orders: &usize| {
        eprintln!("{orders} open orders");
        measure_one(binary, *orders)
    };
    orders.iter().map(one).collect()
}

fn measure_one(binary: &Path, orders: usize) -> anyhow::Result<Open> {
    let directory = tempfile::tempdir()?;
    let settings = world::settings(directory.path(), true);
    let bench = Bench { binary, patience: Patience::new(&settings)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let now_ms = runtime::Clock::now_ms(&runtime::SystemClock);
    let generator = world::w6_orders(1, now_ms)?;
    let mut requests = world::requests(&generator, now_ms);
    feed_here(&settings, requests.by_ref().take(orders))?;
    let (started, service) = (Instant::now(), bench.start(&settings, waiting::FAR)?);
    runtime.block_on(taken(&settings, orders))?;
    let taken_s = started.elapsed().as_secs_f64();
    let (resident, waiting) = waiting::at_rest(service.id(), &settings, waiting::QUIET_WAIT)?;
    service.kill()?;
    let log_bytes = process::directory_bytes(&directory.path().join("log"))?;
    let projection_bytes = process::directory_bytes(directory.path())? - log_bytes;
    let mut next = |what: &str| requests.next().context(format!("no request left for {what}"));
    let (start_to_request_ms, start_to_command_ms, service) =
        runtime.block_on(bench.first_command(&settings, next("the start")?))?;
    let resident_after_start = process::resident(service.id())?;
    service.kill()?;
    let empty = tempfile::tempdir()?;
    let empty_settings = world::settings(empty.path(), true);
    let (_, empty_start_to_command_ms, service) =
        runtime.block_on(bench.first_command(&empty_settings, next("the empty start")?))?;
    service.kill()?;
    feed_here(&settings, requests.filter(world::goes_at_once).take(LOOKED_AT))?;
    let (started, service) = (Instant::now(), bench.start(&settings, waiting::LOOK_AFTER)?);
    // With that of the start.
    runtime.block_on(taken(&settings, orders + 1 + LOOKED_AT))?;
    let looks = waiting::looks(service.id(), &settings, LOOKED_AT, started)?;
    service.kill()?;
    Ok(Open {
        orders,
        taken_orders_per_s: orders as f64 / taken_s,
        resident,
        waiting,
        looks,
        log_and_state_bytes_per_order: log_bytes as f64 / orders as f64,
        projection_bytes_per_order: projection_bytes as f64 / orders as f64,
        start_to_request_ms,
        start_to_command_ms,
        empty_start_to_command_ms,
        of_empty_start: start_to_command_ms / empty_start_to_command_ms,
        resident_after_start,
    })
}

/// Into the directory of a service that does not run.
fn feed_here(settings: &Settings, requests: impl Iterator<Item = Outgoing>) -> anyhow::Result<()> {
    let catalog = cli::service::catalog::load(&settings.catalog)?;
    feed(&Store::open(settings, &catalog)?, requests)
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

/// So long it may take until all orders are taken up.
pub(crate) fn taken_wait(orders: usize) -> Duration {
    TAKEN_WAIT + Duration::from_secs(orders as u64) / TAKEN_ORDERS_PER_S_MIN
}

/// Waits until all orders are in progress and told so.
async fn taken(settings: &Settings, orders: usize) -> anyhow::Result<()> {
    let wait = taken_wait(orders);
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

/// What every start has in common.
struct Bench<'b> {
    binary: &'b Path,
    patience: Patience,
}

impl Bench<'_> {
    fn start(&self, settings: &Settings, look_after: Duration) -> anyhow::Result<Running> {
        Running::start(self.binary, &settings.node.data_dir, &self.patience.variables(look_after))
    }

    /// Starts the service and sends one more order; gives the times until it is durable and until its first command is sent.
    async fn first_command(
        &self,
        settings: &Settings,
        request: Outgoing,
    ) -> anyhow::Result<(f64, f64, Running)> {
        let (started, deadline) = (Instant::now(), Instant::now() + START_WAIT);
        let service = self.start(settings, waiting::FAR)?;
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
}

/// What a person reads.
pub fn print(open: &[Open]) {
    println!("\nOpen orders, each waiting for an answer that does not come");
    println!("{}", table(open));
    println!(
        "No time-out and no look whether an order is stuck comes due while they wait: breachMs and stuck_orders.grace_ms are {} h.\n\
         A look is measured with {LOOKED_AT} more orders and a grace of {} s.\n\
         CPU while they wait, by the threads that use most, ms/s:",
        waiting::FAR.as_secs() / 3_600,
        waiting::LOOK_AFTER.as_secs()
    );
    for open in open {
        println!("  {}: {} ({})", open.orders, waiting::threads(&open.waiting), waiting::how(&open.waiting));
        match &open.looks {
            Some(looks) if looks.is_quiet => {}
            Some(_) => println!("  {}: NOT quiet before the looks whether orders are stuck", open.orders),
            None => println!(
                "  {}: the orders to look at were taken too late for that to be measured",
                open.orders
            ),
        }
    }
    println!();
}

/// A column for each number of orders, and what each is of the first.
fn table(open: &[Open]) -> Table {
    let lines: Vec<Vec<Line>> = open.iter().map(lines).collect();
    let mut header = vec!["open orders".to_owned()];
    header.extend(open.iter().map(|open| open.orders.to_string()));
    header.extend(open.iter().skip(1).map(|more| format!("{} / {}", more.orders, open[0].orders)));
    let mut table = report::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for (at, (name, _, unit)) in lines.first().into_iter().flatten().enumerate() {
        let values: Vec<f64> = lines.iter().map(|lines| lines[at].1).collect();
        let mut row = vec![if unit.is_empty() { (*name).to_owned() } else { format!("{name}, {unit}") }];
        row.extend(values.iter().map(|value| shown(*value)));
        row.extend(values.iter().skip(1).map(|value| shown(value / values[0])));
        table.add_row(row);
    }
    table
}

/// With as many places as it takes to compare.
fn shown(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    if value.abs() < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// Name, value, unit; not a number where it was not measured.
type Line = (&'static str, f64, &'static str);

fn lines(open: &Open) -> Vec<Line> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let look_ms = open.looks.as_ref().map_or(f64::NAN, |looks| looks.cpu_ms_per_order);
    vec![
        ("taken", open.taken_orders_per_s, "orders/s"),
        ("resident, at rest", mib(open.resident.now_bytes), "MiB"),
        ("resident, peak", mib(open.resident.peak_bytes), "MiB"),
        ("CPU while they wait", open.waiting.cpu_ms_per_s, "ms/s"),
        ("CPU of a look whether one is stuck", look_ms, "ms"),
        ("log and state per order", open.log_and_state_bytes_per_order, "bytes"),
        ("projection per order", open.projection_bytes_per_order, "bytes"),
        ("kill -9 to first request taken", open.start_to_request_ms, "ms"),
        ("kill -9 to first command sent", open.start_to_command_ms, "ms"),
        ("of an empty start", open.of_empty_start, ""),
        ("resident after the start", mib(open.resident_after_start.now_bytes), "MiB"),
    ]
}
