//! What is looked at before a catalog version is published, and when a published one is read.
use domain::Timestamp;
use domain::catalog::published::Error;
use domain::catalog::{Catalog, CatalogPublished, Catalogs};

#[cfg(test)]
mod tests;

/// The record that publishes a catalog; `None` where this version is published already, the same.
///
/// # Errors
/// [`Error::VersionTaken`] where the version is published with another content: a version never changes.
pub fn publish(
    catalog: &Catalog,
    published: &Catalogs,
    now: Timestamp,
) -> Result<Option<CatalogPublished>, Error> {
    let record = CatalogPublished::of(catalog, now);
    Ok(published.checked(&record)?.map(|_| record))
}
