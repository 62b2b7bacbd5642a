//! `orderstream catalog publish`: checks a folder, and makes it a version.
use std::path::Path;
use std::process::ExitCode;

use super::{of_directory, refused};
use crate::exit;
use crate::service::catalog::Publication;
use crate::settings::Settings;

pub fn publish(settings: &Settings, directory: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let directory = directory.unwrap_or(&settings.catalog.directory);
    let Some(written) = of_directory(directory)? else { return refused() };
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
            Publication::AlreadyThere { version, published_at, .. } => {
                println!("{version} is there already with this content, published at {published_at}")
            }
            Publication::Refused { reason, .. } => eprintln!("orderstream: {reason}"),
        }
    }
    match publication {
        Publication::Published { .. } | Publication::AlreadyThere { .. } => Ok(exit::DONE.into()),
        Publication::Refused { .. } => refused(),
    }
}
