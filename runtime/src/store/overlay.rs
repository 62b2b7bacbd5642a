//! The cells as a worker sees them: what it staged and what is on its way first, then what is committed.
//!
//! Every value that was read or committed stays until the cache is full, also "there is none": so a cell is read from
//! the store at most once per batch, and mostly less. Only the owner of a partition changes its cells, so what is kept is
//! true for as long as the partition is held.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::mem;

use bytes::Bytes;

use crate::Error;
use crate::log::{CellChange, Log};
use crate::store::keys::{self, CellKey};

/// How many bytes of cells a worker keeps at most between batches: what some thousand orders on their way touch.
const CELLS_CACHED_BYTES_MAX: usize = 16 << 20;
/// What a cell costs beside its name and its value: its place in the table, and two allocations that are counted by others, too.
const CELL_OVERHEAD_BYTES: usize = 192;

/// As long as nothing changed it: committed.
const COMMITTED: u64 = 0;

#[derive(Clone, Debug)]
struct Cell {
    value: Option<Bytes>,
    /// The batch that changed it last; [`COMMITTED`]: read from the store. At or below `Overlay::settled`: committed.
    batch: u64,
}

/// A cell that is changed and not committed. In the sequence of a hash of its key first, and of its name only within the key: whole names of
/// one processor begin alike, and comparing them cost a twelfth of a worker's time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Staged {
    key_hash: u64,
    name: CellKey,
}

#[derive(Debug)]
pub(crate) struct Overlay {
    /// Names are chosen by outsiders in part, so the hash has a secret.
    cells: HashMap<CellKey, Cell, foldhash::quality::RandomState>,
    cached_bytes: usize,
    /// The cells that are changed and not committed: for scans.
    staged: BTreeSet<Staged>,
    /// The open batch: its number, and the cells it changed, in the sequence of their first change.
    open: u64,
    changed: Vec<CellKey>,
    changed_bytes: usize,
    /// The batches on their way, oldest first.
    unsettled: VecDeque<Vec<CellKey>>,
    settled: u64,
    /// What to put back should this step fail: cells as they were before it, latest last.
    undo: Vec<(CellKey, Option<Cell>)>,
    scratch: Vec<u8>,
}

