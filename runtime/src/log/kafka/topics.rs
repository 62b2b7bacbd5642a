//! The topics of a cluster against those that the log is opened with: created where they are missing, and never changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;
use tracing::warn;

use super::context::{Asking, Quiet};
use super::failure::{failed, refused, wait_for};
use super::notes::NOTES_TOPIC;
use super::options::{Options, RECORD_FRAMING_BYTES, WIRE_BATCH_BYTES};
use crate::Error;
use crate::record::{RECORD_BYTES_MAX, TopicSpec, Topics};

/// How long the cluster may take to answer about its topics.
pub(super) const ASK_WAIT: Duration = Duration::from_secs(20);
/// Between two looks whether anybody can answer at all.
const REFUSAL_LOOK: Duration = Duration::from_secs(1);
/// Before it is asked again.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks whether new topics are known to the brokers.
const LEADERS_LOOK: Duration = Duration::from_millis(20);
/// A changelog forgets a deletion this long after it was written; a store that was away longer is rebuilt.
pub(crate) const DELETE_RETENTION_MS: i64 = 86_400_000;
const DELETE_RETENTION: &str = "delete.retention.ms";
/// By how much a record's time may be after that of the broker, and before it. Any time does: ours is that of the worker which wrote the
/// record, and a broker that refuses it once (Kafka 4 does from an hour on) refuses the whole batch, however often it is sent again.
const TIMESTAMP_LIMITS: [&str; 2] = ["message.timestamp.after.max.ms", "message.timestamp.before.max.ms"];
const TIMESTAMP_LIMIT_MS: i64 = i64::MAX;
/// The setting of a [`Drift`] where all of the topic is missing.
const MISSING: &str = "topic";
/// And where the user may not even know whether it is there.
const RIGHTS: &str = "access";
const RIGHTS_NEEDED: &str = "READ, WRITE, DESCRIBE and DESCRIBE_CONFIGS";

/// One thing that is not as the log needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// As the cluster knows it.
    pub topic: String,
    /// The setting as Kafka calls it; `topic` where all of it is missing, `partitions` for their count, `access` for what the
    /// user may do there.
    pub setting: &'static str,
    pub found: String,
    pub needed: String,
}

impl Drift {
    /// Whether there is no such topic at all.
    pub fn is_missing(&self) -> bool {
        self.setting == MISSING
    }

    /// Whether this user may not even know if there is such a topic.
    pub fn is_hidden(&self) -> bool {
        self.setting == RIGHTS
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, setting, found, needed } = self;
        write!(formatter, "topic \"{topic}\": {setting} is {found}, needed is {needed}")
    }
}

/// What the cluster needs for these topics: they themselves, a changelog for every partition count among them that
/// an input may have, and the topic of the notes.
pub(crate) fn with_changelogs(options: &Options, topics: &Topics) -> Result<Topics, Error> {
    let mut specs: Vec<TopicSpec> = topics.iter().cloned().collect();
    let counts: BTreeSet<u32> =
        topics.iter().filter(|spec| !spec.compacted).map(|spec| spec.partitions).collect();
    for partitions in counts {
        let name = options.changelog_topic(partitions);
        specs.push(TopicSpec { compacted: true, ..TopicSpec::new(&name, partitions) });
    }
    specs.push(TopicSpec { compacted: true, ..TopicSpec::new(NOTES_TOPIC, 1) });
    Topics::checked(specs)
}

/// The settings that a topic needs, by the names that Kafka gives them.
fn settings(spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("cleanup.policy", if spec.compacted { "compact" } else { "delete" }.to_owned()),
        ("max.message.bytes", message_bytes_max(spec).to_string()),
    ];
    if spec.compacted {
        settings.push((DELETE_RETENTION, DELETE_RETENTION_MS.to_string()));
    } else {
        settings.push(("retention.ms", spec.retention_ms.unwrap_or(-1).to_string()));
    }
    settings.extend(TIMESTAMP_LIMITS.map(|setting| (setting, TIMESTAMP_LIMIT_MS.to_string())));
    settings
}

