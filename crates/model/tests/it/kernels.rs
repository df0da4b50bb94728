//! Every kernel against its composed form, in value and gradient, and against finite differences.

use candle_core::{Device, Tensor, Var};
use cloister_model::composed::ops;
use cloister_model::family::{Activation, RopeScaling};
use cloister_model::kernels::attention::{self, Heads, Saved};
use cloister_model::kernels::cross_entropy::{self, Goal};
use cloister_model::kernels::matmul::Into;
use cloister_model::kernels::{Ragged, glu, lora, rms_norm, rope};
use cloister_model::{Frozen, Lora, LoraSpec, Precision, Slot, Target};

use crate::support::{Random, assert_close, finite_difference};

const CPU: Device = Device::Cpu;

/// The value of `f`, and the gradient of `sum(weights * f(x))` by the tape.
pub fn tape(x: &[f32], shape: &[usize], weights: &[f32], f: impl Fn(&Tensor) -> Tensor) -> (Vec<f32>, Vec<f32>) {
    let var = Var::from_tensor(&Tensor::from_slice(x, shape, &CPU).unwrap()).unwrap();
    let y = f(var.as_tensor());
    let weights = Tensor::from_slice(weights, y.shape().dims(), &CPU).unwrap();
    let gradients = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (y.flatten_all().unwrap().to_vec1().unwrap(), gradient)
}

