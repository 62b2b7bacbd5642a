//! W6, closed loop: one order is six tasks one after the other, each command answered by a downstream outside the engine;
//! as soon as an order ends the next is sent. Behind it, in the same run, what log and disk alone allow: the same number
//! of durable hops with nothing decided in between.
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use cli::service::{Service, Store};
use cli::settings::Settings;
use domain::order::OrderState;
use domain::order::event::OrderStateChanged;
use hdrhistogram::Histogram;
use runtime::AnyProducer;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{Outgoing, Record, StopSignal};
use schemas::topics;
use serde::{Deserialize, Serialize};

use crate::process::{self, Resident};
use crate::world;

const BATCH: Limits = Limits { records_max: 4_000, bytes_max: 16 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(50);
const WARM_UP: Duration = Duration::from_secs(2);
/// So often everything in flight ends within the measured time, which is made longer for it.
const WAVES_MIN: u64 = 2;
/// Not longer than this.
const MEASURED_MAX: Duration = Duration::from_secs(90);
/// No order at all for so long: something is broken.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Commands and answers of one order.
const HOPS: u32 = 12;
const BARE_RECORD_BYTES: usize = 400;
const MICROS_MAX: u64 = 600_000_000;
const BARE_MEASURED_MAX: Duration = Duration::from_secs(5);
/// The group of the processors of orders.
const ORDERS: &str = "orders";

/// One measurement, which had a process for itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub in_flight: usize,
    /// More than can be kept up with.
    pub saturated: bool,
    pub fsync: bool,
    pub partitions: u32,
    /// Of the orders.
    pub workers: u32,
    pub cores: usize,
    pub orders: u64,
    pub orders_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// From an answer that the downstream hands in to the order's next command that it reads; both writes included.
    pub hop_p50_ms: f64,
    pub hop_p99_ms: f64,
    /// At the end of the measured time, of everything in the process: engine, projection, load and downstream.
    pub resident: Resident,
    /// CPU of the same.
    pub cpu_ms_per_order: f64,
    /// The same by thread, the most first.
    pub cpu_ms_per_order_by_thread: Vec<(String, f64)>,
    /// Bytes of log and store per order on the disk, at the end of the run.
    pub disk_bytes_per_order: f64,
    pub events_per_order: f64,
    pub projection_lag_records: u64,
    /// Orders/s of as many durable hops with nothing decided in between, and what fraction of that the product reached; where it was
    /// asked for.
    pub bare_orders_per_s: Option<f64>,
    pub of_bare: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    pub in_flight: usize,
    pub saturated: bool,
    pub fsync: bool,
    pub seconds: u64,
    /// None: as shipped.
    pub partitions: Option<u32>,
    pub workers: Option<u32>,
    /// What the whole process is held to; None: nothing.
    pub cores: Option<usize>,
    /// Whether log and disk alone are measured, too.
    pub beside_bare: bool,
}

impl Load {
    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn settings(&self, data_dir: &Path) -> Settings {
        let mut settings = world::settings(data_dir, self.fsync);
        settings.log.partitions = self.partitions.unwrap_or(settings.log.partitions);
        for group in settings.subtopologies.iter_mut().filter(|group| group.name == ORDERS) {
            group.workers = self.workers.unwrap_or(group.workers);
        }
        settings
    }
}

/// In this process; it must have no other threads where it is to be held to some cores.
///
/// # Errors
/// There are not as many cores; the service does not start, stops, or is silent.
pub fn measure(load: &Load) -> anyhow::Result<Point> {
    if let Some(cores) = load.cores {
        process::hold_to(cores)?;
    }
    let directory = tempfile::tempdir()?;
    let settings = load.settings(directory.path());
    let (ran, _) = run(&settings, load.in_flight, load.measured(), || Ok(()))?;
    let disk_bytes = process::directory_bytes(&directory.path().join("log"))?;
    // Afterwards: what it needs of memory is not the product's.
    let bare = load.beside_bare.then(|| bare(load)).transpose()?;
    let workers = settings.subtopologies.iter().find(|group| group.name == ORDERS).map(|group| group.workers);
    Ok(Point {
        in_flight: load.in_flight,
        saturated: load.saturated,
        fsync: load.fsync,
        partitions: settings.log.partitions,
        workers: workers.unwrap_or_default(),
        cores: process::cores()?,
        orders: ran.orders,
        orders_per_s: ran.orders_per_s,
        p50_ms: ran.p50_ms,
        p99_ms: ran.p99_ms,
        hop_p50_ms: ran.hop_p50_ms,
        hop_p99_ms: ran.hop_p99_ms,
        resident: ran.resident,
        cpu_ms_per_order: ran.cpu_ms_per_order_by_thread.iter().map(|(_, ms)| ms).sum(),
        cpu_ms_per_order_by_thread: ran.cpu_ms_per_order_by_thread,
        disk_bytes_per_order: disk_bytes as f64 / ran.orders_begun as f64,
        events_per_order: ran.events_per_order,
        projection_lag_records: ran.projection_lag_records,
        bare_orders_per_s: bare,
        of_bare: bare.map(|bare| ran.orders_per_s / bare),
    })
}

