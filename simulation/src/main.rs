//! `orderstream-simulate`: plays seeds, and shows how to play a failing one again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use simulation::bug::Bug;
use simulation::world::{Run, Stage, play};

/// Plays the pipeline in a simulated world that fails by seed, and audits it after every step.
#[derive(Debug, Parser)]
#[command(name = "orderstream-simulate", version)]
struct Arguments {
    /// How many seeds are played, beginning with `--first`. Without it and without `--seconds`: 200.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// This seed alone, its trace whole.
    #[arg(long, conflicts_with_all = ["seeds", "seconds", "first"])]
    seed: Option<u64>,
    /// No seed is begun after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// A mistake to plant, to see it found.
    #[arg(long, value_name = "NAME")]
    bug: Option<Bug>,
}

/// Seeds of a run that says nothing about it.
const SEEDS_DEFAULT: u64 = 200;

#[derive(Default)]
struct Sums {
    seeds: u64,
    steps: u64,
    faults: u64,
    orders: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let stage = Stage::new()?;
    if let Some(seed) = arguments.seed {
        let run = play(&stage, seed, arguments.bug, true)?;
        run.trace.whole().iter().for_each(|line| println!("{line}"));
        return Ok(verdict(&run, arguments.bug));
    }
    let began = Instant::now();
    let until = arguments.seconds.map(Duration::from_secs);
    let seeds_max = arguments.seeds.or(until.map(|_| u64::MAX)).unwrap_or(SEEDS_DEFAULT);
    let mut sums = Sums::default();
    while sums.seeds < seeds_max && until.is_none_or(|until| began.elapsed() < until) {
        let run = play(&stage, arguments.first.saturating_add(sums.seeds), arguments.bug, false)?;
        sums.seeds += 1;
        sums.steps += u64::from(run.steps);
        sums.faults += u64::from(run.faults);
        sums.orders += run.orders as u64;
        if run.violation.is_some() {
            run.trace.last().for_each(|line| println!("{line}"));
            show(&sums, began.elapsed());
            return Ok(verdict(&run, arguments.bug));
        }
    }
    show(&sums, began.elapsed());
    println!("every invariant held");
    Ok(ExitCode::SUCCESS)
}

fn show(sums: &Sums, took: Duration) {
    let per_second = |count: u64| count as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    println!(
        "{} seeds, {} orders, {} steps, {} faults in {:.1} s: {:.1} seeds/s, {:.0} faults/s",
        sums.seeds,
        sums.orders,
        sums.steps,
        sums.faults,
        took.as_secs_f64(),
        per_second(sums.seeds),
        per_second(sums.faults)
    );
}

/// What broke, and the one command that plays it again.
fn verdict(run: &Run, bug: Option<Bug>) -> ExitCode {
    println!("trace digest {:016x}", run.trace.digest);
    let Some(violation) = &run.violation else {
        println!("seed {}: every invariant held, {} steps, {} faults", run.seed, run.steps, run.faults);
        return ExitCode::SUCCESS;
    };
    let planted = bug.map_or_else(String::new, |bug| format!(" --bug {}", bug.name()));
    println!("seed {} broke \"{}\" at step {}", run.seed, violation.invariant.name(), run.steps);
    println!("  it says: {}", violation.invariant.says());
    println!("  found: {}", violation.what);
    println!("again: make simulate ARGS=\"--seed {}{planted}\"", run.seed);
    ExitCode::FAILURE
}
