//! What may go wrong with a command, by plan or by chance, and when a whole system is away.
use domain::Timestamp;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What goes wrong with one command. Without one it is done and answered as the behaviour says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// Answered with a failure and not done, the first `times` sendings; for ever where absent.
    Fails { code: String, message: String, retryable: Option<bool>, times: Option<u32> },
    /// Done, and nobody is told; a query says the truth.
    SilentButDone,
    /// Never arrived, the first `times` sendings: no effect, no answer, and a query knows nothing of it.
    Lost { times: u32 },
    /// Accepted, and then nothing, for ever, and no effect either: work that lies on somebody's desk.
    AcceptedThenSilent,
    /// Every answer comes twice under the same id.
    DuplicateAnswers,
    /// The completion comes before the acceptance and the progress.
    OutOfOrder,
    /// The completion is told once more, `after_ms` later, under an id of its own.
    LateDuplicate { after_ms: i64 },
    /// Half of it is reported first.
    PartialThenDone,
    /// Done, but answered with this failure; the next sending is answered `DUPLICATE_REQUEST`.
    AlreadyDone { code: String },
    /// Done as usual; later, unasked, the service is suspended and, where given, resumed.
    SuspendedLater { after_ms: i64, resumed_after_ms: Option<i64> },
    /// Done as usual; later, unasked, the service is taken away.
    TerminatedLater { after_ms: i64 },
}

/// A fault planted for one command of one order; it is exempt from noise and outages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// The command's name; [`super::scenario::FEASIBILITY`] for the question whether the order can be delivered.
    pub command: String,
    pub fault: Fault,
}

/// Faults by chance: the share of commands, each from 0 to 1, that meet each. All of them are of a kind that an order survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Fails once with a passing failure.
    pub transient: f64,
    pub silent_but_done: f64,
    pub lost: f64,
    pub duplicate_answers: f64,
    pub out_of_order: f64,
    pub late_duplicate: f64,
    pub partial: f64,
}

/// The code of a passing failure: the one command had bad luck, the system is well.
pub const TRANSIENT_CODE: &str = "429";
/// The code of every refusal in an outage.
pub const OUTAGE_CODE: &str = "SERVICE_UNAVAILABLE";
/// The code of a repeated command that was done before (seed 001, "Classification Pipeline").
pub const DUPLICATE_CODE: &str = "DUPLICATE_REQUEST";
/// The code of a command that came under an id in use, with other content.
pub const CONFLICT_CODE: &str = "IDEMPOTENCY_CONFLICT";
/// The code of a negative answer to a feasibility check.
pub const NOT_SERVICEABLE_CODE: &str = "NOT_SERVICEABLE";
/// How much later a late duplicate by chance comes.
const LATE_MS: i64 = 250;

