//! Restores partitions side by side, each ready as soon as its own changelog is read: none waits for another whose changelog is longer,
//! whose leader is away, or over which a transaction is still open; and what comes meanwhile joins in.
//!
//! ```text
//!   wanted ──► asked: positions, then the end ──► settled up to that end ──► read to it ──► ready
//!     ▲                                                                        │
//!     └──────────────── what fails in passing begins again, a little later ◄───┘
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::failure::failed;
use super::options::CALL_WAIT;
use super::origin::Bounds;
use super::replay::{Replay, is_gone};
use super::restore::{Committed, Job, Restored, Run, SETTLED_LOOK, SETTLED_WAIT, Wanted};
use super::standby::Standby;
use super::transaction::wire_partition;
use crate::Error;
use crate::log::embedded::signal::Signal;

/// How long is read before it is looked what else is to be done.
const TURN_WAIT: Duration = Duration::from_millis(100);
/// Between two tries while the brokers do not answer.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// What lasts is said again so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How far a restore is, for whoever asks, and for whoever reads the service's log.
const COUNT_EVERY: Duration = Duration::from_millis(200);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What goes to the worker.
type Ready = Sender<Result<Restored, Error>>;

/// What the brokers said of a partition, in this sequence.
struct Asked {
    committed: Committed,
    /// Whoever has all up to the end that was asked for next is as new as then.
    asked_ms: i64,
    bounds: Bounds,
    at: Instant,
}

/// Wanted, and not being read yet.
struct Waiting {
    wanted: Wanted,
    /// None: to be asked, or to be asked anew.
    asked: Option<Asked>,
}

impl Waiting {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, asked: None }
    }
}

/// Being read.
struct Reading {
    wanted: Wanted,
    committed: Committed,
    replay: Replay,
}

/// How the end of a changelog was come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// By the client, which stands behind the marks of transactions too.
    Marks,
    /// Before a record that is left.
    End,
}

/// All that is wanted at a time.
struct Restoring<'a> {
    run: &'a Run,
    ready: &'a Ready,
    signal: &'a Signal,
    waiting: Vec<Waiting>,
    /// By partition.
    reading: BTreeMap<u32, Reading>,
    /// Whether the client was told to read anything.
    is_assigned: bool,
    /// When those that wait are looked at next.
    look_at: Instant,
    retry: Duration,
    told_at: Option<Instant>,
    counted_at: Instant,
    /// As it was counted last.
    replayed: u64,
    progress_at: Instant,
}

