//! Which catalog versions are still needed.
use std::collections::BTreeMap;

use domain::order::OrderState;
use domain::states::Machine;
use sqlx::{QueryBuilder, Row as _};

use super::Conditions;
use crate::dialect::{Db, DbRow};
use crate::{Error, Projection};

impl Projection {
    /// How many orders that are under way pin each catalog version; a version without any is not in it.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn open_orders_by_catalog(&self) -> Result<BTreeMap<String, i64>, Error> {
        let read_error = |source| Error::Read { what: "the orders of each catalog version", source };
        let open = OrderState::ALL.iter().copied().filter(|state| state.is_active());
        let mut query = QueryBuilder::<Db>::new("SELECT catalog_version, COUNT(*) FROM orders");
        Conditions::of(&mut query).one_of("state", open.collect());
        query.push(" GROUP BY catalog_version");
        let rows = query.build().fetch_all(&self.pools.readers).await.map_err(read_error)?;
        let counted = |row: &DbRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(counted).collect::<Result<_, sqlx::Error>>().map_err(read_error)
    }
}
