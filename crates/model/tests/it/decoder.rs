//! The whole decoder: kernels against composed, examples in company against alone, cache against no cache.

use candle_core::Device;
use cloister_model::composed::Composed;
use cloister_model::example::Example;
use cloister_model::{Activations, Decoder, Kernels, Lora, LoraSpec, Precision, Target, Workspace};

use crate::support::{assert_close, examples, finite_difference, tiny, tiny_config, tiny_lora, tiny_weights};

fn refs(examples: &[Example]) -> Vec<&Example> {
    examples.iter().collect()
}

fn gradients(decoder: &Decoder, lora: &Lora, examples: &[&Example]) -> Vec<f32> {
    let mut out = Vec::new();
    decoder.per_example_gradients(lora, examples, &mut Workspace::default(), &mut out).unwrap();
    out
}

#[test]
fn logits_equal_the_composed_decoder() {
    for tied in [true, false] {
        let config = tiny_config(tied);
        let composed = Composed::new(&config, &tiny_weights(&config, 11, Precision::F32), &Device::Cpu).unwrap();
        let decoder = tiny(tied, 11);
        let lora = tiny_lora(&config, &Target::ALL, 12);
        let tokens: Vec<u32> = (0..40).map(|i| (i * 17 + 3) % 61).collect();
        for adapter in [None, Some(&lora)] {
            let expected = composed.logits(adapter, &tokens).unwrap();
            assert_close(&decoder.logits(adapter, &tokens).unwrap(), &expected, 2e-5);
        }
        let (base, adapted) = (decoder.logits(None, &tokens).unwrap(), decoder.logits(Some(&lora), &tokens).unwrap());
        assert!(base.iter().zip(&adapted).any(|(a, b)| (a - b).abs() > 0.1), "the adapter must matter");
    }
}

#[test]
fn per_example_gradients_equal_the_composed_decoder() {
    let config = tiny_config(true);
    let (decoder, batch) = (tiny(true, 21), examples(&config, &[5, 17, 2, 30], 22));
    let composed = Composed::new(&config, &tiny_weights(&config, 21, Precision::F32), &Device::Cpu).unwrap();
    for targets in [&Target::ALL[..], &[Target::Query, Target::Value], &[Target::Down], &[Target::Key, Target::Output]]
    {
        let lora = tiny_lora(&config, targets, 23);
        let (expected, losses) = composed.per_example_gradients(&lora, &refs(&batch)).unwrap();
        let mut got = Vec::new();
        let own = decoder.per_example_gradients(&lora, &refs(&batch), &mut Workspace::default(), &mut got).unwrap();
        assert_close(&got, &expected, 1e-4);
        for (a, b) in own.iter().zip(&losses) {
            assert_eq!(a.targets, b.targets);
            assert!((a.nats - b.nats).abs() < 1e-3);
        }
    }
}

#[test]
fn the_composed_kernels_answer_every_question_as_the_fused_do() {
    let config = tiny_config(true);
    let batch = examples(&config, &[5, 17, 2], 27);
    let build =
        |kernels| Decoder::with_kernels(config.clone(), tiny_weights(&config, 28, Precision::F32), kernels).unwrap();
    let (fused, composed) = (build(Kernels::Fused), build(Kernels::Composed));
    let lora = tiny_lora(&config, &Target::ALL, 29);
    assert_close(&gradients(&composed, &lora, &refs(&batch)), &gradients(&fused, &lora, &refs(&batch)), 1e-4);
    let losses = |decoder: &Decoder| decoder.losses(Some(&lora), &refs(&batch), &mut Workspace::default()).unwrap();
    for (a, b) in losses(&composed).iter().zip(losses(&fused)) {
        assert!((a.nats - b.nats).abs() < 1e-3 && a.targets == b.targets);
    }
    let (mut slow, mut fast) = (composed.session(Some(&lora)), fused.session(Some(&lora)));
    for part in [&[3, 1, 4, 1][..], &[5], &[9, 2]] {
        assert_close(&slow.feed(part).unwrap(), &fast.feed(part).unwrap(), 2e-5);
        assert_eq!(slow.len(), fast.len());
    }
}

