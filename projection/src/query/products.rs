//! Products, as the customer has them.
use domain::inventory::ProductState;
use domain::{OrderKey, ProductId};
use serde::Serialize;

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::rows::{ProductHistoryRow, ProductRow};
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

impl Projection {
    /// One page of the products that fit the filter, in the sequence of their last change.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn products(&self, filter: ProductFilter) -> Result<Page<ProductRow>, Error> {
        let length = page_rows(filter.limit);
        let after = filter.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let rows = self.list("the products", |query| {
            let mut conditions = Conditions::of(query);
            conditions.one_of("state", filter.states);
            conditions.with("customer = ", filter.customer);
            conditions.with("offering = ", filter.offering);
            conditions.with("order_key = ", filter.order_key);
            conditions.page(SORTED_BY, "id", after, false, length);
        });
        let place =
            |row: &ProductRow| Cursor { value: row.changed_at.0.0, id: row.id.0.clone() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }

    /// One product; `None` where there is none of this id.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn product(&self, id: &ProductId) -> Result<Option<ProductView>, Error> {
        let rows: Vec<ProductRow> = self
            .list("the product", |query| {
                query.push(" WHERE id = ").push_bind(id.0.clone());
            })
            .await?;
        let Some(product) = rows.into_iter().next() else { return Ok(None) };
        let history = self.list("the product's history", |query| {
            query.push(" WHERE product_id = ").push_bind(id.0.clone()).push(" ORDER BY sequence LIMIT ");
            query.push_bind(i64::try_from(super::HISTORY_ROWS_MAX).unwrap_or(i64::MAX));
        });
        Ok(Some(ProductView { product, history: history.await? }))
    }
}
