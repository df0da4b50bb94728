//! One decoder block, forwards: `x += O attention(norm(x))`, then `x += D gated(norm(x))`; in some families what is
//! added is normalised first.

use super::workspace::Normalised;
use super::{Decoder, Workspace, add, add_bias};
use crate::kernels::frozen::Frozen;
use crate::kernels::matmul::Into;
use crate::kernels::{Ragged, attention, glu, lora, rms_norm, rope};
use crate::lora::{Lora, Target};

impl Decoder {
    /// Runs block `index` on `hidden: [rows, hidden_size]` in place, keeping in tape `tape` what the backward needs.
    pub(super) fn layer_forward(
        &self,
        (index, tape): (usize, usize),
        adapter: Option<&Lora>,
        batch: &Ragged,
        hidden: &mut [f32],
        workspace: &mut Workspace,
    ) {
        workspace.tapes[tape].input.copy_from_slice(hidden);
        self.layer_tape((index, tape), adapter, batch, workspace, Some(hidden));
    }

    /// Fills tape `tape` of block `index` from the input that it holds, and `output: [rows, hidden_size]` where it is
    /// wanted.
    pub(super) fn layer_tape(
        &self,
        (index, tape): (usize, usize),
        adapter: Option<&Lora>,
        batch: &Ragged,
        workspace: &mut Workspace,
        output: Option<&mut [f32]>,
    ) {
        let (config, layer, heads) = (&self.config, &self.weights.layers[index], self.heads(index));
        let (rows, epsilon) = (batch.rows(), config.rms_norm_epsilon);
        let Workspace { tapes, scratch, lora: thin, .. } = workspace;
        let tape = &mut tapes[tape];
        let mut project = |y: &mut [f32], x: &[f32], (weight, target): (&Frozen, Target)| {
            weight.forward(y, Into::Replace, x, rows);
            if let Some(bias) = layer.extras.bias(target) {
                add_bias(y, bias);
            }
            if let Some((adapter, slot)) = adapter.and_then(|a| Some((a, a.slot(index, target)?))) {
                lora::forward(y, x, adapter, slot, thin);
            }
        };
        // A projection, and the norm of its rows of `gain.len()` where the family has one.
        let mut normalised = |y: &mut [f32], kept: &mut Normalised, x: &[f32], matrix, gain: &Option<Vec<f32>>| {
            let Some(gain) = gain else { return project(y, x, matrix) };
            project(&mut kept.rows, x, matrix);
            rms_norm::forward(y, &mut kept.reciprocals, &kept.rows, gain, epsilon);
        };

        let normed = &mut scratch.normed;
        rms_norm::forward(normed, &mut tape.input_reciprocals, &tape.input, &layer.attention_norm, epsilon);
        let (query, key) = ((&layer.query, Target::Query), (&layer.key, Target::Key));
        normalised(&mut scratch.query_rows, &mut tape.query_heads, normed, query, &layer.extras.query_norm);
        normalised(&mut scratch.key_rows, &mut tape.key_heads, normed, key, &layer.extras.key_norm);
        let none = &mut Normalised::default();
        normalised(&mut scratch.value_rows, none, normed, (&layer.value, Target::Value), &None);
        let table = self.rotation(index);
        rope::split_batch(&mut tape.q, &scratch.query_rows, batch, heads.query, heads.dim, table);
        rope::split_batch(&mut tape.k, &scratch.key_rows, batch, heads.kv, heads.dim, table);
        rope::split_batch(&mut tape.v, &scratch.value_rows, batch, heads.kv, heads.dim, None);
        attention::forward(&mut tape.attention, &mut tape.log_sums, &tape.q, &tape.k, &tape.v, batch, heads);
        rope::join_batch(&mut scratch.query_rows, &tape.attention, batch, heads.query, heads.dim, None);
        // Never into the residual stream itself: some of its channels are so large (thousands) that every partial sum
        // added to them is rounded away.
        let (matrix, gain) = ((&layer.output, Target::Output), &layer.extras.post_attention_norm);
        normalised(normed, &mut tape.attention_output, &scratch.query_rows, matrix, gain);
        tape.middle.copy_from_slice(&tape.input);
        add(&mut tape.middle, normed);

        rms_norm::forward(normed, &mut tape.middle_reciprocals, &tape.middle, &layer.mlp_norm, epsilon);
        normalised(&mut tape.gate, none, normed, (&layer.gate, Target::Gate), &None);
        normalised(&mut tape.up, none, normed, (&layer.up, Target::Up), &None);
        if output.is_none() && layer.extras.post_mlp_norm.is_none() {
            return; // nobody reads the last product
        }
        glu::forward(self.config.traits().activation, &mut scratch.inner, &tape.gate, &tape.up);
        let (matrix, gain) = ((&layer.down, Target::Down), &layer.extras.post_mlp_norm);
        normalised(normed, &mut tape.mlp_output, &scratch.inner, matrix, gain);
        if let Some(output) = output {
            output.copy_from_slice(&tape.middle);
            add(output, normed);
        }
    }
}
