//! The downstream systems: how their breakers stand, what they answered last, and how the simulated ones behave.
use std::collections::BTreeMap;

use anyhow::Context;
use domain::command::{Feedback, FeedbackKind};
use domain::downstream::{CircuitState, DownstreamHealth};
use processors::downstream::state::{HEAD, Head};
use runtime::log::Limits;
use schemas::topics;
use serde::{Deserialize, Serialize};
use topology::Processor;

use super::Operations;
use crate::order::word;
use crate::service::SIMULATED_GROUP;

/// How many of the newest answers of each partition are looked at.
const ANSWERS_LOOKED_AT_MAX: i64 = 1_000;
/// How many of a system's newest answers are shown.
const ANSWERS_SHOWN_MAX: usize = 3;
const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };

/// A downstream system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemView {
    pub system: String,
    /// `closed`: commands are sent. `open`: none is. `halfOpen`: one at a time, to see.
    pub circuit: CircuitState,
    /// Whether failures are counted, since there was one lately.
    pub watched: bool,
    /// How many tasks wait for their turn.
    pub waiting: u32,
    /// Why the circuit stands as it does, and since when.
    pub reason: Option<String>,
    pub changed_at: Option<String>,
    /// Until when nothing is tried.
    pub open_until: Option<String>,
    /// Commands ever sent to it.
    pub commands: i64,
    /// Commands that the simulated downstream has still to take; absent where it never ran.
    pub commands_untaken: Option<i64>,
    /// The newest answers, the newest first.
    pub last_answers: Vec<AnswerView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    pub at: String,
    pub kind: String,
    pub order_key: String,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// How the simulated systems behave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioView {
    /// Set by `orderstream downstream scenario`, and not from the settings.
    pub is_changed: bool,
    /// A service runs: it holds for commands received from now on. Else from the next start.
    pub in_force: bool,
    pub scenario: serde_json::Value,
}

impl Operations {
    pub(super) fn show_scenario(&self) -> anyhow::Result<ScenarioView> {
        let scenario = self.behaviour.scenario();
        Ok(ScenarioView {
            is_changed: self.behaviour.is_changed(),
            in_force: self.is_running(),
            scenario: serde_json::from_str(&scenario.to_json()).context("scenario could not be shown")?,
        })
    }

    pub(super) fn set_scenario(&self, body: &[u8]) -> anyhow::Result<ScenarioView> {
        let text = std::str::from_utf8(body).context("scenario is not UTF-8")?;
        self.behaviour.change(text)?;
        self.show_scenario()
    }

    pub(super) fn reset_scenario(&self) -> anyhow::Result<ScenarioView> {
        self.behaviour.reset()?;
        self.show_scenario()
    }

    pub(super) fn downstream_status(&self) -> anyhow::Result<Vec<SystemView>> {
        let names: Vec<String> = self.store.log.topics().iter().map(|spec| spec.name.to_string()).collect();
        let healths = self.healths()?;
        let mut answers = self.last_answers()?;
        let systems = names.iter().filter_map(|name| topics::system_of(name));
        let mut views = Vec::new();
        for system in systems {
            views.push(self.system(
                system,
                healths.get(system),
                answers.remove(system).unwrap_or_default(),
            )?);
        }
        views.sort_by(|a, b| a.system.cmp(&b.system));
        Ok(views)
    }

    fn system(
        &self,
        system: &str,
        health: Option<&DownstreamHealth>,
        last_answers: Vec<AnswerView>,
    ) -> anyhow::Result<SystemView> {
        let topic = topics::commands(system);
        let groups = self.store.log.groups(&topic, &[SIMULATED_GROUP])?;
        let ran = groups.iter().any(|group| group.name == SIMULATED_GROUP);
        let untaken = if ran { Some(self.store.log.lag_records(SIMULATED_GROUP, &topic)?) } else { None };
        let head = self.breaker(system, health)?;
        Ok(SystemView {
            system: system.to_owned(),
            circuit: head.circuit,
            watched: head.watched,
            waiting: head.waiting,
            reason: health.map(|health| health.reason.clone()),
            changed_at: health.map(|health| health.changed_at.to_string()),
            open_until: head.open_until.map(|until| until.to_string()),
            commands: self.store.log.end_offsets(&topic)?.iter().sum(),
            commands_untaken: untaken.map(|lags| lags.iter().sum::<u64>().cast_signed()),
            last_answers,
        })
    }

