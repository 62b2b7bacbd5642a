//! What is wrong with a command line, in one line: clap shows a paragraph for each part of it, and a usage below.
use clap::Parser;
use clap::error::ErrorKind;

use crate::exit;
use crate::text::printable;

/// The arguments of this process. Where they are wrong the process ends here with what is wrong; where they ask for help or the version, with
/// that.
pub fn parse<T: Parser>() -> T {
    match parse_from(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) if is_wrong(&error) => {
            eprintln!("orderstream: {}", line(&error));
            std::process::exit(exit::USAGE.into());
        }
        // Also for `orderstream` alone: who does not know where to begin wants to see what there is.
        Err(error) => error.exit(),
    }
}

fn parse_from<T: Parser>(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<T, clap::Error> {
    let mut command = T::command().mut_subcommands(strictly);
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// What lacks its subcommand says so, and does not show all of its help as if that was asked for.
fn strictly(command: clap::Command) -> clap::Command {
    command.arg_required_else_help(false).mut_subcommands(strictly)
}

fn is_wrong(error: &clap::Error) -> bool {
    error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// Its paragraphs up to the usage; of that, the command whose help says more.
fn line(error: &clap::Error) -> String {
    let shown = error.render().to_string();
    let (said, usage) = shown.split_once("\n\nUsage: ").unwrap_or((&shown, "orderstream"));
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let one_line = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let paragraphs: Vec<String> =
        said.split("\n\n").map(|paragraph| printable(&one_line(paragraph))).collect();
    let is_name = |word: &&str| !word.starts_with(['[', '<', '-']);
    let command: Vec<&str> = usage.split_whitespace().take_while(is_name).collect();
    format!("{}; see `{} --help`", paragraphs.join("; "), command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arguments;

    #[test]
    fn what_is_wrong_is_one_line_with_what_would_be_right_and_where_to_look() {
        let table: &[(&[&str], &str)] = &[
            (
                &["order", "lst"],
                "unrecognized subcommand 'lst'; tip: a similar subcommand exists: 'list'; see `orderstream order --help`",
            ),
            (
                &["order"],
                "'orderstream order' requires a subcommand but one was not provided [subcommands: show, list, ",
            ),
            (
                &["submit"],
                "the following required arguments were not provided: <FILE>...; see `orderstream submit --help`",
            ),
            (&["run", "--worker", "3"], "unexpected argument '--worker' found; "),
            (&["demo", "--orders", "0"], "invalid value '0' for '--orders <ORDERS>': "),
            (&["order", "show", "a\nb", "c\u{1b}[31m"], "unexpected argument 'c"),
        ];
        for (arguments, expected) in table {
            let all = ["orderstream"].iter().chain(arguments.iter()).map(Into::into);
            let error = parse_from::<Arguments>(all).err().unwrap();
            assert!(is_wrong(&error), "{arguments:?}");
            let line = line(&error);
            assert!(line.starts_with(expected), "{line}");
            assert!(
                line.ends_with("--help`") && line.lines().count() == 1 && !line.contains('\u{1b}'),
                "{line}"
            );
        }
    }

    #[test]
    fn who_asks_for_help_or_the_version_gets_it() {
        for arguments in [&["--help"][..], &["order", "--help"], &["--version"], &[]] {
            let all = ["orderstream"].iter().chain(arguments.iter()).map(Into::into);
            assert!(!is_wrong(&parse_from::<Arguments>(all).err().unwrap()), "{arguments:?}");
        }
    }
}
