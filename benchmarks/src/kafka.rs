//! W6 on Kafka: the same closed loop as on the embedded log, with a broker beside it. In the same run, behind each point, what broker
//! and client allow: the same hops through a bare consume–produce–commit loop (`bare`).
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use cli::service::{catalog, settled_specs};
use cli::settings::{LogKind, Settings};
use comfy_table::Table;
use runtime::log::kafka;
use serde::{Deserialize, Serialize};

use crate::process::{self, Resident};
use crate::{apart, bare, points, report, w6};

/// Set by the script that starts a broker, for whoever wants to know what it costs.
const BROKER_PID: &str = "ORDERSTREAM_BROKER_PID";
const BROKER_DATA: &str = "ORDERSTREAM_BROKER_DATA";
const BROKERS: &str = "ORDERSTREAM__KAFKA__BROKERS";
const STARTER: &str = "scripts/with-kafka.sh";
/// Takes a [`Load`] as JSON and prints a [`Point`] as JSON.
pub const SUBCOMMAND: &str = "kafka-point";
/// Of the measurement that is thrown away: a broker's code is compiled while it runs, and the first figures would be those of that.
const WARM_UP_IN_FLIGHT: usize = 64;
/// What this program says of itself on Kafka.
const NODE: &str = "bench";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: report::Machine,
    pub points: Vec<Point>,
}

/// One measurement, which had a process for itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub partitions: u32,
    pub partitions_outward: u32,
    pub in_flight: usize,
    /// More than can be kept up with.
    pub saturated: bool,
    pub orders: u64,
    pub orders_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// From an answer that the downstream hands in to the order's next command that it reads; both writes included.
    pub hop_p50_ms: f64,
    pub hop_p99_ms: f64,
    /// At the end of the measured time, of everything in our process: engine, projection, load and downstream. The broker is another.
    pub resident: Resident,
    /// CPU of everything in our process.
    pub cpu_s_per_1000_orders: f64,
    pub cpu_ms_per_order_by_thread: Vec<(String, f64)>,
    /// None: the broker was not started for this measurement.
    pub broker_cpu_s_per_1000_orders: Option<f64>,
    /// Of the broker's own files, by topic, without the prefix; empty where they are not ours to look at.
    pub bytes_per_order_by_topic: BTreeMap<String, f64>,
    pub projection_lag_records: u64,
    pub bare: bare::Bare,
    pub of_bare: f64,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Extent {
    /// Orders in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "4,64,512")]
    pub in_flight: Vec<usize>,
    /// Orders in flight that are more than the machine can keep up with; measured once, with the first of --partitions. 0: not measured.
    #[arg(long, default_value_t = 4_096)]
    pub saturated: usize,
    /// Of each point; longer where what is in flight does not end twice in it.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Of the order-keyed topics. A transaction pays for each partition that it touches.
    #[arg(long, value_delimiter = ',', default_value = "2,8")]
    pub partitions: Vec<u32>,
    /// Of the topics that no processor reads; 0: as many as of the others.
    #[arg(long, default_value_t = 0)]
    pub outward: u32,
    /// Settings of the service, as for `orderstream`; the environment comes on top.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Extent {
    /// In the sequence in which they are measured.
    fn loads(&self) -> Vec<Load> {
        let mut loads = Vec::new();
        for (number, partitions) in self.partitions.iter().enumerate() {
            let saturated = (number == 0 && self.saturated > 0).then_some((self.saturated, true));
            let in_flight = self.in_flight.iter().map(|in_flight| (*in_flight, false));
            loads.extend(in_flight.chain(saturated).map(|(in_flight, saturated)| Load {
                partitions: *partitions,
                outward: self.outward,
                in_flight,
                saturated,
                seconds: self.seconds,
                config: self.config.clone(),
            }));
        }
        loads
    }
}

/// What one process measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    pub partitions: u32,
    pub outward: u32,
    pub in_flight: usize,
    pub saturated: bool,
    pub seconds: u64,
    pub config: Option<PathBuf>,
}

/// Whether a broker is named; else [`with_broker`] starts one.
pub fn has_broker() -> bool {
    std::env::var_os(BROKERS).is_some_and(|brokers| !brokers.is_empty())
}

