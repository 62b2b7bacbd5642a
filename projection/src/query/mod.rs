//! What can be asked; every answer serializes in camelCase, and names of fields are contract.
//!
//! An answer made of several tables is read from one snapshot, so that its parts belong together.
mod beside;
mod cases;
mod catalogs;
mod follow;
mod order;
mod orders;
mod products;
mod summary;
mod times;

pub use beside::{BillingFilter, NotificationFilter};
pub use cases::CaseFilter;
pub use catalogs::CatalogUse;
pub use follow::{Arrival, RequestTrace};
pub use order::{HISTORY_ROWS_MAX, OrderView, SubmissionView};
pub use orders::{OrderFilter, OrderSort};
pub use products::{ProductFilter, ProductView};
pub use summary::{CaseGroup, Summary};
pub use times::OrderTime;

use serde::Serialize;

use crate::Error;
use crate::dialect::{Statement, Value};
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
    statement: &'q mut Statement,
    any: bool,
}

impl<'q> Conditions<'q> {
    fn of(statement: &'q mut Statement) -> Conditions<'q> {
        Conditions { statement, any: false }
    }

    fn next(&mut self) -> &mut Statement {
        self.statement.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
        self.statement
    }

    /// `condition` is a text of ours that ends where the value goes.
    fn with(&mut self, condition: &'static str, value: Option<impl Cell>) {
        if let Some(value) = value {
            self.next().push(condition).bind(value.value());
        }
    }

    /// A condition without a value, where it is wanted. In these words an index of only such rows is recognised.
    fn when(&mut self, wanted: bool, condition: &'static str) {
        if wanted {
            self.next().push(condition);
        }
    }

    /// One of these; no condition where there are none.
    fn one_of(&mut self, column: &'static str, values: Vec<impl Cell>) {
        let mut values: Vec<Value> = values.into_iter().map(Cell::value).collect();
        match (values.pop(), values.is_empty()) {
            (None, _) => {}
            // Its index has the rows in the sequence of the list; those of a set would have to be sorted.
            (Some(only), true) => {
                self.next().push(column).push(" = ").bind(only);
            }
            (Some(last), false) => {
                values.push(last);
                self.next().push(column).push(" IN ").bind_list(values);
            }
        }
    }

    /// As [`Conditions::page`], for a list that is sorted by the id of its rows alone.
    fn page_by_id(&mut self, id: &'static str, after: Option<Cursor>, descending: bool, rows: usize) {
        let (beyond, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some(after) = after {
            self.next().push(&format!("{id} {beyond} ")).bind(after.id);
        }
        self.statement.push(&format!(" ORDER BY {id} {direction} LIMIT "));
        self.statement.bind(i64::try_from(rows + 1).unwrap_or(i64::MAX));
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
            let statement = self.next();
            statement.push(&format!("({column}, {id}) {beyond} (")).bind(after.value);
            statement.push(", ").bind(after.id).push(")");
        }
        self.statement.push(&format!(" ORDER BY {column} {direction}, {id} {direction} LIMIT "));
        self.statement.bind(i64::try_from(rows + 1).unwrap_or(i64::MAX));
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
    /// The rows that a statement made from [`crate::rows::select`] finds.
    pub(crate) async fn list<R: Row>(
        &self,
        what: &'static str,
        statement: Statement,
    ) -> Result<Vec<R>, Error> {
        let read_error = |source| Error::Read { what, source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let rows = read_all(&mut snapshot, statement).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(rows)
    }
}

#[cfg(test)]
mod plans;

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
