//! Owns sampling: which units take part in a step.
//!
//! Invariant: this is the sampler that the plan accounts for. *Poisson*: every unit is drawn independently with
//! probability at most `q`, and the batch may be of any size, also empty (Mironov et al. 2019, section 3). *Truncated Poisson*: the same, and a batch of more than `cap` units is cut to
//! `cap` of them, every choice being equally likely (arXiv 2508.15089). *Shuffled*: every unit is drawn exactly once per
//! pass, in an order that is uniform and fresh for every pass; no amplification is claimed for it.

use zeroize::Zeroizing;

use crate::accountant::{Mechanism, Phase};
use crate::error::{Error, Result};
use crate::noise::SecretStream;

const WORDS: usize = 512;

/// The most units that are shuffled in memory.
pub(crate) const MAX_SHUFFLED: u64 = u32::MAX as u64;

/// How the units of a step are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scheme {
    Poisson { q: f64 },
    Truncated { q: f64, cap: u64 },
    Shuffled { batch: u64 },
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poisson { .. } => "poisson",
            Self::Truncated { .. } => "truncated-poisson",
            Self::Shuffled { .. } => "shuffled",
        }
    }

    /// The largest batch, where one is cut.
    pub(crate) fn cap(self) -> Option<u64> {
        match self {
            Self::Truncated { cap, .. } => Some(cap),
            Self::Poisson { .. } | Self::Shuffled { .. } => None,
        }
    }

    /// What the accountants count for `steps` optimiser steps.
    pub(crate) fn mechanism(self, units: u64, steps: u64, sigma: f64) -> Mechanism {
        match self {
            Self::Poisson { q } => Mechanism::Poisson(Phase { q, sigma, steps }),
            Self::Truncated { q, cap } => Mechanism::TruncatedPoisson { q, sigma, steps, units, cap },
            Self::Shuffled { .. } => Mechanism::Shuffled { sigma, passes: self.accounted_steps(units, steps) },
        }
    }

    /// Steps of a pass over shuffled data.
    pub(crate) fn steps_per_pass(self, units: u64) -> Option<u64> {
        match self {
            Self::Poisson { .. } | Self::Truncated { .. } => None,
            Self::Shuffled { batch } => Some(units.div_ceil(batch)),
        }
    }

    /// The steps that the accountant counts for `steps` optimiser steps: a pass over shuffled data is one.
    pub(crate) fn accounted_steps(self, units: u64, steps: u64) -> u64 {
        self.steps_per_pass(units).map_or(steps, |pass| steps.div_ceil(pass))
    }
}

/// Draws the units of a step. Seeded by the operating system; it cannot be cloned, printed or stored.
pub struct Sampler {
    stream: SecretStream,
    units: u64,
    method: Method,
}

enum Method {
    /// `floor(q · 2^64)`; `None` stands for `q = 1`. Larger batches are cut to `cap`.
    Poisson { threshold: Option<u64>, cap: usize },
    /// What is left of the pass is drawn from the end.
    Shuffled { batch: usize, left: Zeroizing<Vec<u32>> },
}

impl Sampler {
    pub(crate) fn new(units: u64, scheme: Scheme) -> Result<Self> {
        Ok(Self { stream: SecretStream::from_os()?, units, method: Method::new(scheme) })
    }

    /// The sampler of a pass that has begun, with the units that it has not drawn yet. No key is needed for that: the
    /// order of shuffled data is no part of what is accounted for.
    pub(crate) fn within_pass(units: u64, batch: u64, steps_into_pass: u64, left: &[u32]) -> Result<Self> {
        let expected = units.saturating_sub(steps_into_pass.saturating_mul(batch)) as usize;
        let mut seen = left.to_vec();
        seen.sort_unstable();
        seen.dedup();
        let fits = left.len() == expected && seen.len() == expected;
        if !fits || seen.last().is_some_and(|last| u64::from(*last) >= units) {
            return Err(Error::PassOrder { expected: expected as u64 });
        }
        let method = Method::Shuffled { batch: batch as usize, left: Zeroizing::new(left.to_vec()) };
        Ok(Self { stream: SecretStream::from_os()?, units, method })
    }

