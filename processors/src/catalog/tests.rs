use super::*;

const SMALL: &str = "version = \"1\"\ndescription = \"DESCRIPTION\"";

fn catalog(description: &str) -> Catalog {
    Catalog::from_files(&[("small.toml", SMALL.replace("DESCRIPTION", description))]).unwrap()
}

#[test]
fn a_version_is_published_once_and_never_changed() {
    let mut published = Catalogs::default();
    let record = publish(&catalog("a"), &published, Timestamp(7)).unwrap().unwrap();
    assert_eq!((record.published_at, record.version.as_str()), (Timestamp(7), "1"));
    published.take(&record).unwrap();
    assert_eq!(publish(&catalog("a"), &published, Timestamp(8)), Ok(None));
    let refused = publish(&catalog("b"), &published, Timestamp(9)).unwrap_err();
    assert!(matches!(refused, Error::VersionTaken { .. }), "{refused}");
}
