//! Pumps commands to the simulated downstream and its answers back, as an outside system would: it reads the command
//! topics under its own positions, and what it did is in its own ledger before anything is answered.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use connectors::downstream::{Downstream, Scenario};
use domain::Timestamp;
use domain::catalog::Catalog;
use domain::command::{Command, Feedback};
use runtime::log::Limits;
use runtime::log::embedded::{Reader, Start};
use runtime::{Outgoing, StopSignal};
use schemas::codec::Codec;
use schemas::{headers, topics};

use super::Store;

const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Below the data directory.
pub const LEDGER_DIR: &str = "downstream";
/// The group under which its positions are kept.
pub const GROUP: &str = "simulated-downstream";

pub struct Pump {
    downstream: Downstream,
    reader: Reader,
    store: Arc<Store>,
}

/// The scenario of a file; the default one for an empty path.
///
/// # Errors
/// An unreadable file, or one that is no scenario.
pub fn scenario(path: &Path) -> anyhow::Result<Scenario> {
    if path.as_os_str().is_empty() {
        return Ok(Scenario::default());
    }
    let shown = || format!("scenario \"{}\"", path.display());
    let text = std::fs::read_to_string(path).with_context(shown)?;
    let parsed = if path.extension().is_some_and(|kind| kind == "json") {
        Scenario::from_json(&text)
    } else {
        Scenario::from_toml(&text)
    };
    parsed.map_err(|findings| anyhow::anyhow!(findings.join("; "))).with_context(shown)
}

impl Pump {
    pub fn open(
        data_dir: &Path,
        scenario: Scenario,
        store: &Arc<Store>,
        catalog: &Catalog,
    ) -> anyhow::Result<Pump> {
        let downstream = Downstream::open(&data_dir.join(LEDGER_DIR), scenario)?;
        let topics: Vec<Arc<str>> =
            catalog.systems.keys().map(|system| topics::commands(system).into()).collect();
        let reader = store.log.reader(&topics, &Start::Group(GROUP.into()))?;
        Ok(Pump { downstream, reader, store: store.clone() })
    }

    /// Until `stop`.
    ///
    /// # Errors
    /// Its ledger or the log cannot be used.
    pub fn run(mut self, stop: &StopSignal) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            let records = self.reader.poll(BATCH, self.wait())?;
            let commands: Vec<Command> = records.iter().filter_map(|record| self.command(record)).collect();
            let answers = self.downstream.receive(&commands, self.now())?;
            self.answer(&answers)?;
            if !records.is_empty() {
                // Its effects are in the ledger by now: what is read again after a crash before this is known there.
                self.reader.commit()?;
            }
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.store.clock.now_ms())
    }

    /// No longer than until the next answer is due.
    fn wait(&self) -> Duration {
        let until = self.downstream.next_due().map(|due| due.since_ms(self.now()));
        until.map_or(IDLE_WAIT, |ms| Duration::from_millis(ms.unsigned_abs()).min(IDLE_WAIT))
    }

    fn command(&self, record: &runtime::Record) -> Option<Command> {
        let value = record.value.as_deref()?;
        match self.store.codec.decode(value) {
            Ok(command) => Some(command),
            Err(error) => {
                // Outsiders can write here, too; a command of ours that is not answered becomes a time-out of its task.
                tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset, %error,
                    "command could not be read");
                None
            }
        }
    }

    fn answer(&mut self, answers: &[Feedback]) -> anyhow::Result<()> {
        if answers.is_empty() {
            return Ok(());
        }
        let outgoing = answers
            .iter()
            .map(|answer| feedback(&self.store.codec, answer))
            .collect::<anyhow::Result<Vec<_>>>()?;
        self.store.log.producer().send(&outgoing)?;
        let ids: Vec<_> = answers.iter().map(|answer| answer.feedback_id.clone()).collect();
        Ok(self.downstream.confirm(&ids)?)
    }
}

/// An answer as a record, as the contract for outsiders asks for it.
pub fn feedback(codec: &Codec, answer: &Feedback) -> anyhow::Result<Outgoing> {
    let pairs = [
        (headers::CE_SPEC_VERSION, headers::SPEC_VERSION.to_owned()),
        (headers::CE_ID, answer.feedback_id.0.clone()),
        (headers::CE_SOURCE, format!("simulated/{}", answer.system)),
        (headers::CE_TYPE, headers::type_of("Feedback")),
        (headers::CE_TIME, answer.at.to_string()),
        (headers::CONTENT_TYPE, headers::AVRO.to_owned()),
    ];
    Ok(Outgoing {
        topic: topics::FEEDBACK.into(),
        partition: None,
        key: Some(Bytes::from(answer.order_key.0.clone())),
        value: Some(codec.encode(topics::FEEDBACK, answer)?.into()),
        headers: pairs.map(|(name, value)| (Arc::from(name), Bytes::from(value))).into(),
        timestamp_ms: answer.at.0,
    })
}
