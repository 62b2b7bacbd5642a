//! How the service is: what its parts say of themselves, for /health, /ready and the metrics.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway::{Part, Report};
use runtime::Clock;
use topology::KeyedBy;

use super::waiting::{Waiting, Waits};
use crate::settings::{LogKind, Settings};

/// The projection's name among the stages.
pub const PROJECTION: &str = "projection";
/// The lag of a projection that has not looked yet.
const LAG_UNKNOWN: u64 = u64::MAX;

/// What a group of workers has to do.
#[derive(Clone, Debug)]
struct Group {
    name: String,
    stages: Vec<&'static str>,
    partitions: u32,
    /// This process has workers of it. Of others it only hears.
    is_here: bool,
}

/// Shared by all parts: each says how it is, anybody may ask.
#[derive(Debug)]
pub struct Vitals {
    clock: Arc<dyn Clock>,
    started_at_ms: i64,
    groups: Vec<Group>,
    /// Other processes may have some of the partitions: that all have a worker is seen by the heartbeats alone.
    shares_partitions: bool,
    limits: crate::settings::Readiness,
    /// 0: no heartbeats are sent.
    heartbeat_interval_ms: u64,
    log_open: AtomicBool,
    stopping: AtomicBool,
    projection_lag_records: AtomicU64,
    waits: Waits,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    catalog: Option<String>,
    /// By thread: whether it runs.
    threads: BTreeMap<String, bool>,
    /// By group and worker.
    assigned: BTreeMap<(String, String), Vec<u32>>,
    /// By stage and partition: when the last heartbeat was sent that it passed on.
    beats: BTreeMap<(String, u32), i64>,
}

impl Vitals {
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Vitals {
        let groups = settings.subtopologies.iter().map(|group| Group {
            name: group.name.clone(),
            stages: group.processors.iter().map(|processor| processor.name()).collect(),
            partitions: match group.processors.first().map(|first| first.keyed_by()) {
                Some(KeyedBy::Order | KeyedBy::Product) => settings.log.partitions,
                Some(KeyedBy::System) | None => 1,
            },
            is_here: group.workers > 0,
        });
        Vitals {
            started_at_ms: clock.now_ms(),
            clock,
            groups: groups.collect(),
            shares_partitions: settings.log.kind == LogKind::Kafka,
            limits: settings.readiness,
            heartbeat_interval_ms: settings.heartbeat.interval_ms,
            log_open: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            projection_lag_records: AtomicU64::new(LAG_UNKNOWN),
            waits: Waits::default(),
            changing: Mutex::default(),
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn log_opened(&self) {
        self.log_open.store(true, Ordering::Release);
    }

    pub fn catalog_published(&self, version: &str) {
        self.changing().catalog = Some(version.to_owned());
    }

    /// The whole is asked to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub fn thread_started(&self, name: &str) {
        self.changing().threads.insert(name.to_owned(), true);
    }

    /// `well`: it was told to end.
    pub fn thread_ended(&self, name: &str, well: bool) {
        let mut changing = self.changing();
        if well {
            changing.threads.remove(name);
        } else {
            changing.threads.insert(name.to_owned(), false);
        }
    }

    pub fn assigned(&self, group: &str, worker: &str, partitions: &[u32]) {
        self.changing().assigned.insert((group.to_owned(), worker.to_owned()), partitions.to_vec());
    }

    pub fn projected(&self, lag_records: u64) {
        self.projection_lag_records.store(lag_records, Ordering::Release);
    }

    /// A part (a worker, the projection) tries again what is there, since it cannot be done now.
    pub fn waits(&self, part: &str, at: &str, reason: &str) {
        self.waits.note(part, at, reason, self.clock.now_ms());
    }

    /// The part goes on.
    pub fn goes_on(&self, part: &str) {
        self.waits.forget(part);
    }

    /// All parts that do not go on.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.waits.all()
    }

