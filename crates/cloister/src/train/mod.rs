//! Private fine-tuning: records and a frozen base in, an adapter and what was measured out.
//!
//! Invariants: the plan is fixed before the first record is drawn, and sampler, clipping, noise and accountant all
//! come from it ([`cloister_dp::PrivacyPlan`]). What leaves this stage is the adapter, figures of the plan, losses on
//! data that the user declared public, and at the end rounded timings; no training loss, no gradient norm, no size of a
//! batch, no text. A step counts as spent, durably, before its first gradient is computed (`snapshot.rs`).

mod adapter;
pub mod child;
pub mod corpus;
pub mod cost;
mod error;
mod evaluate;
mod metrics;
mod passes;
mod schedule;
mod snapshot;
mod state;
mod step;
pub mod team;
mod terms;
mod tfevents;

use std::path::PathBuf;
use std::time::Instant;

use cloister_dp::{OptimizerConfig, PlanRequest, PrivacyPlan};
use cloister_model::{Base, Decoder, Example, Kernels, LoraSpec, Precision, Workspace};

pub use adapter::{AdapterCheck, ReadBack, WrittenAdapter};
pub use corpus::Corpus;
pub use error::Error;
pub use evaluate::Loss;
pub use metrics::Metrics;
pub use passes::{Passes, USUAL_TOKENS};
pub use schedule::{Decay, Schedule};
pub use snapshot::{clear_place, remove_snapshot, snapshot_in};
pub use team::{Team, assist};
pub use terms::{Keeper, Leases, Plain, Reason, Sealed, Terms, Unmetered};

use crate::sandbox::Isolation;
use crate::{interrupt, system};
use snapshot::Snapshots;
use step::Trainer;

/// A kill costs the steps of about this time, and at most one part in [`BLOCKS`] of the plan.
const BLOCK_SECONDS: f64 = 60.0;
const BLOCKS: u64 = 16;

/// How the adapter is trained, apart from privacy.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Adapted layers, rank and scale.
    pub lora: LoraSpec,
    /// The optimiser; what it does to a noised gradient costs no privacy.
    pub optimizer: OptimizerConfig,
    /// The full rate.
    pub learning_rate: f64,
    /// How the rate goes over the steps.
    pub schedule: Schedule,
    /// How a batch goes through the decoder: memory and speed, never the result.
    pub passes: Passes,
    /// Steps between two evaluations on the public records.
    pub evaluate_every: u64,
}

impl Recipe {
    /// The learning rate of step `step` of `steps`, counted from 1.
    #[must_use]
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        self.learning_rate * self.schedule.share(step, steps)
    }

    /// Evaluations in a run of `steps` steps: before the first, every [`Recipe::evaluate_every`], and after the last.
    #[must_use]
    pub fn evaluations(&self, steps: u64) -> u64 {
        1 + steps.div_ceil(self.evaluate_every.max(1))
    }
}

/// A base that is ready to train on.
pub struct Ready {
    /// Identity, tokenizer, template.
    pub base: Base,
    /// The frozen weights.
    pub decoder: Decoder,
    /// What was asked for its weights.
    pub precision: Precision,
}

