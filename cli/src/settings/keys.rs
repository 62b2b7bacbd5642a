//! Every setting, once. Defaults, checks, `config show`, docs/configuration.md and config/orderstream.toml come from here.
use runtime::log::kafka::{PRODUCERS_MAX, PRODUCERS_MIN};

use super::key::{Form, Key, Kind};

/// A section of the file, in the sequence of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub name: &'static str,
    pub says: &'static str,
}

const fn section(name: &'static str, says: &'static str) -> Section {
    Section { name, says }
}

/// The array of tables that says which processors share threads and commits. Its keys are [`SUBTOPOLOGY_KEYS`].
pub const SUBTOPOLOGY: &str = "subtopology";

/// The most threads of one sub-topology.
pub const WORKERS_MAX: i64 = 64;
/// The most partitions of the order-keyed topics.
pub const PARTITIONS_MAX: i64 = 256;
const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;
const HUNDRED_YEARS_DAYS: i64 = 36_500;
/// More copies than a cluster has brokers cannot be made; more than this nobody needs.
const REPLICATION_MAX: i64 = 9;
const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

const fn whole(min: i64, max: i64) -> Kind {
    Kind::Whole { min, max }
}

#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    section("node", "This process and where it keeps everything."),
    section("log", "The log that everything rests on."),
    section("registry", "The schema registry, where there is one."),
    section("kafka", "The cluster, where log.kind is \"kafka\"; of no effect elsewhere. Its topics are made by `orderstream topics create`."),
    section("retention", "How long things are kept. What is past its time is deleted in the background."),
    section(SUBTOPOLOGY, "Processors in one sub-topology share shards and commits. All order-keyed processors together cost one commit for the whole chain; placed apart they exchange the same events through the topics. Each processor is in exactly one. Without any such table, the ones shown here are in force. A log is worked on by one grouping at a time: a service with another does not start before orderstream topology apply has carried the positions over."),
    section("batch", "How much a worker does in one commit. Larger batches give more orders per second and longer times per order."),
    section("catalog", "What is sold and how it is built."),
    section("orchestration", "How orders are carried out."),
    section("stuck_orders", "When an order counts as stuck."),
    section("projection", "The rows that queries are answered from."),
    section("downstream", "The systems that carry out commands."),
    section("gateway", "The only listening socket: /metrics, /health and /ready."),
    section("readiness", "When /ready says no."),
    section("heartbeat", "A record that goes through every shard now and then, so that one that hangs is seen though no orders flow."),
    section("logging", "What is written to standard error."),
];

