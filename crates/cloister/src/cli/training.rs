//! What `train` and `run` share: from settings and records to a plan, a recipe and examples.
//!
//! Invariant: every default of training stands here, once.

mod shown;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cloister_dp::{NoiseLevel, OptimizerConfig, PlanRequest, PrivacyPlan};
use cloister_model::{Activations, Example, ExampleOptions, LengthPolicy, LoraSpec, Target};
use cloister_text::{Columns, Dataset, Reading};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::config::{self, Length, Memory, Sampling, Settings, Unit, positive};
use super::console::Console;
use super::hint::Usage;
use super::input;
use super::origin::{OriginArgs, Provenance};
use super::words::counted;
use crate::files::{digest_file, hex, human_bytes};
use crate::keys;
use crate::progress::{self, Progress};
use crate::pull::{Base as Found, Home, verify};
use crate::sandbox::Isolation;
use crate::train::child::{RecordLine, as_line};
use crate::train::corpus::{Grouping, Units, shared_records};
use crate::train::cost::{Cost, Work, estimate};
use crate::train::{Corpus, Decay, Error, Loss, Metrics, Outcome, Passes, Ready, Recipe, Schedule, StepFigures, Watch};
pub(super) use shown::{minutes, print_cost, shown_epsilon};

/// Longest example unless the user or the base's context says less.
const MAX_TOKENS: usize = 512;
/// Share of the data in a planned batch, the largest planned batch, and steps: what learns most from the passes over the
/// data that a run has time for (measured in docs/recipe.md).
const BATCH_SHARE: f64 = 0.025;
const LARGEST_BATCH: f64 = 1024.0;
const STEPS: usize = 16;
const CLIP_NORM: f64 = 0.5;
const RANK: usize = 8;
/// Fewer trained parameters take a higher rate under the same noise.
const RATE_FEW: f64 = 2.4e-2;
const RATE_MANY: f64 = 6e-3;
/// Records of one subject in one draw.
const SUBJECT_CAP: u32 = 8;
/// Above this the literature speaks of a weak guarantee, or none (Ponomareva et al. 2023, "How to DP-fy ML").
const WEAK_EPSILON: f64 = 10.0;

/// Flags of `train` and `run` beside the settings.
#[derive(clap::Args)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Noise multiplier, instead of --epsilon
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = positive, conflicts_with = "epsilon")]
    pub(super) sigma: Option<f64>,
    /// Print the plan and the cost, train nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Go on from the snapshot of an interrupted run
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) resume: bool,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = super::config::whole)]
    pub(super) threads: Option<usize>,
    #[command(flatten)]
    pub(super) origin: OriginArgs,
}

impl Flags {
    /// With the settings of the files; refuses what no data could make sense of.
    pub(super) fn resolve(mut self) -> anyhow::Result<Self> {
        self.settings = self.settings.resolve()?;
        self.noise()?;
        self.sampling(1.0)?;
        self.recipe()?;
        use_threads(self.threads)?;
        Ok(self)
    }

    /// The folder of the result, `what` being what comes into it; a dry run needs none.
    pub(super) fn out(&self, what: &str) -> anyhow::Result<PathBuf> {
        match (&self.settings.out, self.dry_run) {
            (Some(out), _) => Ok(out.clone()),
            (None, true) => Ok(PathBuf::new()),
            (None, false) => Err(Usage::new(format!("no folder for the {what} is named"), "add --out DIR").into()),
        }
    }

    fn noise(&self) -> anyhow::Result<NoiseLevel> {
        match (self.sigma, self.settings.epsilon) {
            (Some(sigma), _) => Ok(NoiseLevel::Sigma(sigma)),
            (None, Some(epsilon)) => Ok(NoiseLevel::Epsilon(epsilon)),
            (None, None) => {
                let hint = "add --epsilon E: 1 is strict, 8 is common; or --sigma S";
                Err(Usage::new("no privacy budget is given", hint).into())
            }
        }
    }

    fn unit(&self) -> Unit {
        self.settings.unit.unwrap_or(Unit::Record)
    }

    fn steps(&self) -> u64 {
        self.settings.steps.unwrap_or(STEPS) as u64
    }

