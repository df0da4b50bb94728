//! `cloister generate`: text from a base, with or without an adapter.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use cloister_model::generate::{Choice, generate};
use cloister_model::{Lora, Message, peft};
use serde_json::{Map, Value, json};

use super::Exit;
use super::config::{Settings, positive, whole};
use super::console::Console;
use super::hint::Usage;
use super::training::{open_base, use_threads};
use crate::files::{Keep, WholeFile};
use crate::interrupt;
use crate::progress::Unit;
use crate::train::Ready;

/// Arguments of `generate`.
#[derive(clap::Args)]
#[command(
    after_help = "Prompts: {\"id\",\"prompt\"} per line, or with --chat {\"id\",\"messages\":[{\"role\",\"content\"}]}. \
                        Output: {\"id\",\"tokens\",\"text\"} per line."
)]
pub(super) struct Args {
    /// Base model: a pulled name, a GGUF file or a Hugging Face folder
    #[arg(long, env = "CLOISTER_BASE", value_name = "MODEL", hide_env = true)]
    base: Option<String>,
    /// Adapter folder
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Prompts as JSON lines; `-` is stdin
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// Apply the chat template to `messages`
    #[arg(long)]
    chat: bool,
    /// Always the most likely token
    #[arg(long)]
    greedy: bool,
    /// Spread of sampling
    #[arg(long, value_name = "T", default_value = "0.7", value_parser = positive, conflicts_with = "greedy")]
    temperature: f64,
    /// Probability kept by nucleus sampling, at most 1
    #[arg(long, value_name = "P", default_value = "0.95", value_parser = positive, conflicts_with = "greedy")]
    top_p: f64,
    /// Start of sampling: one seed, one text
    #[arg(long, value_name = "N", default_value = "0", conflicts_with = "greedy")]
    seed: u64,
    /// Most new tokens per prompt
    #[arg(long, value_name = "N", default_value = "128", value_parser = whole)]
    max_tokens: usize,
    /// Results as JSON lines; `-` is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let settings = Settings { base: self.base.clone(), ..Settings::default() }.resolve()?;
        use_threads(self.threads)?;
        let mut out = Lines::create(console, &self.out, self.force)?;
        let requests = json_lines(&self.prompts)?;
        let ready = open_base(console, &settings)?;
        let lora = read_adapter(console, self.adapter.as_deref(), &ready)?;
        interrupt::watch();
        let mut progress = console.progress("generating", requests.len() as u64, Unit::Count("prompts"));
        for (index, (line, request)) in requests.iter().enumerate() {
            interrupt::check()?;
            let prompt = self.prompt(&ready, *line, request)?;
            let choice = match self.greedy {
                true => Choice::Greedy,
                false => Choice::Sampled {
                    temperature: self.temperature as f32,
                    top_p: self.top_p as f32,
                    seed: self.seed.wrapping_add(index as u64),
                },
            };
            let stops = ready.base.tokenizer.eos_ids();
            let tokens = generate(&ready.decoder, lora.as_ref(), &prompt, stops, self.max_tokens, choice)?;
            let text = ready.base.tokenizer.decode(&tokens, true);
            out.write(&json!({"id": id(request, *line), "tokens": tokens, "text": text}))?;
            progress.advance(1);
        }
        drop(progress);
        out.commit()?;
        let mut fields = Map::new();
        fields.insert("prompts".into(), requests.len().into());
        fields.insert("out".into(), json!(self.out));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }

    fn prompt(&self, ready: &Ready, line: usize, request: &Map<String, Value>) -> anyhow::Result<Vec<u32>> {
        if !self.chat {
            let prompt = field(request, "prompt", line, "each line needs \"prompt\"; for \"messages\" add --chat")?;
            return Ok(ready.base.tokenizer.encode(prompt, true)?);
        }
        let Some(template) = &ready.base.template else { return Err(cloister_model::Error::NoTemplate.into()) };
        let messages = request.get("messages").and_then(Value::as_array).ok_or_else(|| {
            Usage::new(format!("line {line} has no messages"), "with --chat each line needs \"messages\"")
        })?;
        let part = |message: &'static str, value: &Value| -> anyhow::Result<String> {
            let text = value.get(message).and_then(Value::as_str);
            let bad =
                || Usage::new(format!("line {line}: a message has no {message}"), "give each a role and a content");
            Ok(text.ok_or_else(bad)?.to_owned())
        };
        let pairs: Vec<(String, String)> =
            messages.iter().map(|m| Ok((part("role", m)?, part("content", m)?))).collect::<anyhow::Result<_>>()?;
        let messages: Vec<Message<'_>> = pairs.iter().map(|(role, content)| Message { role, content }).collect();
        Ok(ready.base.tokenizer.encode(&template.render(&messages, true)?, false)?)
    }
}

