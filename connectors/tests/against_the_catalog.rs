//! The oracle was written down by hand; here it is compared with what the planner makes of the same documents by the shipped catalog.
//! Where the two differ one of them is wrong, and somebody has to find out which.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use connectors::downstream::Scenario;
use connectors::upstream::shape::Shape;
use connectors::upstream::shapes;
use connectors::upstream::{Generator, Settings, Submission};
use domain::catalog::Catalog;
use domain::order::Order;
use domain::plan::Plan;
use domain::{TaskId, Timestamp, planner};

fn catalog() -> Catalog {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
    let files = std::fs::read_dir(directory).unwrap().map(|file| {
        let file = file.unwrap();
        (file.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(file.path()).unwrap())
    });
    Catalog::from_files(&files.collect::<Vec<_>>()).unwrap()
}

fn submissions(only: &'static str, orders: u32) -> Vec<Submission> {
    let base_time = Timestamp(1_800_000_000_000);
    let settings = Settings {
        seed: 11,
        orders,
        fault_rate: 0.0,
        base_time,
        future_start_ms_max: 400,
        outages: false,
        only: Some(only),
    };
    Generator::new(settings, Vec::new()).unwrap().submissions().collect()
}

/// As the anti-corruption layer reads it, with the catalog pinned.
fn order(submission: &Submission, catalog: &Catalog) -> Order {
    let translated = schemas::tmf::translate(&submission.body, Some(&submission.media_type)).unwrap();
    assert_eq!(translated.findings, []);
    assert_eq!(translated.key.as_ref(), Ok(&submission.order_key));
    assert!(submission.media_type.ends_with(translated.contract.name()));
    Order { catalog_version: catalog.version.clone(), ..translated.order }
}

/// (item, command), and all pairs of which the first has to be done before the second; each as often as it occurs.
type Work<'a> = (BTreeMap<(&'a str, &'a str), u32>, BTreeSet<((&'a str, &'a str), (&'a str, &'a str))>);

fn planned<'a>(plan: &'a Plan, catalog: &'a Catalog) -> Work<'a> {
    let name = |id: TaskId| {
        let task = plan.tasks.iter().find(|task| task.id == id).unwrap();
        (task.item_id.as_str(), catalog.task_types[&task.task_type].command.as_str())
    };
    let (mut counts, mut sequence) = (BTreeMap::new(), BTreeSet::new());
    for task in &plan.tasks {
        *counts.entry(name(task.id)).or_default() += 1;
        let mut open = task.predecessors.clone();
        while let Some(before) = open.pop() {
            sequence.insert((name(before), name(task.id)));
            open.extend(&plan.tasks.iter().find(|task| task.id == before).unwrap().predecessors);
        }
    }
    (counts, sequence)
}

fn written_down(shape: &Shape, units: u32) -> Work<'_> {
    let name = |at: usize| (shape.steps[at].item, shape.steps[at].command);
    let (mut counts, mut sequence) = (BTreeMap::new(), BTreeSet::new());
    for at in 0..shape.steps.len() {
        *counts.entry(name(at)).or_default() += units;
        let mut open = shape.steps[at].after.to_vec();
        while let Some(before) = open.pop() {
            sequence.insert((name(before), name(at)));
            open.extend(shape.steps[before].after);
        }
    }
    (counts, sequence)
}

#[test]
fn the_planner_makes_the_same_work_of_every_kind_of_order() {
    let catalog = catalog();
    for shape in shapes::ALL {
        let mut units_seen = BTreeSet::new();
        for submission in submissions(shape.name, 40) {
            // What is no order on purpose is no order here either.
            if submission.expected == connectors::upstream::Expected::DeadLetter {
                continue;
            }
            let order = order(&submission, &catalog);
            let units = order.items.iter().map(|item| item.quantity).max().unwrap();
            units_seen.insert(units);
            let plan = planner::decompose(&order, &catalog)
                .unwrap_or_else(|reasons| panic!("{}: {reasons:?}", shape.name));
            assert_eq!(planned(&plan, &catalog), written_down(shape, units), "{}", shape.name);
            let optional: BTreeSet<&str> =
                plan.items.iter().filter(|item| item.optional).map(|item| item.item_id.as_str()).collect();
            assert_eq!(optional, shape.optional.iter().copied().collect(), "{}", shape.name);
            let asked = order.items.iter().filter_map(|item| catalog.offering_of(item));
            assert_eq!(
                asked.into_iter().any(|offering| offering.feasibility.is_some()),
                shape.feasibility_asked,
                "{}",
                shape.name
            );
            for (item, needed) in shape.needs {
                let item = plan.items.iter().find(|planned| planned.item_id.as_str() == *item).unwrap();
                assert!(
                    item.requires.iter().any(|id| id.as_str() == *needed),
                    "{}: {item:?} needs {needed}",
                    shape.name
                );
            }
        }
        assert_eq!(units_seen.len() > 1, shape.several, "{}: {units_seen:?}", shape.name);
    }
}

#[test]
fn what_is_no_order_cannot_be_read_as_one() {
    let base_time = Timestamp(1_800_000_000_000);
    let settings = Settings {
        seed: 1,
        orders: 10_000,
        fault_rate: 0.0,
        base_time,
        future_start_ms_max: 400,
        outages: false,
        only: None,
    };
    let mut dead_letters = 0;
    for submission in Generator::new(settings, Vec::new()).unwrap().submissions() {
        if submission.expected != connectors::upstream::Expected::DeadLetter {
            continue;
        }
        dead_letters += 1;
        let translated = schemas::tmf::translate(&submission.body, Some(&submission.media_type));
        assert!(translated.is_err() || translated.is_ok_and(|translated| translated.key.is_err()));
    }
    assert!(dead_letters > 10, "{dead_letters}");
}

#[test]
fn the_shipped_scenario_covers_what_every_task_type_reports() {
    let catalog = catalog();
    let mut scenario = Scenario::default();
    scenario.cover(catalog.task_types.values());
    for task_type in catalog.task_types.values() {
        assert_eq!(scenario.commands[&task_type.command].outputs, task_type.outputs, "{}", task_type.command);
    }
    assert!(scenario.commands["activateStaticIp"].outputs.contains(&"ipAddress".to_owned()));
}

#[test]
fn the_codes_that_are_planted_are_filed_as_they_are_meant() {
    use connectors::upstream::FaultKind;
    use domain::fallout::Recoverability;
    let catalog = catalog();
    let all: Vec<usize> = (0..shapes::ALL.len()).collect();
    let mut checked = BTreeSet::new();
    for (kind, command, code, message) in connectors::upstream::faults::failures(&all) {
        let expected = match kind {
            FaultKind::TransientThenOk | FaultKind::RetriesExhausted | FaultKind::AlreadyDone => {
                Recoverability::Transient
            }
            FaultKind::TerminalOptional | FaultKind::TerminalMandatory => Recoverability::Terminal,
            FaultKind::Repairable => Recoverability::Repairable,
            FaultKind::SilentButDone
            | FaultKind::Lost
            | FaultKind::DuplicateAnswers
            | FaultKind::LateDuplicate
            | FaultKind::OutOfOrder
            | FaultKind::PartialThenDone
            | FaultKind::StuckManual
            | FaultKind::Infeasible => continue,
        };
        let task_type = catalog.task_types.values().find(|task_type| task_type.command == command).unwrap();
        let filed =
            domain::fallout::rules::classify(catalog.fallout(), &task_type.system, &code, &message, "owner");
        assert_eq!(filed.recoverability, expected, "{command}: {code}");
        checked.insert(kind);
    }
    assert_eq!(checked.len(), 6, "{checked:?}");
}