impl Ready {
    /// Opens a base and makes sure that it computes numbers.
    ///
    /// # Errors
    /// [`Error::Model`] if it cannot be opened or run; [`Error::BrokenBase`] if its logits are not finite.
    pub fn open(path: &std::path::Path, precision: Precision, kernels: Kernels) -> Result<Self, Error> {
        let (base, weights) = Base::open(path, precision)?;
        let decoder = Decoder::with_kernels(base.config.clone(), weights, kernels)?;
        let probe = base.tokenizer.encode("The quick brown fox jumps over the lazy dog.", true)?;
        if !decoder.logits(None, &probe)?.iter().all(|logit| logit.is_finite()) {
            return Err(Error::BrokenBase);
        }
        Ok(Self { base, decoder, precision })
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
    /// How the records were protected, if they were: a run goes on with what it began with.
    pub protection: Option<String>,
    /// Folder of the adapter; it must not exist or be empty.
    pub adapter: PathBuf,
    /// Folder of the snapshot and of nothing else; on one file system with the adapter's.
    pub snapshot: PathBuf,
    /// Whether to go on from a snapshot.
    pub resume: bool,
}

/// What a finished run measured. Timings and memory are rounded: exact ones tell how long the records were that
/// the sampler drew, and no budget is spent on that.
pub struct Outcome {
    /// The adapter, read back and checked.
    pub adapter: WrittenAdapter,
    /// Losses on the public records: step and loss, from step 0 (the base) to the last.
    pub losses: Vec<(u64, Loss)>,
    /// Seconds spent on steps in this process, to two digits.
    pub seconds: f64,
    /// Tokens that went through the decoder in a second of a step, to two digits; 0 if no step was run.
    pub tokens_per_second: f64,
    /// Largest memory of the process so far, in whole MiB.
    pub peak_rss_bytes: u64,
    /// Whether the run went on from a snapshot.
    pub resumed: bool,
    /// Steps of the plan that are counted as spent and that the adapter does not hold: they were leased when an
    /// earlier process was killed.
    pub steps_lost: u64,
    /// Processes that trained together.
    pub ranks: usize,
}

/// A step that is over, in figures that follow from plan and recipe alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Steps of the plan that are spent.
    pub step: u64,
    /// Those of them that were lost.
    pub lost: u64,
    /// Bound on the privacy loss so far.
    pub epsilon: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
}

/// Who wants to know how far a run is.
pub trait Watch {
    /// The first step is next, and nothing is in its way; an error stops the run before anything is spent. `resumed` is
    /// what a snapshot says: steps of the plan that are spent, and those of them that were lost.
    ///
    /// # Errors
    /// Whatever the run shall stop for.
    fn begin(&mut self, resumed: Option<(u64, u64)>) -> Result<(), Error>;
    /// A step is over.
    fn step(&mut self, figures: StepFigures);
    /// A loss on public records was measured when `step` steps were spent.
    fn loss(&mut self, step: u64, loss: Loss);
    /// The run is made by another process, which is shut in so far.
    fn isolated(&mut self, _isolation: Isolation) {}
}

/// Trains, writes the adapter, reads it back; the other ranks of the team [`assist`]. The snapshot stays, for what the
/// caller has yet to write: [`remove_snapshot`] ends the run.
///
/// # Errors
/// [`Error::Interrupted`] after Ctrl-C, [`Error::Stopped`] by another rank, with a snapshot kept; every other variant of [`Error`] for what it names.
/// Nothing half-written is left.
pub fn train(request: &Request<'_>, team: &Team, watch: &mut dyn Watch) -> Result<Outcome, Error> {
    let terms = Terms { leases: &mut Unmetered, keeper: &Plain, charged: 0, folder_stands: false };
    train_on(request, terms, team, watch)
}

