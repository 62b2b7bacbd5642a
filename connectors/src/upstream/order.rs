//! One order: what is special about it, the requests it consists of, and its end.
use std::collections::BTreeSet;

use domain::{OrderKey, RequestId};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::document::{Contract, Draft};
use super::faults::PlantedFault;
use super::generator::{Generator, Use};
use super::invalid::{self, Invalid};
use super::oracle::{ExpectedEffects, ExpectedOrder, Outcome};
use super::shape::Work;
use super::submission::{Expected, Submission};
use super::{shapes, unreadable};

/// The share of orders that are pairs, one waiting for the other.
const FOLLOW_ON_RATE: f64 = 0.04;
/// The most units of one item.
const UNITS_MAX: u32 = 4;
/// How many orders later a repeated or revised request comes, at most.
const LATER_ORDERS_MAX: u32 = 40;

/// What is special about an order that nothing goes wrong with downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Invalid,
    /// Refused first, then sent again corrected.
    Corrected,
    FutureStart,
    /// Several units of one item.
    Several,
    /// Sent again as it was, under the same request id.
    Repeated,
    /// Another request under the key of an order that is there already.
    Revised,
    /// Accompanied by something that is no order at all.
    Unreadable,
}

/// The share of each; the rest are plain.
const SPECIALS: [(Special, f64); 7] = [
    (Special::Invalid, 0.025),
    (Special::Corrected, 0.01),
    (Special::FutureStart, 0.03),
    (Special::Several, 0.20),
    (Special::Repeated, 0.05),
    (Special::Revised, 0.01),
    (Special::Unreadable, 0.005),
];

impl Special {
    fn draw(rng: &mut ChaCha8Rng) -> Option<Special> {
        let mut point: f64 = rng.random();
        let hit = SPECIALS.into_iter().find(|(_, rate)| {
            let within = point < *rate;
            point -= rate;
            within
        });
        hit.map(|(special, _)| special)
    }
}

/// All of one order: its requests now and later, and its end.
pub(super) struct Made {
    pub now: Vec<Submission>,
    /// To be sent so many orders later.
    pub later: Vec<(u32, Submission)>,
    pub order: (OrderKey, ExpectedOrder),
    pub dead_letters: u64,
}

impl Generator {
    /// The other one of a follow-on pair, and whether it is the one that goes first.
    fn partner(&self, number: u32) -> Option<(u32, bool)> {
        let (pair, other) = (number / 2, number ^ 1);
        let mut rng = self.rng(pair, Use::Pair);
        if other >= self.settings.orders || rng.random::<f64>() >= FOLLOW_ON_RATE {
            return None;
        }
        // Either may come first: the follower before its base, or after.
        let follower: u32 = rng.random_range(0..2);
        Some((other, number % 2 == follower))
    }

    pub(super) fn fault(&self, number: u32) -> Option<PlantedFault> {
        let mut rng = self.rng(number, Use::Fault);
        let faulted = rng.random::<f64>() < self.settings.fault_rate && self.partner(number).is_none();
        faulted.then(|| PlantedFault::draw(&mut rng, &self.shapes)).flatten()
    }

    /// The order as it is meant; also of a number whose key alone is wanted.
    pub(super) fn draft(&self, number: u32, rng: &mut ChaCha8Rng) -> Draft {
        let contract = if rng.random() { Contract::V5 } else { Contract::V4 };
        let priority = [None, Some(0), Some(1), Some(2), Some(3), Some(4)][rng.random_range(0..6)];
        Draft {
            contract,
            reference: format!("{}-{number:07}", self.settings.seed),
            priority,
            start: None,
            completion: format!(
                "2099-{:02}-{:02}T12:00:00.000Z",
                rng.random_range(1..=12),
                rng.random_range(1..=28)
            ),
            customer: format!("C-{:06}", rng.random_range(0..1_000_000)),
            billing_account: None,
            items: Vec::new(),
            follows: Vec::new(),
        }
    }

    pub(super) fn made(&self, number: u32) -> Made {
        let rng = &mut self.rng(number, Use::Draft);
        let mut draft = self.draft(number, rng);
        let fault = self.fault(number);
        let shape =
            fault.map_or_else(|| self.shapes[rng.random_range(0..self.shapes.len())], |fault| fault.shape);
        (shapes::ALL[shape].fill)(&mut draft, rng);
        let mut work = Work { shape: Some(shape), units: 1, stop: None };
        let name = shapes::ALL[shape].name;
        if let Some(fault) = fault {
            work.stop = fault.stop();
            let outcome = fault.outcome();
            let effects = if matches!(outcome, Outcome::Rejected { .. }) { Work::NONE } else { work };
            let story = format!("{name}, {} {:?}", fault.command, fault.kind);
            return self.plain(number, &draft, story, outcome, effects, vec![fault]);
        }
        let partner = self.partner(number).filter(|(_, follows)| *follows);
        if let Some((base, _)) = partner {
            draft.follows = vec![self.draft(base, &mut self.rng(base, Use::Draft)).key()];
            return self.plain(
                number,
                &draft,
                format!("{name}, follows"),
                Outcome::Completed,
                work,
                Vec::new(),
            );
        }
        self.unfaulted(number, draft, work, rng)
    }

