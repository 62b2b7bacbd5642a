//! `submit --wait`: follows each request until what became of it is known, and can be read.
//!
//! The service says when capture has told of a request, and up to where on the event topic; the projection is read once it has come so far.
//! So the answer is about this very write, and not about an older one of the same key.
use std::time::Duration;

use anyhow::{Context, bail};
use domain::order::OrderState;
use domain::{OrderKey, RequestId};
use projection::Projection;
use projection::query::{RequestTrace, SubmissionView};
use projection::rows::SubmissionOutcome;
use schemas::topics;
use serde::Serialize;
use tokio::time::Instant;

use super::Wait;
use super::fate::Fate;
use crate::control::{Client, Receipt, Request};
use crate::order::{LOOK_EVERY, code_of, reasons, word};
use crate::settings::Settings;
use crate::text::printable;
use crate::{exit, order};

/// How long the projection of a service that has just started may take to appear.
const PROJECTION_WAIT: Duration = Duration::from_secs(10);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Validated,
    Rejected,
    /// The order of its key is in progress, or ended, and was not touched.
    RevisionRefused,
    /// Valid, but its catalog cannot say how to build it.
    NotDecomposed,
    /// It came before; nothing follows from it a second time.
    Ignored,
    DeadLetter,
    /// Not known when the time was up.
    Undecided,
}

/// A request, and as much as is known of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    pub key: String,
    pub place: String,
    pub partition: u32,
    pub offset: i64,
    pub request_id: Option<String>,
    pub outcome: Outcome,
    /// Of the order, when it was looked at last.
    pub state: Option<OrderState>,
    /// `{code, pointer, message}`, as validation gave them.
    pub reasons: serde_json::Value,
    /// What else there is to know: what is waited for, why it is a dead letter.
    pub note: Option<String>,
    #[serde(skip)]
    reason_lines: Vec<String>,
    /// 0, 3 or 4, as the process would end for this request alone.
    pub exit_code: u8,
}

pub struct Follower {
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
        Ok(Follower { client, projection, wait, deadline })
    }

    /// Until what is waited for has happened, or the time is up. `later` of the requests of the same id were sent after it.
    ///
    /// # Errors
    /// The service has gone, or the projection cannot be read.
    pub async fn follow(
        &mut self,
        key: &str,
        place: &str,
        receipt: &Receipt,
        later: usize,
    ) -> anyhow::Result<Followed> {
        let mut followed = Followed::new(key, place, receipt);
        loop {
            if self.look(&mut followed, receipt, later).await? {
                return Ok(followed);
            }
            let now = Instant::now();
            if now >= self.deadline {
                followed.exit_code = exit::TIMED_OUT;
                return Ok(followed);
            }
            tokio::time::sleep_until((now + LOOK_EVERY).min(self.deadline)).await;
        }
    }

    /// Whether there is nothing left to wait for.
    async fn look(
        &mut self,
        followed: &mut Followed,
        receipt: &Receipt,
        later: usize,
    ) -> anyhow::Result<bool> {
        let fate = self.client.ask::<Fate>(&Request::Fate(receipt.clone()), b"").await.context(
            "the outcome could not be asked for; the request is on the log, and is taken up whenever the service runs",
        )?;
        let (request_id, events_end) = match fate {
            Fate::Waiting => return Ok(false),
            Fate::DeadLetter { partition, offset, reason } => {
                followed.outcome = Outcome::DeadLetter;
                followed.note =
                    Some(format!("dead letter at partition {partition}, offset {offset}: {reason}"));
                followed.exit_code = exit::REFUSED;
                return Ok(true);
            }
            Fate::Told { request_id, events_end } => (request_id, events_end),
        };
        let place = (topics::ORDER_EVENTS.to_owned(), i32::try_from(receipt.partition)?);
        let read_to = self.projection.positions().await?.get(&place).copied().unwrap_or_default();
        followed.request_id = Some(request_id.clone());
        if read_to < events_end {
            return Ok(false);
        }
        let key = OrderKey::from(followed.key.as_str());
        let trace = self.projection.request(&key, &RequestId(request_id)).await?;
        Ok(followed.take(&trace, later, self.wait))
    }
}

impl Followed {
    fn new(key: &str, place: &str, receipt: &Receipt) -> Followed {
        Followed {
            key: key.to_owned(),
            place: place.to_owned(),
            partition: receipt.partition,
            offset: receipt.offset,
            request_id: None,
            outcome: Outcome::Undecided,
            state: None,
            reasons: serde_json::Value::Array(Vec::new()),
            note: None,
            reason_lines: Vec::new(),
            exit_code: exit::TIMED_OUT,
        }
    }

    /// Takes over what the projection says; whether that is all.
    fn take(&mut self, trace: &RequestTrace, later: usize, wait: Wait) -> bool {
        self.state = trace.order.as_ref().map(|order| order.state);
        self.note = trace
            .order
            .as_ref()
            .and_then(|order| order.waiting_for.clone())
            .map(|wait| format!("waits for {wait}"));
        // Of equal requests, the last that were told are the last that were sent.
        let arrival = trace.arrivals.len().checked_sub(1 + later).and_then(|index| trace.arrivals.get(index));
        let (Some(arrival), Some(submission)) = (arrival, &trace.submission) else { return false };
        let Some(decided) = decided(submission) else { return false };
        self.outcome = if arrival.repeated { Outcome::Ignored } else { decided };
        self.reasons = submission.reasons.value();
        self.reason_lines = reasons(submission);
        self.exit_code = match (decided, wait, self.state) {
            (Outcome::Validated, Wait::Decided, _) => exit::DONE,
            (Outcome::Validated, Wait::Completed, Some(state)) if !state.is_active() => code_of(state),
            (Outcome::Validated, Wait::Completed, _) => return false,
            (
                Outcome::Rejected
                | Outcome::RevisionRefused
                | Outcome::NotDecomposed
                | Outcome::Ignored
                | Outcome::DeadLetter
                | Outcome::Undecided,
                Wait::Decided | Wait::Completed,
                _,
            ) => exit::REFUSED,
        };
        true
    }

    /// For people: a line, and one for each reason.
    pub fn print(&self) {
        let state = self.state.map(|state| format!(", order {}", word(&state))).unwrap_or_default();
        let note = self.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        println!("{}: {}{state}{}", printable(&self.key), self.outcome.shown(), printable(&note));
        self.reason_lines.iter().for_each(|reason| println!("  {reason}"));
    }
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

impl Outcome {
    fn shown(self) -> &'static str {
        match self {
            Outcome::Validated => "validated",
            Outcome::Rejected => "rejected",
            Outcome::RevisionRefused => "revision refused",
            Outcome::NotDecomposed => "validated, but the catalog cannot say how to build it",
            Outcome::Ignored => "ignored, the same request came before",
            Outcome::DeadLetter => "could not be processed",
            Outcome::Undecided => "not decided yet",
        }
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
