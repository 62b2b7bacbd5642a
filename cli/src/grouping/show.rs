//! `orderstream topology show`: the grouping in force, beside a running service or without one.
use std::process::ExitCode;

use serde_json::json;
use topology::regroup::Grouping;

use crate::control::Request;
use crate::exit;
use crate::operations::topology::TopologyView;
use crate::operations::{Target, block_on};
use crate::order::table;
use crate::settings::Settings;

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// There is no log; it cannot be asked.
pub(super) fn show(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let view: TopologyView = block_on(async {
        let mut target = Target::find(settings).await?;
        target.ask(Request::ShowTopology, &[]).await
    })?;
    let is_set = view.applied.as_ref().is_none_or(|applied| applied.is(&settings.subtopologies));
    if arguments.json {
        let shown = json!({ "applied": view.applied, "asSet": is_set, "groups": view.groups });
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print(&view, settings, is_set);
    }
    Ok(ExitCode::from(if is_set { exit::DONE } else { exit::REFUSED }))
}

fn print(view: &TopologyView, settings: &Settings, is_set: bool) {
    match &view.applied {
        Some(applied) => println!("epoch {}", applied.epoch),
        None => println!("nobody has worked on the log yet; the first service does it as the settings say"),
    }
    let mut rows = table(&["group", "processors", "reads", "to read", "workers"]);
    for group in &view.groups {
        let topics: Vec<String> = group.reads.iter().map(|read| read.topic.clone()).collect();
        let records: Vec<String> = group.reads.iter().map(|read| read.records.to_string()).collect();
        rows.add_row([
            vec![group.name.clone()],
            group.processors.clone(),
            topics,
            records,
            group.members.clone().filter(|some| !some.is_empty()).unwrap_or_else(|| vec!["-".to_owned()]),
        ]);
    }
    println!("{rows}");
    if !is_set {
        println!(
            "the settings group them otherwise: {}\n`orderstream topology apply` carries the positions over, while no service runs",
            Grouping::first(&settings.subtopologies)
        );
    }
}