fn weighted(y: &[f32], weights: &[f32]) -> f64 {
    y.iter().zip(weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
}

#[test]
fn linear_equals_the_composed_form() {
    let mut random = Random::new(1);
    let (rows, input, output) = (7, 24, 40);
    let (x, w, dy) = (random.normal(rows * input), random.normal(output * input), random.normal(rows * output));
    let frozen = Frozen::new(&w, output, input, Precision::F32);
    let mut y = vec![0.0; rows * output];
    frozen.forward(&mut y, Into::Replace, &x, rows);
    let mut dx = vec![0.0; rows * input];
    frozen.backward(&mut dx, Into::Replace, &dy, rows);
    let weight = Tensor::from_slice(&w, (output, input), &CPU).unwrap();
    let (value, gradient) = tape(&x, &[1, rows, input], &dy, |x| ops::linear(x, &weight).unwrap());
    assert_close(&y, &value, 1e-5);
    assert_close(&dx, &gradient, 1e-5);
    finite_difference(&x, &dx, 1e-2, |x| {
        let mut y = vec![0.0; rows * output];
        frozen.forward(&mut y, Into::Replace, x, rows);
        weighted(&y, &dy)
    });
}

/// Weights in blocks against the product over the numbers that they stand for: only the rounding to bf16 is between them.
#[test]
fn quantised_products_stay_within_bf16_of_the_composed_form() {
    let mut random = Random::new(31);
    for precision in [Precision::Q8, Precision::Q4] {
        for (rows, input, output) in [(1, 33, 50), (3, 95, 47), (17, 160, 97), (8, 64, 48)] {
            let (x, dy) = (random.normal(rows * input), random.normal(rows * output));
            let frozen = Frozen::new(&random.scaled(output * input, 0.1), output, input, precision);
            let w = Tensor::from_vec(frozen.values(), (output, input), &CPU).unwrap();
            let (value, gradient) = tape(&x, &[1, rows, input], &dy, |x| ops::linear(x, &w).unwrap());
            let mut y = vec![0.0; rows * output];
            frozen.forward(&mut y, Into::Replace, &x, rows);
            let mut dx = vec![1.0; rows * input];
            frozen.backward(&mut dx, Into::Add, &dy, rows);
            dx.iter_mut().for_each(|value| *value -= 1.0);
            assert_close(&y, &value, 1e-2);
            assert_close(&dx, &gradient, 1e-2);
        }
    }
}

#[test]
fn rms_norm_equals_the_composed_form() {
    let mut random = Random::new(2);
    let (rows, width) = (5, 33);
    let (x, gain, dy) = (random.normal(rows * width), random.normal(width), random.normal(rows * width));
    let run = |x: &[f32]| {
        let (mut y, mut reciprocals) = (vec![0.0; rows * width], vec![0.0; rows]);
        rms_norm::forward(&mut y, &mut reciprocals, x, &gain, 1e-5);
        (y, reciprocals)
    };
    let (y, reciprocals) = run(&x);
    let mut again = vec![0.0; rows * width];
    rms_norm::recompute(&mut again, &reciprocals, &x, &gain);
    assert_eq!(y, again);
    let before = random.normal(rows * width);
    let mut dx = before.clone();
    rms_norm::backward(&mut dx, &dy, &reciprocals, &x, &gain);
    let own: Vec<f32> = dx.iter().zip(&before).map(|(a, b)| a - b).collect();
    let mut in_place = dy.clone();
    rms_norm::backward_in_place(&mut in_place, &reciprocals, &x, &gain);
    assert_close(&in_place, &own, 1e-6);
    let g = Tensor::from_slice(&gain, width, &CPU).unwrap();
    let (value, gradient) = tape(&x, &[rows, width], &dy, |x| ops::rms_norm(x, &g, 1e-5).unwrap());
    assert_close(&y, &value, 1e-5);
    assert_close(&own, &gradient, 1e-5);
    finite_difference(&x, &own, 1e-2, |x| weighted(&run(x).0, &dy));
}

#[test]
fn gated_units_equal_the_composed_form() {
    for (function, scale, seed) in [(Activation::Silu, 1.0, 3), (Activation::GeluTanh, 2.0, 9)] {
        let mut random = Random::new(seed);
        let (gate, up, da) = (random.scaled(100, scale), random.normal(100), random.normal(100));
        let run = |gate: &[f32], up: &[f32]| {
            let mut a = vec![0.0; 100];
            glu::forward(function, &mut a, gate, up);
            a
        };
        let (mut d_gate, mut d_up) = (gate.clone(), up.clone());
        glu::backward(function, &mut d_gate, &mut d_up, &da);
        let tensor = |v: &[f32]| Tensor::from_slice(v, 100, &CPU).unwrap();
        let (value, by_gate) = tape(&gate, &[100], &da, |g| ops::glu(function, g, &tensor(&up)).unwrap());
        let (_, by_up) = tape(&up, &[100], &da, |u| ops::glu(function, &tensor(&gate), u).unwrap());
        assert_close(&run(&gate, &up), &value, 1e-5);
        assert_close(&d_gate, &by_gate, 1e-5);
        assert_close(&d_up, &by_up, 1e-5);
        finite_difference(&gate, &d_gate, 1e-2, |gate| weighted(&run(gate, &up), &da));
        finite_difference(&up, &d_up, 1e-2, |up| weighted(&run(&gate, up), &da));
    }
}

/// Far from zero the gate is the identity or nothing, and its slope one or zero.
#[test]
fn gelu_is_finite_far_from_zero() {
    let gate = [-1e6, -40.0, -12.0, 0.0, 12.0, 40.0, 1e6];
    let mut a = [0.0; 7];
    glu::forward(Activation::GeluTanh, &mut a, &gate, &[1.0; 7]);
    assert_close(&a, &[0.0, 0.0, 0.0, 0.0, 12.0, 40.0, 1e6], 1e-12);
    let (mut d_gate, mut d_up) = (gate, [1.0; 7]);
    glu::backward(Activation::GeluTanh, &mut d_gate, &mut d_up, &[1.0; 7]);
    assert_close(&d_gate, &[0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0], 1e-6);
}

#[test]
fn rope_equals_the_composed_form_and_turns_back() {
    let mut random = Random::new(4);
    let (length, heads, dim, theta) = (9, 3, 8, 10_000.0);
    let rows = random.normal(length * heads * dim);
    let frequencies = RopeScaling::None.frequencies(theta, dim);
    let table = rope::Table::new(length, frequencies.clone());
    let mut major = vec![0.0; rows.len()];
    rope::split_heads(&mut major, &rows, heads, dim, Some(&table), 0);
    let (cos, sin) = ops::rope_table(length, &frequencies, &CPU).unwrap();
    let ones = vec![1.0; rows.len()];
    let (value, _) = tape(&rows, &[1, length, heads, dim], &ones, |x| {
        ops::rope(&x.transpose(1, 2).unwrap().contiguous().unwrap(), &cos, &sin).unwrap()
    });
    assert_close(&major, &value, 1e-5);
    let mut back = vec![0.0; rows.len()];
    rope::join_heads(&mut back, &major, heads, dim, Some(&table));
    assert_close(&back, &rows, 1e-5);
    // the rotation is orthogonal, so turning back is its gradient
    let dy = random.normal(rows.len());
    let mut dx = vec![0.0; rows.len()];
    rope::join_heads(&mut dx, &dy, heads, dim, Some(&table));
    finite_difference(&rows, &dx, 1e-2, |rows| {
        let mut major = vec![0.0; rows.len()];
        rope::split_heads(&mut major, rows, heads, dim, Some(&table), 0);
        weighted(&major, &dy)
    });
}

/// A window of one key, windows within a block of queries and across its borders, and none.
#[test]
fn attention_equals_the_composed_form_across_block_borders() {
    for window in [None, Some(1), Some(7), Some(64), Some(100), Some(500)] {
        attention_equals_the_composed_form(window);
    }
}

fn attention_equals_the_composed_form(window: Option<usize>) {
    let heads = Heads { query: 4, kv: 2, dim: 8, window };
    let batch = Ragged::new([1, 5, 64, 131]);
    let rows = batch.rows();
    let mut random = Random::new(5);
    let (q, k, v) = (random.normal(rows * 32), random.normal(rows * 16), random.normal(rows * 16));
    let d_out = random.normal(rows * 32);
    let (mut out, mut log_sums) = (vec![0.0; rows * 32], vec![0.0; rows * 4]);
    attention::forward(&mut out, &mut log_sums, &q, &k, &v, &batch, heads);
    let (mut dq, mut dk, mut dv) = (vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]);
    let saved = Saved { q: &q, k: &k, v: &v, out: &out, log_sums: &log_sums };
    attention::backward((&mut dq, &mut dk, &mut dv), &d_out, &saved, &batch, heads);
    for range in batch.ranges() {
        let length = range.len();
        let part = |data: &[f32], width: usize| data[range.start * width..range.end * width].to_vec();
        let tensor = |data: &[f32], heads: usize| Tensor::from_slice(data, (1, heads, length, 8), &CPU).unwrap();
        let (qs, ks, vs, dout) = (part(&q, 32), part(&k, 16), part(&v, 16), part(&d_out, 32));
        let (qt, kt, vt) = (tensor(&qs, 4), tensor(&ks, 2), tensor(&vs, 2));
        let (value, by_q) = tape(&qs, &[1, 4, length, 8], &dout, |q| ops::attention(q, &kt, &vt, window).unwrap());
        let (_, by_k) = tape(&ks, &[1, 2, length, 8], &dout, |k| ops::attention(&qt, k, &vt, window).unwrap());
        let (_, by_v) = tape(&vs, &[1, 2, length, 8], &dout, |v| ops::attention(&qt, &kt, v, window).unwrap());
        assert_close(&part(&out, 32), &value, 2e-5);
        assert_close(&part(&dq, 32), &by_q, 5e-5);
        assert_close(&part(&dk, 16), &by_k, 5e-5);
        assert_close(&part(&dv, 16), &by_v, 5e-5);
    }
}

