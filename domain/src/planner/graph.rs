//! The graph as a whole: without a cycle, and within its limits.
use std::collections::{BTreeSet, HashMap};

use super::Reasons;
use super::components::Drafts;
use super::items::Items;
use crate::plan::PlannedTask;
use crate::{ReasonCode, TaskId, limits};

/// A plan is part of one record.
const PLAN_BYTES_MAX: usize = limits::PLAN_TASKS_MAX * limits::PLANNED_TASK_BYTES_MAX;
/// An id as text, with its length.
const ID_BYTES: usize = 38;
/// What a task has beside ids, names and inputs.
const TASK_BYTES: usize = 16;

/// About as many bytes as the plan will have in its record.
fn record_bytes(drafts: &Drafts<'_>) -> usize {
    let tasks = drafts.tasks.iter().map(|task| {
        let names =
            drafts.components[task.component].path.len() + task.rule.task_type.len() + task.system.len();
        let inputs = task.inputs.iter().map(|input| {
            let value = input.value.as_ref().map_or(ID_BYTES, |value| value.text().len());
            input.name.len() + value + input.output.as_ref().map_or(0, String::len)
        });
        TASK_BYTES + (4 + task.predecessors.len()) * ID_BYTES + names + inputs.sum::<usize>()
    });
    let components = drafts.components.iter().map(|component| {
        let values = component.values.iter().map(|(name, value)| name.len() + value.text().len());
        TASK_BYTES + 3 * ID_BYTES + component.service.id.len() + values.sum::<usize>()
    });
    tasks.sum::<usize>() + components.sum::<usize>()
}

pub(super) fn check(items: &Items<'_>, drafts: &Drafts<'_>, reasons: &mut Reasons) {
    for task in &drafts.tasks {
        if task.predecessors.len() > limits::TASK_PREDECESSORS_MAX {
            let message = format!(
                "task {} would wait for {} others; there may be {}",
                task.rule.task_type,
                task.predecessors.len(),
                limits::TASK_PREDECESSORS_MAX
            );
            reasons.add(ReasonCode::PlanTooLarge, items.all[task.item].pointer(), message);
        }
    }
    let bytes = record_bytes(drafts);
    if bytes > PLAN_BYTES_MAX {
        let message = format!(
            "the plan would have about {bytes} bytes; there may be {PLAN_BYTES_MAX}; split the order"
        );
        reasons.add(ReasonCode::PlanTooLarge, "", message);
    }
    let predecessors: Vec<Vec<usize>> =
        drafts.tasks.iter().map(|task| task.predecessors.iter().copied().collect()).collect();
    let left = left_over(&predecessors);
    if !left.is_empty() {
        let names: BTreeSet<&str> =
            left.iter().map(|task| items.all[drafts.tasks[*task].item].id()).collect();
        let tasks: BTreeSet<&str> =
            left.iter().map(|task| drafts.tasks[*task].rule.task_type.as_str()).collect();
        let (names, tasks): (Vec<&str>, Vec<&str>) =
            (names.into_iter().collect(), tasks.into_iter().collect());
        let message = format!(
            "the tasks {} of items {} wait for one another; a relation between the items must go",
            tasks.join(", "),
            names.join(", ")
        );
        reasons.add(ReasonCode::PlanCyclic, "", message);
    }
}

/// The tasks in a sequence in which each comes after its predecessors; `None` where there is none.
pub fn sequence(tasks: &[PlannedTask]) -> Option<Vec<TaskId>> {
    let index: HashMap<TaskId, usize> =
        tasks.iter().enumerate().map(|(index, task)| (task.id, index)).collect();
    let mut predecessors = Vec::with_capacity(tasks.len());
    for task in tasks {
        predecessors
            .push(task.predecessors.iter().map(|id| index.get(id).copied()).collect::<Option<Vec<_>>>()?);
    }
    let sorted = sorted(&predecessors);
    (sorted.len() == tasks.len()).then(|| sorted.into_iter().map(|index| tasks[index].id).collect())
}

/// The nodes in an order in which each comes after its predecessors; those of a cycle, and those behind one, are missing.
fn sorted(predecessors: &[Vec<usize>]) -> Vec<usize> {
    let mut successors = vec![Vec::new(); predecessors.len()];
    let mut waiting: Vec<usize> = predecessors.iter().map(Vec::len).collect();
    for (node, before) in predecessors.iter().enumerate() {
        before.iter().for_each(|one| successors[*one].push(node));
    }
    let mut done: Vec<usize> = (0..predecessors.len()).filter(|node| waiting[*node] == 0).collect();
    let mut next = 0;
    while next < done.len() {
        for successor in &successors[done[next]] {
            waiting[*successor] -= 1;
            if waiting[*successor] == 0 {
                done.push(*successor);
            }
        }
        next += 1;
    }
    done
}

/// The nodes on cycles: what is left when everything before and everything behind them is taken away.
fn left_over(predecessors: &[Vec<usize>]) -> Vec<usize> {
    let all = 0..predecessors.len();
    let done: BTreeSet<usize> = sorted(predecessors).into_iter().collect();
    if done.len() == predecessors.len() {
        return Vec::new();
    }
    let mut successors = vec![Vec::new(); predecessors.len()];
    for (node, before) in predecessors.iter().enumerate() {
        before.iter().for_each(|one| successors[*one].push(node));
    }
    let before: BTreeSet<usize> = sorted(&successors).into_iter().collect();
    all.filter(|node| !done.contains(node) && !before.contains(node)).collect()
}
