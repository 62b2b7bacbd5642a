//! What open orders cost that only wait. The engine has no pass over all open orders: a task's time-out and the look whether an order is
//! stuck are timers of each order, read by when they are due. So how much comes due in a measured time depends on how old the orders are,
//! and more of them are older when the last has been taken. Here none comes due in it; and what one look costs is measured by itself, with
//! as many looks among many orders as among few.
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cli::settings::Settings;
use projection::Projection;
use serde::Serialize;
use tempfile::TempDir;

use crate::process::{self, Resident};
use crate::world;

/// Time-outs and looks for stuck orders come no earlier.
pub const FAR: Duration = Duration::from_secs(24 * 60 * 60);
/// The key of the catalog by which an answer is awaited.
const BREACH: &str = "breachMs";
/// What orders that wait cost is measured for so long: three heartbeats, and nothing else comes at intervals.
const KEPT: Duration = Duration::from_secs(30);
/// It is quiet when nothing was stored by the side and nothing projected in so many looks, one behind the other.
const STILL_LOOKS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Flushes and compactions; in one look, in milliseconds of CPU.
const STORING_THREADS: &str = "rocksdb:";
const STORING_MS_MAX: f64 = 1.0;
/// How long that may take where nothing is left to project.
pub const QUIET_WAIT: Duration = Duration::from_secs(180);
const THREADS_SHOWN: usize = 3;

/// As the service is started where orders shall only wait.
pub struct Patience {
    catalog: TempDir,
}

impl Patience {
    /// With the catalog of `settings`, whose tasks are awaited for [`FAR`] at least.
    ///
    /// # Errors
    /// The catalog cannot be read, or the workload's tasks do not say how long they are awaited.
    pub fn new(settings: &Settings) -> anyhow::Result<Patience> {
        let patience = Patience { catalog: tempfile::tempdir()? };
        copy_patiently(&settings.catalog.directory, patience.catalog.path())?;
        let mut catalog = settings.catalog.clone();
        catalog.directory = patience.catalog.path().to_owned();
        let loaded = cli::service::catalog::load(&catalog)?;
        let mut awaited = loaded.task_types.values().filter(|task_type| task_type.system == world::SYSTEM);
        ensure!(
            awaited.all(|task_type| task_type.breach_ms >= far_ms()),
            "a task type of \"{}\" has no {BREACH} on a line of its own",
            world::SYSTEM
        );
        Ok(patience)
    }

    /// What the service's environment must say; orders that are taken from then on are looked at, whether they are stuck, so long after
    /// they are in progress.
    pub fn variables(&self, look_after: Duration) -> Vec<(&'static str, String)> {
        vec![
            ("ORDERSTREAM__CATALOG__DIRECTORY", self.catalog.path().display().to_string()),
            ("ORDERSTREAM__STUCK_ORDERS__GRACE_MS", look_after.as_millis().to_string()),
            ("ORDERSTREAM__GATEWAY__LISTEN", String::new()),
        ]
    }
}

fn far_ms() -> i64 {
    FAR.as_millis() as i64
}

fn copy_patiently(from: &Path, to: &Path) -> anyhow::Result<()> {
    for file in std::fs::read_dir(from)? {
        let file = file?;
        if file.path().extension().is_some_and(|kind| kind == "toml") {
            std::fs::write(to.join(file.file_name()), patient(&std::fs::read_to_string(file.path())?))?;
        }
    }
    Ok(())
}

/// What is awaited longer stays as it is: its warning may come later than [`FAR`].
fn patient(catalog: &str) -> String {
    let line = |line: &str| match breach_ms(line) {
        Some(ms) if ms < far_ms() => format!("{BREACH} = {}\n", far_ms()),
        Some(_) | None => format!("{line}\n"),
    };
    catalog.lines().map(line).collect()
}

/// None: the line says something else.
fn breach_ms(line: &str) -> Option<i64> {
    let (key, value) = line.split('#').next()?.split_once('=')?;
    let digits = value.trim().replace('_', "");
    if key.trim() == BREACH { digits.parse().ok() } else { None }
}

