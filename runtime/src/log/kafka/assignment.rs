//! How a member comes to its partitions, and gives them up.

use std::sync::Arc;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, warn};

use super::broadcast::Broadcast;
use super::context::{MemberContext, Rebalance};
use super::failure::{failed, is_forbidden, reading_refused, refused};
use super::member::Member;
use super::pipeline::Pipeline;
use super::restore::{Inputs, Restored, Restorer};
use super::store::Store;
use super::transaction::wire_partition;
use super::upkeep::Upkeep;
use super::{Shared, topics};
use crate::Error;
use crate::log::embedded::signal::Signal;
use crate::log::{Membership, Polled};
use crate::record::{TopicSpec, Topics};

/// The partition of the changelog whose position is committed to prove a membership; nobody goes on from there.
const UNUSED: u32 = 0;

/// What the group says of a membership.
enum Proof {
    Given,
    /// It is none.
    None,
    /// The group could not be asked.
    AskAgain,
}

/// What a member is made of.
pub(super) struct Parts {
    pub(super) inputs: Vec<usize>,
    pub(super) changelog: Arc<str>,
    pub(super) consumer: BaseConsumer<MemberContext>,
    pub(super) signal: Arc<Signal>,
    pub(super) store: Arc<Store>,
    pub(super) pipeline: Pipeline,
    pub(super) restorer: Restorer,
    pub(super) broadcast: Broadcast,
    pub(super) upkeep: Upkeep,
}

pub(super) fn open(shared: &Arc<Shared>, membership: &Membership) -> Result<Parts, Error> {
    let indexes = |names: &[Arc<str>]| -> Result<Vec<usize>, Error> {
        names.iter().map(|name| shared.topics.index(name)).collect()
    };
    let inputs = indexes(&membership.topics)?;
    let broadcasts = indexes(&membership.topics_broadcast)?;
    let partitions = equal_partitions(membership, &shared.topics, &inputs)?;
    let worker = &*membership.worker;
    if worker.is_empty() || !worker.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        let reason = "its name is that of a folder and of a client: letters, digits, \"-\", \"_\" and \".\"";
        return Err(Error::WorkerRefused { worker: membership.worker.clone(), reason: reason.to_owned() });
    }
    let signal: Arc<Signal> = Arc::default();
    let path = shared.options.directory.join(worker);
    let store = Arc::new(Store::open(&path, &membership.processors, &shared.memory)?);
    // Before anything is asked: what the last run left open is settled by this.
    let pipeline = Pipeline::start(shared, worker, store.clone(), signal.clone())?;
    let name = shared.options.changelog_topic(partitions);
    let changelog: Arc<str> = shared.options.wire(&name).into();
    let spec = TopicSpec { compacted: true, ..TopicSpec::new(&name, partitions) };
    let group = shared.options.wire(&membership.group);
    let reads = Inputs {
        group: group.clone(),
        group_name: membership.group.clone(),
        topics: inputs.clone(),
        changelog: changelog.clone(),
        delete_retention_ms: topics::delete_retention_ms(&shared.options, &spec)?,
    };
    let restorer = Restorer::start(shared, worker, reads, store.clone(), signal.clone())?;
    let broadcast = Broadcast::open(shared, worker, &broadcasts, &signal)?;
    let config = shared.options.joining(worker, &group);
    let mut consumer: BaseConsumer<MemberContext> =
        BaseConsumer::from_config_and_context(&config, MemberContext::default()).map_err(refused)?;
    let waker = signal.clone();
    consumer.set_nonempty_callback(move || waker.notify());
    let upkeep = Upkeep::new(partitions, shared.clock.now_ms());
    Ok(Parts { inputs, changelog, consumer, signal, store, pipeline, restorer, broadcast, upkeep })
}

/// The one partition count of the inputs.
fn equal_partitions(membership: &Membership, topics: &Topics, inputs: &[usize]) -> Result<u32, Error> {
    let refused = |reason: String| Error::GroupRefused { group: membership.group.clone(), reason };
    let Some(first) = inputs.first() else { return Err(refused("it reads no topic".to_owned())) };
    let first = topics.at(*first);
    for topic in inputs.iter().map(|index| topics.at(*index)) {
        if topic.partitions != first.partitions {
            return Err(refused(format!(
                "topic \"{}\" has {} partitions and topic \"{}\" has {}; inputs of one group need as many each",
                first.name, first.partitions, topic.name, topic.partitions
            )));
        }
        if topic.compacted {
            return Err(refused(format!(
                "topic \"{}\" is compacted; an input keeps all its records",
                topic.name
            )));
        }
    }
    Ok(first.partitions)
}

