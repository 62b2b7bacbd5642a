//! Agreed prices: there, complete, and of the shape that the catalog's price model allows. Never computed again.
use std::collections::BTreeSet;

use domain::catalog::{Catalog, Offering, PriceModel};
use domain::order::{AgreedPrice, ItemAction, Order, OrderItem, PriceAlteration, PriceKind};
use domain::{Reason, ReasonCode};
use rust_decimal::Decimal;

pub(super) fn check(order: &Order, catalog: &Catalog) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for item in &order.items {
        match item.action {
            ItemAction::Add | ItemAction::Modify => {}
            // Nothing is agreed on what ends, or stays as it is.
            ItemAction::Delete | ItemAction::NoChange => continue,
        }
        let Some(offering) = catalog.offering_of(item) else { continue };
        if item.action == ItemAction::Add {
            missing(item, offering, &mut reasons);
        }
        let mut agreed = BTreeSet::new();
        for price in &item.prices {
            check_price(price, offering, &mut agreed, &mut reasons);
        }
    }
    reasons
}

/// What must be agreed on when a billable offering is added. A bundle without prices of its own is billed by its parts.
fn missing(item: &OrderItem, offering: &Offering, reasons: &mut Vec<Reason>) {
    if !offering.billable {
        return;
    }
    let mut missing =
        |message: String| reasons.push(Reason::new(ReasonCode::PriceMissing, &item.pointer, message));
    for model in offering.prices.iter().filter(|model| model.required) {
        let is_model = |price: &AgreedPrice| {
            price
                .reference
                .as_ref()
                .and_then(|reference| offering.price(reference))
                .is_some_and(|found| found.id == model.id)
        };
        if !item.prices.iter().any(is_model) {
            missing(format!("no agreed price \"{}\" ({})", model.name, model.id));
        }
    }
    let needs_any = !offering.is_bundle() && !offering.prices.iter().any(|model| model.required);
    if needs_any && item.prices.is_empty() {
        missing(format!("offering \"{}\" is billable, and the item carries no agreed price", offering.id));
    }
}

fn check_price<'o>(
    price: &AgreedPrice,
    offering: &'o Offering,
    agreed: &mut BTreeSet<&'o str>,
    reasons: &mut Vec<Reason>,
) {
    let mut wrong =
        |code: ReasonCode, message: String| reasons.push(Reason::new(code, &price.pointer, message));
    let model = price.reference.as_ref().and_then(|reference| offering.price(reference));
    match (&price.reference, model) {
        (None, _) => {
            let message = "the price does not say which price of the catalog it is; give its id or its name";
            wrong(ReasonCode::PriceReferenceMissing, message.to_owned());
        }
        (Some(reference), None) => {
            let known: Vec<&str> = offering.prices.iter().map(|model| model.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            wrong(
                ReasonCode::PriceUnknown,
                format!("\"{reference}\" is no price of offering \"{}\"; it has {known}", offering.id),
            );
        }
        (Some(_), Some(model)) => {
            if !agreed.insert(model.id.as_str()) {
                wrong(ReasonCode::PriceShapeWrong, format!("\"{}\" is agreed on twice", model.name));
            }
        }
    }
    if price.amount.is_none() && price.amount_with_tax.is_none() {
        wrong(ReasonCode::PriceCurrencyMissing, "the price has no amount with a currency".to_owned());
    }
    if price.kind.is_none() {
        wrong(
            ReasonCode::FieldMissing,
            "the price does not say whether it is one-time, recurring or for usage".to_owned(),
        );
    }
    let kind = price.kind.or(model.map(|model| model.kind));
    if kind == Some(PriceKind::Recurring) && price.period.is_none() {
        wrong(
            ReasonCode::PricePeriodMissing,
            "a recurring price needs its period, such as \"month\"".to_owned(),
        );
    }
    let Some(model) = model else { return };
    shape(price, model, reasons);
    for alteration in &price.alterations {
        discount(alteration, price, model, reasons);
    }
}

/// What is said, against the model; what is missing is said elsewhere.
fn shape(price: &AgreedPrice, model: &PriceModel, reasons: &mut Vec<Reason>) {
    let mut wrong =
        |message: String| reasons.push(Reason::new(ReasonCode::PriceShapeWrong, &price.pointer, message));
    if let Some(kind) = price.kind.filter(|kind| *kind != model.kind) {
        wrong(format!("\"{}\" is {}, not {}", model.name, kind_name(model.kind), kind_name(kind)));
    } else if let (PriceKind::Recurring, Some(period), Some(expected)) =
        (model.kind, &price.period, &model.period)
        && period != expected
    {
        wrong(format!("\"{}\" is per {expected}, not per {period}", model.name));
    }
    for money in [&price.amount, &price.amount_with_tax].into_iter().flatten() {
        if money.currency != model.currency {
            wrong(format!(
                "\"{}\" is in {}, not in {}",
                model.name,
                model.currency.code(),
                money.currency.code()
            ));
        }
        if money.amount < Decimal::ZERO {
            wrong(format!("\"{}\" is {money}, and cannot be negative", model.name));
        }
    }
}

fn discount(
    alteration: &PriceAlteration,
    price: &AgreedPrice,
    model: &PriceModel,
    reasons: &mut Vec<Reason>,
) {
    let mut wrong = |message: String| {
        reasons.push(Reason::new(ReasonCode::PriceShapeWrong, &alteration.pointer, message))
    };
    let name = alteration.name.as_deref().unwrap_or("");
    let Some(allowed) = model.discounts.iter().find(|discount| discount.name == name) else {
        let known: Vec<&str> = model.discounts.iter().map(|discount| discount.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return wrong(format!("\"{name}\" is no discount on \"{}\"; there are {known}", model.name));
    };
    let max = allowed.percentage_max;
    if let Some(percentage) = alteration.percentage.filter(|given| !(Decimal::ZERO..=max).contains(given)) {
        wrong(format!("\"{name}\" is {percentage} percent, at most {max} are allowed"));
    }
    let Some(amount) = &alteration.amount else { return };
    if amount.currency != model.currency {
        wrong(format!("\"{name}\" is in {}, not in {}", amount.currency.code(), model.currency.code()));
    } else if amount.amount < Decimal::ZERO {
        wrong(format!("\"{name}\" is {amount}, and cannot be negative"));
    } else if let Some(agreed) = price.amount.as_ref().or(price.amount_with_tax.as_ref()) {
        // Compared as shares of a hundred; a product too large for a decimal is beyond any share.
        let share = amount.amount.checked_mul(Decimal::ONE_HUNDRED);
        let most = agreed.amount.checked_mul(max);
        if share.zip(most).is_none_or(|(share, most)| share > most) {
            wrong(format!("\"{name}\" is {amount} of {agreed}, at most {max} percent are allowed"));
        }
    }
}

fn kind_name(kind: PriceKind) -> &'static str {
    match kind {
        PriceKind::OneTime => "one-time",
        PriceKind::Recurring => "recurring",
        PriceKind::Usage => "for usage",
    }
}
