//! A request line of the control socket.
use cli::control;

pub(super) fn run(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    match control::parsed(line) {
        Ok(request) => {
            let line = serde_json::to_string(&request).expect("what was read can be written");
            assert_eq!(control::parsed(&line).expect("what was written can be read"), request);
        }
        Err(error) => assert!(!format!("{error:#}").is_empty()),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"submit":{"key":"TMF/POnumber/1","requestId":null,"mediaType":"application/json","bodyBytes":2}}"#,
        r#"{"submit":{"key":null,"requestId":"r","mediaType":"","bodyBytes":18446744073709551615}}"#,
        r#"{"readTopic":{"topic":"orderstream.order.events","partition":0,"from":0,"key":null,"recordsMax":10}}"#,
        r#""status""#,
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}