    /// What the breaker's processor keeps; a system that nobody ever complained of has nothing. Where that lies with whichever
    /// machine has the partition, it is what was told last.
    fn breaker(&self, system: &str, health: Option<&DownstreamHealth>) -> anyhow::Result<Head> {
        let Some(log) = self.store.log.embedded() else {
            let told = health.map(|health| Head {
                circuit: health.circuit,
                watched: health.watched,
                waiting: health.waiting,
                ..Head::default()
            });
            return Ok(told.unwrap_or_default());
        };
        // One partition for all systems, as their topic has.
        let cell = log.cell(0, Processor::Downstream.name(), system.as_bytes(), HEAD.as_bytes())?;
        let Some(cell) = cell else { return Ok(Head::default()) };
        let decoded = self.store.state.decode_state("downstream.Head", &cell);
        decoded.with_context(|| format!("breaker of system \"{system}\" is not readable"))
    }

    /// How many tasks wait for their turn, over all systems.
    pub(super) fn tasks_waiting(&self) -> anyhow::Result<i64> {
        let names: Vec<String> = self.store.log.topics().iter().map(|spec| spec.name.to_string()).collect();
        let systems = names.iter().filter_map(|name| topics::system_of(name));
        // Told of a log that is elsewhere; an embedded one is asked itself.
        let healths = if self.store.log.embedded().is_some() { BTreeMap::new() } else { self.healths()? };
        systems.map(|system| Ok(i64::from(self.breaker(system, healths.get(system))?.waiting))).sum()
    }

    /// What was told of each system last.
    fn healths(&self) -> anyhow::Result<BTreeMap<String, DownstreamHealth>> {
        let mut healths = BTreeMap::new();
        let mut from = 0;
        loop {
            let records = self.store.log.read_range(topics::DOWNSTREAM_HEALTH, 0, from, READ)?;
            let Some(last) = records.last() else { return Ok(healths) };
            from = last.offset + 1;
            for value in records.iter().filter_map(|record| record.value.as_deref()) {
                let health: DownstreamHealth =
                    self.store.codec.decode(value).context("health of a system is not readable")?;
                healths.insert(health.system.clone(), health);
            }
        }
    }

    /// By system; of the newest that lie on the topic.
    fn last_answers(&self) -> anyhow::Result<BTreeMap<String, Vec<AnswerView>>> {
        let mut answers: Vec<Feedback> = Vec::new();
        for (partition, end) in (0..).zip(self.store.log.end_offsets(topics::FEEDBACK)?) {
            let from = (end - ANSWERS_LOOKED_AT_MAX).max(0);
            let records = self.store.log.read_range(topics::FEEDBACK, partition, from, READ)?;
            // Outsiders write this topic: what cannot be read is a dead letter by now, and not shown here.
            let values = records.iter().filter_map(|record| record.value.as_deref());
            answers.extend(values.filter_map(|value| self.store.codec.decode::<Feedback>(value).ok()));
        }
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.at));
        let mut by_system: BTreeMap<String, Vec<AnswerView>> = BTreeMap::new();
        for answer in answers {
            let shown = by_system.entry(answer.system.clone()).or_default();
            if shown.len() < ANSWERS_SHOWN_MAX {
                shown.push(view(answer));
            }
        }
        Ok(by_system)
    }
}

fn view(answer: Feedback) -> AnswerView {
    let kind: FeedbackKind = answer.kind;
    AnswerView {
        at: answer.at.to_string(),
        kind: word(&kind),
        order_key: answer.order_key.0,
        code: answer.code,
        message: answer.message,
    }
}
