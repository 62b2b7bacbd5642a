use std::collections::{BTreeMap, BTreeSet};

use domain::order::OrderState;
use domain::{OrderKey, ReasonCode, Timestamp};

use super::*;
use crate::downstream::Scenario;

fn settings(seed: u64, orders: u32, fault_rate: f64) -> Settings {
    let base_time = Timestamp(1_800_000_000_000);
    Settings { seed, orders, fault_rate, base_time, future_start_ms_max: 400, outages: true, only: None }
}

fn generator(seed: u64, orders: u32, fault_rate: f64) -> Generator {
    Generator::new(settings(seed, orders, fault_rate), Vec::new()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let all = |seed| generator(seed, 300, 0.3).submissions().collect::<Vec<_>>();
    let first = all(7);
    assert_eq!(first, all(7));
    assert_eq!(generator(7, 300, 0.3).oracle(), generator(7, 300, 0.3).oracle());
    let bodies =
        |all: &[Submission]| all.iter().map(|submission| submission.body.clone()).collect::<BTreeSet<_>>();
    assert!(
        bodies(&first).is_disjoint(&bodies(&all(8)))
            || first.iter().any(|submission| submission.body.is_empty())
    );
    let keys = |all: &[Submission]| {
        all.iter().map(|submission| submission.order_key.clone()).collect::<BTreeSet<_>>()
    };
    assert!(keys(&first).is_disjoint(&keys(&all(8))));
}

#[test]
fn a_longer_run_begins_like_a_shorter_one() {
    let keys = |orders| {
        generator(7, orders, 0.2).oracle().orders().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>()
    };
    assert!(keys(100).is_subset(&keys(200)));
}

#[test]
fn every_request_is_told_apart_and_every_order_is_expected() {
    let generator = generator(1, 2_000, 0.2);
    let oracle = generator.oracle();
    let mut bodies: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    let (mut dead_letters, mut refused, mut ignored) = (0, 0, 0);
    for submission in generator.submissions() {
        match submission.expected {
            Expected::DeadLetter => dead_letters += 1,
            Expected::RevisionRefused => refused += 1,
            Expected::Ignored => ignored += 1,
            Expected::Taken | Expected::Rejected(_) => {}
        }
        let expected = oracle.expected(&submission.order_key);
        assert_eq!(expected.is_none(), submission.expected == Expected::DeadLetter);
        let known = bodies.insert(submission.request_id, submission.body.clone());
        assert_eq!(known.is_some(), submission.expected == Expected::Ignored);
        assert!(known.is_none_or(|known| known == submission.body), "a repeated request has the same bytes");
    }
    let totals = oracle.totals();
    assert_eq!(
        (totals.orders, totals.dead_letters, totals.revisions_refused),
        (2_000, dead_letters, refused)
    );
    assert!(dead_letters > 0 && refused > 0 && ignored > 20, "{dead_letters} {refused} {ignored}");
}

#[test]
fn nine_of_ten_orders_complete_and_every_ending_occurs() {
    for seed in 0..20 {
        let totals = generator(seed, 1_000, 0.2).oracle().totals();
        assert!(totals.outcomes["completed"] >= 900, "seed {seed}: {totals:?}");
    }
    let totals = generator(1, 5_000, 0.2).oracle().totals();
    let endings: Vec<&str> = totals.outcomes.keys().copied().collect();
    assert_eq!(endings, ["blocked", "completed", "failed", "partiallyCompleted", "rejected", "stuck"]);
}

#[test]
fn every_fault_and_every_way_to_be_wrong_occurs() {
    let mut kinds = BTreeSet::new();
    let mut codes: BTreeSet<ReasonCode> = BTreeSet::new();
    for submission in generator(3, 10_000, 0.2).submissions() {
        kinds.extend(submission.faults.iter().map(|fault| fault.kind));
        if let Expected::Rejected(found) = submission.expected {
            codes.extend(found);
        }
    }
    assert_eq!(kinds.len(), faults::WEIGHTS.len());
    let all: BTreeSet<ReasonCode> = invalid::ALL.iter().flat_map(|invalid| invalid.codes).copied().collect();
    assert!(codes.is_superset(&all), "{:?}", all.difference(&codes));
}

#[test]
fn faults_are_planted_for_the_orders_that_carry_them() {
    let generator = generator(5, 500, 0.3);
    let mut scenario = Scenario::default();
    generator.plant(&mut scenario);
    let faulted: BTreeMap<OrderKey, Vec<PlantedFault>> = generator
        .submissions()
        .filter(|submission| !submission.faults.is_empty())
        .map(|submission| (submission.order_key, submission.faults))
        .collect();
    assert!(faulted.len() > 100, "{}", faulted.len());
    assert_eq!(scenario.planted.len(), faulted.len());
    for (key, faults) in &faulted {
        assert_eq!(scenario.planted[&key.0], faults.iter().map(PlantedFault::planted).collect::<Vec<_>>());
    }
    assert_eq!(scenario.outages.len(), 3);
    assert_eq!(Scenario::from_json(&scenario.to_json()).unwrap(), scenario);
}

#[test]
fn only_future_starts_depend_on_the_base_time() {
    let at = |base| Settings { base_time: Timestamp(base), ..settings(9, 500, 0.2) };
    let all = |base| Generator::new(at(base), Vec::new()).unwrap().submissions().collect::<Vec<_>>();
    let (first, second) = (all(1_800_000_000_000), all(1_900_000_000_000));
    let differing = first.iter().zip(&second).filter(|(a, b)| a != b).count();
    let with_start = |submission: &&Submission| {
        let text = String::from_utf8_lossy(&submission.body).into_owned();
        text.contains("requestedStartDate") && submission.expected == Expected::Taken
    };
    assert_eq!(differing, first.iter().filter(with_start).count());
    assert!(differing > 0);
}

#[test]
fn followers_come_before_and_after_their_base_and_name_it() {
    let all: Vec<Submission> = generator(2, 2_000, 0.2).submissions().collect();
    let place = |key: &str| all.iter().position(|submission| submission.order_key.0 == key);
    let (mut before, mut after) = (0, 0);
    for (at, submission) in all.iter().enumerate() {
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(&submission.body) else { continue };
        let Some(base) = document.pointer("/productOrderRelationship/0/id") else { continue };
        let base = place(base.as_str().unwrap()).expect("the base is sent too");
        if base > at { before += 1 } else { after += 1 }
    }
    assert!(before > 10 && after > 10, "{before} {after}");
}

#[test]
fn examples_are_mixed_in_once_each() {
    let key = OrderKey::from("TMF/POnumber/1");
    let effects = ExpectedEffects::Unjudged;
    let expected =
        ExpectedOrder { story: "example".into(), outcome: Outcome::Completed, effects, revisions_refused: 0 };
    let example = |name: &str, expected| Example {
        name: name.into(),
        body: b"{}".to_vec(),
        media_type: "application/json".into(),
        expected,
    };
    let examples = vec![example("a", Some((key.clone(), expected))), example("b", None)];
    for orders in [10, 100] {
        let generator = Generator::new(settings(1, orders, 0.0), examples.clone()).unwrap();
        let sent: Vec<_> = generator
            .submissions()
            .filter(|submission| submission.request_id.0.starts_with("example"))
            .collect();
        assert_eq!(
            sent.iter().map(|submission| &submission.expected).collect::<Vec<_>>(),
            [&Expected::Taken, &Expected::DeadLetter]
        );
        assert!(generator.oracle().expected(&key).is_some());
    }
}

#[test]
fn one_kind_alone_can_be_asked_for() {
    let only = Settings { only: Some("W6"), ..settings(1, 200, 0.2) };
    let oracle = Generator::new(only, Vec::new()).unwrap().oracle();
    assert_eq!(oracle.orders().count(), 200);
    assert!(oracle.orders().all(|(_, expected)| expected.story.starts_with("W6")));
}

#[test]
fn settings_that_cannot_be_are_refused_in_words() {
    let refused = |settings| Generator::new(settings, Vec::new()).unwrap_err();
    assert!(refused(settings(1, 1, 1.5)).contains("1.5"));
    assert!(refused(settings(1, u32::MAX, 0.1)).contains("orders"));
    assert!(refused(Settings { only: Some("moonBase"), ..settings(1, 1, 0.1) }).contains("businessConnect"));
}

/// What the oracle expects, as if it had happened.
fn as_expected(key: &OrderKey, expected: &ExpectedOrder) -> ActualOrder {
    let (state, rejection_codes) = match &expected.outcome {
        Outcome::Completed => (OrderState::Completed, BTreeSet::new()),
        Outcome::Rejected { codes } => (OrderState::Rejected, codes.clone()),
        Outcome::PartiallyCompleted => (OrderState::PartiallyCompleted, BTreeSet::new()),
        Outcome::Failed => (OrderState::Failed, BTreeSet::new()),
        Outcome::Blocked | Outcome::Stuck => (OrderState::InProgress, BTreeSet::new()),
    };
    let waits = matches!(expected.outcome, Outcome::Blocked | Outcome::Stuck);
    let effects =
        expected.effects().unwrap().into_iter().map(|(name, bounds)| (name, bounds.least)).collect();
    ActualOrder {
        key: key.clone(),
        state,
        stuck: expected.outcome == Outcome::Stuck,
        open_cases: u32::from(waits),
        rejection_codes,
        revisions_refused: expected.revisions_refused,
        effects,
    }
}

#[test]
fn the_oracle_takes_what_it_expects_and_refuses_every_deviation() {
    let oracle = generator(4, 1_000, 0.4).oracle();
    for (key, expected) in oracle.orders() {
        let right = as_expected(key, expected);
        assert_eq!(oracle.judge(&right), Ok(()), "{expected:?}");
        let mut wrong = vec![
            ActualOrder { state: OrderState::Suspended, ..right.clone() },
            ActualOrder { stuck: !right.stuck, ..right.clone() },
            ActualOrder { revisions_refused: right.revisions_refused + 1, ..right.clone() },
            ActualOrder { key: OrderKey::from("nobody"), ..right.clone() },
        ];
        let open_cases = u32::from(right.open_cases == 0);
        match expected.outcome {
            Outcome::Completed | Outcome::Blocked | Outcome::Stuck => {
                wrong.push(ActualOrder { open_cases, ..right.clone() })
            }
            Outcome::Rejected { .. } => {
                wrong.push(ActualOrder { rejection_codes: [ReasonCode::PlanCyclic].into(), ..right.clone() });
            }
            Outcome::PartiallyCompleted | Outcome::Failed => {}
        }
        let changed = |name: &str, count: u32| {
            let mut effects = right.effects.clone();
            effects.insert(name.to_owned(), count);
            ActualOrder { effects, ..right.clone() }
        };
        wrong.push(changed("somethingElse", 1));
        for (name, bounds) in expected.effects().unwrap() {
            wrong.push(changed(&name, bounds.most + 1));
            if bounds.least > 0 {
                wrong.push(changed(&name, bounds.least - 1));
            }
        }
        for deviation in wrong {
            assert!(oracle.judge(&deviation).is_err(), "{deviation:?} passed for {expected:?}");
        }
    }
}

#[test]
fn the_stuck_orders_are_exactly_the_planted_ones() {
    let generator = generator(6, 2_000, 0.3);
    let planted: BTreeSet<OrderKey> = generator
        .submissions()
        .filter(|submission| submission.faults.iter().any(|fault| fault.kind == FaultKind::StuckManual))
        .map(|submission| submission.order_key)
        .collect();
    let oracle = generator.oracle();
    assert!(!planted.is_empty());
    assert_eq!(oracle.stuck().into_iter().cloned().collect::<BTreeSet<_>>(), planted);
    let some: BTreeSet<OrderKey> = oracle.orders().skip(1).map(|(key, _)| key.clone()).collect();
    assert_eq!(oracle.missing(&some).len(), 1);
}
