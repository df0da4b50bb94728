//! Exports: a GGUF adapter byte for byte, a merged model that answers like base and adapter, a Modelfile.

use std::path::Path;

use cloister_model::export::merged::SHARD_BYTES;
use cloister_model::export::modelfile::modelfile;
use cloister_model::export::{FloatType, gguf, merged};
use cloister_model::{Base, Decoder, Error, Lora, LoraSpec, Precision, Target, Weights, peft};
use serde_json::{Value, json};

use super::writer::{self, File, Meta, Tensor};
use super::{error, peer};
use crate::support::assert_close;

fn trained(base: &Base, targets: &[Target]) -> Lora {
    let mut lora = Lora::zeros(&base.config, LoraSpec::new(3, 6, targets.to_vec()).unwrap());
    for (index, value) in lora.parameters.iter_mut().enumerate() {
        *value = (index as f32 * 0.37).sin() * 0.2;
    }
    lora
}

/// The file that llama.cpp's converter describes, written by other code.
fn expected(base: &Base, lora: &Lora) -> File {
    let text = |value: &str| Meta::Text(value.into());
    let metadata = [
        ("general.architecture", text("llama")),
        ("general.type", text("adapter")),
        ("general.base_model.count", Meta::U32(1)),
        ("general.base_model.0.name", text(&base.identity.name)),
        ("cloister.base_sha256", text(&base.identity.sha256)),
        ("adapter.type", text("lora")),
        ("adapter.lora.alpha", Meta::F32(6.0)),
    ];
    let mut file = File {
        version: 3,
        metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        tensors: Vec::new(),
    };
    for slot in &lora.slots {
        let (name, heads) = match slot.target {
            Target::Query => ("attn_q", Some(writer::HEADS)),
            Target::Key => ("attn_k", Some(writer::KV_HEADS)),
            Target::Value => ("attn_v", None),
            Target::Output => ("attn_output", None),
            Target::Gate => ("ffn_gate", None),
            Target::Up => ("ffn_up", None),
            Target::Down => ("ffn_down", None),
        };
        let (a, b) = (&lora.parameters[slot.a.clone()], &lora.parameters[slot.b.clone()]);
        let b = heads.map_or_else(|| b.to_vec(), |heads| writer::interleave(b, heads, 3));
        for (factor, dimensions, values) in [("lora_a", [slot.input, 3], a.to_vec()), ("lora_b", [3, slot.output], b)] {
            file.tensors.push(Tensor {
                name: format!("blk.{}.{name}.weight.{factor}", slot.layer),
                dimensions: dimensions.map(|size| size as u64).to_vec(),
                kind: 0,
                bytes: writer::f32_bytes(&values),
                shift: 0,
            });
        }
    }
    file
}

