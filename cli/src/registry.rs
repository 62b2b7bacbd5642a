//! `orderstream schemas`: tells a schema registry every version of every record before a build writes, or what it does not know yet.
use std::process::ExitCode;

use anyhow::{Context, bail};
use schemas::registry::registration::{self, Answered, LEVEL, Outcome, Task, Version};
use serde::Serialize;

use crate::exit;
use crate::service::catalog;
use crate::settings::Settings;
use crate::settings::key::without_password;
use crate::text::printable;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Register every version of every record, and set what changes are compatible. Done again, it changes nothing; exit code 3 where the registry refuses a schema.
    Register(Register),
}

#[derive(clap::Args)]
pub struct Register {
    /// The registry; instead of registry.url. A password belongs into the environment (ORDERSTREAM__REGISTRY__URL): everybody sees command lines.
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// Change nothing; exit code 3 where something is missing, refused, or set otherwise.
    #[arg(long)]
    check: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

impl Command {
    /// The settings that the command line says otherwise: name, option, value.
    pub fn options(&self) -> Option<(&'static str, &'static str, String)> {
        let Command::Register(register) = self;
        register.registry.clone().map(|url| ("registry.url", "--registry", url))
    }
}

/// What `--json` prints; names of fields are contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Without its password.
    registry: String,
    /// Whether the registry now has everything.
    complete: bool,
    counts: Counts,
    subjects: Vec<Subject>,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    subjects: usize,
    known: usize,
    registered: usize,
    missing: usize,
    refused: usize,
    /// Subjects whose level was another one.
    level_other: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    subject: String,
    /// As it was found; null: the registry's own default held.
    level_found: Option<String>,
    versions: Vec<Line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    version: usize,
    /// `known`, `registered`, `missing` or `refused`.
    outcome: &'static str,
    id: Option<u32>,
    /// What the registry has against it.
    said: Option<String>,
}

/// # Errors
/// No registry is named, it cannot be asked, or it does not let us.
pub fn schemas(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    let Command::Register(arguments) = command;
    let url = &settings.registry.url;
    if url.is_empty() {
        bail!("no schema registry is named: set registry.url, or give --registry URL");
    }
    let shown = without_password(url);
    let catalog = catalog::load(&settings.catalog)?;
    let wanted = registration::wanted(catalog.systems.keys().map(String::as_str));
    let task = if arguments.check { Task::Check } else { Task::Register };
    let answered = registration::carry_out(url, task, &wanted)
        .with_context(|| format!("schema registry \"{shown}\" did not answer as one"))?;

    let counts = counts(&answered);
    let set = task == Task::Register || counts.level_other == 0;
    let complete = counts.missing == 0 && counts.refused == 0 && set;
    if arguments.json {
        let report = Report { registry: shown, complete, counts, subjects: subjects(answered) };
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&answered, task, counts);
    }
    Ok(if complete { exit::DONE } else { exit::REFUSED }.into())
}

fn counts(answered: &[Answered]) -> Counts {
    let mut counts = Counts { subjects: answered.len(), ..Counts::default() };
    counts.level_other = answered.iter().filter(|subject| subject.level.as_deref() != Some(LEVEL)).count();
    for version in answered.iter().flat_map(|subject| &subject.versions) {
        match version.outcome {
            Outcome::Known { .. } => counts.known += 1,
            Outcome::Registered { .. } => counts.registered += 1,
            Outcome::Missing => counts.missing += 1,
            Outcome::Refused { .. } => counts.refused += 1,
        }
    }
    counts
}

/// A line for everything that somebody has to do something about, and one for all.
fn print(answered: &[Answered], task: Task, counts: Counts) {
    for Answered { subject, level, versions } in answered {
        if task == Task::Check && level.as_deref() != Some(LEVEL) {
            let found = printable(level.as_deref().unwrap_or("the registry's default"));
            println!("{subject}: compatibility is {found}, and has to be {LEVEL}");
        }
        for Version { number, outcome } in versions {
            match outcome {
                Outcome::Known { .. } | Outcome::Registered { .. } => {}
                Outcome::Missing => println!("{subject}: version {number} is missing"),
                Outcome::Refused { said } => {
                    println!("{subject}: version {number} was refused: {}", printable(said));
                }
            }
        }
    }
    let Counts { subjects, known, registered, missing, refused, .. } = counts;
    println!(
        "{subjects} subjects: {known} schemas known, {registered} registered, {missing} missing, {refused} refused"
    );
}

fn subjects(answered: Vec<Answered>) -> Vec<Subject> {
    let line = |version: Version| {
        let (outcome, id, said) = match version.outcome {
            Outcome::Known { id } => ("known", Some(id), None),
            Outcome::Registered { id } => ("registered", Some(id), None),
            Outcome::Missing => ("missing", None, None),
            Outcome::Refused { said } => ("refused", None, Some(said)),
        };
        Line { version: version.number, outcome, id, said }
    };
    let subject = |answered: Answered| Subject {
        subject: answered.subject,
        level_found: answered.level,
        versions: answered.versions.into_iter().map(line).collect(),
    };
    answered.into_iter().map(subject).collect()
}
