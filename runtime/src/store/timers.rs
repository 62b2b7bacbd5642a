//! The timers as a worker sees them: what it staged and what is on its way first, then what is committed.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::ops::Bound;

use crate::Error;
use crate::log::{Log, TimerChange};
use crate::store::keys::{self, TimerKey};
use crate::timer::DueTimer;

#[derive(Clone, Debug)]
struct Staged {
    /// None: cancelled.
    due_ms: Option<i64>,
    /// As it was before the batch that changed it: its place among the due times, which the commit must empty.
    before_ms: Option<i64>,
    batch: u64,
}

#[derive(Debug)]
pub(crate) struct Timers {
    staged: HashMap<TimerKey, Staged>,
    /// Those of `staged` that are set, as [`TimerKey::at_due`].
    due: BTreeSet<Vec<u8>>,
    open: u64,
    settled: u64,
    changed: Vec<TimerKey>,
    unsettled: VecDeque<Vec<TimerKey>>,
    undo: Vec<(TimerKey, Option<Staged>)>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self {
            staged: HashMap::new(),
            due: BTreeSet::new(),
            open: 1,
            settled: 0,
            changed: Vec::new(),
            unsettled: VecDeque::new(),
            undo: Vec::new(),
        }
    }

    /// UTC milliseconds; None: not set.
    pub(crate) fn due_ms(&self, log: &mut dyn Log, timer: &TimerKey) -> Result<Option<i64>, Error> {
        match self.staged.get(timer) {
            Some(staged) => Ok(staged.due_ms),
            None => log.timer_due_ms(timer),
        }
    }

    /// Stages a new due time; None cancels. The same due time as before changes nothing.
    pub(crate) fn set(
        &mut self,
        log: &mut dyn Log,
        timer: TimerKey,
        due_ms: Option<i64>,
    ) -> Result<(), Error> {
        let current_ms = self.due_ms(log, &timer)?;
        if current_ms == due_ms {
            return Ok(());
        }
        let staged = self.staged.get(&timer).cloned();
        let before_ms = match &staged {
            Some(staged) if staged.batch == self.open => staged.before_ms,
            Some(_) | None => {
                self.changed.push(timer.clone());
                current_ms
            }
        };
        self.undo.push((timer.clone(), staged));
        self.replace(timer, Some(Staged { due_ms, before_ms, batch: self.open }));
        Ok(())
    }

    fn replace(&mut self, timer: TimerKey, staged: Option<Staged>) {
        if let Some(old_ms) = self.staged.get(&timer).and_then(|staged| staged.due_ms) {
            self.due.remove(&timer.at_due(old_ms));
        }
        if let Some(due_ms) = staged.as_ref().and_then(|staged| staged.due_ms) {
            self.due.insert(timer.at_due(due_ms));
        }
        match staged {
            Some(staged) => self.staged.insert(timer, staged),
            None => self.staged.remove(&timer),
        };
    }

    /// The timers due at `until_ms` or before, by (due, key, processor, name), at most `timers_max`.
    pub(crate) fn due(
        &self,
        log: &mut dyn Log,
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        // Each staged timer may hide one that is committed.
        let mut due = log.due_timers(partition, until_ms, timers_max.saturating_add(self.staged.len()))?;
        if !self.staged.is_empty() {
            due.retain(|timer| !self.staged.contains_key(&timer.timer_key()));
            let from = keys::due_prefix(partition, i64::MIN);
            for encoded in self.due.range((Bound::Included(from), Bound::Unbounded)).take(timers_max) {
                let timer = keys::decode_due(encoded).expect("staged timers were encoded here");
                if timer.partition != partition || timer.due_ms > until_ms {
                    break;
                }
                due.push(timer);
            }
            due.sort_unstable();
        }
        due.truncate(timers_max);
        Ok(due)
    }

    pub(crate) fn step_done(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was staged since the last step was done.
    pub(crate) fn step_undo(&mut self) {
        while let Some((timer, before)) = self.undo.pop() {
            if before.as_ref().is_none_or(|before| before.batch != self.open) {
                self.changed.pop();
            }
            self.replace(timer, before);
        }
    }

    /// Ends the open batch and gives its changes, one per timer; one that ends as it began is none.
    pub(crate) fn close(&mut self) -> Vec<TimerChange> {
        assert!(self.undo.is_empty(), "a batch ends between two steps");
        let changed = mem::take(&mut self.changed);
        let changes = changed
            .iter()
            .filter_map(|timer| {
                let Staged { due_ms, before_ms, .. } = *self.staged.get(timer)?;
                (due_ms != before_ms).then(|| TimerChange { timer: timer.clone(), before_ms, due_ms })
            })
            .collect();
        self.unsettled.push_back(changed);
        self.open += 1;
        changes
    }

    /// The oldest batch on its way is committed: its timers are in the store.
    pub(crate) fn committed(&mut self) {
        let changed = self.unsettled.pop_front().expect("a batch that is settled was closed before");
        self.settled += 1;
        for timer in changed {
            if self.staged.get(&timer).is_some_and(|staged| staged.batch == self.settled) {
                self.replace(timer, None);
            }
        }
    }

    /// Throws away the open batch and all on their way.
    pub(crate) fn discard(&mut self) {
        self.staged.clear();
        self.due.clear();
        self.changed.clear();
        self.unsettled.clear();
        self.undo.clear();
        self.open = self.settled + 1;
    }
}
