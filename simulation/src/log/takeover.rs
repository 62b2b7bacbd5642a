//! Taking a partition over: stable positions first, then the changelog's end, then everything before that end into the store.
//!
//! The end is the high watermark, and not the last stable offset: an older transaction that is still open, of a worker that hangs,
//! keeps the last stable offset before what others have committed meanwhile.

use super::broker::Broker;
use super::process::{Io, Process};
use super::rebuild::{Reading, Step};
use crate::bug::Bug;

/// How far a take-over is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits until no transaction can move the group's positions any more.
    Positions,
    /// To be asked where the changelog ends.
    End,
    /// Restores up to here, as it was asked for then.
    Restoring { until: i64, asked_ms: i64 },
    /// As a planted bug has it: the end is known, the positions are not stable yet.
    PositionsAfterEnd { until: i64, asked_ms: i64 },
}

/// One partition that is being taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taking {
    pub partition: u32,
    pub stage: Stage,
}

impl Taking {
    pub fn new(partition: u32, bug: Option<Bug>) -> Self {
        let stage = if bug == Some(Bug::EndBeforeOffsets) { Stage::End } else { Stage::Positions };
        Self { partition, stage }
    }
}

impl Process {
    /// One step of the `turn`-th take-over that is under way; true: something was done.
    pub fn take_over(&mut self, io: &mut Io<'_>, turn: usize) -> bool {
        if self.dead || self.taking.is_empty() {
            return false;
        }
        let at = turn % self.taking.len();
        let Taking { partition, stage } = self.taking[at];
        let group = self.membership.group.clone();
        let (end, last_stable) = io
            .broker
            .changelog(&group, partition)
            .map_or((0, 0), |changelog| (changelog.end(), changelog.last_stable()));
        let asked_ms = self.now_ms(io.broker);
        let next = match stage {
            Stage::Positions if io.broker.is_unstable(&group, partition) => return false,
            Stage::Positions => Stage::End,
            Stage::End => match io.bug {
                Some(Bug::EndBeforeOffsets) => Stage::PositionsAfterEnd { until: end, asked_ms },
                Some(Bug::RestoreToLastStable) => Stage::Restoring { until: last_stable, asked_ms },
                Some(_) | None => Stage::Restoring { until: end, asked_ms },
            },
            Stage::PositionsAfterEnd { .. } if io.broker.is_unstable(&group, partition) => return false,
            Stage::PositionsAfterEnd { until, asked_ms } => Stage::Restoring { until, asked_ms },
            Stage::Restoring { until, asked_ms } => {
                match self.reading(io, (partition, until, asked_ms)).step() {
                    Step::Done => {
                        self.taking.remove(at);
                        self.hold(io.broker, partition);
                        self.taken.push(partition);
                        return true;
                    }
                    Step::More { moved } => return moved,
                    Step::Late => Stage::Positions,
                }
            }
        };
        if let Stage::Restoring { until, asked_ms } = next {
            self.reading(io, (partition, until, asked_ms)).begin();
        }
        self.taking[at].stage = next;
        true
    }

    /// Whether some take-over can go on now.
    pub fn can_take_over(&self, broker: &Broker) -> bool {
        let group = &self.membership.group;
        !self.dead
            && self.taking.iter().any(|taking| match taking.stage {
                Stage::Positions | Stage::PositionsAfterEnd { .. } => {
                    !broker.is_unstable(group, taking.partition)
                }
                Stage::End => true,
                Stage::Restoring { until, .. } => {
                    broker.changelog(group, taking.partition).is_none_or(|log| log.last_stable() >= until)
                }
            })
    }

    fn reading<'a>(
        &'a self,
        io: &'a mut Io<'_>,
        (partition, until, asked_ms): (u32, i64, i64),
    ) -> Reading<'a> {
        let (broker, store, bug) = (&*io.broker, &mut *io.store, io.bug);
        let now_ms = self.now_ms(broker);
        Reading { broker, store, group: &self.membership.group, partition, until, asked_ms, now_ms, bug }
    }

    /// Reads on where the group is.
    fn hold(&mut self, broker: &Broker, partition: u32) {
        self.held.insert(partition);
        let Some(group) = broker.groups.get(&self.membership.group) else { return };
        for topic in &self.membership.topics {
            let next_offset = group.position(topic, partition);
            self.fetches.insert((topic.clone(), partition), next_offset);
            self.appended.insert((topic.clone(), partition), next_offset);
        }
    }

    /// Back to the committed positions of all that is held, with the store as committed. False: somebody else's transaction
    /// is in the way; to be tried again later.
    pub fn go_back(&mut self, io: &mut Io<'_>) -> bool {
        let group = self.membership.group.clone();
        let held: Vec<u32> = self.held.iter().copied().filter(|it| !self.releasing.contains(it)).collect();
        for partition in held {
            // Its own markers come whatever happens, and the client waits for them.
            while io.broker.is_unstable(&group, partition) && io.broker.write_marker(0).is_some() {}
            if io.broker.is_unstable(&group, partition) {
                return false;
            }
            let until = io.broker.changelog(&group, partition).map_or(0, |changelog| changelog.end());
            let place = (partition, until, self.now_ms(io.broker));
            self.reading(io, place).begin();
            loop {
                match self.reading(io, place).step() {
                    Step::Done => break,
                    Step::More { moved: true } => {}
                    Step::More { moved: false } if io.broker.write_marker(0).is_some() => {}
                    Step::More { moved: false } => return false,
                    Step::Late => self.reading(io, place).begin(),
                }
            }
            self.hold(io.broker, partition);
        }
        true
    }
}
