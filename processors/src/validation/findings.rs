//! What the anti-corruption layer could not read, joined with what the rules found: each fault is told once.
use domain::order::{Order, OrderItem};
use domain::{Reason, ReasonCode};

/// Findings first, then the reasons that do not follow from one of them.
pub(super) fn joined(order: &Order, findings: &[Reason], reasons: Vec<Reason>) -> Vec<Reason> {
    let mut joined = findings.to_vec();
    for reason in reasons {
        let is_told = findings.iter().any(|told| told.code == reason.code && told.pointer == reason.pointer);
        // With and without tax in the wrong currency is one fault.
        if !is_told && !joined.contains(&reason) && !follows(order, findings, &reason) {
            joined.push(reason);
        }
    }
    joined
}

/// Reasons that call a part of an item missing.
const MISSING_OF_ITEM: [ReasonCode; 3] =
    [ReasonCode::ProductReferenceMissing, ReasonCode::OfferingMissing, ReasonCode::CharacteristicMissing];
/// Reasons that call a part of a price missing.
const MISSING_OF_PRICE: [ReasonCode; 4] = [
    ReasonCode::PriceCurrencyMissing,
    ReasonCode::PricePeriodMissing,
    ReasonCode::PriceReferenceMissing,
    ReasonCode::FieldMissing,
];

/// Whether something is called missing that is there, and could not be read. A reason that says that something is wrong, and
/// not that it is missing, stands for itself.
fn follows(order: &Order, findings: &[Reason], reason: &Reason) -> bool {
    if reason.code == ReasonCode::ItemsMissing {
        return findings.iter().any(|finding| is_unread(finding.code));
    }
    let below = |pointer: &str| findings.iter().any(|finding| is_below(&finding.pointer, pointer));
    if MISSING_OF_PRICE.contains(&reason.code) {
        return below(&reason.pointer);
    }
    let Some(item) = order.items.iter().find(|item| item.pointer == reason.pointer) else { return false };
    if reason.code == ReasonCode::PriceMissing {
        return item.prices.iter().any(|price| below(&price.pointer)) || has_unread(order, item, findings);
    }
    MISSING_OF_ITEM.contains(&reason.code) && has_unread(order, item, findings)
}

/// Whether a part of the item itself could not be read: not of an item inside it, and not of a part that is there.
fn has_unread(order: &Order, item: &OrderItem, findings: &[Reason]) -> bool {
    let is_known = |pointer: &str| {
        let offering = item.offering.iter().map(|part| &part.pointer);
        let specification = item.specification.iter().map(|part| &part.pointer);
        let characteristics = item.characteristics.iter().map(|part| &part.pointer);
        let relationships = item.relationships.iter().map(|part| &part.pointer);
        let prices = item.prices.iter().map(|part| &part.pointer);
        let mut parts =
            offering.chain(specification).chain(characteristics).chain(relationships).chain(prices);
        parts.any(|part| *part != item.pointer && is_below(pointer, part))
    };
    let is_inner = |pointer: &str| {
        let mut inner = order.items.iter().filter(|other| is_below(&other.pointer, &item.pointer));
        inner.any(|other| is_below(pointer, &other.pointer))
    };
    findings.iter().any(|finding| {
        is_unread(finding.code)
            && is_below(&finding.pointer, &item.pointer)
            && !is_inner(&finding.pointer)
            && !is_known(&finding.pointer)
    })
}

fn is_unread(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::FieldMissing
            | ReasonCode::FieldInvalid
            | ReasonCode::FieldTooLong
            | ReasonCode::TooMany
            | ReasonCode::ItemActionUnknown
            | ReasonCode::ItemsMissing
    )
}

/// Whether one pointer leads to a place inside the other's.
pub(super) fn is_below(pointer: &str, of: &str) -> bool {
    pointer.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'))
}
