//! A Hugging Face folder: `config.json`, safetensors (whole or in shards), `tokenizer.json` and settings.
//!
//! Invariants: no file outside the folder is opened, whatever the shard index says; every tensor of the
//! folder is used, or the folder is refused; settings that change the arithmetic are refused, not ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::base::dequant::TensorType;
use crate::base::gguf::printable;
use crate::base::mmap::Mapping;
use crate::base::settings::{self, Shape};
use crate::base::{Base, BaseIdentity, fill, finite, hex, plain_name, template};
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::kernels::frozen::{Frozen, Precision};
use crate::tokenizer::{SpecialTokens, Tokenizer};
use crate::weights::{Extras, LayerWeights, Weights};

const MOST_SHARDS: usize = 1000;
const LARGEST_SETTINGS_BYTES: u64 = 256 << 20;

/// Opens a folder.
///
/// # Errors
/// As [`Base::open`].
pub(crate) fn open(folder: &Path, precision: Precision) -> Result<(Base, Weights)> {
    let mut files = Files::of(folder);
    let settings = files.settings()?;
    let shape = settings::read(&settings)?;
    let (weights, tensor_types) = weights(&mut files, &shape, precision)?;
    let (config, _) = shape;
    let tokenizer = tokenizer(&mut files, &settings)?;
    let template = match files.text("chat_template.jinja")? {
        Some(source) => Some(template(&source, &tokenizer)?),
        None => match template_in(tokenizer.config()) {
            Some(source) => Some(template(source, &tokenizer)?),
            None => None,
        },
    };
    let identity =
        BaseIdentity { name: folder_name(folder), sha256: files.digests().0, format: "safetensors", tensor_types };
    Ok((Base { config, tokenizer, template, identity }, weights))
}

/// The files of a folder; remembers the digest of each that is read.
pub(crate) struct Files<'a> {
    folder: &'a Path,
    digests: BTreeMap<String, String>,
}

impl<'a> Files<'a> {
    pub(crate) fn of(folder: &'a Path) -> Self {
        Self { folder, digests: BTreeMap::new() }
    }

    /// Lower-case hexadecimal SHA-256 of the lines `digest  name` of the files read so far, sorted by name, and the digests.
    pub(crate) fn digests(self) -> (String, BTreeMap<String, String>) {
        let lines: String = self.digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        (hex(&Sha256::digest(lines.as_bytes())), self.digests)
    }

    fn map(&mut self, name: &str) -> Result<Mapping> {
        let mapping = Mapping::open(&self.folder.join(name))?;
        self.digests.insert(name.to_owned(), hex(&Sha256::digest(&mapping[..])));
        Ok(mapping)
    }

    /// `config.json`, which every folder has.
    pub(crate) fn settings(&mut self) -> Result<Map<String, Value>> {
        let folder = self.folder;
        self.object("config.json")?.ok_or_else(|| malformed(folder, "has no config.json"))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        let path = self.folder.join(name);
        let failed = |source| Error::Io { action: "read", path: path.clone(), source };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if !metadata.is_file() || metadata.len() > LARGEST_SETTINGS_BYTES => {
                return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a file of settings")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        self.digests.insert(name.to_owned(), hex(&Sha256::digest(text.as_bytes())));
        Ok(Some(text))
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let path = self.folder.join(name);
        match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Some(object)),
            Ok(_) => Err(Error::Format { format: "JSON", path, problem: "is not an object".into() }),
            Err(error) => Err(Error::Format { format: "JSON", path, problem: error.to_string() }),
        }
    }
}

fn malformed(folder: &Path, problem: impl Into<String>) -> Error {
    Error::Format { format: "safetensors", path: folder.to_path_buf(), problem: problem.into() }
}

fn weights(
    files: &mut Files<'_>,
    (config, query_gain): &Shape,
    precision: Precision,
) -> Result<(Weights, Vec<(String, usize)>)> {
    with_tensors(files, &[], |tensors| {
        tensors.refuse_strangers(config)?;
        let types = tensors.types.iter().map(|(&name, &count)| (name.to_owned(), count)).collect();
        Ok((tensors.read(config, *query_gain, precision)?, types))
    })
}

