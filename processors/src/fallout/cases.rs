//! Cases: opened, filed anew, resolved.
use domain::fallout::rules::{self, Circumstances};
use domain::fallout::{
    CaseState, CaseTrigger, Classification, Detection, FalloutCase, Recoverability, Severity,
};
use domain::limits::PLAN_TASKS_MAX;
use domain::order::event::{FalloutClassified, FalloutDetected, FalloutResolved};
use domain::states::Machine;
use domain::{CaseId, Timestamp};

use super::blockage::Blockage;
use super::state::{CASE_PREFIX, SUBJECT_PREFIX, case_cell, subject_cell};
use super::{Cell, Step, Subject};

/// The most subjects of one order: its tasks, and its stages.
const SUBJECTS_MAX: usize = PLAN_TASKS_MAX + 4;
/// The recommended action for what is found out without anybody's help.
const RECONCILING_ACTION: &str = "wait for the outcome, which is asked for";

impl Step<'_> {
    /// Opens a case, unless this blockage has one already; files the open case of the subject anew, where its nature changed.
    pub(super) fn block(&mut self, blockage: Blockage) {
        let derived = || CaseId::derived(self.key, &blockage.subject, self.causation_id);
        let case_id = blockage.case_id.unwrap_or_else(derived);
        let known = self.subject(&blockage.subject);
        let is_known = known.is_some();
        let mut subject = known.unwrap_or_default();
        if subject.newest == Some(case_id) {
            return;
        }
        let open = subject.open.and_then(|open| self.case(open));
        if let Some(case) = open {
            return self.file_anew(case, blockage);
        }
        let case = self.detected(case_id, subject.resolved, blockage.clone());
        subject.open = Some(case_id);
        subject.newest = Some(case_id);
        self.cells.put(&subject_cell(&blockage.subject), Cell::Subject(subject));
        self.cells.put(&case_cell(case_id), Cell::Case(Box::new(case.clone())));
        let head = self.head.get_or_insert_default();
        head.open = head.open.saturating_add(1);
        head.subjects = head.subjects.saturating_add(u32::from(!is_known));
        let cause = self.arrival.cause(self.key, self.correlation_id);
        self.outputs.push(FalloutDetected { cause, case }.into());
    }

    /// The case as it is handed to its owner: detected, classified and assigned in one step.
    fn detected(&self, id: CaseId, recurrences: u32, blockage: Blockage) -> FalloutCase {
        let (classification, severity) = self.classify(&blockage, recurrences);
        let assigned = [CaseTrigger::Classify, CaseTrigger::Assign]
            .into_iter()
            .try_fold(CaseState::INITIAL, |state, trigger| state.on(trigger));
        FalloutCase {
            id,
            order_key: self.key.clone(),
            item_id: blockage.item_id,
            task_id: blockage.task_id,
            detection: blockage.detection,
            failure: blockage.failure,
            classification,
            severity,
            state: assigned.expect("the table leads from detected over classified to assigned"),
            escalated: false,
            assignee: None,
            detected_at: self.arrival.now,
            touched_at: self.arrival.now,
            sla_due: None,
            resolved_at: None,
            resolution: None,
            reopened: 0,
        }
    }

    /// By the rules of the catalog, and by what is known whatever a rule says.
    fn classify(&self, blockage: &Blockage, recurrences: u32) -> (Classification, Severity) {
        let failure = &blockage.failure;
        let owner_group = &blockage.owner_group_default;
        let no_rules = rules::FalloutRules::default();
        let table = self.catalog().map_or(&no_rules, |catalog| catalog.fallout());
        // "Any other code of this system" is about what the system says, and our own words it never says.
        let named = |rule: &rules::FalloutRule| rule.code != rules::ANY || rule.message_pattern.is_some();
        let rule = table.rule(&failure.system, &failure.code, &failure.message);
        let table = if blockage.own_code && !rule.is_some_and(named) { &no_rules } else { table };
        let mut filed = rules::classify(table, &failure.system, &failure.code, &failure.message, owner_group);
        if blockage.own_code && filed.normalized_code == rules::UNCLASSIFIED {
            filed.normalized_code = failure.code.clone();
        }
        if blockage.unknown_outcome {
            filed.recoverability = Recoverability::UnknownOutcome;
        }
        if blockage.detection == Detection::Timeout {
            // The outcome is being asked for; if nobody answers, the case is filed anew and weighs what it then weighs.
            filed.action = RECONCILING_ACTION.to_owned();
            return (filed, Severity::Low);
        }
        let head = self.head.clone().unwrap_or_default();
        let until = |committed: Timestamp| committed.0.saturating_sub(self.arrival.now.0);
        let committed_in_ms = head.customer_committed.map(until);
        let severity =
            rules::severity(&filed, Circumstances { priority: head.priority, committed_in_ms, recurrences });
        (filed, severity)
    }

    fn file_anew(&mut self, mut case: FalloutCase, blockage: Blockage) {
        let resolved = self.subject(&blockage.subject).map_or(0, |subject| subject.resolved);
        let (classification, severity) = self.classify(&blockage, resolved);
        let is_same = case.detection == blockage.detection
            && case.failure.code == blockage.failure.code
            && case.classification == classification
            && case.severity == severity;
        if is_same {
            return;
        }
        case.detection = blockage.detection;
        case.failure = blockage.failure;
        case.classification = classification;
        case.severity = severity;
        case.touched_at = self.arrival.now;
        let event = FalloutClassified {
            cause: self.arrival.cause(self.key, self.correlation_id),
            case_id: case.id,
            detection: case.detection,
            failure: case.failure.clone(),
            classification: case.classification.clone(),
            severity: case.severity,
        };
        self.cells.put(&case_cell(case.id), Cell::Case(Box::new(case)));
        self.outputs.push(event.into());
    }

    /// The blockage of this subject is gone; nothing happens where it has no open case.
    pub(super) fn resolve(&mut self, subject_name: &str, resolution: &str) {
        if self.head.as_ref().is_none_or(|head| head.open == 0) {
            return;
        }
        let Some(mut subject) = self.subject(subject_name) else { return };
        let Some(case) = subject.open.and_then(|open| self.case(open)) else { return };
        if !self.resolve_case(&case, resolution) {
            return;
        }
        subject.open = None;
        subject.resolved = subject.resolved.saturating_add(1);
        self.cells.put(&subject_cell(subject_name), Cell::Subject(subject));
    }

    /// Whether the case is resolved now; one under repair is not, before the repair itself is revalidated.
    fn resolve_case(&mut self, case: &FalloutCase, resolution: &str) -> bool {
        if case.state.on(CaseTrigger::BlockageGone).is_err() {
            return false;
        }
        self.cells.delete(&case_cell(case.id));
        if let Some(head) = &mut self.head {
            head.open = head.open.saturating_sub(1);
        }
        let cause = self.arrival.cause(self.key, self.correlation_id);
        let resolution = resolution.to_owned();
        self.outputs
            .push(FalloutResolved { cause, case_id: case.id, task_id: case.task_id, resolution }.into());
        true
    }

    /// The order ended: nothing blocks it any more, and nothing is remembered.
    pub(super) fn end(&mut self, resolution: &str) {
        let Some(head) = &self.head else { return };
        let (has_open, has_subjects) = (head.open > 0, head.subjects > 0);
        if has_open {
            for (cell, value) in self.cells.scan(CASE_PREFIX, SUBJECTS_MAX) {
                let Cell::Case(case) = value else { continue };
                self.resolve_case(&case, resolution);
                self.cells.delete(&cell);
            }
        }
        if has_subjects {
            for (cell, _) in self.cells.scan(SUBJECT_PREFIX, SUBJECTS_MAX) {
                self.cells.delete(&cell);
            }
        }
        self.head = None;
    }

    fn subject(&self, name: &str) -> Option<Subject> {
        match self.cells.get(&subject_cell(name)) {
            Some(Cell::Subject(subject)) => Some(subject),
            Some(Cell::Head(_) | Cell::Case(_)) | None => None,
        }
    }

    fn case(&self, id: CaseId) -> Option<FalloutCase> {
        match self.cells.get(&case_cell(id)) {
            Some(Cell::Case(case)) => Some(*case),
            Some(Cell::Head(_) | Cell::Subject(_)) | None => None,
        }
    }
}
