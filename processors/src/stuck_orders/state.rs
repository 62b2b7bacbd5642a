//! What the stuck-order scan keeps of an active order.
use std::collections::BTreeMap;

use domain::{CaseId, ItemId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// The most active tasks of one order that are watched one by one; of the others only the latest due time is known.
pub const TASKS_WATCHED_MAX: usize = 64;
/// The most open cases of one order that are known by id; the others are counted.
pub const CASES_KNOWN_MAX: usize = 64;

/// None: not started, or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The submission that began it; a refusal of that one ends it.
    pub submission: u32,
    pub correlation_id: String,
    /// By when the order as a whole is expected to move, tasks apart.
    pub order_due: Timestamp,
    /// The active tasks, by their id.
    pub tasks: BTreeMap<String, TaskDue>,
    /// The latest due time of active tasks beyond [`TASKS_WATCHED_MAX`].
    pub tasks_beyond_due: Option<Timestamp>,
    /// The order waits for something without a date: a customer, another order, a product.
    pub waits: bool,
    /// Sorted.
    pub cases: Vec<CaseId>,
    pub cases_beyond: u32,
    pub timer_at: Option<Timestamp>,
    /// The case of the silence that was reported; cleared by whatever moves the order.
    pub stuck: Option<CaseId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDue {
    pub item_id: ItemId,
    pub due: Timestamp,
}

/// Until when an order is not silent, and whose due time that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDue {
    pub due: Timestamp,
    pub task_id: Option<TaskId>,
    pub item_id: Option<ItemId>,
}

impl State {
    pub fn new(submission: u32, correlation_id: &str, order_due: Timestamp) -> State {
        State {
            submission,
            correlation_id: correlation_id.to_owned(),
            order_due,
            tasks: BTreeMap::new(),
            tasks_beyond_due: None,
            waits: false,
            cases: Vec::new(),
            cases_beyond: 0,
            timer_at: None,
            stuck: None,
        }
    }

    /// When the last thing that is expected is due. None: an open case or an explicit wait has no due time.
    pub fn last_due(&self) -> Option<LastDue> {
        if self.waits || !self.cases.is_empty() || self.cases_beyond > 0 {
            return None;
        }
        Some(self.latest_due())
    }

    /// The same, whatever it waits for.
    pub fn latest_due(&self) -> LastDue {
        let order = LastDue { due: self.order_due, task_id: None, item_id: None };
        let beyond = self.tasks_beyond_due.map(|due| LastDue { due, ..order.clone() });
        let tasks = self.tasks.iter().map(|(id, task)| LastDue {
            due: task.due,
            task_id: id.parse().ok(),
            item_id: Some(task.item_id.clone()),
        });
        // The last of equals wins: a task says more than the order as a whole.
        beyond
            .into_iter()
            .chain(tasks)
            .fold(order, |latest, next| if next.due >= latest.due { next } else { latest })
    }

    /// The task is expected to move by `due`.
    ///
    /// Beyond the most watched, the one that is due first is forgotten by name: its due time is kept in
    /// `tasks_beyond_due`, so an order is never called stuck too early, and at most that much too late.
    pub fn expect_task(&mut self, task: TaskId, due: TaskDue) {
        self.tasks.insert(task.to_string(), due);
        if self.tasks.len() <= TASKS_WATCHED_MAX {
            return;
        }
        let first = self.tasks.iter().min_by_key(|(_, task)| task.due).map(|(id, _)| id.clone());
        if let Some(removed) = first.and_then(|id| self.tasks.remove(&id)) {
            self.tasks_beyond_due = self.tasks_beyond_due.max(Some(removed.due));
        }
    }

    pub fn case_opened(&mut self, case: CaseId) {
        let Err(at) = self.cases.binary_search(&case) else { return };
        if self.cases.len() >= CASES_KNOWN_MAX {
            self.cases_beyond = self.cases_beyond.saturating_add(1);
        } else {
            self.cases.insert(at, case);
        }
    }

    pub fn case_resolved(&mut self, case: CaseId) {
        match self.cases.binary_search(&case) {
            Ok(at) => drop(self.cases.remove(at)),
            Err(_) => self.cases_beyond = self.cases_beyond.saturating_sub(1),
        }
    }
}
