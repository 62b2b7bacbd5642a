//! The rule table that files a failure: (system, code, message) to domain, recoverability, owner and action (seed 001, "Classification Pipeline").
//!
//! The most specific rule that matches wins: one that names the code goes before one that does not, then one with a message
//! pattern, then one that names the system. Codes are compared exactly. Of two equally specific rules the earlier one wins;
//! two with the same system, code and pattern are refused when the catalog is loaded.
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{Classification, FailureDomain, Recoverability, Severity};
use crate::limits;
use crate::order::Priority;

/// Stands for every system, and for every code.
pub const ANY: &str = "*";
/// The normalised code of what no rule knows.
pub const UNCLASSIFIED: &str = "UNCLASSIFIED";
/// The recommended action for what no rule knows.
const UNCLASSIFIED_ACTION: &str = "find the cause, then repair and resume";
/// The largest compiled form of one message pattern, in bytes: a pattern that needs more is refused.
const PATTERN_BYTES_MAX: usize = 1_048_576;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FalloutRule {
    /// A system's name, or [`ANY`].
    pub system: String,
    /// The system's own code, or [`ANY`].
    pub code: String,
    /// A regular expression that is searched for in the message, without regard to case; absent: any message.
    pub message_pattern: Option<String>,
    pub normalized_code: String,
    pub domain: FailureDomain,
    pub recoverability: Recoverability,
    /// Absent: the owner group of the task type that failed.
    pub owner_group: Option<String>,
    /// The next recommended action.
    pub action: String,
    #[serde(default)]
    pub customer_impact: bool,
    #[serde(default)]
    pub revenue_impact: bool,
    /// True, and free of internals.
    pub customer_message: Option<String>,
}

/// The table with its patterns compiled, the most specific rules first.
#[derive(Clone, Debug, Default)]
pub struct FalloutRules(Vec<(FalloutRule, Option<Regex>)>);

impl FalloutRules {
    /// # Errors
    /// (index of the rule, what is wrong): patterns that do not compile, and rules that an earlier one makes useless.
    pub fn compile(rules: &[FalloutRule]) -> Result<FalloutRules, Vec<(usize, String)>> {
        let mut compiled = Vec::with_capacity(rules.len());
        let mut wrong = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let same = |other: &&FalloutRule| {
                (&other.system, &other.code, &other.message_pattern)
                    == (&rule.system, &rule.code, &rule.message_pattern)
            };
            if let Some(first) = rules[..index].iter().position(|other| same(&other)) {
                let message = format!(
                    "matches exactly what rule {} matches (system \"{}\", code \"{}\"); keep one of them",
                    first + 1,
                    rule.system,
                    rule.code
                );
                wrong.push((index, message));
            }
            match rule.message_pattern.as_deref().map(pattern).transpose() {
                Ok(regex) => compiled.push((rule.clone(), regex)),
                Err(message) => wrong.push((index, message)),
            }
        }
        // Stable: equally specific rules stay in their order.
        compiled.sort_by_key(|(rule, _)| std::cmp::Reverse(specificity(rule)));
        if wrong.is_empty() { Ok(FalloutRules(compiled)) } else { Err(wrong) }
    }

    /// The most specific rule for a failure.
    pub fn rule(&self, system: &str, code: &str, message: &str) -> Option<&FalloutRule> {
        let matching = |(rule, regex): &&(FalloutRule, Option<Regex>)| {
            (rule.code == ANY || rule.code == code)
                && (rule.system == ANY || rule.system == system)
                && regex.as_ref().is_none_or(|regex| regex.is_match(message))
        };
        self.0.iter().find(matching).map(|(rule, _)| rule)
    }
}

/// # Errors
/// What is wrong with it, for people.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > limits::EXPRESSION_BYTES_MAX {
        return Err(format!("message pattern is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
    }
    RegexBuilder::new(text).case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        let error = error.to_string();
        // The library draws the place over several lines, and says what is wrong in the last.
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("message pattern \"{text}\" is no regular expression: {why}")
    })
}

/// What decides between two rules that match: the greater one is asked first.
pub(crate) fn specificity(rule: &FalloutRule) -> (bool, bool, bool) {
    (rule.code != ANY, rule.message_pattern.is_some(), rule.system != ANY)
}

/// Files a failure. Total: what no rule knows is a repairable failure of the platform, owned by `owner_group_default` (the
/// task type's), so that nothing is ever without an owner.
pub fn classify(
    rules: &FalloutRules,
    system: &str,
    code: &str,
    message: &str,
    owner_group_default: &str,
) -> Classification {
    match rules.rule(system, code, message) {
        Some(rule) => Classification {
            normalized_code: rule.normalized_code.clone(),
            domain: rule.domain,
            recoverability: rule.recoverability,
            owner_group: rule.owner_group.clone().unwrap_or_else(|| owner_group_default.to_owned()),
            action: rule.action.clone(),
            customer_impact: rule.customer_impact,
            revenue_impact: rule.revenue_impact,
            customer_message: rule.customer_message.clone(),
        },
        None => Classification {
            normalized_code: UNCLASSIFIED.to_owned(),
            domain: FailureDomain::Platform,
            recoverability: Recoverability::Repairable,
            owner_group: owner_group_default.to_owned(),
            action: UNCLASSIFIED_ACTION.to_owned(),
            customer_impact: false,
            revenue_impact: false,
            customer_message: None,
        },
    }
}