    fn plan(&self, units: usize) -> anyhow::Result<PlanRequest> {
        let settings = &self.settings;
        let batch = match settings.batch {
            Some(batch) => batch as f64,
            None => (units as f64 * BATCH_SHARE).clamp(1.0, LARGEST_BATCH).round(),
        };
        let (unit, unit_cap) = match self.unit() {
            Unit::Record => (cloister_dp::Unit::Record, 1),
            Unit::Subject => (cloister_dp::Unit::Subject, SUBJECT_CAP),
        };
        Ok(PlanRequest {
            unit,
            units: units as u64,
            sampling: self.sampling(batch)?,
            steps: self.steps(),
            clip_norm: settings.clip_norm.unwrap_or(CLIP_NORM),
            noise: self.noise()?,
            delta: settings.delta,
            unit_cap,
        })
    }

    fn sampling(&self, batch: f64) -> anyhow::Result<cloister_dp::Sampling> {
        let cap = self.settings.max_batch.map(|cap| cap as u64);
        match self.settings.sampling.unwrap_or_default() {
            Sampling::TruncatedPoisson => Ok(cloister_dp::Sampling::TruncatedPoisson { batch, cap }),
            _ if cap.is_some() => {
                let hint = "add --sampling truncated-poisson, or leave --max-batch out";
                Err(Usage::new("a largest batch is for truncated Poisson sampling only", hint).into())
            }
            Sampling::Poisson => Ok(cloister_dp::Sampling::ExpectedBatch(batch)),
            Sampling::Shuffle => Ok(cloister_dp::Sampling::Shuffled { batch: batch as u64 }),
        }
    }

    fn recipe(&self) -> anyhow::Result<Recipe> {
        let settings = &self.settings;
        let targets = targets(settings.targets.as_deref().unwrap_or("qv"))?;
        let rank = settings.rank.unwrap_or(RANK);
        let alpha = u32::try_from(settings.alpha.unwrap_or(2 * rank))?;
        let usual = if targets.len() <= 2 { RATE_FEW } else { RATE_MANY };
        Ok(Recipe {
            lora: LoraSpec::new(rank, alpha, targets)?,
            optimizer: OptimizerConfig::adam(),
            learning_rate: settings.learning_rate.unwrap_or(usual),
            schedule: self.schedule()?,
            passes: Passes::default(),
            evaluate_every: self.steps().div_ceil(4),
        })
    }
}

impl Flags {
    fn schedule(&self) -> anyhow::Result<Schedule> {
        let (warmup, steps) = (self.settings.warmup.unwrap_or(0) as u64, self.steps());
        if warmup >= steps {
            let (warmup, steps) = (counted(warmup as usize, "step"), counted(steps as usize, "step"));
            let message = format!("{warmup} of warm-up leave none of {steps} at the full rate");
            return Err(Usage::new(message, "lower --warmup, or raise --steps").into());
        }
        let decay = match self.settings.schedule.unwrap_or_default() {
            config::Schedule::Constant => Decay::Constant,
            config::Schedule::Linear => Decay::Linear,
            config::Schedule::Cosine => Decay::Cosine,
        };
        Ok(Schedule { decay, warmup_steps: warmup })
    }

    /// The folder for metrics, if one is named; none of the folders that the run makes for itself, and none with the
    /// lines of another run.
    pub(super) fn metrics(&self, own: &[&Path]) -> anyhow::Result<Option<&Path>> {
        let Some(folder) = self.settings.metrics.as_deref() else { return Ok(None) };
        let shown = folder.display();
        let whole = std::path::absolute(folder)?;
        for own in own {
            if whole.starts_with(std::path::absolute(own)?) {
                let message = format!("the metrics in `{shown}` would be in the way of `{}`", own.display());
                return Err(Usage::new(message, "choose another --metrics").into());
            }
        }
        if folder.exists() && !folder.is_dir() {
            return Err(Usage::new(format!("`{shown}` is not a folder"), "choose another --metrics").into());
        }
        if !self.resume && !self.dry_run && Metrics::taken(folder) {
            let message = format!("`{shown}` holds the metrics of another run");
            return Err(Usage::new(message, "choose another --metrics").into());
        }
        Ok(Some(folder))
    }
}

/// What is decided without the base: what can be refused at once is refused before anything slow.
pub(super) struct Draft {
    name: String,
    provenance: Provenance,
    commitment: Commitment,
    units: Units,
    request: PlanRequest,
    plan: PrivacyPlan,
    recipe: Recipe,
    evaluation: Option<(PathBuf, Dataset)>,
}

/// Records, and what is known of them.
pub(super) struct Taken {
    /// What people call them.
    pub(super) name: String,
    pub(super) dataset: Dataset,
    pub(super) provenance: Provenance,
    pub(super) commitment: Commitment,
}

