//! Quantised bases: blocks of the file are taken over, what the file keeps finer is not made coarser than eight bits.

use std::io::Write;
use std::path::PathBuf;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor as Reference};
use cloister_model::{Base, Decoder, Error, Precision, Weights};

use super::writer::{self, File, tiny};
use super::{error, gguf_tensors, peer};

fn open(file: &File, precision: Precision) -> Result<Weights, Error> {
    let mut stored = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    stored.write_all(&file.bytes()).unwrap();
    Base::open(stored.path(), precision).map(|(_, weights)| weights)
}

/// The tiny model with every matrix of whole blocks stored as `kind`, query and key among them.
fn stored(number: u32, kind: GgmlDType) -> File {
    let mut file = tiny();
    for tensor in &mut file.tensors {
        if tensor.dimensions.len() < 2 || !tensor.dimensions[0].is_multiple_of(32) {
            continue;
        }
        let values: Vec<f32> =
            tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let shape = (tensor.dimensions[1] as usize, tensor.dimensions[0] as usize);
        let values = Reference::from_vec(values, shape, &Device::Cpu).unwrap();
        tensor.bytes = QTensor::quantize(&values, kind).unwrap().data().unwrap().to_vec();
        tensor.kind = number;
    }
    file
}

#[test]
fn blocks_of_the_file_are_taken_over_exactly_and_in_order() {
    // Of a panel of 48 outputs by 32 inputs: quants, scales, minima.
    let (eight, four) = (48 * 34, 48 * 20);
    let cases = [
        (2, GgmlDType::Q4_0, Precision::Q4, four),
        (3, GgmlDType::Q4_1, Precision::Q4, four),
        (8, GgmlDType::Q8_0, Precision::Q4, eight),
        (6, GgmlDType::Q5_0, Precision::Q4, eight),
        (2, GgmlDType::Q4_0, Precision::Q8, eight),
        (8, GgmlDType::Q8_0, Precision::Q8, eight),
    ];
    for (number, kind, precision, bytes) in cases {
        let file = stored(number, kind);
        let (exact, kept) = (open(&file, Precision::F32).unwrap(), open(&file, precision).unwrap());
        for ((name, exact), (_, kept)) in gguf_tensors(&exact).iter().zip(gguf_tensors(&kept)) {
            // Stored in 32 bits, for it is not whole blocks wide.
            if !name.contains("ffn_down") {
                assert!(*exact == kept, "{name} of {kind:?} in {precision}");
            }
        }
        assert_eq!(kept.layers[0].query.bytes(), bytes, "{kind:?} in {precision}");
    }
}

#[test]
fn what_is_stored_otherwise_goes_to_the_nearest_of_eight_bits() {
    for (number, kind) in [(0, GgmlDType::F32), (1, GgmlDType::F16), (3, GgmlDType::Q4_1), (7, GgmlDType::Q5_1)] {
        let file = stored(number, kind);
        let precision = if kind == GgmlDType::Q4_1 { Precision::Q8 } else { Precision::Q4 };
        let (exact, kept) = (open(&file, Precision::F32).unwrap(), open(&file, precision).unwrap());
        assert_eq!(kept.layers[0].query.bytes(), 48 * 34);
        for ((name, exact), (_, kept)) in gguf_tensors(&exact).iter().zip(gguf_tensors(&kept)) {
            let apart = exact.iter().zip(&kept).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let widest = exact.iter().copied().map(f32::abs).fold(0.0, f32::max);
            // The norms stay in 32 bits.
            let bound = if name.contains("norm") { 0.0 } else { widest / 127.0 / 2.0 * 1.001 };
            assert!(apart <= bound, "{name} of {kind:?}: {apart} above {bound}");
        }
    }
}

#[test]
fn a_folder_runs_in_every_precision() {
    let logits = |precision| {
        let (base, weights) = Base::open(&peer("tiny_llama"), precision).unwrap();
        Decoder::new(base.config, weights).unwrap().logits(None, &[1, 5, 9, 2]).unwrap()
    };
    let exact = logits(Precision::F32);
    for precision in [Precision::Bf16, Precision::Q8, Precision::Q4] {
        let apart = distance(&logits(precision), &exact);
        assert!(apart > 0.0 && apart < 3e-2, "{precision}: {apart}");
    }
}

