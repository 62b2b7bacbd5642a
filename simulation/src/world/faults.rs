//! What goes wrong, by seed: one fault is one step.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use runtime::clock::CLOCK_BACK_MS_MAX;
use topology::Processor;

use super::World;
use super::plan::WORKERS_MAX;
use super::slots::Holds;
use crate::log::compaction::CLOCKS_APART_MS_MAX;
use crate::log::process::{CommitFault, Phase};
use crate::log::store::{Loss, WRITES_UNSYNCED_MAX};

/// A member that does not answer is expelled after so long.
pub const SESSION_MS: i64 = 6_000;
/// A process that died is started again after so long at most; often before its session has ended, often after.
const DOWN_MS_MAX: i64 = 12_000;
/// A worker hangs so long at most: beyond its session, and beyond the life of a transaction.
const HANG_MS_MAX: i64 = 25_000;
/// A worker does not hear from its group for so long at most.
const DEAF_MS_MAX: i64 = 5_000;
/// Markers of decided transactions are held back so long at most.
const MARKERS_HELD_MS_MAX: i64 = 2_000;
/// A worker's clock jumps so far at most, either way.
const SKEW_MS_MAX: i64 = 4_000;
const _: () = assert!(2 * SKEW_MS_MAX <= CLOCKS_APART_MS_MAX);
/// A worker's clock is wrong by so much, always ahead, and for so long at most. Far enough for what it noted meanwhile to lie in times that
/// most runs do not come to: when they are there, a store that was away since then seems new.
const WRONG_MS_MIN: i64 = 10 * 60 * 1_000;
const WRONG_MS_MAX: i64 = 3 * 60 * 60 * 1_000;
const _: () = assert!(CLOCK_BACK_MS_MAX < WRONG_MS_MIN);
const WRONG_FOR_MS_MAX: i64 = 4_000;
/// The true time jumps so far ahead at most, as when a machine sleeps.
const JUMP_MS_MAX: i64 = 20_000;

/// Every kind of fault, with how often it is drawn, in parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process ends here and now.
    Crash,
    /// A process ends as soon as its batch has come to a phase.
    CrashAt,
    /// The next commit is aborted, or its outcome is unknown.
    Commit,
    /// A worker hangs, and goes on later: often after another has taken its partitions.
    Hang,
    /// A worker is expelled and goes on, as it does not hear of it.
    Deaf,
    /// A worker joins or leaves.
    Rebalance,
    /// The coordinator gives a transaction up before its time.
    Expire,
    /// Decided transactions stay without markers for a while.
    HoldMarkers,
    /// A changelog is cleaned.
    Compact,
    /// Commands reach the downstream again.
    CommandsAgain,
    /// A worker's clock jumps.
    Skew,
    /// A worker's clock is far ahead, and soon set right.
    Wrong,
    /// The true time jumps.
    Jump,
}

const WEIGHTS: [(Fault, u32); 13] = [
    (Fault::Crash, 12),
    (Fault::CrashAt, 16),
    (Fault::Commit, 18),
    (Fault::Hang, 14),
    (Fault::Deaf, 8),
    (Fault::Rebalance, 10),
    (Fault::Expire, 5),
    (Fault::HoldMarkers, 6),
    (Fault::Compact, 12),
    (Fault::CommandsAgain, 4),
    (Fault::Skew, 4),
    (Fault::Wrong, 5),
    (Fault::Jump, 3),
];

const PHASES: [Phase; 7] = [
    Phase::Queued,
    Phase::OutputsSent,
    Phase::ChangesSent,
    Phase::PositionsSent,
    Phase::Decided,
    Phase::Known,
    Phase::Stored,
];

const COMMIT_FAULTS: [CommitFault; 3] =
    [CommitFault::Aborted, CommitFault::UnknownCommitted, CommitFault::UnknownNotCommitted];

fn draw(rng: &mut ChaCha8Rng) -> Fault {
    let mut point = rng.random_range(0..WEIGHTS.iter().map(|(_, weight)| weight).sum::<u32>());
    let hit = WEIGHTS.iter().find(|(_, weight)| {
        let is_within = point < *weight;
        point = point.saturating_sub(*weight);
        is_within
    });
    hit.map_or(Fault::Crash, |(fault, _)| *fault)
}

