//! Downstream by script: one word per received command says what becomes of it.
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;

use anyhow::{Context, bail};
use domain::catalog::Catalog;
use domain::command::{Command, CommandKind, Feedback, FeedbackKind};
use domain::order::Values;
use domain::{CommandId, FeedbackId, Json, Timestamp};

use super::file::Scenario;

// Uneven, so that no answer comes at the time of a timer: what comes first then would be chance.
const ACCEPTED_MS: i64 = 1_003;
const PARTIAL_MS: i64 = 30_011;
const COMPLETED_MS: i64 = 60_007;
const AGAIN_MS: i64 = 5_009;
const QUERY_MS: i64 = 2_017;

/// What becomes of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `completed`: done, and said at once so.
    Completed,
    /// `accepted+completed`: as usual.
    AcceptedCompleted,
    /// `partial+completed`
    PartialCompleted,
    /// `duplicate`: completed, and the same answer again.
    Duplicate,
    /// `silence`: done, and nothing said; who asks is told.
    Silence,
    /// `late:MS`: done, and said only so much later.
    Late(i64),
    /// `lost`: never received; who asks is told so.
    Lost,
    /// `failed:CODE`: refused.
    Failed(String),
}

impl FromStr for Word {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Word> {
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        Ok(match (word, rest) {
            ("completed", "") => Word::Completed,
            ("accepted+completed", "") => Word::AcceptedCompleted,
            ("partial+completed", "") => Word::PartialCompleted,
            ("duplicate", "") => Word::Duplicate,
            ("silence", "") => Word::Silence,
            ("lost", "") => Word::Lost,
            ("late", ms) => Word::Late(ms.parse().with_context(|| format!("answer \"{text}\""))?),
            ("failed", code) if !code.is_empty() => Word::Failed(code.to_owned()),
            _ => bail!("answer \"{text}\" is no word that is known; see `Word`"),
        })
    }
}

/// What downstream knows of a command.
#[derive(Clone, Debug)]
enum Standing {
    Done(Values),
    Refused(String),
}

/// All downstream systems together.
#[derive(Debug)]
pub struct Script {
    words: BTreeMap<String, VecDeque<Word>>,
    outputs: BTreeMap<String, Vec<String>>,
    known: BTreeMap<CommandId, Standing>,
    due: BTreeMap<(Timestamp, u64), Feedback>,
    /// Counts what was received.
    turn: u64,
    /// What was done, in sequence: order key, command name, what was reported.
    pub effects: Vec<(String, String, Values)>,
}

impl Script {
    /// # Errors
    /// A word that is not known.
    pub fn new(scenario: &Scenario, catalog: &Catalog) -> anyhow::Result<Script> {
        let parsed = scenario.answers.iter().map(|(command, words)| {
            let words: VecDeque<Word> =
                words.iter().map(|word| word.parse()).collect::<anyhow::Result<_>>()?;
            Ok((command.clone(), words))
        });
        let words = parsed.collect::<anyhow::Result<_>>()?;
        let outputs =
            catalog.task_types.values().map(|it| (it.command.clone(), it.outputs.clone())).collect();
        let (known, due, effects) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Ok(Script { words, outputs, known, due, turn: 0, effects })
    }

    /// The words that nothing has used: a scenario that plans more than happens says something untrue.
    pub fn unused(&self) -> Vec<String> {
        let unused = self.words.iter().filter(|(_, words)| !words.is_empty());
        unused.map(|(command, words)| format!("{command}: {words:?}")).collect()
    }

    pub fn receive(&mut self, command: &Command, now: Timestamp) {
        self.turn += 1;
        match command.kind {
            CommandKind::Execute => self.execute(command, now),
            CommandKind::Query => self.query(command, now),
            CommandKind::CheckFeasibility => match self.next_word(&command.name) {
                Word::Silence | Word::Lost => {}
                Word::Failed(code) => {
                    self.say(command, now.plus_ms(COMPLETED_MS), FeedbackKind::Failed, Some(&code))
                }
                Word::Completed
                | Word::AcceptedCompleted
                | Word::PartialCompleted
                | Word::Duplicate
                | Word::Late(_) => {
                    self.say(command, now.plus_ms(COMPLETED_MS), FeedbackKind::Completed, None)
                }
            },
        }
    }

    fn next_word(&mut self, name: &str) -> Word {
        let word = self.words.get_mut(name).and_then(VecDeque::pop_front);
        word.unwrap_or(Word::AcceptedCompleted)
    }

