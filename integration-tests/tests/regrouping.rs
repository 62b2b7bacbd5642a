//! Plays: an operator takes the processors of a service apart in mid-work, and joins them again. Nothing is lost and nothing done twice;
//! and whoever would do it while somebody works, or starts with a grouping that was not applied, is refused.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use cli::service::{Store, catalog};
use cli::settings::Settings;
use domain::OrderKey;
use integration_tests::budget;
use integration_tests::kafka::Cluster;
use integration_tests::process::{Said, Service, binary, orders_in, root, until};
use integration_tests::registry::Registry;
use integration_tests::work;
use runtime::Outgoing;
use schemas::topics;
use topology::SubTopology;

const SEED: u64 = 11;
const WAIT: Duration = Duration::from_secs(120);
const SESSION_MS: u32 = 2_000;
/// Before the division by which the catalog's times are shorter here.
const GRACE_MS: u32 = 60_000_000;
const DONE: i32 = 0;
const FAILED: i32 = 1;
const REFUSED: i32 = 3;

/// A system of one process, whose settings are written anew with each grouping.
struct Site {
    file: PathBuf,
    data_dir: PathBuf,
    /// All but the groups.
    text: String,
}

impl Site {
    /// `log`: the tables that say which log it is.
    fn new(folder: &Path, name: &str, log: &str) -> Site {
        let (file, data_dir) = (folder.join(format!("{name}.toml")), folder.join(name));
        let text = format!(
            "[node]\nname = {name:?}\ndata_dir = {data_dir:?}\n{log}\n\
             [catalog]\ndirectory = {:?}\ntime_divisor = 100\nduration_ms_max = 8000\n\
             [downstream]\nsimulated = true\nscenario = {:?}\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"warn\"\n",
            root().join("config/catalog"),
            work::scenario(folder),
        );
        let site = Site { file, data_dir, text };
        site.group(&SubTopology::defaults());
        site
    }