/// What one run of the closed loop showed, on whichever log the settings name.
#[derive(Clone, Debug)]
pub struct Ran {
    pub orders: u64,
    /// Before and after the measured time, and those that had not ended, too.
    pub orders_begun: u64,
    pub orders_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub hop_p50_ms: f64,
    pub hop_p99_ms: f64,
    /// At the end of the measured time.
    pub resident: Resident,
    pub cpu_ms_per_order_by_thread: Vec<(String, f64)>,
    /// On Kafka with the marks of transactions.
    pub events_per_order: f64,
    pub projection_lag_records: u64,
}

/// The service with its downstream and its load in this process. `look` is asked before and after the measured time, for what is outside.
///
/// # Errors
/// The service does not start, stops, or is silent.
pub fn run<L>(
    settings: &Settings,
    in_flight: usize,
    measured: Duration,
    look: impl Fn() -> anyhow::Result<L>,
) -> anyhow::Result<(Ran, [L; 2])> {
    let service = Service::start(settings)?;
    let downstream = world::Downstream::start(&service.store, &[world::SYSTEM])?;
    let mut run = Run::start(&service, in_flight)?;
    // Those of the beginning all stand at the same task, and the first may have to wait until the group has given its partitions out.
    while run.ended < in_flight as u64 {
        run.until(&service, Instant::now() + IDLE_WAIT)?;
    }
    run.until(&service, Instant::now() + WARM_UP)?;
    let events_before = events(&service.store)?;
    let look_before = look()?;
    let (before, ended_before, started) =
        (process::cpu_ms_by_thread(std::process::id())?, run.ended, Instant::now());
    run.times_us.reset();
    downstream.hops().begin_anew();
    run.until(&service, started + measured)?;
    // All began at the same task, and go on in waves: what ends within a part of one says little of what the rest of it cost.
    let ended_min = ended_before + WAVES_MIN * in_flight as u64;
    while run.ended < ended_min && started.elapsed() < MEASURED_MAX {
        run.until(&service, Instant::now() + IDLE_WAIT)?;
    }
    let elapsed_s = started.elapsed().as_secs_f64();
    let spent = process::spent(&before, &process::cpu_ms_by_thread(std::process::id())?);
    let resident = process::resident(std::process::id())?;
    let (hop_p50_ms, hop_p99_ms) = hop_times(&downstream);
    let look_after = look()?;
    let orders = run.ended - ended_before;
    let events = events(&service.store)? - events_before;
    let projection_lag_records = lag(&service.store, settings)?;
    let orders_begun = run.ended + in_flight as u64;
    downstream.stop()?;
    service.stop()?;
    let per_order = |amount: f64| amount / orders.max(1) as f64;
    let ran = Ran {
        orders,
        orders_begun,
        orders_per_s: orders as f64 / elapsed_s,
        p50_ms: run.times_us.value_at_quantile(0.50) as f64 / 1e3,
        p99_ms: run.times_us.value_at_quantile(0.99) as f64 / 1e3,
        hop_p50_ms,
        hop_p99_ms,
        resident,
        cpu_ms_per_order_by_thread: spent.into_iter().map(|(name, ms)| (name, per_order(ms))).collect(),
        events_per_order: per_order(events as f64),
        projection_lag_records,
    };
    Ok((ran, [look_before, look_after]))
}

/// p50 and p99.
fn hop_times(downstream: &world::Downstream) -> (f64, f64) {
    let hops = downstream.hops();
    (hops.quantile_ms(0.50), hops.quantile_ms(0.99))
}

fn events(store: &Store) -> anyhow::Result<i64> {
    Ok(store.log.end_offsets(topics::ORDER_EVENTS)?.iter().sum())
}

/// How far the projection is behind.
fn lag(store: &Store, settings: &Settings) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let positions = runtime.block_on(async {
        let projection = projection::Projection::open(&settings.projection_url()).await?;
        let positions = projection.positions().await;
        projection.close().await;
        anyhow::Ok(positions?)
    })?;
    let done: i64 =
        positions.iter().filter(|((topic, _), _)| topic == topics::ORDER_EVENTS).map(|(_, next)| next).sum();
    Ok((events(store)? - done).max(0).unsigned_abs())
}

/// A closed loop: whoever ends makes room for the next.
struct Run<'a> {
    requests: Box<dyn Iterator<Item = Outgoing> + 'a>,
    producer: AnyProducer,
    reader: runtime::AnyReader,
    store: Arc<Store>,
    sent: HashMap<Bytes, Instant>,
    ended: u64,
    times_us: Histogram<u64>,
    moved: Instant,
}

