//! Offerings against the catalog: known, sellable, of the specification that the item names, bundles and relations complete.
use std::collections::BTreeMap;

use domain::catalog::{Catalog, Offering, OfferingRelation, OfferingRelationKind};
use domain::order::{ItemAction, Order, OrderItem, SpecificationRef};
use domain::{ItemId, Reason, ReasonCode};

pub(super) fn check(order: &Order, catalog: &Catalog) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let members = members(order, catalog);
    for item in &order.items {
        reference(item, catalog, &mut reasons);
        if let Some(specification) = &item.specification {
            specified(item, specification, catalog, &mut reasons);
        }
        let Some(offering) = catalog.offering_of(item) else { continue };
        if item.action == ItemAction::Add {
            bundle(item, offering, members.get(&item.id).map_or(&[], Vec::as_slice), &mut reasons);
        }
        for relation in &offering.relations {
            related(item, order, relation, &mut reasons);
        }
    }
    reasons
}

fn reference(item: &OrderItem, catalog: &Catalog, reasons: &mut Vec<Reason>) {
    let Some(named) = &item.offering else {
        if item.action == ItemAction::Add {
            let message = "an item of action add has to name the offering that is ordered";
            reasons.push(Reason::new(ReasonCode::OfferingMissing, &item.pointer, message));
        }
        return;
    };
    match catalog.offerings.get(&named.id) {
        None => {
            let message =
                format!("offering \"{}\" is not in catalog version \"{}\"", named.id, catalog.version);
            reasons.push(Reason::new(ReasonCode::OfferingUnknown, &named.pointer, message));
        }
        Some(offering) if !offering.sellable && item.action == ItemAction::Add => {
            let message =
                format!("offering \"{}\" is not sold any more; it can only be changed or ended", named.id);
            reasons.push(Reason::new(ReasonCode::OfferingNotSellable, &named.pointer, message));
        }
        Some(_) => {}
    }
}

fn specified(item: &OrderItem, named: &SpecificationRef, catalog: &Catalog, reasons: &mut Vec<Reason>) {
    let mut wrong = |message: String| {
        reasons.push(Reason::new(ReasonCode::SpecificationUnknown, &named.pointer, message));
    };
    let Some(specification) = catalog.product_specifications.get(&named.id) else {
        return wrong(format!(
            "specification \"{}\" is not in catalog version \"{}\"",
            named.id, catalog.version
        ));
    };
    if let Some(offering) =
        catalog.offering_of(item).filter(|offering| offering.specification.as_ref() != Some(&named.id))
    {
        return wrong(match &offering.specification {
            Some(sold) => format!(
                "offering \"{}\" is of specification \"{sold}\", not of \"{}\"",
                offering.id, named.id
            ),
            None => format!(
                "offering \"{}\" is a bundle and of no specification, not of \"{}\"",
                offering.id, named.id
            ),
        });
    }
    if let Some(version) = named.version.as_ref().filter(|version| **version != specification.version) {
        wrong(format!(
            "specification \"{}\" is of version \"{}\", not of \"{version}\"",
            named.id, specification.version
        ));
    }
}

/// The parts of each item: its children, and those that a relation names as its parts. Each once.
fn members<'o>(order: &'o Order, catalog: &Catalog) -> BTreeMap<&'o ItemId, Vec<&'o OrderItem>> {
    let by_id: BTreeMap<&ItemId, &OrderItem> = order.items.iter().map(|item| (&item.id, item)).collect();
    let mut members: BTreeMap<&ItemId, BTreeMap<&ItemId, &OrderItem>> = BTreeMap::new();
    for item in &order.items {
        if let Some(parent) = &item.parent {
            members.entry(parent).or_default().insert(&item.id, item);
        }
        let parts = item.relationships.iter().filter(|relation| {
            catalog.relation_kinds.get(&relation.kind).is_some_and(|kind| kind.target_is_part)
        });
        for part in parts.filter_map(|relation| by_id.get(&relation.target)) {
            members.entry(&item.id).or_default().insert(&part.id, part);
        }
    }
    members.into_iter().map(|(id, parts)| (id, parts.into_values().collect())).collect()
}

/// How many items of each offering; whether everything in it belongs there. What is taken away does not count.
fn bundle(item: &OrderItem, offering: &Offering, members: &[&OrderItem], reasons: &mut Vec<Reason>) {
    if !offering.is_bundle() {
        return;
    }
    let of = |wanted: &str| {
        let same =
            members.iter().filter(|member| member.offering.as_ref().is_some_and(|named| named.id == wanted));
        same.filter(|member| member.action != ItemAction::Delete).count()
    };
    for member in &offering.bundle {
        let count = of(&member.offering);
        if count < member.min as usize || count > member.max as usize {
            let message = format!(
                "bundle \"{}\" takes {} to {} items of offering \"{}\", this one has {count}",
                offering.id, member.min, member.max, member.offering
            );
            reasons.push(Reason::new(ReasonCode::CardinalityViolated, &item.pointer, message));
        }
    }
    for part in members {
        let Some(named) = &part.offering else { continue };
        if !offering.bundle.iter().any(|member| member.offering == named.id) {
            let message =
                format!("offering \"{}\" does not belong into bundle \"{}\"", named.id, offering.id);
            reasons.push(Reason::new(ReasonCode::CardinalityViolated, &named.pointer, message));
        }
    }
}

fn related(item: &OrderItem, order: &Order, relation: &OfferingRelation, reasons: &mut Vec<Reason>) {
    let named = |other: &OrderItem| {
        other.offering.as_ref().is_some_and(|offering| relation.any_of.contains(&offering.id))
    };
    let mut others =
        order.items.iter().filter(|other| other.id != item.id && other.action != ItemAction::Delete);
    let quoted = || relation.any_of.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    // Of an item that names an offering only: checked by the caller.
    let own = item.offering.as_ref().map_or("", |offering| &offering.id);
    match relation.kind {
        // A product that is there already was sold with what it requires.
        OfferingRelationKind::Requires => {
            if item.action != ItemAction::Add || item.product.is_some() || relies_on_product(item, order) {
                return;
            }
            if !others.any(named) {
                let message = format!(
                    "offering \"{own}\" requires one of {} on the order, or a product to rely on",
                    quoted()
                );
                reasons.push(Reason::new(ReasonCode::ItemRelationMissing, &item.pointer, message));
            }
        }
        OfferingRelationKind::Excludes => {
            if item.action != ItemAction::Delete && others.any(named) {
                let message = format!("offering \"{own}\" cannot be ordered together with {}", quoted());
                reasons.push(Reason::new(ReasonCode::CardinalityViolated, &item.pointer, message));
            }
        }
    }
}

/// Whether it relates to an item that only names a product: which offering that one is of, the inventory knows.
fn relies_on_product(item: &OrderItem, order: &Order) -> bool {
    let targets = item.relationships.iter().filter_map(|relation| order.item(&relation.target));
    targets.into_iter().any(|target| {
        target.product.is_some() && target.offering.is_none() && target.action != ItemAction::Delete
    })
}
