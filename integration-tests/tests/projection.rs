//! The projection of real runs: made anew with the same rows, in either database; and a server that goes away under a service.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cli::control::{self, Client};
use cli::service::projected::ends;
use cli::service::{Service, Store, catalog};
use cli::settings::Settings;
use connectors::upstream::{Generator, Settings as Upstream};
use domain::Timestamp;
use integration_tests::process;
use integration_tests::shop::{answer, binary, copy, orderstream, root, run_demonstration};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use projection::Projection;
use projection::rows::EVENT_TABLES;
use runtime::Outgoing;
use runtime::log::Limits;
use schemas::topics;

#[path = "../../projection/tests/projection/postgres.rs"]
mod postgres;
#[path = "../../projection/tests/projection/story.rs"]
#[allow(dead_code)]
mod story;

const WAIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A copy of what a run with faults left.
fn shop() -> tempfile::TempDir {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("orderstream-shop-").tempdir().unwrap().keep();
        run_demonstration(&folder);
        folder
    });
    let copied = tempfile::tempdir().unwrap();
    copy(made, copied.path()).unwrap();
    copied
}

fn file_url(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("projection.sqlite").display())
}

/// All rows of all tables, as lines that begin with the table's name.
async fn rows(url: &str) -> Vec<String> {
    let projection = Projection::open_existing(url).await.unwrap();
    let mut rows = Vec::new();
    for table in EVENT_TABLES {
        rows.extend(projection.lines(table).await.unwrap().into_iter().map(|line| format!("{table} {line}")));
    }
    projection.close().await;
    rows
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_projection_made_anew_after_a_run_with_faults_has_the_rows_of_the_run_in_either_database() {
    let shop = shop();
    let before = rows(&file_url(shop.path())).await;
    for table in
        ["orders", "cases", "billing_intents", "notifications", "downstream_health", "product_history"]
    {
        assert!(before.iter().any(|row| row.starts_with(&format!("{table} "))), "{table} is empty");
    }
    answer(orderstream(shop.path(), &["projection", "rebuild"]));
    assert_same(&rows(&file_url(shop.path())).await, &before);
    let server = postgres::server();
    let url = server.url("orderstream", "verysecret", &server.database());
    let output = orderstream(shop.path(), &["projection", "rebuild", "--into", &url]);
    assert!(!stderr(&output).contains("secret") && !answer(output).contains("secret"));
    assert_same(&rows(&url).await, &before);
    let status = Command::new(binary())
        .current_dir(root())
        .args(["--data-dir", &shop.path().display().to_string(), "projection", "status", "--json"])
        .env("ORDERSTREAM__PROJECTION__URL", &url)
        .output()
        .unwrap();
    let status = answer(status);
    assert!(!status.contains("secret"), "{status}");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["lagRecords"], &status["schemaVersion"]), (&0.into(), &3.into()));
    assert!(status["place"].as_str().unwrap().starts_with("postgres://orderstream@/"), "{status}");
}

