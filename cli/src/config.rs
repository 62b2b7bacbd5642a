//! `orderstream config`: what is in force and where it comes from, and whether a file is right.
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::exit;
use crate::order::list_table;
use crate::settings::Settings;
use crate::settings::keys::{KEYS, SUBTOPOLOGY};
use crate::settings::load::{Error, Finding, Origin, Read, Sources};
use crate::text::printable_lines;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Every value with its unit and where it came from: default, file and line, environment variable or command line.
    Show {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Whether a settings file and the environment are right; every finding with its place. Exit code 3 with findings.
    Check {
        /// The file; without it, that of --config.
        file: Option<PathBuf>,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// One value, as programs read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    key: String,
    value: serde_json::Value,
    unit: Option<&'static str>,
    /// `default`, `file`, `environment` or `commandLine`.
    origin: &'static str,
    /// File and line, variable or option.
    place: Option<String>,
}

/// # Errors
/// The file cannot be read; for `show`, also whatever is wrong with the settings.
pub fn config(mut sources: Sources, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show { json } => {
            let shown = shown(&Settings::load_from(&sources)?.read);
            if json {
                println!("{}", serde_json::to_string_pretty(&json!({ "settings": shown }))?);
            } else {
                print(&shown);
            }
            Ok(exit::DONE.into())
        }
        Command::Check { file, json } => {
            sources.file = file.or(sources.file);
            check(&sources, json)
        }
    }
}

fn check(sources: &Sources, json: bool) -> anyhow::Result<ExitCode> {
    let name = sources.file.as_ref().map_or("the environment".to_owned(), |path| path.display().to_string());
    let findings = match Settings::load_from(sources) {
        Ok(_) => Vec::new(),
        Err(Error::Findings(findings)) => findings,
        Err(error @ Error::Unreadable { .. }) => return Err(error.into()),
    };
    if json {
        println!("{:#}", checked(sources, &findings));
    } else if findings.is_empty() {
        println!("{name}: no findings");
    } else {
        findings.iter().for_each(|finding| println!("{}", printable_lines(&finding.to_string())));
    }
    Ok(if findings.is_empty() { exit::DONE } else { exit::REFUSED }.into())
}

/// Names of fields are contract.
fn checked(sources: &Sources, findings: &[Finding]) -> serde_json::Value {
    let shown = |finding: &Finding| json!({ "place": finding.place.to_string(), "what": finding.what });
    let findings: Vec<serde_json::Value> = findings.iter().map(shown).collect();
    json!({ "valid": findings.is_empty(), "file": sources.file, "findings": findings })
}

fn shown(read: &Read) -> Vec<Shown> {
    let mut shown = Vec::new();
    for key in KEYS {
        let Some((value, origin)) = read.values.get(key.name) else { continue };
        let text = key.shown(value);
        let value = match value {
            crate::settings::key::Value::Flag(flag) => (*flag).into(),
            crate::settings::key::Value::Whole(whole) => (*whole).into(),
            crate::settings::key::Value::Text(_) => text.into(),
        };
        let unit = (!key.unit.is_empty()).then_some(key.unit);
        shown.push(line(key.name.to_owned(), value, unit, origin));
    }
    for (group, origin) in read.groups.iter().zip(&read.groups_origin) {
        let names: Vec<&str> = group.processors.iter().map(|processor| processor.name()).collect();
        let key = |short: &str| format!("{SUBTOPOLOGY}.{}.{short}", group.name);
        shown.push(line(key("processors"), names.into(), None, origin));
        shown.push(line(key("workers"), group.workers.into(), Some("threads"), origin));
    }
    shown
}

fn line(key: String, value: serde_json::Value, unit: Option<&'static str>, origin: &Origin) -> Shown {
    let (kind, place) = match origin {
        Origin::Default => ("default", None),
        Origin::File { .. } => ("file", Some(origin.to_string())),
        Origin::Environment { .. } => ("environment", Some(origin.to_string())),
        Origin::CommandLine { .. } => ("commandLine", Some(origin.to_string())),
    };
    Shown { key, value, unit, origin: kind, place }
}

fn print(shown: &[Shown]) {
    let mut lines = list_table(&["setting", "value", "unit", "from"]);
    for line in shown {
        let value = match &line.value {
            serde_json::Value::String(text) if text.is_empty() => "\"\"".to_owned(),
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(names) => {
                names.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let from = line.place.clone().unwrap_or_else(|| line.origin.to_owned());
        lines.add_row([line.key.clone(), value, line.unit.unwrap_or_default().to_owned(), from]);
    }
    println!("{lines}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_found_is_a_place_and_a_fact_for_programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wrong.toml");
        std::fs::write(&file, "[log]\npartitions = 0\n").unwrap();
        let sources = Sources { file: Some(file.clone()), ..Sources::default() };
        let Err(Error::Findings(findings)) = Settings::load_from(&sources) else {
            panic!("it has a finding")
        };
        let shown = checked(&sources, &findings);
        assert_eq!((&shown["valid"], &shown["file"]), (&json!(false), &json!(file)));
        assert!(shown["findings"][0]["place"].as_str().unwrap().ends_with("wrong.toml:2"), "{shown}");
        assert!(shown["findings"][0]["what"].as_str().unwrap().contains("partitions"), "{shown}");
        assert_eq!(checked(&Sources::default(), &[]), json!({ "valid": true, "file": null, "findings": [] }));
    }
}
