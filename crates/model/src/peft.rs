//! Adapter folders as PEFT writes and reads them: `adapter_config.json` and `adapter_model.safetensors`, with the
//! base's tokenizer and chat template beside them.
//!
//! Invariants: a folder appears whole or not at all; the same adapter gives the same bytes. Reading is strict
//! where PEFT is lenient: PEFT loads a folder with wrong tensor names "successfully" and then runs the bare base,
//! which passes every audit for leaks. So a name that is not expected, and one that is missing, are errors.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::base::Base;
use crate::base::dequant::{TensorType, dequantise};
use crate::base::gguf::printable;
use crate::base::mmap::Mapping;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::files::{pretty, safetensors_head, write_file, write_folder};
use crate::lora::{Lora, LoraSpec, Slot, Target};

/// The version of PEFT whose format this is.
pub const PEFT_VERSION: &str = "0.21.2";

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
const LARGEST_CONFIG_BYTES: u64 = 1 << 20;

/// Writes an adapter folder. `metadata` goes into the header of the tensors' file; the folder must not exist, or
/// be empty, and its parent must exist.
///
/// # Errors
/// [`Error::Io`], also if the folder is not empty; then nothing is left behind. [`Error::NonFinite`] and
/// [`Error::Adapter`] for factors that are no adapter of this base.
pub fn write(dir: &Path, lora: &Lora, base: &Base, metadata: &BTreeMap<String, String>) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: dir.to_path_buf(), source };
    check_factors(lora, &base.config)?;
    if metadata.contains_key("format") {
        return Err(Error::Adapter("metadata must not set `format`".into()));
    }
    write_folder(dir, |folder| write_files(folder, lora, base, metadata).map_err(failed))
}

/// Reads an adapter folder for a decoder, with the pairs in the header of the tensors' file.
///
/// # Errors
/// [`Error::Adapter`] names the first setting or tensor that does not belong; [`Error::Format`], [`Error::Io`],
/// [`Error::Config`], [`Error::NonFinite`].
pub fn read(dir: &Path, config: &DecoderConfig) -> Result<(Lora, BTreeMap<String, String>)> {
    let spec = read_config(&dir.join(CONFIG))?;
    let path = dir.join(TENSORS);
    let mapping = Mapping::open(&path)?;
    let malformed = |error: safetensors::SafeTensorError| Error::Format {
        format: "safetensors",
        path: path.clone(),
        problem: error.to_string(),
    };
    let tensors = SafeTensors::deserialize(&mapping).map_err(malformed)?;
    let (_, header) = SafeTensors::read_metadata(&mapping).map_err(malformed)?;
    let mut lora = Lora::zeros(config, spec);
    refuse_strangers(&lora, &tensors)?;
    for slot in &lora.slots {
        let rank = lora.spec.rank;
        let (a, b) = (keys(slot), (slot.a.clone(), slot.b.clone()));
        let factors = [(&a.0, [rank, slot.input], b.0), (&a.1, [slot.output, rank], b.1)];
        for (key, shape, range) in factors {
            lora.parameters[range].copy_from_slice(&factor(&tensors, key, shape)?);
        }
    }
    if !lora.parameters.iter().all(|value| value.is_finite()) {
        return Err(Error::NonFinite("an adapter factor"));
    }
    let mut metadata: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    metadata.remove("format");
    Ok((lora, metadata))
}

/// Reads a folder that was just written, and makes sure that it holds `written`, bit for bit, and changes the
/// base at all. Returns what was read, for the caller to compare its logits with those in memory and the base's.
///
/// # Errors
/// [`Error::Adapter`] if it differs or changes nothing; and as [`read`].
pub fn check_written(dir: &Path, written: &Lora, config: &DecoderConfig) -> Result<Lora> {
    let (lora, _) = read(dir, config)?;
    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
    let equal = lora.spec == written.spec
        && lora.parameters.len() == written.parameters.len()
        && lora.parameters.iter().zip(&written.parameters).all(same);
    if !equal {
        return Err(Error::Adapter("does not read back as it was written".into()));
    }
    if lora.is_identity() {
        return Err(Error::Adapter("every B factor is zero: the adapter changes nothing".into()));
    }
    Ok(lora)
}