    /// Of shuffled data, the units that the pass has not drawn yet, in their order; `None` for other samplers. It must
    /// be kept for a run that may resume within a pass, see [`crate::PrivacyPlan::resume`].
    pub fn left_in_pass(&self) -> Option<&[u32]> {
        match &self.method {
            Method::Poisson { .. } => None,
            Method::Shuffled { left, .. } => Some(left),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(units: u64, scheme: Scheme, seed: u8) -> Self {
        Self { stream: SecretStream::for_test(seed), units, method: Method::new(scheme) }
    }

    /// The indices of the units that take part in the next step, ascending; may be empty.
    ///
    /// Poisson: a 64-bit uniform integer is compared with `floor(q · 2^64)`: the probability is `q` rounded down to a
    /// multiple of `2^-64`, so it never exceeds what is accounted.
    pub fn draw(&mut self) -> Vec<usize> {
        let Self { stream, units, method } = self;
        match method {
            Method::Poisson { threshold, cap } => {
                let mut drawn = poisson(stream, *units, *threshold);
                cut(stream, &mut drawn, *cap);
                drawn
            }
            Method::Shuffled { batch, left } => {
                if left.is_empty() {
                    *left = Zeroizing::new(shuffled(stream, *units as u32));
                }
                let from = left.len().saturating_sub(*batch);
                let mut drawn: Vec<usize> = left[from..].iter().map(|unit| *unit as usize).collect();
                left.truncate(from);
                drawn.sort_unstable();
                drawn
            }
        }
    }
}

impl Method {
    fn new(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Poisson { q } => Self::Poisson { threshold: threshold(q), cap: usize::MAX },
            Scheme::Truncated { q, cap } => Self::Poisson { threshold: threshold(q), cap: cap as usize },
            Scheme::Shuffled { batch } => Self::Shuffled { batch: batch as usize, left: Zeroizing::new(Vec::new()) },
        }
    }
}

fn poisson(stream: &mut SecretStream, units: u64, threshold: Option<u64>) -> Vec<usize> {
    let mut drawn = Vec::new();
    let mut words = Zeroizing::new([0_u64; WORDS]);
    let mut bytes = Zeroizing::new([0_u8; WORDS * 8]);
    for start in (0..units).step_by(WORDS) {
        let block = (units - start).min(WORDS as u64) as usize;
        stream.fill(&mut words[..block], &mut bytes[..8 * block]);
        for (offset, word) in words[..block].iter().enumerate() {
            if threshold.is_none_or(|threshold| *word < threshold) {
                drawn.push(start as usize + offset);
            }
        }
    }
    drawn
}

/// A uniform choice of `cap` units, if there are more: the first `cap` places of a shuffle.
fn cut(stream: &mut SecretStream, drawn: &mut Vec<usize>, cap: usize) {
    if drawn.len() <= cap {
        return;
    }
    for place in 0..cap {
        let other = place + below(stream, (drawn.len() - place) as u64) as usize;
        drawn.swap(place, other);
    }
    drawn.truncate(cap);
    drawn.sort_unstable();
}

fn threshold(q: f64) -> Option<u64> {
    // Scaling by a power of two is exact; the cast rounds down.
    (q < 1.0).then_some((q * 18_446_744_073_709_551_616.0) as u64)
}

/// All units in a uniform order (Fisher and Yates).
fn shuffled(stream: &mut SecretStream, units: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..units).collect();
    for end in (1..order.len()).rev() {
        order.swap(end, below(stream, end as u64 + 1) as usize);
    }
    order
}

/// A uniform integer below `bound`, without bias: words beyond the last full multiple of `bound` are drawn again.
fn below(stream: &mut SecretStream, bound: u64) -> u64 {
    let excess = (u64::MAX % bound + 1) % bound;
    loop {
        let word = stream.word();
        if word <= u64::MAX - excess {
            return word % bound;
        }
    }
}

#[cfg(test)]
mod statistics;
#[cfg(test)]
mod tests;
