//! A statement with its values, and a row with its: text, whole numbers, yes or no.
use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Postgres, Row as _, Sqlite};

/// About what a value takes in the text.
const SIGN_BYTES: usize = 6;

/// One value, as a statement carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(bool),
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(Some(number))
    }
}

/// SQL of ours, and values from anywhere: a value never becomes part of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    /// Without its values; where each goes is told by `places`.
    text: String,
    /// Bytes of the text before each value.
    places: Vec<usize>,
    values: Vec<Value>,
}

impl Statement {
    pub fn new(text: impl Into<String>) -> Statement {
        Statement { text: text.into(), places: Vec::new(), values: Vec::new() }
    }

    pub fn push(&mut self, text: &str) -> &mut Statement {
        self.text.push_str(text);
        self
    }

    #[cfg(test)]
    pub fn prefix(&mut self, text: &str) {
        self.text.insert_str(0, text);
        self.places.iter_mut().for_each(|place| *place += text.len());
    }

    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Statement {
        self.values.push(value.into());
        self.places.push(self.text.len());
        self
    }

    /// The text, each value as `sign` writes its number, from 1.
    fn text(&self, mut sign: impl FnMut(&mut String, usize)) -> String {
        let mut text = String::with_capacity(self.text.len() + self.places.len() * SIGN_BYTES);
        let mut before = 0;
        for (position, place) in self.places.iter().enumerate() {
            text.push_str(&self.text[before..*place]);
            sign(&mut text, position + 1);
            before = *place;
        }
        text.push_str(&self.text[before..]);
        text
    }

    /// SQLite counts nameless values by itself. A number is a name to it, and sqlx asks for the name of each: in a statement of
    /// thousands of values, more work than all the rest.
    fn text_for_sqlite(&self) -> String {
        self.text(|text, _| text.push('?'))
    }

    fn text_for_postgres(&self) -> String {
        self.text(|text, number| {
            text.push('$');
            text.push_str(&number.to_string());
        })
    }

    /// `($1, $2)`.
    pub fn bind_list(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Statement {
        self.text.push('(');
        for (position, value) in values.into_iter().enumerate() {
            if position > 0 {
                self.text.push_str(", ");
            }
            self.bind(value);
        }
        self.text.push(')');
        self
    }

    /// `VALUES ($1, $2), ($3, $4)`.
    pub fn bind_rows(&mut self, rows: impl IntoIterator<Item = Vec<Value>>) -> &mut Statement {
        self.text.push_str("VALUES ");
        for (position, row) in rows.into_iter().enumerate() {
            if position > 0 {
                self.text.push_str(", ");
            }
            self.bind_list(row);
        }
        self
    }

    pub(super) fn sqlite(self) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let text = self.text_for_sqlite();
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            let added = match value {
                Value::Text(text) => arguments.add(text.map(stored)),
                Value::Integer(number) => arguments.add(number),
                Value::Boolean(flag) => arguments.add(flag),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments))
    }

    pub(super) fn postgres(self) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, sqlx::Error> {
        let text = self.text_for_postgres();
        let mut arguments = PgArguments::default();
        for value in self.values {
            let added = match value {
                Value::Text(text) => arguments.add(text.map(stored)),
                Value::Integer(number) => arguments.add(number),
                Value::Boolean(flag) => arguments.add(flag),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments))
    }
}

/// Marks a sign that stands for another: ASCII "substitute".
const MARK: char = '\u{1A}';

/// PostgreSQL keeps no NUL in a text, and a document may hold one; so it is written as the mark and `0`, and the mark as itself and
/// `1`. In both databases: their rows are the same.
fn stored(text: String) -> String {
    if !text.bytes().any(|byte| byte == 0 || byte == MARK as u8) {
        return text;
    }
    text.replace(MARK, "\u{1A}1").replace('\0', "\u{1A}0")
}

fn as_it_came(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let mut parts = text.split(MARK);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match part.as_bytes().first() {
            Some(b'0') => (Cow::Borrowed("\0"), &part[1..]),
            Some(b'1') => (Cow::Owned(MARK.to_string()), &part[1..]),
            // Not written by us; shown as it is.
            Some(_) | None => (Cow::Owned(MARK.to_string()), part),
        };
        whole.push_str(&sign);
        whole.push_str(rest);
    }
    whole
}

/// A row of an answer.
pub(crate) enum DbRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl DbRow {
    pub fn text(&self, index: usize) -> Result<String, sqlx::Error> {
        let text = match self {
            DbRow::Sqlite(row) => row.try_get(index),
            DbRow::Postgres(row) => row.try_get(index),
        };
        text.map(as_it_came)
    }

    pub fn text_or_null(&self, index: usize) -> Result<Option<String>, sqlx::Error> {
        let text: Option<String> = match self {
            DbRow::Sqlite(row) => row.try_get(index)?,
            DbRow::Postgres(row) => row.try_get(index)?,
        };
        Ok(text.map(as_it_came))
    }

    pub fn integer(&self, index: usize) -> Result<i64, sqlx::Error> {
        match self {
            DbRow::Sqlite(row) => row.try_get(index),
            DbRow::Postgres(row) => row.try_get(index),
        }
    }

    pub fn integer_or_null(&self, index: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            DbRow::Sqlite(row) => row.try_get(index),
            DbRow::Postgres(row) => row.try_get(index),
        }
    }

    pub fn boolean(&self, index: usize) -> Result<bool, sqlx::Error> {
        match self {
            DbRow::Sqlite(row) => row.try_get(index),
            DbRow::Postgres(row) => row.try_get(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_stored_without_nul_and_comes_back(text in "[\\x00\\x1A01ab\u{1F4A9}]{0,12}|.{0,20}") {
            let kept = stored(text.clone());
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(as_it_came(kept), text);
        }
    }

    #[test]
    fn values_are_numbered_and_never_part_of_the_text() {
        let mut statement = Statement::new("INSERT INTO t ");
        statement.bind_rows([vec!["a'b".into(), 1.into()], vec!["c".into(), 2.into()]]);
        statement.push(" -- ").bind(3);
        assert_eq!(statement.text_for_postgres(), "INSERT INTO t VALUES ($1, $2), ($3, $4) -- $5");
        assert_eq!(statement.text_for_sqlite(), "INSERT INTO t VALUES (?, ?), (?, ?) -- ?");
        assert_eq!(statement.values.len(), 5);
    }
}
