//! What is wrong, of what is known: pure, a function for each check.
use serde::Serialize;

use super::facts::{Facts, Known};

mod cluster;
mod machine;
#[cfg(test)]
mod tests;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Good to know; nothing has to be done at once, and the exit code does not say it.
    Note,
    /// Somebody has to do something.
    Problem,
}

/// One thing that somebody should know, or mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub level: Level,
    /// Where it is.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
    /// What makes it right.
    pub mend: String,
}

impl Finding {
    fn new(
        level: Level,
        place: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding { level, place: place.into(), what: what.into(), mend: mend.into() }
    }

    fn problem(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding::new(Level::Problem, place, what, mend)
    }

    fn note(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding::new(Level::Note, place, what, mend)
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Well,
    /// It found what somebody should know, and nothing that has to be mended.
    Noted,
    Wrong,
    /// It could not be made.
    NotLookedAt,
}

/// One check, and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    /// What was looked at, or why nothing was.
    pub saw: String,
    pub findings: Vec<Finding>,
}

impl Check {
    fn new(name: &'static str, saw: impl Into<String>, findings: Vec<Finding>) -> Check {
        let state = match findings.iter().map(|finding| finding.level).max() {
            None => State::Well,
            Some(Level::Note) => State::Noted,
            Some(Level::Problem) => State::Wrong,
        };
        Check { name, state, saw: saw.into(), findings }
    }
}

/// A check of something that could be known. `missing`: where it is, and what to do where it could not be had.
fn check<T>(
    name: &'static str,
    known: &Known<T>,
    missing: (&str, &str),
    decide: impl FnOnce(&T) -> (String, Vec<Finding>),
) -> Option<Check> {
    Some(match known {
        Known::None => return None,
        Known::Is(known) => {
            let (saw, findings) = decide(known);
            Check::new(name, saw, findings)
        }
        Known::Failed(reason) => {
            Check::new(name, "no answer", vec![Finding::problem(missing.0, reason, missing.1)])
        }
        Known::NotAsked(reason) => {
            Check { name, state: State::NotLookedAt, saw: (*reason).to_owned(), findings: Vec::new() }
        }
    })
}

/// All checks that these settings have, in the sequence in which one rests on the other.
pub fn diagnose(facts: &Facts) -> Vec<Check> {
    let all = [
        machine::service(&facts.service),
        machine::directory(&facts.directory),
        machine::disk(&facts.disk),
        cluster::brokers(&facts.brokers),
        cluster::topics(&facts.topics),
        cluster::registry(&facts.registry),
        machine::grouping(&facts.grouping),
        cluster::workers(&facts.members, &facts.service),
        cluster::lags(&facts.lags, &facts.waiting),
        cluster::stores(&facts.stores),
        machine::projection(&facts.projection, &facts.waiting),
        machine::clock(&facts.clock),
    ];
    all.into_iter().flatten().collect()
}