/// CPU of the service while all orders wait and nothing is due.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub cpu_ms_per_s: f64,
    /// The three that use most.
    pub cpu_ms_per_s_by_thread: Vec<(String, f64)>,
    pub measured_s: f64,
    /// Whether nothing was left to store and to project when it began; if not, that is in it.
    pub is_quiet: bool,
    /// How long that took, from when the last order was known to be taken.
    pub quiet_after_s: f64,
}

/// Memory once it rests, for which is waited so long, and what waiting costs from then on.
///
/// # Errors
/// The process is gone, or the projection cannot be read.
pub fn at_rest(pid: u32, settings: &Settings, wait: Duration) -> anyhow::Result<(Resident, Waiting)> {
    let started = Instant::now();
    let is_quiet = quiet(pid, settings, started + wait)?;
    let quiet_after_s = started.elapsed().as_secs_f64();
    let resident = process::resident(pid)?;
    let (spent, measured_s) = spent_until(pid, Instant::now() + KEPT)?;
    let waiting = Waiting {
        cpu_ms_per_s: total_ms(&spent) / measured_s,
        cpu_ms_per_s_by_thread: most(&spent, measured_s),
        measured_s,
        is_quiet,
        quiet_after_s,
    };
    Ok((resident, waiting))
}

/// What it costs to look whether an order is stuck.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Looks {
    pub orders: usize,
    pub cpu_ms_per_order: f64,
    /// As of [`Waiting`].
    pub is_quiet: bool,
}

/// So long after they are in progress the orders of [`looks`] are looked at.
pub const LOOK_AFTER: Duration = Duration::from_secs(30);
/// What the service costs without them is measured from so long before the first of them, a little later at most: one heartbeat is in it.
const BEFORE_LOOKS: Duration = Duration::from_secs(12);
const BEFORE_LOOKS_MIN: Duration = Duration::from_secs(10);
/// The last of them is over so long after it was due.
const AFTER_LOOKS: Duration = Duration::from_secs(3);

/// Of a service that was started at `started` with `orders` more to take, which it has just taken, and looks at them after [`LOOK_AFTER`].
/// None: that took so long that the first look would be due before it is known what the service costs without.
///
/// # Errors
/// As [`at_rest`].
pub fn looks(
    pid: u32,
    settings: &Settings,
    orders: usize,
    started: Instant,
) -> anyhow::Result<Option<Looks>> {
    let (first_due, last_due) = (started + LOOK_AFTER, Instant::now() + LOOK_AFTER);
    let is_quiet = quiet(pid, settings, first_due - BEFORE_LOOKS)?;
    if Instant::now() + BEFORE_LOOKS_MIN > first_due {
        return Ok(None);
    }
    let (without, without_s) = spent_until(pid, first_due)?;
    let (with, with_s) = spent_until(pid, last_due + AFTER_LOOKS)?;
    let looks_ms = total_ms(&with) - total_ms(&without) * with_s / without_s;
    Ok(Some(Looks { orders, cpu_ms_per_order: looks_ms / orders as f64, is_quiet }))
}

/// Waits until nothing is stored by the side any more and the projection stands still; says whether that came before the deadline.
fn quiet(pid: u32, settings: &Settings, deadline: Instant) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = Projection::open(&settings.projection_url()).await?;
        let mut seen = (process::cpu_ms_by_thread(pid)?, projection.positions().await?);
        let mut still = 0;
        while still < STILL_LOOKS && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = (process::cpu_ms_by_thread(pid)?, projection.positions().await?);
            let spent = process::spent(&seen.0, &now.0);
            let storing = spent.iter().filter(|(name, _)| name.starts_with(STORING_THREADS));
            let is_still = storing.map(|(_, ms)| ms).sum::<f64>() <= STORING_MS_MAX && now.1 == seen.1;
            still = if is_still { still + 1 } else { 0 };
            seen = now;
        }
        projection.close().await;
        Ok(still >= STILL_LOOKS)
    })
}

