//! What is planted: which kind of fault, in which command of which kind of order, and how the order then ends.
use rand::Rng;

use super::oracle::Outcome;
use super::shape::{Shape, Stop};
use super::shapes;
use crate::downstream::fault::{Fault, NOT_SERVICEABLE_CODE, Planted, TRANSIENT_CODE};
use crate::downstream::scenario::FEASIBILITY;
use domain::ReasonCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    TransientThenOk,
    SilentButDone,
    Lost,
    DuplicateAnswers,
    LateDuplicate,
    OutOfOrder,
    PartialThenDone,
    AlreadyDone,
    /// Passing failures until no try is left.
    RetriesExhausted,
    /// Failed for good, and the order can do without it.
    TerminalOptional,
    TerminalMandatory,
    /// A failure that a person can repair.
    Repairable,
    /// Manual work that is accepted and then forgotten; nothing watches it but the scan for stuck orders.
    StuckManual,
    Infeasible,
}

use FaultKind::*;

/// How often each kind is drawn, in parts of a hundred. Those that keep an order from completing are a quarter: at a fault rate of a
/// fifth, nine orders of ten still complete.
pub const WEIGHTS: [(FaultKind, u32); 14] = [
    (TransientThenOk, 15),
    (SilentButDone, 9),
    (Lost, 9),
    (DuplicateAnswers, 10),
    (LateDuplicate, 8),
    (OutOfOrder, 10),
    (PartialThenDone, 7),
    (AlreadyDone, 7),
    (RetriesExhausted, 4),
    (TerminalOptional, 4),
    (TerminalMandatory, 5),
    (Repairable, 5),
    (StuckManual, 4),
    (Infeasible, 3),
];
const _: () = {
    let (mut sum, mut at) = (0, 0);
    while at < WEIGHTS.len() {
        sum += WEIGHTS[at].1;
        at += 1;
    }
    assert!(sum == 100, "the weights are parts of a hundred");
};

/// How long after its completion a late duplicate comes.
const LATE_MS: i64 = 200;
/// Passing failures before success: fewer than any shipped task type's `attempts_max`.
const TRANSIENT_TIMES: u32 = 1;

/// A fault planted in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedFault {
    pub kind: FaultKind,
    /// A position in [`shapes::ALL`].
    pub(super) shape: usize,
    pub command: &'static str,
}

impl PlantedFault {
    /// By the weights, among the places where such a fault can be; `None` where there is none among these kinds of orders.
    pub(super) fn draw(rng: &mut impl Rng, shapes: &[usize]) -> Option<PlantedFault> {
        let mut point = rng.random_range(0..100);
        let (kind, _) = WEIGHTS
            .into_iter()
            .find(|(_, weight)| {
                let hit = point < *weight;
                point = point.saturating_sub(*weight);
                hit
            })
            .unwrap_or(WEIGHTS[0]);
        let places = places(kind, shapes);
        let (shape, command) = *places.get(rng.random_range(0..places.len().max(1)))?;
        Some(PlantedFault { kind, shape, command })
    }

    /// What the simulated downstream has to be told.
    pub fn planted(&self) -> Planted {
        let fails = |code: &str, message: &str, retryable: Option<bool>, times: Option<u32>| Fault::Fails {
            code: code.to_owned(),
            message: message.to_owned(),
            retryable,
            times,
        };
        let fault = match self.kind {
            TransientThenOk => {
                fails(TRANSIENT_CODE, "too many requests at this moment", Some(true), Some(TRANSIENT_TIMES))
            }
            SilentButDone => Fault::SilentButDone,
            Lost => Fault::Lost { times: 1 },
            DuplicateAnswers => Fault::DuplicateAnswers,
            LateDuplicate => Fault::LateDuplicate { after_ms: LATE_MS },
            OutOfOrder => Fault::OutOfOrder,
            PartialThenDone => Fault::PartialThenDone,
            AlreadyDone => Fault::AlreadyDone { code: TRANSIENT_CODE.to_owned() },
            RetriesExhausted => fails(TRANSIENT_CODE, "too many requests at this moment", Some(true), None),
            TerminalOptional | TerminalMandatory => {
                let (code, message) = shapes::terminal_failure(self.command).expect("`fits` asked for one");
                fails(code, message, Some(false), None)
            }
            Repairable => {
                let (code, message) = shapes::repairable_failure(self.command).expect("`fits` asked for one");
                fails(code, message, Some(false), None)
            }
            StuckManual => Fault::AcceptedThenSilent,
            Infeasible => fails(NOT_SERVICEABLE_CODE, "no line reaches this address", Some(false), None),
        };
        Planted { command: self.command.to_owned(), fault }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.kind {
            TransientThenOk | SilentButDone | Lost | DuplicateAnswers | LateDuplicate | OutOfOrder
            | PartialThenDone | AlreadyDone => Outcome::Completed,
            RetriesExhausted | Repairable => Outcome::Blocked,
            TerminalOptional => Outcome::PartiallyCompleted,
            TerminalMandatory => Outcome::Failed,
            StuckManual => Outcome::Stuck,
            Infeasible => Outcome::Rejected { codes: [ReasonCode::NotFeasible].into() },
        }
    }

