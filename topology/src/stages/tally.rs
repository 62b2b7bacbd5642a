//! Amounts: plain numbers by what is counted, until their batch is committed.
use domain::Timestamp;
use domain::command::FeedbackKind;
use domain::fallout::FailureDomain;
use domain::order::OrderState;
use domain::states::Machine;

use crate::graph::Processor;

/// Every kind of answer, by the name that it has in records.
#[rustfmt::skip]
pub(super) const OUTCOMES: [(FeedbackKind, &str); 10] = [
    (FeedbackKind::Accepted, "accepted"), (FeedbackKind::InProgress, "inProgress"), (FeedbackKind::Completed, "completed"),
    (FeedbackKind::Failed, "failed"), (FeedbackKind::PartialActivation, "partialActivation"),
    (FeedbackKind::NotKnown, "notKnown"), (FeedbackKind::Suspended, "suspended"), (FeedbackKind::Resumed, "resumed"),
    (FeedbackKind::Terminated, "terminated"), (FeedbackKind::Unknown, "unknown"),
];

/// Every class of a fallout case, by the name that it has in records.
#[rustfmt::skip]
pub(super) const CLASSES: [(FailureDomain, &str); 11] = [
    (FailureDomain::Data, "data"), (FailureDomain::Configuration, "configuration"), (FailureDomain::Catalog, "catalog"),
    (FailureDomain::Pricing, "pricing"), (FailureDomain::Eligibility, "eligibility"),
    (FailureDomain::Inventory, "inventory"), (FailureDomain::Provisioning, "provisioning"),
    (FailureDomain::Billing, "billing"), (FailureDomain::Partner, "partner"), (FailureDomain::ManualOps, "manualOps"),
    (FailureDomain::Platform, "platform"),
];

/// What is counted; of a stage and a system, its place in the line's lists.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Input(usize),
    Output(usize),
    Reached(OrderState),
    Case(FailureDomain),
    Stuck,
    Sent(usize),
    Answered(usize, FeedbackKind),
}

/// Amounts that are not told to the metrics yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) input: [u64; Processor::ALL.len()],
    pub(super) output: [u64; Processor::ALL.len()],
    pub(super) reached: [u64; OrderState::ALL.len()],
    pub(super) cases: [u64; CLASSES.len()],
    pub(super) stuck: u64,
    /// By system: sent, then answers in the sequence of [`OUTCOMES`].
    pub(super) systems: Vec<(u64, [u64; OUTCOMES.len()])>,
    /// When the last of it was processed.
    pub(super) at: Timestamp,
}

fn place<T: PartialEq + Copy>(all: impl IntoIterator<Item = T>, one: T) -> usize {
    let found = all.into_iter().position(|other| other == one);
    found.unwrap_or_else(|| unreachable!("a test compares these lists with the enums"))
}

impl Tally {
    pub(super) fn add(&mut self, counted: Counted) {
        match counted {
            Counted::Input(stage) => self.input[stage] += 1,
            Counted::Output(stage) => self.output[stage] += 1,
            Counted::Reached(state) => self.reached[place(OrderState::ALL.iter().copied(), state)] += 1,
            Counted::Case(class) => self.cases[place(CLASSES.map(|(class, _)| class), class)] += 1,
            Counted::Stuck => self.stuck += 1,
            Counted::Sent(system) => self.system(system).0 += 1,
            Counted::Answered(system, kind) => {
                self.system(system).1[place(OUTCOMES.map(|(kind, _)| kind), kind)] += 1;
            }
        }
    }

    fn system(&mut self, index: usize) -> &mut (u64, [u64; OUTCOMES.len()]) {
        if self.systems.len() <= index {
            self.systems.resize(index + 1, Default::default());
        }
        &mut self.systems[index]
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        let sum = |ours: &mut [u64], theirs: &[u64]| ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        sum(&mut self.input, &other.input);
        sum(&mut self.output, &other.output);
        sum(&mut self.reached, &other.reached);
        sum(&mut self.cases, &other.cases);
        self.stuck += other.stuck;
        for (index, (sent, answered)) in other.systems.iter().enumerate() {
            let ours = self.system(index);
            ours.0 += sent;
            sum(&mut ours.1, answered);
        }
        self.at = self.at.max(other.at);
    }

    pub(super) fn clear(&mut self) {
        let mut systems = std::mem::take(&mut self.systems);
        systems.clear();
        *self = Tally { systems, ..Tally::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::word;
    use super::*;

    #[test]
    fn the_lists_hold_every_kind_under_the_name_that_it_has_in_records() {
        for (kind, name) in OUTCOMES {
            let expected = if kind == FeedbackKind::Unknown { "UNKNOWN".to_owned() } else { name.to_owned() };
            assert_eq!(word(&kind), expected);
        }
        CLASSES.iter().for_each(|(class, name)| assert_eq!(word(class), *name));
        assert_eq!(word(&OrderState::InProgress), "inProgress");
    }

    #[test]
    fn every_symbol_of_the_contracts_is_in_the_lists() {
        let symbols = |source: &str, name: &str| -> Vec<String> {
            let at = source.find(&format!("\"name\": \"{name}\"")).unwrap();
            let list = source[at..].split_once("\"symbols\": [").unwrap().1.split_once(']').unwrap().0;
            list.split(',').map(|symbol| symbol.trim().trim_matches('"').to_owned()).collect()
        };
        for symbol in symbols(include_str!("../../../schemas/avro/Feedback.avsc"), "FeedbackKind") {
            assert!(OUTCOMES.iter().any(|(_, name)| name.eq_ignore_ascii_case(&symbol)), "{symbol}");
        }
        for symbol in symbols(include_str!("../../../schemas/avro/FalloutDetected.avsc"), "FailureDomain") {
            assert!(symbol == "UNKNOWN" || CLASSES.iter().any(|(_, name)| *name == symbol), "{symbol}");
        }
    }
}
