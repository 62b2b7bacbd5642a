//! The items of an order as the catalog sees them, and how they relate to one another.
use std::collections::BTreeSet;

use super::Reasons;
use crate::catalog::{Catalog, Offering, OfferingRelationKind, ProductSpecification, RelationKind};
use crate::order::{ItemAction, Order, OrderItem};
use crate::{ProductId, ReasonCode, limits};

/// The relation that the catalog's own `requires` between offerings stands for.
const REQUIRES: &str = "requires";

pub(super) struct Item<'o> {
    pub ordered: &'o OrderItem,
    pub offering: Option<&'o Offering>,
    pub specification: Option<&'o ProductSpecification>,
    /// One per unit.
    pub products: Vec<ProductId>,
    /// (kind, index of the other item), sorted: those that the requester said, and those that the catalog adds.
    pub related: BTreeSet<(String, usize)>,
    /// The items that it cannot do without.
    pub requires: BTreeSet<usize>,
    /// The bundle that it belongs to.
    whole: Option<usize>,
}

impl Item<'_> {
    pub fn units(&self) -> u32 {
        self.products.len() as u32
    }

    pub fn deletes(&self) -> bool {
        self.ordered.action == ItemAction::Delete
    }

    pub fn id(&self) -> &str {
        self.ordered.id.as_str()
    }

    pub fn pointer(&self) -> &str {
        &self.ordered.pointer
    }
}

/// Sorted by item id, so that the sequence in which they were sent does not matter.
pub(super) struct Items<'o> {
    pub all: Vec<Item<'o>>,
}

/// What "the item that sells ..." comes to.
pub(super) enum Found {
    Nobody,
    These(Vec<usize>),
    /// Several, and nothing says which.
    Unclear(Vec<usize>),
}

pub(super) fn read<'o>(order: &'o Order, catalog: &'o Catalog, reasons: &mut Reasons) -> Items<'o> {
    let mut all: Vec<Item<'o>> =
        order.items.iter().map(|item| item_of(order, item, catalog, reasons)).collect();
    all.sort_by(|a, b| a.ordered.id.cmp(&b.ordered.id));
    for pair in all.windows(2).filter(|pair| pair[0].ordered.id == pair[1].ordered.id) {
        reasons.add(ReasonCode::ItemIdDuplicate, pair[1].pointer(), "an item of this id is there already");
    }
    let mut items = Items { all };
    for index in 0..items.all.len() {
        said_relations(&mut items, index, catalog, reasons);
    }
    for index in 0..items.all.len() {
        catalog_relations(&mut items, index, reasons);
    }
    items
}

fn item_of<'o>(
    order: &'o Order,
    item: &'o OrderItem,
    catalog: &'o Catalog,
    reasons: &mut Reasons,
) -> Item<'o> {
    let offering = catalog.offering_of(item);
    if let (None, Some(named)) = (offering, &item.offering) {
        let message = format!("offering \"{}\" is not in catalog version \"{}\"", named.id, catalog.version);
        reasons.add(ReasonCode::OfferingUnknown, &named.pointer, message);
    }
    if !(1..=limits::ITEM_QUANTITY_MAX).contains(&item.quantity) {
        let message = format!("quantity {} is not within 1 and {}", item.quantity, limits::ITEM_QUANTITY_MAX);
        reasons.add(ReasonCode::QuantityInvalid, &item.pointer, message);
    }
    // A product reference names one instance: only what is added comes in units.
    let units = match item.action {
        ItemAction::Add => item.quantity.clamp(1, limits::ITEM_QUANTITY_MAX),
        ItemAction::Modify | ItemAction::Delete | ItemAction::NoChange => 1,
    };
    let product = |unit: u32| match &item.product {
        Some(product) if unit == 1 => product.id.clone(),
        Some(_) | None => ProductId::derived(&order.key, &item.id, unit),
    };
    Item {
        ordered: item,
        offering,
        specification: catalog.specification_of(item),
        products: (1..=units).map(product).collect(),
        related: BTreeSet::new(),
        requires: BTreeSet::new(),
        whole: None,
    }
}