#[test]
fn attention_gradients_equal_finite_differences() {
    for window in [None, Some(3)] {
        attention_gradients(window);
    }
}

fn attention_gradients(window: Option<usize>) {
    let heads = Heads { query: 2, kv: 1, dim: 4, window };
    let batch = Ragged::new([6]);
    let mut random = Random::new(6);
    let (q, k, v, d_out) = (random.normal(48), random.normal(24), random.normal(24), random.normal(48));
    let run = |q: &[f32], k: &[f32], v: &[f32]| {
        let (mut out, mut log_sums) = (vec![0.0; 48], vec![0.0; 12]);
        attention::forward(&mut out, &mut log_sums, q, k, v, &batch, heads);
        (out, log_sums)
    };
    let (out, log_sums) = run(&q, &k, &v);
    let (mut dq, mut dk, mut dv) = (vec![0.0; 48], vec![0.0; 24], vec![0.0; 24]);
    let saved = Saved { q: &q, k: &k, v: &v, out: &out, log_sums: &log_sums };
    attention::backward((&mut dq, &mut dk, &mut dv), &d_out, &saved, &batch, heads);
    finite_difference(&q, &dq, 1e-2, |q| weighted(&run(q, &k, &v).0, &d_out));
    finite_difference(&k, &dk, 1e-2, |k| weighted(&run(&q, k, &v).0, &d_out));
    finite_difference(&v, &dv, 1e-2, |v| weighted(&run(&q, &k, v).0, &d_out));
}

