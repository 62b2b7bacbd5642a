//! The neighbours: who sends orders, and the downstream systems that read commands and answer. What they send may come late, twice
//! and in another sequence; requests under one key keep theirs, as their requester waits for nothing less.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connectors::downstream::Downstream;
use connectors::downstream::ledger::Error;
use connectors::upstream::{Expected, Submission};
use domain::Timestamp;
use domain::command::{Command, Feedback};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use runtime::Outgoing;
use schemas::codec::Codec;
use schemas::{headers, topics};

use super::plan::Plan;
use super::stage::START_MS;
use crate::log::Cluster;

/// The longest pause between two submissions.
const SUBMISSION_MS_MAX: i64 = 1_500;
/// The most that a record from outside is late.
const DELAY_MS_MAX: i64 = 3_000;
/// One record from outside of so many is late, and one of so many comes twice, while faults last.
const DELAYED_ONE_OF: u32 = 4;
const REPEATED_ONE_OF: u32 = 8;
/// The downstream reads so many commands again after a fall.
const COMMANDS_AGAIN_MAX: i64 = 5;

/// Everybody who is not the pipeline.
#[derive(Debug)]
pub struct Outside {
    pub downstream: Downstream,
    /// By when it arrives; the number keeps those of one time apart.
    mail: BTreeMap<(i64, u64), Outgoing>,
    sent: u64,
    /// Where the downstream reads on, by (topic, partition).
    cursors: BTreeMap<(Arc<str>, u32), i64>,
}

impl Outside {
    pub fn new(plan: &Plan, topics: &runtime::Topics, rng: &mut ChaCha8Rng) -> Outside {
        let mut cursors = BTreeMap::new();
        for spec in topics.iter().filter(|spec| topics::system_of(&spec.name).is_some()) {
            cursors.extend((0..spec.partitions).map(|partition| ((spec.name.clone(), partition), 0)));
        }
        let downstream = Downstream::in_memory(plan.scenario.clone());
        let mut outside = Outside { downstream, mail: BTreeMap::new(), sent: 0, cursors };
        outside.submit(plan, rng);
        outside
    }

    fn submit(&mut self, plan: &Plan, rng: &mut ChaCha8Rng) {
        let mut at_ms = START_MS;
        let mut last_of_key: BTreeMap<String, i64> = BTreeMap::new();
        for submission in plan.generator.submissions() {
            at_ms += rng.random_range(0..=SUBMISSION_MS_MAX);
            let delay_ms =
                if rng.random_ratio(1, DELAYED_ONE_OF) { rng.random_range(0..=DELAY_MS_MAX) } else { 0 };
            let last_ms = last_of_key.entry(submission.order_key.0.clone()).or_default();
            *last_ms = (at_ms + delay_ms).max(*last_ms);
            let record = request(&submission);
            self.post(*last_ms, record.clone());
            // What is unreadable has no id to be known again by: each delivery is a dead letter of its own.
            if submission.expected != Expected::DeadLetter && rng.random_ratio(1, REPEATED_ONE_OF) {
                self.post(*last_ms + rng.random_range(0..=DELAY_MS_MAX), record);
            }
        }
    }

    fn post(&mut self, at_ms: i64, record: Outgoing) {
        self.sent += 1;
        self.mail.insert((at_ms, self.sent), record);
    }

    /// The next record that has arrived by now.
    pub fn arrived(&mut self, now_ms: i64) -> Option<Outgoing> {
        let first = self.mail.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some(first.remove())
    }

