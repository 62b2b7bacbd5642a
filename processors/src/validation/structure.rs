//! The order as a whole: items, how they relate, how long and how many things are, dates.
use std::collections::{BTreeMap, BTreeSet};

use domain::catalog::Catalog;
use domain::limits::{
    ITEM_DEPTH_MAX, NOTE_BYTES_MAX, ORDER_ITEMS_MAX, ORDER_NOTES_MAX, ORDER_WAITS_MAX, TEXT_BYTES_MAX,
};
use domain::order::{Order, OrderItem};
use domain::{ItemId, Reason, ReasonCode, Timestamp};

/// How far in the past a requested completion may lie: a date without a time is often given as the midnight that it begins with.
pub const COMPLETION_PAST_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// The most ids of a circle that its reason names.
const CIRCLE_SHOWN_MAX: usize = 10;

pub(super) fn check(order: &Order, catalog: &Catalog, at: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    lengths(order, &mut reasons);
    dates(order, at, &mut reasons);
    if order.items.is_empty() {
        reasons.push(Reason::new(ReasonCode::ItemsMissing, "", "an order needs at least one item"));
    }
    if order.items.len() > ORDER_ITEMS_MAX {
        let message = format!("{} items, at most {ORDER_ITEMS_MAX} are taken", order.items.len());
        reasons.push(Reason::new(ReasonCode::TooMany, "", message));
    }
    let mut by_id: BTreeMap<&ItemId, &OrderItem> = BTreeMap::new();
    for item in &order.items {
        if let Some(first) = by_id.get(&item.id) {
            let message = format!("item id \"{}\" is taken by the item at {}", item.id, first.pointer);
            reasons.push(Reason::new(ReasonCode::ItemIdDuplicate, &item.pointer, message));
        } else {
            by_id.insert(&item.id, item);
        }
    }
    for item in &order.items {
        targets(item, &by_id, &mut reasons);
    }
    circles(order, catalog, &by_id, &mut reasons);
    reasons
}

fn lengths(order: &Order, reasons: &mut Vec<Reason>) {
    let mut too_long = |what: &str, text: &str, max: usize| {
        if text.len() > max {
            let message = format!("the {what} has {} bytes, at most {max} are taken", text.len());
            reasons.push(Reason::new(ReasonCode::FieldTooLong, "", message));
        }
    };
    too_long("description", order.description.as_deref().unwrap_or(""), NOTE_BYTES_MAX);
    let texts = [
        ("category", &order.category),
        ("channel", &order.channel),
        ("billing account", &order.billing_account),
        ("requester's own id", &order.external_id),
        ("revision", &order.revision),
    ];
    texts.into_iter().for_each(|(what, text)| too_long(what, text.as_deref().unwrap_or(""), TEXT_BYTES_MAX));
    order.notes.iter().for_each(|note| too_long("text of a note", &note.text, NOTE_BYTES_MAX));
    order.parties.iter().for_each(|party| too_long("id of a party", &party.id, TEXT_BYTES_MAX));
    let lists = [
        ("notes", order.notes.len(), ORDER_NOTES_MAX),
        ("parties", order.parties.len(), ORDER_NOTES_MAX),
        ("orders to wait for", order.follows.len(), ORDER_WAITS_MAX),
    ];
    for (what, count, max) in lists {
        if count > max {
            reasons.push(Reason::new(
                ReasonCode::TooMany,
                "",
                format!("{count} {what}, at most {max} are taken"),
            ));
        }
    }
    if order.follows.contains(&order.key) {
        let message = "the order waits for itself; name another order, or none";
        reasons.push(Reason::new(ReasonCode::FieldInvalid, "", message));
    }
}

/// Where the two requested dates contradict each other, which of them is wrong is not known, and no more is said of them; the place is
/// the completion's, and the message has both.
fn dates(order: &Order, at: Timestamp, reasons: &mut Vec<Reason>) {
    let Some(completion) = order.dates.requested_completion else { return };
    let pointer = order.dates.requested_completion_pointer.as_deref().unwrap_or("");
    match order.dates.requested_start {
        Some(start) if completion < start => {
            let message =
                format!("the requested completion {completion} is before the requested start {start}");
            reasons.push(Reason::new(ReasonCode::CompletionBeforeStart, pointer, message));
        }
        Some(_) | None => {
            if at.since_ms(completion) > COMPLETION_PAST_MS_MAX {
                let message =
                    format!("the requested completion {completion} is past; the order came at {at}");
                reasons.push(Reason::new(ReasonCode::DateInPast, pointer, message));
            }
        }
    }
}

/// What an item names is there.
fn targets(item: &OrderItem, by_id: &BTreeMap<&ItemId, &OrderItem>, reasons: &mut Vec<Reason>) {
    if let Some(parent) = item.parent.as_ref().filter(|parent| !by_id.contains_key(parent)) {
        let message = format!("the parent \"{parent}\" of item \"{}\" is not an item of the order", item.id);
        reasons.push(Reason::new(ReasonCode::ItemParentMissing, &item.pointer, message));
    }
    for relation in item.relationships.iter().filter(|relation| !by_id.contains_key(&relation.target)) {
        let message =
            format!("\"{}\" names \"{}\", which is not an item of the order", relation.kind, relation.target);
        reasons.push(Reason::new(ReasonCode::ItemRelationUnknownTarget, &relation.pointer, message));
    }
}

/// What an item cannot do without, or has to wait for. A part cannot do without its whole, whichever of the two says so;
/// words that order nothing (`relatedTo`) may point in a circle.
fn needs<'o>(order: &'o Order, catalog: &Catalog) -> BTreeSet<(&'o ItemId, &'o ItemId)> {
    let mut edges = BTreeSet::new();
    for item in &order.items {
        edges.extend(item.parent.iter().map(|parent| (&item.id, parent)));
        for relation in &item.relationships {
            let Some(kind) = catalog.relation_kinds.get(&relation.kind) else { continue };
            if kind.target_is_part {
                edges.insert((&relation.target, &item.id));
            } else if kind.required || kind.orders_work {
                edges.insert((&item.id, &relation.target));
            }
        }
    }
    edges
}

fn circles(
    order: &Order,
    catalog: &Catalog,
    by_id: &BTreeMap<&ItemId, &OrderItem>,
    reasons: &mut Vec<Reason>,
) {
    let edges = needs(order, catalog);
    let nested = too_deep(order, by_id);
    let left = super::circles::of(&edges);
    if let Some(first) = order.items.iter().find(|item| left.contains(&item.id)) {
        let shown: Vec<String> = left.iter().take(CIRCLE_SHOWN_MAX).map(|id| format!("\"{id}\"")).collect();
        let message = format!("items need one another in a circle: {}", shown.join(", "));
        reasons.push(Reason::new(ReasonCode::ItemRelationCyclic, &first.pointer, message));
    } else if let Some(deepest) = nested {
        let message = format!("items are nested deeper than {ITEM_DEPTH_MAX}");
        reasons.push(Reason::new(ReasonCode::TooMany, &deepest.pointer, message));
    }
}

/// The first item with more than [`ITEM_DEPTH_MAX`] items above it, if any.
fn too_deep<'o>(order: &'o Order, by_id: &BTreeMap<&ItemId, &'o OrderItem>) -> Option<&'o OrderItem> {
    order.items.iter().find(|item| {
        let mut above = item.parent.as_ref();
        // Bounded, and so at its end in a circle too.
        for _ in 0..ITEM_DEPTH_MAX {
            above = above.and_then(|id| by_id.get(id)).and_then(|parent| parent.parent.as_ref());
        }
        above.is_some()
    })
}
