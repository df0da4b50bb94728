//! Every kernel, and the whole decoder, against the composed form over random shapes: odd widths, one row, one token,
//! sequences of unequal length, a batch of one.

use candle_core::{Device, Tensor};
use cloister_model::composed::{Composed, ops};
use cloister_model::family::Activation;
use cloister_model::kernels::attention::{self, Heads, Saved};
use cloister_model::kernels::cross_entropy::{self, Goal};
use cloister_model::kernels::matmul::Into;
use cloister_model::kernels::{Ragged, glu, lora, rms_norm, rope};
use cloister_model::{
    Activations, Decoder, DecoderConfig, Example, Frozen, Lora, LoraSpec, Precision, Slot, Target, Workspace,
};
use proptest::prelude::*;

use crate::kernels::tape;
use crate::support::{Random, assert_close, examples, tiny_config, tiny_weights};

const CPU: Device = Device::Cpu;

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &CPU).unwrap()
}

/// What `bf16` keeps of a value.
fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| half::bf16::from_f32(value).to_f32()).collect()
}

proptest! {
    #[test]
    fn linear(rows in 1usize..20, input in 1usize..70, output in 1usize..120, bf16: bool, seed: u64) {
        let mut random = Random::new(seed);
        let (x, w, dy) = (random.normal(rows * input), random.normal(output * input), random.normal(rows * output));
        let precision = if bf16 { Precision::Bf16 } else { Precision::F32 };
        let frozen = Frozen::new(&w, output, input, precision);
        let (mut y, mut dx) = (vec![0.0; rows * output], vec![0.0; rows * input]);
        frozen.forward(&mut y, Into::Replace, &x, rows);
        frozen.backward(&mut dx, Into::Replace, &dy, rows);
        let (x, w, dy) = if bf16 { (rounded(&x), rounded(&w), rounded(&dy)) } else { (x, w, dy) };
        let weight = tensor(&w, &[output, input]);
        let (value, gradient) = tape(&x, &[1, rows, input], &dy, |x| ops::linear(x, &weight).unwrap());
        assert_close(&y, &value, 2e-5);
        assert_close(&dx, &gradient, 2e-5);
    }

    #[test]
    fn rms_norms(rows in 1usize..9, width in 1usize..80, seed: u64) {
        let mut random = Random::new(seed);
        let (x, gain, dy) = (random.normal(rows * width), random.normal(width), random.normal(rows * width));
        let (mut y, mut reciprocals) = (vec![0.0; rows * width], vec![0.0; rows]);
        rms_norm::forward(&mut y, &mut reciprocals, &x, &gain, 1e-5);
        let mut dx = vec![0.0; rows * width];
        rms_norm::backward(&mut dx, &dy, &reciprocals, &x, &gain);
        let mut in_place = dy.clone();
        rms_norm::backward_in_place(&mut in_place, &reciprocals, &x, &gain);
        let g = tensor(&gain, &[width]);
        let (value, gradient) = tape(&x, &[rows, width], &dy, |x| ops::rms_norm(x, &g, 1e-5).unwrap());
        assert_close(&y, &value, 1e-5);
        // A row of one value near zero has a derivative in the thousands that cancels to rounding.
        assert_close(&dx, &gradient, 1e-4);
        assert_close(&in_place, &dx, 1e-6);
    }

    #[test]
    fn gated_activations(length in 1usize..200, scale in 0.1f32..8.0, seed: u64) {
        let mut random = Random::new(seed);
        let (gate, up, da) = (random.scaled(length, scale), random.normal(length), random.normal(length));
        for function in [Activation::Silu, Activation::GeluTanh] {
            let mut activation = vec![0.0; length];
            glu::forward(function, &mut activation, &gate, &up);
            let (mut d_gate, mut d_up) = (gate.clone(), up.clone());
            glu::backward(function, &mut d_gate, &mut d_up, &da);
            let compose = |gate: &Tensor, up: &Tensor| ops::glu(function, gate, up).unwrap();
            let (value, by_gate) = tape(&gate, &[length], &da, |g| compose(g, &tensor(&up, &[length])));
            let (_, by_up) = tape(&up, &[length], &da, |u| compose(&tensor(&gate, &[length]), u));
            assert_close(&activation, &value, 1e-5);
            assert_close(&d_gate, &by_gate, 2e-5);
            assert_close(&d_up, &by_up, 1e-5);
        }
    }

    #[test]
    fn rotations(length in 1usize..40, heads in 1usize..5, half in 1usize..20, seed: u64) {
        let dim = 2 * half;
        let mut random = Random::new(seed);
        let (rows, dy) = (random.normal(length * heads * dim), random.normal(length * heads * dim));
        let frequencies: Vec<f32> = (0..half).map(|i| 10_000f32.powf(-(i as f32) / half as f32)).collect();
        let (cos, sin) = ops::rope_table(length, &frequencies, &CPU).unwrap();
        let table = rope::Table::new(length, frequencies);
        let (mut major, mut dx) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
        rope::split_heads(&mut major, &rows, heads, dim, Some(&table), 0);
        rope::join_heads(&mut dx, &dy, heads, dim, Some(&table));
        let (value, gradient) = tape(&rows, &[1, length, heads, dim], &dy, |x| {
            ops::rope(&x.transpose(1, 2).unwrap().contiguous().unwrap(), &cos, &sin).unwrap()
        });
        assert_close(&major, &value, 1e-5);
        assert_close(&dx, &gradient, 1e-5);
    }

    #[test]
    fn attentions(
        lengths in prop::collection::vec(1usize..90, 1..4),
        (kv, group, half) in (1usize..3, 1usize..4, 1usize..10),
        window in prop::option::of(1usize..100),
        seed: u64,
    ) {
        let (query, dim) = (kv * group, 2 * half);
        let heads = Heads { query, kv, dim, window };
        let batch = Ragged::new(lengths);
        let rows = batch.rows();
        let mut random = Random::new(seed);
        let mut normal = |heads: usize| random.normal(rows * heads * dim);
        let (q, k, v, d_out) = (normal(query), normal(kv), normal(kv), normal(query));
        let (mut out, mut log_sums) = (vec![0.0; q.len()], vec![0.0; rows * query]);
        attention::forward(&mut out, &mut log_sums, &q, &k, &v, &batch, heads);
        let (mut dq, mut dk, mut dv) = (vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]);
        let saved = Saved { q: &q, k: &k, v: &v, out: &out, log_sums: &log_sums };
        attention::backward((&mut dq, &mut dk, &mut dv), &d_out, &saved, &batch, heads);
        for range in batch.ranges() {
            let length = range.len();
            let part = |data: &[f32], heads: usize| data[range.start * heads * dim..range.end * heads * dim].to_vec();
            let (qs, ks, vs, dout) = (part(&q, query), part(&k, kv), part(&v, kv), part(&d_out, query));
            let shape = |heads: usize| [1, heads, length, dim];
            let (qt, kt, vt) = (tensor(&qs, &shape(query)), tensor(&ks, &shape(kv)), tensor(&vs, &shape(kv)));
            let (value, by_q) = tape(&qs, &shape(query), &dout, |q| ops::attention(q, &kt, &vt, window).unwrap());
            let (_, by_k) = tape(&ks, &shape(kv), &dout, |k| ops::attention(&qt, k, &vt, window).unwrap());
            let (_, by_v) = tape(&vs, &shape(kv), &dout, |v| ops::attention(&qt, &kt, v, window).unwrap());
            assert_close(&part(&out, query), &value, 2e-5);
            assert_close(&part(&dq, query), &by_q, 1e-4);
            assert_close(&part(&dk, kv), &by_k, 1e-4);
            assert_close(&part(&dv, kv), &by_v, 1e-4);
        }
    }

    #[test]
    fn cross_entropies(rows in 1usize..12, width in 1usize..20, vocabulary in 1usize..90, seed: u64) {
        let mut random = Random::new(seed);
        let (hidden, head) = (random.normal(rows * width), random.normal(vocabulary * width));
        let weights: Vec<f32> = (0..rows).map(|_| 0.1 + random.uniform()).collect();
        let tokens: Vec<u32> = (0..rows).map(|_| (random.bits() % vocabulary as u64) as u32).collect();
        let goals: Vec<Goal> = tokens.iter().zip(&weights).map(|(&token, &weight)| Goal { token, weight }).collect();
        let frozen = Frozen::new(&head, vocabulary, width, Precision::F32);
        let mut d_hidden = vec![0.0; hidden.len()];
        let losses =
            cross_entropy::forward_backward(&hidden, &frozen, &goals, Some(&mut d_hidden), &mut Vec::new());
        let table = tensor(&head, &[vocabulary, width]);
        for row in 0..rows {
            let (lines, target) = (row * width..(row + 1) * width, Tensor::from_slice(&tokens[row..=row], 1, &CPU));
            let target = target.unwrap();
            let (value, gradient) = tape(&hidden[lines.clone()], &[1, 1, width], &[weights[row]], |x| {
                ops::cross_entropy(&ops::linear(x, &table).unwrap().squeeze(0).unwrap(), &target).unwrap()
            });
            assert_close(&[losses[row]], &value, 1e-5);
            assert_close(&d_hidden[lines], &gradient, 2e-5);
        }
    }

    #[test]
    fn low_rank_products(
        lengths in prop::collection::vec(1usize..90, 1..5),
        (input, output, rank) in (1usize..50, 1usize..50, 1usize..19),
        seed: u64,
    ) {
        let batch = Ragged::new(lengths);
        let rows = batch.rows();
        let mut random = Random::new(seed);
        let (a_size, b_size) = (rank * input, output * rank);
        let slot = Slot { layer: 0, target: Target::Query, input, output, a: 0..a_size, b: a_size..a_size + b_size };
        let spec = LoraSpec::new(rank, 3, vec![Target::Query]).unwrap();
        let scale = f64::from(spec.scale());
        let lora = Lora { spec, slots: vec![slot.clone()], parameters: random.normal(a_size + b_size) };
        let (x, dy) = (random.normal(rows * input), random.normal(rows * output));
        let (mut y, mut dx) = (vec![0.0; rows * output], vec![0.0; rows * input]);
        let scratch = &mut lora::Scratch::default();
        lora::forward(&mut y, &x, &lora, &slot, scratch);
        let mut gradients = vec![7.0; batch.len() * lora.parameters.len()];
        lora::backward(&mut gradients, Some(&mut dx), (&x, &dy), &lora, &slot, &batch, scratch);
        let factors = lora.parameters.split_at(a_size);
        let (a, b) = (tensor(factors.0, &[1, rank, input]), tensor(factors.1, &[1, output, rank]));
        for (example, range) in batch.ranges().enumerate() {
            let (xs, ys) = (range.start * input..range.end * input, range.start * output..range.end * output);
            let x_t = tensor(&x[xs.clone()], &[1, range.len(), input]);
            let shape = [1, range.len(), input];
            let run = |x: &Tensor, a: &Tensor, b: &Tensor| ops::low_rank(x, a, b, scale).unwrap();
            let (value, by_x) = tape(&x[xs.clone()], &shape, &dy[ys.clone()], |x| run(x, &a, &b));
            let (_, by_a) = tape(factors.0, &[1, rank, input], &dy[ys.clone()], |a| run(&x_t, a, &b));
            let (_, by_b) = tape(factors.1, &[1, output, rank], &dy[ys.clone()], |b| run(&x_t, &a, b));
            let own = &gradients[example * lora.parameters.len()..][..lora.parameters.len()];
            assert_close(&y[ys], &value, 2e-5);
            assert_close(&dx[xs], &by_x, 2e-5);
            assert_close(&own[..a_size], &by_a, 2e-5);
            assert_close(&own[a_size..], &by_b, 2e-5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(8), ..Default::default() })]

    #[test]
    fn per_example_gradients(
        // Of two tokens the only query with a target sees one key: gradients of queries and keys are zero but for rounding.
        lengths in prop::collection::vec(3usize..60, 1..4),
        (hidden, inner, rank) in (1usize..5, 1usize..40, 1usize..10),
        (tied, recomputed) in any::<(bool, bool)>(),
        targets in prop::sample::subsequence(Target::ALL.to_vec(), 1..=7),
        seed: u64,
    ) {
        let shape = (8 * hidden + 3, inner, rank);
        // to 1e-4 of the norm, in models of any width
        compare_gradients(shape, Precision::F32, &lengths, (tied, recomputed), targets, seed, 1e-4)?;
    }

    /// Rounding to 8 bits averages out over the width of a model: at 11 to 35, one example in thousands comes to 8e-2.
    #[test]
    fn per_example_gradients_in_bf16(
        lengths in prop::collection::vec(3usize..60, 1..4),
        (hidden, inner, rank) in (24usize..40, 128usize..256, 1usize..10),
        (tied, recomputed) in any::<(bool, bool)>(),
        targets in prop::sample::subsequence(Target::ALL.to_vec(), 1..=7),
        seed: u64,
    ) {
        let shape = (4 * hidden + 3, inner, rank);
        compare_gradients(shape, Precision::Bf16, &lengths, (tied, recomputed), targets, seed, 2e-2)?;
    }
}

