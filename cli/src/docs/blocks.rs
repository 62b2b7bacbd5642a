//! Pages that are written by hand but for one block, and the settings file that we ship.
use std::path::Path;

use anyhow::{Context, bail};

use crate::{metrics, settings};

const BEGIN: &str = "<!-- generated -->\n";
const END: &str = "<!-- /generated -->";

/// Page, and what its block holds.
type Block = fn() -> String;
const PAGES: [(&str, Block); 2] =
    [("configuration.md", settings::reference::reference), ("metrics.md", metrics::reference)];
/// Beside the folder of the pages.
const SETTINGS_FILE: &str = "../config/orderstream.toml";

/// # Errors
/// A page cannot be read or written, or has no block.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    for (name, block) in PAGES {
        let path = directory.join(name);
        let shown = || format!("\"{}\"", path.display());
        let page = std::fs::read_to_string(&path).with_context(|| format!("could not read {}", shown()))?;
        let page = with_block(&page, &block()).with_context(shown)?;
        std::fs::write(&path, page).with_context(|| format!("could not write {}", shown()))?;
    }
    let path = directory.join(SETTINGS_FILE);
    std::fs::write(&path, settings::reference::file())
        .with_context(|| format!("could not write \"{}\"", path.display()))
}

/// The page with another block in place of its own.
fn with_block(page: &str, block: &str) -> anyhow::Result<String> {
    let Some((before, rest)) = page.split_once(BEGIN) else { bail!("no line {}", BEGIN.trim_end()) };
    let Some((_, after)) = rest.split_once(END) else { bail!("no line {END}") };
    Ok(format!("{before}{BEGIN}{block}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_in_docs_are_those_of_the_tables() {
        for (name, block) in PAGES {
            let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let written = std::fs::read_to_string(path).unwrap();
            let fresh = with_block(&written, &block()).unwrap();
            assert!(written == fresh, "docs/{name} is stale; `make doc` writes it anew");
        }
    }

    #[test]
    fn a_page_keeps_what_is_around_its_block() {
        let page = "a\n<!-- generated -->\nold\n<!-- /generated -->\nb\n";
        assert_eq!(with_block(page, "new").unwrap(), "a\n<!-- generated -->\nnew\n<!-- /generated -->\nb\n");
        assert!(with_block("a", "").is_err() && with_block("<!-- generated -->\n", "").is_err());
    }
}
