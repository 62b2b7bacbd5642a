//! Files that somebody names on a command line: they may be of any size, or have no end at all.
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// The largest file of a catalog or of orders that is read whole, in bytes.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// The text of a file of at most so many bytes. No more is read, whatever the file system says of its length.
///
/// # Errors
/// It cannot be read, is no UTF-8, or is larger.
pub fn read_text(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let context = || format!("could not read \"{}\"", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(context)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() as u64 > bytes_max {
        bail!("\"{}\" is larger than {bytes_max} bytes; no more are read", path.display());
    }
    String::from_utf8(bytes).map_err(|error| error.utf8_error()).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_one_without_an_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "four").unwrap();
        assert_eq!(read_text(&file, 4).unwrap(), "four");
        let endless = Path::new("/dev/zero");
        for (path, bytes_max) in [(file.as_path(), 3), (endless, 1_000)] {
            let refused = read_text(path, bytes_max).unwrap_err().to_string();
            assert!(
                refused.ends_with(&format!("is larger than {bytes_max} bytes; no more are read")),
                "{refused}"
            );
        }
        std::fs::write(&file, b"\xff").unwrap();
        assert!(format!("{:#}", read_text(&file, 4).unwrap_err()).contains("utf-8"));
    }
}
