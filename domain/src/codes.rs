//! Every code that leaves the system, once: what it means, where it appears, and what whoever reads it shall do.
//!
//! Codes are contract: they are never renamed and never mean anything else. docs/errors.md is written from these tables.
use crate::ReasonCode;
use crate::fallout::rules::UNCLASSIFIED;

/// No answer came in time; the outcome is asked for by the original command id.
pub const MISSING_CALLBACK: &str = "MISSING_CALLBACK";
/// An input of a task has no source, and the task says no more.
pub const INPUT_MISSING: &str = "INPUT_MISSING";
/// The output that an input is taken from was not reported.
pub const INPUT_SOURCE_MISSING: &str = "INPUT_SOURCE_MISSING";
/// The pinned catalog does not know the task's type.
pub const TASK_TYPE_MISSING: &str = "TASK_TYPE_MISSING";
/// No further try, or no further question, is allowed.
pub const RETRIES_EXHAUSTED: &str = "RETRIES_EXHAUSTED";
/// A task failed, and nothing is known of why.
pub const TASK_FAILED: &str = "TASK_FAILED";
/// A system said that it failed, and named no code.
pub const UNSPECIFIED: &str = "UNSPECIFIED";
/// Nobody answered whether the order can be delivered.
pub const FEASIBILITY_UNANSWERED: &str = "FEASIBILITY_UNANSWERED";
/// What the order waited for ended otherwise than hoped.
pub const WAIT_ENDED: &str = "WAIT_ENDED";
/// Nothing will move the order any more.
pub const ORDER_STUCK: &str = "ORDER_STUCK";

/// In which records a reason is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// In the header of a dead letter: the bytes are no order, or name none.
    DeadLetter,
    /// Among the reasons of `OrderRejected`.
    Rejected,
    /// Among the reasons of `RevisionRefused`.
    RevisionRefused,
    /// Among the reasons of `DecompositionFailed`.
    Decomposition,
    /// Kept for what is to come; no build up to this one says it.
    Reserved,
}

impl Found {
    pub const ALL: &'static [Found] =
        &[Found::DeadLetter, Found::Rejected, Found::RevisionRefused, Found::Decomposition, Found::Reserved];

    /// In words, for a heading.
    pub fn shown(self) -> &'static str {
        match self {
            Found::DeadLetter => {
                "In the header `dead-letter-reason` of a dead letter: the record is no order, or names none"
            }
            Found::Rejected => {
                "In `OrderRejected`: the order is refused, and may be corrected and sent again under its key"
            }
            Found::RevisionRefused => {
                "In `RevisionRefused`: the request is refused, the order under its key goes on"
            }
            Found::Decomposition => {
                "In `DecompositionFailed`: the order stops, and the catalog's owner has a case"
            }
            Found::Reserved => "Not used yet",
        }
    }
}

/// One reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    pub code: ReasonCode,
    pub found: Found,
    pub meaning: &'static str,
    /// What the requester shall do; for [`Found::Decomposition`], the owner of the catalog.
    pub remedy: &'static str,
}

const fn row(code: ReasonCode, found: Found, meaning: &'static str, remedy: &'static str) -> ReasonRow {
    ReasonRow { code, found, meaning, remedy }
}

use Found::{DeadLetter, Decomposition, Rejected, Reserved, RevisionRefused};

