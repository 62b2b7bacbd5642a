//! Follows the changelogs of partitions that others have, so that taking one over reads only the tail.
//!
//! All of it is read as a restore reads it, and never touches what is held: it runs on the thread that restores, while that has
//! nothing else to do. What it keeps is bounded by what the client may queue and by one write; how fast it reads, by a rate.
//!
//! Invariant: a store is written by its owner's commits or by this thread, never by both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::Shared;
use super::context::Quiet;
use super::ends::Place;
use super::failure::{failed, reading_refused, refused};
use super::replay::{Replay, is_gone};
use super::restore::Run;
use super::store::Onto;
use super::transaction::wire_partition;
use crate::Error;

/// However quiet it is, it is looked this often for what has come.
const LOOK_WAIT: Duration = Duration::from_millis(100);
/// What is taken in one turn: whoever is to take a partition over waits for one at most.
const TURN_BYTES_MAX: usize = 512 << 10;
/// Between two questions where the changelogs end.
const ENDS_EVERY: Duration = Duration::from_secs(2);
/// How long the brokers may take to answer them; whoever is to take a partition over waits as long.
const ENDS_WAIT: Duration = Duration::from_millis(500);
/// How long it may take to find out where a changelog begins and ends, and to know it again.
const LOOK_AGAIN_WAIT: Duration = Duration::from_secs(2);
/// As many are begun in one turn: whoever is to take a partition over waits for it.
const BEGUN_AT_ONCE_MAX: usize = 8;
/// After a failure.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// A store that has all is noted to be new so often, though nothing comes.
const NOTE_EVERY_MS: i64 = 60_000;
/// What a record costs in the budget beside its bytes.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// A partition of which a worker keeps a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    pub worker: Arc<str>,
    pub partition: u32,
    /// How much of its changelog the copy lacks, marks of transactions counted as records.
    pub lag_records: u64,
}

/// How fast may be read: what was taken at once is waited for afterwards.
#[derive(Debug)]
struct Budget {
    bytes_per_second_max: u64,
    free_at: Instant,
}

impl Budget {
    fn spend(&mut self, bytes: usize, now: Instant) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / self.bytes_per_second_max;
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos);
    }

    fn wait(&self, now: Instant) -> Duration {
        self.free_at.saturating_duration_since(now)
    }
}

/// One partition that is followed.
struct Followed {
    replay: Replay,
    /// Whether the end that was asked for last is still ahead.
    is_behind: bool,
    /// As the brokers told it last.
    end_seen: i64,
    /// As it was written last.
    noted: (i64, i64),
}

pub(super) struct Standby {
    shared: Arc<Shared>,
    worker: Arc<str>,
    /// Made when it is first needed.
    consumer: Option<BaseConsumer<Quiet>>,
    wanted: BTreeSet<u32>,
    followed: BTreeMap<u32, Followed>,
    budget: Budget,
    /// More lay there than the last turn could take.
    has_more: bool,
    not_before: Option<Instant>,
    /// What is new is not begun before.
    begin_at: Option<Instant>,
    ends_asked: Option<Instant>,
    is_failing: bool,
}

impl Standby {
    pub(super) fn new(shared: Arc<Shared>, worker: &str) -> Self {
        let bytes_per_second_max = shared.options.standby_bytes_per_second_max.max(1);
        let standby = Self {
            shared,
            worker: worker.into(),
            consumer: None,
            wanted: BTreeSet::new(),
            followed: BTreeMap::new(),
            budget: Budget { bytes_per_second_max, free_at: Instant::now() },
            has_more: false,
            not_before: None,
            begin_at: None,
            ends_asked: None,
            is_failing: false,
        };
        standby.tell();
        standby.count(0);
        standby
    }

    fn count(&self, records: u64) {
        let worker = self.worker.to_string();
        metrics::counter!("orderstream_standby_records_total", "worker" => worker).increment(records);
    }

    /// What is to be followed from now on.
    pub(super) fn follow(&mut self, partitions: BTreeSet<u32>) {
        self.wanted = partitions;
    }

    /// It is to be taken over. All that was read of it is written.
    pub(super) fn give_up(&mut self, partition: u32) {
        self.wanted.remove(&partition);
        self.drop_unwanted();
    }

    /// Whether all that is wanted is followed.
    pub(super) fn follows_all(&self) -> bool {
        self.wanted.iter().all(|partition| self.followed.contains_key(partition))
    }

