//! The command behind `make bench`.
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benchmarks::in_memory::Alone;
use benchmarks::w6;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "orderstream-bench", about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Six tasks one after the other, closed loop.
    W6 {
        /// Orders in flight, one measurement each.
        #[arg(long, value_delimiter = ',', default_value = "4,64,512")]
        in_flight: Vec<usize>,
        /// With an fsync for each commit, without, or both.
        #[arg(long, value_delimiter = ',', default_value = "true,false")]
        fsync: Vec<bool>,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// The processors alone, in memory: what an order costs before anything is written. For profilers, too.
    Line {
        #[arg(long, default_value_t = 5_000)]
        orders: u32,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::W6 { in_flight, fsync, seconds } => {
            for fsync in fsync {
                for in_flight in &in_flight {
                    let load =
                        w6::Load { in_flight: *in_flight, fsync, measured: Duration::from_secs(seconds) };
                    println!("{}", serde_json::to_string_pretty(&w6::measure(load)?)?);
                }
            }
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
