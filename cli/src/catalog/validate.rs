//! `orderstream catalog validate`: every finding, a line each.
use std::path::PathBuf;
use std::process::ExitCode;

use domain::catalog::{Catalog, Finding};
use serde::Serialize;

use super::{count, files, refused};
use crate::settings::Settings;
use crate::text::printable_lines;

/// What `--json` prints; names of fields are contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    /// Whether it may be published.
    valid: bool,
    /// Absent where it is not valid.
    version: Option<&'r str>,
    files: Vec<&'r str>,
    errors: usize,
    warnings: usize,
    findings: &'r [Finding],
}

pub fn validate(settings: &Settings, paths: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let shipped = [settings.catalog.directory.clone()];
    let files = files(if paths.is_empty() { &shipped } else { paths })?;
    let (catalog, findings) = Catalog::reviewed_files(&files);
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    if json {
        let report = Report {
            valid: catalog.is_some(),
            version: catalog.as_ref().map(|catalog| catalog.version.as_str()),
            files: files.iter().map(|(name, _)| name.as_str()).collect(),
            errors,
            warnings,
            findings: &findings,
        };
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        findings.iter().for_each(|finding| println!("{}", printable_lines(&finding.to_string())));
        let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
        let files = count(files.len(), "file");
        match &catalog {
            Some(catalog) => println!(
                "catalog {} may be published: {warnings} in {files}; {}, {}, {}, {}",
                catalog.version,
                count(catalog.offerings.len(), "offering"),
                count(catalog.task_types.len(), "task type"),
                count(catalog.systems.len(), "system"),
                count(catalog.fallout_rules.len(), "fallout rule"),
            ),
            None => println!("the catalog may not be published: {errors}, {warnings} in {files}"),
        }
    }
    if catalog.is_some() { Ok(crate::exit::DONE.into()) } else { refused() }
}