/// Every [`ReasonCode`], once. The reason beside a code names the place in the document and what would be right there.
#[rustfmt::skip]
pub const REASONS: &[ReasonRow] = &[
    row(ReasonCode::DocumentUnreadable, DeadLetter, "The bytes are no JSON document.", "Send valid JSON in UTF-8."),
    row(ReasonCode::DocumentTooLarge, DeadLetter, "The document is larger than 1 MiB.", "Split the order, or leave out what is not needed."),
    row(ReasonCode::DocumentNotAnOrder, DeadLetter, "The document is JSON, and no product order.", "Send a TMF622 product order; see docs/contract.md."),
    row(ReasonCode::ContractUnsupported, DeadLetter, "The document is of a version of TMF622 that is not read.", "Send version 4 or 5."),
    row(ReasonCode::OrderKeyMissing, DeadLetter, "Nothing in the document names the order.", "Give an `externalId`."),
    row(ReasonCode::OrderKeyInvalid, DeadLetter, "The order's name is longer than 256 bytes, or has control characters; also among the reasons of `OrderRejected`, for an order that is to be waited for.", "Give a shorter, printable reference."),
    row(ReasonCode::FieldMissing, Rejected, "A field that is needed is not there.", "Fill the field that the pointer names."),
    row(ReasonCode::FieldInvalid, Rejected, "A field has a value that nothing can be made of.", "Correct the field as the message says."),
    row(ReasonCode::FieldTooLong, Rejected, "A text is longer than is taken.", "Shorten it to the limit in the message."),
    row(ReasonCode::TooMany, Rejected, "A list has more entries than are taken; or there are more reasons than are listed.", "Shorten the list; correct what is listed, and send it again to see the rest."),
    row(ReasonCode::ItemsMissing, Rejected, "The order has no items, or too many.", "Order between 1 and 500 items."),
    row(ReasonCode::ItemIdDuplicate, Rejected, "Two items have the same id.", "Give each item an id of its own."),
    row(ReasonCode::ItemActionUnknown, Rejected, "An item's action is none of add, modify, delete and noChange.", "Use one of these."),
    row(ReasonCode::QuantityInvalid, Rejected, "A quantity is not a whole number from 1 to 200.", "Correct it, or split the item."),
    row(ReasonCode::PriorityInvalid, Rejected, "The priority is not 0 (most urgent) to 4.", "Correct it, or leave it out."),
    row(ReasonCode::DateInvalid, Rejected, "A date is not in RFC 3339.", "Write it as 2026-12-01T00:00:00Z."),
    row(ReasonCode::CompletionBeforeStart, Rejected, "The order shall be completed before it starts.", "Correct one of the two dates."),
    row(ReasonCode::DateInPast, Rejected, "A date that has to come has passed.", "Give a later date."),
    row(ReasonCode::ItemRelationUnknownTarget, Rejected, "An item refers to an item that is not in the order.", "Correct the id, or add the item."),
    row(ReasonCode::ItemRelationCyclic, Rejected, "Items need each other in a circle.", "Remove one of the relations."),
    row(ReasonCode::ItemRelationMissing, Rejected, "The catalog wants an item related to another one, and it is not.", "Add the relation that the message names."),
    row(ReasonCode::ItemParentMissing, Rejected, "An item's parent is not in the order.", "Correct the parent, or add the item."),
    row(ReasonCode::CatalogVersionUnknown, Rejected, "No catalog is published, or not the version that the order is pinned to; also in `DecompositionFailed`.", "Publish the catalog, then send the order again."),
    row(ReasonCode::OfferingMissing, Rejected, "An item names no offering, and needs one.", "Name the offering."),
    row(ReasonCode::OfferingUnknown, Rejected, "The catalog has no such offering.", "Correct the id, or publish the offering."),
    row(ReasonCode::OfferingNotSellable, Rejected, "The offering is not sold, or not to be ordered by itself.", "Order one that is."),
    row(ReasonCode::SpecificationUnknown, Rejected, "The item names another specification than its offering, or one that the catalog has not.", "Correct it, or leave it out."),
    row(ReasonCode::CharacteristicUnknown, Rejected, "The specification has no such characteristic.", "Correct the name, or leave it out."),
    row(ReasonCode::CharacteristicMissing, Rejected, "A characteristic that is needed is not there.", "Give it a value."),
    row(ReasonCode::CharacteristicTypeWrong, Rejected, "A characteristic's value is of another type.", "Give a value of the type in the message."),
    row(ReasonCode::CharacteristicValueNotAllowed, Rejected, "A characteristic's value is not among the allowed ones.", "Choose one that the message names."),
    row(ReasonCode::CharacteristicCardinality, Rejected, "A characteristic is given too rarely or too often.", "Give it as often as the message says."),
    row(ReasonCode::CardinalityViolated, Rejected, "Of an offering or a relation there are too few or too many.", "Order as many as the message says."),
    row(ReasonCode::PriceMissing, Rejected, "A price that the offering has was not agreed.", "Send the price as the customer agreed to it."),
    row(ReasonCode::PriceCurrencyMissing, Rejected, "A price has no currency.", "Add it, as EUR."),
    row(ReasonCode::PricePeriodMissing, Rejected, "A recurring price has no period.", "Add it, as month."),
    row(ReasonCode::PriceReferenceMissing, Rejected, "A price does not say which of the catalog's it is.", "Name the catalog's price."),
    row(ReasonCode::PriceUnknown, Rejected, "The offering has no such price.", "Correct the reference."),
    row(ReasonCode::PriceShapeWrong, Rejected, "A price is of another kind, period or currency than the catalog's, or has a discount that it does not allow.", "Send it as the message says."),
    row(ReasonCode::NotEligible, Rejected, "A rule of the catalog says that this customer cannot have it.", "Read the message; it is the rule's own."),
    row(ReasonCode::NotFeasible, Rejected, "A downstream system says that it cannot be delivered.", "Read the system's words in the message; order something else, or elsewhere."),
    row(ReasonCode::ProductReferenceMissing, Rejected, "An item changes or ends a product, and does not name it.", "Name the product instance."),
    row(ReasonCode::SubmissionsTooMany, Rejected, "The order was corrected 100 times.", "Order under another reference."),
    row(ReasonCode::OrderInProgress, RevisionRefused, "The order under this key is being worked on.", "Wait until it has ended; order changes under another reference."),
    row(ReasonCode::OrderEnded, RevisionRefused, "The order under this key has ended.", "Order under another reference."),
    row(ReasonCode::MappingMissing, Decomposition, "The pinned catalog does not say how something is built.", "Publish a version that does; the order keeps the one that it is pinned to."),
    row(ReasonCode::MappingAmbiguous, Decomposition, "The pinned catalog says it in more than one way.", "Publish a version in which one is left."),
    row(ReasonCode::ExpressionFailed, Decomposition, "An expression of the catalog could not be computed; also among the reasons of `OrderRejected`.", "Correct the expression; the message shows what it met."),
    row(ReasonCode::PlanCyclic, Decomposition, "Tasks wait for each other in a circle.", "Remove one of the dependencies that the message names."),
    row(ReasonCode::PlanTooLarge, Decomposition, "The plan has more than 4096 tasks, or a task more than 256 predecessors.", "Split the order."),
    row(ReasonCode::PlanEmpty, Decomposition, "Nothing follows from the order.", "Check the actions of its items, and what the catalog makes of them."),
    row(ReasonCode::ProductUnknown, Reserved, "The product is not in the inventory.", "Correct the product's id."),
    row(ReasonCode::ProductVersionStale, Reserved, "The product changed since the order was prepared.", "Prepare the order again."),
    row(ReasonCode::ProductNotActive, Reserved, "The product is not active.", "Wait for it, or order it anew."),
    row(ReasonCode::FeasibilityUnanswered, Reserved, "Nobody answers whether it can be delivered.", "See the failure code `FEASIBILITY_UNANSWERED`."),
    row(ReasonCode::InputSourceMissing, Reserved, "An input has no source.", "See the failure code `INPUT_SOURCE_MISSING`."),
    row(ReasonCode::TaskTypeMissing, Reserved, "The catalog does not know the task's type.", "See the failure code `TASK_TYPE_MISSING`."),
    row(ReasonCode::WaitEnded, Reserved, "What was awaited ended otherwise.", "See the failure code `WAIT_ENDED`."),
];

