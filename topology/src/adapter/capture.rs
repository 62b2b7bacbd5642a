//! The door: a document of an outside contract becomes a request that capture understands.
use bytes::Bytes;
use domain::order::event::Evidence;
use domain::{OrderKey, RequestId};
use processors::capture::{self, CaptureRequest, Output};
use runtime::{HandlerError, Outgoing, Record};
use schemas::tmf::Translated;
use schemas::{headers, own, tmf};

use super::states::EVIDENCE_PREFIX;
use super::{Run, dead_letter, header, unreadable, value};
use crate::graph::Processor;

/// Set on a record that was sent on to its right place: once is enough, and a second time would be for ever.
const SENT_ON: &str = "orderstream-sent-on";

impl Run<'_> {
    /// An order request. One that lies under another key than its order's, or in another partition than its key's, is sent on.
    pub(super) fn request(&mut self, record: &Record) -> Result<(), HandlerError> {
        let bytes = value(record)?;
        let media_type = header(record, headers::CONTENT_TYPE);
        let translated = self.translated(bytes, media_type.as_deref())?;
        let key = translated.key.clone().map_err(|reason| dead_letter(reason.to_string()))?;
        let is_its_key = record.key.as_deref() == Some(key.as_str().as_bytes());
        if !is_its_key || self.shell.is_misplaced(&record.topic, key.as_str().as_bytes()) {
            return self.send_on(record, &key);
        }
        // A name of nothing names nothing: else all such requests would be taken for one.
        let request_id = header(record, headers::CE_ID)
            .filter(|id| !id.trim().is_empty())
            .map(RequestId)
            .or_else(|| translated.request_id.clone())
            .unwrap_or_else(|| RequestId::of_payload(bytes));
        let evidence = Evidence {
            media_type: media_type.unwrap_or_else(|| headers::JSON.to_owned()),
            digest: RequestId::of_payload(bytes).0,
            size_bytes: bytes.len() as i64,
        };
        let Translated { order, findings, .. } = translated;
        self.capture(&key, CaptureRequest { request_id, order, findings, evidence }, bytes)
    }

    fn translated(&self, bytes: &[u8], media_type: Option<&str>) -> Result<Translated, HandlerError> {
        if media_type.is_some_and(|media_type| media_type.starts_with(headers::AVRO)) {
            let decoded = self.line.codec.decode(bytes);
            let request: own::OrderRequest =
                decoded.map_err(|e| unreadable("request could not be read", &e))?;
            return own::translate(&request, bytes).map_err(|error| dead_letter(error.to_string()));
        }
        tmf::translate(bytes, media_type).map_err(|error| dead_letter(error.to_string()))
    }

    /// Re-keying is normal: outsiders hash and key as they like. Bytes and headers stay as they came.
    pub(super) fn send_on(&mut self, record: &Record, key: &OrderKey) -> Result<(), HandlerError> {
        if header(record, SENT_ON).is_some() {
            return Err(dead_letter(format!(
                "the record says by its header \"{SENT_ON}\" that it was sent on, and still does not lie where order \"{key}\" belongs"
            )));
        }
        let mut headers = record.headers.clone();
        headers.push((SENT_ON.into(), Bytes::from_static(b"1")));
        self.line.stages.gave(Processor::Capture);
        self.shell.emit(Outgoing {
            topic: record.topic.clone(),
            partition: None,
            key: Some(Bytes::copy_from_slice(key.as_str().as_bytes())),
            value: record.value.clone(),
            headers,
            timestamp_ms: record.timestamp_ms,
        })
    }

    fn capture(&mut self, key: &OrderKey, request: CaptureRequest, bytes: &[u8]) -> Result<(), HandlerError> {
        let processor = Processor::Capture;
        let now = self.shell.now();
        let arrival = self.arrival(processor, request.request_id.as_str(), now);
        let state = self.load(processor, key.as_str())?;
        let current = self.line.catalogs.latest().map(|catalog| catalog.version.clone());
        let decision = capture::handle(key, state, request, current.as_ref(), &arrival);
        self.keep(processor, key.as_str(), decision.state.as_ref())?;
        for output in decision.outputs {
            match output {
                Output::Event(event) => self.event(processor, event)?,
                Output::KeepEvidence { digest } => {
                    let cell = format!("{EVIDENCE_PREFIX}{digest}");
                    let bytes = Bytes::copy_from_slice(bytes);
                    self.shell.put(processor, key.as_str().as_bytes(), &cell, bytes)?;
                }
            }
        }
        self.timers(processor, key.as_str(), decision.timers)
    }
}
