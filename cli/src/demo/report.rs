//! The table at the end.
use std::time::Duration;

use connectors::upstream::Oracle;
use domain::Timestamp;
use domain::order::OrderState;
use hdrhistogram::Histogram;
use projection::Projection;
use projection::query::Summary;

use crate::order::{table, word};

/// The longest time of an order that is told apart, in milliseconds.
const ELAPSED_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

pub struct Figures {
    summary: Summary,
    elapsed: Duration,
    /// Of completed orders, capture to end, in milliseconds.
    times_ms: Histogram<u64>,
}

impl Figures {
    pub fn orders(&self) -> u64 {
        self.summary.orders.unsigned_abs()
    }

    pub fn completed(&self) -> u64 {
        self.summary.orders_by_state.get(&OrderState::Completed).copied().unwrap_or_default().unsigned_abs()
    }
}

pub async fn figures(projection: &Projection, elapsed: Duration) -> anyhow::Result<Figures> {
    let summary = projection.summary().await?;
    let mut times_ms = Histogram::new_with_bounds(1, ELAPSED_MS_MAX, 3)?;
    let limit = usize::try_from(summary.orders).unwrap_or(usize::MAX);
    for time in projection.times(&[OrderState::Completed], Timestamp(0), limit).await? {
        times_ms.saturating_record(time.elapsed_ms().max(1).unsigned_abs());
    }
    Ok(Figures { summary, elapsed, times_ms })
}

pub fn print(figures: &Figures, oracle: &Oracle, dead_letters: u64) {
    let summary = &figures.summary;
    let mut lines = table(&["", "", "expected"]);
    let mut line = |name: String, value: String, expected: String| {
        lines.add_row([name, value, expected]);
    };
    let expected = oracle.totals();
    line("orders".to_owned(), figures.orders().to_string(), expected.orders.to_string());
    for (state, count) in &summary.orders_by_state {
        let name = word(state);
        let wanted = match state {
            OrderState::InProgress => {
                expected.outcomes.get("blocked").copied().unwrap_or_default() + oracle.stuck().len() as u64
            }
            _ => expected.outcomes.get(name.as_str()).copied().unwrap_or_default(),
        };
        line(format!("  {name}"), count.to_string(), wanted.to_string());
    }
    line("stuck orders found".to_owned(), summary.stuck_orders.to_string(), oracle.stuck().len().to_string());
    line("dead letters".to_owned(), dead_letters.to_string(), expected.dead_letters.to_string());
    let seconds = figures.elapsed.as_secs_f64().max(0.001);
    let plain = |name: &str, value: String| (name.to_owned(), value, String::new());
    let rest = [
        plain("orders/s", format!("{:.0}", figures.orders() as f64 / seconds)),
        plain("time per completed order, p50", format!("{} ms", figures.times_ms.value_at_quantile(0.50))),
        plain("time per completed order, p99", format!("{} ms", figures.times_ms.value_at_quantile(0.99))),
        plain("commands sent", summary.commands_sent.to_string()),
        plain("retries", summary.retries.to_string()),
        plain("duplicates and late answers ignored", ignored(summary).to_string()),
        plain(
            "repeated requests ignored",
            summary.events.get("RequestIgnored").copied().unwrap_or_default().to_string(),
        ),
    ];
    for (name, value, wanted) in rest {
        line(name, value, wanted);
    }
    for group in &summary.cases {
        let name = format!(
            "fallout: {}, {}, {}",
            word(&group.domain),
            word(&group.recoverability),
            group.normalized_code
        );
        line(name, format!("{} ({} open)", group.total, group.open), String::new());
    }
    println!("{lines}");
}

fn ignored(summary: &Summary) -> i64 {
    summary.feedback_ignored.values().sum()
}
