//! `orderstream config`: what is in force and where it comes from, and whether a file is right.
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::exit;
use crate::order::list_table;
use crate::settings::Settings;
use crate::settings::keys::{KEYS, SUBTOPOLOGY};
use crate::settings::load::{Error, Origin, Read, Sources};

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
                println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "settings": shown }))?);
            } else {
                print(&shown);
            }
            Ok(exit::DONE.into())
        }
        Command::Check { file } => {
            sources.file = file.or(sources.file);
            check(&sources)
        }
    }
}

fn check(sources: &Sources) -> anyhow::Result<ExitCode> {
    let name = sources.file.as_ref().map_or("the environment".to_owned(), |path| path.display().to_string());
    match Settings::load_from(sources) {
        Ok(_) => {
            println!("{name}: no findings");
            Ok(exit::DONE.into())
        }
        Err(Error::Findings(findings)) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            Ok(exit::REFUSED.into())
        }
        Err(error @ Error::Unreadable { .. }) => Err(error.into()),
    }
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
