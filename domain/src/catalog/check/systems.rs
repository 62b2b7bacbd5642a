//! Systems, task types, relation kinds and the systems that fallout rules name.
use super::{Findings, repeated};
use crate::catalog::task_type::{Reversible, SideEffect, TimeoutAction};
use crate::catalog::{CatalogDocument, CircuitPolicy, TaskType};
use crate::fallout::rules::ANY;
use crate::limits;

/// The most attempts and questions of one command.
const ATTEMPTS_MAX: u32 = 100;
/// The longest duration, in milliseconds: ten years, far from where sums overflow.
const DURATION_MS_MAX: i64 = 10 * 366 * 24 * 60 * 60 * 1_000;

pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) {
    for (key, system) in &document.systems {
        findings.about("system", key);
        findings.named(key, &system.name);
        circuit(&system.circuit, findings);
    }
    for (key, task_type) in &document.task_types {
        findings.about("taskType", key);
        findings.named(key, &task_type.name);
        findings.refers("system", &task_type.system, &document.systems, |near| {
            format!("names the system \"{}\", which is not in the catalog{near}", task_type.system)
        });
        durations(task_type, findings);
        side_effect(task_type, findings);
        names(document, task_type, findings);
    }
    for (key, kind) in &document.relation_kinds {
        findings.about("relationKind", key);
        findings.named(key, &kind.name);
        findings.require(!(kind.target_is_part && kind.orders_work), || {
            "has both targetIsPart and ordersWork; a whole does not wait for the work of its parts".to_owned()
        });
    }
    for (index, rule) in document.fallout_rules.iter().enumerate() {
        findings.subject = format!("falloutRule {}", index + 1);
        if rule.system != ANY {
            findings.refers("system", &rule.system, &document.systems, |near| {
                format!(
                    "names the system \"{}\", which is not in the catalog; \"*\" means every one{near}",
                    rule.system
                )
            });
        }
        findings.require(!rule.code.is_empty(), || "has an empty code; \"*\" means every one".to_owned());
        findings.require(!rule.normalized_code.is_empty(), || "has an empty normalizedCode".to_owned());
    }
}

/// Durations that are possible one by one, and make no sense together.
pub(super) fn review(document: &CatalogDocument, findings: &mut Findings) {
    for task_type in document.task_types.values() {
        findings.about("taskType", &task_type.name);
        let TaskType { retry, grace_ms, breach_ms, .. } = task_type;
        findings.require(retry.attempts_max <= 1 || retry.window_ms >= retry.backoff_ms_min, || {
            format!(
                "retry.windowMs is {}, which is over before the first of its {} tries; it must be at least backoffMsMin, {}",
                retry.window_ms, retry.attempts_max, retry.backoff_ms_min
            )
        });
        findings.require(!task_type.compensate_in_progress || grace_ms <= breach_ms, || {
            format!("graceMs is {grace_ms}, and must not be above breachMs, {breach_ms}: by then nothing is expected any more")
        });
        findings.require(task_type.retry.queries_max > 0 || task_type.timeout_action == TimeoutAction::Nothing, || {
            "says timeoutAction = \"reconcile\" and retry.queriesMax = 0; an outcome that is unknown has to be asked for".to_owned()
        });
        findings.require(task_type.compensating_command.as_ref() != Some(&task_type.command), || {
            "compensatingCommand is its own command; that would do it again".to_owned()
        });
        if task_type.compensate_in_progress && task_type.side_effect == SideEffect::None {
            findings.warn("says compensateInProgress and has no side effect; there is nothing to compensate");
        }
    }
    for offering in document.offerings.values() {
        findings.about("offering", &offering.id);
        let Some(feasibility) = &offering.feasibility else { continue };
        findings.require(feasibility.answer_ms <= DURATION_MS_MAX, || {
            format!("feasibility.answerMs must be 1 to {DURATION_MS_MAX}")
        });
        findings.require(feasibility.attempts_max <= ATTEMPTS_MAX, || {
            format!("feasibility.attemptsMax must be 1 to {ATTEMPTS_MAX}")
        });
    }
}

