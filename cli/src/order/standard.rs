//! `--format`: orders as documents of TM Forum's.
use std::process::ExitCode;

use domain::OrderKey;
use projection::Projection;
use projection::query::OrderFilter;
use schemas::tmf::json::Node;

use super::format::{self, Format, Version};

/// As TM Forum writes it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Standard {
    /// As a document of TM Forum's.
    #[arg(long, value_enum, conflicts_with = "json")]
    pub format: Option<Format>,
    /// Its version; else the one that the order came in, and 5 for many.
    #[arg(long, value_enum, requires = "format", value_name = "VERSION")]
    pub tmf_version: Option<Version>,
}

pub async fn show(
    projection: &Projection,
    key: &str,
    format: Format,
    version: Option<Version>,
) -> anyhow::Result<ExitCode> {
    let answer = format::read(projection, &OrderKey::from(key)).await?.ok_or_else(|| super::no_order(key))?;
    println!("{}", format::render(&answer, format, version)?.to_json_pretty());
    Ok(ExitCode::SUCCESS)
}

/// One list of all documents, of one version.
pub async fn list(
    projection: &Projection,
    filter: OrderFilter,
    format: Format,
    version: Option<Version>,
) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for row in projection.orders(filter).await?.rows {
        // An order that left between the list and now is not there any more.
        let Some(answer) = format::read(projection, &row.key).await? else { continue };
        documents.extend(format::documents(&answer, format, version)?);
    }
    println!("{}", Node::List(documents).to_json_pretty());
    Ok(ExitCode::SUCCESS)
}
