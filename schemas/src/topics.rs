//! Every topic, once: name, key, records, who writes and reads it, how long it is kept.

pub const ORDER_REQUESTS: &str = "orderstream.order.requests";
pub const ORDER_EVENTS: &str = "orderstream.order.events";
pub const ORDER_SIGNALS: &str = "orderstream.order.signals";
/// Followed by the name of the system; see [`commands`].
pub const COMMANDS_PREFIX: &str = "orderstream.commands.";
pub const FEEDBACK: &str = "orderstream.feedback";
pub const PRODUCT_REQUESTS: &str = "orderstream.product.requests";
pub const PRODUCT_EVENTS: &str = "orderstream.product.events";
pub const DOWNSTREAM_OBSERVATIONS: &str = "orderstream.downstream.observations";
pub const DOWNSTREAM_HEALTH: &str = "orderstream.downstream.health";
pub const CATALOG: &str = "orderstream.catalog";
pub const BILLING_INTENTS: &str = "orderstream.billing.intents";
pub const NOTIFICATIONS: &str = "orderstream.notifications";
pub const HEARTBEATS: &str = "orderstream.heartbeats";
/// The same for shards that are keyed by system: partition counts of one shard's inputs are equal.
pub const SYSTEM_HEARTBEATS: &str = "orderstream.heartbeats.systems";
pub const DEAD_LETTERS: &str = "orderstream.dead-letters";

const DAY_MS: i64 = 86_400_000;
/// Long enough to bring a system back after a long week-end and to replay what it missed.
pub const INTERNAL_RETENTION_MS: i64 = 7 * DAY_MS;
/// What outsiders read, and what a projection is rebuilt from.
pub const STORY_RETENTION_MS: i64 = 400 * DAY_MS;
/// A person has to come by.
pub const DEAD_LETTER_RETENTION_MS: i64 = 90 * DAY_MS;
/// Only the newest one of each shard says anything; the others are kept for whoever asks what happened last night.
const HEARTBEAT_RETENTION_MS: i64 = DAY_MS;
// By these values a data directory's own retention is told which kind of topic it is about.
const _: () = assert!(
    HEARTBEAT_RETENTION_MS < INTERNAL_RETENTION_MS
        && INTERNAL_RETENTION_MS < DEAD_LETTER_RETENTION_MS
        && DEAD_LETTER_RETENTION_MS < STORY_RETENTION_MS
);

/// What the key of a record names. Topics of one class have the same number of partitions, so that equal keys meet in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partitioning {
    Order,
    Product,
    System,
    /// Read by no processor: however many partitions there are, those of one key lie in one.
    Outward,
    /// One partition, read whole by every shard.
    Broadcast,
    /// Keys as they came; nobody depends on their place.
    Any,
}

/// How long records stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// At least so long after they were written.
    Ms(i64),
    /// The last record of every key, for ever.
    Compacted,
}

/// One topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// For the commands: the prefix.
    pub name: &'static str,
    /// What the key is, in words.
    pub key: &'static str,
    /// The names of its Avro records; empty where only other people's bytes lie.
    pub records: &'static [&'static str],
    pub written_by: &'static [&'static str],
    pub read_by: &'static [&'static str],
    pub retention: Retention,
    pub partitioning: Partitioning,
}

const OUTSIDE: &str = "outside";
/// Who of writers and readers is none of us.
const OUTSIDERS: &[&str] =
    &[OUTSIDE, "downstream systems", "billing", "whoever tells customers", "operators"];

impl Topic {
    /// Whether outsiders write to it; then its records are a contract.
    pub fn outsiders_write(&self) -> bool {
        self.written_by.iter().any(|party| OUTSIDERS.contains(party))
    }

    /// Whether outsiders read it; then its records are a contract.
    pub fn outsiders_read(&self) -> bool {
        self.read_by.iter().any(|party| OUTSIDERS.contains(party))
    }
}

