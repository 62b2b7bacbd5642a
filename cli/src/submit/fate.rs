//! What the log says of one request that lies on it: the half of waiting that only the service can see.
use anyhow::{Context, bail};
use domain::RequestId;
use runtime::Record;
use runtime::log::Limits;
use runtime::shard::{HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON, HEADER_TOPIC};
use schemas::{headers, own, topics};
use serde::{Deserialize, Serialize};
use topology::{Processor, SubTopology};

use crate::control::Receipt;
use crate::service::Store;

/// As many dead letters are looked at before it is asked whether older ones can matter.
const PIECE: i64 = 256;
const READ: Limits = Limits { records_max: PIECE as usize, bytes_max: 16 << 20 };
const ONE: Limits = Limits { records_max: 1, bytes_max: 1 };

/// What became of an order request, as far as capture is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// Nobody has read it yet.
    Waiting,
    /// Capture has told of it, under this id, on the event topic's partition of the same number, before this offset.
    Told { request_id: String, events_end: i64 },
    /// It could not be processed, and lies among the dead letters.
    DeadLetter { partition: u32, offset: i64, reason: String },
}

/// Looks where a request stands.
///
/// # Errors
/// The log cannot be read, or has no such request (any more).
pub fn fate(store: &Store, groups: &[SubTopology], receipt: &Receipt) -> anyhow::Result<Fate> {
    let log = &store.log;
    let record = log.read_range(topics::ORDER_REQUESTS, receipt.partition, receipt.offset, ONE)?.pop();
    let Some(record) = record.filter(|record| record.offset == receipt.offset) else {
        bail!("there is no request at partition {}, offset {}", receipt.partition, receipt.offset)
    };
    let group = groups.iter().find(|group| group.processors.contains(&Processor::Capture));
    let group = group.context("no sub-topology has the processor capture")?;
    let partition = usize::try_from(receipt.partition)?;
    let end = log.end_offsets(topics::ORDER_REQUESTS)?.get(partition).copied().unwrap_or_default();
    let lag =
        log.lag_records(&group.name, topics::ORDER_REQUESTS)?.get(partition).copied().unwrap_or_default();
    if end.saturating_sub_unsigned(lag) <= receipt.offset {
        return Ok(Fate::Waiting);
    }
    if let Some(letter) = dead_letter_of(store, receipt, record.timestamp_ms)? {
        let reason = text(&letter, HEADER_REASON).unwrap_or_default().to_owned();
        return Ok(Fate::DeadLetter { partition: letter.partition, offset: letter.offset, reason });
    }
    // Asked for after the position: what capture told is in one commit with it, so it lies before this end.
    let events_end = log.last_record_end(topics::ORDER_EVENTS, receipt.partition)?;
    Ok(Fate::Told { request_id: request_id(store, &record).0, events_end })
}

/// The id under which capture knows it: the record's own, the document's, or the hash of the bytes.
fn request_id(store: &Store, record: &Record) -> RequestId {
    let bytes = record.value.as_deref().unwrap_or_default();
    let of_document = || {
        let media_type = text(record, headers::CONTENT_TYPE)?;
        let avro = media_type.starts_with(headers::AVRO);
        let request: own::OrderRequest = avro.then(|| store.codec.decode(bytes).ok())??;
        request.request_id
    };
    let named = text(record, headers::CE_ID).map(str::to_owned).or_else(of_document).map(RequestId);
    named.unwrap_or_else(|| RequestId::of_payload(bytes))
}

/// The dead letter of a request, looked for from the end back to when the request came. It has the request's key, and so lies on the
/// partition of the same number.
fn dead_letter_of(store: &Store, receipt: &Receipt, since_ms: i64) -> anyhow::Result<Option<Record>> {
    let is_of_request = |record: &Record| {
        let number = |name| text(record, name).and_then(|text| text.parse::<i64>().ok());
        text(record, HEADER_TOPIC) == Some(topics::ORDER_REQUESTS)
            && number(HEADER_PARTITION) == Some(i64::from(receipt.partition))
            && number(HEADER_OFFSET) == Some(receipt.offset)
    };
    let ends = store.log.end_offsets(topics::DEAD_LETTERS)?;
    let mut to = ends.get(usize::try_from(receipt.partition)?).copied().unwrap_or_default();
    while to > 0 {
        let first = (to - PIECE).max(0);
        let (mut next, mut oldest_ms) = (first, i64::MAX);
        while next < to {
            let records = store.log.read_range(topics::DEAD_LETTERS, receipt.partition, next, READ)?;
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            oldest_ms = records.iter().map(|record| record.timestamp_ms).fold(oldest_ms, i64::min);
            if let Some(found) = records.into_iter().find(&is_of_request) {
                return Ok(Some(found));
            }
        }
        // A letter is written after what it holds.
        to = if oldest_ms < since_ms { 0 } else { first };
    }
    Ok(None)
}