    /// How long nothing has to be done.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        if self.wanted.is_empty() && self.followed.is_empty() {
            return Duration::MAX;
        }
        let idle = if self.has_more { Duration::ZERO } else { LOOK_WAIT };
        let barred = self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        idle.max(barred).max(self.budget.wait(now))
    }

    /// Takes what has come. What fails is tried again later: nobody waits for it.
    pub(super) fn turn(&mut self, run: &Run) {
        self.not_before = None;
        match self.try_turn(run) {
            Ok(()) => self.is_failing = false,
            Err(problem) => {
                let (worker, reason) = (&self.worker, problem.chain());
                if std::mem::replace(&mut self.is_failing, true) {
                    debug!(%worker, reason, "copies of others' state are still not followed");
                } else {
                    warn!(%worker, reason, "copies of others' state are not followed; it is tried again");
                }
                self.drop_all();
                self.not_before = Some(Instant::now() + RETRY_WAIT);
            }
        }
    }

    fn try_turn(&mut self, run: &Run) -> Result<(), Error> {
        self.drop_unwanted();
        self.check_room(run)?;
        self.begin_new(run)?;
        self.take(run)?;
        if self.ends_asked.is_none_or(|asked| asked.elapsed() >= ENDS_EVERY) {
            self.ends_asked = Some(Instant::now());
            self.ask_ends(run)?;
        }
        Ok(())
    }

    /// The last of the disk is for what is held: a copy only saves time.
    fn check_room(&self, run: &Run) -> Result<(), Error> {
        let left_bytes = run.store.disk_left_bytes()?;
        let bytes_min = self.shared.options.standby_disk_left_bytes_min;
        if left_bytes < bytes_min {
            let (left, min) = (left_bytes >> 20, bytes_min >> 20);
            let source = format!("{left} MiB are left on the disk, and copies leave {min} MiB to others");
            return Err(Error::Store { doing: "keep copies of state", source: source.into() });
        }
        Ok(())
    }

    fn drop_unwanted(&mut self) {
        let dropped: Vec<u32> =
            self.followed.keys().copied().filter(|partition| !self.wanted.contains(partition)).collect();
        if dropped.is_empty() {
            return;
        }
        self.followed.retain(|partition, _| !dropped.contains(partition));
        self.tell();
        let Some(consumer) = &self.consumer else { return };
        // What it still gives of a partition that is not followed is passed over.
        let left = consumer.assignment().and_then(|assigned| {
            let mut left = TopicPartitionList::new();
            for element in assigned.elements() {
                if u32::try_from(element.partition()).is_ok_and(|partition| dropped.contains(&partition)) {
                    left.add_partition(element.topic(), element.partition());
                }
            }
            consumer.incremental_unassign(&left)
        });
        if let Err(problem) = left {
            debug!(%problem, "partitions are not given up one by one");
            self.drop_all();
        }
    }

    /// What is wanted is begun again from where the store stands, with a client that remembers nothing.
    fn drop_all(&mut self) {
        self.followed.clear();
        self.consumer = None;
        self.has_more = false;
        self.tell();
    }

    /// Finds out where the copies stand that are not followed yet, and has them read from there.
    fn begin_new(&mut self, run: &Run) -> Result<(), Error> {
        let new = self.wanted.iter().copied().filter(|partition| !self.followed.contains_key(partition));
        let new: Vec<u32> = new.take(BEGUN_AT_ONCE_MAX).collect();
        if new.is_empty() || self.begin_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        let topic = &run.inputs.changelog;
        let asked_ms = self.shared.clock.now_ms();
        let places: Vec<Place> = new.iter().map(|partition| (topic.clone(), *partition)).collect();
        let bounds = run.ends.written_within(&places, LOOK_AGAIN_WAIT)?;
        let bounds: Vec<_> = new.into_iter().zip(bounds).collect();
        let known = run.recognise(&bounds, LOOK_AGAIN_WAIT, || !run.is_stopping())?;
        if known.is_empty() {
            debug!(worker = %self.worker, "changelogs of others are not known again in time; it is tried again");
            self.begin_at = Some(Instant::now() + RETRY_WAIT);
            return Ok(());
        }
        let mut assigned = TopicPartitionList::new();
        let mut begun = BTreeMap::new();
        for (partition, bounds) in bounds {
            // The next turn looks at the others.
            let Some(known) = known.get(&partition).copied() else { continue };
            let replay = Replay::begin(run, partition, bounds, asked_ms, known)?;
            assigned
                .add_partition_offset(topic, wire_partition(partition), Offset::Offset(replay.next_offset))
                .map_err(failed("name a place in the changelog"))?;
            let (end_seen, noted) = (replay.end_offset, (replay.next_offset, replay.since_ms));
            begun.insert(partition, Followed { replay, is_behind: true, end_seen, noted });
        }
        info!(worker = %self.worker, partitions = ?begun.keys().collect::<Vec<_>>(), "state of others is followed");
        self.consumer(run)?.incremental_assign(&assigned).map_err(failed("follow the changelog"))?;
        self.followed.extend(begun);
        self.ends_asked = None;
        Ok(())
    }

    fn consumer(&mut self, run: &Run) -> Result<&BaseConsumer<Quiet>, Error> {
        if self.consumer.is_none() {
            let options = &self.shared.options;
            let config = options.standing_by(&format!("{}-standby", self.worker), &run.inputs.group);
            let consumer = BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
            self.consumer = Some(consumer);
        }
        self.consumer.as_ref().ok_or(Error::Closed)
    }

    /// One turn's worth of records, written.
    fn take(&mut self, run: &Run) -> Result<(), Error> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let turn_bytes_max = TURN_BYTES_MAX.min(self.budget.bytes_per_second_max as usize);
        let (mut bytes, mut records) = (0, 0);
        self.has_more = false;
        let mut touched = BTreeSet::new();
        while let Some(polled) = consumer.poll(Duration::ZERO) {
            match polled {
                Ok(message) => {
                    bytes += message.key_len() + message.payload_len() + RECORD_OVERHEAD_BYTES;
                    if let Ok(partition) = u32::try_from(message.partition())
                        && let Some(followed) = self.followed.get_mut(&partition)
                    {
                        records += u64::from(followed.replay.take(run, partition, &message));
                        touched.insert(partition);
                    }
                }
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(problem) if is_gone(&problem) => return Err(failed("read the changelog on")(problem)),
                // The client goes on by itself once the brokers answer.
                Err(problem) => match reading_refused(&problem, [&*run.inputs.changelog]) {
                    Some(refused) => return Err(refused),
                    None => debug!(%problem, "following the changelog"),
                },
            }
            if bytes >= turn_bytes_max {
                self.has_more = true;
                break;
            }
        }
        for partition in touched {
            if let Some(followed) = self.followed.get_mut(&partition) {
                followed.write(run, partition)?;
            }
        }
        self.count(records);
        run.known.followed.fetch_add(records, Ordering::Relaxed);
        self.budget.spend(bytes, Instant::now());
        Ok(())
    }

    /// Asks where the changelogs end: how far the copies are behind, and which of them are new as of now.
    fn ask_ends(&mut self, run: &Run) -> Result<(), Error> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let topic = &run.inputs.changelog;
        let places: Vec<Place> = self.followed.keys().map(|partition| (topic.clone(), *partition)).collect();
        let positions = consumer.position().map_err(failed("ask where the copies stand"))?;
        let asked_ms = self.shared.clock.now_ms();
        let Ok(ends) = run.ends.committed_within(&places, ENDS_WAIT) else {
            // Whoever does not answer has nothing new to give either.
            return Ok(());
        };
        for ((partition, followed), end) in self.followed.iter_mut().zip(ends) {
            followed.replay.pass_marks(&positions, topic, *partition);
            followed.end_seen = end;
            followed.settle(run, *partition)?;
            if !followed.is_behind {
                (followed.replay.end_offset, followed.replay.asked_ms) = (end, asked_ms);
                followed.is_behind = true;
                followed.settle(run, *partition)?;
            }
        }
        self.tell();
        Ok(())
    }

    /// How far the copies are behind, for whoever asks.
    fn tell(&self) {
        let lags = self.followed.iter().map(|(partition, followed)| (*partition, followed.lag_records()));
        let lags: BTreeMap<u32, u64> = lags.collect();
        let gauge = |name: &'static str| metrics::gauge!(name, "worker" => self.worker.to_string());
        gauge("orderstream_standby_partitions").set(lags.len() as f64);
        gauge("orderstream_standby_lag_records").set(lags.values().sum::<u64>() as f64);
        self.shared.tell_following(&self.worker, lags);
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.followed.clear();
        self.tell();
    }
}

