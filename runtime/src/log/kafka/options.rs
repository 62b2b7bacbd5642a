//! How the cluster is reached, and every limit of the clients.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;

use super::faults::Faults;

/// A transaction that nobody ends is aborted by the brokers after this: what its owner had not committed is gone, and
/// whoever takes over need not wait longer.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one call of the client may take before its outcome counts as unknown. Longer than the transaction itself.
pub(crate) const CALL_WAIT: Duration = Duration::from_secs(15);
/// Calls that ignore their own limit are given up after this: the producers are replaced.
pub(crate) const HANG_WAIT: Duration = Duration::from_secs(45);
// A call that ends by its own limit is told by what it said, and not as one that hangs.
const _: () =
    assert!(TRANSACTION_TIMEOUT.as_secs() < CALL_WAIT.as_secs() && CALL_WAIT.as_secs() < HANG_WAIT.as_secs());

/// The fewest producers of a ring: with one, each transaction waits for the markers of the last.
pub const PRODUCERS_MIN: usize = 1;
/// The most; the brokers keep state for each.
pub const PRODUCERS_MAX: usize = 16;

/// What a record takes on the wire beside its key, value and headers, and a batch of one around it.
pub(crate) const RECORD_FRAMING_BYTES: usize = 16 << 10;
/// The client packs records up to this size into one batch, which a topic must take.
pub(crate) const WIRE_BATCH_BYTES: usize = 1_000_000;
/// Records that the client has fetched and nobody has asked for yet: it fetches on while there are fewer, and not beyond so many bytes, which
/// are the memory of each client that reads. One answer comes on top.
const QUEUED_RECORDS_MIN: usize = 10_000;
pub const CLIENT_QUEUE_BYTES_MAX: usize = 8 << 20;
/// What a broker answers at once, but for a record that is larger; by default it is a megabyte for each partition, of all topics.
const FETCH_BYTES_MAX: usize = 8 << 20;
/// What is fetched of a partition, and in one answer, for the sake of one small record in it.
pub(crate) const GLANCE_BYTES_MAX: usize = 64 << 10;
pub(crate) const GLANCE_ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a broker holds a fetch that finds nothing. A partition that is assigned meanwhile waits for it.
const FETCH_WAIT_MS: u32 = 100;
/// The same for clients that read the same partitions for as long as they live. Each fetch that finds nothing costs the broker
/// as much as one that does, and a process has a dozen such clients.
const FOLLOW_WAIT_MS: u32 = 500;
/// What the clients that only keep copies of others' state may have fetched before anybody asks for it, and how much they wait for:
/// many small answers would cost the brokers more than the copies are worth.
const STANDBY_RECORDS_MIN: usize = 1_000;
const STANDBY_KILOBYTES_MAX: usize = 4 << 10;
const STANDBY_FETCH_BYTES_MIN: usize = 64 << 10;
const STANDBY_FETCH_BYTES_MAX: usize = 4 << 20;
/// A member hears of a rebalance by the answer to a heartbeat, and a cooperative one takes two of them: with a third of the session
/// time-out, as is usual, a start or a take-over waited for seconds.
const GROUP_HEARTBEAT_MS_MAX: u32 = 500;
/// How soon a queue that was full is filled again; the client's default of a second would be seen as latency.
const FETCH_BACKOFF_MS: u32 = 5;
/// Unconnected brokers are tried again after this, doubled up to the second.
const RECONNECT_MS_MIN: u32 = 50;
const RECONNECT_MS_MAX: u32 = 2_000;
const STATISTICS_MS: u32 = 5_000;
const REQUEST_WAIT_MS: u32 = 10_000;
/// How long records from outside are tried.
pub(crate) const SEND_WAIT: Duration = Duration::from_secs(30);
const QUEUED_OUTGOING_MAX: u32 = 1_000_000;

/// Something that is not shown, in no log and no error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Who this client is, for a broker that asks for certificates (mTLS). PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    pub key_password: Option<Secret>,
}

/// TLS towards the brokers; their names are always checked against their certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM; None: the authorities that the system trusts.
    pub authority_file: Option<PathBuf>,
    pub identity: Option<Identity>,
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    ScramSha256,
    ScramSha512,
    /// Sends the password itself.
    Plain,
}

/// A user and how it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: Secret,
}

/// How connections are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Plaintext,
    /// With an identity in it: mTLS.
    Tls(Tls),
    SaslTls(Tls, Sasl),
    /// A password over a connection that anyone on the way can read; for networks that are protected otherwise.
    SaslPlaintext(Sasl),
}

/// Where the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `host:port`, several separated by commas; the others are learned from the first that answers.
    pub brokers: String,
    pub security: Security,
}