impl Member {
    /// The inputs of these partitions, where they go on.
    pub(super) fn places(&self, partitions: &[u32]) -> Result<TopicPartitionList, Error> {
        let mut places = TopicPartitionList::new();
        for ((topic, partition), next_offset) in &self.positions {
            if partitions.contains(partition) {
                let at = Offset::Offset(*next_offset);
                places
                    .add_partition_offset(&self.shared.wire[*topic], wire_partition(*partition), at)
                    .map_err(failed("name a position"))?;
            }
        }
        Ok(places)
    }

    fn forget_partitions(&mut self, partitions: &[u32]) {
        self.held.retain(|held| !partitions.contains(held));
        self.positions.retain(|(_, partition), _| !partitions.contains(partition));
        self.fetched.retain(|(_, partition), _| !partitions.contains(partition));
        self.waiting.retain(|record| !partitions.contains(&record.partition));
    }

    /// Gives up what was revoked: the caller has settled what concerns it.
    pub(super) fn hand_over(&mut self) -> Result<(), Error> {
        if self.releasing.is_empty() {
            return Ok(());
        }
        let released = std::mem::take(&mut self.releasing);
        let places = self.places(&released)?;
        self.note_newness(&released);
        self.forget_partitions(&released);
        self.upkeep.follow_anew();
        self.consumer()?.incremental_unassign(&places).map_err(failed("give partitions up"))
    }

    /// Carries out what the group decided next; None: nothing that concerns the caller.
    pub(super) fn apply_rebalance(&mut self) -> Result<Option<Polled>, Error> {
        while let Some(rebalance) = self.consumer()?.context().take() {
            // The client does nothing until it is told how a decision was carried out, so this may wait for the group's
            // word. Later its requests could stand behind one that waits for all the other members.
            let membership = match &rebalance {
                Rebalance::Lost(_) => Proof::None,
                Rebalance::Assigned(_) | Rebalance::Revoked(_) => self.prove()?,
            };
            let polled = match (rebalance, membership) {
                (rebalance, Proof::AskAgain) => {
                    self.consumer()?.context().put_back(rebalance);
                    return Ok(None);
                }
                (Rebalance::Assigned(partitions), Proof::Given | Proof::None) => {
                    self.assigned(&partitions)?;
                    None
                }
                (Rebalance::Revoked(partitions), Proof::Given) => self.revoked(&partitions)?,
                (Rebalance::Revoked(partitions) | Rebalance::Lost(partitions), Proof::None)
                | (Rebalance::Lost(partitions), Proof::Given) => self.lost(&partitions)?,
            };
            if polled.is_some() {
                return Ok(polled);
            }
        }
        Ok(None)
    }

    /// The group goes on at once; the inputs are read once their state is restored.
    fn assigned(&mut self, partitions: &[u32]) -> Result<(), Error> {
        let none = TopicPartitionList::new();
        self.consumer()?.incremental_assign(&none).map_err(failed("take partitions"))?;
        for partition in partitions {
            let ticket = self.restorer.want(*partition, true)?;
            if let Some(old) = self.restoring.insert(*partition, ticket) {
                self.restorer.forget(old);
            }
        }
        Ok(())
    }

    pub(super) fn stop_restoring(&mut self, partitions: &[u32]) {
        self.upkeep.follow_anew();
        for partition in partitions {
            if let Some(ticket) = self.restoring.remove(partition) {
                self.restorer.forget(ticket);
            }
        }
    }

    fn revoked(&mut self, partitions: &[u32]) -> Result<Option<Polled>, Error> {
        self.stop_restoring(partitions);
        let revoked: Vec<u32> = partitions.iter().copied().filter(|one| self.held.contains(one)).collect();
        if revoked.is_empty() {
            let none = TopicPartitionList::new();
            self.consumer()?.incremental_unassign(&none).map_err(failed("give partitions up"))?;
            return Ok(None);
        }
        // The next owner reads them.
        self.waiting.retain(|record| !revoked.contains(&record.partition));
        self.releasing.extend(&revoked);
        Ok(Some(Polled::Revoked(revoked)))
    }

