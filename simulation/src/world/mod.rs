//! The simulated world: steps, time, and who does what next. All of it follows from the seed.

mod end;
mod faults;
mod observed;
mod outside;
mod plan;
mod slots;
mod stage;

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use faults::Fault;
pub use plan::Plan;
pub use stage::{START_MS, Stage};

use crate::audit::{Auditor, Invariant, Violation};
use crate::bug::Bug;
use crate::log::Shared;
use crate::log::process::Process;
use crate::trace::Trace;
use outside::Outside;
use slots::{Holds, Slot};

/// Once faults stop, everything has to come to rest within so many steps.
pub const PROGRESS_STEPS_MAX: u32 = 40_000;
/// Time goes on by so much at most with each step.
const STEP_MS_MAX: i64 = 3;

/// What one step can be, beside a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start(usize),
    Turn(usize),
    /// Of the worker at this place: a phase of a batch.
    Advance(usize),
    TakeOver(usize),
    /// A copy of somebody else's state.
    Follow(usize),
    Marker,
    /// A record from outside arrives.
    Deliver,
    /// The downstream systems work.
    Pump,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Run {
    pub seed: u64,
    pub steps: u32,
    pub faults: u32,
    pub orders: usize,
    pub violation: Option<Violation>,
    pub trace: Trace,
}

/// One run.
pub struct World<'a> {
    stage: &'a Stage,
    plan: Plan,
    rng: ChaCha8Rng,
    cluster: Shared,
    slots: Vec<Slot>,
    outside: Outside,
    auditor: Auditor,
    trace: Trace,
    now_ms: i64,
    step: u32,
    faults: u32,
    is_healed: bool,
    markers_held_until_ms: i64,
    /// When which process is held for dead.
    expulsions: BTreeSet<(i64, u64)>,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("World").field("step", &self.step).finish_non_exhaustive()
    }
}

/// Plays one seed to its end. The same seed, bug and build give the same trace, byte for byte.
///
/// # Errors
/// A mistake in the simulation itself; what the simulated system does wrong is in [`Run::violation`].
pub fn play(stage: &Stage, seed: u64, bug: Option<Bug>, whole_trace: bool) -> anyhow::Result<Run> {
    let mut world = World::new(stage, seed, bug, whole_trace)?;
    let violation = loop {
        match world.step() {
            Ok(false) => {}
            Ok(true) => break None,
            Err(violation) => break Some(violation),
        }
    };
    let orders = world.auditor.story.orders().count();
    let World { step, faults, trace, .. } = world;
    Ok(Run { seed, steps: step, faults, orders, violation, trace })
}

fn broken(error: &dyn std::fmt::Display) -> Violation {
    Violation { invariant: Invariant::WorkersGoOn, what: error.to_string() }
}

impl<'a> World<'a> {
    fn new(stage: &'a Stage, seed: u64, bug: Option<Bug>, whole_trace: bool) -> anyhow::Result<World<'a>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Plan::draw(seed, &mut rng, stage).map_err(|error| anyhow::anyhow!(error))?;
        let topics = stage.topics(plan.partitions)?;
        let outside = Outside::new(&plan, &topics, &mut rng);
        let cluster = Shared::new(topics, bug);
        cluster.lock().stand_by = plan.stand_by;
        cluster.lock().produce(stage.published.clone())?;
        let grouping = if plan.is_split { &stage.split } else { &stage.fused };
        let mut slots = Vec::new();
        for (group, line) in &grouping.groups {
            for number in 0..plan.workers {
                slots.push(Slot::new(group, line, number, plan.batch_records_max));
            }
        }
        let mut trace = Trace::new(whole_trace);
        trace.line(format!(
            "seed {seed}: {} partitions, {} workers a group, {} % faults for {} steps, {}{}",
            plan.partitions,
            plan.workers,
            plan.fault_percent,
            plan.fault_steps,
            if plan.is_split { "split" } else { "fused" },
            if plan.stand_by { ", standing by" } else { "" }
        ));
        let auditor = Auditor::default();
        let (expulsions, markers_held_until_ms) = (BTreeSet::new(), START_MS);
        Ok(World {
            stage,
            plan,
            rng,
            cluster,
            slots,
            outside,
            auditor,
            trace,
            now_ms: START_MS,
            step: 0,
            faults: 0,
            is_healed: false,
            markers_held_until_ms,
            expulsions,
        })
    }