/// The adapter in a folder, if one is named. One that changes nothing is lawful, but passes every audit: it is told of.
pub(super) fn read_adapter(console: &Console, path: Option<&Path>, ready: &Ready) -> anyhow::Result<Option<Lora>> {
    let Some(path) = path else { return Ok(None) };
    // the folder of a whole run holds its adapter one level down
    let inner = path.join("adapter");
    let path = if !path.join("adapter_config.json").exists() && inner.is_dir() { &inner } else { path };
    let (lora, _) = peft::read(path, &ready.base.config)?;
    if lora.is_identity() {
        console.warn("the adapter changes nothing: every B factor is zero");
    }
    Ok(Some(lora))
}

/// The JSON objects of a file, with their line numbers; blank lines are skipped.
pub(super) fn json_lines(path: &Path) -> anyhow::Result<Vec<(usize, Map<String, Value>)>> {
    let reader: Box<dyn BufRead> = match path == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(std::fs::File::open(path).map_err(crate::Error::read(path))?)),
    };
    let mut objects = Vec::new();
    for (index, line) in reader.split(b'\n').enumerate() {
        let line = line.map_err(crate::Error::read(path))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(&line) else {
            let message = format!("line {} of `{}` is not a JSON object", index + 1, path.display());
            return Err(
                Usage::new(message, "each line holds one object, such as {\"id\":\"1\",\"prompt\":\"…\"}").into()
            );
        };
        objects.push((index + 1, object));
    }
    Ok(objects)
}

/// A text field of an object.
pub(super) fn field<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    line: usize,
    hint: &str,
) -> anyhow::Result<&'a str> {
    let missing = || Usage::new(format!("line {line} has no text field `{name}`"), hint);
    Ok(object.get(name).and_then(Value::as_str).ok_or_else(missing)?)
}

/// The id of an object, as it stands, or one made of its line.
pub(super) fn id(object: &Map<String, Value>, line: usize) -> Value {
    object.get("id").cloned().unwrap_or_else(|| format!("line-{line}").into())
}

/// JSON lines to a file that appears whole, or to stdout.
pub(super) enum Lines<'c> {
    Stdout(&'c Console),
    File(Box<WholeFile>),
}

impl<'c> Lines<'c> {
    pub(super) fn create(console: &'c Console, path: &Path, force: bool) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            if console.json() {
                let message = "stdout cannot carry both results and the document";
                return Err(Usage::new(message, "give --out a file").into());
            }
            return Ok(Self::Stdout(console));
        }
        let keep = if force { Keep::PrivateReplacing } else { Keep::Private };
        Ok(Self::File(Box::new(WholeFile::create(path, keep)?)))
    }

    pub(super) fn write(&mut self, value: &Value) -> anyhow::Result<()> {
        match self {
            Self::Stdout(console) => console.data(value),
            Self::File(file) => {
                let path = file.target().to_owned();
                Ok(writeln!(file, "{value}").map_err(crate::Error::write(path))?)
            }
        }
    }

    pub(super) fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => Ok(file.commit()?),
        }
    }
}
