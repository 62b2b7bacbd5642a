//! What a status has several of.
use domain::Timestamp;
use runtime::log::kafka::{Following, Restoration};
use serde::{Deserialize, Serialize};

use crate::operations::topics::GroupView;
use crate::service::waiting::Waiting;

/// A part that has tried the same again for so long does not go on by itself.
const WAITED_MS_WELL: i64 = 5_000;

/// One stage of the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageLine {
    pub stage: String,
    /// Records and events that it took, ever.
    #[serde(rename = "in")]
    pub taken: i64,
    /// What it has under way, in its own unit: requests, orders, cases, tasks.
    pub in_progress: i64,
    /// Events that it wrote, ever.
    #[serde(rename = "out")]
    pub written: i64,
    /// When it wrote last; absent where that is not among the newest events.
    pub last_at: Option<String>,
}

/// What a group has still to read of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LagLine {
    pub topic: String,
    pub group: String,
    pub records: i64,
    /// The partition that has most of them, and how many; absent where there are none, and in what earlier versions answer.
    #[serde(default)]
    pub partition: Option<u32>,
    #[serde(default)]
    pub partition_records: Option<i64>,
}

impl LagLine {
    pub(super) fn of(topic: &str, group: GroupView) -> LagLine {
        let most = (0..).zip(&group.lags).max_by_key(|(_, records)| **records).filter(|most| *most.1 > 0);
        LagLine {
            topic: topic.to_owned(),
            group: group.group,
            records: group.lag,
            partition: most.map(|(partition, _)| partition),
            partition_records: most.map(|(_, records)| *records),
        }
    }
}

/// A part that does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingLine {
    /// A worker's name, or `projection`.
    pub part: String,
    /// At which record, as `topic partition:offset`, or timer.
    pub at: String,
    pub reason: String,
    pub since: String,
    pub waited_ms: i64,
}

impl WaitingLine {
    pub(super) fn of(waiting: Waiting, now_ms: i64) -> WaitingLine {
        let Waiting { part, at, reason, since_ms } = waiting;
        let waited_ms = now_ms.saturating_sub(since_ms).max(0);
        WaitingLine { part, at, reason, since: Timestamp(since_ms).to_string(), waited_ms }
    }

    /// Whether it goes on by itself at any moment, for all that is known.
    pub fn is_well(&self) -> bool {
        self.waited_ms < WAITED_MS_WELL
    }

    /// In words.
    pub fn told(&self) -> String {
        format!("{} has not gone on since {}, at {}: {}", self.part, self.since, self.at, self.reason)
    }
}

/// What a worker is yet to have of its own state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoringLine {
    pub worker: String,
    pub partition: u32,
    /// How much of the changelog is still to be read; absent before that has begun.
    pub records: Option<u64>,
}

impl From<Restoration> for RestoringLine {
    fn from(restoration: Restoration) -> RestoringLine {
        let Restoration { worker, partition, left_records } = restoration;
        RestoringLine { worker: worker.to_string(), partition, records: left_records }
    }
}

/// What a worker keeps of the state of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandbyLine {
    pub worker: String,
    pub partition: u32,
    /// How much of the changelog the copy lacks.
    pub records: u64,
}

/// Bytes on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Disk {
    /// Log, state and timers: one store. On Kafka, what the workers of this machine keep.
    pub log_bytes: u64,
    /// The projection's file; absent where it is another database.
    pub projection_bytes: Option<u64>,
    /// The simulated downstream's ledger.
    pub ledger_bytes: u64,
    pub left_bytes: u64,
}

impl From<Following> for StandbyLine {
    fn from(following: Following) -> StandbyLine {
        let Following { worker, partition, lag_records } = following;
        StandbyLine { worker: worker.to_string(), partition, records: lag_records }
    }
}