/// What a severity depends on beside the classification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    pub priority: Priority,
    /// Until the date that the customer was promised; negative where it has passed, absent where none was.
    pub committed_in_ms: Option<i64>,
    /// How often the same blockage came back.
    pub recurrences: u32,
}

/// A promise within this time is in danger.
const COMMITTED_SOON_MS: i64 = 2 * 24 * 60 * 60 * 1_000;
/// Priorities up to this one are urgent.
const URGENT_PRIORITY_MAX: u8 = 1;
const MEDIUM_POINTS_MIN: u32 = 2;
const HIGH_POINTS_MIN: u32 = 4;
const CRITICAL_POINTS_MIN: u32 = 6;

/// Derived and not guessed (seed 001, "5.3 Impact"): points for who is hurt, how hard it is to recover, how urgent the order is,
/// how near its promise, and whether it keeps coming back.
pub fn severity(classification: &Classification, circumstances: Circumstances) -> Severity {
    let recovery = match classification.recoverability {
        Recoverability::Transient => 0,
        Recoverability::Repairable | Recoverability::Compensatable | Recoverability::PolicyException => 1,
        // What is not known may already have happened twice; what is final has to be told.
        Recoverability::UnknownOutcome | Recoverability::Terminal => 2,
    };
    let promise = match circumstances.committed_in_ms {
        Some(ms) if ms < 0 => 2,
        Some(ms) if ms < COMMITTED_SOON_MS => 1,
        Some(_) | None => 0,
    };
    let points = recovery
        + promise
        + 2 * u32::from(classification.customer_impact)
        + u32::from(classification.revenue_impact)
        + u32::from(circumstances.priority.level() <= URGENT_PRIORITY_MAX)
        + u32::from(circumstances.recurrences > 0);
    match points {
        CRITICAL_POINTS_MIN.. => Severity::Critical,
        HIGH_POINTS_MIN.. => Severity::High,
        MEDIUM_POINTS_MIN.. => Severity::Medium,
        0.. => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(system: &str, code: &str, pattern: Option<&str>, normalized: &str) -> FalloutRule {
        FalloutRule {
            system: system.into(),
            code: code.into(),
            message_pattern: pattern.map(str::to_owned),
            normalized_code: normalized.into(),
            domain: FailureDomain::Billing,
            recoverability: Recoverability::Repairable,
            owner_group: None,
            action: "repair".into(),
            customer_impact: false,
            revenue_impact: false,
            customer_message: None,
        }
    }

    #[test]
    fn the_most_specific_rule_wins_wherever_it_stands() {
        let rules = FalloutRules::compile(&[
            rule(ANY, ANY, None, "anything"),
            rule("billing", ANY, None, "billing"),
            rule(ANY, ANY, Some("timed? ?out"), "message"),
            rule(ANY, "500", None, "code"),
            rule("partner", "500", None, "code of system"),
            rule(ANY, "500", Some("quota"), "code and message"),
        ])
        .unwrap();
        let check = |system: &str, code: &str, message: &str, expected: &str| {
            let filed = classify(&rules, system, code, message, "owners");
            assert_eq!((filed.normalized_code.as_str(), filed.owner_group.as_str()), (expected, "owners"));
        };
        check("warehouse", "X", "", "anything");
        check("billing", "X", "", "billing");
        check("billing", "X", "it TIMED OUT", "message");
        check("billing", "500", "it timed out", "code");
        check("partner", "500", "", "code of system");
        check("partner", "500", "over quota", "code and message");
    }

    #[test]
    fn what_no_rule_knows_has_an_owner_all_the_same() {
        let filed = classify(&FalloutRules::default(), "billing", "X", "?", "billing-ops");
        assert_eq!(filed.normalized_code, UNCLASSIFIED);
        assert_eq!(filed.owner_group, "billing-ops");
        assert_eq!(
            (filed.domain, filed.recoverability),
            (FailureDomain::Platform, Recoverability::Repairable)
        );
    }

    #[test]
    fn a_rule_twice_and_a_broken_pattern_are_both_found() {
        let rules = [rule("a", "1", None, "x"), rule("b", "1", Some("("), "y"), rule("a", "1", None, "z")];
        let wrong = FalloutRules::compile(&rules).unwrap_err();
        assert_eq!(wrong.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
        assert!(wrong[0].1.contains("no regular expression") && wrong[1].1.contains("rule 1"), "{wrong:?}");
    }

    #[test]
    fn severity_grows_with_impact_urgency_and_promise() {
        let filed = |impact: bool, recoverability| Classification {
            customer_impact: impact,
            revenue_impact: impact,
            recoverability,
            ..classify(&FalloutRules::default(), "", "", "", "")
        };
        let calm = Circumstances::default();
        let urgent = Circumstances { priority: Priority::HIGHEST, committed_in_ms: Some(1), recurrences: 0 };
        assert_eq!(severity(&filed(false, Recoverability::Transient), calm), Severity::Low);
        assert_eq!(severity(&filed(false, Recoverability::UnknownOutcome), calm), Severity::Medium);
        assert_eq!(severity(&filed(true, Recoverability::Repairable), calm), Severity::High);
        assert_eq!(severity(&filed(true, Recoverability::UnknownOutcome), urgent), Severity::Critical);
    }
}