/// The same, where somebody counts the steps, or the snapshot is sealed.
///
/// # Errors
/// Those of [`train`]; [`Error::Refused`] when there are no more leases, with a snapshot kept.
pub fn train_on(request: &Request<'_>, terms: Terms<'_>, team: &Team, watch: &mut dyn Watch) -> Result<Outcome, Error> {
    team.compare(request)?;
    let (snapshots, saved) = Snapshots::open(request, &terms)?;
    let mut trainer = Trainer::new(request, team)?;
    let resumed = saved.is_some();
    let losses = match saved {
        Some(saved) => trainer.restore(saved)?,
        None => Vec::new(),
    };
    trainer.charge(terms.charged)?;
    let steps = request.built.steps();
    if trainer.lost() == steps {
        return Err(Error::AllLost { steps });
    }
    if trainer.spent() < steps && adapter::is_full(&request.adapter) {
        return Err(adapter::in_the_way(&request.adapter));
    }
    watch.begin((resumed || trainer.spent() > 0).then_some((trainer.spent(), trainer.lost())))?;
    let begun = trainer.spent();
    let mut run = Run {
        request,
        team,
        leases: terms.leases,
        snapshots: &snapshots,
        trainer,
        losses,
        leased: begun,
        saved: begun,
        steps: 0,
        seconds: 0.0,
        tokens: 0,
    };
    let trained = run.steps(watch).and_then(|()| adapter::write(request, run.trainer.lora()));
    let adapter = trained.map_err(|error| run.stopped(error))?;
    let Run { trainer, losses, seconds, tokens, .. } = run;
    Ok(Outcome {
        adapter,
        losses,
        seconds: two_digits(seconds),
        tokens_per_second: if seconds > 0.0 { two_digits(tokens as f64 / seconds) } else { 0.0 },
        peak_rss_bytes: system::peak_rss_bytes().unwrap_or(0).next_multiple_of(1 << 20),
        resumed,
        steps_lost: trainer.lost(),
        ranks: team.size(),
    })
}

/// A run between its start and its end.
struct Run<'a> {
    request: &'a Request<'a>,
    team: &'a Team,
    leases: &'a mut dyn Leases,
    snapshots: &'a Snapshots<'a>,
    trainer: Trainer<'a>,
    losses: Vec<(u64, Loss)>,
    /// Steps that the snapshot counts as spent.
    leased: u64,
    /// Steps spent when the last snapshot was taken.
    saved: u64,
    /// Steps run in this process, and what they took.
    steps: u64,
    seconds: f64,
    tokens: u64,
}

