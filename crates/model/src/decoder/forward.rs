//! One decoder block, forwards: `x += O attention(norm(x))`, then `x += D swiglu(norm(x))`.

use super::{Decoder, Workspace, add};
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{Ragged, attention, lora, rms_norm, rope, swiglu};
use crate::lora::{Lora, Target};

impl Decoder {
    /// Runs block `index` on `hidden: [rows, hidden_size]` in place, keeping in tape `tape` what the backward needs.
    pub(super) fn layer_forward(
        &self,
        index: usize,
        adapter: Option<&Lora>,
        batch: &Ragged,
        hidden: &mut [f32],
        workspace: &mut Workspace,
        tape: usize,
    ) {
        workspace.tapes[tape].input.copy_from_slice(hidden);
        self.layer_tape(index, adapter, batch, workspace, tape);
        let rows = batch.rows();
        let (tape, scratch) = (&workspace.tapes[tape], &mut workspace.scratch);
        swiglu::forward(&mut scratch.inner, &tape.gate, &tape.up);
        self.weights.layers[index].down.forward(&mut scratch.normed, Into::Replace, &scratch.inner, rows);
        if let Some((adapter, slot)) = adapter.and_then(|a| Some((a, a.slot(index, Target::Down)?))) {
            lora::forward(&mut scratch.normed, &scratch.inner, adapter, slot, &mut workspace.lora);
        }
        hidden.copy_from_slice(&tape.middle);
        add(hidden, &scratch.normed);
    }

    /// Fills tape `tape` of block `index` from the input that it holds: all of the block but its last product.
    pub(super) fn layer_tape(
        &self,
        index: usize,
        adapter: Option<&Lora>,
        batch: &Ragged,
        workspace: &mut Workspace,
        tape: usize,
    ) {
        let (config, layer, heads) = (&self.config, &self.weights.layers[index], self.heads());
        let (rows, epsilon) = (batch.rows(), config.rms_norm_epsilon);
        let Workspace { tapes, scratch, lora: thin, .. } = workspace;
        let tape = &mut tapes[tape];
        let mut project = |y: &mut [f32], x: &[f32], weight: &Frozen, target: Target| {
            weight.forward(y, Into::Replace, x, rows);
            if let Some((adapter, slot)) = adapter.and_then(|a| Some((a, a.slot(index, target)?))) {
                lora::forward(y, x, adapter, slot, thin);
            }
        };

        let normed = &mut scratch.normed;
        rms_norm::forward(normed, &mut tape.input_reciprocals, &tape.input, &layer.attention_norm, epsilon);
        project(&mut scratch.query_rows, &scratch.normed, &layer.query, Target::Query);
        project(&mut scratch.key_rows, &scratch.normed, &layer.key, Target::Key);
        project(&mut scratch.value_rows, &scratch.normed, &layer.value, Target::Value);
        let table = Some(&self.rope);
        rope::split_batch(&mut tape.q, &scratch.query_rows, batch, heads.query, heads.dim, table);
        rope::split_batch(&mut tape.k, &scratch.key_rows, batch, heads.kv, heads.dim, table);
        rope::split_batch(&mut tape.v, &scratch.value_rows, batch, heads.kv, heads.dim, None);
        attention::forward(&mut tape.attention, &mut tape.log_sums, &tape.q, &tape.k, &tape.v, batch, heads);
        rope::join_batch(&mut scratch.query_rows, &tape.attention, batch, heads.query, heads.dim, None);
        // Never into the residual stream itself: some of its channels are so large (thousands) that every partial sum
        // added to them is rounded away.
        project(&mut scratch.normed, &scratch.query_rows, &layer.output, Target::Output);
        tape.middle.copy_from_slice(&tape.input);
        add(&mut tape.middle, &scratch.normed);

        let normed = &mut scratch.normed;
        rms_norm::forward(normed, &mut tape.middle_reciprocals, &tape.middle, &layer.mlp_norm, epsilon);
        project(&mut tape.gate, &scratch.normed, &layer.gate, Target::Gate);
        project(&mut tape.up, &scratch.normed, &layer.up, Target::Up);
    }
}
