//! `orderstream doctor`: looks at all that the service rests on, and says what is wrong, where, and how to mend it. Nothing is changed.
//!
//! [`gather`] asks, [`facts`] is what is known then, [`decide`] is what follows from it.
use std::process::ExitCode;

use serde::Serialize;

use crate::exit;
use crate::order::table;
use crate::settings::Settings;
use crate::text::printable;

pub mod decide;
pub mod facts;
mod gather;
mod gather_kafka;

use decide::{Check, Level, State, diagnose};

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints; names of fields are contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether nothing has to be mended.
    well: bool,
    checks: Vec<Check>,
}

/// Exit code 3 where something has to be mended.
///
/// # Errors
/// The catalog of the settings cannot be read.
pub fn doctor(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let checks = diagnose(&gather::facts(settings)?);
    let well = checks.iter().all(|check| check.state != State::Wrong);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&Report { well, checks })?);
    } else {
        print(&checks, well);
    }
    Ok(ExitCode::from(if well { exit::DONE } else { exit::REFUSED }))
}

fn word(state: State) -> &'static str {
    match state {
        State::Well => "well",
        State::Noted => "well, with a note",
        State::Wrong => "WRONG",
        State::NotLookedAt => "not looked at",
    }
}

fn print(checks: &[Check], well: bool) {
    let mut rows = table(&["check", "", "what was seen"]);
    for check in checks {
        rows.add_row([check.name, word(check.state), &check.saw]);
    }
    println!("{rows}");
    for check in checks {
        for finding in &check.findings {
            let level = match finding.level {
                Level::Problem => "wrong",
                Level::Note => "note",
            };
            let [place, what, mend] =
                [&finding.place, &finding.what, &finding.mend].map(|text| printable(text));
            println!("{level} ({}): {place}: {what}", check.name);
            println!("  to mend it: {mend}");
        }
    }
    if well {
        println!("nothing has to be mended");
    }
}
