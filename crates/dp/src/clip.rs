//! Owns per-unit clipping and the sum of a logical batch.
//!
//! Invariant: adding or removing one unit changes the sum, as a vector of integers, by at most
//! `GRID_SIGMA / sigma` in the Euclidean norm, whatever the gradient holds: huge, subnormal, infinite or NaN.
//!
//! One grid cell is `sigma · clip_norm / GRID_SIGMA`. A gradient is scaled by `min(1, C (1 - 1e-5) / norm)`
//! (Abadi et al. 2016, algorithm 1, with a safety factor for rounding) and every coordinate is then rounded towards
//! zero onto the grid, which cannot make it longer. Sums of integers are exact, so the order of addition and the
//! grouping into micro-batches do not matter.

use rayon::prelude::*;
use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::noise::{GRID_SIGMA, NoiseSource};

/// Keeps the norm below the bound when it was computed with rounding.
const SAFETY: f64 = 1.0 - 1e-5;
/// `1.5 · 2^52`: adding it rounds a number below `2^51` to an integer, in the low bits of its representation.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;
/// Values that a thread takes at a time. Norms are summed in these blocks, whatever the number of threads.
const BLOCK: usize = 1 << 15;

/// The plan's part that the sum needs: equal for two sums exactly when they may be joined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clip {
    /// Zero in a plan without privacy.
    pub(crate) sigma: f64,
    pub(crate) clip_norm: f64,
    pub(crate) unit_cap: u32,
}

impl Clip {
    /// Width of one grid cell.
    fn cell(&self) -> f64 {
        self.sigma * self.clip_norm / GRID_SIGMA
    }
}

/// The sum of clipped gradients of one logical batch. What it holds is not private yet: it cannot be read, printed
/// or copied, only handed to [`crate::PrivacyPlan::privatise`], and is overwritten when dropped.
pub struct ClippedSum {
    clip: Clip,
    cells: Cells,
}

enum Cells {
    /// Multiples of the grid cell.
    Grid(Vec<i64>),
    /// A plan without privacy: no clipping, no grid.
    Plain(Vec<f64>),
}

/// What [`ClippedSum::across_processes`] shows to a transport. Not private yet: it implements no way to be printed.
pub enum Parts<'a> {
    /// Of a private plan: multiples of the grid cell, to be added with wrapping, in any order.
    Grid {
        /// The part of this process.
        part: &'a [i64],
        /// For the sum of all parts; zero.
        total: &'a mut [i64],
    },
    /// Of a plan without privacy.
    Plain {
        /// The part of this process.
        part: &'a [f64],
        /// For the sum of all parts; zero.
        total: &'a mut [f64],
    },
}

impl ClippedSum {
    pub(crate) fn new(clip: Clip, dimension: usize) -> Self {
        let cells = if clip.sigma > 0.0 { Cells::Grid(vec![0; dimension]) } else { Cells::Plain(vec![0.0; dimension]) };
        Self { clip, cells }
    }

    /// Adds the gradient of one unit, clipped.
    ///
    /// A gradient with a non-finite value contributes zero, silently: how many there were is a fact about the data
    /// that is not released.
    ///
    /// # Errors
    /// [`Error::Length`] when the gradient has another dimension; nothing was added.
    pub fn add(&mut self, gradient: &[f32]) -> Result<()> {
        self.check_length(gradient)?;
        self.add_values(gradient);
        Ok(())
    }

    /// Adds the gradient of one unit that holds several records: their mean, clipped once.
    ///
    /// A record with a non-finite value counts as a zero gradient in the mean; a unit without records contributes
    /// zero.
    ///
    /// # Errors
    /// [`Error::TooManyRecords`] above the plan's cap, [`Error::Length`] when a gradient has another dimension;
    /// nothing was added.
    pub fn add_unit(&mut self, records: &[&[f32]]) -> Result<()> {
        if records.len() > self.clip.unit_cap as usize {
            return Err(Error::TooManyRecords { records: records.len(), cap: self.clip.unit_cap });
        }
        if let [record] = records {
            return self.add(record); // its own mean, without a copy
        }
        for record in records {
            self.check_length(record)?;
        }
        let mut mean = vec![0.0_f64; self.dimension()];
        for record in records.iter().filter(|record| record.iter().all(|g| g.is_finite())) {
            for (total, g) in mean.iter_mut().zip(*record) {
                *total += f64::from(*g);
            }
        }
        let count = records.len().max(1) as f64;
        mean.iter_mut().for_each(|total| *total /= count);
        self.add_values(&mean);
        mean.zeroize();
        Ok(())
    }

