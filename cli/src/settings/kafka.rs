//! What is said of a Kafka cluster and its registry, and what of it goes together.
use std::path::PathBuf;

use runtime::log::kafka::{Connection, Identity, Mechanism, Options, Sasl, Secret, Security, Tls};
use serde::Deserialize;

use super::Settings;
use super::key::Value;
use super::load::{Finding, Origin, Values};

/// Where workers keep their state, below the data directory, each in a folder of its own.
pub const STATE_DIR: &str = "state";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum KafkaSecurity {
    #[serde(rename = "PLAINTEXT")]
    Plaintext,
    #[serde(rename = "SSL")]
    Tls,
    #[serde(rename = "SASL_SSL")]
    SaslTls,
    #[serde(rename = "SASL_PLAINTEXT")]
    SaslPlaintext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "PLAIN")]
    Plain,
}

/// Something that is not shown, in no log and no error; empty: none.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub brokers: String,
    pub security: KafkaSecurity,
    pub sasl_mechanism: SaslMechanism,
    pub user: String,
    pub password: Hidden,
    pub authority_file: PathBuf,
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    pub key_password: Hidden,
    pub prefix: String,
    pub replication: u16,
    pub partitions_outward: u32,
    pub producers: usize,
    pub session_timeout_ms: u32,
    pub rejoin_at_once: bool,
    pub standby_partitions_max: usize,
    pub standby_bytes_per_second_max: u64,
}

impl Kafka {
    fn security(&self) -> Security {
        let sasl = || Sasl {
            mechanism: match self.sasl_mechanism {
                SaslMechanism::ScramSha256 => Mechanism::ScramSha256,
                SaslMechanism::ScramSha512 => Mechanism::ScramSha512,
                SaslMechanism::Plain => Mechanism::Plain,
            },
            user: self.user.clone(),
            password: Secret(self.password.0.clone()),
        };
        match self.security {
            KafkaSecurity::Plaintext => Security::Plaintext,
            KafkaSecurity::Tls => Security::Tls(self.tls()),
            KafkaSecurity::SaslTls => Security::SaslTls(self.tls(), sasl()),
            KafkaSecurity::SaslPlaintext => Security::SaslPlaintext(sasl()),
        }
    }

    fn tls(&self) -> Tls {
        let named = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        let identity = named(&self.certificate_file).zip(named(&self.key_file));
        Tls {
            authority_file: named(&self.authority_file),
            identity: identity.map(|(certificate_file, key_file)| Identity {
                certificate_file,
                key_file,
                key_password: Some(&self.key_password.0)
                    .filter(|password| !password.is_empty())
                    .map(|password| Secret(password.clone())),
            }),
        }
    }
}

impl Settings {
    /// How the log on Kafka is opened.
    pub fn kafka_options(&self) -> Options {
        let kafka = &self.kafka;
        Options {
            connection: Connection { brokers: kafka.brokers.clone(), security: kafka.security() },
            prefix: kafka.prefix.clone(),
            node: self.node.name.as_str().into(),
            replication: kafka.replication,
            producers: kafka.producers,
            session_timeout_ms: kafka.session_timeout_ms,
            rejoins_at_once: kafka.rejoin_at_once,
            standby_partitions_max: kafka.standby_partitions_max,
            standby_bytes_per_second_max: kafka.standby_bytes_per_second_max,
            ..Options::new(&kafka.brokers, self.node.data_dir.join(STATE_DIR))
        }
    }
}

/// The text of a key, and where it came from.
pub(super) fn text<'v>(values: &'v Values, name: &str) -> (&'v str, &'v Origin) {
    match values.get(name) {
        Some((Value::Text(text), origin)) => (text, origin),
        Some((Value::Flag(_) | Value::Whole(_), _)) | None => panic!("\"{name}\" is a text"),
    }
}

/// What does not go together, or is missing. Where the log is another, what is said of the cluster is of no effect, and not looked at.
pub(super) fn check(values: &Values) -> Vec<Finding> {
    let (kind, chosen) = text(values, "log.kind");
    if kind != "kafka" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut find = |place: &Origin, what: String| findings.push(Finding { place: place.clone(), what });
    let is_empty = |name: &str| text(values, name).0.is_empty();
    for (name, why) in [
        ("kafka.brokers", "the brokers of the cluster, as \"host:9092\""),
        ("registry.url", "the schema registry, as \"http://host:8081\""),
        ("node.name", "a name of this process that no other on the cluster has"),
    ] {
        if is_empty(name) {
            find(chosen, format!("log.kind is \"kafka\", and {name} is not set: {why}"));
        }
    }
    let (security, origin) = text(values, "kafka.security");
    let with_sasl = security.starts_with("SASL");
    for name in ["kafka.user", "kafka.password"] {
        if with_sasl && is_empty(name) {
            find(origin, format!("kafka.security is \"{security}\", and {name} is not set"));
        }
        if !with_sasl && !is_empty(name) {
            let what = format!("{name} is set, and kafka.security is \"{security}\", which uses none");
            find(text(values, name).1, what);
        }
    }
    let with_tls = security.ends_with("SSL");
    for name in ["kafka.authority_file", "kafka.certificate_file", "kafka.key_file", "kafka.key_password"] {
        if !with_tls && !is_empty(name) {
            let what = format!("{name} is set, and kafka.security is \"{security}\", which uses none");
            find(text(values, name).1, what);
        }
    }
    for (one, other) in
        [("kafka.certificate_file", "kafka.key_file"), ("kafka.key_file", "kafka.certificate_file")]
    {
        if with_tls && !is_empty(one) && is_empty(other) {
            find(text(values, one).1, format!("{one} is set, and {other} is not; mTLS needs both"));
        }
    }
    findings
}
