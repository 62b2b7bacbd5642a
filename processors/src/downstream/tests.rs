use std::collections::BTreeMap;

use domain::downstream::ObservationKind::*;
use proptest::prelude::*;

use super::*;
use crate::MemoryCells;
use crate::testing::arrival;

const POLICY: CircuitPolicy = CircuitPolicy {
    failures_max: 3,
    window_ms: 100,
    open_ms_min: 50,
    open_ms_max: 200,
    probe_ms: 20,
    release_count: 2,
    release_interval_ms: 10,
};

fn task(number: usize) -> TaskId {
    TaskId::derived(&OrderKey("O".into()), &"1".into(), &number.to_string(), "activate")
}

/// The system under test: its cells, the time, and the timers that are set.
#[derive(Default)]
struct World {
    cells: MemoryCells<Cell>,
    now: i64,
    timers: BTreeMap<String, Timestamp>,
    /// In the sequence in which turns were granted.
    granted: Vec<TaskId>,
    health: Option<DownstreamHealth>,
}

impl World {
    fn apply(&mut self, event: Event<'_>) -> Vec<Output> {
        let (outputs, timers) = handle("provisioning", &mut self.cells, event, &POLICY, &arrival(self.now));
        for timer in timers {
            match timer {
                Timer::Set { name, due } => drop(self.timers.insert(name, due)),
                Timer::Cancel { name } => drop(self.timers.remove(&name)),
            }
        }
        for output in &outputs {
            match output {
                Output::Health(health) => self.health = Some(health.clone()),
                Output::Signal(signal) => self.granted.extend(signal.task_id),
            }
        }
        outputs
    }

    fn observe(&mut self, kind: ObservationKind, number: usize, priority: u8) -> Vec<Output> {
        let observed = DownstreamObserved {
            system: "provisioning".into(),
            kind,
            order_key: OrderKey("O".into()),
            task_id: Some(task(number)),
            priority,
            at: Timestamp(self.now),
        };
        self.apply(Event::Observed(&observed))
    }

    /// Lets the time pass until the next timer, and fires it.
    fn next_timer(&mut self) -> Option<(String, Vec<Output>)> {
        let (name, due) =
            self.timers.iter().min_by_key(|(_, due)| **due).map(|(name, due)| (name.clone(), *due))?;
        self.timers.remove(&name);
        self.now = self.now.max(due.0);
        let outputs = self.apply(Event::TimerFired(&name));
        Some((name, outputs))
    }

    /// Until `name` has fired; what followed from it.
    #[track_caller]
    fn until(&mut self, name: &str) -> Vec<Output> {
        for _ in 0..10 {
            let (fired, outputs) = self.next_timer().expect("a timer is set");
            if fired == name {
                return outputs;
            }
        }
        panic!("timer {name} never fires")
    }

    fn head(&self) -> Head {
        match self.cells.get(state::HEAD) {
            Some(Cell::Head(head)) => head,
            other => panic!("no head but {other:?}"),
        }
    }

    fn opened() -> World {
        let mut world = World::default();
        for number in 0..3 {
            world.observe(Unanswered, number, 2);
        }
        assert_eq!(world.head().circuit, CircuitState::Open);
        world
    }
}