#[tokio::test]
async fn a_killed_rebuild_leaves_the_projection_as_it_was_and_the_next_one_succeeds() {
    let shop = shop();
    let before = rows(&file_url(shop.path())).await;
    let mut child = Command::new(binary())
        .current_dir(root())
        .args(["--data-dir", &shop.path().display().to_string(), "projection", "rebuild"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + WAIT;
    while !shop.path().join("projection.sqlite.rebuilding").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it began nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed in the middle");
    assert_same(&rows(&file_url(shop.path())).await, &before);
    answer(orderstream(shop.path(), &["projection", "rebuild"]));
    assert_same(&rows(&file_url(shop.path())).await, &before);
    assert!(!shop.path().join("projection.sqlite.rebuilding").exists());
}

#[tokio::test]
async fn a_damaged_projection_is_said_in_one_line_and_a_rebuild_repairs_it() {
    let shop = shop();
    let before = rows(&file_url(shop.path())).await;
    let path = shop.path().join("projection.sqlite");
    for name in ["projection.sqlite-wal", "projection.sqlite-shm"] {
        let _ = std::fs::remove_file(shop.path().join(name));
    }
    std::fs::write(&path, [b'x'; 40_000]).unwrap();
    for command in [&["projection", "status"][..], &["run"]] {
        let output = orderstream(shop.path(), command);
        let said = stderr(&output);
        let expected = format!("the projection \"{}\" is damaged", path.display());
        assert!(output.status.code() == Some(1) && said.contains(&expected), "{command:?}: {said}");
    }
    answer(orderstream(shop.path(), &["projection", "rebuild"]));
    assert_same(&rows(&file_url(shop.path())).await, &before);
}

#[tokio::test]
async fn a_rebuild_is_refused_while_the_service_runs_and_the_status_is_not() {
    let shop = shop();
    let mut child = Command::new(binary())
        .current_dir(root())
        .args(["--data-dir", &shop.path().display().to_string(), "run"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + WAIT;
    while Client::connect(shop.path()).await.unwrap().is_none() {
        assert!(
            Instant::now() < deadline && child.try_wait().unwrap().is_none(),
            "the service did not start"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let output = orderstream(shop.path(), &["projection", "rebuild"]);
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("the service runs on"), "{said}");
    let deadline = Instant::now() + WAIT;
    loop {
        let status = answer(orderstream(shop.path(), &["projection", "status", "--json"]));
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        if status["lagRecords"] == 0 && status["endsSeenAt"].is_string() {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Appends events of a story to one partition, as written at a time.
fn append(store: &Store, key: &domain::OrderKey, at_ms: i64) {
    let outgoing = |event: domain::order::event::OrderEvent| Outgoing {
        topic: topics::ORDER_EVENTS.into(),
        partition: Some(0),
        key: Some(Bytes::from(key.0.clone())),
        value: Some(store.codec.encode_event(&event).unwrap().into()),
        headers: Vec::new(),
        timestamp_ms: at_ms,
    };
    let records: Vec<Outgoing> = story::whole(key).into_iter().map(outgoing).collect();
    store.log.producer().send(&records).unwrap();
}

#[tokio::test]
async fn a_rebuild_says_from_where_it_begins_and_asks_before_it_loses_what_the_old_one_has() {
    let data = tempfile::tempdir().unwrap();
    let settings = settings(data.path(), "");
    let store = Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let now_ms = runtime::Clock::now_ms(&runtime::SystemClock);
    let (old, new) = (story::key("old"), story::key("new"));
    let events = story::whole(&old).len() as i64;
    append(&store, &old, now_ms - 500 * 86_400_000);
    append(&store, &new, now_ms);
    let one = Limits { records_max: 10_000, bytes_max: usize::MAX };
    let records = store.log.read_range(topics::ORDER_EVENTS, 0, 0, one).unwrap();
    let projection = Projection::open(&settings.projection_url()).await.unwrap();
    // The log may have forgotten some of them already; the projection was there before.
    let whole =
        [story::order_records(0, story::whole(&old)), story::order_records(events, story::whole(&new))]
            .concat();
    assert!(records.len() <= whole.len());
    projection.apply(whole).await.unwrap();
    projection.close().await;
    let deadline = Instant::now() + WAIT;
    while store.log.read_range(topics::ORDER_EVENTS, 0, 0, one).unwrap()[0].offset < events {
        assert!(Instant::now() < deadline, "retention does not come by");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    drop(store);
    let before = rows(&settings.projection_url()).await;
    let refused = orderstream(data.path(), &["projection", "rebuild"]);
    let said = stderr(&refused);
    let expected = format!(
        "orderstream.order.events partition 0 begins at offset {events}, written at {}",
        Timestamp(now_ms)
    );
    assert!(
        refused.status.code() == Some(3) && said.contains(&expected) && said.contains("--accept-gap"),
        "{said}"
    );
    assert_same(&rows(&settings.projection_url()).await, &before);
    answer(orderstream(data.path(), &["projection", "rebuild", "--accept-gap"]));
    let projection = Projection::open_existing(&settings.projection_url()).await.unwrap();
    assert!(projection.order(&old).await.unwrap().is_none());
    assert!(projection.order(&new).await.unwrap().is_some());
}

fn settings(data_dir: &Path, url: &str) -> Settings {
    let file = data_dir.join("orderstream.toml");
    let text = format!(
        "[node]\ndata_dir = {data_dir:?}\n[catalog]\ndirectory = {:?}\ntime_divisor = 200\nduration_ms_max = 4000\n\
         [projection]\nurl = {url:?}\nhistory_retention_days = 1\n[logging]\nlevel = \"warn\"\n",
        root().join("config/catalog"),
    );
    std::fs::write(&file, text).unwrap();
    Settings::load(Some(&file)).unwrap()
}

fn feed(service: &Service, generator: &Generator, from: usize, until: usize) {
    for submission in generator.submissions().skip(from).take(until - from) {
        let described = control::Submission {
            key: Some(submission.order_key.0.clone()),
            request_id: Some(submission.request_id.0.clone()),
            media_type: submission.media_type.clone(),
            body_bytes: submission.body.len(),
        };
        service.store.append(&described, submission.body).unwrap();
    }
}

/// How many events of orders there are.
fn events(service: &Service) -> i64 {
    service.store.log.end_offsets(topics::ORDER_EVENTS).unwrap().iter().sum()
}

fn lag_metric(metrics: &metrics_exporter_prometheus::PrometheusHandle) -> f64 {
    let text = metrics.render();
    let line = text.lines().find(|line| line.starts_with("orderstream_projection_lag_records")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn orders_go_on_while_the_server_is_away_and_the_projection_has_each_event_once_when_it_is_back() {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut server = postgres::Server::own();
    let url = server.url("orderstream", "", &server.database());
    let upstream = Upstream {
        seed: 3,
        orders: 60,
        fault_rate: 0.0,
        base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
        future_start_ms_max: 100,
        outages: false,
        only: None,
    };
    let generator = Arc::new(Generator::new(upstream, Vec::new()).unwrap());
    let total = generator.submissions().count();
    let settings = settings(data.path(), &url);
    // Away from the beginning: the service starts all the same.
    server.stop();
    // Its own threads have runtimes of their own, which may not be started from within one.
    let service = tokio::task::spawn_blocking(move || Service::start(&settings)).await.unwrap().unwrap();
    feed(&service, &generator, 0, total / 3);
    until("orders move without a projection", async || events(&service) > 200).await;
    until("the lag is visible", async || lag_metric(&metrics) > 200.0).await;
    server.start();
    let projection = Projection::open(&url).await.unwrap();
    let behind = async |projection: &Projection| -> i64 {
        let lag = projection.lag(&ends(&service.store).unwrap()).await.unwrap();
        lag.iter().map(|lag| lag.records).sum()
    };
    until("it catches up", async || behind(&projection).await == 0).await;
    projection.close().await;
    // Away in the middle, twice.
    for part in [2, 3] {
        server.stop();
        let before = events(&service);
        feed(&service, &generator, total * (part - 1) / 3, total * part / 3);
        until("orders go on", async || events(&service) > before + 200).await;
        until("the lag grows", async || lag_metric(&metrics) > 100.0).await;
        server.start();
        let projection = Projection::open(&url).await.unwrap();
        until("it catches up again", async || behind(&projection).await == 0).await;
        until("and says so", async || lag_metric(&metrics) == 0.0).await;
        projection.close().await;
    }
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap().unwrap();
    let file = format!("sqlite://{}", data.path().join("again.sqlite").display());
    answer(orderstream(data.path(), &["projection", "rebuild", "--into", &file]));
    answer(orderstream(data.path(), &["projection", "rebuild", "--into", &url]));
    assert_same(&rows(&url).await, &rows(&file).await);
}

/// Plays: the same for an operator who looks while the server is away. What the log and the service know is told all the same, and the
/// service is not the one that is accused.
#[test]
fn while_the_server_is_away_the_service_and_its_doctor_say_so() {
    let mut server = postgres::Server::own();
    let url = server.url("orderstream", "", &server.database());
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let command = |arguments: &[&str]| {
        let mut command = process::orderstream(&data_dir, arguments);
        command.env("ORDERSTREAM__PROJECTION__URL", &url);
        command
    };
    let said = |arguments: &[&str]| process::Said::from(command(arguments).output().unwrap());
    let service = process::Service::start(command(&["run"]), &data_dir);
    process::submit(&data_dir, &["P-1"]).ended(0);
    process::until(WAIT, "the order is shown", || {
        said(&["order", "show", "PARTNER-7/externalId/P-1"]).code == Some(0)
    });
    server.stop();
    let status = said(&["status"]).ended(3);
    let expected = "problem: orders are handled, and not shown, since the projection cannot be read: ";
    assert!(status.out.starts_with("running, NOT HEALTHY\n") && status.out.contains(expected), "{status:?}");
    assert!(status.out.contains("  orders      not known\n"), "{status:?}");
    let status = said(&["status", "--json"]).json(3);
    assert!(
        status["projectionFailure"].is_string() && status["lags"].as_array().unwrap().len() > 3,
        "{status}"
    );
    for unknown in ["ordersByState", "openCases", "stuckOrders", "projectionLagRecords"] {
        assert!(status[unknown].is_null() && status.get(unknown).is_some(), "{unknown}: {status}");
    }
    let doctor = said(&["doctor"]).ended(3);
    let wrong: Vec<&str> = doctor.out.lines().filter(|line| line.starts_with("wrong")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("database"), "{doctor:?}");
    server.start();
    process::until(WAIT, "all is well again", || said(&["status"]).code == Some(0));
    assert_eq!(service.stop(), Some(0));
}
