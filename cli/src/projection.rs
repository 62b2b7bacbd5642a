//! `orderstream projection`: the rows that queries are answered from, as a whole.
use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use domain::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use projection::{Applied, End, Lag, Projection, Rebuild, Status};
use runtime::AnyReader;
use runtime::log::embedded::Start;
use runtime::log::{Limits, Position};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::control::Client;
use crate::exit;
use crate::order::table;
use crate::service::projected::{Gap, TOPICS, applied, ends, gaps, unexplained};
use crate::service::{Store, catalog};
use crate::settings::Settings;

/// As many records as go into one transaction of a rebuild.
const BATCH: Limits = Limits { records_max: 5_000, bytes_max: 16 << 20 };
const POLL_WAIT: Duration = Duration::from_millis(10);
/// How often progress is told where no terminal shows it.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The most partitions that are named for what is missing of them; the JSON has all.
const GAPS_SHOWN_MAX: usize = 8;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Where it is, how large it is, and how far it is behind the log.
    Status {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make it anew from the log, beside the one in use, and put it in its place once it is complete. The service must not run.
    Rebuild {
        /// Make it there, instead of where the settings say: sqlite:///path/of/a/file or postgres://user@host/database.
        #[arg(long, value_name = "URL")]
        into: Option<String>,
        /// Also if the log has forgotten its beginning, and the new one will lack what the old one still has.
        #[arg(long)]
        accept_gap: bool,
    },
}

pub fn projection(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Status { json } => status(settings, *json).await,
            Command::Rebuild { into, accept_gap } => rebuild(settings, into.as_deref(), *accept_gap).await,
        }
    })
}

/// The ends of the log: as it is now, or as the service noted them in the projection while it runs.
async fn known_ends(
    settings: &Settings,
    projection: &Projection,
) -> anyhow::Result<Option<(Vec<End>, Option<Timestamp>)>> {
    let directory = &settings.node.data_dir;
    // Looking must not create a log.
    if Client::connect(directory).await?.is_none() && Store::is_there(settings) {
        let store = Store::open(settings, &catalog::load(&settings.catalog)?)?;
        return Ok(Some((ends(&store)?, None)));
    }
    Ok(projection.noted_ends().await?.map(|(ends, at)| (ends, Some(at))))
}

async fn status(settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let projection = Projection::open_existing(&settings.projection_url()).await?;
    let status = projection.status().await?;
    let known = known_ends(settings, &projection).await?;
    let (ends, seen_at) = known.map_or((None, None), |(ends, at)| (Some(ends), at));
    let lag = match &ends {
        Some(ends) => Some(projection.lag(ends).await?),
        None => None,
    };
    projection.close().await;
    let behind: Option<i64> = lag.as_ref().map(|lag| lag.iter().map(|lag| lag.records).sum());
    if as_json {
        let mut shown = serde_json::to_value(&status)?;
        shown["lagRecords"] = json!(behind);
        shown["endsSeenAt"] = json!(seen_at.map(|at| at.to_string()));
        shown["partitions"] = json!(lag.unwrap_or_default());
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print_status(&status, lag.as_deref(), seen_at);
    }
    Ok(exit::DONE.into())
}

fn print_status(status: &Status, lag: Option<&[Lag]>, seen_at: Option<Timestamp>) {
    println!("projection {}", status.place);
    println!("  tables of version {}, {} bytes", status.schema_version, status.bytes);
    match lag {
        None => println!("  how far it is behind is not known: no log is here, and no service has noted it"),
        Some(lag) => {
            let records: i64 = lag.iter().map(|lag| lag.records).sum();
            let when = seen_at.map_or_else(
                || "as the log is now".to_owned(),
                |at| format!("as the service saw the log at {at}"),
            );
            println!("  {records} records behind, {when}");
        }
    }
    let mut tables = table(&["table", "rows"]);
    for one in &status.tables {
        tables.add_row([one.table.to_owned(), one.rows.to_string()]);
    }
    println!("\n{tables}");
    let mut positions =
        table(&["topic", "partition", "applied up to", "end", "behind", "last applied was written"]);
    for one in lag.into_iter().flatten() {
        positions.add_row([
            one.topic.clone(),
            one.partition.to_string(),
            one.next_offset.to_string(),
            one.end_offset.to_string(),
            one.records.to_string(),
            one.applied_at.map(|at| at.0.to_string()).unwrap_or_default(),
        ]);
    }
    println!("\n{positions}");
}

async fn rebuild(settings: &Settings, into: Option<&str>, accept_gap: bool) -> anyhow::Result<ExitCode> {
    let directory = &settings.node.data_dir;
    if Client::connect(directory).await?.is_some() {
        bail!(
            "the service runs on \"{}\", and its log can be read by one process at a time; stop it and try again",
            directory.display()
        );
    }
    if !Store::is_there(settings) {
        bail!("there is no log in \"{}\" to make a projection from", directory.display());
    }
    let store = Store::open(settings, &catalog::load(&settings.catalog)?)?;
    let url = into.map_or_else(|| settings.projection_url(), str::to_owned);
    let gaps = gaps(&store)?;
    tell_gaps(&gaps);
    if !gaps.is_empty() && !accept_gap && has_rows(&url).await {
        eprintln!(
            "orderstream: the projection in use may have what the log has forgotten; --accept-gap makes the new one without it"
        );
        return Ok(exit::REFUSED.into());
    }
    let rebuild = match into {
        Some(elsewhere) => Rebuild::begin_at(elsewhere).await?,
        None => Rebuild::begin(&url).await?,
    };
    let interrupted = interruption()?;
    match fill(rebuild.projection(), &store, &interrupted).await {
        Ok(Some(records)) => {
            let place = projection::shown_url(&url);
            if let Some(kept) = rebuild.swap_in().await? {
                eprintln!(
                    "orderstream: what was there before was not whole; it is kept as \"{}\"",
                    kept.display()
                );
            }
            println!("projection {place} is made anew from {records} records");
            Ok(exit::DONE.into())
        }
        Ok(None) => {
            rebuild.discard().await?;
            bail!("interrupted; the projection in use is as it was")
        }
        Err(error) => {
            // What went wrong first is worth more; what is left, the next rebuild removes.
            let _ = rebuild.discard().await;
            Err(error)
        }
    }
}

