//! What every log must hold, as functions that run against any implementation through a [`Harness`].
//!
//! Each function proves the sentence that is its name, and panics where it does not hold: this is a test suite that other
//! crates' tests may call, so it unwraps. [`conformance_tests!`](crate::conformance_tests) makes a test of each.

mod assignment;
mod commit;
mod restore;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use assignment::*;
pub use commit::*;
pub use restore::*;

use crate::log::{Batch, CellChange, Limits, Log, Outcome, Polled, Position, TimerChange};
use crate::record::{Outgoing, Record, TopicSpec};
use crate::store::keys::{CellKey, TimerKey};

/// Read by the group under test.
pub const INPUT: &str = "conformance-input";
pub const OUTPUT: &str = "conformance-output";
/// Compacted, and read whole by every member.
pub const BROADCAST: &str = "conformance-broadcast";
pub const DEAD_LETTERS: &str = "conformance-dead-letters";
pub const GROUP: &str = "conformance";
/// Of input and output.
pub const PARTITIONS: u32 = 2;

/// How long something that must come may take; a log over a network rebalances in seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL_WAIT: Duration = Duration::from_millis(20);
const LIMITS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
/// The processor of the harness's group; its members fire its timers and no others.
pub const PROCESSOR: &str = "counter";
/// One of another group, on the same partitions.
const PROCESSOR_ELSEWHERE: &str = "elsewhere";

/// The topics that a harness opens its log with.
pub fn topics() -> Vec<TopicSpec> {
    vec![
        TopicSpec::new(INPUT, PARTITIONS),
        TopicSpec::new(OUTPUT, PARTITIONS),
        TopicSpec { compacted: true, ..TopicSpec::new(BROADCAST, 1) },
        TopicSpec::new(DEAD_LETTERS, 1),
    ]
}

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Aborted,
    /// It is committed, and the worker is not told so.
    UnknownCommitted,
    /// It is not, and the worker is not told so either.
    UnknownNotCommitted,
}

/// A log under test, which begins empty.
pub trait Harness {
    type Log: Log;

    /// A worker joins [`GROUP`], with [`INPUT`] and [`BROADCAST`].
    fn open(&mut self, worker: &str) -> Self::Log;

    /// The worker dies without leaving; the group notices.
    fn kill(&mut self, log: Self::Log);

    /// The group holds the worker for dead while it goes on living.
    fn expire(&mut self, log: &Self::Log);

    fn fault_next_commit(&mut self, fault: Fault);

    /// All workers, and the log if it is in the same process, end without warning and are started anew.
    fn crash(&mut self, logs: Vec<Self::Log>);

    /// From outside; durable on return.
    fn produce(&mut self, records: Vec<Outgoing>);

    /// The committed records of a partition, all of them.
    fn read(&mut self, topic: &str, partition: u32) -> Vec<Record>;
}

/// Makes a test of each property. `$harness` is an expression that gives a fresh harness.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests! { @each $harness;
            committed_batch_is_visible_whole,
            aborted_batch_leaves_nothing_and_is_done_again,
            unknown_but_committed_batch_is_not_done_again,
            unknown_and_not_committed_batch_is_done_again,
            batch_built_on_a_failed_one_is_void,
            due_timers_come_in_the_order_of_due_time_and_key,
            timers_of_another_group_are_left_to_it,
            order_per_key_is_kept,
            fenced_worker_cannot_commit_nor_fire_timers_and_may_join_anew,
            revoked_partition_goes_on_at_the_committed_position_with_its_state,
            killed_worker_is_replaced_and_nothing_is_lost_or_done_twice,
            every_partition_has_one_owner,
            broadcast_is_complete_before_the_first_record,
            broadcast_goes_on_before_each_batch,
            positions_and_state_survive_a_crash,
            staged_and_not_committed_is_gone_after_a_crash,
            timers_fire_once_across_a_crash,
            state_is_the_fold_of_committed_input_whatever_fails,
        }
    };
    (@each $harness:expr; $($property:ident),* $(,)?) => {
        $(
            #[test]
            fn $property() {
                $crate::conformance::$property(&mut $harness);
            }
        )*
    };
}

/// A record for the partition; the value says what it is.
pub fn input(topic: &str, partition: u32, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.into(),
        partition: Some(partition),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
        timestamp_ms: 1,
    }
}

fn values(records: &[Record]) -> Vec<String> {
    let value = |record: &Record| record.value.clone().unwrap_or_default();
    records.iter().map(|record| String::from_utf8(value(record).to_vec()).unwrap()).collect()
}

/// What a worker saw, in the sequence in which it saw it.
#[derive(Debug, Default)]
struct Seen {
    records: Vec<Record>,
    broadcasts: Vec<Record>,
    held: BTreeSet<u32>,
    lost: bool,
    revoked: bool,
}

impl Seen {
    fn turn(&mut self, log: &mut dyn Log) {
        match log.poll(LIMITS, POLL_WAIT).unwrap() {
            Polled::Records(records) => self.records.extend(records),
            Polled::Broadcast(records) => self.broadcasts.extend(records),
            Polled::Assigned(partitions) => self.held.extend(partitions),
            Polled::Revoked(partitions) => {
                self.revoked = true;
                self.held.retain(|held| !partitions.contains(held));
            }
            Polled::Lost(partitions) => {
                self.lost = true;
                self.held.retain(|held| !partitions.contains(held));
            }
            Polled::Settled | Polled::Nothing => {}
        }
    }

    /// Turns until `enough`; panics after [`PATIENCE`].
    #[track_caller]
    fn until(&mut self, log: &mut dyn Log, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < deadline, "did not come in time; seen: {self:?}");
            self.turn(log);
        }
    }

    #[track_caller]
    fn records(&mut self, log: &mut dyn Log, count: usize) -> Vec<Record> {
        self.until(log, |seen| seen.records.len() >= count);
        std::mem::take(&mut self.records)
    }
}

/// A batch that read these records: counts them in a cell, answers each, and sets a timer.
fn counted(count: u64, records: &[Record]) -> Batch {
    let last = records.last().unwrap();
    let partition = last.partition;
    Batch {
        partitions: vec![partition],
        positions: vec![Position { topic: INPUT.into(), partition, next_offset: last.offset + 1 }],
        outputs: values(records).iter().map(|value| input(OUTPUT, partition, "k", value)).collect(),
        cells: vec![CellChange { cell: count_cell(partition), value: Some(count.to_string().into()) }],
        timers: vec![TimerChange { timer: timer(partition), before_ms: None, due_ms: Some(100) }],
    }
}

fn count_cell(partition: u32) -> CellKey {
    CellKey::new(partition, PROCESSOR, b"k", b"count")
}

fn timer(partition: u32) -> TimerKey {
    TimerKey::new(partition, PROCESSOR, b"k", "reminder")
}

fn count(log: &mut dyn Log, partition: u32) -> Option<Bytes> {
    log.cell(count_cell(partition).as_bytes()).unwrap()
}

#[track_caller]
fn settled(log: &mut dyn Log) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some((_, outcome)) = log.settle(POLL_WAIT).unwrap() {
            return outcome;
        }
        assert!(Instant::now() < deadline, "no outcome in time");
    }
}

#[track_caller]
fn commit(log: &mut dyn Log, batch: Batch) {
    log.append(batch).unwrap();
    assert_eq!(settled(log), Outcome::Committed);
}
