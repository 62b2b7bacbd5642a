//! Order requests in an Avro container file, which brings its own schema along.
use schemas::own::{container, translate};

pub(super) fn run(bytes: &[u8]) {
    let Ok(requests) = container::read(bytes) else { return };
    assert!(requests.len() <= container::REQUESTS_MAX);
    let written = container::write(&requests).expect("what was read can be written");
    assert_eq!(container::read(&written).as_ref(), Ok(&requests));
    for request in requests.iter().take(4) {
        // Whatever it holds: an order with findings, or a refusal.
        let _ = translate(request, bytes);
    }
}
