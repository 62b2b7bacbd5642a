//! Plays: a kill at any instruction. The real binary is killed with SIGKILL twenty times while it works on two thousand
//! orders with planted faults; afterwards every order stands where the oracle says, and every effect of the downstream is
//! there once, under one command id.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli::control::{Client, Submission};
use cli::demo::{feed, judge};
use cli::service::{Store, catalog};
use cli::settings::Settings;
use connectors::upstream::{Generator, Settings as Upstream};
use domain::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use projection::Projection;

const KILLS: usize = 20;
const ORDERS: u32 = 2_000;
const FAULT_RATE: f64 = 0.1;
const SEED: u64 = 20;
/// How long a start and a stop may take before they count as hanging.
const START_WAIT: Duration = Duration::from_secs(30);
const STOP_WAIT: Duration = Duration::from_secs(30);
/// So long after the last event nothing is expected any more.
const QUIET: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

/// The settings file of the service; the catalog's durations shortened as in the demonstration.
fn configure(directory: &Path, generator: &Generator) -> (PathBuf, Settings) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let file = directory.join("orderstream.toml");
    let scenario = directory.join("scenario.json");
    let text = format!(
        "[node]\ndata_dir = {:?}\n[catalog]\ndirectory = {:?}\ntime_divisor = 200\nduration_ms_max = 4000\n\
         [downstream]\nscenario = {:?}\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"error\"\n",
        directory.join("data"),
        root.join("config/catalog"),
        scenario
    );
    std::fs::write(&file, text).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    let mut planted = connectors::downstream::Scenario { seed: SEED, ..Default::default() };
    planted.cover(catalog::load(&settings.catalog).unwrap().task_types.values());
    generator.plant(&mut planted);
    std::fs::write(scenario, planted.to_json()).unwrap();
    (file, settings)
}

fn start(file: &Path) -> Child {
    let mut command = Command::new(binary());
    command
        .arg("--config")
        .arg(file)
        .arg("run")
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary is built before")
}

async fn connected(child: &mut Child, settings: &Settings) -> Client {
    let deadline = Instant::now() + START_WAIT;
    loop {
        if let Some(client) = Client::connect(&settings.node.data_dir).await.unwrap() {
            return client;
        }
        assert!(child.try_wait().unwrap().is_none(), "the service ended instead of starting");
        assert!(Instant::now() < deadline, "the service did not start within {START_WAIT:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn submit(client: &mut Client, submission: &connectors::upstream::Submission) {
    let described = Submission {
        key: Some(submission.order_key.0.clone()),
        request_id: Some(submission.request_id.0.clone()),
        media_type: submission.media_type.clone(),
        body_bytes: submission.body.len(),
    };
    client.submit(described, &submission.body).await.unwrap();
}

#[tokio::test]
async fn every_order_and_every_effect_is_accounted_for_after_twenty_kills() {
    let kept = tempfile::Builder::new().prefix("orderstream-kill-").tempdir().unwrap().keep();
    let directory = kept.as_path();
    let upstream = Upstream {
        seed: SEED,
        orders: ORDERS,
        fault_rate: FAULT_RATE,
        base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
        future_start_ms_max: 2_000,
        outages: true,
        only: None,
    };
    let generator = Generator::new(upstream, Vec::new()).unwrap();
    let oracle = generator.oracle();
    let (file, settings) = configure(directory, &generator);
    let submissions: Vec<_> = generator.submissions().collect();
    // Kills come after uneven numbers of requests, with whatever is under way at that moment.
    let chunk = submissions.len() / (KILLS + 1);
    let mut sent = 0;
    for round in 0..KILLS {
        let mut child = start(&file);
        let mut client = connected(&mut child, &settings).await;
        let until = (round + 1) * chunk - (round * 7) % chunk.min(40);
        for submission in &submissions[sent..until] {
            submit(&mut client, submission).await;
        }
        sent = until;
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
        assert!(child.wait().unwrap().code().is_none(), "it was killed, and did not end by itself");
    }
    let mut child = start(&file);
    let mut client = connected(&mut child, &settings).await;
    for submission in &submissions[sent..] {
        submit(&mut client, submission).await;
    }
    settle(&mut child, &settings, &oracle).await;
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(ended(&mut child).await, Some(0), "SIGTERM ends it politely");
    let store = Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let dead_letters = judge::dead_letters(&store).unwrap();
    drop(store);
    let findings = judge::judge(&settings, &oracle, dead_letters).await.unwrap();
    let first = findings[..findings.len().min(10)].join("\n");
    assert!(
        findings.is_empty(),
        "{} findings, all in {}; the first:\n{first}",
        findings.len(),
        kept.display()
    );
    std::fs::remove_dir_all(kept).unwrap();
}

/// Until all orders stand where they must; what does not is found by the judge afterwards.
async fn settle(child: &mut Child, settings: &Settings, oracle: &connectors::upstream::Oracle) {
    let projection = Projection::open(&settings.projection_url()).await.unwrap();
    let (mut events, mut moved_at) = (0, Instant::now());
    loop {
        let summary = projection.summary().await.unwrap();
        let now: i64 = summary.events.values().sum();
        if now != events {
            (events, moved_at) = (now, Instant::now());
        }
        if feed::stands_as_expected(&summary, oracle) || moved_at.elapsed() > QUIET {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "the service ended by itself");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    projection.close().await;
}

async fn ended(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + STOP_WAIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < deadline, "the service did not stop within {STOP_WAIT:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
