//! How long an answer takes.
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The longest latency that a scenario may state or that is ever drawn: a day.
pub const LATENCY_MS_MAX: i64 = 86_400_000;

/// A distribution of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Fixed { ms: i64 },
    /// Between the two, both included.
    Uniform { ms_min: i64, ms_max: i64 },
    /// Log-normal: mostly near the median, now and then much longer. `sigma` is the standard deviation of the logarithm.
    LogNormal { ms_median: i64, sigma: f64, ms_max: i64 },
}

impl Latency {
    /// One draw, in milliseconds, never negative.
    pub fn draw(self, rng: &mut impl Rng) -> i64 {
        match self {
            Latency::Fixed { ms } => ms,
            Latency::Uniform { ms_min, ms_max } => rng.random_range(ms_min..=ms_max),
            Latency::LogNormal { ms_median, sigma, ms_max } => {
                // Box and Muller's transform; `1 - x` because the logarithm of zero is none.
                let (first, second): (f64, f64) = (rng.random(), rng.random());
                let normal = (-2.0 * (1.0 - first).ln()).sqrt() * (std::f64::consts::TAU * second).cos();
                // `as` saturates: an absurdly long draw is cut below.
                ((ms_median as f64 * (sigma * normal).exp()) as i64).min(ms_max)
            }
        }
        .clamp(0, LATENCY_MS_MAX)
    }

    /// What is wrong with it, in words.
    pub fn findings(self, place: &str) -> Vec<String> {
        let bounds = match self {
            Latency::Fixed { ms } => vec![("ms", ms)],
            Latency::Uniform { ms_min, ms_max } => vec![("ms_min", ms_min), ("ms_max", ms_max)],
            Latency::LogNormal { ms_median, ms_max, .. } => {
                vec![("ms_median", ms_median), ("ms_max", ms_max)]
            }
        };
        let outside = bounds.iter().filter(|(_, ms)| !(0..=LATENCY_MS_MAX).contains(ms));
        let mut findings: Vec<String> = outside
            .map(|(name, ms)| format!("{place}: {name} is {ms}, and must lie within 0 and {LATENCY_MS_MAX}"))
            .collect();
        match self {
            Latency::Uniform { ms_min, ms_max } if ms_min > ms_max => {
                findings.push(format!("{place}: ms_min {ms_min} is above ms_max {ms_max}"));
            }
            Latency::LogNormal { sigma, .. } if !(0.0..=10.0).contains(&sigma) => {
                findings.push(format!("{place}: sigma is {sigma}, and must lie within 0 and 10"));
            }
            Latency::Fixed { .. } | Latency::Uniform { .. } | Latency::LogNormal { .. } => {}
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_around_their_median() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        assert_eq!(Latency::Fixed { ms: 5 }.draw(&mut rng), 5);
        let uniform = Latency::Uniform { ms_min: 3, ms_max: 9 };
        let drawn: std::collections::BTreeSet<i64> = (0..500).map(|_| uniform.draw(&mut rng)).collect();
        assert_eq!(drawn, (3..=9).collect());
        let log_normal = Latency::LogNormal { ms_median: 100, sigma: 0.5, ms_max: 1_000 };
        let mut drawn: Vec<i64> = (0..2_000).map(|_| log_normal.draw(&mut rng)).collect();
        drawn.sort_unstable();
        assert!((90..=110).contains(&drawn[1_000]), "median {}", drawn[1_000]);
        assert!(drawn[0] < 60 && drawn[1_999] > 250 && drawn[1_999] <= 1_000);
    }

    #[test]
    fn bounds_that_cannot_be_are_told() {
        assert_eq!(Latency::Fixed { ms: 0 }.findings("x"), Vec::<String>::new());
        assert_eq!(Latency::Fixed { ms: -1 }.findings("x").len(), 1);
        assert_eq!(Latency::Uniform { ms_min: 2, ms_max: 1 }.findings("x").len(), 1);
        assert_eq!(Latency::LogNormal { ms_median: 1, sigma: f64::NAN, ms_max: 5 }.findings("x").len(), 1);
    }
}
