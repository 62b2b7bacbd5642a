//! Reads a catalog from TOML files: one array of tables per kind of entry, in whichever files; `version` in exactly one.
use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

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

pub(super) fn from_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Catalog, Vec<Finding>> {
    let mut reader = Reader::default();
    for (name, text) in files {
        reader.file(name.as_ref(), text.as_ref());
    }
    let Reader { document, positions, mut findings, version_seen } = reader;
    // It may stand in a file that is no TOML.
    let all_read = findings.iter().all(|finding| finding.subject != "file");
    if !version_seen && all_read {
        findings.push(Finding::new("version", "is missing; one of the files must say version = \"...\""));
    }
    let broken = !findings.is_empty();
    let checked = Catalog::new(document);
    match checked {
        Ok(catalog) if !broken => Ok(catalog),
        Ok(_) => Err(bounded(findings)),
        Err(more) => {
            // An entry that could not be read is missing to those that refer to it: what they say then is true, and may help.
            findings.extend(more.into_iter().map(|finding| placed(finding, &positions)));
            Err(bounded(findings))
        }
    }
}

fn placed(mut finding: Finding, positions: &BTreeMap<String, (String, usize)>) -> Finding {
    if let Some((file, line)) = positions.get(&finding.subject) {
        finding.file = Some(file.clone());
        finding.line = Some(*line);
    }
    finding
}

fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() > limits::FINDINGS_MAX {
        let more = findings.len() - (limits::FINDINGS_MAX - 1);
        findings.truncate(limits::FINDINGS_MAX - 1);
        findings.push(Finding::new("catalog", format!("{more} more findings are not listed")));
    }
    findings
}

struct Reader {
    document: CatalogDocument,
    /// Where each entry stands, by the subject that findings name it by.
    positions: BTreeMap<String, (String, usize)>,
    findings: Vec<Finding>,
    version_seen: bool,
}

impl Default for Reader {
    fn default() -> Reader {
        let document = CatalogDocument {
            // Replaced, or missed and found.
            version: CatalogVersion("unnamed".to_owned()),
            description: None,
            systems: BTreeMap::new(),
            task_types: BTreeMap::new(),
            offerings: BTreeMap::new(),
            product_specifications: BTreeMap::new(),
            service_specifications: BTreeMap::new(),
            relation_kinds: BTreeMap::new(),
            fallout_rules: Vec::new(),
        };
        Reader { document, positions: BTreeMap::new(), findings: Vec::new(), version_seen: false }
    }
}

impl Reader {
    fn file(&mut self, name: &str, text: &str) {
        let file = File { name, text };
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
                    let message = format!("is not known; there are {}", KINDS.join(", "));
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
            let Some(entry) = self.read::<T>(file, &subject, value) else { continue };
            let key = name(&entry).clone();
            if entries(&mut self.document).contains_key(&key) {
                let first = self
                    .positions
                    .get(&subject)
                    .map(|(file, line)| format!("{file}:{line}"))
                    .unwrap_or_default();
                let message = format!("is there already, at {first}; keep one of them");
                self.findings.push(file.finding(at, &subject, message));
                continue;
            }
            self.positions.insert(subject, (file.name.to_owned(), file.line(at)));
            entries(&mut self.document).insert(key, entry);
        }
    }

    fn fallout_rules(&mut self, file: &File<'_>, value: Spanned<DeValue<'_>>) {
        for value in self.array(file, "falloutRule", value) {
            let at = value.span().start;
            let subject = format!("falloutRule {}", self.document.fallout_rules.len() + 1);
            let Some(rule) = self.read(file, &subject, value) else { continue };
            self.positions.insert(subject, (file.name.to_owned(), file.line(at)));
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
    text: &'f str,
}

impl File<'_> {
    /// The line, from 1, of a byte position.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn finding(&self, at: usize, subject: &str, message: impl Into<String>) -> Finding {
        let (file, line) = (Some(self.name.to_owned()), Some(self.line(at)));
        Finding { file, line, ..Finding::new(subject, message) }
    }

    fn refused(&self, subject: &str, error: &toml::de::Error, at: usize) -> Finding {
        let at = error.span().map_or(at, |span| span.start);
        self.finding(at, subject, error.message())
    }
}