    /// An order that nothing goes wrong with downstream, with whatever is special about it.
    fn unfaulted(&self, number: u32, mut draft: Draft, mut work: Work, rng: &mut ChaCha8Rng) -> Made {
        let shape = work.shape.map_or(&shapes::ALL[0], |at| &shapes::ALL[at]);
        let special = Special::draw(&mut self.rng(number, Use::Story));
        let is_base = self.partner(number).is_some();
        let mut story = shape.name.to_owned();
        match special {
            // Whoever is waited for has to be done in the end.
            Some(Special::Invalid) if !is_base && self.settings.only.is_none() => {
                return self.refused(number, false, rng);
            }
            Some(Special::Corrected) if !is_base && self.settings.only.is_none() => {
                return self.refused(number, true, rng);
            }
            Some(Special::FutureStart) => {
                let ms = rng.random_range(1..=self.settings.future_start_ms_max);
                draft.start = Some(self.settings.base_time.plus_ms(ms));
                story.push_str(", future start");
            }
            Some(Special::Several) if shape.several => {
                work.units = rng.random_range(2..=UNITS_MAX);
                draft.items[0].quantity = work.units;
                story.push_str(&format!(", {} units", work.units));
            }
            Some(_) | None => {}
        }
        let made = self.plain(number, &draft, story, Outcome::Completed, work, Vec::new());
        self.accompanied(number, &draft, made, special, rng)
    }

    /// With another request beside it, where that is what is special.
    fn accompanied(
        &self,
        number: u32,
        draft: &Draft,
        mut made: Made,
        special: Option<Special>,
        rng: &mut ChaCha8Rng,
    ) -> Made {
        let first = made.now[0].clone();
        let after = rng.random_range(0..=LATER_ORDERS_MAX);
        match special {
            Some(Special::Repeated) => {
                made.later.push((after, Submission { expected: Expected::Ignored, ..first }));
            }
            Some(Special::Revised) => {
                let mut revised = draft.to_json();
                revised["description"] = "changed afterwards".into();
                let revised = self.submission(number, "b", draft, &revised, Expected::RevisionRefused);
                made.later.push((after, revised));
                made.order.1.revisions_refused = 1;
            }
            Some(Special::Unreadable) => {
                let (body, what) = unreadable::draw(draft, rng);
                let request_id = self.request_id(number, "x");
                let order_key = OrderKey(format!("unreadable/{}", draft.key()));
                let expected = Expected::DeadLetter;
                made.now.push(Submission { request_id, order_key, body, expected, ..first });
                made.order.1.story.push_str(&format!(", beside {what}"));
                made.dead_letters = 1;
            }
            Some(Special::Invalid | Special::Corrected | Special::FutureStart | Special::Several) | None => {}
        }
        made
    }

    /// One request that is taken, whatever comes of it.
    fn plain(
        &self,
        number: u32,
        draft: &Draft,
        story: String,
        outcome: Outcome,
        work: Work,
        faults: Vec<PlantedFault>,
    ) -> Made {
        let expected = match &outcome {
            Outcome::Rejected { codes } => Expected::Rejected(codes.clone()),
            Outcome::Completed
            | Outcome::PartiallyCompleted
            | Outcome::Failed
            | Outcome::Blocked
            | Outcome::Stuck => Expected::Taken,
        };
        let submission =
            Submission { faults, ..self.submission(number, "a", draft, &draft.to_json(), expected) };
        let effects = ExpectedEffects::Worked(work);
        let order = (draft.key(), ExpectedOrder { story, outcome, effects, revisions_refused: 0 });
        Made { now: vec![submission], later: Vec::new(), order, dead_letters: 0 }
    }

    /// A request that is refused; where `corrected`, a right one under the same key right behind it.
    fn refused(&self, number: u32, corrected: bool, rng: &mut ChaCha8Rng) -> Made {
        let Invalid { name, shape, change, codes } = invalid::ALL[rng.random_range(0..invalid::ALL.len())];
        let at = shapes::named(shape).expect("a test asks for every kind that is spoiled");
        let mut draft = self.draft(number, &mut self.rng(number, Use::Draft));
        (shapes::ALL[at].fill)(&mut draft, rng);
        let codes: BTreeSet<_> = codes.iter().copied().collect();
        let mut wrong = draft.to_json();
        change(&mut wrong);
        let rejected = self.submission(number, "a", &draft, &wrong, Expected::Rejected(codes.clone()));
        if corrected {
            let work = Work { shape: Some(at), units: 1, stop: None };
            let mut made = self.plain(
                number,
                &draft,
                format!("{shape}, {name}, corrected"),
                Outcome::Completed,
                work,
                Vec::new(),
            );
            made.now[0].request_id = self.request_id(number, "b");
            made.now.insert(0, rejected);
            return made;
        }
        let effects = ExpectedEffects::Worked(Work::NONE);
        let expected = ExpectedOrder {
            story: format!("{shape}, {name}"),
            outcome: Outcome::Rejected { codes },
            effects,
            revisions_refused: 0,
        };
        Made { now: vec![rejected], later: Vec::new(), order: (draft.key(), expected), dead_letters: 0 }
    }

    fn request_id(&self, number: u32, which: &str) -> RequestId {
        RequestId(format!("request-{}-{number:07}-{which}", self.settings.seed))
    }

    fn submission(
        &self,
        number: u32,
        which: &str,
        draft: &Draft,
        body: &serde_json::Value,
        expected: Expected,
    ) -> Submission {
        Submission {
            request_id: self.request_id(number, which),
            order_key: draft.key(),
            body: body.to_string().into_bytes(),
            media_type: draft.media_type().to_owned(),
            expected,
            faults: Vec::new(),
        }
    }
}
