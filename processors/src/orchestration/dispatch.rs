//! Sending: a ready task becomes a command on its system, or waits for its turn where the system is unwell.
use domain::codes::{INPUT_SOURCE_MISSING, TASK_TYPE_MISSING};
use domain::command::{Command, CommandKind};
use domain::downstream::{CircuitState, DownstreamObserved, ObservationKind};
use domain::order::Values;
use domain::plan::{ExecutionMode, Failure, PlannedInput, TaskState, TaskTrigger};
use domain::{CommandId, TaskId, Timestamp};

use domain::catalog::TaskType;
use domain::catalog::task_type::TimeoutAction;

use super::state::{self, Cell, CommandIndex};
use super::step::Step;
use super::{Output, failure};

/// The system that our own failures are told of.
pub const OWN_SYSTEM: &str = "orderstream";

/// All predecessors of the task are done. Where nothing may be sent any more, it stays as it is.
pub(super) fn ready(step: &mut Step<'_>, id: TaskId) {
    if step.head.may_dispatch() && step.trigger(id, TaskTrigger::PredecessorsDone, None) {
        send_or_defer(step, id, false);
    }
}

/// Sends a task that is ready; a retry included. `granted`: its system's breaker lets it through.
pub(super) fn send_or_defer(step: &mut Step<'_>, id: TaskId, granted: bool) {
    if !step.head.may_dispatch() {
        step.trigger(id, TaskTrigger::NoLongerNeeded, Some("the order can only fail any more".to_owned()));
        refuse_turn(step, id, granted);
        return;
    }
    let inputs = match inputs_of(step, id) {
        Ok(inputs) => inputs,
        Err(failure) => {
            let reason = Some(failure.message.clone());
            if let Some(record) = step.task(id) {
                record.task.last_failure = Some(failure);
            }
            step.trigger(id, TaskTrigger::InputMissing, reason);
            refuse_turn(step, id, granted);
            return;
        }
    };
    if !granted && is_gated(step, id) {
        let reason = "its system is unwell, and it waits for its turn".to_owned();
        if step.trigger(id, TaskTrigger::DownstreamUnhealthy, Some(reason)) {
            want_turn(step, id);
        }
        return;
    }
    send(step, id, inputs, granted);
}

/// The inputs as they are sent. A mapping whose source is missing is a failure, never an empty value (domain model, "Plan").
fn inputs_of(step: &mut Step<'_>, id: TaskId) -> Result<Values, Failure> {
    let at = step.now();
    let ours = |code: &str, message: String| Failure {
        system: OWN_SYSTEM.to_owned(),
        code: code.to_owned(),
        message,
        at,
    };
    let Some(record) = step.task(id) else {
        return Err(ours(TASK_TYPE_MISSING, "the task is not in the plan".to_owned()));
    };
    let (planned, task_type) = (record.task.planned.inputs.clone(), record.task.planned.task_type.clone());
    if step.task_type(&task_type).is_none() {
        let version = &step.head.catalog_version;
        let message = format!(
            "catalog version \"{version}\" has no task type \"{task_type}\"; publish it, then repair the task"
        );
        return Err(ours(TASK_TYPE_MISSING, message));
    }
    let mut inputs = Values::new();
    for PlannedInput { name, value, task, output } in planned {
        let reported = match (&value, task, &output) {
            (Some(value), _, _) => Some(value.clone()),
            (None, Some(source), Some(output)) => {
                step.task(source).and_then(|it| it.task.outputs.get(output).cloned())
            }
            (None, _, _) => None,
        };
        let Some(value) = reported else {
            let source =
                task.and_then(|source| step.task(source)).map(|it| it.task.planned.task_type.clone());
            let (output, source) = (output.unwrap_or_default(), source.unwrap_or_default());
            let message = format!(
                "input \"{name}\" needs output \"{output}\" of task type \"{source}\", which did not report it"
            );
            return Err(ours(INPUT_SOURCE_MISSING, message));
        };
        inputs.insert(name, value);
    }
    Ok(inputs)
}

/// Whether the task's system lets nobody in without a turn: its circuit is not closed, or others wait already.
pub(super) fn is_gated(step: &mut Step<'_>, id: TaskId) -> bool {
    let world = step.world;
    let Some(record) = step.task(id) else { return false };
    let health = world.health.get(&record.task.planned.system);
    health.is_some_and(|health| health.circuit != CircuitState::Closed || health.waiting > 0)
}

pub(super) fn want_turn(step: &mut Step<'_>, id: TaskId) {
    if let Some(record) = step.task(id) {
        record.turn_wanted = true;
        record.task.due = None;
    }
    observe(step, id, ObservationKind::TurnWanted);
}

/// A turn that is not wanted any more is given back, asked for or granted.
pub(super) fn refuse_turn(step: &mut Step<'_>, id: TaskId, granted: bool) {
    let Some(record) = step.task(id) else { return };
    let wanted = std::mem::take(&mut record.turn_wanted);
    if wanted || granted {
        observe(step, id, ObservationKind::TurnRefused);
    }
}

