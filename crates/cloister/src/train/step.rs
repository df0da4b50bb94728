//! One step of DP-SGD (Abadi et al. 2016, algorithm 1) with the units that the plan's sampler draws and Adam on the
//! noised mean.
//!
//! Invariant: clipping, noise, denominator and sampling come from the plan alone; a micro-batch is a matter of memory
//! and cannot change the result beyond rounding of single gradients.

use cloister_dp::{ClippedSum, NoiseSource, Optimizer, Sampler};
use cloister_model::{Example, Lora, SplitMix64, Workspace};

use super::evaluate::Loss;
use super::snapshot::Saved;
use super::{Error, Request, Team};
use crate::interrupt;

/// The state of a run between two steps.
pub(super) struct Trainer<'a> {
    request: &'a Request<'a>,
    team: &'a Team,
    lora: Lora,
    optimizer: Optimizer,
    sampler: Sampler,
    noise: NoiseSource,
    gradients: Vec<f32>,
    /// Steps of the plan that are over: run, or leased and lost.
    spent: u64,
    /// Of shuffled data, after the last step that was run.
    left_in_pass: Option<Vec<u32>>,
}

impl<'a> Trainer<'a> {
    pub(super) fn new(request: &'a Request<'a>, team: &'a Team) -> Result<Self, Error> {
        let mut lora = Lora::zeros(request.ready.decoder.config(), request.recipe.lora.clone());
        lora.initialise(uniform()?);
        Ok(Self {
            request,
            team,
            optimizer: Optimizer::new(request.recipe.optimizer, lora.parameters.len())?,
            lora,
            sampler: request.built.sampler()?,
            noise: request.built.noise()?,
            gradients: Vec::new(),
            spent: 0,
            left_in_pass: None,
        })
    }

    pub(super) fn lora(&self) -> &Lora {
        &self.lora
    }

    pub(super) fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Steps of the plan that are spent, in this process or before.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// Those of the steps spent that the parameters hold.
    pub(super) fn applied(&self) -> u64 {
        self.optimizer.state().step
    }

    /// Steps that are spent, and that no parameter holds.
    pub(super) fn lost(&self) -> u64 {
        self.spent - self.applied()
    }

    /// Of shuffled data, the units that the pass has not drawn yet.
    pub(super) fn left_in_pass(&self) -> Option<Vec<u32>> {
        self.left_in_pass.clone()
    }

    /// Goes on where the lease of a snapshot ended. Sampler and noise start under fresh keys: those of the earlier
    /// process were never stored, and independent draws are what the accountant assumes.
    pub(super) fn restore(&mut self, saved: Saved) -> Result<Vec<(u64, Loss)>, Error> {
        self.lora.parameters = saved.parameters;
        self.optimizer.restore(saved.optimizer)?;
        let lost = saved.step - self.applied();
        (self.sampler, self.noise) = self.request.built.resume(saved.step, lost, saved.left_in_pass.as_deref())?;
        self.left_in_pass = saved.left_in_pass;
        self.spent = saved.step;
        Ok(saved.losses)
    }

    /// Counts all steps up to `charged` as spent. Those that no parameter holds are lost: somebody may have run them.
    pub(super) fn charge(&mut self, charged: u64) -> Result<(), Error> {
        if charged > self.spent {
            // a run that has no pass under way yet begins a whole one
            let left = self.left_in_pass.as_deref().or(Some(&[]));
            let lost = charged - self.applied();
            (self.sampler, self.noise) = self.request.built.resume(charged, lost, left)?;
            self.spent = charged;
        }
        Ok(())
    }

    /// Runs one step; returns the number of tokens seen, which is for no one outside to know. An interrupted step leaves
    /// nothing behind: its batch is forgotten before any noise was drawn, and a later step draws its own.
    pub(super) fn step(&mut self, workspace: &mut Workspace) -> Result<u64, Error> {
        let Request { corpus, built: plan, recipe, .. } = self.request;
        let batch = self.sampler.draw(); // Poisson: each unit with probability q; it may be empty
        let ours = self.team.hand_out(&batch, corpus, &self.lora)?; // all of it, where no other rank helps
        let (part, tokens) = clipped_sum(self.request, &self.lora, &ours, workspace, &mut self.gradients)?;
        let (sum, tokens) = self.team.join_parts(part, tokens)?; // exact: sums of integers
        let mean = plan.privatise(sum, &mut self.noise)?; // (sum + N(0, (sigma C)^2)) / planned batch, once
        let rate = recipe.rate(self.spent + 1, plan.steps());
        self.optimizer.step(&mut self.lora.parameters, &mean, rate as f32)?;
        self.spent += 1;
        self.left_in_pass = self.sampler.left_in_pass().map(<[u32]>::to_vec);
        self.check()?;
        Ok(tokens)
    }

