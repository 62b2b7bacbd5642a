//! `orderstream demo`: the whole line on this machine, judged by an oracle that knows what was planted.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use connectors::upstream::{Generator, Settings as Upstream};
use domain::Timestamp;
use projection::Projection;

use crate::service::{Service, catalog};
use crate::settings::Settings;

pub mod examples;
pub mod feed;
pub mod judge;
mod report;

/// How much shorter every duration of the catalog is.
const TIME_DIVISOR: u32 = 200;
/// What is still longer then is cut to this: nobody waits thirty days for an installation in a demonstration.
const DURATION_MS_MAX: i64 = 4_000;
const FUTURE_START_MS_MAX: i64 = 2_000;
/// At least so many of a hundred orders must complete.
const COMPLETED_PERCENT_MIN: u64 = 90;
/// So long after the last event nothing is expected any more: longer than any time-out and scan of the shortened catalog.
const QUIET: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// How many orders are generated; the official TMF622 payloads come on top.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders: u32,
    /// The share of orders with a planted fault, from 0 to 0.3.
    #[arg(long, default_value_t = 0.10, value_parser = rate)]
    faults: f64,
    /// The same seed gives the same orders.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When every order has come to rest, go on running for a look at them (`order list`, `order show`); they are judged at Ctrl-C.
    #[arg(long)]
    keep_running: bool,
    /// The official TMF622 payloads, with what must come of each.
    #[arg(long, default_value = "integration-tests/tmf-examples", value_name = "DIR")]
    examples: PathBuf,
}

/// With more than 0.3, nine orders of ten could not complete.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=0.3).contains(&rate) { Ok(rate) } else { Err("must be within 0 and 0.3".to_owned()) }
}

/// Exit code 0 only if every order ended as the oracle says.
pub fn demo(mut settings: Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let kept = prepare(&mut settings)?;
    crate::run::log_to(&settings.logging, &settings.node.data_dir.join("demo.log"))?;
    settings.catalog.time_divisor = TIME_DIVISOR;
    settings.catalog.duration_ms_max = DURATION_MS_MAX;
    let generator = generator(arguments)?;
    write_scenario(&mut settings, &generator, arguments.seed)?;
    println!(
        "{} orders, {:.0} % with a planted fault, seed {}, data in {}",
        arguments.orders,
        arguments.faults * 100.0,
        arguments.seed,
        settings.node.data_dir.display()
    );
    let service = Service::start(&settings)?;
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let oracle = generator.oracle();
    let judged = runtime.block_on(async {
        let projection = Projection::open(&settings.projection_url()).await?;
        feed::feed(&service, &projection, &generator, &oracle).await?;
        let elapsed = feed::settle(&service, &projection, &oracle, started, QUIET).await?;
        let figures = report::figures(&projection, elapsed).await?;
        projection.close().await;
        anyhow::Ok(figures)
    });
    if arguments.keep_running && judged.is_ok() {
        println!("every order has come to rest; running on, Ctrl-C ends and judges it");
        runtime.block_on(tokio::signal::ctrl_c())?;
    }
    let dead_letters = judge::dead_letters(&service.store)?;
    service.stop()?;
    let findings = runtime.block_on(judge::judge(&settings, &oracle, dead_letters))?;
    let figures = judged?;
    report::print(&figures, &oracle, dead_letters);
    let official =
        oracle.orders().filter(|(_, expected)| expected.story.starts_with(examples::STORY)).count();
    let code = verdict(&figures, &findings, official as u64);
    if let Some(directory) = kept {
        finish(directory, code == ExitCode::SUCCESS);
    }
    Ok(code)
}

/// A data directory of its own, unless one was named; one that was named must be empty.
fn prepare(settings: &mut Settings) -> anyhow::Result<Option<PathBuf>> {
    let named = settings.node.data_dir.clone();
    let temporary = named == Settings::default().node.data_dir;
    let directory = if temporary {
        std::env::temp_dir().join(format!("orderstream-demo-{}", std::process::id()))
    } else {
        named
    };
    let shown = || format!("could not use \"{}\"", directory.display());
    std::fs::create_dir_all(&directory).with_context(shown)?;
    if std::fs::read_dir(&directory).with_context(shown)?.next().is_some() {
        bail!("\"{}\" is not empty; the demo wants a directory of its own", directory.display());
    }
    settings.node.data_dir = directory.clone();
    settings.projection.url = String::new();
    settings.downstream.simulated = true;
    // The whole line is on this machine, whatever the settings leave to others.
    for group in &mut settings.subtopologies {
        group.workers = group.workers.max(1);
    }
    Ok(temporary.then_some(directory))
}

fn finish(directory: PathBuf, succeeded: bool) {
    if succeeded {
        // Left-overs in the temporary folder are no reason to fail.
        let _ = std::fs::remove_dir_all(&directory);
    } else {
        println!("everything is kept in {}", directory.display());
    }
}

fn generator(arguments: &Arguments) -> anyhow::Result<Generator> {
    let upstream = Upstream {
        seed: arguments.seed,
        orders: arguments.orders,
        fault_rate: arguments.faults,
        base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
        future_start_ms_max: FUTURE_START_MS_MAX,
        outages: arguments.faults > 0.0,
        only: None,
    };
    let examples = examples::read(&arguments.examples)?;
    Generator::new(upstream, examples).map_err(|error| anyhow::anyhow!(error))
}

/// What the downstream does, in the data directory beside what it did.
fn write_scenario(settings: &mut Settings, generator: &Generator, seed: u64) -> anyhow::Result<()> {
    let catalog = catalog::load(&settings.catalog)?;
    let mut scenario = connectors::downstream::Scenario { seed, ..Default::default() };
    scenario.cover(catalog.task_types.values());
    generator.plant(&mut scenario);
    let path = settings.node.data_dir.join("scenario.json");
    std::fs::write(&path, scenario.to_json())
        .with_context(|| format!("could not write \"{}\"", path.display()))?;
    settings.downstream.scenario = path;
    Ok(())
}

/// `official`: how many orders are of the official payloads, all of which must be refused.
fn verdict(figures: &report::Figures, findings: &[String], official: u64) -> ExitCode {
    let (completed, generated) = (figures.completed(), figures.orders().saturating_sub(official));
    let enough = completed * 100 >= generated * COMPLETED_PERCENT_MIN;
    if !enough {
        println!("only {completed} of {generated} orders completed; at least {COMPLETED_PERCENT_MIN} % must");
    }
    for finding in findings.iter().take(judge::FINDINGS_SHOWN_MAX) {
        println!("wrong: {finding}");
    }
    if findings.len() > judge::FINDINGS_SHOWN_MAX {
        println!("... and {} more", findings.len() - judge::FINDINGS_SHOWN_MAX);
    }
    if enough && findings.is_empty() {
        println!("every order ended as the oracle says, and every effect is there once");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
