//! `orderstream order history`: everything that happened to an order.
use std::collections::BTreeMap;
use std::process::ExitCode;

use domain::OrderKey;
use domain::id::event_id;
use projection::Projection;
use projection::rows::HistoryRow;
use serde_json::Value;
use topology::cause::{self, Cause};

use super::list_table;
use crate::text::shortened;

/// Before the sequence of any event.
pub const BEGINNING: i64 = -1;
/// The longest name of an outside cause that is shown; JSON has all of it.
const CAUSE_CHARS_MAX: usize = 24;
/// As many characters of an id tell it from the others of an order.
const ID_CHARS_MAX: usize = 9;
/// The first event of every order.
const CAPTURED: &str = "OrderCaptured";

#[derive(clap::Args)]
pub struct Arguments {
    /// The order key, as `order list` shows it.
    key: String,
    /// As JSON, for programs: a list of all events with their details; `causationId` names the `eventId` that an event follows from.
    #[arg(long)]
    json: bool,
}

pub async fn history(projection: &Projection, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let key = OrderKey::from(arguments.key.as_str());
    let rows = all(projection, &key).await?;
    if rows.is_empty() && projection.order_row(&key).await?.is_none() {
        return Err(super::no_order(&arguments.key).into());
    }
    let mut event_ids = EventIds::default();
    let ids: Vec<String> = rows.iter().map(|row| event_ids.of(row)).collect();
    if arguments.json {
        let lines: Vec<Value> = rows.iter().zip(&ids).map(|(row, id)| with_id(row, id)).collect();
        println!("{}", serde_json::to_string_pretty(&lines)?);
    } else {
        print_rows(&rows, &ids);
    }
    Ok(ExitCode::SUCCESS)
}

/// All of it, page by page.
async fn all(projection: &Projection, key: &OrderKey) -> anyhow::Result<Vec<HistoryRow>> {
    let mut rows: Vec<HistoryRow> = Vec::new();
    loop {
        let after = rows.last().map_or(BEGINNING, |row| row.sequence);
        let page = projection.history(key, after).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// The id that each event has on its topic. It is derived from what the row has: the n-th event of a name that follows from one cause.
/// Asked for all events of an order in sequence.
#[derive(Debug, Default)]
pub struct EventIds(BTreeMap<(String, String), u32>);

impl EventIds {
    pub fn of(&mut self, row: &HistoryRow) -> String {
        let HistoryRow { order_key, causation_id, name, .. } = row;
        let ordinal = self.0.entry((causation_id.clone(), name.clone())).or_default();
        let id = event_id(order_key.as_str(), causation_id, name, *ordinal);
        *ordinal += 1;
        id.hyphenated().to_string()
    }
}

/// A row as programs read it.
pub fn with_id(row: &HistoryRow, id: &str) -> Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        members.insert("eventId".to_owned(), id.into());
    }
    value
}

fn print_rows(rows: &[HistoryRow], ids: &[String]) {
    let numbers: BTreeMap<&str, usize> = ids.iter().map(String::as_str).zip(1..).collect();
    let mut sent = BTreeMap::new();
    let mut lines = list_table(&["no", "at", "what", "from → to", "because", "follows from", "who"]);
    for (row, number) in rows.iter().zip(1_usize..) {
        let details = row.details.value();
        let Told { what, step, because } = told(row, &details);
        let event = numbers.get(row.causation_id.as_str()).filter(|event| **event < number);
        let cause = event.map_or_else(|| outside(row, &sent), ToString::to_string);
        let who = row.actor.strip_prefix("processor ").unwrap_or(&row.actor).to_owned();
        lines.add_row([number.to_string(), row.at.0.to_string(), what, step, because, cause, who]);
        if let Some(command) = details.get("commandId").and_then(Value::as_str) {
            sent.entry(command.to_owned()).or_insert(number);
        }
    }
    println!("{lines}");
    if !rows.iter().any(|row| row.name == CAPTURED) {
        println!("its beginning is not kept any more");
    }
}

/// What is not an event of this order: the request, a timer, the answer to a command; `sent` has the numbers of the events with commands.
fn outside(row: &HistoryRow, sent: &BTreeMap<String, usize>) -> String {
    let cause = row.causation_id.as_str();
    if cause == row.correlation_id {
        return format!("request {}", shortened(cause, ID_CHARS_MAX));
    }
    let told = match cause::read(cause) {
        Cause::Timer { processor } => return format!("timer of {}", shortened(processor, CAUSE_CHARS_MAX)),
        Cause::Answer { feedback_id } => feedback_id,
        // Earlier versions named an answer by its id alone.
        Cause::Record(id) => id,
    };
    match told.split('/').next().and_then(|command| sent.get(command)) {
        Some(number) => format!("answer to {number}"),
        None => shortened(told, CAUSE_CHARS_MAX),
    }
}

/// An event in three parts.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    what: String,
    /// `ready → dispatched`; empty where nothing changed its state.
    step: String,
    because: String,
}

/// Of an event that is a step of a state machine, its subject, its states and its reason; of any other, its line.
fn told(row: &HistoryRow, details: &Value) -> Told {
    let text = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or_default();
    let (from, to) = (text("from"), text("to"));
    if from.is_empty() || to.is_empty() {
        return Told { what: row.summary.clone(), step: String::new(), because: String::new() };
    }
    let what = match row.name.as_str() {
        "TaskStateChanged" => {
            format!("task {} of item {} ({})", text("taskType"), text("itemId"), text("component"))
        }
        "ServiceOrderStateChanged" => {
            format!(
                "service order {} of item {}",
                shortened(text("serviceOrder"), ID_CHARS_MAX),
                text("itemId")
            )
        }
        "ItemStateChanged" => format!("item {}", text("itemId")),
        // A record's name is text here, and the order's own step is the only one left.
        _ => "order".to_owned(),
    };
    Told { what, step: format!("{from} → {to}"), because: because(details) }
}

/// Failure, reason, wait and attempt of a step, as far as there are any.
fn because(details: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let failure = details.get("failure").filter(|failure| failure.is_object());
    let failure = failure
        .and_then(|failure| Some(format!("{}: {}", text(failure, "code")?, text(failure, "message")?)));
    let attempt = details.get("attempt").and_then(Value::as_u64).filter(|attempt| *attempt > 1);
    let parts = [
        failure,
        text(details, "reason"),
        text(details, "waitingFor").map(|wait| format!("waits for {wait}")),
        attempt.map(|attempt| format!("attempt {attempt}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_says_why_it_was_taken() {
        let failed = json!({ "from": "dispatched", "to": "failedRetrying", "attempt": 2, "reason": null,
            "failure": { "system": "network", "code": "BUSY", "message": "try later", "at": 1 } });
        assert_eq!(because(&failed), "BUSY: try later, attempt 2");
        let waits =
            json!({ "failure": null, "waitingFor": "order TMF/7", "reason": "asked for", "attempt": 1 });
        assert_eq!(because(&waits), "asked for, waits for order TMF/7");
        assert_eq!(because(&json!({})), "");
    }
}
