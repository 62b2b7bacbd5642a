//! All measurements of one run: a table for people, and JSON.
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;

use crate::demo::{self, Demo};
use crate::open_orders::{self, Open};
use crate::w6::{self, Load, Point};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: Machine,
    pub w6: Vec<Point>,
    pub demo: Demo,
    pub open_orders: Open,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub at: String,
    pub cpu: String,
    pub cores: usize,
    /// How busy others kept it when the run began: above about 0.5 the figures say little.
    pub load_before: String,
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Extent {
    /// Of each point of W6.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Open orders, for memory and start-up.
    #[arg(long, default_value_t = 100_000)]
    open: usize,
    /// Orders of the demonstration.
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
}

/// # Errors
/// One of the measurements fails.
pub fn measure(binary: &Path, extent: &Extent) -> anyhow::Result<Report> {
    let machine = machine()?;
    let mut points = Vec::new();
    for fsync in [true, false] {
        for in_flight in [4, 64, 512] {
            eprintln!("W6, {in_flight} in flight, fsync {}", if fsync { "on" } else { "off" });
            points.push(w6::measure(Load {
                in_flight,
                fsync,
                measured: Duration::from_secs(extent.seconds),
            })?);
        }
    }
    eprintln!("the demonstration with {} orders", extent.orders);
    let demo = demo::measure(binary, extent.orders)?;
    eprintln!("{} open orders", extent.open);
    let open_orders = open_orders::measure(binary, extent.open)?;
    Ok(Report { machine, w6: points, demo, open_orders })
}

/// # Errors
/// The system does not say what it is.
pub fn machine() -> anyhow::Result<Machine> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let now = domain::Timestamp(runtime::Clock::now_ms(&runtime::SystemClock));
    Ok(Machine {
        at: now.to_string(),
        cpu: model.unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        load_before: load.split(' ').next().unwrap_or_default().to_owned(),
    })
}

/// What a person reads.
pub fn print(report: &Report) {
    let Machine { at, cpu, cores, load_before } = &report.machine;
    println!(
        "{at}, {cores} cores of {cpu}, load before {load_before}\n\nW6, whole product, load and downstream in one process"
    );
    let mut lines = table(&[
        "in flight",
        "fsync",
        "orders/s",
        "of bare",
        "p50 ms",
        "p99 ms",
        "CPU ms/order",
        "bytes/order",
    ]);
    for point in &report.w6 {
        lines.add_row([
            point.in_flight.to_string(),
            if point.fsync { "on" } else { "off" }.to_owned(),
            format!("{:.0}", point.orders_per_s),
            format!("{:.2}", point.of_bare),
            format!("{:.1}", point.p50_ms),
            format!("{:.1}", point.p99_ms),
            format!("{:.2}", point.cpu_ms_per_order),
            format!("{:.0}", point.disk_bytes_per_order),
        ]);
    }
    println!("{lines}\n");
    let mut lines = table(&["", ""]);
    for (name, value) in demo_lines(&report.demo).into_iter().chain(open_lines(&report.open_orders)) {
        lines.add_row([name.to_owned(), value]);
    }
    println!("{lines}");
}

fn demo_lines(demo: &Demo) -> Vec<(&'static str, String)> {
    vec![
        ("demonstration: orders", demo.orders.to_string()),
        ("  orders/s", format!("{:.0}", demo.orders_per_s)),
        ("  p50, p99 of completed", format!("{} ms, {} ms", demo.p50_ms, demo.p99_ms)),
        ("  CPU per order, all in", format!("{:.2} ms", demo.cpu_ms_per_order)),
        ("  log and state per order", format!("{:.0} bytes", demo.log_and_state_bytes_per_order)),
        ("  projection per order", format!("{:.0} bytes", demo.projection_bytes_per_order)),
    ]
}

fn open_lines(open: &Open) -> Vec<(&'static str, String)> {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    vec![
        ("open orders", open.orders.to_string()),
        ("  taken", format!("{:.0} orders/s", open.taken_orders_per_s)),
        ("  resident, at rest", mib(open.resident.now_bytes)),
        ("  resident, peak", mib(open.resident.peak_bytes)),
        ("  CPU while they wait", format!("{:.1} ms/s", open.waiting_cpu_ms_per_s)),
        ("  log and state per order", format!("{:.0} bytes", open.log_and_state_bytes_per_order)),
        ("  kill -9 to first request taken", format!("{:.0} ms", open.start_to_request_ms)),
        ("  kill -9 to first command sent", format!("{:.0} ms", open.start_to_command_ms)),
        ("  of an empty start", format!("{:.2}", open.of_empty_start)),
        ("  resident after the start", mib(open.resident_after_start.now_bytes)),
    ]
}

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}