    /// What only noised values tell: the parameters are numbers, and they moved. An adapter that never left its start
    /// would load everywhere, be the base, and pass every audit; so the first step already stops the run.
    fn check(&self) -> Result<(), Error> {
        if !self.lora.parameters.iter().all(|value| value.is_finite()) {
            return Err(Error::NonFiniteParameters { step: self.spent });
        }
        if self.lora.is_identity() {
            return Err(Error::NotMoved { step: self.spent });
        }
        Ok(())
    }
}

/// The sum of `g / max(1, |g| / C)` over units, and the tokens that went through the decoder.
pub(super) fn clipped_sum(
    request: &Request<'_>,
    lora: &Lora,
    units: &[usize],
    workspace: &mut Workspace,
    gradients: &mut Vec<f32>,
) -> Result<(ClippedSum, u64), Error> {
    let Request { ready, corpus, built: plan, .. } = request;
    let mut sum = plan.accumulator(lora.parameters.len());
    let mut tokens = 0;
    interrupt::check()?;
    for micro_batch in micro_batches(request, lora.parameters.len(), units)? {
        interrupt::check()?;
        let examples: Vec<&Example> = micro_batch.iter().flatten().map(|&i| &corpus.examples[i]).collect();
        ready.decoder.per_example_gradients(lora, &examples, workspace, gradients)?;
        let mut rows = gradients.chunks(lora.parameters.len());
        for unit in &micro_batch {
            let unit: Vec<&[f32]> = rows.by_ref().take(unit.len()).collect();
            sum.add_unit(&unit)?; // clipped; what is not finite adds nothing
        }
        tokens += examples.iter().map(|example| example.tokens.len() as u64).sum::<u64>();
    }
    Ok((sum, tokens))
}

/// Splits units into passes of the decoder, whole units each.
fn micro_batches(request: &Request<'_>, parameters: usize, units: &[usize]) -> Result<Vec<Vec<Vec<usize>>>, Error> {
    let Request { corpus, built: plan, recipe, .. } = request;
    let most_examples = (recipe.passes.gradient_bytes / (4 * parameters as u64)).max(1) as usize;
    let (mut all, mut current) = (Vec::new(), Vec::new());
    let (mut tokens, mut examples) = (0, 0);
    for &unit in units {
        let chosen = choose(&corpus.units[unit], plan.unit_cap() as usize)?;
        let length: usize = chosen.iter().map(|&index| corpus.examples[index].tokens.len()).sum();
        let full = tokens + length > recipe.passes.tokens || examples + chosen.len() > most_examples;
        if full && !current.is_empty() {
            all.push(std::mem::take(&mut current));
            (tokens, examples) = (0, 0);
        }
        tokens += length;
        examples += chosen.len();
        current.push(chosen);
    }
    if !current.is_empty() {
        all.push(current);
    }
    Ok(all)
}

/// At most `cap` of a unit's examples, a fresh uniform choice each time.
fn choose(unit: &[usize], cap: usize) -> Result<Vec<usize>, Error> {
    let mut chosen = unit.to_vec();
    if chosen.len() > cap {
        let mut uniform = uniform()?;
        for place in 0..cap {
            let other = place + ((chosen.len() - place) as f32 * uniform()) as usize;
            chosen.swap(place, other.min(unit.len() - 1));
        }
        chosen.truncate(cap);
    }
    Ok(chosen)
}

/// Numbers in `[0, 1)` from a seed of the operating system: for starting values, where secrecy does not matter.
fn uniform() -> Result<impl FnMut() -> f32, Error> {
    let seed = getrandom::u64().map_err(|error| cloister_dp::Error::Randomness(error.to_string()))?;
    let mut numbers = SplitMix64(seed);
    Ok(move || numbers.uniform())
}
