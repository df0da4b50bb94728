//! `cloister audit`: what a model gives away. So far `score`, the probability that a model gives to a text.

use std::path::PathBuf;

use cloister_model::generate::log_probability;
use serde_json::{Map, json};

use super::Exit;
use super::config::{Settings, whole};
use super::console::Console;
use super::generate::{Lines, field, id, json_lines, read_adapter};
use super::hint::Usage;
use super::training::{open_base, use_threads};
use crate::interrupt;
use crate::progress::Unit;

/// Arguments of `audit`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Natural-log probability of texts under a base or an adapter
    Score(ScoreArgs),
}

#[derive(clap::Args)]
#[command(
    after_help = "Input: {\"id\",\"text\"} per line. Output: {\"id\",\"tokens\",\"logprob\"}: the probability of all \
                        tokens after the first, no template added."
)]
struct ScoreArgs {
    /// Texts as JSON lines; `-` is stdin
    file: PathBuf,
    /// Base model: a pulled name, a GGUF file or a Hugging Face folder
    #[arg(long, env = "CLOISTER_BASE", value_name = "MODEL", hide_env = true)]
    base: Option<String>,
    /// Adapter folder
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
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
        match self.what {
            What::Score(args) => args.run(console),
        }
    }
}

impl ScoreArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let settings = Settings { base: self.base.clone(), ..Settings::default() }.resolve()?;
        use_threads(self.threads)?;
        let mut out = Lines::create(console, &self.out, self.force)?;
        let texts = json_lines(&self.file)?;
        let ready = open_base(console, &settings)?;
        let lora = read_adapter(console, self.adapter.as_deref(), &ready)?;
        interrupt::watch();
        let mut progress = console.progress("scoring", texts.len() as u64, Unit::Count("texts"));
        for (line, object) in &texts {
            interrupt::check()?;
            let text = field(object, "text", *line, "each line needs \"text\"")?;
            let tokens = ready.base.tokenizer.encode(text, false)?;
            if tokens.len() < 2 {
                let message = format!("line {line} has fewer than two tokens");
                return Err(Usage::new(message, "a score is the probability of the tokens after the first").into());
            }
            let logprob = log_probability(&ready.decoder, lora.as_ref(), &tokens)?;
            out.write(&json!({"id": id(object, *line), "tokens": tokens.len(), "logprob": logprob}))?;
            progress.advance(1);
        }
        drop(progress);
        out.commit()?;
        let mut fields = Map::new();
        fields.insert("texts".into(), texts.len().into());
        fields.insert("out".into(), json!(self.out));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}
