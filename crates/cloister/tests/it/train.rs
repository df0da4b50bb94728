//! `train` as a user runs it: what it gives, what it refuses, and that noise and records follow the plan.

use std::path::Path;

use cloister_model::{DecoderConfig, peft};
use serde_json::{Value, json};

use crate::process::{Place, Ran};
use crate::tiny::{base, change, chat, chats, copy, leftovers, overflow, public, refused};

/// A token that stands in no record and not in the probe of a base: `~`.
const RARE: usize = 96;

/// `train` on `data` with the settings of a short run, and more.
fn train(place: &Place, base: &Path, data: &str, more: &[&str]) -> Ran {
    let short = ["--out", "out", "--epsilon", "8", "--steps", "4", "--batch", "8", "--json"];
    let given = |flag: &str| more.contains(&flag) || (flag == "--epsilon" && more.contains(&"--sigma"));
    let mut command = place.command();
    command.args(["train", data, "--base"]).arg(base);
    for pair in short.chunks(2).filter(|pair| !given(pair[0])) {
        command.args(pair);
    }
    Ran::of(command.args(more).output().unwrap())
}

fn config() -> DecoderConfig {
    cloister_model::Base::open(&base("tiny_llama"), cloister_model::Precision::F32).unwrap().0.config
}

#[test]
fn records_become_an_adapter_that_other_verbs_take() {
    let place = Place::new();
    place.file("in.jsonl", chats(40));
    place.file("public.jsonl", public(5));
    let ran = train(&place, &base("tiny_llama"), "in.jsonl", &["--evaluation", "public.jsonl"]).exits(0);
    let document = ran.document();
    assert_eq!((&document["schema"], &document["verdict"]), (&json!("cloister.train.v1"), &json!("passed")));
    let number = |name: &str| document[name].as_f64().unwrap_or_else(|| panic!("{name} in {document}"));
    assert!(number("tokens_per_second") > 0.0 && number("peak_rss_bytes") > 1e6);
    assert!(number("epsilon") <= 8.0 && number("epsilon") > 7.5 && number("sigma") > 0.0);
    assert!(number("delta") <= 1e-5);
    assert_eq!((number("q"), number("steps")), (0.2, 4.0));
    assert!(document.as_object().unwrap().contains_key("clip_fraction") && document["clip_fraction"].is_null());
    assert_eq!((&document["adapter"], &document["resumed"]), (&json!("out"), &json!(false)));
    let steps: Vec<u64> =
        document["evaluation"].as_array().unwrap().iter().map(|loss| loss["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 1, 2, 3, 4]);
    assert!(!place.path("out.snapshot").exists() && leftovers(&place).is_empty());

    let settings: Value =
        serde_json::from_slice(&std::fs::read(place.path("out/adapter_config.json")).unwrap()).unwrap();
    assert_eq!((&settings["peft_type"], &settings["r"]), (&json!("LORA"), &json!(8)));
    let (lora, metadata) = peft::read(&place.path("out"), &config()).unwrap();
    assert!(!lora.is_identity());
    assert_eq!(metadata["epsilon"].parse::<f64>().unwrap(), number("epsilon"));

    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"the miller was not seen\"}\n");
    place.file("prompts.jsonl", json!({"id": "a", "messages": [{"role": "user", "content": "hello"}]}).to_string());
    let tiny = base("tiny_llama");
    let with = |verb: &[&str], adapter: bool| {
        let mut command = place.command();
        command.args(verb).arg("--base").arg(&tiny).args(adapter.then_some(["--adapter", "out"]).into_iter().flatten());
        Ran::of(command.output().unwrap()).exits(0).lines().remove(0)
    };
    let score = |adapter| with(&["audit", "score", "texts.jsonl"], adapter)["logprob"].as_f64().unwrap();
    assert!(score(true) < 0.0 && score(false) < 0.0);
    assert_ne!(score(true), score(false));
    assert_eq!(score(true), score(true));
    let prompts = ["generate", "--prompts", "prompts.jsonl", "--chat", "--greedy", "--max-tokens", "5"];
    assert!(!with(&prompts, true)["tokens"].as_array().unwrap().is_empty());
}

#[test]
fn composed_kernels_run_every_verb_and_agree_with_the_fused() {
    let place = Place::new();
    place.file("in.jsonl", chats(12));
    let more = ["--kernels", "composed", "--steps", "2"];
    train(&place, &base("tiny_llama"), "in.jsonl", &more).exits(0);
    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"the miller was not seen\"}\n");
    place.file("prompts.jsonl", json!({"id": "a", "prompt": "hello there"}).to_string());
    let ask = |verb: &[&str], kernels: &str| {
        let mut command = place.command();
        command.args(verb).arg("--base").arg(base("tiny_llama")).args(["--adapter", "out", "--kernels", kernels]);
        Ran::of(command.output().unwrap()).exits(0).lines().remove(0)
    };
    let score = |kernels| ask(&["audit", "score", "texts.jsonl"], kernels)["logprob"].as_f64().unwrap();
    assert!((score("fused") - score("composed")).abs() < 1e-3);
    let tokens = |kernels| {
        ask(&["generate", "--prompts", "prompts.jsonl", "--greedy", "--max-tokens", "6"], kernels)["tokens"].clone()
    };
    assert_eq!(tokens("fused"), tokens("composed"));
}

