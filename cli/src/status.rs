//! `orderstream status`: whether the service runs and is well.
use std::process::ExitCode;

use crate::control::{Client, Request};
use crate::exit;
use crate::operations::block_on;
use crate::operations::status::Status;
use crate::order::table;
use crate::settings::Settings;
use crate::text::printable;

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Exit code 0 where the service runs and is well, 3 where it does not or is not. Touches nothing of a directory on which none runs:
/// a service that is just starting must find it free.
pub fn status(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let status = block_on(async {
        let data_dir = settings.node.data_dir.display().to_string();
        let Some(mut client) = Client::connect(&settings.node.data_dir).await? else {
            let problems = vec![format!("no service runs on \"{data_dir}\"")];
            return Ok(Status { problems, data_dir, ..Status::default() });
        };
        client.ask(&Request::Status, &[]).await
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print(&status);
    }
    Ok(ExitCode::from(if status.healthy { exit::DONE } else { exit::REFUSED }))
}

fn print(status: &Status) {
    let health = if status.healthy { "healthy" } else { "NOT HEALTHY" };
    let running = if status.running { "running" } else { "not running" };
    println!("{running}, {health}");
    for problem in &status.problems {
        println!("  problem: {}", printable(problem));
    }
    if status.running {
        print_lines(status);
        print_tables(status);
    }
}

fn print_lines(status: &Status) {
    println!("  version     {}", status.version);
    println!("  since       {}", status.started_at.as_deref().unwrap_or("-"));
    println!("  process     {}", status.process_id.map_or("-".to_owned(), |id| id.to_string()));
    println!("  data        {}", status.data_dir);
    println!(
        "  catalog     {} for new orders; published: {}",
        printable(status.catalog.as_deref().unwrap_or("none")),
        printable(&status.catalog_versions.join(", "))
    );
    println!("  orders      {}", orders(status));
    println!(
        "  dead letters {}, of which {} were not sent again",
        status.dead_letters, status.dead_letters_open
    );
    match (&status.projection_failure, status.projection_lag_records) {
        (None, Some(behind)) => println!("  projection  {behind} records behind"),
        (None, None) | (Some(_), _) => println!("  projection  cannot be read"),
    }
    if !status.groups_elsewhere.is_empty() {
        println!("  elsewhere   {}; no workers of them are set here", status.groups_elsewhere.join(", "));
    }
    if !status.restoring.is_empty() {
        let left: u64 = status.restoring.iter().filter_map(|line| line.records).sum();
        println!(
            "  restoring   state of {} partitions, {left} records are to be read",
            status.restoring.len()
        );
    }
    if !status.standbys.is_empty() {
        let behind: u64 = status.standbys.iter().map(|line| line.records).sum();
        println!(
            "  standbys    copies of {} partitions that others have, {behind} records behind",
            status.standbys.len()
        );
    }
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "  disk        log and state {} MiB, projection {} MiB, ledger {} MiB; {} MiB left",
        mib(status.disk.log_bytes),
        mib(status.disk.projection_bytes.unwrap_or_default()),
        mib(status.disk.ledger_bytes),
        mib(status.disk.left_bytes)
    );
}

/// Only the projection counts them. An earlier version that cannot read it says 0 of everything.
fn orders(status: &Status) -> String {
    let counts = (&status.orders_by_state, status.open_cases, status.stuck_orders);
    match counts {
        (Some(by_state), Some(cases), Some(stuck)) if status.projection_failure.is_none() => {
            format!("{}, {cases} open cases, {stuck} stuck", by_state.values().sum::<i64>())
        }
        _ => "not known".to_owned(),
    }
}

fn print_tables(status: &Status) {
    if let Some(by_state) = status.orders_by_state.as_ref().filter(|by_state| !by_state.is_empty()) {
        let mut states = table(&["orders in state", ""]);
        for (state, count) in by_state {
            states.add_row([state.clone(), count.to_string()]);
        }
        println!("\n{states}");
    }
    let mut stages = table(&["stage", "in", "in progress", "out", "last"]);
    for stage in &status.stages {
        stages.add_row([
            stage.stage.clone(),
            stage.taken.to_string(),
            stage.in_progress.to_string(),
            stage.written.to_string(),
            stage.last_at.clone().unwrap_or_default(),
        ]);
    }
    if !status.stages.is_empty() {
        println!("\n{stages}");
    }
    let mut lags = table(&["topic", "group", "to read", "most of it"]);
    for line in status.lags.iter().filter(|line| line.records > 0) {
        let most = line.partition.zip(line.partition_records);
        let most = most.map(|(partition, records)| format!("{records} in partition {partition}"));
        lags.add_row([
            line.topic.clone(),
            line.group.clone(),
            line.records.to_string(),
            most.unwrap_or_default(),
        ]);
    }
    if status.lags.iter().all(|line| line.records == 0) {
        println!("\nevery group has read all there is");
    } else {
        println!("\n{lags}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_count_is_not_shown_as_none() {
        let known = Status {
            orders_by_state: Some([("completed".to_owned(), 2), ("inProgress".to_owned(), 1)].into()),
            open_cases: Some(1),
            stuck_orders: Some(0),
            ..Status::default()
        };
        assert_eq!(orders(&known), "3, 1 open cases, 0 stuck");
        assert_eq!(orders(&Status { projection_failure: Some("away".to_owned()), ..known }), "not known");
        assert_eq!(orders(&Status::default()), "not known");
    }
}
