//! Requests that are no order: they must end among the dead letters, and disturb nobody.
use rand::Rng;
use serde_json::json;

use super::document::Draft;

/// The bytes, and in words what they are.
pub(super) fn draw(draft: &Draft, rng: &mut impl Rng) -> (Vec<u8>, &'static str) {
    let order = draft.to_json();
    match rng.random_range(0..6) {
        0 => {
            let text = order.to_string();
            (text.as_bytes()[..text.len() / 2].to_vec(), "a document that breaks off")
        }
        1 => (json!([order]).to_string().into_bytes(), "a list"),
        2 => {
            let event = json!({ "@type": "ProductOrderCreateEvent", "eventType": "ProductOrderCreateEvent", "event": { "productOrder": order } });
            (event.to_string().into_bytes(), "an event")
        }
        3 => {
            let mut nameless = order;
            if let Some(members) = nameless.as_object_mut() {
                members.shift_remove("externalId");
            }
            (nameless.to_string().into_bytes(), "an order without a reference")
        }
        4 => {
            let mut bytes = order.to_string().into_bytes();
            bytes.splice(1..1, *b"\"note\":\"\xff\xfe\",");
            (bytes, "bytes that are not UTF-8")
        }
        _ => (Vec::new(), "nothing at all"),
    }
}
