//! What the one binary, `orderstream`, is made of: settings; the pumps between log, projection and simulated downstream. The only crate that knows them all.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use settings::Settings;
use settings::load::Sources;

mod catalog;
mod config;
pub mod control;
mod dead_letters;
pub mod demo;
mod docs;
pub mod doctor;
mod downstream;
pub mod exit;
mod files;
mod grouping;
mod health;
pub mod metrics;
mod notify;
pub mod operations;
pub mod order;
mod projection;
mod registry;
mod restoring;
mod run;
pub mod service;
pub mod settings;
mod status;
mod submit;
mod table;
mod text;
mod times;
mod topics;
mod topics_create;
mod topics_export;
mod usage;
pub mod verify;

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
    /// The rows that queries are answered from: how they stand, and how to make them anew.
    #[command(subcommand)]
    Projection(projection::Command),
    /// Check, publish and compare catalogs, and try orders on them.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// The schemas of all records, and the registry that has to know them.
    #[command(subcommand)]
    Schemas(registry::Command),
    /// What lies on the topics.
    #[command(subcommand)]
    Topics(topics::Command),
    /// How processors are grouped: which share threads and commits.
    #[command(subcommand)]
    Topology(grouping::Command),
    /// Records that could not be processed: look at them, and send them again.
    #[command(subcommand)]
    Dlq(dead_letters::Command),
    /// The systems that carry out commands: how they stand, and how the simulated ones behave.
    #[command(subcommand)]
    Downstream(downstream::Command),
    /// Whether the service runs and is well; exit code 3 where it is not.
    Status(status::Arguments),
    /// Look at all that the service rests on (brokers, topics, registry, state, database, disk, clock), and say what is wrong and how to mend it; exit code 3 where something is.
    Doctor(doctor::Arguments),
    /// Check log, state, projection and ledger of a stopped service against each other; exit code 3 where something is wrong.
    Verify(verify::Arguments),
    /// Look at the settings, or check a file of them.
    #[command(subcommand)]
    Config(config::Command),
    /// Ask the running service whether it is well, over its listening socket. Exit code 3 if not.
    Health(health::Arguments),
    /// The whole line on this machine: generated orders, simulated downstream, planted faults, and an oracle that judges.
    Demo(demo::Arguments),
    /// What a shell needs to complete this command line, for its start-up file: orderstream completions bash.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the generated parts of the documentation.
    #[command(hide = true)]
    Docs(docs::Arguments),
}

/// Its codes are those of [`exit`].
pub fn main() -> ExitCode {
    exit::quietly_when_nobody_reads();
    let arguments: Arguments = usage::parse();
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Several lines only where there are several findings; and whatever a file's name or text may hold, it is only shown.
            let said = text::chain(&error);
            let lines: Vec<String> = said.lines().map(text::printable).collect();
            eprintln!("orderstream: {}", lines.join("\n"));
            ExitCode::from(exit::code_of(&error))
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Needs no settings, and must not fail for them: it runs whenever a shell starts.
    if let Command::Completions { shell } = arguments.command {
        print!("{}", completions(shell)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut sources = Sources::of_process(arguments.config.as_deref());
    if let Some(data_dir) = &arguments.data_dir {
        sources.options.push(("node.data_dir", "--data-dir", data_dir.display().to_string()));
    }
    if let Command::Run(run) = &arguments.command {
        sources.options.extend(run.options());
    }
    if let Command::Schemas(command) = &arguments.command {
        sources.options.extend(command.options());
    }
    if let Command::Config(command) = arguments.command {
        return config::config(sources, command);
    }
    let settings = Settings::load_from(&sources)?.settings;
    match arguments.command {
        Command::Run(_) => run::run(&settings),
        Command::Submit(arguments) => submit::submit(&settings, &arguments),
        Command::Order(command) => order::order(&settings, &command),
        Command::Catalog(command) => catalog::catalog(&settings, &command),
        Command::Projection(command) => projection::projection(&settings, &command),
        Command::Schemas(command) => registry::schemas(&settings, &command),
        Command::Topics(command) => topics::topics(&settings, command),
        Command::Topology(command) => grouping::topology(&settings, &command),
        Command::Dlq(command) => dead_letters::dead_letters(&settings, command),
        Command::Downstream(command) => downstream::downstream(&settings, &command),
        Command::Status(arguments) => status::status(&settings, &arguments),
        Command::Doctor(arguments) => doctor::doctor(&settings, &arguments),
        Command::Verify(arguments) => verify::verify(&settings, &arguments),
        Command::Config(_) => unreachable!("answered above, since settings that are wrong are its business"),
        Command::Health(arguments) => health::health(&settings, &arguments),
        Command::Demo(arguments) => demo::demo(settings, &arguments),
        Command::Completions { .. } => unreachable!("done above"),
        Command::Docs(arguments) => docs::write(&arguments),
    }
}

/// The whole command line, as clap knows it.
fn command_line() -> clap::Command {
    Arguments::command()
}

/// Written to memory first: the generator panics where a pipe is closed.
fn completions(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "orderstream", &mut script);
    Ok(String::from_utf8(script)?)
}