/// The whole decoder's per-example gradients against those of the composed form on the same weights, relative to their
/// norm. `shape`: hidden size, inner size, rank.
fn compare_gradients(
    (hidden_size, intermediate_size, rank): (usize, usize, usize),
    precision: Precision,
    lengths: &[usize],
    (tied, recomputed): (bool, bool),
    targets: Vec<Target>,
    seed: u64,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let config = DecoderConfig { hidden_size, intermediate_size, layers: 2, ..tiny_config(tied) };
    let composed = Composed::new(&config, &tiny_weights(&config, seed, precision), &CPU).unwrap();
    let decoder = Decoder::new(config.clone(), tiny_weights(&config, seed, precision)).unwrap();
    let (mut random, width) = (Random::new(seed ^ 1), (24.0 / hidden_size as f32).sqrt());
    let mut lora = Lora::zeros(&config, LoraSpec::new(rank, 7, targets).unwrap());
    lora.parameters.iter_mut().for_each(|value| *value = (random.uniform() - 0.5) * 0.4 * width);
    let batch = examples(&config, lengths, seed ^ 2);
    let batch: Vec<&Example> = batch.iter().collect();
    let (expected, _) = composed.per_example_gradients(&lora, &batch).unwrap();
    let activations = if recomputed { Activations::Recomputed } else { Activations::Kept };
    let mut got = Vec::new();
    decoder.per_example_gradients(&lora, &batch, &mut Workspace::new(activations), &mut got).unwrap();
    let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let size = lora.parameters.len();
    for (got, expected) in got.chunks(size).zip(expected.chunks(size)) {
        let apart: Vec<f32> = got.iter().zip(expected).map(|(a, b)| a - b).collect();
        let (apart, whole) = (norm(&apart), norm(expected));
        prop_assert!(apart <= tolerance * whole + 1e-6, "{apart:e} of {whole:e}");
    }
    Ok(())
}
