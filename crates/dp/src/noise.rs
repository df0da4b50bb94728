//! Owns the discrete Gaussian noise: where its randomness comes from and how it is shaped.
//!
//! Invariant: no floating-point number takes part in a draw. Gradients are summed as integers on a fixed grid
//! (see `clip`), and this module adds an integer from the discrete Gaussian of Canonne, Kamath and Steinke
//! (arXiv 2004.00010) with standard parameter [`GRID_SIGMA`]; the plan chooses the width of one grid cell.
//!
//! **Why.** A Gaussian computed in floating point reaches only some values, and which ones depends on the secret
//! (Mironov 2012; Holohan and Braghin 2021, arXiv 2107.10138; Haney et al. 2021, arXiv 2112.05307). Here every
//! integer is reachable from every sum, the addition is exact, and what follows is post-processing.
//!
//! **Construction.** A table sampler draws `x ~ D(310)` by Walker's alias method on 128-bit integer weights.
//! Three draws are joined as `x0 + 160 x1 + 160² x2` (convolution, Micciancio and Walter 2017): for
//! `y = k x1 + x2` the probability of `y` is `exp(-y²/2(k²s1²+s2²))` times a sum of a Gaussian of width
//! `t = s1 s2 / sqrt(k² s1² + s2²)` over the integers shifted by something that depends on `y`, and that sum is
//! constant up to a factor `1 ± 4 exp(-2π² t²)`. Here `t = 1.937`, the factor is below `1 ± 2^-104`.
//! Table rounding and the cut at 13 standard deviations add a statistical distance below `2^-90` per draw.
//!
//! **Accounting.** At an integer Rényi order the sampled discrete Gaussian has exactly the moments of the sampled
//! continuous one (the theta function does not change under integer shifts). Against the continuous Gaussian
//! rounded to the grid, log-probabilities differ by `(x²/s² - 1) / 24 s²`, about `10^-15` at `s = 7.9 million`:
//! over 2.4 million parameters and 10,000 steps that adds less than `10^-8` to epsilon.
//!
//! The sampler is table lookups and integer arithmetic without a rejection loop; a tie, one in `2^51`, costs one more
//! word.
//!
//! **Threads.** Every [`CELLS_OF_A_STREAM`] cells take the next 64-bit nonce of ChaCha20 under the run's key, so threads share
//! a draw and no keystream is used twice.
//!
//! **Not defended:** an attacker who reads memory during a step, timing of the caller's gradient code, a broken
//! operating-system generator.

use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Standard parameter of the table sampler.
const BASE_SIGMA: u128 = 310;
/// Factor between the three joined draws; at most `BASE_SIGMA / (1.9 sqrt 2)` for the convolution bound.
const STRIDE: i64 = 160;
/// Standard parameter of one noise draw, in grid cells: `310 sqrt(1 + 160² + 160⁴)`.
pub(crate) const GRID_SIGMA: f64 = 7_936_155.004_540_927;

const COLUMN_BITS: u32 = 12;
const COLUMNS: usize = 1 << COLUMN_BITS;
/// Bits of one word that are compared first; `COLUMN_BITS`, one sign bit and these make 64.
const COMPARE_BITS: u32 = 51;
/// Words drawn from the stream cipher at a time: three per sample, 256 samples.
const WORDS: usize = 768;
/// Cells that share a stream: enough to hide what handing them to a thread costs.
const CELLS_OF_A_STREAM: usize = 1 << 15;

/// A ChaCha20 stream under a key from the operating system.
///
/// It cannot be copied, printed, stored or seeded from outside; the key is overwritten when it is dropped.
pub(crate) struct SecretStream {
    rng: Box<ChaCha20Rng>,
}

