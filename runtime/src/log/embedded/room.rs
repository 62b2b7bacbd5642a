//! How many bytes of outsiders may wait for the committer: a queue that is bounded by requests alone holds as much as its largest ones.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The most encoded bytes that wait; who has more waits, or is refused.
pub(crate) const QUEUED_BYTES_MAX: usize = 64 << 20;

/// Shared by all producers of a log.
#[derive(Debug)]
pub(crate) struct Room {
    free_bytes: Mutex<usize>,
    freed: Condvar,
}

/// Bytes that wait; given back when dropped, whatever becomes of the request.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Room>,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { free_bytes: Mutex::new(QUEUED_BYTES_MAX), freed: Condvar::new() }
    }
}

impl Room {
    /// Waits until there is room. A request larger than all of it waits until it is alone: else it could never be sent.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Taken {
        let bytes = bytes.min(QUEUED_BYTES_MAX);
        let free = self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(free, |free| *free < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Taken { room: self.clone(), bytes }
    }

    /// None: there is no room now.
    pub(crate) fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Taken> {
        let bytes = bytes.min(QUEUED_BYTES_MAX);
        let mut free = self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(bytes)?;
        Some(Taken { room: self.clone(), bytes })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *self.room.free_bytes.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let room = Arc::new(Room::default());
        let most = room.try_take(QUEUED_BYTES_MAX - 1).unwrap();
        assert!(room.try_take(2).is_none());
        let last = room.try_take(1).unwrap();
        drop((most, last));
        // Larger than all of it: alone.
        let whole = room.take(QUEUED_BYTES_MAX + 1);
        let waiting = std::thread::spawn({
            let room = room.clone();
            move || drop(room.take(1))
        });
        assert!(room.try_take(1).is_none());
        drop(whole);
        waiting.join().unwrap();
        assert!(room.try_take(QUEUED_BYTES_MAX).is_some());
    }
}
