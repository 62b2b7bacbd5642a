//! Pumps commands to the simulated downstream and its answers back, as an outside system would: it reads the command
//! topics under its own positions, and what it did is in its own ledger before anything is answered.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use connectors::downstream::{Downstream, Scenario};
use domain::Timestamp;
use domain::command::{Command, Feedback};
use domain::limits::REQUEST_BYTES_MAX;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{AnyReader, Outgoing, StopSignal};
use schemas::codec::Codec;
use schemas::{headers, topics};

use super::backoff::{Backoff, log_may_pass, until_done};
use super::{Behaviour, Store, catalog};
use crate::files::read_text;

const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Below the data directory.
pub const LEDGER_DIR: &str = "downstream";
/// The group under which its positions are kept.
pub const GROUP: &str = "simulated-downstream";

/// Before any catalog.
const CATALOGS_END_NONE: i64 = -1;

pub struct Pump {
    downstream: Downstream,
    behaviour: Arc<Behaviour>,
    /// Of the behaviour that it follows.
    version: u64,
    reader: AnyReader,
    store: Arc<Store>,
    /// Where the topic of catalogs ended when it was last looked at.
    catalogs_end: i64,
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
    let text = read_text(path, REQUEST_BYTES_MAX as u64).with_context(shown)?;
    let parsed = if path.extension().is_some_and(|kind| kind == "json") {
        Scenario::from_json(&text)
    } else {
        Scenario::from_toml(&text)
    };
    parsed.map_err(|findings| anyhow::anyhow!(findings.join("; "))).with_context(shown)
}

impl Pump {
    /// Whatever any published catalog says a completion reports, the simulated system reports; else later tasks would miss it.
    pub fn open(data_dir: &Path, behaviour: &Arc<Behaviour>, store: &Arc<Store>) -> anyhow::Result<Pump> {
        let (version, mut scenario) =
            behaviour.newer(None).context("simulated downstream has no scenario")?;
        let catalogs_end = catalogs_end(store)?;
        let (systems, task_types) = catalog::everything(store)?;
        scenario.cover(&task_types);
        let downstream = Downstream::open(&data_dir.join(LEDGER_DIR), scenario)?;
        let topics: Vec<Arc<str>> = systems.iter().map(|system| topics::commands(system).into()).collect();
        let reader = store.log.reader(&topics, &Start::Group(GROUP.into()))?;
        let (behaviour, store) = (behaviour.clone(), store.clone());
        Ok(Pump { downstream, behaviour, version, reader, store, catalogs_end })
    }

    /// Until `stop`. What may pass (a full disk) is tried again for ever: half a system helps nobody, and a stopped one neither.
    ///
    /// # Errors
    /// Its ledger or the log cannot be used, and never will.
    pub fn run(mut self, stop: &StopSignal) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            let records = self.reader.poll(BATCH, self.wait())?;
            // After the wait: what was sent since a change is answered by it.
            self.take_up_behaviour();
            // Only commands can be of a version that was published meanwhile.
            if !records.is_empty() || self.catalogs_end == CATALOGS_END_NONE {
                until_done(GROUP, stop, || self.take_up_catalogs())?;
            }
            let commands: Vec<Command> = records.iter().filter_map(|record| self.command(record)).collect();
            let mut backoff = Backoff::new();
            while let Err(error) = self.turn(&commands, !records.is_empty()) {
                // A log that cannot be written says so itself.
                if self.store.log.write_failure().is_none() && backoff.is_to_be_told() {
                    let (error, backoff_ms) = (format!("{error:#}"), backoff.pause_ms());
                    tracing::warn!(
                        error,
                        backoff_ms,
                        "simulated downstream could not go on, it is tried again"
                    );
                }
                if !may_pass(&error) {
                    return Err(error);
                }
                if backoff.wait(stop) {
                    return Ok(());
                }
            }
            if backoff.was_told() {
                tracing::info!("simulated downstream goes on again");
            }
        }
        Ok(())
    }

    fn take_up_behaviour(&mut self) {
        if let Some((version, scenario)) = self.behaviour.newer(Some(self.version)) {
            self.downstream.behave(scenario);
            self.version = version;
            // It reports what the settings' catalog wants; what the published ones want comes on top.
            self.catalogs_end = CATALOGS_END_NONE;
        }
    }

    /// A version that was published meanwhile may have tasks that no command was ever sent for.
    fn take_up_catalogs(&mut self) -> anyhow::Result<()> {
        let end = catalogs_end(&self.store)?;
        if end != self.catalogs_end {
            let (_, task_types) = catalog::everything(&self.store)?;
            self.downstream.cover(&task_types);
            self.catalogs_end = end;
        }
        Ok(())
    }

    /// Takes commands and answers what is due. May be repeated whole: a sending that was taken before changes nothing, and an answer
    /// that comes twice is recognised.
    fn turn(&mut self, commands: &[Command], read: bool) -> anyhow::Result<()> {
        let answers = self.downstream.receive(commands, self.now())?;
        if let Err(error) = self.answer(&answers) {
            self.downstream.take_back();
            return Err(error);
        }
        if read {
            // Its effects are in the ledger by now: what is read again after a crash before this is known there.
            self.reader.commit()?;
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

/// Whether the same may succeed later, with nothing changed by anybody but the disk.
fn may_pass(error: &anyhow::Error) -> bool {
    let of_ledger = error.downcast_ref::<connectors::downstream::ledger::Error>();
    log_may_pass(error) || of_ledger.is_some_and(connectors::downstream::ledger::Error::is_passing)
}

fn catalogs_end(store: &Store) -> anyhow::Result<i64> {
    Ok(store.log.end_offsets(topics::CATALOG)?.iter().sum())
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
