//! The running system: log, workers, projection, downstream, control socket, on one data directory.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use runtime::log::Membership;
use runtime::{StopSignal, SystemClock, Worker};
use schemas::topics;
use topology::{Line, LineSettings};

use crate::files::{FILE_BYTES_MAX, read_text};
use crate::settings::{LogKind, Settings};

mod backoff;
mod behaviour;
pub mod catalog;
mod downstream;
pub mod grouping;
pub mod heartbeat;
mod lags;
mod process;
pub mod projected;
pub mod projecting;
mod store;
pub mod vitals;
pub mod waiting;
pub mod watch;
mod watched;

pub use behaviour::Behaviour;
pub use downstream::{GROUP as SIMULATED_GROUP, LEDGER_DIR, feedback, scenario};
pub use store::{Store, request, settled_specs, specs};
use vitals::Vitals;
use watch::Watch;
use watched::Watched;

/// Below the data directory.
pub const LOG_DIR: &str = "log";
/// With less disk left than this no new order is taken: what is under way keeps the room that it needs to end.
pub const DISK_RESERVE_BYTES: u64 = 64 << 20;

const DAY_MS: i64 = 86_400_000;

/// How much of the disk that holds `directory` may still be written.
///
/// # Errors
/// There is no such directory.
pub fn disk_left_bytes(directory: &Path) -> anyhow::Result<u64> {
    fs4::available_space(directory)
        .with_context(|| format!("could not ask how much disk is left for \"{}\"", directory.display()))
}

/// Everything that runs. Dropping it without [`Service::stop`] stops it too, less politely.
pub struct Service {
    pub store: Arc<Store>,
    pub behaviour: Arc<Behaviour>,
    stop: StopSignal,
    failed: Arc<AtomicBool>,
    threads: Vec<(String, JoinHandle<()>)>,
    vitals: Arc<Vitals>,
    stop_wait: Duration,
}

impl Service {
    /// Opens the data directory, publishes the catalog where it is new, and starts all parts.
    ///
    /// # Errors
    /// Whatever keeps it from starting; then nothing runs.
    pub fn start(settings: &Settings) -> anyhow::Result<Service> {
        let vitals = Arc::new(Vitals::new(settings, Arc::new(SystemClock)));
        Service::start_watched(settings, &Watch::new(settings, vitals))
    }

