//! Loading a catalog from files, and publishing it where it is new.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::Bytes;
use domain::catalog::{Catalog, CatalogPublished, Catalogs, Finding, TaskType};
use domain::{CatalogVersion, Timestamp};
use runtime::Outgoing;
use runtime::log::Limits;
use schemas::topics;
use serde::{Deserialize, Serialize};

use super::{Store, read_files};
use crate::settings::Settings;

/// As many versions as are read at once when looking for what is published.
const READ: Limits = Limits { records_max: 64, bytes_max: 16 << 20 };

/// As many errors as a refusal repeats; `orderstream catalog validate` has all.
const ERRORS_SHOWN_MAX: usize = 10;

/// The catalog in a folder of .toml files, its durations shortened as the settings say. It can be used; whether it may be published
/// is decided where that is done ([`offer`]): what lies on the log already stays good under rules that were made later.
///
/// # Errors
/// All errors, a line each.
pub fn load(settings: &crate::settings::Catalog) -> anyhow::Result<Catalog> {
    let directory = settings.directory.as_path();
    let files = read_files(directory, "toml")
        .context("the catalog could not be read from where the setting catalog.directory says that it is")?;
    match Catalog::usable_files(&files) {
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

/// One version as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub version: CatalogVersion,
    pub published_at: Timestamp,
    pub digest: String,
    /// Whether new orders pin it.
    pub is_current: bool,
}

/// Every published version, the oldest first.
///
/// # Errors
/// The log cannot be read, or holds a version that is none.
pub fn list(store: &Store) -> anyhow::Result<Vec<Listed>> {
    let catalogs = published(store)?;
    let current = catalogs.latest().map(|catalog| catalog.version.clone());
    let listed = catalogs.versions().map(|(version, published_at, digest)| Listed {
        version: version.clone(),
        published_at,
        digest: digest.to_owned(),
        is_current: Some(version) == current.as_ref(),
    });
    let mut listed: Vec<Listed> = listed.collect();
    listed.sort_by(|one, other| (one.published_at, &one.version).cmp(&(other.published_at, &other.version)));
    Ok(listed)
}

/// The systems and task types of every published version: an order may pin any of them.
///
/// # Errors
/// As [`published`].
pub fn everything(store: &Store) -> anyhow::Result<(BTreeSet<String>, Vec<TaskType>)> {
    let catalogs = published(store)?;
    let (mut systems, mut task_types) = (BTreeSet::new(), Vec::new());
    for (version, ..) in catalogs.versions() {
        let Some(catalog) = catalogs.get(version) else { continue };
        systems.extend(catalog.systems.keys().cloned());
        task_types.extend(catalog.task_types.values().cloned());
    }
    Ok((systems, task_types))
}

/// What became of an offered version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Publication {
    #[serde(rename_all = "camelCase")]
    Published { version: CatalogVersion, digest: String, published_at: Timestamp },
    /// The same content under the same version. `newest` is what new orders pin, and may be another one; services of earlier
    /// versions do not say it.
    #[serde(rename_all = "camelCase")]
    AlreadyThere {
        version: CatalogVersion,
        digest: String,
        published_at: Timestamp,
        #[serde(default)]
        newest: Option<CatalogVersion>,
    },
    #[serde(rename_all = "camelCase")]
    Refused { version: CatalogVersion, reason: String },
}

/// One at a time: who looks whether a version is there must be the one who appends it.
static PUBLISHING: Mutex<()> = Mutex::new(());

/// Publishes a version, unless it is there or may not be.
///
/// # Errors
/// The log cannot be read or written.
pub fn offer(store: &Store, catalog: &Catalog) -> anyhow::Result<Publication> {
    // Nothing is left half done by whoever panicked with it.
    let _one = PUBLISHING.lock().unwrap_or_else(PoisonError::into_inner);
    let offered = CatalogPublished::of(catalog, Timestamp(store.clock.now_ms()));
    let CatalogPublished { version, digest, published_at, .. } = offered.clone();
    if let Some(system) = without_topic(store, catalog) {
        let remedy = match store.log.embedded() {
            Some(_) => "stop the service, publish, and start it again",
            None => "make it (orderstream topics create), and start the services anew",
        };
        let reason = format!(
            "system \"{system}\" is new, and the running service has no command topic for it; {remedy}"
        );
        return Ok(Publication::Refused { version, reason });
    }
    let known = published(store)?;
    match known.checked(&offered) {
        Ok(Some(catalog)) => {
            if let Some(reason) = unpublishable(&catalog) {
                return Ok(Publication::Refused { version, reason });
            }
            append(store, &offered)?;
        }
        Ok(None) => {
            let before = known.versions().find(|(known, ..)| **known == version);
            let published_at = before.map_or(published_at, |(_, at, _)| at);
            let newest = known.latest().map(|catalog| catalog.version.clone());
            return Ok(Publication::AlreadyThere { version, digest, published_at, newest });
        }
        Err(refused) => {
            let reason = format!("{refused}; raise the version in the catalog's files");
            return Ok(Publication::Refused { version, reason });
        }
    }
    tracing::info!(%version, digest, "catalog published");
    Ok(Publication::Published { version, digest, published_at })
}

/// As [`load`], for whoever makes a log where there is none: without one there is no version that is published.
///
/// # Errors
/// As [`load`]; there is no log yet, and the version may not be published.
pub fn load_to_begin(settings: &Settings) -> anyhow::Result<Catalog> {
    let catalog = load(&settings.catalog)?;
    match (!Store::is_there(settings)).then(|| unpublishable(&catalog)).flatten() {
        Some(reason) => bail!(reason),
        None => Ok(catalog),
    }
}