/// The breaker lets the task through. It is sent if it still waits for that; else the turn is given back.
pub(super) fn turn_granted(step: &mut Step<'_>, id: TaskId) {
    let Some(record) = step.task(id) else { return };
    let (wanted, state) = (std::mem::take(&mut record.turn_wanted), record.task.state);
    match state {
        TaskState::Deferred => {
            if step.trigger(id, TaskTrigger::TurnGranted, None) {
                send_or_defer(step, id, true);
            }
        }
        TaskState::UnknownOutcome if wanted => ask(step, id, true),
        TaskState::UnknownOutcome
        | TaskState::NotStarted
        | TaskState::Ready
        | TaskState::Dispatched
        | TaskState::Accepted
        | TaskState::WaitingCallback
        | TaskState::Completed
        | TaskState::FailedRetrying
        | TaskState::FailedRepairable
        | TaskState::FailedTerminal
        | TaskState::Cancelled
        | TaskState::Skipped
        | TaskState::Undone => {
            observe(step, id, ObservationKind::TurnRefused);
        }
    }
}

/// Sends the command: its id is derived from task, mode and run, so every sending of one run carries the same.
fn send(step: &mut Step<'_>, id: TaskId, inputs: Values, granted: bool) {
    let now = step.now();
    let Some(record) = step.task(id) else { return };
    let name = record.task.planned.task_type.clone();
    let Some(task_type) = step.task_type(&name) else { return };
    let Some(record) = step.task(id) else { return };
    let command_id = CommandId::derived(id, record.task.mode, record.task.run);
    let first = record.task.command_id != Some(command_id);
    record.task.command_id = Some(command_id);
    record.task.attempt = if first { 1 } else { record.task.attempt.saturating_add(1) };
    record.task.ran_with = Some(inputs);
    record.task.dispatched_at = Some(now);
    record.task.queries = 0;
    // What failed before is told already, and says nothing of this sending.
    record.task.last_failure = None;
    record.task.due = match task_type.timeout_action {
        TimeoutAction::Reconcile => Some(now.plus_ms(task_type.breach_ms)),
        TimeoutAction::Nothing => None,
    };
    if first {
        record.first_sent_at = Some(now);
        record.task.feedback_seen.clear();
        step.cells.put(&state::command_cell(command_id), Cell::Command(CommandIndex { task_id: id }));
    }
    if step.trigger(id, TaskTrigger::DispatchSent, None) {
        emit(step, id, CommandKind::Execute, task_type, now.plus_ms(task_type.breach_ms), granted);
    }
}

/// Asks what became of the command, by its own id; waits for a turn where the system is unwell.
///
/// The question does nothing downstream. It is answered within the backoff that follows, or asked again.
pub(super) fn ask(step: &mut Step<'_>, id: TaskId, granted: bool) {
    if !granted && is_gated(step, id) {
        want_turn(step, id);
        return;
    }
    let now = step.now();
    let Some(record) = step.task(id) else { return };
    let name = record.task.planned.task_type.clone();
    let Some(task_type) = step.task_type(&name) else {
        // Without its type nobody knows how often to ask: a person finds out.
        step.trigger(
            id,
            TaskTrigger::RetriesExhausted,
            Some(format!("task type \"{name}\" is missing in the catalog")),
        );
        refuse_turn(step, id, granted);
        return;
    };
    let Some(record) = step.task(id) else { return };
    record.task.queries = record.task.queries.saturating_add(1);
    let wait_ms = failure::backoff_ms(&task_type.retry, record.task.queries, record.task.command_id);
    let due = now.plus_ms(wait_ms);
    record.task.due = Some(due);
    emit(step, id, CommandKind::Query, task_type, due, granted);
}

fn emit(
    step: &mut Step<'_>,
    id: TaskId,
    kind: CommandKind,
    task_type: &TaskType,
    answer_due: Timestamp,
    granted: bool,
) {
    let (key, now) = (step.key.clone(), step.now());
    let (priority, correlation_id) = (step.head.priority, step.head.correlation_id.clone());
    let Some(record) = step.task(id) else { return };
    record.answer_awaited = true;
    record.granted = granted;
    record.turn_wanted = false;
    let task = &record.task;
    let Some(command_id) = task.command_id else { return };
    let name = match (task.mode, &task_type.compensating_command) {
        (ExecutionMode::Undo, Some(compensating)) => compensating,
        (ExecutionMode::Undo, None) => &task_type.command,
        (ExecutionMode::Do | ExecutionMode::Redo | ExecutionMode::AmendDo, _) => &task_type.command,
    };
    let command = Command {
        command_id,
        order_key: key,
        system: task.planned.system.clone(),
        kind,
        name: name.clone(),
        mode: task.mode,
        attempt: task.attempt,
        priority,
        action: task.planned.action,
        task_id: Some(id),
        item_id: Some(task.planned.item_id.clone()),
        service_order: Some(task.planned.service_order),
        product: task.planned.product.clone(),
        inputs: task.ran_with.clone().unwrap_or_default(),
        issued_at: now,
        answer_due: Some(answer_due),
        correlation_id,
    };
    step.effect(Output::Command(Box::new(command)));
}

/// Tells the system's breaker what the order saw of it.
pub(super) fn observe(step: &mut Step<'_>, id: TaskId, kind: ObservationKind) {
    let (order_key, priority, at) = (step.key.clone(), step.head.priority.level(), step.now());
    let Some(record) = step.task(id) else { return };
    let system = record.task.planned.system.clone();
    let observed = DownstreamObserved { system, kind, order_key, task_id: Some(id), priority, at };
    step.effect(Output::Observation(Box::new(observed)));
}