/// CPU by thread from now until then, and how long that was.
fn spent_until(pid: u32, then: Instant) -> anyhow::Result<(Vec<(String, f64)>, f64)> {
    let (before, started) = (process::cpu_ms_by_thread(pid)?, Instant::now());
    std::thread::sleep(then.saturating_duration_since(started));
    let spent = process::spent(&before, &process::cpu_ms_by_thread(pid)?);
    Ok((spent, started.elapsed().as_secs_f64()))
}

fn total_ms(spent: &[(String, f64)]) -> f64 {
    spent.iter().map(|(_, ms)| ms).sum()
}

fn most(spent: &[(String, f64)], seconds: f64) -> Vec<(String, f64)> {
    spent.iter().take(THREADS_SHOWN).map(|(name, ms)| (name.clone(), ms / seconds)).collect()
}

/// What a person reads of the three threads.
pub(crate) fn threads(waiting: &Waiting) -> String {
    let shown = waiting.cpu_ms_per_s_by_thread.iter().map(|(name, ms)| format!("{name} {ms:.2}"));
    shown.collect::<Vec<_>>().join(", ")
}

/// How it was measured, in words.
pub(crate) fn how(waiting: &Waiting) -> String {
    let began = if waiting.is_quiet { "from when all was quiet" } else { "NOT quiet when it began" };
    format!("{:.0} s, {began}, {:.0} s after the last order", waiting.measured_s, waiting.quiet_after_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Settings {
        let mut settings = Settings::default();
        settings.catalog.directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
        settings
    }

    /// Time-outs of the workload come due while it is measured what waiting costs; or the copy is another catalog in anything else.
    #[test]
    fn a_patient_catalog_is_the_shipped_one_with_tasks_that_are_awaited_long() {
        let settings = shipped();
        let patience = Patience::new(&settings).unwrap();
        let mut there = settings.catalog.clone();
        there.directory = patience.catalog.path().to_owned();
        let (patient, shipped) = (
            cli::service::catalog::load(&there).unwrap(),
            cli::service::catalog::load(&settings.catalog).unwrap(),
        );
        assert_eq!(patient.task_types["w6Step1"].breach_ms, 86_400_000);
        assert_ne!(patient.task_types["w6Step1"].breach_ms, shipped.task_types["w6Step1"].breach_ms);
        assert_eq!(patient.task_types["w6Step1"].warning_ms, shipped.task_types["w6Step1"].warning_ms);
        assert_eq!(patient.offerings.len(), shipped.offerings.len());
    }

    /// A comment is changed, or what is awaited longer made shorter; a value with other spaces is not changed.
    #[test]
    fn only_shorter_times_are_changed_however_they_are_spaced() {
        let before = "# breachMs = 1\nbreachMs=1\n  breachMs   = 120_000 # two minutes\nexpectedMs = 3\nbreachMs = 99_000_000\n";
        let after = "# breachMs = 1\nbreachMs = 86400000\nbreachMs = 86400000\nexpectedMs = 3\nbreachMs = 99_000_000\n";
        assert_eq!(patient(before), after);
    }

    /// The threads that use most are not the first ones, or their CPU is not per second.
    #[test]
    fn the_threads_that_use_most_are_shown_per_second() {
        let before = [("a", 0.0), ("b", 5.0), ("c", 0.0), ("d", 0.0)];
        let after = [("a", 10.0), ("b", 45.0), ("c", 20.0), ("d", 30.0)];
        let map = |of: [(&str, f64); 4]| of.map(|(name, ms)| (name.to_owned(), ms)).into();
        let spent = process::spent(&map(before), &map(after));
        assert!((total_ms(&spent) - 100.0).abs() < 1e-9);
        let shown: Vec<(String, f64)> =
            [("b", 4.0), ("d", 3.0), ("c", 2.0)].map(|(name, ms)| (name.to_owned(), ms)).into();
        assert_eq!(most(&spent, 10.0), shown);
    }
}
