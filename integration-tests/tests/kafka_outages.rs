//! What the product stands on goes away while two processes work. Plays: the only broker is stopped, killed, and away for a while; the
//! schema registry is away, and partitions move meanwhile; and of three brokers one dies after the other, whoever leads. Afterwards every order
//! stands where the oracle says. And something comes while the registry is away that only it could explain (outages/registry.rs).
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use integration_tests::kafka::Cluster;
use integration_tests::play::Play;
use integration_tests::process::until;
use integration_tests::site::until_all_have_partitions;

#[path = "outages/registry.rs"]
mod registry;

/// How long a request may take to be taken, beside what is away.
const TAKE_WAIT: Duration = Duration::from_secs(120);
/// Whoever waits for brokers that are away uses less than this part of one core: some sixty clients try to connect. A thread that spins uses all of it.
const WAITING_CPU_SHARE: u32 = 2;
/// The simulated systems are out of reach together with the brokers, and for a moment longer: there has to be time for asking them.
const TIME_DIVISOR: u32 = 40;

/// One broker for all tests that do with one; those that end it do so one at a time.
static CLUSTER: LazyLock<Mutex<Cluster>> = LazyLock::new(|| Mutex::new(Cluster::start(1)));

fn cluster() -> MutexGuard<'static, Cluster> {
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_broker_that_is_restarted_under_load_costs_nothing_but_time() {
    let mut cluster = cluster();
    let mut play = Play::prepare(&cluster, "kafka_outages.restarted", 31, TIME_DIVISOR);
    let (one, other) = (play.one.start(), play.other.start());
    until_all_have_partitions(&[&play.one, &play.other]);
    for round in 0..play.budget.times {
        play.send_part(play.budget.times + 1, TAKE_WAIT);
        if round % 2 == 0 {
            cluster.stop(0)
        } else {
            cluster.kill(0)
        }
        cluster.restart(0);
    }
    play.send_rest(TAKE_WAIT);
    play.end(&cluster, one, other);
}

#[test]
fn brokers_that_are_away_are_waited_for() {
    let mut cluster = cluster();
    let mut play = Play::prepare(&cluster, "kafka_outages.away", 32, TIME_DIVISOR);
    let (one, other) = (play.one.start(), play.other.start());
    until_all_have_partitions(&[&play.one, &play.other]);
    play.send_part(2, TAKE_WAIT);
    cluster.kill(0);
    let away = play.budget.away();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| play.send_rest(away + TAKE_WAIT));
        // It is the time itself that is played. What was under way when it began is given up in the first of it.
        std::thread::sleep(away / 4);
        let (since, before) = (Instant::now(), [one.cpu(), other.cpu()]);
        std::thread::sleep(away - away / 4);
        for (service, before) in [&one, &other].into_iter().zip(before) {
            let (spent, waited) = (service.cpu() - before, since.elapsed());
            println!("CPU while the brokers were away: {spent:?} in {waited:?}");
            assert!(spent < waited / WAITING_CPU_SHARE, "{spent:?} in {waited:?}: it spins");
        }
        cluster.restart(0);
        sending.join().unwrap();
    });
    play.end(&cluster, one, other);
}

#[test]
fn a_registry_that_is_away_is_missed_by_nobody_who_knows_his_schemas() {
    let cluster = cluster();
    let mut play = Play::prepare(&cluster, "kafka_outages.registry", 33, TIME_DIVISOR);
    let (one, other) = (play.one.start(), play.other.start());
    until_all_have_partitions(&[&play.one, &play.other]);
    play.send_part(2, TAKE_WAIT);
    play.registry.stop();
    play.send_rest(TAKE_WAIT);
    // Partitions move meanwhile: whoever takes them over reads the state of others.
    assert_eq!(other.stop(), Some(0));
    until(TAKE_WAIT, "one has all", || play.one.partitions() == play.partitions());
    play.registry.restart();
    // It forgot everything, and is told again in the same sequence.
    play.one.said(&["schemas", "register"]).ended(0);
    let other = play.other.start();
    play.end(&cluster, one, other);
}

#[test]
fn a_leader_that_dies_is_followed_by_another() {
    let mut cluster = Cluster::start(3);
    let mut play = Play::prepare(&cluster, "kafka_outages.leader", 34, TIME_DIVISOR);
    let (one, other) = (play.one.start(), play.other.start());
    until_all_have_partitions(&[&play.one, &play.other]);
    let brokers = cluster.size();
    for round in 0..play.budget.times {
        play.send_part(2 * play.budget.times + 1, TAKE_WAIT);
        // Each leads a third of the partitions, and one of them the controllers, too.
        cluster.kill(round % brokers);
        play.send_part(2 * play.budget.times + 1, TAKE_WAIT);
        cluster.restart(round % brokers);
        until(TAKE_WAIT, "all copies are in sync again", || play.is_in_sync());
    }
    play.send_rest(TAKE_WAIT);
    play.end(&cluster, one, other);
}
