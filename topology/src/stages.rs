//! What the stages do, in numbers: taken in, under way, given out, how long it took, and what became of orders.
//!
//! Counted is what is committed. What one input leads to is noted while it is handled; it joins its batch when the step is done, and the
//! metrics when the batch is committed. A step that is undone, and a batch that is thrown away and tried again, leave no trace. So a
//! record costs additions of plain numbers, and a batch the atomics.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use domain::Timestamp;
use domain::command::FeedbackKind;
use domain::downstream::{CircuitState, DownstreamHealth};
use domain::order::OrderState;
use domain::order::event::OrderEvent;
use domain::states::Machine;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::graph::{KeyedBy, Processor};

mod tally;

use tally::{CLASSES, Counted, OUTCOMES, Tally};

/// The label of a system that no catalog has: whoever writes such answers must not make metrics without end.
const SYSTEM_OTHER: &str = "other";

/// One stage's metrics.
#[derive(Clone)]
struct Stage {
    processor: Processor,
    input: Counter,
    output: Counter,
    in_progress: Gauge,
    last_processed_seconds: Gauge,
    duration_seconds: Histogram,
}

/// The metrics about one downstream system.
#[derive(Clone)]
struct System {
    name: String,
    sent: Counter,
    /// In the sequence of [`OUTCOMES`].
    answered: Vec<Counter>,
    circuit: Gauge,
    waiting: Gauge,
}

/// What is noted of the input at hand.
#[derive(Clone, Debug, Default)]
struct Step {
    tally: Tally,
    /// Where the time goes at present; none before the first stage, whose time begins with the input.
    stage: Option<usize>,
    since: Option<Instant>,
}

/// The stages of one line.
#[derive(Clone)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
    systems: Vec<System>,
    /// By [`OrderState::ALL`] and by [`CLASSES`]; empty where no processor of ours decides about orders.
    reached: Vec<Counter>,
    cases: Vec<Counter>,
    stuck: Counter,
    step: RefCell<Step>,
    /// Of the batch that is being staged, and of those on their way.
    open: Tally,
    in_flight: VecDeque<Tally>,
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").field("in_flight", &self.in_flight.len()).finish_non_exhaustive()
    }
}

impl Stages {
    pub(crate) fn new(processors: &[Processor]) -> Stages {
        let about_orders = processors.iter().any(|processor| processor.keyed_by() == KeyedBy::Order);
        let states = OrderState::ALL.iter().filter(|_| about_orders);
        let reached =
            states.map(|state| counter!("orderstream_order_transitions_total", "to" => word(state)));
        let classes = CLASSES.iter().filter(|_| about_orders);
        let cases =
            classes.map(|(_, class)| counter!("orderstream_fallout_cases_opened_total", "class" => *class));
        let (reached, cases) = (reached.collect(), cases.collect());
        let stuck =
            if about_orders { counter!("orderstream_stuck_orders_found_total") } else { Counter::noop() };
        Stages {
            stages: processors.iter().map(|processor| Stage::new(*processor)).collect(),
            systems: vec![System::new(SYSTEM_OTHER)],
            reached,
            cases,
            stuck,
            step: RefCell::default(),
            open: Tally::default(),
            in_flight: VecDeque::new(),
        }
    }

    /// Makes the metrics of a system, before anything is counted about it. One whose health was never told is well.
    pub(crate) fn know(&mut self, system: &str, health: Option<&DownstreamHealth>) {
        if self.systems.iter().any(|known| known.name == system) {
            return;
        }
        let known = System::new(system);
        known.tell(
            health.map_or(CircuitState::Closed, |health| health.circuit),
            health.map_or(0, |it| it.waiting),
        );
        self.systems.push(known);
    }

    pub(crate) fn health(&self, health: &DownstreamHealth) {
        if let Some(known) = self.systems.iter().find(|known| known.name == health.system) {
            known.tell(health.circuit, health.waiting);
        }
    }

