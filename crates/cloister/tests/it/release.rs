//! `release` and `--export` as a user runs them: what is written, that it does what the adapter does, what is refused.

use std::path::{Path, PathBuf};

use cloister_model::export::gguf;
use cloister_model::{Base, Lora, LoraSpec, Precision, Target, peft};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::process::{Place, Ran, walk};
use crate::tiny::{base, chats, copy, leftovers, refused};

const ALL: &str = "gguf,merged:f32,ollama";

fn release(place: &Place, adapter: &Path, base: &Path, export: &str, out: &str) -> Ran {
    let mut command = place.command();
    command.arg("release").arg(adapter).arg("--base").arg(base).args(["--export", export, "--out", out, "--json"]);
    Ran::of(command.output().unwrap())
}

fn open(path: &Path) -> Base {
    Base::open(path, Precision::F32).unwrap().0
}

/// The greedy continuations of a few prompts.
fn continuations(place: &Place, base: &Path, adapter: Option<&Path>) -> Vec<Value> {
    let prompts = ["the order is", "hello", "my line 12 is down, please"];
    let lines = prompts.iter().map(|prompt| json!({"id": prompt, "prompt": prompt}).to_string() + "\n");
    place.file("prompts.jsonl", lines.collect::<String>());
    let mut command = place.command();
    command.args(["generate", "--prompts", "prompts.jsonl", "--greedy", "--max-tokens", "12", "--base"]).arg(base);
    if let Some(adapter) = adapter {
        command.arg("--adapter").arg(adapter);
    }
    Ran::of(command.output().unwrap()).exits(0).lines()
}

/// That the document lists exactly the files below `folder` that `is_export` picks, each with its digest and size.
fn listed(document: &Value, folder: &Path, is_export: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    walk(folder, &mut |path| {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if is_export(&name) {
            let content = std::fs::read(path).unwrap();
            let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            let expected = json!({"path": name, "sha256": sha256, "bytes": content.len()});
            assert!(document["exports"].as_array().unwrap().contains(&expected), "{expected} in {document}");
            names.push(name);
        }
    });
    assert_eq!(document["exports"].as_array().unwrap().len(), names.len(), "{document}");
    names.sort();
    names
}

#[test]
fn an_adapter_is_released_in_forms_that_do_what_it_does() {
    let place = Place::new();
    let (tiny, adapter) = (base("tiny_llama"), base("tiny_adapter"));
    let document = release(&place, &adapter, &tiny, ALL, "deep/out").exits(0).document();
    assert_eq!((&document["schema"], &document["verdict"]), (&json!("cloister.release.v1"), &json!("passed")));
    let out = place.path("deep/out");
    let names = listed(&document, &out, |_| true);
    let merged = ["chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"];
    let merged = merged.into_iter().chain(["tokenizer.json", "tokenizer_config.json"]);
    let expected: Vec<String> = ["Modelfile".into(), "adapter.gguf".into()]
        .into_iter()
        .chain(merged.map(|name| format!("merged/{name}")))
        .collect();
    assert_eq!(names, expected);
    assert!(document["merged_logits_rms"]["from_adapter"].as_f64().unwrap() < 1e-4);
    assert!(document["merged_logits_rms"]["adapter_from_base"].as_f64().unwrap() > 0.1);

    let config = open(&tiny).config;
    let bytes = std::fs::read(out.join("adapter.gguf")).unwrap();
    let read = gguf::read(&bytes, Path::new("adapter.gguf"), &config).unwrap();
    let original = peft::read(&adapter, &config).unwrap().0;
    assert!(read.spec == original.spec && read.parameters == original.parameters);
    let tuned = continuations(&place, &tiny, Some(&adapter));
    assert_eq!(continuations(&place, &out.join("merged"), None), tuned);
    assert_ne!(continuations(&place, &tiny, None), tuned);
    // the base is a folder: Ollama is given the merged model, and no adapter on top of it
    let modelfile = std::fs::read_to_string(out.join("Modelfile")).unwrap();
    assert!(modelfile.contains("\nFROM ./merged\n") && !modelfile.contains("ADAPTER"), "{modelfile}");
    assert!(leftovers(&place).is_empty());
}

