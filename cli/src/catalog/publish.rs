//! `orderstream catalog publish`: checks a folder, and makes it a version.
use std::path::Path;
use std::process::ExitCode;

use domain::catalog::Finding;
use serde_json::{Value, json};

use super::{refused, reviewed, tell_wrong};
use crate::exit;
use crate::service::catalog::Publication;
use crate::settings::Settings;

pub fn publish(settings: &Settings, directory: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let directory = directory.unwrap_or(&settings.catalog.directory);
    let (catalog, wrong) = reviewed(directory)?;
    let Some(written) = catalog else {
        if json {
            println!("{:#}", not_published(&wrong));
        } else {
            tell_wrong(directory, &wrong);
        }
        return refused();
    };
    // As the service does with the folder of its settings.
    let catalog = written.scaled(settings.catalog.time_divisor, settings.catalog.duration_ms_max);
    let publication = super::source::Source::open(settings, &catalog)?.offer(&catalog)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&publication)?);
    } else {
        match &publication {
            Publication::Published { version, digest, .. } => {
                println!("published {version} (digest {digest}); new orders pin it, open ones keep their own")
            }
            Publication::AlreadyThere { version, published_at, newest, .. } => {
                println!("{version} is there already with this content, published at {published_at}");
                if let Some(newest) = newest.as_ref().filter(|newest| *newest != version) {
                    println!(
                        "new orders pin {newest}; to go back to this content, publish it under a newer version"
                    );
                }
            }
            Publication::Refused { reason, .. } => eprintln!("orderstream: {reason}"),
        }
    }
    match publication {
        Publication::Published { .. } | Publication::AlreadyThere { .. } => Ok(exit::DONE.into()),
        Publication::Refused { .. } => refused(),
    }
}

/// As [`Publication::Refused`], before there is a version to name; names of fields are contract.
fn not_published(wrong: &[Finding]) -> Value {
    json!({ "outcome": "refused", "version": null, "reason": "the catalog has errors", "findings": wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_with_errors_is_told_to_programs_with_its_findings() {
        let told = not_published(&[Finding::new("taskType x", "it has no system")]);
        assert_eq!(
            (&told["outcome"], &told["findings"][0]["subject"]),
            (&json!("refused"), &json!("taskType x"))
        );
    }
}
