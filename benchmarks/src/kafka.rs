//! W6 on Kafka: the same closed loop as on the embedded log, with a broker beside it. In the same run, before each point, what broker
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
use serde::Serialize;

use crate::{bare, process, report, w6};

/// Set by the script that starts a broker, for whoever wants to know what it costs.
const BROKER_PID: &str = "ORDERSTREAM_BROKER_PID";
const BROKER_DATA: &str = "ORDERSTREAM_BROKER_DATA";
const BROKERS: &str = "ORDERSTREAM__KAFKA__BROKERS";
const STARTER: &str = "scripts/with-kafka.sh";
/// What this program says of itself on Kafka.
const NODE: &str = "bench";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: report::Machine,
    pub points: Vec<Point>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub partitions: u32,
    pub partitions_outward: u32,
    pub in_flight: usize,
    pub orders: u64,
    pub orders_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// CPU of everything in our process: engine, projection, load and downstream.
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
    /// Of each point.
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
    let mut points = Vec::new();
    for partitions in &extent.partitions {
        for in_flight in &extent.in_flight {
            eprintln!("W6 on Kafka, {partitions} partitions, {in_flight} in flight");
            points.push(point(extent, *partitions, *in_flight)?);
        }
    }
    Ok(Report { machine, points })
}

fn point(extent: &Extent, partitions: u32, in_flight: usize) -> anyhow::Result<Point> {
    let (directory, measured) = (tempfile::tempdir()?, Duration::from_secs(extent.seconds));
    let mut settings = settings(extent.config.as_deref(), directory.path())?;
    settings.log.partitions = partitions;
    settings.kafka.partitions_outward = extent.outward;
    create_topics(&settings)?;
    let options = settings.kafka_options();
    let bare = bare::measure(&options, partitions, in_flight, measured)?;
    let (ran, [before, after]) = w6::run(&settings, in_flight, measured, || {
        Ok((broker_cpu_ms()?, topic_bytes(&settings.kafka.prefix)?))
    })?;
    let orders = ran.orders.max(1) as f64;
    let broker_cpu_ms = before.0.zip(after.0).map(|(before, after)| after - before);
    let bytes = |(topic, bytes): (String, u64)| {
        let written = bytes - before.1.get(&topic).copied().unwrap_or(0);
        (written > 0).then(|| (topic, written as f64 / orders))
    };
    Ok(Point {
        partitions,
        partitions_outward: if extent.outward == 0 { partitions } else { extent.outward },
        in_flight,
        orders: ran.orders,
        orders_per_s: ran.orders_per_s,
        p50_ms: ran.p50_ms,
        p99_ms: ran.p99_ms,
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
    println!("\nW6 on Kafka, whole product, load and downstream in one process, the broker beside it");
    let mut lines = report::table(&[
        "partitions",
        "in flight",
        "orders/s",
        "p50 ms",
        "p99 ms",
        "CPU s/1,000",
        "broker CPU s/1,000",
        "bare orders/s",
        "bare p50 ms",
        "of bare",
    ]);
    for point in &report.points {
        lines.add_row([
            point.partitions.to_string(),
            point.in_flight.to_string(),
            format!("{:.0}", point.orders_per_s),
            format!("{:.0}", point.p50_ms),
            format!("{:.0}", point.p99_ms),
            format!("{:.2}", point.cpu_s_per_1000_orders),
            point.broker_cpu_s_per_1000_orders.map_or_else(|| "-".to_owned(), |s| format!("{s:.2}")),
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
