//! `orderstream catalog list`: the published versions, and who still needs them.
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use projection::Projection;
use serde::Serialize;

use crate::exit;
use crate::order::table;
use crate::service::catalog::Listed;
use crate::settings::Settings;

/// What `--json` prints of each; names of fields are contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(flatten)]
    listed: Listed,
    /// Absent where there is no projection that could tell.
    open_orders: Option<i64>,
}

pub fn list(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let versions = super::source::Source::find(settings)?.list()?;
    let open_orders = open_orders(settings)?;
    let of = |listed: Listed| {
        let known = open_orders.as_ref();
        let open_orders = known.map(|open| open.get(listed.version.as_str()).copied().unwrap_or_default());
        Line { listed, open_orders }
    };
    let lines: Vec<Line> = versions.into_iter().map(of).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(exit::DONE.into());
    }
    let mut shown = table(&["version", "published", "digest", "open orders", "new orders"]);
    for Line { listed, open_orders } in &lines {
        shown.add_row([
            listed.version.0.clone(),
            listed.published_at.to_string(),
            listed.digest.clone(),
            open_orders.map_or("not known".to_owned(), |open| open.to_string()),
            if listed.is_current { "pin it".to_owned() } else { String::new() },
        ]);
    }
    println!("{shown}");
    Ok(exit::DONE.into())
}

/// By version; none where no service ever ran here.
fn open_orders(settings: &Settings) -> anyhow::Result<Option<BTreeMap<String, i64>>> {
    let url = settings.projection_url();
    if url.strip_prefix("sqlite://").is_some_and(|path| !Path::new(path).exists()) {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = Projection::open_existing(&url).await?;
        let uses = projection.catalog_uses().await?;
        projection.close().await;
        Ok(Some(uses.into_iter().map(|used| (used.version.0, used.open_orders)).collect()))
    })
}
