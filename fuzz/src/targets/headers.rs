//! Header values, and the types of events.
use schemas::headers::{self, HEADER_BYTES_MAX};

pub(super) fn run(bytes: &[u8]) {
    if let Ok(Some(text)) = headers::text([(headers::CE_ID, bytes)], "CE_ID") {
        assert!(text.len() <= HEADER_BYTES_MAX && !text.chars().any(char::is_control));
        assert_eq!(text.as_bytes(), bytes);
        if let Some(record) = headers::record_of(text) {
            assert_eq!(headers::type_of(record), text);
        }
    }
    assert_eq!(headers::text([("other", bytes)], headers::CE_ID).ok().flatten(), None);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let values = ["io.orderstream.OrderCaptured.v1", "application/json;profile=tmf622-v4", "", "\u{202e}x"];
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}
