//! A scenario of the simulated downstream, as TOML or as JSON.
use connectors::downstream::Scenario;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for read in [Scenario::from_toml(text), Scenario::from_json(text)] {
        match read {
            Ok(scenario) => assert_eq!(Scenario::from_json(&scenario.to_json()).as_ref(), Ok(&scenario)),
            Err(findings) => assert!(!findings.is_empty()),
        }
    }
}
