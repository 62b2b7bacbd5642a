//! The machines of the fallout case and of the human task (seed 001, "Fallout Lifecycle", "Human Task State Machine").
use serde::{Deserialize, Serialize};

use crate::states::Machine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaseState {
    Detected,
    Classified,
    Assigned,
    Diagnosing,
    RepairRequested,
    AwaitingApproval,
    AwaitingInformation,
    OnHold,
    Repairing,
    Revalidating,
    Resolved,
    Reopened,
    ClosedTerminal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaseTrigger {
    Classify,
    Assign,
    Diagnose,
    RequestRepair,
    AskApproval,
    Approve,
    Refuse,
    AskInformation,
    InformationGiven,
    Hold,
    Release,
    StartRepair,
    RepairDone,
    RepairFailed,
    RevalidationPassed,
    RevalidationFailed,
    /// The blockage went away by itself: the late answer came, the order moved again.
    BlockageGone,
    CloseTerminal,
    Reopen,
}

use CaseState::*;
use CaseTrigger::*;

impl Machine for CaseState {
    type Trigger = CaseTrigger;
    const NAME: &'static str = "fallout case";
    const INITIAL: CaseState = Detected;
    const ALL: &'static [CaseState] = &[
        Detected,
        Classified,
        Assigned,
        Diagnosing,
        RepairRequested,
        AwaitingApproval,
        AwaitingInformation,
        OnHold,
        Repairing,
        Revalidating,
        Resolved,
        Reopened,
        ClosedTerminal,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(CaseState, CaseTrigger, CaseState)] = &[
        (Detected,            Classify,           Classified),
        (Classified,          Assign,             Assigned),
        (Classified,          BlockageGone,       Resolved),
        (Assigned,            Diagnose,           Diagnosing),
        (Assigned,            RequestRepair,      RepairRequested),
        (Assigned,            AskInformation,     AwaitingInformation),
        (Assigned,            Hold,               OnHold),
        (Assigned,            BlockageGone,       Resolved),
        (Assigned,            CloseTerminal,      ClosedTerminal),
        (Diagnosing,          Assign,             Assigned),
        (Diagnosing,          RequestRepair,      RepairRequested),
        (Diagnosing,          AskInformation,     AwaitingInformation),
        (Diagnosing,          Hold,               OnHold),
        (Diagnosing,          BlockageGone,       Resolved),
        (Diagnosing,          CloseTerminal,      ClosedTerminal),
        (RepairRequested,     AskApproval,        AwaitingApproval),
        (RepairRequested,     StartRepair,        Repairing),
        (RepairRequested,     BlockageGone,       Resolved),
        (AwaitingApproval,    Approve,            Repairing),
        (AwaitingApproval,    Refuse,             Diagnosing),
        (AwaitingApproval,    BlockageGone,       Resolved),
        (AwaitingInformation, InformationGiven,   Diagnosing),
        (AwaitingInformation, BlockageGone,       Resolved),
        (OnHold,              Release,            Diagnosing),
        (OnHold,              BlockageGone,       Resolved),
        (Repairing,           RepairDone,         Revalidating),
        (Repairing,           RepairFailed,       Diagnosing),
        (Revalidating,        RevalidationPassed, Resolved),
        (Revalidating,        RevalidationFailed, Diagnosing),
        (Resolved,            Reopen,             Reopened),
        (Reopened,            Assign,             Assigned),
        (Reopened,            Diagnose,           Diagnosing),
        (Reopened,            BlockageGone,       Resolved),
        (ClosedTerminal,      Reopen,             Reopened),
    ];
}

impl CaseState {
    /// Whether somebody still has to do something about it.
    pub fn is_open(self) -> bool {
        match self {
            Resolved | ClosedTerminal => false,
            Detected | Classified | Assigned | Diagnosing | RepairRequested | AwaitingApproval
            | AwaitingInformation | OnHold | Repairing | Revalidating | Reopened => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HumanTaskState {
    Created,
    Assigned,
    InProgress,
    AwaitingVerification,
    Verified,
    Rejected,
    Escalated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HumanTaskTrigger {
    Assign,
    Start,
    /// Done by the person; the order moves only once it is verified.
    Finish,
    Verify,
    Reject,
    Escalate,
}

impl Machine for HumanTaskState {
    type Trigger = HumanTaskTrigger;
    const NAME: &'static str = "human task";
    const INITIAL: HumanTaskState = HumanTaskState::Created;
    const ALL: &'static [HumanTaskState] = &[
        HumanTaskState::Created,
        HumanTaskState::Assigned,
        HumanTaskState::InProgress,
        HumanTaskState::AwaitingVerification,
        HumanTaskState::Verified,
        HumanTaskState::Rejected,
        HumanTaskState::Escalated,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(HumanTaskState, HumanTaskTrigger, HumanTaskState)] = &[
        (HumanTaskState::Created,              HumanTaskTrigger::Assign,   HumanTaskState::Assigned),
        (HumanTaskState::Created,              HumanTaskTrigger::Escalate, HumanTaskState::Escalated),
        (HumanTaskState::Assigned,             HumanTaskTrigger::Start,    HumanTaskState::InProgress),
        (HumanTaskState::Assigned,             HumanTaskTrigger::Escalate, HumanTaskState::Escalated),
        (HumanTaskState::InProgress,           HumanTaskTrigger::Finish,   HumanTaskState::AwaitingVerification),
        (HumanTaskState::InProgress,           HumanTaskTrigger::Escalate, HumanTaskState::Escalated),
        (HumanTaskState::AwaitingVerification, HumanTaskTrigger::Verify,   HumanTaskState::Verified),
        (HumanTaskState::AwaitingVerification, HumanTaskTrigger::Reject,   HumanTaskState::Rejected),
        (HumanTaskState::Rejected,             HumanTaskTrigger::Assign,   HumanTaskState::Assigned),
        (HumanTaskState::Escalated,            HumanTaskTrigger::Assign,   HumanTaskState::Assigned),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::check_table;

    #[test]
    fn the_tables_are_whole() {
        check_table::<CaseState>();
        check_table::<HumanTaskState>();
    }

    #[test]
    fn a_repair_is_revalidated_before_its_case_is_resolved() {
        assert!(Repairing.on(BlockageGone).is_err());
        assert_eq!(Repairing.on(RepairDone), Ok(Revalidating));
    }
}
