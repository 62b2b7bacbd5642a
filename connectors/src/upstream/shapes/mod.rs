//! What can be ordered of the shipped catalog, and the work that each order is; written down by hand, and kept in step by hand.
use super::shape::Shape;

mod business_fiber;
mod home;
mod tmf25;

/// Every kind of order that can be generated.
pub const ALL: &[Shape] = &[
    business_fiber::FULL,
    business_fiber::WITH_STATIC_IP,
    business_fiber::PLAIN,
    home::TRIPLE_PLAY,
    home::TRIPLE_PLAY_PORTED,
    home::MOBILE,
    home::MOBILE_WITH_CARD,
    home::DSL,
    tmf25::TMF25,
    home::W6,
];

/// What is known of a command.
struct CommandFacts {
    command: &'static str,
    system: &'static str,
    /// How soon its silence is noticed.
    watch: Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// By a timer, within half an hour of catalog time.
    Soon,
    /// By a timer, after days.
    Late,
    /// By the scan for stuck orders alone.
    Never,
}

const fn facts(command: &'static str, system: &'static str, watch: Watch) -> CommandFacts {
    CommandFacts { command, system, watch }
}

const COMMANDS: &[CommandFacts] = &[
    facts("createBillingAccount", "billing", Watch::Soon),
    facts("createSubscription", "billing", Watch::Soon),
    facts("reserveRouter", "warehouse", Watch::Soon),
    facts("shipRouter", "warehouse", Watch::Late),
    facts("scheduleInstallation", "workforce", Watch::Late),
    facts("performInstallation", "workforce", Watch::Never),
    facts("activateFiber", "provisioning", Watch::Soon),
    facts("activateStaticIp", "provisioning", Watch::Soon),
    facts("configureRouter", "provisioning", Watch::Soon),
    facts("assignAccessPort", "networkInventory", Watch::Soon),
    facts("activateHomeAccess", "provisioning", Watch::Soon),
    facts("activateTv", "provisioning", Watch::Soon),
    facts("activateVoice", "provisioning", Watch::Soon),
    facts("portNumber", "partner", Watch::Late),
    facts("startCharges", "billing", Watch::Soon),
    facts("assignSim", "networkInventory", Watch::Soon),
    facts("activateMobileLine", "provisioning", Watch::Soon),
    facts("shipSim", "warehouse", Watch::Late),
    facts("verifyAdslService", "networkInventory", Watch::Soon),
    facts("assignPort", "networkInventory", Watch::Soon),
    facts("shipModem", "warehouse", Watch::Late),
    facts("activateDslam", "provisioning", Watch::Soon),
    facts("activateTelephony", "provisioning", Watch::Soon),
    facts("createTariffPlan", "billing", Watch::Soon),
    facts("setCoverage", "provisioning", Watch::Soon),
    facts("w6Step1", "provisioning", Watch::Soon),
    facts("w6Step2", "provisioning", Watch::Soon),
    facts("w6Step3", "provisioning", Watch::Soon),
    facts("w6Step4", "provisioning", Watch::Soon),
    facts("w6Step5", "provisioning", Watch::Soon),
    facts("w6Step6", "provisioning", Watch::Soon),
];

/// Systems that are away for a while, one after the other.
pub(super) const OUTAGE_SYSTEMS: [&str; 3] = ["provisioning", "billing", "warehouse"];

fn known(command: &str) -> Option<&'static CommandFacts> {
    COMMANDS.iter().find(|facts| facts.command == command)
}

/// Whether nobody but the scan for stuck orders notices that it is not done.
pub(super) fn is_manual(command: &str) -> bool {
    known(command).is_some_and(|facts| facts.watch == Watch::Never)
}

/// Whether a timer notices its silence before anybody loses patience.
pub(super) fn is_watched(command: &str) -> bool {
    known(command).is_some_and(|facts| facts.watch == Watch::Soon)
}

/// Code and message of a failure that the shipped rules file as terminal.
pub(super) fn terminal_failure(command: &str) -> Option<(&'static str, &'static str)> {
    match known(command)?.system {
        "provisioning" | "networkInventory" => {
            Some(("ADDRESS_NOT_SERVICEABLE", "no line reaches this address"))
        }
        "billing" => Some(("CREDIT_REFUSED", "the customer gets no credit")),
        _ => None,
    }
}

/// Code and message of a failure that the shipped rules file as repairable.
pub(super) fn repairable_failure(command: &str) -> Option<(&'static str, &'static str)> {
    match known(command)?.system {
        "provisioning" => Some(("NO_PORT_AVAILABLE", "every port of the access node is taken")),
        "billing" => Some(("INVOICE_PROFILE_MISSING", "the account has no invoice profile")),
        "warehouse" => Some(("SKU_OUT_OF_STOCK", "the article is not in stock")),
        "workforce" => Some(("NO_SLOT_AVAILABLE", "no technician is free in that week")),
        "networkInventory" => Some(("ADDRESS_REJECTED", "the address is not in the register")),
        _ => None,
    }
}

/// The positions of the kinds that are generated: of the one that is asked for alone, else of all that are meant to be mixed.
pub(super) fn positions(only: Option<&str>) -> Vec<usize> {
    let meant = |shape: &Shape| only.map_or(shape.mixed, |only| shape.name == only);
    (0..ALL.len()).filter(|at| meant(&ALL[*at])).collect()
}

/// The position of the kind of this name.
pub(super) fn named(name: &str) -> Option<usize> {
    ALL.iter().position(|shape| shape.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const HALF_AN_HOUR_MS: i64 = 1_800_000;

    /// The shipped task types by command, as plain TOML: (system, breach, whether a timer watches it).
    fn shipped() -> BTreeMap<String, (String, i64, bool)> {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
        let mut found = BTreeMap::new();
        for file in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let table: toml::Table = std::fs::read_to_string(file.path()).unwrap().parse().unwrap();
            for task_type in table.get("taskType").and_then(toml::Value::as_array).into_iter().flatten() {
                let text = |name: &str| {
                    task_type.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
                };
                let breach_ms = task_type["breachMs"].as_integer().unwrap();
                found
                    .insert(text("command"), (text("system"), breach_ms, text("timeoutAction") != "nothing"));
            }
        }
        found
    }

    #[test]
    fn what_is_known_of_commands_is_what_the_shipped_catalog_says() {
        let shipped = shipped();
        for facts in COMMANDS {
            let (system, breach_ms, watched) = &shipped[facts.command];
            let watch = match (watched, *breach_ms <= HALF_AN_HOUR_MS) {
                (false, _) => Watch::Never,
                (true, true) => Watch::Soon,
                (true, false) => Watch::Late,
            };
            assert_eq!((facts.system, facts.watch), (system.as_str(), watch), "{}", facts.command);
        }
    }

    #[test]
    fn every_command_is_known_and_none_for_nothing() {
        let used: BTreeSet<&str> =
            ALL.iter().flat_map(|shape| shape.steps).map(|step| step.command).collect();
        assert_eq!(used, COMMANDS.iter().map(|facts| facts.command).collect());
    }
}
