//! The order as a whole.
use domain::limits::{NOTE_BYTES_MAX, ORDER_ITEMS_MAX, ORDER_NOTES_MAX, ORDER_WAITS_MAX};
use domain::order::{Dates, Note, Order, Party, Priority};
use domain::{CatalogVersion, OrderKey, ReasonCode, RequestId};

use super::json::Node;
use super::place::{Findings, Place};
use super::{Contract, Translated, carried, item, key};

/// The words of an order relation that say "that one first". Other relations (`correlates`, ...) order nothing.
const FOLLOWS: [&str; 4] = ["dependsOn", "reliesOn", "requires", "follows"];
/// The role of a party that was given without one; TMF622 v4 leaves it open.
pub(super) const PARTY_ROLE_UNSPECIFIED: &str = "unspecified";
/// The kind of a party that was given without one, as v4 wants it written: the name that all kinds share. It is read as none.
pub(super) const PARTY_KIND_UNSPECIFIED: &str = "Party";

pub(super) fn translate(
    document: &Place<'_>,
    contract: Contract,
    digest: RequestId,
    mut findings: Findings,
) -> Translated {
    let found = &mut findings;
    let parties = parties(document, found);
    let external_id = document.text("id", found);
    let named = key::named(document, &parties, external_id.as_deref(), found);
    if let Some(place) = document.member("orderItem") {
        let message = "\"orderItem\" is TMF622 v3, which is not read; v4 and v5 call it \"productOrderItem\"";
        found.add(ReasonCode::ContractUnsupported, &place.pointer, message);
    }
    if document.member("requestedInitialState").is_some_and(|place| place.node.text() != Some("acknowledged"))
    {
        let message = "only \"acknowledged\" is taken; send a draft when it is to be fulfilled";
        found.add(ReasonCode::FieldInvalid, document.below("requestedInitialState"), message);
    }
    let items = item::translate_all(document, found);
    if items.is_empty() {
        let message = format!("an order has between 1 and {ORDER_ITEMS_MAX} items");
        found.add(ReasonCode::ItemsMissing, document.below("productOrderItem"), message);
    }
    let order = Order {
        key: named.key.clone().unwrap_or_else(|_| OrderKey(String::new())),
        request_id: digest,
        order_version: 1,
        revision: revision(document, found),
        catalog_version: CatalogVersion(String::new()),
        contract: contract.name().to_owned(),
        requester: named.requester,
        external_id,
        category: document.text("category", found),
        description: document.long_text("description", found),
        priority: priority(document, found),
        channel: channel(document, found),
        dates: dates(document, found),
        billing_account: billing_account(document, found),
        parties,
        notes: notes(document, found),
        items,
        follows: follows(document, found),
        carried: carried::of_order(document),
    };
    Translated { request_id: None, key: named.key, order, findings: findings.finish(), contract }
}

/// `{ id, ... }` → id.
pub(super) fn billing_account(place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    place.object("billingAccount", findings)?.required("id", findings)
}

/// Text or a whole number; senders count revisions in both ways.
fn revision(document: &Place<'_>, findings: &mut Findings) -> Option<String> {
    match document.member("revision")?.whole_number() {
        Some(number) => Some(number.to_string()),
        None => document.text("revision", findings),
    }
}

/// "0" (highest) to "4"; a number of that size is understood as well.
fn priority(document: &Place<'_>, findings: &mut Findings) -> Priority {
    let Some(place) = document.member("priority") else { return Priority::default() };
    let level = match place.node.text() {
        Some(text) => text.trim().parse().ok(),
        None => place.whole_number().and_then(|number| u8::try_from(number).ok()),
    };
    level.and_then(Priority::new).unwrap_or_else(|| {
        let message = format!("expected \"0\" (highest) to \"4\" (lowest), found {}", place.shown());
        findings.add(ReasonCode::PriorityInvalid, &place.pointer, message);
        Priority::default()
    })
}

/// The first of them: v4 `{ id, name }`, v5 `{ channel: { id, name } }`.
fn channel(document: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let first = document.objects("channel", ORDER_NOTES_MAX, findings).into_iter().next()?;
    let channel = first.object("channel", findings).unwrap_or(first);
    channel.text("id", findings).or_else(|| channel.text("name", findings))
}

