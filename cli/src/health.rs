//! `orderstream health`: whether the service is well, for a container's health check and for people.
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use gateway::{Report, ask};

use crate::exit;
use crate::settings::Settings;
use crate::text::printable;

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub struct Arguments {
    /// Ask whether it does its work (/ready), and not only whether it is alive (/health).
    #[arg(long)]
    ready: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Exit code 3 if it says no.
///
/// # Errors
/// Nobody listens, or something else than a service of ours.
pub fn health(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if settings.gateway.listen.is_empty() {
        bail!("nothing listens, since gateway.listen is empty; set it to an address such as 127.0.0.1:9464");
    }
    let address: SocketAddr = settings.gateway.listen.parse().context("gateway.listen is no address")?;
    let path = if arguments.ready { "/ready" } else { "/health" };
    let answer = ask(address, path, ANSWER_WAIT).context("is the service running?")?;
    let Ok(report) = serde_json::from_str::<Report>(&answer.body) else {
        bail!("{address}{path} answered {} and is not a service of ours", answer.status);
    };
    if arguments.json {
        print!("{}", answer.body);
    } else {
        print(&report, if arguments.ready { "ready" } else { "healthy" });
    }
    Ok(if report.ok { exit::DONE } else { exit::REFUSED }.into())
}

fn print(report: &Report, word: &str) {
    if report.ok {
        println!("{word}");
        return;
    }
    println!("not {word}");
    for part in report.parts.iter().filter(|part| !part.ok) {
        println!("  {}: {}", part.part, printable(part.reason.as_deref().unwrap_or("not well")));
    }
}
