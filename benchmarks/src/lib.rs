//! One command per claim.
