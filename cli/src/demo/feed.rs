//! Feeds generated requests, not faster than they are taken, and waits until nothing is left to happen.
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use connectors::upstream::{Generator, Oracle};
use domain::order::OrderState;
use indicatif::{ProgressBar, ProgressStyle};
use projection::Projection;
use projection::query::Summary;
use runtime::AnyPending;

use crate::control;
use crate::service::{Service, request};

/// So many requests are on their way to the disk at most.
const PENDING_MAX: usize = 64;
/// So many orders are unfinished at most while more are fed: about what the demonstration's short time-outs allow.
const OPEN_ORDERS_MAX: i64 = 300;
const SEND_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Appends every request, in sequence.
///
/// # Errors
/// The log does not take them.
pub async fn feed(
    service: &Service,
    projection: &Projection,
    generator: &Generator,
    oracle: &Oracle,
) -> anyhow::Result<()> {
    let bar = ProgressBar::new(oracle.totals().orders);
    bar.set_style(ProgressStyle::with_template("feeding   {bar:40} {pos}/{len} orders, {elapsed}")?);
    let producer = service.store.log.producer();
    let mut pending: VecDeque<AnyPending> = VecDeque::new();
    for submission in generator.submissions() {
        let described = control::Submission {
            key: Some(submission.order_key.0.clone()),
            request_id: Some(submission.request_id.0.clone()),
            media_type: submission.media_type.clone(),
            body_bytes: submission.body.len(),
        };
        let record = request(&described, submission.body, service.store.clock.now_ms());
        pending.push_back(producer.submit(&[record])?);
        if pending.len() >= PENDING_MAX
            && let Some(first) = pending.pop_front()
        {
            first.wait(SEND_WAIT)?;
            make_room(service, projection, &bar).await?;
        }
    }
    for left in pending {
        left.wait(SEND_WAIT)?;
    }
    bar.finish_and_clear();
    Ok(())
}

async fn make_room(service: &Service, projection: &Projection, bar: &ProgressBar) -> anyhow::Result<()> {
    loop {
        check_running(service)?;
        let summary = projection.summary().await?;
        bar.set_position(summary.orders.unsigned_abs());
        let open: i64 = summary
            .orders_by_state
            .iter()
            .filter(|(state, _)| state.is_active())
            .map(|(_, count)| count)
            .sum();
        // Those with an open case wait for a person, and may be many in the end.
        if open - summary.orders_in_fallout <= OPEN_ORDERS_MAX {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn check_running(service: &Service) -> anyhow::Result<()> {
    if service.stop_signal().is_stopped() {
        bail!("a part of the service failed; the log in the data directory says which");
    }
    Ok(())
}

/// Waits until as many orders stand where the oracle expects them, or until nothing moved for `quiet`. Gives how long it took
/// from `started` to the last event.
///
/// # Errors
/// A part of the service failed.
pub async fn settle(
    service: &Service,
    projection: &Projection,
    oracle: &Oracle,
    started: Instant,
    quiet: Duration,
) -> anyhow::Result<Duration> {
    let expected = oracle.totals();
    let bar = ProgressBar::new(expected.orders);
    bar.set_style(ProgressStyle::with_template("finishing {bar:40} {pos}/{len} orders, {elapsed}")?);
    let (mut events, mut moved_at) = (0, Instant::now());
    loop {
        check_running(service)?;
        let summary = projection.summary().await.context("could not look at the orders")?;
        bar.set_position(settled(&summary));
        let now: i64 = summary.events.values().sum();
        if now != events {
            (events, moved_at) = (now, Instant::now());
        }
        if stands_as_expected(&summary, oracle) || moved_at.elapsed() > quiet {
            bar.finish_and_clear();
            return Ok(moved_at.duration_since(started));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn settled(summary: &Summary) -> u64 {
    let ended = summary.orders_by_state.iter().filter(|(state, _)| !state.is_active());
    ended.map(|(_, count)| count.unsigned_abs()).sum()
}

/// By numbers only; whether they are the right orders is judged afterwards.
pub fn stands_as_expected(summary: &Summary, oracle: &Oracle) -> bool {
    let mut expected: BTreeMap<OrderState, i64> = BTreeMap::new();
    let mut blocked = 0;
    for (_, order) in oracle.orders() {
        let state = match order.outcome.name() {
            "completed" => OrderState::Completed,
            "rejected" => OrderState::Rejected,
            "partiallyCompleted" => OrderState::PartiallyCompleted,
            "failed" => OrderState::Failed,
            _ => {
                blocked += 1;
                OrderState::InProgress
            }
        };
        *expected.entry(state).or_default() += 1;
    }
    let found: BTreeMap<OrderState, i64> = summary
        .orders_by_state
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(state, count)| (*state, *count))
        .collect();
    let stuck = i64::try_from(oracle.stuck().len()).unwrap_or(i64::MAX);
    found == expected && summary.stuck_orders == stuck && summary.orders_in_fallout >= blocked
}
