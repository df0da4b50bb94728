//! A frozen weight in the precision in which it is kept, and its two products.
//!
//! Activations, sums and gradients are `f32` in every precision; with [`Precision::Bf16`] both operands of a product
//! are rounded to `bf16` first and the sums are not. [`Precision::Q8`] and [`Precision::Q4`] do the same with weights that
//! they keep in blocks.

use std::fmt;
use std::str::FromStr;

use super::bf16::Panels;
use super::matmul::Into;
use super::quantised::block::{Block, LARGEST_IN_EIGHT_BITS, LARGEST_IN_FOUR_BITS};
use super::quantised::{Bits, Quantised};
use super::unpacked::Weight;

/// How the frozen weights are kept and multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats: half the memory, and about twice the speed where the processor has AVX512_BF16.
    Bf16,
    /// Blocks of 32 in eight bits with a scale, 1.06 bytes a weight, multiplied as `bf16`.
    Q8,
    /// Blocks of 32 in four bits with a scale and a minimum, 0.63 bytes a weight, multiplied as `bf16`.
    Q4,
}

impl Precision {
    /// The largest size of a weight that can be kept.
    #[must_use]
    pub fn largest(self) -> f32 {
        match self {
            Self::F32 | Self::Bf16 => f32::MAX,
            Self::Q8 => LARGEST_IN_EIGHT_BITS,
            Self::Q4 => LARGEST_IN_FOUR_BITS,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        })
    }
}

impl FromStr for Precision {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "q8" => Ok(Self::Q8),
            "q4" => Ok(Self::Q4),
            _ => Err("must be f32, bf16, q8 or q4"),
        }
    }
}

/// A matrix `[output, input]` that is never trained.
pub struct Frozen {
    output: usize,
    input: usize,
    store: Store,
}

enum Store {
    F32(Vec<f32>),
    Bf16(Panels),
    Blocks(Quantised),
}

impl Frozen {
    /// A matrix of zeros, to be filled with [`Frozen::set_rows`].
    #[must_use]
    pub fn zeros(output: usize, input: usize, precision: Precision) -> Self {
        let store = match precision {
            Precision::F32 => Store::F32(vec![0.0; output * input]),
            Precision::Bf16 => Store::Bf16(Panels::zeros(output, input)),
            Precision::Q8 => Store::Blocks(Quantised::zeros(output, input, Bits::Eight)),
            Precision::Q4 => Store::Blocks(Quantised::zeros(output, input, Bits::Four)),
        };
        Self { output, input, store }
    }

    /// A matrix of `values`, row-major.
    ///
    /// # Panics
    /// If there are not exactly `output * input` of them: a bug of the caller.
    #[must_use]
    pub fn new(values: &[f32], output: usize, input: usize, precision: Precision) -> Self {
        assert_eq!(values.len(), output * input, "matrix size");
        let mut frozen = Self::zeros(output, input, precision);
        frozen.set_rows(0, values);
        frozen
    }

    /// Sets whole rows from row `first` on, to the nearest values that can be kept: all finite, and in blocks none larger
    /// than [`Precision::largest`].
    ///
    /// # Panics
    /// If they do not fit: a bug of the caller.
    pub fn set_rows(&mut self, first: usize, rows: &[f32]) {
        match &mut self.store {
            Store::F32(values) => values[first * self.input..][..rows.len()].copy_from_slice(rows),
            Store::Bf16(panels) => panels.set_rows(first, rows),
            Store::Blocks(blocks) => blocks.set_rows(first, rows),
        }
    }

    /// Takes over the blocks of whole rows from row `first` on, exactly. The last block of a row is padded where the width
    /// is not a multiple of 32.
    ///
    /// # Panics
    /// If they do not fit, or if the matrix is not kept in blocks: a bug of the caller.
    pub fn set_blocks(&mut self, first: usize, blocks: &[Block]) {
        match &mut self.store {
            Store::Blocks(store) => store.set_blocks(first, blocks),
            Store::F32(_) | Store::Bf16(_) => unreachable!("a matrix that is not kept in blocks"),
        }
    }

    /// Copies row `index` to `row`, `[input]`.
    pub fn row(&self, index: usize, row: &mut [f32]) {
        match &self.store {
            Store::F32(values) => row.copy_from_slice(&values[index * self.input..][..self.input]),
            Store::Bf16(panels) => panels.row(index, row),
            Store::Blocks(blocks) => blocks.row(index, row),
        }
    }

    /// All values, row-major.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        values.chunks_exact_mut(self.input.max(1)).enumerate().for_each(|(index, row)| self.row(index, row));
        values
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.output, self.input)
    }

    /// Whether products round what they multiply to `bf16`, in buffers of their own.
    #[must_use]
    pub fn rounds(&self) -> bool {
        !matches!(self.store, Store::F32(_))
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.output * self.input
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::F32(values) => 4 * values.len(),
            Store::Bf16(panels) => panels.bytes(),
            Store::Blocks(blocks) => blocks.bytes(),
        }
    }

    /// `y = x Wᵀ` for one row of a generation, `x: [input]`, `y: [output]`. Not for training: blocks are not rounded to `bf16`
    /// here, and an example's gradient must not depend on whether it is alone in a product.
    pub fn forward_one(&self, y: &mut [f32], x: &[f32]) {
        match &self.store {
            Store::Blocks(blocks) => {
                assert_eq!((x.len(), y.len()), (self.input, self.output), "widths");
                blocks.forward_one(y, x);
            }
            Store::F32(_) | Store::Bf16(_) => self.forward(y, Into::Replace, x, 1),
        }
    }

    /// `y = [y +] x Wᵀ` with `x: [rows, input]`, `y: [rows, output]`.
    pub fn forward(&self, y: &mut [f32], into: Into, x: &[f32], rows: usize) {
        assert_eq!((x.len(), y.len()), (rows * self.input, rows * self.output), "widths");
        match &self.store {
            Store::F32(values) => self.weight(values).forward(y, into, x, rows),
            Store::Bf16(panels) => panels.forward(y, into, x, rows),
            Store::Blocks(blocks) => blocks.forward(y, into, x, rows),
        }
    }

    /// `dx = [dx +] dy W`: the backward of [`Frozen::forward`] towards its input.
    pub fn backward(&self, dx: &mut [f32], into: Into, dy: &[f32], rows: usize) {
        assert_eq!((dx.len(), dy.len()), (rows * self.input, rows * self.output), "widths");
        match &self.store {
            Store::F32(values) => self.weight(values).backward(dx, into, dy, rows),
            Store::Bf16(panels) => panels.backward(dx, into, dy, rows),
            Store::Blocks(blocks) => blocks.backward(dx, into, dy, rows),
        }
    }

    fn weight<'a>(&self, values: &'a [f32]) -> Weight<'a> {
        Weight { values, output: self.output, input: self.input }
    }
}
