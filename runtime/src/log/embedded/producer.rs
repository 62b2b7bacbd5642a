//! Records from outside: whoever sends them learns where they lie once they are durable.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::request::{Encoded, REQUESTS_MAX, Request, Written};
use super::room::{QUEUED_BYTES_MAX, Room};
use super::store::Store;
use crate::Error;
use crate::record::Outgoing;

/// How long [`Producer::send`] waits for its answer.
const SEND_WAIT: Duration = Duration::from_secs(30);

/// Appends records to the log. Cheap to clone; any number may be used at once.
#[derive(Clone, Debug)]
pub struct Producer {
    store: Arc<Store>,
    requests: Sender<Request>,
    room: Arc<Room>,
}

/// Records on their way.
#[derive(Debug)]
pub struct Pending {
    written: Receiver<Written>,
}

impl Producer {
    pub(crate) fn new(store: Arc<Store>, requests: Sender<Request>, room: Arc<Room>) -> Self {
        Self { store, requests, room }
    }

    /// All of the records or none, in this sequence; waits until they are durable. Gives the (partition, offset) of each.
    ///
    /// After [`Error::Write`] or [`Error::WaitEnded`] they may be there or not; sending again may write them twice.
    pub fn send(&self, records: &[Outgoing]) -> Result<Vec<(u32, i64)>, Error> {
        self.submit(records)?.wait(SEND_WAIT)
    }

    /// Like [`Producer::send`], without waiting for durability; waits while the queue is full.
    pub fn submit(&self, records: &[Outgoing]) -> Result<Pending, Error> {
        let records = Encoded::checked(&self.store, records)?;
        let taken = self.room.take(records.bytes());
        let (reply, written) = bounded(1);
        self.requests.send(Request::Produce { records, reply, taken }).map_err(|_| Error::Closed)?;
        Ok(Pending { written })
    }

    /// Like [`Producer::submit`], but refuses with [`Error::QueueFull`] where that would wait.
    pub fn try_submit(&self, records: &[Outgoing]) -> Result<Pending, Error> {
        let full = Error::QueueFull { requests_max: REQUESTS_MAX, bytes_max: QUEUED_BYTES_MAX };
        let records = Encoded::checked(&self.store, records)?;
        let Some(taken) = self.room.try_take(records.bytes()) else { return Err(full) };
        let (reply, written) = bounded(1);
        match self.requests.try_send(Request::Produce { records, reply, taken }) {
            Ok(()) => Ok(Pending { written }),
            Err(TrySendError::Full(_)) => Err(full),
            Err(TrySendError::Disconnected(_)) => Err(Error::Closed),
        }
    }
}

impl Pending {
    pub(crate) fn new(written: Receiver<Written>) -> Self {
        Self { written }
    }

    /// Waits until the records are durable: the (partition, offset) of each, in the sequence in which they were sent.
    pub fn wait(self, wait: Duration) -> Result<Vec<(u32, i64)>, Error> {
        match self.written.recv_timeout(wait) {
            Ok(Ok(placed)) => Ok(placed),
            Ok(Err(reason)) => Err(Error::Write { reason }),
            Err(RecvTimeoutError::Timeout) => Err(Error::WaitEnded { wait_ms: wait.as_millis() as u64 }),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Closed),
        }
    }
}