impl Followed {
    fn lag_records(&self) -> u64 {
        (self.end_seen - self.replay.next_offset).max(0).unsigned_abs()
    }

    /// Writes what was taken.
    fn write(&mut self, run: &Run, partition: u32) -> Result<(), Error> {
        self.replay.write(run, partition)?;
        self.noted = (self.replay.next_offset, self.replay.since_ms);
        self.settle(run, partition)
    }

    /// Where all is taken up to the end that was asked for last: it is as new as it was then.
    fn settle(&mut self, run: &Run, partition: u32) -> Result<(), Error> {
        if !self.is_behind || !self.replay.is_at_end() {
            return Ok(());
        }
        self.is_behind = false;
        let (next_offset, since_ms) = self.noted;
        let is_news = self.replay.next_offset > next_offset
            || self.replay.onto == Onto::Beside
            || self.replay.asked_ms - since_ms >= NOTE_EVERY_MS;
        if is_news {
            self.replay.settle(run, partition)?;
            self.noted = (self.replay.next_offset, self.replay.since_ms);
        } else {
            self.replay.since_ms = self.replay.asked_ms;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_at_once_is_waited_for() {
        let now = Instant::now();
        let mut budget = Budget { bytes_per_second_max: 1_000, free_at: now };
        assert_eq!(budget.wait(now), Duration::ZERO);
        budget.spend(500, now);
        budget.spend(250, now);
        assert_eq!(budget.wait(now), Duration::from_millis(750));
        let later = now + Duration::from_secs(10);
        budget.spend(100, later);
        assert_eq!(budget.wait(later), Duration::from_millis(100), "what was not used is not saved up");
    }
}