/// Name, rate, and what it does.
type Rate = (&'static str, f64, fn() -> Fault);

/// Passing bad luck.
fn transient_once() -> Fault {
    Fault::Fails {
        code: TRANSIENT_CODE.to_owned(),
        message: "too many requests at this moment".to_owned(),
        retryable: Some(true),
        times: Some(1),
    }
}

impl Noise {
    fn rates(self) -> [Rate; 7] {
        [
            ("transient", self.transient, transient_once),
            ("silent_but_done", self.silent_but_done, || Fault::SilentButDone),
            ("lost", self.lost, || Fault::Lost { times: 1 }),
            ("duplicate_answers", self.duplicate_answers, || Fault::DuplicateAnswers),
            ("out_of_order", self.out_of_order, || Fault::OutOfOrder),
            ("late_duplicate", self.late_duplicate, || Fault::LateDuplicate { after_ms: LATE_MS }),
            ("partial", self.partial, || Fault::PartialThenDone),
        ]
    }

    /// The fault that chance has for one command, or none.
    pub fn draw(self, rng: &mut impl Rng) -> Option<Fault> {
        let mut point: f64 = rng.random();
        let hit = self.rates().into_iter().find(|(_, rate, _)| {
            let within = point < *rate;
            point -= rate;
            within
        });
        hit.map(|(_, _, fault)| fault())
    }

    pub fn findings(self) -> Vec<String> {
        let outside = self.rates().into_iter().filter(|(_, rate, _)| !(0.0..=1.0).contains(rate));
        let mut findings: Vec<String> = outside
            .map(|(name, rate, _)| format!("noise: {name} is {rate}, and must lie within 0 and 1"))
            .collect();
        let sum: f64 = self.rates().iter().map(|(_, rate, _)| rate).sum();
        if findings.is_empty() && sum > 1.0 {
            findings.push(format!("noise: the rates add up to {sum}, and must not exceed 1"));
        }
        findings
    }
}

/// When an outage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase", deny_unknown_fields)]
pub enum Window {
    /// From `after_ms` after the first command that any system received, for `for_ms`.
    Time { after_ms: i64, for_ms: i64 },
    /// After so many commands to the system, for so many.
    Count { after_commands: u64, commands: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutageAnswer {
    /// Answers `SERVICE_UNAVAILABLE`, at once.
    Refuses,
    /// Answers nothing, and nothing arrives.
    Silent,
}

/// A time in which a system does nothing. Queries and feasibility checks then are not answered at all: a refusal of the question
/// must not be taken for an answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    pub system: String,
    pub window: Window,
    pub answer: OutageAnswer,
    /// No command is turned away more often than this; so an order with that many retries is certain to survive. Absent: no limit.
    pub refusals_per_command_max: Option<u32>,
}

impl Outage {
    /// `commands` counts the ones that the system received before this one.
    pub fn holds(&self, started_at: Timestamp, now: Timestamp, commands: u64) -> bool {
        match self.window {
            Window::Time { after_ms, for_ms } => {
                let from = started_at.plus_ms(after_ms);
                (from..from.plus_ms(for_ms)).contains(&now)
            }
            Window::Count { after_commands, commands: refused } => {
                (after_commands..after_commands.saturating_add(refused)).contains(&commands)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn chance_keeps_to_its_rates() {
        let noise = Noise { transient: 0.1, lost: 0.2, ..Noise::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<Option<Fault>> = (0..10_000).map(|_| noise.draw(&mut rng)).collect();
        let transient = drawn.iter().flatten().filter(|fault| matches!(fault, Fault::Fails { .. })).count();
        let lost = drawn.iter().flatten().filter(|fault| matches!(fault, Fault::Lost { .. })).count();
        assert_eq!(drawn.iter().flatten().count(), transient + lost);
        assert!((900..1_100).contains(&transient) && (1_850..2_150).contains(&lost), "{transient} {lost}");
        assert_eq!(Noise::default().draw(&mut rng), None);
    }

    #[test]
    fn every_rate_leads_to_a_fault_of_its_own() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let only = |set: fn(&mut Noise)| {
            let mut noise = Noise::default();
            set(&mut noise);
            noise
        };
        let all = [
            only(|noise| noise.transient = 1.0),
            only(|noise| noise.silent_but_done = 1.0),
            only(|noise| noise.lost = 1.0),
            only(|noise| noise.duplicate_answers = 1.0),
            only(|noise| noise.out_of_order = 1.0),
            only(|noise| noise.late_duplicate = 1.0),
            only(|noise| noise.partial = 1.0),
        ];
        let faults: Vec<Fault> = all.into_iter().filter_map(|noise| noise.draw(&mut rng)).collect();
        assert_eq!(faults.len(), all.len());
        for (at, fault) in faults.iter().enumerate() {
            assert!(!faults[..at].contains(fault), "{fault:?} twice");
        }
    }

    #[test]
    fn a_window_begins_and_ends() {
        let outage = |window| Outage {
            system: "billing".into(),
            window,
            answer: OutageAnswer::Refuses,
            refusals_per_command_max: None,
        };
        let time = outage(Window::Time { after_ms: 10, for_ms: 5 });
        let held: Vec<i64> =
            (100..120).filter(|now| time.holds(Timestamp(100), Timestamp(*now), 0)).collect();
        assert_eq!(held, [110, 111, 112, 113, 114]);
        let count = outage(Window::Count { after_commands: 2, commands: 2 });
        let held: Vec<u64> = (0..6).filter(|n| count.holds(Timestamp(0), Timestamp(0), *n)).collect();
        assert_eq!(held, [2, 3]);
    }
}
