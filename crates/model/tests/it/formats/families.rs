//! The decoder families in both formats: the fixture folders of `bench/peers/tiny_families.py` written as GGUF the way
//! llama.cpp's converters do, and what the table of families does not know.

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::error;
use super::folder::{copy, edit};
use super::writer::{File, Meta, Tensor, f32_bytes, interleave};
use cloister_model::family::{Family, RopeScaling, Rotation};
use cloister_model::{Base, Decoder, Precision, Weights};

const HEADS: usize = 4;
const KV_HEADS: usize = 2;

/// `conversion/{llama,smollm,qwen,gemma}.py` of llama.cpp, for the settings that the fixtures use.
fn converted(folder: &std::path::Path) -> File {
    let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let (architecture, permuted) = match config["model_type"].as_str().unwrap() {
        "llama" | "mistral" => ("llama", true),
        "smollm3" => ("smollm3", true),
        "qwen2" => ("qwen2", false),
        "qwen3" => ("qwen3", false),
        "gemma3_text" => ("gemma3", false),
        other => panic!("{other}"),
    };
    let gemma = architecture == "gemma3";
    let number = |key: &str| config[key].as_u64().map(|number| Meta::U32(number as u32));
    let rope = &config["rope_parameters"];
    let rope = if gemma { &rope["full_attention"] } else { rope };
    let float = |value: &Value| value.as_f64().map(|number| Meta::F32(number as f32));
    let keys = [
        ("block_count", number("num_hidden_layers")),
        ("context_length", number("max_position_embeddings")),
        ("embedding_length", number("hidden_size")),
        ("feed_forward_length", number("intermediate_size")),
        ("attention.head_count", number("num_attention_heads")),
        ("attention.head_count_kv", number("num_key_value_heads")),
        ("attention.key_length", number("head_dim")),
        ("attention.value_length", number("head_dim")),
        ("attention.layer_norm_rms_epsilon", float(&config["rms_norm_eps"])),
        ("attention.sliding_window", number("sliding_window")),
        ("attention.sliding_window_pattern", gemma.then_some(Meta::U32(3))),
        ("rope.freq_base", float(&rope["rope_theta"])),
        ("rope.scaling.type", (rope["rope_type"] == "linear").then(|| Meta::Text("linear".into()))),
        ("rope.scaling.factor", (rope["rope_type"] == "linear").then(|| float(&rope["factor"]).unwrap())),
    ];
    let mut metadata = vec![("general.architecture".to_owned(), Meta::Text(architecture.into()))];
    let keys = keys.into_iter().filter_map(|(key, value)| Some((format!("{architecture}.{key}"), value?)));
    metadata.extend(keys);
    let tokens: Vec<String> = (0..72).map(|id| format!("t{id}")).collect();
    let tokenizer = [
        ("model", Meta::Text("gpt2".into())),
        ("pre", Meta::Text("smaug-bpe".into())),
        ("tokens", Meta::Texts(tokens)),
        ("merges", Meta::Texts(Vec::new())),
    ];
    metadata.extend(tokenizer.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)));
    let mut file = File { version: 3, metadata, tensors: Vec::new() };

    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = stored.names();
    names.sort_unstable();
    for name in names {
        let view = stored.tensor(name).unwrap();
        let mut data: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let width = *view.shape().last().unwrap();
        if gemma && name.ends_with("norm.weight") {
            data.iter_mut().for_each(|gain| *gain += 1.0);
        }
        if permuted && name.contains("q_proj") {
            data = interleave(&data, HEADS, width);
        }
        if permuted && name.contains("k_proj") {
            data = interleave(&data, KV_HEADS, width);
        }
        add(&mut file, gguf_name(name, gemma), view.shape().iter().rev().copied(), &data);
    }
    if rope["rope_type"] == "llama3" {
        let factors = llama3_factors(rope, 8);
        add(&mut file, "rope_freqs.weight".into(), [factors.len()], &factors);
    }
    file
}

