//! All of it together through one service: raw records that an outsider put on the log, the same documents by the command line, and good
//! orders between them, which must not notice.
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cli::service::{Store, catalog};
use cli::settings::Settings;
use connectors::downstream::{Behaviour, Latency, Noise, Scenario};
use domain::order::OrderState;
use integration_tests::bad_input::{Case, Outcome, outcome, table};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use projection::Projection;
use projection::query::OrderFilter;
use runtime::log::Limits;
use runtime::{Outgoing, Record};
use schemas::{headers, topics};

/// One good order for so many records of all kinds.
pub(super) const GOOD_EVERY: usize = 20;
/// The most memory that the service may have had at any time. Bad input is refused by its length, not by running out: some 650 records
/// of up to a megabyte, and documents of five, go through it, beside RocksDB's caches.
pub(super) const RSS_BYTES_MAX: u64 = 512 << 20;
pub(super) const GOOD_WAIT: Duration = Duration::from_secs(180);
const STOP_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the service may be started again until everything is processed.
const STARTS_MAX: usize = 5;
const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };

pub(super) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

struct Site {
    directory: tempfile::TempDir,
    config: PathBuf,
    settings: Settings,
}

impl Site {
    fn new() -> Site {
        let directory = tempfile::Builder::new().prefix("orderstream-bad-input-").tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let config = directory.path().join("orderstream.toml");
        let scenario = directory.path().join("scenario.json");
        let text = format!(
            "[node]\ndata_dir = {:?}\n[log]\ndurability = \"os\"\n[catalog]\ndirectory = {:?}\ntime_divisor = 200\n\
             duration_ms_max = 4000\n[downstream]\nscenario = {scenario:?}\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"warn\"\n",
            directory.path().join("data"),
            root.join("config/catalog"),
        );
        std::fs::write(&config, text).unwrap();
        let settings = Settings::load(Some(&config)).unwrap();
        let quick = Behaviour { latency: Latency::Fixed { ms: 5 }, ..Scenario::default().behaviour };
        let mut calm = Scenario { behaviour: quick, noise: Noise::default(), ..Scenario::default() };
        calm.systems.clear();
        calm.outages.clear();
        std::fs::write(scenario, calm.to_json()).unwrap();
        Site { directory, config, settings }
    }

    fn store(&self) -> Store {
        Store::open(&self.settings, &catalog::load(&self.settings.catalog).unwrap()).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("service.log")
    }

    fn start(&self) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(binary());
        command.arg("--config").arg(&self.config).arg("run").stdin(Stdio::null()).stderr(log);
        Running(command.spawn().expect("the binary is built before"))
    }

    fn submit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("--config").arg(&self.config).arg("submit").args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    }
}

/// Killed when the test ends before it has stopped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a process had, in bytes.
fn rss_bytes_max(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1_024
}

/// Those that a log of ours takes.
fn is_on_the_log(case: &&Case) -> bool {
    !case.too_large_for_the_log && !case.only_on_a_cluster
}

/// Written now: one of 1970 would be past retention, and gone if its deletion came before its reader.
pub(super) fn good(name: &str, now_ms: i64) -> Outgoing {
    let (_, text) = super::good(name).swap_remove(1);
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition: None,
        key: None,
        value: Some(text.into()),
        headers: vec![
            (headers::CONTENT_TYPE.into(), headers::JSON.into()),
            (headers::CE_ID.into(), name.to_owned().into()),
        ],
        timestamp_ms: now_ms,
    }
}

/// Everything on the log before the service starts; gives the names of the good orders.
fn fill(site: &Site, cases: &[Case]) -> Vec<String> {
    let store = site.store();
    // An outsider may write before anybody published a catalog, and registers nothing: ids of schemas are given here as a registry would.
    catalog::publish(&store, &catalog::load(&site.settings.catalog).unwrap()).unwrap();
    let now_ms = store.clock.now_ms();
    let mut records: Vec<Outgoing> =
        cases.iter().filter(is_on_the_log).map(|case| case.record(&store.codec, now_ms).unwrap()).collect();
    let examples = super::examples();
    records.extend((0..super::GENERATED).map(|seed| super::generated(&examples, seed, now_ms)));
    let mut names = Vec::new();
    for (number, record) in records.into_iter().enumerate() {
        if number.is_multiple_of(GOOD_EVERY) {
            let name = format!("between-{number}");
            store.log.producer().send(&[good(&name, now_ms)]).unwrap();
            names.push(name);
        }
        store.log.producer().send(&[record]).unwrap();
    }
    names
}