impl Run<'_> {
    /// All steps that are left, in blocks: a lease on the block, its steps, a snapshot; with the losses on public
    /// records that are due between them.
    fn steps(&mut self, watch: &mut dyn Watch) -> Result<(), Error> {
        let Request { built, recipe, .. } = self.request;
        let mut workspace = Workspace::new(recipe.passes.activations);
        loop {
            let spent = self.trainer.spent();
            let over = spent == built.steps();
            if spent > self.saved && (over || self.evaluation_due()) {
                self.save(spent)?; // what follows may take long
            }
            self.measure(&mut workspace, watch)?;
            if over {
                return Ok(());
            }
            interrupt::check()?;
            if spent == self.leased {
                self.lease(spent)?;
            }
            let started = Instant::now();
            self.tokens += self.trainer.step(&mut workspace)?;
            self.seconds += started.elapsed().as_secs_f64();
            self.steps += 1;
            let step = self.trainer.spent();
            let (epsilon, learning_rate) = (built.epsilon_after(step)?, recipe.rate(step, built.steps()));
            watch.step(StepFigures { step, lost: self.trainer.lost(), epsilon, learning_rate });
        }
    }

    /// Counts the next block as spent: first by whoever gives leases, then in the snapshot.
    fn lease(&mut self, spent: u64) -> Result<(), Error> {
        let asked = self.block();
        let granted = self.leases.lease(asked).map_err(|source| Error::NotLeased { source })?;
        if granted == 0 {
            return Err(Error::NotLeased { source: "none is left".into() });
        }
        self.save(spent + granted.min(asked))
    }

    /// Steps of the next lease, at least 1: what a kill may cost. They end where an evaluation is due.
    fn block(&self) -> u64 {
        let (spent, steps) = (self.trainer.spent(), self.request.built.steps());
        let timely = match self.steps {
            0 => 1, // how long a step takes is not known yet
            run => (BLOCK_SECONDS * run as f64 / self.seconds) as u64,
        };
        let every = self.request.recipe.evaluate_every.max(1);
        timely.min(steps / BLOCKS).max(1).min(every - spent % every).min(steps - spent)
    }

    fn save(&mut self, leased: u64) -> Result<(), Error> {
        self.snapshots.save(&self.trainer, &self.losses, leased)?;
        (self.saved, self.leased) = (self.trainer.spent(), leased);
        Ok(())
    }

    /// What becomes of the snapshot when the run stops before its end. One that a later process can go on from stays;
    /// steps that were leased and not begun are given back.
    fn stopped(&mut self, error: Error) -> Error {
        let (step, steps) = (self.trainer.spent(), self.request.built.steps());
        let snapshot = self.snapshots.folder().to_owned();
        let over = step == steps && self.saved == steps;
        match error {
            Error::Interrupted { .. } | Error::File(crate::Error::Interrupted) => {
                let step = if self.team.is_broken() { self.under_way() } else { step };
                match self.save(step) {
                    Ok(()) => Error::Interrupted { step, steps, snapshot },
                    Err(error) => error,
                }
            }
            Error::Rank { .. } | Error::Left => {
                let step = self.under_way();
                match self.save(step) {
                    Ok(()) => Error::Stopped { step, steps, snapshot, source: Box::new(error) },
                    Err(error) => error,
                }
            }
            Error::NotLeased { source } => match self.save(step) {
                Ok(()) => Error::Refused { step, steps, snapshot, source },
                Err(error) => error,
            },
            // The steps of a whole run are dear, and spent: if the disk stands in the way of the adapter, they are kept.
            Error::File(_) | Error::Model(cloister_model::Error::Io { .. }) if over => {
                Error::NotWritten { snapshot, source: Box::new(error) }
            }
            Error::File(_) | Error::Vault(_) | Error::NotFaithful { .. } => error,
            error => {
                remove_snapshot(self.snapshots.folder());
                error
            }
        }
    }

    /// Steps spent with the one under way. What made another rank fail may have been in its batch: to draw another one
    /// for the same step would be another sampler than the accountant's.
    fn under_way(&self) -> u64 {
        self.leased.min(self.trainer.spent() + 1)
    }

    fn evaluation_due(&self) -> bool {
        let step = self.trainer.spent();
        let due = step == self.request.built.steps() || step.is_multiple_of(self.request.recipe.evaluate_every);
        let known = self.losses.last().is_some_and(|&(last, _)| last == step);
        self.request.evaluation.is_some() && due && !known
    }

    /// The loss on the public records, if it is due after this step and not known from a snapshot.
    fn measure(&mut self, workspace: &mut Workspace, watch: &mut dyn Watch) -> Result<(), Error> {
        let Request { ready, recipe, evaluation, .. } = self.request;
        let step = self.trainer.spent();
        let Some(examples) = evaluation.filter(|_| self.evaluation_due()) else { return Ok(()) };
        let lora = (step > 0).then_some(self.trainer.lora());
        let loss = evaluate::evaluate(&ready.decoder, lora, examples, recipe.passes.tokens, workspace)?;
        if !loss.nats_per_token.is_finite() {
            return Err(Error::NonFiniteLoss { step });
        }
        watch.loss(step, loss);
        self.losses.push((step, loss));
        Ok(())
    }
}

fn two_digits(number: f64) -> f64 {
    if !(number > 0.0 && number.is_finite()) {
        return 0.0;
    }
    let unit = 10f64.powf(number.log10().floor() - 1.0);
    // A unit below one is a reciprocal: multiplying by it would leave digits behind.
    if unit < 1.0 { (number / unit).round() / (1.0 / unit).round() } else { (number / unit).round() * unit }
}

#[cfg(test)]
mod tests {
    use super::two_digits;

    #[test]
    fn a_figure_keeps_two_digits() {
        let rounded = [264.66, 1949.0, 0.012_345, 99.6, 7.04, 0.0, f64::INFINITY].map(two_digits);
        assert_eq!(rounded, [260.0, 1900.0, 0.012, 100.0, 7.0, 0.0, 0.0]);
    }
}
