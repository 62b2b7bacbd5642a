//! What is looked up when somebody asks for the metrics, and the listening socket that asks.
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use anyhow::Context;
use gateway::{Answers, Bound, Limits, Part, Report, registry};
use metrics::{Gauge, gauge};
use runtime::StopSignal;

use super::process;
use super::vitals::Vitals;
use super::{SIMULATED_GROUP, Store};
use crate::settings::Settings;

/// The service as whoever watches it sees it: from before it has a log until after it has none.
pub struct Watch {
    pub vitals: Arc<Vitals>,
    store: OnceLock<Weak<Store>>,
    groups: Vec<Group>,
}

/// A group, and the topics whose lag is told.
pub struct Group {
    name: String,
    topics: Vec<String>,
    /// It reads the topics of commands, whichever the log was opened with.
    reads_commands: bool,
}

/// Those of the settings, and the simulated downstream where it runs here.
pub fn groups(settings: &Settings) -> Vec<Group> {
    let of_settings = settings.subtopologies.iter().map(|group| Group {
        name: group.name.clone(),
        topics: group.topics().into_iter().map(str::to_owned).collect(),
        reads_commands: false,
    });
    let simulated = Group { name: SIMULATED_GROUP.to_owned(), topics: Vec::new(), reads_commands: true };
    of_settings.chain(settings.downstream.simulated.then_some(simulated)).collect()
}

/// Looks how far each is behind. Ends early where the service is told to stop.
///
/// # Errors
/// The log cannot be asked.
pub fn tell_lag(store: &Store, groups: &[Group], stop: &StopSignal) -> anyhow::Result<()> {
    let all: Vec<String> = store.log.topics().iter().map(|spec| spec.name.to_string()).collect();
    for group in groups {
        let commands =
            all.iter().filter(|topic| group.reads_commands && schemas::topics::system_of(topic).is_some());
        for topic in group.topics.iter().chain(commands) {
            if stop.is_stopped() {
                return Ok(());
            }
            let lag: u64 = store.log.lag_records(&group.name, topic)?.iter().sum();
            lag_gauge(&group.name, topic).set(lag as f64);
        }
    }
    Ok(())
}

impl Watch {
    pub fn new(settings: &Settings, vitals: Arc<Vitals>) -> Watch {
        Watch { vitals, store: OnceLock::new(), groups: groups(settings) }
    }

    /// The log is open; it may be closed again without us.
    pub fn opened(&self, store: &Arc<Store>) {
        // Set once: a process opens one log.
        let _ = self.store.set(Arc::downgrade(store));
    }

    /// Sets every metric that is only looked up when it is asked for.
    fn look(&self) {
        for (stage, age_ms, _) in self.vitals.heartbeat_ages_ms() {
            gauge!("orderstream_heartbeat_age_seconds", "stage" => stage.to_owned())
                .set(age_ms as f64 / 1_000.0);
        }
        for (group, worker, partitions) in self.vitals.assignments() {
            gauge!("orderstream_assigned_partitions", "group" => group, "worker" => worker)
                .set(partitions as f64);
        }
        process::tell(self.vitals.started_at_ms());
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return };
        if let Err(error) = self.look_at(&store) {
            tracing::warn!(error = format!("{error:#}"), "sizes and lags could not be looked up");
        }
    }

    fn look_at(&self, store: &Store) -> anyhow::Result<()> {
        // Of a log that is elsewhere they are not asked for whenever somebody looks: a part of the service does now and then.
        let Some(sizes) = store.log.sizes()? else { return Ok(()) };
        tell_lag(store, &self.groups, &StopSignal::new())?;
        for (content, bytes) in sizes.file_bytes {
            gauge!("orderstream_store_bytes", "content" => content).set(bytes as f64);
        }
        let memory = |kind: &'static str| gauge!("orderstream_store_memory_bytes", "kind" => kind);
        memory("blockCache").set(sizes.block_cache_bytes as f64);
        memory("writeBuffers").set(sizes.write_buffers_bytes as f64);
        gauge!("orderstream_timers_estimate").set(sizes.timers_estimate as f64);
        Ok(())
    }

    /// Whether the process does its work, part by part, and takes more of it.
    fn ready(&self) -> Report {
        let mut parts = self.vitals.ready().parts;
        // Before that the log is not open, and says so.
        let store = self.store.get().and_then(Weak::upgrade);
        parts.extend(store.map(|store| Part::new("orders", store.refusal())));
        Report::of(parts)
    }

    /// Answers on a socket that is bound, as a task of this runtime.
    ///
    /// # Errors
    /// There is another registry of metrics in this process.
    pub fn listen(
        self: &Arc<Self>,
        runtime: &tokio::runtime::Runtime,
        bound: Bound,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let declared: Vec<registry::Metric> = crate::metrics::all().copied().collect();
        let handle =
            registry::install(&declared).map_err(|error| anyhow::anyhow!(error)).context("metrics")?;
        let limits = Limits {
            connections_max: settings.gateway.connections_max,
            request_timeout: Duration::from_millis(settings.gateway.request_timeout_ms),
        };
        let (watch, render, upkeep) = (self.clone(), handle.clone(), handle);
        let metrics = move || {
            watch.look();
            render.render()
        };
        let (health, ready) = (self.vitals.clone(), self.clone());
        let answers = Answers {
            metrics: Box::new(metrics),
            health: Box::new(move || health.health()),
            ready: Box::new(move || ready.ready()),
            upkeep: Box::new(move || upkeep.run_upkeep()),
        };
        tracing::info!(address = %bound.address(), "listening");
        runtime.spawn(async move {
            if let Err(error) = bound.serve(limits, answers).await {
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "nobody listens any more"
                );
            }
        });
        Ok(())
    }
}

fn lag_gauge(group: &str, topic: &str) -> Gauge {
    gauge!("orderstream_lag_records", "group" => group.to_owned(), "topic" => topic.to_owned())
}
