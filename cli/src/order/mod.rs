//! `orderstream order`: what the projection knows of orders. It is read beside a running service, or without one.
use std::process::ExitCode;

use anyhow::{Context, bail};
use projection::Projection;
use projection::rows::JsonText;

use crate::exit;
use crate::settings::Settings;

pub mod format;
mod history;
mod list;
mod plan;
mod show;
mod standard;
mod watch;

pub use crate::table::{list_table, table};
pub use show::reasons;
pub use watch::{LOOK_EVERY, code_of};

#[derive(clap::Subcommand)]
pub enum Command {
    /// One order: state, items, plan with task states, cases, history with cause and time.
    Show {
        /// The order key, as `order list` shows it.
        key: String,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        standard: standard::Standard,
    },
    /// Many orders, the newest first; page by page.
    List(list::Arguments),
    /// What happens to an order as it happens, until it ends: exit code 0 if it completed, 3 if it ended otherwise.
    Watch(watch::Arguments),
    /// Everything that happened to an order: when, what, from which state to which, following from what, and who.
    History(history::Arguments),
    /// The tasks of an order and what waits for what: as text, for Graphviz, or as a picture.
    Plan(plan::Arguments),
}

/// An enum value as it is written in records.
pub fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub fn order(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    if let Command::Show { standard, .. } | Command::List(list::Arguments { standard, .. }) = command
        && let Some(format) = standard.format
    {
        format::check(format, standard.tmf_version)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = open(settings).await?;
        match command {
            Command::Show { key, json, standard } => match standard.format {
                Some(format) => standard::show(&projection, key, format, standard.tmf_version).await,
                None => show::show(&projection, key, *json).await,
            },
            Command::List(arguments) => list::list(&projection, arguments).await,
            Command::Watch(arguments) => watch::watch(settings, projection, arguments).await,
            Command::History(arguments) => history::history(&projection, arguments).await,
            Command::Plan(arguments) => plan::plan(&projection, arguments).await,
        }
    })
}

/// The projection, which must be there: looking must not create one.
///
/// # Errors
/// There is none, with what to do; or it cannot be opened.
pub async fn open(settings: &Settings) -> anyhow::Result<Projection> {
    let data_dir = &settings.node.data_dir;
    if settings.projection.url.is_empty() && !data_dir.exists() {
        bail!(
            "there is no data directory \"{}\"; name the one of your service with --data-dir, or make it with \"orderstream run\"",
            data_dir.display()
        );
    }
    let opened = Projection::open_existing(&settings.projection_url()).await;
    opened.context("could not open the projection")
}

/// The same for whoever looks again: one that shows nothing new is opened anew.
///
/// # Errors
/// As [`open`].
pub async fn looked_at_again(settings: &Settings, projection: Projection) -> anyhow::Result<Projection> {
    if !projection.is_frozen() {
        return Ok(projection);
    }
    projection.close().await;
    open(settings).await
}

/// The answer for a key that no order has.
pub fn no_order(key: &str) -> exit::Refused {
    let key = crate::text::printable(key);
    exit::Refused(format!("there is no order \"{key}\"; \"orderstream order list\" shows the keys"))
}

/// JSON that is kept as text, short: `{}` and `null` are nothing to a person.
fn short(text: &JsonText) -> String {
    let text = text.text();
    if matches!(text, "{}" | "[]" | "null") { String::new() } else { text.to_owned() }
}
