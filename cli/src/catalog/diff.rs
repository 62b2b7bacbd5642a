//! `orderstream catalog diff`: what differs, and what it means.
use std::process::ExitCode;

use serde_json::{Value, json};

use super::compared::{Change, compare};
use super::{count, of_name, refused};
use crate::exit;
use crate::settings::Settings;
use crate::text::printable;

/// The longest value that is shown to people, in characters; `--json` has it whole.
const SHOWN_CHARS_MAX: usize = 100;
/// What any difference means to orders that are under way.
const OPEN_ORDERS: &str =
    "open orders keep the version that they were captured with; only new orders pin another one";

pub fn diff(settings: &Settings, from: &str, to: &str, json: bool) -> anyhow::Result<ExitCode> {
    let (Some(before), Some(after)) = (of_name(settings, from)?, of_name(settings, to)?) else {
        return refused();
    };
    let changes = compare(&serde_json::to_value(&*before)?, &serde_json::to_value(&*after)?);
    if json {
        let report = json!({
            "from": { "version": before.version, "digest": before.digest() },
            "to": { "version": after.version, "digest": after.digest() },
            "changes": changes,
            "openOrders": OPEN_ORDERS,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(exit::DONE.into());
    }
    let (mut added, mut removed, mut changed) = (0, 0, 0);
    for change in &changes {
        match change {
            Change::Added { path, value } => {
                added += 1;
                println!("+ {}: {}", printable(path), shown(value));
            }
            Change::Removed { path, value } => {
                removed += 1;
                println!("- {}: {}", printable(path), shown(value));
            }
            Change::Changed { path, from, to } => {
                changed += 1;
                println!("~ {}: {} → {}", printable(path), shown(from), shown(to));
            }
        }
    }
    println!("{} to {}: {added} added, {removed} removed, {changed} changed", before.version, after.version);
    if before.version == after.version && !changes.is_empty() {
        println!("both are version {}: the second can only be published under another one", after.version);
    }
    match changes.len() {
        0 => println!("nothing differs"),
        number => println!("{}: {OPEN_ORDERS}", count(number, "difference")),
    }
    Ok(exit::DONE.into())
}

fn shown(value: &Value) -> String {
    let text = printable(&value.to_string());
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{cut} ...")
}
