//! A request line of the control socket.
use cli::control;

pub(super) fn run(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    match control::parsed(line) {
        Ok(submission) => {
            let line = serde_json::json!({ "submit": submission }).to_string();
            assert_eq!(control::parsed(&line).expect("what was read can be written"), submission);
        }
        Err(error) => assert!(!format!("{error:#}").is_empty()),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"submit":{"key":"TMF/POnumber/1","requestId":null,"mediaType":"application/json","bodyBytes":2}}"#,
        r#"{"submit":{"key":null,"requestId":"r","mediaType":"","bodyBytes":18446744073709551615}}"#,
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}
