//! Which catalog versions orders are pinned to.
use domain::CatalogVersion;
use serde::Serialize;

use crate::dialect::Statement;
use crate::rows::Cell;
use crate::{Error, Projection};

/// How many orders are pinned to a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogUse {
    pub version: CatalogVersion,
    /// Those that have not ended: they need the version.
    pub open_orders: i64,
    pub orders: i64,
}

impl Projection {
    /// Every version that an order is pinned to, by its name. A version without orders has no row.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn catalog_uses(&self) -> Result<Vec<CatalogUse>, Error> {
        let read_error = |source| Error::Read { what: "the catalog versions of orders", source };
        // Each half is answered from an index alone.
        let sql = "SELECT a.catalog_version, COALESCE(o.orders, 0), a.orders FROM \
                   (SELECT catalog_version, COUNT(*) AS orders FROM orders GROUP BY catalog_version) a LEFT JOIN \
                   (SELECT catalog_version, COUNT(*) AS orders FROM orders WHERE ended_at IS NULL GROUP BY catalog_version) o \
                   ON o.catalog_version = a.catalog_version ORDER BY a.catalog_version";
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let rows = snapshot.fetch(Statement::new(sql)).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        let row = |row| {
            Ok(CatalogUse {
                version: Cell::take(&row, 0)?,
                open_orders: Cell::take(&row, 1)?,
                orders: Cell::take(&row, 2)?,
            })
        };
        rows.into_iter().map(row).collect::<Result<_, _>>().map_err(read_error)
    }
}
