//! All measurements of one run: a table for people, and JSON.
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;

use crate::demo::{self, Demo};
use crate::open_orders::{self, Open};
use crate::w6::Point;
use crate::{points, process};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: Machine,
    pub w6: Vec<Point>,
    pub demo: Demo,
    pub open_orders: Vec<Open>,
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
    #[command(flatten)]
    w6: points::Extent,
    /// Open orders, for memory, what waiting costs, and start-up: one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    open: Vec<usize>,
    /// Orders of the demonstration.
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
}

/// # Errors
/// One of the measurements fails.
pub fn measure(binary: &Path, extent: &Extent) -> anyhow::Result<Report> {
    let machine = machine()?;
    let w6 = points::measure(&extent.w6)?;
    eprintln!("the demonstration with {} orders", extent.orders);
    let demo = demo::measure(binary, extent.orders)?;
    let open_orders = open_orders::measure(binary, &extent.open)?;
    Ok(Report { machine, w6, demo, open_orders })
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
        cores: process::cores()?,
        load_before: load.split(' ').next().unwrap_or_default().to_owned(),
    })
}

/// What a person reads.
pub fn print(report: &Report) {
    print_machine(&report.machine);
    points::print(&report.w6);
    let mut lines = table(&["demonstration", ""]);
    for (name, value) in demo_lines(&report.demo) {
        lines.add_row([name.to_owned(), value]);
    }
    println!("{lines}");
    open_orders::print(&report.open_orders);
}

pub fn print_machine(machine: &Machine) {
    let Machine { at, cpu, cores, load_before } = machine;
    println!("{at}, {cores} cores of {cpu}, load before {load_before}");
}

fn demo_lines(demo: &Demo) -> Vec<(&'static str, String)> {
    vec![
        ("orders", demo.orders.to_string()),
        ("orders/s", format!("{:.0}", demo.orders_per_s)),
        ("p50, p99 of completed", format!("{} ms, {} ms", demo.p50_ms, demo.p99_ms)),
        ("CPU per order, all in", format!("{:.2} ms", demo.cpu_ms_per_order)),
        ("log and state per order", format!("{:.0} bytes", demo.log_and_state_bytes_per_order)),
        ("projection per order", format!("{:.0} bytes", demo.projection_bytes_per_order)),
    ]
}

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}
