//! The simulated downstream: all systems that carry out commands, behind one door, with a durable ledger of what they did.
//!
//! The shell hands over commands ([`Downstream::receive`]), appends what is answered to the log, and says so
//! ([`Downstream::confirm`]); an answer that was never confirmed comes again after a restart, under the same id.
//! [`scenario`] says how the systems behave, [`fault`] what goes wrong, [`ledger`] what is kept, [`audit`] what must never be found in it.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use domain::catalog::TaskType;
use domain::command::{Command, Feedback};
use domain::{FeedbackId, Timestamp};

mod answers;
pub mod audit;
pub mod entry;
pub mod fault;
pub mod latency;
pub mod ledger;
mod outputs;
mod rows;
pub mod scenario;
#[cfg(test)]
mod tests;
mod turn;

pub use audit::{Audit, Finding};
pub use entry::{Entry, Refusal, Standing};
pub use fault::{Fault, Noise, Outage, OutageAnswer, Planted, Window};
pub use latency::Latency;
pub use ledger::{Error, Ledger};
pub use scenario::{Behaviour, Scenario, Script};

use ledger::{AnswerKey, Changes};
use turn::Turn;

/// The most answers that are handed out at once; the rest stay due.
pub const ANSWERS_MAX: usize = 4_096;

/// All simulated systems and their ledger.
#[derive(Debug)]
pub struct Downstream {
    scenario: Scenario,
    ledger: Ledger,
    counters: BTreeMap<String, u64>,
    /// Answers that are not handed out yet, the first due first.
    waiting: BTreeSet<AnswerKey>,
    /// Answers that were handed out and are not confirmed. Several may be of one id: duplicates.
    handed_out: HashMap<FeedbackId, Vec<AnswerKey>>,
    answers_next: u64,
}

impl Downstream {
    /// Opens the ledger in `directory`, and creates it where there is none. Unconfirmed answers of an earlier process are due again.
    ///
    /// Errors: the directory cannot be used, is in use, or was written by a newer program.
    pub fn open(directory: &Path, scenario: Scenario) -> Result<Downstream, Error> {
        let ledger = Ledger::open(directory)?;
        let waiting: BTreeSet<AnswerKey> = ledger.answer_keys()?.into_iter().collect();
        let answers_next = waiting.iter().map(|(_, n)| n + 1).max().unwrap_or_default();
        Ok(Downstream {
            scenario,
            counters: ledger.counters()?,
            ledger,
            waiting,
            handed_out: HashMap::new(),
            answers_next,
        })
    }

    /// With an empty ledger in memory: for simulations.
    pub fn in_memory(scenario: Scenario) -> Downstream {
        Downstream {
            scenario,
            counters: BTreeMap::new(),
            ledger: Ledger::in_memory(),
            waiting: BTreeSet::new(),
            handed_out: HashMap::new(),
            answers_next: 0,
        }
    }

    /// Takes commands, as of `now`; when it returns, their effects and all answers to come are on disk. Answers what is due by now,
    /// earlier commands' answers included, at most [`ANSWERS_MAX`].
    ///
    /// The same commands may be given again after a failure or a restart: a sending that was taken before changes nothing.
    /// Errors: nothing of the batch was taken.
    pub fn receive(&mut self, commands: &[Command], now: Timestamp) -> Result<Vec<Feedback>, Error> {
        let mut changes = Changes { counters: self.counters.clone(), ..Changes::default() };
        for command in commands {
            if let Some(entry) = self.ledger.entry(command.command_id)? {
                changes.entries.insert(command.command_id, entry);
            }
        }
        let mut turn = Turn { scenario: &self.scenario, now, changes, answers_next: self.answers_next };
        for command in commands {
            turn.take(command);
        }
        let Turn { changes, answers_next, .. } = turn;
        if !commands.is_empty() {
            self.ledger.write(&changes)?;
        }
        self.answers_next = answers_next;
        self.counters = changes.counters;
        self.waiting.extend(changes.answers.iter().map(|(key, _)| *key));
        self.due(now)
    }

    /// The answers that are due by `now` and were not handed out yet by this process, the first due first, at most [`ANSWERS_MAX`].
    pub fn due(&mut self, now: Timestamp) -> Result<Vec<Feedback>, Error> {
        let keys: Vec<AnswerKey> =
            self.waiting.iter().take_while(|(due, _)| *due <= now).take(ANSWERS_MAX).copied().collect();
        let answers = self.ledger.answers(&keys)?;
        for (key, answer) in keys.into_iter().zip(&answers) {
            self.waiting.remove(&key);
            self.handed_out.entry(answer.feedback_id.clone()).or_default().push(key);
        }
        Ok(answers)
    }

    /// When the next answer is due that was not handed out yet; `None`: nothing is pending.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Says that these answers are in the log: they are not handed out again. Ids that are not pending are passed over.
    pub fn confirm(&mut self, ids: &[FeedbackId]) -> Result<(), Error> {
        let keys: Vec<AnswerKey> =
            ids.iter().filter_map(|id| self.handed_out.get(id)).flatten().copied().collect();
        self.ledger.remove_answers(&keys)?;
        for id in ids {
            self.handed_out.remove(id);
        }
        Ok(())
    }

    /// Hands out again what was handed out and not confirmed: after an append that failed.
    pub fn take_back(&mut self) {
        self.waiting.extend(self.handed_out.drain().flat_map(|(_, keys)| keys));
    }

    /// How many answers are not confirmed yet.
    pub fn pending(&self) -> usize {
        self.waiting.len() + self.handed_out.values().map(Vec::len).sum::<usize>()
    }

    /// Takes up the task types of a catalog that was published meanwhile, as [`Scenario::cover`] does.
    pub fn cover<'a>(&mut self, task_types: impl IntoIterator<Item = &'a TaskType>) {
        self.scenario.cover(task_types);
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Behaves like this from now on. Answers that are scheduled stay as they are.
    pub fn behave(&mut self, scenario: Scenario) {
        self.scenario = scenario;
    }

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }
}