fn add(file: &mut File, name: String, dimensions: impl IntoIterator<Item = usize>, data: &[f32]) {
    let dimensions = dimensions.into_iter().map(|size| size as u64).collect();
    file.tensors.push(Tensor { name, dimensions, kind: 0, bytes: f32_bytes(data), shift: 0 });
}

fn gguf_name(name: &str, gemma: bool) -> String {
    let whole = [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("lm_head.weight", "output.weight"),
    ];
    if let Some((_, theirs)) = whole.iter().find(|(ours, _)| *ours == name) {
        return (*theirs).to_owned();
    }
    let parts = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", if gemma { "post_attention_norm" } else { "ffn_norm" }),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    let rest = name.strip_prefix("model.layers.").unwrap();
    let (layer, rest) = rest.split_once('.').unwrap();
    let (part, kind) = rest.rsplit_once('.').unwrap();
    let (_, theirs) = parts.iter().find(|(ours, _)| *ours == part).unwrap();
    format!("blk.{layer}.{theirs}.{kind}")
}

/// What the converter divides each frequency by, in its own words of wavelengths.
fn llama3_factors(rope: &Value, head_dim: usize) -> Vec<f32> {
    let value = |key: &str| rope[key].as_f64().unwrap();
    let (factor, low, high) = (value("factor"), value("low_freq_factor"), value("high_freq_factor"));
    let context = value("original_max_position_embeddings");
    let factor_of = |pair: usize| {
        let wavelength = std::f64::consts::TAU * value("rope_theta").powf(2.0 * pair as f64 / head_dim as f64);
        if wavelength < context / high {
            1.0
        } else if wavelength > context / low {
            factor
        } else {
            let smooth = (context / wavelength - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..head_dim / 2).map(|pair| factor_of(pair) as f32).collect()
}

fn logits((base, weights): (Base, Weights)) -> Vec<f32> {
    let tokens: Vec<u32> = (0..70).map(|i| (i * 31 + 7) % 72).collect();
    Decoder::new(base.config, weights).unwrap().logits(None, &tokens).unwrap()
}

/// What GGUF has no key for is changed in the folder first: windows of Qwen's last layers, Gemma's divisor of scores.
fn expressible(name: &str) -> tempfile::TempDir {
    let folder = copy(&format!("tiny_{name}"));
    edit(folder.path(), "config.json", |config| match name {
        "qwen2" => {
            config["use_sliding_window"] = json!(false);
            config["sliding_window"] = json!(null);
            config["layer_types"] = json!(null);
        }
        "gemma3" => config["query_pre_attn_scalar"] = json!(12),
        _ => {}
    });
    folder
}

#[test]
fn gguf_and_folder_give_the_same_answers() {
    for name in ["llama3", "smollm3", "mistral", "qwen2", "qwen3", "gemma3"] {
        let folder = expressible(name);
        let expected = logits(Base::open(folder.path(), Precision::F32).unwrap());
        let read = converted(folder.path()).open().unwrap();
        let variant = read.0.config.variant.clone();
        match name {
            "llama3" => assert!(matches!(variant.rope_scaling, RopeScaling::Factors(_))),
            "gemma3" => assert_eq!(variant.rope_scaling, RopeScaling::Linear(4.0)),
            _ => assert_eq!(variant.rope_scaling, RopeScaling::None),
        }
        // Mistral has no name of its own in GGUF.
        assert_eq!(variant.family == Family::Llama, matches!(name, "llama3" | "mistral"));
        crate::support::assert_close(&logits(read), &expected, 1e-5);
    }
}

/// llama.cpp knows the model of 27 billion parameters, whose scores are divided otherwise, by its 62 layers.
#[test]
fn the_gemma_of_62_layers_divides_its_scores_otherwise() {
    let mut file = converted(expressible("gemma3").path());
    let layer: Vec<(String, Vec<u64>, Vec<u8>)> = file
        .tensors
        .iter()
        .filter_map(|t| Some((t.name.strip_prefix("blk.1.")?.to_owned(), t.dimensions.clone(), t.bytes.clone())))
        .collect();
    for index in 4..62 {
        for (name, dimensions, bytes) in layer.clone() {
            file.tensors.push(Tensor { name: format!("blk.{index}.{name}"), dimensions, kind: 0, bytes, shift: 0 });
        }
    }
    let gains = |file: &File| {
        let (base, weights) = file.open().unwrap();
        assert_eq!(base.config.layers, weights.layers.len());
        let extras = &weights.layers[1].extras;
        (extras.query_norm.clone().unwrap(), extras.key_norm.clone().unwrap())
    };
    file.set("gemma3.block_count", Meta::U32(62));
    let (query, key) = gains(&file);
    let (plain_query, plain_key) = gains(&converted(expressible("gemma3").path()));
    assert_eq!(key, plain_key);
    // Heads are 12 wide; hidden size / heads is 8.
    let expected: Vec<f32> = plain_query.iter().map(|gain| gain * 1.5f32.sqrt()).collect();
    assert_eq!(query, expected);
}

#[test]
fn settings_of_older_folders_mean_the_same() {
    let shape = |name: &str, change: &dyn Fn(&mut Value)| {
        let folder = copy(&format!("tiny_{name}"));
        edit(folder.path(), "config.json", |config| change(config));
        Base::open(folder.path(), Precision::F32).unwrap().0.config
    };
    let same =
        |name: &str, change: &dyn Fn(&mut Value)| assert_eq!(shape(name, &|_| {}), shape(name, change), "{name}");
    same("llama3", &|config| {
        let mut scaling = config["rope_parameters"].take();
        config["rope_theta"] = scaling["rope_theta"].take();
        scaling.as_object_mut().unwrap().remove("rope_theta");
        config["rope_scaling"] = scaling;
    });
    same("gemma3", &|config| {
        config["rope_parameters"] = json!(null);
        config["rope_theta"] = json!(50_000);
        config["rope_local_base_freq"] = json!(10_000);
        config["rope_scaling"] = json!({"rope_type": "linear", "factor": 4.0});
        config["layer_types"] = json!(null);
        config["sliding_window_pattern"] = json!(3);
        config.as_object_mut().unwrap().remove("tie_word_embeddings");
    });
    same("smollm3", &|config| {
        config["no_rope_layers"] = json!(null);
        config["layer_types"] = json!(null);
    });
    same("qwen2", &|config| config["layer_types"] = json!(null));
    same("qwen3", &|config| config["sliding_window"] = json!(4096));
    let some = shape("smollm3", &|config| config["no_rope_layers"] = json!([0, 1, 1, 0]));
    let turns: Vec<bool> = (0..4).map(|layer| some.variant.layer(layer).rotation == Rotation::Global).collect();
    assert_eq!(turns, [false, true, true, false]);
    let open = shape("mistral", &|config| config["sliding_window"] = json!(null));
    assert!(open.variant.layers.is_empty());
    let default = shape("mistral", &|config| drop(config.as_object_mut().unwrap().remove("sliding_window")));
    assert_eq!(default.variant.layer(0).window, Some(4096));
}

#[test]
fn folders_that_the_table_does_not_know_are_refused() {
    let cases = [
        ("llama3", "model_type", json!("mixtral"), "unsupported architecture: `LlamaForCausalLM`"),
        ("llama3", "architectures", json!(["MixtralForCausalLM"]), "unsupported architecture: `MixtralForCausalLM`"),
        ("qwen3", "model_type", json!("qwen3_moe"), "unsupported architecture: `Qwen3ForCausalLM`"),
        ("gemma3", "model_type", json!("gemma2"), "unsupported architecture: `Gemma3ForCausalLM`"),
        (
            "gemma3",
            "architectures",
            json!(["Gemma3ForConditionalGeneration"]),
            "unsupported architecture: `Gemma3ForConditionalGeneration`",
        ),
        ("gemma3", "final_logit_softcapping", json!(30.0), "unsupported setting: `final_logit_softcapping`"),
        ("gemma3", "attn_logit_softcapping", json!(50.0), "unsupported setting: `attn_logit_softcapping`"),
        ("gemma3", "use_bidirectional_attention", json!(true), "unsupported setting: `use_bidirectional_attention`"),
        ("gemma3", "hidden_activation", json!("gelu"), "unsupported activation: `gelu`"),
        ("gemma3", "query_pre_attn_scalar", json!(0), "model config: query_pre_attn_scalar must be a positive number"),
        ("gemma3", "rope_scaling", json!({"rope_type": "yarn", "factor": 2}), "unsupported rope scaling: `yarn`"),
        (
            "gemma3",
            "rope_parameters",
            json!({"rope_type": "linear", "factor": 8}),
            "unsupported rope scaling: `one for",
        ),
        (
            "gemma3",
            "rope_parameters",
            json!({"sliding_attention": {"rope_type": "linear", "factor": 8}}),
            "unsupported rope scaling: `of local layers`",
        ),
        ("gemma3", "layer_types", json!(["full_attention"]), "model config: layer_types must name one kind per layer"),
        (
            "qwen2",
            "layer_types",
            json!(["full_attention", "chunked_attention", 1]),
            "unsupported kind of layer: `chunked",
        ),
        ("qwen2", "use_sliding_window", json!(false), "model config: sliding_window is missing"),
        ("qwen2", "sliding_window", json!(0), "model config: sliding_window must be at least 1"),
        ("qwen2", "num_key_value_heads", json!("two"), "model config: kv_heads is not a whole number"),
        ("qwen3", "attention_bias", json!(true), "unsupported setting: `attention_bias`"),
        ("mistral", "layer_types", json!(["sliding_attention"]), "unsupported setting: `layer_types`"),
        ("smollm3", "no_rope_layers", json!([1, 0]), "model config: no_rope_layers must be 0 or 1 for every layer"),
        (
            "smollm3",
            "no_rope_layers",
            json!([1, 2, 1, 1]),
            "model config: no_rope_layers must be 0 or 1 for every layer",
        ),
        ("llama3", "sliding_window", json!(8), "unsupported setting: `sliding_window`"),
        (
            "llama3",
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 8}),
            "model config: rope scaling has no `low",
        ),
        ("llama3", "rope_scaling", json!({"type": "linear", "factor": 0}), "model config: rope scaling must leave"),
        (
            "llama3",
            "rope_scaling",
            json!({"type": "linear", "factor": "2"}),
            "model config: rope scaling is not a number",
        ),
        ("llama3", "rope_scaling", json!({"type": "dynamic", "factor": 2}), "unsupported rope scaling: `dynamic`"),
        ("llama3", "rope_scaling", json!("linear"), "unsupported rope scaling: `not an object`"),
    ];
    for (name, key, value, expected) in cases {
        let folder = copy(&format!("tiny_{name}"));
        edit(folder.path(), "config.json", |config| config[key] = value);
        let message = error(Base::open(folder.path(), Precision::F32)).to_string();
        assert!(message.starts_with(expected), "{name}, {key}: {message}");
    }
    // Tensors of another family are neither left out nor missed in silence.
    let as_other = |name: &str, model_type: &str, class: &str| {
        let folder = copy(&format!("tiny_{name}"));
        edit(folder.path(), "config.json", |config| {
            (config["model_type"], config["architectures"]) = (json!(model_type), json!([class]));
        });
        error(Base::open(folder.path(), Precision::F32)).to_string()
    };
    let message = as_other("qwen2", "llama", "LlamaForCausalLM");
    assert_eq!(message, "unsupported setting: `sliding_window`");
    assert!(as_other("qwen3", "llama", "LlamaForCausalLM").contains("self_attn.k_norm.weight"));
    assert!(as_other("llama3", "qwen2", "Qwen2ForCausalLM").contains("self_attn.q_proj.bias` is missing"));
}

