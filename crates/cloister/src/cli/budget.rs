//! `cloister budget`: the privacy of a plan, and the noise for a privacy, for one plan or a batch; the curve of a plan,
//! and the price of tuning; and what the datasets of a project have spent.

mod project;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use cloister_dp::accountant::Repetitions;
use cloister_dp::{Adjacency, Phase};
use serde_json::{Map, Value, json};

use super::Exit;
use super::config::whole;
use super::console::Console;
use super::hint::Usage;
use crate::budget::{
    EpsilonQuestion, PhaseLine, Question, SigmaQuestion, TuningQuestion, answer_lines, chart, curve, questions,
};
use crate::files::{Keep, WholeFile};
pub(super) use project::{spent_of, standing_fields};

/// Arguments of `budget`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    question: Ask,
}

#[derive(clap::Subcommand)]
enum Ask {
    /// Epsilon of a training run: sampling rate, noise, steps, delta
    #[command(
        after_help = "Batch: {\"phases\":[{\"q\":0.01,\"sigma\":1.0,\"steps\":1000}],\"delta\":1e-5} per line gives \
                            {\"epsilon\",\"epsilon_pld\",\"epsilon_rdp\"} per line. An infinite answer is \"inf\".\n\
                            A phase may have \"sampling\": poisson (with \"group\"), truncated-poisson (with \"units\" and \
                            \"cap\"), shuffle or fixed-size (with \"units\" and \"batch\"); a line may have \"adjacency\": \
                            add-remove, zero-out or replace-one."
    )]
    Epsilon(EpsilonArgs),
    /// Noise multiplier for an epsilon
    #[command(after_help = "Batch: {\"epsilon\":8,\"delta\":1e-5,\"q\":0.01,\"steps\":1000} per line gives \
                            {\"sigma\",\"epsilon_pld\"} per line.")]
    Sigma(SigmaArgs),
    /// Every pair of epsilon and delta of one training run, as JSON lines, CSV or a plot
    #[command(after_help = "--question FILE takes one line as `budget epsilon --batch` does; its delta is where the \
                            curve ends.")]
    Curve(CurveArgs),
    /// Epsilon of publishing the best of several runs whose number is drawn at random
    #[command(
        after_help = "Draw the number of runs from the distribution before the first run, and keep it and every \
                            other run to yourself. A number that is fixed, or stopped by looking, costs the sum of all runs."
    )]
    Tuning(TuningArgs),
    /// What a dataset of the project has spent, of which limit, and by which runs
    Show(project::Show),
    /// Set what may be spent on a dataset of the project
    #[command(after_help = "What was spent stays spent. The stricter of this limit and the preset's holds.")]
    Limit(project::Limiting),
    /// End a run that stopped and is not to go on: what it did not use is given back
    End(project::End),
}

#[derive(clap::Args)]
struct EpsilonArgs {
    /// Questions, one JSON object per line; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["q", "sigma", "steps", "delta"])]
    batch: Option<PathBuf>,
    /// Sampling rate: the share of the data in a mean batch
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    q: Option<f64>,
    /// Noise multiplier
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    sigma: Option<f64>,
    /// Number of steps
    #[arg(long, required_unless_present = "batch")]
    steps: Option<u64>,
    /// Failure probability
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    delta: Option<f64>,
}

#[derive(clap::Args)]
struct SigmaArgs {
    /// Questions, one JSON object per line; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["epsilon", "q", "steps", "delta"])]
    batch: Option<PathBuf>,
    /// Target epsilon
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    epsilon: Option<f64>,
    /// Failure probability
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    delta: Option<f64>,
    /// Sampling rate: the share of the data in a mean batch
    #[arg(long, required_unless_present = "batch", allow_negative_numbers = true, value_parser = number)]
    q: Option<f64>,
    /// Number of steps
    #[arg(long, required_unless_present = "batch")]
    steps: Option<u64>,
}

