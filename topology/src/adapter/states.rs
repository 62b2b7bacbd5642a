//! What processors keep, as named records: which cell holds which.
use bytes::Bytes;
use processors::{downstream, fallout, orchestration};
use runtime::HandlerError;
use schemas::codec::{Error, StateCodec, frame};
use schemas::registry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Run, told};
use crate::graph::Processor;
use crate::shell::CellCodec;

/// The cell of a processor that keeps one record per key.
const STATE_CELL: &str = "state";
/// What helps where a registry does not know the id of a schema that state was written with.
const MEND_REGISTRY: &str = "put the registry back as it was, with its topic _schemas; schemas that are registered anew get other ids";
/// What helps where no waiting does.
const MEND_VERSION: &str =
    "have the version that wrote it go on with this partition, or restore log and registry from one backup";

/// The name of the record that a cell keeps, and what it says.
type Read<C> = (&'static str, Result<C, Error>);

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
        let decoded = self.line.state.decode_state(record_of(processor), &bytes);
        decoded.map(Some).map_err(|error| {
            let cell = format!("could not read cell \"{STATE_CELL}\" of processor \"{}\"", processor.name());
            of_key(key, unread(&cell, &bytes, &error))
        })
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

/// Why what is kept in a cell cannot be read, and what helps. The input that needs it is not to blame: it stays where it lies, and
/// nothing of its step is committed.
///
/// A registry is the same for all processes, and may have its ids again at any time: that is waited for. What is wrong with the bytes
/// themselves no waiting mends: the process ends, and leaves the partition to one of the version that wrote them, where there is one.
fn unread(what: &str, bytes: &[u8], error: &Error) -> HandlerError {
    let id =
        frame::split(bytes).map_or_else(|_| "no schema id".to_owned(), |(id, _)| format!("schema id {id}"));
    let said =
        |mend: &str| domain::text::shown(&format!("{} ({id}); {mend}", told(what, error))).into_owned();
    match error {
        Error::Registry(registry::Error::Unavailable { .. }) => {
            HandlerError::Retry(said("it is tried again"))
        }
        Error::Registry(
            registry::Error::IdUnknown { .. }
            | registry::Error::NotRegistered { .. }
            | registry::Error::Corrupt { .. },
        ) => HandlerError::Retry(said(MEND_REGISTRY)),
        Error::NotFramed { .. }
        | Error::TooLarge { .. }
        | Error::SchemaForeign { .. }
        | Error::RecordUnknown { .. }
        | Error::RecordOther { .. }
        | Error::Malformed { .. }
        | Error::TrailingBytes { .. }
        | Error::Unwritable { .. }
        | Error::StateUnknown { .. } => HandlerError::Damaged { what: said(MEND_VERSION) },
    }
}

fn not_kept(cell: &str) -> String {
    format!("no record is kept under \"{}\"", domain::text::shown(cell))
}

/// With the key whose cells it is about: whoever has to look finds them by it. A dead letter has its own.
pub(super) fn of_key(key: &str, error: HandlerError) -> HandlerError {
    let with_key = |said: String| format!("key \"{}\": {said}", domain::text::shown(key));
    match error {
        HandlerError::Retry(reason) => HandlerError::Retry(with_key(reason)),
        HandlerError::Damaged { what } => HandlerError::Damaged { what: with_key(what) },
        HandlerError::DeadLetter { reason } => HandlerError::DeadLetter { reason },
        HandlerError::Refused { reason } => HandlerError::Refused { reason },
    }
}

/// Encodes one variant's record, or decodes one by its name.
macro_rules! cells {
    ($codec:ident for $module:ident { $($prefix:expr => $variant:ident($record:literal)),+ $(,)? }) => {
        #[derive(Debug)]
        pub(super) struct $codec<'a>(pub(super) &'a StateCodec);

        impl $codec<'_> {
            /// None where none is kept under such a name.
            fn read(&self, cell: &str, bytes: &[u8]) -> Option<Read<$module::state::Cell>> {
                $(
                    if cell.starts_with($prefix) {
                        let decoded = self.0.decode_state($record, bytes);
                        return Some(($record, decoded.map($module::state::Cell::$variant)));
                    }
                )+
                None
            }
        }

        impl CellCodec<$module::state::Cell> for $codec<'_> {
            fn encode(&self, _cell: &str, value: &$module::state::Cell) -> Result<Bytes, HandlerError> {
                let encoded = match value {
                    $($module::state::Cell::$variant(record) => self.0.encode_state($record, record),)+
                };
                encoded.map(Bytes::from).map_err(|error| super::unreadable("state could not be written", &error))
            }

            fn decode(&self, cell: &str, bytes: &[u8]) -> Result<$module::state::Cell, HandlerError> {
                match self.read(cell, bytes) {
                    Some((record, decoded)) => decoded.map_err(|error| unread(record, bytes, &error)),
                    None => Err(HandlerError::Damaged { what: not_kept(cell) }),
                }
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
        return Err(not_kept(cell));
    }
    match processor {
        Processor::Capture => read_one(state, processor, bytes).map(Kept::Capture),
        Processor::Validation => read_one(state, processor, bytes).map(Kept::Validation),
        Processor::StuckOrders => read_one(state, processor, bytes).map(Kept::StuckOrders),
        Processor::Inventory => read_one(state, processor, bytes).map(Kept::Inventory),
        Processor::Orchestration => {
            in_words(cell, OrchestrationCells(state).read(cell, bytes)).map(Kept::Orchestration)
        }
        Processor::Fallout => in_words(cell, FalloutCells(state).read(cell, bytes)).map(Kept::Fallout),
        Processor::Downstream => {
            in_words(cell, DownstreamCells(state).read(cell, bytes)).map(Kept::Downstream)
        }
        Processor::Decomposition => Err("decomposition keeps nothing".to_owned()),
    }
}

fn read_one<S: DeserializeOwned>(
    state: &StateCodec,
    processor: Processor,
    bytes: &[u8],
) -> Result<S, String> {
    let record = record_of(processor);
    in_words(STATE_CELL, Some((record, state.decode_state(record, bytes))))
}

fn in_words<C>(cell: &str, read: Option<Read<C>>) -> Result<C, String> {
    let (record, decoded) = read.ok_or_else(|| not_kept(cell))?;
    decoded.map_err(|error| domain::text::shown(&told(record, &error)).into_owned())
}
