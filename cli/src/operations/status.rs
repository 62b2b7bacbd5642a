//! Everything at a glance, and whether it is well.
mod lines;

use std::collections::BTreeMap;
use std::path::Path;

use domain::Timestamp;
use domain::order::OrderState;
use domain::order::event::OrderEvent;
use projection::query::Summary;
use runtime::log::Limits;
use schemas::topics;
use serde::{Deserialize, Serialize};
use topology::{Processor, Stream};

pub use lines::{Disk, LagLine, RestoringLine, StageLine, StandbyLine, WaitingLine};

use super::Operations;
use super::topics::PROJECTION_GROUP;
use crate::order::word;
use crate::service::{LEDGER_DIR, LOG_DIR, catalog, disk_left_bytes};
use crate::settings::STATE_DIR;

/// With less disk left than this the service is not well: long before it has to refuse orders.
pub const DISK_LEFT_BYTES_WELL: u64 = 512 << 20;
/// A group that has more records to read than this does not keep up.
pub const LAG_RECORDS_WELL: i64 = 100_000;
/// What is asked of the projection is older than the orders when it has more than this to read.
pub const PROJECTION_LAG_RECORDS_WELL: i64 = 20_000;
/// How many of the newest events of each partition are looked at for when a stage did something last.
const EVENTS_LOOKED_AT_MAX: i64 = 2_000;
const READ: Limits = Limits { records_max: 2_000, bytes_max: 8 << 20 };

/// Everything at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub running: bool,
    pub healthy: bool,
    /// Why it is not well; empty where it is.
    pub problems: Vec<String>,
    /// Why the log cannot be written at the moment; absent where it can.
    pub write_failure: Option<String>,
    /// Why the projection cannot be read: then nothing is known of orders, cases and stages. Absent where it can.
    pub projection_failure: Option<String>,
    pub data_dir: String,
    pub version: String,
    pub process_id: Option<u32>,
    pub started_at: Option<String>,
    /// The catalog version that new orders take.
    pub catalog: Option<String>,
    /// All that are published.
    pub catalog_versions: Vec<String>,
    /// What the projection counts is null where it cannot be read: nobody knows it then.
    pub orders_by_state: Option<BTreeMap<String, i64>>,
    pub open_cases: Option<i64>,
    pub stuck_orders: Option<i64>,
    pub dead_letters: usize,
    /// Those that were not sent again.
    pub dead_letters_open: usize,
    pub stages: Vec<StageLine>,
    pub lags: Vec<LagLine>,
    /// What parts of this process try again and again, and why; a worker holds all that it has meanwhile.
    pub waiting: Vec<WaitingLine>,
    /// On Kafka, the sub-topologies of which this process has no workers: they are left to others.
    pub groups_elsewhere: Vec<String>,
    /// On Kafka, the partitions that its workers were given and whose state they are still reading.
    pub restoring: Vec<RestoringLine>,
    /// On Kafka, of which partitions that others have the workers of this process keep copies.
    pub standbys: Vec<StandbyLine>,
    /// Earlier versions, which may still be the service that answers, name it otherwise.
    #[serde(alias = "projectionLag")]
    pub projection_lag_records: Option<i64>,
    pub disk: Disk,
}

/// What only the projection knows.
struct Projected {
    summary: Summary,
    lags: Vec<LagLine>,
}

