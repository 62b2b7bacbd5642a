//! What has to be right about a catalog before it may be used: everything that can be known without an order.
use std::collections::BTreeMap;

use super::compiled::Compiled;
use super::finding::did_you_mean;
use super::{CatalogDocument, Finding, Severity};
use crate::limits;

mod conditions;
mod dependencies;
mod fallout;
mod kinds;
mod offerings;
mod parsed;
mod reach;
mod realisation;
mod specifications;
mod systems;

/// Everything that is wrong, at once; expressions and patterns are looked at where they are compiled.
pub(super) fn check(document: &CatalogDocument) -> Vec<Finding> {
    let mut findings = Findings::default();
    version(document, &mut findings);
    systems::check(document, &mut findings);
    offerings::check(document, &mut findings);
    specifications::check(document, &mut findings);
    if realisation::check(document, &mut findings) {
        // Only what can be expanded without end is.
        dependencies::check(document, &mut findings);
    }
    findings.all
}

/// What a catalog must not hold to be published, beyond [`check`]; and, as warnings, what is probably a mistake. A document
/// that is wrong otherwise is looked at as far as it goes; what nothing refers to is then not said, as it is misspelt elsewhere.
pub(super) fn review(document: &CatalogDocument, compiled: &Compiled, is_right: bool) -> Vec<Finding> {
    let mut findings = Findings::default();
    let reach = reach::Reach::of(document);
    reach::check(document, &reach, &mut findings);
    conditions::check(document, compiled, &reach, &mut findings);
    fallout::check(document, &mut findings);
    systems::review(document, &mut findings);
    dependencies::review(document, &mut findings);
    if is_right && findings.all.iter().all(|finding| !finding.is_error()) {
        reach::unused(document, &reach, &mut findings);
    }
    findings.all
}

/// The findings so far; `subject` is the entry that is being looked at.
#[derive(Default)]
struct Findings {
    subject: String,
    all: Vec<Finding>,
}

impl Findings {
    fn about(&mut self, kind: &str, name: &str) {
        self.subject = format!("{kind} {name}");
    }

    fn add(&mut self, message: impl Into<String>) {
        self.take(Finding::new(self.subject.clone(), message));
    }

    fn warn(&mut self, message: impl Into<String>) {
        let finding = Finding::new(self.subject.clone(), message);
        self.take(Finding { severity: Severity::Warning, ..finding });
    }

    fn take(&mut self, finding: Finding) {
        // Two products made of one service would say the same of it twice.
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    /// Adds the message unless the condition holds.
    fn require(&mut self, condition: bool, message: impl FnOnce() -> String) {
        if !condition {
            self.add(message());
        }
    }

    /// Adds the message unless the entry that is referred to is there; the message is given which one may be meant instead.
    fn refers<T>(
        &mut self,
        kind: &str,
        name: &str,
        entries: &BTreeMap<String, T>,
        message: impl FnOnce(&str) -> String,
    ) {
        if !entries.contains_key(name) {
            let near = did_you_mean(name, entries.keys().map(String::as_str));
            let absent = Some(format!("{kind} {name}"));
            self.take(Finding { absent, ..Finding::new(self.subject.clone(), message(&near)) });
        }
    }

    /// The entry's key and its own name are one thing; a document made by hand may say two.
    fn named(&mut self, key: &str, name: &str) {
        self.require(key == name, || {
            format!("stands under the key \"{key}\" and calls itself \"{name}\"; make them equal")
        });
        let well_formed =
            !name.is_empty() && name.len() <= limits::TEXT_BYTES_MAX && !name.chars().any(char::is_control);
        self.require(well_formed, || {
            format!("its name must have 1 to {} bytes and no control characters", limits::TEXT_BYTES_MAX)
        });
    }
}

fn version(document: &CatalogDocument, findings: &mut Findings) {
    findings.subject = "version".to_owned();
    let text = &document.version.0;
    let well_formed =
        !text.is_empty() && text.len() <= limits::TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    findings.require(well_formed, || {
        format!("must have 1 to {} bytes and no control characters", limits::TEXT_BYTES_MAX)
    });
    let bytes = serde_json::to_string(document).map_or(usize::MAX, |text| text.len());
    findings.require(bytes <= limits::CATALOG_BYTES_MAX, || {
        format!("the catalog has {bytes} bytes as JSON; there may be {}", limits::CATALOG_BYTES_MAX)
    });
}

/// A path for people: `a → b → a`.
fn joined(path: &[&str]) -> String {
    path.join(" → ")
}

/// The first name that occurs a second time.
fn repeated<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// A path through `edges` that comes back to where it began, first and last the same; `None` where there is none.
fn cycle<'n>(
    nodes: impl Iterator<Item = &'n str>,
    edges: impl Fn(&'n str) -> Vec<&'n str>,
) -> Option<Vec<&'n str>> {
    let mut done = std::collections::BTreeSet::new();
    for start in nodes {
        // (node, its edges not yet followed); the stack is the path.
        let mut path: Vec<(&str, Vec<&str>)> = vec![(start, edges(start))];
        while let Some((_, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                let (finished, _) = path.pop().expect("the loop's head has just seen it");
                done.insert(finished);
                continue;
            };
            if let Some(from) = path.iter().position(|(node, _)| *node == next) {
                return Some(path[from..].iter().map(|(node, _)| *node).chain([next]).collect());
            }
            if !done.contains(next) {
                path.push((next, edges(next)));
            }
        }
    }
    None
}