fn dates(document: &Place<'_>, findings: &mut Findings) -> Dates {
    let said_at = |name: &str| document.member(name).map(|place| place.pointer);
    let (start_pointer, completion_pointer) =
        (said_at("requestedStartDate"), said_at("requestedCompletionDate"));
    let mut date = |name: &str| document.date(name, findings);
    let (in_v4, in_v5) = (date("orderDate"), date("creationDate"));
    Dates {
        requested_start_pointer: start_pointer,
        requested_completion_pointer: completion_pointer,
        requested: in_v5.or(in_v4),
        requested_start: date("requestedStartDate"),
        requested_completion: date("requestedCompletionDate"),
        expected_completion: date("expectedCompletionDate"),
        effective: date("effectiveDate"),
        billing_effective: date("billingEffectiveDate"),
        service_effective: date("serviceEffectiveDate"),
        contract_effective: date("contractEffectiveDate"),
        ..Dates::default()
    }
}

/// v4 `{ id, role, ... }`, v5 `{ role, partyOrPartyRole: { id, ... } }`.
fn parties(document: &Place<'_>, findings: &mut Findings) -> Vec<Party> {
    let mut parties = Vec::new();
    for place in document.objects("relatedParty", ORDER_NOTES_MAX, findings) {
        let role = place.text("role", findings).unwrap_or_else(|| PARTY_ROLE_UNSPECIFIED.to_owned());
        let inner = place.object("partyOrPartyRole", findings).unwrap_or(place);
        parties.push(Party {
            role,
            id: inner.required("id", findings).unwrap_or_default(),
            name: inner.text("name", findings),
            kind: inner.text("@referredType", findings).filter(|kind| kind != PARTY_KIND_UNSPECIFIED),
        });
    }
    parties
}

fn notes(document: &Place<'_>, findings: &mut Findings) -> Vec<Note> {
    let mut notes = Vec::new();
    for place in document.objects("note", ORDER_NOTES_MAX, findings) {
        let author = place.text("author", findings);
        let at = place.date("date", findings);
        let Some(text) = place.member("text") else {
            findings.add(ReasonCode::FieldMissing, place.below("text"), "\"text\" is missing or empty");
            continue;
        };
        if let Some(text) = text.as_text(NOTE_BYTES_MAX, findings) {
            notes.push(Note { author, at, text });
        }
    }
    notes
}

/// The keys of the orders that go first: in `id`, the whole key (`TMF/POnumber/455`); where there is no id, the last part of `href`,
/// as it stands there.
fn follows(document: &Place<'_>, findings: &mut Findings) -> Vec<OrderKey> {
    let mut keys: Vec<OrderKey> = Vec::new();
    for name in ["orderRelationship", "productOrderRelationship"] {
        for place in document.objects(name, ORDER_WAITS_MAX, findings) {
            let Some(kind) = place.required("relationshipType", findings) else { continue };
            if !FOLLOWS.iter().any(|word| word.eq_ignore_ascii_case(&kind)) {
                continue;
            }
            let by_href = |findings: &mut Findings| {
                let href = place.text("href", findings)?;
                href.rsplit('/').next().filter(|last| !last.is_empty()).map(str::to_owned)
            };
            let key = match place.member("id") {
                Some(id) if !matches!(id.node, Node::Text(text) if text.trim().is_empty()) => {
                    place.text("id", findings)
                }
                _ => by_href(findings),
            };
            match key.map(OrderKey) {
                Some(key) if key.is_well_formed() => {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                Some(_) => {
                    findings.add(ReasonCode::OrderKeyInvalid, place.below("id"), "not the key of an order")
                }
                None => findings.add(
                    ReasonCode::FieldMissing,
                    place.below("id"),
                    "\"id\" is missing: the key of the order that goes first",
                ),
            }
        }
    }
    if keys.len() > ORDER_WAITS_MAX {
        let message = format!("{} orders to wait for; at most {ORDER_WAITS_MAX} are taken", keys.len());
        findings.add(ReasonCode::TooMany, document.below("orderRelationship"), message);
        keys.truncate(ORDER_WAITS_MAX);
    }
    keys
}
