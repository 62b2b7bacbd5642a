//! `orderstream verify`: checks log, state, timers, projection and ledger of a stopped service against each other. Nothing is changed.
//!
//! [`records`] reads the whole log, [`cells`] all that is kept, [`timers`] both of their indexes; [`rows`] makes the projection anew
//! beside and compares; [`orders`] asks of each order whether all of these tell the same story; [`ledger`] does of the downstream.
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use runtime::log::embedded::Inspection;
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{KeyValue, LocalIds, SchemaIds};
use serde::Serialize;

use crate::exit;
use crate::operations::block_on;
use crate::order::table;
use crate::service::{LOG_DIR, Store};
use crate::settings::{LogKind, Settings};
use crate::text::printable;

mod cells;
mod keyed;
mod ledger;
mod orders;
pub(crate) mod positions;
mod records;
mod rows;
mod timers;

/// The most findings that are kept of one check; the rest are counted.
const FINDINGS_MAX: usize = 200;

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Where: `topic orderstream.feedback, partition 3, offset 17`; `order TMF/1`.
    pub place: String,
    pub what: String,
}

/// One check, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: &'static str,
    /// How many records, cells, timers, rows or orders it looked at.
    pub looked_at: u64,
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub findings_left_out: u64,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

impl Check {
    fn new(name: &'static str) -> Check {
        Check { name, ..Check::default() }
    }

    fn find(&mut self, place: impl Into<String>, what: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place: place.into(), what: what.into() });
        } else {
            self.findings_left_out += 1;
        }
    }

    /// A part of the store that cannot be read at all: damage that RocksDB itself has found.
    fn unreadable(&mut self, place: impl Into<String>, error: &runtime::Error) {
        self.find(place, error.chain());
    }
}

/// What all checks look at.
struct Subject<'a> {
    settings: &'a Settings,
    log: &'a Inspection,
    codec: Arc<Codec>,
    state: Arc<StateCodec>,
    /// Every group has read all there is: what follows from a record has followed.
    is_quiet: bool,
    progress: ProgressBar,
}

/// Schema ids as they were kept; no new one is given.
#[derive(Debug)]
struct KeptIds(Arc<Inspection>);

impl KeyValue for KeptIds {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.meta_get(key)?.map(|value| value.to_vec()))
    }

    fn put(&self, key: &str, _value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("\"{key}\" is not kept: a directory that is verified is not changed").into())
    }
}

/// Exit code 3 where anything was found.
pub fn verify(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if settings.log.kind == LogKind::Kafka {
        let why = "`verify` reads the files of an embedded log, and log.kind is \"kafka\"; there, `orderstream topics create --check` \
                   looks at the topics, and `orderstream status` at the service";
        return Err(exit::Misplaced(why.into()).into());
    }
    let checks = checks(settings)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&checks)?);
    } else {
        print(&checks);
    }
    let found = checks.iter().any(|check| !check.findings.is_empty());
    Ok(ExitCode::from(if found { exit::REFUSED } else { exit::DONE }))
}

/// All checks on a stopped directory, which is locked meanwhile.
///
/// # Errors
/// There is no log in the directory, it is in use, or it cannot be opened at all.
pub fn checks(settings: &Settings) -> anyhow::Result<Vec<Check>> {
    Store::require(settings)?;
    let log = Arc::new(Inspection::open(&settings.node.data_dir.join(LOG_DIR))?);
    let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::open(KeptIds(log.clone()))?);
    let positions = positions::check(&log);
    let subject = Subject {
        settings,
        log: &log,
        codec: Arc::new(Codec::new(ids.clone())),
        state: Arc::new(StateCodec::new(ids)),
        is_quiet: positions.is_quiet,
        progress: progress(),
    };
    let records = subject.step("records", || records::check(&subject));
    let cells = subject.step("state", || cells::check(&subject));
    let timers = subject.step("timers", || timers::check(&subject));
    let (rows, told) = subject.step("projection", || block_on(rows::check(&subject)))?;
    let orders = subject.step("orders", || orders::check(&subject, &told, &cells.captured));
    let keyed = subject.step("products and systems", || keyed::check(&subject, &told));
    let ledger = subject.step("ledger", || ledger::check(&subject, &told));
    subject.progress.finish_and_clear();
    Ok(vec![records, positions.check, cells.check, timers, rows, orders, keyed, ledger])
}

impl Subject<'_> {
    fn step<T>(&self, name: &'static str, check: impl FnOnce() -> T) -> T {
        self.progress.set_message(name);
        self.progress.reset();
        check()
    }

    /// In which partition everything about an order lies.
    fn partition_of(&self, order_key: &str) -> u32 {
        let topics = self.log.topics();
        let partitions = topics.get(schemas::topics::ORDER_EVENTS).map_or(1, |spec| spec.partitions);
        runtime::partition_for(order_key.as_bytes(), partitions)
    }
}

/// On standard error, and only at a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // Fails for a template that is wrong, and this one is tried with every run.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} looked at, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn print(checks: &[Check]) {
    let mut rows = table(&["check", "looked at", "findings"]);
    for check in checks {
        let findings = check.findings.len() as u64 + check.findings_left_out;
        rows.add_row([check.name.to_owned(), check.looked_at.to_string(), findings.to_string()]);
    }
    println!("{rows}");
    for note in checks.iter().flat_map(|check| check.notes.iter().map(move |note| (check.name, note))) {
        println!("not checked ({}): {}", note.0, printable(note.1));
    }
    for check in checks {
        for finding in &check.findings {
            println!("wrong ({}): {}: {}", check.name, printable(&finding.place), printable(&finding.what));
        }
        if check.findings_left_out > 0 {
            println!("wrong ({}): and {} more", check.name, check.findings_left_out);
        }
    }
    if checks.iter().all(|check| check.findings.is_empty()) {
        let is_whole = checks.iter().all(|check| check.notes.is_empty());
        println!("{}", if is_whole { "everything agrees" } else { "everything that was checked agrees" });
    }
}
