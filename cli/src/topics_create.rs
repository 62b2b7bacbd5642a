//! `orderstream topics create`: the topics of the cluster, made where they are missing and looked at where they are not.
use std::collections::BTreeSet;
use std::process::ExitCode;

use runtime::log::kafka::{self, Drift};
use serde_json::json;

use crate::exit::{self, Misplaced};
use crate::service::{catalog, settled_specs};
use crate::settings::{LogKind, Settings};
use crate::text::printable;

#[derive(clap::Args)]
pub struct Arguments {
    /// Make none; only say what is missing or otherwise.
    #[arg(long)]
    check: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// The log is another; the cluster does not answer or refuses a topic.
pub fn create(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if settings.log.kind == LogKind::Embedded {
        let why = "an embedded log makes its topics by itself; `topics create` is for a Kafka cluster (log.kind = \"kafka\")";
        return Err(Misplaced(why.into()).into());
    }
    let catalog = catalog::load(&settings.catalog)?;
    let systems: BTreeSet<String> = catalog.systems.keys().cloned().collect();
    let (options, specs) = (settings.kafka_options(), settled_specs(settings, &systems));
    let mut drifts = kafka::check(&options, specs.clone())?;
    let mut created: Vec<String> = Vec::new();
    if !arguments.check {
        kafka::create(&options, specs.clone())?;
        let missing = std::mem::replace(&mut drifts, kafka::check(&options, specs)?);
        let is_there = |topic: &str| !drifts.iter().any(|drift| drift.topic == topic && drift.is_missing());
        let missing = missing.into_iter().filter(Drift::is_missing).map(|drift| drift.topic);
        created.extend(missing.filter(|topic| is_there(topic)));
    }
    if arguments.json {
        let drift = |drift: &Drift| json!({ "topic": drift.topic, "setting": drift.setting, "found": drift.found, "needed": drift.needed });
        let drifts: Vec<_> = drifts.iter().map(drift).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "created": created, "drift": drifts }))?);
    } else {
        created.iter().for_each(|topic| println!("topic \"{topic}\" created"));
        drifts.iter().for_each(|drift| println!("{}", printable(&drift.to_string())));
        if drifts.is_empty() {
            println!("all topics are there, and as they must be");
        }
    }
    Ok(ExitCode::from(if drifts.is_empty() { exit::DONE } else { exit::REFUSED }))
}
