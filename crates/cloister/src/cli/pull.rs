//! `cloister pull`: fetch a base model, say what vouches for it, and print its path.

use serde_json::{Map, json};

use super::Exit;
use super::console::{Console, Ink};
use crate::files::human_bytes;
use crate::interrupt;
use crate::pull::{Home, ManifestFile, Sources, Trust, known_names, pull};

/// Arguments of `pull`.
#[derive(clap::Args)]
#[command(after_help = format!("Known names have pinned digests. A hub id takes config, tokenizer and *.safetensors, never \
                        a pickle.\nFamilies: {}.\nEnvironment: PIP_INDEX_URL, HF_ENDPOINT, HF_HOME, HF_TOKEN (or the \
                        hub's token file), SSL_CERT_FILE, HTTPS_PROXY, CLOISTER_HOME.", cloister_model::Family::names()))]
pub(super) struct Args {
    /// A known name, such as smollm2-135m-instruct-q4, or a hub id `organisation/model`
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    /// Branch, tag or commit of a hub id; a base pulled before is replaced if it differs
    #[arg(long, value_parser = revision)]
    revision: Option<String>,
    /// Python package index (simple API)
    #[arg(long, value_name = "URL")]
    index: Option<String>,
    /// List known names and pulled bases instead
    #[arg(long, conflicts_with_all = ["name", "revision", "index"])]
    list: bool,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let home = Home::from_env()?;
        let Some(name) = self.name else { return list(console, &home) };
        let mut sources = Sources::from_env();
        if let Some(index) = self.index {
            sources.index = index;
        }
        interrupt::watch();
        let pulled = pull(&name, self.revision.as_deref(), &sources, &home, console.show())?;
        let manifest = pulled.manifest;
        let folder = home.base_folder(&name);
        let path = if manifest.entry == "." { folder } else { folder.join(&manifest.entry) };
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        let action = if pulled.fetched { "pulled" } else { "already here, verified" };
        console.say(format_args!("{} {name}: {action}", console.ink(Ink::Green, "✓")));
        console.say(format_args!("  {}  {}", console.ink(Ink::Dim, "size   "), human_bytes(bytes)));
        console.say(format_args!(
            "  {}  {}",
            console.ink(Ink::Dim, "licence"),
            manifest.licence.as_deref().unwrap_or("not stated")
        ));
        console.say(format_args!("  {}  {}", console.ink(Ink::Dim, "digests"), vouched(&manifest.files)));
        let mut fields = Map::new();
        fields.insert("fetched".into(), pulled.fetched.into());
        fields.insert("path".into(), path.display().to_string().into());
        fields.insert("base".into(), serde_json::to_value(&manifest)?);
        console.document("passed", fields)?;
        if !console.json() {
            console.bytes(format!("{}\n", path.display()).as_bytes())?;
        }
        Ok(Exit::Passed)
    }
}

fn list(console: &Console, home: &Home) -> anyhow::Result<Exit> {
    let pulled = home.pulled();
    if console.json() {
        let mut fields = Map::new();
        fields.insert("known".into(), json!(known_names()));
        fields.insert("pulled".into(), json!(pulled));
        console.document("passed", fields)?;
        return Ok(Exit::Passed);
    }
    let mut lines = String::new();
    let only_known = known_names().into_iter().filter(|known| !pulled.iter().any(|name| name == known));
    for (name, state) in
        pulled.iter().map(|name| (name.as_str(), "pulled")).chain(only_known.map(|name| (name, "known")))
    {
        lines.push_str(&format!("{state:<6}  {name}\n"));
    }
    console.bytes(lines.as_bytes())?;
    Ok(Exit::Passed)
}

/// `1 pinned`, `2 stated by the hub, 3 recorded`.
fn vouched(files: &[ManifestFile]) -> String {
    let count = |trust| files.iter().filter(|file| file.trust == trust).count();
    let parts =
        [(Trust::Pinned, "pinned"), (Trust::Stated, "stated by the source"), (Trust::Recorded, "recorded only")];
    let parts = parts.map(|(trust, words)| (count(trust), words));
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
    parts.join(", ")
}

fn revision(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    let clean = !text.is_empty()
        && text.chars().all(good)
        && !text.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if clean { Ok(text.into()) } else { Err("not a branch, tag or commit".into()) }
}