    /// Once per command id: a repeated sending of what is done is told the same again.
    fn execute(&mut self, command: &Command, now: Timestamp) {
        if matches!(self.known.get(&command.command_id), Some(Standing::Done(_))) {
            return self.say(command, now.plus_ms(COMPLETED_MS), FeedbackKind::Completed, None);
        }
        let word = self.next_word(&command.name);
        match &word {
            Word::Lost => return,
            Word::Failed(code) => {
                self.known.insert(command.command_id, Standing::Refused(code.clone()));
                return self.say(command, now.plus_ms(COMPLETED_MS), FeedbackKind::Failed, Some(code));
            }
            Word::Completed
            | Word::AcceptedCompleted
            | Word::PartialCompleted
            | Word::Duplicate
            | Word::Silence
            | Word::Late(_) => self.effect(command),
        }
        let done_at = now.plus_ms(COMPLETED_MS);
        let accepted_at = now.plus_ms(ACCEPTED_MS);
        match word {
            Word::Silence | Word::Lost | Word::Failed(_) => {}
            Word::Completed => self.say(command, done_at, FeedbackKind::Completed, None),
            Word::AcceptedCompleted => {
                self.say(command, accepted_at, FeedbackKind::Accepted, None);
                self.say(command, done_at, FeedbackKind::Completed, None);
            }
            Word::PartialCompleted => {
                self.say(command, now.plus_ms(PARTIAL_MS), FeedbackKind::PartialActivation, None);
                self.say(command, done_at, FeedbackKind::Completed, None);
            }
            Word::Duplicate => {
                self.say(command, done_at, FeedbackKind::Completed, None);
                self.say(command, done_at.plus_ms(AGAIN_MS), FeedbackKind::Completed, None);
            }
            Word::Late(ms) => self.say(command, now.plus_ms(ms), FeedbackKind::Completed, None),
        }
    }

    fn effect(&mut self, command: &Command) {
        let names = self.outputs.get(&command.name).cloned().unwrap_or_default();
        let values: Values =
            names.iter().map(|name| (name.clone(), output(name, command.command_id))).collect();
        self.known.insert(command.command_id, Standing::Done(values.clone()));
        self.effects.push((command.order_key.0.clone(), command.name.clone(), values));
    }

    fn query(&mut self, command: &Command, now: Timestamp) {
        let asked = format!("query:{}", command.name);
        if self.words.contains_key(&asked) && self.next_word(&asked) == Word::Silence {
            return;
        }
        let at = now.plus_ms(QUERY_MS);
        match self.known.get(&command.command_id).cloned() {
            None => self.say(command, at, FeedbackKind::NotKnown, None),
            Some(Standing::Done(_)) => self.say(command, at, FeedbackKind::Completed, None),
            Some(Standing::Refused(code)) => self.say(command, at, FeedbackKind::Failed, Some(&code)),
        }
    }

    fn say(&mut self, command: &Command, at: Timestamp, kind: FeedbackKind, code: Option<&str>) {
        let outputs = match self.known.get(&command.command_id) {
            Some(Standing::Done(values)) if kind == FeedbackKind::Completed => values.clone(),
            Some(Standing::Done(_) | Standing::Refused(_)) | None => Values::new(),
        };
        let feedback = Feedback {
            // Named by what is answered: the same answer, said twice, has one name.
            feedback_id: FeedbackId(format!("{}/{}/{kind:?}", command.command_id, self.turn_of(command))),
            command_id: command.command_id,
            order_key: command.order_key.clone(),
            system: command.system.clone(),
            kind,
            attempt: Some(command.attempt),
            outputs,
            code: code.map(str::to_owned),
            message: code.map(|code| format!("refused with {code}")),
            retryable: None,
            at,
        };
        let place = self.due.len() as u64 + self.turn * 100;
        self.due.insert((at, place), feedback);
    }

    /// Which sending or question of this command is answered; equal in every world, whatever came between.
    fn turn_of(&self, command: &Command) -> String {
        format!("{:?}{}@{}", command.kind, command.attempt, command.issued_at)
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    pub fn take_due(&mut self, now: Timestamp) -> Vec<Feedback> {
        let later = self.due.split_off(&(now.plus_ms(1), 0));
        std::mem::replace(&mut self.due, later).into_values().collect()
    }
}

/// Plausible, and always the same for the same command.
fn output(name: &str, command: CommandId) -> Json {
    let number = command.derived_below(250) + 2;
    let text = match name {
        "ipAddress" => format!("198.18.0.{number}"),
        "gatewayAddress" => "198.18.0.1".to_owned(),
        "appointmentDate" => "2026-11-16T08:00:00.000Z".to_owned(),
        other => format!("{other}-{}", command.derived_below(1_000_000)),
    };
    Json::from(text.as_str())
}
