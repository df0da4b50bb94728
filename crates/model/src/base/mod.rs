//! A base model: config, frozen weights, tokenizer, chat template and identity, from one GGUF file or one
//! Hugging Face folder.
//!
//! Invariants: what cannot be run exactly is refused when it is opened, and the identity never holds a path.

pub(crate) mod dequant;
mod folder;
pub(crate) mod gguf;
mod llama;
pub(crate) mod mmap;
mod vocabulary;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::chat::ChatTemplate;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// A model as it is on disk, ready to run.
pub struct Base {
    /// Sizes and constants.
    pub config: DecoderConfig,
    /// All weights, in `f32`.
    pub weights: Weights,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// How conversations become text; absent for models that were never taught to chat.
    pub template: Option<ChatTemplate>,
    /// Which model this is.
    pub identity: BaseIdentity,
}

/// Names a base without saying where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseIdentity {
    /// The name that the file gives itself, or the stem of the file or folder; never a path.
    pub name: String,
    /// Lower-case hexadecimal SHA-256: of the GGUF file, or, for a folder, of the lines `digest  name` of the
    /// files used, sorted by name.
    pub sha256: String,
    /// "gguf" or "safetensors".
    pub format: &'static str,
    /// How many tensors there are of each storage type, sorted by the name of the type.
    pub tensor_types: Vec<(String, usize)>,
}

impl Base {
    /// Opens a GGUF file or a Hugging Face folder; which it is, is decided by content.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for malformed files, [`Error::Unsupported`] for models that we do not
    /// run, [`Error::Config`] and [`Error::Tensor`] for sizes that do not fit, [`Error::Tokenizer`],
    /// [`Error::Template`].
    pub fn open(path: &Path) -> Result<Self> {
        let metadata =
            std::fs::metadata(path).map_err(|source| Error::Io { action: "read", path: path.to_path_buf(), source })?;
        let base = if metadata.is_dir() { folder::open(path)? } else { open_gguf(path)? };
        base.weights.validate(&base.config)?;
        let (ids, rows) = (base.tokenizer.vocab_size(), base.config.vocab_size);
        if ids > rows {
            return Err(Error::Tokenizer(format!("has ids up to {}, the embedding has {rows} rows", ids - 1)));
        }
        Ok(base)
    }
}

fn open_gguf(path: &Path) -> Result<Base> {
    let mapping = mmap::Mapping::open(path)?;
    let file = gguf::Gguf::parse(&mapping, path)?;
    let config = llama::config(&file)?;
    let (sha256, weights) = rayon::join(|| hex(&Sha256::digest(&mapping[..])), || llama::weights(&file, &config));
    let tokenizer = vocabulary::tokenizer(&file, config.context_length)?;
    let template = match file.text("tokenizer.chat_template")? {
        Some(source) => Some(template(source, &tokenizer)?),
        None => None,
    };
    let named = file.text("general.name")?.and_then(plain_name);
    let identity = BaseIdentity {
        name: named.or_else(|| plain_name(path.file_stem()?.to_str()?)).unwrap_or_else(|| "unnamed".into()),
        sha256,
        format: "gguf",
        tensor_types: llama::tensor_types(&file),
    };
    Ok(Base { weights: weights?, config, tokenizer, template, identity })
}

fn template(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
    ChatTemplate::new(source, tokenizer.special_text("bos_token"), tokenizer.special_text("eos_token"))
}

/// A name without folders and control characters; nothing if nothing is left.
fn plain_name(name: &str) -> Option<String> {
    let last = name.trim().rsplit(['/', '\\']).next()?;
    let name: String = last.chars().filter(|c| !c.is_control()).take(120).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