#[test]
fn a_run_stays_within_the_memory_that_it_is_allowed_or_does_not_start() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    let tiny = base("tiny_llama");
    let ran = train(&place, &tiny, "in.jsonl", &["--memory", "1MB"]);
    refused(&place, ran, 2, "training takes at least", "raise --memory");
    let ran = train(&place, &tiny, "in.jsonl", &["--memory", "1000"]);
    refused(&place, ran, 2, "must be a size such as 1GiB", "--help");
    let budget = 600u64 << 20;
    let document = train(&place, &tiny, "in.jsonl", &["--memory", "600MiB"]).exits(0).document();
    assert!(document["peak_rss_bytes"].as_u64().unwrap() < budget);

    let Some(real) = std::env::var_os("CLOISTER_TEST_BASE") else {
        eprintln!("skipped: CLOISTER_TEST_BASE names no base");
        return;
    };
    let long = |n: usize| chat(&format!("r{n}"), "s", &"the order is late ".repeat(110), "we look into it").to_string();
    place.file("long.jsonl", (0..20).map(|n| long(n) + "\n").collect::<String>());
    for (memory, most, way) in [("2GiB", 2048, "activations kept"), ("750MiB", 750, "activations recomputed")] {
        let more = ["--memory", memory, "--base-precision", "bf16", "--dry-run"];
        let ran = train(&place, Path::new(&real), "long.jsonl", &more).exits(0);
        assert!(ran.stderr.contains(way), "{}", ran.stderr);
        let bytes = ran.document()["cost"]["memory_bytes"].as_u64().unwrap();
        assert!(bytes < most << 20, "{memory}: {bytes}");
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    let document = train(&place, &base("tiny_llama"), "in.jsonl", &["--dry-run"]).exits(0).document();
    assert_eq!(document["verdict"], "planned");
    assert!(document["cost"]["memory_bytes"].as_f64().unwrap() > 0.0 && document["plan"]["clip_norm"] == 0.5);
    assert!(!place.path("out").exists() && leftovers(&place).is_empty());
}

#[test]
fn a_record_whose_gradient_is_not_a_number_shows_nowhere() {
    let place = Place::new();
    let poisoned = copy(&place, "tiny_llama_untied", "tiny_llama_untied");
    overflow(&poisoned, Some(RARE));
    let with = |text: &str| format!("{}{}\n", chats(10), chat("last", "last", text, "we look into it"));
    place.file("nan.jsonl", with("my ~ is late"));
    place.file("plain.jsonl", with("my - is late"));
    place.file("score.jsonl", "{\"id\":\"a\",\"text\":\"my ~ is late\"}\n");
    // the text has no probability
    let mut score = place.command();
    score.args(["audit", "score", "score.jsonl", "--base"]).arg(&poisoned);
    let ran = Ran::of(score.output().unwrap());
    refused(&place, ran, 1, "the log-probability is not finite", "choose another");

    // every record is in every batch
    let run = |data: &str, out: &str| {
        train(&place, &poisoned, data, &["--batch", "11", "--out", out, "--sigma", "1"]).exits(0)
    };
    let (nan, plain) = (run("nan.jsonl", "nan"), run("plain.jsonl", "plain"));
    assert_eq!(shape(&nan.stderr.replace("adapter nan", "adapter plain")), shape(&plain.stderr));
    assert_eq!(shape(&nan.stdout.replace("\"nan", "\"plain")), shape(&plain.stdout));
    for words in ["NaN", "finite", "skipped", "warning"] {
        assert!(!nan.stderr.contains(words), "{}", nan.stderr);
    }
    let (nan, plain) = (nan.document(), plain.document());
    assert_eq!(nan["plan"], plain["plan"]);
    place.file("public.jsonl", with("my ~ is late").replace("my order", "my public order"));
    let public = train(&place, &poisoned, "plain.jsonl", &["--evaluation", "public.jsonl", "--out", "other"]);
    refused(&place, public, 1, "evaluation records is not finite after step 0", "choose another base");
    // finite, or it would not be read
    let config = cloister_model::Base::open(&poisoned, cloister_model::Precision::F32).unwrap().0.config;
    assert!(!peft::read(&place.path("nan"), &config).unwrap().0.is_identity());
}