/// HMAC-SHA256 of the bytes of the data, or the root of a version of a dataset; and its key. A plain digest would let anyone who knows all records but one test
/// guesses of that one; with the key kept aside, the figure proves sameness to its holder only.
pub(super) struct Commitment {
    pub(super) key: keys::Key,
    pub(super) hmac: String,
}

/// All decisions, made before the first step.
pub(super) struct Prepared {
    pub(super) ready: Ready,
    pub(super) corpus: Corpus,
    pub(super) provenance: Provenance,
    /// Records of the subject with most of them, if every record names one.
    pub(super) most_records: Option<usize>,
    pub(super) commitment: Commitment,
    pub(super) request: PlanRequest,
    pub(super) plan: PrivacyPlan,
    pub(super) recipe: Recipe,
    pub(super) max_tokens: usize,
    pub(super) length: LengthPolicy,
    pub(super) evaluation: Option<Evaluation>,
}

/// Public records to measure on.
pub(super) struct Evaluation {
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) examples: Vec<Example>,
}

/// Limits the thread pool, once, before anything uses it.
pub(super) fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// A base, opened; a pulled one only if its files are still those that were pulled.
pub(super) fn open_base(console: &Console, base: &Found, settings: &Settings) -> anyhow::Result<Ready> {
    if let Some(manifest) = &base.manifest {
        verify(&Home::from_env()?, manifest, console.show())?;
    }
    let precision = settings.base_precision.unwrap_or_default();
    let kernels = settings.kernels.unwrap_or_default();
    let ready = Ready::open(&base.path, precision, kernels)?;
    let identity = &ready.base.identity;
    console.say(format_args!(
        "base {} ({}, {:.0} M parameters in {precision}, {}, sha256 {}…)",
        identity.name,
        identity.format,
        ready.decoder.parameters() as f64 / 1e6,
        human_bytes(ready.decoder.weight_bytes() as u64),
        identity.sha256.get(..12).unwrap_or_default()
    ));
    Ok(ready)
}

impl Draft {
    /// Reads the records at `data`, and decides the plan and the recipe.
    pub(super) fn of(console: &Console, flags: &Flags, data: &Path) -> anyhow::Result<(Self, Dataset)> {
        config::tell_places(console);
        let columns = input::columns(flags.settings.columns.clone())?;
        let commitment_key = keys::fresh()?;
        let mut commitment = Hmac::<Sha256>::new_from_slice(commitment_key.as_ref())?;
        let mut origin = flags.origin.open(console, data)?;
        let dataset = input::read_seen(console, data, &Reading::strict(&columns), |bytes| {
            commitment.update(bytes);
            if let Some(origin) = &mut origin {
                origin.update(bytes);
            }
        })?;
        let provenance = origin.map_or_else(|| Ok(Provenance::unknown()), |origin| origin.finish(console))?;
        let commitment = Commitment { key: commitment_key, hmac: hex(&commitment.finalize().into_bytes()) };
        Self::decide(console, flags, Taken { name: input::name(data), dataset, provenance, commitment })
    }

    /// Decides the plan and the recipe for records.
    pub(super) fn decide(console: &Console, flags: &Flags, taken: Taken) -> anyhow::Result<(Self, Dataset)> {
        let Taken { name, dataset, provenance, commitment } = taken;
        let settings = &flags.settings;
        console.say(format_args!("data {}, shape {}", counted(dataset.records.len(), "record"), dataset.shape));
        let grouping = if flags.unit() == Unit::Subject { Grouping::Subject } else { Grouping::Record };
        let units = Units::of(&dataset, grouping).with_context(|| name.clone())?;
        let request = flags.plan(units.groups.len())?;
        let plan = PrivacyPlan::build(&request)?;
        if plan.epsilon() > WEAK_EPSILON {
            let epsilon = shown_epsilon(plan.epsilon());
            console.warn(format_args!("epsilon {epsilon} is a weak guarantee or none: 1 is strict, 8 is common"));
        }
        if let (Unit::Record, Some(subjects)) = (flags.unit(), units.subjects)
            && subjects < dataset.records.len()
        {
            let have = if subjects == 1 { "has" } else { "have" };
            console.warn(format_args!(
                "{} {have} {}: the unit is the record; --unit subject protects a person's records together",
                counted(subjects, "subject"),
                counted(dataset.records.len(), "record")
            ));
        }
        let evaluation = match &settings.evaluation {
            Some(path) => {
                let columns = input::columns(settings.columns.clone())?;
                Some((path.clone(), public_records(console, path, columns, &dataset)?))
            }
            None => None,
        };
        let draft = Self { name, provenance, commitment, units, request, plan, recipe: flags.recipe()?, evaluation };
        Ok((draft, dataset))
    }

