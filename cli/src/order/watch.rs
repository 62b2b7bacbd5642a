//! `orderstream order watch`: what happens to an order as it happens.
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use domain::OrderKey;
use domain::order::OrderState;
use projection::Projection;
use projection::rows::HistoryRow;
use tokio::time::Instant;

use super::history::{BEGINNING, EventIds, with_id};
use super::word;
use crate::control::Client;
use crate::exit;
use crate::settings::Settings;
use crate::text::printable;
use crate::times::{shown, span};

/// How often it is looked for something new: two reads by index, and no more while nothing happens.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an order may take to appear that was submitted just before; after that, its key is taken for a wrong one.
const CAPTURE_WAIT: Duration = Duration::from_secs(5);
/// How often it is asked whether the service is still there, which alone makes anything happen.
const SERVICE_CHECK_EVERY: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub struct Arguments {
    /// The order key, as `order list` shows it.
    key: String,
    /// Gives up after so long (30s, 5m, 2h), with exit code 4; without it, waits as long as it takes.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    timeout: Option<Duration>,
    /// As JSON, for programs: a line for each event, as in `order history --json`.
    #[arg(long)]
    json: bool,
}

pub async fn watch(
    settings: &Settings,
    mut projection: Projection,
    arguments: &Arguments,
) -> anyhow::Result<ExitCode> {
    let key = OrderKey::from(arguments.key.as_str());
    let deadline = arguments.timeout.map(|timeout| Instant::now() + timeout);
    let mut news = News { after: BEGINNING, ids: EventIds::default(), json: arguments.json };
    let mut service_check_at = Instant::now();
    let captured_by = Instant::now() + arguments.timeout.unwrap_or(CAPTURE_WAIT).min(CAPTURE_WAIT);
    loop {
        projection = super::looked_at_again(settings, projection).await?;
        // Before the history is read: then everything up to the end is in it.
        let Some(order) = projection.order_row(&key).await? else {
            let now = Instant::now();
            if !runs_somewhere(settings).await? {
                return Err(super::no_order(&arguments.key).into());
            }
            // The deadline first: where it is the shorter, nobody knows whether the order would have come.
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(late(&key, "is not there", arguments));
            }
            if now >= captured_by {
                return Err(super::no_order(&arguments.key).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        news.print(&projection, &key).await?;
        if !order.state.is_active() {
            return Ok(ended(&key, order.state, arguments.json));
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            let state = format!("is {} and did not end", word(&order.state));
            return Ok(late(&key, &state, arguments));
        }
        if now >= service_check_at {
            check_service(settings, &key, order.state).await?;
            service_check_at = now + SERVICE_CHECK_EVERY;
        }
        let until = now + LOOK_EVERY;
        tokio::time::sleep_until(deadline.map_or(until, |deadline| deadline.min(until))).await;
    }
}

/// How far it was told.
struct News {
    after: i64,
    ids: EventIds,
    json: bool,
}

impl News {
    /// Prints what happened since it did so last.
    async fn print(&mut self, projection: &Projection, key: &OrderKey) -> anyhow::Result<()> {
        loop {
            let rows = projection.history(key, self.after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            self.after = last.sequence;
            rows.iter().for_each(|row| self.print_row(row));
        }
    }

    fn print_row(&mut self, row: &HistoryRow) {
        let id = self.ids.of(row);
        if self.json {
            println!("{}", with_id(row, &id));
        } else {
            println!("{}  {}", row.at.0, printable(&row.summary));
        }
    }
}

/// Not within `--timeout`.
fn late(key: &OrderKey, what: &str, arguments: &Arguments) -> ExitCode {
    let timeout = arguments.timeout.map(shown).unwrap_or_default();
    eprintln!("orderstream: order {} {what} within {timeout}", printable(key.as_str()));
    ExitCode::from(exit::TIMED_OUT)
}

fn ended(key: &OrderKey, state: OrderState, json: bool) -> ExitCode {
    if !json {
        println!("order {}: {}", printable(key.as_str()), word(&state));
    }
    ExitCode::from(code_of(state))
}

/// The exit code for an order that ended.
pub fn code_of(state: OrderState) -> u8 {
    match state {
        OrderState::Completed => exit::DONE,
        // What is not there is not what was ordered; the rest may still be repaired.
        OrderState::PartiallyCompleted
        | OrderState::Rejected
        | OrderState::Cancelled
        | OrderState::Failed
        | OrderState::Captured
        | OrderState::Validated
        | OrderState::Decomposed
        | OrderState::Scheduled
        | OrderState::InProgress
        | OrderState::Suspended
        | OrderState::Amending
        | OrderState::Cancelling => exit::REFUSED,
    }
}

/// Where the projection is a database of its own, the service may run on another machine.
async fn runs_somewhere(settings: &Settings) -> anyhow::Result<bool> {
    Ok(!settings.projection.url.is_empty() || Client::connect(&settings.node.data_dir).await?.is_some())
}

/// Without a service nothing will ever happen.
async fn check_service(settings: &Settings, key: &OrderKey, state: OrderState) -> anyhow::Result<()> {
    if runs_somewhere(settings).await? {
        return Ok(());
    }
    bail!(
        "order {} is {}, and no service runs on \"{}\" that would move it; start one with \"orderstream run\"",
        printable(key.as_str()),
        word(&state),
        settings.node.data_dir.display()
    )
}
