//! Plays: an operator asks the doctor. Wrong things are planted, on a data directory, and on a real broker and a real registry; each is
//! named, with its place and with what mends it, and nothing else is blamed.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration_tests::kafka::Cluster;
use integration_tests::process::{self, Said, Service, binary, orders_in, root, run, submit, until};
use integration_tests::registry::Registry;
use runtime::TopicSpec;
use runtime::log::kafka::{self, Options};
use schemas::registry::registration::{self, Task, Wanted};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(60);
const DONE: i32 = 0;
const REFUSED: i32 = 3;

/// What it found, without notes: check, place, what.
fn problems(report: &Value) -> Vec<(String, String, String)> {
    let mut problems = Vec::new();
    for check in report["checks"].as_array().unwrap() {
        for finding in check["findings"].as_array().unwrap() {
            assert!(!finding["mend"].as_str().unwrap().is_empty(), "{finding}");
            if finding["level"] == "problem" {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                problems.push((text(&check["name"]), text(&finding["place"]), text(&finding["what"])));
            }
        }
    }
    problems
}

/// How a check ended; empty where there is none.
fn state(report: &Value, name: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name);
    check.map_or_else(String::new, |check| check["state"].as_str().unwrap().to_owned())
}

#[test]
fn a_data_directory_is_looked_at_before_its_first_start_beside_the_service_and_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let doctor = |arguments: &[&str]| run(&data_dir, &[&["doctor"], arguments].concat());
    let before = doctor(&["--json"]).json(DONE);
    assert_eq!(before["well"], true, "{before}");
    assert!(!data_dir.exists(), "looking makes nothing");

    let service = Service::run(&data_dir);
    submit(&data_dir, &["D-1"]).ended(0);
    until(WAIT, "the order is completed", || orders_in(&data_dir, "completed") == 1);
    let beside = doctor(&["--json"]).json(DONE);
    for check in ["service", "data directory", "disk", "lag", "projection"] {
        assert_eq!(state(&beside, check), "well", "{beside}");
    }
    assert_eq!(state(&beside, "brokers"), "", "there are none: {beside}");
    assert_eq!(service.stop(), Some(0));
    let after = doctor(&[]).ended(DONE);
    assert!(after.out.ends_with("nothing has to be mended\n"), "{after:?}");

    // A database that is none, and other partitions than the log was made with.
    let projection = data_dir.join("projection.sqlite");
    process::copy(&data_dir, &folder.path().join("kept"));
    std::fs::write(&projection, "no database").unwrap();
    let mut command = process::orderstream(&data_dir, &["doctor", "--json"]);
    let said: Said = command.env("ORDERSTREAM__LOG__PARTITIONS", "4").output().unwrap().into();
    let found = problems(&said.json(REFUSED));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].1, "log.partitions");
    assert_eq!(found[0].2, "the settings say 4, and the log was made with 8");
    assert_eq!((found[1].0.as_str(), found[1].1.as_str()), ("projection", "projection.url"));
    std::fs::copy(folder.path().join("kept/projection.sqlite"), &projection).unwrap();

    // A file of the store is gone.
    let store = data_dir.join("log/store");
    let manifest = std::fs::read_dir(&store).unwrap().flatten().map(|entry| entry.path());
    let manifest = manifest.filter(|path| path.to_string_lossy().contains("MANIFEST-")).max().unwrap();
    std::fs::remove_file(&manifest).unwrap();
    let report = doctor(&["--json"]).json(REFUSED);
    let found = problems(&report);
    assert_eq!((found.len(), found[0].0.as_str()), (1, "data directory"), "{found:?}");
    assert!(found[0].2.contains("MANIFEST-") && found[0].2.contains("is missing"), "{found:?}");
    assert_eq!(state(&report, "lag"), "notLookedAt");
}

/// A process on a cluster, with its settings file.
struct Node {
    file: PathBuf,
    data_dir: PathBuf,
}

