//! Reads a catalog from TOML files: one array of tables per kind of entry, in whichever files; `version` in exactly one.
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::finding::did_you_mean;
use super::place::Places;
use super::{Catalog, CatalogDocument, Finding};
use crate::{CatalogVersion, limits};

/// The kinds of entries, as the files and the findings name them.
const KINDS: &[&str] = &[
    "version",
    "description",
    "system",
    "taskType",
    "offering",
    "productSpecification",
    "serviceSpecification",
    "relationKind",
    "falloutRule",
];

/// The catalog, where nothing is wrong with it; and every finding, warnings among them: first what could not be read, then by
/// file and line. At most [`limits::FINDINGS_MAX`].
pub(super) fn from_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Option<Catalog>, Vec<Finding>) {
    let (catalog, findings) = judged(files);
    let is_good = !findings.iter().any(Finding::is_error);
    (catalog.filter(|_| is_good), bounded(findings))
}

/// The catalog, where it can be used; else every error.
pub(super) fn usable<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Catalog, Vec<Finding>> {
    let (catalog, mut findings) = judged(files);
    findings.retain(Finding::is_error);
    catalog.ok_or_else(|| bounded(findings))
}

/// The catalog, where it can be used, and every finding.
fn judged<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Option<Catalog>, Vec<Finding>) {
    let mut reader = Reader::default();
    for (name, text) in files {
        reader.file(name.as_ref(), text.as_ref());
    }
    let Reader { document, places, mut findings, unread, version_seen } = reader;
    // It may stand in a file that is no TOML.
    let all_read = findings.iter().all(|finding| finding.subject != "file");
    if !version_seen && all_read {
        findings.push(Finding::new("version", "is missing; one of the files must say version = \"...\""));
    }
    let (catalog, mut found) = Catalog::judged(document, findings.is_empty());
    // An entry that could not be read is there all the same, and may be in a file that could not be: why they could not is said already.
    found.retain(|finding| finding.absent.as_ref().is_none_or(|absent| all_read && !unread.contains(absent)));
    let mut found: Vec<Finding> = found.into_iter().map(|finding| places.placed(finding)).collect();
    found.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    findings.extend(found);
    (catalog, findings)
}

fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() > limits::FINDINGS_MAX {
        // Stable: what is wrong stays in its sequence, and what is only doubtful goes first.
        findings.sort_by_key(|finding| finding.severity);
        let more = findings.len() - (limits::FINDINGS_MAX - 1);
        findings.truncate(limits::FINDINGS_MAX - 1);
        findings.push(Finding::new("catalog", format!("{more} more findings are not listed")));
    }
    findings
}

struct Reader {
    document: CatalogDocument,
    places: Places,
    findings: Vec<Finding>,
    /// The entries that could not be read, as their findings name them.
    unread: BTreeSet<String>,
    version_seen: bool,
}

impl Default for Reader {
    fn default() -> Reader {
        // The version is replaced, or missed and found.
        let document = CatalogDocument::empty(CatalogVersion("unnamed".to_owned()));
        Reader {
            document,
            places: Places::default(),
            findings: Vec::new(),
            unread: BTreeSet::new(),
            version_seen: false,
        }
    }
}

impl Reader {
    fn file(&mut self, name: &str, text: &str) {
        let file = File::of(name, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What else is in it cannot be trusted.
            self.findings.extend(errors.iter().map(|error| file.refused("file", error, 0)));
            return;
        }
        for (key, value) in table.into_inner() {
            let at = value.span().start;
            match key.get_ref().as_ref() {
                "version" => {
                    if self.version_seen {
                        self.findings.push(file.finding(at, "version", "is said more than once; keep one"));
                    }
                    self.version_seen = true;
                    self.places.add("version", file.name, &value, |at| file.line(at));
                    if let Some(version) = self.read::<CatalogVersion>(&file, "version", value) {
                        self.document.version = version;
                    }
                }
                "description" => self.document.description = self.read(&file, "description", value),
                "system" => {
                    self.each(&file, "system", value, |entry: &super::System| &entry.name, |d| &mut d.systems)
                }
                "taskType" => {
                    self.each(
                        &file,
                        "taskType",
                        value,
                        |entry: &super::TaskType| &entry.name,
                        |d| &mut d.task_types,
                    );
                }
                "offering" => {
                    self.each(
                        &file,
                        "offering",
                        value,
                        |entry: &super::Offering| &entry.id,
                        |d| &mut d.offerings,
                    );
                }
                "productSpecification" => self.each(
                    &file,
                    "productSpecification",
                    value,
                    |entry: &super::ProductSpecification| &entry.id,
                    |d| &mut d.product_specifications,
                ),
                "serviceSpecification" => self.each(
                    &file,
                    "serviceSpecification",
                    value,
                    |entry: &super::ServiceSpecification| &entry.id,
                    |d| &mut d.service_specifications,
                ),
                "relationKind" => self.each(
                    &file,
                    "relationKind",
                    value,
                    |entry: &super::RelationKind| &entry.name,
                    |d| &mut d.relation_kinds,
                ),
                "falloutRule" => self.fallout_rules(&file, value),
                other => {
                    let near = did_you_mean(other, KINDS.iter().copied());
                    let message = format!("is not known; there are {}{near}", KINDS.join(", "));
                    self.findings.push(file.finding(at, other, message));
                }
            }
        }
    }

