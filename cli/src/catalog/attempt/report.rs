//! What is said of a tried order.
use std::collections::HashMap;

use domain::catalog::Catalog;
use domain::plan::{Plan, PlannedTask};
use domain::{Reason, TaskId, planner};
use processors::validation::Inquiry;
use serde::Serialize;

use super::stock::WaitShown;
use crate::catalog::{count, duration};
use crate::order::{table, word};
use crate::text::printable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Planned,
    Refused,
}

/// What `--json` prints of each order; names of fields are contract.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub order: String,
    pub catalog_version: String,
    pub outcome: Outcome,
    pub reasons: Vec<Reason>,
    /// What would be asked before the order is accepted; here every answer is taken to be yes.
    pub questions: Vec<QuestionShown>,
    pub products: Vec<WaitShown>,
    pub tasks: Vec<TaskShown>,
    pub service_orders: usize,
    /// Along the critical path, in milliseconds.
    pub expected_ms: i64,
    /// The numbers of its tasks, the first first.
    pub critical_path: Vec<usize>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuestionShown {
    pub system: String,
    pub answer_ms: i64,
    pub attempts_max: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskShown {
    /// From 1, in a sequence in which they could be done.
    pub number: usize,
    pub item: String,
    pub component: String,
    pub task_type: String,
    pub system: String,
    pub action: String,
    pub expected_ms: i64,
    /// The numbers of the tasks that it waits for.
    pub after: Vec<usize>,
}

pub fn questions(inquiries: &[Inquiry]) -> Vec<QuestionShown> {
    let shown = inquiries.iter().map(|inquiry| QuestionShown {
        system: inquiry.system.clone(),
        answer_ms: inquiry.answer_ms,
        attempts_max: inquiry.attempts_max,
    });
    shown.collect()
}

impl Report {
    pub fn refused(order: String, catalog: &Catalog, reasons: Vec<Reason>) -> Report {
        Report {
            order,
            catalog_version: catalog.version.0.clone(),
            outcome: Outcome::Refused,
            reasons,
            questions: Vec::new(),
            products: Vec::new(),
            tasks: Vec::new(),
            service_orders: 0,
            expected_ms: 0,
            critical_path: Vec::new(),
        }
    }

    pub fn planned(
        order: String,
        catalog: &Catalog,
        plan: &Plan,
        inquiries: &[Inquiry],
        products: Vec<WaitShown>,
    ) -> Report {
        let tasks = numbered(catalog, plan);
        let (expected_ms, critical_path) = critical_path(&tasks);
        Report {
            outcome: Outcome::Planned,
            questions: questions(inquiries),
            products,
            tasks,
            service_orders: plan.service_orders.len(),
            expected_ms,
            critical_path,
            ..Report::refused(order, catalog, Vec::new())
        }
    }

    pub fn print(&self, catalog: &Catalog) {
        println!("order {} on catalog {}", printable(&self.order), printable(catalog.version.as_str()));
        for question in &self.questions {
            println!(
                "would be asked of {}: can it be delivered? (up to {}, {} for the first answer)",
                question.system,
                count(question.attempts_max as usize, "time"),
                duration(question.answer_ms)
            );
        }
        for wait in &self.products {
            let [item, product, message] =
                [&wait.item, &wait.product, &wait.message].map(|text| printable(text));
            println!("item {item} changes product {product}: {message}");
        }
        match self.outcome {
            Outcome::Planned => self.print_plan(),
            Outcome::Refused => {
                let mut reasons = table(&["reason", "at", "what is wrong"]);
                for reason in &self.reasons {
                    reasons.add_row([word(&reason.code), reason.pointer.clone(), reason.message.clone()]);
                }
                println!("{reasons}\nrefused for {}", count(self.reasons.len(), "reason"));
            }
        }
    }

    fn print_plan(&self) {
        let mut lines = table(&["", "item", "component", "task", "system", "action", "expected", "after"]);
        for task in &self.tasks {
            let after: Vec<String> = task.after.iter().map(usize::to_string).collect();
            lines.add_row([
                task.number.to_string(),
                task.item.clone(),
                task.component.clone(),
                task.task_type.clone(),
                task.system.clone(),
                task.action.clone(),
                duration(task.expected_ms),
                after.join(", "),
            ]);
        }
        let path: Vec<&str> = self
            .critical_path
            .iter()
            .filter_map(|number| Some(self.tasks.get(number.checked_sub(1)?)?.task_type.as_str()))
            .collect();
        println!("{lines}");
        println!(
            "{}, {}; expected to take {}: {}",
            count(self.tasks.len(), "task"),
            count(self.service_orders, "service order"),
            duration(self.expected_ms),
            path.join(" → ")
        );
    }
}

/// The tasks in a sequence in which they could be done.
fn numbered(catalog: &Catalog, plan: &Plan) -> Vec<TaskShown> {
    let tasks: HashMap<TaskId, &PlannedTask> = plan.tasks.iter().map(|task| (task.id, task)).collect();
    let sequence = planner::sequence(&plan.tasks).unwrap_or_default();
    let numbers: HashMap<TaskId, usize> = sequence.iter().copied().zip(1..).collect();
    let shown = |(id, number): (&TaskId, usize)| {
        let task = tasks.get(id)?;
        let mut after: Vec<usize> =
            task.predecessors.iter().filter_map(|id| numbers.get(id).copied()).collect();
        after.sort_unstable();
        Some(TaskShown {
            number,
            item: task.item_id.0.clone(),
            component: task.component.clone(),
            task_type: task.task_type.clone(),
            system: task.system.clone(),
            action: task.action.word().to_owned(),
            expected_ms: catalog.task_types.get(&task.task_type).map_or(0, |task_type| task_type.expected_ms),
            after,
        })
    };
    sequence.iter().zip(1..).filter_map(shown).collect()
}

/// The longest way through the tasks by their expected durations: how long, and over which.
fn critical_path(tasks: &[TaskShown]) -> (i64, Vec<usize>) {
    // By number, from 1: when it is done, and which predecessor was done last.
    let mut done: Vec<(i64, usize)> = vec![(0, 0)];
    for task in tasks {
        let last = task.after.iter().max_by_key(|before| done.get(**before).map_or(0, |(ms, _)| *ms));
        let before = last.copied().unwrap_or_default();
        let ms = done.get(before).map_or(0, |(ms, _)| *ms);
        done.push((ms.saturating_add(task.expected_ms), before));
    }
    let (mut at, (total, _)) =
        done.iter().copied().enumerate().max_by_key(|(_, (ms, _))| *ms).unwrap_or((0, (0, 0)));
    let mut path = Vec::new();
    while at != 0 {
        path.push(at);
        at = done.get(at).map_or(0, |(_, before)| *before);
    }
    path.reverse();
    (total, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: usize, expected_ms: i64, after: &[usize]) -> TaskShown {
        TaskShown {
            number,
            item: "1".into(),
            component: "c".into(),
            task_type: format!("t{number}"),
            system: "s".into(),
            action: "add".into(),
            expected_ms,
            after: after.to_vec(),
        }
    }

    #[test]
    fn the_critical_path_is_the_longest_and_not_the_one_with_most_tasks() {
        let tasks =
            [task(1, 10, &[]), task(2, 1, &[1]), task(3, 1, &[2]), task(4, 50, &[]), task(5, 5, &[3, 4])];
        assert_eq!(critical_path(&tasks), (55, vec![4, 5]));
        assert_eq!(critical_path(&[]), (0, Vec::new()));
    }
}
