//! How much a suite does, and how long it may take: `budgets.toml`. `ORDERSTREAM_BUDGET=nightly` asks for the full numbers.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::process::root;

/// The table, as it is in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub seconds_max: u64,
    /// By the name of the file in tests/; behind a dot a part of it, which has numbers of its own.
    pub suite: BTreeMap<String, Suite>,
}

/// One suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    pub ci: Budget,
    /// None: the same every night.
    pub nightly: Option<Budget>,
}

/// How much is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// So long it is expected to take.
    pub seconds: u64,
    #[serde(default)]
    pub orders: u32,
    /// How often the fault strikes.
    #[serde(default)]
    pub times: usize,
    #[serde(default)]
    away_s: u64,
}

impl Budget {
    /// How long what is away stays away.
    pub fn away(&self) -> Duration {
        Duration::from_secs(self.away_s)
    }
}

impl Table {
    /// # Panics
    /// It is not there, or none.
    pub fn shipped() -> Table {
        let file = root().join("integration-tests/budgets.toml");
        let text = std::fs::read_to_string(file).expect("the table is shipped");
        toml::from_str(&text).unwrap_or_else(|error| panic!("integration-tests/budgets.toml: {error}"))
    }
}

/// What a suite does in this run.
///
/// # Panics
/// It is not in the table, or the environment asks for numbers that nobody knows.
#[track_caller]
pub fn of(suite: &str) -> Budget {
    let found = Table::shipped().suite.remove(suite);
    let found = found.unwrap_or_else(|| panic!("suite \"{suite}\" is not in integration-tests/budgets.toml"));
    match std::env::var("ORDERSTREAM_BUDGET").as_deref() {
        Err(_) | Ok("" | "ci") => found.ci,
        Ok("nightly") => found.nightly.unwrap_or(found.ci),
        Ok(other) => panic!("ORDERSTREAM_BUDGET is \"{other}\"; it is ci or nightly"),
    }
}
