//! Versions as they are published, and the registry of those that a shard has read.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Catalog, Finding};
use crate::{CatalogVersion, Timestamp};

/// The namespace of digests: UUIDv5 of the DNS name `catalog.orderstream.invalid`.
const NAMESPACE: Uuid = Uuid::from_u128(0x1b0a_5c3e_7d1f_5a52_8e06_52c1_9f4b_d3a8);

/// A name of a text: equal texts, equal names (UUIDv5).
pub(super) fn digest(text: &str) -> String {
    Uuid::new_v5(&NAMESPACE, text.as_bytes()).hyphenated().to_string()
}

/// One published version, as a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogPublished {
    pub version: CatalogVersion,
    pub published_at: Timestamp,
    /// Of `document`.
    pub digest: String,
    /// The canonical JSON text of [`Catalog::to_json`].
    pub document: String,
}

impl CatalogPublished {
    pub fn of(catalog: &Catalog, published_at: Timestamp) -> CatalogPublished {
        let document = catalog.to_json();
        CatalogPublished {
            version: catalog.version.clone(),
            published_at,
            digest: digest(&document),
            document,
        }
    }
}

/// Why a published version is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A published version never changes; a change is a new version.
    #[error("catalog version \"{version}\" is published with digest {published} and cannot become {offered}")]
    VersionTaken { version: CatalogVersion, published: String, offered: String },
    #[error("catalog version \"{version}\" has {} findings, the first: {}", .findings.len(), .findings.first().map(Finding::to_string).unwrap_or_default())]
    NotACatalog { version: CatalogVersion, findings: Vec<Finding> },
    #[error("catalog version \"{version}\" carries digest {carried}, and its document has {computed}")]
    DigestWrong { version: CatalogVersion, carried: String, computed: String },
    #[error("catalog version \"{version}\" carries a document of version \"{document}\"")]
    VersionWrong { version: CatalogVersion, document: CatalogVersion },
}

/// The versions that were published, by version.
#[derive(Clone, Debug, Default)]
pub struct Catalogs(BTreeMap<CatalogVersion, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    published_at: Timestamp,
    digest: String,
    /// Never changed, and large: clones of the registry share it.
    catalog: Arc<Catalog>,
}

impl Catalogs {
    pub fn get(&self, version: &CatalogVersion) -> Option<&Catalog> {
        self.0.get(version).map(|entry| &*entry.catalog)
    }

    /// The newest by the time of publication; of several at one time, the greatest version.
    pub fn latest(&self) -> Option<&Catalog> {
        // `max_by_key` takes the last of equals, and the map is sorted by version.
        self.0.values().max_by_key(|entry| entry.published_at).map(|entry| &*entry.catalog)
    }

    pub fn versions(&self) -> impl Iterator<Item = (&CatalogVersion, Timestamp, &str)> {
        self.0.iter().map(|(version, entry)| (version, entry.published_at, entry.digest.as_str()))
    }

    /// Takes a version that was read. The same one again changes nothing; the answer says whether it was new.
    ///
    /// # Errors
    /// [`Error`]; the registry is then as it was.
    pub fn take(&mut self, published: &CatalogPublished) -> Result<bool, Error> {
        let Some(catalog) = self.checked(published)? else { return Ok(false) };
        let (published_at, digest) = (published.published_at, published.digest.clone());
        let entry = Entry { published_at, digest, catalog: Arc::new(catalog) };
        self.0.insert(published.version.clone(), entry);
        Ok(true)
    }

    /// The catalog of a version that may be published; `None` where it is there already, the same.
    ///
    /// # Errors
    /// [`Error`] where it may not.
    pub fn checked(&self, published: &CatalogPublished) -> Result<Option<Catalog>, Error> {
        let CatalogPublished { version, digest: carried, document, .. } = published;
        if let Some(entry) = self.0.get(version) {
            if entry.digest == *carried {
                return Ok(None);
            }
            let (published, offered) = (entry.digest.clone(), carried.clone());
            return Err(Error::VersionTaken { version: version.clone(), published, offered });
        }
        let computed = digest(document);
        if computed != *carried {
            return Err(Error::DigestWrong { version: version.clone(), carried: carried.clone(), computed });
        }
        let catalog = Catalog::from_json(document)
            .map_err(|findings| Error::NotACatalog { version: version.clone(), findings })?;
        if catalog.version != *version {
            return Err(Error::VersionWrong { version: version.clone(), document: catalog.version.clone() });
        }
        Ok(Some(catalog))
    }
}
