//! Everything that processors keep: a byte that chooses the state, and a body of it.
use processors::{capture, downstream, fallout, inventory, orchestration, stuck_orders, validation};
use schemas::contracts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::contract;
use crate::samples::CODECS;

struct Kind {
    name: &'static str,
    check: fn(&'static str, &[u8]),
    framed: fn(&'static str) -> Vec<u8>,
}

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &'static str, framed: &[u8]) {
    let Ok(read) = CODECS.states.decode_state::<T>(name, framed) else { return };
    let written = CODECS.states.encode_state(name, &read).expect("what was read can be written");
    assert_eq!(CODECS.states.decode_state::<T>(name, &written).expect("what was written can be read"), read);
}

fn sample<T: Serialize + DeserializeOwned>(name: &'static str) -> Vec<u8> {
    let sample = schemas::testing::sample(contract(contracts::states(), name), 0);
    let typed: T = serde_json::from_value(sample).expect("type and contract say the same");
    CODECS.states.encode_state(name, &typed).expect("a sample can be written")
}

macro_rules! kinds {
    ($($name:literal: $kind:ty),+ $(,)?) => {
        &[$(Kind { name: $name, check: check::<$kind>, framed: sample::<$kind> }),+]
    };
}

const TYPES: &[Kind] = kinds! {
    "capture.State": capture::State,
    "validation.State": validation::State,
    "inventory.State": inventory::State,
    "stuckOrders.State": stuck_orders::State,
    "downstream.Head": downstream::state::Head,
    "downstream.Turn": downstream::state::Turn,
    "downstream.Place": downstream::state::Place,
    "fallout.Head": fallout::state::Head,
    "fallout.FalloutCase": domain::fallout::FalloutCase,
    "fallout.Subject": fallout::state::Subject,
    "orchestration.Head": orchestration::state::Head,
    "orchestration.TaskRecord": orchestration::state::TaskRecord,
    "orchestration.ItemRecord": orchestration::state::ItemRecord,
    "orchestration.ServiceOrderRecord": orchestration::state::ServiceOrderRecord,
    "orchestration.ItemPlan": orchestration::state::ItemPlan,
    "orchestration.CommandIndex": orchestration::state::CommandIndex,
    "orchestration.Waiter": orchestration::state::Waiter,
};

pub(super) fn run(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let kind = &TYPES[usize::from(*choice) % TYPES.len()];
    let mut framed =
        schemas::codec::frame::head(CODECS.id_of(contract(contracts::states(), kind.name))).to_vec();
    framed.extend_from_slice(body);
    (kind.check)(kind.name, &framed);
    (kind.check)(kind.name, bytes);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let body = |kind: &Kind| (kind.framed)(kind.name)[schemas::codec::frame::FRAME_BYTES..].to_vec();
    TYPES.iter().enumerate().map(|(place, kind)| [vec![place as u8], body(kind)].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_tried() {
        let missing =
            contracts::STATE_SOURCES.iter().filter(|(name, _)| TYPES.iter().all(|kind| kind.name != *name));
        assert_eq!(missing.map(|(name, _)| *name).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
