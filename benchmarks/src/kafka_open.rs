//! Many open orders on Kafka, each waiting for an answer that does not come: memory with them, and how soon after a `kill -9` new orders go
//! on, with the disk as it was, and with an empty one, where all state comes from the changelog.
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use cli::service::{Store, catalog};
use cli::settings::Settings;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{AnyReader, Outgoing};
use schemas::topics;
use serde::Serialize;

use crate::process::{self, Resident};
use crate::running::Running;
use crate::waiting::{self, Patience, Waiting};
use crate::{kafka, open_orders, report, world};

const READ: Limits = Limits { records_max: 4_000, bytes_max: 16 << 20 };
const LOOK_WAIT: Duration = Duration::from_millis(5);
/// An order's first command comes within this, also where all state has to be read before.
const COMMAND_WAIT: Duration = Duration::from_secs(600);
/// So many new orders for each partition: one of them is on every partition, all but certainly.
const PROBES_PER_PARTITION: usize = 16;

#[derive(Clone, Debug, clap::Args)]
pub struct Extent {
    #[arg(long, default_value_t = 20_000)]
    pub orders: usize,
    /// Of the order-keyed topics.
    #[arg(long, default_value_t = 8)]
    pub partitions: u32,
    /// How long it may take until all is projected, once all orders are taken; what is measured then says whether it was.
    #[arg(long, default_value_t = 180)]
    pub quiet_wait_s: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: report::Machine,
    pub orders: usize,
    pub partitions: u32,
    pub rejoin_at_once: bool,
    /// From the start of the service, which has all of them to read, to the last one's first command.
    pub taken_orders_per_s: f64,
    pub resident: Resident,
    pub waiting: Waiting,
    /// The first start of all, without any order: what group, topics and processes take by themselves.
    pub first_start: Restart,
    pub same_disk: Restart,
    pub empty_disk: Restart,
}

/// From the start of the process until new orders, which were waiting for it, had their first commands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    pub first_command_ms: f64,
    /// Of every one of them, so on every partition.
    pub all_commands_ms: f64,
    pub resident: Resident,
}

/// # Errors
/// The cluster does not answer, or the orders are not taken up in time.
pub fn measure(binary: &Path, extent: &Extent) -> anyhow::Result<Report> {
    let machine = report::machine()?;
    let (disk, feeder_disk) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut settings = kafka::settings(None, &disk.path().join("data"))?;
    settings.log.partitions = extent.partitions;
    kafka::create_topics(&settings)?;
    let bench = Bench::new(binary, settings, feeder_disk.path())?;
    let now_ms = runtime::Clock::now_ms(&runtime::SystemClock);
    let generator = world::w6_orders(1, now_ms)?;
    let mut requests = world::requests(&generator, now_ms);
    let probes = extent.partitions as usize * PROBES_PER_PARTITION;
    let mut probe = || requests.by_ref().filter(world::goes_at_once).take(probes).collect::<Vec<_>>();

    let (first_start, service) = bench.restart(probe())?;
    service.kill()?;
    let (same, empty) = (probe(), probe());
    let mut reader = bench.commands()?;
    let mut at_once = 0;
    let count = |request: &Outgoing| at_once += usize::from(world::goes_at_once(request));
    open_orders::feed(&bench.store, requests.take(extent.orders).inspect(count))?;
    let (started, service) = (Instant::now(), bench.start()?);
    until_sent(&mut reader, at_once, started + open_orders::taken_wait(extent.orders))?;
    let taken_orders_per_s = extent.orders as f64 / started.elapsed().as_secs_f64();
    eprintln!("all are taken up, at {taken_orders_per_s:.0} orders/s");
    let quiet_wait = Duration::from_secs(extent.quiet_wait_s);
    let (resident, waiting) = waiting::at_rest(service.id(), &bench.settings, quiet_wait)?;
    service.kill()?;
    let (same_disk, service) = bench.restart(same)?;
    service.kill()?;
    std::fs::remove_dir_all(&bench.settings.node.data_dir)?;
    let (empty_disk, service) = bench.restart(empty)?;
    service.kill()?;
    Ok(Report {
        machine,
        orders: extent.orders,
        partitions: extent.partitions,
        rejoin_at_once: bench.settings.kafka.rejoin_at_once,
        taken_orders_per_s,
        resident,
        waiting,
        first_start,
        same_disk,
        empty_disk,
    })
}

struct Bench<'b> {
    binary: &'b Path,
    /// Of the service.
    settings: Settings,
    patience: Patience,
    /// To send requests and to read commands, under a name of its own.
    store: Store,
}

