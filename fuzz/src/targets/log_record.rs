//! A record as it lies in the embedded log.
use std::sync::Arc;

use bytes::Bytes;
use runtime::Outgoing;
use runtime::log::embedded::{bytes_of_record, record_of_bytes};

pub(super) fn run(bytes: &[u8]) {
    let topic: Arc<str> = "t".into();
    let Some(read) = record_of_bytes(&topic, 1, 2, bytes) else { return };
    let again = Outgoing {
        topic: topic.clone(),
        partition: None,
        key: read.key.clone(),
        value: read.value.clone(),
        headers: read.headers.clone(),
        timestamp_ms: read.timestamp_ms,
    };
    let written = bytes_of_record(&again);
    assert!(written.len() <= bytes.len(), "what is written is as short as it can be");
    assert_eq!(record_of_bytes(&topic, 1, 2, &written), Some(read));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let record = |key: Option<&'static [u8]>, value: Option<&'static [u8]>| Outgoing {
        topic: "t".into(),
        partition: None,
        key: key.map(Bytes::from_static),
        value: value.map(Bytes::from_static),
        headers: vec![
            ("content-type".into(), Bytes::from_static(b"application/json")),
            ("".into(), Bytes::new()),
        ],
        timestamp_ms: 1_700_000_000_123,
    };
    let records = [record(Some(b"key"), Some(b"{}")), record(None, Some(b"")), record(Some(b""), None)];
    records.iter().map(bytes_of_record).collect()
}
