use runtime::log::kafka::{Changelog, Cluster, Copies, Drift, Progress};
use schemas::registry::registration::{Answered, LEVEL, Outcome, Version};

use topology::SubTopology;
use topology::regroup::Grouping;

use super::*;
use crate::doctor::facts::{
    Brokers, Clock, Directory, Disk, GroupLag, GroupMembers, Grouped, Projection, Service, Store,
};
use crate::operations::status::WaitingLine;

/// Everything as it must be, on a cluster.
fn well() -> Facts {
    let copies = Copies { topic: "t".to_owned(), copies_min: 3, behind: 0, leaderless: 0 };
    let cluster = Cluster {
        brokers: vec!["a:1".to_owned(), "b:1".to_owned(), "c:1".to_owned()],
        topics: vec![copies],
        settings: [("offsets.retention.minutes", "10080"), ("transaction.max.timeout.ms", "900000")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let versions = vec![Version { number: 1, outcome: Outcome::Known { id: 7 } }];
    let subject = Answered { subject: "s".to_owned(), level: Some(LEVEL.to_owned()), versions };
    let stands = Progress {
        next_offset: 15,
        applied_ms: 9_000,
        rebuilding: false,
        processors: "p".to_owned(),
        origin: None,
    };
    let changelog = Changelog { begin: 0, end: 20, delete_retention_ms: 5_000, is_same: None };
    Facts {
        service: Known::Is(Service { version: Some("1".to_owned()), write_failure: None }),
        directory: Known::None,
        disk: Known::Is(Disk {
            directory: "data".to_owned(),
            left_bytes: 1 << 30,
            reserve_bytes: Some(64 << 20),
        }),
        brokers: Known::Is(Brokers { cluster, replication: 3 }),
        topics: Known::Is(Vec::new()),
        registry: Known::Is(vec![subject]),
        grouping: grouped(SubTopology::defaults()),
        members: workers(1, 2),
        lags: Known::Is(vec![lag(5, 1)]),
        waiting: Vec::new(),
        stores: Known::Is(vec![Store {
            worker: "orders-0".to_owned(),
            needed: Some("p".to_owned()),
            partitions: Ok(vec![(0, stands, changelog)]),
            now_ms: 10_000,
        }]),
        projection: Known::Is(Projection::Open {
            place: "db".to_owned(),
            behind: Some(3),
            beyond: Vec::new(),
            failure: None,
        }),
        clock: Known::Is(Clock { with: "r".to_owned(), before_ms: 1_000, told_ms: 1_000, after_ms: 1_010 }),
    }
}

fn grouped(set: Vec<SubTopology>) -> Known<Grouped> {
    Known::Is(Grouped { applied: Some(Grouping::first(&SubTopology::defaults())), set })
}

/// Of the orders' group, and one of the products'; the service here runs.
fn workers(members: usize, workers_set: u32) -> Known<Vec<GroupMembers>> {
    let group =
        |group: &str, members, workers_set| GroupMembers { group: group.to_owned(), members, workers_set };
    Known::Is(vec![group("orders", members, workers_set), group("products", 1, 0)])
}

/// The same, and nobody in either.
fn nobody() -> Known<Vec<GroupMembers>> {
    let Known::Is(mut groups) = workers(0, 0) else { panic!("they are known") };
    groups.iter_mut().for_each(|group| group.members = 0);
    Known::Is(groups)
}

fn stopped() -> Known<Service> {
    Known::Is(Service { version: None, write_failure: None })
}

fn lag(records: u64, members: usize) -> GroupLag {
    GroupLag { group: "orders".to_owned(), topic: "t".to_owned(), records, most: None, members }
}

/// What has not gone on for so long.
fn waits(part: &str, waited_ms: i64) -> Vec<WaitingLine> {
    let [part, at, reason, since] = [part, "t 0:7", "away", "then"].map(str::to_owned);
    vec![WaitingLine { part, at, reason, since, waited_ms }]
}

/// What is said of facts that differ from a world that is well by this: level, check, place, what, one to a line.
fn said(change: impl FnOnce(&mut Facts)) -> String {
    let mut facts = well();
    change(&mut facts);
    let lines = diagnose(&facts).into_iter().flat_map(|check| {
        assert!(check.findings.iter().all(|finding| !finding.mend.is_empty()), "each says how to mend it");
        let line = move |finding: Finding| {
            format!("{:?} {}: {}: {}\n", finding.level, check.name, finding.place, finding.what)
        };
        check.findings.into_iter().map(line)
    });
    lines.collect()
}

fn cluster(facts: &mut Facts) -> &mut Brokers {
    let Known::Is(brokers) = &mut facts.brokers else { panic!("they answer") };
    brokers
}

fn of_store(facts: &mut Facts, change: impl FnOnce(&mut Store)) {
    let Known::Is(stores) = &mut facts.stores else { panic!("they are read") };
    change(&mut stores[0]);
}

fn stands(facts: &mut Facts, change: impl FnOnce(&mut Progress, &mut Changelog)) {
    of_store(facts, |store| {
        let Ok(partitions) = &mut store.partitions else { panic!("it is read") };
        let (_, stands, changelog) = &mut partitions[0];
        change(stands, changelog);
    });
}

#[test]
fn nothing_is_said_where_nothing_is_wrong() {
    assert_eq!(said(|_| {}), "");
    assert!(diagnose(&well()).iter().all(|check| check.state == State::Well));
    let stores = diagnose(&well()).into_iter().find(|check| check.name == "stores").unwrap();
    assert_eq!(stores.saw, "1 of workers, 1 partitions, at most 5 records behind the changelog");
}

type Change = fn(&mut Facts);

#[test]
#[rustfmt::skip]
fn what_is_wrong_with_a_cluster_is_named() {
    let cases: &[(Change, &str)] = &[
        (|f| f.brokers = Known::Failed("timed out".to_owned()),
         "Problem brokers: kafka.brokers: timed out\n"),
        (|f| cluster(f).replication = 4,
         "Problem brokers: kafka.replication: it is 4, and the cluster has 3 brokers\n\
          Problem brokers: topic \"t\": a partition has 3 copies, and kafka.replication is 4\n"),
        (|f| cluster(f).cluster.topics[0].leaderless = 2,
         "Problem brokers: topic \"t\": 2 of its partitions are led by no broker, and can be neither read nor written\n"),
        (|f| cluster(f).cluster.topics[0].behind = 1,
         "Note brokers: topic \"t\": a copy of 1 of its partitions is behind\n"),
        (|f| drop(cluster(f).cluster.settings.insert("transaction.max.timeout.ms".to_owned(), "9999".to_owned())),
         "Problem brokers: the brokers' transaction.max.timeout.ms: it is 9999, and transactions here take up to 10000\n"),
        (|f| drop(cluster(f).cluster.settings.insert("offsets.retention.minutes".to_owned(), "60".to_owned())),
         "Note brokers: the brokers' offsets.retention.minutes: it is 60: the positions of a service that is stopped for longer are forgotten, and it does not start before they are set\n"),
        (|f| cluster(f).cluster.settings.clear(), ""),
        (|f| f.topics = Known::Is(vec![drift("cleanup.policy", "delete", "compact"), drift("topic", "missing", "one with 8 partitions")]),
         "Problem topics: topic \"t\": cleanup.policy is delete, needed is compact\n\
          Problem topics: topic \"t\": topic is missing, needed is one with 8 partitions\n"),
        (|f| f.topics = Known::Is(vec![drift("access", "refused to this user", "READ")]),
         "Problem topics: topic \"t\": access is refused to this user, needed is READ\n"),
        (|f| f.registry = Known::Failed("refused".to_owned()),
         "Problem registry: registry.url: refused\n"),
        (|f| f.registry = Known::Is(vec![subject(None, Outcome::Missing), subject(None, Outcome::Missing)]),
         "Problem registry: subject \"s\" and 1 more: 2 of 2 schemas are missing\n"),
        (|f| f.registry = Known::Is(vec![subject(Some("NONE"), Outcome::Known { id: 1 })]),
         "Problem registry: subject \"s\": compatibility is NONE, needed is FULL_TRANSITIVE\n"),
        (|f| f.registry = Known::Is(vec![subject(Some(LEVEL), Outcome::Refused { said: "no default".to_owned() })]),
         "Problem registry: subject \"s\": version 1 is not there, and would be refused: no default\n"),
    ];
    for (change, expected) in cases {
        assert_eq!(said(change), *expected);
    }
}

fn drift(setting: &'static str, found: &str, needed: &str) -> Drift {
    Drift { topic: "t".to_owned(), setting, found: found.to_owned(), needed: needed.to_owned() }
}

fn subject(level: Option<&str>, outcome: Outcome) -> Answered {
    let versions = vec![Version { number: 1, outcome }];
    Answered { subject: "s".to_owned(), level: level.map(str::to_owned), versions }
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_with_groups_and_stores_is_named() {
    let cases: &[(Change, &str)] = &[
        (|f| f.members = workers(0, 0), "Problem workers: group \"orders\": no process runs it\n"),
        (|f| f.members = workers(0, 1), "Note workers: group \"orders\": no worker of it has joined yet\n"),
        (|f| { f.members = workers(0, 1); f.service = stopped() },
         "Problem workers: group \"orders\": no process runs it\n"),
        (|f| { f.members = nobody(); f.service = stopped() }, ""),
        (|f| f.members = nobody(),
         "Problem workers: group \"orders\": no process runs it\nProblem workers: group \"products\": no process runs it\n"),
        (|f| f.lags = Known::Is(vec![lag(5, 0)]),
         "Note lag: group \"orders\": 5 records of topic \"t\" wait, and no worker of it runs\n"),
        (|f| f.lags = Known::Is(vec![lag(0, 0)]), ""),
        (|f| f.lags = Known::Is(vec![lag(100_000, 2)]), ""),
        (|f| f.lags = Known::Is(vec![lag(100_001, 2)]),
         "Problem lag: group \"orders\": 100001 records of topic \"t\" wait; it has 2 workers\n"),
        (|f| f.lags = Known::Is(vec![GroupLag::of("orders", "t", &[1, 100_000, 0], 2)]),
         "Problem lag: group \"orders\": 100001 records of topic \"t\" wait, 100000 of them in partition 1; it has 2 workers\n"),
        (|f| f.waiting = waits("orders-0", 4_999), ""),
        (|f| f.waiting = waits("orders-0", 5_000),
         "Problem lag: worker \"orders-0\": orders-0 has not gone on since then, at t 0:7: away\n"),
        (|f| f.waiting = waits("projection", 5_000),
         "Problem projection: db: projection has not gone on since then, at t 0:7: away\n"),
        (|f| stands(f, |stands, _| stands.next_offset = 21),
         "Problem stores: worker \"orders-0\", partition 0: it is ahead, at 21 of 20: the topic was made anew or cut off\n"),
        (|f| stands(f, |_, changelog| changelog.is_same = Some(false)),
         "Problem stores: worker \"orders-0\", partition 0: the changelog is another: the topic was deleted, and made anew under its name\n"),
        (|f| stands(f, |_, changelog| changelog.begin = 16),
         "Problem stores: worker \"orders-0\", partition 0: the changelog begins at 16, it is at 15\n"),
        (|f| stands(f, |stands, _| stands.applied_ms = 4_999),
         "Note stores: worker \"orders-0\", partition 0: it was away so long that deletions may be forgotten\n"),
        (|f| stands(f, |stands, _| stands.rebuilding = true),
         "Note stores: worker \"orders-0\", partition 0: its last rebuild was cut short\n"),
        (|f| of_store(f, |store| store.needed = Some("p,q".to_owned())),
         "Note stores: worker \"orders-0\", partition 0: it has the state of \"p\" only\n"),
        (|f| of_store(f, |store| store.needed = None),
         "Note stores: worker \"orders-0\": no worker of these settings has this name; its folder below \"state\" is of use to nobody\n"),
        (|f| of_store(f, |store| store.partitions = Err("it cannot be read".to_owned())),
         "Note stores: worker \"orders-0\": it cannot be read\n"),
    ];
    for (change, expected) in cases {
        assert_eq!(said(change), *expected);
    }
}

fn whole(wrong: Vec<(String, String)>, partitions: Option<u32>) -> Known<Directory> {
    Known::Is(Directory::Whole { topics: 17, wrong, partitions, partitions_set: 8 })
}

fn disk(left_bytes: u64, reserve_bytes: Option<u64>) -> Known<Disk> {
    Known::Is(Disk { directory: "data".to_owned(), left_bytes, reserve_bytes })
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_with_the_machine_is_named() {
    let cases: &[(Change, &str)] = &[
        (|f| f.service = Known::Is(Service { version: None, write_failure: None }), ""),
        (|f| f.service = Known::Is(Service { version: Some("1".to_owned()), write_failure: Some("no space".to_owned()) }),
         "Problem service: log: the service cannot write: no space\n"),
        (|f| f.directory = Known::Is(Directory::Absent), ""),
        (|f| f.directory = Known::Is(Directory::InUse), ""),
        (|f| f.directory = Known::Failed("damaged".to_owned()), "Problem data directory: the log below node.data_dir: damaged\n"),
        (|f| f.directory = whole(Vec::new(), Some(8)), ""),
        (|f| f.directory = whole(vec![("group g".to_owned(), "too far".to_owned())], Some(4)),
         "Problem data directory: group g: too far\n\
          Problem data directory: log.partitions: the settings say 8, and the log was made with 4\n"),
        (|f| f.grouping = Known::Is(Grouped { applied: None, set: SubTopology::split() }), ""),
        (|f| f.grouping = grouped(SubTopology::split()),
         "Problem grouping: [[subtopology]]: the settings say \"capture: capture; decomposition: decomposition; downstream: downstream; \
          fallout: fallout; inventory: inventory; orchestration: orchestration; stuckOrders: stuckOrders; validation: validation\", \
          and no service starts with them\n"),
        (|f| f.disk = disk(512 << 20, Some(64 << 20)), ""),
        (|f| f.disk = disk((512 << 20) - 1, Some(64 << 20)),
         "Problem disk: data: 511 MiB are left; below 512 somebody should make room\n"),
        (|f| f.disk = disk((64 << 20) - 1, Some(64 << 20)),
         "Problem disk: data: 63 MiB are left, and no order is taken below 64\n"),
        (|f| f.disk = disk(1 << 20, None),
         "Problem disk: data: 1 MiB are left; below 512 somebody should make room\n"),
        (|f| f.projection = Known::Is(Projection::Absent { place: "db".to_owned() }), ""),
        (|f| f.projection = Known::Failed("no route".to_owned()), "Problem projection: projection.url: no route\n"),
        (|f| f.projection = Known::Is(Projection::Open { place: "db".to_owned(), behind: Some(20_001), beyond: vec!["too far".to_owned()], failure: None }),
         "Problem projection: db: too far\n\
          Problem projection: db: it has 20001 records to read; what `order` shows is that much behind\n"),
        (|f| f.projection = Known::Is(Projection::Open { place: "db".to_owned(), behind: None, beyond: Vec::new(), failure: Some("no connection left".to_owned()) }),
         "Problem projection: db: it answers here, and the service cannot read it: no connection left\n"),
        (|f| f.clock = Known::Is(Clock { with: "r".to_owned(), before_ms: 60_000, told_ms: 10_000, after_ms: 60_001 }),
         "Problem clock: the clock of this machine: it is at least 49000 ms ahead of r; 5000 are bearable\n"),
        (|f| f.clock = Known::Is(Clock { with: "r".to_owned(), before_ms: 1_000, told_ms: 10_000, after_ms: 4_000 }),
         "Problem clock: the clock of this machine: it is at least 6000 ms behind r; 5000 are bearable\n"),
    ];
    for (change, expected) in cases {
        assert_eq!(said(change), *expected);
    }
}

#[test]
fn what_could_not_be_looked_at_is_shown_and_blames_nothing_else() {
    let mut facts = well();
    facts.brokers = Known::Failed("timed out".to_owned());
    facts.topics = Known::NotAsked("the brokers do not answer");
    let checks = diagnose(&facts);
    let topics = checks.iter().find(|check| check.name == "topics").unwrap();
    assert_eq!((topics.state, topics.saw.as_str()), (State::NotLookedAt, "the brokers do not answer"));
    assert!(topics.findings.is_empty());
    assert!(checks.iter().all(|check| check.name != "data directory"), "there is none on a cluster");
}
