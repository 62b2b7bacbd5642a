//! The official TMF622 payloads, and what must come of each, as written down beside them.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use connectors::upstream::{Example, ExpectedEffects, ExpectedOrder, Outcome};
use domain::{OrderKey, ReasonCode};
use serde::Deserialize;

/// How the story of an official payload begins.
pub const STORY: &str = "official example";
/// Beside the payloads: by file name, what must come of it.
const EXPECTED_FILE: &str = "expected.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFile {
    media_type: String,
    /// By file name.
    example: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Why, for people.
    #[allow(dead_code)] // read by whoever reads the file
    because: String,
    /// Absent: it is no order, and goes to the dead letters.
    order_key: Option<String>,
    #[serde(default)]
    rejected_with: BTreeSet<ReasonCode>,
}

/// Every payload of the folder has an expectation, and every expectation a payload.
///
/// # Errors
/// A file that is missing on either side, or unreadable.
pub fn read(directory: &Path) -> anyhow::Result<Vec<Example>> {
    let path = directory.join(EXPECTED_FILE);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read \"{}\"", path.display()))?;
    let mut expected: ExpectedFile =
        toml::from_str(&text).with_context(|| format!("\"{}\" is not readable", path.display()))?;
    let payloads = directory.join("TMF622-v5");
    let mut examples = Vec::new();
    for (file, body) in crate::service::read_files(&payloads, "json")? {
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What the translation makes of a payload, compared elsewhere.
        if name.ends_with(".expected.json") {
            continue;
        }
        let Some(stated) = expected.example.remove(&name) else {
            bail!("\"{}\" does not say what must come of \"{name}\"", path.display());
        };
        let expected_order = stated.order_key.map(|key| {
            let order = ExpectedOrder {
                story: format!("{STORY} {name}"),
                outcome: Outcome::Rejected { codes: stated.rejected_with },
                effects: ExpectedEffects::Stated(BTreeMap::new()),
                revisions_refused: 0,
            };
            (OrderKey(key), order)
        });
        let media_type = expected.media_type.clone();
        examples.push(Example { name, body: body.into_bytes(), media_type, expected: expected_order });
    }
    if let Some(name) = expected.example.keys().next() {
        bail!("\"{}\" speaks of \"{name}\", which is not in \"{}\"", path.display(), payloads.display());
    }
    Ok(examples)
}
