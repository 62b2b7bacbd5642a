//! The log and the codecs, without anything running on them: of a data directory, or of a Kafka cluster.
use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use domain::catalog::Catalog;
use runtime::log::embedded::{self, Embedded};
use runtime::{AnyLog, Clock, Outgoing, SystemClock, TopicSpec};
use schemas::codec::{self, Codec, StateCodec};
use schemas::contracts;
use schemas::registry::{self, KeyValue, LocalIds, RemoteIds, SchemaIds};
use schemas::topics::{self, Partitioning, Retention};

use super::{DAY_MS, DISK_RESERVE_BYTES, LOG_DIR, catalog, disk_left_bytes};
use crate::control::{Receipt, Submission};
use crate::settings::{Durability, LogKind, Settings};

/// The log and the codecs of a data directory, without anything running on it.
pub struct Store {
    pub log: AnyLog,
    pub codec: Arc<Codec>,
    pub state: Arc<StateCodec>,
    /// What a registry is elsewhere.
    pub ids: Arc<dyn SchemaIds>,
    pub clock: Arc<dyn Clock>,
}

/// Schema ids, kept where the log keeps small values.
#[derive(Debug)]
struct Meta(Embedded);

impl KeyValue for Meta {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.meta_get(key)?.map(|value| value.to_vec()))
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.meta_put(key, Bytes::copy_from_slice(value))?)
    }
}

/// How long a topic keeps its records: what the settings say of topics of its kind.
fn retention_ms(declared_ms: i64, settings: &crate::settings::Retention) -> i64 {
    match declared_ms {
        topics::STORY_RETENTION_MS => settings.story_days * DAY_MS,
        topics::INTERNAL_RETENTION_MS => settings.internal_days * DAY_MS,
        topics::DEAD_LETTER_RETENTION_MS => settings.dead_letters_days * DAY_MS,
        other => other,
    }
}

/// Every topic, as the log wants it, with the retention that is declared. `outward`: of those that no processor reads.
pub fn specs(partitions: u32, outward: u32, systems: impl IntoIterator<Item = String>) -> Vec<TopicSpec> {
    let systems: Vec<String> = systems.into_iter().collect();
    let all = topics::all(systems.iter().map(String::as_str));
    let spec = |(name, topic): (String, &topics::Topic)| {
        let partitions = match topic.partitioning {
            Partitioning::Order | Partitioning::Product | Partitioning::Any => partitions,
            Partitioning::Outward => outward,
            Partitioning::System | Partitioning::Broadcast => 1,
        };
        let (compacted, retention_ms) = match topic.retention {
            Retention::Compacted => (true, None),
            Retention::Ms(retention_ms) => (false, Some(retention_ms)),
        };
        let record_bytes_max = domain::limits::RECORD_BYTES_MAX;
        TopicSpec { compacted, retention_ms, record_bytes_max, ..TopicSpec::new(&name, partitions) }
    };
    all.into_iter().map(spec).collect()
}

/// The same with the counts and the retention that the settings say.
pub fn settled_specs(settings: &Settings, systems: &BTreeSet<String>) -> Vec<TopicSpec> {
    let partitions = settings.log.partitions;
    let outward = match (settings.log.kind, settings.kafka.partitions_outward) {
        (LogKind::Embedded, _) | (LogKind::Kafka, 0) => partitions,
        (LogKind::Kafka, outward) => outward,
    };
    let mut topics = specs(partitions, outward, systems.iter().cloned());
    for topic in &mut topics {
        topic.retention_ms = topic.retention_ms.map(|ms| retention_ms(ms, &settings.retention));
    }
    topics
}

/// Where ids of schemas come from; `None`: the log keeps its own.
fn ids(settings: &Settings) -> anyhow::Result<Option<Arc<dyn SchemaIds>>> {
    match settings.log.kind {
        LogKind::Embedded => Ok(None),
        LogKind::Kafka => Ok(Some(Arc::new(RemoteIds::new(std::slice::from_ref(&settings.registry.url))?))),
    }
}