impl SecretStream {
    /// A stream under a fresh 256-bit key.
    pub(crate) fn from_os() -> Result<Self> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| Error::Randomness(error.to_string()))?;
        Ok(Self { rng: Box::new(ChaCha20Rng::from_seed(*seed)) })
    }

    /// A stream that repeats, for statistical tests only.
    #[cfg(test)]
    pub(crate) fn for_test(seed: u8) -> Self {
        Self { rng: Box::new(ChaCha20Rng::from_seed([seed; 32])) }
    }

    /// Another stream under the same key: number `index` of its nonces (RFC 8439 calls them so; here they have 64 bits).
    /// The stream itself has number 0.
    fn branch(&self, index: u64) -> Self {
        let mut rng = self.rng.clone();
        rng.set_stream(index);
        rng.set_word_pos(0);
        Self { rng }
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Fills `words` with uniform bits.
    pub(crate) fn fill(&mut self, words: &mut [u64], bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
    }
}

impl Drop for SecretStream {
    fn drop(&mut self) {
        *self.rng = ChaCha20Rng::from_seed([0; 32]);
        // Without a reader the compiler could drop the overwrite.
        std::hint::black_box(&self.rng);
    }
}

/// The source of the noise of one run, good for the steps its plan still has.
pub struct NoiseSource {
    key: SecretStream,
    /// Streams under the key that were used. No number is used twice.
    streams: u64,
    pub(crate) steps_left: u64,
}

impl NoiseSource {
    pub(crate) fn new(steps_left: u64) -> Result<Self> {
        Ok(Self { key: SecretStream::from_os()?, streams: 0, steps_left })
    }

    #[cfg(test)]
    pub(crate) fn for_test(seed: u8, steps_left: u64) -> Self {
        Self { key: SecretStream::for_test(seed), streams: 0, steps_left }
    }

    /// Adds one draw of the discrete Gaussian with parameter [`GRID_SIGMA`] to every cell.
    pub(crate) fn add_to(&mut self, cells: &mut [i64]) {
        let table: &AliasTable = &TABLE;
        let (key, used) = (&self.key, self.streams);
        self.streams += cells.len().div_ceil(CELLS_OF_A_STREAM) as u64;
        cells.par_chunks_mut(CELLS_OF_A_STREAM).enumerate().for_each(|(part, cells)| {
            let mut stream = key.branch(used + 1 + part as u64);
            let mut words = Zeroizing::new([0_u64; WORDS]);
            let mut bytes = Zeroizing::new([0_u8; WORDS * 8]);
            for chunk in cells.chunks_mut(WORDS / 3) {
                stream.fill(words.as_mut(), bytes.as_mut());
                for (cell, draws) in chunk.iter_mut().zip(words.chunks_exact(3)) {
                    let mut noise = 0_i64;
                    for word in draws.iter().rev() {
                        noise = noise.wrapping_mul(STRIDE).wrapping_add(table.sample(*word, &mut stream));
                    }
                    *cell = cell.wrapping_add(noise);
                }
            }
        });
    }
}

static TABLE: LazyLock<AliasTable> = LazyLock::new(AliasTable::new);

/// Walker's alias table for the magnitude of a discrete Gaussian: column `m` gives `m` when the comparison value is
/// below its threshold, else its alias. Thresholds have 115 bits: 51 here, packed over the 12-bit alias, and 64 in
/// `fine`, which is consulted only on a tie.
struct AliasTable {
    packed: Box<[u64; COLUMNS]>,
    fine: Box<[u64; COLUMNS]>,
}

