//! Fallout rules that no failure ever reaches, because another one takes everything first.
use std::cmp::Reverse;

use regex::Regex;

use super::Findings;
use crate::catalog::CatalogDocument;
use crate::fallout::rules::{ANY, FalloutRule, pattern, specificity};

/// Messages that have nothing in common: a pattern that is found in all of them is found in any.
const PROBES: &[&str] = &["", "x", "  %\u{1f600}\n0"];

/// In the sequence in which rules are asked, those before it that match all that it matches.
pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) {
    let mut sorted: Vec<(usize, &FalloutRule, Option<Regex>)> = Vec::new();
    for (index, rule) in document.fallout_rules.iter().enumerate() {
        // One that is no regular expression has been said already.
        let Ok(regex) = rule.message_pattern.as_deref().map(pattern).transpose() else { continue };
        if regex.as_ref().is_some_and(|regex| PROBES.iter().all(|probe| regex.is_match(probe))) {
            findings.subject = subject(index);
            findings.add("messagePattern matches every message; leave it out");
            continue;
        }
        sorted.push((index, rule, regex));
    }
    sorted.sort_by_key(|(_, rule, _)| Reverse(specificity(rule)));
    for (place, (index, rule, _)) in sorted.iter().enumerate() {
        let taken = sorted[..place].iter().find(|(_, earlier, regex)| takes(earlier, regex.as_ref(), rule));
        // Two that say the same were found where the table is compiled.
        let Some((first, earlier, _)) = taken.filter(|(_, earlier, _)| !is_same(earlier, rule)) else {
            continue;
        };
        findings.subject = subject(*index);
        findings.add(format!(
            "is never reached: rule {} (system \"{}\", code \"{}\"{}) takes everything that it matches; put it before that one",
            first + 1,
            earlier.system,
            earlier.code,
            earlier.message_pattern.as_ref().map(|text| format!(", messagePattern \"{text}\"")).unwrap_or_default()
        ));
    }
}

fn subject(index: usize) -> String {
    format!("falloutRule {}", index + 1)
}

fn is_same(one: &FalloutRule, other: &FalloutRule) -> bool {
    (&one.system, &one.code, &one.message_pattern) == (&other.system, &other.code, &other.message_pattern)
}

/// Whether `earlier` matches whatever `rule` does. Of patterns this is known where one is plain text that the other is found in:
/// then every message that has the one has the other.
fn takes(earlier: &FalloutRule, regex: Option<&Regex>, rule: &FalloutRule) -> bool {
    let system = earlier.system == ANY || earlier.system == rule.system;
    let code = earlier.code == ANY || earlier.code == rule.code;
    let message = match (regex, rule.message_pattern.as_deref()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(regex), Some(text)) => is_plain(text) && regex.is_match(text) && !is_anchored(regex.as_str()),
    };
    system && code && message
}

fn is_plain(pattern: &str) -> bool {
    regex::escape(pattern) == pattern
}

/// A pattern that looks at what is around what it finds: being found in a piece says nothing of the whole.
fn is_anchored(pattern: &str) -> bool {
    pattern.contains(['^', '$', '\\'])
}
