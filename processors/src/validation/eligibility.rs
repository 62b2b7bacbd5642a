//! Who may order what: the catalog's conditions, over the order and the item with its defaults.
use domain::catalog::{Catalog, Variables};
use domain::order::{ItemAction, Order};
use domain::{Reason, ReasonCode};

use super::findings::is_below;

/// `found` is what is wrong already: a condition that fails on an item that is wrong otherwise says nothing new.
pub(super) fn check(order: &Order, catalog: &Catalog, found: &[Reason]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for item in &order.items {
        match item.action {
            ItemAction::Add | ItemAction::Modify => {}
            // Whoever has a product may keep it, and may end it.
            ItemAction::Delete | ItemAction::NoChange => continue,
        }
        let rules = catalog.offering_of(item).map_or(&[][..], |offering| &offering.eligibility);
        if rules.is_empty() {
            continue;
        }
        let variables = Variables::of_item(order, item, 1);
        let is_here =
            |reason: &Reason| reason.pointer == item.pointer || is_below(&reason.pointer, &item.pointer);
        let is_wrong = found.iter().any(is_here);
        for rule in rules {
            match catalog.holds(&rule.condition, &variables) {
                Ok(true) => {}
                Ok(false) => reasons.push(Reason::new(ReasonCode::NotEligible, &item.pointer, &rule.message)),
                Err(_) if is_wrong => {}
                Err(error) => {
                    let message =
                        format!("{}; whether that holds could not be decided: {error}", rule.message);
                    reasons.push(Reason::new(ReasonCode::ExpressionFailed, &item.pointer, message));
                }
            }
        }
    }
    reasons
}