    /// An input comes.
    pub(crate) fn begin(&self) {
        let mut step = self.step.borrow_mut();
        step.tally.clear();
        step.stage = None;
        step.since = Some(Instant::now());
    }

    /// From now on the time is this stage's.
    pub(crate) fn enter(&self, processor: Processor) {
        let index = self.stages.iter().position(|stage| stage.processor == processor);
        let mut step = self.step.borrow_mut();
        if let (Some(_), Some(since)) = (step.stage, step.since) {
            let now = Instant::now();
            self.took(&step, now.duration_since(since).as_secs_f64());
            step.since = Some(now);
        }
        step.stage = index;
        if let Some(index) = index {
            step.tally.add(Counted::Input(index));
        }
    }

    fn took(&self, step: &Step, seconds: f64) {
        if let Some(stage) = step.stage.and_then(|index| self.stages.get(index)) {
            stage.duration_seconds.record(seconds);
        }
    }

    fn count(&self, counted: Counted) {
        self.step.borrow_mut().tally.add(counted);
    }

    /// A record was written by this stage.
    pub(crate) fn gave(&self, processor: Processor) {
        if let Some(index) = self.stages.iter().position(|stage| stage.processor == processor) {
            self.count(Counted::Output(index));
        }
    }

    /// What an event says about its order.
    pub(crate) fn event(&self, event: &OrderEvent) {
        match event {
            OrderEvent::OrderCaptured(_) => self.count(Counted::Reached(OrderState::Captured)),
            OrderEvent::OrderValidated(_) => self.count(Counted::Reached(OrderState::Validated)),
            OrderEvent::OrderRejected(_) => self.count(Counted::Reached(OrderState::Rejected)),
            OrderEvent::OrderDecomposed(_) => self.count(Counted::Reached(OrderState::Decomposed)),
            OrderEvent::OrderStateChanged(changed) => self.count(Counted::Reached(changed.to)),
            OrderEvent::FalloutDetected(detected) => {
                self.count(Counted::Case(detected.case.classification.domain));
            }
            OrderEvent::OrderMarkedStuck(_) => self.count(Counted::Stuck),
            OrderEvent::RequestIgnored(_)
            | OrderEvent::RevisionRefused(_)
            | OrderEvent::FeasibilityAsked(_)
            | OrderEvent::FeasibilityUnanswered(_)
            | OrderEvent::DecompositionFailed(_)
            | OrderEvent::ItemStateChanged(_)
            | OrderEvent::TaskStateChanged(_)
            | OrderEvent::ServiceOrderStateChanged(_)
            | OrderEvent::MilestoneReached(_)
            | OrderEvent::FeedbackIgnored(_)
            | OrderEvent::WaitFailed(_)
            | OrderEvent::FalloutClassified(_)
            | OrderEvent::FalloutResolved(_) => {}
        }
    }

    pub(crate) fn sent(&self, system: &str) {
        self.count(Counted::Sent(self.system(system)));
    }

    pub(crate) fn answered(&self, system: &str, kind: FeedbackKind) {
        self.count(Counted::Answered(self.system(system), kind));
    }

    /// The first one is for all that no catalog has.
    fn system(&self, name: &str) -> usize {
        self.systems.iter().position(|known| known.name == name).unwrap_or(0)
    }

    /// The input is handled; `done`: what followed from it was staged.
    pub(crate) fn end(&mut self, now: Timestamp, done: bool) {
        let mut step = self.step.take();
        if let Some(since) = step.since.take() {
            self.took(&step, since.elapsed().as_secs_f64());
        }
        if done {
            step.tally.at = now;
            self.open.merge(&step.tally);
            self.under_way(&step.tally, 1.0);
        }
        self.step.replace(step);
    }

    fn under_way(&self, tally: &Tally, sign: f64) {
        for (stage, amount) in self.stages.iter().zip(tally.input) {
            if amount > 0 {
                stage.in_progress.increment(sign * amount as f64);
            }
        }
    }

    pub(crate) fn appended(&mut self) {
        self.in_flight.push_back(std::mem::take(&mut self.open));
    }