/// Which file holds each tensor, then what `read` makes of all of them but `ignored` ones, whose types may be any.
pub(crate) fn with_tensors<R>(
    files: &mut Files<'_>,
    ignored: &[&str],
    read: impl FnOnce(&Tensors<'_>) -> Result<R>,
) -> Result<R> {
    let names = shards(files)?;
    let mappings = names.iter().map(|name| files.map(name)).collect::<Result<Vec<_>>>()?;
    let mut tensors = Tensors { by_name: BTreeMap::new(), types: BTreeMap::new() };
    for (name, mapping) in names.iter().zip(&mappings) {
        let path = files.folder.join(name);
        let parsed = SafeTensors::deserialize(mapping).map_err(|error| Error::Format {
            format: "safetensors",
            path: path.clone(),
            problem: error.to_string(),
        })?;
        for (tensor, view) in parsed.tensors().into_iter().filter(|(name, _)| !ignored.contains(&name.as_str())) {
            let kind = match view.dtype() {
                Dtype::F32 => TensorType::F32,
                Dtype::F16 => TensorType::F16,
                Dtype::BF16 => TensorType::Bf16,
                other => return Err(Error::Unsupported { what: "tensor type", value: format!("{other:?}") }),
            };
            *tensors.types.entry(kind.name()).or_insert(0) += 1;
            let stored = Stored { kind, shape: view.shape().to_vec(), bytes: view.data() };
            if tensors.by_name.insert(tensor.clone(), stored).is_some() {
                let problem = format!("tensor `{}` is in two shards", printable(&tensor));
                return Err(Error::Format { format: "safetensors", path, problem });
            }
        }
    }
    read(&tensors)
}

/// Names of the weight files.
fn shards(files: &mut Files<'_>) -> Result<Vec<String>> {
    const WHOLE: &str = "model.safetensors";
    const INDEX: &str = "model.safetensors.index.json";
    if files.folder.join(WHOLE).exists() {
        return Ok(vec![WHOLE.into()]);
    }
    let folder = files.folder;
    let index = files.object(INDEX)?.ok_or_else(|| malformed(folder, format!("has neither {WHOLE} nor {INDEX}")))?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| malformed(folder, format!("{INDEX} has no weight_map")))?;
    let mut names = BTreeSet::new();
    for value in map.values() {
        let name = value.as_str().filter(|name| is_plain_file_name(name));
        let name = name.ok_or_else(|| malformed(folder, format!("{INDEX} names a file that is not in the folder")))?;
        names.insert(name.to_owned());
    }
    if names.is_empty() || names.len() > MOST_SHARDS {
        return Err(malformed(folder, format!("{INDEX} names {} files", names.len())));
    }
    Ok(names.into_iter().collect())
}

fn is_plain_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let single = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    single && !name.contains(['/', '\\', '\0', ':']) && name.ends_with(".safetensors")
}

struct Stored<'a> {
    kind: TensorType,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

/// The tensors of a folder, by name.
pub(crate) struct Tensors<'a> {
    by_name: BTreeMap<String, Stored<'a>>,
    types: BTreeMap<&'static str, usize>,
}

pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(crate) const FINAL_NORM: &str = "model.norm.weight";
pub(crate) const HEAD: &str = "lm_head.weight";

