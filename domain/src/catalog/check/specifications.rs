//! Product specifications: their characteristics.
use rust_decimal::Decimal;
use serde_json::Value;

use super::{Findings, repeated};
use crate::catalog::{CatalogDocument, CharacteristicSpecification, ValueType};
use crate::limits;

pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) {
    for (key, specification) in &document.product_specifications {
        findings.about("productSpecification", key);
        findings.named(key, &specification.id);
        findings.require(specification.components.is_empty() == specification.commercial_only, || {
            "must have components, or say commercialOnly = true, and not both".to_owned()
        });
        if let Some(name) = repeated(specification.characteristics.iter().map(|one| one.name.as_str())) {
            findings.add(format!("has two characteristics \"{name}\""));
        }
        findings.require(specification.characteristics.len() <= limits::ITEM_CHARACTERISTICS_MAX, || {
            format!("has more than {} characteristics", limits::ITEM_CHARACTERISTICS_MAX)
        });
        specification.characteristics.iter().for_each(|one| characteristic(one, findings));
    }
}

fn characteristic(specification: &CharacteristicSpecification, findings: &mut Findings) {
    let CharacteristicSpecification {
        name,
        value_type,
        allowed_values,
        minimum,
        maximum,
        pattern,
        default,
        ..
    } = specification;
    let numeric = matches!(value_type, ValueType::Integer | ValueType::Number);
    findings.require(numeric || (minimum.is_none() && maximum.is_none()), || {
        format!("characteristic {name} has a range and is no number")
    });
    if let (Some(minimum), Some(maximum)) = (minimum, maximum) {
        findings
            .require(minimum <= maximum, || format!("characteristic {name} has a minimum above its maximum"));
    }
    findings.require(pattern.is_none() || *value_type == ValueType::String, || {
        format!("characteristic {name} has a pattern and is no string")
    });
    let (least, most) = (specification.cardinality_min, specification.cardinality_max);
    findings.require(least <= most && most > 0, || {
        format!("characteristic {name} has cardinality {least} to {most}; min must not be above max, and max at least 1")
    });
    if let Some(allowed) = allowed_values {
        findings.require(!allowed.is_empty(), || format!("characteristic {name} allows no value at all"));
        for value in allowed.iter().filter(|value| !value_type.admits(value)) {
            findings.add(format!("characteristic {name} allows {value}, which is not of its type"));
        }
    }
    if let Some(value) = default {
        findings.require(value_type.admits(value), || {
            format!("characteristic {name} has the default {value}, which is not of its type")
        });
        let allowed = allowed_values.as_ref().is_none_or(|allowed| allowed.contains(value));
        let within = in_range(value, *minimum, *maximum);
        findings.require(allowed && within, || {
            format!("characteristic {name} has the default {value}, which it does not allow")
        });
    }
}

/// What is no number is in every range.
fn in_range(value: &Value, minimum: Option<Decimal>, maximum: Option<Decimal>) -> bool {
    let Some(number) = value.is_number().then(|| value.to_string().parse::<Decimal>().ok()).flatten() else {
        return true;
    };
    minimum.is_none_or(|minimum| minimum <= number) && maximum.is_none_or(|maximum| number <= maximum)
}