    pub(crate) fn committed(&mut self) {
        let Some(tally) = self.in_flight.pop_front() else { return };
        self.under_way(&tally, -1.0);
        let add = |counter: &Counter, amount: u64| {
            if amount > 0 {
                counter.increment(amount);
            }
        };
        for (index, stage) in self.stages.iter().enumerate() {
            add(&stage.input, tally.input[index]);
            add(&stage.output, tally.output[index]);
            if tally.input[index] > 0 {
                stage.last_processed_seconds.set(tally.at.0 as f64 / 1_000.0);
            }
        }
        self.reached.iter().zip(tally.reached).for_each(|(counter, amount)| add(counter, amount));
        self.cases.iter().zip(tally.cases).for_each(|(counter, amount)| add(counter, amount));
        add(&self.stuck, tally.stuck);
        for (system, (sent, answered)) in self.systems.iter().zip(tally.systems) {
            add(&system.sent, sent);
            system.answered.iter().zip(answered).for_each(|(counter, amount)| add(counter, amount));
        }
    }

    /// What was staged is thrown away; it comes again.
    pub(crate) fn discarded(&mut self) {
        let open = std::mem::take(&mut self.open);
        for tally in std::mem::take(&mut self.in_flight).iter().chain([&open]) {
            self.under_way(tally, -1.0);
        }
    }
}

impl Stage {
    fn new(processor: Processor) -> Stage {
        let stage = processor.name();
        Stage {
            processor,
            input: counter!("orderstream_stage_input_records_total", "stage" => stage),
            output: counter!("orderstream_stage_output_records_total", "stage" => stage),
            in_progress: gauge!("orderstream_stage_in_progress_records", "stage" => stage),
            last_processed_seconds: gauge!("orderstream_stage_last_processed_timestamp_seconds", "stage" => stage),
            duration_seconds: histogram!("orderstream_stage_duration_seconds", "stage" => stage),
        }
    }
}

impl System {
    fn new(name: &str) -> System {
        let answered = OUTCOMES.iter().map(|(_, outcome)| {
            counter!("orderstream_commands_answered_total", "system" => name.to_owned(), "outcome" => *outcome)
        });
        System {
            name: name.to_owned(),
            sent: counter!("orderstream_commands_sent_total", "system" => name.to_owned()),
            answered: answered.collect(),
            circuit: gauge!("orderstream_circuit_state", "system" => name.to_owned()),
            waiting: gauge!("orderstream_circuit_waiting_tasks", "system" => name.to_owned()),
        }
    }

    fn tell(&self, circuit: CircuitState, waiting: u32) {
        self.circuit.set(match circuit {
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        });
        self.waiting.set(f64::from(waiting));
    }
}

/// An enum value as it is written in records.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Stages {
        Stages::new(&[Processor::Validation, Processor::Orchestration])
    }

    fn input(stages: &mut Stages, done: bool) {
        stages.begin();
        stages.enter(Processor::Validation);
        stages.gave(Processor::Validation);
        stages.enter(Processor::Orchestration);
        stages.sent("nobody's");
        stages.end(Timestamp(5), done);
    }

    #[test]
    fn a_step_that_is_undone_and_a_batch_that_is_thrown_away_count_nothing() {
        let mut stages = stages();
        input(&mut stages, true);
        input(&mut stages, false);
        assert_eq!((&stages.open.input[..2], &stages.open.output[..2]), (&[1, 1][..], &[1, 0][..]));
        assert_eq!(stages.open.systems[0].0, 1, "a system that no catalog has is one of the others");
        stages.appended();
        input(&mut stages, true);
        assert_eq!((stages.in_flight.len(), stages.open.input[0]), (1, 1));
        stages.discarded();
        assert_eq!((stages.in_flight.len(), stages.open.input[0]), (0, 0));
        input(&mut stages, true);
        stages.appended();
        stages.committed();
        assert!(stages.in_flight.is_empty());
    }
}
