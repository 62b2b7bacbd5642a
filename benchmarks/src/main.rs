//! The command behind `make bench`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use benchmarks::in_memory::Alone;
use benchmarks::{demo, growth, kafka, kafka_open, open_orders, points, report, running, w6};
use clap::{Parser, Subcommand};

/// As in the binary that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "orderstream-bench", about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Six tasks one after the other, closed loop: orders/s, latency of orders and of hops, CPU, bytes and memory.
    W6 {
        #[command(flatten)]
        extent: points::Extent,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// W6 held to one core and to more, and with one worker and more, in turn, and the ratios.
    Growth {
        #[command(flatten)]
        extent: growth::Extent,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// One point of `w6` in this process.
    #[command(name = points::SUBCOMMAND, hide = true)]
    W6Point { load: String },
    /// One point of `kafka` in this process.
    #[command(name = kafka::SUBCOMMAND, hide = true)]
    KafkaPoint { load: String },
    /// W6 on Kafka, beside a bare transactional loop. Starts a broker and a registry where the environment names no brokers.
    Kafka {
        #[command(flatten)]
        extent: kafka::Extent,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Many open orders on Kafka: memory, and how soon a start after `kill -9` works, with its disk and with an empty one. Starts a broker
    /// and a registry as `kafka` does.
    KafkaOpenOrders {
        #[command(flatten)]
        extent: kafka_open::Extent,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Many orders that wait: memory, what waiting costs, bytes, and how soon a start with them works.
    OpenOrders {
        /// One measurement each; with several, what the others are of the first.
        #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
        orders: Vec<usize>,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// What the demonstration's workload costs.
    Demo {
        #[arg(long, default_value_t = 2_000)]
        orders: u32,
    },
    /// All of it, as a table; and as JSON into a file.
    All {
        #[command(flatten)]
        extent: report::Extent,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// The processors alone, in memory: what an order costs before anything is written. For profilers, too.
    Line {
        #[arg(long, default_value_t = 5_000)]
        orders: u32,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::W6 { extent, json } => {
            let points = points::measure(&extent)?;
            write(json.as_deref(), &points)?;
            points::print(&points);
        }
        Command::Growth { extent, json } => {
            let report = growth::measure(&extent)?;
            write(json.as_deref(), &report)?;
            growth::print(&report);
        }
        Command::W6Point { load } => print(&w6::measure(&serde_json::from_str(&load)?)?)?,
        Command::KafkaPoint { load } => print(&kafka::point(&serde_json::from_str(&load)?)?)?,
        Command::Kafka { extent, json } => {
            if !kafka::has_broker() {
                return kafka::with_broker(&running::binary()?);
            }
            let report = kafka::measure(&extent)?;
            write(json.as_deref(), &report)?;
            kafka::print(&report);
        }
        Command::KafkaOpenOrders { extent, json } => {
            let binary = running::binary()?;
            if !kafka::has_broker() {
                return kafka::with_broker(&binary);
            }
            let report = kafka_open::measure(&binary, &extent)?;
            write(json.as_deref(), &report)?;
            kafka_open::print(&report);
        }
        Command::OpenOrders { orders, json } => {
            let machine = report::machine()?;
            let open_orders = open_orders::measure(&running::binary()?, &orders)?;
            open_orders::print(&open_orders);
            write(json.as_deref(), &open_orders::Report { machine, open_orders })?;
        }
        Command::Demo { orders } => print(&demo::measure(&running::binary()?, orders)?)?,
        Command::All { extent, json } => {
            let report = report::measure(&running::binary()?, &extent)?;
            write(json.as_deref(), &report)?;
            report::print(&report);
        }
        Command::Line { orders } => {
            let mut alone = Alone::new()?;
            let started = Instant::now();
            for _ in 0..orders {
                std::hint::black_box(alone.order()?);
            }
            println!("{:.1} us per order", started.elapsed().as_secs_f64() * 1e6 / f64::from(orders));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(figures: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(figures)?);
    Ok(())
}

fn write(file: Option<&Path>, report: &impl serde::Serialize) -> anyhow::Result<()> {
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_string_pretty(report)?)?;
    }
    Ok(())
}
