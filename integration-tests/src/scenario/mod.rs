//! Golden scenarios: what is submitted, what downstream answers, and what must and must never follow.
//!
//! A [`file::Scenario`] is run in a [`World`]: the processors in memory, or the same ones on a real log. Time is simulated
//! in all: it goes on to the next timer or answer once nothing is left to do.
use anyhow::{Context, bail, ensure};
use domain::Timestamp;
use domain::catalog::Catalog;
use domain::command::Command;
use runtime::{Outgoing, Record};
use schemas::codec::Codec;
use schemas::topics;

pub mod answers;
mod facts;
pub mod file;
pub mod judge;
pub mod memory;
pub mod on_log;
mod rest;
pub mod story;

pub use facts::{Facts, word};
pub use file::Scenario;

/// More moves of the clock than any scenario needs: one that goes round in circles ends here.
const MOVES_MAX: u32 = 20_000;

/// Where the processors run.
pub trait World {
    fn now(&self) -> Timestamp;
    fn codec(&self) -> &Codec;

    /// Appends records from outside.
    ///
    /// # Errors
    /// The log does not take them.
    fn send(&mut self, records: Vec<Outgoing>) -> anyhow::Result<()>;

    /// Works until nothing is left to do at this time; gives what was written since it was asked last, in sequence per topic and key.
    ///
    /// # Errors
    /// It cannot go on, or does not come to rest.
    fn settle(&mut self) -> anyhow::Result<Vec<Record>>;

    /// When the next timer is due, at the earliest; asked after [`World::settle`].
    ///
    /// # Errors
    /// The timers cannot be read.
    fn next_due(&mut self) -> anyhow::Result<Option<Timestamp>>;

    /// Moves the clock; never backwards.
    fn advance(&mut self, to: Timestamp);
}

/// What a scenario left behind: everything that was written, and what downstream did.
#[derive(Debug)]
pub struct Outcome {
    pub records: Vec<Record>,
    pub script: answers::Script,
}

/// The shipped catalog, its durations as they are.
///
/// # Errors
/// It cannot be read, or is wrong.
pub fn shipped_catalog() -> anyhow::Result<Catalog> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/catalog").into();
    cli::service::catalog::load(&cli::settings::Catalog { directory, time_divisor: 1, duration_ms_max: 0 })
}

/// Every step of the scenario, and then time until its limit.
///
/// # Errors
/// The scenario cannot be run; what it leaves behind is judged elsewhere.
pub fn run(world: &mut dyn World, scenario: &Scenario, catalog: &Catalog) -> anyhow::Result<Outcome> {
    let script = answers::Script::new(scenario, catalog)?;
    let mut run = Run { world, outcome: Outcome { records: Vec::new(), script } };
    for step in scenario.given.iter().chain(&scenario.when) {
        run.until(run.world.now().plus_ms(step.wait_ms))?;
        let now = run.world.now();
        run.world.send(vec![step.request(now)])?;
    }
    run.until(run.world.now().plus_ms(scenario.limit_ms()))?;
    Ok(run.outcome)
}

struct Run<'a> {
    world: &'a mut dyn World,
    outcome: Outcome,
}

impl Run<'_> {
    fn until(&mut self, end: Timestamp) -> anyhow::Result<()> {
        for _ in 0..MOVES_MAX {
            let mut records = self.world.settle()?;
            // No log says in which sequence they were written where key or topic differ, and so what is answered first.
            records.sort_by(|a, b| (&a.topic, &a.key).cmp(&(&b.topic, &b.key)));
            for record in records {
                self.take(record)?;
            }
            let now = self.world.now();
            let answers = self.outcome.script.take_due(now);
            if !answers.is_empty() {
                let codec = self.world.codec();
                let records = answers.iter().map(|answer| cli::service::feedback(codec, answer));
                let records: Vec<Outgoing> = records.collect::<anyhow::Result<_>>()?;
                self.world.send(records)?;
                continue;
            }
            let due = [self.world.next_due()?, self.outcome.script.next_due()];
            match due.into_iter().flatten().min() {
                Some(due) if due <= end => {
                    ensure!(due > now, "a timer of {due} is left at {now}, although nothing is left to do");
                    self.world.advance(due);
                }
                Some(_) | None if now < end => self.world.advance(end),
                Some(_) | None => return Ok(()),
            }
        }
        bail!("the clock was moved {MOVES_MAX} times before {end}")
    }

    fn take(&mut self, record: Record) -> anyhow::Result<()> {
        if topics::system_of(&record.topic).is_some() {
            let value = record.value.as_deref().context("a command without a body")?;
            let command: Command = self.world.codec().decode(value)?;
            self.outcome.script.receive(&command, self.world.now());
        }
        self.outcome.records.push(record);
        Ok(())
    }
}
