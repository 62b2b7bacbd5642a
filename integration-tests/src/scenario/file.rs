//! The shape of a scenario's file.
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use cli::control::Submission;
use domain::Timestamp;
use runtime::Outgoing;
use serde::Deserialize;

const HOUR_MS: i64 = 3_600_000;

/// One file of `scenarios/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// The sentence that it proves.
    pub name: String,
    /// Where the story is from: `seed 001, "Practice Drill"`.
    pub source: String,
    /// RFC 3339; what the clock shows first.
    #[serde(default = "start")]
    pub start: String,
    /// How long it goes on after the last step.
    pub limit_hours: i64,
    /// By command name, or `query:` and the name of the command that is asked about: one word per received one, then
    /// as usual; see [`super::answers::Word`].
    #[serde(default)]
    pub answers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub given: Vec<Step>,
    pub when: Vec<Step>,
    pub then: Then,
    #[serde(default)]
    pub never: Vec<Never>,
}

fn start() -> String {
    "2026-11-02T08:00:00Z".to_owned()
}

/// A document is submitted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// How long after the step before.
    #[serde(default)]
    pub wait_ms: i64,
    /// Which TMF622: `v4` or `v5`.
    pub contract: String,
    /// The name of the request, where it has one.
    pub request_id: Option<String>,
    /// The document.
    pub submit: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Then {
    pub order: Vec<ThenOrder>,
    /// Records that nobody could take.
    #[serde(default)]
    pub dead_letters: usize,
}

/// What holds of one order in the end. What is left out is not looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThenOrder {
    pub key: String,
    pub state: String,
    /// By `component/taskType`.
    #[serde(default)]
    pub tasks: BTreeMap<String, String>,
    #[serde(default)]
    pub items: BTreeMap<String, String>,
    /// All cases there are, in sequence.
    pub cases: Option<Vec<Case>>,
    /// How often a command was sent, by its name.
    #[serde(default)]
    pub commands: BTreeMap<String, u32>,
    /// How often it was done.
    #[serde(default)]
    pub effects: BTreeMap<String, u32>,
    /// How often it was asked what became of it.
    #[serde(default)]
    pub queries: BTreeMap<String, u32>,
    #[serde(default)]
    pub carried: Vec<Carried>,
    /// The specifications of its service orders, sorted.
    pub service_orders: Option<Vec<String>>,
    /// How many products are in which state.
    pub products: Option<BTreeMap<String, usize>>,
    /// The states that the requester was told, in sequence.
    pub told: Option<Vec<String>>,
    /// The codes of the reasons of all refusals, in sequence.
    pub refusals: Option<Vec<String>>,
    /// How many charges billing has to start.
    pub charges_started: Option<usize>,
    /// Happen in this relative sequence; each is the name of a record and words of it.
    #[serde(default)]
    pub events: Vec<String>,
}

/// A fallout case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    pub code: String,
    pub recoverability: String,
    pub open: bool,
}

/// A value that a command carried: given, or reported by another command before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Carried {
    pub command: String,
    pub input: String,
    pub value: Option<String>,
    /// The command that reported it, under the name `output`.
    pub from: Option<String>,
    pub output: Option<String>,
}

/// What must not happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Never {
    /// Absent: any order.
    pub order: Option<String>,
    /// Only until this happens for the first time.
    pub before: Option<String>,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub commands: Vec<String>,
    /// Of the order as a whole.
    #[serde(default)]
    pub states: Vec<String>,
}

impl Scenario {
    /// # Errors
    /// Not of this shape.
    pub fn parse(text: &str) -> anyhow::Result<Scenario> {
        let scenario: Scenario = toml::from_str(text)?;
        Timestamp::parse(&scenario.start)
            .with_context(|| format!("start \"{}\" is no time", scenario.start))?;
        Ok(scenario)
    }

    pub fn started_at(&self) -> Timestamp {
        Timestamp::parse(&self.start).unwrap_or_default()
    }

    pub fn limit_ms(&self) -> i64 {
        self.limit_hours.saturating_mul(HOUR_MS)
    }
}

impl Step {
    /// The request as a record without a key: outsiders hash as they like.
    pub fn request(&self, now: Timestamp) -> Outgoing {
        let submission = Submission {
            key: None,
            request_id: self.request_id.clone(),
            media_type: format!("application/json;profile=tmf622-{}", self.contract),
            body_bytes: self.submit.len(),
        };
        cli::service::request(&submission, self.submit.clone().into_bytes(), now.0)
    }
}

/// Every scenario there is, with the name of its file, sorted by it.
///
/// # Errors
/// A file that cannot be read or is no scenario, by name.
pub fn all() -> anyhow::Result<Vec<(String, Scenario)>> {
    let files =
        cli::service::read_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")), "toml")?;
    let parsed = files.into_iter().map(|(path, text)| {
        let name = Path::new(&path)
            .file_stem()
            .map_or_else(|| path.clone(), |stem| stem.to_string_lossy().into_owned());
        let scenario = Scenario::parse(&text).with_context(|| format!("scenario \"{name}\""))?;
        Ok((name, scenario))
    });
    parsed.collect()
}
