//! Many documents in one input.
use schemas::tmf::split;

pub(super) fn run(bytes: &[u8]) {
    let mut end = 0;
    let mut line = 1;
    for document in split::documents(bytes) {
        let range = document.range;
        // Only what is missing from the end of a list has no bytes.
        let has_bytes = !range.is_empty() || document.text.is_err();
        assert!(range.start >= end && has_bytes, "documents follow one another: {range:?}");
        assert!(document.line >= line, "lines are counted upwards");
        if let Ok(text) = document.text {
            assert_eq!(text.as_bytes(), &bytes[range.clone()], "its text is the bytes of its range");
        }
        (end, line) = (range.end, document.line);
    }
    assert!(end <= bytes.len());
}