/// This command once more, with a broker and a registry that are started for it and end with it.
///
/// # Errors
/// The script is not there: it is looked for in the current directory, as the catalog is.
pub fn with_broker(binary: &Path) -> anyhow::Result<ExitCode> {
    let status = Command::new(STARTER)
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env("ORDERSTREAM_BIN", binary)
        .status()
        .with_context(|| format!("could not run \"{STARTER}\""))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// # Errors
/// The cluster does not answer, or one of the measurements fails.
pub fn measure(extent: &Extent) -> anyhow::Result<Report> {
    let machine = report::machine()?;
    let loads = extent.loads();
    if let Some(first) = loads.first() {
        eprintln!("W6 on Kafka, once for nothing: a broker that has just started is slow");
        let _: Point = apart::run(SUBCOMMAND, &Load { in_flight: WARM_UP_IN_FLIGHT, ..first.clone() })?;
    }
    let mut points = Vec::new();
    for load in loads {
        eprintln!("W6 on Kafka, {} partitions, {} in flight", load.partitions, load.in_flight);
        points.push(apart::run(SUBCOMMAND, &load)?);
    }
    Ok(Report { machine, points })
}

/// In this process.
///
/// # Errors
/// As [`measure`].
pub fn point(load: &Load) -> anyhow::Result<Point> {
    let Load { partitions, outward, in_flight, saturated, .. } = *load;
    let (directory, measured) = (tempfile::tempdir()?, Duration::from_secs(load.seconds));
    let mut settings = settings(load.config.as_deref(), directory.path())?;
    settings.log.partitions = partitions;
    settings.kafka.partitions_outward = outward;
    create_topics(&settings)?;
    let (ran, [before, after]) = w6::run(&settings, in_flight, measured, || {
        Ok((broker_cpu_ms()?, topic_bytes(&settings.kafka.prefix)?))
    })?;
    // Afterwards: what it needs of memory is not the product's.
    let bare = bare::measure(&settings.kafka_options(), partitions, in_flight, measured)?;
    let orders = ran.orders.max(1) as f64;
    let broker_cpu_ms = before.0.zip(after.0).map(|(before, after)| after - before);
    let bytes = |(topic, bytes): (String, u64)| {
        let written = bytes - before.1.get(&topic).copied().unwrap_or(0);
        (written > 0).then(|| (topic, written as f64 / orders))
    };
    Ok(Point {
        partitions,
        partitions_outward: if outward == 0 { partitions } else { outward },
        in_flight,
        saturated,
        orders: ran.orders,
        orders_per_s: ran.orders_per_s,
        p50_ms: ran.p50_ms,
        p99_ms: ran.p99_ms,
        hop_p50_ms: ran.hop_p50_ms,
        hop_p99_ms: ran.hop_p99_ms,
        resident: ran.resident,
        cpu_s_per_1000_orders: ran.cpu_ms_per_order_by_thread.iter().map(|(_, ms)| ms).sum(),
        cpu_ms_per_order_by_thread: ran.cpu_ms_per_order_by_thread,
        broker_cpu_s_per_1000_orders: broker_cpu_ms.map(|ms| ms / orders),
        bytes_per_order_by_topic: after.1.into_iter().filter_map(bytes).collect(),
        projection_lag_records: ran.projection_lag_records,
        of_bare: ran.orders_per_s / bare.orders_per_s,
        bare,
    })
}

/// What the environment says of the cluster, with topics of this point alone.
pub(crate) fn settings(config: Option<&Path>, data_dir: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(config)?;
    if settings.log.kind != LogKind::Kafka {
        bail!("log.kind is not \"kafka\" in the environment; {STARTER} sets what is needed");
    }
    settings.node.data_dir = data_dir.to_owned();
    settings.node.name = NODE.to_owned();
    settings.projection.url = String::new();
    settings.downstream.simulated = false;
    let now_ms = runtime::Clock::now_ms(&runtime::SystemClock);
    settings.kafka.prefix = format!("{}bench-{now_ms}.", settings.kafka.prefix);
    Ok(settings)
}

pub(crate) fn create_topics(settings: &Settings) -> anyhow::Result<()> {
    let catalog = catalog::load(&settings.catalog)?;
    let systems: BTreeSet<String> = catalog.systems.keys().cloned().collect();
    Ok(kafka::create(&settings.kafka_options(), settled_specs(settings, &systems))?)
}

fn broker_cpu_ms() -> anyhow::Result<Option<f64>> {
    let Ok(pid) = std::env::var(BROKER_PID) else { return Ok(None) };
    Ok(Some(process::cpu_ms_by_thread(pid.parse()?)?.values().sum()))
}

/// By topic without `prefix`, what the broker has written of it; its indexes are files of a fixed size and say nothing.
fn topic_bytes(prefix: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut by_topic = BTreeMap::new();
    let Some(data) = std::env::var_os(BROKER_DATA).map(PathBuf::from) else { return Ok(by_topic) };
    for partition in std::fs::read_dir(data)? {
        let partition = partition?;
        let name = partition.file_name().to_string_lossy().into_owned();
        let Some((topic, _)) = name.rsplit_once('-') else { continue };
        // What all topics share, as the positions of groups, is of the cluster and keeps its name.
        let topic = match topic.strip_prefix(prefix) {
            Some(topic) => topic,
            None if topic.starts_with("__") => topic,
            None => continue,
        };
        let bytes = by_topic.entry(topic.to_owned()).or_default();
        for file in std::fs::read_dir(partition.path())? {
            let file = file?;
            if file.path().extension().is_some_and(|kind| kind == "log") {
                *bytes += file.metadata()?.len();
            }
        }
    }
    Ok(by_topic)
}

/// What a person reads.
pub fn print(report: &Report) {
    println!(
        "\nW6 on Kafka, whole product, load and downstream in one process, whose memory and CPU are theirs too; the broker beside it.\n\
         A hop is from an answer that is handed in to the order's next command that is read, both written in between"
    );
    let mut lines = report::table(&[
        "partitions",
        "in flight",
        "orders/s",
        "p50 ms",
        "p99 ms",
        "hop p50 ms",
        "hop p99 ms",
        "CPU s/1,000",
        "broker CPU s/1,000",
        "MiB",
        "peak MiB",
        "bare orders/s",
        "bare p50 ms",
        "of bare",
    ]);
    for point in &report.points {
        lines.add_row([
            point.partitions.to_string(),
            points::in_flight(point.in_flight, point.saturated),
            format!("{:.0}", point.orders_per_s),
            format!("{:.0}", point.p50_ms),
            format!("{:.0}", point.p99_ms),
            format!("{:.0}", point.hop_p50_ms),
            format!("{:.0}", point.hop_p99_ms),
            format!("{:.2}", point.cpu_s_per_1000_orders),
            point.broker_cpu_s_per_1000_orders.map_or_else(|| "-".to_owned(), |s| format!("{s:.2}")),
            (point.resident.now_bytes >> 20).to_string(),
            (point.resident.peak_bytes >> 20).to_string(),
            format!("{:.0}", point.bare.orders_per_s),
            format!("{:.0}", point.bare.p50_ms),
            format!("{:.2}", point.of_bare),
        ]);
    }
    println!("{lines}\n");
    print_bytes(&report.points);
}

fn print_bytes(points: &[Point]) {
    let topics: BTreeSet<&String> =
        points.iter().flat_map(|point| point.bytes_per_order_by_topic.keys()).collect();
    if topics.is_empty() {
        return;
    }
    let header: Vec<String> = std::iter::once("bytes per order".to_owned())
        .chain(points.iter().map(|point| format!("{} / {}", point.partitions, point.in_flight)))
        .collect();
    let mut lines: Table = report::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for topic in topics {
        let bytes = |point: &Point| {
            let bytes = point.bytes_per_order_by_topic.get(topic).copied().unwrap_or(0.0);
            format!("{bytes:.0}")
        };
        lines.add_row(std::iter::once(topic.clone()).chain(points.iter().map(bytes)));
    }
    println!("{lines}");
}
