//! Owns Poisson sampling: which units take part in a step.
//!
//! Invariant: every unit is drawn independently with probability at most `q`, with the same work whether it is drawn
//! or not, and the batch may be of any size, also empty. This is the sampler that the accountants assume
//! (Mironov et al. 2019, section 3); a shuffled pass over the data is not.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::noise::SecretStream;

const WORDS: usize = 512;

/// Draws the units of a step. Seeded by the operating system; it cannot be cloned, printed or stored.
pub struct PoissonSampler {
    stream: SecretStream,
    units: u64,
    /// `floor(q · 2^64)`; `None` stands for `q = 1`.
    threshold: Option<u64>,
}

impl PoissonSampler {
    pub(crate) fn new(units: u64, q: f64) -> Result<Self> {
        Ok(Self { stream: SecretStream::from_os()?, units, threshold: threshold(q) })
    }

    #[cfg(test)]
    pub(crate) fn for_test(units: u64, q: f64, seed: u8) -> Self {
        Self { stream: SecretStream::for_test(seed), units, threshold: threshold(q) }
    }

    /// The indices of the units that take part in the next step, ascending; may be empty.
    ///
    /// A 64-bit uniform integer is compared with `floor(q · 2^64)`: the probability is `q` rounded down to a
    /// multiple of `2^-64`, so it never exceeds what is accounted.
    pub fn draw(&mut self) -> Vec<usize> {
        let mut drawn = Vec::new();
        let mut words = Zeroizing::new([0_u64; WORDS]);
        let mut bytes = Zeroizing::new([0_u8; WORDS * 8]);
        for start in (0..self.units).step_by(WORDS) {
            self.stream.fill(words.as_mut(), bytes.as_mut());
            let block = (self.units - start).min(WORDS as u64) as usize;
            for (offset, word) in words[..block].iter().enumerate() {
                if self.threshold.is_none_or(|threshold| *word < threshold) {
                    drawn.push(start as usize + offset);
                }
            }
        }
        drawn
    }
}

fn threshold(q: f64) -> Option<u64> {
    // Scaling by a power of two is exact; the cast rounds down.
    (q < 1.0).then_some((q * 18_446_744_073_709_551_616.0) as u64)
}

#[cfg(test)]
mod tests;