    /// A stage has passed on the heartbeat that was sent then.
    pub fn beat(&self, stage: &str, partition: u32, sent_at_ms: i64) {
        let mut changing = self.changing();
        let last = changing.beats.entry((stage.to_owned(), partition)).or_insert(sent_at_ms);
        *last = sent_at_ms.max(*last);
    }

    pub fn started_at_ms(&self) -> i64 {
        self.started_at_ms
    }

    /// Of each worker: its group, its name, and how many partitions it has.
    pub fn assignments(&self) -> Vec<(String, String, usize)> {
        let changing = self.changing();
        let count = |((group, worker), partitions): (&(String, String), &Vec<u32>)| {
            (group.clone(), worker.clone(), partitions.len())
        };
        changing.assigned.iter().map(count).collect()
    }

    /// Of each stage, of other processes too: the age of its last heartbeat in its slowest partition, and which that is. A stage that never
    /// passed one on is as old as the process. Empty where none are sent.
    pub fn heartbeat_ages_ms(&self) -> Vec<(&str, i64, u32)> {
        self.ages_ms(|_| true)
    }

    /// The stages of those groups, and the projection, each with its partitions.
    fn stages(&self, is_meant: fn(&Group) -> bool) -> impl Iterator<Item = (&'static str, u32)> {
        let groups = self.groups.iter().filter(move |group| is_meant(group));
        let stages = groups.flat_map(|group| group.stages.iter().map(|stage| (*stage, group.partitions)));
        stages.chain([(PROJECTION, 1)])
    }

    fn ages_ms(&self, is_meant: fn(&Group) -> bool) -> Vec<(&str, i64, u32)> {
        if self.heartbeat_interval_ms == 0 {
            return Vec::new();
        }
        let (changing, now_ms) = (self.changing(), self.clock.now_ms());
        let age = |stage: &str, partition: u32| {
            let last = changing.beats.get(&(stage.to_owned(), partition)).copied();
            (now_ms - last.unwrap_or(self.started_at_ms)).max(0)
        };
        let slowest = |stage: &str, partitions: u32| {
            let ages = (0..partitions).map(|partition| (age(stage, partition), partition));
            ages.max().unwrap_or((0, 0))
        };
        let all = self.stages(is_meant).map(|(stage, partitions)| {
            let (age_ms, partition) = slowest(stage, partitions);
            (stage, age_ms, partition)
        });
        all.collect()
    }

    /// Whether every stage that runs here has passed on a heartbeat in each of its partitions, wherever those are.
    pub fn has_heard_all(&self) -> bool {
        self.unheard().is_none()
    }

    /// The first stage and partition that has passed on none yet.
    fn unheard(&self) -> Option<(&str, u32)> {
        let changing = self.changing();
        let mut all = self
            .stages(|group| group.is_here)
            .flat_map(|(stage, partitions)| (0..partitions).map(move |partition| (stage, partition)));
        all.find(|(stage, partition)| !changing.beats.contains_key(&((*stage).to_owned(), *partition)))
    }

    /// Whether the process is alive: no thread of it has died.
    pub fn health(&self) -> Report {
        let changing = self.changing();
        let parts = changing.threads.iter().map(|(name, runs)| {
            Part::new(format!("thread {name}"), (!runs).then(|| "it has ended; the log says why".to_owned()))
        });
        Report::of(parts.collect())
    }

    /// Whether it does its work, part by part.
    pub fn ready(&self) -> Report {
        let missing = |there: bool, reason: &str| (!there).then(|| reason.to_owned());
        let mut parts = self.health().parts;
        parts.retain(|part| !part.ok);
        let stopping = self.stopping.load(Ordering::Acquire);
        parts.push(Part::new("service", missing(!stopping, "it was told to stop")));
        parts.push(Part::new("log", missing(self.log_open.load(Ordering::Acquire), "it is not open yet")));
        let catalog = self.changing().catalog.is_some();
        parts.push(Part::new("catalog", missing(catalog, "no version is loaded yet")));
        if !self.shares_partitions {
            parts.extend(self.groups.iter().map(|group| self.assignment(group)));
        }
        parts.push(Part::new(PROJECTION, self.projection_missing()));
        if self.heartbeat_interval_ms > 0 {
            parts.push(Part::new("heartbeats", self.heartbeats_missing()));
        }
        Report::of(parts)
    }