fn loss(rng: &mut ChaCha8Rng) -> Loss {
    match rng.random_range(0..20) {
        0 => Loss::All,
        1..=6 => Loss::Torn(rng.random_range(0..WRITES_UNSYNCED_MAX)),
        7..=12 => Loss::Writes(rng.random_range(0..=WRITES_UNSYNCED_MAX)),
        _ => Loss::Writes(0),
    }
}

impl World<'_> {
    /// One fault; says what, for the trace.
    pub(super) fn fault(&mut self) -> Result<String, runtime::Error> {
        self.faults += 1;
        let fault = draw(&mut self.rng);
        let running: Vec<usize> = (0..self.slots.len())
            .filter(|at| self.slots[*at].running().is_some_and(|running| !running.hangs()))
            .collect();
        if running.is_empty() {
            return Ok(format!("{fault:?}: nobody runs"));
        }
        let at = running[self.rng.random_range(0..running.len())];
        Ok(match fault {
            Fault::Crash => self.crash(at),
            Fault::CrashAt => {
                let phase = PHASES[self.rng.random_range(0..PHASES.len())];
                self.with_process(at, |process| process.fuse = Some(phase));
                format!("{} is to crash at {phase:?}", self.slots[at].name)
            }
            Fault::Commit => {
                let fault = COMMIT_FAULTS[self.rng.random_range(0..COMMIT_FAULTS.len())];
                self.with_process(at, |process| process.next_commit = Some(fault));
                format!("{} is to meet {fault:?}", self.slots[at].name)
            }
            Fault::Hang => self.hang(at),
            Fault::Deaf => self.deafen(at),
            Fault::Rebalance => self.rebalance(at)?,
            Fault::Expire => self.expire_one(),
            Fault::HoldMarkers => {
                self.markers_held_until_ms = self.now_ms + self.rng.random_range(0..=MARKERS_HELD_MS_MAX);
                format!("markers are held until {}", self.since(self.markers_held_until_ms))
            }
            Fault::Compact => self.compact(),
            Fault::CommandsAgain => {
                self.outside.read_again(&mut self.rng);
                "downstream reads commands again".to_owned()
            }
            Fault::Skew => {
                let skew_ms = self.rng.random_range(-SKEW_MS_MAX..=SKEW_MS_MAX);
                self.slots[at].running_mut().into_iter().for_each(|running| running.skew_ms = skew_ms);
                format!("clock of {} is {skew_ms} ms ahead", self.slots[at].name)
            }
            Fault::Wrong => self.set_wrong(at),
            Fault::Jump => {
                let jump_ms = self.rng.random_range(0..=JUMP_MS_MAX);
                self.now_ms += jump_ms;
                format!("time jumps by {jump_ms} ms")
            }
        })
    }

    /// The process at a place ends; its group finds out when the session ends, or when it is started again.
    pub(super) fn crash(&mut self, at: usize) -> String {
        let Some(process) = self.slots[at].running().map(|running| running.process) else {
            return "nobody to crash".to_owned();
        };
        let loss = loss(&mut self.rng);
        let until_ms = self.now_ms + self.rng.random_range(0..=DOWN_MS_MAX);
        // The worker is dropped before the world changes: what is in its memory is gone.
        self.slots[at].holds = Holds::Nobody { until_ms };
        self.cluster.lock().crash(process, loss);
        self.expulsions.insert((self.now_ms + SESSION_MS, process));
        format!("{} crashes, its store loses {loss:?}", self.slots[at].name)
    }

    fn hang(&mut self, at: usize) -> String {
        let until_ms = self.now_ms + self.rng.random_range(0..=HANG_MS_MAX);
        let is_noticed_at_once = self.rng.random_ratio(1, 2);
        let Some(running) = self.slots[at].running_mut() else { return "nobody to hang".to_owned() };
        running.hangs_until_ms = Some(until_ms);
        let process = running.process;
        let noticed_ms = if is_noticed_at_once { self.now_ms } else { self.now_ms + SESSION_MS };
        if noticed_ms < until_ms {
            self.expulsions.insert((noticed_ms, process));
        }
        format!("{} hangs until {}", self.slots[at].name, self.since(until_ms))
    }

    fn deafen(&mut self, at: usize) -> String {
        let until_ms = self.now_ms + self.rng.random_range(0..=DEAF_MS_MAX);
        let Some(running) = self.slots[at].running_mut() else { return "nobody to deafen".to_owned() };
        running.deaf_until_ms = Some(until_ms);
        let process = running.process;
        self.with_process(at, |process| process.deaf = true);
        self.cluster.lock().expel(process);
        format!("{} is expelled and deaf until {}", self.slots[at].name, self.since(until_ms))
    }

    fn set_wrong(&mut self, at: usize) -> String {
        if self.slots[at].group() == Processor::StuckOrders.name() {
            // Hours ahead of those that move the orders, it would find one silence of an order again and again, under one id.
            return format!("clock of {} is right", self.slots[at].name);
        }
        let by_ms = self.rng.random_range(WRONG_MS_MIN..=WRONG_MS_MAX);
        let until_ms = self.now_ms + self.rng.random_range(0..=WRONG_FOR_MS_MAX);
        self.slots[at].running_mut().into_iter().for_each(|it| it.wrong_by = Some((by_ms, until_ms)));
        let until = self.since(until_ms);
        format!("clock of {} is wrong by {by_ms} ms until {until}", self.slots[at].name)
    }

    /// Somebody leaves for a while; or, where somebody is missing, joins at once.
    fn rebalance(&mut self, at: usize) -> Result<String, runtime::Error> {
        let missing = (0..self.slots.len()).find(|at| self.slots[*at].running().is_none());
        if let Some(missing) = missing
            && self.rng.random_ratio(1, 2)
        {
            self.slots[missing].holds = Holds::Nobody { until_ms: self.now_ms };
            return Ok(format!("{} is to join now", self.slots[missing].name));
        }
        let of_group = self.slots.iter().filter(|slot| slot.group() == self.slots[at].group()).count();
        if of_group < WORKERS_MAX && self.rng.random_ratio(1, 4) {
            let joining = self.slots[at].beside(of_group, self.now_ms);
            let what = format!("{} is to join", joining.name);
            self.slots.push(joining);
            return Ok(what);
        }
        let process = self.slots[at].running().map(|running| running.process);
        let until_ms = self.now_ms + self.rng.random_range(0..=DOWN_MS_MAX);
        match self.slots[at].leave(until_ms) {
            Ok(()) => {}
            // It was to crash, and does so while it leaves.
            Err(_) if process.is_some_and(|process| self.is_dead(process)) => {
                if let Some(process) = process {
                    let loss = loss(&mut self.rng);
                    self.cluster.lock().crash(process, loss);
                    self.expulsions.insert((self.now_ms + SESSION_MS, process));
                }
                return Ok(format!("{} crashes while it leaves", self.slots[at].name));
            }
            Err(error) => return Err(error),
        }
        process.into_iter().for_each(|process| self.cluster.lock().bury(process));
        Ok(format!("{} leaves until {}", self.slots[at].name, self.since(until_ms)))
    }

    fn expire_one(&mut self) -> String {
        let mut cluster = self.cluster.lock();
        let open = cluster.broker.open();
        if open.is_empty() {
            return "no transaction to give up".to_owned();
        }
        let txn = open[self.rng.random_range(0..open.len())];
        cluster.broker.expire(txn);
        format!("coordinator gives up transaction {}", txn.0)
    }

    fn compact(&mut self) -> String {
        let mut cluster = self.cluster.lock();
        let places = cluster.broker.changelogs();
        if places.is_empty() {
            return "no changelog to clean".to_owned();
        }
        let place = &places[self.rng.random_range(0..places.len())];
        // Mostly all that may be: the part that is still written to is small.
        let until = if self.rng.random_ratio(2, 3) { i64::MAX } else { self.rng.random_range(0..200) };
        let cleaned = cluster.broker.compact(place, until);
        format!("{place:?} is cleaned: {cleaned:?}")
    }

    /// Faults are over: whatever is broken is repaired, and nothing breaks any more.
    pub(super) fn heal(&mut self) {
        self.markers_held_until_ms = self.now_ms;
        for at in 0..self.slots.len() {
            self.with_process(at, |process| {
                process.fuse = None;
                process.next_commit = None;
                process.deaf = false;
            });
            let now_ms = self.now_ms;
            match &mut self.slots[at].holds {
                Holds::Running(running) => {
                    running.hangs_until_ms = None;
                    running.deaf_until_ms = None;
                    running.skew_ms = 0;
                    running.wrong_by = None;
                }
                Holds::Nobody { until_ms } => *until_ms = now_ms,
            }
        }
    }
}
