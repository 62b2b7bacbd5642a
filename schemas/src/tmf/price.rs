//! Prices as agreed: evidence, taken over exactly and never recomputed.
use domain::limits::ITEM_PRICES_MAX;
use domain::order::{AgreedPrice, PriceAlteration, PriceKind};
use domain::{Currency, Money, ReasonCode};

use super::place::{Findings, Place};

pub(super) fn translate_all(item: &Place<'_>, findings: &mut Findings) -> Vec<AgreedPrice> {
    let places = item.objects("itemPrice", ITEM_PRICES_MAX, findings);
    places.iter().map(|place| translate(place, findings)).collect()
}

fn translate(place: &Place<'_>, findings: &mut Findings) -> AgreedPrice {
    let name = place.text("name", findings);
    let price = place.object("price", findings);
    let alterations = place.objects("priceAlteration", ITEM_PRICES_MAX, findings);
    AgreedPrice {
        reference: reference(place, findings).or_else(|| name.clone()),
        name,
        kind: kind(place, findings),
        period: place.text("recurringChargePeriod", findings),
        amount: price.as_ref().and_then(|price| money(price, "dutyFreeAmount", findings)),
        amount_with_tax: price.as_ref().and_then(|price| money(price, "taxIncludedAmount", findings)),
        alterations: alterations.iter().map(|place| alteration(place, findings)).collect(),
        pointer: place.pointer.clone(),
    }
}

/// The catalog's price: its id, else its name.
fn reference(place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let offered = place.object("productOfferingPrice", findings)?;
    offered.text("id", findings).or_else(|| offered.text("name", findings))
}

fn alteration(place: &Place<'_>, findings: &mut Findings) -> PriceAlteration {
    let price = place.object("price", findings);
    let price = price.as_ref();
    let without_tax = price.and_then(|price| money(price, "dutyFreeAmount", findings));
    PriceAlteration {
        name: place.text("name", findings),
        kind: kind(place, findings),
        percentage: price.and_then(|price| price.decimal("percentage", findings)),
        amount: without_tax.or_else(|| money(price?, "taxIncludedAmount", findings)),
        duration_periods: place.count("applicationDuration", findings),
        pointer: place.pointer.clone(),
    }
}

fn kind(place: &Place<'_>, findings: &mut Findings) -> Option<PriceKind> {
    let found = place.member("priceType")?;
    let kind = found.node.text().and_then(kind_of);
    if kind.is_none() {
        let message = format!(
            "expected \"nonRecurring\", \"oneTime\", \"recurring\" or \"usage\", found {}",
            found.shown()
        );
        findings.add(ReasonCode::FieldInvalid, &found.pointer, message);
    }
    kind
}

/// The words that are in use for a kind of price, without regard to case.
pub(crate) fn kind_of(word: &str) -> Option<PriceKind> {
    match word.to_ascii_lowercase().as_str() {
        "nonrecurring" | "onetime" => Some(PriceKind::OneTime),
        "recurring" => Some(PriceKind::Recurring),
        "usage" => Some(PriceKind::Usage),
        _ => None,
    }
}

/// `{ unit, value }`. Without a currency it is no money; that it is missing is said here, where the amount is still known.
fn money(price: &Place<'_>, name: &str, findings: &mut Findings) -> Option<Money> {
    let place = price.object(name, findings)?;
    if place.member("value").is_none() {
        findings.add(ReasonCode::FieldMissing, place.below("value"), "\"value\" is missing");
    }
    let amount = place.decimal("value", findings);
    let Some(unit) = place.member("unit") else {
        let message = "an amount without its currency; give a code of three upper-case letters in \"unit\"";
        findings.add(ReasonCode::PriceCurrencyMissing, place.below("unit"), message);
        return None;
    };
    let currency = unit.node.text().and_then(Currency::new);
    if currency.is_none() {
        let message = format!(
            "expected a currency of three upper-case letters, such as \"EUR\", found {}",
            unit.shown()
        );
        findings.add(ReasonCode::FieldInvalid, &unit.pointer, message);
    }
    Some(Money { amount: amount?, currency: currency? })
}