#[test]
fn gguf_files_that_the_table_does_not_know_are_refused() {
    let refused = |name: &str, change: &dyn Fn(&mut File), expected: &str| {
        let mut file = converted(expressible(name).path());
        change(&mut file);
        let message = error(file.open()).to_string();
        assert!(message.contains(expected), "{name}: {message}");
    };
    for architecture in ["gemma2", "qwen2moe", "qwen3moe", "llama4", "phi3"] {
        let change = |file: &mut File| file.set("general.architecture", Meta::Text(architecture.into()));
        refused("llama3", &change, &format!("unsupported architecture: `{architecture}`"));
    }
    let set = |key: &'static str, value: fn() -> Meta| move |file: &mut File| file.set(key, value());
    refused("gemma3", &set("gemma3.final_logit_softcapping", || Meta::F32(30.0)), "gemma3.final_logit_softcapping");
    refused("gemma3", &set("gemma3.attn_logit_softcapping", || Meta::F32(50.0)), "gemma3.attn_logit_softcapping");
    refused("gemma3", &set("gemma3.attention.causal", || Meta::Bool(false)), "gemma3.attention.causal");
    refused(
        "gemma3",
        &set("gemma3.attention.sliding_window", || Meta::U32(0)),
        "has no `gemma3.attention.sliding_window`",
    );
    refused("qwen3", &set("qwen3.expert_count", || Meta::U32(64)), "qwen3.expert_count");
    refused("qwen2", &set("qwen2.attention.sliding_window", || Meta::U32(64)), "qwen2.attention.sliding_window");
    refused("qwen2", &set("qwen2.rope.scaling.type", || Meta::Text("yarn".into())), "unsupported rope scaling: `yarn`");
    refused("llama3", &set("llama.rope.scaling.factor", || Meta::F32(2.0)), "linear and rope_freqs.weight");
    let drop_bias = |file: &mut File| file.tensors.retain(|tensor| tensor.name != "blk.1.attn_k.bias");
    refused("qwen2", &drop_bias, "tensor `blk.1.attn_k.bias` is missing");
    let drop_norm = |file: &mut File| file.tensors.retain(|tensor| tensor.name != "blk.2.post_ffw_norm.weight");
    refused("gemma3", &drop_norm, "tensor `blk.2.post_ffw_norm.weight` is missing");
    let one_factor = |file: &mut File| file.tensor("rope_freqs.weight").bytes[..4].copy_from_slice(&[0; 4]);
    refused("llama3", &one_factor, "model config: rope scaling must leave positive frequencies");
}

