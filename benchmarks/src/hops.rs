//! Hops: how soon after its answer was handed in an order's next command is read. Between the two are the write of the answer, the
//! engine's decision, the write of what follows, and the way back to the reader.
use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;

const MICROS_MAX: u64 = 600_000_000;

/// What a downstream sees of them. Orders have one task at a time, so an order's key says which answer a command follows.
#[derive(Debug)]
pub struct Hops {
    /// By order key: when its answer was handed in, until its next command is read.
    answered: HashMap<Bytes, Instant>,
    times_us: Histogram<u64>,
}

impl Hops {
    /// # Errors
    /// Never, with these bounds.
    pub fn new() -> anyhow::Result<Hops> {
        Ok(Hops { answered: HashMap::new(), times_us: Histogram::new_with_bounds(1, MICROS_MAX, 3)? })
    }

    /// A command of this order was read. The first of an order follows no answer, and ends no hop.
    pub fn command_read(&mut self, order_key: &[u8], at: Instant) {
        if let Some(answered_at) = self.answered.remove(order_key) {
            let hop = at.saturating_duration_since(answered_at);
            self.times_us.saturating_record(hop.as_micros() as u64);
        }
    }

    /// An answer that another command of this order will follow is about to be handed in.
    pub fn answer_handed_in(&mut self, order_key: Bytes, at: Instant) {
        self.answered.insert(order_key, at);
    }

    /// What was measured so far counts no more; hops that are under way will.
    pub fn begin_anew(&mut self) {
        self.times_us.reset();
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.times_us.value_at_quantile(quantile) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Commands of other orders, first commands, and what was measured before count as hops.
    #[test]
    fn a_hop_is_from_an_answer_to_the_next_command_of_the_same_order() {
        let mut hops = Hops::new().unwrap();
        let (one, other) = (Bytes::from_static(b"one"), Bytes::from_static(b"other"));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        hops.command_read(&one, at(0));
        assert_eq!(hops.times_us.len(), 0, "a first command ends no hop");
        hops.answer_handed_in(one.clone(), at(100));
        hops.command_read(&other, at(150));
        assert_eq!(hops.times_us.len(), 0, "another order's command ends no hop");
        hops.begin_anew();
        hops.command_read(&one, at(400));
        hops.command_read(&one, at(9_000));
        assert_eq!(hops.times_us.len(), 1, "one answer, one hop");
        assert!((hops.quantile_ms(0.5) - 300.0).abs() < 1.0, "{}", hops.quantile_ms(0.5));
        hops.begin_anew();
        assert_eq!(hops.times_us.len(), 0);
    }
}
