//! JSON pointers: a first line, and the document that it points into.
use schemas::tmf::json;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((pointer, document)) = text.split_once('\n') else { return };
    let Ok(node) = json::parse(document) else { return };
    let Ok(value) = serde_json::from_str::<serde_json::Value>(document) else { return };
    if super::json::has_twice(&node) {
        return;
    }
    let (ours, theirs) = (node.at(pointer), value.pointer(pointer));
    assert_eq!(ours.is_some(), theirs.is_some(), "at \"{pointer}\"");
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let ours: serde_json::Value = serde_json::from_str(&ours.to_json()).expect("it was in JSON");
        assert_eq!(&ours, theirs, "at \"{pointer}\"");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let document = r#"{"a/b":[{"m~n":1},[true,"x"]],"":{"":null},"0":{"01":2}}"#;
    let pointers = ["", "/a~1b/0/m~0n", "/a~1b/1/1", "/", "//", "/0/01", "/a~1b/01", "/a~1b/-", "a", "/~01"];
    pointers.iter().map(|pointer| format!("{pointer}\n{document}").into_bytes()).collect()
}
