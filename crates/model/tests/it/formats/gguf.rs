//! GGUF files: every value arrives, and nothing broken gets in.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor as Reference};
use cloister_model::Error;
use proptest::prelude::*;

use super::writer::{self, HEAD_DIM, HEADS, HIDDEN, INNER, KV_HEADS, LAYERS, Meta, Tensor, tiny, values};
use super::{error, gguf_tensors};

#[test]
fn every_weight_arrives_in_hugging_face_order() {
    let (base, weights) = tiny().open().unwrap();
    let config = &base.config;
    assert_eq!((config.hidden_size, config.intermediate_size, config.layers), (HIDDEN, INNER, LAYERS));
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (HEADS, KV_HEADS, HEAD_DIM));
    assert_eq!((config.context_length, config.rope_theta, config.tied_embeddings), (128, 50_000.0, true));
    assert!(weights.head.is_none());
    let tensors = gguf_tensors(&weights);
    assert_eq!(tensors.len(), 2 + 9 * LAYERS);
    for (name, data) in tensors {
        assert!(data == values(&name, data.len()), "{name}");
    }
    assert_eq!((base.identity.name.as_str(), base.identity.format), ("Tiny", "gguf"));
    assert_eq!(base.identity.tensor_types, [("F32".to_owned(), 2 + 9 * LAYERS)]);
}

#[test]
fn an_untied_head_and_version_2_are_read() {
    let mut file = tiny();
    file.version = 2;
    let dimensions = file.tensor("token_embd.weight").dimensions.clone();
    let head = values("output.weight", dimensions.iter().product::<u64>() as usize);
    let bytes = writer::f32_bytes(&head);
    file.tensors.push(Tensor { name: "output.weight".into(), dimensions, kind: 0, bytes, shift: 0 });
    let (base, weights) = file.open().unwrap();
    assert!(!base.config.tied_embeddings);
    assert!(weights.head.unwrap().values() == head);
}

