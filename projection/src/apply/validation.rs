//! What validation says of a submission: valid, rejected with all its reasons, refused, or asked for downstream.
use domain::order::OrderState;
use domain::order::event::{
    Cause, FeasibilityAsked, FeasibilityUnanswered, OrderRejected, OrderValidated, RevisionRefused,
};
use domain::{Reason, RequestId};

use super::capture::{describe, replace_items};
use super::{Staged, counted};
use crate::rows::{At, JsonText, SubmissionOutcome, SubmissionRow};

pub(super) fn validated(staged: &mut Staged, event: OrderValidated) -> bool {
    let OrderValidated { cause, submission, order } = event;
    decide(staged, &cause, submission, &order.request_id, SubmissionOutcome::Validated, &[]);
    if let Some(row) = staged.submissions.change(&(cause.order_key.clone(), submission)) {
        row.snapshot = JsonText::of(&order);
        row.catalog_version = Some(order.catalog_version.clone());
    }
    let Some(row) = staged.order(&cause) else { return false };
    describe(row, &order);
    row.enter(OrderState::Validated, At(cause.at));
    row.submission = submission;
    row.submissions = row.submissions.max(submission);
    row.waiting_for = None;
    row.next_due = None;
    replace_items(staged, &cause.order_key, &order, At(cause.at));
    true
}

pub(super) fn rejected(staged: &mut Staged, event: OrderRejected) -> bool {
    let OrderRejected { cause, submission, request_id, reasons } = event;
    decide(staged, &cause, submission, &request_id, SubmissionOutcome::Rejected, &reasons);
    let Some(row) = staged.order(&cause) else { return false };
    row.enter(OrderState::Rejected, At(cause.at));
    row.submission = submission;
    row.submissions = row.submissions.max(submission);
    row.waiting_for = None;
    row.next_due = None;
    true
}

/// The order itself is not touched.
pub(super) fn revision_refused(staged: &mut Staged, event: RevisionRefused) -> bool {
    let RevisionRefused { cause, submission, request_id, reasons } = event;
    decide(staged, &cause, submission, &request_id, SubmissionOutcome::RevisionRefused, &reasons);
    staged.orders.get(&(cause.order_key,)).is_some()
}

pub(super) fn feasibility_asked(staged: &mut Staged, event: FeasibilityAsked) -> bool {
    staged.count(counted::COMMANDS_SENT, &event.system, 1);
    staged.count(counted::RETRIES, &event.system, i64::from(event.attempt > 1));
    let Some(row) = staged.order(&event.cause) else { return false };
    row.waiting_for = Some(format!("answer of {} whether it can be delivered", event.system));
    row.next_due = Some(At(event.answer_due));
    true
}

pub(super) fn feasibility_unanswered(staged: &mut Staged, event: FeasibilityUnanswered) -> bool {
    let Some(row) = staged.order(&event.cause) else { return false };
    // A person decides now: no date is known.
    row.next_due = None;
    true
}

/// Notes what became of a submission. One whose capture was never seen gets a row too: its reasons must not be lost.
pub(super) fn decide(
    staged: &mut Staged,
    cause: &Cause,
    submission: u32,
    request_id: &RequestId,
    outcome: SubmissionOutcome,
    reasons: &[Reason],
) {
    for reason in reasons {
        staged.count(counted::REASONS, crate::rows::text_of(&reason.code), 1);
    }
    let key = (cause.order_key.clone(), submission);
    if staged.submissions.get(&key).is_none() {
        staged.submissions.put(SubmissionRow {
            order_key: cause.order_key.clone(),
            submission,
            request_id: request_id.clone(),
            outcome,
            received_at: At(cause.at),
            decided_at: None,
            contract: None,
            catalog_version: None,
            evidence: JsonText::of(&()),
            reasons: JsonText::of(reasons),
            snapshot: JsonText::of(&()),
        });
    }
    if let Some(row) = staged.submissions.change(&key) {
        row.outcome = outcome;
        row.decided_at = Some(At(cause.at));
        row.reasons = JsonText::of(reasons);
    }
}