/// Text with every number and digest as one sign.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
        let is_figure = word.starts_with(|c: char| c.is_ascii_digit()) || word.len() > 64;
        shape.push_str(if is_figure { "#" } else { word });
    }
    shape
}

#[test]
fn an_adapter_with_other_names_is_refused_and_one_that_does_nothing_is_told_of() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"the miller was not seen\"}\n");
    train(&place, &base("tiny_llama"), "in.jsonl", &[]).exits(0);
    let score = |adapter: Option<&str>| {
        let mut command = place.command();
        command.args(["audit", "score", "texts.jsonl", "--base"]).arg(base("tiny_llama"));
        Ran::of(command.args(adapter.map(|a| ["--adapter", a]).into_iter().flatten()).output().unwrap())
    };
    let prompts = place.file("prompts.jsonl", "{\"id\":\"a\",\"prompt\":\"the\"}\n");
    let generate = |adapter: &str| {
        let mut command = place.command();
        command.args(["generate", "--max-tokens", "2", "--adapter", adapter, "--base"]).arg(base("tiny_llama"));
        Ran::of(command.arg("--prompts").arg(&prompts).output().unwrap())
    };
    let tensors = place.path("out/adapter_model.safetensors");
    let right = std::fs::read(&tensors).unwrap();
    let made_for = "a LoRA adapter made for this base";
    for (from, to) in [("base_model.model.model.", "base_model.model.madel."), ("q_proj", "k_proj")] {
        std::fs::write(&tensors, replaced(&right, from, to)).unwrap();
        refused(&place, generate("out"), 2, "adapter: unexpected tensor `base_model.model.", made_for);
        refused(&place, score(Some("out")), 2, "adapter: unexpected tensor `base_model.model.", made_for);
    }
    std::fs::write(&tensors, &right[..right.len() - 4]).unwrap();
    refused(&place, generate("out"), 2, "is not a usable safetensors file", "damaged or cut short");
    std::fs::write(&tensors, &right).unwrap();
    generate("out").exits(0);

    let (mut lora, metadata) = peft::read(&place.path("out"), &config()).unwrap();
    for slot in &lora.slots {
        lora.parameters[slot.b.clone()].fill(0.0);
    }
    let tiny = cloister_model::Base::open(&base("tiny_llama"), cloister_model::Precision::F32).unwrap().0;
    peft::write(&place.path("zero"), &lora, &tiny, &metadata).unwrap();
    let zero = score(Some("zero")).exits(0);
    assert!(zero.stderr.contains("warning: the adapter changes nothing: every B factor is zero"), "{}", zero.stderr);
    assert_eq!(zero.lines(), score(None).exits(0).lines());
    assert!(generate("zero").exits(0).stderr.contains("warning: the adapter changes nothing"));
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "the header keeps its length");
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from.as_bytes() {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[test]
fn records_that_are_too_long_are_counted_or_named() {
    let place = Place::new();
    let long = |id| chat(id, id, "short", &"no ".repeat(200));
    place.file("in.jsonl", format!("{}{}\n{}\n", chats(10), long("a"), long("b")));
    let tiny = base("tiny_llama");
    let ran = train(&place, &tiny, "in.jsonl", &[]).exits(0);
    assert!(ran.stderr.contains("warning: 2 records were cut to 128 tokens\n"), "{}", ran.stderr);
    let ran = train(&place, &tiny, "in.jsonl", &["--length", "refuse", "--out", "other"]);
    refused(&place, ran, 2, "line 11: the record has ", "raise --max-tokens, or --length truncate");
    let ran = train(&place, &tiny, "in.jsonl", &["--max-tokens", "129", "--out", "other"]);
    refused(&place, ran, 2, "max_tokens 129 is more than the base's context of 128 tokens", "choose at most 128");
    // the answer begins after the limit
    let ran = train(&place, &tiny, "in.jsonl", &["--max-tokens", "12", "--out", "other"]);
    refused(&place, ran, 2, "cut to 12, it keeps nothing of its completion", "raise --max-tokens");
    assert!(!place.path("other").exists());
}

#[test]
fn a_base_that_cannot_be_trained_on_is_refused() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    let on = |base: &str| train(&place, Path::new(base), "in.jsonl", &[]);
    let gguf = |architecture: &str| {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let counts = [&3u32.to_le_bytes()[..], &0u64.to_le_bytes(), &1u64.to_le_bytes()].concat();
        [b"GGUF", &counts[..], &text("general.architecture"), &8u32.to_le_bytes(), &text(architecture)].concat()
    };
    place.file("other.gguf", gguf("mamba"));
    refused(&place, on("other.gguf"), 2, "unsupported architecture: `mamba`", "Qwen3, Gemma 3 (text)");
    let whole = gguf("llama");
    for length in [0, 3, 20, whole.len() - 1] {
        place.file("cut.gguf", &whole[..length]);
        refused(&place, on("cut.gguf"), 2, "`cut.gguf` is not a usable GGUF file: ", "cut short");
    }
    if let Some(real) = std::env::var_os("CLOISTER_TEST_BASE") {
        let bytes = std::fs::read(real).unwrap();
        place.file("cut.gguf", &bytes[..bytes.len() / 2]);
        refused(&place, on("cut.gguf"), 2, "`cut.gguf` is not a usable GGUF file: ", "cut short");
    }
    refused(&place, on("smollm2-135m-instruct-q4"), 2, "", "cloister pull smollm2-135m-instruct-q4");
    refused(&place, on("nonesuch"), 2, "unknown base `nonesuch`", "known names: smollm2-135m-instruct-q4");

    let folder = copy(&place, "tiny_llama", "tiny_llama");
    let broken = copy(&place, "tiny_llama_untied", "tiny_llama_untied");
    std::fs::remove_file(folder.join("chat_template.jinja")).unwrap();
    refused(&place, on("tiny_llama"), 2, "the base model has no chat template", "choose an instruct base");
    let tensors = folder.join("model.safetensors");
    let bytes = std::fs::read(&tensors).unwrap();
    std::fs::write(&tensors, &bytes[..bytes.len() / 2]).unwrap();
    refused(&place, on("tiny_llama"), 2, "is not a usable safetensors file", "cut short");
    overflow(&broken, None);
    refused(&place, on("tiny_llama_untied"), 1, "logits that are not finite", "pull it again");
    change(&broken.join("model-00001-of-00002.safetensors"), "model.embed_tokens.weight", |_| Some(f32::NAN));
    refused(&place, on("tiny_llama_untied"), 2, "holds a value that is not finite", "pull this one again");
    assert!(!place.path("out").exists());
}