    fn group(&self, groups: &[SubTopology]) {
        let mut text = self.text.clone();
        for group in groups {
            let processors: Vec<&str> = group.processors.iter().map(|processor| processor.name()).collect();
            let (name, workers) = (&group.name, group.workers);
            text.push_str(&format!(
                "[[subtopology]]\nname = {name:?}\nprocessors = {processors:?}\nworkers = {workers}\n"
            ));
        }
        std::fs::write(&self.file, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(root()).arg("--config").arg(&self.file).args(arguments);
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    fn start(&self) -> Service {
        Service::start(self.command(&["run"]), &self.data_dir)
    }

    fn settings(&self) -> Settings {
        Settings::load(Some(&self.file)).unwrap()
    }
}

/// Runs a third of the orders in each of three groupings: together, apart, together again.
fn play(folder: &Path, site: &Site, fault_rate: f64) {
    let generator = work::generator(SEED, budget::of("regrouping").orders, fault_rate);
    let oracle = generator.oracle();
    work::plant(folder, SEED, &generator, &site.settings());
    let submissions: Vec<_> = generator.submissions().collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let third = submissions.len() / 3;
    let submit = |third: &[_]| tokio.block_on(work::submit(&site.settings(), third));

    let service = site.start();
    submit(&submissions[..third]);
    until(WAIT, "some orders are completed", || orders_in(&site.data_dir, "completed") >= 3);
    let running = site.said(&["topology", "apply"]).ended(REFUSED);
    assert!(running.err.contains("a service runs on"), "{running:?}");
    assert_eq!(service.stop(), Some(0));

    site.group(&SubTopology::split());
    let run = site.said(&["run"]).ended(FAILED);
    assert!(
        run.err.contains("the log is worked on as \"downstreams: downstream; orders: capture,"),
        "{run:?}"
    );
    assert!(run.err.contains("orderstream topology apply"), "{run:?}");
    assert_eq!(site.said(&["topology", "show", "--json"]).json(REFUSED)["asSet"], false);
    site.said(&["topology", "apply", "--check"]).ended(DONE);
    // What the fused processors told each other lies behind them all: nothing is in the way.
    let applied = site.said(&["topology", "apply"]).ended(DONE);
    assert!(applied.out.ends_with("(epoch 2)\n"), "{applied:?}");
    let again = site.said(&["topology", "apply"]).ended(DONE);
    assert!(again.out.contains("already (epoch 2)"), "{again:?}");

    let before = orders_in(&site.data_dir, "completed");
    let service = site.start();
    submit(&submissions[third..2 * third]);
    until(WAIT, "more orders are completed", || orders_in(&site.data_dir, "completed") >= before + 3);
    assert_eq!(service.stop(), Some(0));
    let key_of = |submission: &connectors::upstream::Submission| submission.order_key.clone();
    let submitted: BTreeSet<OrderKey> = submissions[..2 * third].iter().map(key_of).collect();
    let completing = oracle.orders().filter(|(_, order)| order.outcome.name() == "completed");
    let completing = completing.filter(|(key, _)| submitted.contains(*key)).count();
    assert!(orders_in(&site.data_dir, "completed") < completing, "it was stopped in mid-work");

    site.group(&SubTopology::defaults());
    let applied = site.said(&["topology", "apply", "--drain", "--timeout", "2m"]).ended(DONE);
    assert!(applied.out.ends_with("(epoch 3)\n"), "{applied:?}");
    let service = site.start();
    submit(&submissions[2 * third..]);
    tokio.block_on(work::settle(&site.settings(), &oracle));
    let shown = site.said(&["topology", "show", "--json"]).json(DONE);
    assert_eq!((&shown["applied"]["epoch"], &shown["asSet"]), (&3.into(), &true.into()), "{shown}");
    let groups: Vec<&str> =
        shown["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(groups, ["downstreams", "orders", "products"]);
    assert_eq!(service.stop(), Some(0));
    work::judge(&site.settings(), &oracle);
}

#[test]
fn on_one_machine_orders_go_on_whether_their_processors_are_together_or_apart() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path(), "data", "[log]\nkind = \"embedded\"\ndurability = \"os\"");
    play(folder.path(), &site, 0.2);
    let verified = site.said(&["verify"]).ended(DONE);
    assert!(verified.out.contains("everything agrees"), "{verified:?}");
    site.said(&["doctor"]).ended(DONE);
}

#[test]
fn what_is_not_heard_yet_is_heard_before_the_processors_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path(), "data", "[log]\nkind = \"embedded\"\ndurability = \"os\"");
    work::plant(folder.path(), SEED, &work::generator(SEED, 1, 0.0), &site.settings());
    site.group(&SubTopology::split());
    assert_eq!(site.start().stop(), Some(0));
    let settings = site.settings();
    let store = Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let nonsense = Outgoing {
        topic: topics::ORDER_EVENTS.into(),
        partition: Some(3),
        key: Some(Bytes::from_static(b"A/1")),
        value: Some(Bytes::from_static(b"no event")),
        headers: Vec::new(),
        timestamp_ms: 1,
    };
    store.log.producer().send(&[nonsense]).unwrap();
    drop(store);

    site.group(&SubTopology::defaults());
    for arguments in [&["topology", "apply"][..], &["topology", "apply", "--check"]] {
        let refused = site.said(arguments).ended(REFUSED);
        let unheard = "group \"fallout\" has 1 records of partition 3 of topic \"orderstream.order.events\" still to hear";
        assert!(refused.err.contains(unheard) && refused.err.contains("--drain"), "{refused:?}");
    }
    // It was refused whole: the old groups may go on.
    site.group(&SubTopology::split());
    site.said(&["topology", "show"]).ended(DONE);
    site.group(&SubTopology::defaults());
    site.said(&["topology", "apply", "--drain"]).ended(DONE);
    let letters = site.said(&["dlq", "list", "--json"]).json(DONE);
    assert_eq!(letters.as_array().map(Vec::len), Some(5), "each of those who hear has heard it: {letters}");
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn on_a_cluster_orders_go_on_too_and_a_worker_elsewhere_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let (cluster, registry) = (Cluster::start(1), Registry::start());
    let log = format!(
        "[log]\nkind = \"kafka\"\npartitions = 4\n[registry]\nurl = {:?}\n\
         [kafka]\nbrokers = {:?}\nprefix = \"re.\"\nreplication = 1\nsession_timeout_ms = {SESSION_MS}\n\
         [stuck_orders]\ngrace_ms = {GRACE_MS}\n",
        registry.url(),
        cluster.addresses(),
    );
    let site = Site::new(folder.path(), "here", &log);
    site.said(&["schemas", "register"]).ended(DONE);
    site.said(&["topics", "create"]).ended(DONE);
    // Starting takes its time there: so long a pause is no silence, and what it does to answers and time-outs is fault enough.
    play(folder.path(), &site, 0.0);

    let elsewhere = Site::new(folder.path(), "elsewhere", &log);
    let service = site.start();
    elsewhere.group(&SubTopology::split());
    let refused = elsewhere.said(&["topology", "apply"]).ended(REFUSED);
    assert!(refused.err.contains("group \"downstreams\" has workers: downstreams-0 on "), "{refused:?}");
    // One that was killed is in the way until its session ends, and no longer.
    service.kill();
    elsewhere.said(&["topology", "apply"]).ended(DONE);
    let report = elsewhere.said(&["doctor", "--json"]).json(DONE);
    assert_eq!(report["well"], true, "{report}");
    let report = site.said(&["doctor", "--json"]).json(REFUSED);
    assert!(report.to_string().contains("and no service starts with them"), "{report}");
}