#[test]
fn exports_name_no_place_and_are_the_same_each_time() {
    let place = Place::new();
    let secret = copy(&place, "home-of-eve/tiny", "tiny_llama");
    let adapter = copy(&place, "home-of-eve/adapter", "tiny_adapter");
    release(&place, &adapter, &secret, ALL, "first").exits(0);
    release(&place, &adapter, &secret, ALL, "second").exits(0);
    let mut files = 0;
    walk(&place.path("first"), &mut |path| {
        let content = std::fs::read(path).unwrap();
        let name = path.strip_prefix(place.path("first")).unwrap();
        assert!(content == std::fs::read(place.path("second").join(name)).unwrap(), "{}", name.display());
        let has = |text: &[u8]| content.windows(text.len()).any(|window| window == text);
        let root = place.path("").into_os_string().into_encoded_bytes();
        assert!(!has(b"home-of-eve") && !has(&root), "{}", name.display());
        files += 1;
    });
    assert_eq!(files, 8);
}

#[test]
fn training_exports_what_was_asked_for() {
    let place = Place::new();
    place.file("in.jsonl", chats(40));
    place.file("cloister.toml", "export = \"gguf,merged:f32\"\nepsilon = 8\nsteps = 2\nbatch = 8\n");
    let tiny = base("tiny_llama");
    let mut command = place.command();
    command.args(["train", "in.jsonl", "--out", "out", "--json", "--base"]).arg(&tiny);
    // weights that were rounded for training are not what is merged
    let ran = Ran::of(command.args(["--base-precision", "bf16"]).output().unwrap()).exits(0);
    let document = ran.document();
    let is_export = |name: &str| name == "adapter.gguf" || name.starts_with("merged/");
    assert_eq!(listed(&document, &place.path("out"), is_export).len(), 7);
    assert!(
        ran.stderr.contains("exported out/adapter.gguf (") && ran.stderr.contains("exported out/merged (6 files, ")
    );
    let out = place.path("out");
    assert_eq!(continuations(&place, &out.join("merged"), None), continuations(&place, &tiny, Some(&out)));

    // the flag is stronger than the file, and a whole run keeps the digests
    let mut command = place.command();
    command.args(["run", "in.jsonl", "--out", "run", "--export", "ollama", "--base"]).arg(&tiny);
    Ran::of(command.output().unwrap()).exits(0);
    let text = std::fs::read_to_string(place.path("run/evidence.json")).unwrap();
    let evidence: Value = serde_json::from_str(&text).unwrap();
    let names = listed(&evidence, &place.path("run"), |name| name == "Modelfile" || name.starts_with("merged/"));
    assert_eq!(names.len(), 7);
    let report = std::fs::read_to_string(place.path("run/report.html")).unwrap();
    for file in evidence["exports"].as_array().unwrap() {
        assert!(report.contains(file["sha256"].as_str().unwrap()) && report.contains(file["path"].as_str().unwrap()));
    }
    // the folder of a run is as good as its adapter
    release(&place, &place.path("run"), &tiny, "gguf", "again").exits(0);
}

#[test]
fn what_exists_is_never_overwritten() {
    let place = Place::new();
    let (tiny, adapter) = (base("tiny_llama"), base("tiny_adapter"));
    for taken in ["adapter.gguf", "merged/mine", "Modelfile"] {
        let file = place.file(&format!("out/{taken}"), "mine");
        let first = taken.split('/').next().unwrap();
        let ran = release(&place, &adapter, &tiny, ALL, "out");
        refused(&place, ran, 2, &format!("`out/{first}` exists"), "choose another --out");
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        std::fs::remove_dir_all(place.path("out")).unwrap();
    }
    place.file("out", "mine");
    refused(&place, release(&place, &adapter, &tiny, ALL, "out"), 2, "`out` exists", "choose another --out");
    std::fs::remove_file(place.path("out")).unwrap();
    // beside files of other names there is room
    place.file("out/notes", "mine");
    release(&place, &adapter, &tiny, "gguf", "out").exits(0);
    assert!(place.path("out/notes").exists() && place.path("out/adapter.gguf").exists());
}

