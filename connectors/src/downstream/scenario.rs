//! How the simulated systems behave: a TOML or JSON file, and a seed. Equal scenario and equal commands give equal answers.
use std::collections::BTreeMap;

use domain::catalog::TaskType;
use domain::{CommandId, OrderKey};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Noise, Outage, Planted};
use super::latency::Latency;

/// The name under which a fault is planted for the question whether an order can be delivered.
pub const FEASIBILITY: &str = "feasibility";
/// The most `inProgress` answers to one command.
pub const PROGRESS_MAX: u32 = 20;
/// The scenario that is shipped: everything succeeds quickly.
const SHIPPED: &str = include_str!("../../scenarios/default.toml");

/// What a command does when nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// From the command's arrival to its completion.
    pub latency: Latency,
    /// After how long `accepted` is answered, at the latest with the completion; absent: it is not.
    #[serde(default)]
    pub accepted_after: Option<Latency>,
    /// How many `inProgress` answers come between, evenly spread.
    #[serde(default)]
    pub progress: u32,
}

/// What is special about a command, by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Absent: the system's, else the scenario's.
    pub behaviour: Option<Behaviour>,
    /// What its completion reports.
    pub outputs: Vec<String>,
    /// What goes wrong with it for every order.
    pub fault: Option<Fault>,
}

/// An order is not deliverable where an input of the question contains a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotServiceable {
    /// The input's name; `*` for any.
    pub input: String,
    /// Contained in the input's text, letters compared as they are.
    pub contains: String,
    pub message: String,
}

/// All of it. What a command does is decided by the first of: a fault planted for it and its order; a fault of its script; an outage; noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub seed: u64,
    pub behaviour: Behaviour,
    #[serde(default)]
    pub noise: Noise,
    /// By system.
    #[serde(default)]
    pub systems: BTreeMap<String, Behaviour>,
    /// By command name.
    #[serde(default)]
    pub commands: BTreeMap<String, Script>,
    #[serde(default)]
    pub outages: Vec<Outage>,
    #[serde(default)]
    pub not_serviceable: Vec<NotServiceable>,
    /// By order key.
    #[serde(default)]
    pub planted: BTreeMap<String, Vec<Planted>>,
}

impl Default for Scenario {
    fn default() -> Scenario {
        // A test loads it, so a broken file cannot be built into a release.
        Scenario::from_toml(SHIPPED).expect("the shipped scenario has no findings")
    }
}

