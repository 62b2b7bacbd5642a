//! Generated orders with planted faults, given to real processes; and whether all of them ended as the oracle says.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cli::control::{Client, Submission};
use cli::demo::{feed, judge};
use cli::service::{Store, catalog};
use cli::settings::Settings;
use connectors::upstream::{Generator, Oracle, Settings as Upstream};
use domain::Timestamp;
use projection::Projection;
use runtime::log::Limits;
use schemas::{headers, topics};

use crate::outsiders::REPETITIONS;

/// So long after the last event nothing is expected any more.
const QUIET: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// So many orders are under way at most while more are sent.
const OPEN_ORDERS_MAX: usize = 120;
const READ: Limits = Limits { records_max: 10_000, bytes_max: 16 << 20 };
/// How many findings a failed test shows.
const FINDINGS_SHOWN_MAX: usize = 10;

/// So many orders, a part of them with a fault; the same for the same seed.
///
/// # Panics
/// The generator refuses.
pub fn generator(seed: u64, orders: u32, fault_rate: f64) -> Generator {
    let upstream = Upstream {
        seed,
        orders,
        fault_rate,
        base_time: Timestamp(runtime::Clock::now_ms(&runtime::SystemClock)),
        future_start_ms_max: 2_000,
        outages: true,
        only: None,
    };
    Generator::new(upstream, Vec::new()).expect("the settings are in range")
}

/// Where [`plant`] writes what the simulated systems do.
pub fn scenario(folder: &Path) -> PathBuf {
    folder.join("scenario.json")
}

/// Has the simulated systems do what the generator has thought out.
///
/// # Panics
/// The catalog cannot be read, or the folder not be written.
pub fn plant(folder: &Path, seed: u64, generator: &Generator, settings: &Settings) {
    let mut planted = connectors::downstream::Scenario { seed, ..Default::default() };
    let catalog = catalog::load(&settings.catalog).expect("the catalog is shipped");
    planted.cover(catalog.task_types.values());
    generator.plant(&mut planted);
    std::fs::write(scenario(folder), planted.to_json()).expect("the folder can be written");
}

/// As a requester does who must not lose any: what is not taken, or of which nobody says whether it was, is sent again under its name.
/// No faster than orders end: where times are short, those that wait for a machine that is busy would be given up.
///
/// # Panics
/// No service runs; one is not taken, or none ends, within `wait`.
pub async fn submit_until_taken(
    settings: &Settings,
    submissions: &[connectors::upstream::Submission],
    wait: Duration,
) {
    let client = Client::connect(&settings.node.data_dir).await.expect("the socket can be used");
    let mut client = client.expect("it runs");
    let projection = Projection::open(&settings.projection_url()).await.expect("it is there");
    for some in submissions.chunks(OPEN_ORDERS_MAX / 4) {
        for submission in some {
            let deadline = Instant::now() + wait;
            while let Err(error) = client.submit(described(submission), &submission.body).await {
                assert!(Instant::now() < deadline, "not taken within {wait:?}: {error:#}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let deadline = Instant::now() + wait;
        while open_orders(&projection).await > OPEN_ORDERS_MAX {
            assert!(Instant::now() < deadline, "too few orders ended within {wait:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    projection.close().await;
}

/// Those under way that do not wait for a person.
async fn open_orders(projection: &Projection) -> usize {
    let summary = projection.summary().await.expect("it can be read");
    let active = summary.orders_by_state.iter().filter(|(state, _)| state.is_active());
    let open = active.map(|(_, count)| count).sum::<i64>() - summary.orders_in_fallout;
    usize::try_from(open).unwrap_or(0)
}

fn described(submission: &connectors::upstream::Submission) -> Submission {
    Submission {
        key: Some(submission.order_key.0.clone()),
        request_id: Some(submission.request_id.0.clone()),
        media_type: submission.media_type.clone(),
        body_bytes: submission.body.len(),
    }
}

/// # Panics
/// No service runs, or it does not take them.
pub async fn submit(settings: &Settings, submissions: &[connectors::upstream::Submission]) {
    let client = Client::connect(&settings.node.data_dir).await.expect("the socket can be used");
    let mut client = client.expect("it runs");
    for submission in submissions {
        client.submit(described(submission), &submission.body).await.expect("it is taken");
    }
}

/// Until all orders stand where they must in this projection: whether they do. What does not is found by the judge afterwards.
///
/// # Panics
/// The projection cannot be read.
pub async fn settle(settings: &Settings, oracle: &Oracle) -> bool {
    let projection = Projection::open(&settings.projection_url()).await.expect("it is there");
    let (mut events, mut moved_at) = (0, Instant::now());
    let stands = loop {
        let summary = projection.summary().await.expect("it can be read");
        let now: i64 = summary.events.values().sum();
        if now != events {
            (events, moved_at) = (now, Instant::now());
        }
        let stands = feed::stands_as_expected(&summary, oracle);
        if stands || moved_at.elapsed() > QUIET {
            break stands;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    projection.close().await;
    stands
}

/// All of a stopped system: every order, every effect and every dead letter as the oracle says, and no event id there twice, but of
/// those that say of an input that it came again.
///
/// # Panics
/// Something is otherwise, or cannot be read.
pub fn judge(settings: &Settings, oracle: &Oracle) {
    let store = Store::open(settings, &catalog::load(&settings.catalog).expect("it is shipped"));
    let store = store.expect("nobody else has it");
    let dead_letters = judge::dead_letters(&store).expect("they can be read");
    let twice = event_ids_twice(&store);
    drop(store);
    assert!(twice.is_empty(), "{} events are there twice: {twice:#?}", twice.len());
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let findings = tokio.block_on(judge::judge(settings, oracle, dead_letters)).expect("they can be judged");
    let first = findings[..findings.len().min(FINDINGS_SHOWN_MAX)].join("\n");
    let shown = settings.node.data_dir.display();
    assert!(findings.is_empty(), "{} findings, all in {shown}; the first:\n{first}", findings.len());
}

/// Every place of an event id that is there more than once, with what lies there.
fn event_ids_twice(store: &Store) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for topic in [topics::ORDER_EVENTS, topics::PRODUCT_EVENTS] {
        for (partition, end) in (0..).zip(store.log.end_offsets(topic).expect("it can be asked")) {
            let mut from = 0;
            while from < end {
                let records = store.log.read_range(topic, partition, from, READ).expect("it can be read");
                let Some(last) = records.last() else { break };
                from = last.offset + 1;
                for record in &records {
                    let header = |name| {
                        let found = record.headers.iter().find(|(found, _)| &**found == name);
                        found
                            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                            .unwrap_or_default()
                    };
                    let (what, who) = (header(headers::CE_TYPE), header(headers::CE_SOURCE));
                    if REPETITIONS.iter().any(|name| headers::type_of(name) == what) {
                        continue;
                    }
                    let place = format!("{topic} {partition} {} ({what} of {who})", record.offset);
                    places.entry(header(headers::CE_ID)).or_default().push(place);
                }
            }
        }
    }
    assert!(!places.is_empty(), "there are events");
    places
        .into_iter()
        .filter(|(_, at)| at.len() > 1)
        .map(|(id, at)| format!("{id} at {}", at.join(", ")))
        .collect()
}