impl<'b> Bench<'b> {
    fn new(binary: &'b Path, settings: Settings, feeder_disk: &Path) -> anyhow::Result<Bench<'b>> {
        let mut feeding = settings.clone();
        feeding.node.data_dir = feeder_disk.to_owned();
        feeding.node.name = format!("{}-feeder", settings.node.name);
        let store = Store::open(&feeding, &catalog::load(&settings.catalog)?)?;
        store.learn_ids()?;
        Ok(Bench { binary, patience: Patience::new(&settings)?, settings, store })
    }

    /// The broker, its security and the registry are in the environment already.
    fn start(&self) -> anyhow::Result<Running> {
        let settings = &self.settings;
        let mut variables = self.patience.variables(waiting::FAR);
        variables.extend([
            ("ORDERSTREAM__KAFKA__PREFIX", settings.kafka.prefix.clone()),
            ("ORDERSTREAM__LOG__PARTITIONS", settings.log.partitions.to_string()),
            ("ORDERSTREAM__NODE__NAME", settings.node.name.clone()),
        ]);
        Running::start(self.binary, &settings.node.data_dir, &variables)
    }

    /// What comes from now on.
    fn commands(&self) -> anyhow::Result<AnyReader> {
        let commands: Arc<str> = topics::commands(world::SYSTEM).into();
        Ok(self.store.log.reader(&[commands], &Start::End)?)
    }

    fn restart(&self, probes: Vec<Outgoing>) -> anyhow::Result<(Restart, Running)> {
        let mut reader = self.commands()?;
        self.store.log.producer().send(&probes)?;
        let mut waiting: HashSet<Bytes> = probes.into_iter().filter_map(|probe| probe.key).collect();
        let started = Instant::now();
        let service = self.start()?;
        let first_command_ms = until_fewer(&mut waiting, &mut reader, started, |left, all| left < all)?;
        let all_commands_ms = until_fewer(&mut waiting, &mut reader, started, |left, _| left == 0)?;
        let resident = process::resident(service.id())?;
        Ok((Restart { first_command_ms, all_commands_ms, resident }, service))
    }
}

/// Reads commands until so many orders have one; some have several at once.
fn until_sent(reader: &mut AnyReader, orders: usize, deadline: Instant) -> anyhow::Result<()> {
    // By their hashes: a million keys would take more memory.
    let (hasher, mut sent) = (RandomState::new(), HashSet::new());
    while sent.len() < orders {
        let keys = reader.poll(READ, LOOK_WAIT)?.into_iter().filter_map(|record| record.key);
        sent.extend(keys.map(|key| hasher.hash_one(key)));
        let had = sent.len();
        ensure!(Instant::now() < deadline, "{had} of {orders} orders had their first command in time");
    }
    Ok(())
}

/// Reads commands until, of all those that wait, as few are left as is asked for; gives the time since the start.
fn until_fewer(
    waiting: &mut HashSet<Bytes>,
    reader: &mut AnyReader,
    started: Instant,
    is_enough: impl Fn(usize, usize) -> bool,
) -> anyhow::Result<f64> {
    let all = waiting.len();
    while !is_enough(waiting.len(), all) {
        for record in reader.poll(READ, LOOK_WAIT)? {
            record.key.map(|key| waiting.remove(&key));
        }
        let seconds = COMMAND_WAIT.as_secs();
        ensure!(
            started.elapsed() < COMMAND_WAIT,
            "{} orders had no command within {seconds} s",
            waiting.len()
        );
    }
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// What a person reads.
pub fn print(report: &Report) {
    let rejoin = if report.rejoin_at_once { "at once" } else { "after the session timeout" };
    println!(
        "\n{} open orders on Kafka, {} partitions; a worker that was killed comes back {rejoin}",
        report.orders, report.partitions
    );
    println!(
        "taken: {:.0} orders/s; resident {} MiB (peak {}); CPU while they wait {:.1} ms/s: {} ({})",
        report.taken_orders_per_s,
        report.resident.now_bytes >> 20,
        report.resident.peak_bytes >> 20,
        report.waiting.cpu_ms_per_s,
        waiting::threads(&report.waiting),
        waiting::how(&report.waiting)
    );
    let mut lines =
        report::table(&["start", "first command ms", "all partitions ms", "of the first start", "peak MiB"]);
    let first = report.first_start.all_commands_ms;
    for (name, start) in [
        ("the first, without orders", &report.first_start),
        ("after kill -9", &report.same_disk),
        ("after kill -9, empty disk", &report.empty_disk),
    ] {
        lines.add_row([
            name.to_owned(),
            format!("{:.0}", start.first_command_ms),
            format!("{:.0}", start.all_commands_ms),
            format!("{:.2}", start.all_commands_ms / first),
            (start.resident.peak_bytes >> 20).to_string(),
        ]);
    }
    println!("{lines}");
}