#[derive(clap::Args)]
struct CurveArgs {
    /// A file with one question, as for `budget epsilon --batch`; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["q", "sigma", "steps", "delta"])]
    question: Option<PathBuf>,
    /// Sampling rate: the share of the data in a mean batch
    #[arg(long, required_unless_present = "question", allow_negative_numbers = true, value_parser = number)]
    q: Option<f64>,
    /// Noise multiplier
    #[arg(long, required_unless_present = "question", allow_negative_numbers = true, value_parser = number)]
    sigma: Option<f64>,
    /// Number of steps
    #[arg(long, required_unless_present = "question")]
    steps: Option<u64>,
    /// Least failure probability, where the curve ends
    #[arg(long, required_unless_present = "question", allow_negative_numbers = true, value_parser = number)]
    delta: Option<f64>,
    /// Points of the curve
    #[arg(long, default_value = "41", value_name = "N", value_parser = whole)]
    points: usize,
    /// Comma-separated values instead of JSON lines
    #[arg(long)]
    csv: bool,
    /// Write a plot to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Replace a plot that exists
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
struct TuningArgs {
    /// Sampling rate of every run: the share of the data in a mean batch
    #[arg(long, allow_negative_numbers = true, value_parser = number)]
    q: f64,
    /// Noise multiplier of every run
    #[arg(long, allow_negative_numbers = true, value_parser = number)]
    sigma: f64,
    /// Number of steps of every run
    #[arg(long)]
    steps: u64,
    /// Failure probability
    #[arg(long, allow_negative_numbers = true, value_parser = number)]
    delta: f64,
    /// Mean number of runs
    #[arg(long, value_name = "MEAN", allow_negative_numbers = true, value_parser = number)]
    trials: f64,
    /// How the number of runs is drawn
    #[arg(long, value_name = "NAME", default_value = "poisson")]
    distribution: Distribution,
    /// Shape of the negative binomial distribution, at least 0
    #[arg(long, value_name = "ETA", allow_negative_numbers = true, value_parser = number)]
    #[arg(required_if_eq("distribution", "negative-binomial"))]
    shape: Option<f64>,
}

/// How the number of runs is drawn.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Distribution {
    /// Poisson; with no run at all nothing is published
    Poisson,
    /// Geometric, at least one run
    Geometric,
    /// Logarithmic, at least one run
    Logarithmic,
    /// Negative binomial without zero, of a given shape
    NegativeBinomial,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match self.question {
            Ask::Epsilon(args) => match (args.batch, args.q, args.sigma, args.steps, args.delta) {
                (Some(batch), ..) => answer_batch::<EpsilonQuestion>(console, &batch),
                (None, Some(q), Some(sigma), Some(steps), Some(delta)) => {
                    let answer = one_phase(q, sigma, steps, delta).answer()?;
                    print_one(console, answer)
                }
                _ => Err(incomplete()),
            },
            Ask::Sigma(args) => match (args.batch, args.epsilon, args.delta, args.q, args.steps) {
                (Some(batch), ..) => answer_batch::<SigmaQuestion>(console, &batch),
                (None, Some(epsilon), Some(delta), Some(q), Some(steps)) => {
                    print_one(console, SigmaQuestion { epsilon, delta, q, steps }.answer()?)
                }
                _ => Err(incomplete()),
            },
            Ask::Curve(args) => args.run(console),
            Ask::Tuning(args) => args.run(console),
            Ask::Show(args) => args.run(console),
            Ask::Limit(args) => args.run(console),
            Ask::End(args) => args.run(console),
        }
    }
}

impl CurveArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let question = match (self.question, self.q, self.sigma, self.steps, self.delta) {
            (Some(file), ..) => {
                let mut asked = questions::<EpsilonQuestion>(&read_text(&file)?)?;
                match (asked.pop(), asked.is_empty()) {
                    (Some((_, question)), true) => question,
                    _ => return Err(Usage::new("more than one question is asked", "give one line: one curve").into()),
                }
            }
            (None, Some(q), Some(sigma), Some(steps), Some(delta)) => one_phase(q, sigma, steps, delta),
            _ => return Err(incomplete()),
        };
        let points = curve(&question, self.points)?;
        if let Some(path) = &self.svg {
            let keep = if self.force { Keep::PrivateReplacing } else { Keep::Private };
            let mut file = WholeFile::create(path, keep)?;
            file.write_all(chart(&points).as_bytes()).map_err(crate::Error::write(path))?;
            file.commit()?;
        }
        let point = |(epsilon, delta): &(f64, f64)| json!({"epsilon": epsilon, "delta": delta});
        if console.json() {
            let points = points.iter().map(point).collect();
            console.document("passed", Map::from_iter([("curve".into(), Value::Array(points))]))?;
            return Ok(Exit::Passed);
        }
        let mut text = if self.csv { "epsilon,delta\n".to_owned() } else { String::new() };
        for pair in &points {
            text += &if self.csv { format!("{},{}\n", pair.0, pair.1) } else { format!("{}\n", point(pair)) };
        }
        console.bytes(text.as_bytes())?;
        Ok(Exit::Passed)
    }
}

