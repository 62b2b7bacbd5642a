//! What is written from the table: the file that we ship, and the reference in docs/configuration.md.
use topology::SubTopology;

use super::key::{Key, Kind};
use super::keys::{KEYS, SECTIONS, SUBTOPOLOGY, SUBTOPOLOGY_KEYS};

/// The widest line of a comment in the file, in characters.
const COMMENT_CHARS_MAX: usize = 118;

const HEAD: &str = "\
# Orderstream on one machine. Every value here is the default; a file may leave out what it does not change.
# Any value can be overridden from the environment: ORDERSTREAM__LOG__DURABILITY=os
# Written by `make doc` from the table of the settings; docs/configuration.md says the same as a reference.
";

/// config/orderstream.toml: every setting with its default, and what it is for.
pub fn file() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.says);
        if section.name == SUBTOPOLOGY {
            groups(&mut text);
            continue;
        }
        text.push_str(&format!("[{}]\n", section.name));
        for key in KEYS.iter().filter(|key| key.section() == section.name) {
            comment(&mut text, &format!("{}{}", key.says, range(key)));
            text.push_str(&format!("{} = {}\n", key.short(), literal(key)));
        }
    }
    text
}

fn groups(text: &mut String) {
    for (name, says) in SUBTOPOLOGY_KEYS {
        comment(text, &format!("{name}: {says}"));
    }
    let tables = SubTopology::defaults().into_iter().map(|group| {
        let names: Vec<String> = group.processors.iter().map(|it| format!("\"{}\"", it.name())).collect();
        format!(
            "[[{SUBTOPOLOGY}]]\nname = \"{}\"\nprocessors = [{}]\nworkers = {}\n",
            group.name,
            names.join(", "),
            group.workers
        )
    });
    text.push_str(&tables.collect::<Vec<_>>().join("\n"));
}

fn comment(text: &mut String, says: &str) {
    let mut line = "#".to_owned();
    for word in says.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > COMMENT_CHARS_MAX {
            text.push_str(&line);
            text.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// What its sentence does not say of itself.
fn range(key: &Key) -> String {
    match key.kind {
        Kind::Whole { min, max } if key.unit.is_empty() => format!(" {min} to {max}."),
        Kind::Whole { min, max } => format!(" {min} to {max} {}.", key.unit),
        Kind::Flag | Kind::Choice(_) | Kind::Text(_) => String::new(),
    }
}

fn literal(key: &Key) -> String {
    match key.kind {
        Kind::Flag | Kind::Whole { .. } => key.default.to_owned(),
        Kind::Choice(_) | Kind::Text(_) => format!("\"{}\"", key.default),
    }
}

/// The generated block of docs/configuration.md.
pub fn reference() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let brackets = if section.name == SUBTOPOLOGY { ("[[", "]]") } else { ("[", "]") };
        text.push_str(&format!("\n### {}{}{}\n\n{}\n\n", brackets.0, section.name, brackets.1, section.says));
        if section.name == SUBTOPOLOGY {
            text.push_str("| key | what it is |\n|---|---|\n");
            for (name, says) in SUBTOPOLOGY_KEYS {
                text.push_str(&format!("| `{name}` | {says} |\n"));
            }
            continue;
        }
        text.push_str("| key | default | allowed | what it is |\n|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.section() == section.name) {
            text.push_str(&format!(
                "| `{}` | `{}` | {} | {} |\n",
                key.short(),
                literal(key),
                allowed(key),
                key.says
            ));
        }
    }
    text
}

fn allowed(key: &Key) -> String {
    match key.kind {
        Kind::Whole { min, max } => format!("{min} to {max} {}", key.unit).trim_end().to_owned(),
        Kind::Flag | Kind::Choice(_) | Kind::Text(_) => key.allowed(),
    }
}