#[test]
fn recomputed_activations_change_no_bit_of_the_gradients() {
    let config = tiny_config(true);
    let batch = examples(&config, &[5, 17, 1, 30], 24);
    for precision in [Precision::F32, Precision::Bf16] {
        let decoder = Decoder::new(config.clone(), tiny_weights(&config, 25, precision)).unwrap();
        let lora = tiny_lora(&config, &Target::ALL, 26);
        let (mut workspace, mut got) = (Workspace::new(Activations::Recomputed), Vec::new());
        for batch in [&refs(&batch)[..], &refs(&batch)[1..2]] {
            decoder.per_example_gradients(&lora, batch, &mut workspace, &mut got).unwrap();
            assert_eq!(got, gradients(&decoder, &lora, batch));
        }
        let tokens = 2000;
        let bytes = |activations| Workspace::bytes(&config, tokens, activations, false);
        assert!(bytes(Activations::Recomputed) < bytes(Activations::Kept));
    }
}

#[test]
fn per_example_gradients_equal_finite_differences_of_the_loss() {
    let config = tiny_config(true);
    let (decoder, batch) = (tiny(true, 31), examples(&config, &[12], 32));
    let lora = tiny_lora(&config, &[Target::Query, Target::Gate, Target::Down], 33);
    let gradient = gradients(&decoder, &lora, &refs(&batch));
    finite_difference(&lora.parameters, &gradient, 2e-2, |parameters| {
        let moved = Lora { parameters: parameters.to_vec(), ..lora.clone() };
        decoder.losses(Some(&moved), &refs(&batch), &mut Workspace::default()).unwrap()[0].mean()
    });
}

/// Acceptance: relative 1e-4 between a batch and batches of one; sixteen single passes and two of eight agree.
#[test]
fn an_example_has_the_same_gradient_alone_and_in_company() {
    let config = tiny_config(true);
    let lengths = [3, 9, 64, 2, 21, 33, 5, 12, 40, 7, 19, 28, 4, 50, 11, 16];
    let (decoder, batch) = (tiny(true, 41), examples(&config, &lengths, 42));
    let lora = tiny_lora(&config, &Target::ALL, 43);
    let all = gradients(&decoder, &lora, &refs(&batch));
    let singles: Vec<f32> = batch.iter().flat_map(|one| gradients(&decoder, &lora, &[one])).collect();
    let halves: Vec<f32> = batch.chunks(8).flat_map(|part| gradients(&decoder, &lora, &refs(part))).collect();
    let size = lora.parameters.len();
    for other in [&singles, &halves] {
        for (a, b) in all.chunks(size).zip(other.chunks(size)) {
            let norm: f32 = b.iter().map(|v| v * v).sum::<f32>().sqrt();
            let difference: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt();
            assert!(norm > 0.0 && difference <= 1e-4 * norm, "{difference} against {norm}");
        }
    }
    let sum = |rows: &[f32]| {
        let mut total = vec![0.0f32; size];
        rows.chunks(size).for_each(|row| total.iter_mut().zip(row).for_each(|(t, v)| *t += v));
        total
    };
    assert_close(&sum(&singles), &sum(&halves), 1e-4);
}

/// Sensitivity rests on it: a unit that is left out must not change another's gradient. One target row, long examples, and
/// every number of threads' parts of them are among these. `f32` promises it of its own kernel only.
#[test]
fn an_example_has_the_same_bits_alone_and_in_company() {
    let config = cloister_model::DecoderConfig { context_length: 256, ..tiny_config(true) };
    let batch = examples(&config, &[2, 150, 3, 200, 9, 64], 45);
    let lora = tiny_lora(&config, &Target::ALL, 46);
    for precision in [Precision::Bf16, Precision::Q8, Precision::Q4] {
        let decoder = Decoder::new(config.clone(), tiny_weights(&config, 44, precision)).unwrap();
        let all = gradients(&decoder, &lora, &refs(&batch));
        let singles: Vec<f32> = batch.iter().flat_map(|one| gradients(&decoder, &lora, &[one])).collect();
        assert!(all == singles, "{precision}");
    }
}

#[test]
fn a_workspace_left_by_a_larger_batch_changes_nothing() {
    let config = tiny_config(true);
    let (decoder, lora) = (tiny(true, 51), tiny_lora(&config, &Target::ALL, 53));
    let (large, small) = (examples(&config, &[60, 60, 60], 54), examples(&config, &[7, 4], 55));
    let (mut workspace, mut out) = (Workspace::default(), Vec::new());
    decoder.per_example_gradients(&lora, &refs(&large), &mut workspace, &mut out).unwrap();
    decoder.per_example_gradients(&lora, &refs(&small), &mut workspace, &mut out).unwrap();
    assert_eq!(out, gradients(&decoder, &lora, &refs(&small)));
}

