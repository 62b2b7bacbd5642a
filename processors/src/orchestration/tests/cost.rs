//! A step costs what it touches, however large the plan is.
use std::cell::Cell as Counter;

use super::*;

/// Counts what is read and written.
#[derive(Default)]
struct Counting {
    cells: MemoryCells<Cell>,
    reads: Counter<usize>,
    writes: usize,
}

impl Cells<Cell> for Counting {
    fn get(&self, cell: &str) -> Option<Cell> {
        self.reads.set(self.reads.get() + 1);
        self.cells.get(cell)
    }

    fn put(&mut self, cell: &str, value: Cell) {
        self.writes += 1;
        self.cells.put(cell, value);
    }

    fn delete(&mut self, cell: &str) {
        self.writes += 1;
        self.cells.delete(cell);
    }

    fn scan(&self, prefix: &str, limit: usize) -> Vec<(String, Cell)> {
        let found = self.cells.scan(prefix, limit);
        self.reads.set(self.reads.get() + found.len() + 1);
        found
    }
}

const TASKS: usize = 1_000;

/// A chain: every completion makes exactly one other task ready.
fn chain() -> (Order, Plan) {
    let names: Vec<String> = (0..TASKS).map(|number| format!("t{number}")).collect();
    let tasks = names.iter().enumerate().map(|(at, name)| match at.checked_sub(1) {
        Some(before) => planned_task("1", name, &[&names[before]]),
        None => planned_task("1", name, &[]),
    });
    (order(), plan(vec![planned_item("1", false, &[])], tasks.collect()))
}

#[test]
fn a_step_of_a_thousand_tasks_reads_and_writes_a_handful_of_cells() {
    // head, command; the task and its successor; item, item plan, service order.
    const READS_MAX: usize = 9;
    // head, the task and its successor, the successor's command, item, service order.
    const WRITES_MAX: usize = 6;
    let mut run: Run<Counting> = Run::of(chain());
    assert!(run.cells.writes <= TASKS + 8, "the plan is laid down once: {} writes", run.cells.writes);
    for number in 0..TASKS - 1 {
        let name = format!("t{number}");
        let feedback = run.feedback(&name, FeedbackKind::Completed);
        run.cells.reads.set(0);
        run.cells.writes = 0;
        run.take(feedback);
        let (reads, writes) = (run.cells.reads.get(), run.cells.writes);
        assert!(reads <= READS_MAX && writes <= WRITES_MAX, "{reads} reads and {writes} writes at {name}");
    }
    run.complete(&format!("t{}", TASKS - 1)).stands(
        OrderState::Completed,
        &[],
        &[("1", ItemState::Completed)],
    );
}

#[test]
fn an_answer_that_changes_nothing_writes_nothing() {
    let mut run: Run<Counting> = Run::of(chain());
    let feedback = run.feedback("t0", FeedbackKind::Completed);
    run.take(feedback.clone());
    run.cells.writes = 0;
    run.take(feedback);
    let late = run.feedback("t0", FeedbackKind::Accepted);
    run.take(late);
    assert_eq!(run.cells.writes, 0);
}

#[test]
fn the_head_stays_small_whatever_the_plan() {
    let run: Run<Counting> = Run::of(chain());
    let bytes = serde_json::to_vec(&run.head()).unwrap().len();
    assert!(bytes < 2_048, "{bytes} bytes");
}
