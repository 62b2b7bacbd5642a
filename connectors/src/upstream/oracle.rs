//! What must come of every generated order, and how to tell whether it did.
use std::collections::{BTreeMap, BTreeSet};

use domain::order::OrderState;
use domain::{OrderKey, ReasonCode};

use super::shape::{Bounds, Work};

/// How an order ends, or where it has to stand when nothing moves any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Completed,
    /// With exactly these codes, each however often.
    Rejected {
        codes: BTreeSet<ReasonCode>,
    },
    PartiallyCompleted,
    Failed,
    /// In progress, with an open case that a person can repair.
    Blocked,
    /// In progress, and found stuck.
    Stuck,
}

impl Outcome {
    /// A name for counting, without the codes.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Rejected { .. } => "rejected",
            Outcome::PartiallyCompleted => "partiallyCompleted",
            Outcome::Failed => "failed",
            Outcome::Blocked => "blocked",
            Outcome::Stuck => "stuck",
        }
    }

    fn state(&self) -> OrderState {
        match self {
            Outcome::Completed => OrderState::Completed,
            Outcome::Rejected { .. } => OrderState::Rejected,
            Outcome::PartiallyCompleted => OrderState::PartiallyCompleted,
            Outcome::Failed => OrderState::Failed,
            Outcome::Blocked | Outcome::Stuck => OrderState::InProgress,
        }
    }
}

/// The effects that an order must have had, by command name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedEffects {
    /// Follows from what was ordered and what was planted.
    Worked(Work),
    /// Stated by whoever gave the document.
    Stated(BTreeMap<String, u32>),
    /// Nothing is known of them.
    Unjudged,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedOrder {
    /// What is special about it, in a few words: `businessFiber, activateFiber silentButDone`.
    pub story: String,
    pub outcome: Outcome,
    pub effects: ExpectedEffects,
    /// How many requests under its key must have been refused as revisions.
    pub revisions_refused: u32,
}

impl ExpectedOrder {
    /// Least and most effects per command name; `None`: not judged.
    pub fn effects(&self) -> Option<BTreeMap<String, Bounds>> {
        match &self.effects {
            ExpectedEffects::Worked(work) => Some(work.effects()),
            ExpectedEffects::Stated(effects) => {
                let exact =
                    |(name, count): (&String, &u32)| (name.clone(), Bounds { least: *count, most: *count });
                Some(effects.iter().map(exact).collect())
            }
            ExpectedEffects::Unjudged => None,
        }
    }
}

/// What became of an order, as the query side and the ledger tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActualOrder {
    pub key: OrderKey,
    pub state: OrderState,
    /// Whether it is marked as stuck.
    pub stuck: bool,
    pub open_cases: u32,
    /// Of its last rejection.
    pub rejection_codes: BTreeSet<ReasonCode>,
    pub revisions_refused: u32,
    /// By command name: how many effects the downstream's ledger has.
    pub effects: BTreeMap<String, u32>,
}

/// How many of what were generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub orders: u64,
    /// By [`Outcome::name`].
    pub outcomes: BTreeMap<&'static str, u64>,
    /// By command name. Orders whose effects are not judged are left out.
    pub effects: BTreeMap<String, Bounds>,
    pub revisions_refused: u64,
    /// Requests that are no order and have to lie among the dead letters.
    pub dead_letters: u64,
}

/// What must come of all orders, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oracle {
    pub(super) orders: BTreeMap<OrderKey, ExpectedOrder>,
    pub(super) dead_letters: u64,
}

impl Oracle {
    pub fn expected(&self, key: &OrderKey) -> Option<&ExpectedOrder> {
        self.orders.get(key)
    }

    pub fn orders(&self) -> impl Iterator<Item = (&OrderKey, &ExpectedOrder)> {
        self.orders.iter()
    }

    /// Exactly the orders that must be found stuck, sorted.
    pub fn stuck(&self) -> Vec<&OrderKey> {
        let stuck = self.orders.iter().filter(|(_, expected)| expected.outcome == Outcome::Stuck);
        stuck.map(|(key, _)| key).collect()
    }

    /// Errors: what is wrong with it, everything at once, in one line that names the order and its story.
    pub fn judge(&self, actual: &ActualOrder) -> Result<(), String> {
        let Some(expected) = self.orders.get(&actual.key) else {
            return Err(format!("order \"{}\" is there, and was never sent", actual.key));
        };
        let mut wrong = Vec::new();
        let mut compare =
            |what: &str, expected: &dyn std::fmt::Debug, actual: &dyn std::fmt::Debug, equal: bool| {
                if !equal {
                    wrong.push(format!("{what}: expected {expected:?}, found {actual:?}"));
                }
            };
        let outcome = &expected.outcome;
        compare("state", &outcome.state(), &actual.state, outcome.state() == actual.state);
        let stuck = *outcome == Outcome::Stuck;
        compare("stuck", &stuck, &actual.stuck, stuck == actual.stuck);
        match outcome {
            Outcome::Completed => compare("open cases", &0, &actual.open_cases, actual.open_cases == 0),
            Outcome::Blocked | Outcome::Stuck => {
                compare("open cases", &"some", &actual.open_cases, actual.open_cases > 0)
            }
            Outcome::Rejected { codes } => {
                compare("reasons", codes, &actual.rejection_codes, *codes == actual.rejection_codes);
            }
            Outcome::PartiallyCompleted | Outcome::Failed => {}
        }
        let (refused, found) = (expected.revisions_refused, actual.revisions_refused);
        compare("revisions refused", &refused, &found, refused == found);
        for (name, bounds) in expected.effects().unwrap_or_default() {
            let found = actual.effects.get(&name).copied().unwrap_or_default();
            compare(&format!("effects of \"{name}\""), &bounds, &found, bounds.admit(found));
        }
        if let Some(all) = expected.effects() {
            for (name, count) in
                actual.effects.iter().filter(|(name, count)| **count > 0 && !all.contains_key(*name))
            {
                compare(&format!("effects of \"{name}\""), &0, count, false);
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("order \"{}\" ({}): {}", actual.key, expected.story, wrong.join("; ")))
    }

    /// The orders that were sent and are not among these, sorted: none must be missing.
    pub fn missing<'a>(&'a self, found: &BTreeSet<OrderKey>) -> Vec<&'a OrderKey> {
        self.orders.keys().filter(|key| !found.contains(*key)).collect()
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals { dead_letters: self.dead_letters, ..Totals::default() };
        for expected in self.orders.values() {
            totals.orders += 1;
            *totals.outcomes.entry(expected.outcome.name()).or_default() += 1;
            totals.revisions_refused += u64::from(expected.revisions_refused);
            for (name, bounds) in expected.effects().unwrap_or_default() {
                let sum = totals.effects.entry(name).or_default();
                sum.least += bounds.least;
                sum.most += bounds.most;
            }
        }
        totals
    }
}
