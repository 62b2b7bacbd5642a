//! Lists of fallout cases, newest first.
use domain::OrderKey;
use domain::fallout::{FailureDomain, Recoverability, Severity};

use super::{Conditions, Cursor, Page, page, page_rows};
use crate::rows::CaseRow;
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

impl Projection {
    /// One page of the cases that fit the filter.
    ///
    /// # Errors
    /// [`Error::Cursor`]; [`Error::Read`].
    pub async fn cases(&self, filter: CaseFilter) -> Result<Page<CaseRow>, Error> {
        let length = page_rows(filter.limit);
        let after = filter.after.as_deref().map(|text| Cursor::parse(text, SORTED_BY)).transpose()?;
        let rows = self.list("the cases", |query| {
            let mut conditions = Conditions::of(query);
            conditions.with("is_open = ", filter.open);
            conditions.with("order_key = ", filter.order_key);
            conditions.one_of("severity", filter.severities);
            conditions.with("domain = ", filter.domain);
            conditions.with("recoverability = ", filter.recoverability);
            conditions.with("normalized_code = ", filter.normalized_code);
            conditions.with("owner_group = ", filter.owner_group);
            conditions.with("failure_system = ", filter.system);
            conditions.page(SORTED_BY, "id", after, true, length);
        });
        let place =
            |row: &CaseRow| Cursor { value: row.detected_at.0.0, id: row.id.to_string() }.text(SORTED_BY);
        Ok(page(rows.await?, length, place))
    }
}