    /// A time as the trace shows it.
    fn since(&self, at_ms: i64) -> i64 {
        at_ms - START_MS
    }

    fn is_dead(&self, process: u64) -> bool {
        self.cluster.lock().processes.get(&process).is_none_or(|process| process.dead)
    }

    /// Runs something on the process of the worker at a place.
    fn with_process(&mut self, at: usize, run: impl FnOnce(&mut Process)) {
        let Some(process) = self.slots[at].running().map(|running| running.process) else { return };
        if let Some(process) = self.cluster.lock().processes.get_mut(&process) {
            run(process);
        }
    }

    /// One step and one look; true: the run is over.
    fn step(&mut self) -> Result<bool, Violation> {
        self.step += 1;
        self.now_ms += self.rng.random_range(0..=STEP_MS_MAX);
        if !self.is_healed && self.step > self.plan.fault_steps {
            self.is_healed = true;
            self.heal();
        }
        if self.step > self.plan.fault_steps + PROGRESS_STEPS_MAX {
            return self.no_progress();
        }
        self.pass_time();
        let is_fault = !self.is_healed && self.rng.random_ratio(self.plan.fault_percent, 100);
        let done = if is_fault {
            self.fault().map_err(|error| broken(&error))?
        } else {
            let actions = self.actions();
            if actions.is_empty() {
                if self.is_at_rest()? {
                    return Ok(true);
                }
                self.jump()?
            } else {
                let action = actions[self.rng.random_range(0..actions.len())];
                self.act(action)?
            }
        };
        self.trace.line(format!("{} @{} {done}", self.step, self.since(self.now_ms)));
        let looked = self.auditor.look(&mut self.cluster.lock(), &self.stage.codec);
        for heard in std::mem::take(&mut self.auditor.story.heard) {
            self.trace.line(format!("    {heard}"));
        }
        looked.map(|()| false)
    }