/// A limit on a batch as it is sent, and not on one record: never less than what the client packs together.
fn message_bytes_max(spec: &TopicSpec) -> usize {
    (spec.record_bytes_max.min(RECORD_BYTES_MAX) + RECORD_FRAMING_BYTES)
        .max(WIRE_BATCH_BYTES + RECORD_FRAMING_BYTES)
}

pub(super) fn admin(options: &Options) -> Result<AdminClient<Quiet>, Error> {
    let config = options.asking(&format!("{}-topics", options.node), true);
    AdminClient::from_config_and_context(&config, Quiet).map_err(refused)
}

/// Creates what is missing; what is there stays as it is, see [`check`]. May be repeated.
///
/// Errors: the cluster does not answer, or refuses a topic; those before it are there then.
pub fn create(options: &Options, topics: Vec<TopicSpec>) -> Result<(), Error> {
    let topics = with_changelogs(options, &Topics::checked(topics)?)?;
    let client = admin(options)?;
    let mut refused = make(options, &client, &topics, &[])?;
    if refused.iter().any(|(_, code)| *code == RDKafkaErrorCode::InvalidConfig) {
        // Brokers before Kafka 3.6 do not know them, and refuse nothing by them.
        refused = make(options, &client, &topics, &TIMESTAMP_LIMITS)?;
    }
    if let Some((topic, code)) = refused.first() {
        return Err(Error::TopicRefused { topic: topic.as_str().into(), reason: code.to_string() });
    }
    await_leaders(options, &topics)
}

/// Asks for all of them, without the settings that are left out; those that are refused, and why.
fn make(
    options: &Options,
    client: &AdminClient<Quiet>,
    topics: &Topics,
    left_out: &[&str],
) -> Result<Vec<(String, RDKafkaErrorCode)>, Error> {
    let wanted: Vec<_> = topics.iter().map(|spec| (options.wire(&spec.name), spec, settings(spec))).collect();
    let new: Vec<NewTopic<'_>> = wanted
        .iter()
        .map(|(name, spec, settings)| {
            let replication = TopicReplication::Fixed(i32::from(options.replication));
            let partitions = i32::try_from(spec.partitions).expect("a checked topic has few partitions");
            let topic = NewTopic::new(name, partitions, replication);
            let settings = settings.iter().filter(|(setting, _)| !left_out.contains(setting));
            settings.fold(topic, |topic, (setting, value)| topic.set(setting, value))
        })
        .collect();
    let within = AdminOptions::new().operation_timeout(Some(ASK_WAIT)).request_timeout(Some(ASK_WAIT));
    let done = wait_for(client.create_topics(&new, &within)).map_err(failed("create topics"))?;
    let refused = done.into_iter().filter_map(Result::err);
    Ok(refused.filter(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists).collect())
}

/// Until the brokers know of each topic: they hear of it a moment after its creation is told, and whoever opens the log
/// right away would be told that it is missing.
fn await_leaders(options: &Options, topics: &Topics) -> Result<(), Error> {
    let deadline = Instant::now() + ASK_WAIT;
    let wanted: Vec<String> = topics.iter().map(|spec| options.wire(&spec.name)).collect();
    loop {
        let metadata = metadata(options)?;
        let is_led = |name: &String| {
            let mut topics = metadata.topics().iter();
            let topic = topics.find(|topic| topic.name() == name);
            topic.is_some_and(|topic| {
                !topic.partitions().is_empty() && topic.partitions().iter().all(|one| one.leader() >= 0)
            })
        };
        if wanted.iter().all(is_led) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::WaitEnded { wait_ms: ASK_WAIT.as_millis() as u64 });
        }
        std::thread::sleep(LEADERS_LOOK);
    }
}

/// What of these topics is missing on the cluster or set otherwise. Larger record limits and longer retention are none.
///
/// Errors: the cluster does not answer.
pub fn check(options: &Options, topics: Vec<TopicSpec>) -> Result<Vec<Drift>, Error> {
    drifts(options, &with_changelogs(options, &Topics::checked(topics)?)?)
}

