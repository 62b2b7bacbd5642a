//! What can be asked; every answer serializes in camelCase, and names of fields are contract.
//!
//! An answer made of several tables is read from one snapshot, so that its parts belong together.
mod cases;
mod catalogs;
mod order;
mod orders;
mod products;
mod summary;
mod times;

pub use cases::CaseFilter;
pub use order::{HISTORY_ROWS_MAX, OrderView, SubmissionView};
pub use orders::{OrderFilter, OrderSort};
pub use products::{ProductFilter, ProductView};
pub use summary::{CaseGroup, Summary};
pub use times::OrderTime;

use serde::Serialize;
use sqlx::QueryBuilder;

use crate::Error;
use crate::dialect::Db;
use crate::rows::{Cell, Row, read_all};

/// The length of a page where none is asked for.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// The longest page; more is cut to it, and the cursor goes on from there.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// What to give as `after` for the next page; absent on the last one.
    pub next: Option<String>,
}

/// A place in a list: the value that it is sorted by, and the id of the row.
#[derive(Debug)]
struct Cursor {
    value: i64,
    id: String,
}

impl Cursor {
    /// `capturedAt:1556784839506:TMF/POnumber/456`; the id comes last and may have colons of its own.
    fn text(&self, sort: &str) -> String {
        format!("{sort}:{}:{}", self.value, self.id)
    }

    fn parse(text: &str, sort: &str) -> Result<Cursor, Error> {
        let place = || {
            let (value, id) = text.strip_prefix(sort)?.strip_prefix(':')?.split_once(':')?;
            Some(Cursor { value: value.parse().ok()?, id: id.to_owned() })
        };
        place().ok_or_else(|| Error::Cursor { cursor: text.to_owned() })
    }
}

/// `WHERE` and then `AND`, so that conditions can be added one by one.
struct Conditions<'q> {
    query: &'q mut QueryBuilder<Db>,
    any: bool,
}

impl<'q> Conditions<'q> {
    fn of(query: &'q mut QueryBuilder<Db>) -> Conditions<'q> {
        Conditions { query, any: false }
    }

    fn next(&mut self) -> &mut QueryBuilder<Db> {
        self.query.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
        self.query
    }

    /// `condition` is a text of ours that ends where the value goes.
    fn with(&mut self, condition: &'static str, value: Option<impl Cell>) {
        if let Some(value) = value {
            let query = self.next();
            query.push(condition);
            value.put(&mut query.separated(""));
        }
    }

    /// One of these; no condition where there are none.
    fn one_of(&mut self, column: &'static str, values: Vec<impl Cell>) {
        if values.is_empty() {
            return;
        }
        let query = self.next();
        query.push(column).push(" IN (");
        let mut list = query.separated(", ");
        for value in values {
            value.put(&mut list);
        }
        query.push(")");
    }

    /// After the cursor in the direction of the list, and sorted so; one row more than the page, to know whether there is a next.
    fn page(
        &mut self,
        column: &'static str,
        id: &'static str,
        after: Option<Cursor>,
        descending: bool,
        rows: usize,
    ) {
        let (beyond, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some(after) = after {
            let query = self.next();
            query.push(format!("({column}, {id}) {beyond} (")).push_bind(after.value);
            query.push(", ").push_bind(after.id).push(")");
        }
        self.query.push(format!(" ORDER BY {column} {direction}, {id} {direction} LIMIT "));
        self.query.push_bind(i64::try_from(rows + 1).unwrap_or(i64::MAX));
    }
}

/// How many rows a page has, for how many were asked for; 0 is the default.
fn page_rows(limit: usize) -> usize {
    if limit == 0 { PAGE_ROWS_DEFAULT } else { limit.min(PAGE_ROWS_MAX) }
}

/// Cuts off the row beyond the page, and says how to go on from its last.
fn page<R>(mut rows: Vec<R>, length: usize, place: impl Fn(&R) -> String) -> Page<R> {
    let more = rows.len() > length;
    rows.truncate(length);
    let next = rows.last().filter(|_| more).map(place);
    Page { rows, next }
}

impl crate::Projection {
    /// The rows of one table that a condition restricts.
    async fn list<R: Row>(
        &self,
        what: &'static str,
        restrict: impl FnOnce(&mut QueryBuilder<Db>),
    ) -> Result<Vec<R>, Error> {
        let read_error = |source| Error::Read { what, source };
        let mut connection = self.pools.readers.acquire().await.map_err(read_error)?;
        read_all(&mut connection, restrict).await.map_err(read_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_whole_and_only_to_its_own_list() {
        let cursor = Cursor { value: -7, id: "TMF/a:b/'ü".to_owned() };
        let back = Cursor::parse(&cursor.text("capturedAt"), "capturedAt").unwrap();
        assert_eq!((back.value, back.id), (cursor.value, cursor.id.clone()));
        for text in ["", "capturedAt", "capturedAt:x:y", "capturedAt:1", &cursor.text("updatedAt")] {
            let error = Cursor::parse(text, "capturedAt").unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{text}\" is no cursor")), "{error}");
        }
    }
}
