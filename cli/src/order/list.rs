//! `orderstream order list`: many orders, page by page.
use std::process::ExitCode;

use domain::Timestamp;
use domain::order::OrderState;
use domain::states::Machine;
use projection::Projection;
use projection::query::{OrderFilter, OrderSort, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Page};
use projection::rows::OrderRow;
use runtime::{Clock, SystemClock};

use super::{list_table, word};
use crate::exit;
use crate::text::{nearest, quoted};
use crate::times::{Since, since};

/// What a list can be sorted by; the first name of each is the one of the JSON.
const SORTS: &[(&str, OrderSort)] = &[
    ("capturedAt", OrderSort::CapturedAt),
    ("createdAt", OrderSort::CapturedAt),
    ("updatedAt", OrderSort::UpdatedAt),
    ("priority", OrderSort::Priority),
    ("key", OrderSort::Key),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Only those in this state (as inProgress); may be given several times.
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<OrderState>,
    /// Only those captured since then: so long ago (2h, 1d), or a time (2026-11-20T08:00:00Z, 2026-11-20).
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    since: Option<Since>,
    /// Only those that moved since then.
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    updated_since: Option<Since>,
    /// Only those of this requester.
    #[arg(long, value_name = "NAME")]
    requester: Option<String>,
    /// Only those with an item of this offering.
    #[arg(long, value_name = "ID")]
    offering: Option<String>,
    /// Only those of which nothing is expected any more.
    #[arg(long)]
    stuck: bool,
    /// Only those with an open fallout case.
    #[arg(long)]
    in_fallout: bool,
    /// Sorts by capturedAt (or createdAt), updatedAt, priority or key, the lowest first; without it, the newest come first.
    #[arg(long, value_name = "NAME", value_parser = sort)]
    sort: Option<OrderSort>,
    /// Sorts the highest first.
    #[arg(long)]
    descending: bool,
    /// The most rows.
    #[arg(long, default_value_t = PAGE_ROWS_DEFAULT, value_name = "N", value_parser = limit)]
    limit: usize,
    /// Goes on behind a page: the cursor that was printed at its end. Sort as that page was sorted.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// As JSON, for programs: the rows, and the cursor of the next page as `next`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub standard: super::standard::Standard,
}

/// The domain's own word for a state, as `inProgress`.
fn state(text: &str) -> Result<OrderState, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        let known: Vec<String> = OrderState::ALL.iter().map(word).collect();
        unknown("state", text, known.iter().map(String::as_str))
    })
}

fn sort(text: &str) -> Result<OrderSort, String> {
    let found = SORTS.iter().find(|(name, _)| *name == text);
    found.map(|(_, sort)| *sort).ok_or_else(|| unknown("sort key", text, SORTS.iter().map(|(name, _)| *name)))
}

/// What there is, the nearest first.
fn unknown<'n>(what: &str, text: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    match nearest(text, known) {
        Some(near) => format!("no such {what}; did you mean {near}? There are {all}"),
        None => format!("no such {what}; there are {all}"),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let rows = text.parse().ok().filter(|rows| (1..=PAGE_ROWS_MAX).contains(rows));
    rows.ok_or_else(|| format!("must be a number from 1 to {PAGE_ROWS_MAX}; --after shows further pages"))
}

pub async fn list(projection: &Projection, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let now = Timestamp(SystemClock.now_ms());
    let filter = OrderFilter {
        states: arguments.state.clone(),
        captured_since: arguments.since.map(|since| since.before(now)),
        updated_since: arguments.updated_since.map(|since| since.before(now)),
        requester: arguments.requester.clone(),
        offering: arguments.offering.clone(),
        stuck: arguments.stuck.then_some(true),
        in_fallout: arguments.in_fallout,
        sort: arguments.sort.unwrap_or_default(),
        // What is looked for most is what came last.
        descending: arguments.descending || arguments.sort.is_none(),
        after: arguments.after.clone(),
        limit: arguments.limit,
        ..OrderFilter::default()
    };
    if let Some(format) = arguments.standard.format {
        return super::standard::list(projection, filter, format, arguments.standard.tmf_version).await;
    }
    let page = match projection.orders(filter).await {
        Err(error @ projection::Error::Cursor { .. }) => {
            eprintln!(
                "orderstream: {error}; its list was sorted as this one has to be (--sort, --descending)"
            );
            return Ok(ExitCode::from(exit::USAGE));
        }
        page => page?,
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&page)?);
    } else {
        print_page(&page);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page(page: &Page<OrderRow>) {
    let mut lines = list_table(&["order", "state", "priority", "tasks", "open cases", "stuck", "captured"])
        .whole(&["order"]);
    for row in &page.rows {
        lines.add_row([
            row.key.0.clone(),
            word(&row.state),
            row.priority.to_string(),
            format!("{}/{}", row.tasks_done, row.task_count),
            row.open_cases.to_string(),
            if row.stuck { "stuck".to_owned() } else { String::new() },
            row.captured_at.0.to_string(),
        ]);
    }
    println!("{lines}");
    if let Some(next) = &page.next {
        println!("there are more; the next page: --after {}", quoted(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_state_or_sort_key_is_told_the_nearest_right_one() {
        let said = state("inProgres").unwrap_err();
        assert!(
            said.starts_with("no such state; did you mean inProgress? There are captured, validated"),
            "{said}"
        );
        assert_eq!(state("completed"), Ok(OrderState::Completed));
        let said = sort("updated").unwrap_err();
        assert!(said.starts_with("no such sort key; did you mean updatedAt?"), "{said}");
        assert!(sort("!").unwrap_err().starts_with("no such sort key; there are capturedAt"));
    }

    #[test]
    fn a_limit_is_within_what_one_page_has() {
        assert_eq!(limit("1000"), Ok(1_000));
        for wrong in ["0", "1001", "-1", "many"] {
            assert!(limit(wrong).unwrap_err().contains("from 1 to 1000"), "{wrong}");
        }
    }
}
