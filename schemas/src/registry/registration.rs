//! Tells a registry every version of every contract, before a build of them writes; or finds what it does not know yet.
//!
//! Older versions come first, so that what was written with them has ids in a registry that is new, too. All of it may be done again and
//! by several at a time: the same schema under the same subject has one id.
use super::rest::{Refusal, Rest};
use super::{Error, asked, subject};
use crate::codec::STATE_SUBJECT;
use crate::contracts::{self, Contract};
use crate::evolution::history;
use crate::topics;

/// Any version reads any other; [`crate::evolution`] has the rules.
pub const LEVEL: &str = "FULL_TRANSITIVE";

/// What a registry has to know under one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub subject: String,
    /// From the first to the one that is written, without white space.
    pub versions: Vec<String>,
}

/// What became of one version, counted from 1 in our own history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub number: usize,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Known {
        id: u32,
    },
    Registered {
        id: u32,
    },
    /// Not there, and nothing was changed.
    Missing,
    /// The registry does not take it: what it said.
    Refused {
        said: String,
    },
}

/// What became of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub subject: String,
    /// The level as it was found; none: the registry's own default held.
    pub level: Option<String>,
    pub versions: Vec<Version>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Change nothing.
    Check,
    Register,
}

/// Every subject that a build writes under: of the records on all topics, given the systems of the catalog, and of what processors keep.
pub fn wanted<'s>(systems: impl IntoIterator<Item = &'s str>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (topic, declared) in topics::all(systems) {
        let of_topic = contracts::all().iter().filter(|contract| declared.records.contains(&&*contract.name));
        wanted.extend(of_topic.map(|contract| under(&topic, contract)));
    }
    wanted.extend(contracts::states().iter().map(|contract| under(STATE_SUBJECT, contract)));
    wanted
}

fn under(topic: &str, contract: &Contract) -> Wanted {
    let versions = history::published(&contract.name).iter();
    Wanted { subject: subject(topic, contract), versions: versions.map(|text| without_space(text)).collect() }
}

/// As a contract is registered and asked for.
fn without_space(text: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    parsed.map_or_else(|_| text.to_owned(), |schema| schema.to_string())
}

/// Does it for all subjects; a schema that is refused does not keep the others from theirs.
///
/// # Errors
/// The registry cannot be asked, or does not let us: nothing of it concerns one schema alone. What was registered before stays.
pub fn carry_out(url: &str, task: Task, wanted: &[Wanted]) -> Result<Vec<Answered>, Error> {
    asked(|| {
        let registry = Rest::new(url)?;
        wanted.iter().map(|wanted| subject_of(&registry, task, wanted)).collect()
    })
}

/// The time by the registry's clock, in whole seconds, as HTTP writes it; none where it does not say.
///
/// # Errors
/// It does not answer.
pub fn date(url: &str) -> Result<Option<String>, Error> {
    asked(|| Rest::new(url)?.date())
}

fn subject_of(registry: &Rest, task: Task, wanted: &Wanted) -> Result<Answered, Error> {
    let subject = &wanted.subject;
    let level = registry.level(subject)?;
    // Before the first schema: the registry itself shall check every further one by it.
    if task == Task::Register && level.as_deref() != Some(LEVEL) {
        registry.set_level(subject, LEVEL)?;
    }
    let mut versions = Vec::new();
    for (number, schema) in (1..).zip(&wanted.versions) {
        let outcome = match registry.id(subject, schema) {
            Ok(id) => Outcome::Known { id },
            Err(Refusal::NotThere) => absent(registry, task, subject, schema)?,
            Err(Refusal::Schema(said)) => Outcome::Refused { said },
            Err(Refusal::Error(error)) => return Err(error),
        };
        versions.push(Version { number, outcome });
    }
    Ok(Answered { subject: subject.clone(), level, versions })
}

fn absent(registry: &Rest, task: Task, subject: &str, schema: &str) -> Result<Outcome, Error> {
    let answer = match task {
        Task::Check => registry.try_add(subject, schema).map(|()| Outcome::Missing),
        Task::Register => registry.add(subject, schema).map(|id| Outcome::Registered { id }),
    };
    match answer {
        Ok(outcome) => Ok(outcome),
        Err(Refusal::Schema(said)) => Ok(Outcome::Refused { said }),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::NotThere) => Err(Error::Unavailable {
            what: format!("subject \"{subject}\""),
            source: "it takes no schemas".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contract_is_wanted_under_its_subjects_and_its_last_version_is_the_one_that_is_written() {
        let wanted = wanted(["billing", "access"]);
        for contract in contracts::all().iter().chain(contracts::states()) {
            let end = format!("-{}", contract.full_name);
            let found: Vec<&Wanted> = wanted.iter().filter(|wanted| wanted.subject.ends_with(&end)).collect();
            let topics = if ["Command", "Heartbeat"].contains(&&*contract.name) { 2 } else { 1 };
            assert_eq!(found.len(), topics, "{}", contract.name);
            assert!(
                found.iter().all(|found| found.versions.last() == Some(&contract.json)),
                "{}",
                contract.name
            );
        }
        let subjects: std::collections::BTreeSet<&String> =
            wanted.iter().map(|wanted| &wanted.subject).collect();
        assert_eq!(subjects.len(), wanted.len(), "a subject is there once");
        assert!(subjects.contains(&"orderstream.commands.billing-io.orderstream.Command".to_owned()));
        assert!(subjects.contains(&"orderstream.state-io.orderstream.state.capture.State".to_owned()));
    }
}