/// What the requester said: relations and nesting. What they name is checked by validation; here it is read.
fn said_relations(items: &mut Items<'_>, index: usize, catalog: &Catalog, reasons: &mut Reasons) {
    let ordered = items.all[index].ordered;
    for relationship in &ordered.relationships {
        let Some(target) = items.index_of(relationship.target.as_str()) else {
            let message = format!("relates to item \"{}\", which is not on the order", relationship.target);
            reasons.add(ReasonCode::ItemRelationUnknownTarget, &relationship.pointer, message);
            continue;
        };
        items.all[index].related.insert((relationship.kind.clone(), target));
        // A word that the catalog does not know says nothing about the work.
        let Some(RelationKind { required, target_is_part, .. }) =
            catalog.relation_kinds.get(&relationship.kind)
        else {
            continue;
        };
        let (part, whole) = if *target_is_part { (target, index) } else { (index, target) };
        if *target_is_part {
            items.all[part].whole = Some(whole);
        }
        if *required && part != whole {
            items.all[part].requires.insert(whole);
        }
    }
    if let Some(parent) = &ordered.parent {
        match items.index_of(parent.as_str()) {
            Some(parent) => {
                items.all[index].whole = Some(parent);
                items.all[index].requires.insert(parent);
            }
            None => {
                let message = format!("its parent item \"{parent}\" is not on the order");
                reasons.add(ReasonCode::ItemParentMissing, &ordered.pointer, message);
            }
        }
    }
}

/// What the catalog adds: an offering that requires another is related to the one item that sells it, said or not.
fn catalog_relations(items: &mut Items<'_>, index: usize, reasons: &mut Reasons) {
    let item = &items.all[index];
    let Some(offering) = item.offering else { return };
    let mut added = BTreeSet::new();
    for relation in &offering.relations {
        match relation.kind {
            OfferingRelationKind::Excludes => continue,
            OfferingRelationKind::Requires => {}
        }
        let sells = |other: usize| {
            let sold = items.all[other].offering;
            other != index && sold.is_some_and(|sold| relation.any_of.contains(&sold.id))
        };
        if item.requires.iter().any(|other| sells(*other)) {
            continue;
        }
        match items.nearest(index, (0..items.all.len()).filter(|other| sells(*other)).collect()) {
            // It is a product of another order then, or validation has refused the order.
            Found::Nobody => {}
            Found::These(found) => added.extend(found),
            Found::Unclear(found) => {
                let message = format!(
                    "requires {}, and items {} sell it; say by a relation which one is meant",
                    relation.any_of.join(" or "),
                    items.names(&found)
                );
                reasons.add(ReasonCode::MappingAmbiguous, item.pointer(), message);
            }
        }
    }
    let item = &mut items.all[index];
    item.related.extend(added.iter().map(|other| (REQUIRES.to_owned(), *other)));
    item.requires.extend(added);
}

impl Items<'_> {
    fn index_of(&self, id: &str) -> Option<usize> {
        self.all.binary_search_by(|item| item.id().cmp(id)).ok()
    }

    pub fn names(&self, indexes: &[usize]) -> String {
        let names: Vec<String> =
            indexes.iter().map(|index| format!("\"{}\"", self.all[*index].id())).collect();
        names.join(" and ")
    }

    /// The items that `from` relates to by this kind.
    pub fn related(&self, from: usize, kind: &str) -> Vec<usize> {
        self.all[from].related.iter().filter(|(word, _)| word == kind).map(|(_, target)| *target).collect()
    }

    /// The item of a product specification, as seen from another one.
    pub fn selling(&self, from: usize, specification: &str) -> Found {
        let sells = |index: &usize| {
            let sold = self.all[*index].specification;
            *index != from && sold.is_some_and(|sold| sold.id == specification)
        };
        self.nearest(from, (0..self.all.len()).filter(sells).collect())
    }

    /// Of several candidates, those that are related either way; else the only one in the same bundle; else the only one.
    fn nearest(&self, from: usize, candidates: Vec<usize>) -> Found {
        let touches = |a: usize, b: usize| self.all[a].related.iter().any(|(_, target)| *target == b);
        let whole = self.all[from].whole;
        let is_related = |other: &usize| {
            touches(from, *other)
                || touches(*other, from)
                || whole == Some(*other)
                || self.all[*other].whole == Some(from)
        };
        let related: Vec<usize> = candidates.iter().copied().filter(is_related).collect();
        if !related.is_empty() {
            return Found::These(related);
        }
        let is_sibling = |other: &usize| whole.is_some() && self.all[*other].whole == whole;
        let siblings: Vec<usize> = candidates.iter().copied().filter(is_sibling).collect();
        let left = if siblings.is_empty() { candidates } else { siblings };
        match left.len() {
            0 => Found::Nobody,
            1 => Found::These(left),
            2.. => Found::Unclear(left),
        }
    }
}
