//! One decoder block, backwards: gradients of the LoRA factors per example, and of the block's input.
//!
//! The frozen weights get no gradient. The first block's input needs none either, so it is not computed.

use super::workspace::Normalised;
use super::{Decoder, Workspace};
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{Ragged, attention, glu, lora, rms_norm, rope};
use crate::lora::{Lora, Target};

impl Decoder {
    /// Turns the gradient of block `index`'s output into that of its input, in place, from tape `tape`, and writes every
    /// example's factor gradients of this block into `gradients: [examples, parameters]`.
    pub(super) fn layer_backward(
        &self,
        (index, tape): (usize, usize),
        adapter: &Lora,
        batch: &Ragged,
        d_hidden: &mut [f32],
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) {
        let (layer, heads, rows) = (&self.weights.layers[index], self.heads(index), batch.rows());
        let Workspace { tapes, scratch, lora: thin, .. } = workspace;
        let tape = &mut tapes[tape];
        let mut project = |dx: Option<&mut [f32]>, into: Into, (x, dy): (&[f32], &[f32]), weight: &Frozen, target| {
            let mut dx = dx;
            if let Some(dx) = dx.as_deref_mut() {
                weight.backward(dx, into, dy, rows);
            }
            if let Some(slot) = adapter.slot(index, target) {
                lora::backward(gradients, dx, (x, dy), adapter, slot, batch, thin);
            }
        };

        // feed-forward
        glu::forward(self.config.traits().activation, &mut scratch.inner, &tape.gate, &tape.up);
        let dy = branch(&mut scratch.d_branch, d_hidden, &tape.mlp_output, layer.extras.post_mlp_norm.as_deref());
        let pair = (&scratch.inner[..], dy);
        project(Some(&mut scratch.d_inner), Into::Replace, pair, &layer.down, Target::Down);
        glu::backward(self.config.traits().activation, &mut tape.gate, &mut tape.up, &scratch.d_inner);
        rms_norm::recompute(&mut scratch.normed, &tape.middle_reciprocals, &tape.middle, &layer.mlp_norm);
        let pair = (&scratch.normed[..], &tape.gate[..]);
        project(Some(&mut scratch.d_normed), Into::Replace, pair, &layer.gate, Target::Gate);
        let pair = (&scratch.normed[..], &tape.up[..]);
        project(Some(&mut scratch.d_normed), Into::Add, pair, &layer.up, Target::Up);
        rms_norm::backward(d_hidden, &scratch.d_normed, &tape.middle_reciprocals, &tape.middle, &layer.mlp_norm);

        // attention
        rope::join_batch(&mut scratch.query_rows, &tape.attention, batch, heads.query, heads.dim, None);
        let gain = layer.extras.post_attention_norm.as_deref();
        let dy = branch(&mut scratch.d_branch, d_hidden, &tape.attention_output, gain);
        let pair = (&scratch.query_rows[..], dy);
        project(Some(&mut scratch.d_rows), Into::Replace, pair, &layer.output, Target::Output);
        rope::split_batch(&mut scratch.d_attention, &scratch.d_rows, batch, heads.query, heads.dim, None);
        let saved =
            attention::Saved { q: &tape.q, k: &tape.k, v: &tape.v, out: &tape.attention, log_sums: &tape.log_sums };
        let to = (&mut scratch.dq[..], &mut scratch.dk[..], &mut scratch.dv[..]);
        attention::backward(to, &scratch.d_attention, &saved, batch, heads);
        let table = self.rotation(index);
        rope::join_batch(&mut scratch.query_rows, &scratch.dq, batch, heads.query, heads.dim, table);
        rope::join_batch(&mut scratch.key_rows, &scratch.dk, batch, heads.kv, heads.dim, table);
        rope::join_batch(&mut scratch.value_rows, &scratch.dv, batch, heads.kv, heads.dim, None);
        let normed = [
            (&mut scratch.query_rows, &tape.query_heads, &layer.extras.query_norm),
            (&mut scratch.key_rows, &tape.key_heads, &layer.extras.key_norm),
        ];
        for (dy, kept, gain) in normed {
            if let Some(gain) = gain {
                rms_norm::backward_in_place(dy, &kept.reciprocals, &kept.rows, gain);
            }
        }

        rms_norm::recompute(&mut scratch.normed, &tape.input_reciprocals, &tape.input, &layer.attention_norm);
        let sources = [
            (&scratch.query_rows, &layer.query, Target::Query, Into::Replace),
            (&scratch.key_rows, &layer.key, Target::Key, Into::Add),
            (&scratch.value_rows, &layer.value, Target::Value, Into::Add),
        ];
        for (dy, weight, target, into) in sources {
            let dx = (index > 0).then_some(&mut scratch.d_normed[..]);
            project(dx, into, (&scratch.normed, dy), weight, target);
        }
        if index > 0 {
            rms_norm::backward(
                d_hidden,
                &scratch.d_normed,
                &tape.input_reciprocals,
                &tape.input,
                &layer.attention_norm,
            );
        }
    }
}

/// The gradient of half a block's projection, given that of the residual stream: the same, or, where a norm stands
/// between them, its backward in `buffer`.
fn branch<'a>(buffer: &'a mut [f32], d_hidden: &'a [f32], kept: &Normalised, gain: Option<&[f32]>) -> &'a [f32] {
    let Some(gain) = gain else { return d_hidden };
    buffer.copy_from_slice(d_hidden);
    rms_norm::backward_in_place(buffer, &kept.reciprocals, &kept.rows, gain);
    buffer
}
