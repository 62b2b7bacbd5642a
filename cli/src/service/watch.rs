//! What is looked up when somebody asks for the metrics, and the listening socket that asks.
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use anyhow::Context;
use gateway::{Answers, Bound, Limits, registry};
use metrics::{Gauge, gauge};

use super::process;
use super::vitals::Vitals;
use super::{SIMULATED_GROUP, Store};
use crate::settings::Settings;

/// The service as whoever watches it sees it: from before it has a log until after it has none.
pub struct Watch {
    pub vitals: Arc<Vitals>,
    store: OnceLock<Weak<Store>>,
    /// The group and the topics whose lag is told.
    groups: Vec<(String, Vec<String>)>,
    /// Whether the command topics have a reader whose positions are kept here.
    simulated: bool,
}

impl Watch {
    pub fn new(settings: &Settings, vitals: Arc<Vitals>) -> Watch {
        let topics = |group: &topology::SubTopology| group.topics().into_iter().map(str::to_owned).collect();
        let groups = settings.subtopologies.iter().map(|group| (group.name.clone(), topics(group)));
        let simulated = settings.downstream.simulated;
        Watch { vitals, store: OnceLock::new(), groups: groups.collect(), simulated }
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
        let commands = store.log.topics().iter().map(|spec| spec.name.to_string());
        let commands = commands.filter(|topic| self.simulated && schemas::topics::system_of(topic).is_some());
        let simulated = (SIMULATED_GROUP.to_owned(), commands.collect());
        for (group, topics) in self.groups.iter().chain([&simulated]) {
            for topic in topics {
                let lag: u64 = store.log.lag_records(group, topic)?.iter().sum();
                lag_gauge(group, topic).set(lag as f64);
            }
        }
        let sizes = store.log.sizes()?;
        for (content, bytes) in sizes.file_bytes {
            gauge!("orderstream_store_bytes", "content" => content).set(bytes as f64);
        }
        let memory = |kind: &'static str| gauge!("orderstream_store_memory_bytes", "kind" => kind);
        memory("blockCache").set(sizes.block_cache_bytes as f64);
        memory("writeBuffers").set(sizes.write_buffers_bytes as f64);
        gauge!("orderstream_timers_estimate").set(sizes.timers_estimate as f64);
        Ok(())
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
        let (health, ready) = (self.vitals.clone(), self.vitals.clone());
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
