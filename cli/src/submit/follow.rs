//! `submit --wait`: follows each request until what became of it is known, and can be read.
//!
//! The service says when capture has told of a request, and up to where on the event topic; the projection is read once it has come so far.
//! So the answer is about this very write, and not about an older one of the same key.
use std::time::Duration;

use anyhow::{Context, bail};
use domain::{OrderKey, RequestId};
use projection::Projection;
use projection::query::{RequestTrace, SubmissionView};
use projection::rows::SubmissionOutcome;
use schemas::topics;
use tokio::time::Instant;

use super::Wait;
use super::fate::Fate;
use super::line::{Line, Outcome};
use crate::control::{Client, Receipt, Request};
use crate::order::{LOOK_EVERY, code_of, reasons};
use crate::settings::Settings;
use crate::{exit, order};

/// How long the projection of a service that has just started may take to appear.
const PROJECTION_WAIT: Duration = Duration::from_secs(10);

pub struct Follower {
    settings: Settings,
    client: Client,
    projection: Projection,
    wait: Wait,
    deadline: Instant,
}

impl Follower {
    /// # Errors
    /// There is no projection to be seen.
    pub async fn open(
        settings: &Settings,
        client: Client,
        wait: Wait,
        deadline: Instant,
    ) -> anyhow::Result<Follower> {
        let appears_by = Instant::now() + PROJECTION_WAIT;
        let projection = loop {
            match order::open(settings).await {
                Ok(projection) => break projection,
                Err(error) if Instant::now() > appears_by => return Err(error),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        Ok(Follower { settings: settings.clone(), client, projection, wait, deadline })
    }

    /// Until what is waited for has happened, or the time is up: then the line stays undecided. `later` of the requests of the same id were sent after it.
    ///
    /// # Errors
    /// The service has gone, or the projection cannot be read.
    pub async fn follow(&mut self, line: &mut Line, receipt: &Receipt, later: usize) -> anyhow::Result<()> {
        while !self.look(line, receipt, later).await? {
            let now = Instant::now();
            if now >= self.deadline {
                break;
            }
            tokio::time::sleep_until((now + LOOK_EVERY).min(self.deadline)).await;
        }
        Ok(())
    }

    /// Whether there is nothing left to wait for.
    async fn look(&mut self, line: &mut Line, receipt: &Receipt, later: usize) -> anyhow::Result<bool> {
        let fate = self.client.ask::<Fate>(&Request::Fate(receipt.clone()), b"").await.context(
            "the outcome could not be asked for; the request is on the log, and is taken up whenever the service runs",
        )?;
        let (request_id, events_end) = match fate {
            Fate::Waiting => return Ok(false),
            Fate::DeadLetter { partition, offset, reason } => {
                line.outcome = Outcome::DeadLetter;
                line.note = Some(format!("dead letter at partition {partition}, offset {offset}: {reason}"));
                line.exit_code = exit::REFUSED;
                return Ok(true);
            }
            Fate::Told { request_id, events_end } => (request_id, events_end),
        };
        self.projection = order::looked_at_again(&self.settings, self.projection.clone()).await?;
        let place = (topics::ORDER_EVENTS.to_owned(), i32::try_from(receipt.partition)?);
        let read_to = self.projection.positions().await?.get(&place).copied().unwrap_or_default();
        line.request_id = Some(request_id.clone());
        if read_to < events_end {
            return Ok(false);
        }
        let key = OrderKey::from(line.key.as_deref().unwrap_or_default());
        let trace = self.projection.request(&key, &RequestId(request_id)).await?;
        Ok(take(line, &trace, later, self.wait))
    }
}

/// Takes over what the projection says; whether that is all.
fn take(line: &mut Line, trace: &RequestTrace, later: usize, wait: Wait) -> bool {
    line.state = trace.order.as_ref().map(|order| order.state);
    line.note = trace
        .order
        .as_ref()
        .and_then(|order| order.waiting_for.clone())
        .map(|wait| format!("waits for {wait}"));
    // Of equal requests, the last that were told are the last that were sent.
    let arrival = trace.arrivals.len().checked_sub(1 + later).and_then(|index| trace.arrivals.get(index));
    let (Some(arrival), Some(submission)) = (arrival, &trace.submission) else { return false };
    let Some(decided) = decided(submission) else { return false };
    line.outcome = if arrival.repeated { Outcome::Ignored } else { decided };
    line.reasons = submission.reasons.value();
    line.reason_lines = reasons(submission);
    line.exit_code = match (wait, line.state) {
        _ if decided != Outcome::Validated => exit::REFUSED,
        (Wait::Decided, _) => exit::DONE,
        (Wait::Completed, Some(state)) if !state.is_active() => code_of(state),
        (Wait::Completed, _) => return false,
    };
    true
}

/// What validation made of a submission; `None` while it is not decided.
fn decided(submission: &SubmissionView) -> Option<Outcome> {
    match submission.outcome {
        SubmissionOutcome::Pending => None,
        SubmissionOutcome::Validated => Some(Outcome::Validated),
        SubmissionOutcome::Rejected => Some(Outcome::Rejected),
        SubmissionOutcome::RevisionRefused => Some(Outcome::RevisionRefused),
        SubmissionOutcome::NotDecomposed => Some(Outcome::NotDecomposed),
    }
}

/// The service, which must be there: without it, nothing would ever be decided.
///
/// # Errors
/// No service runs on the data directory.
pub async fn service(settings: &Settings) -> anyhow::Result<Client> {
    match Client::connect(&settings.node.data_dir).await? {
        Some(client) => Ok(client),
        None => bail!(
            "no service runs on \"{}\", so --wait would never end; start one with \"orderstream run\", or submit without --wait",
            settings.node.data_dir.display()
        ),
    }
}
