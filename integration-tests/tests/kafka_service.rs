//! The whole product on a real broker and a real registry: two processes share the partitions, one of them is killed again and again,
//! and afterwards every order stands where the oracle says. What is missing or set otherwise is refused in one clear line.
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use cli::service::catalog;
use cli::settings::Settings;
use connectors::upstream::Generator;
use integration_tests::kafka::Cluster;
use integration_tests::process::{Said, Service, binary, root, until};
use integration_tests::registry::Registry;
use integration_tests::work::{self, settle, submit};
use schemas::registry::subject;
use schemas::{contracts, topics};
use tempfile::TempDir;

const KILLS: usize = 4;
const ORDERS: u32 = 300;
const FAULT_RATE: f64 = 0.1;
const SEED: u64 = 7;
/// A worker that was killed is noticed after this; what is under way in its partitions waits that long.
const SESSION_MS: u32 = 2_000;
const JOIN_WAIT: Duration = Duration::from_secs(60);

/// One for all tests; it ends with the process.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(1));

/// A process of a system: its settings file, its data directory, and where it listens.
struct Node {
    file: PathBuf,
    data_dir: PathBuf,
    port: u16,
}

impl Node {
    /// `simulated`: the downstream runs here, and its ledger is here.
    fn new(folder: &Path, name: &str, prefix: &str, registry: &str, simulated: bool) -> Node {
        let (file, data_dir) = (folder.join(format!("{name}.toml")), folder.join(name));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "[node]\nname = {name:?}\ndata_dir = {data_dir:?}\n[log]\nkind = \"kafka\"\n[registry]\nurl = {registry:?}\n\
             [kafka]\nbrokers = {:?}\nprefix = {prefix:?}\nreplication = 1\nsession_timeout_ms = {SESSION_MS}\n\
             [catalog]\ndirectory = {:?}\ntime_divisor = 100\nduration_ms_max = 8000\n\
             [downstream]\nsimulated = {simulated}\nscenario = {:?}\n[gateway]\nlisten = \"127.0.0.1:{port}\"\n\
             [logging]\nlevel = \"info\"\n",
            CLUSTER.addresses(),
            root().join("config/catalog"),
            work::scenario(folder),
        );
        std::fs::write(&file, text).unwrap();
        Node { file, data_dir, port }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(root()).arg("--config").arg(&self.file).args(arguments);
        // Both listen, each where its file says.
        command.env_remove("ORDERSTREAM__GATEWAY__LISTEN");
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the binary is built before").into()
    }

    fn start(&self) -> Service {
        Service::start(self.command(&["run"]), &self.data_dir)
    }

    fn settings(&self) -> Settings {
        // Read here as there: whoever tests may have silenced the socket for all.
        Settings::load(Some(&self.file)).unwrap()
    }

    /// How many partitions its workers have.
    fn partitions(&self) -> u64 {
        let page = reqwest::blocking::get(format!("http://127.0.0.1:{}/metrics", self.port));
        let page = page.and_then(|page| page.text()).unwrap_or_default();
        let of_workers = page.lines().filter(|line| line.starts_with("orderstream_assigned_partitions{"));
        of_workers.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }
}

/// Makes every schema known, as whoever deploys does.
fn register(registry: &Registry, systems: impl Iterator<Item = String>) {
    let client = reqwest::blocking::Client::new();
    let post = |subject: String, schema: &str| {
        let url = format!("{}/subjects/{subject}/versions", registry.url());
        let body = serde_json::json!({ "schema": schema }).to_string();
        let sent = client.post(url).header("content-type", "application/json").body(body).send().unwrap();
        assert!(sent.status().is_success(), "{subject}: {}", sent.text().unwrap());
    };
    let systems: Vec<String> = systems.collect();
    for (topic, declared) in topics::all(systems.iter().map(String::as_str)) {
        for contract in contracts::all().iter().filter(|one| declared.records.contains(&one.name.as_str())) {
            post(subject(&topic, contract), &contract.json);
        }
    }
    for contract in contracts::states() {
        post(subject("orderstream.state", contract), &contract.json);
    }
}

