//! Offerings: what they refer to, their bundles, prices and conditions.
use rust_decimal::Decimal;

use super::{Findings, cycle, joined, repeated};
use crate::catalog::{CatalogDocument, Offering, PriceModel};
use crate::order::PriceKind;

pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) {
    for (key, offering) in &document.offerings {
        findings.about("offering", key);
        findings.named(key, &offering.id);
        product(document, offering, findings);
        bundle(document, offering, findings);
        relations(document, offering, findings);
        if let Some(id) = repeated(offering.prices.iter().map(|price| price.id.as_str())) {
            findings.add(format!("has two prices \"{id}\""));
        }
        offering.prices.iter().for_each(|model| price(model, findings));
        for rule in &offering.eligibility {
            findings
                .require(!rule.message.is_empty(), || "has an eligibility rule without a message".to_owned());
        }
        if let Some(feasibility) = &offering.feasibility {
            findings.refers("system", &feasibility.system, &document.systems, |near| {
                format!(
                    "asks the system \"{}\" for feasibility, which is not in the catalog{near}",
                    feasibility.system
                )
            });
            findings.require(feasibility.answer_ms > 0 && feasibility.attempts_max > 0, || {
                "feasibility.answerMs and feasibility.attemptsMax must be at least 1".to_owned()
            });
        }
    }
    let members = |id: &str| {
        let bundle = document.offerings.get(id).map_or(&[][..], |offering| &offering.bundle);
        bundle.iter().map(|member| member.offering.as_str()).collect()
    };
    if let Some(path) = cycle(document.offerings.keys().map(String::as_str), members) {
        findings.about("offering", path[0]);
        findings.add(format!("bundles hold one another: {}; take one out", joined(&path)));
    }
}

fn product(document: &CatalogDocument, offering: &Offering, findings: &mut Findings) {
    match &offering.specification {
        Some(id) => findings.refers("productSpecification", id, &document.product_specifications, |near| {
            format!("names the product specification \"{id}\", which is not in the catalog{near}")
        }),
        None => findings.require(offering.is_bundle(), || {
            "has neither a specification nor bundle members; it would be nothing".to_owned()
        }),
    }
}

fn bundle(document: &CatalogDocument, offering: &Offering, findings: &mut Findings) {
    for member in &offering.bundle {
        findings.refers("offering", &member.offering, &document.offerings, |near| {
            format!("bundles the offering \"{}\", which is not in the catalog{near}", member.offering)
        });
        findings.require(member.min <= member.max && member.max > 0, || {
            format!(
                "bundles \"{}\" {} to {} times; min must not be above max, and max at least 1",
                member.offering, member.min, member.max
            )
        });
    }
    if let Some(twice) = repeated(offering.bundle.iter().map(|member| member.offering.as_str())) {
        findings.add(format!("bundles \"{twice}\" twice"));
    }
}

fn relations(document: &CatalogDocument, offering: &Offering, findings: &mut Findings) {
    for relation in &offering.relations {
        findings.require(!relation.any_of.is_empty(), || {
            "has a relation to nothing; anyOf must name an offering".to_owned()
        });
        for other in &relation.any_of {
            findings.refers("offering", other, &document.offerings, |near| {
                format!("relates to the offering \"{other}\", which is not in the catalog{near}")
            });
            findings.require(*other != offering.id, || "relates to itself".to_owned());
        }
    }
}

fn price(model: &PriceModel, findings: &mut Findings) {
    match model.kind {
        PriceKind::Recurring => findings
            .require(model.period.as_deref().is_some_and(|period| !period.is_empty()), || {
                format!("price \"{}\" is recurring and has no period", model.id)
            }),
        PriceKind::OneTime | PriceKind::Usage => findings.require(model.period.is_none(), || {
            format!("price \"{}\" is not recurring and has a period", model.id)
        }),
    }
    if let Some(twice) = repeated(model.discounts.iter().map(|discount| discount.name.as_str())) {
        findings.add(format!("price \"{}\" has two discounts \"{twice}\"", model.id));
    }
    for discount in &model.discounts {
        let possible =
            Decimal::ZERO <= discount.percentage_max && discount.percentage_max <= Decimal::ONE_HUNDRED;
        findings.require(possible, || {
            format!("price \"{}\": discount \"{}\" must be 0 to 100 percent", model.id, discount.name)
        });
    }
}
