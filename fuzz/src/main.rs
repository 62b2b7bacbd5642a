//! `cargo run -p fuzz -- list | seeds DIR | replay TARGET FILE...`: what needs no libFuzzer.
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Inputs for the fuzz targets: list the targets, write their seeds, run one input again")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The name of every target, a line each.
    List,
    /// Writes the inputs that each target begins with, a folder per target.
    Seeds { directory: PathBuf },
    /// Runs inputs through a target; it panics where one shows a mistake.
    Replay { target: String, files: Vec<PathBuf> },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::List => {
            fuzz::targets::TARGETS.iter().for_each(|target| println!("{}", target.name));
        }
        Command::Seeds { directory } => {
            for target in fuzz::targets::TARGETS {
                let folder = directory.join(target.name);
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("could not create \"{}\"", folder.display()))?;
                let committed = fuzz::committed(target.name)?.into_iter().map(|(_, bytes)| bytes);
                for (number, bytes) in (target.seeds)().into_iter().chain(committed).enumerate() {
                    std::fs::write(folder.join(format!("seed-{number:03}")), bytes)?;
                }
            }
        }
        Command::Replay { target, files } => {
            let target = fuzz::target(&target)
                .with_context(|| format!("there is no target \"{target}\"; `list` shows them"))?;
            for file in files {
                let bytes =
                    std::fs::read(&file).with_context(|| format!("could not read \"{}\"", file.display()))?;
                (target.run)(&bytes);
                println!("{}: nothing found in \"{}\"", target.name, file.display());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