impl Operations {
    pub(super) fn status(&self) -> anyhow::Result<Status> {
        // Another database may be away; what does not come from there is told all the same.
        let (projected, projection_failure) = match self.projected() {
            Ok(projected) => (Some(projected), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let mut lags = self.lags_of_log()?;
        let stages = match &projected {
            Some(projected) => self.stages(&projected.summary, &lags)?,
            None => Vec::new(),
        };
        let (summary, of_projection) = projected.map(|known| (known.summary, known.lags)).unzip();
        let projection_lag_records =
            of_projection.as_ref().map(|lines| lines.iter().map(|line| line.records).sum::<i64>());
        lags.extend(of_projection.into_iter().flatten());
        let (dead_letters, dead_letters_open) = self.count_dead_letters()?;
        let data_dir = &self.settings.node.data_dir;
        let catalogs = catalog::published(&self.store)?;
        let by_state = |summary: &Summary| -> BTreeMap<String, i64> {
            summary.orders_by_state.iter().map(|(state, count)| (word(state), *count)).collect()
        };
        let mut status = Status {
            running: self.is_running(),
            write_failure: self.store.log.write_failure().map(|reason| reason.to_string()),
            data_dir: data_dir.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process_id: Some(std::process::id()).filter(|_| self.is_running()),
            started_at: self.started_at.map(|at| at.to_string()),
            catalog: catalogs.latest().map(|catalog| catalog.version.to_string()),
            catalog_versions: catalogs.versions().map(|(version, ..)| version.to_string()).collect(),
            orders_by_state: summary.as_ref().map(by_state),
            open_cases: summary.as_ref().map(|summary| summary.open_cases),
            stuck_orders: summary.as_ref().map(|summary| summary.stuck_orders),
            dead_letters,
            dead_letters_open,
            stages,
            projection_failure,
            projection_lag_records,
            lags,
            waiting: self.waiting(),
            groups_elsewhere: self.groups_elsewhere(),
            restoring: self.store.log.restoring().into_iter().map(RestoringLine::from).collect(),
            standbys: self.store.log.following().into_iter().map(StandbyLine::from).collect(),
            disk: self.disk()?,
            ..Status::default()
        };
        status.problems = self.problems(&status);
        status.healthy = status.problems.is_empty();
        Ok(status)
    }

    fn waiting(&self) -> Vec<WaitingLine> {
        let now_ms = self.store.clock.now_ms();
        let waiting = self.vitals.as_ref().map(|vitals| vitals.waiting()).unwrap_or_default();
        waiting.into_iter().map(|waiting| WaitingLine::of(waiting, now_ms)).collect()
    }

    fn groups_elsewhere(&self) -> Vec<String> {
        let groups = self.settings.subtopologies.iter().filter(|group| group.workers == 0);
        groups.map(|group| group.name.clone()).collect()
    }

    /// Why it is not well. What happens to orders (cases, stuck orders, dead letters) is business, and no fault of the service.
    fn problems(&self, status: &Status) -> Vec<String> {
        let mut problems = Vec::new();
        if !status.running {
            problems.push("the service is not running".to_owned());
        }
        problems
            .extend(status.write_failure.iter().map(|reason| format!("the log cannot be written: {reason}")));
        problems.extend(status.projection_failure.iter().map(|reason| {
            format!("orders are handled, and not shown, since the projection cannot be read: {reason}")
        }));
        let waiting = status.waiting.iter().filter(|line| !line.is_well());
        problems.extend(waiting.map(WaitingLine::told));
        if status.disk.left_bytes < DISK_LEFT_BYTES_WELL {
            problems.push(format!(
                "{} MiB are left on the disk of the data directory; below {} MiB somebody should make room",
                status.disk.left_bytes >> 20,
                DISK_LEFT_BYTES_WELL >> 20
            ));
        }
        if let Some(behind) = status.projection_lag_records.filter(|lag| *lag > PROJECTION_LAG_RECORDS_WELL) {
            problems.push(format!(
                "the projection has {behind} records to read; what `order` shows is that much behind"
            ));
        }
        for line in status.lags.iter().filter(|line| line.group != PROJECTION_GROUP) {
            if line.records > LAG_RECORDS_WELL {
                problems.push(format!(
                    "group \"{}\" has {} records of topic \"{}\" to read",
                    line.group, line.records, line.topic
                ));
            }
        }
        problems
    }

    fn projected(&self) -> anyhow::Result<Projected> {
        let summary = self.projection_summary()?;
        let mut lags = Vec::new();
        for topic in [topics::ORDER_EVENTS, topics::PRODUCT_EVENTS] {
            let group = self.group_of_projection(topic)?;
            lags.extend(group.map(|group| LagLine::of(topic, group)));
        }
        Ok(Projected { summary, lags })
    }

    fn lags_of_log(&self) -> anyhow::Result<Vec<LagLine>> {
        let names: Vec<String> = self.store.log.topics().iter().map(|spec| spec.name.to_string()).collect();
        let mut lags = Vec::new();
        for topic in names {
            for group in self.groups_of_log(&topic)? {
                lags.push(LagLine::of(&topic, group));
            }
        }
        Ok(lags)
    }

    /// What each stage took, has under way and wrote. Events are counted as far as the projection has read.
    fn stages(&self, summary: &Summary, lags: &[LagLine]) -> anyhow::Result<Vec<StageLine>> {
        let last = self.last_written()?;
        let line = |processor: Processor| {
            let heard: i64 =
                processor.hears().iter().filter_map(|name| summary.events.get(*name)).copied().sum();
            let taken = own_stream(processor).map_or(Ok(0), |stream| self.records_taken(stream, lags))?;
            let written = self.records_written(processor, summary)?;
            Ok(StageLine {
                stage: processor.name().to_owned(),
                taken: heard + taken,
                in_progress: self.in_progress(processor, summary, lags)?,
                written,
                last_at: last.get(processor.name()).map(ToString::to_string),
            })
        };
        Processor::ALL.into_iter().map(line).collect()
    }

    fn records_taken(&self, stream: Stream, lags: &[LagLine]) -> anyhow::Result<i64> {
        let ends: i64 = self.store.log.end_offsets(stream.topic())?.iter().sum();
        Ok(ends - lag_of(stream, lags))
    }

    fn records_written(&self, processor: Processor, summary: &Summary) -> anyhow::Result<i64> {
        let topic = match processor {
            Processor::Inventory => topics::PRODUCT_EVENTS,
            Processor::Downstream => topics::DOWNSTREAM_HEALTH,
            Processor::Capture
            | Processor::Validation
            | Processor::Decomposition
            | Processor::Orchestration
            | Processor::Fallout
            | Processor::StuckOrders => {
                let own = summary
                    .events
                    .iter()
                    .filter(|(name, _)| OrderEvent::writer_of(name) == Some(processor.name()));
                return Ok(own.map(|(_, count)| count).sum());
            }
        };
        Ok(self.store.log.end_offsets(topic)?.iter().sum())
    }

    fn in_progress(&self, processor: Processor, summary: &Summary, lags: &[LagLine]) -> anyhow::Result<i64> {
        let orders = |states: &[OrderState]| -> i64 {
            states.iter().filter_map(|state| summary.orders_by_state.get(state)).sum()
        };
        Ok(match processor {
            Processor::Capture => lag_of(Stream::OrderRequests, lags),
            Processor::Validation => orders(&[OrderState::Captured]),
            Processor::Decomposition => orders(&[OrderState::Validated]),
            Processor::Orchestration => orders(&[
                OrderState::Decomposed,
                OrderState::Scheduled,
                OrderState::InProgress,
                OrderState::Suspended,
                OrderState::Amending,
                OrderState::Cancelling,
            ]),
            Processor::Fallout => summary.open_cases,
            Processor::StuckOrders => summary.stuck_orders,
            Processor::Inventory => lag_of(Stream::ProductRequests, lags),
            Processor::Downstream => self.tasks_waiting()?,
        })
    }

    /// By processor: when the newest event that it wrote was decided, among the newest of each partition.
    fn last_written(&self) -> anyhow::Result<BTreeMap<&'static str, Timestamp>> {
        let mut last = BTreeMap::new();
        for topic in [topics::ORDER_EVENTS, topics::PRODUCT_EVENTS, topics::DOWNSTREAM_HEALTH] {
            for (partition, end) in (0..).zip(self.store.log.end_offsets(topic)?) {
                let from = (end - EVENTS_LOOKED_AT_MAX).max(0);
                for record in self.store.log.read_range(topic, partition, from, READ)? {
                    let Some(value) = record.value.as_deref() else { continue };
                    let Ok(name) = self.store.codec.record_name(value) else { continue };
                    let writer = match topic {
                        topics::PRODUCT_EVENTS => Some(Processor::Inventory.name()),
                        topics::DOWNSTREAM_HEALTH => Some(Processor::Downstream.name()),
                        _ => OrderEvent::writer_of(name),
                    };
                    let at = Timestamp(record.timestamp_ms);
                    let Some(writer) = writer else { continue };
                    let newest = last.entry(writer).or_insert(at);
                    *newest = at.max(*newest);
                }
            }
        }
        Ok(last)
    }

    fn disk(&self) -> anyhow::Result<Disk> {
        let data_dir = &self.settings.node.data_dir;
        let projection = self.settings.projection_url();
        let file = projection.strip_prefix("sqlite://").map(Path::new);
        let with_wal = |file: &Path| {
            let beside = file.with_extension("sqlite-wal");
            [file, &beside].iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum()
        };
        Ok(Disk {
            log_bytes: folder_bytes(&data_dir.join(LOG_DIR)) + folder_bytes(&data_dir.join(STATE_DIR)),
            projection_bytes: file.map(with_wal),
            ledger_bytes: folder_bytes(&data_dir.join(LEDGER_DIR)),
            left_bytes: disk_left_bytes(data_dir)?,
        })
    }
}

/// The stream that is a stage's own. Answers belong to orchestration: of validation's few questions the events tell.
fn own_stream(processor: Processor) -> Option<Stream> {
    match processor {
        Processor::Capture => Some(Stream::OrderRequests),
        Processor::Orchestration => Some(Stream::Feedback),
        Processor::Inventory => Some(Stream::ProductRequests),
        Processor::Downstream => Some(Stream::Observations),
        Processor::Validation | Processor::Decomposition | Processor::Fallout | Processor::StuckOrders => {
            None
        }
    }
}

/// Of the group that is furthest behind.
fn lag_of(stream: Stream, lags: &[LagLine]) -> i64 {
    lags.iter().filter(|line| line.topic == stream.topic()).map(|line| line.records).max().unwrap_or(0)
}

/// Files come and go while it is counted: those that are gone count nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_answers_is_understood() {
        let told =
            r#"{"running": true, "openCases": 2, "ordersByState": {"completed": 1}, "projectionLag": 7}"#;
        let status: Status = serde_json::from_str(told).unwrap();
        assert_eq!((status.open_cases, status.stuck_orders), (Some(2), None));
        assert_eq!(status.projection_lag_records, Some(7));
        let now = serde_json::to_value(&status).unwrap();
        assert_eq!(now["projectionLagRecords"], 7);
        assert!(now["stuckOrders"].is_null() && now.get("projectionLag").is_none(), "{now}");
    }
}