#[test]
fn a_factor_without_a_type_is_linear_and_windows_of_llama_are_kept() {
    let mut file = converted(expressible("mistral").path());
    file.set("llama.rope.scale_linear", Meta::F32(2.0));
    let config = file.open().unwrap().0.config;
    assert_eq!(config.variant.rope_scaling, RopeScaling::Linear(2.0));
    assert_eq!(config.variant.layer(2).window, Some(7));
    file.set("llama.rope.scaling.type", Meta::Text("none".into()));
    assert_eq!(file.open().unwrap().0.config.variant.rope_scaling, RopeScaling::None);
}

/// The vocabulary of Gemma 3 names a token for images, for which the models without vision have no embedding.
#[test]
fn a_special_token_may_lie_beyond_the_embedding_and_others_may_not() {
    let with = |special: bool| {
        let folder = copy("tiny_gemma3");
        edit(folder.path(), "tokenizer.json", |tokenizer| {
            let token = json!({"id": 72, "content": "<image>", "single_word": false, "lstrip": false, "rstrip": false,
                               "normalized": false, "special": special});
            tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
        });
        Base::open(folder.path(), Precision::F32)
    };
    let (base, weights) = with(true).unwrap();
    let decoder = Decoder::new(base.config, weights).unwrap();
    let tokens = base.tokenizer.encode("a<image>", false).unwrap();
    assert_eq!(tokens[1], 72);
    assert!(error(decoder.logits(None, &tokens)).to_string().contains("outside the vocabulary"));
    assert!(error(with(false)).to_string().contains("ids up to 72, the embedding has 72 rows"));
}
