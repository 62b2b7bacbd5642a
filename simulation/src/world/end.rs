//! The end of a run: whether all is at rest, and as the oracle said.

use connectors::upstream::ActualOrder;

use super::World;
use crate::audit::{Invariant, Violation};

impl World<'_> {
    /// Nothing can be done now. Over, if faults are over and every order is what the oracle says.
    pub(super) fn is_at_rest(&mut self) -> Result<bool, Violation> {
        if !self.is_healed || self.outside.next_ms().is_some() {
            return Ok(false);
        }
        if !self.differences()?.is_empty() {
            // Timers may still bring it about; the bound on steps ends it.
            return Ok(false);
        }
        Ok(true)
    }

    /// What is not as the oracle says.
    fn differences(&self) -> Result<Vec<String>, Violation> {
        let ledger = self.outside.downstream.ledger();
        let unreadable = |error: connectors::downstream::ledger::Error| Violation {
            invariant: Invariant::OneEffectPerTask,
            what: error.to_string(),
        };
        let audit = ledger.audit().map_err(unreadable)?;
        if let Some(finding) = audit.findings.first() {
            return Violation::of(Invariant::OneEffectPerTask, finding.to_string());
        }
        let effects = ledger.effects_by_order().map_err(unreadable)?;
        let oracle = self.plan.generator.oracle();
        let mut differences = Vec::new();
        let mut found = std::collections::BTreeSet::new();
        for order in self.auditor.story.orders() {
            found.insert(order.key.clone());
            let effects = effects.get(&order.key).cloned().unwrap_or_default();
            differences.extend(oracle.judge(&ActualOrder { effects, ..order }).err());
        }
        let missing = oracle.missing(&found).into_iter();
        differences.extend(missing.map(|key| format!("order \"{key}\" was sent, and is not there")));
        let (dead_letters, expected) = (self.auditor.story.dead_letters, oracle.totals().dead_letters);
        if dead_letters != expected {
            differences.push(format!("{dead_letters} dead letters, expected are {expected}"));
        }
        Ok(differences)
    }

    /// The steps are used up, or nothing will ever happen again.
    pub(super) fn no_progress<T>(&mut self) -> Result<T, Violation> {
        let differences = self.differences()?;
        if differences.is_empty() {
            return Violation::of(
                Invariant::Progress,
                "everything is as it should be, and never comes to rest",
            );
        }
        Violation::of(Invariant::EndsAsTheOracleSays, differences.join("; "))
    }
}
