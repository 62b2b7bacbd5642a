//! `orderstream catalog show`: what a version holds, a table per kind of entry.
use std::process::ExitCode;

use domain::catalog::Catalog;

use super::{duration, of_name, refused};
use crate::exit;
use crate::order::{table, word};
use crate::settings::Settings;
use crate::text::{printable, printable_lines};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    Offerings,
    Tasks,
    Systems,
    Rules,
}

pub fn show(
    settings: &Settings,
    version: &str,
    section: Option<Section>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let Some(catalog) = of_name(settings, version)? else { return refused() };
    if json {
        let value = match section {
            None => serde_json::to_value(&*catalog)?,
            Some(Section::Offerings) => serde_json::to_value(&catalog.offerings)?,
            Some(Section::Tasks) => serde_json::to_value(&catalog.task_types)?,
            Some(Section::Systems) => serde_json::to_value(&catalog.systems)?,
            Some(Section::Rules) => serde_json::to_value(&catalog.fallout_rules)?,
        };
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(exit::DONE.into());
    }
    if section.is_none() {
        println!("catalog {} (digest {})", printable(catalog.version.as_str()), catalog.digest());
        println!("{}\n", printable_lines(catalog.description.as_deref().unwrap_or("without a description")));
    }
    let wanted = |one| section.is_none_or(|section| section == one);
    if wanted(Section::Offerings) {
        offerings(&catalog);
    }
    if wanted(Section::Tasks) {
        tasks(&catalog);
    }
    if wanted(Section::Systems) {
        systems(&catalog);
    }
    if wanted(Section::Rules) {
        rules(&catalog);
    }
    Ok(exit::DONE.into())
}

fn offerings(catalog: &Catalog) {
    let mut lines = table(&["offering", "name", "consists of", "sold", "prices"]);
    for offering in catalog.offerings.values() {
        let members = offering
            .bundle
            .iter()
            .map(|member| format!("{} × {} to {}", member.offering, member.min, member.max));
        let consists: Vec<String> = offering.specification.iter().cloned().chain(members).collect();
        let prices: Vec<String> = offering
            .prices
            .iter()
            .map(|price| {
                let period = price.period.as_ref().map(|period| format!(" per {period}")).unwrap_or_default();
                format!("{} ({}{period})", price.id, word(&price.kind))
            })
            .collect();
        lines.add_row([
            offering.id.clone(),
            offering.name.clone(),
            consists.join(", "),
            if offering.sellable { "yes".to_owned() } else { "not anew".to_owned() },
            prices.join(", "),
        ]);
    }
    println!("offerings\n{lines}\n");
}

fn tasks(catalog: &Catalog) {
    let mut lines =
        table(&["task type", "system", "command", "expected", "breach", "tries", "side effect", "undone by"]);
    for task_type in catalog.task_types.values() {
        lines.add_row([
            task_type.name.clone(),
            task_type.system.clone(),
            task_type.command.clone(),
            duration(task_type.expected_ms),
            duration(task_type.breach_ms),
            task_type.retry.attempts_max.to_string(),
            word(&task_type.side_effect),
            task_type.compensating_command.clone().unwrap_or_default(),
        ]);
    }
    println!("task types\n{lines}\n");
}

fn systems(catalog: &Catalog) {
    let mut lines =
        table(&["system", "is unwell when it says", "opens after", "stays open", "then lets through"]);
    for system in catalog.systems.values() {
        let circuit = &system.circuit;
        lines.add_row([
            system.name.clone(),
            system.outage_codes.join(", "),
            format!("{} failures in {}", circuit.failures_max, duration(circuit.window_ms)),
            format!("{} to {}", duration(circuit.open_ms_min), duration(circuit.open_ms_max)),
            format!("{} per {}", circuit.release_count, duration(circuit.release_interval_ms)),
        ]);
    }
    println!("systems\n{lines}\n");
}

fn rules(catalog: &Catalog) {
    let mut lines =
        table(&["rule", "system", "code", "message", "filed as", "domain", "recoverability", "owner"]);
    for (number, rule) in (1..).zip(&catalog.fallout_rules) {
        lines.add_row([
            number.to_string(),
            rule.system.clone(),
            rule.code.clone(),
            rule.message_pattern.clone().unwrap_or_default(),
            rule.normalized_code.clone(),
            word(&rule.domain),
            word(&rule.recoverability),
            rule.owner_group.clone().unwrap_or_else(|| "of the task type".to_owned()),
        ]);
    }
    println!("fallout rules\n{lines}");
}