/// How a log on Kafka is opened.
#[derive(Clone, Debug)]
pub struct Options {
    pub connection: Connection,
    /// Put before the names of all topics, groups and transactional ids: several systems may share one cluster.
    pub prefix: String,
    /// The front of transactional ids, the same on all machines of a system.
    pub application: Arc<str>,
    /// Of this process, unlike on every other machine, and the same after a restart: it ends what the last run left open.
    pub node: Arc<str>,
    /// Where workers keep their state, each in a folder of its own.
    pub directory: PathBuf,
    /// The front of the names of the topics that keep the state; [`Options::changelog_topic`].
    pub changelog: Arc<str>,
    /// Copies of each topic that [`super::create`] makes.
    pub replication: u16,
    /// [`PRODUCERS_MIN`] to [`PRODUCERS_MAX`]; used in turn.
    pub producers: usize,
    /// A worker that died without leaving is noticed after this; the brokers take 6,000 at the least unless they are set otherwise.
    pub session_timeout_ms: u32,
    /// Whether a worker that restarts within the session timeout gets its partitions back without the others noticing.
    /// Then a worker that leaves keeps its partitions for the rest of that time too.
    pub rejoins_at_once: bool,
    /// Of how many partitions that others have each worker keeps a copy, so that taking one over reads only the tail of its
    /// changelog; 0: of none.
    pub standby_partitions_max: usize,
    /// How fast each worker reads for its copies; above 0.
    pub standby_bytes_per_second_max: u64,
    /// With less than this left on the disk no copy is kept up: it is for the state of what a worker has.
    pub standby_disk_left_bytes_min: u64,
    /// For tests: what happens to commits and to what is read.
    pub faults: Option<Arc<Faults>>,
}

impl Options {
    /// The defaults, for one process on plain connections.
    pub fn new(brokers: &str, directory: PathBuf) -> Self {
        Self {
            connection: Connection { brokers: brokers.to_owned(), security: Security::Plaintext },
            prefix: String::new(),
            application: "orderstream".into(),
            node: "node-1".into(),
            directory,
            changelog: "orderstream.changelog".into(),
            replication: 3,
            producers: 4,
            session_timeout_ms: 10_000,
            rejoins_at_once: false,
            standby_partitions_max: 0,
            standby_bytes_per_second_max: 16 << 20,
            standby_disk_left_bytes_min: 512 << 20,
            faults: None,
        }
    }

    /// The topic, without the prefix, with the state of all groups whose inputs have so many partitions.
    pub fn changelog_topic(&self, partitions: u32) -> Arc<str> {
        format!("{}.{partitions}", self.changelog).into()
    }

    /// A name as the cluster knows it.
    pub(crate) fn wire(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn client(&self, id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.connection.brokers);
        config.set("client.id", id);
        config.set("reconnect.backoff.ms", RECONNECT_MS_MIN.to_string());
        config.set("reconnect.backoff.max.ms", RECONNECT_MS_MAX.to_string());
        config.set("socket.timeout.ms", REQUEST_WAIT_MS.to_string());
        // Small requests one after the other: each would wait for the acknowledgement of the last.
        config.set("socket.nagle.disable", "true");
        secure(&mut config, &self.connection.security);
        config
    }

    /// For questions about topics and ends; `read_committed`: the end is that of what is committed.
    pub(crate) fn asking(&self, id: &str, read_committed: bool) -> ClientConfig {
        let mut config = self.client(id);
        config.set("isolation.level", if read_committed { "read_committed" } else { "read_uncommitted" });
        config
    }

