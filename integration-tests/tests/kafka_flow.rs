//! Flow control on a real cluster. Plays, on one process: systems that answer late while more than a thousand orders come at once; a
//! projection whose database somebody holds; and thousands of requests and answers of one order. What waits lies on the log: memory stays
//! below what the named limits add up to (docs/operations.md, "Sizing"), though each load is larger; how much waits, where and for what is
//! told; and once it is over all of it is done, nothing lost and nothing twice.
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cli::service::{Store, catalog};
use cli::settings::Settings;
use connectors::downstream::{Behaviour, Latency, Scenario};
use connectors::upstream::{Expected, Generator, Oracle, Settings as Upstream, Submission};
use domain::command::{Feedback, FeedbackKind};
use domain::order::event::OrderEvent;
use domain::{CommandId, FeedbackId, OrderKey, Timestamp};
use integration_tests::kafka::Cluster;
use integration_tests::plain::Plain;
use integration_tests::process::{Service, until};
use integration_tests::registry::Registry;
use integration_tests::site::{JOIN_WAIT, Node, Site};
use integration_tests::{budget, work};
use runtime::log::kafka::{CLIENT_QUEUE_BYTES_MAX, STORES_BLOCK_CACHE_BYTES, STORES_WRITE_BUFFERS_BYTES};
use runtime::log::{COMMITS_IN_FLIGHT_MAX, Limits};
use runtime::{Outgoing, partition_for};
use schemas::{headers, topics};
use serde_json::Value;

const PREFIX: &str = "flow.";
/// One for each of the two workers of the orders.
const PARTITIONS: u32 = 2;
const SYSTEM: &str = "provisioning";
/// An order is six tasks of that system, one after the other.
const SHAPE: &str = "W6";
/// How many orders come at once while the system is slow, and how many while the projection is held.
const ORDERS_OF_SLOW: usize = 1_500;
const ORDERS_OF_HELD: usize = 500;
/// How late each answer is.
const LATE: Latency = Latency::Fixed { ms: 3_000 };
/// How often the request of one order comes again, and how many answers to it that nobody waits for.
const HOT_REQUESTS: usize = 3_000;
const HOT_ANSWERS: usize = 3_000;
/// White space behind a document, which is part of its bytes: so loads are larger than what memory may grow by.
const PADDING_BYTES: usize = 640 << 10;
const HOT_PADDING_BYTES: usize = 128 << 10;
/// For anything that has to come to pass, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(180);
const READ: Limits = Limits { records_max: 10_000, bytes_max: 16 << 20 };
const MIB: u64 = 1 << 20;

/// What a client has fetched, and an answer that is on its way.
const CLIENT_BYTES: u64 = 2 * CLIENT_QUEUE_BYTES_MAX as u64;

/// What one worker may fill: what its client has fetched, and its batches. Each of those, the open one and those on their way, is
/// there as it was read, as it is worked on, as it is staged and as the producer sends it.
fn worker_bytes(settings: &Settings) -> u64 {
    let batches = 4 * (1 + COMMITS_IN_FLIGHT_MAX) * settings.batch.bytes_max;
    CLIENT_BYTES + batches as u64
}

/// What the stores of all workers may fill.
const STORES_BYTES: u64 = (STORES_BLOCK_CACHE_BYTES + STORES_WRITE_BUFFERS_BYTES) as u64;

/// The same of the projection: batches of a MiB as they are read and as they are applied, and the cache of its database, 8 MiB.
fn projection_bytes() -> u64 {
    CLIENT_BYTES + (2 + 8) * MIB
}

/// The same of the simulated systems: a batch of 8 MiB as it is read and as it is answered, and 8 MiB that their ledger has yet to write.
fn downstream_bytes() -> u64 {
    CLIENT_BYTES + (2 * 8 + 8) * MIB
}

/// What allocators have where so much is in use: what is freed between what is not cannot be given back.
fn kept(used_bytes: u64) -> u64 {
    used_bytes + used_bytes / 4
}

struct Flow {
    node: Node,
    settings: Settings,
    service: Service,
    store: Store,
    client: Plain,
    oracle: Oracle,
    submissions: Vec<Submission>,
    folder: tempfile::TempDir,
    tokio: tokio::runtime::Runtime,
}