    fn lost(&mut self, partitions: &[u32]) -> Result<Option<Polled>, Error> {
        warn!(worker = %self.membership.worker, ?partitions, "partitions were lost to the group; it is joined anew");
        self.proof = None;
        self.releasing.clear();
        self.upkeep.follow_anew();
        self.stop_restoring(partitions);
        let lost: Vec<u32> = partitions.iter().copied().filter(|one| self.held.contains(one)).collect();
        let places = self.places(&lost)?;
        self.forget_partitions(&lost);
        if let Some(pipeline) = &self.pipeline {
            pipeline.make_void();
        }
        // What is on its way is another's to redo; the caller rewinds.
        self.failed = true;
        self.consumer()?.incremental_unassign(&places).map_err(failed("give partitions up"))?;
        Ok(Some(Polled::Lost(lost)))
    }

    /// Has the group say that this is a member of its present generation.
    ///
    /// The client's word alone will not do: it forgets its membership in the background, and what it then gives passes
    /// every fence of a transaction. So the same word is first put to the group, with a position that nobody uses, in a
    /// commit without transaction, which the group refuses to anyone who is none of its members.
    fn prove(&mut self) -> Result<Proof, Error> {
        let consumer = self.consumer()?;
        let Some(metadata) = consumer.group_metadata() else { return Ok(Proof::AskAgain) };
        // Any offset will do: a store that cannot be read must not cost what the group has decided.
        let progress = self.store.progress(UNUSED).ok().flatten();
        let next_offset = progress.map_or(0, |progress| progress.next_offset.max(0));
        let mut unused = TopicPartitionList::new();
        unused
            .add_partition_offset(&self.changelog, wire_partition(UNUSED), Offset::Offset(next_offset))
            .map_err(failed("name a position"))?;
        match consumer.commit(&unused, CommitMode::Sync) {
            Ok(()) => {
                self.proof = Some(Arc::new(metadata));
                Ok(Proof::Given)
            }
            Err(problem) => {
                debug!(worker = %self.membership.worker, %problem, "group does not confirm the membership");
                // A position of a topic may be committed by whoever may read it.
                if let Some(refused) = reading_refused(&problem, [&*self.changelog]) {
                    return Err(refused);
                }
                if is_forbidden(&problem) {
                    let (group, reason) = (self.membership.group.clone(), problem.to_string());
                    return Err(Error::GroupRefused { group, reason });
                }
                let none = matches!(
                    problem.rdkafka_error_code(),
                    Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::FencedInstanceId)
                );
                if !none {
                    return Ok(Proof::AskAgain);
                }
                // It will be told soon that it lost everything.
                self.proof = None;
                Ok(Proof::None)
            }
        }
    }

    /// Takes partitions whose state is restored.
    pub(super) fn take_restored(&mut self) -> Result<Option<Polled>, Error> {
        let mut ready = Vec::new();
        while let Some(restored) = self.restorer.take()? {
            if self.restoring.get(&restored.partition) == Some(&restored.ticket) {
                self.stop_restoring(&[restored.partition]);
                self.take_positions(&restored);
                self.forget_what_was(restored.partition);
                ready.push(restored.partition);
            }
        }
        if ready.is_empty() {
            return Ok(None);
        }
        ready.sort_unstable();
        let places = self.places(&ready)?;
        self.held.extend(&ready);
        self.consumer()?.incremental_assign(&places).map_err(failed("read partitions"))?;
        Ok(Some(Polled::Assigned(ready)))
    }

    pub(super) fn take_positions(&mut self, restored: &Restored) {
        for (topic, next_offset) in &restored.positions {
            self.positions.insert((*topic, restored.partition), *next_offset);
            self.fetched.insert((*topic, restored.partition), *next_offset);
        }
        match restored.lacks_origin {
            true => self.without_origin.insert(restored.partition),
            false => self.without_origin.remove(&restored.partition),
        };
    }

    /// Leaves the group, and frees the store.
    pub(super) fn close(&mut self) {
        self.pipeline = None;
        if let Some(consumer) = self.consumer.take() {
            consumer.context().close();
            drop(consumer);
        }
    }
}
