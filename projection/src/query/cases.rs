//! Lists of fallout cases, newest first.
use domain::OrderKey;
use domain::fallout::{FailureDomain, Recoverability, Severity};

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::dialect::Statement;
use crate::rows::{CaseRow, indexed, select};
use crate::{Error, Projection};

/// Which cases; what is not given does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    pub open: Option<bool>,
    pub order_key: Option<OrderKey>,
    /// Any of these.
    pub severities: Vec<Severity>,
    pub domain: Option<FailureDomain>,
    pub recoverability: Option<Recoverability>,
    pub normalized_code: Option<String>,
    pub owner_group: Option<String>,
    /// The system that failed.
    pub system: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Rows per page; 0 is [`super::PAGE_ROWS_DEFAULT`], more than [`super::PAGE_ROWS_MAX`] is cut to it.
    pub limit: usize,
}

const SORTED_BY: &str = "detected_at";

impl CaseFilter {
    /// # Errors
    /// [`Error::Cursor`].
    pub(super) fn statement(self) -> Result<Statement, Error> {
        let mut statement = select::<CaseRow>();
        let after = self.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let mut conditions = Conditions::of(&mut statement);
        conditions.with("is_open = ", self.open);
        conditions.with("order_key = ", self.order_key);
        conditions.one_of("severity", self.severities);
        conditions.with("domain = ", self.domain);
        conditions.with("recoverability = ", self.recoverability);
        conditions.with("normalized_code = ", self.normalized_code.map(indexed));
        conditions.with("owner_group = ", self.owner_group.map(indexed));
        conditions.with("failure_system = ", self.system.map(indexed));
        conditions.page(SORTED_BY, "id", after, true, page_rows(self.limit));
        Ok(statement)
    }
}

impl Projection {
    /// One page of the cases that fit the filter.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn cases(&self, filter: CaseFilter) -> Result<Page<CaseRow>, Error> {
        let length = page_rows(filter.limit);
        let rows = self.list("the cases", filter.statement()?);
        let place =
            |row: &CaseRow| Cursor { value: row.detected_at.0.0, id: row.id.to_string() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }
}
