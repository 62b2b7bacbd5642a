//! The simulated log holds what every log must hold. Each test plays what its name says: commits that are aborted or of unknown
//! outcome, workers that are killed, expelled while they go on, and whole crashes that lose the last store write.

use runtime::conformance::{BROADCAST, Fault, GROUP, Harness, INPUT, PROCESSOR, topics};
use runtime::{Membership, Outgoing, Record, Topics};
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
