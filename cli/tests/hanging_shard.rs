//! A shard that hangs while no orders flow: seen by its heartbeat.
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::service::Service;
use cli::service::vitals::Vitals;
use cli::service::watch::Watch;
use cli::settings::Settings;
use runtime::log::Membership;
use runtime::{Limits, Log, SystemClock};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn until(what: &str, vitals: &Vitals, wanted: impl Fn(&gateway::Report) -> bool) {
    let deadline = Instant::now() + LONG;
    loop {
        let report = vitals.ready();
        if wanted(&report) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {report:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

fn heartbeats(report: &gateway::Report) -> &str {
    let part = report.parts.iter().find(|part| part.part == "heartbeats").unwrap();
    part.reason.as_deref().unwrap_or_default()
}

#[test]
fn a_worker_that_hangs_is_named_by_its_stage_and_partition_though_no_orders_flow() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.node.data_dir = directory.path().to_owned();
    settings.catalog.directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
    settings.heartbeat.interval_ms = 100;
    settings.readiness.heartbeat_age_ms_max = 2_000;
    let vitals = Arc::new(Vitals::new(&settings, Arc::new(SystemClock)));
    let service = Service::start_watched(&settings, &Watch::new(&settings, vitals.clone())).unwrap();
    until("every stage passes heartbeats on", &vitals, |report| report.ok);
    // It joins the group of the products, is given partitions, and then does nothing.
    let products = settings.subtopologies.iter().find(|group| group.name == "products").unwrap();
    let membership = Membership {
        group: products.name.as_str().into(),
        worker: "hanging".into(),
        processors: vec!["inventory".into()],
        topics: products.topics().into_iter().map(Into::into).collect(),
        topics_broadcast: Vec::new(),
    };
    let mut hanging = service.store.log.member(membership).unwrap();
    let assigned = hanging.poll(Limits { records_max: 1, bytes_max: 1 }, LONG).unwrap();
    assert!(matches!(assigned, runtime::Polled::Assigned(_)), "{assigned:?}");
    until("it is named", &vitals, |report| heartbeats(report).contains("inventory (partition "));
    assert!(!heartbeats(&vitals.ready()).contains("capture"), "the others beat on");
    // Its partitions go back to the worker that is well.
    hanging.leave().unwrap();
    drop(hanging);
    until("all is well again", &vitals, |report| report.ok);
    service.stop().unwrap();
}
