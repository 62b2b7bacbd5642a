//! Catalogs as files: what is read, what is refused, and what a catalog stays through publishing and scaling.
use std::path::Path;

use super::expression::Variables;
use super::*;
use crate::Timestamp;
use crate::planner::tests::orders;

mod hostile;
mod refused;
mod reviewed;

/// The shipped files, by name.
fn shipped_files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn shipped() -> Catalog {
    Catalog::from_files(&shipped_files()).unwrap_or_else(|findings| {
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        panic!("the shipped catalog has findings:\n{}", lines.join("\n"))
    })
}

#[test]
fn the_shipped_files_are_one_catalog_without_findings() {
    let catalog = shipped();
    assert_eq!(catalog.version.as_str(), "2026.11");
    let (_, findings) = Catalog::reviewed_files(&shipped_files());
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(catalog.offerings.len() >= 14 && catalog.fallout_rules.len() > 20);
    // Every offering comes from a file of its own kind; the sequence of the files does not matter.
    let mut files = shipped_files();
    files.reverse();
    let reversed = Catalog::from_files(&files).unwrap();
    assert_eq!(reversed.digest(), catalog.digest());
}

#[test]
fn a_catalog_is_the_same_after_it_was_json() {
    let catalog = shipped();
    let text = catalog.to_json();
    let back = Catalog::from_json(&text).unwrap();
    assert_eq!(back, catalog);
    assert_eq!(back.to_json(), text);
    assert_eq!(back.digest(), catalog.digest());
}

#[test]
fn scaling_divides_every_duration_and_says_so_in_the_version() {
    let catalog = shipped();
    let scaled = catalog.scaled(60, 0);
    assert_eq!(scaled.version.as_str(), "2026.11/60-0");
    let (before, after) = (&catalog.task_types["activateFiber"], &scaled.task_types["activateFiber"]);
    assert_eq!((before.expected_ms, after.expected_ms), (900_000, 15_000));
    assert_eq!((before.retry.backoff_ms_max, after.retry.backoff_ms_max), (300_000, 5_000));
    assert_eq!(scaled.systems["billing"].circuit.probe_ms, 500);
    assert_eq!(scaled.offerings["businessFiber"].feasibility.as_ref().unwrap().answer_ms, 500);
    assert_eq!(scaled.scaled(1, 0), scaled);
    // Cut to a most, durations stay in sequence.
    let cut = catalog.scaled(60, 20_000);
    assert_eq!((cut.version.as_str(), cut.task_types["shipRouter"].breach_ms), ("2026.11/60-20000", 20_000));
    assert_eq!(cut.task_types["activateFiber"].expected_ms, 15_000);
    // However large the divisor: nothing that takes time takes none, and the result is a correct catalog.
    assert_eq!(catalog.scaled(u32::MAX, 0).task_types["activateFiber"].breach_ms, 1);
}

#[test]
fn an_expression_sees_the_item_and_nothing_else() {
    let catalog = shipped();
    let rule = &catalog.offerings["staticIp"].eligibility[0];
    let holds = |addresses: i64, category: Option<&str>| {
        let mut order = orders::business_fiber(&catalog);
        order.category = category.map(str::to_owned);
        let item = order.items.iter().find(|item| item.id.as_str() == "20").unwrap();
        let mut item = item.clone();
        orders::set(&mut item, "addresses", addresses.into());
        catalog.holds(&rule.condition, &Variables::of_item(&order, &item, 1)).unwrap()
    };
    assert!(
        holds(8, None) && !holds(9, None) && !holds(9, Some("B2C")) && holds(9, Some("B2B product order"))
    );
    let foreign = Expression("1 == 1".to_owned());
    let asked = catalog.holds(&foreign, &Variables::default());
    assert_eq!(asked.unwrap_err().to_string(), "expression \"1 == 1\" is not one of this catalog");
}

#[test]
fn a_strategy_is_evaluated_over_the_perspectives_of_its_task() {
    let catalog = shipped();
    let strategy = catalog.task_types["activateDslam"].when_changed_expression.clone().unwrap();
    let inputs = |port: &str| crate::order::Values::from([("portId".to_owned(), port.into())]);
    let none = crate::order::Values::new();
    let chosen = |now: &str| {
        catalog.evaluate(&strategy, &Variables::of_task(&inputs("1"), &inputs(now), &none, &none))
    };
    assert_eq!(chosen("1").unwrap(), "redo");
    assert_eq!(chosen("2").unwrap(), "undoThenDo");
}

#[test]
fn a_pattern_has_to_match_the_whole_value() {
    let catalog = shipped();
    let pattern = catalog.product_specifications["14307"]
        .characteristic("TEL_MSISDN")
        .unwrap()
        .pattern
        .clone()
        .unwrap();
    assert!(catalog.matches(&pattern, "415 279 7439"));
    assert!(!catalog.matches(&pattern, "call 415 279 7439") && !catalog.matches("no pattern of it", "x"));
}

#[test]
fn a_published_version_never_changes() {
    let catalog = shipped();
    let published = |catalog: &Catalog, at: i64| CatalogPublished::of(catalog, Timestamp(at));
    let mut catalogs = Catalogs::default();
    assert!(catalogs.latest().is_none());
    assert_eq!(catalogs.take(&published(&catalog, 10)), Ok(true));
    assert_eq!(catalogs.take(&published(&catalog, 20)), Ok(false), "the same again");

    let mut document = (*catalog).clone();
    document.description = Some("something else".to_owned());
    let changed = Catalog::new(document.clone()).unwrap();
    let refused = catalogs.take(&published(&changed, 30)).unwrap_err();
    assert!(matches!(refused, published::Error::VersionTaken { .. }), "{refused}");

    document.version = "2026.12".into();
    let newer = Catalog::new(document).unwrap();
    let mut forged = published(&newer, 40);
    forged.digest = catalog.digest();
    assert!(matches!(catalogs.take(&forged), Err(published::Error::DigestWrong { .. })));
    let mut misnamed = published(&newer, 40);
    misnamed.version = "2027.1".into();
    assert!(matches!(catalogs.take(&misnamed), Err(published::Error::VersionWrong { .. })));

    assert_eq!(catalogs.take(&published(&newer, 5)), Ok(true));
    assert_eq!(catalogs.latest().unwrap().version, catalog.version, "the time of publication decides");
    assert_eq!(catalogs.get(&newer.version), Some(&newer));
}

#[test]
fn of_two_versions_of_one_time_the_greater_is_the_latest() {
    let mut catalogs = Catalogs::default();
    for divisor in [60, 1, 10] {
        catalogs.take(&CatalogPublished::of(&shipped().scaled(divisor, 0), Timestamp(7))).unwrap();
    }
    assert_eq!(catalogs.latest().unwrap().version.as_str(), "2026.11/60-0");
    assert_eq!(catalogs.versions().count(), 3);
}
