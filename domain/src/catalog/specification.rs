//! What a product is: its characteristics, and the components that realise it.
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::realisation::ComponentRule;

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductSpecification {
    pub id: String,
    pub name: String,
    /// An item that names another version is refused.
    pub version: String,
    #[serde(default)]
    pub characteristics: Vec<CharacteristicSpecification>,
    /// How it is built. Empty only where `commercial_only`.
    #[serde(default)]
    pub components: Vec<ComponentRule>,
    /// Nothing has to be done to deliver it: a tariff, an option.
    #[serde(default)]
    pub commercial_only: bool,
}

impl ProductSpecification {
    pub fn characteristic(&self, name: &str) -> Option<&CharacteristicSpecification> {
        self.characteristics.iter().find(|characteristic| characteristic.name == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueType {
    String,
    /// A JSON number without a fraction.
    Integer,
    Number,
    Boolean,
    /// RFC 3339 text: a date (`2026-11-30`) or a time with zone.
    Date,
    Object,
    Array,
}

impl ValueType {
    /// Whether a value is of this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            ValueType::String => value.is_string(),
            ValueType::Integer => value.is_i64() || value.is_u64(),
            ValueType::Number => value.is_number(),
            ValueType::Boolean => value.is_boolean(),
            ValueType::Date => value.as_str().is_some_and(is_date),
            ValueType::Object => value.is_object(),
            ValueType::Array => value.is_array(),
        }
    }
}

fn is_date(text: &str) -> bool {
    crate::Timestamp::parse(text).is_some() || (text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok())
}

/// One characteristic: what it may be, how often, and whether its change matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CharacteristicSpecification {
    pub name: String,
    pub value_type: ValueType,
    /// Where given, the value is one of these; never empty then.
    pub allowed_values: Option<Vec<Value>>,
    /// For numbers, inclusive, as decimal text.
    pub minimum: Option<Decimal>,
    pub maximum: Option<Decimal>,
    /// For strings: a regular expression that the whole value matches; asked through [`super::Catalog::matches`].
    pub pattern: Option<String>,
    /// How often an item of action add must carry it: 0 is optional.
    #[serde(default)]
    pub cardinality_min: u32,
    #[serde(default = "one")]
    pub cardinality_max: u32,
    /// What is filled in where an item of action add does not carry it.
    pub default: Option<Value>,
    /// Whether a change of it matters to what was done with it (seed 003, "Data Significance").
    #[serde(default = "yes")]
    pub significant: bool,
}
