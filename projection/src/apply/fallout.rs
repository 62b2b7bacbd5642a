//! Cases: opened, filed anew, resolved; and how many of them an order has.
use domain::fallout::{CaseState, Classification, FalloutCase};
use domain::order::event::{FalloutClassified, FalloutDetected, FalloutResolved};
use domain::plan::Failure;

use super::Staged;
use super::orchestration::adjusted;
use crate::rows::{At, CaseRow, indexed};

pub(super) fn detected(staged: &mut Staged, event: FalloutDetected) -> bool {
    let FalloutDetected { cause, case } = event;
    let before = staged.cases.get(&(case.id,)).map(|row| row.is_open);
    let filed = staged.cases.get(&(case.id,)).map_or(0, |row| row.filed) + 1;
    let is_open = case.state.is_open();
    let item = case.item_id.clone().and_then(|item| staged.items.get(&(cause.order_key.clone(), item)));
    let offering = item.and_then(|item| item.offering.clone());
    let order = staged.orders.get(&(cause.order_key.clone(),));
    let catalog_version = order.map(|order| order.catalog_version.clone());
    staged.cases.put(CaseRow { offering, catalog_version, filed, ..case_row(case) });
    let Some(order) = staged.order(&cause) else { return false };
    order.cases += u32::from(before.is_none());
    order.open_cases = adjusted(order.open_cases, before.unwrap_or(false), is_open);
    true
}

fn case_row(case: FalloutCase) -> CaseRow {
    let FalloutCase { failure, classification, .. } = case;
    CaseRow {
        id: case.id,
        order_key: case.order_key,
        item_id: case.item_id,
        task_id: case.task_id,
        detection: case.detection,
        state: case.state,
        is_open: case.state.is_open(),
        severity: case.severity,
        domain: classification.domain,
        recoverability: classification.recoverability,
        normalized_code: indexed(classification.normalized_code),
        owner_group: indexed(classification.owner_group),
        action: classification.action,
        customer_impact: classification.customer_impact,
        revenue_impact: classification.revenue_impact,
        customer_message: classification.customer_message,
        failure_system: indexed(failure.system),
        failure_code: failure.code,
        failure_message: failure.message,
        failure_at: At(failure.at),
        offering: None,
        catalog_version: None,
        escalated: case.escalated,
        assignee: case.assignee,
        detected_at: At(case.detected_at),
        touched_at: At(case.touched_at),
        sla_due: case.sla_due.map(At),
        resolved_at: case.resolved_at.map(At),
        resolution: case.resolution,
        reopened: case.reopened,
        filed: 1,
    }
}

pub(super) fn classified(staged: &mut Staged, event: FalloutClassified) -> bool {
    let FalloutClassified { cause, case_id, detection, failure, classification, severity } = event;
    let Some(row) = staged.cases.change(&(case_id,)) else { return false };
    row.detection = detection;
    row.severity = severity;
    row.touched_at = At(cause.at);
    row.filed += 1;
    file(row, classification, failure);
    staged.order(&cause).is_some()
}

fn file(row: &mut CaseRow, classification: Classification, failure: Failure) {
    row.domain = classification.domain;
    row.recoverability = classification.recoverability;
    row.normalized_code = indexed(classification.normalized_code);
    row.owner_group = indexed(classification.owner_group);
    row.action = classification.action;
    row.customer_impact = classification.customer_impact;
    row.revenue_impact = classification.revenue_impact;
    row.customer_message = classification.customer_message;
    row.failure_system = indexed(failure.system);
    row.failure_code = failure.code;
    row.failure_message = failure.message;
    row.failure_at = At(failure.at);
}

/// The case stays searchable.
pub(super) fn resolved(staged: &mut Staged, event: FalloutResolved) -> bool {
    let Some(row) = staged.cases.change(&(event.case_id,)) else { return false };
    let open_before = row.is_open;
    row.state = CaseState::Resolved;
    row.is_open = false;
    row.touched_at = At(event.cause.at);
    row.resolved_at = Some(At(event.cause.at));
    row.resolution = Some(event.resolution);
    let Some(order) = staged.order(&event.cause) else { return false };
    order.open_cases = adjusted(order.open_cases, open_before, false);
    true
}
