//! Where things stand in the files of a catalog, so that a finding names the line of the wrong word and not only its entry.
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::Finding;
use super::finding::shown;

/// The tables within an entry that messages begin with: (key of the table, what names it, how a message begins).
const PARTS: &[(&str, &str, &str)] = &[
    ("tasks", "taskType", "task "),
    ("components", "component", "component "),
    ("parts", "component", "component "),
    ("characteristics", "name", "characteristic "),
    ("prices", "id", "price "),
];

/// Every entry by the subject that findings name it by.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

#[derive(Debug)]
struct Place {
    file: String,
    /// The entry as a whole first, then its tables.
    parts: Vec<Part>,
}

/// A stretch of an entry that messages can be about.
#[derive(Debug)]
struct Part {
    /// How messages about it begin; empty for the entry.
    label: String,
    line: usize,
    /// Every text and every key in it, with its line.
    texts: Vec<(String, usize)>,
    keys: Vec<(String, usize)>,
}

impl Places {
    pub fn add(
        &mut self,
        subject: &str,
        file: &str,
        entry: &Spanned<DeValue<'_>>,
        line: impl Fn(usize) -> usize,
    ) {
        let mut parts = vec![Part::of("", entry, &line)];
        for (key, named, label) in PARTS {
            let tables = entry.get_ref().get(*key).and_then(|value| value.get_ref().as_array());
            for table in tables.into_iter().flat_map(|tables| tables.iter()) {
                let name = table.get_ref().get(*named).and_then(|name| name.get_ref().as_str());
                parts.extend(name.map(|name| Part::of(&format!("{label}{name}"), table, &line)));
            }
        }
        self.0.insert(subject.to_owned(), Place { file: file.to_owned(), parts });
    }

    /// `file:line` of an entry.
    pub fn shown(&self, subject: &str) -> Option<String> {
        let place = self.0.get(subject)?;
        Some(format!("{}:{}", place.file, place.parts.first()?.line))
    }

    /// The finding with its file and its line, where its subject came from a file.
    pub fn placed(&self, mut finding: Finding) -> Finding {
        if let Some(place) = self.0.get(&finding.subject) {
            finding.file = Some(place.file.clone());
            finding.line = place.line(&finding.message);
        }
        finding
    }
}

impl Place {
    /// The line of the first quoted word of the message that stands in the part that it is about; else of the key that it
    /// names; else the line of the part.
    fn line(&self, message: &str) -> Option<usize> {
        let about =
            |part: &&Part| part.label.is_empty() || message.strip_prefix(&part.label).is_some_and(ends_word);
        let part = self.parts.iter().filter(about).max_by_key(|part| part.label.len())?;
        let after = &message[part.label.len()..];
        let quoted = part.texts.iter().filter_map(|(text, line)| {
            let at = after.find(&format!("\"{}\"", shown(text)))?;
            Some((at, usize::MAX - text.len(), *line))
        });
        // Of several the first in the message; at one place the longest, as an expression may begin with another one.
        let quoted = quoted.min().map(|(_, _, line)| line);
        let named = || {
            let keys = part.keys.iter().filter_map(|(key, line)| {
                let at = after.find(key.as_str())?;
                ends_word(&after[at + key.len()..]).then_some((at, usize::MAX - key.len(), *line))
            });
            keys.min().map(|(_, _, line)| line)
        };
        quoted.or_else(named).or(Some(part.line))
    }
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '-')
}

impl Part {
    fn of(label: &str, value: &Spanned<DeValue<'_>>, line: &impl Fn(usize) -> usize) -> Part {
        let start = line(value.span().start);
        let mut part = Part { label: label.to_owned(), line: start, texts: Vec::new(), keys: Vec::new() };
        part.collect(value, line);
        part
    }

    fn collect(&mut self, value: &Spanned<DeValue<'_>>, line: &impl Fn(usize) -> usize) {
        match value.get_ref() {
            DeValue::String(text) => self.texts.push((text.to_string(), line(value.span().start))),
            DeValue::Array(values) => values.iter().for_each(|value| self.collect(value, line)),
            DeValue::Table(entries) => {
                for (key, value) in entries.iter() {
                    // Names of one plain word are words of the messages, too.
                    if key.get_ref().contains(|c: char| c.is_uppercase()) {
                        self.keys.push((key.get_ref().to_string(), line(key.span().start)));
                    }
                    self.collect(value, line);
                }
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }
}