    /// Whether something has arrived.
    pub fn has_arrived(&self, now_ms: i64) -> bool {
        self.mail.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= now_ms)
    }

    /// Whether the downstream has something to do.
    pub fn has_work(&self, cluster: &Cluster, now_ms: i64) -> bool {
        let is_due = self.downstream.next_due().is_some_and(|due| due.0 <= now_ms);
        let unread = |((topic, partition), from): (&(Arc<str>, u32), &i64)| {
            cluster.broker.partition(topic, *partition).is_some_and(|found| found.has_more(*from))
        };
        is_due || self.cursors.iter().any(unread)
    }

    /// The downstream reads commands and answers what is due; gives how many of each.
    ///
    /// # Errors
    /// Its ledger is broken, which is a mistake of ours.
    pub fn pump(
        &mut self,
        cluster: &Cluster,
        codec: &Codec,
        now_ms: i64,
        mut faults: Option<&mut ChaCha8Rng>,
    ) -> Result<(usize, usize), Error> {
        let mut commands: Vec<Command> = Vec::new();
        for ((topic, partition), from) in &mut self.cursors {
            let Some(found) = cluster.broker.partition(topic, *partition) else { continue };
            while let Some((offset, record)) = found.next_committed(*from, i64::MAX) {
                *from = offset + 1;
                commands.extend(record.value.as_deref().and_then(|value| codec.decode(value).ok()));
            }
        }
        let answers = self.downstream.receive(&commands, Timestamp(now_ms))?;
        for answer in &answers {
            let Ok(record) = feedback(codec, answer) else { continue };
            let mut late = |one_of| {
                let rng = faults.as_mut()?;
                rng.random_ratio(1, one_of).then(|| rng.random_range(0..=DELAY_MS_MAX))
            };
            let (delay_ms, again_ms) = (late(DELAYED_ONE_OF).unwrap_or(0), late(REPEATED_ONE_OF));
            if let Some(again_ms) = again_ms {
                self.post(now_ms + again_ms, record.clone());
            }
            self.post(now_ms + delay_ms, record);
        }
        let ids: Vec<_> = answers.iter().map(|answer| answer.feedback_id.clone()).collect();
        self.downstream.confirm(&ids)?;
        Ok((commands.len(), answers.len()))
    }

    /// The downstream falls before it has noted how far it has read: the last commands come again.
    pub fn read_again(&mut self, rng: &mut ChaCha8Rng) {
        for from in self.cursors.values_mut() {
            *from = (*from - rng.random_range(0..=COMMANDS_AGAIN_MAX)).max(0);
        }
    }

    /// When the next thing happens here.
    pub fn next_ms(&self) -> Option<i64> {
        let mail = self.mail.first_key_value().map(|((at_ms, _), _)| *at_ms);
        mail.into_iter().chain(self.downstream.next_due().map(|due| due.0)).min()
    }
}

/// A request as a record.
fn request(submission: &Submission) -> Outgoing {
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition: None,
        key: Some(Bytes::from(submission.order_key.0.clone())),
        value: Some(submission.body.clone().into()),
        headers: vec![
            (headers::CONTENT_TYPE.into(), Bytes::from(submission.media_type.clone())),
            (headers::CE_ID.into(), Bytes::from(submission.request_id.0.clone())),
        ],
        timestamp_ms: START_MS,
    }
}

/// An answer as a record, as the contract for outsiders asks for it.
fn feedback(codec: &Codec, answer: &Feedback) -> Result<Outgoing, schemas::codec::Error> {
    let pairs = [
        (headers::CE_SPEC_VERSION, headers::SPEC_VERSION.to_owned()),
        (headers::CE_ID, answer.feedback_id.0.clone()),
        (headers::CE_SOURCE, format!("simulated/{}", answer.system)),
        (headers::CE_TYPE, headers::type_of("Feedback")),
        (headers::CE_TIME, answer.at.to_string()),
        (headers::CONTENT_TYPE, headers::AVRO.to_owned()),
    ];
    Ok(Outgoing {
        topic: topics::FEEDBACK.into(),
        partition: None,
        key: Some(Bytes::from(answer.order_key.0.clone())),
        value: Some(codec.encode(topics::FEEDBACK, answer)?.into()),
        headers: pairs.map(|(name, value)| (Arc::from(name), Bytes::from(value))).into(),
        timestamp_ms: answer.at.0,
    })
}