    /// What happens by itself at this time.
    fn pass_time(&mut self) {
        let now_ms = self.now_ms;
        let mut cluster = self.cluster.lock();
        cluster.broker.now_ms = now_ms;
        cluster.broker.expire_due();
        while let Some((at_ms, process)) = self.expulsions.first().copied().filter(|it| it.0 <= now_ms) {
            self.expulsions.remove(&(at_ms, process));
            cluster.expel(process);
            if cluster.processes.get(&process).is_some_and(|process| process.dead) {
                cluster.bury(process);
            }
        }
        for slot in &mut self.slots {
            let Some(running) = slot.running_mut() else { continue };
            if running.hangs_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
                running.hangs_until_ms = None;
                // Who is back in time is not held for dead.
                self.expulsions.retain(|(_, process)| *process != running.process);
            }
            running.wrong_by = running.wrong_by.filter(|(_, until_ms)| now_ms < *until_ms);
            let ahead_ms = running.ahead_ms();
            cluster.processes.get_mut(&running.process).into_iter().for_each(|it| it.ahead_ms = ahead_ms);
            if running.deaf_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
                running.deaf_until_ms = None;
                let process = cluster.processes.get_mut(&running.process);
                process.into_iter().for_each(|process| process.deaf = false);
            }
        }
    }

    /// Everything that would do something now.
    fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            match &mut slot.holds {
                Holds::Nobody { until_ms } if *until_ms <= self.now_ms => actions.push(Action::Start(at)),
                Holds::Nobody { .. } => {}
                Holds::Running(running) if running.hangs() => {}
                Holds::Running(running) => {
                    if running.is_ready(&self.cluster, self.now_ms) {
                        actions.push(Action::Turn(at));
                    }
                    let cluster = self.cluster.lock();
                    let Some(process) = cluster.processes.get(&running.process) else { continue };
                    if process.can_advance() {
                        actions.push(Action::Advance(at));
                    }
                    if process.can_take_over(&cluster.broker) {
                        actions.push(Action::TakeOver(at));
                    }
                    if cluster.can_follow(running.process) {
                        actions.push(Action::Follow(at));
                    }
                }
            }
        }
        let cluster = self.cluster.lock();
        if cluster.broker.has_markers() && self.markers_held_until_ms <= self.now_ms {
            actions.push(Action::Marker);
        }
        if self.outside.has_arrived(self.now_ms) {
            actions.push(Action::Deliver);
        }
        if self.outside.has_work(&cluster, self.now_ms) {
            actions.push(Action::Pump);
        }
        actions
    }

    fn act(&mut self, action: Action) -> Result<String, Violation> {
        let turn = self.rng.random_range(0..usize::from(u8::MAX));
        Ok(match action {
            Action::Start(at) => {
                let process =
                    self.slots[at].start(&self.cluster, self.now_ms).map_err(|error| broken(&error))?;
                format!("{} starts as process {process}", self.slots[at].name)
            }
            Action::Turn(at) => self.turn(at)?,
            Action::Advance(at) => {
                let process = self.slots[at].running().map(|running| running.process).unwrap_or_default();
                let moved = self.cluster.lock().advance(process, turn);
                let what = format!("{} advances {moved:?}", self.slots[at].name);
                if self.is_dead(process) { format!("{what}; {}", self.crash(at)) } else { what }
            }
            Action::TakeOver(at) => {
                let process = self.slots[at].running().map(|running| running.process).unwrap_or_default();
                let moved = self.cluster.lock().take_over(process, turn);
                format!("{} takes over: {moved}", self.slots[at].name)
            }
            Action::Follow(at) => {
                let process = self.slots[at].running().map(|running| running.process).unwrap_or_default();
                let followed = self.cluster.lock().follow(process, turn);
                format!("{} follows: {followed:?}", self.slots[at].name)
            }
            Action::Marker => format!("marker {:?}", self.cluster.lock().broker.write_marker(turn)),
            Action::Deliver => match self.outside.arrived(self.now_ms) {
                Some(record) => {
                    let placed = self.cluster.lock().produce(record).map_err(|error| broken(&error))?;
                    format!("arrives {placed:?}")
                }
                None => "nothing arrives".to_owned(),
            },
            Action::Pump => {
                let cluster = self.cluster.lock();
                let rng = (!self.is_healed).then_some(&mut self.rng);
                let pumped = self.outside.pump(&cluster, &self.stage.codec, self.now_ms, rng);
                let (commands, answers) = pumped.map_err(|error| broken(&error))?;
                format!("downstream takes {commands} commands and gives {answers} answers")
            }
        })
    }

    fn turn(&mut self, at: usize) -> Result<String, Violation> {
        let Some(running) = self.slots[at].running_mut() else { return Ok("nobody to turn".to_owned()) };
        let turned = running.turn(&self.cluster, self.now_ms)?;
        Ok(match turned {
            Some(turn) => format!("{} turns: {turn:?}", self.slots[at].name),
            None => self.crash(at),
        })
    }

    /// Nothing can be done now: time goes on to when something can.
    fn jump(&mut self) -> Result<String, Violation> {
        let broker_ms = self.cluster.lock().broker.next_expiry_ms();
        let markers_ms =
            Some(self.markers_held_until_ms).filter(|_| self.cluster.lock().broker.has_markers());
        let mut next: Vec<i64> =
            [broker_ms, markers_ms, self.outside.next_ms()].into_iter().flatten().collect();
        next.extend(self.expulsions.first().map(|(at_ms, _)| *at_ms));
        for slot in &mut self.slots {
            match &mut slot.holds {
                Holds::Nobody { until_ms } => next.push(*until_ms),
                Holds::Running(running) => next.extend(running.next_ms()),
            }
        }
        match next.into_iter().min() {
            Some(next_ms) => {
                self.now_ms = next_ms.max(self.now_ms);
                Ok(format!("time goes on to {}", self.since(self.now_ms)))
            }
            None if !self.is_healed => {
                self.is_healed = true;
                self.heal();
                Ok("nothing is left to break".to_owned())
            }
            None => self.no_progress(),
        }
    }
}
