//! What the one binary, `orderstream`, is made of: settings; the pumps between log, projection and simulated downstream. The only crate that knows them all.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use settings::Settings;
use settings::load::Sources;

mod config;
pub mod control;
pub mod demo;
mod docs;
pub mod exit;
mod health;
pub mod metrics;
mod notify;
mod order;
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
    Run(run::Arguments),
    /// Submit orders: TMF622 v4 or v5 JSON, one or many per file, NDJSON, or the project's own Avro order request.
    Submit(submit::Arguments),
    /// Look at orders.
    #[command(subcommand)]
    Order(order::Command),
    /// What lies on the topics.
    #[command(subcommand)]
    Topics(topics::Command),
    /// Look at the settings, or check a file of them.
    #[command(subcommand)]
    Config(config::Command),
    /// Ask the running service whether it is well, over its listening socket. Exit code 3 if not.
    Health(health::Arguments),
    /// The whole line on this machine: generated orders, simulated downstream, planted faults, and an oracle that judges.
    Demo(demo::Arguments),
    /// Write the generated parts of the documentation.
    #[command(hide = true)]
    Docs(docs::Arguments),
}

/// Exit codes are in [`exit`].
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("orderstream: {error:#}");
            exit::FAILED.into()
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut sources = Sources::of_process(arguments.config.as_deref());
    if let Some(data_dir) = &arguments.data_dir {
        sources.options.push(("node.data_dir", "--data-dir", data_dir.display().to_string()));
    }
    if let Command::Run(run) = &arguments.command {
        sources.options.extend(run.options());
    }
    if let Command::Config(command) = arguments.command {
        return config::config(sources, command);
    }
    let settings = Settings::load_from(&sources)?.settings;
    match arguments.command {
        Command::Run(_) => run::run(&settings),
        Command::Submit(arguments) => submit::submit(&settings, &arguments),
        Command::Order(command) => order::order(&settings, &command),
        Command::Topics(command) => topics::topics(&settings, &command),
        Command::Config(_) => unreachable!("answered above, since settings that are wrong are its business"),
        Command::Health(arguments) => health::health(&settings, &arguments),
        Command::Demo(arguments) => demo::demo(settings, &arguments),
        Command::Docs(arguments) => docs::write(&arguments),
    }
}
