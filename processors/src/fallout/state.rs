//! What fallout keeps of an order: who it is, what blocks it now, and what blocked it before.
//!
//! Three kinds of cells: [`HEAD`], `case/<case id>` for each open case, `subject/<task id or stage>` for whatever was blocked
//! once. A resolved case leaves the state; it stays searchable in the order's events.
use domain::fallout::FalloutCase;
use domain::order::Priority;
use domain::{CaseId, CatalogVersion, Timestamp};
use serde::{Deserialize, Serialize};

pub const HEAD: &str = "head";
pub const CASE_PREFIX: &str = "case/";
pub const SUBJECT_PREFIX: &str = "subject/";

/// One part of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Head(Head),
    Case(Box<FalloutCase>),
    Subject(Subject),
}

/// What the severity and the classification of every case of the order depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Absent before the order is validated; the newest version's rules are taken then.
    pub catalog_version: Option<CatalogVersion>,
    pub priority: Priority,
    /// The date that the customer was promised.
    pub customer_committed: Option<Timestamp>,
    /// How many subjects there are.
    pub subjects: u32,
    /// How many cases are open.
    pub open: u32,
    /// The submission that it began with; a refusal of that one ends it. 0: it began with a case, or was kept by an earlier version.
    #[serde(default)]
    pub submission: u32,
    /// Whether it failed, all of it or a part: what is left of it is for a person, and its silence is no matter.
    #[serde(default)]
    pub failed: bool,
}

/// A task or a stage of the order that was blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub open: Option<CaseId>,
    /// The newest case of it, open or not: the same blockage told twice is one case.
    pub newest: Option<CaseId>,
    /// How many cases of it were resolved.
    pub resolved: u32,
}

pub fn case_cell(case: CaseId) -> String {
    format!("{CASE_PREFIX}{case}")
}

pub fn subject_cell(subject: &str) -> String {
    format!("{SUBJECT_PREFIX}{subject}")
}