    /// One value; what is wrong with it becomes a finding.
    fn read<'a, T: Deserialize<'a>>(
        &mut self,
        file: &File<'_>,
        subject: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Option<T> {
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.findings.push(file.refused(subject, &error, at));
                None
            }
        }
    }

    /// Every entry of an array of tables, into its map by its own name.
    fn each<'a, T: Deserialize<'a>>(
        &mut self,
        file: &File<'_>,
        kind: &str,
        value: Spanned<DeValue<'a>>,
        name: impl Fn(&T) -> &String,
        entries: impl Fn(&mut CatalogDocument) -> &mut BTreeMap<String, T>,
    ) {
        for value in self.array(file, kind, value) {
            let at = value.span().start;
            let named = value.get_ref().get("id").or_else(|| value.get_ref().get("name"));
            let subject = match named.and_then(|named| named.get_ref().as_str()) {
                Some(name) => format!("{kind} {name}"),
                None => kind.to_owned(),
            };
            let standing = value.clone();
            let Some(entry) = self.read::<T>(file, &subject, value) else {
                self.unread.insert(subject);
                continue;
            };
            let key = name(&entry).clone();
            if entries(&mut self.document).contains_key(&key) {
                let first = self.places.shown(&subject).unwrap_or_default();
                let message = format!("is there already, at {first}; keep one of them");
                self.findings.push(file.finding(at, &subject, message));
                continue;
            }
            self.places.add(&subject, file.name, &standing, |at| file.line(at));
            entries(&mut self.document).insert(key, entry);
        }
    }

    fn fallout_rules(&mut self, file: &File<'_>, value: Spanned<DeValue<'_>>) {
        for value in self.array(file, "falloutRule", value) {
            let subject = format!("falloutRule {}", self.document.fallout_rules.len() + 1);
            let standing = value.clone();
            // Rules have no names, and those that cannot be read have no number: their line says which is meant.
            let Some(rule) = self.read(file, "falloutRule", value) else { continue };
            self.places.add(&subject, file.name, &standing, |at| file.line(at));
            self.document.fallout_rules.push(rule);
        }
    }

    fn array<'a>(
        &mut self,
        file: &File<'_>,
        kind: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Vec<Spanned<DeValue<'a>>> {
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Array(entries) => entries.into_iter().collect(),
            other => {
                let message = format!("is a {}; write each as a table [[{kind}]]", other.type_str());
                self.findings.push(file.finding(at, kind, message));
                Vec::new()
            }
        }
    }
}

struct File<'f> {
    name: &'f str,
    /// Where each line ends. A large file has as many places to name as lines to count.
    line_ends: Vec<usize>,
}

impl<'f> File<'f> {
    fn of(name: &'f str, text: &str) -> File<'f> {
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        File { name, line_ends: line_ends.collect() }
    }

    /// The line, from 1, of a byte position.
    fn line(&self, at: usize) -> usize {
        self.line_ends.partition_point(|end| *end < at) + 1
    }

    fn finding(&self, at: usize, subject: &str, message: impl Into<String>) -> Finding {
        let (file, line) = (Some(self.name.to_owned()), Some(self.line(at)));
        Finding { file, line, ..Finding::new(subject, message) }
    }

    fn refused(&self, subject: &str, error: &toml::de::Error, at: usize) -> Finding {
        let at = error.span().map_or(at, |span| span.start);
        self.finding(at, subject, nearer(error.message()))
    }
}

/// Of a field that is not known, serde lists all that are; where one of them is near, that one is meant.
fn nearer(message: &str) -> String {
    let near = message.split_once(", expected one of ").and_then(|(what, known)| {
        let wanted =
            what.strip_prefix("unknown field `").or_else(|| what.strip_prefix("unknown variant `"))?;
        let near =
            did_you_mean(wanted.trim_end_matches('`'), known.split(", ").map(|name| name.trim_matches('`')));
        (!near.is_empty()).then(|| format!("{what}{near}"))
    });
    near.unwrap_or_else(|| message.to_owned())
}
