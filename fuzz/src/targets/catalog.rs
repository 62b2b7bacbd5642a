//! A file of a catalog.
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished, Catalogs};
use domain::limits::FINDINGS_MAX;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Catalog::from_files(&[("catalog.toml", text)]) {
        Ok(catalog) => {
            let again = Catalog::from_json(&catalog.to_json()).expect("what was read can be written");
            assert_eq!((again.digest(), &again), (catalog.digest(), &catalog));
            let published = CatalogPublished::of(&catalog, Timestamp(0));
            assert!(Catalogs::default().take(&published).is_ok(), "what was read can be published");
        }
        Err(findings) => {
            assert!((1..=FINDINGS_MAX).contains(&findings.len()), "{} findings", findings.len());
        }
    }
}
