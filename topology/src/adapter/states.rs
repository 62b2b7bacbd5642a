//! What processors keep, as named records: which cell holds which.
use bytes::Bytes;
use processors::{downstream, fallout, orchestration};
use runtime::HandlerError;
use schemas::codec::StateCodec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Run;
use crate::graph::Processor;
use crate::shell::CellCodec;

/// The cell of a processor that keeps one record per key.
const STATE_CELL: &str = "state";

/// The record of a processor that keeps one per key.
fn record_of(processor: Processor) -> &'static str {
    match processor {
        Processor::Capture => "capture.State",
        Processor::Validation => "validation.State",
        Processor::StuckOrders => "stuckOrders.State",
        Processor::Inventory => "inventory.State",
        Processor::Decomposition | Processor::Orchestration | Processor::Fallout | Processor::Downstream => {
            unreachable!("processor \"{}\" keeps nothing, or keeps cells of several kinds", processor.name())
        }
    }
}

impl Run<'_> {
    /// The one record of this key.
    pub(super) fn load<S: DeserializeOwned>(
        &mut self,
        processor: Processor,
        key: &str,
    ) -> Result<Option<S>, HandlerError> {
        let Some(bytes) = self.shell.get(processor, key.as_bytes(), STATE_CELL)? else { return Ok(None) };
        let name = record_of(processor);
        let decoded = self.line.state.decode_state(name, &bytes);
        decoded.map(Some).map_err(|e| super::unreadable("state could not be read", &e))
    }

    /// Keeps the one record of this key; none deletes it.
    pub(super) fn keep<S: Serialize>(
        &mut self,
        processor: Processor,
        key: &str,
        state: Option<&S>,
    ) -> Result<(), HandlerError> {
        let Some(state) = state else {
            self.shell.delete(processor, key.as_bytes(), STATE_CELL);
            return Ok(());
        };
        let encoded = self.line.state.encode_state(record_of(processor), state);
        let bytes = encoded.map_err(|e| super::unreadable("state could not be written", &e))?;
        self.shell.put(processor, key.as_bytes(), STATE_CELL, bytes.into())
    }
}

/// Encodes one variant's record, or decodes one by its name.
macro_rules! cells {
    ($codec:ident for $module:ident { $($prefix:expr => $variant:ident($record:literal)),+ $(,)? }) => {
        #[derive(Debug)]
        pub(super) struct $codec<'a>(pub(super) &'a StateCodec);

        impl CellCodec<$module::state::Cell> for $codec<'_> {
            fn encode(&self, _cell: &str, value: &$module::state::Cell) -> Result<Bytes, HandlerError> {
                let encoded = match value {
                    $($module::state::Cell::$variant(record) => self.0.encode_state($record, record),)+
                };
                encoded.map(Bytes::from).map_err(|error| super::unreadable("state could not be written", &error))
            }

            fn decode(&self, cell: &str, bytes: &[u8]) -> Result<$module::state::Cell, HandlerError> {
                $(
                    if cell.starts_with($prefix) {
                        let decoded = self.0.decode_state($record, bytes);
                        return decoded.map($module::state::Cell::$variant).map_err(|error| super::unreadable($record, &error));
                    }
                )+
                Err(super::dead_letter(format!("no record is kept under \"{cell}\"")))
            }
        }
    };
}

cells! {
    OrchestrationCells for orchestration {
        orchestration::state::HEAD_CELL => Head("orchestration.Head"),
        orchestration::state::TASK_PREFIX => Task("orchestration.TaskRecord"),
        orchestration::state::ITEM_PLAN_PREFIX => ItemPlan("orchestration.ItemPlan"),
        orchestration::state::ITEM_PREFIX => Item("orchestration.ItemRecord"),
        orchestration::state::SERVICE_ORDER_PREFIX => ServiceOrder("orchestration.ServiceOrderRecord"),
        orchestration::state::COMMAND_PREFIX => Command("orchestration.CommandIndex"),
        orchestration::state::WAITER_PREFIX => Waiter("orchestration.Waiter"),
    }
}

cells! {
    DownstreamCells for downstream {
        downstream::state::HEAD => Head("downstream.Head"),
        downstream::state::TURN_PREFIX => Turn("downstream.Turn"),
        "task/" => Place("downstream.Place"),
    }
}

cells! {
    FalloutCells for fallout {
        fallout::state::HEAD => Head("fallout.Head"),
        fallout::state::CASE_PREFIX => Case("fallout.FalloutCase"),
        fallout::state::SUBJECT_PREFIX => Subject("fallout.Subject"),
    }
}

/// What a cell holds, whatever processor keeps it.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    Capture(processors::capture::state::State),
    /// The raw bytes of a request, as they came.
    Evidence,
    Validation(Box<processors::validation::state::State>),
    Orchestration(orchestration::state::Cell),
    Fallout(fallout::state::Cell),
    StuckOrders(processors::stuck_orders::State),
    Inventory(processors::inventory::state::State),
    Downstream(downstream::state::Cell),
}

/// What stands before the digest in the name of a cell that keeps a raw request.
pub(super) const EVIDENCE_PREFIX: &str = "evidence/";

/// Reads a cell for somebody who only looks.
///
/// # Errors
/// In words: bytes that are no record of the cell's contract, a cell that the processor does not keep, evidence that is not what its
/// digest says.
pub fn read_cell(state: &StateCodec, processor: Processor, cell: &str, bytes: &[u8]) -> Result<Kept, String> {
    let shown = |error: schemas::codec::Error| error.to_string();
    let told = |error: HandlerError| match error {
        HandlerError::Retry(reason)
        | HandlerError::Damaged { what: reason }
        | HandlerError::DeadLetter { reason } => reason,
    };
    if processor == Processor::Capture
        && let Some(digest) = cell.strip_prefix(EVIDENCE_PREFIX)
    {
        let found = domain::RequestId::of_payload(bytes).0;
        return if found == digest { Ok(Kept::Evidence) } else { Err(format!("its digest is {found}")) };
    }
    let keeps_one = match processor {
        Processor::Capture | Processor::Validation | Processor::StuckOrders | Processor::Inventory => true,
        Processor::Decomposition | Processor::Orchestration | Processor::Fallout | Processor::Downstream => {
            false
        }
    };
    if keeps_one && cell != STATE_CELL {
        return Err(format!("no record is kept under \"{cell}\""));
    }
    match processor {
        Processor::Capture => {
            state.decode_state(record_of(processor), bytes).map(Kept::Capture).map_err(shown)
        }
        Processor::Validation => {
            state.decode_state(record_of(processor), bytes).map(Kept::Validation).map_err(shown)
        }
        Processor::StuckOrders => {
            state.decode_state(record_of(processor), bytes).map(Kept::StuckOrders).map_err(shown)
        }
        Processor::Inventory => {
            state.decode_state(record_of(processor), bytes).map(Kept::Inventory).map_err(shown)
        }
        Processor::Orchestration => {
            OrchestrationCells(state).decode(cell, bytes).map(Kept::Orchestration).map_err(told)
        }
        Processor::Fallout => FalloutCells(state).decode(cell, bytes).map(Kept::Fallout).map_err(told),
        Processor::Downstream => {
            DownstreamCells(state).decode(cell, bytes).map(Kept::Downstream).map_err(told)
        }
        Processor::Decomposition => Err("decomposition keeps nothing".to_owned()),
    }
}
