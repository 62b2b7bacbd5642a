//! Reading from outside: all partitions of some topics, outside any assignment. For projections, connectors and tools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::assignment::MemberId;
use super::fetch::{Fetch, fetch_all, lag};
use super::producer::Pending;
use super::request::Request;
use super::signal::Signal;
use super::store::Store;
use crate::Error;
use crate::Names;
use crate::log::{Limits, Position};
use crate::record::Record;

const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where the group of this name committed last; a group without positions begins with the oldest records.
    Group(Arc<str>),
    /// At these; partitions that are not named begin with the oldest records.
    Positions(Vec<Position>),
    Earliest,
    /// Behind the last record there is now.
    End,
}

/// Reads all partitions of its topics; in order per partition.
#[derive(Debug)]
pub struct Reader {
    store: Arc<Store>,
    requests: Sender<Request>,
    id: MemberId,
    signal: Arc<Signal>,
    group: Option<Arc<str>>,
    fetches: Vec<Fetch>,
    turn: usize,
    names: Names,
}

impl Reader {
    pub(crate) fn open(
        store: Arc<Store>,
        requests: Sender<Request>,
        topics: &[Arc<str>],
        start: &Start,
        id: MemberId,
    ) -> Result<Self, Error> {
        let mut fetches = Vec::new();
        let indexes: Vec<usize> =
            topics.iter().map(|name| store.topics().index(name)).collect::<Result<_, _>>()?;
        for topic in &indexes {
            for partition in 0..store.topics().at(*topic).partitions {
                let next_offset = first_offset(&store, start, *topic, partition)?;
                fetches.push(Fetch { topic: *topic, partition, next_offset });
            }
        }
        let group = match start {
            Start::Group(group) => Some(group.clone()),
            Start::Positions(_) | Start::Earliest | Start::End => None,
        };
        let signal: Arc<Signal> = Arc::default();
        let watch = Request::Watch { watcher: id, topics: indexes, signal: signal.clone() };
        requests.send(watch).map_err(|_| Error::Closed)?;
        Ok(Self { store, requests, id, signal, group, fetches, turn: 0, names: Names::default() })
    }

    /// The next records; waits at most `wait` for the first. Empty: none came.
    pub fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Vec<Record>, Error> {
        let deadline = Instant::now() + wait;
        loop {
            self.signal.clear();
            self.store.check_open()?;
            let records = fetch_all(&self.store, &mut self.fetches, &mut self.turn, limits, &mut self.names)?;
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            self.signal.wait(deadline);
        }
    }

    /// Where it goes on, for each partition: behind what `poll` gave out.
    pub fn positions(&self) -> Vec<Position> {
        self.fetches.iter().map(|fetch| self.position(fetch, fetch.next_offset)).collect()
    }

    /// The ends of its partitions as they are now.
    pub fn end_positions(&self) -> Vec<Position> {
        let end = |fetch: &Fetch| self.store.end(fetch.topic, fetch.partition);
        self.fetches.iter().map(|fetch| self.position(fetch, end(fetch))).collect()
    }

    fn position(&self, fetch: &Fetch, next_offset: i64) -> Position {
        let topic = self.store.topics().at(fetch.topic).name.clone();
        Position { topic, partition: fetch.partition, next_offset }
    }

    /// Makes the positions of its group durable: all that `poll` gave out is processed.
    ///
    /// Refused for a reader without a group.
    pub fn commit(&mut self) -> Result<(), Error> {
        let Some(group) = self.group.clone() else {
            let reason = "this reader was opened without a group, it keeps its own positions".to_owned();
            return Err(Error::GroupRefused { group: "".into(), reason });
        };
        let (reply, written) = bounded(1);
        let request = Request::Positions { group, positions: self.positions(), reply };
        self.requests.send(request).map_err(|_| Error::Closed)?;
        Pending::new(written).wait(COMMIT_WAIT).map(|_| ())
    }

    /// How many records it has not given out yet.
    pub fn lag_records(&self) -> u64 {
        lag(&self.store, &self.fetches)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A log that is closed wakes nobody any more.
        let _ = self.requests.send(Request::Unwatch { watcher: self.id });
    }
}

fn first_offset(store: &Store, start: &Start, topic: usize, partition: u32) -> Result<i64, Error> {
    let known = match start {
        Start::Group(group) => store.position(group, topic, partition)?,
        Start::Positions(positions) => {
            let name = &store.topics().at(topic).name;
            let mut positions = positions.iter();
            positions.find(|at| at.topic == *name && at.partition == partition).map(|at| at.next_offset)
        }
        Start::Earliest => None,
        Start::End => Some(store.end(topic, partition)),
    };
    Ok(known.unwrap_or_else(|| store.earliest(topic, partition)))
}