fn scenario(latency: Latency) -> Scenario {
    let mut scenario =
        Scenario { behaviour: Behaviour { latency, ..Scenario::default().behaviour }, ..Scenario::default() };
    scenario.systems.clear();
    scenario
}

impl Flow {
    fn start(cluster: &Cluster, registry: &Registry) -> Flow {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Site::new(folder.path(), cluster, &registry.url(), PREFIX);
        (site.partitions, site.time_divisor) = (PARTITIONS, 1);
        // As the catalog has them: an answer that is late here is not late there.
        site.environment.push(("ORDERSTREAM__CATALOG__DURATION_MS_MAX".to_owned(), "0".to_owned()));
        let node = site.node("alone", true);
        let settings = node.settings();
        std::fs::write(work::scenario(folder.path()), scenario(LATE).to_json()).unwrap();
        let upstream = Upstream {
            seed: 41,
            orders: u32::try_from(ORDERS_OF_SLOW + ORDERS_OF_HELD).unwrap(),
            fault_rate: 0.0,
            base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
            future_start_ms_max: 1,
            outages: false,
            only: Some(SHAPE),
        };
        let generator = Generator::new(upstream, Vec::new()).unwrap();
        node.said(&["schemas", "register"]).ended(0);
        node.said(&["topics", "create"]).ended(0);
        let service = node.start();
        let partitions = 2 * u64::from(PARTITIONS) + 1;
        until(JOIN_WAIT, "it has its partitions", || node.partitions() == partitions);
        Flow {
            store: Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap(),
            client: Plain::new(&cluster.addresses(), PREFIX),
            oracle: generator.oracle(),
            submissions: generator.submissions().collect(),
            tokio: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            node,
            settings,
            service,
            folder,
        }
    }

    /// A request as its requester would send it, with so much white space behind it.
    fn request(&self, submission: &Submission, padding_bytes: usize) -> Outgoing {
        let is_json = submission.media_type.starts_with(headers::JSON);
        let mut value = submission.body.clone();
        value.resize(value.len() + if is_json { padding_bytes } else { 0 }, b' ');
        let pairs = [
            (headers::CONTENT_TYPE, submission.media_type.clone()),
            (headers::CE_ID, submission.request_id.0.clone()),
        ];
        Outgoing {
            topic: topics::ORDER_REQUESTS.into(),
            partition: None,
            key: Some(Bytes::from(submission.order_key.0.clone())),
            value: Some(value.into()),
            headers: pairs.map(|(name, value)| (name.into(), Bytes::from(value))).into(),
            timestamp_ms: self.store.clock.now_ms(),
        }
    }

    /// Sends them all at once; gives how many bytes they have.
    fn send(&self, records: &[Outgoing]) -> u64 {
        for placed in self.client.send_all(records) {
            placed.unwrap();
        }
        records.iter().map(|record| record.bytes() as u64).sum()
    }

    /// The sum of the samples of a metric that have all these labels.
    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let page = self.node.metrics();
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let meant = page.lines().filter(|line| {
            let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
            named && labels.iter().all(|label| line.contains(label))
        });
        meant.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn lag(&self, topic: &str) -> f64 {
        self.metric("orderstream_lag_records", &[("group", "orders"), ("topic", topic)])
    }

    /// Commands that the system was sent and has not done.
    fn unanswered(&self) -> f64 {
        let sent = self.metric("orderstream_commands_sent_total", &[("system", SYSTEM)]);
        let done = [("system", SYSTEM), ("outcome", "completed")];
        sent - self.metric("orderstream_commands_answered_total", &done)
    }