    fn assignment(&self, group: &Group) -> Part {
        let changing = self.changing();
        let ours = changing.assigned.iter().filter(|((name, _), _)| *name == group.name);
        let mut partitions: Vec<u32> = ours.flat_map(|(_, partitions)| partitions).copied().collect();
        partitions.sort_unstable();
        partitions.dedup();
        let (assigned, all) = (partitions.len(), group.partitions);
        let whole = u32::try_from(assigned).is_ok_and(|assigned| assigned == all);
        let reason = (!whole).then(|| format!("{assigned} of {all} partitions have a worker"));
        Part::new(format!("subtopology {}", group.name), reason)
    }

    fn projection_missing(&self) -> Option<String> {
        let allowed = self.limits.projection_lag_records_max;
        match self.projection_lag_records.load(Ordering::Acquire) {
            LAG_UNKNOWN => Some("it has read nothing yet".to_owned()),
            lag if lag > allowed => Some(format!(
                "it has {lag} events still to read, more than the {allowed} of readiness.projection_lag_records_max"
            )),
            _ => None,
        }
    }

    /// What other processes do is theirs to say: one that waited for the other, and that for it, would both never be ready.
    fn heartbeats_missing(&self) -> Option<String> {
        let allowed_ms = self.limits.heartbeat_age_ms_max;
        let ages = self.ages_ms(|group| group.is_here);
        let late = ages.iter().filter(|(_, age_ms, _)| *age_ms > allowed_ms);
        let late: Vec<String> = late
            .map(|(stage, age_ms, partition)| {
                format!("{stage} (partition {partition}) has passed on none for {} s", age_ms / 1_000)
            })
            .collect();
        if !late.is_empty() {
            return Some(late.join("; "));
        }
        let unheard = self.unheard();
        unheard.map(|(stage, partition)| format!("{stage} (partition {partition}) has passed on none yet"))
    }
}

#[cfg(test)]
mod tests {
    use runtime::ManualClock;

    use super::*;

    fn vitals() -> (Vitals, ManualClock) {
        let clock = ManualClock::at(1_000);
        (Vitals::new(&Settings::default(), Arc::new(clock.clone())), clock)
    }

    /// What is missing, part by part.
    #[track_caller]
    fn check(vitals: &Vitals, expected: &[(&str, &str)]) {
        let report = vitals.ready();
        let missing: Vec<(&str, &str)> = report
            .parts
            .iter()
            .filter_map(|part| Some((part.part.as_str(), part.reason.as_deref()?)))
            .collect();
        assert_eq!(missing, expected);
        assert_eq!(report.ok, expected.is_empty());
    }

    fn make_ready(vitals: &Vitals, sent_at_ms: i64) {
        vitals.log_opened();
        vitals.catalog_published("1");
        vitals.assigned("orders", "orders-0", &[0, 1, 2, 3]);
        vitals.assigned("orders", "orders-1", &[4, 5, 6, 7]);
        vitals.assigned("products", "products-0", &[0, 1, 2, 3, 4, 5, 6, 7]);
        vitals.assigned("downstreams", "downstreams-0", &[0]);
        vitals.projected(0);
        for group in vitals.groups.clone() {
            for (stage, partition) in
                group.stages.iter().flat_map(|stage| (0..group.partitions).map(move |it| (*stage, it)))
            {
                vitals.beat(stage, partition, sent_at_ms);
            }
        }
        vitals.beat(PROJECTION, 0, sent_at_ms);
    }