impl Overlay {
    pub(crate) fn new() -> Self {
        Self {
            cells: HashMap::default(),
            cached_bytes: 0,
            staged: BTreeSet::new(),
            open: COMMITTED + 1,
            changed: Vec::new(),
            changed_bytes: 0,
            unsettled: VecDeque::new(),
            settled: COMMITTED,
            undo: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn get(
        &mut self,
        log: &mut dyn Log,
        partition: u32,
        processor: &str,
        key: &[u8],
        cell: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        self.scratch.clear();
        keys::encode_cell(&mut self.scratch, partition, processor, key, cell);
        if let Some(known) = self.cells.get(self.scratch.as_slice()) {
            return Ok(known.value.clone());
        }
        let value = log.cell(&self.scratch)?;
        let name = CellKey::from_encoded(&self.scratch);
        self.remember(name, Cell { value: value.clone(), batch: COMMITTED });
        Ok(value)
    }

    /// All cells of the key whose name begins with `cell_prefix`, in the order of their names.
    pub(crate) fn scan(
        &mut self,
        log: &mut dyn Log,
        partition: u32,
        processor: &str,
        key: &[u8],
        cell_prefix: &[u8],
        cells_max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.scratch.clear();
        keys::encode_cell(&mut self.scratch, partition, processor, key, cell_prefix);
        let name_at = self.scratch.len() - cell_prefix.len();
        let from = Staged {
            key_hash: self.cells.hasher().hash_one(&self.scratch[..name_at]),
            name: CellKey::from_encoded(&self.scratch),
        };
        let staged: Vec<&CellKey> = self
            .staged
            .range(&from..)
            .take_while(|it| it.key_hash == from.key_hash && it.name.as_bytes().starts_with(&self.scratch))
            .map(|it| &it.name)
            .collect();
        // Each staged cell can hide one committed cell; so many more are asked for.
        let mut found = log.cells(&self.scratch, cells_max.saturating_add(staged.len()))?;
        if !staged.is_empty() {
            found.retain(|(name, _)| staged.binary_search(&name).is_err());
            for name in staged {
                if let Some(value) = self.cells.get(name).and_then(|cell| cell.value.clone()) {
                    found.push((name.clone(), value));
                }
            }
            found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        }
        found.truncate(cells_max);
        let cells = found.iter().map(|(name, value)| (keys::cell_of(name, name_at), value.clone())).collect();
        for (name, value) in found {
            if !self.cells.contains_key(&name) {
                self.remember(name, Cell { value: Some(value), batch: COMMITTED });
            }
        }
        Ok(cells)
    }

    /// Stages a change; None deletes. A value that is known to be the same already changes nothing.
    pub(crate) fn put(
        &mut self,
        partition: u32,
        processor: &str,
        key: &[u8],
        cell: &[u8],
        value: Option<Bytes>,
    ) {
        self.scratch.clear();
        keys::encode_cell(&mut self.scratch, partition, processor, key, cell);
        let (name, before) = match self.cells.get_key_value(self.scratch.as_slice()) {
            Some((_, known)) if known.value == value => return,
            Some((name, known)) => (name.clone(), Some(known.clone())),
            None => (CellKey::from_encoded(&self.scratch), None),
        };
        let before_batch = before.as_ref().map_or(COMMITTED, |before| before.batch);
        if before_batch != self.open {
            self.changed.push(name.clone());
        }
        if before_batch <= self.settled {
            let key_hash = self.cells.hasher().hash_one(&self.scratch[..self.scratch.len() - cell.len()]);
            self.staged.insert(Staged { key_hash, name: name.clone() });
        }
        self.changed_bytes += name.as_bytes().len() + value.as_ref().map_or(0, Bytes::len);
        self.undo.push((name.clone(), before));
        self.remember(name, Cell { value, batch: self.open });
    }

    fn unstage(&mut self, name: CellKey) {
        let key_hash = self.cells.hasher().hash_one(keys::key_prefix_of(&name));
        self.staged.remove(&Staged { key_hash, name });
    }

    fn remember(&mut self, name: CellKey, cell: Cell) {
        self.cached_bytes += bytes_of(&name, &cell);
        if let Some((name, before)) = self.cells.get_key_value(&name) {
            self.cached_bytes -= bytes_of(name, before);
        }
        self.cells.insert(name, cell);
    }

    fn drop_cell(&mut self, name: &CellKey) {
        if let Some((name, cell)) = self.cells.remove_entry(name) {
            self.cached_bytes -= bytes_of(&name, &cell);
        }
    }

    pub(crate) fn step_done(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was staged since the last step was done.
    pub(crate) fn step_undo(&mut self) {
        while let Some((name, before)) = self.undo.pop() {
            let before_batch = before.as_ref().map_or(COMMITTED, |before| before.batch);
            if before_batch != self.open {
                // Its first change in this batch: names were pushed in the sequence that is now undone.
                self.changed.pop();
            }
            if before_batch <= self.settled {
                self.unstage(name.clone());
            }
            match before {
                Some(before) => self.remember(name, before),
                None => self.drop_cell(&name),
            }
        }
    }

    /// About how many bytes the open batch changes.
    pub(crate) fn changed_bytes(&self) -> usize {
        self.changed_bytes
    }

    /// Ends the open batch and gives its changes, one per cell.
    pub(crate) fn close(&mut self) -> Vec<CellChange> {
        assert!(self.undo.is_empty(), "a batch ends between two steps");
        let changed = mem::take(&mut self.changed);
        let changes = changed
            .iter()
            .filter_map(|name| {
                let value = self.cells.get(name)?.value.clone();
                Some(CellChange { cell: name.clone(), value })
            })
            .collect();
        self.unsettled.push_back(changed);
        self.open += 1;
        self.changed_bytes = 0;
        changes
    }

    /// The oldest batch on its way is committed: its cells are as in the store.
    pub(crate) fn committed(&mut self) {
        let changed = self.unsettled.pop_front().expect("a batch that is settled was closed before");
        self.settled += 1;
        for name in changed {
            if self.cells.get(&name).is_some_and(|cell| cell.batch == self.settled) {
                self.unstage(name);
            }
        }
        if self.cached_bytes > CELLS_CACHED_BYTES_MAX {
            let settled = self.settled;
            self.keep(|_, cell| cell.batch > settled);
            // The table of a flood is not kept for ever.
            self.cells.shrink_to(2 * self.cells.len());
        }
    }

    /// Throws away the open batch and all on their way; what is committed stays.
    pub(crate) fn discard(&mut self) {
        self.undo.clear();
        self.changed.clear();
        self.changed_bytes = 0;
        self.unsettled.clear();
        self.staged.clear();
        let settled = self.settled;
        self.keep(|_, cell| cell.batch <= settled);
        // The numbers of the batches thrown away are used again: none of them is in any cell.
        self.open = self.settled + 1;
    }

    /// Everything is forgotten: another owner may change it from now on, or has changed it.
    pub(crate) fn forget(&mut self) {
        self.discard();
        self.cells.clear();
        self.cached_bytes = 0;
    }

    fn keep(&mut self, keep: impl Fn(&CellKey, &Cell) -> bool) {
        self.cells.retain(|name, cell| keep(name, cell));
        self.cached_bytes = self.cells.iter().map(|(name, cell)| bytes_of(name, cell)).sum();
    }
}

fn bytes_of(name: &CellKey, cell: &Cell) -> usize {
    name.as_bytes().len() + cell.value.as_ref().map_or(0, Bytes::len) + CELL_OVERHEAD_BYTES
}
