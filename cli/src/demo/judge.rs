//! Compares what became of every order, and every effect in the downstream's ledger, with what the oracle says.
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use connectors::downstream::Ledger;
use connectors::upstream::{ActualOrder, Oracle};
use domain::order::OrderState;
use domain::{OrderKey, Reason};
use projection::Projection;
use projection::query::OrderFilter;
use projection::rows::{OrderRow, SubmissionOutcome};
use runtime::log::Limits;
use schemas::topics::DEAD_LETTERS;

use crate::service::{LEDGER_DIR, Store};
use crate::settings::Settings;

const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
pub const FINDINGS_SHOWN_MAX: usize = 20;

/// By order key and command name: how many effects.
type Effects = BTreeMap<String, BTreeMap<String, u32>>;

/// How many records lie among the dead letters.
pub fn dead_letters(store: &Store) -> anyhow::Result<u64> {
    let mut count = 0;
    for (partition, end) in (0..).zip(store.log.end_offsets(DEAD_LETTERS)?) {
        let mut from = 0;
        while from < end {
            let records = store.log.read_range(DEAD_LETTERS, partition, from, READ)?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            count += records.len() as u64;
        }
    }
    Ok(count)
}

/// Everything that is not as it must be, a line each; the service is stopped by now.
///
/// # Errors
/// The projection or the ledger cannot be read.
pub async fn judge(settings: &Settings, oracle: &Oracle, dead_letters: u64) -> anyhow::Result<Vec<String>> {
    let ledger =
        Ledger::read(&settings.node.data_dir.join(LEDGER_DIR)).context("could not read the ledger")?;
    let mut findings: Vec<String> = ledger.audit()?.findings.iter().map(ToString::to_string).collect();
    let effects = effects(&ledger)?;
    let projection = Projection::open(&settings.projection_url()).await?;
    let (mut found, mut stuck) = (BTreeSet::new(), Vec::new());
    let mut filter = OrderFilter { limit: projection::query::PAGE_ROWS_MAX, ..OrderFilter::default() };
    loop {
        let page = projection.orders(filter.clone()).await?;
        for row in &page.rows {
            let actual = actual(&projection, row, &effects).await?;
            findings.extend(oracle.judge(&actual).err());
            found.insert(row.key.clone());
            stuck.extend(row.stuck.then(|| row.key.clone()));
        }
        if page.next.is_none() {
            break;
        }
        filter.after = page.next;
    }
    projection.close().await;
    findings.extend(
        oracle.missing(&found).into_iter().map(|key| format!("order \"{key}\" was sent, and is not there")),
    );
    let expected = oracle.totals().dead_letters;
    if dead_letters != expected {
        findings.push(format!("dead letters: expected {expected}, found {dead_letters}"));
    }
    Ok(findings)
}

fn effects(ledger: &Ledger) -> anyhow::Result<Effects> {
    let mut effects = Effects::new();
    for entry in ledger.effects() {
        let entry = entry?;
        *effects.entry(entry.order_key.0).or_default().entry(entry.name).or_default() += 1;
    }
    Ok(effects)
}

async fn actual(projection: &Projection, row: &OrderRow, effects: &Effects) -> anyhow::Result<ActualOrder> {
    let (rejection_codes, revisions_refused) = submissions(projection, row).await?;
    Ok(ActualOrder {
        key: row.key.clone(),
        state: row.state,
        stuck: row.stuck,
        open_cases: row.open_cases,
        rejection_codes,
        revisions_refused,
        effects: effects.get(row.key.as_str()).cloned().unwrap_or_default(),
    })
}

/// The codes of the last rejection, and how many requests were refused as revisions. Most orders have neither.
async fn submissions(
    projection: &Projection,
    row: &OrderRow,
) -> anyhow::Result<(BTreeSet<domain::ReasonCode>, u32)> {
    if row.submissions <= 1 && row.state != OrderState::Rejected {
        return Ok((BTreeSet::new(), 0));
    }
    let key: &OrderKey = &row.key;
    let view = projection.order(key).await?.with_context(|| format!("order \"{key}\" went away"))?;
    let refused = view
        .submission_list
        .iter()
        .filter(|other| other.outcome == SubmissionOutcome::RevisionRefused)
        .count();
    let rejected = view.submission_list.iter().rfind(|other| other.outcome == SubmissionOutcome::Rejected);
    let reasons: Vec<Reason> = match rejected {
        Some(submission) if row.state == OrderState::Rejected => {
            serde_json::from_str(submission.reasons.text())?
        }
        Some(_) | None => Vec::new(),
    };
    let codes = reasons.into_iter().map(|reason| reason.code).collect();
    Ok((codes, u32::try_from(refused).unwrap_or(u32::MAX)))
}