    #[test]
    fn before_anything_runs_everything_is_missing_and_the_process_is_alive() {
        let (vitals, _clock) = vitals();
        assert!(vitals.health().ok);
        check(
            &vitals,
            &[
                ("log", "it is not open yet"),
                ("catalog", "no version is loaded yet"),
                ("subtopology orders", "0 of 8 partitions have a worker"),
                ("subtopology products", "0 of 8 partitions have a worker"),
                ("subtopology downstreams", "0 of 1 partitions have a worker"),
                ("projection", "it has read nothing yet"),
                ("heartbeats", "capture (partition 0) has passed on none yet"),
            ],
        );
    }

    #[test]
    fn one_partition_that_hangs_is_seen_though_all_others_beat() {
        let (vitals, clock) = vitals();
        make_ready(&vitals, 1_000);
        check(&vitals, &[]);
        clock.set(91_000);
        make_ready(&vitals, 90_000);
        vitals.changing().beats.insert(("inventory".to_owned(), 3), 1_000);
        check(&vitals, &[("heartbeats", "inventory (partition 3) has passed on none for 90 s")]);
        assert!(vitals.heartbeat_ages_ms().contains(&("inventory", 90_000, 3)));
        assert!(vitals.heartbeat_ages_ms().contains(&("capture", 1_000, 7)));
        vitals.beat("inventory", 3, 90_000);
        vitals.beat("inventory", 3, 5_000);
        check(&vitals, &[]);
    }

    #[test]
    fn what_is_left_to_other_processes_is_not_waited_for_and_its_age_is_told() {
        let mut settings = Settings::default();
        settings.log.kind = LogKind::Kafka;
        settings.subtopologies[0].workers = 0;
        let clock = ManualClock::at(1_000);
        let vitals = Vitals::new(&settings, Arc::new(clock.clone()));
        vitals.log_opened();
        vitals.catalog_published("1");
        vitals.projected(0);
        let beat = |sent_at_ms| {
            (0..8).for_each(|partition| vitals.beat("inventory", partition, sent_at_ms));
            vitals.beat("downstream", 0, sent_at_ms);
            vitals.beat(PROJECTION, 0, sent_at_ms);
        };
        check(&vitals, &[("heartbeats", "inventory (partition 0) has passed on none yet")]);
        beat(1_000);
        check(&vitals, &[]);
        assert!(vitals.has_heard_all());
        clock.set(91_000);
        check(
            &vitals,
            &[(
                "heartbeats",
                "inventory (partition 7) has passed on none for 90 s; downstream (partition 0) has passed on none for 90 s; \
                 projection (partition 0) has passed on none for 90 s",
            )],
        );
        beat(90_000);
        check(&vitals, &[]);
        assert!(
            vitals.heartbeat_ages_ms().contains(&("capture", 90_000, 7)),
            "who watches the metrics sees it"
        );
    }

    #[test]
    fn a_dead_thread_a_late_projection_and_a_lost_partition_are_said() {
        let (vitals, _clock) = vitals();
        make_ready(&vitals, 1_000);
        vitals.thread_started("orders-0");
        vitals.thread_started("orders-1");
        vitals.thread_started("heartbeat");
        vitals.thread_ended("heartbeat", true);
        vitals.thread_ended("orders-1", false);
        vitals.assigned("orders", "orders-1", &[4, 5, 6]);
        vitals.projected(10_001);
        assert_eq!(vitals.health().parts.iter().filter(|part| !part.ok).count(), 1);
        check(
            &vitals,
            &[
                ("thread orders-1", "it has ended; the log says why"),
                ("subtopology orders", "7 of 8 partitions have a worker"),
                (
                    "projection",
                    "it has 10001 events still to read, more than the 10000 of readiness.projection_lag_records_max",
                ),
            ],
        );
        vitals.thread_ended("orders-1", true);
        assert!(vitals.health().ok);
        vitals.stop();
        assert!(vitals.health().ok && !vitals.ready().ok, "while it stops it is alive, and not ready");
    }
}