impl Node {
    fn new(folder: &Path, brokers: &str, registry: &str) -> Node {
        let (file, data_dir) = (folder.join("node.toml"), folder.join("data"));
        let text = format!(
            "[node]\nname = \"doctor\"\ndata_dir = {data_dir:?}\n[log]\nkind = \"kafka\"\n[registry]\nurl = {registry:?}\n\
             [kafka]\nbrokers = {brokers:?}\nprefix = \"d.\"\nreplication = 1\n[catalog]\ndirectory = {:?}\n\
             [gateway]\nlisten = \"\"\n[logging]\nlevel = \"warn\"\n",
            root().join("config/catalog"),
        );
        std::fs::write(&file, text).unwrap();
        Node { file, data_dir }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(root()).arg("--config").arg(&self.file).args(arguments);
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    fn doctor(&self, code: i32) -> Value {
        self.said(&["doctor", "--json"]).json(code)
    }
}

/// Makes one topic that is kept otherwise than it must be.
fn plant_topic(cluster: &Cluster, directory: &Path) {
    let options = Options { prefix: "d.".to_owned(), ..cluster.options(directory) };
    let spec = TopicSpec { retention_ms: None, ..TopicSpec::new("orderstream.catalog", 1) };
    kafka::create(&options, vec![spec]).unwrap();
}

/// Registers all schemas but one; tells which that is.
fn register_all_but_one(registry: &Registry) -> String {
    let mut settings = cli::settings::Settings::load(None).unwrap().catalog;
    settings.directory = root().join("config/catalog");
    let catalog = cli::service::catalog::load(&settings).unwrap();
    let mut wanted: Vec<Wanted> = registration::wanted(catalog.systems.keys().map(String::as_str));
    let left_out = wanted.remove(3);
    registration::carry_out(&registry.url(), Task::Register, &wanted).unwrap();
    left_out.subject
}

#[test]
fn what_is_planted_on_a_real_cluster_is_named_and_mended_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cluster, mut registry) = (Cluster::start(1), Registry::start());
    let node = Node::new(folder.path(), &cluster.addresses(), &registry.url());
    plant_topic(&cluster, folder.path());
    let missing = register_all_but_one(&registry);

    // Nothing is made yet but what was planted.
    let report = node.doctor(REFUSED);
    assert_eq!(state(&report, "lag"), "notLookedAt", "{report}");
    node.said(&["topics", "create"]).ended(REFUSED);
    let found = problems(&node.doctor(REFUSED));
    let policy = "cleanup.policy is delete, needed is compact";
    assert!(
        found.iter().any(|(check, place, what)| {
            (check.as_str(), place.as_str(), what.as_str())
                == ("topics", "topic \"d.orderstream.catalog\"", policy)
        }),
        "{found:?}"
    );
    let schema = found.iter().find(|(check, ..)| check == "registry").expect("it is found");
    assert!(schema.1.starts_with(&format!("subject \"{missing}\"")), "{schema:?}");
    assert!(found.iter().all(|(check, ..)| check == "topics" || check == "registry"), "{found:?}");

    // Mended as it says: by the brokers' own tool for the topic, by a command of ours for the schema.
    set_topic(&cluster, "d.orderstream.catalog", "cleanup.policy=compact");
    node.said(&["schemas", "register"]).ended(DONE);
    let report = node.doctor(DONE);
    for check in ["brokers", "topics", "registry", "lag", "stores", "clock"] {
        assert_eq!(state(&report, check), "well", "{check}: {report}");
    }

    // Beside the service, and with its state left behind.
    let service = Service::start(node.command(&["run"]), &node.data_dir);
    until(WAIT, "the workers have their state", || {
        let report = node.doctor(DONE);
        assert_ne!(state(&report, "stores"), "notLookedAt", "{report}");
        let stores = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "stores");
        let saw = stores.unwrap()["saw"].as_str().unwrap();
        // Of orders (two workers share them), products and downstreams: 8, 8 and 1.
        let partitions = saw.strip_prefix("4 of workers, ").and_then(|rest| rest.split(' ').next());
        partitions.is_some_and(|count| count.parse::<u32>().unwrap() >= 17)
    });
    assert_eq!(service.stop(), Some(0));
    node.doctor(DONE);

    registry.stop();
    let report = node.doctor(REFUSED);
    let found = problems(&report);
    assert_eq!((found.len(), found[0].1.as_str()), (1, "registry.url"), "{found:?}");
    assert_eq!((state(&report, "clock"), state(&report, "topics")), ("notLookedAt".into(), "well".into()));

    cluster.kill(0);
    let report = node.doctor(REFUSED);
    let found = problems(&report);
    let places: Vec<&str> = found.iter().map(|(_, place, _)| place.as_str()).collect();
    assert_eq!(places, ["kafka.brokers", "registry.url"], "{report}");
    for check in ["topics", "lag", "stores"] {
        assert_eq!(state(&report, check), "notLookedAt", "{report}");
    }
}

fn set_topic(cluster: &Cluster, topic: &str, setting: &str) {
    let output = cluster
        .tool("kafka.admin.ConfigCommand")
        .args(["--bootstrap-server", &cluster.addresses(), "--alter", "--entity-type", "topics"])
        .args(["--entity-name", topic, "--add-config", setting])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
