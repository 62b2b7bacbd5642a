//! The running system: log, workers, projection, downstream, control socket, on one data directory.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use domain::catalog::Catalog;
use runtime::log::Membership;
use runtime::log::embedded::{self, Embedded};
use runtime::{Clock, Outgoing, StopSignal, SystemClock, TopicSpec, Worker};
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{KeyValue, LocalIds, SchemaIds};
use schemas::topics::{self, Partitioning, Retention};
use topology::{Line, LineSettings};

use crate::control::{Receipt, Submission};
use crate::settings::{Durability, Settings};

mod behaviour;
pub mod catalog;
mod downstream;
pub mod heartbeat;
mod process;
pub mod projected;
pub mod projecting;
pub mod vitals;
pub mod watch;
mod watched;

pub use behaviour::Behaviour;
pub use downstream::{GROUP as SIMULATED_GROUP, LEDGER_DIR, feedback, scenario};
use vitals::Vitals;
use watch::Watch;
use watched::Watched;

/// Below the data directory.
pub const LOG_DIR: &str = "log";
/// With less disk left than this no new order is taken: what is under way keeps the room that it needs to end.
pub const DISK_RESERVE_BYTES: u64 = 64 << 20;

/// How much of the disk that holds `directory` may still be written.
///
/// # Errors
/// There is no such directory.
pub fn disk_left_bytes(directory: &Path) -> anyhow::Result<u64> {
    fs4::available_space(directory)
        .with_context(|| format!("could not ask how much disk is left for \"{}\"", directory.display()))
}

/// The log and the codecs of a data directory, without anything running on it.
pub struct Store {
    pub log: Embedded,
    pub codec: Arc<Codec>,
    pub state: Arc<StateCodec>,
    /// What a registry is elsewhere.
    pub ids: Arc<dyn SchemaIds>,
    pub clock: Arc<dyn Clock>,
}

/// Schema ids, kept where the log keeps small values.
#[derive(Debug)]
struct Meta(Embedded);

impl KeyValue for Meta {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.meta_get(key)?.map(|value| value.to_vec()))
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.meta_put(key, Bytes::copy_from_slice(value))?)
    }
}

const DAY_MS: i64 = 86_400_000;

/// How long a topic keeps its records: what the settings say of topics of its kind.
fn retention_ms(declared_ms: i64, settings: &crate::settings::Retention) -> i64 {
    match declared_ms {
        topics::STORY_RETENTION_MS => settings.story_days * DAY_MS,
        topics::INTERNAL_RETENTION_MS => settings.internal_days * DAY_MS,
        topics::DEAD_LETTER_RETENTION_MS => settings.dead_letters_days * DAY_MS,
        other => other,
    }
}

/// Every topic, as the log wants it, with the retention that is declared.
pub fn specs(partitions: u32, systems: impl IntoIterator<Item = String>) -> Vec<TopicSpec> {
    let systems: Vec<String> = systems.into_iter().collect();
    let all = topics::all(systems.iter().map(String::as_str));
    let spec = |(name, topic): (String, &topics::Topic)| {
        let partitions = match topic.partitioning {
            Partitioning::Order | Partitioning::Product | Partitioning::Any => partitions,
            Partitioning::System | Partitioning::Broadcast => 1,
        };
        let (compacted, retention_ms) = match topic.retention {
            Retention::Compacted => (true, None),
            Retention::Ms(retention_ms) => (false, Some(retention_ms)),
        };
        let record_bytes_max = domain::limits::RECORD_BYTES_MAX;
        TopicSpec { compacted, retention_ms, record_bytes_max, ..TopicSpec::new(&name, partitions) }
    };
    all.into_iter().map(spec).collect()
}

