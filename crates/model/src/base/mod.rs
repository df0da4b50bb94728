//! A base model: config, tokenizer, chat template, identity and frozen weights, from one GGUF file or one
//! Hugging Face folder.
//!
//! Invariants: what cannot be run exactly is refused when it is opened, and the identity never holds a path.

mod blocks;
pub(crate) mod dequant;
pub(crate) mod folder;
pub(crate) mod gguf;
pub(crate) mod llama;
mod metadata;
pub(crate) mod mmap;
pub(crate) mod settings;
mod vocabulary;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::base::dequant::{TensorType, dequantise};
use crate::chat::ChatTemplate;
use crate::config::DecoderConfig;
use crate::error::{Error, Result};
use crate::kernels::frozen::{Frozen, Precision};
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// All of a model but its weights, which go to a [`crate::Decoder`].
pub struct Base {
    /// Sizes and constants.
    pub config: DecoderConfig,
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
    /// Opens a GGUF file or a Hugging Face folder; which it is, is decided by content. The weights come in `precision`,
    /// whatever they are stored in; with [`Precision::Q8`] and [`Precision::Q4`], blocks of the file that have that form
    /// already are taken over, and nothing that the file keeps in a finer type goes to four bits.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for malformed files, [`Error::Unsupported`] for models that we do not
    /// run, [`Error::Config`] and [`Error::Tensor`] for sizes that do not fit, [`Error::Tokenizer`],
    /// [`Error::Template`].
    pub fn open(path: &Path, precision: Precision) -> Result<(Self, Weights)> {
        let metadata =
            std::fs::metadata(path).map_err(|source| Error::Io { action: "read", path: path.to_path_buf(), source })?;
        let (base, weights) =
            if metadata.is_dir() { folder::open(path, precision)? } else { open_gguf(path, precision)? };
        weights.validate(&base.config)?;
        let (ids, rows) = (base.tokenizer.vocab_size(), base.config.vocab_size);
        if ids > rows {
            return Err(Error::Tokenizer(format!("has ids up to {}, the embedding has {rows} rows", ids - 1)));
        }
        Ok((base, weights))
    }
}

fn open_gguf(path: &Path, precision: Precision) -> Result<(Base, Weights)> {
    let mapping = mmap::Mapping::open(path)?;
    let file = gguf::Gguf::parse(&mapping, path)?;
    let shape = metadata::shape(&file)?;
    let (sha256, weights) =
        rayon::join(|| hex(&Sha256::digest(&mapping[..])), || llama::weights(&file, &shape, precision));
    let (config, _) = shape;
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
    Ok((Base { config, tokenizer, template, identity }, weights?))
}

/// Rows that are widened to `f32` at a time on their way into a matrix.
const ROWS_AT_ONCE: usize = 1024;

/// A stored matrix, row-major, in the precision asked for, or the form that stands for it (see [`blocks`]); refuses what is
/// not finite.
fn fill(
    name: &str,
    kind: TensorType,
    bytes: &[u8],
    (output, input): (usize, usize),
    precision: Precision,
) -> Result<Frozen> {
    let row_bytes = bytes.len() / output.max(1);
    // A row of whole blocks can be cut anywhere between rows; the readers have checked that blocks do not span rows.
    let parts = || bytes.chunks(ROWS_AT_ONCE * row_bytes.max(1)).enumerate();
    let forms = blocks::forms(kind, precision);
    for &form in forms {
        let mut matrix = None;
        let taken = parts().try_for_each(|(part, bytes)| {
            let blocks = blocks::blocks(kind, bytes, form)?;
            let matrix = matrix.get_or_insert_with(|| Frozen::zeros(output, input, form));
            matrix.set_blocks(part * ROWS_AT_ONCE, &blocks);
            Some(())
        });
        if let (Some(matrix), Some(())) = (matrix, taken) {
            return Ok(matrix);
        }
    }
    let form = forms.last().copied().unwrap_or(precision);
    let mut matrix = Frozen::zeros(output, input, form);
    for (part, bytes) in parts() {
        let values = finite(name, kind, bytes)?;
        if values.iter().any(|value| value.abs() > form.largest()) {
            let problem = format!("holds a value above {:.1e}, the largest in {form}", form.largest());
            return Err(Error::Tensor { name: name.into(), problem });
        }
        matrix.set_rows(part * ROWS_AT_ONCE, &values);
    }
    Ok(matrix)
}

/// Stored values as `f32`; refuses what is not finite.
fn finite(name: &str, kind: TensorType, bytes: &[u8]) -> Result<Vec<f32>> {
    let values = dequantise(kind, bytes);
    if !values.iter().all(|value| value.is_finite()) {
        return Err(Error::Tensor { name: name.into(), problem: "holds a value that is not finite".into() });
    }
    Ok(values)
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