impl Run<'_> {
    fn start(service: &Service, in_flight: usize) -> anyhow::Result<Run<'static>> {
        let store = service.store.clone();
        let now_ms = store.clock.now_ms();
        // Lives as long as the measurement, which is as long as the process.
        let generator = Box::leak(Box::new(world::w6_orders(1, now_ms)?));
        let reader = store.log.reader(&[topics::ORDER_EVENTS.into()], &Start::End)?;
        let mut run = Run {
            requests: Box::new(world::requests(generator, now_ms)),
            producer: store.log.producer(),
            reader,
            store,
            sent: HashMap::new(),
            ended: 0,
            times_us: Histogram::new_with_bounds(1, MICROS_MAX, 3)?,
            moved: Instant::now(),
        };
        run.send(in_flight)?;
        Ok(run)
    }

    fn send(&mut self, orders: usize) -> anyhow::Result<()> {
        let records: Vec<Outgoing> = self.requests.by_ref().take(orders).collect();
        let now = Instant::now();
        self.sent.extend(records.iter().filter_map(|record| Some((record.key.clone()?, now))));
        drop(self.producer.submit(&records)?);
        Ok(())
    }

    fn until(&mut self, service: &Service, deadline: Instant) -> anyhow::Result<()> {
        while Instant::now() < deadline {
            let records = self.reader.poll(BATCH, IDLE_WAIT)?;
            let mut ended = 0;
            for record in &records {
                if self.is_end(record)?
                    && let Some(sent) = record.key.as_ref().and_then(|key| self.sent.remove(key))
                {
                    self.times_us.saturating_record(sent.elapsed().as_micros() as u64);
                    ended += 1;
                }
            }
            if ended > 0 {
                self.moved = Instant::now();
                self.ended += ended as u64;
                self.send(ended)?;
            }
            if service.stop_signal().is_stopped() || self.moved.elapsed() > SILENCE_MAX {
                bail!("the service stopped, or no order ended for {} s", SILENCE_MAX.as_secs());
            }
        }
        Ok(())
    }

    fn is_end(&self, record: &Record) -> anyhow::Result<bool> {
        let value = record.value.as_deref().context("an event without a value")?;
        match self.store.codec.record_name(value)? {
            "OrderStateChanged" => {
                let changed: OrderStateChanged = self.store.codec.decode(value)?;
                anyhow::ensure!(changed.to != OrderState::Failed, "an order of the workload failed");
                Ok(changed.to == OrderState::Completed)
            }
            "OrderRejected" => bail!("an order of the workload was rejected"),
            _ => Ok(false),
        }
    }
}

/// As many durable hops between two threads by way of the same log, with nothing decided: orders/s.
fn bare(load: &Load) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let settings = load.settings(directory.path());
    let catalog = cli::service::catalog::load(&settings.catalog)?;
    let store = Arc::new(Store::open(&settings, &catalog)?);
    let (there, back): (Arc<str>, Arc<str>) =
        (topics::commands(world::SYSTEM).into(), topics::FEEDBACK.into());
    let stop = StopSignal::new();
    let (echo_store, echo_stop, from, to) = (store.clone(), stop.clone(), there.clone(), back.clone());
    let mut echo_reader = store.log.reader(&[from], &Start::End)?;
    let echo = std::thread::spawn(move || -> anyhow::Result<()> {
        let producer = echo_store.log.producer();
        while !echo_stop.is_stopped() {
            forward(&producer, &to, &echo_reader.poll(BATCH, IDLE_WAIT)?)?;
        }
        Ok(())
    });
    let mut reader = store.log.reader(&[back], &Start::End)?;
    let producer = store.log.producer();
    let first: Vec<Outgoing> = (0..load.in_flight as u64).map(|number| hop(&there, number)).collect();
    drop(producer.submit(&first)?);
    let (mut hops, started) = (0_u64, Instant::now());
    let measured = load.measured().min(BARE_MEASURED_MAX);
    while started.elapsed() < measured {
        let records = reader.poll(BATCH, IDLE_WAIT)?;
        hops += 2 * records.len() as u64;
        forward(&producer, &there, &records)?;
    }
    let elapsed_s = started.elapsed().as_secs_f64();
    stop.stop();
    echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))??;
    Ok(hops as f64 / f64::from(HOPS) / elapsed_s)
}

fn hop(topic: &Arc<str>, number: u64) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition: None,
        key: Some(Bytes::from(format!("order-{number}"))),
        value: Some(Bytes::from(vec![b'.'; BARE_RECORD_BYTES])),
        headers: Vec::new(),
        timestamp_ms: 0,
    }
}

fn forward(producer: &AnyProducer, topic: &Arc<str>, records: &[Record]) -> anyhow::Result<()> {
    let next: Vec<Outgoing> = records
        .iter()
        .map(|record| Outgoing {
            topic: topic.clone(),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: Vec::new(),
            timestamp_ms: 0,
        })
        .collect();
    if !next.is_empty() {
        drop(producer.submit(&next)?);
    }
    Ok(())
}
