//! Products, as the customer has them.
use domain::inventory::ProductState;
use domain::{OrderKey, ProductId};
use serde::Serialize;

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::dialect::Statement;
use crate::rows::{Cell as _, ProductHistoryRow, ProductRow, indexed, select};
use crate::{Error, Projection};

/// Which products; what is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductFilter {
    /// Any of these.
    pub states: Vec<ProductState>,
    pub customer: Option<String>,
    pub offering: Option<String>,
    /// Last changed by this order.
    pub order_key: Option<OrderKey>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Rows per page; 0 is [`super::PAGE_ROWS_DEFAULT`], more than [`super::PAGE_ROWS_MAX`] is cut to it.
    pub limit: usize,
}

/// A product and what happened to it; the fields of its row stand at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[serde(flatten)]
    pub product: ProductRow,
    /// The newest last; at most [`super::HISTORY_ROWS_MAX`], from the beginning.
    pub history: Vec<ProductHistoryRow>,
}

const SORTED_BY: &str = "changed_at";

impl ProductFilter {
    /// # Errors
    /// [`Error::Cursor`].
    pub(super) fn statement(self) -> Result<Statement, Error> {
        let mut statement = select::<ProductRow>();
        let after = self.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let mut conditions = Conditions::of(&mut statement);
        conditions.one_of("state", self.states);
        conditions.with("customer = ", self.customer.map(indexed));
        conditions.with("offering = ", self.offering.map(indexed));
        conditions.with("order_key = ", self.order_key);
        conditions.page(SORTED_BY, "id", after, false, page_rows(self.limit));
        Ok(statement)
    }
}

impl Projection {
    /// One page of the products that fit the filter, in the sequence of their last change.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn products(&self, filter: ProductFilter) -> Result<Page<ProductRow>, Error> {
        let length = page_rows(filter.limit);
        let rows = self.list("the products", filter.statement()?);
        let place =
            |row: &ProductRow| Cursor { value: row.changed_at.0.0, id: row.id.0.clone() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }

    /// One product; `None` where there is none of this id.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn product(&self, id: &ProductId) -> Result<Option<ProductView>, Error> {
        let mut statement = select::<ProductRow>();
        statement.push(" WHERE id = ").bind(id.clone().value());
        let rows: Vec<ProductRow> = self.list("the product", statement).await?;
        let Some(product) = rows.into_iter().next() else { return Ok(None) };
        let mut statement = select::<ProductHistoryRow>();
        statement.push(" WHERE product_id = ").bind(id.clone().value()).push(" ORDER BY sequence LIMIT ");
        statement.bind(i64::try_from(super::HISTORY_ROWS_MAX).unwrap_or(i64::MAX));
        let history = self.list("the product's history", statement);
        Ok(Some(ProductView { product, history: history.await? }))
    }
}
