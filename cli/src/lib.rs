//! What the one binary, `orderstream`, is made of: settings; the pumps between log, projection and simulated downstream. The only crate that knows them all.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod control;
pub mod demo;
mod docs;
pub mod order;
mod run;
pub mod service;
pub mod settings;
mod submit;
mod topics;

/// Order management for telecom operators, as a stream.
#[derive(Parser)]
#[command(name = "orderstream", version, about, max_term_width = 100)]
struct Arguments {
    /// The settings file; without it, every value has its default.
    #[arg(long, short, global = true, env = "ORDERSTREAM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where log, state and projection live; instead of node.data_dir.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service until it is told to stop (SIGTERM or Ctrl-C).
    Run,
    /// Submit orders: TMF622 v4 or v5 JSON, one or many per file, NDJSON, or the project's own Avro order request.
    Submit(submit::Arguments),
    /// Look at orders.
    #[command(subcommand)]
    Order(order::Command),
    /// What lies on the topics.
    #[command(subcommand)]
    Topics(topics::Command),
    /// The whole line on this machine: generated orders, simulated downstream, planted faults, and an oracle that judges.
    Demo(demo::Arguments),
    /// Write the generated parts of the documentation.
    #[command(hide = true)]
    Docs(docs::Arguments),
}

/// 0: done. 1: it could not be done. 2: the command line is wrong (clap's own).
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("orderstream: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut settings = settings::Settings::load(arguments.config.as_deref())?;
    if let Some(data_dir) = arguments.data_dir {
        settings.node.data_dir = data_dir;
    }
    match arguments.command {
        Command::Run => run::run(&settings),
        Command::Submit(arguments) => submit::submit(&settings, &arguments),
        Command::Order(command) => order::order(&settings, &command),
        Command::Topics(command) => topics::topics(&settings, &command),
        Command::Demo(arguments) => demo::demo(settings, &arguments),
        Command::Docs(arguments) => docs::write(&arguments),
    }
}
