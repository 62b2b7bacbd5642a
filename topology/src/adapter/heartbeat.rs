//! Heartbeats: recognised before any processor, and passed on by the shard as what it commits anyway.
//!
//! They have topics of their own. On the requests and the events they would be the larger part of an idle system's story, kept for more
//! than a year, read by every consumer and by every rebuild of the projection; and no order would be the better for it. What a heartbeat
//! must prove is that the shard reads, decides and commits, and it does so here: a shard has one thread for all its topics.
use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use domain::id::event_id;
use runtime::{HandlerError, Outgoing, Record};
use schemas::codec::Codec;
use schemas::headers;
use schemas::heartbeat::Heartbeat;

use super::{Run, unreadable, value};

impl Run<'_> {
    /// One on its way is passed on in its partition, with our name; one that was passed on is of no interest here.
    pub(super) fn heartbeat(&mut self, record: &Record) -> Result<(), HandlerError> {
        let decoded = self.line.codec.decode(value(record)?);
        let heartbeat: Heartbeat = decoded.map_err(|e| unreadable("heartbeat could not be read", &e))?;
        if heartbeat.passed_by.is_some() {
            return Ok(());
        }
        let group = &self.line.group;
        let passed = Heartbeat {
            sent_at: heartbeat.sent_at,
            passed_by: Some(group.name.clone()),
            stages: group.processors.iter().map(|processor| processor.name().to_owned()).collect(),
        };
        let outgoing =
            record_of(&self.line.codec, &record.topic, record.partition, &passed, self.shell.now());
        self.shell.emit(outgoing.map_err(|e| unreadable("heartbeat could not be written", &e))?)
    }
}

/// A heartbeat as a record of a partition.
///
/// # Errors
/// The codec's: its schema could not be registered.
pub fn record_of(
    codec: &Codec,
    topic: &str,
    partition: u32,
    heartbeat: &Heartbeat,
    now: Timestamp,
) -> Result<Outgoing, schemas::codec::Error> {
    let sender = heartbeat.passed_by.as_deref().unwrap_or(SERVICE);
    let cause = format!("{partition}/{}", heartbeat.sent_at.0);
    let described = headers::Headers {
        id: event_id(sender, &cause, "Heartbeat", 0),
        source: &format!("orderstream/{sender}"),
        record: "Heartbeat",
        time: now,
        content_type: headers::AVRO,
        subject: None,
        trace_parent: None,
    };
    let pairs = described.to_pairs().into_iter();
    Ok(Outgoing {
        topic: topic.into(),
        partition: Some(partition),
        key: Some(Bytes::copy_from_slice(sender.as_bytes())),
        value: Some(codec.encode(topic, heartbeat)?.into()),
        headers: pairs.map(|(name, value)| (Arc::from(name), value)).collect(),
        timestamp_ms: now.0,
    })
}

/// The key of those that the service sends.
const SERVICE: &str = "service";

#[cfg(test)]
mod tests {
    use schemas::codec::StateCodec;
    use schemas::registry::{LocalIds, SchemaIds};

    use super::*;
    use crate::memory::Memory;
    use crate::{Line, LineSettings, SubTopology};

    fn record(codec: &Codec, topic: &str, heartbeat: &Heartbeat) -> Record {
        let Outgoing { key, value, headers, timestamp_ms, .. } =
            record_of(codec, topic, 3, heartbeat, Timestamp(7)).unwrap();
        Record { topic: topic.into(), partition: 3, offset: 0, timestamp_ms, key, value, headers }
    }

    #[test]
    fn every_group_passes_it_on_once_in_its_partition_and_keeps_nothing() {
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::in_memory());
        let (codec, state) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids)));
        for group in SubTopology::defaults().into_iter().chain(SubTopology::split()) {
            let topic = group.heartbeats().unwrap().topic();
            assert!(group.topics().contains(&topic), "{}", group.name);
            let mut line = Line::new(group.clone(), codec.clone(), state.clone(), LineSettings::default());
            let mut memory = Memory::at(Timestamp(9));
            let sent = Heartbeat { sent_at: Timestamp(5), passed_by: None, stages: Vec::new() };
            line.take_record(&mut memory, &record(&codec, topic, &sent)).unwrap();
            let [passed] = memory.emitted.as_slice() else {
                panic!("{} passed on {:?}", group.name, memory.emitted)
            };
            assert_eq!((passed.topic.as_ref(), passed.partition), (topic, Some(3)));
            let heartbeat: Heartbeat = codec.decode(passed.value.as_deref().unwrap()).unwrap();
            let names: Vec<&str> = group.processors.iter().map(|processor| processor.name()).collect();
            assert_eq!(
                (heartbeat.sent_at, heartbeat.stages.as_slice()),
                (Timestamp(5), &*names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
            );
            assert_eq!(heartbeat.passed_by, Some(group.name.clone()));
            assert!(memory.cells().is_empty() && memory.next_due().is_none());
            memory.emitted.clear();
            line.take_record(&mut memory, &record(&codec, topic, &heartbeat)).unwrap();
            assert!(memory.emitted.is_empty(), "one that was passed on is not passed on again");
        }
    }
}
