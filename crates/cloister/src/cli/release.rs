//! `cloister release`: an adapter in the forms that other programs run, and the same at the end of `train` and `run`; the records
//! of a dataset, out of the vault.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cloister_access::Action;
use cloister_model::{Kernels, Precision};
use serde_json::{Map, Value, json};

use super::Exit;
use super::config::{Settings, whole};
use super::console::{Console, Ink};
use super::hint::Usage;
use super::model::read_adapter;
use super::sealed::{DatasetArgs, Named};
use super::training::{open_base, use_threads};
use super::words::counted;
use crate::evidence::shell_word;
use crate::files::{Keep, WholeFile, human_bytes};
use crate::interrupt;
use crate::pull::Base as Found;
use crate::release::{Exported, Exports, MERGED, Outcome, Request, refuse_existing, release};
use crate::train::Ready;

/// Arguments of `release`.
#[derive(clap::Args)]
#[command(
    after_help = "LIST takes gguf (adapter.gguf, for llama.cpp), merged (a Hugging Face folder) and ollama (a Modelfile). \
                        Values are stored as f32 in adapter.gguf and as bf16 in the merged model; gguf:f16, merged:f32 \
                        and merged:f16 choose otherwise.\nOf dataset:NAME it writes the records to --out FILE, in the clear: that \
                        takes a passphrase typed now and, where four eyes are on, a grant that somebody else approved."
)]
pub(super) struct Args {
    /// Adapter folder, or the folder of a whole run; dataset:NAME is one of the project
    adapter: PathBuf,
    /// Base model: a pulled name, a GGUF file or a Hugging Face folder
    #[arg(long, env = "CLOISTER_BASE", value_name = "MODEL", hide_env = true)]
    base: Option<String>,
    /// Forms to write, as a list: `gguf`, `merged` (or `merged:f32`), `ollama`
    #[arg(long, env = "CLOISTER_EXPORT", value_name = "LIST", hide_env = true)]
    export: Option<Exports>,
    /// Folder of the exports
    #[arg(long, env = "CLOISTER_OUT", value_name = "DIR", hide_env = true)]
    out: Option<PathBuf>,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
    #[command(flatten)]
    of: DatasetArgs,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        if let Some(named) = Named::of(&self.adapter)? {
            return records(console, &self.of, &named, self.out.as_deref());
        }
        let settings = Settings { base: self.base, export: self.export, out: self.out, ..Settings::default() };
        let settings = settings.resolve()?;
        // Merged weights are sums in f32: a base that is kept in less would be rounded twice.
        let settings = Settings { base_precision: Some(Precision::F32), ..settings };
        let Some(exports) = &settings.export else {
            let hint = "add --export gguf,merged,ollama, or a part of it";
            return Err(Usage::new("no form of export is named", hint).into());
        };
        let Some(out) = &settings.out else {
            return Err(Usage::new("no folder for the exports is named", "add --out DIR").into());
        };
        std::fs::metadata(&self.adapter).map_err(crate::Error::read(&self.adapter))?;
        let base = settings.find_base()?;
        refuse_existing(out, exports, &base.path)?;
        use_threads(self.threads)?;
        let ready = open_base(console, &base, &settings)?;
        interrupt::watch();
        let outcome = export(console, &ready, &base, exports, &self.adapter, out)?;
        tell(console, &outcome, &base, out);
        let mut fields = document(&outcome);
        fields.insert("out".into(), json!(out));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

/// The records of a dataset, out of the vault.
fn records(console: &Console, of: &DatasetArgs, named: &Named, out: Option<&Path>) -> anyhow::Result<Exit> {
    let out = out.ok_or_else(|| Usage::new("no file for the records is named", "add --out FILE"))?;
    let mut file = WholeFile::create(out, Keep::Private)?;
    interrupt::watch();
    let opened = of.opening.with(console, |project| {
        project.through(&of.ask(Action::DatasetExport, named), |pass| {
            let opened = pass.records(named.version, |line| {
                interrupt::check()?;
                file.write_all(line).and_then(|()| file.write_all(b"\n")).map_err(crate::Error::write(out))?;
                Ok::<_, anyhow::Error>(())
            })?;
            file.commit()?;
            Ok::<_, anyhow::Error>(opened)
        })
    })?;
    let (version, records) = (&opened.version.id, counted(opened.records as usize, "record"));
    console.say(format_args!("wrote {records} of dataset {version} to {}: they are text, in the clear", out.display()));
    let mut fields = Map::new();
    fields.insert("version".into(), json!(version));
    fields.insert("records".into(), json!(opened.records));
    fields.insert("out".into(), json!(out));
    console.document("passed", fields)?;
    Ok(Exit::Passed)
}

/// The exports that the settings ask for, of an adapter that was just written into `adapter`.
pub(super) fn export_trained(
    console: &Console,
    settings: &Settings,
    (ready, base): (&Ready, &Found),
    adapter: &Path,
    out: &Path,
) -> anyhow::Result<Option<Outcome>> {
    let Some(exports) = &settings.export else { return Ok(None) };
    let exact = match settings.base_precision.unwrap_or_default() {
        Precision::F32 => None,
        _ => Some(Ready::open(&base.path, Precision::F32, Kernels::Fused)?),
    };
    let outcome = export(console, exact.as_ref().unwrap_or(ready), base, exports, adapter, out);
    let what =
        || format!("the adapter stands in `{}`, its exports do not (`cloister release` makes them)", adapter.display());
    Ok(Some(outcome.with_context(what)?))
}

fn export(
    console: &Console,
    ready: &Ready,
    base: &Found,
    exports: &Exports,
    adapter: &Path,
    out: &Path,
) -> anyhow::Result<Outcome> {
    let lora = read_adapter(console, Some(adapter), ready)?;
    let lora = lora.as_ref().ok_or_else(|| Usage::new("no adapter is named", "name its folder"))?;
    let Ready { base: model, decoder, .. } = ready;
    Ok(release(&Request { base: model, base_path: &base.path, decoder, lora, exports, out })?)
}

/// Says what was exported, and what is left to do for Ollama.
pub(super) fn tell(console: &Console, outcome: &Outcome, base: &Found, out: &Path) {
    if let Some(fidelity) = &outcome.fidelity {
        console.say(format_args!(
            "merged model: logits within {:.2e} of base and adapter, which are {:.2e} from the base (root mean squares)",
            fidelity.from_adapter, fidelity.adapter_from_base
        ));
    }
    let name = console.ink(Ink::Green, "exported");
    let (folder, files): (Vec<&Exported>, Vec<&Exported>) =
        outcome.files.iter().partition(|file| file.path.contains('/'));
    if !folder.is_empty() {
        let bytes = folder.iter().map(|file| file.bytes).sum();
        let files = counted(folder.len(), "file");
        console.say(format_args!("{name} {} ({files}, {})", out.join(MERGED).display(), human_bytes(bytes)));
    }
    for file in files {
        let digest = file.sha256.get(..12).unwrap_or_default();
        let path = out.join(&file.path);
        console.say(format_args!("{name} {} ({}, sha256 {digest}…)", path.display(), human_bytes(file.bytes)));
    }
    if let Some(name) = &outcome.beside_modelfile {
        let target = std::path::absolute(&base.path).unwrap_or_else(|_| base.path.clone());
        let (target, link) = (target.display().to_string(), out.join(name).display().to_string());
        console.say(format_args!(
            "the Modelfile wants the base beside it: ln -s {} {}",
            shell_word(&target),
            shell_word(&link)
        ));
    }
}

/// The part of a document about exports.
pub(super) fn document(outcome: &Outcome) -> Map<String, Value> {
    let files: Vec<Value> = outcome
        .files
        .iter()
        .map(|file| json!({"path": file.path, "sha256": file.sha256, "bytes": file.bytes}))
        .collect();
    let mut fields = Map::new();
    fields.insert("exports".into(), files.into());
    if let Some(fidelity) = &outcome.fidelity {
        let value = json!({"from_adapter": fidelity.from_adapter, "adapter_from_base": fidelity.adapter_from_base});
        fields.insert("merged_logits_rms".into(), value);
    }
    if let Some(name) = &outcome.beside_modelfile {
        fields.insert("modelfile_needs".into(), name.as_str().into());
    }
    fields
}