/// Why a version that is not on the log yet may not come there; `None` where it may.
pub fn unpublishable(catalog: &Catalog) -> Option<String> {
    let errors = catalog.review_errors();
    if errors.is_empty() {
        return None;
    }
    let mut shown: Vec<String> =
        errors.iter().take(ERRORS_SHOWN_MAX).map(|finding| format!("  {finding}\n")).collect();
    if let Some(more @ 1..) = errors.len().checked_sub(ERRORS_SHOWN_MAX) {
        shown.push(format!("  and {more} more\n"));
    }
    Some(format!(
        "catalog version \"{}\" is not published yet, and may not be:\n{}`orderstream catalog validate` shows file and line of each",
        catalog.version,
        shown.concat()
    ))
}

/// The first system whose commands would have nowhere to go.
fn without_topic<'c>(store: &Store, catalog: &'c Catalog) -> Option<&'c String> {
    let topics = store.log.topics();
    catalog.systems.keys().find(|system| topics.get(&topics::commands(system)).is_none())
}

fn append(store: &Store, offered: &CatalogPublished) -> anyhow::Result<()> {
    let body = store.codec.encode(topics::CATALOG, offered)?;
    store.log.producer().send(&[Outgoing {
        topic: topics::CATALOG.into(),
        partition: Some(0),
        key: Some(Bytes::from(offered.version.0.clone())),
        value: Some(body.into()),
        headers: vec![(
            Arc::from(schemas::headers::CONTENT_TYPE),
            Bytes::from_static(schemas::headers::AVRO.as_bytes()),
        )],
        timestamp_ms: offered.published_at.0,
    }])?;
    Ok(())
}

/// Publishes the version if it is not there yet. A version once published never changes.
///
/// # Errors
/// The version is published with other content, or may not be published.
pub fn publish(store: &Store, catalog: &Catalog) -> anyhow::Result<()> {
    match offer(store, catalog)? {
        Publication::Published { .. } | Publication::AlreadyThere { .. } => Ok(()),
        Publication::Refused { reason, .. } => bail!(reason),
    }
}

/// The same for a catalog that comes as canonical JSON from another process, which has checked it; it is checked again.
///
/// # Errors
/// As [`offer`]; the text is no catalog.
pub fn offer_document(store: &Store, document: &[u8]) -> anyhow::Result<Publication> {
    let text = std::str::from_utf8(document).context("catalog is not UTF-8")?;
    let catalog = Catalog::from_json(text).map_err(|findings| anyhow::anyhow!(lines(&findings)))?;
    offer(store, &catalog)
}

/// Findings as lines for people.
pub fn lines(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of data beside the shipped catalog, to which a rule is added that can be used and may not be published.
    fn place(folder: &std::path::Path) -> Settings {
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
        let mut settings = Settings::default();
        settings.node.data_dir = folder.join("data");
        settings.catalog.directory = folder.join("catalog");
        std::fs::create_dir(&settings.catalog.directory).unwrap();
        for (path, text) in read_files(&shipped, "toml").unwrap() {
            let name = std::path::Path::new(&path).file_name().unwrap();
            std::fs::write(settings.catalog.directory.join(name), text).unwrap();
        }
        let doubtful = "[[offering]]\nid = \"doubtful\"\nname = \"Doubtful\"\nspecification = \"doubtful\"\nbillable = false\n\
                        eligibility = [{ condition = \"1 > 2\", message = \"never\" }]\n\
                        [[productSpecification]]\nid = \"doubtful\"\nname = \"Doubtful\"\nversion = \"1\"\ncommercialOnly = true\n";
        std::fs::write(settings.catalog.directory.join("doubtful.toml"), doubtful).unwrap();
        settings
    }

    #[test]
    fn a_version_under_a_later_rule_is_usable_where_it_is_published_and_refused_where_it_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let settings = place(folder.path());
        let catalog = load(&settings.catalog).unwrap();
        let store = Store::open(&settings, &catalog).unwrap();
        let refused = publish(&store, &catalog).unwrap_err().to_string();
        assert!(
            refused.starts_with("catalog version \"2026.11\" is not published yet, and may not be:\n")
                && refused.contains("\n  offering doubtful: condition \"1 > 2\" is always false")
                && refused.ends_with("\n`orderstream catalog validate` shows file and line of each"),
            "{refused}"
        );
        let document = catalog.to_json();
        let offered = offer_document(&store, document.as_bytes()).unwrap();
        assert!(matches!(offered, Publication::Refused { .. }), "{offered:?}");
        assert!(list(&store).unwrap().is_empty());
        // As a version of the program left it that did not know the rule.
        append(&store, &CatalogPublished::of(&catalog, Timestamp(store.clock.now_ms()))).unwrap();
        publish(&store, &catalog).unwrap();
        let there = offer(&store, &catalog).unwrap();
        let Publication::AlreadyThere { newest, .. } = &there else { panic!("{there:?}") };
        assert_eq!(newest.as_ref(), Some(&catalog.version));
    }

    #[test]
    fn the_answer_of_an_earlier_version_that_a_catalog_is_there_is_understood() {
        let told = r#"{"outcome": "alreadyThere", "version": "1", "digest": "d", "publishedAt": 7}"#;
        let read: Publication = serde_json::from_str(told).unwrap();
        assert!(matches!(&read, Publication::AlreadyThere { newest: None, .. }), "{read:?}");
    }

    #[test]
    fn a_first_service_refuses_what_may_not_be_published_before_it_makes_anything() {
        let folder = tempfile::tempdir().unwrap();
        let settings = place(folder.path());
        let refused = crate::service::Service::start(&settings).map(drop).unwrap_err().to_string();
        assert!(refused.contains("offering doubtful: condition \"1 > 2\" is always false"), "{refused}");
        assert!(!settings.node.data_dir.exists());
    }
}