    /// The public records as another process takes them.
    pub(super) fn public_lines(&self) -> Option<Vec<RecordLine>> {
        let (_, dataset) = self.evaluation.as_ref()?;
        Some(dataset.records.iter().map(|record| as_line(record, None)).collect())
    }

    /// Makes examples of the records, protected or not, with the base.
    pub(super) fn prepare(
        self,
        console: &Console,
        settings: &Settings,
        dataset: &Dataset,
        ready: Ready,
    ) -> anyhow::Result<Prepared> {
        let Self { name, provenance, commitment, units, request, plan, recipe, evaluation } = self;
        let context = ready.base.config.context_length;
        let max_tokens = settings.max_tokens.unwrap_or(MAX_TOKENS.min(context));
        if max_tokens > context {
            let message = format!("max_tokens {max_tokens} is more than the base's context of {context} tokens");
            return Err(Usage::new(message, format!("choose at most {context}")).into());
        }
        let length = match settings.length.unwrap_or(Length::Truncate) {
            Length::Truncate => LengthPolicy::Truncate,
            Length::Refuse => LengthPolicy::Refuse,
        };
        let options = ExampleOptions { max_tokens, length };
        let most_records = units.most_records;
        let corpus = Corpus::build(dataset, &ready.base, &options, units).with_context(|| name)?;
        if corpus.truncated > 0 {
            let was = if corpus.truncated == 1 { "was" } else { "were" };
            console.warn(format_args!("{} {was} cut to {max_tokens} tokens", counted(corpus.truncated, "record")));
        }
        let evaluation = match evaluation {
            Some((path, dataset)) => Some(Evaluation::of(&path, &dataset, &ready, &options)?),
            None => None,
        };
        let mut prepared = Prepared {
            ready,
            corpus,
            provenance,
            most_records,
            commitment,
            request,
            plan,
            recipe,
            max_tokens,
            length,
            evaluation,
        };
        if let Some(Memory(budget)) = settings.memory {
            prepared.fit(console, budget)?;
        }
        Ok(prepared)
    }
}

/// Records to measure on; one that is trained on would make the loss a figure about the training data. They may have the
/// columns of the training data or the standard ones.
fn public_records(console: &Console, path: &Path, columns: Columns, private: &Dataset) -> anyhow::Result<Dataset> {
    let public = match input::read(console, path, &columns) {
        Err(error) if columns != Columns::default() => {
            input::read(console, path, &Columns::default()).map_err(|_| error)?
        }
        read => read?,
    };
    match shared_records(private, &public) {
        0 => Ok(public),
        shared => {
            let message =
                format!("{} of {} stand in the training data too", counted(shared, "record"), input::name(path));
            Err(Usage::new(message, "evaluate on public records that are not in the data").into())
        }
    }
}

impl Evaluation {
    fn of(path: &Path, dataset: &Dataset, ready: &Ready, options: &ExampleOptions) -> anyhow::Result<Self> {
        let units = Units::of(dataset, Grouping::Record)?;
        let corpus = Corpus::build(dataset, &ready.base, options, units).with_context(|| input::name(path))?;
        let file = path.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { file, sha256: digest_file(path, |_| ())?, examples: corpus.examples })
    }
}

/// `qv`, `all`, or a list of names.
pub(super) fn targets(text: &str) -> anyhow::Result<Vec<Target>> {
    match text {
        "all" => Ok(Target::ALL.to_vec()),
        "qv" => Ok(vec![Target::Query, Target::Value]),
        list => list.split(',').map(|name| name.parse::<Target>().map_err(Into::into)).collect(),
    }
}

impl Prepared {
    /// Chooses passes that stay within `budget` bytes.
    fn fit(&mut self, console: &Console, budget: u64) -> anyhow::Result<()> {
        let largest = (self.longest_pass(), self.plan.unit_cap() as usize);
        let passes = Passes::within(budget, &self.ready.decoder, &self.recipe.lora, largest)?;
        let activations = match passes.activations {
            Activations::Kept => "kept",
            Activations::Recomputed => "recomputed, which takes about a quarter more time",
        };
        console.say(format_args!("passes of {} tokens, activations {activations}", passes.tokens));
        self.recipe.passes = passes;
        Ok(())
    }

