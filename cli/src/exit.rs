//! The exit codes of the binary: contract for scripts, so they are never renumbered.
use std::borrow::Cow;

use crate::settings::load::Error;

/// What was asked for is done.
pub const DONE: u8 = 0;
/// It could not be done: an unreadable file, a busy port, a full disk, damaged data, no service.
pub const FAILED: u8 = 1;
/// The command line is wrong, clap's own code, also where a setting of it is; or the command is not for the log of the settings.
pub const USAGE: u8 = 2;
/// The answer is no: an order refused or not found, a document or catalog with findings, a check that found something.
pub const REFUSED: u8 = 3;
/// Not within the time asked for (`--timeout`).
pub const TIMED_OUT: u8 = 4;

/// Every code with what it means, as docs/command-line.md shows them.
pub const MEANINGS: &[(u8, &str)] = &[
    (DONE, "What was asked for is done."),
    (FAILED, "It could not be done: an unreadable file, a busy port, a full disk, damaged data, no service."),
    (
        USAGE,
        "The command line is wrong, or the command is not for the log of the settings; the message says what would be right.",
    ),
    (
        REFUSED,
        "The answer is no: an order refused, not found, or ended otherwise than completed; a document or catalog with findings; a check that found something.",
    ),
    (TIMED_OUT, "Not within the time asked for (`--timeout`)."),
];

/// An answer that is no. Returned as an error where nothing else is left to do: it is printed like one, and the code is [`REFUSED`].
#[derive(Debug)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What other flags, the input, the log or the settings in force do not allow: another command line, or other settings, would be right. The code is [`USAGE`].
#[derive(Debug)]
pub struct Misplaced(pub Cow<'static, str>);

impl std::fmt::Display for Misplaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misplaced {}

/// The code for an error that ends the process.
pub fn code_of(error: &anyhow::Error) -> u8 {
    let settings = error.downcast_ref::<Error>();
    if error.is::<Refused>() {
        REFUSED
    } else if error.is::<Misplaced>() || settings.is_some_and(Error::is_of_the_command_line) {
        USAGE
    } else {
        FAILED
    }
}

/// Ends the process when whoever reads its output has gone (`orderstream order list | head -1`): that is no fault, and the rest is not
/// wanted. `println!` panics there, in any thread, since Rust ignores SIGPIPE; other reasons (a full disk) are said in one line.
///
/// The Rust compiler does the same in its own panic hook; to restore the signal instead takes unsafe code, which this workspace forbids.
pub fn quietly_when_nobody_reads() {
    // As the standard library and the C library word them; a test reads both through a real pipe and a full device.
    const PRINTING: &str = "failed printing to stdout: ";
    const BROKEN_PIPE: &str = "Broken pipe";
    let panicked = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let Some(reason) = info.payload_as_str().and_then(|message| message.strip_prefix(PRINTING)) else {
            return panicked(info);
        };
        if reason.starts_with(BROKEN_PIPE) {
            std::process::exit(i32::from(DONE));
        }
        eprintln!("orderstream: could not write to standard output: {reason}");
        std::process::exit(i32::from(FAILED));
    }));
}
