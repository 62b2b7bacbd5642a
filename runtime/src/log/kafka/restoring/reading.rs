//! Reads changelogs to their ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::{Asked, RETRY_MIN, Reading, Restoring, Waiting};
use crate::Error;
use crate::log::kafka::failure::{failed, reading_refused};
use crate::log::kafka::options::CALL_WAIT;
use crate::log::kafka::origin::Recognised;
use crate::log::kafka::replay::{Replay, is_gone};
use crate::log::kafka::restore::{Run, Wanted};
use crate::log::kafka::transaction::wire_partition;

/// A look whether changelogs are those that are known takes no longer, so that it holds up no others; then it is tried again.
const RECOGNISE_WAIT: Duration = Duration::from_secs(5);

/// How the end of a changelog was come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// By the client, which stands behind the marks of transactions too.
    Marks,
    /// Before a record that is left.
    End,
}

impl Restoring<'_> {
    /// Each from where the store stands; those that lack nothing are ready. Those of which it is not known in time where that is wait.
    pub(super) fn begin_reading(&mut self, settled: Vec<(Wanted, Asked)>) -> Result<(), Error> {
        if settled.is_empty() {
            return Ok(());
        }
        match self.begun(&settled) {
            Ok(begun) => {
                let is_late =
                    |wanted: &Wanted| begun.iter().all(|one| one.wanted.partition != wanted.partition);
                let late = settled.iter().filter(|(wanted, _)| is_late(wanted));
                self.waiting.extend(late.map(|(wanted, _)| Waiting::new(*wanted)));
                self.reading.extend(begun.into_iter().map(|one| (one.wanted.partition, one)));
            }
            Err(problem) => {
                self.waiting.extend(settled.into_iter().map(|(wanted, _)| Waiting::new(wanted)));
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

    fn begun(&self, settled: &[(Wanted, Asked)]) -> Result<Vec<Reading>, Error> {
        let run = self.run;
        let mut unknown = Vec::new();
        for (wanted, asked) in settled {
            // What was begun is gone on with only where it is known again, though nobody else had the partition meanwhile.
            if wanted.is_new || run.store.building(wanted.partition)?.is_some() {
                unknown.push((wanted.partition, asked.bounds));
            }
        }
        let goes_on = || settled.iter().any(|(wanted, _)| run.known.wants(wanted.ticket));
        let known = run.recognise(&unknown, RECOGNISE_WAIT, goes_on)?;
        let mut begun = Vec::with_capacity(settled.len());
        for (wanted, asked) in settled {
            let partition = wanted.partition;
            let is_unknown = unknown.iter().any(|(unknown, _)| *unknown == partition);
            let known = match known.get(&partition) {
                Some(known) => *known,
                None if is_unknown => continue,
                None => Recognised::default(),
            };
            let replay = Replay::begin(run, partition, asked.bounds, asked.asked_ms, known)?;
            begun.push(Reading { wanted: *wanted, committed: asked.committed.clone(), replay });
        }
        match begun.is_empty() {
            false => Ok(begun),
            true => {
                Err(Error::Store { doing: "look at the changelog", source: "it was not read in time".into() })
            }
        }
    }

    /// Those that are to be read now, each from where it is.
    fn assign(&mut self) -> Result<(), Error> {
        self.choose();
        self.fetch()
    }

    /// Whether others come to the front than there were.
    fn choose(&mut self) -> bool {
        let lefts = self.reading.iter().map(|(partition, one)| (*partition, one.replay.left_records()));
        let Run { worker, shared, .. } = self.run;
        self.front.choose(&lefts.collect(), || shared.turns.take(worker), Instant::now())
    }

    fn fetch(&mut self) -> Result<(), Error> {
        let mut assigned = TopicPartitionList::new();
        for (partition, reading) in &self.reading {
            if !self.front.has(*partition) {
                continue;
            }
            let from = Offset::Offset(reading.replay.next_offset);
            assigned
                .add_partition_offset(&self.run.inputs.changelog, wire_partition(*partition), from)
                .map_err(failed("name a place in the changelog"))?;
        }
        self.is_assigned = true;
        if let Some(faults) = &self.run.shared.options.faults {
            faults.note_read_together(self.front.heard());
        }
        self.run.consumer.assign(&assigned).map_err(failed("read the changelog"))
    }

    /// The next ones come to the front once those there are read, or bring nothing for a while.
    fn advance(&mut self) -> Result<(), Error> {
        let Run { worker, shared, .. } = self.run;
        if !self.front.is_over(&self.reading, Instant::now()) {
            if self.front.is_silent() {
                // It has no other to read, so it does not come to ask for its turn.
                shared.turns.leave(worker);
            }
            return Ok(());
        }
        shared.turns.pass_on(worker);
        if self.choose() { self.fetch() } else { Ok(()) }
    }

    /// Takes what comes, until all are at their ends or this time.
    pub(super) fn read(&mut self, until: Instant) -> Result<(), Error> {
        let run = self.run;
        self.advance()?;
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
                Some(Err(problem)) => {
                    if let Some(refused) = reading_refused(&problem, [&*run.inputs.changelog]) {
                        return Err(refused);
                    }
                    if is_gone(&problem) {
                        return Err(failed("read the changelog on")(problem));
                    }
                    // The client goes on by itself once the brokers answer.
                    debug!(%problem, "reading the changelog");
                }
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
        self.front.came(partition);
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
            self.finish(partition)?;
            return self.advance();
        }
        // That may take a while.
        run.shared.turns.pass_on(&run.worker);
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