/// All of them. `orderstream.commands.` stands for one topic per system of the catalog.
#[rustfmt::skip]
pub const TOPICS: &[Topic] = &[
    Topic {
        name: ORDER_REQUESTS, key: "order key", records: &["OrderRequest"], // or a TMF622 document
        written_by: &[OUTSIDE], read_by: &["capture"],
        retention: Retention::Ms(STORY_RETENTION_MS), partitioning: Partitioning::Order,
    },
    Topic {
        name: ORDER_EVENTS, key: "order key", records: domain::order::event::OrderEvent::NAMES,
        written_by: &["capture", "validation", "decomposition", "orchestration", "fallout", "stuckOrders"],
        read_by: &["capture", "validation", "decomposition", "orchestration", "fallout", "stuckOrders", "projection", OUTSIDE],
        retention: Retention::Ms(STORY_RETENTION_MS), partitioning: Partitioning::Order,
    },
    Topic {
        name: ORDER_SIGNALS, key: "order key", records: &["OrderSignal"],
        written_by: &["orchestration", "inventory", "downstream"], read_by: &["orchestration"],
        retention: Retention::Ms(INTERNAL_RETENTION_MS), partitioning: Partitioning::Order,
    },
    Topic {
        name: COMMANDS_PREFIX, key: "order key", records: &["Command"],
        written_by: &["validation", "orchestration"], read_by: &["downstream systems"],
        retention: Retention::Ms(INTERNAL_RETENTION_MS), partitioning: Partitioning::Outward,
    },
    Topic {
        name: FEEDBACK, key: "order key", records: &["Feedback"],
        written_by: &["downstream systems"], read_by: &["validation", "orchestration"],
        retention: Retention::Ms(INTERNAL_RETENTION_MS), partitioning: Partitioning::Order,
    },
    Topic {
        name: PRODUCT_REQUESTS, key: "product id", records: &["ProductRequest"],
        written_by: &["orchestration"], read_by: &["inventory"],
        retention: Retention::Ms(INTERNAL_RETENTION_MS), partitioning: Partitioning::Product,
    },
    Topic {
        name: PRODUCT_EVENTS, key: "product id", records: &["ProductChanged", "ProductReportRefused"],
        written_by: &["inventory"], read_by: &["projection", OUTSIDE],
        retention: Retention::Ms(STORY_RETENTION_MS), partitioning: Partitioning::Outward,
    },
    Topic {
        name: DOWNSTREAM_OBSERVATIONS, key: "system", records: &["DownstreamObserved"],
        written_by: &["orchestration"], read_by: &["downstream"],
        retention: Retention::Ms(INTERNAL_RETENTION_MS), partitioning: Partitioning::System,
    },
    Topic {
        name: DOWNSTREAM_HEALTH, key: "system", records: &["DownstreamHealth"],
        written_by: &["downstream"], read_by: &["every shard", "projection"],
        retention: Retention::Compacted, partitioning: Partitioning::Broadcast,
    },
    Topic {
        name: CATALOG, key: "version", records: &["CatalogPublished"],
        written_by: &["orderstream"], read_by: &["every shard"],
        retention: Retention::Compacted, partitioning: Partitioning::Broadcast,
    },
    Topic {
        name: BILLING_INTENTS, key: "order key", records: &["BillingIntent"],
        written_by: &["orchestration"], read_by: &["billing", "projection"],
        retention: Retention::Ms(STORY_RETENTION_MS), partitioning: Partitioning::Outward,
    },
    Topic {
        name: NOTIFICATIONS, key: "order key", records: &["Notification"],
        written_by: &["orchestration"], read_by: &["whoever tells customers", "projection"],
        retention: Retention::Ms(STORY_RETENTION_MS), partitioning: Partitioning::Outward,
    },
    Topic {
        name: HEARTBEATS, key: "who sent it", records: &["Heartbeat"],
        written_by: &["orderstream", "every shard"], read_by: &["every shard", "orderstream"],
        retention: Retention::Ms(HEARTBEAT_RETENTION_MS), partitioning: Partitioning::Order,
    },
    Topic {
        name: SYSTEM_HEARTBEATS, key: "who sent it", records: &["Heartbeat"],
        written_by: &["orderstream", "every shard"], read_by: &["every shard", "orderstream"],
        retention: Retention::Ms(HEARTBEAT_RETENTION_MS), partitioning: Partitioning::System,
    },
    Topic {
        name: DEAD_LETTERS, key: "as it came", records: &[], // original bytes, the error in headers
        written_by: &["every shard"], read_by: &["operators"],
        retention: Retention::Ms(DEAD_LETTER_RETENTION_MS), partitioning: Partitioning::Any,
    },
];

/// The topic of the commands for one system of the catalog.
pub fn commands(system: &str) -> String {
    format!("{COMMANDS_PREFIX}{system}")
}

/// The system that a topic of commands belongs to; `None` for other topics.
pub fn system_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(COMMANDS_PREFIX).filter(|system| !system.is_empty())
}

/// What is declared about a topic of this name; for the commands of any system, the row of all of them.
pub fn topic(name: &str) -> Option<&'static Topic> {
    let declared = if system_of(name).is_some() { COMMANDS_PREFIX } else { name };
    TOPICS.iter().find(|topic| topic.name == declared && name != COMMANDS_PREFIX)
}

/// Every topic by its full name, given the systems of the catalog.
pub fn all<'s>(systems: impl IntoIterator<Item = &'s str>) -> Vec<(String, &'static Topic)> {
    let is_prefix = |topic: &&Topic| topic.name == COMMANDS_PREFIX;
    let mut all: Vec<_> =
        TOPICS.iter().filter(|topic| !is_prefix(topic)).map(|topic| (topic.name.to_owned(), topic)).collect();
    for system in systems {
        all.extend(TOPICS.iter().filter(is_prefix).map(|topic| (commands(system), topic)));
    }
    all
}

/// The topics that carry a record of this name.
pub fn carrying(record: &str) -> impl Iterator<Item = &'static Topic> {
    TOPICS.iter().filter(move |topic| topic.records.contains(&record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts;

    #[test]
    fn every_record_has_one_topic_and_every_topic_known_records() {
        for (name, _) in contracts::SOURCES {
            // A heartbeat goes to shards of every kind of key.
            let topics = if *name == "Heartbeat" { 2 } else { 1 };
            assert_eq!(carrying(name).count(), topics, "{name}");
        }
        for topic in TOPICS {
            for record in topic.records {
                assert!(
                    contracts::SOURCES.iter().any(|(name, _)| name == record),
                    "{record} has no contract"
                );
            }
            assert_eq!(TOPICS.iter().filter(|other| other.name == topic.name).count(), 1, "{}", topic.name);
        }
    }

    #[test]
    fn commands_are_a_topic_per_system() {
        assert_eq!(commands("billing"), "orderstream.commands.billing");
        assert_eq!(topic("orderstream.commands.billing").map(|t| t.records), Some(&["Command"][..]));
        assert_eq!(topic("orderstream.commands."), None);
        assert_eq!(topic("orderstream.nothing"), None);
        assert_eq!(system_of("orderstream.commands.a.b"), Some("a.b"));
        let all = all(["access", "billing"]);
        assert_eq!(all.len(), TOPICS.len() + 1);
        assert!(all.iter().all(|(name, declared)| topic(name) == Some(declared)));
    }
}
