//! Outputs as records: topic, key, Avro body, CloudEvents headers.
use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use domain::Timestamp;
use domain::id::event_id;
use domain::order::event::OrderEvent;
use runtime::{HandlerError, Names, Outgoing};
use schemas::codec::{Codec, Recorded};
use schemas::{headers, topics};
use serde::Serialize;

use super::unreadable;
use crate::graph::Processor;
use crate::shell::Shell;
use crate::stages::Stages;

/// Writes the outputs of one input. Equal inputs give equal ids: the n-th record of a name that follows from an input is always the n-th.
#[derive(Debug)]
pub(super) struct Emitter<'a> {
    codec: &'a Codec,
    /// W3C Trace Context of the input, for all that follows from it at once.
    pub(super) trace_parent: Option<String>,
    ordinals: BTreeMap<(String, &'static str), u32>,
    stages: &'a Stages,
    names: &'a RefCell<Names>,
}

/// What of a record is not its body.
pub(super) struct Envelope<'a> {
    pub topic: &'a str,
    pub key: &'a str,
    pub causation_id: &'a str,
    pub at: Timestamp,
    pub processor: Processor,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(codec: &'a Codec, stages: &'a Stages, names: &'a RefCell<Names>) -> Emitter<'a> {
        Emitter { codec, trace_parent: None, ordinals: BTreeMap::new(), stages, names }
    }

    /// Gives the event's id.
    pub(super) fn event(
        &mut self,
        shell: &mut dyn Shell,
        processor: Processor,
        event: &OrderEvent,
    ) -> Result<String, HandlerError> {
        debug_assert_eq!(
            OrderEvent::writer_of(event.name()),
            Some(processor.name()),
            "one writer per record type"
        );
        let body =
            self.codec.encode_event(event).map_err(|e| unreadable("event could not be written", &e))?;
        let cause = event.cause();
        let envelope = Envelope {
            topic: topics::ORDER_EVENTS,
            key: cause.order_key.as_str(),
            causation_id: &cause.causation_id,
            at: cause.at,
            processor,
        };
        tracing::debug!(order_key = %cause.order_key, event = event.name(), "event written");
        self.stages.event(event);
        self.send(shell, &envelope, event.name(), body)
    }

    /// Any other record. Gives its id.
    pub(super) fn record<T: Recorded + Serialize>(
        &mut self,
        shell: &mut dyn Shell,
        envelope: &Envelope<'_>,
        record: &T,
    ) -> Result<String, HandlerError> {
        let encoded = self.codec.encode(envelope.topic, record);
        let body = encoded.map_err(|e| unreadable("record could not be written", &e))?;
        self.send(shell, envelope, T::NAME, body)
    }

    fn send(
        &mut self,
        shell: &mut dyn Shell,
        envelope: &Envelope<'_>,
        name: &'static str,
        body: Vec<u8>,
    ) -> Result<String, HandlerError> {
        self.stages.gave(envelope.processor);
        let ordinal = self.ordinals.entry((envelope.causation_id.to_owned(), name)).or_default();
        let id = event_id(envelope.key, envelope.causation_id, name, *ordinal);
        *ordinal += 1;
        let described = headers::Headers {
            id,
            source: envelope.processor.source(),
            record: name,
            time: envelope.at,
            content_type: headers::AVRO,
            subject: Some(envelope.key),
            trace_parent: self.trace_parent.as_deref().map(str::as_bytes),
        };
        let mut names = self.names.borrow_mut();
        let pairs = described.to_pairs().into_iter();
        shell.emit(Outgoing {
            topic: names.shared(envelope.topic),
            partition: None,
            key: Some(Bytes::copy_from_slice(envelope.key.as_bytes())),
            value: Some(body.into()),
            headers: pairs.map(|(name, value)| (names.shared(name), value)).collect(),
            timestamp_ms: envelope.at.0,
        })?;
        Ok(id.hyphenated().to_string())
    }
}
