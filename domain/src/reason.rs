//! Why a request is refused: a code, the place in the requester's own document, and what would be right.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::text;

/// One reason of a refusal. A refusal is not an error: it is a list of these, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub code: ReasonCode,
    /// A JSON pointer (RFC 6901) into the request as it came; empty for the whole of it.
    pub pointer: String,
    /// What is wrong, and what would be right; a short fact in lower case.
    pub message: String,
}

impl Reason {
    /// The message may show text of the request: what would deceive whoever reads it is escaped.
    pub fn new(code: ReasonCode, pointer: impl Into<String>, message: impl Into<String>) -> Reason {
        let message = message.into();
        let message = match text::shown(&message) {
            Cow::Borrowed(_) => message,
            Cow::Owned(escaped) => escaped,
        };
        Reason { code, pointer: pointer.into(), message }
    }
}

/// `code at pointer: message`; the place of the whole document is shown as `(document)`.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names of members are the requester's own.
        let place = if self.pointer.is_empty() { "(document)".into() } else { text::shown(&self.pointer) };
        write!(f, "{:?} at {place}: {}", self.code, self.message)
    }
}

/// What kind of reason it is. Codes are contract: they are never renamed, and [`crate::codes`] says what to do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReasonCode {
    // Structure (found by the anti-corruption layer and by validation).
    DocumentUnreadable,
    DocumentTooLarge,
    DocumentNotAnOrder,
    ContractUnsupported,
    FieldMissing,
    FieldInvalid,
    FieldTooLong,
    TooMany,
    OrderKeyMissing,
    OrderKeyInvalid,
    ItemsMissing,
    ItemIdDuplicate,
    ItemActionUnknown,
    QuantityInvalid,
    PriorityInvalid,
    DateInvalid,
    CompletionBeforeStart,
    DateInPast,
    // Relations between items.
    ItemRelationUnknownTarget,
    ItemRelationCyclic,
    ItemRelationMissing,
    ItemParentMissing,
    // Offering and characteristics against the pinned catalog.
    CatalogVersionUnknown,
    OfferingMissing,
    OfferingUnknown,
    OfferingNotSellable,
    SpecificationUnknown,
    CharacteristicUnknown,
    CharacteristicMissing,
    CharacteristicTypeWrong,
    CharacteristicValueNotAllowed,
    CharacteristicCardinality,
    CardinalityViolated,
    // Commercial evidence.
    PriceMissing,
    PriceCurrencyMissing,
    PricePeriodMissing,
    PriceReferenceMissing,
    PriceUnknown,
    PriceShapeWrong,
    // Eligibility and feasibility.
    NotEligible,
    NotFeasible,
    FeasibilityUnanswered,
    // Products of the inventory.
    ProductReferenceMissing,
    ProductUnknown,
    ProductVersionStale,
    ProductNotActive,
    // Requests about orders that are there already.
    OrderInProgress,
    OrderEnded,
    SubmissionsTooMany,
    // Decomposition.
    MappingMissing,
    MappingAmbiguous,
    ExpressionFailed,
    PlanCyclic,
    PlanTooLarge,
    PlanEmpty,
    // Orchestration.
    InputSourceMissing,
    TaskTypeMissing,
    WaitEnded,
}

/// Cuts a list to [`crate::limits::REASONS_MAX`]; the last reason then says how many more there were.
pub fn bounded(mut reasons: Vec<Reason>) -> Vec<Reason> {
    let max = crate::limits::REASONS_MAX;
    if reasons.len() > max {
        let more = reasons.len() - (max - 1);
        reasons.truncate(max - 1);
        reasons.push(Reason::new(ReasonCode::TooMany, "", format!("{more} more reasons are not listed")));
    }
    reasons
}