#[test]
fn what_does_not_add_up_is_refused() {
    let place = Place::new();
    place.file("in.jsonl", chats(20).replace("\"subject\"", "\"about\""));
    place.file("full/file", "x");
    place.file("public.jsonl", public(3));
    let tiny = base("tiny_llama");
    let with = |more: &[&str]| train(&place, &tiny, "in.jsonl", more);
    refused(&place, with(&["--out", "full"]), 2, "`full` exists and is not empty", "choose another --out");
    refused(&place, with(&["--out", "in.jsonl"]), 2, "`in.jsonl` exists and is not empty", "choose another --out");
    refused(&place, with(&["--unit", "subject"]), 2, "line 1 names no subject", "--unit record");
    refused(&place, with(&["--batch", "21"]), 2, "21", "the batch must not be larger than the data");
    refused(&place, with(&["--delta", "0.06"]), 2, "delta 0.06", "well below 1 / records");
    refused(&place, with(&["--targets", "q,lm_head"]), 2, "lm_head", "q, k, v, o, gate, up, down");
    refused(&place, with(&["--rank", "257"]), 2, "rank is 257, must be from 1 to 256", "--rank");
    refused(&place, with(&["--resume"]), 2, "there is no snapshot in `out.snapshot`", "leave --resume out");
    refused(&place, with(&["--evaluation", "absent.jsonl"]), 2, "absent.jsonl", "check the spelling");
    place.file("shared.jsonl", format!("{}{}", public(3), chats(2)));
    let ran = with(&["--evaluation", "shared.jsonl"]);
    refused(&place, ran, 2, "2 records of `shared.jsonl` stand in the training data too", "not in the data");
    refused(&place, with(&["--profile", "redact"]), 2, "`train` replaces nothing", "cloister protect");
    let huge = ["--learning-rate", "1e30", "--evaluation", "public.jsonl"];
    refused(&place, with(&huge), 1, "is not finite after step 1", "lower --learning-rate");
    refused(&place, with(&["--learning-rate", "1e300"]), 1, "are not finite after step 1", "lower --learning-rate");
    refused(&place, with(&["--learning-rate", "1e-300"]), 1, "did not move in step 1", "raise --learning-rate");
    assert!(!place.path("out").exists());
}