/// One code of a failure that we noticed ourselves. Codes of downstream systems are their own, and stand in `failure.code` as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRow {
    pub code: &'static str,
    pub meaning: &'static str,
    /// The records and fields in which it is found.
    pub found: &'static str,
    /// What the operator shall do.
    pub remedy: &'static str,
}

/// Every failure code of ours, once.
#[rustfmt::skip]
pub const FAILURES: &[FailureRow] = &[
    FailureRow {
        code: MISSING_CALLBACK, meaning: "A system did not answer a command in time: whether it was done is unknown.",
        found: "`FalloutDetected.case.failure.code`",
        remedy: "Nothing yet: the system is asked by the original command id. If the case stays open, ask the system's owner what became of the command. Never send the work again under another id.",
    },
    FailureRow {
        code: RETRIES_EXHAUSTED, meaning: "A command was sent, or asked about, as often as its task type allows.",
        found: "`FalloutDetected.case.failure.code`, `FalloutClassified.failure.code`",
        remedy: "Repair what the last failure of the task says, then retry the task.",
    },
    FailureRow {
        code: TASK_FAILED, meaning: "A task failed, and its system said nothing of why.",
        found: "`FalloutDetected.case.failure.code`",
        remedy: "Ask the system's owner, by the command id.",
    },
    FailureRow {
        code: UNSPECIFIED, meaning: "A system answered `failed` and named no code.",
        found: "`TaskStateChanged.failure.code`, `FalloutDetected.case.failure.code`",
        remedy: "Read the message. Ask the system's owner to name codes: only codes can be filed by rule.",
    },
    FailureRow {
        code: INPUT_SOURCE_MISSING, meaning: "A task needs what an earlier one should have reported, and did not.",
        found: "`TaskStateChanged.failure.code`, `FalloutDetected.case.failure.code`",
        remedy: "The message names the output and the task. Have its system report it, or correct the catalog's mapping.",
    },
    FailureRow {
        code: INPUT_MISSING, meaning: "An input of a task has no source.",
        found: "`FalloutDetected.case.failure.code`",
        remedy: "As for `INPUT_SOURCE_MISSING`.",
    },
    FailureRow {
        code: TASK_TYPE_MISSING, meaning: "The pinned catalog version does not know the type of a task.",
        found: "`TaskStateChanged.failure.code`, `FalloutDetected.case.failure.code`",
        remedy: "Publish the catalog version that the order is pinned to, then retry the task.",
    },
    FailureRow {
        code: FEASIBILITY_UNANSWERED, meaning: "Nobody answered whether the order can be delivered, as often as it was asked.",
        found: "`FalloutDetected.case.failure.code`",
        remedy: "Bring the system back. A late answer still counts.",
    },
    FailureRow {
        code: WAIT_ENDED, meaning: "An order or product that is waited for ended otherwise than hoped.",
        found: "`FalloutDetected.case.failure.code`",
        remedy: "Look at what was awaited; repair it, or give this order up.",
    },
    FailureRow {
        code: ORDER_STUCK, meaning: "An active order of which nothing can be expected any more.",
        found: "`FalloutDetected.case.failure.code`; `OrderMarkedStuck` says the same",
        remedy: "Find out who was to move it, beginning with the task that the case names.",
    },
    FailureRow {
        code: UNCLASSIFIED, meaning: "No rule of the catalog knows the failure.",
        found: "`classification.normalizedCode` of `FalloutDetected` and `FalloutClassified`",
        remedy: "Repair it, and add a rule to the catalog's `fallout.toml` for the next time.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_code_has_one_row() {
        // serde's error lists all codes that there are.
        let Err(listed) = serde_json::from_value::<ReasonCode>("~".into()) else {
            panic!("no code is \"~\"")
        };
        let listed = listed.to_string();
        let known: BTreeSet<String> = listed.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        let rows: Vec<String> = REASONS.iter().map(|row| format!("{:?}", row.code)).collect();
        assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), known);
        assert_eq!(rows.len(), known.len(), "a code has two rows");
        assert!(REASONS.iter().all(|row| Found::ALL.contains(&row.found)));
    }

    #[test]
    fn every_failure_code_has_one_row() {
        let codes: BTreeSet<&str> = FAILURES.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), FAILURES.len());
    }
}