fn open_embedded(
    settings: &Settings,
    topics: Vec<TopicSpec>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Embedded> {
    let directory = settings.node.data_dir.join(LOG_DIR);
    let durability = match settings.log.durability {
        Durability::Fsync => embedded::Durability::Fsync,
        Durability::Os => embedded::Durability::Os,
    };
    let memory = embedded::Memory {
        block_cache_bytes: settings.log.block_cache_bytes,
        write_buffers_bytes: settings.log.write_buffers_bytes,
    };
    Ok(Embedded::open_within(memory, &directory, topics, durability, clock)?)
}

impl Store {
    /// Opens the data directory for this process alone, with topics for the systems of `catalog` and of every version that is
    /// published in it.
    ///
    /// # Errors
    /// In use by another process, written by a newer version, or not accessible.
    pub fn open(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Store> {
        let data_dir = &settings.node.data_dir;
        if data_dir.exists() && !data_dir.is_dir() {
            bail!("data directory \"{}\" is a file; name a directory", data_dir.display());
        }
        let ids = ids(settings)?;
        let mut systems: BTreeSet<String> = catalog.systems.keys().cloned().collect();
        let store = Store::with_systems(settings, &systems, ids.clone())?;
        let (published, _) = catalog::everything(&store)?;
        if published.is_subset(&systems) {
            return Ok(store);
        }
        // Topics are known to a log from its opening on, and which there must be stands in the log.
        drop(store);
        systems.extend(published);
        Store::with_systems(settings, &systems, ids)
    }

    fn with_systems(
        settings: &Settings,
        systems: &BTreeSet<String>,
        ids: Option<Arc<dyn SchemaIds>>,
    ) -> anyhow::Result<Store> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let topics = settled_specs(settings, systems);
        let Some(ids) = ids else {
            return Store::on(open_embedded(settings, topics, clock.clone())?, clock);
        };
        let opened = AnyLog::on_kafka(settings.kafka_options(), topics, clock.clone());
        let log = opened.map_err(|error| match error {
            error @ runtime::Error::TopicsUnfit { .. } => anyhow::Error::from(error)
                .context("`orderstream topics create` makes those that are missing, and changes none"),
            error => error.into(),
        })?;
        Ok(Store::with_ids(log, ids, clock))
    }

    /// As [`Store::open`], for looking: a directory that no service ever ran on is not made one.
    ///
    /// # Errors
    /// As [`Store::open`]; there is no log in the directory.
    pub fn open_existing(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Store> {
        Store::require(settings)?;
        Store::open(settings, catalog)
    }

    /// # Errors
    /// There is no log in the directory.
    pub fn require(settings: &Settings) -> anyhow::Result<()> {
        if !Store::is_there(settings) {
            bail!(
                "there is no log in \"{}\"; run the service there first, or name another directory with --data-dir",
                settings.node.data_dir.display()
            );
        }
        Ok(())
    }

    /// Whether there is a log to look at. Of a cluster that is only known once it is asked.
    pub fn is_there(settings: &Settings) -> bool {
        match settings.log.kind {
            LogKind::Embedded => settings.node.data_dir.join(LOG_DIR).exists(),
            LogKind::Kafka => true,
        }
    }

    /// On a log that is open already, and keeps the ids of schemas itself.
    ///
    /// # Errors
    /// Its schema ids cannot be read.
    pub fn on(log: Embedded, clock: Arc<dyn Clock>) -> anyhow::Result<Store> {
        let ids = Arc::new(LocalIds::open(Meta(log.clone()))?);
        Ok(Store::with_ids(AnyLog::Embedded(log), ids, clock))
    }

    fn with_ids(log: AnyLog, ids: Arc<dyn SchemaIds>, clock: Arc<dyn Clock>) -> Store {
        let codec = Arc::new(Codec::new(ids.clone()));
        let state = Arc::new(StateCodec::new(ids.clone()));
        Store { log, codec, state, ids, clock }
    }

    /// Asks a registry for the ids of all that will be written, so that it may go away afterwards. An embedded log gives its own.
    ///
    /// # Errors
    /// The registry does not answer, or lacks some of our schemas.
    pub fn learn_ids(&self) -> anyhow::Result<()> {
        if self.log.embedded().is_some() {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut learnt = |outcome: Result<(), codec::Error>| match outcome {
            Err(codec::Error::Registry(registry::Error::NotRegistered { subject })) => {
                missing.push(subject);
                Ok(())
            }
            other => other.context("the schema registry (registry.url) is needed to start"),
        };
        for spec in self.log.topics().iter() {
            for record in topics::topic(&spec.name).map_or(&[][..], |topic| topic.records) {
                learnt(self.codec.learn(&spec.name, record))?;
            }
        }
        for contract in contracts::states() {
            learnt(self.state.learn(&contract.name))?;
        }
        let Some(first) = missing.first() else { return Ok(()) };
        bail!(
            "the schema registry lacks {} of our schemas, the first under subject \"{first}\"; register them before starting \
             (orderstream schemas register)",
            missing.len()
        )
    }

    /// Appends a request; returns once it is durable. Avro comes as a container file of one request, and is framed here, where the
    /// ids of schemas are.
    ///
    /// # Errors
    /// Avro that is no such file; a disk that is nearly full; a log that does not take it.
    pub fn append(&self, submission: &Submission, mut body: Vec<u8>) -> anyhow::Result<Receipt> {
        check_request_id(submission.request_id.as_deref())?;
        check_media_type(&submission.media_type)?;
        self.check_room()?;
        if submission.media_type.starts_with(schemas::headers::AVRO) {
            let requests =
                schemas::own::container::read_at_most(&body, 1).map_err(|error| anyhow::anyhow!(error))?;
            let request = requests.first().context("no request, where one is expected")?;
            body = self.codec.encode(topics::ORDER_REQUESTS, request)?;
        }
        let placed = self.log.producer().send(&[request(submission, body, self.clock.now_ms())])?;
        let (partition, offset) = placed.first().copied().context("the log gave no offset")?;
        Ok(Receipt { partition, offset })
    }

    /// Why no order is taken at the moment; none where they are.
    pub fn refusal(&self) -> Option<String> {
        match self.log.write_failure() {
            Some(reason) => Some(format!("the log cannot be written: {reason}")),
            None => self.check_room().err().map(|error| format!("{error:#}")),
        }
    }

    /// The log of one machine ends with its disk; a cluster minds its own.
    fn check_room(&self) -> anyhow::Result<()> {
        let Some(log) = self.log.embedded() else { return Ok(()) };
        let left_bytes = disk_left_bytes(log.directory())?;
        if left_bytes < DISK_RESERVE_BYTES {
            bail!(
                "no order is taken: {} MiB are left on the disk of the data directory, and {} MiB are kept for orders under way; \
                 make room and submit again",
                left_bytes >> 20,
                DISK_RESERVE_BYTES >> 20
            );
        }
        Ok(())
    }
}

/// A name that the shards would not read would be no name: the same request could be taken twice.
fn check_request_id(id: Option<&str>) -> anyhow::Result<()> {
    let Some(id) = id else { return Ok(()) };
    if id.trim().is_empty() {
        bail!("the request id is empty; leave it out, and equal documents are the same request");
    }
    let read = schemas::headers::text([(schemas::headers::CE_ID, id.as_bytes())], schemas::headers::CE_ID);
    read.map(|_| ()).map_err(|reason| anyhow::anyhow!("the request id is not taken: {}", reason.message))
}

fn check_media_type(media_type: &str) -> anyhow::Result<()> {
    let name = schemas::headers::CONTENT_TYPE;
    let read = schemas::headers::text([(name, media_type.as_bytes())], name);
    read.map(|_| ()).map_err(|reason| anyhow::anyhow!("the media type is not taken: {}", reason.message))
}

/// A request as a record.
pub fn request(submission: &Submission, body: Vec<u8>, now_ms: i64) -> Outgoing {
    let mut headers =
        vec![(Arc::from(schemas::headers::CONTENT_TYPE), Bytes::from(submission.media_type.clone()))];
    if let Some(id) = &submission.request_id {
        headers.push((Arc::from(schemas::headers::CE_ID), Bytes::from(id.clone())));
    }
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition: None,
        key: submission.key.clone().map(Bytes::from),
        value: Some(body.into()),
        headers,
        timestamp_ms: now_ms,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_what_no_processor_reads_may_have_a_count_of_its_own_and_only_on_a_cluster() {
        let systems = BTreeSet::from(["billing".to_owned()]);
        let counts = |kind, outward| {
            let mut settings = Settings::default();
            (settings.log.kind, settings.kafka.partitions_outward) = (kind, outward);
            let of_name = |spec: TopicSpec| (spec.name.to_string(), spec.partitions);
            settled_specs(&settings, &systems).into_iter().map(of_name).collect::<BTreeMap<_, _>>()
        };
        let usual = counts(LogKind::Kafka, 0);
        assert_eq!(counts(LogKind::Embedded, 3), usual);
        let mut own = counts(LogKind::Kafka, 3);
        for name in [
            "orderstream.commands.billing",
            topics::PRODUCT_EVENTS,
            topics::BILLING_INTENTS,
            topics::NOTIFICATIONS,
        ] {
            assert_eq!((own.insert(name.to_owned(), usual[name]), usual[name]), (Some(3), 8), "{name}");
        }
        assert_eq!(own, usual, "the rest is as it was");
    }

    #[test]
    fn what_a_processor_reads_has_the_count_of_its_shards() {
        for topic in topics::TOPICS.iter().filter(|topic| topic.partitioning == Partitioning::Outward) {
            let reader = topic.read_by.iter().find(|reader| topology::Processor::from_name(reader).is_some());
            assert_eq!(reader, None, "{}", topic.name);
        }
    }
}