#[cfg(not(feature = "mpi"))]
#[test]
fn one_of_several_processes_is_refused_where_they_cannot_find_each_other() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    let mut command = place.command();
    command.args(["train", "in.jsonl", "--sigma", "2", "--out", "out", "--base"]).arg(base("tiny_llama"));
    let ran = Ran::of(command.env("OMPI_COMM_WORLD_SIZE", "2").output().unwrap());
    refused(&place, ran, 2, "2 processes were started together", "build with `--features mpi`");
    assert!(!place.path("out").exists() && !place.path("out.snapshot").exists());
}

#[test]
fn an_adapter_of_another_base_is_told_of() {
    let place = Place::new();
    place.file("in.jsonl", chats(12));
    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"my order is late\"}\n");
    train(&place, &base("tiny_llama_untied"), "in.jsonl", &["--out", "out"]).exits(0);
    let other = copy(&place, "other", "tiny_llama_untied");
    let tensors = other.join("model-00001-of-00002.safetensors");
    change(&tensors, "model.embed_tokens.weight", |index| (index == 0).then_some(1.0));
    let score = |base: &Path| {
        let mut command = place.command();
        command.args(["audit", "score", "texts.jsonl", "--adapter", "out", "--base"]).arg(base);
        Ran::of(command.output().unwrap()).exits(0).stderr
    };
    assert!(score(&other).contains("warning: the adapter was trained on another base"));
    assert!(!score(&base("tiny_llama_untied")).contains("warning"));
}

#[test]
fn the_environment_is_named_where_a_value_came_from_it() {
    let place = Place::new();
    let mut command = place.command();
    command.args(["train", "in.jsonl", "--out", "out"]).env("CLOISTER_CLIP_NORM", "abc");
    let ran = Ran::of(command.output().unwrap());
    refused(&place, ran, 2, "invalid value 'abc' for '--clip-norm <C>'", "environment variable CLOISTER_CLIP_NORM");
    let ran = place.run(["train", "in.jsonl", "--out", "out", "--clip-norm", "abc"]);
    refused(&place, ran, 2, "invalid value 'abc'", "see `cloister train --help`");
}

#[test]
fn a_full_disk_leaves_no_adapter() {
    let place = Place::new();
    place.file("in.jsonl", chats(20));
    // The limit on file sizes is in blocks of 512 bytes: the configuration fits, the tensors do not.
    let script =
        "trap '' XFSZ; ulimit -f 8; exec \"$0\" train in.jsonl --epsilon 8 --steps 2 --out deep/out --base \"$1\"";
    let ran = Ran::of(place.shell(script).arg(base("tiny_llama")).output().unwrap());
    refused(&place, ran, 1, "cannot write `deep/out.snapshot/state`", "free some space; nothing half-written is left");
    assert_eq!(std::fs::read_dir(place.path("deep")).unwrap().count(), 0);
}

#[test]
fn the_benchmark_refuses_what_it_cannot_run() {
    let place = Place::new();
    let bench = |more: &[&str]| place.run([&["bench", "train"], more].concat());
    refused(&place, bench(&["--precision", "f16"]), 2, "must be f32, bf16, q8 or q4", "cloister bench --help");
    refused(&place, bench(&["--batch", "0"]), 2, "invalid value '0' for '--batch <N>'", "cloister bench --help");
    refused(&place, bench(&["--targets", "x"]), 2, "unsupported LoRA target: `x`", "q, k, v, o, gate, up, down");
    refused(&place, bench(&["--rank", "300"]), 2, "rank is 300, must be from 1 to 256", "--rank");
    refused(&place, place.run(["bench", "fly"]), 2, "unrecognized subcommand 'fly'", "cloister bench");
}
