//! One decoder block, backwards: gradients of the LoRA factors per example, and of the block's input.
//!
//! The frozen weights get no gradient. The first block's input needs none either, so it is not computed.

use super::{Decoder, Workspace};
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{Ragged, attention, lora, rms_norm, rope, swiglu};
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
        let (layer, heads, rows) = (&self.weights.layers[index], self.heads(), batch.rows());
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
        swiglu::forward(&mut scratch.inner, &tape.gate, &tape.up);
        let pair = (&scratch.inner[..], &*d_hidden);
        project(Some(&mut scratch.d_inner), Into::Replace, pair, &layer.down, Target::Down);
        swiglu::backward(&mut tape.gate, &mut tape.up, &scratch.d_inner);
        rms_norm::recompute(&mut scratch.normed, &tape.middle_reciprocals, &tape.middle, &layer.mlp_norm);
        let pair = (&scratch.normed[..], &tape.gate[..]);
        project(Some(&mut scratch.d_normed), Into::Replace, pair, &layer.gate, Target::Gate);
        let pair = (&scratch.normed[..], &tape.up[..]);
        project(Some(&mut scratch.d_normed), Into::Add, pair, &layer.up, Target::Up);
        rms_norm::backward(d_hidden, &scratch.d_normed, &tape.middle_reciprocals, &tape.middle, &layer.mlp_norm);

        // attention
        rope::join_batch(&mut scratch.query_rows, &tape.attention, batch, heads.query, heads.dim, None);
        let pair = (&scratch.query_rows[..], &*d_hidden);
        project(Some(&mut scratch.d_rows), Into::Replace, pair, &layer.output, Target::Output);
        rope::split_batch(&mut scratch.d_attention, &scratch.d_rows, batch, heads.query, heads.dim, None);
        let saved =
            attention::Saved { q: &tape.q, k: &tape.k, v: &tape.v, out: &tape.attention, log_sums: &tape.log_sums };
        let to = (&mut scratch.dq[..], &mut scratch.dk[..], &mut scratch.dv[..]);
        attention::backward(to, &scratch.d_attention, &saved, batch, heads);
        let table = Some(&self.rope);
        rope::join_batch(&mut scratch.query_rows, &scratch.dq, batch, heads.query, heads.dim, table);
        rope::join_batch(&mut scratch.key_rows, &scratch.dk, batch, heads.kv, heads.dim, table);
        rope::join_batch(&mut scratch.value_rows, &scratch.dv, batch, heads.kv, heads.dim, None);

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