    fn orders_completed(&self) -> usize {
        self.metric("orderstream_order_transitions_total", &[("to", "completed")]) as usize
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.node.said(&["status", "--json"]).out).unwrap_or_default()
    }

    /// Does it, and looks by how much memory grew meanwhile: by no more than this, which is less than `act` says that it brought.
    #[track_caller]
    fn bounded(&self, what: &str, bytes_max: u64, act: impl FnOnce() -> u64) {
        let (before, started) = (self.service.resident().now_bytes, Instant::now());
        self.service.forget_peak();
        let brought = act();
        let grown = self.service.resident().peak_bytes.saturating_sub(before);
        println!(
            "{what}: {} MiB before, grown by {} MiB of {} at most; {} MiB came, {} s",
            before / MIB,
            grown / MIB,
            bytes_max / MIB,
            brought / MIB,
            started.elapsed().as_secs()
        );
        assert!(brought > bytes_max, "{what}: all of it would fit, which proves nothing");
        assert!(grown < bytes_max, "{what}: memory grew by {} MiB", grown / MIB);
    }

    /// Until all that lies there is processed, and told.
    fn until_read(&self) {
        for topic in [topics::ORDER_REQUESTS, topics::FEEDBACK] {
            until(WAIT, "nothing waits to be read", || self.lag(topic) == 0.0);
        }
        let projection = "orderstream_projection_lag_records";
        until(WAIT, "the projection has all", || self.metric(projection, &[]) == 0.0);
    }

    fn slow_downstream(&self) -> u64 {
        let slow = self.submissions[..ORDERS_OF_SLOW].iter();
        let requests: Vec<Outgoing> = slow.map(|one| self.request(one, PADDING_BYTES)).collect();
        let brought = self.send(&requests);
        let many = ORDERS_OF_SLOW as f64 / 4.0;
        until(WAIT, "the lag of the requests is told", || self.lag(topics::ORDER_REQUESTS) > many);
        until(WAIT, "what the system has not answered is told", || self.unanswered() > many);
        // Not each request is an order that completes; how each must end is judged when all have.
        until(WAIT, "most end", || self.orders_completed() > ORDERS_OF_SLOW / 2);
        self.until_read();
        brought
    }

    fn held_projection(&self) {
        let file = self.folder.path().join("quick.json");
        std::fs::write(&file, scenario(Latency::Fixed { ms: 5 }).to_json()).unwrap();
        self.node.said(&["downstream", "scenario", &file.display().to_string()]).ended(0);
        let held = Held::take(&self.settings.projection_url());
        let before = self.orders_completed();
        let requests = self.submissions[ORDERS_OF_SLOW..].iter();
        self.send(&requests.map(|one| self.request(one, 0)).collect::<Vec<_>>());
        until(WAIT, "orders end all the same", || self.orders_completed() > before + ORDERS_OF_HELD / 2);
        // Each order has more events than tasks.
        let events = 6.0 * ORDERS_OF_HELD as f64;
        until(WAIT, "how much it has not read is told", || {
            self.metric("orderstream_projection_lag_records", &[]) > events
        });
        until(WAIT, "and why", || {
            let status = self.status();
            let waiting = status["waiting"].as_array().map_or(&[][..], Vec::as_slice);
            waiting.iter().any(|line| {
                let reason = line["reason"].as_str().unwrap_or_default();
                line["part"] == "projection" && reason.contains("locked")
            })
        });
        until(WAIT, "the doctor says so, too", || {
            let said = self.node.said(&["doctor"]);
            said.out.lines().any(|line| line.starts_with("wrong (projection)") && line.contains("locked"))
        });
        held.release();
        self.until_read();
        until(WAIT, "nothing waits any more", || self.status()["waiting"] == serde_json::json!([]));
    }

    /// An order that was taken, and of which nothing else was sent.
    fn hot(&self) -> &Submission {
        let is_alone = |one: &&Submission| {
            let same = self.submissions.iter().filter(|other| other.order_key == one.order_key);
            one.expected == Expected::Taken && one.media_type.starts_with(headers::JSON) && same.count() == 1
        };
        self.submissions.iter().find(is_alone).expect("most are such")
    }

    fn hot_key(&self) -> u64 {
        let first = self.hot();
        let key = first.order_key.0.as_bytes();
        let again = self.request(first, HOT_PADDING_BYTES);
        let records: Vec<Outgoing> = (0..HOT_REQUESTS).map(|_| again.clone()).collect();
        let (partition, mut is_told) = (u64::from(partition_for(key, PARTITIONS)), false);
        let brought = std::thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(&records) + self.send(&self.answers(first)));
            // It is read while it is sent: how much waits is told while some does.
            until(WAIT, "the partition that all of it waits in is told", || {
                let status = self.status();
                let lags = status["lags"].as_array().map_or(&[][..], Vec::as_slice);
                is_told |= lags.iter().any(|line| {
                    line["group"] == "orders"
                        && line["partition"] == partition
                        && line["partitionRecords"].as_i64().is_some_and(|records| records > 100)
                });
                is_told || sending.is_finished()
            });
            sending.join().unwrap()
        });
        assert!(is_told, "it was read before anybody could look");
        self.until_read();
        brought
    }

    /// To a command that was never sent, each under a name of its own.
    fn answers(&self, to: &Submission) -> Vec<Outgoing> {
        let answer = |number: usize| Feedback {
            feedback_id: FeedbackId(format!("hot-{number}")),
            command_id: CommandId::feasibility(&OrderKey("of nobody".to_owned()), 1),
            order_key: to.order_key.clone(),
            system: SYSTEM.to_owned(),
            kind: FeedbackKind::Completed,
            attempt: Some(1),
            outputs: Default::default(),
            code: None,
            message: None,
            retryable: None,
            at: Timestamp(self.store.clock.now_ms()),
        };
        let records =
            (0..HOT_ANSWERS).map(|number| cli::service::feedback(&self.store.codec, &answer(number)));
        records.map(Result::unwrap).collect()
    }

    /// All ended as they must, and of the one order each request and each answer is accounted for once.
    fn judge(self) {
        let hot = self.hot().request_id.clone();
        let ends = self.tokio.block_on(work::settle(&self.settings, &self.oracle));
        println!("all orders end: {ends}; {}", self.status());
        assert_eq!(self.service.said().matches(": ready ").count(), 1, "it started once");
        assert_eq!(self.service.stop(), Some(0), "SIGTERM ends it politely");
        let (mut requests, mut answers) = (0, 0);
        for (partition, end) in (0..).zip(self.store.log.end_offsets(topics::ORDER_EVENTS).unwrap()) {
            let mut from = 0;
            while from < end {
                let records = self.store.log.read_range(topics::ORDER_EVENTS, partition, from, READ).unwrap();
                let Some(last) = records.last() else { break };
                from = last.offset + 1;
                for record in &records {
                    match self.store.codec.decode_event(record.value.as_deref().unwrap()).unwrap() {
                        OrderEvent::RequestIgnored(event) if event.request_id == hot => requests += 1,
                        OrderEvent::FeedbackIgnored(event) if event.feedback_id.0.starts_with("hot-") => {
                            answers += 1
                        }
                        _ => {}
                    }
                }
            }
        }
        assert_eq!((requests, answers), (HOT_REQUESTS, HOT_ANSWERS));
        drop(self.store);
        work::judge(&self.settings, &self.oracle);
    }
}

