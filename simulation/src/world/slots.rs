//! The workers' places: who runs, who is paused, who is down and until when.

use std::sync::Arc;
use std::time::Duration;

use runtime::shard::Turn;
use runtime::{Clock, ManualClock, Membership, Settings, Worker};
use schemas::topics;
use topology::{Line, SubTopology};

use super::observed::Observed;
use crate::audit::{Invariant, Violation};
use crate::log::{Cluster, Member, Shared};

/// A worker that runs.
#[derive(Debug)]
pub struct Running {
    worker: Worker<Member, Observed>,
    pub process: u64,
    clock: ManualClock,
    /// Its clock is so much ahead of the true time.
    pub skew_ms: i64,
    /// Until then (the second) it is wrong, and so much further ahead.
    pub wrong_by: Option<(i64, i64)>,
    /// It asked for a pause until then.
    not_before_ms: i64,
    /// It hangs until then, and nothing of its process moves.
    pub hangs_until_ms: Option<i64>,
    /// It does not hear from its group until then.
    pub deaf_until_ms: Option<i64>,
    /// It has to be turned whether there is news or not.
    wants_turn: bool,
}

/// What a place holds.
#[derive(Debug)]
pub enum Holds {
    Running(Box<Running>),
    /// Nobody, until then.
    Nobody {
        until_ms: i64,
    },
}

/// A worker's place.
#[derive(Debug)]
pub struct Slot {
    pub name: Arc<str>,
    group: SubTopology,
    line: Line,
    batch_records_max: usize,
    pub holds: Holds,
}

impl Slot {
    pub fn new(group: &SubTopology, line: &Line, number: usize, batch_records_max: usize) -> Slot {
        let (group, line) = (group.clone(), line.clone());
        let name = format!("{}-{number}", group.name).into();
        Slot { name, group, line, batch_records_max, holds: Holds::Nobody { until_ms: 0 } }
    }

    /// Another place in the same group.
    pub fn beside(&self, number: usize, now_ms: i64) -> Slot {
        let mut slot = Slot::new(&self.group, &self.line, number, self.batch_records_max);
        slot.holds = Holds::Nobody { until_ms: now_ms };
        slot
    }

    pub fn group(&self) -> &str {
        &self.group.name
    }

    pub fn running(&self) -> Option<&Running> {
        match &self.holds {
            Holds::Running(running) => Some(running),
            Holds::Nobody { .. } => None,
        }
    }

    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.holds {
            Holds::Running(running) => Some(running),
            Holds::Nobody { .. } => None,
        }
    }

    /// A process starts here.
    ///
    /// # Errors
    /// The log refuses the membership, or the worker its settings: mistakes of ours.
    pub fn start(&mut self, cluster: &Shared, now_ms: i64) -> Result<u64, runtime::Error> {
        let member = cluster.member(Membership {
            group: self.group.name.as_str().into(),
            worker: self.name.clone(),
            processors: self.group.processors.iter().map(|processor| processor.name().into()).collect(),
            topics: self.group.topics().into_iter().map(Into::into).collect(),
            topics_broadcast: vec![topics::CATALOG.into(), topics::DOWNSTREAM_HEALTH.into()],
        })?;
        let process = member.id();
        let clock = ManualClock::at(now_ms);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let handler = Observed::new(self.line.clone(), cluster.clone(), clock.clone(), process);
        let settings = Settings {
            batch_records_max: self.batch_records_max,
            ..Settings::new(&self.name, topics::DEAD_LETTERS)
        };
        let worker = Worker::new(member, handler, shared, settings)?;
        self.holds = Holds::Running(Box::new(Running {
            worker,
            process,
            clock,
            skew_ms: 0,
            wrong_by: None,
            not_before_ms: now_ms,
            hangs_until_ms: None,
            deaf_until_ms: None,
            wants_turn: true,
        }));
        Ok(process)
    }

    /// Leaves its group in order, after it has settled.
    ///
    /// # Errors
    /// The worker cannot even leave.
    pub fn leave(&mut self, until_ms: i64) -> Result<(), runtime::Error> {
        match std::mem::replace(&mut self.holds, Holds::Nobody { until_ms }) {
            Holds::Running(running) => running.worker.finish(),
            Holds::Nobody { .. } => Ok(()),
        }
    }
}

impl Running {
    /// Whether it hangs.
    pub fn hangs(&self) -> bool {
        self.hangs_until_ms.is_some()
    }

    /// How far its clock is ahead of the true time.
    pub fn ahead_ms(&self) -> i64 {
        self.skew_ms + self.wrong_by.map_or(0, |(by_ms, _)| by_ms)
    }

    /// When its next timer is due, by the true time.
    fn next_due_ms(&mut self) -> Option<i64> {
        let due_ms = self.worker.next_due_ms().ok().flatten();
        due_ms.map(|due_ms| due_ms.saturating_sub(self.ahead_ms()))
    }

    /// Whether a turn would do something.
    pub fn is_ready(&mut self, cluster: &Shared, now_ms: i64) -> bool {
        if self.hangs() || self.not_before_ms > now_ms {
            return false;
        }
        if self.wants_turn {
            return true;
        }
        let has_news = {
            let cluster: &Cluster = &cluster.lock();
            let process = cluster.processes.get(&self.process);
            // A dead one has to be turned once more, to find out.
            process.is_none_or(|process| process.dead || process.has_news(&cluster.broker))
        };
        has_news || self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When it is to be looked at again, if nothing comes.
    pub fn next_ms(&mut self) -> Option<i64> {
        if let Some(until_ms) = self.hangs_until_ms {
            return Some(until_ms);
        }
        let right_ms = self.wrong_by.map(|(_, until_ms)| until_ms);
        let next = self.next_due_ms().into_iter().chain(self.deaf_until_ms).chain(right_ms).min();
        let next = if self.wants_turn { Some(self.not_before_ms) } else { next };
        next.map(|next_ms| next_ms.max(self.not_before_ms))
    }

    /// One turn; false: its process is dead.
    ///
    /// # Errors
    /// It stops for good although nobody made it crash.
    pub fn turn(&mut self, cluster: &Shared, now_ms: i64) -> Result<Option<Turn>, Violation> {
        self.clock.set(now_ms + self.ahead_ms());
        match self.worker.turn(Duration::ZERO) {
            Ok(turn) => {
                self.wants_turn = false;
                if let Turn::SetBack { pause, .. } = &turn {
                    self.wants_turn = true;
                    self.not_before_ms = now_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                }
                Ok(Some(turn))
            }
            Err(error) => {
                let is_dead = cluster.lock().processes.get(&self.process).is_none_or(|process| process.dead);
                if is_dead {
                    return Ok(None);
                }
                Violation::of(Invariant::WorkersGoOn, error.chain())
            }
        }
    }
}