fn padded(file: &File) -> Vec<u8> {
    let mut bytes = file.bytes();
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

fn read(bytes: &[u8], base: &Base) -> Result<Lora, Error> {
    gguf::read(bytes, Path::new("adapter.gguf"), &base.config)
}

#[test]
fn a_gguf_adapter_is_what_llama_cpp_expects_and_reads_back() {
    let base = super::tiny_base();
    for targets in [&Target::ALL[..], &[Target::Query, Target::Value], &[Target::Down]] {
        let lora = trained(&base, targets);
        let bytes = gguf::adapter(&lora, &base, FloatType::F32).unwrap();
        assert!(bytes == padded(&expected(&base, &lora)), "{targets:?}");
        let back = read(&bytes, &base).unwrap();
        assert!(back.spec == lora.spec && back.slots == lora.slots && back.parameters == lora.parameters);
        assert!(gguf::check_written(&bytes, Path::new("x"), &lora, &base.config, FloatType::F32).is_ok());
    }
}

#[test]
fn a_gguf_adapter_in_sixteen_bits_is_rounded_and_one_that_does_not_fit_is_refused() {
    let base = super::tiny_base();
    let mut lora = trained(&base, &Target::ALL);
    let bytes = gguf::adapter(&lora, &base, FloatType::F16).unwrap();
    let back = read(&bytes, &base).unwrap();
    let rounded = lora.parameters.iter().map(|&value| half::f16::from_f32(value).to_f32());
    assert!(back.parameters.iter().copied().eq(rounded));
    assert!(gguf::check_written(&bytes, Path::new("x"), &lora, &base.config, FloatType::F16).is_ok());
    assert!(gguf::check_written(&bytes, Path::new("x"), &lora, &base.config, FloatType::F32).is_err());
    lora.parameters[7] = 1e6;
    let refused = error(gguf::adapter(&lora, &base, FloatType::F16)).to_string();
    assert_eq!(refused, "adapter: a factor does not fit f16");
}

/// How a test spoils a file.
type Change<'a> = &'a dyn Fn(&mut File);

#[test]
fn gguf_adapters_that_are_not_of_this_base_are_refused_by_name() {
    let base = super::tiny_base();
    let lora = trained(&base, &[Target::Query, Target::Value]);
    let spoil = |change: Change<'_>| {
        let mut file = expected(&base, &lora);
        change(&mut file);
        error(read(&file.bytes(), &base)).to_string()
    };
    let text = |value: &str| Meta::Text(value.into());
    let cases: [(Change<'_>, &str); 9] = [
        (&|file| file.set("general.type", text("model")), "`general.type` is `model`, expected `adapter`"),
        (&|file| file.set("general.architecture", text("qwen2")), "is `qwen2`, expected `llama`"),
        (&|file| file.metadata.retain(|(key, _)| key != "adapter.type"), "`adapter.type` is `missing`"),
        (&|file| file.set("adapter.lora.alpha", Meta::F32(0.5)), "`adapter.lora.alpha` is no whole number"),
        (&|file| drop(file.tensors.remove(5)), "missing tensor `blk.1.attn_q.weight.lora_b`"),
        (&|file| file.tensors.clear(), "no factor for a layer of the first block"),
        (
            &|file| file.tensors[1].name = "blk.0.attn_q.weight.lora_c".into(),
            "missing tensor `blk.0.attn_q.weight.lora_b`",
        ),
        (&|file| file.tensors[2].dimensions.swap(0, 1), "has shape [3, 32], expected [32, 3]"),
        (
            &|file| file.tensors[7].name = "blk.7.attn_q.weight.lora_a".into(),
            "missing tensor `blk.1.attn_v.weight.lora_b`",
        ),
    ];
    for (change, expected) in cases {
        let message = spoil(change);
        assert!(message.contains(expected), "{message}");
    }
    let mut more = expected(&base, &lora);
    let mut stranger = expected(&base, &lora).tensors.remove(0);
    stranger.name = "blk.0.attn_q.bias".into();
    more.tensors.push(stranger);
    assert!(error(read(&more.bytes(), &base)).to_string().contains("unexpected tensor `blk.0.attn_q.bias`"));

    let whole = gguf::adapter(&lora, &base, FloatType::F32).unwrap();
    // The last 32 bytes hold values, so every shorter file is cut.
    for length in (0..whole.len() - 32).step_by(97) {
        assert!(matches!(error(read(&whole[..length], &base)), Error::Format { .. }), "{length}");
    }
}

#[test]
fn mis_shaped_adapters_are_not_exported() {
    let base = super::tiny_base();
    let (_, weights) = writer::tiny().open().unwrap();
    let other = super::open(&peer("tiny_llama")).unwrap();
    let mut not_finite = trained(&base, &[Target::Up]);
    not_finite.parameters[0] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("merged");
    for lora in [trained(&other, &[Target::Up]), not_finite] {
        assert!(gguf::adapter(&lora, &base, FloatType::F32).is_err());
        assert!(merged::write(&dir, &lora, &base, &weights, FloatType::F32, SHARD_BYTES).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}

/// The largest difference of logits between a merged folder and base with adapter.
fn difference(base: Base, weights: Weights, lora: &Lora, kind: FloatType, shard_bytes: u64) -> f32 {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("merged");
    merged::write(&dir, lora, &base, &weights, kind, shard_bytes).unwrap();
    let (read, merged) = Base::open(&dir, Precision::F32).unwrap();
    assert_eq!(read.config, base.config);
    assert_eq!(read.tokenizer.eos_ids(), base.tokenizer.eos_ids());
    assert_eq!(
        read.template.map(|template| template.source().to_owned()),
        base.template.map(|template| template.source().to_owned())
    );
    let text = "hello  12 <|im_end|>";
    assert_eq!(read.tokenizer.encode(text, true).unwrap(), base.tokenizer.encode(text, true).unwrap());
    let tokens: Vec<u32> = (0..40).map(|i| (i * 37 + 5) % base.config.vocab_size.min(256) as u32).collect();
    let ours = Decoder::new(base.config, weights).unwrap().logits(Some(lora), &tokens).unwrap();
    let theirs = Decoder::new(read.config, merged).unwrap().logits(None, &tokens).unwrap();
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_merged_model_answers_like_base_and_adapter() {
    for (model, adapter) in [("tiny_llama", "tiny_adapter"), ("tiny_llama_untied", "tiny_adapter_untied")] {
        let open = || Base::open(&peer(model), Precision::F32).unwrap();
        let lora = peft::read(&peer(adapter), &open().0.config).unwrap().0;
        for (kind, tolerance) in [(FloatType::F32, 1e-4), (FloatType::F16, 0.02), (FloatType::Bf16, 0.15)] {
            let (base, weights) = open();
            let bare = Decoder::new(base.config, weights).unwrap();
            let tokens = [5, 42, 79, 116];
            let (with, without) = (bare.logits(Some(&lora), &tokens).unwrap(), bare.logits(None, &tokens).unwrap());
            assert!(with.iter().zip(&without).any(|(a, b)| (a - b).abs() > 0.2), "the adapter does something");
            let (base, weights) = open();
            let difference = difference(base, weights, &lora, kind, SHARD_BYTES);
            assert!(difference <= tolerance, "{model} in {kind}: {difference}");
        }
    }
}

/// Every family has a GGUF adapter; a merged folder is written only of those of which it says everything.
#[test]
fn families_are_exported_whole_or_refused() {
    for (model, merges) in [
        ("tiny_qwen2", true),
        ("tiny_qwen3", true),
        ("tiny_llama3", false),
        ("tiny_smollm3", false),
        ("tiny_mistral", false),
        ("tiny_gemma3", false),
    ] {
        let (mut base, weights) = Base::open(&peer(model), Precision::F32).unwrap();
        if merges {
            base.config.variant.layers.clear(); // the fixture's windows, which a merged folder cannot have
        }
        let lora = trained(&base, &Target::ALL);
        let bytes = gguf::adapter(&lora, &base, FloatType::F32).unwrap();
        gguf::check_written(&bytes, Path::new("adapter.gguf"), &lora, &base.config, FloatType::F32).unwrap();
        if merges {
            let difference = difference(base, weights, &lora, FloatType::F32, SHARD_BYTES);
            assert!(difference <= 1e-3, "{model}: {difference}");
        } else {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("merged");
            let refused = merged::write(&dir, &lora, &base, &weights, FloatType::F32, SHARD_BYTES);
            assert!(matches!(refused, Err(Error::Unsupported { .. })), "{model}");
            assert!(!dir.exists());
        }
    }
}

/// Rows in llama.cpp's order on one side, Hugging Face's on the other.
#[test]
fn a_gguf_base_merges_into_a_folder() {
    let (base, weights) = writer::tiny().open().unwrap();
    let lora = trained(&base, &[Target::Query, Target::Key, Target::Down]);
    let scale = Decoder::new(base.config.clone(), writer::tiny().open().unwrap().1).unwrap();
    let largest = scale.logits(Some(&lora), &[1, 2, 3]).unwrap().iter().fold(1.0f32, |most, v| most.max(v.abs()));
    let difference = difference(base, weights, &lora, FloatType::F32, SHARD_BYTES);
    assert!(difference <= 1e-4 * largest, "{difference} of {largest}");
}

#[test]
fn a_large_model_goes_into_several_files() {
    let (base, weights) = Base::open(&peer("tiny_llama"), Precision::F32).unwrap();
    let lora = trained(&base, &Target::ALL);
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    merged::write(&whole, &lora, &base, &weights, FloatType::Bf16, SHARD_BYTES).unwrap();
    merged::write(&cut, &lora, &base, &weights, FloatType::Bf16, 20_000).unwrap();
    let index: Value =
        serde_json::from_slice(&std::fs::read(cut.join("model.safetensors.index.json")).unwrap()).unwrap();
    let stored = 2 * Decoder::new(base.config.clone(), weights).unwrap().parameters();
    assert_eq!(index["metadata"]["total_size"], json!(stored));
    assert!(cut.join("model-00002-of-00003.safetensors").exists() && !cut.join("model.safetensors").exists());
    for entry in std::fs::read_dir(&cut).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".safetensors") {
            assert!(entry.metadata().unwrap().len() < 20_000 + 4_000);
        }
    }
    let values = |dir: &Path| Base::open(dir, Precision::F32).unwrap().1.layers[1].down.values();
    assert_close(&values(&cut), &values(&whole), 0.0);
    let (base, weights) = Base::open(&peer("tiny_llama"), Precision::F32).unwrap();
    assert!(difference(base, weights, &lora, FloatType::F32, 1) < 1e-4, "one tensor in each file");
}

#[test]
fn a_merged_folder_is_whole_and_never_overwrites() {
    let (base, weights) = Base::open(&peer("tiny_llama"), Precision::F32).unwrap();
    let mut lora = trained(&base, &[Target::Value]);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("merged");
    let write = |lora: &Lora, kind| merged::write(&dir, lora, &base, &weights, kind, SHARD_BYTES);
    // B and A are both large: the sum leaves the range of f16.
    lora.parameters.fill(1e3);
    assert!(matches!(error(write(&lora, FloatType::F16)), Error::NonFinite(_)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    write(&lora, FloatType::Bf16).unwrap();
    let before = std::fs::read(dir.join("model.safetensors")).unwrap();
    assert!(matches!(error(write(&lora, FloatType::F32)), Error::Io { .. }));
    assert!(std::fs::read(dir.join("model.safetensors")).unwrap() == before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut names: Vec<String> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
    let config: Value = serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
    assert_eq!((&config["rms_norm_eps"], &config["torch_dtype"]), (&json!(1e-5), &json!("bfloat16")));
}

#[test]
fn a_modelfile_names_its_parts_and_says_how_turns_are_written() {
    let base = super::tiny_base();
    let text = modelfile(&base, "./tiny base.gguf", Some("./adapter.gguf")).unwrap();
    let expected = format!(
        "# Tuned from Tiny, sha256 {}\n\
         FROM \"./tiny base.gguf\"\n\
         ADAPTER ./adapter.gguf\n\
         TEMPLATE \"\"\"{{{{ range .Messages }}}}{{{{ if eq .Role \"system\" }}}}<|im_start|>system\n\
         {{{{ .Content }}}}<|im_end|>\n\
         {{{{ else if eq .Role \"user\" }}}}<|im_start|>user\n\
         {{{{ .Content }}}}<|im_end|>\n\
         {{{{ else if eq .Role \"assistant\" }}}}<|im_start|>assistant\n\
         {{{{ .Content }}}}<|im_end|>\n\
         {{{{ end }}}}{{{{ end }}}}<|im_start|>assistant\n\
         \"\"\"\n\
         PARAMETER stop \"<|im_end|>\"\n\
         PARAMETER stop \"<|endoftext|>\"\n",
        base.identity.sha256
    );
    assert_eq!(text, expected);
    let merged = modelfile(&base, "./merged", None).unwrap();
    assert!(merged.contains("\nFROM ./merged\nTEMPLATE ") && !merged.contains("ADAPTER"));
    assert!(modelfile(&base, "./a\"b.gguf", None).is_err() && modelfile(&base, "./a\nFROM b", None).is_err());
}

#[test]
fn a_default_system_message_stands_where_nobody_gives_one() {
    let mut file = writer::tiny();
    let template = super::peer_json("chat_template.json")["template"].as_str().unwrap().to_owned();
    file.set("tokenizer.chat_template", Meta::Text(template));
    let text = modelfile(&file.open().unwrap().0, "x.gguf", None).unwrap();
    let opening = "TEMPLATE \"\"\"{{ if not .System }}<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n{{ end }}{{ range .Messages }}";
    assert!(text.contains(opening), "{text}");
}

/// Ollama adds the token itself, so a template that writes it must not, or the model reads it twice.
#[test]
fn a_first_token_that_the_tokenizer_adds_is_not_written_again() {
    let mut file = writer::tiny();
    let template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    file.set("tokenizer.chat_template", Meta::Text(template.into()));
    let written = modelfile(&file.open().unwrap().0, "x.gguf", None).unwrap();
    assert!(written.contains("\"\"\"{{ if not .System }}<|im_start|>{{ end }}"), "{written}");
    file.set("tokenizer.ggml.add_bos_token", Meta::Bool(true));
    let added = modelfile(&file.open().unwrap().0, "x.gguf", None).unwrap();
    assert!(
        added.contains("TEMPLATE \"\"\"{{ range .Messages }}{{ if eq .Role \"system\" }}[system]{{ .Content }}{{ else"),
        "{added}"
    );
}

#[test]
fn a_template_that_go_cannot_say_is_left_out() {
    let mut file = writer::tiny();
    for template in [
        "{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ '{{' }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>\u{a0}{{ m.content }}{% endfor %}",
    ] {
        file.set("tokenizer.chat_template", Meta::Text(template.into()));
        let text = modelfile(&file.open().unwrap().0, "x.gguf", None).unwrap();
        assert!(!text.contains("TEMPLATE") && text.contains("PARAMETER stop"), "{text}");
    }
}
