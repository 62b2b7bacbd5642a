//! The graph as a whole: without a cycle, and within its limits.
use std::collections::{BTreeSet, HashMap};

use super::Reasons;
use super::components::Drafts;
use super::items::Items;
use crate::plan::PlannedTask;
use crate::{ReasonCode, TaskId, limits};

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
