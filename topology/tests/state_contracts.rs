//! What processors keep is what its contracts under schemas/avro/state say: an upgrade reads what an older version wrote.
use processors::{capture, downstream, fallout, inventory, orchestration, stuck_orders, validation};
use schemas::testing::check_state;

#[test]
fn every_state_has_its_contract() {
    check_state::<capture::State>("capture.State");
    check_state::<validation::State>("validation.State");
    check_state::<inventory::State>("inventory.State");
    check_state::<stuck_orders::State>("stuckOrders.State");
    check_state::<downstream::state::Head>("downstream.Head");
    check_state::<downstream::state::Turn>("downstream.Turn");
    check_state::<downstream::state::Place>("downstream.Place");
    check_state::<fallout::state::Head>("fallout.Head");
    check_state::<domain::fallout::FalloutCase>("fallout.FalloutCase");
    check_state::<fallout::state::Subject>("fallout.Subject");
    check_state::<orchestration::state::Head>("orchestration.Head");
    check_state::<orchestration::state::TaskRecord>("orchestration.TaskRecord");
    check_state::<orchestration::state::ItemRecord>("orchestration.ItemRecord");
    check_state::<orchestration::state::ServiceOrderRecord>("orchestration.ServiceOrderRecord");
    check_state::<orchestration::state::ItemPlan>("orchestration.ItemPlan");
    check_state::<orchestration::state::CommandIndex>("orchestration.CommandIndex");
    check_state::<orchestration::state::Waiter>("orchestration.Waiter");
}

#[test]
fn every_contract_of_a_state_is_checked_above() {
    let checked = include_str!("state_contracts.rs");
    for (name, _) in schemas::contracts::STATE_SOURCES {
        assert!(checked.contains(&format!("\"{name}\"")), "{name} is not compared with its type");
    }
}