fn generator() -> Generator {
    work::generator(SEED, ORDERS, FAULT_RATE)
}

fn plant(folder: &Path, generator: &Generator, settings: &Settings) {
    work::plant(folder, SEED, generator, settings);
}

#[test]
fn two_processes_share_the_work_and_every_order_ends_as_it_must_though_one_is_killed() {
    let folder = tempfile::Builder::new().prefix("orderstream-two-").tempdir().unwrap().keep();
    let mut registry = Registry::start();
    let stays = Node::new(&folder, "stays", "two.", &registry.url(), true);
    let dies = Node::new(&folder, "dies", "two.", &registry.url(), false);
    let (settings, other) = (stays.settings(), dies.settings());
    let systems = || catalog::load(&settings.catalog).unwrap().systems.clone().into_keys();
    register(&registry, systems());
    stays.said(&["topics", "create"]).ended(0);
    let generator = generator();
    let oracle = generator.oracle();
    plant(&folder, &generator, &settings);
    let submissions: Vec<_> = generator.submissions().collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let staying = stays.start();
    let chunk = submissions.len() / (KILLS + 1);
    for round in 0..KILLS {
        let dying = dies.start();
        until(JOIN_WAIT, "both have partitions", || stays.partitions() > 0 && dies.partitions() > 0);
        tokio.block_on(submit(&settings, &submissions[round * chunk..(round + 1) * chunk]));
        dying.kill();
    }
    let dying = dies.start();
    until(JOIN_WAIT, "it has partitions again", || dies.partitions() > 0);
    // Nothing new is written: who has started needs it no more.
    registry.stop();
    tokio.block_on(submit(&settings, &submissions[KILLS * chunk..]));
    tokio.block_on(settle(&settings, &oracle));
    assert!(tokio.block_on(settle(&other, &oracle)), "the other's own rows say the same");
    let status = stays.said(&["status", "--json"]).json(0);
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    assert_eq!(dying.stop(), Some(0), "SIGTERM ends it politely");
    assert_eq!(staying.stop(), Some(0), "SIGTERM ends it politely");
    // It forgot everything, and what lies on the log is read by whoever opens it.
    registry.restart();
    register(&registry, systems());
    work::judge(&settings, &oracle);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_missing_is_said_before_anything_starts() {
    let folder = TempDir::new().unwrap();
    // Nobody listens there.
    let node = Node::new(folder.path(), "alone", "missing.", "http://127.0.0.1:1", false);
    plant(folder.path(), &generator(), &node.settings());
    let check = node.said(&["topics", "create", "--check"]).ended(3);
    assert!(check.out.contains("topic \"missing.orderstream.order.events\": topic is missing"), "{check:?}");
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("orderstream topics create"), "{run:?}");
    assert!(run.err.contains("missing.orderstream.order.events"), "{run:?}");
    let created = node.said(&["topics", "create"]).ended(0);
    assert!(created.out.contains("topic \"missing.orderstream.order.events\" created"), "{created:?}");
    let again = node.said(&["topics", "create"]).ended(0);
    assert_eq!(again.out, "all topics are there, and as they must be\n");
    node.said(&["topics", "create", "--check"]).ended(0);
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("the schema registry (registry.url) is needed to start"), "{run:?}");
    // Another partition count than the topics have.
    let text = std::fs::read_to_string(&node.file).unwrap().replace("[log]", "[log]\npartitions = 4");
    std::fs::write(&node.file, text).unwrap();
    let check = node.said(&["topics", "create", "--check", "--json"]).json(3);
    let drift = check["drift"].as_array().unwrap();
    let is_it = |drift: &serde_json::Value| {
        drift["topic"] == "missing.orderstream.order.events" && drift["setting"] == "partitions"
    };
    assert!(drift.iter().any(is_it), "{check}");
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("partitions is 8, needed is 4"), "{run:?}");
    let verify = node.said(&["verify"]).ended(2);
    assert!(verify.err.contains("log.kind is \"kafka\""), "{verify:?}");
}