impl Store {
    /// Opens the data directory for this process alone, with topics for the systems of `catalog` and of every version that is
    /// published in it.
    ///
    /// # Errors
    /// In use by another process, written by a newer version, or not accessible.
    pub fn open(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Store> {
        let data_dir = &settings.node.data_dir;
        if data_dir.exists() && !data_dir.is_dir() {
            bail!("data directory \"{}\" is a file; name a directory", data_dir.display());
        }
        let mut systems: BTreeSet<String> = catalog.systems.keys().cloned().collect();
        let store = Store::with_systems(settings, &systems)?;
        let (published, _) = catalog::everything(&store)?;
        if published.is_subset(&systems) {
            return Ok(store);
        }
        // Topics are known to a log from its opening on, and which there must be stands in the log.
        drop(store);
        systems.extend(published);
        Store::with_systems(settings, &systems)
    }

    fn with_systems(settings: &Settings, systems: &BTreeSet<String>) -> anyhow::Result<Store> {
        let directory = settings.node.data_dir.join(LOG_DIR);
        let durability = match settings.log.durability {
            Durability::Fsync => embedded::Durability::Fsync,
            Durability::Os => embedded::Durability::Os,
        };
        let memory = embedded::Memory {
            block_cache_bytes: settings.log.block_cache_bytes,
            write_buffers_bytes: settings.log.write_buffers_bytes,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut topics = specs(settings.log.partitions, systems.iter().cloned());
        for topic in &mut topics {
            topic.retention_ms = topic.retention_ms.map(|ms| retention_ms(ms, &settings.retention));
        }
        Store::on(Embedded::open_within(memory, &directory, topics, durability, clock.clone())?, clock)
    }

    /// As [`Store::open`], for looking: a directory that no service ever ran on is not made one.
    ///
    /// # Errors
    /// As [`Store::open`]; there is no log in the directory.
    pub fn open_existing(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Store> {
        let directory = settings.node.data_dir.join(LOG_DIR);
        if !directory.is_dir() {
            bail!(
                "there is no log in \"{}\"; run the service there first, or name another directory with --data-dir",
                settings.node.data_dir.display()
            );
        }
        Store::open(settings, catalog)
    }

    /// On a log that is open already.
    ///
    /// # Errors
    /// Its schema ids cannot be read.
    pub fn on(log: Embedded, clock: Arc<dyn Clock>) -> anyhow::Result<Store> {
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::open(Meta(log.clone()))?);
        let codec = Arc::new(Codec::new(ids.clone()));
        let state = Arc::new(StateCodec::new(ids.clone()));
        Ok(Store { log, codec, state, ids, clock })
    }

    /// Appends a request; returns once it is durable. Avro comes as a container file of one request, and is framed here, where the
    /// ids of schemas are.
    ///
    /// # Errors
    /// Avro that is no such file; a disk that is nearly full; a log that does not take it.
    pub fn append(&self, submission: &Submission, mut body: Vec<u8>) -> anyhow::Result<Receipt> {
        check_request_id(submission.request_id.as_deref())?;
        let left_bytes = disk_left_bytes(self.log.directory())?;
        if left_bytes < DISK_RESERVE_BYTES {
            bail!(
                "no order is taken: {} MiB are left on the disk of the data directory, and {} MiB are kept for orders under way; \
                 make room and submit again",
                left_bytes >> 20,
                DISK_RESERVE_BYTES >> 20
            );
        }
        if submission.media_type.starts_with(schemas::headers::AVRO) {
            let requests =
                schemas::own::container::read_at_most(&body, 1).map_err(|error| anyhow::anyhow!(error))?;
            let request = requests.first().context("no request, where one is expected")?;
            body = self.codec.encode(topics::ORDER_REQUESTS, request)?;
        }
        let placed = self.log.producer().send(&[request(submission, body, self.clock.now_ms())])?;
        let (partition, offset) = placed.first().copied().context("the log gave no offset")?;
        Ok(Receipt { partition, offset })
    }
}

/// A name that the shards would not read would be no name: the same request could be taken twice.
fn check_request_id(id: Option<&str>) -> anyhow::Result<()> {
    let Some(id) = id else { return Ok(()) };
    if id.trim().is_empty() {
        bail!("the request id is empty; leave it out, and equal documents are the same request");
    }
    let read = schemas::headers::text([(schemas::headers::CE_ID, id.as_bytes())], schemas::headers::CE_ID);
    read.map(|_| ()).map_err(|reason| anyhow::anyhow!("the request id is not taken: {}", reason.message))
}

/// A request as a record.
pub fn request(submission: &Submission, body: Vec<u8>, now_ms: i64) -> Outgoing {
    let mut headers =
        vec![(Arc::from(schemas::headers::CONTENT_TYPE), Bytes::from(submission.media_type.clone()))];
    if let Some(id) = &submission.request_id {
        headers.push((Arc::from(schemas::headers::CE_ID), Bytes::from(id.clone())));
    }
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition: None,
        key: submission.key.clone().map(Bytes::from),
        value: Some(body.into()),
        headers,
        timestamp_ms: now_ms,
    }
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
        let catalog = catalog::load(&settings.catalog)?;
        // All that can be wrong with files, before anything is made.
        let behaviour = Arc::new(Behaviour::open(settings, &catalog)?);
        projecting::look(&settings.projection_url())?;
        let store = Arc::new(Store::open(settings, &catalog)?);
        watch.opened(&store);
        watch.vitals.log_opened();
        projecting::check(&settings.projection_url(), &store)?;
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
            for number in 0..group.workers {
                service.start_worker(settings, group, number)?;
            }
        }
        service.start_heartbeat(settings)?;
        service.start_projection(settings)?;
        if settings.downstream.simulated {
            service.start_downstream(settings)?;
        }
        Ok(service)
    }

    fn start_worker(
        &mut self,
        settings: &Settings,
        group: &topology::SubTopology,
        number: u32,
    ) -> anyhow::Result<()> {
        let name = format!("{}-{number}", group.name);
        let membership = Membership {
            group: group.name.as_str().into(),
            worker: name.as_str().into(),
            processors: group.processors.iter().map(|processor| processor.name().into()).collect(),
            topics: group.topics().into_iter().map(Into::into).collect(),
            topics_broadcast: vec![topics::CATALOG.into(), topics::DOWNSTREAM_HEALTH.into()],
        };
        let member = self.store.log.member(membership)?;
        let (codec, state) = (self.store.codec.clone(), self.store.state.clone());
        let line = Line::new(group.clone(), codec, state, line_settings(settings));
        let vitals = self.vitals.clone();
        let watched = Watched { line, vitals, group: group.name.clone(), worker: name.clone() };
        let shard_settings = runtime::Settings {
            batch_records_max: settings.batch.records_max,
            batch_bytes_max: settings.batch.bytes_max,
            batch_timers_max: settings.batch.timers_max,
            ..runtime::Settings::new(&name, topics::DEAD_LETTERS)
        };
        let worker = Worker::new(member, watched, self.store.clock.clone(), shard_settings)?;
        self.spawn(name, move |stop| Ok(worker.run(stop)?))
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
/// Unreadable folder or file, by name; a folder without any such file.
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
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("could not read \"{}\"", path.display()))?;
            files.push((path.display().to_string(), text));
        }
    }
    if files.is_empty() {
        bail!("no .{extension} files in \"{}\"", directory.display());
    }
    files.sort();
    Ok(files)
}