#[test]
fn a_release_that_fails_leaves_nothing() {
    let place = Place::new();
    // The limit on file sizes is in blocks of 512 bytes: the GGUF adapter fits, the merged tensors do not.
    let script =
        "trap '' XFSZ; ulimit -f 60; exec \"$0\" release \"$1\" --base \"$2\" --export gguf,merged --out deep/out";
    let ran = Ran::of(place.shell(script).arg(base("tiny_adapter")).arg(base("tiny_llama")).output().unwrap());
    refused(&place, ran, 1, "cannot write `deep/out/merged`", "free some space; nothing half-written is left");
    assert!(!place.path("deep").exists());
}

#[test]
fn adapters_that_must_not_be_released_are_refused() {
    let place = Place::new();
    let (tiny, adapter) = (base("tiny_llama"), base("tiny_adapter"));
    let fails = |adapter: &Path, base: &Path, export: &str, code, error: &str, hint: &str| {
        refused(&place, release(&place, adapter, base, export, "out"), code, error, hint);
        assert!(!place.path("out").exists(), "{error}");
    };
    // one that changes nothing would pass every audit
    let zero = Lora::zeros(&open(&tiny).config, LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap());
    peft::write(&place.path("zero"), &zero, &open(&tiny), &Default::default()).unwrap();
    for export in ["gguf", "merged", "ollama"] {
        fails(&place.path("zero"), &tiny, export, 2, "the adapter changes nothing", "that was trained");
    }
    // one so small that 16 bits lose it
    let mut small = zero.clone();
    small.initialise(|| 0.7);
    for slot in &zero.slots {
        small.parameters[slot.b.clone()].fill(1e-6);
    }
    peft::write(&place.path("small"), &small, &open(&tiny), &Default::default()).unwrap();
    fails(&place.path("small"), &tiny, "merged", 1, "the merged model in bf16 is off by", "export merged:f32, or gguf");
    // one of another shape, one that is cut, one that is none
    let untied = base("tiny_llama_untied");
    fails(&adapter, &untied, ALL, 2, "has shape", "a LoRA adapter made for this base");
    let cut = copy(&place, "cut", "tiny_adapter").join("adapter_model.safetensors");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 4]).unwrap();
    fails(&place.path("cut"), &tiny, ALL, 2, "is not a usable safetensors file", "damaged or cut short");
    fails(&place.path("absent"), &tiny, ALL, 2, "cannot read `", "check the spelling");
}

/// The base of the tests is a GGUF file: Ollama takes it with the adapter on top.
#[test]
fn a_gguf_base_gives_ollama_the_adapter() {
    let Some(real) = std::env::var_os("CLOISTER_TEST_BASE").map(PathBuf::from) else {
        eprintln!("skipped: CLOISTER_TEST_BASE does not name the SmolLM2 file");
        return;
    };
    let place = Place::new();
    let base = open(&real);
    let mut lora = Lora::zeros(&base.config, LoraSpec::new(1, 2, vec![Target::Value]).unwrap());
    lora.parameters.iter_mut().enumerate().for_each(|(index, value)| *value = (index as f32).sin());
    peft::write(&place.path("adapter"), &lora, &base, &Default::default()).unwrap();
    let ran = release(&place, &place.path("adapter"), &real, "ollama", "out").exits(0);
    let name = real.file_name().unwrap().to_str().unwrap();
    let document = ran.document();
    assert_eq!(document["modelfile_needs"], name);
    assert_eq!(listed(&document, &place.path("out"), |_| true), ["Modelfile", "adapter.gguf"]);
    let modelfile = std::fs::read_to_string(place.path("out/Modelfile")).unwrap();
    assert!(modelfile.contains(&format!("\nFROM ./{name}\nADAPTER ./adapter.gguf\nTEMPLATE ")), "{modelfile}");
    assert!(!modelfile.contains(real.parent().unwrap().to_str().unwrap()), "no path of this machine");
    assert!(ran.stderr.contains(&format!("out/{name}\n")) && ran.stderr.contains("ln -s "), "{}", ran.stderr);
}