#[test]
fn cross_entropy_equals_the_composed_form_over_several_chunks() {
    let mut random = Random::new(7);
    let (rows, width, vocabulary) = (150, 8, 37);
    let (hidden, head) = (random.normal(rows * width), random.normal(vocabulary * width));
    let tokens: Vec<u32> = (0..rows as u32).map(|row| (row * 7) % vocabulary as u32).collect();
    let goals: Vec<Goal> = tokens.iter().map(|&token| Goal { token, weight: 1.0 / (1 + token) as f32 }).collect();
    let frozen = Frozen::new(&head, vocabulary, width, Precision::F32);
    let run = |hidden: &[f32], gradient: Option<&mut [f32]>| {
        cross_entropy::forward_backward(hidden, &frozen, &goals, gradient, &mut Vec::new())
    };
    let mut d_hidden = vec![0.0; hidden.len()];
    let losses = run(&hidden, Some(&mut d_hidden));
    assert_eq!(losses, run(&hidden, None));
    let table = Tensor::from_slice(&head, (vocabulary, width), &CPU).unwrap();
    let mut expected = Vec::new();
    for (row, &token) in tokens.iter().enumerate() {
        let target = Tensor::from_slice(&[token], 1, &CPU).unwrap();
        let (value, gradient) =
            tape(&hidden[row * width..(row + 1) * width], &[1, 1, width], &[goals[row].weight], |x| {
                let logits = ops::linear(x, &table).unwrap().squeeze(0).unwrap();
                ops::cross_entropy(&logits, &target).unwrap()
            });
        assert!((value[0] - losses[row]).abs() < 1e-5);
        expected.extend(gradient);
    }
    assert_close(&d_hidden, &expected, 1e-5);
    finite_difference(&hidden, &d_hidden, 1e-2, |hidden| {
        let losses = run(hidden, None);
        losses.iter().zip(&goals).map(|(l, g)| f64::from(*l) * f64::from(g.weight)).sum()
    });
}

#[test]
fn low_rank_gradients_are_each_examples_own() {
    let batch = Ragged::new([3, 1, 8]);
    let (rows, input, output, rank) = (batch.rows(), 10, 6, 4);
    let mut random = Random::new(8);
    let slot = Slot { layer: 0, target: Target::Query, input, output, a: 0..40, b: 40..64 };
    let spec = LoraSpec::new(rank, 8, vec![Target::Query]).unwrap();
    let adapter =
        |parameters: &[f32]| Lora { spec: spec.clone(), slots: vec![slot.clone()], parameters: parameters.to_vec() };
    let parameters = random.normal(64);
    let (x, dy) = (random.normal(rows * input), random.normal(rows * output));
    let run = |x: &[f32], parameters: &[f32]| {
        let mut y = vec![0.0; rows * output];
        lora::forward(&mut y, x, &adapter(parameters), &slot, &mut lora::Scratch::default());
        y
    };
    let (mut gradients, mut dx) = (vec![7.0; 3 * 64], vec![0.0; x.len()]);
    let thin = &mut lora::Scratch::default();
    lora::backward(&mut gradients, Some(&mut dx), (&x, &dy), &adapter(&parameters), &slot, &batch, thin);
    finite_difference(&x, &dx, 1e-2, |x| weighted(&run(x, &parameters), &dy));
    for (example, range) in batch.ranges().enumerate() {
        let own = &gradients[example * 64..(example + 1) * 64];
        let lines = range.start * output..range.end * output;
        finite_difference(&parameters, own, 1e-2, |parameters| {
            weighted(&run(&x, parameters)[lines.clone()], &dy[lines.clone()])
        });
    }
}
