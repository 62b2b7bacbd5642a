//! The simulated log holds what every log must hold. Each test plays what its name says: commits that are aborted or of unknown
//! outcome, workers that are killed, expelled while they go on, and whole crashes that lose the last store write.

use std::sync::Arc;
use std::time::Duration;

use runtime::conformance::{BROADCAST, DEAD_LETTERS, Fault, GROUP, Harness, INPUT, PROCESSOR, input, topics};
use runtime::shard::Turn;
use runtime::{
    DueTimer, Handler, HandlerError, ManualClock, Membership, Outgoing, Record, Settings, Step, Topics,
    Worker,
};
use simulation::log::process::CommitFault;
use simulation::log::store::Loss;
use simulation::log::{Member, Shared};

struct Simulated(Shared);

impl Simulated {
    fn new() -> Self {
        Self(Shared::new(Topics::checked(topics()).unwrap().into(), None))
    }
}

impl Harness for Simulated {
    type Log = Member;

    fn open(&mut self, worker: &str) -> Member {
        let membership = Membership {
            group: GROUP.into(),
            worker: worker.into(),
            processors: vec![PROCESSOR.into()],
            topics: vec![INPUT.into()],
            topics_broadcast: vec![BROADCAST.into()],
        };
        self.0.member(membership).unwrap()
    }

    fn kill(&mut self, log: Member) {
        let mut cluster = self.0.lock();
        cluster.crash(log.id(), Loss::Writes(1));
        cluster.expel(log.id());
    }

    fn expire(&mut self, log: &Member) {
        self.0.lock().expel(log.id());
    }

    fn fault_next_commit(&mut self, fault: Fault) {
        self.0.lock().next_commit = Some(match fault {
            Fault::Aborted => CommitFault::Aborted,
            Fault::UnknownCommitted => CommitFault::UnknownCommitted,
            Fault::UnknownNotCommitted => CommitFault::UnknownNotCommitted,
        });
    }

    fn crash(&mut self, logs: Vec<Member>) {
        logs.into_iter().for_each(|log| self.kill(log));
    }

    fn produce(&mut self, records: Vec<Outgoing>) {
        let mut cluster = self.0.lock();
        records.into_iter().for_each(|record| drop(cluster.produce(record).unwrap()));
    }

    fn read(&mut self, topic: &str, partition: u32) -> Vec<Record> {
        let mut cluster = self.0.lock();
        cluster.broker.finish_all();
        let Some(found) = cluster.broker.partition(&topic.into(), partition) else { return Vec::new() };
        let mut from = 0;
        let next = std::iter::from_fn(|| {
            let (offset, record) = found.next_committed(from, i64::MAX)?;
            from = offset + 1;
            Some(record.clone())
        });
        next.collect()
    }
}

runtime::conformance_tests!(Simulated::new());

const ALARM_MS: i64 = 3_600_000;
/// What a worker does here is done in fewer turns.
const TURNS_MAX: usize = 100;

/// Sets one timer.
struct Alarm;

impl Handler for Alarm {
    fn on_broadcast(&mut self, _record: &Record) {}

    fn on_record(&mut self, step: &mut Step<'_>, _record: &Record) -> Result<(), HandlerError> {
        step.set_timer(PROCESSOR, b"k", "alarm", ALARM_MS)
    }

    fn on_timer(&mut self, _step: &mut Step<'_>, _timer: &DueTimer) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Plays a batch that is committed and of unknown outcome, and somebody who asks for the next timer before the worker has gone back.
#[test]
fn a_timer_of_a_batch_of_unknown_outcome_is_known_once_the_worker_has_gone_back() {
    let mut simulated = Simulated::new();
    simulated.produce(vec![input(INPUT, 0, "k", "a")]);
    simulated.fault_next_commit(Fault::UnknownCommitted);
    let (member, clock) = (simulated.open("one"), Arc::new(ManualClock::at(0)));
    let mut worker = Worker::new(member, Alarm, clock, Settings::new("one", DEAD_LETTERS)).unwrap();
    let turn_until = |worker: &mut Worker<Member, Alarm>, is_last: fn(&Turn) -> bool| {
        let mut turns = (0..TURNS_MAX).map(|_| worker.turn(Duration::from_millis(1)).unwrap());
        assert!(turns.any(|turn| is_last(&turn)), "it does not come to that");
    };
    turn_until(&mut worker, |turn| matches!(turn, Turn::SetBack { .. }));
    // Its store does not have it yet.
    worker.next_due_ms().unwrap();
    turn_until(&mut worker, |turn| *turn == Turn::Idle);
    assert_eq!(worker.next_due_ms().unwrap(), Some(ALARM_MS));
}