fn circuit(circuit: &CircuitPolicy, findings: &mut Findings) {
    findings.require(circuit.failures_max >= 1, || "circuit.failuresMax must be at least 1".to_owned());
    findings.require(circuit.release_count >= 1, || "circuit.releaseCount must be at least 1".to_owned());
    for (name, ms) in [
        ("windowMs", circuit.window_ms),
        ("openMsMin", circuit.open_ms_min),
        ("openMsMax", circuit.open_ms_max),
        ("probeMs", circuit.probe_ms),
        ("releaseIntervalMs", circuit.release_interval_ms),
    ] {
        findings.require((1..=DURATION_MS_MAX).contains(&ms), || {
            format!("circuit.{name} must be 1 to {DURATION_MS_MAX}")
        });
    }
    findings.require(circuit.open_ms_min <= circuit.open_ms_max, || {
        "circuit.openMsMin must not be above circuit.openMsMax".to_owned()
    });
}

fn durations(task_type: &TaskType, findings: &mut Findings) {
    let TaskType { expected_ms, warning_ms, breach_ms, grace_ms, retry, .. } = task_type;
    let in_sequence = 0 < *expected_ms && expected_ms <= warning_ms && warning_ms <= breach_ms;
    findings.require(in_sequence && *breach_ms <= DURATION_MS_MAX, || {
        format!("durations must be 0 < expectedMs <= warningMs <= breachMs <= {DURATION_MS_MAX}, and are {expected_ms}, {warning_ms}, {breach_ms}")
    });
    findings.require((0..=DURATION_MS_MAX).contains(grace_ms), || {
        format!("graceMs must be 0 to {DURATION_MS_MAX}")
    });
    findings.require((1..=ATTEMPTS_MAX).contains(&retry.attempts_max), || {
        format!("retry.attemptsMax must be 1 to {ATTEMPTS_MAX}")
    });
    findings.require(retry.queries_max <= ATTEMPTS_MAX, || {
        format!("retry.queriesMax must be at most {ATTEMPTS_MAX}")
    });
    let backoff_in_sequence = 0 < retry.backoff_ms_min && retry.backoff_ms_min <= retry.backoff_ms_max;
    findings.require(backoff_in_sequence && retry.backoff_ms_max <= DURATION_MS_MAX, || {
        format!("retry must have 0 < backoffMsMin <= backoffMsMax <= {DURATION_MS_MAX}")
    });
    findings.require((0..=DURATION_MS_MAX).contains(&retry.window_ms), || {
        format!("retry.windowMs must be 0 to {DURATION_MS_MAX}")
    });
}

/// Seed 000 and seed 003: what has an effect outside can be undone, or it is said that it cannot.
fn side_effect(task_type: &TaskType, findings: &mut Findings) {
    let command = task_type.compensating_command.as_deref();
    match (task_type.side_effect, task_type.reversible) {
        (SideEffect::None, _) => {}
        (
            SideEffect::Reservation
            | SideEffect::Activation
            | SideEffect::Shipment
            | SideEffect::Appointment
            | SideEffect::Billing
            | SideEffect::Contract,
            Reversible::Yes | Reversible::Partial,
        ) => findings.require(command.is_some_and(|command| !command.is_empty()), || {
            "has a side effect and no compensatingCommand; name one, or say reversible = \"no\"".to_owned()
        }),
        (
            SideEffect::Reservation
            | SideEffect::Activation
            | SideEffect::Shipment
            | SideEffect::Appointment
            | SideEffect::Billing
            | SideEffect::Contract,
            Reversible::No,
        ) => findings.require(command.is_none(), || {
            "says reversible = \"no\" and names a compensatingCommand; keep one of them".to_owned()
        }),
    }
}

fn names(document: &CatalogDocument, task_type: &TaskType, findings: &mut Findings) {
    findings.require(!task_type.command.is_empty(), || "has an empty command".to_owned());
    findings.require(!task_type.owner_group.is_empty(), || {
        "has an empty ownerGroup; every failure has an owner".to_owned()
    });
    findings.require(task_type.outputs.len() <= limits::TASK_OUTPUTS_MAX, || {
        format!("has more than {} outputs", limits::TASK_OUTPUTS_MAX)
    });
    if let Some(output) = repeated(task_type.outputs.iter().map(String::as_str)) {
        findings.add(format!("names the output \"{output}\" twice"));
    }
    let rules = document.service_specifications.values().flat_map(|specification| &specification.tasks);
    let mut used = rules.filter(|rule| rule.task_type == task_type.name).peekable();
    if used.peek().is_none() {
        return;
    }
    let inputs: std::collections::BTreeSet<&String> = used.flat_map(|rule| rule.inputs.keys()).collect();
    for field in task_type.significant_fields.iter().filter(|field| !inputs.contains(field)) {
        findings.add(format!("calls the field \"{field}\" significant, and no task of it has such an input"));
    }
}