pub(crate) fn drifts(options: &Options, topics: &Topics) -> Result<Vec<Drift>, Error> {
    let client = asking(options)?;
    let counts = partition_counts(&client)?;
    let mut found = Vec::new();
    let mut there = Vec::new();
    for spec in topics.iter() {
        let topic = options.wire(&spec.name);
        let drift =
            |setting, found: String, needed: String| Drift { topic: topic.clone(), setting, found, needed };
        match counts.get(&topic) {
            None if is_hidden(&client, &topic)? => {
                found.push(drift(RIGHTS, "refused to this user".to_owned(), RIGHTS_NEEDED.to_owned()));
            }
            None => {
                let needed = format!("one with {} partitions", spec.partitions);
                found.push(drift(MISSING, "missing".to_owned(), needed));
            }
            Some(count) if *count != spec.partitions as usize => {
                found.push(drift("partitions", count.to_string(), spec.partitions.to_string()));
            }
            Some(_) => there.push((topic, spec)),
        }
    }
    let set = stored_settings(options, &there)?;
    for (topic, spec) in there {
        for (setting, needed) in settings(spec) {
            let stored = set.get(&topic).and_then(|set| set.get(setting)).cloned().unwrap_or_default();
            if !serves(setting, &stored, &needed) {
                found.push(Drift { topic: topic.clone(), setting, found: stored, needed });
            }
        }
    }
    Ok(found)
}

/// Whether a setting does for what is needed: limits may be wider.
fn serves(setting: &str, stored: &str, needed: &str) -> bool {
    if setting == "cleanup.policy" {
        return stored == needed;
    }
    // Brokers that do not know it refuse nothing by it.
    if stored.is_empty() && TIMESTAMP_LIMITS.contains(&setting) {
        return true;
    }
    let (Ok(stored), Ok(needed)) = (stored.parse::<i64>(), needed.parse::<i64>()) else { return false };
    match setting {
        // Minus one: for ever.
        "retention.ms" => stored == -1 || (needed != -1 && stored >= needed),
        // Any does; how long it is decides when a store must be rebuilt.
        DELETE_RETENTION => true,
        _ => stored >= needed,
    }
}

/// How many brokers the cluster has that answer each other.
///
/// Errors: the client refuses its settings; no broker answers.
pub fn brokers(options: &Options) -> Result<usize, Error> {
    Ok(metadata(options)?.brokers().len())
}

fn partition_counts(client: &BaseConsumer<Asking>) -> Result<HashMap<String, usize>, Error> {
    let metadata = metadata_of(client, None)?;
    Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
}

fn asking(options: &Options) -> Result<BaseConsumer<Asking>, Error> {
    let config = options.asking(&format!("{}-topics", options.node), true);
    BaseConsumer::from_config_and_context(&config, Asking::default()).map_err(refused)
}

pub(super) fn metadata(options: &Options) -> Result<Metadata, Error> {
    metadata_of(&asking(options)?, None)
}

/// Of one topic, or of all that the user may know of.
///
/// A wrong password is no reason to wait for brokers until the end: that is over as soon as they say so.
fn metadata_of(client: &BaseConsumer<Asking>, topic: Option<&str>) -> Result<Metadata, Error> {
    let deadline = Instant::now() + ASK_WAIT;
    let mut look = REFUSAL_LOOK;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let problem = match client.fetch_metadata(topic, left.min(look)) {
            Ok(metadata) => return Ok(metadata),
            Err(problem) => problem,
        };
        // An answer that comes after its look is thrown away, and a large cluster may take long for each.
        look = (look * 2).min(ASK_WAIT);
        // What the client tells by itself comes with what it reads, and it reads nothing.
        while client.poll(Duration::ZERO).is_some() {}
        let told = client.context().told();
        if let Some(reason) = told.refusal {
            return Err(Error::ConnectionRefused { reason });
        }
        if Instant::now() >= deadline {
            let source = told.last.map_or_else(|| problem.into(), Into::into);
            return Err(Error::Store { doing: "ask the cluster for its topics", source });
        }
        // Where nobody listens the client says so at once.
        std::thread::sleep(REFUSED_PAUSE);
    }
}