/// Names of a slot's `A` and `B`, as PEFT forms them.
fn keys(slot: &Slot) -> (String, String) {
    let (layer, block, module) = (slot.layer, slot.target.block(), slot.target.module());
    let key = |factor| format!("base_model.model.model.layers.{layer}.{block}.{module}.lora_{factor}.weight");
    (key('A'), key('B'))
}

pub(crate) fn check_factors(lora: &Lora, config: &DecoderConfig) -> Result<()> {
    let expected = Lora::zeros(config, lora.spec.clone());
    if lora.slots != expected.slots || lora.parameters.len() != expected.parameters.len() {
        return Err(Error::Adapter("factors do not fit the base".into()));
    }
    if !lora.parameters.iter().all(|value| value.is_finite()) {
        return Err(Error::NonFinite("an adapter factor"));
    }
    Ok(())
}

fn write_files(dir: &Path, lora: &Lora, base: &Base, metadata: &BTreeMap<String, String>) -> io::Result<()> {
    write_file(dir, CONFIG, |file| pretty(file, &adapter_config(lora, base)))?;
    write_file(dir, TENSORS, |file| write_tensors(file, lora, metadata))?;
    write_file(dir, "tokenizer.json", |file| file.write_all(base.tokenizer.json().as_bytes()))?;
    let mut settings = base.tokenizer.config().clone();
    if let Some(template) = &base.template {
        settings.remove("chat_template");
        write_file(dir, "chat_template.jinja", |file| file.write_all(template.source().as_bytes()))?;
    }
    write_file(dir, "tokenizer_config.json", |file| pretty(file, &Value::Object(settings)))
}

/// The keys that other readers need, and none that they would warn about.
fn adapter_config(lora: &Lora, base: &Base) -> Value {
    let modules: BTreeSet<&str> = lora.spec.targets.iter().map(|target| target.module()).collect();
    json!({
        "base_model_name_or_path": format!("{}@sha256:{}", base.identity.name, base.identity.sha256),
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "lora_alpha": lora.spec.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "peft_version": PEFT_VERSION,
        "r": lora.spec.rank,
        "revision": null,
        "target_modules": modules,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": false,
    })
}

