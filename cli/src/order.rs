//! `orderstream order`: what the projection knows of orders.
use std::process::ExitCode;

use anyhow::{Context, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use domain::OrderKey;
use domain::order::OrderState;
use projection::query::{OrderFilter, OrderView};
use projection::{Projection, rows::JsonText};
use schemas::tmf::json::Node;

use crate::settings::Settings;

pub mod format;

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
        standard: Standard,
    },
    /// Many orders, the newest first.
    List {
        /// Only those in this state; may be given several times.
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Vec<OrderState>,
        /// The most rows.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        standard: Standard,
    },
}

/// As TM Forum writes it.
#[derive(clap::Args)]
pub struct Standard {
    /// As a document of TM Forum's.
    #[arg(long, value_enum, conflicts_with = "json")]
    format: Option<format::Format>,
    /// Its version; else the one that the order came in, and 5 for many.
    #[arg(long, value_enum, requires = "format", value_name = "VERSION")]
    tmf_version: Option<format::Version>,
}

/// The domain's own word for a state, as `inProgress`.
fn state(text: &str) -> Result<OrderState, String> {
    use domain::states::Machine;
    serde_json::from_value(text.into()).map_err(|_| {
        let known: Vec<String> = OrderState::ALL.iter().map(word).collect();
        format!("no such state; there are {}", known.join(", "))
    })
}

/// An enum value as it is written in records.
pub fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Reads the projection beside a running service, or without one.
pub fn order(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = open(settings).await?;
        match command {
            Command::Show { key, standard: Standard { format: Some(format), tmf_version }, .. } => {
                show_as(&projection, key, *format, *tmf_version).await
            }
            Command::Show { key, json, .. } => show(&projection, key, *json).await,
            Command::List {
                state, limit, standard: Standard { format: Some(format), tmf_version }, ..
            } => list_as(&projection, state, *limit, *format, *tmf_version).await,
            Command::List { state, limit, json, .. } => list(&projection, state, *limit, *json).await,
        }
    })
}

/// The projection, which must be there: looking must not create one.
async fn open(settings: &Settings) -> anyhow::Result<Projection> {
    let url = settings.projection_url();
    if let Some(path) = url.strip_prefix("sqlite://")
        && !std::path::Path::new(path).exists()
    {
        bail!("there is no projection at \"{path}\"; run the service once on this data directory");
    }
    Projection::open(&url).await.context("could not open the projection")
}

async fn show(projection: &Projection, key: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some(view) = projection.order(&OrderKey::from(key)).await? else {
        bail!("there is no order \"{key}\"; `orderstream order list` shows the keys");
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        print_order(&view);
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_as(
    projection: &Projection,
    key: &str,
    format: format::Format,
    version: Option<format::Version>,
) -> anyhow::Result<ExitCode> {
    let Some(answer) = format::read(projection, &OrderKey::from(key)).await? else {
        bail!("there is no order \"{key}\"; `orderstream order list` shows the keys");
    };
    println!("{}", format::render(&answer, format, version)?.to_json_pretty());
    Ok(ExitCode::SUCCESS)
}

/// One list of all documents, of one version.
async fn list_as(
    projection: &Projection,
    states: &[OrderState],
    limit: usize,
    format: format::Format,
    version: Option<format::Version>,
) -> anyhow::Result<ExitCode> {
    let filter = OrderFilter { states: states.to_vec(), limit, descending: true, ..OrderFilter::default() };
    let mut documents = Vec::new();
    for row in projection.orders(filter).await?.rows {
        // An order that left between the list and now is not there any more.
        let Some(answer) = format::read(projection, &row.key).await? else { continue };
        documents.extend(format::documents(&answer, format, version)?);
    }
    println!("{}", Node::List(documents).to_json_pretty());
    Ok(ExitCode::SUCCESS)
}

async fn list(
    projection: &Projection,
    states: &[OrderState],
    limit: usize,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let filter = OrderFilter { states: states.to_vec(), limit, descending: true, ..OrderFilter::default() };
    let page = projection.orders(filter).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&page)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&["order", "state", "priority", "tasks", "open cases", "stuck", "captured"]);
    for row in &page.rows {
        table.add_row([
            row.key.0.clone(),
            word(&row.state),
            row.priority.to_string(),
            format!("{}/{}", row.tasks_done, row.task_count),
            row.open_cases.to_string(),
            if row.stuck { "stuck".to_owned() } else { String::new() },
            row.captured_at.0.to_string(),
        ]);
    }
    println!("{table}");
    if page.next.is_some() {
        println!("there are more; raise --limit");
    }
    Ok(ExitCode::SUCCESS)
}

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// JSON that is kept as text, short: `{}` and `null` are nothing to a person.
fn short(text: &JsonText) -> String {
    let text = text.text();
    if matches!(text, "{}" | "[]" | "null") { String::new() } else { text.to_owned() }
}

fn print_order(view: &OrderView) {
    let order = &view.order;
    println!("order {}: {} (outside: {})", order.key, word(&order.state), order.shown_state);
    println!(
        "  version {}, catalog {}, priority {}, requester {}, {} of {} tasks done",
        order.order_version,
        order.catalog_version,
        order.priority,
        order.requester,
        order.tasks_done,
        order.task_count
    );
    if let Some(waiting_for) = &order.waiting_for {
        println!("  waits for {waiting_for}");
    }
    if order.stuck {
        println!("  stuck: nothing is expected of it any more");
    }
    for submission in view.submission_list.iter().filter(|submission| !short(&submission.reasons).is_empty())
    {
        println!(
            "  submission {}: {} {}",
            submission.submission,
            word(&submission.outcome),
            short(&submission.reasons)
        );
    }
    print_plan(view);
    print_cases(view);
    let mut history = table(&["at", "event", "what", "who", "follows from"]);
    for row in &view.history {
        let cells = [
            row.at.0.to_string(),
            row.name.clone(),
            row.summary.clone(),
            row.actor.clone(),
            row.causation_id.clone(),
        ];
        history.add_row(cells);
    }
    println!("\nhistory\n{history}");
    if view.history_left_off {
        println!("the history goes on; --json and the event topic have all of it");
    }
}

fn print_plan(view: &OrderView) {
    let mut items = table(&["item", "state", "action", "offering", "quantity", "optional"]);
    for item in &view.items {
        items.add_row([
            item.item_id.0.clone(),
            word(&item.state),
            word(&item.action),
            item.offering.clone().unwrap_or_default(),
            item.quantity.to_string(),
            if item.optional { "optional".to_owned() } else { String::new() },
        ]);
    }
    println!("\nitems\n{items}");
    let mut tasks = table(&["item", "component", "task", "system", "state", "attempt", "reported"]);
    for task in &view.tasks {
        tasks.add_row([
            task.item_id.0.clone(),
            task.component.clone(),
            task.task_type.clone(),
            task.system.clone(),
            word(&task.state),
            task.attempt.to_string(),
            short(&task.outputs),
        ]);
    }
    println!("\nplan\n{tasks}");
}

fn print_cases(view: &OrderView) {
    if view.case_list.is_empty() {
        return;
    }
    let mut cases = table(&["case", "state", "severity", "code", "owner", "detected", "message"]);
    for case in &view.case_list {
        cases.add_row([
            case.id.to_string(),
            word(&case.state),
            word(&case.severity),
            case.normalized_code.clone(),
            case.owner_group.clone(),
            case.detected_at.0.to_string(),
            case.failure_message.clone(),
        ]);
    }
    println!("\nfallout\n{cases}");
}