impl Scenario {
    /// Errors: all that is wrong, each in one line with its place.
    pub fn from_toml(text: &str) -> Result<Scenario, Vec<String>> {
        let parsed = toml::from_str::<Scenario>(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            vec![format!("line {line}: {}", error.message())]
        });
        parsed?.checked()
    }

    /// As [`Scenario::from_toml`], for JSON.
    pub fn from_json(text: &str) -> Result<Scenario, Vec<String>> {
        serde_json::from_str::<Scenario>(text).map_err(|error| vec![error.to_string()])?.checked()
    }

    pub fn to_json(&self) -> String {
        // Fails only for keys that are no text and for failing writers; a scenario has neither.
        serde_json::to_string(self).expect("a scenario is plain data")
    }

    fn checked(self) -> Result<Scenario, Vec<String>> {
        let mut findings = self.noise.findings();
        let named = self.systems.iter().map(|(name, behaviour)| (format!("systems.{name}"), behaviour));
        let scripted = self
            .commands
            .iter()
            .filter_map(|(name, script)| Some((format!("commands.{name}"), script.behaviour.as_ref()?)));
        for (place, behaviour) in
            [("behaviour".to_owned(), &self.behaviour)].into_iter().chain(named).chain(scripted)
        {
            findings.extend(behaviour.latency.findings(&place));
            findings.extend(behaviour.accepted_after.iter().flat_map(|latency| latency.findings(&place)));
            if behaviour.progress > PROGRESS_MAX {
                findings.push(format!(
                    "{place}: progress is {}, and must not exceed {PROGRESS_MAX}",
                    behaviour.progress
                ));
            }
        }
        if findings.is_empty() { Ok(self) } else { Err(findings) }
    }

    /// Makes each command of these task types report what the catalog says it reports, where the scenario does not say so itself.
    pub fn cover<'a>(&mut self, task_types: impl IntoIterator<Item = &'a TaskType>) {
        for task_type in task_types {
            let outputs = &mut self.commands.entry(task_type.command.clone()).or_default().outputs;
            for output in &task_type.outputs {
                if !outputs.contains(output) {
                    outputs.push(output.clone());
                }
            }
        }
    }

    /// Plants a fault for one command of one order.
    pub fn plant(&mut self, order: &OrderKey, planted: Planted) {
        self.planted.entry(order.0.clone()).or_default().push(planted);
    }

    pub(super) fn behaviour_of(&self, system: &str, command: &str) -> Behaviour {
        let script = self.commands.get(command).and_then(|script| script.behaviour);
        script.or_else(|| self.systems.get(system).copied()).unwrap_or(self.behaviour)
    }

    /// The fault that was decided on for this command, whatever chance may have.
    pub(super) fn decided_fault(&self, order: &OrderKey, command: &str) -> Option<&Fault> {
        let planted =
            self.planted.get(&order.0).and_then(|all| all.iter().find(|planted| planted.command == command));
        let scripted = || self.commands.get(command).and_then(|script| script.fault.as_ref());
        planted.map(|planted| &planted.fault).or_else(scripted)
    }

    pub(super) fn outputs_of(&self, command: &str) -> Option<&[String]> {
        self.commands.get(command).map(|script| script.outputs.as_slice())
    }

    /// Randomness that depends on the seed, the command and what it is wanted for, and on nothing that came before.
    pub(super) fn rng(&self, command: CommandId, purpose: &str, n: u32) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..24].copy_from_slice(command.0.as_bytes());
        seed[24..28].copy_from_slice(&n.to_be_bytes());
        for (at, byte) in purpose.bytes().enumerate() {
            seed[28 + at % 4] = seed[28 + at % 4].rotate_left(3) ^ byte;
        }
        ChaCha8Rng::from_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_scenario_has_no_findings_and_survives_json() {
        let shipped = Scenario::from_toml(SHIPPED).unwrap();
        assert_eq!(Scenario::from_json(&shipped.to_json()).unwrap(), shipped);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = r#"
            behaviour = { latency = { kind = "uniform", ms_min = 9, ms_max = 1 } }
            noise = { lost = 2.0 }
            [systems.billing]
            latency = { kind = "fixed", ms = -1 }
            progress = 21
        "#;
        let findings = Scenario::from_toml(text).unwrap_err();
        let places =
            ["noise: lost", "behaviour: ms_min 9", "systems.billing: ms is -1", "systems.billing: progress"];
        assert_eq!(findings.len(), places.len(), "{findings:?}");
        for place in places {
            assert!(findings.iter().any(|finding| finding.starts_with(place)), "{place} in {findings:?}");
        }
        let unknown = Scenario::from_toml("behavior = 1").unwrap_err();
        assert!(unknown[0].contains("behavior"), "{unknown:?}");
    }

    #[test]
    fn every_kind_of_fault_can_be_written_in_a_file() {
        let text = r#"
            behaviour = { latency = { kind = "fixed", ms = 1 } }
            outages = [
                { system = "billing", window = { by = "time", after_ms = 1, for_ms = 2 }, answer = "refuses" },
                { system = "billing", window = { by = "count", after_commands = 1, commands = 2 }, answer = "silent" },
            ]
            [commands.activateFiber]
            fault = { kind = "fails", code = "X", message = "y", times = 2 }
            [[planted."TMF/POnumber/1"]]
            command = "feasibility"
            fault = { kind = "fails", code = "NOT_SERVICEABLE", message = "no fibre here", retryable = false }
            [[planted."TMF/POnumber/1"]]
            command = "a"
            fault = { kind = "suspendedLater", after_ms = 5, resumed_after_ms = 5 }
        "#;
        let scenario = Scenario::from_toml(text).unwrap();
        let key = OrderKey::from("TMF/POnumber/1");
        assert!(matches!(scenario.decided_fault(&key, FEASIBILITY), Some(Fault::Fails { .. })));
        assert!(matches!(
            scenario.decided_fault(&key, "activateFiber"),
            Some(Fault::Fails { times: Some(2), .. })
        ));
        assert_eq!(scenario.decided_fault(&key, "b"), None);
    }
}
