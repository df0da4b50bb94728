//! Private fine-tuning: records and a frozen base in, an adapter and what was measured out.
//!
//! Invariants: the plan is fixed before the first record is drawn, and sampler, clipping, noise and accountant all
//! come from it ([`cloister_dp::PrivacyPlan`]). What leaves this stage is the adapter, figures of the plan, timings,
//! and losses on data that the user declared public; no training loss, no gradient norm, no text.

mod adapter;
pub mod corpus;
pub mod cost;
mod error;
mod evaluate;
mod snapshot;
mod step;

use std::path::PathBuf;
use std::time::Instant;

use cloister_dp::{OptimizerConfig, PlanRequest, PrivacyPlan};
use cloister_model::{Base, Decoder, Example, LoraSpec, Workspace};

pub use adapter::{AdapterCheck, WrittenAdapter};
pub use corpus::Corpus;
pub use error::Error;
pub use evaluate::Loss;

use crate::{interrupt, system};
use snapshot::Snapshots;
use step::Trainer;

/// How the adapter is trained, apart from privacy.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Adapted layers, rank and scale.
    pub lora: LoraSpec,
    /// The optimiser; what it does to a noised gradient costs no privacy.
    pub optimizer: OptimizerConfig,
    /// Constant over the run.
    pub learning_rate: f64,
    /// Tokens in one pass of the decoder: memory and speed, never the result.
    pub micro_batch_tokens: usize,
    /// Steps between two evaluations on the public records.
    pub evaluate_every: u64,
}

/// A base that is ready to train on.
pub struct Ready {
    /// Identity, tokenizer, template.
    pub base: Base,
    /// The frozen weights.
    pub decoder: Decoder,
}

impl Ready {
    /// Opens a base and makes sure that it computes numbers.
    ///
    /// # Errors
    /// [`Error::Model`] if it cannot be opened or run; [`Error::BrokenBase`] if its logits are not finite.
    pub fn open(path: &std::path::Path) -> Result<Self, Error> {
        let mut base = Base::open(path)?;
        let decoder = Decoder::new(base.config.clone(), std::mem::take(&mut base.weights))?;
        let probe = base.tokenizer.encode("The quick brown fox jumps over the lazy dog.", true)?;
        if !decoder.logits(None, &probe)?.iter().all(|logit| logit.is_finite()) {
            return Err(Error::BrokenBase);
        }
        Ok(Self { base, decoder })
    }
}

/// Everything that a run needs.
pub struct Request<'a> {
    /// The base.
    pub ready: &'a Ready,
    /// The private records.
    pub corpus: &'a Corpus,
    /// Public records, for losses that may be shown.
    pub evaluation: Option<&'a [Example]>,
    /// The privacy decision.
    pub plan: PlanRequest,
    /// The plan built from it.
    pub built: &'a PrivacyPlan,
    /// The training decision.
    pub recipe: &'a Recipe,
    /// Folder of the adapter; it must not exist or be empty.
    pub adapter: PathBuf,
    /// Folder of the snapshot, removed when the adapter is written.
    pub snapshot: PathBuf,
    /// Whether to go on from a snapshot.
    pub resume: bool,
}

/// What a finished run measured.
pub struct Outcome {
    /// The adapter, read back and checked.
    pub adapter: WrittenAdapter,
    /// Losses on the public records: step and loss, from step 0 (the base) to the last.
    pub losses: Vec<(u64, Loss)>,
    /// Seconds spent on steps in this process.
    pub seconds: f64,
    /// Tokens that went through the decoder in those seconds.
    pub tokens: u64,
    /// Largest memory of the process so far.
    pub peak_rss_bytes: u64,
    /// Whether the run went on from a snapshot.
    pub resumed: bool,
}

impl Outcome {
    /// Training throughput; 0 if no step was run.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.tokens as f64 / self.seconds } else { 0.0 }
    }
}

/// Who wants to know how far a run is.
pub trait Watch {
    /// A step is done: `step` of the plan's steps, epsilon spent so far, tokens per second so far.
    fn step(&mut self, step: u64, epsilon: f64, tokens_per_second: f64);
    /// A loss on public records was measured after `step` steps.
    fn loss(&mut self, step: u64, loss: Loss);
}

/// Trains, writes the adapter, reads it back.
///
/// # Errors
/// [`Error::Interrupted`] after Ctrl-C, with a snapshot kept; every other variant of [`Error`] for what it names.
/// Nothing half-written is left.
pub fn train(request: &Request<'_>, watch: &mut dyn Watch) -> Result<Outcome, Error> {
    let snapshots = Snapshots::new(request)?;
    let mut workspace = Workspace::default();
    let mut trainer = Trainer::new(request)?;
    let mut losses = Vec::new();
    let resumed = match snapshots.load(request)? {
        Some(saved) => {
            losses = trainer.restore(saved)?;
            true
        }
        None => false,
    };
    let measure = |trainer: &Trainer<'_>, workspace: &mut Workspace| match request.evaluation {
        Some(examples) => {
            let lora = (trainer.done() > 0).then_some(trainer.lora());
            evaluate::evaluate(&request.ready.decoder, lora, examples, request.recipe.micro_batch_tokens, workspace)
                .map(Some)
        }
        None => Ok(None),
    };
    if losses.is_empty()
        && let Some(loss) = measure(&trainer, &mut workspace)?
    {
        watch.loss(trainer.done(), loss);
        losses.push((trainer.done(), loss));
    }
    let steps = request.built.steps();
    let (mut seconds, mut tokens) = (0.0, 0);
    while trainer.done() < steps {
        let started = Instant::now();
        match trainer.step(&mut workspace) {
            Ok(seen) => tokens += seen,
            Err(Error::Interrupted { .. }) => {
                let path = snapshots.save(&trainer, &losses)?;
                return Err(Error::Interrupted { step: trainer.done(), steps, snapshot: path });
            }
            Err(error) => return Err(error),
        }
        seconds += started.elapsed().as_secs_f64();
        watch.step(trainer.done(), request.built.epsilon_after(trainer.done())?, tokens as f64 / seconds);
        let last = trainer.done() == steps;
        if (last || trainer.done().is_multiple_of(request.recipe.evaluate_every))
            && let Some(loss) = measure(&trainer, &mut workspace)?
        {
            watch.loss(trainer.done(), loss);
            losses.push((trainer.done(), loss));
        }
        if !last && (snapshots.due() || interrupt::requested()) {
            snapshots.save(&trainer, &losses)?;
        }
    }
    drop(workspace);
    let adapter = adapter::write(request, trainer.lora())?;
    snapshots.remove();
    let peak_rss_bytes = system::peak_rss_bytes().unwrap_or(0);
    Ok(Outcome { adapter, losses, seconds, tokens, peak_rss_bytes, resumed })
}
