//! What a trainer is told to do, and what it tells: the words between the two processes.
//!
//! Invariant: the trainer builds its plan anew from what was asked, and goes on only if plan and recipe are, to the bit, those
//! of the process that made the reservation.

use std::path::PathBuf;

use cloister_dp::{OptimizerConfig, PlanRequest, PrivacyPlan};
use cloister_model::{Activations, ExampleOptions, LengthPolicy, LoraSpec, Target};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::{Decay, Error, Passes, ReadBack, Recipe, Schedule};
use crate::files::hex;
use crate::sandbox::Isolation;

/// The first message to the trainer.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) base: PathBuf,
    pub(super) base_sha256: String,
    pub(super) precision: String,
    pub(super) kernels: String,
    /// What the base's folder leads to, and other files that may be read.
    pub(super) read: Vec<PathBuf>,
    pub(super) folder: PathBuf,
    pub(super) plan: PlanRequest,
    pub(super) recipe: WireRecipe,
    /// Of plan and recipe, see [`digest`].
    pub(super) digest: String,
    pub(super) max_tokens: usize,
    pub(super) truncate: bool,
    pub(super) protection: Option<String>,
    pub(super) evaluation: bool,
    pub(super) resume: bool,
    pub(super) charged: u64,
    /// Tenant, dataset and version of a sealed snapshot.
    pub(super) place: Option<[String; 3]>,
    pub(super) threads: usize,
    pub(super) weaker: bool,
}

impl Job {
    pub(super) fn options(&self) -> ExampleOptions {
        let length = if self.truncate { LengthPolicy::Truncate } else { LengthPolicy::Refuse };
        ExampleOptions { max_tokens: self.max_tokens, length }
    }
}

/// A recipe on its way.
#[derive(Serialize, Deserialize)]
pub(super) struct WireRecipe {
    targets: Vec<String>,
    rank: usize,
    alpha: u32,
    optimizer: OptimizerConfig,
    learning_rate: f64,
    decay: String,
    warmup_steps: u64,
    pass_tokens: usize,
    gradient_bytes: u64,
    recomputed: bool,
    evaluate_every: u64,
}

const DECAYS: [Decay; 3] = [Decay::Constant, Decay::Linear, Decay::Cosine];

impl From<&Recipe> for WireRecipe {
    fn from(recipe: &Recipe) -> Self {
        let Recipe { lora, optimizer, learning_rate, schedule, passes, evaluate_every } = recipe;
        Self {
            targets: lora.targets.iter().map(|target| target.module().to_owned()).collect(),
            rank: lora.rank,
            alpha: lora.alpha,
            optimizer: *optimizer,
            learning_rate: *learning_rate,
            decay: schedule.decay.to_string(),
            warmup_steps: schedule.warmup_steps,
            pass_tokens: passes.tokens,
            gradient_bytes: passes.gradient_bytes,
            recomputed: passes.activations == Activations::Recomputed,
            evaluate_every: *evaluate_every,
        }
    }
}

impl WireRecipe {
    pub(super) fn recipe(&self) -> Result<Recipe, Error> {
        let unknown = || Error::OtherPlan { what: "recipe" };
        let target =
            |name: &String| Target::ALL.into_iter().find(|target| target.module() == *name).ok_or_else(unknown);
        let targets: Result<Vec<Target>, Error> = self.targets.iter().map(target).collect();
        let decay = DECAYS.into_iter().find(|decay| decay.to_string() == self.decay).ok_or_else(unknown)?;
        Ok(Recipe {
            lora: LoraSpec::new(self.rank, self.alpha, targets?)?,
            optimizer: self.optimizer,
            learning_rate: self.learning_rate,
            schedule: Schedule { decay, warmup_steps: self.warmup_steps },
            passes: Passes {
                tokens: self.pass_tokens,
                gradient_bytes: self.gradient_bytes,
                activations: if self.recomputed { Activations::Recomputed } else { Activations::Kept },
            },
            evaluate_every: self.evaluate_every,
        })
    }
}

/// SHA-256 over everything that plan and recipe decide; numbers in the shortest form that gives them back.
pub(super) fn digest(asked: &PlanRequest, built: &PrivacyPlan, recipe: &Recipe) -> String {
    hex(&Sha256::digest(format!("{asked:?}\n{built:?}\n{recipe:?}")))
}

/// The trainer is shut in and has the base.
#[derive(Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) isolation: Isolation,
}

/// The run begins behind a snapshot or a lease, or not.
#[derive(Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) spent: u64,
    pub(super) lost: u64,
    pub(super) resumed: bool,
}

/// A loss on public records.
#[derive(Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) step: u64,
    pub(super) nats_per_token: f64,
    pub(super) tokens: u64,
}

/// The run is over, and its adapter lies in the folder.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) parameters: usize,
    /// What was measured when it was read back.
    pub(super) read_back: ReadBack,
    pub(super) losses: Vec<Measured>,
    pub(super) seconds: f64,
    pub(super) tokens_per_second: f64,
    pub(super) resumed: bool,
    pub(super) steps_lost: u64,
}

/// There is no adapter.
#[derive(Serialize, Deserialize)]
pub(super) enum Failed {
    /// Asked to stop; a snapshot is kept.
    Interrupted {
        step: u64,
        steps: u64,
    },
    /// No more leases; a snapshot is kept.
    Refused {
        step: u64,
        steps: u64,
    },
    Other(Told),
}

/// What a trainer says of an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The message, with its causes.
    pub message: String,
    /// The exit code that the error would have.
    pub exit: u8,
    /// What to do about it.
    pub hint: Option<String>,
}
