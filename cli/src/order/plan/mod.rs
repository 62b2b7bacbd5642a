//! `orderstream order plan`: the tasks of an order and what waits for what, as text, for Graphviz, or as a picture.
//!
//! [`graph`] makes a graph of the projection's rows; [`text`], [`dot`] and [`svg`] each make a document of a graph; only the picture needs a
//! [`layout`]. All of them are pure.
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use domain::OrderKey;
use projection::Projection;
use projection::query::OrderView;

mod dot;
mod graph;
mod layout;
mod svg;
mod text;

use graph::{Graph, Node};

#[derive(clap::Args)]
pub struct Arguments {
    /// The order key, as `order list` shows it.
    key: String,
    /// A tree for the terminal, a graph for Graphviz, or a picture.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// As JSON, for programs: the tasks, each behind all that it waits for.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Writes to this file; without it, to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Dot,
    Svg,
}

pub async fn plan(projection: &Projection, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let view = projection.order(&OrderKey::from(arguments.key.as_str())).await?;
    let view = view.ok_or_else(|| super::no_order(&arguments.key))?;
    let graph = Graph::of(&view);
    let document = match arguments.format {
        _ if arguments.json => format!("{:#}\n", as_json(&view, &graph)),
        Format::Text => text::render(&graph),
        Format::Dot => dot::render(&graph),
        Format::Svg => svg::render(&graph),
    };
    match &arguments.output {
        Some(path) => std::fs::write(path, document)
            .with_context(|| format!("could not write \"{}\"", path.display()))?,
        None => print!("{document}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Names of fields are contract.
fn as_json(view: &OrderView, graph: &Graph) -> serde_json::Value {
    let ids = |tasks: &[usize]| tasks.iter().map(|task| graph.nodes[*task].id.clone()).collect::<Vec<_>>();
    let task = |(node, after): (&Node, &Vec<usize>)| {
        let mut task = serde_json::json!(node);
        task["after"] = ids(after).into();
        task
    };
    let tasks: Vec<serde_json::Value> = graph.nodes.iter().zip(&graph.predecessors()).map(task).collect();
    serde_json::json!({ "order": view.order.key, "state": view.order.state, "tasks": tasks })
}

/// Everything about a task that a box has no room for, a line each.
fn tooltip(node: &Node) -> String {
    let mut lines = vec![
        format!("{} for item {}, component {}", node.task_type, node.item, node.component),
        format!("{} at {}", super::word(&node.state), node.system),
    ];
    if node.attempt > 1 {
        lines.push(format!("attempt {}", node.attempt));
    }
    lines.extend(node.note.clone());
    lines.push(format!("task {}", node.id));
    lines.join("\n")
}
