//! Lists of orders, page by page.
use domain::order::OrderState;
use domain::{CatalogVersion, Timestamp};

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::dialect::Statement;
use crate::rows::{At, OrderRow, indexed, select};
use crate::{Error, Projection};

/// What a list of orders is sorted by; equal ones by their keys. Each has an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderSort {
    #[default]
    CapturedAt,
    UpdatedAt,
    /// 0 first.
    Priority,
    Key,
}

impl OrderSort {
    pub(super) fn column(self) -> &'static str {
        match self {
            OrderSort::CapturedAt => "captured_at",
            OrderSort::UpdatedAt => "updated_at",
            OrderSort::Priority => "priority",
            OrderSort::Key => "key",
        }
    }

    fn value(self, row: &OrderRow) -> i64 {
        match self {
            OrderSort::CapturedAt => row.captured_at.0.0,
            OrderSort::UpdatedAt => row.updated_at.0.0,
            OrderSort::Priority => i64::from(row.priority),
            // The id of the row says it all.
            OrderSort::Key => 0,
        }
    }
}

/// Which orders; what is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Any of these.
    pub states: Vec<OrderState>,
    /// Captured at this time or later.
    pub captured_since: Option<Timestamp>,
    /// Moved at this time or later.
    pub updated_since: Option<Timestamp>,
    pub requester: Option<String>,
    pub external_id: Option<String>,
    /// Those that are pinned to it.
    pub catalog_version: Option<CatalogVersion>,
    /// Some item of it is of this offering.
    pub offering: Option<String>,
    pub stuck: Option<bool>,
    /// Only those with an open case.
    pub in_fallout: bool,
    pub sort: OrderSort,
    pub descending: bool,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Rows per page; 0 is [`super::PAGE_ROWS_DEFAULT`], more than [`super::PAGE_ROWS_MAX`] is cut to it.
    pub limit: usize,
}

impl OrderFilter {
    /// # Errors
    /// [`Error::Cursor`].
    pub(super) fn statement(self) -> Result<Statement, Error> {
        let (sort, mut statement) = (self.sort, select::<OrderRow>());
        let after = self.after.as_deref().map(|text| Cursor::parse(text, sort.column())).transpose()?;
        let mut conditions = Conditions::of(&mut statement);
        conditions.one_of("state", self.states);
        conditions.with("captured_at >= ", self.captured_since.map(At));
        conditions.with("updated_at >= ", self.updated_since.map(At));
        conditions.with("requester = ", self.requester.map(indexed));
        conditions.with("external_id = ", self.external_id.map(indexed));
        conditions.with("catalog_version = ", self.catalog_version);
        conditions.when(self.stuck == Some(true), "stuck = TRUE");
        conditions.when(self.stuck == Some(false), "stuck = FALSE");
        conditions.when(self.in_fallout, "open_cases > 0");
        if let Some(offering) = self.offering {
            let statement = conditions.next();
            statement
                .push("key IN (SELECT order_key FROM items WHERE offering = ")
                .bind(indexed(offering))
                .push(")");
        }
        let rows = page_rows(self.limit);
        match sort {
            OrderSort::Key => conditions.page_by_id("key", after, self.descending, rows),
            OrderSort::CapturedAt | OrderSort::UpdatedAt | OrderSort::Priority => {
                conditions.page(sort.column(), "key", after, self.descending, rows);
            }
        }
        Ok(statement)
    }
}

impl Projection {
    /// One page of the orders that fit the filter.
    ///
    /// # Errors
    /// [`Error::Cursor`] for an `after` that is not of a list sorted like this; [`Error::Read`].
    pub async fn orders(&self, filter: OrderFilter) -> Result<Page<OrderRow>, Error> {
        let (sort, length) = (filter.sort, page_rows(filter.limit));
        let rows = self.list("the orders", filter.statement()?);
        let place =
            |row: &OrderRow| Cursor { value: sort.value(row), id: row.key.0.clone() }.text(sort.column());
        Ok(page(rows.await?, length, place))
    }
}
