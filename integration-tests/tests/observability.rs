//! The listening socket of the real binary: every metric that is declared, readiness while it starts, a busy port, and what systemd is told.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cli::control::{Client, Submission};
use connectors::upstream::{Generator, Settings as Upstream};
use domain::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const ORDERS: u32 = 40;

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

/// Killed when it is dropped, should a test fail.
struct Service {
    child: Child,
    lines: mpsc::Receiver<String>,
    directory: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(listen: &str, variables: &[(&str, &str)]) -> Service {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args(["run", "--listen", listen])
            .current_dir(root)
            .env("ORDERSTREAM__NODE__DATA_DIR", directory.path().join("data"))
            .env("ORDERSTREAM__HEARTBEAT__INTERVAL_MS", "200")
            .env("ORDERSTREAM__CATALOG__TIME_DIVISOR", "200")
            .env("ORDERSTREAM__CATALOG__DURATION_MS_MAX", "4000")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built before");
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Ends with the service.
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Service { child, lines, directory }
    }

    /// The first line that says this.
    fn line(&self, said: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("nobody said \"{said}\""));
            if line.contains(said) {
                return line;
            }
        }
    }

    fn address(&self) -> String {
        let line = self.line("listening");
        line.rsplit_once("address=").unwrap_or_else(|| panic!("{line}")).1.trim().to_owned()
    }

    fn terminate(&mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.ended()
    }

    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the service did not end");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn get(url: &str) -> (u16, String) {
    let client = reqwest::blocking::Client::builder().timeout(LONG).build().unwrap();
    let answer = client.get(url).send().unwrap();
    (answer.status().as_u16(), answer.text().unwrap())
}

/// Asks again and again until the answer is as wanted.
fn until(what: &str, mut wanted: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + LONG;
    loop {
        match wanted() {
            Ok(()) => return,
            Err(last) => assert!(Instant::now() < deadline, "{what}: {last}"),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a scrape says: kinds by name, and every sample by name and labels.
struct Scraped {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scraped {
    fn of(text: &str) -> Scraped {
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            Some((sample.to_owned(), value.parse().ok()?))
        });
        Scraped {
            kinds: kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
            samples: samples.collect(),
        }
    }

    /// The sum of all samples that begin so.
    fn sum(&self, begins: &str) -> f64 {
        self.samples.iter().filter(|(sample, _)| sample.starts_with(begins)).map(|(_, value)| value).sum()
    }

    /// The labels that the samples of a metric have, those of buckets aside.
    fn labels(&self, name: &str) -> BTreeSet<String> {
        let of_name = self.samples.keys().filter_map(|sample| {
            let rest = sample.strip_prefix(name)?;
            let rest =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
            rest.strip_prefix('{')?.strip_suffix('}')
        });
        let names = of_name.flat_map(|labels| labels.split("\",")).filter_map(|label| label.split_once('='));
        names.map(|(name, _)| name.to_owned()).filter(|name| name != "le").collect()
    }
}

async fn submit(data_dir: &Path, generator: &Generator) {
    let mut client = Client::connect(data_dir).await.unwrap().expect("it serves");
    for submission in generator.submissions() {
        let described = Submission {
            key: Some(submission.order_key.0.clone()),
            request_id: Some(submission.request_id.0.clone()),
            media_type: submission.media_type.clone(),
            body_bytes: submission.body.len(),
        };
        client.submit(described, &submission.body).await.unwrap();
    }
}

fn generator() -> Generator {
    let upstream = Upstream {
        seed: 3,
        orders: ORDERS,
        fault_rate: 0.0,
        base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
        future_start_ms_max: 1,
        outages: false,
        only: None,
    };
    Generator::new(upstream, Vec::new()).unwrap()
}

#[test]
fn a_running_service_has_every_metric_that_is_declared_and_no_other() {
    let mut service = Service::start("127.0.0.1:0", &[]);
    let url = format!("http://{}", service.address());
    until("ready", || {
        let (status, body) = get(&format!("{url}/ready"));
        if status == 200 { Ok(()) } else { Err(body) }
    });
    let generator = generator();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(submit(&service.directory.path().join("data"), &generator));
    let scrape = || Scraped::of(&get(&format!("{url}/metrics")).1);
    let ended = |scraped: &Scraped| {
        let states = ["completed", "rejected", "failed", "partiallyCompleted"];
        let reached = |to| scraped.sum(&format!("orderstream_order_transitions_total{{to=\"{to}\"}}"));
        states.iter().map(reached).sum::<f64>()
    };
    let orders = f64::from(ORDERS);
    until("all orders have ended", || {
        let scraped = scrape();
        let count = ended(&scraped);
        if count >= orders { Ok(()) } else { Err(format!("{count} of {orders} have")) }
    });
    let scraped = scrape();
    let of_this_log = || {
        let groups = cli::metrics::GROUPS.iter().filter(|group| group.title != cli::metrics::ON_KAFKA);
        groups.flat_map(|group| group.metrics)
    };
    let declared: BTreeMap<String, String> =
        of_this_log().map(|metric| (metric.name.to_owned(), metric.kind.word().to_owned())).collect();
    assert_eq!(scraped.kinds, declared, "declared in cli/src/metrics.rs, and found");
    for metric in of_this_log() {
        let labels: BTreeSet<String> = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(scraped.labels(metric.name), labels, "the labels of {}", metric.name);
    }
    assert_eq!(scraped.sum("orderstream_order_transitions_total{to=\"captured\"}"), orders);
    assert!(scraped.sum("orderstream_stage_input_records_total{stage=\"capture\"}") >= orders);
    assert!(scraped.sum("orderstream_stage_output_records_total{stage=\"capture\"}") >= orders);
    let sent = scraped.sum("orderstream_commands_sent_total");
    assert!(sent > orders && scraped.sum("orderstream_commands_answered_total") >= sent);
    assert_eq!(scraped.sum("orderstream_dead_letters_total"), 0.0);
    assert_eq!(scraped.sum("orderstream_assigned_partitions{group=\"orders\""), 8.0);
    until("nothing is in progress any more", || {
        let left = scrape().sum("orderstream_stage_in_progress_records");
        if left == 0.0 { Ok(()) } else { Err(format!("{left} records are")) }
    });
    let ages: Vec<f64> = scrape()
        .samples
        .iter()
        .filter(|(sample, _)| sample.starts_with("orderstream_heartbeat_age_seconds"))
        .map(|(_, age)| *age)
        .collect();
    assert_eq!(ages.len(), topology::Processor::ALL.len() + 1);
    assert!(ages.iter().all(|age| *age < 60.0), "{ages:?}");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_busy_port_is_said_in_one_line_and_no_data_directory_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let mut service = Service::start(&listen, &[]);
    assert_eq!(service.ended(), Some(i32::from(cli::exit::FAILED)));
    let said: Vec<String> = service.lines.iter().collect();
    assert!(
        said.len() == 1 && said[0].starts_with(&format!("orderstream: could not listen on {listen}; ")),
        "{said:?}"
    );
    assert!(!service.directory.path().join("data").exists());
}

#[test]
fn systemd_is_told_when_everything_runs_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut service = Service::start("", &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let told = || {
        let mut bytes = [0; 64];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    assert_eq!(told(), "READY=1");
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(told(), "STOPPING=1");
}
