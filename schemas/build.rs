//! Lists what lies in `history/`, so that a build carries every published version of every contract: a registry is told of them from
//! wherever the binary is installed. The texts themselves are written down, not their paths: two clones may share a target folder.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=history");
    let folder = |variable: &str| PathBuf::from(std::env::var_os(variable).unwrap_or_default());
    let root = folder("CARGO_MANIFEST_DIR").join("history");
    let mut text = String::from("&[\n");
    for contract in folders(&root)?.into_iter().chain(folders(&root.join("state"))?) {
        let versions = (1..).map(|number| contract.join(format!("{number}.avsc")));
        let versions: Vec<PathBuf> = versions.take_while(|path| path.exists()).collect();
        // The folder of what processors keep holds no versions of its own.
        if versions.is_empty() {
            continue;
        }
        let name = contract.file_name().unwrap_or_default();
        let texts = versions.iter().map(std::fs::read_to_string).collect::<std::io::Result<Vec<String>>>()?;
        let _ = writeln!(text, "    ({name:?}, &{texts:?}),");
    }
    text.push_str("]\n");
    std::fs::write(folder("OUT_DIR").join("published.rs"), text)
}

/// The folders in one, by name.
fn folders(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root)?.map(|entry| entry.map(|entry| entry.path()));
    let mut folders = entries.collect::<std::io::Result<Vec<PathBuf>>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}