    /// Memory and time, from the shapes and a short probe.
    pub(super) fn cost(&self) -> anyhow::Result<Cost> {
        let examples = self.corpus.examples.len() as f64;
        let evaluated = self.evaluation().unwrap_or_default();
        let work = Work {
            mean_tokens: self.corpus.tokens() as f64 / examples,
            longest_pass: self.longest_pass(),
            batch: self.plan.expected_batch() * examples / self.corpus.units.len() as f64,
            steps: self.plan.steps(),
            evaluation_tokens: evaluated.iter().map(|example| example.tokens.len()).sum(),
        };
        Ok(estimate(&self.ready.decoder, &self.recipe, &work)?)
    }

    /// Tokens of the largest unit: its records go through the decoder together.
    fn longest_pass(&self) -> usize {
        let of_unit = |unit: &Vec<usize>| -> usize {
            let mut lengths: Vec<usize> = unit.iter().map(|&index| self.corpus.examples[index].tokens.len()).collect();
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.iter().take(self.plan.unit_cap() as usize).sum()
        };
        self.corpus.units.iter().map(of_unit).max().unwrap_or(0)
    }

    /// The examples to measure on.
    pub(super) fn evaluation(&self) -> Option<&[Example]> {
        self.evaluation.as_ref().map(|evaluation| evaluation.examples.as_slice())
    }
}

/// The folder that holds the snapshot of a run into `out`.
pub(super) fn snapshot_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".snapshot");
    out.with_file_name(name)
}

/// Shows the steps of a run, and writes their figures.
pub(super) struct Steps<'c> {
    console: &'c Console,
    progress: Progress,
    steps: u64,
    last: u64,
    folder: Option<&'c Path>,
    metrics: Option<Metrics>,
}

impl<'c> Steps<'c> {
    pub(super) fn new(console: &'c Console, plan: &PrivacyPlan, metrics: Option<&'c Path>) -> Self {
        let progress = console.progress("training", plan.steps(), progress::Unit::Count("steps"));
        Self { console, progress, steps: plan.steps(), last: 0, folder: metrics, metrics: None }
    }

    /// Ends the metrics of a run that came to its end.
    pub(super) fn finish(self, outcome: &Outcome) {
        if let Some(error) = self.metrics.and_then(|metrics| metrics.finish(self.steps, outcome)) {
            self.console.warn(format_args!("the metrics are not complete: {error}"));
        }
    }
}

impl Watch for Steps<'_> {
    fn begin(&mut self, resumed: Option<(u64, u64)>) -> Result<(), Error> {
        if let Some((step, lost)) = resumed {
            self.progress.advance(step);
            self.last = step;
            self.progress.above(|| {
                self.console.say(format_args!("resumed with {step} of {} spent", counted(self.steps as usize, "step")));
                if lost > 0 {
                    self.console.warn(lost_steps(lost, self.steps));
                }
            });
        }
        self.metrics = self.folder.map(|folder| Metrics::open(folder, resumed.is_some())).transpose()?;
        Ok(())
    }

    fn step(&mut self, figures: StepFigures) {
        self.progress.note(format!("epsilon {:.2}", figures.epsilon));
        self.progress.advance(figures.step - self.last);
        self.last = figures.step;
        if let Some(metrics) = &mut self.metrics {
            metrics.step(figures);
        }
    }

    fn isolated(&mut self, isolation: Isolation) {
        let network = if isolation.own_network { "no network" } else { "no sockets, in the machine's network" };
        match isolation.landlock {
            Some(version) => self.console.say(format_args!("trainer shut in: Landlock {version}, {network}, listed system calls")),
            None => self.console.warn(format_args!(
                "the trainer has {network} and listed system calls, but the kernel has no Landlock: it can read every file \
                 of yours"
            )),
        }
    }

    fn loss(&mut self, step: u64, loss: Loss) {
        let line = format!("step {step}: {:.3} nats per token on {} public tokens", loss.nats_per_token, loss.tokens);
        self.progress.above(|| self.console.say(&line));
        if let Some(metrics) = &mut self.metrics {
            metrics.loss(step, loss);
        }
    }
}

/// What a kill has cost.
pub(super) fn lost_steps(lost: u64, steps: u64) -> String {
    let were = if lost == 1 { "was" } else { "were" };
    format!("{lost} of {} {were} charged and lost when the run was killed", counted(steps as usize, "step"))
}
