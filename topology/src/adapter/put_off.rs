//! Broadcast records that cannot be read at the moment: a registry that is away has the schema.
use std::collections::VecDeque;

use domain::Timestamp;
use runtime::{RECORD_BYTES_MAX, Record};

/// The most that are kept. Catalogs are few, and a system's health changes at most a few times per minute.
const RECORDS_MAX: usize = 256;
/// The most that they take together: any one of them has its place.
const BYTES_MAX: usize = RECORD_BYTES_MAX;
/// How long after a try the next one comes: a registry that does not answer holds its worker up for as long as it is asked.
const RETRY_MS_MIN: i64 = 1_000;
const RETRY_MS_MAX: i64 = 60_000;

/// In the sequence in which they came.
#[derive(Clone, Debug)]
pub(super) struct PutOff {
    records: VecDeque<Record>,
    /// When the first of them is tried again; absent before it was.
    retry_at: Option<Timestamp>,
    retry_ms: i64,
}

impl Default for PutOff {
    fn default() -> PutOff {
        PutOff { records: VecDeque::new(), retry_at: None, retry_ms: RETRY_MS_MIN }
    }
}

impl PutOff {
    /// Whether an older one of the same key is among them: what is newer comes behind it.
    pub(super) fn has_key_of(&self, record: &Record) -> bool {
        self.records.iter().any(|older| older.topic == record.topic && older.key == record.key)
    }

    /// Keeps it behind the others. Errors: there are too many, or they take too much.
    pub(super) fn push(&mut self, record: &Record) -> Result<(), String> {
        if self.records.len() >= RECORDS_MAX {
            return Err(format!(
                "{RECORDS_MAX} records wait already for schemas; it is read at the next start"
            ));
        }
        let kept: usize = self.records.iter().map(Record::bytes).sum();
        if kept + record.bytes() > BYTES_MAX {
            return Err(format!(
                "{kept} bytes of records wait already for schemas, and with its {} they would be more than {BYTES_MAX}; it is read at the next start",
                record.bytes()
            ));
        }
        self.records.push_back(record.clone());
        Ok(())
    }

    /// The first, where it is to be tried again.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Record> {
        // A clock that went back does not hold it up for longer than that.
        let is_due = |at: Timestamp| now >= at || at.0 - now.0 > RETRY_MS_MAX;
        if self.retry_at.is_none_or(is_due) { self.records.pop_front() } else { None }
    }

    /// It could be read.
    pub(super) fn done(&mut self) {
        (self.retry_at, self.retry_ms) = (None, RETRY_MS_MIN);
    }

    /// It still cannot: then none of them is tried for a while.
    pub(super) fn not_yet(&mut self, record: Record, now: Timestamp) {
        self.records.push_front(record);
        self.retry_at = Some(Timestamp(now.0 + self.retry_ms));
        self.retry_ms = (self.retry_ms * 2).min(RETRY_MS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: None,
            value: Some(vec![0; bytes].into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_has_a_limit_in_records_and_in_bytes() {
        let mut many = PutOff::default();
        for _ in 0..RECORDS_MAX {
            many.push(&record(1)).unwrap();
        }
        assert!(many.push(&record(1)).unwrap_err().starts_with("256 records wait already"));

        let mut large = PutOff::default();
        large.push(&record(BYTES_MAX)).unwrap();
        assert!(large.push(&record(1)).unwrap_err().contains("with its 1 they would be more than 16777216"));
        assert_eq!(large.take_due(Timestamp(0)).map(|record| record.bytes()), Some(BYTES_MAX));
        large.push(&record(1)).unwrap();
    }
}