/// Each document as a file by `orderstream submit`, beside the running service: says in one line what is wrong with it, or takes it.
fn submit_all(site: &Site, cases: &[Case]) -> Vec<String> {
    let mut failed = Vec::new();
    for case in cases.iter().filter(|case| case.is_document()) {
        let file = site.directory.path().join("document");
        std::fs::write(&file, case.bytes().unwrap()).unwrap();
        let id = format!("submit/{}", case.name);
        let file = file.display().to_string();
        let many = case.submit_exit.is_some();
        let output = if many { site.submit(&[&file]) } else { site.submit(&[&file, "--request-id", &id]) };
        let outcome = case.expected().unwrap();
        let unreadable = matches!(outcome, Some(Outcome::DeadLetter(_)));
        let expected =
            case.submit_exit.unwrap_or(if unreadable { cli::exit::REFUSED } else { cli::exit::DONE });
        let said = String::from_utf8_lossy(&output.stderr);
        let told = said.lines().count();
        let one_line = if expected == cli::exit::DONE { told == 0 } else { told == 1 };
        // What no topic takes has no other place at which its reason could be right.
        let wrong_reason = match &outcome {
            Some(Outcome::DeadLetter(reason)) if case.too_large_for_the_log => !said.contains(reason),
            _ => false,
        };
        if output.status.code() != Some(i32::from(expected))
            || !(one_line || many)
            || wrong_reason
            || said.contains("panicked")
        {
            failed.push(format!(
                "{}: expected exit {expected}, found {:?} (signal {:?}):\n    {said}",
                case.name,
                output.status.code(),
                output.status.signal()
            ));
        }
    }
    failed
}

/// Until every good order is completed.
async fn completed(site: &Site, child: &mut Child, names: &[String]) {
    let deadline = Instant::now() + GOOD_WAIT;
    let path = site.settings.node.data_dir.join("projection.sqlite");
    let mut projection = None;
    loop {
        assert!(child.try_wait().unwrap().is_none(), "the service ended by itself");
        if projection.is_none() && path.exists() {
            projection = Projection::open(&site.settings.projection_url()).await.ok();
        }
        let mut done = 0;
        if let Some(projection) = &projection {
            let filter = OrderFilter {
                states: vec![OrderState::Completed],
                limit: projection::query::PAGE_ROWS_MAX,
                ..OrderFilter::default()
            };
            let page = projection.orders(filter).await.unwrap();
            let is_good = |key: &str| names.iter().any(|name| key.ends_with(&format!("/{name}")));
            done = page.rows.iter().filter(|row| is_good(row.key.as_str())).count();
        }
        // Told to stop before it listens for that, it would die of it instead: and it listens before it answers on its socket.
        let socket = site.settings.node.data_dir.join(cli::control::SOCKET_NAME);
        if done == names.len() && std::os::unix::net::UnixStream::connect(socket).is_ok() {
            break;
        }
        assert!(Instant::now() < deadline, "{done} of {} good orders within {GOOD_WAIT:?}", names.len());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    if let Some(projection) = projection {
        projection.close().await;
    }
}

async fn stopped(child: &mut Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + STOP_WAIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0), "SIGTERM ends it politely");
            return;
        }
        assert!(Instant::now() < deadline, "the service did not stop within {STOP_WAIT:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What nobody has processed yet.
fn lag_records(site: &Site, store: &Store) -> u64 {
    let groups = site.settings.subtopologies.iter();
    let read = groups.flat_map(|group| group.topics().into_iter().map(move |topic| (&group.name, topic)));
    read.map(|(group, topic)| store.log.lag_records(group, topic).unwrap().iter().sum::<u64>()).sum()
}

pub(super) fn written(store: &Store) -> Vec<Record> {
    let mut records = Vec::new();
    for topic in [topics::ORDER_EVENTS, topics::DEAD_LETTERS] {
        for partition in 0..store.log.end_offsets(topic).unwrap().len() as u32 {
            let mut from = 0;
            loop {
                let read = store.log.read_range(topic, partition, from, READ).unwrap();
                let Some(last) = read.last() else { break };
                from = last.offset + 1;
                records.extend(read);
            }
        }
    }
    records
}

/// What is not accounted for of these cases as the table says, each by its name.
pub(super) fn audit<'c>(
    cases: impl Iterator<Item = &'c Case>,
    found: &BTreeMap<String, Vec<Outcome>>,
    log: &str,
) -> Vec<String> {
    let wrong = |case: &Case| match (case.expected().unwrap(), &case.logged) {
        (Some(expected), _) => match outcome::single(found.get(&case.found_by().unwrap())) {
            Ok(outcome) if outcome.is(&expected) => None,
            Ok(outcome) => Some(format!("expected {expected:?}, found {outcome:?}")),
            Err(error) => Some(format!("{error:#}")),
        },
        (None, Some(line)) if log.contains(line.as_str()) => None,
        (None, line) => Some(format!("the log does not say {line:?}")),
    };
    cases.filter_map(|case| Some(format!("{}: {}", case.name, wrong(case)?))).collect()
}

