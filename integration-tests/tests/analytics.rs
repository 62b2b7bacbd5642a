//! The analytics example gives the numbers that the projection has: from the exported events alone, by SQL over DuckDB.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use domain::order::OrderState;
use integration_tests::shop::{answer, orderstream, root, run_demonstration};
use projection::Projection;
use projection::query::OrderFilter;
use serde_json::{Value, json};

/// The interpreter that scripts/python.sh has made.
fn python() -> PathBuf {
    let path = std::env::var_os("ORDERSTREAM_PYTHON").map(PathBuf::from);
    let path = path.expect("source scripts/env.sh names the interpreter");
    assert!(path.exists(), "no \"{}\": scripts/python.sh makes it", path.display());
    path
}

/// What is counted of the orders of one offering.
#[derive(Default)]
struct Line {
    orders: u64,
    elapsed_ms: Vec<i64>,
    fell_out: u64,
    stuck: u64,
}

impl Line {
    /// The nearest rank: the smallest time that at least this share of the orders did not exceed.
    fn quantile(&self, share: f64) -> Value {
        let rank = (share * self.elapsed_ms.len() as f64).ceil() as usize;
        self.elapsed_ms.get(rank.saturating_sub(1)).map_or(Value::Null, |elapsed| json!(elapsed))
    }

    fn shown(mut self, offering: &str) -> Value {
        self.elapsed_ms.sort_unstable();
        let percent = 100.0 * self.fell_out as f64 / self.orders as f64;
        json!({ "offering": offering, "orders": self.orders, "completed": self.elapsed_ms.len(),
            "p50_ms": self.quantile(0.50), "p90_ms": self.quantile(0.90), "p99_ms": self.quantile(0.99),
            "fallout_percent": (percent * 100.0).round() / 100.0, "stuck": self.stuck })
    }
}

/// The same report, from the projection's rows.
async fn expected(projection: &Projection) -> Vec<Value> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut filter = OrderFilter { limit: 1_000, ..OrderFilter::default() };
    loop {
        let page = projection.orders(filter.clone()).await.unwrap();
        for order in page.rows {
            let view = projection.order(&order.key).await.unwrap().unwrap();
            let mut names: BTreeSet<String> =
                view.items.iter().filter_map(|item| item.offering.clone()).collect();
            names.insert("all orders".to_owned());
            for name in names {
                let line = lines.entry(name).or_default();
                line.orders += 1;
                line.fell_out += u64::from(order.cases > 0);
                line.stuck += u64::from(order.stuck);
                if let Some(ended_at) = order.ended_at.filter(|_| order.state == OrderState::Completed) {
                    line.elapsed_ms.push(ended_at.0.since_ms(order.captured_at.0));
                }
            }
        }
        let Some(next) = page.next else { break };
        filter.after = Some(next);
    }
    let all = lines.remove("all orders").unwrap();
    let mut shown: Vec<Value> = lines.into_iter().map(|(name, line)| line.shown(&name)).collect();
    shown.push(all.shown("all orders"));
    shown
}

#[tokio::test]
async fn the_example_says_of_the_exported_events_what_the_projection_says_of_its_rows() {
    let shop = tempfile::tempdir().unwrap();
    run_demonstration(shop.path());
    let arguments = ["topics", "tail", "orderstream.order.events", "--from", "beginning", "--json"];
    let exported = answer(orderstream(shop.path(), &arguments));
    let file = shop.path().join("events.ndjson");
    std::fs::write(&file, exported).unwrap();
    let report = Command::new(python())
        .arg(root().join("examples/analytics/report.py"))
        .arg(&file)
        .arg("--json")
        .output()
        .unwrap();
    let found: Vec<Value> = serde_json::from_str(&answer(report)).unwrap();
    let url = format!("sqlite://{}", shop.path().join("projection.sqlite").display());
    let projection = Projection::open_existing(&url).await.unwrap();
    let expected = expected(&projection).await;
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    let all = expected.last().unwrap();
    assert!(all["stuck"].as_u64() > Some(0) && all["fallout_percent"].as_f64() > Some(0.0), "{all}");
}

#[test]
fn a_file_that_is_missing_or_no_export_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.ndjson");
    std::fs::write(&garbage, "{\"key\": \"a\", \"rec\n").unwrap();
    for file in [folder.path().join("none"), garbage] {
        let report = Command::new(python())
            .arg(root().join("examples/analytics/report.py"))
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&report.stderr).into_owned();
        assert!(
            !report.status.success() && said.starts_with("report.py: ") && said.trim().lines().count() == 1,
            "{said}"
        );
    }
}