#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    Key { name: "node.data_dir", kind: Kind::Text(Form::Path), default: "data", unit: "",
        says: "Where log, state, projection and control socket live." },
    Key { name: "node.name", kind: Kind::Text(Form::NameOrEmpty), default: "", unit: "",
        says: "The name of this process, needed on Kafka: unlike every other's on the cluster, and the same after a restart, so that it ends what its last run left open." },
    Key { name: "node.stop_wait_ms", kind: whole(1_000, 600_000), default: "30000", unit: "ms",
        says: "How long the parts may take to finish their batch once the service is told to stop; after that it ends with exit code 1, and nothing is lost." },

    Key { name: "log.kind", kind: Kind::Choice(&["embedded", "kafka"]), default: "embedded", unit: "",
        says: "\"embedded\" is a durable log in the data directory, for one machine. \"kafka\" is a Kafka cluster, for any number of machines; then node.name, kafka.brokers and registry.url are needed." },
    Key { name: "log.durability", kind: Kind::Choice(&["fsync", "os"]), default: "fsync", unit: "",
        says: "With \"fsync\", a commit has reached the disk before anything follows from it. With \"os\", the operating system writes when it likes: a killed process loses nothing, a power cut may lose the last seconds." },
    Key { name: "log.partitions", kind: whole(1, PARTITIONS_MAX), default: "8", unit: "partitions",
        says: "Partitions of every order-keyed topic. Fixed once a data directory or the topics exist." },
    Key { name: "log.block_cache_bytes", kind: whole(8 * MIB, 64 * GIB), default: "33554432", unit: "bytes",
        says: "Memory for what was read from the store. More of it makes many open orders faster." },
    Key { name: "log.write_buffers_bytes", kind: whole(16 * MIB, 16 * GIB), default: "50331648", unit: "bytes",
        says: "Memory for what was written and is not yet in files of its own." },

    Key { name: "registry.url", kind: Kind::Text(Form::HttpOrEmpty), default: "", unit: "",
        says: "A Confluent-compatible schema registry: \"https://USER:PASSWORD@HOST:8081\". Needed on Kafka, where it is asked at start for the ids of our schemas. Empty: none; an embedded log gives schemas their ids itself." },

    Key { name: "kafka.brokers", kind: Kind::Text(Form::BrokersOrEmpty), default: "", unit: "",
        says: "Where the cluster is: some of its brokers, as \"host:9092,other:9092\"; the others are learned from the first that answers." },
    Key { name: "kafka.security", kind: Kind::Choice(&["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"]), default: "PLAINTEXT", unit: "",
        says: "How connections are protected, in Kafka's own words. \"SSL\" with a certificate of ours is mTLS. \"SASL_PLAINTEXT\" sends a password over connections that anyone on the way can read." },
    Key { name: "kafka.sasl_mechanism", kind: Kind::Choice(&["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]), default: "SCRAM-SHA-512", unit: "",
        says: "How the password is proven, with SASL. \"PLAIN\" sends it as it is." },
    Key { name: "kafka.user", kind: Kind::Text(Form::LineOrEmpty), default: "", unit: "",
        says: "Who we are, with SASL." },
    Key { name: "kafka.password", kind: Kind::Text(Form::Secret), default: "", unit: "",
        says: "Our password, with SASL. Taken from the environment alone, and never shown." },
    Key { name: "kafka.authority_file", kind: Kind::Text(Form::PathOrEmpty), default: "", unit: "",
        says: "Certificates of the authorities that the brokers' certificates come from, PEM. Empty: those that the system trusts." },
    Key { name: "kafka.certificate_file", kind: Kind::Text(Form::PathOrEmpty), default: "", unit: "",
        says: "Our own certificate, PEM, for brokers that ask for one (mTLS)." },
    Key { name: "kafka.key_file", kind: Kind::Text(Form::PathOrEmpty), default: "", unit: "",
        says: "The key of our certificate, PEM." },
    Key { name: "kafka.key_password", kind: Kind::Text(Form::Secret), default: "", unit: "",
        says: "The password of that key, where it has one. Taken from the environment alone, and never shown." },
    Key { name: "kafka.prefix", kind: Kind::Text(Form::NameOrEmpty), default: "", unit: "",
        says: "Put before the names of all topics, groups and transactional ids: several systems may share one cluster. The same on all machines of a system." },
    Key { name: "kafka.replication", kind: whole(1, REPLICATION_MAX), default: "3", unit: "copies",
        says: "Copies of each topic that `orderstream topics create` makes; no more than there are brokers." },
    Key { name: "kafka.partitions_outward", kind: whole(0, PARTITIONS_MAX), default: "0", unit: "partitions",
        says: "Partitions of the topics that no processor reads (commands, product events, billing intents, notifications); 0: as many as log.partitions. A transaction sends one request to each partition that it touches, so fewer are faster; a system that reads its commands spreads them over no more consumers than there are partitions. Fixed once the topics exist." },
    Key { name: "kafka.producers", kind: whole(PRODUCERS_MIN as i64, PRODUCERS_MAX as i64), default: "4", unit: "producers",
        says: "Producers of each worker, used in turn: a transaction need not wait for the brokers' marks of the last." },
    Key { name: "kafka.session_timeout_ms", kind: whole(1_000, 300_000), default: "10000", unit: "ms",
        says: "A worker that died without a word is noticed after this, and its partitions go to others. Brokers take 6000 at the least unless they are set otherwise." },
    Key { name: "kafka.rejoin_at_once", kind: Kind::Flag, default: "false", unit: "",
        says: "Whether a worker that restarts within the session timeout gets its partitions back without the others noticing; then they wait for it that long, also when it was stopped for good." },
    Key { name: "kafka.standby_partitions_max", kind: whole(0, PARTITIONS_MAX), default: "0", unit: "partitions",
        says: "Of so many partitions that others have each worker keeps a copy of the state, so that it reads only the tail of the changelog when it takes one over; 0 keeps none. Who gets a partition is not known before: as many as there are make every take-over short, and take the disk of all state for each worker." },
    Key { name: "kafka.standby_bytes_per_second_max", kind: whole(64 << 10, GIB), default: "16777216", unit: "bytes",
        says: "How fast each worker reads for its copies. Less leaves more to its own work; a copy that falls behind costs a longer take-over and nothing else." },

    Key { name: "retention.story_days", kind: whole(1, HUNDRED_YEARS_DAYS), default: "400", unit: "days",
        says: "Requests, events, billing intents and notifications: what outsiders read and what a projection is rebuilt from." },
    Key { name: "retention.internal_days", kind: whole(1, HUNDRED_YEARS_DAYS), default: "7", unit: "days",
        says: "Commands, answers and what the processors tell each other. A downstream system that is away longer misses commands." },
    Key { name: "retention.dead_letters_days", kind: whole(1, HUNDRED_YEARS_DAYS), default: "90", unit: "days",
        says: "Records that could not be processed. A person has to come by within that time." },
    Key { name: "retention.ended_orders_days", kind: whole(1, HUNDRED_YEARS_DAYS), default: "90", unit: "days",
        says: "The tasks of an order that has ended: so long a late answer is still recognised." },

    Key { name: "batch.records_max", kind: whole(1, 100_000), default: "1000", unit: "records",
        says: "The most records that one commit takes in." },
    Key { name: "batch.bytes_max", kind: whole(64 << 10, 256 * MIB), default: "2097152", unit: "bytes",
        says: "About how much one commit reads, and about how much it writes before it is committed early. Each worker needs a few times as much memory." },
    Key { name: "batch.timers_max", kind: whole(1, 100_000), default: "500", unit: "timers",
        says: "The most timers that fire in one commit." },

    Key { name: "catalog.directory", kind: Kind::Text(Form::Path), default: "config/catalog", unit: "",
        says: "A folder of .toml files, published at start if its version is not yet." },
    Key { name: "catalog.time_divisor", kind: whole(1, 1_000_000), default: "1", unit: "",
        says: "Divides every duration of the catalog; above 1 only for demonstrations and tests." },
    Key { name: "catalog.duration_ms_max", kind: whole(0, 100 * YEAR_MS), default: "0", unit: "ms",
        says: "What is longer after that is cut to this; 0 cuts nothing." },

    Key { name: "orchestration.turn_wait_ms", kind: whole(1_000, YEAR_MS), default: "86400000", unit: "ms",
        says: "How long a task may wait for its turn at a system that is unwell before somebody is asked to look at its order." },

    Key { name: "stuck_orders.grace_ms", kind: whole(0, YEAR_MS), default: "60000", unit: "ms",
        says: "How long after the last due time an order is left alone, so that a late answer comes first." },
    Key { name: "stuck_orders.stage_ms", kind: whole(1_000, YEAR_MS), default: "600000", unit: "ms",
        says: "How long an order may take from one stage to the next." },
    Key { name: "stuck_orders.deferred_ms", kind: whole(1_000, YEAR_MS), default: "86400000", unit: "ms",
        says: "How long an order may wait for a system that is unwell before that itself counts as stuck." },

    Key { name: "projection.url", kind: Kind::Text(Form::UrlOrEmpty), default: "", unit: "",
        says: "Where the rows are: \"sqlite://PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\". Empty: projection.sqlite in the data directory. A database of its own, of encoding UTF8, in which the user may create a schema." },
    Key { name: "projection.batch_records_max", kind: whole(1, 50_000), default: "2000", unit: "records",
        says: "The most events that go into one transaction." },
    Key { name: "projection.history_retention_days", kind: whole(0, 36_500), default: "0", unit: "days",
        says: "So many days after its end an order keeps its history; 0: for ever. Its row, items, tasks and cases stay in any case." },

    Key { name: "downstream.simulated", kind: Kind::Flag, default: "true", unit: "",
        says: "The simulated downstream answers all commands. With false, real systems read the command topics." },
    Key { name: "downstream.scenario", kind: Kind::Text(Form::PathOrEmpty), default: "", unit: "",
        says: "A file that says what the simulated downstream does. Empty: everything succeeds quickly." },

    Key { name: "gateway.listen", kind: Kind::Text(Form::AddressOrEmpty), default: "127.0.0.1:9464", unit: "",
        says: "Address and port to listen on. Empty: nothing listens. It has no authentication, so give it no address that strangers reach." },
    Key { name: "gateway.connections_max", kind: whole(1, 10_000), default: "64", unit: "connections",
        says: "The most connections at once; more wait until one is closed." },
    Key { name: "gateway.request_timeout_ms", kind: whole(100, 600_000), default: "10000", unit: "ms",
        says: "How long a client may take to send a request or to take the answer, and how long an idle connection stays open." },

    Key { name: "readiness.projection_lag_records_max", kind: whole(0, 1_000_000_000), default: "10000", unit: "records",
        says: "Not ready while the projection has more than so many events still to read." },
    Key { name: "readiness.heartbeat_age_ms_max", kind: whole(1_000, YEAR_MS), default: "60000", unit: "ms",
        says: "Not ready while a stage has passed on no heartbeat for so long. Must be longer than the interval of the heartbeats." },

    Key { name: "heartbeat.interval_ms", kind: whole(0, 3_600_000), default: "10000", unit: "ms",
        says: "How often a heartbeat is sent through every shard; 0 sends none: then nobody sees a shard that hangs, and brokers forget the positions of inputs in which nothing comes for offsets.retention.minutes." },

    Key { name: "logging.format", kind: Kind::Choice(&["pretty", "json"]), default: "pretty", unit: "",
        says: "\"pretty\" for people, \"json\" for programs, a line each." },
    Key { name: "logging.level", kind: Kind::Text(Form::LogFilter), default: "info", unit: "",
        says: "error, warn, info, debug or trace; or per target, as \"info,runtime=debug\". info is the life of the process, debug every order, trace every record." },
];

/// The keys of one `[[subtopology]]`; each must be there.
#[rustfmt::skip]
pub const SUBTOPOLOGY_KEYS: &[(&str, &str)] = &[
    ("name", "Its name, of letters, digits, - and _: the group under which its positions are kept."),
    ("processors", "capture, validation, decomposition, orchestration, fallout, stuckOrders (keyed by order), inventory (by product), downstream (by system). All of one sub-topology have the same kind of key."),
    ("workers", "Threads of this process, from 0 to 64; more than there are partitions are idle. On Kafka each process says its own number, and with 0 it leaves the sub-topology to processes that have some. An embedded log has one process: there it is 1 or more."),
];

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_of_a_section_and_every_section_has_keys_and_all_say_what_they_are_for() {
        for key in KEYS {
            assert!(SECTIONS.iter().any(|section| section.name == key.section()), "{}", key.name);
            assert_eq!(KEYS.iter().filter(|other| other.name == key.name).count(), 1, "{}", key.name);
            assert!(key.says.ends_with('.') && !key.says.contains('\n'), "{}", key.name);
            key.default_value();
            let counts = matches!(key.kind, Kind::Whole { .. }) && key.name != "catalog.time_divisor";
            assert_eq!(counts, !key.unit.is_empty(), "{} has a unit just if it counts something", key.name);
        }
        for section in SECTIONS {
            let keys = KEYS.iter().filter(|key| key.section() == section.name).count();
            assert_eq!(keys == 0, section.name == SUBTOPOLOGY, "{}", section.name);
        }
    }

    #[test]
    fn keys_stand_in_the_sequence_of_their_sections() {
        let mut names: Vec<&str> = KEYS.iter().map(Key::section).collect();
        names.dedup();
        let sections: Vec<&str> =
            SECTIONS.iter().map(|section| section.name).filter(|name| *name != SUBTOPOLOGY).collect();
        assert_eq!(names, sections);
    }
}