fn write_tensors(file: &mut impl Write, lora: &Lora, metadata: &BTreeMap<String, String>) -> io::Result<()> {
    let mut factors = BTreeMap::new();
    for slot in &lora.slots {
        let (a, b) = keys(slot);
        factors.insert(a, ([lora.spec.rank, slot.input], slot.a.clone()));
        factors.insert(b, ([slot.output, lora.spec.rank], slot.b.clone()));
    }
    let mut pairs = metadata.clone();
    pairs.insert("format".into(), "pt".into());
    let shapes = factors.iter().map(|(key, (shape, _))| (key.clone(), shape.to_vec()));
    file.write_all(&safetensors_head(&pairs, ("F32", size_of::<f32>()), shapes)?)?;
    for (_, range) in factors.into_values() {
        for value in &lora.parameters[range] {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(())
}

fn read_config(path: &Path) -> Result<LoraSpec> {
    let failed = |source| Error::Io { action: "read", path: path.to_path_buf(), source };
    let malformed = |problem: String| Error::Format { format: "JSON", path: path.to_path_buf(), problem };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LARGEST_CONFIG_BYTES {
        return Err(malformed(format!("is not a file of at most {LARGEST_CONFIG_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let settings: Map<String, Value> = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    refuse_settings(&settings)?;
    let rank = settings.get("r").and_then(Value::as_u64).and_then(|rank| usize::try_from(rank).ok());
    let rank = rank.ok_or_else(|| Error::Adapter(format!("{CONFIG} has no whole `r`")))?;
    let alpha = settings.get("lora_alpha").and_then(Value::as_f64);
    let alpha = alpha.filter(|alpha| alpha.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(alpha));
    let alpha = alpha.ok_or_else(|| Error::Adapter(format!("{CONFIG} has no `lora_alpha` that is a whole number")))?;
    LoraSpec::new(rank, alpha as u32, targets(settings.get("target_modules"))?)
}

fn targets(value: Option<&Value>) -> Result<Vec<Target>> {
    let refused = |problem: &str| Error::Adapter(format!("`target_modules` {problem}"));
    match value {
        Some(Value::String(text)) if text == "all-linear" => Ok(Target::ALL.to_vec()),
        Some(Value::String(_)) => Err(refused("is a regular expression, and only a list of names is supported")),
        Some(Value::Array(names)) => {
            let target = |name: &Value| Target::ALL.into_iter().find(|target| name == target.module());
            let unknown = |name: &Value| {
                let name = printable(name.as_str().unwrap_or("not a name"));
                refused(&format!("names `{name}`, which is no adaptable layer"))
            };
            names.iter().map(|name| target(name).ok_or_else(|| unknown(name))).collect()
        }
        _ => Err(refused("is missing")),
    }
}

/// Refuses every setting that means something else than plain LoRA, also ones that are not invented yet: a key
/// that is not known must be null, false or empty.
fn refuse_settings(settings: &Map<String, Value>) -> Result<()> {
    const HARMLESS: [&str; 14] = [
        "auto_mapping",
        "base_model_name_or_path",
        "inference_mode",
        "loftq_config",
        "lora_alpha",
        "lora_dropout",
        "megatron_config",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "r",
        "revision",
        "runtime_config",
        "target_modules",
    ];
    for (key, value) in settings {
        let plain = match (key.as_str(), value) {
            (key, _) if HARMLESS.contains(&key) => true,
            ("peft_type", value) => value == "LORA",
            ("task_type", value) => value.is_null() || value == "CAUSAL_LM",
            ("bias", value) => value == "none",
            // Other ways to initialise, such as PiSSA, also change the base.
            ("init_lora_weights", Value::String(name)) => matches!(name.as_str(), "gaussian" | "eva" | "orthogonal"),
            ("init_lora_weights", _) | (_, Value::Null | Value::Bool(false)) => true,
            (_, Value::Array(items)) => items.is_empty(),
            (_, Value::Object(items)) => items.is_empty(),
            _ => false,
        };
        if !plain {
            return Err(Error::Adapter(format!("the setting `{}` is not supported", printable(key))));
        }
    }
    if settings.contains_key("peft_type") {
        return Ok(());
    }
    Err(Error::Adapter(format!("{CONFIG} has no `peft_type`")))
}

fn refuse_strangers(lora: &Lora, tensors: &SafeTensors<'_>) -> Result<()> {
    let expected: BTreeSet<String> = lora.slots.iter().map(keys).flat_map(|(a, b)| [a, b]).collect();
    let present: BTreeSet<&str> = tensors.names().into_iter().collect();
    if let Some(key) = present.iter().find(|&&key| !expected.contains(key)) {
        return Err(Error::Adapter(format!("unexpected tensor `{}`", printable_key(key))));
    }
    match expected.iter().find(|key| !present.contains(key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::Adapter(format!("missing tensor `{key}`"))),
    }
}

fn factor(tensors: &SafeTensors<'_>, key: &str, shape: [usize; 2]) -> Result<Vec<f32>> {
    let view = tensors.tensor(key).map_err(|_| Error::Adapter(format!("missing tensor `{key}`")))?;
    if view.shape() != shape {
        let problem = format!("tensor `{key}` has shape {:?}, expected {shape:?}", view.shape());
        return Err(Error::Adapter(problem));
    }
    let kind = match view.dtype() {
        Dtype::F32 => TensorType::F32,
        Dtype::F16 => TensorType::F16,
        Dtype::BF16 => TensorType::Bf16,
        other => return Err(Error::Adapter(format!("tensor `{key}` has type {other:?}"))),
    };
    Ok(dequantise(kind, view.data()))
}

/// A longer cut than for other names: PEFT's are long.
pub(crate) fn printable_key(key: &str) -> String {
    key.chars().take(160).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