impl Tensors<'_> {
    fn refuse_strangers(&self, config: &DecoderConfig) -> Result<()> {
        const BLOCK: [&str; 9] = [
            "input_layernorm.weight",
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.o_proj.weight",
            "post_attention_layernorm.weight",
            "mlp.gate_proj.weight",
            "mlp.up_proj.weight",
            "mlp.down_proj.weight",
        ];
        const BIASES: [&str; 3] = ["self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"];
        const HEAD_NORMS: [&str; 2] = ["self_attn.q_norm.weight", "self_attn.k_norm.weight"];
        const POST_NORMS: [&str; 2] = ["pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"];
        let traits = config.traits();
        let mut block = BLOCK.to_vec();
        for (present, names) in
            [(traits.biases, &BIASES[..]), (traits.head_norms, &HEAD_NORMS), (traits.post_norms, &POST_NORMS)]
        {
            block.extend(names.iter().filter(|_| present));
        }
        let mut known: BTreeSet<String> = [EMBEDDING, FINAL_NORM, HEAD].map(String::from).into();
        for layer in 0..config.layers {
            known.extend(block.iter().map(|name| format!("model.layers.{layer}.{name}")));
            // Written by old versions; it follows from the config.
            known.insert(format!("model.layers.{layer}.self_attn.rotary_emb.inv_freq"));
        }
        self.refuse_others(|name| known.contains(name))
    }

    /// Refuses tensors that are not `known`: what they would change is not computed.
    pub(crate) fn refuse_others(&self, known: impl Fn(&str) -> bool) -> Result<()> {
        match self.by_name.keys().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(Error::Unsupported { what: "tensor", value: printable(name) }),
        }
    }

    fn read(&self, config: &DecoderConfig, query_gain: f32, precision: Precision) -> Result<Weights> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (query, kv) = (config.query_width(), config.kv_width());
        let traits = config.traits();
        let gain = |name: &str, size: usize, factor: f32| -> Result<Vec<f32>> {
            let mut gain = self.vector(name, size)?;
            gain.iter_mut().for_each(|value| *value = (*value + traits.gain_offset) * factor);
            Ok(gain)
        };
        let layer = |index: usize| -> Result<LayerWeights> {
            let named = |name: &str| format!("model.layers.{index}.{name}.weight");
            let norm = |name: &str| gain(&named(name), hidden, 1.0);
            let head_norm =
                |name: &str, factor| traits.head_norms.then(|| gain(&named(name), config.head_dim, factor)).transpose();
            let post_norm = |name: &str| traits.post_norms.then(|| norm(name)).transpose();
            let bias = |name: &str, size| {
                let name = format!("model.layers.{index}.{name}.bias");
                traits.biases.then(|| self.vector(&name, size)).transpose()
            };
            let matrix = |name: &str, output, input| self.matrix(&named(name), (output, input), precision);
            Ok(LayerWeights {
                attention_norm: norm("input_layernorm")?,
                query: matrix("self_attn.q_proj", query, hidden)?,
                key: matrix("self_attn.k_proj", kv, hidden)?,
                value: matrix("self_attn.v_proj", kv, hidden)?,
                output: matrix("self_attn.o_proj", hidden, query)?,
                mlp_norm: match traits.post_norms {
                    true => norm("pre_feedforward_layernorm")?,
                    false => norm("post_attention_layernorm")?,
                },
                gate: matrix("mlp.gate_proj", inner, hidden)?,
                up: matrix("mlp.up_proj", inner, hidden)?,
                down: matrix("mlp.down_proj", hidden, inner)?,
                extras: Extras {
                    query_bias: bias("self_attn.q_proj", query)?,
                    key_bias: bias("self_attn.k_proj", kv)?,
                    value_bias: bias("self_attn.v_proj", kv)?,
                    query_norm: head_norm("self_attn.q_norm", query_gain)?,
                    key_norm: head_norm("self_attn.k_norm", 1.0)?,
                    post_attention_norm: post_norm("post_attention_layernorm")?,
                    post_mlp_norm: post_norm("post_feedforward_layernorm")?,
                },
            })
        };
        let table = (config.vocab_size, hidden);
        Ok(Weights {
            embedding: self.matrix(EMBEDDING, table, precision)?,
            layers: (0..config.layers).into_par_iter().map(layer).collect::<Result<_>>()?,
            final_norm: gain(FINAL_NORM, hidden, 1.0)?,
            head: if config.tied_embeddings { None } else { Some(self.matrix(HEAD, table, precision)?) },
        })
    }

    /// The matrix `name`, `[output, input]`.
    pub(crate) fn matrix(&self, name: &str, (output, input): (usize, usize), precision: Precision) -> Result<Frozen> {
        let stored = self.stored(name, &[output, input])?;
        fill(name, stored.kind, stored.bytes, (output, input), precision)
    }

    /// The vector `name`.
    pub(crate) fn vector(&self, name: &str, size: usize) -> Result<Vec<f32>> {
        let stored = self.stored(name, &[size])?;
        finite(name, stored.kind, stored.bytes)
    }

    fn stored(&self, name: &str, shape: &[usize]) -> Result<&Stored<'_>> {
        let wrong = |problem: String| Error::Tensor { name: name.into(), problem };
        let stored = self.by_name.get(name).ok_or_else(|| wrong("is missing".into()))?;
        if stored.shape != shape {
            return Err(wrong(format!("has shape {:?}, expected {shape:?}", stored.shape)));
        }
        Ok(stored)
    }
}

fn tokenizer(files: &mut Files<'_>, settings: &Map<String, Value>) -> Result<Tokenizer> {
    let json = files.text("tokenizer.json")?;
    let json = json.ok_or_else(|| Error::Unsupported { what: "tokenizer", value: "no tokenizer.json".into() })?;
    let mut config = files.object("tokenizer_config.json")?.unwrap_or_default();
    // Some versions of the tools record where a folder lay.
    config.remove("name_or_path");
    let generation = files.object("generation_config.json")?.unwrap_or_default();
    let mut other_eos_ids = Vec::new();
    for source in [&generation, settings] {
        match source.get("eos_token_id") {
            Some(Value::Array(ids)) => other_eos_ids.extend(ids.iter().filter_map(token_id)),
            Some(id) => other_eos_ids.extend(token_id(id)),
            None => {}
        }
    }
    let add_bos = config.get("add_bos_token").and_then(Value::as_bool);
    Tokenizer::from_json(json, SpecialTokens { add_bos, other_eos_ids, config })
}

fn token_id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// A template in `tokenizer_config.json`: a text, or a list of named ones, of which "default" is meant.
fn template_in(config: &Map<String, Value>) -> Option<&str> {
    match config.get("chat_template")? {
        Value::String(source) => Some(source),
        Value::Array(named) => {
            let default = named.iter().find(|template| template["name"] == "default").or_else(|| named.first())?;
            default["template"].as_str()
        }
        _ => None,
    }
}

/// `organisation--model` of a hub cache (`models--…/snapshots/<commit>`), or the folder's own name.
pub(crate) fn folder_name(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let part = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let cached = absolute.parent().filter(|parent| parent.ends_with("snapshots")).and_then(|snapshots| {
        let name = part(snapshots.parent()?)?;
        Some(name.strip_prefix("models--")?.to_owned())
    });
    cached.or_else(|| plain_name(&part(&absolute)?)).unwrap_or_else(|| "unnamed".into())
}