/// Whether a topic that the cluster does not list is only hidden from this user.
fn is_hidden(client: &BaseConsumer<Asking>, topic: &str) -> Result<bool, Error> {
    const FORBIDDEN: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    let told = metadata_of(client, Some(topic))?;
    Ok(told.topics().iter().any(|found| found.name() == topic && found.error() == Some(FORBIDDEN)))
}

fn stored_settings(
    options: &Options,
    topics: &[(String, &TopicSpec)],
) -> Result<HashMap<String, HashMap<String, String>>, Error> {
    if topics.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|(topic, _)| ResourceSpecifier::Topic(topic)).collect();
    let within = AdminOptions::new().request_timeout(Some(ASK_WAIT));
    let client = admin(options)?;
    let answers = wait_for(client.describe_configs(&asked, &within))
        .map_err(failed("ask the cluster how its topics are set"))?;
    let mut found = HashMap::new();
    for ((topic, _), answer) in topics.iter().zip(answers) {
        let answer = answer.map_err(|code| Error::TopicRefused {
            topic: topic.as_str().into(),
            reason: format!("its settings cannot be read: {code}"),
        })?;
        let entries = answer.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        found.insert(topic.clone(), entries.collect());
    }
    Ok(found)
}

/// How long the changelog remembers deletions, as the cluster has it.
pub(crate) fn delete_retention_ms(options: &Options, spec: &TopicSpec) -> Result<i64, Error> {
    let topic = options.wire(&spec.name);
    let set = stored_settings(options, &[(topic.clone(), spec)])?;
    let stored = set.get(&topic).and_then(|set| set.get(DELETE_RETENTION)?.parse().ok());
    Ok(stored.unwrap_or(DELETE_RETENTION_MS))
}

/// All that is not as needed, in one error that says what would be. What only a wrong clock would meet is said and no reason to refuse:
/// topics of an earlier release have it.
pub(crate) fn require(options: &Options, topics: &Topics) -> Result<(), Error> {
    let (passing, found): (Vec<Drift>, Vec<Drift>) =
        drifts(options, topics)?.into_iter().partition(|drift| TIMESTAMP_LIMITS.contains(&drift.setting));
    if !passing.is_empty() {
        let findings = passing.iter().map(Drift::to_string).collect::<Vec<_>>().join("; ");
        warn!(findings, "topics refuse records of a worker whose clock is wrong, and it would stand still");
    }
    if found.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = found.iter().map(Drift::to_string).collect();
    Err(Error::TopicsUnfit { count: found.len(), findings: Arc::from(findings.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_limits_serve_and_narrower_do_not() {
        for (setting, stored, needed, expected) in [
            ("cleanup.policy", "compact", "compact", true),
            ("cleanup.policy", "compact,delete", "compact", false),
            ("cleanup.policy", "delete", "compact", false),
            ("retention.ms", "-1", "1000", true),
            ("retention.ms", "1000", "1000", true),
            ("retention.ms", "999", "1000", false),
            ("retention.ms", "999", "-1", false),
            ("max.message.bytes", "2000000", "1000000", true),
            ("max.message.bytes", "1000", "1000000", false),
            ("max.message.bytes", "", "1000000", false),
            ("message.timestamp.after.max.ms", "9223372036854775807", "9223372036854775807", true),
            ("message.timestamp.after.max.ms", "3600000", "9223372036854775807", false),
            ("message.timestamp.before.max.ms", "3600000", "9223372036854775807", false),
            ("message.timestamp.after.max.ms", "", "9223372036854775807", true),
        ] {
            assert_eq!(serves(setting, stored, needed), expected, "{setting} {stored} for {needed}");
        }
    }

    #[test]
    fn every_topic_takes_records_of_any_time() {
        let specs = [TopicSpec::new("a", 1), TopicSpec { compacted: true, ..TopicSpec::new("b", 1) }];
        for spec in specs {
            let settings = settings(&spec);
            for limit in TIMESTAMP_LIMITS {
                let found = settings.iter().find(|(setting, _)| *setting == limit);
                assert_eq!(found.map(|(_, value)| value.as_str()), Some("9223372036854775807"), "{limit}");
            }
        }
    }
}
