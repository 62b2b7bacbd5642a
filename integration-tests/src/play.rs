//! Generated orders with planted faults, worked on by two processes of the real binary on a real cluster, whatever happens to them; and
//! the judgement of all that came of it, by the oracle and by a reader that is none of ours.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use connectors::upstream::{Oracle, Submission};
use serde_json::{Value, json};

use crate::budget::{self, Budget};
use crate::kafka::Cluster;
use crate::outsiders;
use crate::process::Service;
use crate::registry::Registry;
use crate::site::{Node, Site};
use crate::work;

const FAULT_RATE: f64 = 0.1;
/// Two processes with two workers each share the orders: a partition for each.
const PARTITIONS: u32 = 4;
/// How many findings a failed test shows.
const FINDINGS_SHOWN_MAX: usize = 10;

/// A system of two processes, with its orders.
pub struct Play {
    suite: String,
    started: Instant,
    pub budget: Budget,
    pub site: Site,
    pub registry: Registry,
    /// Has the simulated downstream and its ledger.
    pub one: Node,
    pub other: Node,
    oracle: Oracle,
    submissions: Vec<Submission>,
    sent: usize,
    tokio: tokio::runtime::Runtime,
}

impl Play {
    /// As many orders as the budget of the suite says; schemas registered and topics made, and nothing running yet. `time_divisor`: as
    /// [`Site::time_divisor`]; a system that is away for longer than it is asked after keeps an order from its end.
    ///
    /// # Panics
    /// Something of it cannot be made.
    #[track_caller]
    pub fn prepare(cluster: &Cluster, suite: &str, seed: u64, time_divisor: u32) -> Play {
        let (started, budget) = (Instant::now(), budget::of(suite));
        // Kept where the test fails.
        let folder = tempfile::Builder::new().prefix(&format!("orderstream-{suite}-")).tempdir();
        let folder: PathBuf = folder.expect("a temporary folder").keep();
        let registry = Registry::start();
        let prefix = format!("{suite}.");
        let mut site = Site::new(&folder, cluster, &registry.url(), &prefix);
        site.partitions = PARTITIONS;
        site.time_divisor = time_divisor;
        // Another count than of the rest.
        site.more = "partitions_outward = 1\n".to_owned();
        let (one, other) = (site.node("one", true), site.node("other", false));
        one.said(&["schemas", "register"]).ended(0);
        one.said(&["topics", "create"]).ended(0);
        let generator = work::generator(seed, budget.orders, FAULT_RATE);
        work::plant(&folder, seed, &generator, &one.settings());
        Play {
            suite: suite.to_owned(),
            started,
            budget,
            site,
            registry,
            one,
            other,
            oracle: generator.oracle(),
            submissions: generator.submissions().collect(),
            sent: 0,
            tokio: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    /// Sends one of so many parts of all requests, to the first process. What is not taken at once is sent again, for so long.
    ///
    /// # Panics
    /// One is not taken in time.
    #[track_caller]
    pub fn send_part(&mut self, parts: usize, wait: Duration) {
        let until = (self.sent + self.submissions.len().div_ceil(parts)).min(self.submissions.len());
        self.send_until(until, wait);
    }

    /// Sends what is left.
    ///
    /// # Panics
    /// One is not taken in time.
    #[track_caller]
    pub fn send_rest(&mut self, wait: Duration) {
        self.send_until(self.submissions.len(), wait);
    }

    fn send_until(&mut self, until: usize, wait: Duration) {
        let part = &self.submissions[self.sent..until];
        self.tokio.block_on(work::submit_until_taken(&self.one.settings(), part, wait));
        self.sent = until;
    }

    /// How many partitions there are to work on: of the orders, of the products, and the one of the systems.
    pub fn partitions(&self) -> u64 {
        2 * u64::from(self.site.partitions) + 1
    }

    /// Whether every partition of its topics is led, and no copy is behind.
    ///
    /// # Panics
    /// Its settings are not as they must be.
    pub fn is_in_sync(&self) -> bool {
        let settings = self.one.settings();
        let catalog = cli::service::catalog::load(&settings.catalog).expect("the catalog is shipped");
        let specs = cli::service::settled_specs(&settings, &catalog.systems.keys().cloned().collect());
        let found = runtime::log::kafka::look(&settings.kafka_options(), specs);
        found.is_ok_and(|found| found.topics.iter().all(|topic| topic.behind == 0 && topic.leaderless == 0))
    }

    /// Waits until every order stands where it must, for both processes; stops them, and judges.
    ///
    /// # Panics
    /// Something is otherwise than it must be.
    #[track_caller]
    pub fn end(self, cluster: &Cluster, one: Service, other: Service) -> Vec<Value> {
        assert_eq!(self.sent, self.submissions.len(), "all are sent");
        self.tokio.block_on(work::settle(&self.one.settings(), &self.oracle));
        let agree = self.tokio.block_on(work::settle(&self.other.settings(), &self.oracle));
        let status = self.one.said(&["status", "--json"]);
        // Both before anything is said of it: where it is not as it must be, the judge knows more.
        assert_eq!(other.stop(), Some(0), "SIGTERM ends it politely");
        assert_eq!(one.stop(), Some(0), "SIGTERM ends it politely");
        work::judge(&self.one.settings(), &self.oracle);
        assert!(agree, "the other's own rows say the same");
        assert_eq!(status.json(0)["problems"], json!([]));
        let lines = self.read_outside(cluster);
        let findings = outsiders::findings(&lines, &self.oracle);
        let first = findings[..findings.len().min(FINDINGS_SHOWN_MAX)].join("\n");
        assert!(
            findings.is_empty(),
            "{} findings in {} events, all in {}; the first:\n{first}",
            findings.len(),
            lines.len(),
            self.site.folder.display()
        );
        self.check_reader(&lines);
        std::fs::remove_dir_all(&self.site.folder).expect("it is ours");
        let (took, planned) = (self.started.elapsed().as_secs(), self.budget.seconds);
        println!("{}: {} orders took {took} s, planned are {planned}", self.suite, self.budget.orders);
        lines
    }

    fn read_outside(&self, cluster: &Cluster) -> Vec<Value> {
        let topic = format!("{}{}", self.site.prefix, schemas::topics::ORDER_EVENTS);
        let (servers, url) = (cluster.addresses(), self.registry.url());
        outsiders::in_java(&self.site.folder, &[&servers, &topic, &url])
    }

    /// That a hole or a repetition would be found: the first change of a task away, or there twice.
    fn check_reader(&self, lines: &[Value]) {
        let is_of_task = |line: &Value| line["record"] == "io.orderstream.TaskStateChanged";
        let at = lines.iter().position(is_of_task).expect("tasks were done");
        let mut holed = lines.to_vec();
        let repeated = holed.remove(at);
        assert!(!outsiders::findings(&holed, &self.oracle).is_empty(), "a hole is found");
        let mut twice = lines.to_vec();
        twice.insert(at, repeated);
        assert!(!outsiders::findings(&twice, &self.oracle).is_empty(), "a repetition is found");
    }
}
