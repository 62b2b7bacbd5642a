//! CloudEvents in Kafka's binary mode: what a record is lies in its headers, and what it says in its value.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use domain::{Reason, ReasonCode, Timestamp};
use uuid::Uuid;

use crate::contracts::{self, NAMESPACE};

/// The CloudEvents version that is written.
pub const SPEC_VERSION: &str = "1.0";
/// `content-type` of our own records; without the `ce_` prefix, as the binding has it.
pub const AVRO: &str = "application/vnd.apache.avro+binary";
/// `content-type` of TMF documents.
pub const JSON: &str = "application/json";

pub const CE_ID: &str = "ce_id";
pub const CE_SOURCE: &str = "ce_source";
pub const CE_TYPE: &str = "ce_type";
pub const CE_TIME: &str = "ce_time";
pub const CE_SPEC_VERSION: &str = "ce_specversion";
pub const CE_SUBJECT: &str = "ce_subject";
pub const CONTENT_TYPE: &str = "content-type";
/// W3C Trace Context, passed on as it came.
pub const TRACE_PARENT: &str = "traceparent";

/// The longest header value that is read.
pub const HEADER_BYTES_MAX: usize = 1_024;

/// `io.orderstream.OrderCaptured.v1`.
pub fn type_of(record: &str) -> String {
    format!("{NAMESPACE}.{record}.v1")
}

/// The record's name out of a `ce_type` of ours; `None` for anybody else's.
pub fn record_of(ce_type: &str) -> Option<&str> {
    ce_type.strip_prefix(NAMESPACE)?.strip_prefix('.')?.strip_suffix(".v1").filter(|name| !name.contains('.'))
}

/// What is said about one record beside its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Derived: the same input gives the same ids of all that follows from it.
    pub id: Uuid,
    /// `orderstream/capture`.
    pub source: &'a str,
    pub record: &'a str,
    pub time: Timestamp,
    pub content_type: &'static str,
    pub subject: Option<&'a str>,
    pub trace_parent: Option<&'a [u8]>,
}

/// The types of all records of ours: they stand in every record, and never change.
static TYPES: LazyLock<BTreeMap<&'static str, Bytes>> = LazyLock::new(|| {
    contracts::all()
        .iter()
        .map(|contract| (contract.name.as_str(), Bytes::from(type_of(&contract.name))))
        .collect()
});

impl Headers<'_> {
    /// As names and values, in a fixed sequence.
    pub fn to_pairs(&self) -> Vec<(&'static str, Bytes)> {
        let ce_type = TYPES.get(self.record).cloned().unwrap_or_else(|| type_of(self.record).into());
        // What differs from record to record is written once, and cut.
        let mut text =
            String::with_capacity(DIFFERENT_BYTES + self.source.len() + self.subject.map_or(0, str::len));
        let mut ends = [0; 4];
        text.push_str(self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        ends[0] = text.len();
        text.push_str(self.source);
        ends[1] = text.len();
        let _ = write!(text, "{}", self.time);
        ends[2] = text.len();
        text.push_str(self.subject.unwrap_or_default());
        ends[3] = text.len();
        let whole = Bytes::from(text);
        let mut pairs = Vec::with_capacity(NAMES);
        pairs.push((CE_SPEC_VERSION, Bytes::from_static(SPEC_VERSION.as_bytes())));
        pairs.push((CE_ID, whole.slice(..ends[0])));
        pairs.push((CE_SOURCE, whole.slice(ends[0]..ends[1])));
        pairs.push((CE_TYPE, ce_type));
        pairs.push((CE_TIME, whole.slice(ends[1]..ends[2])));
        pairs.push((CONTENT_TYPE, Bytes::from_static(self.content_type.as_bytes())));
        if self.subject.is_some() {
            pairs.push((CE_SUBJECT, whole.slice(ends[2]..ends[3])));
        }
        pairs.extend(self.trace_parent.map(|trace| (TRACE_PARENT, Bytes::copy_from_slice(trace))));
        pairs
    }
}

/// The most headers of one record.
const NAMES: usize = 8;
/// An id and a time.
const DIFFERENT_BYTES: usize = 36 + 24;

/// A header's text; `None` where there is none of this name. The first of several counts.
///
/// # Errors
/// The header is no UTF-8, has control characters, or is longer than [`HEADER_BYTES_MAX`].
pub fn text<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    name: &str,
) -> Result<Option<&'h str>, Reason> {
    let Some((_, value)) = headers.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)) else {
        return Ok(None);
    };
    let refused = |why: String| Reason::new(ReasonCode::FieldInvalid, "", format!("header \"{name}\" {why}"));
    if value.len() > HEADER_BYTES_MAX {
        return Err(refused(format!("has {} bytes; at most {HEADER_BYTES_MAX} are read", value.len())));
    }
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().any(char::is_control) => Err(refused("has control characters".to_owned())),
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(refused("is not UTF-8".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let headers = Headers {
            id: Uuid::from_u128(7),
            source: "orderstream/capture",
            record: "OrderCaptured",
            time: Timestamp(0),
            content_type: AVRO,
            subject: Some("TMF/POnumber/456"),
            trace_parent: None,
        };
        let pairs = headers.to_pairs();
        let read = |name| text(pairs.iter().map(|(k, v)| (*k, v.as_ref())), name).unwrap();
        assert_eq!(read("CE_ID"), Some("00000000-0000-0000-0000-000000000007"));
        assert_eq!(read(CE_TIME), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(read(CE_TYPE).and_then(record_of), Some("OrderCaptured"));
        assert_eq!(read(TRACE_PARENT), None);
    }

    #[test]
    fn foreign_types_and_broken_headers_are_told_apart() {
        for foreign in [
            "io.orderstreams.OrderCaptured.v1",
            "io.orderstream.OrderCaptured.v2",
            "io.orderstream.a.b.v1",
            "",
        ] {
            assert_eq!(record_of(foreign), None, "{foreign}");
        }
        let long = vec![b'a'; HEADER_BYTES_MAX + 1];
        for broken in [&b"\xff"[..], b"a\nb", &long] {
            assert_eq!(text([(CE_ID, broken)], CE_ID).unwrap_err().code, ReasonCode::FieldInvalid);
        }
    }
}
