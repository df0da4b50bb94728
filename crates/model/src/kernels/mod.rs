//! The operations of a decoder on plain `f32` slices, each with an explicit backward.
//!
//! Invariant: every operation equals its composed form in [`crate::composed`] in value and gradient
//! (tests hold it to that and to finite differences). Frozen weights have no gradient here: there is
//! no code that could compute one. `unsafe` is confined to `matmul`, `tile`, `transpose` and `unpacked`.
//!
//! Layout: activations are row-major `[tokens, width]`, the sequences of a batch one behind the other
//! without padding ([`Ragged`]). Queries, keys and values are head-major inside each sequence,
//! `[sequence][head][position][head_dim]`, so that one head's rows are one contiguous slice.

pub mod attention;
pub(crate) mod bf16;
pub mod cross_entropy;
pub mod elementwise;
pub mod frozen;
pub mod glu;
pub mod lora;
mod low_rank;
pub mod matmul;
pub mod quantised;
pub mod rms_norm;
pub mod rope;
mod tile;
mod transpose;
mod unpacked;

/// Where each sequence of a batch lies among the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged {
    starts: Vec<usize>,
}

impl Ragged {
    /// From the lengths of the sequences, in tokens.
    #[must_use]
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut starts = vec![0];
        let mut end = 0;
        for length in lengths {
            end += length;
            starts.push(end);
        }
        Self { starts }
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Number of sequences.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no sequence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of sequence `index`.
    #[must_use]
    pub fn range(&self, index: usize) -> std::ops::Range<usize> {
        self.starts[index]..self.starts[index + 1]
    }

    /// The rows of every sequence in turn.
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }
}