    /// Adds the units of another part of the same logical batch.
    ///
    /// # Errors
    /// [`Error::ForeignSum`] when the parts come from different plans, [`Error::Length`] when their dimensions
    /// differ.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        if self.clip != other.clip {
            return Err(Error::ForeignSum);
        }
        if self.dimension() != other.dimension() {
            return Err(Error::Length { expected: self.dimension(), actual: other.dimension() });
        }
        match (&mut self.cells, &other.cells) {
            (Cells::Grid(ours), Cells::Grid(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours = ours.wrapping_add(*theirs));
            }
            (Cells::Plain(ours), Cells::Plain(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
            }
            _ => return Err(Error::ForeignSum),
        }
        Ok(())
    }

    /// Joins the parts of one logical batch that lie in several processes: `add` leaves the elementwise sum of all
    /// parts in `total`, in every process that goes on with it. In a process where `add` leaves `total` as it is, the
    /// result is an empty sum.
    ///
    /// This is the one door through which a sum that has no noise yet leaves its process, and it opens for a transport
    /// between processes that trust each other, nothing else: whoever keeps, writes or shows what passes here releases
    /// gradients that no budget covers. The parts must come from equal plans and hold no unit twice, and noise is
    /// drawn in one of the processes only; nobody can check that here.
    ///
    /// # Errors
    /// Those of `add`; the sum is gone then.
    pub fn across_processes<E>(
        mut self,
        add: impl FnOnce(Parts<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let mut joined = Self::new(self.clip, self.dimension());
        add(match (&mut self.cells, &mut joined.cells) {
            (Cells::Grid(part), Cells::Grid(total)) => Parts::Grid { part, total },
            (Cells::Plain(part), Cells::Plain(total)) => Parts::Plain { part, total },
            _ => return Ok(joined), // one plan makes one kind
        })?;
        Ok(joined)
    }

    /// The number of parameters.
    pub fn dimension(&self) -> usize {
        match &self.cells {
            Cells::Grid(cells) => cells.len(),
            Cells::Plain(cells) => cells.len(),
        }
    }

    /// Noise once, then the planned denominator (Abadi et al. 2016, algorithm 1).
    pub(crate) fn privatise(mut self, clip: &Clip, denominator: f64, noise: &mut NoiseSource) -> Result<NoisyMean> {
        if self.clip != *clip {
            return Err(Error::ForeignSum);
        }
        let values = match &mut self.cells {
            Cells::Grid(cells) => {
                noise.add_to(cells);
                let unit = clip.cell() / denominator;
                cells.par_iter().with_min_len(BLOCK).map(|cell| (*cell as f64 * unit) as f32).collect()
            }
            Cells::Plain(cells) => cells.iter().map(|cell| (cell / denominator) as f32).collect(),
        };
        Ok(NoisyMean { values })
    }

    fn check_length(&self, gradient: &[f32]) -> Result<()> {
        if gradient.len() == self.dimension() {
            Ok(())
        } else {
            Err(Error::Length { expected: self.dimension(), actual: gradient.len() })
        }
    }

    fn add_values<T: Copy + Sync + Into<f64>>(&mut self, values: &[T]) {
        let squared_norm = squared_norm(values);
        if !squared_norm.is_finite() {
            return;
        }
        match &mut self.cells {
            Cells::Grid(cells) => {
                let bound = self.clip.clip_norm * SAFETY;
                let scale = (bound / squared_norm.sqrt()).min(1.0) / self.clip.cell();
                each(cells, values, |cell, value| *cell = cell.wrapping_add(towards_zero(value * scale)));
            }
            Cells::Plain(cells) => each(cells, values, |cell, value| *cell += value),
        }
    }
}

impl Drop for ClippedSum {
    fn drop(&mut self) {
        match &mut self.cells {
            Cells::Grid(cells) => cells.zeroize(),
            Cells::Plain(cells) => cells.zeroize(),
        }
    }
}

/// The private mean gradient of one logical batch: clipped, summed, noised, divided. Only a plan can make one.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisyMean {
    values: Vec<f32>,
}

impl NoisyMean {
    /// The mean gradient, one value per parameter.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }
}

/// Calls `work` with every cell and its value, on all threads.
fn each<C: Send, T: Copy + Sync + Into<f64>>(cells: &mut [C], values: &[T], work: impl Fn(&mut C, f64) + Sync) {
    cells.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK)).for_each(|(cells, values)| {
        cells.iter_mut().zip(values).for_each(|(cell, value)| work(cell, (*value).into()));
    });
}

/// Sum of squares, NaN or infinite when a value is: eight lanes in each block, the blocks in their order.
fn squared_norm<T: Copy + Sync + Into<f64>>(values: &[T]) -> f64 {
    let of_block = |values: &[T]| {
        let mut lanes = [0.0_f64; 8];
        for (index, value) in values.iter().enumerate() {
            let value: f64 = (*value).into();
            lanes[index % 8] += value * value;
        }
        lanes.iter().sum::<f64>()
    };
    let blocks: Vec<f64> = values.par_chunks(BLOCK).map(of_block).collect();
    blocks.iter().sum()
}

/// The integer next to `value` on the side of zero (or one closer, for exact integers); `|value| < 2^51`.
fn towards_zero(value: f64) -> i64 {
    let shorter = (value.abs() - 0.5).max(0.0).copysign(value);
    ((shorter + TO_INTEGER).to_bits() as i64).wrapping_sub(TO_INTEGER.to_bits() as i64)
}

#[cfg(test)]
mod tests;
