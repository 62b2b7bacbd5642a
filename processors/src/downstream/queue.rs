//! The queue: who waits, in which sequence they go, and how many at a time.
use domain::downstream::CircuitState;
use domain::{OrderKey, TaskId};

use super::state::{TURN_PREFIX, place_cell, turn_cell};
use super::{Cell, Place, Step, TIMER_RELEASE, Turn};

impl Step<'_> {
    pub(super) fn is_waiting(&self, task: TaskId) -> bool {
        self.cells.get(&place_cell(task)).is_some()
    }

    pub(super) fn join_queue(&mut self, order_key: &OrderKey, task: TaskId, priority: u8) {
        let turn_cell = turn_cell(priority, self.head.sequence);
        self.head.sequence += 1;
        self.head.waiting = self.head.waiting.saturating_add(1);
        let turn = Turn { order_key: order_key.clone(), task_id: task, wanted_at: self.arrival.now };
        self.cells.put(&turn_cell, Cell::Turn(turn));
        self.cells.put(&place_cell(task), Cell::Place(Place { turn_cell }));
    }

    /// Whoever does not want its turn any more leaves; whoever is not in the queue is not missed.
    pub(super) fn leave_queue(&mut self, task: TaskId) {
        let Some(Cell::Place(place)) = self.cells.get(&place_cell(task)) else { return };
        self.cells.delete(&place.turn_cell);
        self.cells.delete(&place_cell(task));
        self.head.waiting = self.head.waiting.saturating_sub(1);
    }

    /// The first of the queue, at most `count`, taken out of it.
    pub(super) fn take_turns(&mut self, count: u32) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (name, cell) in self.cells.scan(TURN_PREFIX, count as usize) {
            let Cell::Turn(turn) = cell else { continue };
            self.cells.delete(&name);
            self.cells.delete(&place_cell(turn.task_id));
            self.head.waiting = self.head.waiting.saturating_sub(1);
            turns.push(turn);
        }
        turns
    }

    /// Lets the next through, and says when more follow.
    ///
    /// The rate is the policy's for as long as the queue shrinks. One that is fed faster than it drains would keep a healthy
    /// system throttled for ever, so then the rate doubles until it shrinks.
    pub(super) fn release(&mut self) {
        if self.head.circuit != CircuitState::Closed {
            return;
        }
        let came = self.head.waiting.saturating_sub(self.head.waiting_before);
        if came >= self.head.release_count {
            self.head.release_count = self.head.release_count.saturating_mul(2);
        }
        for turn in self.take_turns(self.head.release_count) {
            self.grant(&turn.order_key, turn.task_id);
        }
        self.head.waiting_before = self.head.waiting;
        self.head.release_at = None;
        if self.head.waiting == 0 {
            return self.publish("closed, and nobody waits");
        }
        let due = self.arrival.now.plus_ms(self.policy.release_interval_ms.max(1));
        self.head.release_at = Some(due);
        self.set(TIMER_RELEASE, due);
        self.publish("closed, and those that wait are let through");
    }
}