    /// The same, seen by somebody.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn start_watched(settings: &Settings, watch: &Watch) -> anyhow::Result<Service> {
        // All that can be wrong with files, before anything is made.
        let catalog = catalog::load_to_begin(settings)?;
        let behaviour = Arc::new(Behaviour::open(settings, &catalog)?);
        projecting::look(&settings.projection_url())?;
        let data_dir = &settings.node.data_dir;
        // An embedded log makes it by itself.
        if settings.log.kind == LogKind::Kafka {
            std::fs::create_dir_all(data_dir)
                .with_context(|| format!("could not create \"{}\"", data_dir.display()))?;
        }
        let store = Arc::new(Store::open(settings, &catalog)?);
        store.learn_ids()?;
        watch.opened(&store);
        watch.vitals.log_opened();
        projecting::check(&settings.projection_url(), &store)?;
        grouping::require(&store.log, &settings.subtopologies)?;
        catalog::publish(&store, &catalog)?;
        watch.vitals.catalog_published(catalog.version.as_str());
        let mut service = Service {
            store,
            behaviour,
            stop: StopSignal::new(),
            failed: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
            vitals: watch.vitals.clone(),
            stop_wait: Duration::from_millis(settings.node.stop_wait_ms),
        };
        for group in &settings.subtopologies {
            if group.workers == 0 {
                tracing::info!(group = group.name, "it has no workers here and is left to other processes");
            }
            for number in 0..group.workers {
                service.start_worker(settings, &settings.subtopologies, group, number, &group.topics())?;
            }
        }
        service.start_restoring()?;
        service.start_heartbeat(settings)?;
        service.start_projection(settings)?;
        service.start_lags(settings)?;
        if settings.downstream.simulated {
            service.start_downstream(settings)?;
        }
        Ok(service)
    }

    /// Nothing of a service, on an open log: for whoever starts only some of it.
    ///
    /// # Errors
    /// Files are not as they must be; a registry lacks our schemas.
    pub(crate) fn idle(settings: &Settings, store: Arc<Store>) -> anyhow::Result<Service> {
        store.learn_ids()?;
        Ok(Service {
            behaviour: Arc::new(Behaviour::open(settings, &catalog::load(&settings.catalog)?)?),
            store,
            stop: StopSignal::new(),
            failed: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
            vitals: Arc::new(Vitals::new(settings, Arc::new(SystemClock))),
            stop_wait: Duration::from_millis(settings.node.stop_wait_ms),
        })
    }

    /// One of `group`, of the `groups` that the log is worked on by. `reads`: the topics of the group that it shall read; where that is not
    /// all of them, its timers wait.
    pub(crate) fn start_worker(
        &mut self,
        settings: &Settings,
        groups: &[topology::SubTopology],
        group: &topology::SubTopology,
        number: u32,
        reads: &[&str],
    ) -> anyhow::Result<()> {
        let name = format!("{}-{number}", group.name);
        let membership = Membership {
            group: group.name.as_str().into(),
            worker: name.as_str().into(),
            processors: group.processors.iter().map(|processor| processor.name().into()).collect(),
            topics: reads.iter().map(|topic| (*topic).into()).collect(),
            topics_broadcast: vec![topics::CATALOG.into(), topics::DOWNSTREAM_HEALTH.into()],
        };
        let member = self.store.log.member(membership)?;
        let (codec, state) = (self.store.codec.clone(), self.store.state.clone());
        let line = Line::new(group.clone(), codec, state, line_settings(settings));
        let vitals = self.vitals.clone();
        let (log, groups) = (self.store.clone(), groups.to_vec());
        let regrouped: watched::Regrouped = Arc::new(move || grouping::changed(&log.log, &groups));
        let watched = Watched::new(line, vitals, &group.name, &name, regrouped.clone());
        let shard_settings = runtime::Settings {
            batch_records_max: settings.batch.records_max,
            batch_bytes_max: settings.batch.bytes_max,
            batch_timers_max: settings.batch.timers_max,
            fires_timers: reads.len() == group.topics().len(),
            ..runtime::Settings::new(&name, topics::DEAD_LETTERS)
        };
        let worker = Worker::new(member, watched, self.store.clock.clone(), shard_settings)?;
        self.spawn(name, move |stop| match worker.run(stop) {
            Ok(()) => Ok(()),
            // The positions of its group are then gone, and that would be said in their stead.
            Err(error) => Err(regrouped().ok().flatten().map_or_else(|| error.into(), anyhow::Error::msg)),
        })
    }

    /// What it is yet to restore is to be seen at a terminal.
    fn start_restoring(&mut self) -> anyhow::Result<()> {
        let store = self.store.clone();
        self.spawn("restoring".to_owned(), move |stop| crate::restoring::show(&store, stop))
    }

    fn start_heartbeat(&mut self, settings: &Settings) -> anyhow::Result<()> {
        if settings.heartbeat.interval_ms == 0 {
            return Ok(());
        }
        let interval = Duration::from_millis(settings.heartbeat.interval_ms);
        let (store, vitals) = (self.store.clone(), self.vitals.clone());
        self.spawn("heartbeat".to_owned(), move |stop| heartbeat::run(&store, interval, &vitals, stop))
    }

    fn start_projection(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let (url, store, vitals) = (settings.projection_url(), self.store.clone(), self.vitals.clone());
        let keeping = projecting::Keeping {
            batch_records_max: settings.projection.batch_records_max,
            history_retention_days: settings.projection.history_retention_days,
        };
        self.spawn(vitals::PROJECTION.to_owned(), move |stop| {
            projecting::run(&url, keeping, &store, &vitals, stop)
        })
    }

    /// Where the log is elsewhere, how far groups are behind is asked for now and then, and not by whoever looks at the metrics.
    fn start_lags(&mut self, settings: &Settings) -> anyhow::Result<()> {
        if self.store.log.embedded().is_some() {
            return Ok(());
        }
        let (store, groups) = (self.store.clone(), watch::groups(settings));
        self.spawn("lags".to_owned(), move |stop| {
            lags::run(&store, &groups, stop);
            Ok(())
        })
    }

    fn start_downstream(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let pump = downstream::Pump::open(&settings.node.data_dir, &self.behaviour, &self.store)?;
        self.spawn("downstream".to_owned(), move |stop| pump.run(stop))
    }

    /// A part on its own thread. One that ends with an error, or panics, stops the whole: half a system helps nobody.
    fn spawn(
        &mut self,
        name: String,
        part: impl FnOnce(&StopSignal) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (stop, failed, shown) = (self.stop.clone(), self.failed.clone(), name.clone());
        let vitals = self.vitals.clone();
        vitals.thread_started(&name);
        let run = move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| part(&stop)));
            vitals.thread_ended(&shown, matches!(ended, Ok(Ok(()))));
            let error = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "panicked".to_owned(),
            };
            tracing::error!(part = shown, error, "part of the service failed, the service stops");
            failed.store(true, Ordering::Release);
            stop.stop();
        };
        let thread =
            std::thread::Builder::new().name(name.clone()).spawn(run).context("could not start a thread")?;
        self.threads.push((name, thread));
        Ok(())
    }

    /// What its parts say of themselves.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.vitals.clone()
    }

    pub fn stop_signal(&self) -> StopSignal {
        self.stop.clone()
    }

    /// Lets every part finish its batch, and waits for them.
    ///
    /// # Errors
    /// A part that had failed, or that does not stop in time.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.vitals.stop();
        self.stop.stop();
        let deadline = std::time::Instant::now() + self.stop_wait;
        for (name, thread) in self.threads.drain(..) {
            while !thread.is_finished() {
                if std::time::Instant::now() > deadline {
                    bail!("part \"{name}\" did not stop within {} s", self.stop_wait.as_secs());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // Its panic was caught and noted on its own thread.
            let _ = thread.join();
        }
        if self.failed.load(Ordering::Acquire) {
            bail!("a part of the service failed; the log says which");
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What the processors are told; durations follow the catalog's divisor, so that demonstrations keep their proportions.
fn line_settings(settings: &Settings) -> LineSettings {
    let mut line = LineSettings::default();
    line.orchestration.retention_ms = settings.retention.ended_orders_days * DAY_MS;
    line.orchestration.turn_wait_ms = settings.orchestration.turn_wait_ms;
    line.stuck_orders.grace_ms = settings.stuck_orders.grace_ms;
    line.stuck_orders.stage_ms = settings.stuck_orders.stage_ms;
    line.stuck_orders.deferred_ms = settings.stuck_orders.deferred_ms;
    line.scaled(settings.catalog.time_divisor)
}

/// Reads a whole folder of files of one kind, sorted by name.
///
/// # Errors
/// Unreadable folder or file, by name, or one that is too large; a folder without any such file.
pub fn read_files(directory: &Path, extension: &str) -> anyhow::Result<Vec<(String, String)>> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("could not read \"{}\"", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("could not read \"{}\"", directory.display()))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            // A pipe would be waited for, and a service would never start.
            if !path.is_file() {
                bail!("\"{}\" is no regular file", path.display());
            }
            let text = read_text(&path, FILE_BYTES_MAX)?;
            files.push((path.display().to_string(), text));
        }
    }
    if files.is_empty() {
        bail!("no .{extension} files in \"{}\"", directory.display());
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_file_without_measure_is_refused_by_the_name_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "version = \"1\"").unwrap();
        assert_eq!(read_files(folder.path(), "toml").unwrap().len(), 1);
        std::fs::File::create(folder.path().join("b.toml")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        let refused = read_files(folder.path(), "toml").unwrap_err().to_string();
        assert!(refused.contains("b.toml\" is larger than "), "{refused}");
    }
}
