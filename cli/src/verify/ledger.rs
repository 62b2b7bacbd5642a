//! The simulated downstream did what the orders say was done, once.
use connectors::downstream::{Entry, Ledger};
use domain::CommandId;
use domain::plan::TaskState;

use super::rows::{Told, text};
use super::{Check, Subject};
use crate::order::word;
use crate::service::LEDGER_DIR;

pub(super) fn check(subject: &Subject<'_>, told: &Told) -> Check {
    let mut check = Check::new("ledger");
    let directory = subject.settings.node.data_dir.join(LEDGER_DIR);
    if !directory.is_dir() {
        check.notes.push("there is no simulated downstream".to_owned());
        return check;
    }
    let ledger = match Ledger::read(&directory) {
        Ok(ledger) => ledger,
        Err(error) => {
            check.find(directory.display().to_string(), format!("{:#}", anyhow::Error::from(error)));
            return check;
        }
    };
    if let Err(error) = audit(subject, told, &ledger, &mut check) {
        check.find(directory.display().to_string(), format!("{:#}", anyhow::Error::from(error)));
    }
    check
}

fn audit(
    subject: &Subject<'_>,
    told: &Told,
    ledger: &Ledger,
    check: &mut Check,
) -> Result<(), connectors::downstream::ledger::Error> {
    let audit = ledger.audit()?;
    for finding in &audit.findings {
        check.find("ledger", finding.to_string());
    }
    check.findings_left_out += audit.findings_left_out;
    for entry in ledger.effects() {
        subject.progress.inc(1);
        check.looked_at += 1;
        has_order(told, &entry?, check);
    }
    for (key, task) in told.tasks.iter().flat_map(|(key, tasks)| tasks.iter().map(move |task| (key, task))) {
        if text(task, "state") != word(&TaskState::Completed) {
            continue;
        }
        let Ok(command) = text(task, "commandId").parse::<CommandId>() else { continue };
        check.looked_at += 1;
        let place = || format!("order \"{key}\", task {}", text(task, "id"));
        match ledger.entry(command)? {
            Some(entry) if entry.is_effect() => {}
            Some(entry) => {
                check.find(
                    place(),
                    format!(
                        "it is completed, and command {command} is {} in the ledger",
                        word(&entry.standing)
                    ),
                );
            }
            None => {
                check.find(place(), format!("it is completed, and the ledger knows no command {command}"))
            }
        }
    }
    Ok(())
}

/// Nothing is done for an order that is not there.
fn has_order(told: &Told, entry: &Entry, check: &mut Check) {
    if told.is_partial || told.orders.contains_key(entry.order_key.as_str()) {
        return;
    }
    let what = format!(
        "command {} (\"{}\") had its effect, and no event tells of the order",
        entry.command_id, entry.name
    );
    check.find(format!("order \"{}\"", entry.order_key), what);
}
