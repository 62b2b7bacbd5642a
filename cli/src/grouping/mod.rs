//! `orderstream topology`: how the processors are grouped, in the settings and on the log; and how one becomes the other.
use std::process::ExitCode;

use crate::settings::Settings;

mod apply;
mod show;
mod standing;

#[derive(clap::Subcommand)]
pub enum Command {
    /// How the log's processors are grouped, who reads what, and how much of it is still to be read; exit code 3 where the settings group
    /// them otherwise.
    Show(show::Arguments),
    /// Group the processors of a stopped service as the settings say, and carry over how far each has read. Refused with exit code 3, and
    /// nothing changed, while a worker runs, or where events are not heard yet.
    Apply(apply::Arguments),
}

/// # Errors
/// As the command.
pub fn topology(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(arguments) => show::show(settings, arguments),
        Command::Apply(arguments) => apply::apply(settings, arguments),
    }
}