/// The same of what was sent under these names, and is no case: each came to something, and the `good` were taken.
pub(super) fn audit_others(
    names: impl Iterator<Item = String>,
    good: &[String],
    found: &BTreeMap<String, Vec<Outcome>>,
) -> Vec<String> {
    let named = |name: &String| Some(format!("{name}: {:#}", outcome::single(found.get(name)).err()?));
    let accepted = |name: &String| match outcome::single(found.get(name)) {
        Ok(Outcome::Accepted) => None,
        Ok(other) => Some(format!("{name}: {other:?}")),
        Err(error) => Some(format!("{name}: {error:#}")),
    };
    names.filter_map(|name| named(&name)).chain(good.iter().filter_map(accepted)).collect()
}

/// The names of all that is submitted and generated, and comes to something on the log.
fn others(cases: &[Case]) -> impl Iterator<Item = String> {
    let submitted = cases.iter().filter(|case| case.is_document() && case.submit_exit.is_none());
    let to_the_log =
        submitted.filter(|case| !matches!(case.expected().unwrap(), Some(Outcome::DeadLetter(_))));
    let generated = (0..super::GENERATED).map(|seed| format!("generated-{seed}"));
    to_the_log.map(|case| format!("submit/{}", case.name)).chain(generated)
}

#[tokio::test]
async fn one_service_takes_all_of_it_and_good_orders_between_do_not_notice() {
    let site = Site::new();
    let cases = table::all().unwrap();
    let good = fill(&site, &cases);
    let mut refused = Vec::new();
    let mut rss_bytes = 0;
    for start in 0.. {
        let mut child = site.start();
        completed(&site, &mut child.0, &good).await;
        if start == 0 {
            refused = submit_all(&site, &cases);
        }
        rss_bytes = rss_bytes.max(rss_bytes_max(&child.0));
        stopped(&mut child.0).await;
        // What came after the last good order may be left: then it is started again.
        let store = site.store();
        let left = lag_records(&site, &store);
        if left == 0 {
            break;
        }
        assert!(start < STARTS_MAX, "{left} records are left after {STARTS_MAX} starts");
    }
    println!("{} good orders, {} MiB at most", good.len(), rss_bytes >> 20);
    assert!(refused.is_empty(), "{} documents by `submit`:\n  {}", refused.len(), refused.join("\n  "));
    assert!(rss_bytes < RSS_BYTES_MAX, "{} MiB of memory", rss_bytes >> 20);
    let log = std::fs::read_to_string(site.log()).unwrap();
    assert!(!log.contains("panicked") && !log.contains("part of the service failed"), "{log}");
    let store = site.store();
    let found = outcome::outcomes(&store.codec, &written(&store)).unwrap();
    let mut failed = audit(cases.iter().filter(is_on_the_log), &found, &log);
    failed.extend(audit_others(others(&cases), &good, &found));
    assert!(failed.is_empty(), "{} are not accounted for:\n  {}", failed.len(), failed.join("\n  "));
}