    pub(super) fn stop(&self) -> Option<(&'static str, Stop)> {
        match self.kind {
            TransientThenOk | SilentButDone | Lost | DuplicateAnswers | LateDuplicate | OutOfOrder
            | PartialThenDone | AlreadyDone | Infeasible => None,
            RetriesExhausted | Repairable | StuckManual => Some((self.command, Stop::Waits)),
            TerminalOptional | TerminalMandatory => Some((self.command, Stop::GivenUp)),
        }
    }
}

/// Every (shape, command) in which a fault of this kind can be planted.
fn places(kind: FaultKind, among: &[usize]) -> Vec<(usize, &'static str)> {
    let mut places: Vec<(usize, &'static str)> = Vec::new();
    for (at, shape) in among.iter().map(|at| (*at, &shapes::ALL[*at])) {
        if kind == Infeasible {
            places.extend(shape.feasibility_asked.then_some((at, FEASIBILITY)));
            continue;
        }
        for step in shape.steps.iter().filter(|step| fits(kind, shape, step.command)) {
            if !places.contains(&(at, step.command)) {
                places.push((at, step.command));
            }
        }
    }
    places
}

/// Every failure that can be planted among these kinds of orders: its kind, the command, code and message.
pub fn failures(among: &[usize]) -> Vec<(FaultKind, &'static str, String, String)> {
    let of_kind = |(kind, _): (FaultKind, u32)| {
        places(kind, among).into_iter().filter_map(move |(shape, command)| {
            match (PlantedFault { kind, shape, command }).planted().fault {
                Fault::Fails { code, message, .. } => Some((kind, command, code, message)),
                Fault::AlreadyDone { code } => Some((kind, command, code, String::new())),
                Fault::SilentButDone
                | Fault::Lost { .. }
                | Fault::AcceptedThenSilent
                | Fault::DuplicateAnswers
                | Fault::OutOfOrder
                | Fault::LateDuplicate { .. }
                | Fault::PartialThenDone
                | Fault::SuspendedLater { .. }
                | Fault::TerminatedLater { .. } => None,
            }
        })
    };
    WEIGHTS.into_iter().flat_map(of_kind).collect()
}

fn fits(kind: FaultKind, shape: &Shape, command: &'static str) -> bool {
    let terminal = shapes::terminal_failure(command).is_some();
    match kind {
        TransientThenOk | DuplicateAnswers | LateDuplicate | OutOfOrder | PartialThenDone | AlreadyDone
        | RetriesExhausted => true,
        SilentButDone | Lost => shapes::is_watched(command),
        StuckManual => shapes::is_manual(command),
        TerminalOptional => terminal && !shape.is_mandatory(command),
        TerminalMandatory => terminal && shape.is_mandatory(command),
        Repairable => shapes::repairable_failure(command).is_some(),
        Infeasible => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_place_and_ends_as_its_work_says() {
        for (kind, _) in WEIGHTS {
            let places = places(kind, &shapes::positions(None));
            assert!(!places.is_empty(), "{kind:?}");
            for (shape, command) in places {
                let fault = PlantedFault { kind, shape, command };
                assert_eq!(fault.planted().command, command);
                let survives = fault.outcome() == Outcome::Completed;
                assert_eq!(survives, fault.stop().is_none() && kind != Infeasible, "{fault:?}");
            }
        }
    }
}
