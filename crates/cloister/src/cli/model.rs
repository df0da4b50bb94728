//! What every verb that asks a model takes: a base, an adapter, where the answers go.

use std::path::{Path, PathBuf};

use cloister_model::{Kernels, Lora, Precision, peft};

use super::config::{Settings, whole};
use super::console::Console;
use super::lines::Lines;
use super::training::{open_base, use_threads};
use crate::train::Ready;

/// Flags of `generate` and `audit score`.
#[derive(clap::Args)]
pub(super) struct Flags {
    /// Base model: a pulled name, a GGUF file or a Hugging Face folder
    #[arg(long, env = "CLOISTER_BASE", value_name = "MODEL", hide_env = true)]
    base: Option<String>,
    /// Precision in which the base is kept: `f32`, `bf16`, `q8` or `q4`
    #[arg(long, env = "CLOISTER_BASE_PRECISION", value_name = "PRECISION", hide_env = true)]
    base_precision: Option<Precision>,
    /// Who computes: `fused` or `composed`
    #[arg(long, env = "CLOISTER_KERNELS", value_name = "KERNELS", hide_env = true)]
    kernels: Option<Kernels>,
    /// Adapter folder
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Results as JSON lines; `-` is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(super) out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
}

/// A model that answers.
pub(super) struct Model {
    pub(super) ready: Ready,
    pub(super) lora: Option<Lora>,
}

impl Flags {
    /// The file of answers. It comes before the questions and the model: what is in its way is told at once.
    pub(super) fn answers<'c>(&self, console: &'c Console) -> anyhow::Result<Lines<'c>> {
        Lines::create(console, &self.out, self.force)
    }

    /// The base, and the adapter if one is named.
    pub(super) fn open(&self, console: &Console) -> anyhow::Result<Model> {
        let (base, base_precision, kernels) = (self.base.clone(), self.base_precision, self.kernels);
        let settings = Settings { base, base_precision, kernels, ..Settings::default() };
        let settings = settings.resolve()?;
        use_threads(self.threads)?;
        let ready = open_base(console, &settings.find_base()?, &settings)?;
        let lora = read_adapter(console, self.adapter.as_deref(), &ready)?;
        Ok(Model { ready, lora })
    }
}

/// The adapter in a folder, if one is named. One that changes nothing is lawful, but passes every audit: it is told of.
pub(super) fn read_adapter(console: &Console, path: Option<&Path>, ready: &Ready) -> anyhow::Result<Option<Lora>> {
    let Some(path) = path else { return Ok(None) };
    // the folder of a whole run holds its adapter one level down
    let inner = path.join("adapter");
    let path = if !path.join("adapter_config.json").exists() && inner.is_dir() { &inner } else { path };
    let (lora, metadata) = peft::read(path, &ready.base.config)?;
    if metadata.get("base_sha256").is_some_and(|sha256| *sha256 != ready.base.identity.sha256) {
        console.warn("the adapter was trained on another base: what it does on this one is not what was evaluated");
    }
    if lora.is_identity() {
        console.warn("the adapter changes nothing: every B factor is zero");
    }
    Ok(Some(lora))
}
