//! Cross-entropy over the vocabulary, in chunks of rows: logits of `CHUNK` rows exist at a time, never of a batch.
//!
//! Only rows that have a target come here: the others cost nothing.

use rayon::prelude::*;

use super::elementwise::{dispatch, exp_shifted, max};
use super::frozen::Frozen;
use super::matmul::Into;

/// Rows whose logits are held at once: `512 * 49152 * 4` bytes are 96 MiB. Fewer rows would read the head more often.
pub(crate) const CHUNK: usize = 512;

/// One row that has a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The token to predict.
    pub token: u32,
    /// What the row's loss is multiplied by in the gradient.
    pub weight: f32,
}

/// Returns each row's loss in nats and, if wanted, overwrites `d_hidden` with the gradient of the weighted sum.
/// `hidden: [goals, width]`, `head: [vocabulary, width]`. `logits` is scratch memory, kept for the next call.
pub fn forward_backward(
    hidden: &[f32],
    head: &Frozen,
    goals: &[Goal],
    mut d_hidden: Option<&mut [f32]>,
    logits: &mut Vec<f32>,
) -> Vec<f32> {
    let (vocabulary, width) = head.shape();
    let mut losses = vec![0.0f32; goals.len()];
    for (index, (goals, losses)) in goals.chunks(CHUNK).zip(losses.chunks_mut(CHUNK)).enumerate() {
        let rows = goals.len();
        let range = index * CHUNK * width..(index * CHUNK + rows) * width;
        logits.resize(logits.len().max(rows * vocabulary), 0.0);
        let logits = &mut logits[..rows * vocabulary];
        head.forward(logits, Into::Replace, &hidden[range.clone()], rows);
        let backward = d_hidden.is_some();
        logits.par_chunks_mut(vocabulary).zip(goals).zip(losses).for_each(|((line, goal), loss)| {
            *loss = row(line, *goal, backward);
        });
        if let Some(d_hidden) = d_hidden.as_deref_mut() {
            head.backward(&mut d_hidden[range], Into::Replace, logits, rows);
        }
    }
    losses
}

/// The loss of one row; if `backward`, its logits become `weight * (softmax - one_hot)`.
fn row(line: &mut [f32], goal: Goal, backward: bool) -> f32 {
    let target = goal.token as usize;
    let wanted = line[target];
    dispatch(
        #[inline(always)]
        || {
            let top = max(line);
            let sum = exp_shifted(line, top);
            if backward {
                let factor = goal.weight / sum;
                for value in line.iter_mut() {
                    *value *= factor;
                }
                line[target] -= goal.weight;
            }
            top + sum.ln() - wanted
        },
    )
}
