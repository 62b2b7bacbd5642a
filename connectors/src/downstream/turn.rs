//! What the systems make of one batch of commands: rows, effects and answers, collected and not yet written.
use domain::command::{Command, CommandKind, FeedbackKind};
use domain::{Timestamp, order::Values};

use super::answers::{Answers, Course};
use super::entry::{Entry, Refusal, Standing, digest};
use super::fault::{
    CONFLICT_CODE, DUPLICATE_CODE, Fault, NOT_SERVICEABLE_CODE, OUTAGE_CODE, Outage, OutageAnswer,
};
use super::ledger::Changes;
use super::outputs;
use super::scenario::{FEASIBILITY, Scenario};

/// The counter of when the first command came, in milliseconds since 1970.
pub(super) const STARTED_AT: &str = "startedAt";

/// The counter of the commands that a system received, queries and checks apart.
fn commands_of(system: &str) -> String {
    format!("commands/{system}")
}

pub(super) struct Turn<'a> {
    pub scenario: &'a Scenario,
    pub now: Timestamp,
    /// What came of the batch so far. Holds the rows of all command ids of the batch, and all counters.
    pub changes: Changes,
    /// The number of the next answer; tells answers of one due time apart.
    pub answers_next: u64,
}

impl Turn<'_> {
    pub fn take(&mut self, command: &Command) {
        let now = u64::try_from(self.now.0).unwrap_or_default();
        self.changes.counters.entry(STARTED_AT.to_owned()).or_insert(now);
        let known = self.changes.entries.remove(&command.command_id);
        let (entry, answers) = match command.kind {
            CommandKind::Execute => {
                let (entry, answers) = self.execute(known, command);
                (Some(entry), answers)
            }
            CommandKind::Query => self.query(known, command),
            CommandKind::CheckFeasibility => {
                let (entry, answers) = self.check(known, command);
                (Some(entry), answers)
            }
        };
        self.changes.entries.extend(entry.map(|entry| (command.command_id, entry)));
        for (due, feedback) in answers.due {
            self.changes.answers.push(((due, self.answers_next), feedback));
            self.answers_next += 1;
        }
    }

    fn execute<'c>(&mut self, known: Option<Entry>, command: &'c Command) -> (Entry, Answers<'c>) {
        let mut entry = known.unwrap_or_else(|| Entry::new(command, self.now));
        entry.received += 1;
        let asked = digest(command);
        if asked != entry.inputs_digest {
            let mut answers = Answers::new(command, format!("conflict{}", entry.received));
            let message = "a command with other content came under this id before".to_owned();
            answers.failed(
                self.now,
                &Refusal { code: CONFLICT_CODE.to_owned(), message, retryable: Some(false) },
            );
            entry.conflicting(asked);
            return (entry, answers);
        }
        if command.attempt <= entry.attempts {
            // The same sending once more: the reader stopped before it noted that it had read it. Its answers are on their way.
            return (entry, Answers::new(command, String::new()));
        }
        entry.attempts = command.attempt;
        entry.tries += 1;
        let mut answers = Answers::new(command, entry.tries.to_string());
        let counter = self.changes.counters.entry(commands_of(&command.system)).or_default();
        let before = *counter;
        *counter += 1;
        let decided = self.scenario.decided_fault(&command.order_key, &command.name).cloned();
        if entry.is_effect() {
            self.repeated(&entry, &mut answers, decided.as_ref());
            return (entry, answers);
        }
        let outage = decided.is_none().then(|| self.outage(&entry, command, before)).flatten();
        if let Some(answer) = outage {
            entry.outage_refusals += 1;
            match answer {
                OutageAnswer::Refuses => self.refuse(&mut entry, &mut answers, self.now, unavailable()),
                OutageAnswer::Silent => {}
            }
            return (entry, answers);
        }
        let fault = decided
            .or_else(|| self.scenario.noise.draw(&mut self.scenario.rng(command.command_id, "noise", 0)));
        self.meet(&mut entry, &mut answers, fault.as_ref());
        (entry, answers)
    }

    /// A sending that reaches its system, and has had no effect before.
    fn meet(&self, entry: &mut Entry, answers: &mut Answers<'_>, fault: Option<&Fault>) {
        let command = answers.command();
        let behaviour = self.scenario.behaviour_of(&command.system, &command.name);
        let mut rng = self.scenario.rng(command.command_id, "latency", entry.tries);
        let course = Course::new(self.now, behaviour, &mut rng);
        // A sending that an outage turned away was not yet the fault's.
        let met = entry.tries - entry.outage_refusals;
        match fault {
            Some(Fault::Fails { code, message, retryable, times })
                if times.is_none_or(|times| met <= times) =>
            {
                answers.accepted(course);
                let refusal = Refusal { code: code.clone(), message: message.clone(), retryable: *retryable };
                self.refuse(entry, answers, course.done_at, refusal);
            }
            Some(Fault::Lost { times }) if met <= *times => {}
            Some(Fault::AcceptedThenSilent) => {
                entry.standing = Standing::Held;
                answers.push(
                    course.accepted_at.unwrap_or(course.done_at),
                    FeedbackKind::Accepted,
                    "accepted",
                );
            }
            Some(_) | None => {
                entry.standing = Standing::Applied;
                entry.applied_at = Some(self.now);
                entry.done_at = Some(course.done_at);
                entry.refusal = None;
                entry.outputs = outputs::values(command, self.scenario.outputs_of(&command.name));
                answers.done(course, &entry.outputs, fault);
            }
        }
    }

    /// A sending of what was done before: no second effect.
    fn repeated(&self, entry: &Entry, answers: &mut Answers<'_>, fault: Option<&Fault>) {
        if let Some(Fault::AlreadyDone { .. }) = fault {
            let message = "this was done before under this id".to_owned();
            answers.failed(self.now, &Refusal { code: DUPLICATE_CODE.to_owned(), message, retryable: None });
        } else {
            answers.completed(self.now.max(entry.done_at.unwrap_or(self.now)), &entry.outputs);
        }
    }

    fn refuse(&self, entry: &mut Entry, answers: &mut Answers<'_>, at: Timestamp, refusal: Refusal) {
        answers.failed(at, &refusal);
        entry.standing = Standing::Refused;
        entry.done_at = Some(at);
        entry.refusal = Some(refusal);
    }

    /// The truth about a command id, from the ledger alone.
    fn query<'c>(&self, known: Option<Entry>, command: &'c Command) -> (Option<Entry>, Answers<'c>) {
        let queries = known.as_ref().map_or(0, |entry| entry.queries) + 1;
        // By time as well: nothing is counted of ids that never came, and a second question may find another truth.
        let mut answers = Answers::new(command, format!("query{queries}@{}", self.now.0));
        let Some(mut entry) = known else {
            if self.silence(None, command).is_none() {
                answers.push(self.now, FeedbackKind::NotKnown, "notKnown");
            }
            return (None, answers);
        };
        entry.queries = queries;
        if self.silence(Some(&entry), command).is_some() {
            return (Some(entry), answers);
        }
        let settled = entry.done_at.is_some_and(|at| at <= self.now);
        match entry.standing {
            Standing::Unheard => {
                answers.push(self.now, FeedbackKind::NotKnown, "notKnown");
            }
            Standing::Applied if settled => answers.completed(self.now, &entry.outputs),
            Standing::Refused if settled => {
                answers.failed(self.now, entry.refusal.as_ref().unwrap_or(&unavailable()))
            }
            Standing::Applied | Standing::Refused | Standing::Held | Standing::Answered => {
                answers.push(self.now, FeedbackKind::InProgress, "inProgress");
            }
        }
        (Some(entry), answers)
    }

    /// Whether the order could be delivered. Has no effect, so every sending is answered anew, and alike.
    fn check<'c>(&self, known: Option<Entry>, command: &'c Command) -> (Entry, Answers<'c>) {
        let mut entry = known.unwrap_or_else(|| Entry::new(command, self.now));
        entry.received += 1;
        entry.attempts = entry.attempts.max(command.attempt);
        entry.tries += 1;
        let mut answers = Answers::new(command, entry.tries.to_string());
        let planted = self.scenario.decided_fault(&command.order_key, FEASIBILITY);
        let unheard = match planted {
            Some(Fault::Lost { times }) => entry.tries <= *times,
            Some(Fault::SilentButDone | Fault::AcceptedThenSilent) => true,
            Some(_) => false,
            None => self.silence(Some(&entry), command).is_some(),
        };
        if unheard {
            return (entry, answers);
        }
        entry.standing = Standing::Answered;
        let behaviour = self.scenario.behaviour_of(&command.system, &command.name);
        let mut rng = self.scenario.rng(command.command_id, "latency", entry.tries);
        let course = Course { accepted_at: None, progress: 0, ..Course::new(self.now, behaviour, &mut rng) };
        entry.done_at = Some(course.done_at);
        let refusal = match planted {
            Some(Fault::Fails { code, message, retryable, times })
                if times.is_none_or(|times| entry.tries <= times) =>
            {
                Some(Refusal { code: code.clone(), message: message.clone(), retryable: *retryable })
            }
            Some(_) | None => self.not_serviceable(&command.inputs),
        };
        match refusal {
            Some(refusal) => {
                answers.failed(course.done_at, &refusal);
                entry.refusal = Some(refusal);
            }
            None => answers.done(course, &Values::new(), planted),
        }
        (entry, answers)
    }

    fn not_serviceable(&self, inputs: &Values) -> Option<Refusal> {
        let rule = self.scenario.not_serviceable.iter().find(|rule| {
            let meant = inputs.iter().filter(|(name, _)| rule.input == "*" || rule.input == **name);
            meant.into_iter().any(|(_, value)| value.text().contains(&rule.contains))
        })?;
        let code = NOT_SERVICEABLE_CODE.to_owned();
        Some(Refusal { code, message: rule.message.clone(), retryable: Some(false) })
    }

    /// The outage that a command meets, if any; `before` counts the commands that its system received before it.
    fn outage(&self, entry: &Entry, command: &Command, before: u64) -> Option<OutageAnswer> {
        let allowed =
            |outage: &Outage| outage.refusals_per_command_max.is_none_or(|max| entry.outage_refusals < max);
        self.outages(command, before).find(|outage| allowed(outage)).map(|outage| outage.answer)
    }

    /// Whether a question meets an outage, and is not heard at all.
    fn silence(&self, entry: Option<&Entry>, command: &Command) -> Option<OutageAnswer> {
        let name =
            if command.kind == CommandKind::CheckFeasibility { FEASIBILITY } else { command.name.as_str() };
        if self.scenario.decided_fault(&command.order_key, name).is_some() {
            return None;
        }
        let before = self.changes.counters.get(&commands_of(&command.system)).copied().unwrap_or_default();
        // A limit on refusals holds for questions as well: each then is heard the next time.
        let asked = entry
            .map_or(0, |entry| if command.kind == CommandKind::Query { entry.queries } else { entry.tries });
        let within = |outage: &Outage| outage.refusals_per_command_max.is_none_or(|max| asked <= max);
        self.outages(command, before).find(|outage| within(outage)).map(|outage| outage.answer)
    }

    fn outages(&self, command: &Command, before: u64) -> impl Iterator<Item = &Outage> {
        let started_at = self.changes.counters.get(STARTED_AT).copied().unwrap_or_default();
        let started_at = Timestamp(i64::try_from(started_at).unwrap_or(i64::MAX));
        let of_system = self.scenario.outages.iter().filter(|outage| outage.system == command.system);
        of_system.filter(move |outage| outage.holds(started_at, self.now, before))
    }
}

fn unavailable() -> Refusal {
    let message = "the system is down for the moment".to_owned();
    Refusal { code: OUTAGE_CODE.to_owned(), message, retryable: Some(true) }
}