impl TuningArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { q, sigma, steps, delta, trials: mean, distribution, shape } = self;
        let negative_binomial = |shape: f64| Repetitions::TruncatedNegativeBinomial { mean, shape };
        let trials = match (distribution, shape) {
            (Distribution::NegativeBinomial, Some(shape)) => negative_binomial(shape),
            (Distribution::NegativeBinomial, None) => return Err(incomplete()),
            (_, Some(_)) => {
                let hint = "add --distribution negative-binomial, or leave --shape out";
                return Err(Usage::new("a shape is for the negative binomial distribution only", hint).into());
            }
            (Distribution::Poisson, None) => Repetitions::Poisson { mean },
            (Distribution::Geometric, None) => negative_binomial(1.0),
            (Distribution::Logarithmic, None) => negative_binomial(0.0),
        };
        let answer = TuningQuestion { run: Phase { q, sigma, steps }, trials, mean, delta }.answer()?;
        let epsilon = |name: &str| answer.get(name).and_then(Value::as_f64).unwrap_or(f64::INFINITY);
        if epsilon("epsilon") >= epsilon("epsilon_every_run") {
            console.say("hiding the other runs gains nothing here: showing every one of them costs no more");
        }
        print_one(console, answer)
    }
}

fn one_phase(q: f64, sigma: f64, steps: u64, delta: f64) -> EpsilonQuestion {
    EpsilonQuestion { phases: vec![PhaseLine::poisson(q, sigma, steps)], delta, adjacency: Adjacency::AddRemove }
}

fn answer_batch<Q: Question>(console: &Console, batch: &Path) -> anyhow::Result<Exit> {
    let answers = answer_lines::<Q>(&read_text(batch)?)?;
    if console.json() {
        let answers = answers.into_iter().map(Value::Object).collect();
        console.document("passed", Map::from_iter([("answers".into(), Value::Array(answers))]))?;
        return Ok(Exit::Passed);
    }
    let mut lines = Vec::new();
    for answer in &answers {
        serde_json::to_writer(&mut lines, answer)?;
        lines.push(b'\n');
    }
    console.bytes(&lines)?;
    Ok(Exit::Passed)
}

fn print_one(console: &Console, answer: Map<String, Value>) -> anyhow::Result<Exit> {
    if console.json() {
        console.document("passed", answer)?;
        return Ok(Exit::Passed);
    }
    let width = answer.keys().map(String::len).max().unwrap_or(0);
    let line = |(name, value): (&String, &Value)| format!("{name:<width$}  {}\n", rounded_up(value));
    console.bytes(answer.iter().map(line).collect::<String>().as_bytes())?;
    Ok(Exit::Passed)
}

/// Four decimals, never below the value: neither a privacy loss nor a needed noise may look smaller than it is.
fn rounded_up(value: &Value) -> String {
    match value.as_f64() {
        Some(value) => format!("{:.4}", (value * 1e4).ceil() / 1e4),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    if path != Path::new("-") {
        let text = std::fs::read(path).map_err(crate::Error::read(path))?;
        return String::from_utf8(text).map_err(|_| not_text(&path.display().to_string()));
    }
    let mut text = String::new();
    match std::io::stdin().lock().read_to_string(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(not_text("stdin")),
        other => Ok(other.map(|_| text).map_err(crate::Error::read("stdin"))?),
    }
}

fn not_text(name: &str) -> anyhow::Error {
    Usage::new(format!("`{name}` is not UTF-8"), "write one JSON object per line").into()
}

fn incomplete() -> anyhow::Error {
    Usage::new("the question is incomplete", "give every number, or --batch FILE").into()
}

/// A number; the accountant knows which numbers make sense.
fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "not a number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::number;

    #[test]
    fn a_privacy_loss_never_looks_smaller() {
        assert_eq!(rounded_up(&number(2.00001)), "2.0001");
        assert_eq!(rounded_up(&number(2.5)), "2.5000");
        assert_eq!(rounded_up(&number(f64::INFINITY)), "inf");
    }
}
