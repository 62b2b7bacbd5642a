//! How a member goes back to what is committed: nothing on its way, the store as the log has it, and each input from its position on.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::failure::failed;
use super::member::Member;
use super::options::CALL_WAIT;
use super::pipeline::Pipeline;
use super::restore::{Restored, Ticket};
use crate::Error;
use crate::log::Outcome;

/// How long a rewind or a leave waits for what is on its way; longer than any call that keeps to its limits.
const DRAIN_WAIT: Duration = Duration::from_secs(2 * CALL_WAIT.as_secs());
/// However quiet it is, it is looked this often.
const LOOK_WAIT: Duration = Duration::from_millis(200);

impl Member {
    /// Until nothing is on its way.
    pub(super) fn drain(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + DRAIN_WAIT;
        loop {
            self.signal.clear();
            if !self.failed {
                while let Some((_, outcome)) = self.next_outcome() {
                    self.failed |= outcome != Outcome::Committed;
                }
            }
            let idle = self.pipeline.as_ref().is_none_or(Pipeline::is_idle);
            if idle && (self.failed || self.in_flight.is_empty()) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                // What hangs is left behind; the next try makes new producers, which settle it.
                self.pipeline = None;
                return Err(Error::WaitEnded { wait_ms: DRAIN_WAIT.as_millis() as u64 });
            }
            self.signal.wait(deadline.min(Instant::now() + LOOK_WAIT));
        }
    }

    /// Back to the committed positions, with nothing on its way and the store as the log has it.
    pub(super) fn go_back(&mut self) -> Result<(), Error> {
        if let Some(pipeline) = &self.pipeline
            && self.failed
        {
            pipeline.make_void();
        }
        self.drain()?;
        self.in_flight.clear();
        self.waiting.clear();
        if self.pipeline.as_ref().is_none_or(Pipeline::is_broken) {
            self.pipeline = None;
            let (store, signal) = (self.store.clone(), self.signal.clone());
            self.pipeline = Some(Pipeline::start(&self.shared, &self.membership.worker, store, signal)?);
        }
        let staying: Vec<u32> =
            self.held.iter().copied().filter(|partition| !self.releasing.contains(partition)).collect();
        self.read_committed(&staying)?;
        if let Some(pipeline) = &self.pipeline {
            pipeline.resume();
        }
        self.failed = false;
        Ok(())
    }

    /// Positions, and where needed state, of these partitions as they are committed; reads on from there.
    ///
    /// What is on its way here meanwhile is cut short: it may take long, and goes on afterwards from where it was.
    fn read_committed(&mut self, partitions: &[u32]) -> Result<(), Error> {
        if partitions.is_empty() {
            return Ok(());
        }
        let cut: Vec<u32> = self.restoring.keys().copied().collect();
        self.stop_restoring(&cut);
        let read = self.read_held(partitions);
        for partition in cut {
            let ticket = self.restorer.want(partition, true)?;
            self.restoring.insert(partition, ticket);
        }
        read
    }

    fn read_held(&mut self, partitions: &[u32]) -> Result<(), Error> {
        let mut tickets = Vec::with_capacity(partitions.len());
        for partition in partitions {
            tickets.push(self.restorer.want(*partition, false)?);
        }
        let done = self.await_tickets(&tickets);
        for ticket in tickets {
            self.restorer.forget(ticket);
        }
        for restored in done? {
            self.take_positions(&restored);
        }
        let places = self.places(partitions)?;
        let sought = self.consumer()?.seek_partitions(places, CALL_WAIT).map_err(failed("go back"))?;
        for place in sought.elements() {
            place.error().map_err(failed("go back in a partition"))?;
        }
        Ok(())
    }

    fn await_tickets(&mut self, tickets: &[Ticket]) -> Result<Vec<Restored>, Error> {
        let deadline = Instant::now() + DRAIN_WAIT;
        let mut done = Vec::with_capacity(tickets.len());
        loop {
            self.signal.clear();
            while let Some(restored) = self.restorer.take()? {
                if tickets.contains(&restored.ticket) {
                    done.push(restored);
                }
            }
            if done.len() == tickets.len() {
                return Ok(done);
            }
            if Instant::now() >= deadline {
                return Err(Error::WaitEnded { wait_ms: DRAIN_WAIT.as_millis() as u64 });
            }
            self.signal.wait(deadline.min(Instant::now() + LOOK_WAIT));
        }
    }
}