/// `Open 3` is a health with three waiting, `turn 1` a grant.
fn shown(outputs: &[Output]) -> String {
    let numbers: BTreeMap<TaskId, usize> = (0..20).map(|number| (task(number), number)).collect();
    let words = outputs.iter().map(|output| match output {
        Output::Health(health) => {
            let watched = if health.watched { "" } else { " unwatched" };
            format!("{:?} {}{watched}", health.circuit, health.waiting)
        }
        Output::Signal(signal) => format!("turn {}", numbers[&signal.task_id.unwrap()]),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_healthy_system_costs_nothing_and_a_failure_begins_the_watch() {
    let mut world = World::default();
    assert_eq!(shown(&world.observe(Answered, 1, 2)), "");
    assert!(world.cells.0.is_empty());
    assert_eq!(shown(&world.observe(Unanswered, 1, 2)), "Closed 0");
    world.now = 50;
    assert_eq!(shown(&world.observe(Unanswered, 2, 2)), "");
    assert_eq!(shown(&world.until(TIMER_WATCH)), "", "the second failure was 50 ms ago");
    assert_eq!(shown(&world.until(TIMER_WATCH)), "Closed 0 unwatched");
    assert_eq!(world.now, 150);
}

#[test]
fn failures_outside_the_window_do_not_open_the_circuit() {
    let mut world = World::default();
    for at in [0, 60, 120, 180, 240] {
        world.now = at;
        world.observe(Unanswered, 1, 2);
    }
    assert_eq!(world.head().circuit, CircuitState::Closed);
    world.now = 250;
    assert_eq!(shown(&world.observe(Unanswered, 1, 2)), "Open 0");
}

#[test]
fn while_closed_and_nobody_waits_a_turn_is_granted_at_once() {
    let mut world = World::default();
    assert_eq!(shown(&world.observe(TurnWanted, 1, 2)), "turn 1");
    assert!(world.cells.0.is_empty());
}

#[test]
fn one_probe_at_a_time_the_highest_priority_first_and_its_answer_decides() {
    let mut world = World::opened();
    for (number, priority) in [(4, 4), (5, 2), (6, 0), (7, 2), (5, 2)] {
        assert_eq!(shown(&world.observe(TurnWanted, number, priority)), "");
    }
    assert_eq!(shown(&world.until(TIMER_OPEN)), "HalfOpen 4, turn 6");
    assert_eq!(shown(&world.observe(TurnWanted, 8, 1)), "", "the probe is out");
    assert_eq!(shown(&world.observe(Answered, 1, 1)), "", "an old answer is not the probe's");
    assert_eq!(shown(&world.observe(Answered, 6, 0)), "turn 8, turn 5, Closed 2");
    assert_eq!(shown(&world.until(TIMER_RELEASE)), "turn 7, turn 4, Closed 0");
    assert_eq!(shown(&world.until(TIMER_WATCH)), "Closed 0 unwatched");
    assert_eq!(world.timers, BTreeMap::new());
}

#[test]
fn the_open_interval_doubles_up_to_its_maximum() {
    let mut world = World::opened();
    (1..9).for_each(|number| drop(world.observe(TurnWanted, number, 2)));
    let mut intervals = Vec::new();
    for _ in 0..4 {
        let opened_at = world.now;
        world.until(TIMER_OPEN);
        intervals.push(world.now - opened_at);
        world.until(TIMER_PROBE);
    }
    assert_eq!(intervals, [50, 100, 200, 200]);
    assert_eq!(world.granted, [1, 2, 3, 4].map(task));
}

#[test]
fn who_refuses_its_turn_makes_room_for_the_next() {
    let mut world = World::opened();
    (1..4).for_each(|number| drop(world.observe(TurnWanted, number, 2)));
    world.observe(TurnRefused, 2, 2);
    assert_eq!(shown(&world.until(TIMER_OPEN)), "HalfOpen 2, turn 1");
    assert_eq!(shown(&world.observe(TurnRefused, 1, 2)), "turn 3");
    assert_eq!(shown(&world.observe(Answered, 3, 2)), "Closed 0");
    assert_eq!(world.cells.0.keys().collect::<Vec<_>>(), [state::HEAD], "no turn is left behind");
}

#[test]
fn half_open_without_anybody_waiting_probes_with_the_next_that_comes() {
    let mut world = World::opened();
    assert_eq!(shown(&world.until(TIMER_OPEN)), "HalfOpen 0");
    assert_eq!(shown(&world.observe(TurnWanted, 1, 2)), "turn 1");
    assert_eq!(shown(&world.observe(Unanswered, 1, 2)), "Open 0");
}

#[test]
fn a_queue_that_is_fed_faster_than_it_drains_is_released_faster() {
    let mut world = World::opened();
    (0..20).for_each(|number| drop(world.observe(TurnWanted, number, 2)));
    world.until(TIMER_OPEN);
    world.observe(Answered, 0, 2);
    for round in 1..40 {
        for number in 0..4 {
            world.observe(TurnWanted, round * 100 + number, 2);
        }
        if world.head().waiting == 0 {
            return;
        }
        world.until(TIMER_RELEASE);
    }
    panic!("{} still wait", world.head().waiting);
}

#[test]
fn timers_and_failures_that_have_lost_their_purpose_change_nothing() {
    let mut world = World::opened();
    let before = world.cells.clone();
    for name in [TIMER_OPEN, TIMER_PROBE, TIMER_RELEASE, TIMER_WATCH, "unheard of"] {
        assert_eq!(shown(&world.apply(Event::TimerFired(name))), "", "{name}");
    }
    world.observe(Unanswered, 9, 2);
    assert_eq!(world.cells, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// 10,000 tasks, and an outage of so many intervals.
    #[test]
    fn an_outage_costs_one_probe_per_interval_and_nobody_is_lost(
        outage in 1_usize..8,
        priorities in proptest::collection::vec(0_u8..5, 10_000),
    ) {
        let mut world = World::opened();
        for (number, priority) in priorities.iter().enumerate() {
            world.observe(TurnWanted, number, *priority);
        }
        for _ in 0..outage {
            world.until(TIMER_OPEN);
            world.until(TIMER_PROBE);
        }
        prop_assert_eq!(world.granted.len(), outage);
        world.until(TIMER_OPEN);
        let probe = *world.granted.last().unwrap();
        let number = (0..priorities.len()).find(|number| task(*number) == probe).unwrap();
        let mut released = world.observe(Answered, number, 0).len();
        prop_assert_eq!(released, POLICY.release_count as usize + 1);
        while world.head().release_at.is_some() {
            released = world.until(TIMER_RELEASE).len();
            prop_assert!(released <= POLICY.release_count as usize + 1, "a step lets no more through than the policy says");
        }
        let mut expected: Vec<(u8, usize)> = priorities.iter().copied().zip(0..).collect();
        expected.sort_unstable();
        let expected: Vec<TaskId> = expected.into_iter().map(|(_, number)| task(number)).collect();
        prop_assert!(world.granted == expected, "each once, by priority and then by arrival");
        prop_assert_eq!(world.cells.0.len(), 1);
    }
}