/// Another connection of the projection's database, which writes and does not end.
struct Held(Child);

impl Held {
    fn take(url: &str) -> Held {
        const HOLD: &str = "import sqlite3, sys\n\
            database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
            database.execute('BEGIN IMMEDIATE')\n\
            print('held', flush=True)\n\
            sys.stdin.read()\n\
            database.execute('ROLLBACK')\n";
        let file = url.strip_prefix("sqlite://").unwrap();
        let python = std::env::var("ORDERSTREAM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut command = Command::new(python);
        let command = command.args(["-c", HOLD, file]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut held = Held(command.spawn().expect("scripts/setup.sh installs Python"));
        let mut line = String::new();
        BufReader::new(held.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        held
    }

    fn release(mut self) {
        drop(self.0.stdin.take());
        let mut rest = String::new();
        self.0.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        assert!(self.0.wait().unwrap().success(), "{rest}");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It has ended by itself where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_slow_is_waited_for_on_the_log_and_not_in_memory() {
    let (budget, started) = (budget::of("kafka_flow"), Instant::now());
    let (cluster, registry) = (Cluster::start(1), Registry::start());
    let flow = Flow::start(&cluster, &registry);
    let worker = worker_bytes(&flow.settings);
    let others = STORES_BYTES + projection_bytes() + downstream_bytes();
    flow.bounded("slow downstream", kept(2 * worker + others), || flow.slow_downstream());
    flow.held_projection();
    flow.bounded("hot key", kept(worker + others), || flow.hot_key());
    flow.judge();
    println!("kafka_flow: took {} s, planned are {}", started.elapsed().as_secs(), budget.seconds);
}
