//! How the learning rate goes over the steps of a plan.
//!
//! Invariant: a rate follows from the recipe and the number of a step alone, never from the data, and is above zero in
//! every step: a step costs privacy, so none may be for nothing.
//!
//! Sources: Loshchilov and Hutter 2017 (SGDR, cosine), Goyal et al. 2017 (linear warm-up).

use std::f64::consts::PI;
use std::fmt;

/// The form of the rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decay {
    /// The full rate to the end.
    #[default]
    Constant,
    /// Falls in equal steps; the last step has one of them left.
    Linear,
    /// Falls along half a cosine.
    Cosine,
}

impl fmt::Display for Decay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
        })
    }
}

/// Warm-up, then decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// What comes after warm-up.
    pub decay: Decay,
    /// Steps before the first at the full rate; fewer than the plan has.
    pub warmup_steps: u64,
}

impl Schedule {
    /// The share of the full rate, in `(0, 1]`, that step `step` of `steps` has, counted from 1.
    #[must_use]
    pub fn share(&self, step: u64, steps: u64) -> f64 {
        let warmup = self.warmup_steps;
        if step <= warmup {
            return step as f64 / (warmup + 1) as f64;
        }
        let done = (step - warmup - 1) as f64 / steps.saturating_sub(warmup).max(1) as f64; // in [0, 1)
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => (1.0 + (PI * done).cos()) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(decay: Decay, warmup_steps: u64, steps: u64) -> Vec<f64> {
        (1..=steps).map(|step| Schedule { decay, warmup_steps }.share(step, steps)).collect()
    }

    #[test]
    fn a_schedule_rises_to_the_full_rate_and_falls_to_its_last_part() {
        assert_eq!(shares(Decay::Constant, 0, 3), [1.0, 1.0, 1.0]);
        assert_eq!(shares(Decay::Constant, 3, 5), [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(shares(Decay::Linear, 0, 4), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(shares(Decay::Linear, 1, 5), [0.5, 1.0, 0.75, 0.5, 0.25]);
        let cosine = shares(Decay::Cosine, 0, 4);
        let expected = [1.0, 0.5 + 0.5f64.sqrt() / 2.0, 0.5, 0.5 - 0.5f64.sqrt() / 2.0];
        assert!(cosine.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{cosine:?}");
    }

    #[test]
    fn no_step_is_for_nothing_and_none_is_above_the_full_rate() {
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine] {
            for steps in 1..40 {
                for warmup in 0..steps {
                    let shares = shares(decay, warmup, steps);
                    assert!(shares.iter().all(|&share| share > 0.0 && share <= 1.0), "{decay} {warmup} {steps}");
                    assert_eq!(shares[warmup as usize], 1.0);
                }
            }
        }
    }
}
