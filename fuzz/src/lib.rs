//! One target per decoder.
