//! The health of downstream systems: one circuit breaker per system, and the queue of the tasks that wait for their turn
//! (seed 001, "Retry Storm Prevention").
//!
//! A task that would be sent but for the circuit says so once, and is told when it may. While the circuit is open nobody is;
//! half-open lets one probe through, and its answer decides; once closed, those that wait are let through at the policy's
//! rate, the highest priority first. So an outage of any length costs one probe per interval, however many wait.
//!
//! The queue is as long as there are waiting tasks, in cells; a step reads and writes the ones that it lets through.
use domain::catalog::CircuitPolicy;
use domain::downstream::{
    CircuitState, CircuitTrigger, DownstreamHealth, DownstreamObserved, ObservationKind,
};
use domain::order::event::{OrderSignal, SignalKind};
use domain::states::Machine;
use domain::{OrderKey, TaskId, Timestamp};

use crate::{Arrival, Cells, Timer};

mod breaker;
mod queue;
pub mod state;
#[cfg(test)]
mod tests;

pub use state::{Cell, Head, Place, Probe, Turn};

/// The circuit was open long enough.
pub const TIMER_OPEN: &str = "open";
/// The probe should have been answered.
pub const TIMER_PROBE: &str = "probe";
/// The next that wait may go.
pub const TIMER_RELEASE: &str = "release";
/// A whole window may have passed without a failure.
pub const TIMER_WATCH: &str = "watch";

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Observed(&'a DownstreamObserved),
    /// The name of the timer.
    TimerFired(&'a str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Keyed by the system, for every shard.
    Health(DownstreamHealth),
    /// Keyed by the order of the task.
    Signal(OrderSignal),
}

/// One step: the head as it stands, and what follows so far.
struct Step<'a> {
    system: &'a str,
    cells: &'a mut dyn Cells<Cell>,
    policy: &'a CircuitPolicy,
    arrival: &'a Arrival,
    head: Head,
    outputs: Vec<Output>,
    timers: Vec<Timer>,
}

/// Pure and total. What is known of the system is in `cells`.
///
/// # Panics
/// If an observation is about another system: then the shell has mixed up two records.
pub fn handle(
    system: &str,
    cells: &mut dyn Cells<Cell>,
    event: Event<'_>,
    policy: &CircuitPolicy,
    arrival: &Arrival,
) -> (Vec<Output>, Vec<Timer>) {
    let before = match cells.get(state::HEAD) {
        Some(Cell::Head(head)) => head,
        None => Head::default(),
        Some(cell @ (Cell::Turn(_) | Cell::Place(_))) => {
            panic!("the head of \"{system}\" is a head, and not {cell:?}")
        }
    };
    let head = before.clone();
    let mut step = Step { system, cells, policy, arrival, head, outputs: Vec::new(), timers: Vec::new() };
    match event {
        Event::Observed(observed) => {
            assert_eq!(observed.system, system, "an observation is handled under its system");
            step.observed(observed);
        }
        Event::TimerFired(name) => step.timer_fired(name),
    }
    if step.head != before {
        step.cells.put(state::HEAD, Cell::Head(step.head));
    }
    (step.outputs, step.timers)
}

impl Step<'_> {
    fn observed(&mut self, observed: &DownstreamObserved) {
        // An observation without a task is of no probe and no turn; a failure counts all the same.
        let task = observed.task_id;
        let is_probe = self.head.probe.as_ref().is_some_and(|probe| Some(probe.task_id) == task);
        match observed.kind {
            ObservationKind::Answered if is_probe => self.probe_succeeded(),
            ObservationKind::Answered => {}
            ObservationKind::Unanswered if is_probe => self.probe_failed("the probe failed"),
            ObservationKind::Unanswered => self.failed(),
            ObservationKind::TurnWanted => {
                if let Some(task) = task {
                    self.turn_wanted(&observed.order_key, task, observed.priority);
                }
            }
            ObservationKind::TurnRefused => {
                if let Some(task) = task {
                    self.leave_queue(task);
                }
                if is_probe {
                    self.head.probe = None;
                    self.cancel(TIMER_PROBE);
                    self.probe_next();
                }
            }
        }
    }

    /// A timer that was replaced or has lost its purpose finds that out here.
    fn timer_fired(&mut self, name: &str) {
        let now = self.arrival.now;
        match name {
            TIMER_OPEN if self.head.open_until.is_some_and(|until| until <= now) => self.half_open(),
            TIMER_PROBE if self.head.probe.as_ref().is_some_and(|probe| probe.due <= now) => {
                self.probe_failed("the probe was not answered in time");
            }
            TIMER_RELEASE if self.head.release_at.is_some_and(|at| at <= now) => self.release(),
            TIMER_WATCH => self.watch_elapsed(),
            _ => {}
        }
    }

    fn turn_wanted(&mut self, order_key: &OrderKey, task: TaskId, priority: u8) {
        if self.is_waiting(task) {
            return;
        }
        match self.head.circuit {
            CircuitState::Closed if self.head.waiting == 0 => self.grant(order_key, task),
            CircuitState::Closed | CircuitState::Open => self.join_queue(order_key, task, priority),
            CircuitState::HalfOpen => {
                self.join_queue(order_key, task, priority);
                self.probe_next();
            }
        }
    }

    fn grant(&mut self, order_key: &OrderKey, task: TaskId) {
        self.outputs.push(Output::Signal(OrderSignal {
            order_key: order_key.clone(),
            kind: SignalKind::TurnGranted,
            from_order: None,
            product: None,
            product_version: None,
            task_id: Some(task),
            message: None,
            at: self.arrival.now,
            causation_id: self.arrival.id.clone(),
        }));
    }

    /// Moves the breaker through its table.
    fn turn_circuit(&mut self, trigger: CircuitTrigger) {
        let next = self.head.circuit.on(trigger);
        self.head.circuit = next.expect("the callers ask for the state that the trigger needs");
    }

    fn publish(&mut self, reason: &str) {
        self.outputs.push(Output::Health(DownstreamHealth {
            system: self.system.to_owned(),
            circuit: self.head.circuit,
            watched: self.head.watched,
            changed_at: self.arrival.now,
            reason: reason.to_owned(),
            waiting: self.head.waiting,
        }));
    }

    fn set(&mut self, name: &str, due: Timestamp) {
        self.timers.push(Timer::Set { name: name.to_owned(), due });
    }

    fn cancel(&mut self, name: &str) {
        self.timers.push(Timer::Cancel { name: name.to_owned() });
    }
}
