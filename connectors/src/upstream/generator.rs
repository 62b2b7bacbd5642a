//! Orders by seed: what is sent, in which sequence, and what must come of it.
use std::collections::VecDeque;

use domain::{OrderKey, RequestId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::oracle::{ExpectedOrder, Oracle, Outcome};
use super::shapes;
use super::submission::{Example, Expected, Settings, Submission};
use crate::downstream::fault::{Outage, OutageAnswer, Window};
use crate::downstream::scenario::Scenario;

/// The most orders of one run.
pub const ORDERS_MAX: u32 = 10_000_000;
/// Orders between two examples, about.
const EXAMPLE_SPACING: u32 = 25;
/// One outage per so many orders, at most three.
const OUTAGE_SPACING: u32 = 150;

/// Equal settings and examples give equal requests, byte for byte, and equal expectations. Each order depends on the seed and its number
/// only, so nothing is kept but the settings.
#[derive(Clone, Debug)]
pub struct Generator {
    pub(super) settings: Settings,
    /// Positions in [`shapes::ALL`].
    pub(super) shapes: Vec<usize>,
    examples: Vec<Example>,
}

impl Generator {
    /// Errors: a setting that cannot be, in words.
    pub fn new(settings: Settings, examples: Vec<Example>) -> Result<Generator, String> {
        if !(0.0..=1.0).contains(&settings.fault_rate) {
            return Err(format!("the fault rate is {}, and must lie within 0 and 1", settings.fault_rate));
        }
        if settings.orders > ORDERS_MAX {
            return Err(format!("{} orders; at most {ORDERS_MAX} are generated", settings.orders));
        }
        if settings.future_start_ms_max < 1 {
            return Err(format!(
                "future_start_ms_max is {}, and must be at least 1",
                settings.future_start_ms_max
            ));
        }
        let shapes = shapes::positions(settings.only);
        if shapes.is_empty() {
            let known: Vec<&str> = shapes::ALL.iter().map(|shape| shape.name).collect();
            let named = settings.only.unwrap_or_default();
            return Err(format!("no kind of order is called \"{named}\"; there are {}", known.join(", ")));
        }
        Ok(Generator { settings, shapes, examples })
    }

    /// All requests in the sequence of sending.
    pub fn submissions(&self) -> impl Iterator<Item = Submission> + '_ {
        let mut later: VecDeque<(u32, Submission)> = VecDeque::new();
        let every = (0..self.settings.orders).map(Some).chain([None]);
        every.flat_map(move |number| {
            let mut sent = Vec::new();
            if let Some(number) = number {
                let made = self.made(number);
                sent.extend(made.now);
                later.extend(made.later.into_iter().map(|(after, submission)| (number + after, submission)));
            }
            let due = |at: u32| number.is_none_or(|number| at <= number);
            let (out, kept) =
                std::mem::take(&mut later).into_iter().partition::<VecDeque<_>, _>(|(at, _)| due(*at));
            later = kept;
            sent.extend(out.into_iter().map(|(_, submission)| submission));
            sent.extend(self.examples_at(number));
            sent
        })
    }

    /// What the simulated downstream must do for these orders: planted faults, and outages if asked for.
    pub fn plant(&self, scenario: &mut Scenario) {
        for number in 0..self.settings.orders {
            if let Some(fault) = self.fault(number) {
                scenario.plant(&self.draft(number, &mut self.rng(number, Use::Draft)).key(), fault.planted());
            }
        }
        if self.settings.outages {
            scenario.outages.extend(self.outages());
        }
    }

    /// What must come of all of it.
    pub fn oracle(&self) -> Oracle {
        let mut oracle = Oracle::default();
        for number in 0..self.settings.orders {
            let made = self.made(number);
            oracle.dead_letters += made.dead_letters;
            oracle.orders.insert(made.order.0, made.order.1);
        }
        for example in &self.examples {
            match &example.expected {
                Some((key, expected)) => drop(oracle.orders.insert(key.clone(), expected.clone())),
                None => oracle.dead_letters += 1,
            }
        }
        oracle
    }

    /// Each is sent once, spread over the run, the rest at its end.
    fn examples_at(&self, number: Option<u32>) -> Vec<Submission> {
        let at = |index: usize| (index as u32 + 1) * EXAMPLE_SPACING - 1;
        let meant = self.examples.iter().enumerate().filter(|(index, _)| match number {
            Some(number) => at(*index) == number,
            None => at(*index) >= self.settings.orders,
        });
        let submission = |(_, example): (usize, &Example)| {
            let (order_key, expected) = match &example.expected {
                Some((key, ExpectedOrder { outcome: Outcome::Rejected { codes }, .. })) => {
                    (key.clone(), Expected::Rejected(codes.clone()))
                }
                Some((key, _)) => (key.clone(), Expected::Taken),
                None => (OrderKey(format!("example/{}", example.name)), Expected::DeadLetter),
            };
            let request_id = RequestId(format!("example-{}-{}", self.settings.seed, example.name));
            let (body, media_type) = (example.body.clone(), example.media_type.clone());
            Submission { request_id, order_key, body, media_type, expected, faults: Vec::new() }
        };
        meant.map(submission).collect()
    }

    fn outages(&self) -> Vec<Outage> {
        let systems = shapes::OUTAGE_SYSTEMS;
        let count = (self.settings.orders / OUTAGE_SPACING).min(systems.len() as u32);
        let outage = |at: u32| Outage {
            system: systems[at as usize].to_owned(),
            // Within the run: nine orders of the mixture send four commands to the warehouse, and more to the others.
            window: Window::Count { after_commands: u64::from(20 + 30 * at), commands: 12 },
            answer: OutageAnswer::Refuses,
            refusals_per_command_max: Some(1),
        };
        (0..count).map(outage).collect()
    }

    pub(super) fn rng(&self, number: u32, purpose: Use) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream(u64::from(number) * Use::COUNT + purpose as u64);
        rng
    }
}

/// What randomness is wanted for; each has its own stream, so that one does not shift another.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Draft,
    Pair,
    Fault,
    Story,
}

impl Use {
    const COUNT: u64 = 4;
}
