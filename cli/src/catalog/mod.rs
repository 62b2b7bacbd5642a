//! `orderstream catalog`: check, publish and compare catalogs, and try orders on them.
//!
//! A catalog is a folder of .toml files until it is published; then it is a version, which never changes.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use domain::CatalogVersion;
use domain::catalog::{Catalog, Finding};

use crate::exit;
use crate::files::{FILE_BYTES_MAX, read_text};
use crate::service::{catalog as published, read_files};
use crate::settings::Settings;
use crate::text::printable_lines;

mod attempt;
mod compared;
mod diff;
mod list;
mod publish;
mod show;
mod source;
mod validate;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Find everything that a published catalog must not hold. Exit code 3 where there are errors; warnings alone are 0.
    Validate {
        /// Folders of .toml files, or files, that are one catalog together; by default the folder of the settings.
        paths: Vec<PathBuf>,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Publish a catalog as a new version, to the running service or into the data directory. New orders pin it from then on.
    Publish {
        /// A folder of .toml files; by default that of the settings.
        directory: Option<PathBuf>,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// The published versions, and how many open orders pin each.
    List {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// What a version holds.
    Show {
        /// A published version, or a folder of .toml files.
        version: String,
        /// Only this; by default all of it.
        #[arg(long, value_enum)]
        section: Option<show::Section>,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// What differs between two versions.
    Diff {
        /// A published version, or a folder of .toml files.
        from: String,
        /// A published version, or a folder of .toml files.
        to: String,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Run an order through translation, validation and decomposition, and write nothing. Exit code 3 where it is refused.
    Try(attempt::Arguments),
}

pub fn catalog(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Validate { paths, json } => validate::validate(settings, paths, *json),
        Command::Publish { directory, json } => publish::publish(settings, directory.as_deref(), *json),
        Command::List { json } => list::list(settings, *json),
        Command::Show { version, section, json } => show::show(settings, version, *section, *json),
        Command::Diff { from, to, json } => diff::diff(settings, from, to, *json),
        Command::Try(arguments) => attempt::attempt(settings, arguments),
    }
}

/// The files that are one catalog, as (name, text): those of folders in sequence of their names.
///
/// # Errors
/// What cannot be read; a folder without a .toml file.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(read_files(path, "toml")?);
        } else {
            files.push((path.display().to_string(), read_text(path, FILE_BYTES_MAX)?));
        }
    }
    Ok(files)
}

/// The catalog of a folder, with durations as they are written there, and its errors; none where it has some.
fn reviewed(directory: &Path) -> anyhow::Result<(Option<Catalog>, Vec<Finding>)> {
    let (catalog, findings) = Catalog::reviewed_files(&files(&[directory.to_owned()])?);
    Ok((catalog, findings.into_iter().filter(Finding::is_error).collect()))
}

fn tell_wrong(directory: &Path, wrong: &[Finding]) {
    eprintln!("{}", printable_lines(&published::lines(wrong)));
    eprintln!(
        "orderstream: catalog in \"{}\" has {}; `orderstream catalog validate` shows the warnings, too",
        directory.display(),
        count(wrong.len(), "error")
    );
}

/// The catalog of a folder; none where it has errors, which were then said.
fn of_directory(directory: &Path) -> anyhow::Result<Option<Catalog>> {
    let (catalog, wrong) = reviewed(directory)?;
    if !wrong.is_empty() {
        tell_wrong(directory, &wrong);
    }
    Ok(catalog)
}

/// A folder, else a published version.
fn of_name(settings: &Settings, name: &str) -> anyhow::Result<Option<Catalog>> {
    let directory = Path::new(name);
    if directory.is_dir() {
        return of_directory(directory);
    }
    let version = CatalogVersion(name.to_owned());
    let mut source = source::Source::find(settings)?;
    if let Some(catalog) = source.show(&version)? {
        return Ok(Some(catalog));
    }
    let known: Vec<String> = source.list()?.into_iter().map(|listed| listed.version.0).collect();
    eprintln!(
        "orderstream: there is no folder \"{name}\", and no published version of that name; published are {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    );
    Ok(None)
}

fn refused() -> anyhow::Result<ExitCode> {
    Ok(exit::REFUSED.into())
}

/// `1 error`, `2 errors`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A duration in its two greatest units: `2 d 3 h`, `15 min`, `1 s 500 ms`.
fn duration(ms: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let mut rest = ms.max(0);
    let mut parts = Vec::new();
    for (unit_ms, name) in UNITS {
        if rest >= unit_ms {
            parts.push(format!("{} {name}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 ms".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_two_greatest_units() {
        assert_eq!(duration(0), "0 ms");
        assert_eq!(duration(1_500), "1 s 500 ms");
        assert_eq!(duration(900_000), "15 min");
        assert_eq!(duration(183_600_001), "2 d 3 h");
    }
}