/// Whether there is a projection that can be read and has anything in it.
async fn has_rows(url: &str) -> bool {
    let Ok(old) = Projection::open_existing(url).await else { return false };
    let positions = old.positions().await;
    old.close().await;
    positions.is_ok_and(|positions| !positions.is_empty())
}

/// From where on the log still has everything.
fn tell_gaps(gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    eprintln!(
        "orderstream: the log has forgotten its beginning (settings: retention); what came before is missing in what is made of it:"
    );
    for gap in gaps.iter().take(GAPS_SHOWN_MAX) {
        let since =
            gap.begins_at.map_or_else(|| "nothing is left".to_owned(), |at| format!("written at {at}"));
        eprintln!(
            "  {} partition {} begins at offset {}, {since}",
            gap.topic, gap.partition, gap.begins_at_offset
        );
    }
    if gaps.len() > GAPS_SHOWN_MAX {
        eprintln!("  and {} more partitions", gaps.len() - GAPS_SHOWN_MAX);
    }
}

/// Set by Ctrl-C and SIGTERM: a rebuild then clears away what it has made.
fn interruption() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signals, flag) =
            (signal(kind).context("could not listen for signals")?, interrupted.clone());
        tokio::spawn(async move {
            signals.recv().await;
            flag.store(true, Ordering::Release);
        });
    }
    Ok(interrupted)
}

/// Applies the whole log; says how many records there were, or `None` if it was interrupted.
async fn fill(
    projection: &Projection,
    store: &Store,
    interrupted: &AtomicBool,
) -> anyhow::Result<Option<u64>> {
    let mut reader: AnyReader = store.log.reader(&TOPICS.map(Into::into), &Start::Earliest)?;
    let until = until(store)?;
    let mut progress = Progress::new(reader.lag_records())?;
    let mut done = 0;
    loop {
        let records = reader.poll(BATCH, POLL_WAIT)?;
        if records.is_empty() && interrupted.load(Ordering::Acquire) {
            progress.bar.finish_and_clear();
            return Ok(None);
        }
        if records.is_empty() && !has_reached(&reader, &until) {
            continue;
        }
        if records.is_empty() {
            progress.bar.finish_and_clear();
            projection.note_ends(&ends(store)?, Timestamp(store.clock.now_ms())).await?;
            return Ok(Some(done));
        }
        if let Some(reason) = unexplained(&store.codec, &records) {
            bail!("an event cannot be read now: {reason}");
        }
        let batch: Vec<Applied> = records.iter().map(|record| applied(&store.codec, record)).collect();
        projection.apply(batch).await?;
        done += records.len() as u64;
        progress.tell(done);
        tokio::task::yield_now().await;
        if interrupted.load(Ordering::Acquire) {
            progress.bar.finish_and_clear();
            return Ok(None);
        }
    }
}

/// Where the log ended when the rebuild began, for a log that goes on meanwhile and may let a reader wait. An embedded one is open for
/// this alone, and whoever finds nothing more has everything.
fn until(store: &Store) -> anyhow::Result<Vec<Position>> {
    if store.log.embedded().is_some() {
        return Ok(Vec::new());
    }
    let mut until = Vec::new();
    for topic in TOPICS {
        let partitions = store.log.topics().get(topic).map_or(0, |spec| spec.partitions);
        for partition in 0..partitions {
            let next_offset = store.log.last_record_end(topic, partition)?;
            until.push(Position { topic: topic.into(), partition, next_offset });
        }
    }
    Ok(until)
}

fn has_reached(reader: &AnyReader, until: &[Position]) -> bool {
    let at: HashMap<(Arc<str>, u32), i64> =
        reader.positions().into_iter().map(|at| ((at.topic, at.partition), at.next_offset)).collect();
    until.iter().all(|end| {
        at.get(&(end.topic.clone(), end.partition)).is_some_and(|next_offset| *next_offset >= end.next_offset)
    })
}

/// A bar at a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    total: u64,
    told_at: Option<Instant>,
}

impl Progress {
    fn new(total: u64) -> anyhow::Result<Progress> {
        let at_terminal = std::io::stderr().is_terminal();
        let target = if at_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        bar.set_style(ProgressStyle::with_template(
            "rebuilding {bar:40} {pos}/{len} records, {per_sec}, {eta} to go",
        )?);
        Ok(Progress { bar, total, told_at: (!at_terminal).then(Instant::now) })
    }

    fn tell(&mut self, done: u64) {
        self.bar.set_position(done);
        if let Some(told_at) = self.told_at.filter(|at| at.elapsed() >= TELL_EVERY) {
            eprintln!("rebuilding: {done} of {} records", self.total);
            self.told_at = Some(told_at + TELL_EVERY);
        }
    }
}