/// The restorer's thread: until nobody asks any more.
pub(super) fn serve(run: &Run, mut standby: Standby, jobs: &Receiver<Job>, ready: &Ready, signal: &Signal) {
    let mut restoring = Restoring::new(run, ready, signal);
    loop {
        if restoring.is_idle() {
            match jobs.recv_timeout(standby.wait(Instant::now())) {
                Ok(job) => restoring.take(job, &mut standby),
                Err(RecvTimeoutError::Timeout) => standby.turn(run),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        for job in jobs.try_iter() {
            restoring.take(job, &mut standby);
        }
        if let Err(problem) = restoring.turn() {
            // What trying again does not mend is for the worker to tell; the rest would meet it as well.
            restoring.give_all_up();
            let _ = ready.send(Err(problem));
            signal.notify();
        }
    }
}

impl<'a> Restoring<'a> {
    fn new(run: &'a Run, ready: &'a Ready, signal: &'a Signal) -> Self {
        let now = Instant::now();
        Self {
            run,
            ready,
            signal,
            waiting: Vec::new(),
            reading: BTreeMap::new(),
            is_assigned: false,
            look_at: now,
            retry: RETRY_MIN,
            told_at: None,
            counted_at: now,
            replayed: 0,
            progress_at: now,
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_empty()
    }

    fn take(&mut self, job: Job, standby: &mut Standby) {
        match job {
            Job::Restore(wanted) => {
                if self.is_idle() {
                    self.progress_at = Instant::now();
                }
                standby.give_up(wanted.partition);
                // An older order for it is of no interest any more.
                self.reading.remove(&wanted.partition);
                self.waiting.retain(|waiting| waiting.wanted.partition != wanted.partition);
                self.waiting.push(Waiting::new(wanted));
                (self.look_at, self.retry) = (Instant::now(), RETRY_MIN);
            }
            Job::Follow(partitions) => standby.follow(partitions),
        }
    }

    fn give_all_up(&mut self) {
        self.waiting.clear();
        self.reading.clear();
        // It is closed with the worker, which ends.
        let _ = self.run.consumer.unassign();
        self.count();
    }

    /// What can be done now, for about [`TURN_WAIT`].
    ///
    /// Errors: one that trying again does not mend.
    fn turn(&mut self) -> Result<(), Error> {
        let (was_idle, run) = (self.is_idle(), self.run);
        self.waiting.retain(|waiting| run.known.wants(waiting.wanted.ticket));
        self.reading.retain(|_, reading| run.known.wants(reading.wanted.ticket));
        if !self.waiting.is_empty() && Instant::now() >= self.look_at {
            let begun = self.begin();
            self.waited_for(begun)?;
        }
        let until = match self.waiting.is_empty() {
            true => Instant::now() + TURN_WAIT,
            false => self.look_at.min(Instant::now() + TURN_WAIT),
        };
        if !self.reading.is_empty() {
            let read = self.read(until);
            if read.is_err() {
                self.begin_again();
            }
            self.waited_for(read)?;
        } else if !self.waiting.is_empty() {
            run.known.stop.wait(until.saturating_duration_since(Instant::now()));
        }
        if self.reading.is_empty() && std::mem::take(&mut self.is_assigned) {
            // Nothing is fetched any more that nobody would take.
            let ended = run.consumer.unassign().map_err(failed("end the reading of the changelog"));
            self.waited_for(ended)?;
        }
        self.tell_progress(was_idle);
        Ok(())
    }

    /// What fails in passing is tried again after a while, and said now and then.
    fn waited_for(&mut self, done: Result<(), Error>) -> Result<(), Error> {
        let problem = match done {
            Ok(()) => return Ok(()),
            Err(problem) if problem.is_passing() => problem,
            Err(problem) => return Err(problem),
        };
        let (worker, reason, retry) = (&self.run.worker, problem.chain(), self.retry);
        let partitions: Vec<u32> = self.waiting.iter().map(|waiting| waiting.wanted.partition).collect();
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            warn!(%worker, ?partitions, reason, "state could not be restored; it is tried again");
        } else {
            debug!(%worker, ?partitions, reason, ?retry, "restore is tried once more");
        }
        self.look_at = Instant::now() + retry;
        self.retry = (retry * 2).min(RETRY_MAX);
        Ok(())
    }

    /// What was being read begins anew from where the store stands.
    fn begin_again(&mut self) {
        let reading = std::mem::take(&mut self.reading).into_values();
        self.waiting.extend(reading.map(|reading| Waiting::new(reading.wanted)));
    }

    /// Asks about those that wait, and begins to read those over which nothing is open any more.
    fn begin(&mut self) -> Result<(), Error> {
        self.look_at = Instant::now() + SETTLED_LOOK;
        let asked = self.ask();
        let settled = self.take_settled();
        let begun = match settled {
            Ok(settled) if settled.is_empty() => Ok(()),
            Ok(settled) => self.begin_reading(settled),
            Err(problem) => Err(problem),
        };
        asked.and(begun)
    }

    /// Positions, and only then the ends. The first that is not answered ends it, and comes last at the next try: so it holds up no other.
    fn ask(&mut self) -> Result<(), Error> {
        let run = self.run;
        let is_over = |asked: &Asked| asked.at.elapsed() >= SETTLED_WAIT;
        let mut over = None;
        for waiting in &mut self.waiting {
            if waiting.asked.as_ref().is_some_and(is_over) {
                // Then so much may not be there any more, and the end is asked for anew.
                waiting.asked = None;
                over = Some(Error::WaitEnded { wait_ms: SETTLED_WAIT.as_millis() as u64 });
            }
        }
        let unasked = |waiting: &&Waiting| waiting.asked.is_none();
        let partitions: Vec<u32> =
            self.waiting.iter().filter(unasked).map(|waiting| waiting.wanted.partition).collect();
        if !partitions.is_empty() {
            let mut committed = run.committed(&partitions)?;
            let asked_ms = run.shared.clock.now_ms();
            for partition in partitions {
                let bounds = run.ends.written(&run.inputs.changelog, partition);
                let at = self.waiting.iter().position(|waiting| waiting.wanted.partition == partition);
                let Some((at, committed)) = at.zip(committed.remove(&partition)) else { continue };
                match bounds {
                    Ok(bounds) => {
                        self.waiting[at].asked =
                            Some(Asked { committed, asked_ms, bounds, at: Instant::now() });
                    }
                    Err(problem) => {
                        let last = self.waiting.remove(at);
                        self.waiting.push(last);
                        return Err(problem);
                    }
                }
            }
        }
        over.map_or(Ok(()), Err)
    }

    /// Those of which all that was written before the end that was asked for is either committed or aborted.
    fn take_settled(&mut self) -> Result<Vec<(Wanted, Asked)>, Error> {
        let (run, mut settled) = (self.run, Vec::new());
        let mut left = Vec::new();
        let mut problem = None;
        for waiting in self.waiting.drain(..) {
            match waiting {
                Waiting { wanted, asked: Some(asked) } if problem.is_none() => {
                    match run.ends.committed(&run.inputs.changelog, wanted.partition) {
                        Ok((_, committed)) if committed >= asked.bounds.1 => settled.push((wanted, asked)),
                        Ok(_) => left.push(Waiting { wanted, asked: Some(asked) }),
                        Err(one) => {
                            problem = Some(one);
                            left.push(Waiting { wanted, asked: Some(asked) });
                        }
                    }
                }
                waiting => left.push(waiting),
            }
        }
        self.waiting = left;
        match problem {
            // They are asked about once more, which costs little.
            Some(problem) => {
                self.waiting.extend(
                    settled.into_iter().map(|(wanted, asked)| Waiting { wanted, asked: Some(asked) }),
                );
                Err(problem)
            }
            None => Ok(settled),
        }
    }

    fn begin_reading(&mut self, settled: Vec<(Wanted, Asked)>) -> Result<(), Error> {
        let run = self.run;
        let begin = || -> Result<Vec<Reading>, Error> {
            let mut unknown = Vec::new();
            for (wanted, asked) in &settled {
                // What was begun is gone on with only where it is known again, though nobody else had the partition meanwhile.
                if wanted.is_new || run.store.building(wanted.partition)?.is_some() {
                    unknown.push((wanted.partition, asked.bounds));
                }
            }
            let goes_on = || settled.iter().any(|(wanted, _)| run.known.wants(wanted.ticket));
            let known = run.recognise(&unknown, goes_on)?;
            let mut begun = Vec::with_capacity(settled.len());
            for (wanted, asked) in &settled {
                let known = known.get(&wanted.partition).copied().unwrap_or_default();
                let replay = Replay::begin(run, wanted.partition, asked.bounds, asked.asked_ms, known)?;
                begun.push(Reading { wanted: *wanted, committed: asked.committed.clone(), replay });
            }
            Ok(begun)
        };
        match begin() {
            Ok(begun) => self.reading.extend(begun.into_iter().map(|one| (one.wanted.partition, one))),
            Err(problem) => {
                self.waiting.extend(settled.into_iter().map(|(wanted, _)| Waiting::new(wanted)));
                // The client may have been led away from what it was reading.
                self.assign()?;
                return Err(problem);
            }
        }
        self.retry = RETRY_MIN;
        let at_end =
            |(partition, reading): (&u32, &Reading)| reading.replay.is_at_end().then_some(*partition);
        let at_end: Vec<u32> = self.reading.iter().filter_map(at_end).collect();
        for partition in at_end {
            self.finish(partition)?;
        }
        self.assign()
    }

    /// All that are being read, each from where it is.
    fn assign(&mut self) -> Result<(), Error> {
        let mut assigned = TopicPartitionList::new();
        for (partition, reading) in &self.reading {
            let from = Offset::Offset(reading.replay.next_offset);
            assigned
                .add_partition_offset(&self.run.inputs.changelog, wire_partition(*partition), from)
                .map_err(failed("name a place in the changelog"))?;
        }
        self.is_assigned = true;
        self.run.consumer.assign(&assigned).map_err(failed("read the changelog"))
    }

    /// Takes what comes, until all are at their ends or this time.
    fn read(&mut self, until: Instant) -> Result<(), Error> {
        let run = self.run;
        while !self.reading.is_empty() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            match run.consumer.poll(wait) {
                Some(Ok(message)) => self.take_record(&message)?,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Ok(partition) = u32::try_from(partition) {
                        self.at_end(partition, Seen::Marks)?;
                    }
                }
                Some(Err(problem)) if is_gone(&problem) => {
                    return Err(failed("read the changelog on")(problem));
                }
                // The client goes on by itself once the brokers answer.
                Some(Err(problem)) => debug!(%problem, "reading the changelog"),
                None => {}
            }
        }
        Ok(())
    }

    fn take_record(&mut self, message: &BorrowedMessage<'_>) -> Result<(), Error> {
        let run = self.run;
        let Ok(partition) = u32::try_from(message.partition()) else { return Ok(()) };
        let Some(Reading { replay, .. }) = self.reading.get_mut(&partition) else { return Ok(()) };
        if !replay.looked_again && self.seems_to_end() {
            return self.at_end(partition, Seen::End);
        }
        let Some(Reading { replay, .. }) = self.reading.get_mut(&partition) else { return Ok(()) };
        if replay.take(run, partition, message) {
            run.known.replayed.fetch_add(1, Ordering::Relaxed);
        }
        if replay.is_full() {
            replay.write(run, partition)?;
        }
        Ok(())
    }

    /// What is settled ends here. It may be before the end that was asked for, for a moment: who has just become the partition's leader
    /// has all records, and is yet to hear how many of them the others have.
    fn at_end(&mut self, partition: u32, seen: Seen) -> Result<(), Error> {
        let run = self.run;
        let Some(reading) = self.reading.get_mut(&partition) else { return Ok(()) };
        if seen == Seen::Marks {
            let positions = run.consumer.position().map_err(failed("ask where the reading stands"))?;
            reading.replay.pass_marks(&positions, &run.inputs.changelog, partition);
        }
        // The second time there was nothing more to read, though all was settled: the rest was cleaned away.
        if reading.replay.is_at_end() || reading.replay.looked_again {
            return self.finish(partition);
        }
        look_again(run, &mut reading.replay, &reading.wanted)
    }

    /// It has all, and is handed over at once. Should that fail in passing, it is begun anew, and the others go on.
    fn finish(&mut self, partition: u32) -> Result<(), Error> {
        let Some(Reading { wanted, committed, replay }) = self.reading.remove(&partition) else {
            return Ok(());
        };
        let finished =
            replay.finish(self.run, partition).and_then(|()| self.run.positions(&wanted, &committed));
        match finished {
            Ok(restored) => {
                let _ = self.ready.send(Ok(restored));
                self.signal.notify();
                Ok(())
            }
            Err(problem) => {
                self.waiting.push(Waiting::new(wanted));
                self.waited_for(Err(problem))
            }
        }
    }

    /// A test has a changelog end while there are records left.
    fn seems_to_end(&self) -> bool {
        self.run.shared.options.faults.as_ref().is_some_and(|faults| faults.take_early_end())
    }

    fn tell_progress(&mut self, was_idle: bool) {
        if was_idle {
            return;
        }
        if self.is_idle() || self.counted_at.elapsed() >= COUNT_EVERY {
            self.count();
        }
        if self.progress_at.elapsed() >= PROGRESS_EVERY {
            self.progress_at = Instant::now();
            let left_records: u64 = self.reading.values().map(|reading| reading.replay.left_records()).sum();
            let (reading, waiting) = (self.reading.len(), self.waiting.len());
            info!(worker = %self.run.worker, reading, waiting, left_records, "state is being restored");
        }
    }

    fn count(&mut self) {
        self.counted_at = Instant::now();
        let replayed = self.run.known.replayed.load(Ordering::Relaxed);
        metrics::counter!("orderstream_replayed_records_total").increment(replayed - self.replayed);
        self.replayed = replayed;
        let waiting = self.waiting.iter().map(|waiting| (waiting.wanted.partition, None));
        let reading =
            self.reading.iter().map(|(partition, one)| (*partition, Some(one.replay.left_records())));
        self.run.shared.tell_restoring(&self.run.worker, waiting.chain(reading).collect());
    }
}

/// Reads on from where it is once the leader knows that all is settled before the end that was asked for.
fn look_again(run: &Run, replay: &mut Replay, wanted: &Wanted) -> Result<(), Error> {
    let (next_offset, end_offset, partition) = (replay.next_offset, replay.end_offset, wanted.partition);
    debug!(worker = %run.worker, partition, next_offset, end_offset, "changelog ends early; it is looked at again");
    run.await_settled(wanted.ticket, partition, end_offset)?;
    replay.looked_again = true;
    let mut place = TopicPartitionList::new();
    place
        .add_partition_offset(&run.inputs.changelog, wire_partition(partition), Offset::Offset(next_offset))
        .map_err(failed("name a place in the changelog"))?;
    const DOING: &str = "read the changelog again";
    let sought = run.consumer.seek_partitions(place, CALL_WAIT).map_err(failed(DOING))?;
    sought.elements().iter().try_for_each(|place| place.error().map_err(failed(DOING)))
}