/// candle quantises, candle dequantises, and so do we: three implementations of ggml's block formats agree.
#[test]
fn every_block_type_agrees_with_the_reference() {
    let kinds = [
        (0, GgmlDType::F32, "F32"),
        (1, GgmlDType::F16, "F16"),
        (30, GgmlDType::BF16, "BF16"),
        (2, GgmlDType::Q4_0, "Q4_0"),
        (3, GgmlDType::Q4_1, "Q4_1"),
        (6, GgmlDType::Q5_0, "Q5_0"),
        (7, GgmlDType::Q5_1, "Q5_1"),
        (8, GgmlDType::Q8_0, "Q8_0"),
        (10, GgmlDType::Q2K, "Q2_K"),
        (11, GgmlDType::Q3K, "Q3_K"),
        (12, GgmlDType::Q4K, "Q4_K"),
        (13, GgmlDType::Q5K, "Q5_K"),
        (14, GgmlDType::Q6K, "Q6_K"),
    ];
    for (number, kind, name) in kinds {
        // Wide enough for blocks of 256; only the embedding is quantised, with one row of every token.
        let mut file = wide();
        let embedding = file.tensor("token_embd.weight");
        let (width, rows) = (embedding.dimensions[0] as usize, embedding.dimensions[1] as usize);
        let data: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.731).sin() * (1.0 + (i % 97) as f32)).collect();
        let reference = Reference::from_vec(data, (rows, width), &Device::Cpu).unwrap();
        let quantised = QTensor::quantize(&reference, kind).unwrap();
        embedding.kind = number;
        embedding.bytes = quantised.data().unwrap().to_vec();
        let (base, weights) = file.open().unwrap();
        let expected = quantised.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let ours = weights.embedding.values();
        assert_eq!(ours.len(), expected.len());
        let largest = expected.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
        for (index, (ours, theirs)) in ours.iter().zip(&expected).enumerate() {
            assert!((ours - theirs).abs() <= largest * 1e-6, "{name}, value {index}: {ours} and {theirs}");
        }
        assert!(base.identity.tensor_types.iter().any(|(kind, _)| kind == name));
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let file = tiny();
    let (bytes, header) = (file.bytes(), file.header().len());
    let cuts = (0..header).chain((header..bytes.len()).step_by(509)).chain([bytes.len() - 1]);
    for cut in cuts {
        match error(writer::open(&bytes[..cut])) {
            // Within the magic number it is not even a GGUF file.
            Error::Format { .. } | Error::Io { .. } => {}
            other => panic!("cut at {cut}: {other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever the bytes, the answer is a model or an error, in bounded memory, and never a panic.
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let file = tiny();
        let mut bytes = file.bytes();
        let header = file.header().len();
        for (index, value) in changes {
            bytes[index.index(header)] = value;
        }
        let _ = writer::open(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [b"GGUF\x03\0\0\0".as_slice(), &tail].concat();
        prop_assert!(writer::open(&bytes).is_err());
    }
}

#[test]
fn claims_beyond_the_file_are_refused_before_memory_is_taken() {
    for at in [8, 16] {
        let mut bytes = tiny().bytes();
        bytes[at..at + 8].copy_from_slice(&(u64::MAX / 64).to_le_bytes());
        assert!(error(writer::open(&bytes)).to_string().contains("more than the file can hold"));
    }
    let mut file = tiny();
    file.tensor("output_norm.weight").dimensions = vec![1 << 40, 1 << 40];
    assert!(error(file.open()).to_string().contains("too large"));
    let mut file = tiny();
    file.tensor("output_norm.weight").dimensions = vec![1 << 40];
    assert!(error(file.open()).to_string().contains("outside the file"));
}

#[test]
fn broken_places_and_names_are_refused() {
    let mut file = tiny();
    file.tensor("output_norm.weight").shift = 1;
    assert!(error(file.open()).to_string().contains("not aligned"));
    let mut file = tiny();
    file.tensor("output_norm.weight").shift = -32;
    assert!(error(file.open()).to_string().contains("overlap"));
    let mut file = tiny();
    file.tensor("output_norm.weight").name = "token_embd.weight".into();
    assert!(error(file.open()).to_string().contains("tensor `token_embd.weight` twice"));
    let mut file = tiny();
    file.metadata.push(("general.name".into(), Meta::Text("again".into())));
    assert!(error(file.open()).to_string().contains("key `general.name` twice"));
    let mut file = tiny();
    file.set("general.alignment", Meta::U32(24));
    assert!(error(file.open()).to_string().contains("alignment"));
}

#[test]
fn what_would_be_computed_wrongly_is_refused() {
    let unsupported = |file: writer::File, expected: &str| match error(file.open()) {
        Error::Unsupported { what, value } => assert_eq!(format!("{what}: {value}"), expected),
        other => panic!("{expected}: {other}"),
    };
    let with = |key: &str, value: Meta| {
        let mut file = tiny();
        file.set(key, value);
        file
    };
    unsupported(with("general.architecture", Meta::Text("mamba".into())), "architecture: mamba");
    unsupported(with("llama.rope.scaling.type", Meta::Text("yarn".into())), "rope scaling: yarn");
    unsupported(with("llama.expert_count", Meta::U32(8)), "setting: llama.expert_count");
    unsupported(with("llama.rope.dimension_count", Meta::U32(4)), "partial rotary width: 4, expected 8");
    unsupported(with("tokenizer.ggml.pre", Meta::Text("invented".into())), "pre-tokenizer: invented");
    unsupported(with("tokenizer.ggml.model", Meta::Text("bert".into())), "tokenizer: bert");
    for (version, expected) in [(1, "1"), (4, "4"), (3_u32.swap_bytes(), "big-endian, version 3")] {
        let mut file = tiny();
        file.version = version;
        unsupported(file, &format!("GGUF version: {expected}"));
    }
    let mut file = tiny();
    file.tensor("output_norm.weight").kind = 19;
    unsupported(file, "tensor type: ggml type 19");
    let extra = |name: &str, values: &[f32]| {
        let mut file = tiny();
        let (dimensions, bytes) = (vec![values.len() as u64], writer::f32_bytes(values));
        file.tensors.push(Tensor { name: name.into(), dimensions, kind: 0, bytes, shift: 0 });
        file
    };
    unsupported(extra("blk.0.attn_q.bias", &[0.0; 32]), "tensor: blk.0.attn_q.bias");
    assert!(extra("rope_freqs.weight", &[1.0; 4]).open().is_ok());
}

#[test]
fn missing_misshapen_and_infinite_tensors_are_named() {
    let mut file = tiny();
    file.tensors.retain(|tensor| tensor.name != "blk.1.ffn_up.weight");
    assert_eq!(error(file.open()).to_string(), "tensor `blk.1.ffn_up.weight` is missing");
    let mut file = tiny();
    file.tensor("blk.1.ffn_up.weight").dimensions.reverse();
    assert!(error(file.open()).to_string().starts_with("tensor `blk.1.ffn_up.weight` has shape"));
    let mut file = tiny();
    file.tensor("output_norm.weight").bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(error(file.open()).to_string().contains("not finite"));
}

/// The tiny model with a width of 256, so that rows are whole blocks of every type.
fn wide() -> writer::File {
    let mut file = tiny();
    file.set("llama.embedding_length", Meta::U32(256));
    file.set("llama.attention.head_count", Meta::U32(HEADS as u32));
    file.set("llama.attention.key_length", Meta::U32(HEAD_DIM as u32));
    for tensor in &mut file.tensors {
        let fast_is_hidden = !tensor.name.contains("attn_output") && !tensor.name.contains("ffn_down");
        let axis = usize::from(!fast_is_hidden);
        tensor.dimensions[axis] = 256;
        let count = tensor.dimensions.iter().product::<u64>() as usize;
        tensor.bytes = writer::f32_bytes(&values(&tensor.name, count));
    }
    file
}
