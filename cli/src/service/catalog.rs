//! Loading a catalog from files, and publishing it where it is new.
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished, Catalogs};
use runtime::Outgoing;
use runtime::log::Limits;
use schemas::topics;

use super::{Store, read_files};

/// As many versions as are read at once when looking for what is published.
const READ: Limits = Limits { records_max: 64, bytes_max: 16 << 20 };

/// The catalog in a folder of .toml files, its durations shortened as the settings say.
///
/// # Errors
/// All findings, a line each.
pub fn load(settings: &crate::settings::Catalog) -> anyhow::Result<Catalog> {
    let directory = settings.directory.as_path();
    let files = read_files(directory, "toml")?;
    match Catalog::from_files(&files) {
        Ok(catalog) => Ok(catalog.scaled(settings.time_divisor, settings.duration_ms_max)),
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
            bail!(
                "catalog in \"{}\" has {} findings:\n{}",
                directory.display(),
                lines.len(),
                lines.join("\n")
            )
        }
    }
}

/// What is published, from the log.
pub fn published(store: &Store) -> anyhow::Result<Catalogs> {
    let mut catalogs = Catalogs::default();
    let mut from = 0;
    loop {
        let records = store.log.read_range(topics::CATALOG, 0, from, READ)?;
        let Some(last) = records.last() else { return Ok(catalogs) };
        from = last.offset + 1;
        for record in &records {
            let Some(value) = &record.value else { continue };
            match store.codec.decode::<CatalogPublished>(value) {
                Ok(published) => drop(catalogs.take(&published)?),
                // Somebody else's bytes: no shard takes them either, and they must not keep the service from starting.
                Err(error) => {
                    tracing::error!(offset = record.offset, %error, "record of the catalog topic could not be read");
                }
            }
        }
    }
}

/// Publishes the version if it is not there yet. A version once published never changes.
///
/// # Errors
/// The version is published with other content.
pub fn publish(store: &Store, catalog: &Catalog) -> anyhow::Result<()> {
    let offered = CatalogPublished::of(catalog, Timestamp(store.clock.now_ms()));
    let known = published(store)?;
    if known.checked(&offered).context("raise the version in the catalog's files")?.is_none() {
        return Ok(());
    }
    let body = store.codec.encode(topics::CATALOG, &offered)?;
    store.log.producer().send(&[Outgoing {
        topic: topics::CATALOG.into(),
        partition: Some(0),
        key: Some(Bytes::from(catalog.version.0.clone())),
        value: Some(body.into()),
        headers: vec![(
            Arc::from(schemas::headers::CONTENT_TYPE),
            Bytes::from_static(schemas::headers::AVRO.as_bytes()),
        )],
        timestamp_ms: offered.published_at.0,
    }])?;
    tracing::info!(version = %catalog.version, digest = offered.digest, "catalog published");
    Ok(())
}
