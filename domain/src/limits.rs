//! Every limit of the model, in one place. Input beyond one is refused with a reason that names it.

/// The longest order key, in bytes of UTF-8.
pub const ORDER_KEY_BYTES_MAX: usize = 256;
/// The longest id, code or name that a requester may give, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// The longest free text (description, note), in bytes.
pub const NOTE_BYTES_MAX: usize = 4_096;
/// The most items in one order.
pub const ORDER_ITEMS_MAX: usize = 500;
/// The deepest nesting of items.
pub const ITEM_DEPTH_MAX: usize = 8;
/// The most characteristics of one item.
pub const ITEM_CHARACTERISTICS_MAX: usize = 200;
/// The most relationships of one item.
pub const ITEM_RELATIONSHIPS_MAX: usize = 500;
/// The most prices of one item, and alterations of one price.
pub const ITEM_PRICES_MAX: usize = 50;
/// The largest quantity of one item; each unit has its own tasks.
pub const ITEM_QUANTITY_MAX: u32 = 200;
/// The most notes, parties or dates carried along, each.
pub const ORDER_NOTES_MAX: usize = 50;
/// The most other orders that one order waits for, and that wait for one order.
pub const ORDER_WAITS_MAX: usize = 100;
/// The largest JSON text of one characteristic, input or output value, in bytes.
pub const VALUE_BYTES_MAX: usize = 16_384;
/// The largest request document, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1_048_576;
/// The largest record on any topic, in bytes.
pub const RECORD_BYTES_MAX: usize = 4_194_304;
/// The most tasks in one plan; decomposition refuses an order that would need more.
pub const PLAN_TASKS_MAX: usize = 4_096;
/// The most bytes that an order and its plan take together in a record; decomposition refuses what is larger. What is left of
/// [`RECORD_BYTES_MAX`] is for the cause, the key and the headers.
pub const ORDER_AND_PLAN_BYTES_MAX: usize = RECORD_BYTES_MAX - 65_536;
/// The most predecessors of one task.
pub const TASK_PREDECESSORS_MAX: usize = 256;
/// The most outputs that are kept of one task.
pub const TASK_OUTPUTS_MAX: usize = 64;
/// The most bytes of a planned task in a record of the plan, literals apart; see the check below.
pub const PLANNED_TASK_BYTES_MAX: usize = 1_000;
/// The largest catalog version as canonical JSON, in bytes: it is one record.
pub const CATALOG_BYTES_MAX: usize = 4_000_000;
/// The longest expression or pattern of a catalog, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 2_048;
/// How many operations of an expression may stand within one another: it is evaluated by recursion.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// How many macros over lists (`all`, `exists`, `map` ...) may stand within one another. A list has up to
/// [`VALUE_BYTES_MAX`] / 2 elements; with two of them one evaluation could take minutes.
pub const EXPRESSION_MACROS_NESTED_MAX: usize = 1;
/// The most operations of an expression that are done for each element of a list, some of them the macro's own.
pub const EXPRESSION_MACRO_NODES_MAX: usize = 64;
/// How deep components may consist of components.
pub const COMPONENT_DEPTH_MAX: usize = 4;
/// The most findings that are reported of one catalog.
pub const FINDINGS_MAX: usize = 200;
/// The most reasons in one refusal; the last then says how many more there were.
pub const REASONS_MAX: usize = 100;
/// The most answers of one command that are remembered to recognise a repeated one.
pub const FEEDBACK_SEEN_MAX: usize = 16;
/// The most request ids of one order that are remembered to recognise a repeated one.
pub const REQUESTS_SEEN_MAX: usize = 64;
/// How often one order may be corrected and submitted again.
pub const SUBMISSIONS_MAX: u32 = 100;

// A full plan of a small order fits into one record: the number of tasks, and not their size, is what usually refuses an order.
const _: () = assert!(PLAN_TASKS_MAX * PLANNED_TASK_BYTES_MAX < ORDER_AND_PLAN_BYTES_MAX);
const _: () = assert!(REQUEST_BYTES_MAX * 2 < RECORD_BYTES_MAX);
