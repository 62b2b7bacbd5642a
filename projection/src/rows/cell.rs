//! One value in one column: how it is written and read.
use std::str::FromStr;

use domain::downstream::CircuitState;
use domain::fallout::{CaseState, Detection, FailureDomain, Recoverability, Severity};
use domain::inventory::ProductState;
use domain::limits::TEXT_BYTES_MAX;
use domain::order::event::ChargeAction;
use domain::order::{ItemAction, ItemState, OrderState, Values};
use domain::plan::{ExecutionMode, ServiceOrderKind, ServiceOrderState, TaskState};
use domain::{
    CaseId, CatalogVersion, CommandId, ItemId, Json, OrderKey, ProductId, RequestId, ServiceOrderId, TaskId,
    Timestamp,
};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Serialize, Serializer};

use super::SubmissionOutcome;
use crate::dialect::{DbRow, Value};

/// A value that fills a column.
pub(crate) trait Cell: Sized {
    fn value(self) -> Value;

    /// # Errors
    /// The database failed, or the column holds what this version cannot read.
    fn take(row: &DbRow, index: usize) -> Result<Self, sqlx::Error>;
}

fn unreadable(index: usize, found: &str) -> sqlx::Error {
    let message = format!("\"{found}\" cannot be read here");
    sqlx::Error::ColumnDecode { index: index.to_string(), source: message.into() }
}

macro_rules! native_cells {
    ($($kind:ty: $value:path, $take:ident;)+) => {$(
        impl Cell for $kind {
            fn value(self) -> Value {
                $value(self)
            }
            fn take(row: &DbRow, index: usize) -> Result<$kind, sqlx::Error> {
                row.$take(index)
            }
        }
    )+};
}
native_cells! {
    String: Value::from, text;
    i64: Value::from, integer;
    bool: Value::Boolean, boolean;
    Option<String>: Value::Text, text_or_null;
    Option<i64>: Value::Integer, integer_or_null;
}

impl Cell for u32 {
    fn value(self) -> Value {
        Value::from(i64::from(self))
    }
    fn take(row: &DbRow, index: usize) -> Result<u32, sqlx::Error> {
        let number = row.integer(index)?;
        u32::try_from(number).map_err(|_| unreadable(index, &number.to_string()))
    }
}

/// The longest text in a column with an index, in bytes. Longer ones are cut to it, in rows and in what is searched: PostgreSQL
/// indexes no more than 2,704 bytes, and a request that is refused for its length is shown too. The snapshot has all of it.
pub const INDEXED_TEXT_BYTES_MAX: usize = TEXT_BYTES_MAX;
// Two such columns and a number fit into an entry, even if every byte is one that is stored as two.
const _: () = assert!(4 * INDEXED_TEXT_BYTES_MAX + 256 < 2_704);

/// A text for a column with an index.
pub(crate) fn indexed(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(INDEXED_TEXT_BYTES_MAX));
    text
}

fn text_of_id(id: &impl ToString) -> String {
    id.to_string()
}

/// The name that an enum without content is written by.
pub(crate) fn text_of(unit: &impl Serialize) -> String {
    match serde_json::to_value(unit) {
        Ok(serde_json::Value::String(text)) => text,
        other => unreachable!("a unit enum is written as its name, and not as {other:?}"),
    }
}

fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text.into_deserializer();
    T::deserialize(deserializer).ok()
}

/// How a kind of value becomes text and comes back.
macro_rules! text_cells {
    ($to:expr, $from:expr; $($kind:ty),+) => {$(
        impl Cell for $kind {
            fn value(self) -> Value {
                Value::from($to(&self))
            }
            fn take(row: &DbRow, index: usize) -> Result<$kind, sqlx::Error> {
                let text = row.text(index)?;
                $from(&text).ok_or_else(|| unreadable(index, &text))
            }
        }
        impl Cell for Option<$kind> {
            fn value(self) -> Value {
                Value::Text(self.as_ref().map($to))
            }
            fn take(row: &DbRow, index: usize) -> Result<Option<$kind>, sqlx::Error> {
                let text = row.text_or_null(index)?;
                text.map(|text| $from(&text).ok_or_else(|| unreadable(index, &text))).transpose()
            }
        }
    )+};
}
text_cells!(text_of, from_text; OrderState, ItemState, ItemAction, ServiceOrderKind, ServiceOrderState, TaskState,
    ExecutionMode, ChargeAction, CircuitState, CaseState, Detection, Severity, FailureDomain, Recoverability, ProductState, SubmissionOutcome);
text_cells!(ToString::to_string, |text: &str| FromStr::from_str(text).ok(); CaseId, CommandId, ServiceOrderId, TaskId);
text_cells!(|id: &_| indexed(text_of_id(id)), |text: &str| Some(text.into()); CatalogVersion, ItemId, OrderKey, ProductId, RequestId);

/// A point in time: milliseconds in a column, RFC 3339 in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Cell for At {
    fn value(self) -> Value {
        Value::from(self.0.0)
    }
    fn take(row: &DbRow, index: usize) -> Result<At, sqlx::Error> {
        row.integer(index).map(|at| At(Timestamp(at)))
    }
}

impl Cell for Option<At> {
    fn value(self) -> Value {
        Value::Integer(self.map(|at| at.0.0))
    }
    fn take(row: &DbRow, index: usize) -> Result<Option<At>, sqlx::Error> {
        Ok(row.integer_or_null(index)?.map(|at| At(Timestamp(at))))
    }
}

/// JSON, kept as its text and shown in an answer as what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// The JSON of a value of ours.
    pub(crate) fn of(value: &(impl Serialize + ?Sized)) -> JsonText {
        // Fails only for maps whose keys are no text, and we have none.
        JsonText(serde_json::to_string(value).expect("our records are written as JSON"))
    }

    /// An object of what a downstream system reported, values as they are.
    pub(crate) fn of_values(values: &Values) -> JsonText {
        JsonText::of_members(values.iter().map(|(name, json)| (name.as_str(), json)))
    }

    // Put together from texts, so that a number keeps the digits that it came with.
    pub(crate) fn of_members<'a>(members: impl Iterator<Item = (&'a str, &'a Json)>) -> JsonText {
        let members: Vec<String> = members
            .map(|(name, json)| format!("{}:{}", serde_json::Value::from(name), json.text()))
            .collect();
        JsonText(format!("{{{}}}", members.join(",")))
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value as a tree; null where the column was tampered with.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// As it stands, so that 1.10 is shown as 1.10 and no digit of a long number is lost; null where the column was tampered with.
impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::value::RawValue::from_string(self.0.clone()) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_none(),
        }
    }
}

impl Cell for JsonText {
    fn value(self) -> Value {
        Value::from(self.0)
    }
    fn take(row: &DbRow, index: usize) -> Result<JsonText, sqlx::Error> {
        row.text(index).map(JsonText)
    }
}