#[test]
fn what_blocks_cannot_hold_is_refused() {
    for (number, first, message) in [
        (8, 0x7c00_u16, "holds a value that is not finite"),
        (3, 0x7e00, "holds a value that is not finite"),
        (2, 0xfc00, "holds a value that is not finite"),
    ] {
        let kind = [(8, GgmlDType::Q8_0), (3, GgmlDType::Q4_1), (2, GgmlDType::Q4_0)];
        let mut file = stored(number, kind.iter().find(|kind| kind.0 == number).unwrap().1);
        file.tensor("blk.1.attn_k.weight").bytes[..2].copy_from_slice(&first.to_le_bytes());
        for precision in [Precision::Q4, Precision::Q8] {
            let refused = error(open(&file, precision)).to_string();
            assert!(refused.contains("blk.1.attn_k.weight") && refused.contains(message), "{refused}");
        }
    }
    let mut file = tiny();
    let name = "blk.0.ffn_up.weight";
    file.tensor(name).bytes[..4].copy_from_slice(&writer::f32_bytes(&[-9e6]));
    assert!(open(&file, Precision::F32).is_ok());
    let refused = error(open(&file, Precision::Q8)).to_string();
    assert!(refused.contains(name) && refused.contains("holds a value above 8.3e6, the largest in q8"), "{refused}");
}

/// The real base in all precisions on one text: how far the logits are from those in 32 bits, and what is held.
#[test]
fn the_real_base_answers_alike_in_every_precision() {
    let Some(path) = std::env::var_os("CLOISTER_TEST_BASE").map(PathBuf::from) else {
        eprintln!("skipped: CLOISTER_TEST_BASE does not name the SmolLM2 file");
        return;
    };
    let (base, exact) = Base::open(&path, Precision::F32).unwrap();
    let text = "The fever came back on Tuesday, so the clinic asked her to bring the results of both blood tests. \
                She found the first in a drawer; the second had gone to her old address in Leeds, and the laboratory \
                would not send it again without a signed form. How long does such a form take?";
    let tokens = base.tokenizer.encode(text, true).unwrap();
    let run = |weights: Weights| {
        let decoder = Decoder::new(base.config.clone(), weights).unwrap();
        (decoder.logits(None, &tokens).unwrap(), decoder.weight_bytes())
    };
    let stored = gguf_tensors(&exact);
    let (expected, _) = run(exact);
    // Four bits with a minimum do not fit eight bits without one: in q8 the weights of this file are rounded.
    let cases = [
        (Precision::Bf16, 268_959_744, 1.5e-2),
        (Precision::Q8, 142_884_864, 4e-2),
        (Precision::Q4, 96_436_224, 1.5e-2),
    ];
    for (precision, bytes, most) in cases {
        let weights = Base::open(&path, precision).unwrap().1;
        if precision == Precision::Q4 {
            assert!(gguf_tensors(&weights) == stored, "every tensor of this file has a form that is taken over");
        }
        let (got, held) = run(weights);
        let lines = || got.chunks(base.config.vocab_size).zip(expected.chunks(base.config.vocab_size));
        let best = |line: &[f32]| (0..line.len()).max_by(|&a, &b| line[a].total_cmp(&line[b]));
        let same = lines().filter(|(got, expected)| best(got) == best(expected)).count();
        let apart = distance(&got, &expected);
        eprintln!("{precision}: {held} bytes, logits {apart:.1e} apart, {same} of {} most likely tokens", tokens.len());
        assert_eq!(held, bytes);
        assert!(apart < most && same * 20 >= tokens.len() * 19, "{precision}: {apart}, {same}");
    }
}

/// Euclidean distance relative to the length of `expected`.
fn distance(got: &[f32], expected: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(expected).map(|(g, e)| g - e)) / norm(&mut expected.iter().copied())
}
