//! Where partitions begin and end, asked of the brokers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::context::Quiet;
use super::failure::{failed, refused};
use super::options::Options;
use super::transaction::wire_partition;
use crate::Error;

/// How long a broker may take to say where a partition ends.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// Between two questions while a leader is not known.
const LEADER_LOOK: Duration = Duration::from_millis(20);
/// Between two looks whether open transactions are settled.
const SETTLED_LOOK: Duration = Duration::from_millis(2);

/// Asks under both isolations: what is written, and what of it is settled, are two ends.
pub(crate) struct Ends {
    written: BaseConsumer<Quiet>,
    committed: BaseConsumer<Quiet>,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ends").finish_non_exhaustive()
    }
}

impl Ends {
    pub(crate) fn new(options: &Options, id: &str) -> Result<Self, Error> {
        let client = |read_committed| {
            BaseConsumer::from_config_and_context(&options.asking(id, read_committed), Quiet).map_err(refused)
        };
        Ok(Self { written: client(false)?, committed: client(true)? })
    }

    /// The oldest offset of a partition and the one behind its last record, whether that is committed or not.
    pub(crate) fn written(&self, topic: &str, partition: u32) -> Result<(i64, i64), Error> {
        ask(&self.written, topic, partition)
    }

    /// The same, up to the first open transaction.
    pub(crate) fn committed(&self, topic: &str, partition: u32) -> Result<(i64, i64), Error> {
        ask(&self.committed, topic, partition)
    }

    /// As [`Ends::written`], of many partitions with one question to each broker: where they begin, where what is written
    /// ends.
    pub(crate) fn written_all(&self, places: &[Place]) -> Result<Vec<(i64, i64)>, Error> {
        let lows = ask_all(&self.written, places, Offset::Beginning)?;
        Ok(lows.into_iter().zip(ask_all(&self.written, places, Offset::End)?).collect())
    }

    /// As [`Ends::written_all`], asked once and not again: for whoever has something else to do meanwhile.
    pub(crate) fn written_within(&self, places: &[Place], wait: Duration) -> Result<Vec<(i64, i64)>, Error> {
        let lows = ask_once(&self.written, places, Offset::Beginning, wait)?;
        Ok(lows.into_iter().zip(ask_once(&self.written, places, Offset::End, wait)?).collect())
    }

    /// As [`Ends::committed_all`], asked once and not again.
    pub(crate) fn committed_within(&self, places: &[Place], wait: Duration) -> Result<Vec<i64>, Error> {
        ask_once(&self.committed, places, Offset::End, wait)
    }

    /// Where what is settled ends in each of many partitions.
    pub(crate) fn committed_all(&self, places: &[Place]) -> Result<Vec<i64>, Error> {
        ask_all(&self.committed, places, Offset::End)
    }

    /// As [`Ends::settled`], the ends of many partitions.
    pub(crate) fn settled_all(&self, places: &[Place], deadline: Instant) -> Result<Vec<i64>, Error> {
        let asked = Instant::now();
        let ends = ask_all(&self.written, places, Offset::End)?;
        while self.committed_all(places)?.iter().zip(&ends).any(|(committed, end)| committed < end) {
            if Instant::now() >= deadline {
                return Err(Error::WaitEnded { wait_ms: asked.elapsed().as_millis() as u64 });
            }
            std::thread::sleep(SETTLED_LOOK);
        }
        Ok(ends)
    }

    /// As [`Ends::written`], once all before that end is settled. A commit is told before each partition has heard of it:
    /// whoever asks for the end afterwards means to have it in.
    ///
    /// Errors: it is not settled by `deadline`; some transaction is open.
    pub(crate) fn settled(
        &self,
        topic: &str,
        partition: u32,
        deadline: Instant,
    ) -> Result<(i64, i64), Error> {
        let asked = Instant::now();
        let (low, high) = self.written(topic, partition)?;
        while self.committed(topic, partition)?.1 < high {
            if Instant::now() >= deadline {
                return Err(Error::WaitEnded { wait_ms: asked.elapsed().as_millis() as u64 });
            }
            std::thread::sleep(SETTLED_LOOK);
        }
        Ok((low, high))
    }
}

/// A topic as the cluster knows it, and a partition of it.
pub(crate) type Place = (Arc<str>, u32);

/// Asks until it is answered, or [`ASK_WAIT`] is over: the client does not repeat these questions where a leader has just changed, or is
/// of a topic that was just made.
fn answered<T>(
    client: &BaseConsumer<Quiet>,
    topic: &str,
    question: impl Fn(Duration) -> Result<T, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + ASK_WAIT;
    loop {
        match question(deadline.saturating_duration_since(Instant::now())) {
            Ok(answer) => return Ok(answer),
            Err(problem) if Instant::now() + LEADER_LOOK >= deadline => return Err(problem),
            Err(problem) => debug!(%problem, topic, "ends of partitions are asked for again"),
        }
        std::thread::sleep(LEADER_LOOK);
        // By this the client learns who leads now; the next question says what went wrong, if anything does.
        let _ = client.fetch_metadata(Some(topic), deadline.saturating_duration_since(Instant::now()));
    }
}

/// `what`: the first or the last offset. The client asks for times, and these two stand for times before and after all.
fn ask_all(client: &BaseConsumer<Quiet>, places: &[Place], what: Offset) -> Result<Vec<i64>, Error> {
    let Some((topic, _)) = places.first() else { return Ok(Vec::new()) };
    answered(client, topic, |wait| ask_once(client, places, what, wait))
}

fn ask_once(
    client: &BaseConsumer<Quiet>,
    places: &[Place],
    what: Offset,
    wait: Duration,
) -> Result<Vec<i64>, Error> {
    const DOING: &str = "ask where partitions end";
    let mut asked = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        asked.add_partition_offset(topic, wire_partition(*partition), what).map_err(failed(DOING))?;
    }
    let told = client.offsets_for_times(asked, wait).map_err(failed(DOING))?;
    let answer = |(topic, partition): &Place| {
        let element = told.find_partition(topic, wire_partition(*partition));
        let element = element.ok_or_else(|| Error::Store { doing: DOING, source: "no answer".into() })?;
        element.error().map_err(failed(DOING))?;
        match element.offset() {
            Offset::Offset(offset) => Ok(offset),
            other => Err(Error::Store { doing: DOING, source: format!("answered {other:?}").into() }),
        }
    };
    places.iter().map(answer).collect()
}

fn ask(client: &BaseConsumer<Quiet>, topic: &str, partition: u32) -> Result<(i64, i64), Error> {
    answered(client, topic, |wait| {
        client
            .fetch_watermarks(topic, wire_partition(partition), wait)
            .map_err(failed("ask where a partition ends"))
    })
}