    /// For reading partitions that are chosen by hand. `group`, as the cluster knows it, is only asked for positions.
    pub(crate) fn reading(&self, id: &str, group: &str) -> ClientConfig {
        let mut config = self.asking(id, true);
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "earliest");
        config.set("fetch.wait.max.ms", FETCH_WAIT_MS.to_string());
        config.set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS.to_string());
        config.set("queued.min.messages", QUEUED_RECORDS_MIN.to_string());
        config.set("queued.max.messages.kbytes", (CLIENT_QUEUE_BYTES_MAX >> 10).to_string());
        config.set("fetch.max.bytes", FETCH_BYTES_MAX.to_string());
        config
    }

    /// For reading what state is restored from.
    pub(crate) fn restoring(&self, id: &str, group: &str) -> ClientConfig {
        let mut config = self.reading(id, group);
        // A place that has gone since it was looked at is looked at again.
        config.set("auto.offset.reset", "error");
        config
    }

    /// For a look at one record in each of many partitions.
    pub(crate) fn glancing(&self, id: &str, group: &str) -> ClientConfig {
        let mut config = self.restoring(id, group);
        config.set("queued.min.messages", "1");
        config.set("max.partition.fetch.bytes", GLANCE_BYTES_MAX.to_string());
        config.set("fetch.max.bytes", GLANCE_ANSWER_BYTES_MAX.to_string());
        config
    }

    /// For reading the same partitions, chosen by hand, to the end of its life.
    pub(crate) fn following(&self, id: &str, group: &str) -> ClientConfig {
        let mut config = self.reading(id, group);
        config.set("fetch.wait.max.ms", FOLLOW_WAIT_MS.to_string());
        config
    }

    /// For following what others write, behind all else that goes on here.
    pub(crate) fn standing_by(&self, id: &str, group: &str) -> ClientConfig {
        let mut config = self.following(id, group);
        config.set("enable.partition.eof", "false");
        // What lies no longer where it was left is looked at, and not passed over.
        config.set("auto.offset.reset", "error");
        config.set("fetch.min.bytes", STANDBY_FETCH_BYTES_MIN.to_string());
        config.set("fetch.max.bytes", STANDBY_FETCH_BYTES_MAX.to_string());
        config.set("queued.min.messages", STANDBY_RECORDS_MIN.to_string());
        config.set("queued.max.messages.kbytes", STANDBY_KILOBYTES_MAX.to_string());
        config
    }

    /// For a member of `group`.
    pub(crate) fn joining(&self, worker: &str, group: &str) -> ClientConfig {
        let mut config = self.reading(worker, group);
        config.set("enable.partition.eof", "false");
        // How far behind it is, without asking for it.
        config.set("statistics.interval.ms", STATISTICS_MS.to_string());
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", self.session_timeout_ms.to_string());
        let heartbeat_ms = (self.session_timeout_ms / 3).min(GROUP_HEARTBEAT_MS_MAX);
        config.set("heartbeat.interval.ms", heartbeat_ms.to_string());
        if self.rejoins_at_once {
            config.set("group.instance.id", format!("{}-{worker}", self.node));
        }
        config
    }

    /// For records from outside: each once and in order per partition, without transactions.
    pub(crate) fn producing(&self, id: &str, record_bytes_max: usize) -> ClientConfig {
        let mut config = self.client(id);
        config.set("enable.idempotence", "true");
        config.set("linger.ms", "1");
        config.set("message.timeout.ms", SEND_WAIT.as_millis().to_string());
        // Bounded by bytes before they come here.
        config.set("queue.buffering.max.messages", QUEUED_OUTGOING_MAX.to_string());
        config.set("batch.size", WIRE_BATCH_BYTES.to_string());
        config.set(
            "message.max.bytes",
            (record_bytes_max + RECORD_FRAMING_BYTES).max(WIRE_BATCH_BYTES).to_string(),
        );
        config
    }

    /// For transactions under `id`, as the cluster knows it.
    pub(crate) fn transacting(&self, id: &str, record_bytes_max: usize) -> ClientConfig {
        let mut config = self.producing(id, record_bytes_max);
        let timeout_ms = TRANSACTION_TIMEOUT.as_millis().to_string();
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", &timeout_ms);
        config.set("message.timeout.ms", &timeout_ms);
        // A batch is sent as one: whoever waits would wait for nothing.
        config.set("linger.ms", "0");
        config
    }
}

fn secure(config: &mut ClientConfig, security: &Security) {
    let protocol = match security {
        Security::Plaintext => "plaintext",
        Security::Tls(_) => "ssl",
        Security::SaslTls(..) => "sasl_ssl",
        Security::SaslPlaintext(_) => "sasl_plaintext",
    };
    config.set("security.protocol", protocol);
    if let Security::Tls(tls) | Security::SaslTls(tls, _) = security {
        config.set("enable.ssl.certificate.verification", "true");
        config.set("ssl.endpoint.identification.algorithm", "https");
        if let Some(file) = &tls.authority_file {
            config.set("ssl.ca.location", file.display().to_string());
        }
        if let Some(identity) = &tls.identity {
            config.set("ssl.certificate.location", identity.certificate_file.display().to_string());
            config.set("ssl.key.location", identity.key_file.display().to_string());
            if let Some(password) = &identity.key_password {
                config.set("ssl.key.password", &password.0);
            }
        }
    }
    if let Security::SaslTls(_, sasl) | Security::SaslPlaintext(sasl) = security {
        let mechanism = match sasl.mechanism {
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::Plain => "PLAIN",
        };
        config.set("sasl.mechanisms", mechanism);
        config.set("sasl.username", &sasl.user);
        config.set("sasl.password", &sasl.password.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let sasl = Sasl {
            mechanism: Mechanism::ScramSha512,
            user: "orders".to_owned(),
            password: Secret("hunter2".to_owned()),
        };
        let mut options = Options::new("broker:9093", PathBuf::new());
        options.connection.security = Security::SaslTls(Tls::default(), sasl);
        assert!(!format!("{options:?}").contains("hunter2"));
        let config = options.client("x");
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
    }

    #[test]
    fn the_client_takes_every_kind_of_security_and_every_use() {
        let sasl = Sasl {
            mechanism: Mechanism::ScramSha256,
            user: "u".to_owned(),
            password: Secret("p".to_owned()),
        };
        for security in [
            Security::Plaintext,
            Security::Tls(Tls::default()),
            Security::SaslTls(Tls::default(), sasl.clone()),
            Security::SaslPlaintext(sasl),
        ] {
            let mut options = Options::new("127.0.0.1:1", PathBuf::new());
            options.connection.security = security;
            options.rejoins_at_once = true;
            for config in [
                options.asking("x", false),
                options.reading("x", "g"),
                options.restoring("x", "g"),
                options.glancing("x", "g"),
                options.following("x", "g"),
                options.standing_by("x", "g"),
                options.joining("x", "g"),
                options.producing("x", 1 << 20),
                options.transacting("x", 16 << 20),
            ] {
                config.create_native_config().unwrap();
            }
        }
    }
}