#[test]
fn one_non_finite_example_leaves_its_neighbours_alone() {
    let config = tiny_config(true);
    let mut weights = tiny_weights(&config, 61, Precision::F32);
    let poisoned = 60usize;
    weights.embedding.set_rows(poisoned, &vec![f32::NAN; config.hidden_size]);
    // untied, so that the NaN reaches only the sequence that holds the token
    let config = cloister_model::DecoderConfig { tied_embeddings: false, ..config };
    weights.head = Some(tiny_weights(&tiny_config(true), 62, Precision::F32).embedding);
    let decoder = Decoder::new(config.clone(), weights).unwrap();
    let lora = tiny_lora(&config, &Target::ALL, 63);
    let mut batch = examples(&config, &[9, 12, 9], 64);
    batch.iter_mut().for_each(|e| e.tokens.iter_mut().for_each(|t| *t %= 60));
    let clean = gradients(&decoder, &lora, &refs(&batch));
    batch[1].tokens[2] = poisoned as u32;
    let mixed = gradients(&decoder, &lora, &refs(&batch));
    let size = lora.parameters.len();
    assert!(mixed[size..2 * size].iter().any(|v| v.is_nan()), "the poisoned example must show in its own row");
    assert_eq!(clean[..size], mixed[..size]);
    assert_eq!(clean[2 * size..], mixed[2 * size..]);
}

#[test]
fn the_cache_gives_the_logits_of_the_whole_sequence() {
    let config = tiny_config(true);
    let (decoder, lora) = (tiny(true, 71), tiny_lora(&config, &Target::ALL, 72));
    let tokens: Vec<u32> = (0..30).map(|i| (i * 23 + 5) % 61).collect();
    let whole = decoder.logits(Some(&lora), &tokens).unwrap();
    let mut session = decoder.session(Some(&lora));
    let mut fed = 0;
    for part in [7, 1, 1, 12, 1, 8] {
        let logits = session.feed(&tokens[fed..fed + part]).unwrap();
        fed += part;
        assert_close(&logits, &whole[(fed - 1) * 61..fed * 61], 2e-5);
    }
    assert_eq!(session.len(), 30);
}

#[test]
fn a_fresh_adapter_is_the_base_and_has_gradients_in_b_only() {
    let config = tiny_config(true);
    let decoder = tiny(true, 81);
    let mut lora = Lora::zeros(&config, LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap());
    let mut random = crate::support::Random::new(82);
    lora.initialise(|| random.uniform());
    assert!(lora.is_identity());
    let tokens = [1, 2, 3, 4];
    assert_eq!(decoder.logits(Some(&lora), &tokens).unwrap(), decoder.logits(None, &tokens).unwrap());
    let gradient = gradients(&decoder, &lora, &refs(&examples(&config, &[10], 83)));
    for slot in &lora.slots {
        assert!(gradient[slot.a.clone()].iter().all(|&v| v == 0.0));
        assert!(gradient[slot.b.clone()].iter().any(|&v| v != 0.0));
    }
}

#[test]
fn sequences_that_do_not_fit_are_refused() {
    let config = tiny_config(true);
    let decoder = tiny(true, 91);
    assert!(decoder.logits(None, &[]).is_err());
    assert!(decoder.logits(None, &[61]).is_err());
    assert!(decoder.logits(None, &vec![1; config.context_length + 1]).is_err());
    let mut session = decoder.session(None);
    session.feed(&vec![1; config.context_length]).unwrap();
    assert!(session.feed(&[1]).is_err());
}

/// Both operands of every product are rounded to 8 bits of mantissa; the sums are not.
#[test]
fn rounded_gradients_stay_close_to_the_composed_decoder_on_the_same_weights() {
    for precision in [Precision::Bf16, Precision::Q8, Precision::Q4] {
        compare_with_composed(precision);
    }
}

fn compare_with_composed(precision: Precision) {
    let config = tiny_config(true);
    let weights = || tiny_weights(&config, 91, precision);
    let composed = Composed::new(&config, &weights(), &Device::Cpu).unwrap();
    let decoder = Decoder::new(config.clone(), weights()).unwrap();
    let batch = examples(&config, &[5, 17, 2, 30], 92);
    let lora = tiny_lora(&config, &Target::ALL, 93);
    let (expected, _) = composed.per_example_gradients(&lora, &refs(&batch)).unwrap();
    let got = gradients(&decoder, &lora, &refs(&batch));
    let size = lora.parameters.len();
    for (got, expected) in got.chunks(size).zip(expected.chunks(size)) {
        let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let apart = norm(&mut got.iter().zip(expected).map(|(g, e)| g - e)) / norm(&mut expected.iter().copied());
        assert!(apart > 0.0 && apart < 2e-2, "{precision}: {apart}");
    }
}