impl AliasTable {
    fn new() -> Self {
        let capacity = 1_u128 << (COMPARE_BITS + 64);
        let mut weights = magnitude_weights();
        let (mut packed, mut fine) = (Box::new([0; COLUMNS]), Box::new([0; COLUMNS]));
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..COLUMNS).partition(|column| weights[*column] < capacity);
        while let (Some(&donor), Some(column)) = (large.last(), small.pop()) {
            packed[column] = ((weights[column] >> 64) as u64) << COLUMN_BITS | donor as u64;
            fine[column] = weights[column] as u64;
            weights[donor] -= capacity - weights[column];
            if weights[donor] < capacity {
                large.pop();
                small.push(donor);
            }
        }
        // The weights add up to COLUMNS × capacity exactly, so what is left is full: its alias is itself.
        for column in large.into_iter().chain(small) {
            packed[column] = column as u64;
            fine[column] = 0;
        }
        Self { packed, fine }
    }

    #[inline]
    fn sample(&self, word: u64, stream: &mut SecretStream) -> i64 {
        let column = word as usize & (COLUMNS - 1);
        let negative = (word >> COLUMN_BITS & 1) as i64;
        let compare = word >> (COLUMN_BITS + 1);
        let entry = self.packed[column];
        let threshold = entry >> COLUMN_BITS;
        let stays = if compare == threshold { self.tie(column, stream) } else { compare < threshold };
        let alias = entry as usize & (COLUMNS - 1);
        let magnitude = if stays { column } else { alias } as i64;
        (magnitude ^ negative.wrapping_neg()).wrapping_add(negative)
    }

    #[cold]
    fn tie(&self, column: usize, stream: &mut SecretStream) -> bool {
        stream.word() < self.fine[column]
    }
}

/// Integer weights of the magnitudes `0..4096` of `D(310)`, adding up to `2^127`; zero has half its weight because
/// both signs lead to it.
fn magnitude_weights() -> Vec<u128> {
    // exp(-c), c = 1 / (2 · 310²), by its alternating series.
    let (mut exp_minus_c, mut term, mut index) = (ONE, ONE, 1_u128);
    while term > 0 {
        term /= 2 * BASE_SIGMA * BASE_SIGMA * index;
        exp_minus_c = if index % 2 == 1 { exp_minus_c - term } else { exp_minus_c + term };
        index += 1;
    }
    // exp(-(m+1)² c) = exp(-m² c) · exp(-(2m+1) c)
    let step = fixed_product(exp_minus_c, exp_minus_c);
    let (mut value, mut ratio) = (ONE, exp_minus_c);
    let mut weights = Vec::with_capacity(COLUMNS);
    for _ in 0..COLUMNS {
        weights.push(value >> 9);
        value = fixed_product(value, ratio);
        ratio = fixed_product(ratio, step);
    }
    weights[0] /= 2;

    let total: u128 = weights.iter().sum();
    let scale = fixed_quotient(total);
    for weight in &mut weights {
        *weight = fixed_product(*weight, scale);
    }
    let assigned: u128 = weights.iter().sum();
    // Rounding leaves less than 2^20 of 2^127 unassigned (or over-assigned).
    weights[1] = weights[1].wrapping_add((1_u128 << 127).wrapping_sub(assigned));
    weights
}

/// One, in fixed point with 126 fractional bits.
const ONE: u128 = 1 << 126;

/// `a · b / 2^126`, rounded down; the result must fit.
fn fixed_product(a: u128, b: u128) -> u128 {
    let (a_high, a_low) = (a >> 64, a & u128::from(u64::MAX));
    let (b_high, b_low) = (b >> 64, b & u128::from(u64::MAX));
    let low = a_low * b_low;
    let (middle, carry) = (a_high * b_low).overflowing_add(a_low * b_high);
    let (low, low_carry) = low.overflowing_add(middle << 64);
    let high = a_high * b_high + (middle >> 64) + (u128::from(carry) << 64) + u128::from(low_carry);
    (high << 2) | (low >> 126)
}

/// `2^127 / divisor` in fixed point with 126 fractional bits, for a divisor in `(2^124, 2^127)`.
fn fixed_quotient(divisor: u128) -> u128 {
    let (mut quotient, mut remainder) = (0_u128, 1_u128);
    for _ in 0..127 + 126 {
        remainder <<= 1;
        quotient <<= 1;
        if remainder >= divisor {
            remainder -= divisor;
            quotient |= 1;
        }
    }
    quotient
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod statistics;
#[cfg(test)]
mod tests;