fn text<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    let value = record.headers.iter().find(|(found, _)| found.as_ref() == name).map(|(_, value)| value);
    value.and_then(|value| std::str::from_utf8(value).ok())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use runtime::Outgoing;
    use runtime::log::embedded::Start;

    use super::*;
    use crate::control::Submission;
    use crate::settings::Settings;

    fn store(folder: &std::path::Path) -> Store {
        let mut settings = Settings::default();
        settings.node.data_dir = folder.to_owned();
        settings.catalog.directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/catalog").into();
        Store::open(&settings, &crate::service::catalog::load(&settings.catalog).unwrap()).unwrap()
    }

    fn submitted(store: &Store, request_id: Option<&str>) -> Receipt {
        let submission = Submission {
            key: Some("K".to_owned()),
            request_id: request_id.map(str::to_owned),
            media_type: headers::JSON.to_owned(),
            body_bytes: 2,
        };
        store.append(&submission, b"{}".to_vec()).unwrap()
    }

    #[test]
    fn a_media_type_that_is_no_header_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let submission = Submission {
            key: Some("K".to_owned()),
            request_id: None,
            media_type: "application/json\n".to_owned(),
            body_bytes: 2,
        };
        let refused = store(folder.path()).append(&submission, b"{}".to_vec()).unwrap_err().to_string();
        assert_eq!(refused, "the media type is not taken: header \"content-type\" has control characters");
    }

    /// As the workers of the group do when they have taken everything.
    fn take_all(store: &Store, groups: &[SubTopology]) {
        let group = Start::Group(groups[0].name.as_str().into());
        let mut reader = store.log.reader(&[topics::ORDER_REQUESTS.into()], &group).unwrap();
        assert!(!reader.poll(READ, std::time::Duration::from_secs(10)).unwrap().is_empty());
        reader.commit().unwrap();
    }

    fn letter(receipt: &Receipt) -> Outgoing {
        let place = [
            (HEADER_TOPIC, topics::ORDER_REQUESTS.to_owned()),
            (HEADER_PARTITION, receipt.partition.to_string()),
            (HEADER_OFFSET, receipt.offset.to_string()),
            (HEADER_REASON, "it burns".to_owned()),
        ];
        Outgoing {
            topic: topics::DEAD_LETTERS.into(),
            partition: Some(receipt.partition),
            key: Some(Bytes::from_static(b"K")),
            value: Some(Bytes::from_static(b"{}")),
            headers: place.map(|(name, value)| (name.into(), Bytes::from(value))).into(),
            timestamp_ms: i64::MAX,
        }
    }

    #[test]
    fn a_request_waits_until_it_is_taken_and_is_then_told_or_a_dead_letter() {
        let folder = tempfile::tempdir().unwrap();
        let (store, groups) = (store(folder.path()), SubTopology::defaults());
        let (first, second) = (submitted(&store, None), submitted(&store, Some("r-2")));
        let of = |receipt: &Receipt| fate(&store, &groups, receipt).unwrap();
        assert_eq!((of(&first), of(&second)), (Fate::Waiting, Fate::Waiting));
        take_all(&store, &groups);
        let hash = RequestId::of_payload(b"{}").0;
        assert_eq!(of(&first), Fate::Told { request_id: hash, events_end: 0 });
        assert_eq!(of(&second), Fate::Told { request_id: "r-2".to_owned(), events_end: 0 });
        // More letters than are looked at in one piece, and the one that is asked for is the oldest.
        let others = Receipt { offset: 1_000_000, ..second.clone() };
        let letters: Vec<Outgoing> =
            std::iter::once(letter(&second)).chain((0..600).map(|_| letter(&others))).collect();
        store.log.producer().send(&letters).unwrap();
        let partition = second.partition;
        assert_eq!(of(&second), Fate::DeadLetter { partition, offset: 0, reason: "it burns".to_owned() });
        assert!(matches!(of(&first), Fate::Told { .. }));
        let error = fate(&store, &groups, &others).unwrap_err().to_string();
        assert_eq!(error, format!("there is no request at partition {partition}, offset 1000000"));
    }
}
