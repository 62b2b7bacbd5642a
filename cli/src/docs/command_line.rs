//! docs/command-line.md: every command, flag, default and environment variable, out of clap's own definitions; and the exit codes.
use clap::{Arg, Command};

use crate::exit;

/// Below docs/.
pub const PAGE: &str = "command-line.md";

const HEAD: &str = "# Command line

`orderstream COMMAND [FLAGS]`. `--help` behind any command says what is said here; a misspelt command or flag is told the nearest right one.
Answers go to standard output, logs and errors to standard error. Tables are for people; `--json` is for programs: its keys are camelCase and stay as they are.

Commands that look (`order ...`) read the projection, beside a running service or without one, and change nothing. Spans of time are written as `30s`, `5m`, `2h`,
`1d` or `\"1h 30m\"`, times as `2026-11-20T08:00:00Z` or `2026-11-20`.
";

/// The whole page.
pub fn page() -> String {
    let root = crate::command_line();
    let mut text = format!("{HEAD}\n<!-- generated -->\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in exit::MEANINGS {
        text.push_str(&format!("| {code} | {meaning} |\n"));
    }
    text.push_str("\n## Flags of every command\n");
    flags(
        &mut text,
        root.get_arguments().filter(|argument| argument.is_global_set() && !argument.is_hide_set()),
    );
    text.push_str(
        "\nEvery setting of the settings file can be given by the environment, too: `ORDERSTREAM__LOG__DURABILITY=os` is `durability` in `[log]`.\n",
    );
    commands(&mut text, &root, "orderstream");
    text.push_str("\n<!-- /generated -->\n");
    text
}

fn commands(text: &mut String, command: &Command, name: &str) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        let name = format!("{name} {}", below.get_name());
        if below.has_subcommands() {
            commands(text, below, &name);
        } else {
            section(text, below, &name);
        }
    }
}

fn section(text: &mut String, command: &Command, name: &str) {
    let own =
        || command.get_arguments().filter(|argument| !argument.is_hide_set() && !argument.is_global_set());
    let places: Vec<&Arg> = own().filter(|argument| argument.is_positional()).collect();
    let mut usage = name.to_owned();
    if own().any(|argument| !argument.is_positional()) {
        usage.push_str(" [FLAGS]");
    }
    for place in &places {
        let (shown, more) = (value_name(place), if takes_many(place) { "..." } else { "" });
        usage.push_str(&if place.is_required_set() {
            format!(" {shown}{more}")
        } else {
            format!(" [{shown}]{more}")
        });
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("\n## {name}\n\n{}\n\n```\n{usage}\n```\n", sentence(&about)));
    flags(text, own());
}

/// A row for each, or nothing.
fn flags<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        text.push_str("\n| flag | default | meaning |\n|---|---|---|\n");
        rows.iter().for_each(|row| text.push_str(row));
    }
}

fn row(argument: &Arg) -> String {
    let names = [
        argument.get_short().map(|short| format!("`-{short}`")),
        argument.get_long().map(|long| format!("`--{long}{}`", value(argument))),
        argument.is_positional().then(|| format!("`{}`", value_name(argument))),
    ];
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    // A switch is off; clap keeps that as a default.
    let defaults = if argument.get_action().takes_values() { defaults.join(", ") } else { String::new() };
    let mut meaning = sentence(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|choice| match choice.get_help() {
            Some(help) => format!("`{}` ({})", choice.get_name(), help.to_string().trim_end_matches('.')),
            None => format!("`{}`", choice.get_name()),
        })
        .collect();
    if !choices.is_empty() {
        meaning.push_str(&format!(" One of {}.", choices.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        meaning.push_str(&format!(" Also by the environment: `{}`.", variable.to_string_lossy()));
    }
    let cells = [names.into_iter().flatten().collect::<Vec<_>>().join(", "), defaults, meaning];
    let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
    format!("| {} | {} | {} |\n", cells[0], cells[1], cells[2])
}

/// ` NAME`, `=NAME`, or in brackets where it can be left out.
fn value(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let between = if argument.is_require_equals_set() { "=" } else { " " };
    let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let value = format!("{between}{}", value_name(argument));
    if optional { format!("[{value}]") } else { value }
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    if names.is_empty() { argument.get_id().as_str().to_uppercase() } else { names.join(" ") }
}

fn takes_many(argument: &Arg) -> bool {
    matches!(argument.get_action(), clap::ArgAction::Append)
        || argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// clap takes the full stop from the end of a doc comment.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_command_line_is_the_command_line() {
        let path = format!("{}/../docs/{PAGE}", env!("CARGO_MANIFEST_DIR"));
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == page(), "docs/{PAGE} is stale; `make doc` writes it anew");
    }

    #[test]
    fn every_command_and_flag_is_on_the_page() {
        fn check(page: &str, command: &Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(long) = argument.get_long() else { continue };
                assert!(argument.get_help().is_some(), "{} --{long} is explained", command.get_name());
                assert!(
                    page.contains(&format!("`--{long}")),
                    "{} --{long} is on the page",
                    command.get_name()
                );
            }
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                assert!(below.get_about().is_some() && page.contains(below.get_name()));
                check(page, below);
            }
        }
        check(&page(), &crate::command_line());
    }

    #[test]
    fn the_command_line_is_sound() {
        crate::command_line().debug_assert();
    }

    #[test]
    fn every_shell_is_given_every_command() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let script = crate::completions(shell).unwrap();
            for word in ["submit", "history", "timeout", "completed"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
