//! Stuck orders: marked until anything of them moves again.
use domain::order::event::OrderMarkedStuck;

use super::Staged;
use crate::rows::At;

pub(super) fn marked(staged: &mut Staged, event: &OrderMarkedStuck) -> bool {
    // Not `Staged::order`: nothing moved, and that is the point.
    let Some(row) = staged.orders.change(&(event.cause.order_key.clone(),)) else { return false };
    // Where the scan is apart, its mark can come behind the end.
    if row.state.is_active() {
        row.stuck = true;
        row.stuck_since = Some(At(event.silent_since));
    }
    row.last_sequence = staged.sequence;
    true
}
