//! Hugging Face folders: read as transformers wrote them, refused where they mean something else.

use std::path::Path;

use cloister_model::{Base, Error, Precision};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::{error, open, peer, peer_json};

pub(super) fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(peer(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

pub(super) fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_tied_folder_in_one_file_is_read() {
    let (base, weights) = Base::open(&peer("tiny_llama"), Precision::F32).unwrap();
    let config = &base.config;
    assert_eq!((config.hidden_size, config.intermediate_size, config.layers), (32, 64, 2));
    assert_eq!((config.heads, config.kv_heads, config.head_dim, config.vocab_size), (4, 2, 8, 304));
    assert_eq!((config.rope_theta, config.rms_norm_epsilon, config.tied_embeddings), (10_000.0, 1e-5, true));
    let bytes = std::fs::read(peer("tiny_llama/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expect = |name: &str, ours: Vec<f32>| {
        let data = tensors.tensor(name).unwrap().data();
        assert!(ours.iter().flat_map(|value| value.to_le_bytes()).eq(data.iter().copied()), "{name}");
    };
    expect("model.embed_tokens.weight", weights.embedding.values());
    expect("model.layers.1.self_attn.q_proj.weight", weights.layers[1].query.values());
    expect("model.layers.1.self_attn.k_proj.weight", weights.layers[1].key.values());
    expect("model.layers.0.self_attn.v_proj.weight", weights.layers[0].value.values());
    expect("model.layers.0.self_attn.o_proj.weight", weights.layers[0].output.values());
    expect("model.layers.1.mlp.down_proj.weight", weights.layers[1].down.values());
    expect("model.layers.1.mlp.gate_proj.weight", weights.layers[1].gate.values());
    expect("model.layers.1.mlp.up_proj.weight", weights.layers[1].up.values());
    expect("model.layers.0.input_layernorm.weight", weights.layers[0].attention_norm.clone());
    expect("model.layers.0.post_attention_layernorm.weight", weights.layers[0].mlp_norm.clone());
    expect("model.norm.weight", weights.final_norm.clone());
    assert_eq!((base.identity.name.as_str(), base.identity.format), ("tiny_llama", "safetensors"));
    let chat = &peer_json("tiny_llama_answers.json")["chat"];
    let turns: Vec<cloister_model::Message<'_>> = chat["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| super::chat::message(turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap()))
        .collect();
    let rendered = base.template.unwrap().render(&turns, true).unwrap();
    assert_eq!(rendered, chat["text_with_generation_prompt"].as_str().unwrap());
}

#[test]
fn an_untied_folder_in_bf16_shards_is_read() {
    let (base, weights) = Base::open(&peer("tiny_llama_untied"), Precision::F32).unwrap();
    assert_eq!((base.config.head_dim, base.config.vocab_size, base.config.tied_embeddings), (16, 320, false));
    assert_eq!(weights.head.as_ref().unwrap().len(), 320 * 32);
    assert_eq!(base.identity.tensor_types[0].0, "BF16");
}

#[test]
fn the_digest_covers_the_files_used_and_not_the_place() {
    let digest = |folder: &Path| open(folder).unwrap().identity.sha256;
    let folder = copy("tiny_llama");
    assert_eq!(digest(folder.path()), digest(&peer("tiny_llama")));
    std::fs::write(folder.path().join("README.md"), "unused").unwrap();
    assert_eq!(digest(folder.path()), digest(&peer("tiny_llama")));
    edit(folder.path(), "generation_config.json", |value| value["eos_token_id"] = json!([2, 5]));
    assert_ne!(digest(folder.path()), digest(&peer("tiny_llama")));
    assert_eq!(open(folder.path()).unwrap().tokenizer.eos_ids(), [2, 5, 0]);
}

#[test]
fn a_hub_cache_gives_the_model_s_name() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = root.path().join("models--org--name/snapshots/0123abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    for entry in std::fs::read_dir(peer("tiny_llama")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
    }
    assert_eq!(open(&snapshot).unwrap().identity.name, "org--name");
}

#[test]
fn settings_that_change_the_arithmetic_are_refused() {
    let cases = [
        ("architectures", json!(["MistralForCausalLM"]), "unsupported architecture: `MistralForCausalLM`"),
        ("model_type", json!("qwen2"), "unsupported architecture: `LlamaForCausalLM`"),
        ("attention_bias", json!(true), "unsupported setting: `attention_bias`"),
        ("mlp_bias", json!(true), "unsupported setting: `mlp_bias`"),
        ("hidden_act", json!("gelu"), "unsupported activation: `gelu`"),
        ("rope_scaling", json!({"rope_type": "dynamic", "factor": 8.0}), "unsupported rope scaling: `dynamic`"),
        ("rope_parameters", json!({"rope_type": "yarn"}), "unsupported rope scaling: `yarn`"),
        ("quantization_config", json!({"bits": 4}), "unsupported setting: `quantization_config`"),
        ("num_key_value_heads", json!(3), "model config: kv_heads must divide the number of heads"),
        ("hidden_size", json!(-1), "model config: hidden_size is not a whole number"),
        ("hidden_size", json!(null), "model config: hidden_size is missing"),
        ("num_hidden_layers", json!(1), "unsupported tensor: `model.layers.1.input_layernorm.weight`"),
        ("intermediate_size", json!(65), "tensor `model.layers."),
    ];
    for (key, value, expected) in cases {
        let folder = copy("tiny_llama");
        edit(folder.path(), "config.json", |config| config[key] = value);
        let message = error(open(folder.path())).to_string();
        assert!(message.starts_with(expected), "{key}: {message}");
    }
}

#[test]
fn an_index_cannot_lead_out_of_the_folder() {
    for name in ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "model.bin", "C:x.safetensors"] {
        let folder = copy("tiny_llama_untied");
        edit(folder.path(), "model.safetensors.index.json", |index| {
            index["weight_map"]["model.norm.weight"] = json!(name);
        });
        assert!(matches!(error(open(folder.path())), Error::Format { .. }), "{name}");
    }
}

#[test]
fn missing_and_broken_files_are_errors() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = copy("tiny_llama");
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let _ = error(open(folder.path()));
        let folder = copy("tiny_llama");
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let _ = error(open(folder.path()));
    }
    for broken in ["[]", "\"text\"", "{}", "null", "{\"model\":{\"type\":\"BPE\"}}"] {
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            let folder = copy("tiny_llama");
            std::fs::write(folder.path().join(name), broken).unwrap();
            // Empty settings of a tokenizer are none.
            let fine = name == "tokenizer_config.json" && broken.starts_with('{');
            assert_eq!(open(folder.path()).is_ok(), fine, "{name}: {broken}");
        }
    }
    assert!(matches!(error(open(Path::new("/no/such/model"))), Error::Io { .. }));
}

#[test]
fn templates_are_found_in_both_places() {
    let folder = copy("tiny_llama");
    std::fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    assert!(open(folder.path()).unwrap().template.is_none());
    let source = |folder: &Path| open(folder).unwrap().template.unwrap().source().to_owned();
    edit(folder.path(), "tokenizer_config.json", |config| config["chat_template"] = json!("one"));
    assert_eq!(source(folder.path()), "one");
    edit(folder.path(), "tokenizer_config.json", |config| {
        config["chat_template"] =
            json!([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "two"}]);
    });
    assert_eq!(source(folder.path()), "two");
}
