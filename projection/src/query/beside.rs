//! What billing was asked to do, what people were told, and how downstream systems are.
use domain::OrderKey;
use domain::order::event::ChargeAction;

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::dialect::Statement;
use crate::rows::{BillingIntentRow, DownstreamHealthRow, NotificationRow, indexed, select};
use crate::{Error, Projection};

/// Which billing intents; what is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillingFilter {
    pub order_key: Option<OrderKey>,
    pub billing_account: Option<String>,
    pub offering: Option<String>,
    pub action: Option<ChargeAction>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Rows per page; 0 is [`super::PAGE_ROWS_DEFAULT`], more than [`super::PAGE_ROWS_MAX`] is cut to it.
    pub limit: usize,
}

/// Which notifications; what is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    pub order_key: Option<OrderKey>,
    /// `requester` or `customer`.
    pub audience: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Rows per page; 0 is [`super::PAGE_ROWS_DEFAULT`], more than [`super::PAGE_ROWS_MAX`] is cut to it.
    pub limit: usize,
}

const SORTED_BY: &str = "at";

impl BillingFilter {
    /// # Errors
    /// [`Error::Cursor`].
    pub(super) fn statement(self) -> Result<Statement, Error> {
        let mut statement = select::<BillingIntentRow>();
        let after = self.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let mut conditions = Conditions::of(&mut statement);
        conditions.with("order_key = ", self.order_key);
        conditions.with("billing_account = ", self.billing_account.map(indexed));
        conditions.with("offering = ", self.offering.map(indexed));
        conditions.with("action = ", self.action);
        conditions.page(SORTED_BY, "id", after, false, page_rows(self.limit));
        Ok(statement)
    }
}

impl NotificationFilter {
    /// # Errors
    /// [`Error::Cursor`].
    pub(super) fn statement(self) -> Result<Statement, Error> {
        let mut statement = select::<NotificationRow>();
        let after = self.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let mut conditions = Conditions::of(&mut statement);
        conditions.with("order_key = ", self.order_key);
        conditions.with("audience = ", self.audience.map(indexed));
        conditions.page(SORTED_BY, "id", after, false, page_rows(self.limit));
        Ok(statement)
    }
}

impl Projection {
    /// One page of the billing intents that fit the filter, in the sequence in which they were told.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn billing_intents(&self, filter: BillingFilter) -> Result<Page<BillingIntentRow>, Error> {
        let length = page_rows(filter.limit);
        let rows = self.list("the billing intents", filter.statement()?);
        let place = |row: &BillingIntentRow| Cursor { value: row.at.0.0, id: row.id.clone() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }

    /// One page of the notifications that fit the filter, in the sequence in which they were told.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn notifications(&self, filter: NotificationFilter) -> Result<Page<NotificationRow>, Error> {
        let length = page_rows(filter.limit);
        let rows = self.list("the notifications", filter.statement()?);
        let place = |row: &NotificationRow| Cursor { value: row.at.0.0, id: row.id.clone() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }

    /// Every downstream system that was in trouble at any time, by its name, as the shards last knew it.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn downstream_health(&self) -> Result<Vec<DownstreamHealthRow>, Error> {
        let mut statement = select::<DownstreamHealthRow>();
        statement.push(" ORDER BY system");
        self.list("the health of downstream systems", statement).await
    }
}
