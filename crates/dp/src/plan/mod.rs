//! Owns the privacy plan: the one object from which sampler, clipping, noise and accountant are built.
//!
//! Invariant: a [`PrivacyPlan`] has no setter and no public field, and its epsilon is computed from the same `q`,
//! `sigma` and `steps` that its sampler and its noise use (the idea of JAX-Privacy's execution plan).

mod print;
mod request;

use serde::Serialize;

use self::request::{CLIP_NORM_RANGE, Checked, check_delta, check_sampling};
use crate::accountant::{self, Mechanism, Phase, PrivacyProfile, RdpCurve};
use crate::calibrate::{Calibration, MAX_SIGMA, MIN_SIGMA, calibrate};
use crate::clip::{Clip, ClippedSum, NoisyMean};
use crate::error::{Error, Result};
use crate::noise::NoiseSource;
use crate::sampler::{Sampler, Scheme};

pub use request::{Adjacency, NoiseLevel, PlanRequest, Sampling, Unit};

/// Share of epsilon that a cap chosen by the plan may cost.
const SAFE_COST: f64 = 1e-3;
/// The least delta of the profile from which a group's epsilon is bounded where nothing exact is known.
const DEEP: f64 = 1e-60;
const ACCOUNTANT: &str = "PLD (connect-the-dots, pessimistic) and RDP, the smaller of two upper bounds";
const NOT_COVERED_OF_RECORDS: &[&str] = &not_covered("records about one subject that are spread over several units");
const NOT_COVERED_OF_SUBJECTS: &[&str] =
    &not_covered("one person under several subject names, and what the records of others say of a person");

const fn not_covered(of_the_unit: &'static str) -> [&'static str; 6] {
    [
        of_the_unit,
        "what the base model learnt before, and prompts sent to the trained model",
        "choices made by looking at this data: hyperparameters, earlier or failed runs, early stopping",
        "statistics, vocabularies, filters and duplicates computed from this data without noise",
        "training loss, gradient norms and evaluations on this data, if they are published",
        "the running time of a step and the memory of the training process",
    ]
}
const NOT_COVERED_NON_PRIVATE: &[&str] = &["everything: this plan adds no noise and protects nobody"];

/// A privacy plan: fixed before training, immutable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrivacyPlan {
    unit: Unit,
    adjacency: Adjacency,
    units: u64,
    q: f64,
    steps: u64,
    sigma: f64,
    clip_norm: f64,
    denominator: f64,
    delta: f64,
    epsilon: f64,
    epsilon_pld: f64,
    epsilon_rdp: f64,
    accountant: &'static str,
    unit_cap: u32,
    sampler: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<u64>,
    not_covered: &'static [&'static str],
    #[serde(skip)]
    scheme: Scheme,
    #[serde(skip)]
    rdp: RdpCurve,
}

impl PrivacyPlan {
    /// Checks the request, calibrates the noise if asked, and accounts for all steps.
    ///
    /// # Errors
    /// One variant of [`Error`] for every value that is out of range; [`Error::Unreachable`] when no supported
    /// noise meets the target.
    pub fn build(request: &PlanRequest) -> Result<Self> {
        let Checked { adjacency, mut scheme, q, denominator } = check_sampling(request.sampling, request.units)?;
        if request.steps == 0 {
            return Err(Error::NoSteps);
        }
        if !CLIP_NORM_RANGE.contains(&request.clip_norm) {
            return Err(Error::ClipNorm { clip_norm: request.clip_norm });
        }
        let fits = match request.unit {
            Unit::Record => request.unit_cap == 1,
            Unit::Subject => request.unit_cap >= 1,
        };
        if !fits {
            return Err(Error::UnitCap { unit: request.unit, cap: request.unit_cap });
        }
        let delta = check_delta(request.delta, request.units)?;
        let (units, steps) = (request.units, request.steps);
        let accounted = |scheme: Scheme| -> Result<Calibration> {
            match request.noise {
                NoiseLevel::Epsilon(target) => calibrate(target, delta, scheme.mechanism(units, steps, 1.0), adjacency),
                NoiseLevel::Sigma(sigma) => {
                    accountant::check_sigma(sigma)?;
                    if !(MIN_SIGMA..=MAX_SIGMA).contains(&sigma) {
                        return Err(Error::SigmaRange { sigma, least: MIN_SIGMA, most: MAX_SIGMA });
                    }
                    let mechanism = scheme.mechanism(units, steps, sigma);
                    let found = accountant::epsilon_of(&[mechanism], adjacency, delta)?;
                    let accountant::Epsilon { epsilon, epsilon_pld, epsilon_rdp } = found;
                    Ok(Calibration { sigma, epsilon, epsilon_pld, epsilon_rdp })
                }
            }
        };
        let mut found = accounted(scheme)?;
        if let Sampling::TruncatedPoisson { cap: None, .. } = request.sampling {
            let cap = accountant::safe_cap(Phase { q, sigma: found.sigma, steps }, units, delta, SAFE_COST)?;
            scheme = Scheme::Truncated { q, cap };
            found = accounted(scheme)?;
        }
        Ok(Self {
            unit: request.unit,
            adjacency,
            units: request.units,
            q,
            steps: request.steps,
            sigma: found.sigma,
            clip_norm: request.clip_norm,
            denominator,
            delta,
            epsilon: found.epsilon,
            epsilon_pld: found.epsilon_pld,
            epsilon_rdp: found.epsilon_rdp,
            accountant: ACCOUNTANT,
            unit_cap: request.unit_cap,
            sampler: scheme.name(),
            cap: scheme.cap(),
            not_covered: match request.unit {
                Unit::Record => NOT_COVERED_OF_RECORDS,
                Unit::Subject => NOT_COVERED_OF_SUBJECTS,
            },
            scheme,
            rdp: RdpCurve::of(&[scheme.mechanism(units, 1, found.sigma)], adjacency)?,
        })
    }

    /// A plan without privacy for parity tests and benchmarks: no noise, no clipping, epsilon infinite. Sampling
    /// and the denominator are those of a private plan.
    ///
    /// # Errors
    /// As [`PrivacyPlan::build`], for the values it takes.
    pub fn non_private(units: u64, expected_batch: f64, steps: u64) -> Result<Self> {
        let checked = check_sampling(Sampling::ExpectedBatch(expected_batch), units)?;
        let Checked { adjacency, scheme, q, denominator } = checked;
        if steps == 0 {
            return Err(Error::NoSteps);
        }
        Ok(Self {
            unit: Unit::Record,
            adjacency,
            units,
            q,
            steps,
            sigma: 0.0,
            clip_norm: f64::INFINITY,
            denominator,
            delta: 0.0,
            epsilon: f64::INFINITY,
            epsilon_pld: f64::INFINITY,
            epsilon_rdp: f64::INFINITY,
            accountant: "none",
            unit_cap: u32::MAX,
            sampler: scheme.name(),
            cap: None,
            not_covered: NOT_COVERED_NON_PRIVATE,
            scheme,
            rdp: RdpCurve::default(),
        })
    }

    /// Whose presence is hidden.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Which two data sets are hard to tell apart.
    pub fn adjacency(&self) -> Adjacency {
        self.adjacency
    }

    /// Number of records or subjects.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Probability with which every unit takes part in a step, as it is accounted; 1 for shuffled data.
    pub fn q(&self) -> f64 {
        self.q
    }

    /// Mean number of units in a batch, before it is cut if it may be; of shuffled data the size of a full one.
    pub fn expected_batch(&self) -> f64 {
        match self.scheme {
            Scheme::Poisson { q } | Scheme::Truncated { q, .. } => q * self.units as f64,
            Scheme::Shuffled { batch } => batch as f64,
        }
    }

    /// Optimiser steps.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Noise standard deviation divided by the clip norm; 0 without privacy.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Euclidean bound on one unit's gradient; infinite without privacy.
    pub fn clip_norm(&self) -> f64 {
        self.clip_norm
    }

    /// What a noised sum is divided by, whatever the size of the batch drawn.
    pub fn denominator(&self) -> f64 {
        self.denominator
    }

    /// Probability allowed for failure.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// Privacy loss bound after all steps: the smaller of the two accountants' bounds.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Bound by the privacy loss distribution.
    pub fn epsilon_pld(&self) -> f64 {
        self.epsilon_pld
    }

    /// Bound by Rényi divergences.
    pub fn epsilon_rdp(&self) -> f64 {
        self.epsilon_rdp
    }

    /// Records that one unit may contribute per draw.
    pub fn unit_cap(&self) -> u32 {
        self.unit_cap
    }

    /// Which accountants give epsilon.
    pub fn accountant(&self) -> &'static str {
        self.accountant
    }

    /// How a step's units are drawn.
    pub fn sampler_name(&self) -> &'static str {
        self.sampler
    }

    /// The largest batch of truncated Poisson sampling.
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// Whether noise is added.
    pub fn is_private(&self) -> bool {
        self.sigma > 0.0
    }

    /// What this epsilon says nothing about, one phrase each.
    pub fn not_covered(&self) -> &'static [&'static str] {
        self.not_covered
    }

    /// A bound on the loss after `steps` steps, cheap enough for a progress bar: the RDP bound, never above
    /// [`PrivacyPlan::epsilon`], which it equals at the last step. It never falls from one step to the next.
    ///
    /// # Errors
    /// [`Error::StepOutOfRange`] after the last planned step.
    pub fn epsilon_after(&self, steps: u64) -> Result<f64> {
        if steps > self.steps {
            return Err(Error::StepOutOfRange { step: steps, steps: self.steps });
        }
        if steps == 0 {
            return Ok(0.0);
        }
        if steps == self.steps || !self.is_private() {
            return Ok(self.epsilon);
        }
        let accounted = self.scheme.accounted_steps(self.units, steps);
        Ok(self.rdp.epsilon(accounted as f64, self.delta).min(self.epsilon))
    }

    /// Epsilon at up to `points` step counts from 0 to the last, for a plot; computed with both accountants.
    ///
    /// # Errors
    /// As [`accountant::epsilon`].
    pub fn curve(&self, points: usize) -> Result<Vec<(u64, f64)>> {
        let intervals = (points.max(2) as u64 - 1).min(self.steps);
        let mut curve = Vec::with_capacity(intervals as usize + 1);
        let mut highest = 0.0_f64;
        for index in 0..=intervals {
            let steps = (u128::from(self.steps) * u128::from(index) / u128::from(intervals)) as u64;
            let epsilon = if steps == 0 {
                0.0
            } else if steps == self.steps || !self.is_private() {
                self.epsilon
            } else {
                accountant::epsilon_of(&[self.mechanism(steps)], self.adjacency, self.delta)?.epsilon
            };
            highest = epsilon.max(highest).min(self.epsilon);
            curve.push((steps, highest));
        }
        Ok(curve)
    }

    /// Delta at every epsilon after all steps, for deltas down to `least_delta`.
    ///
    /// # Errors
    /// [`Error::Delta`]; [`Error::Sigma`] for a plan without privacy.
    pub fn profile(&self, least_delta: f64) -> Result<PrivacyProfile> {
        PrivacyProfile::of(&[self.mechanism(self.steps)], self.adjacency, least_delta)
    }

    /// Epsilon at the plan's delta for `units` units together: a person with that many records under
    /// [`Unit::Record`], a text with that many copies, a family under [`Unit::Subject`].
    ///
    /// Exact for Poisson sampling, see [`Mechanism::PoissonGroup`]; for shuffled data all of them are assumed to meet
    /// in one batch; for truncated Poisson sampling the bound that holds for every mechanism, which is loose and may be
    /// infinite ([`PrivacyProfile::group_epsilon`]). 0 for no units.
    ///
    /// # Errors
    /// [`Error::Sigma`] for a plan without privacy.
    pub fn group_epsilon(&self, units: u32) -> Result<f64> {
        if units <= 1 {
            return Ok(if units == 0 { 0.0 } else { self.epsilon });
        }
        if let Scheme::Truncated { .. } = self.scheme {
            return Ok(self.profile(DEEP)?.group_epsilon(units, self.delta).max(self.epsilon));
        }
        let steps = self.scheme.accounted_steps(self.units, self.steps);
        let mechanism = Mechanism::PoissonGroup { q: self.q, sigma: self.sigma, steps, records: units };
        Ok(accountant::epsilon_of(&[mechanism], self.adjacency, self.delta)?.epsilon.max(self.epsilon))
    }

    /// The least size to which batches may be cut (at random, [`Mechanism::TruncatedPoisson`]) so that epsilon grows
    /// by at most the share `fraction`; of shuffled data the size of its batches.
    ///
    /// # Errors
    /// [`Error::ExtraCost`]; [`Error::Sigma`] for a plan without privacy.
    pub fn safe_cap(&self, fraction: f64) -> Result<u64> {
        match self.scheme {
            Scheme::Poisson { q } | Scheme::Truncated { q, .. } => {
                let phase = Phase { q, sigma: self.sigma, steps: self.steps };
                accountant::safe_cap(phase, self.units, self.delta, fraction)
            }
            Scheme::Shuffled { batch } => Ok(batch),
        }
    }

    /// What the accountants count for `steps` optimiser steps.
    fn mechanism(&self, steps: u64) -> Mechanism {
        self.scheme.mechanism(self.units, steps, self.sigma)
    }

    /// The sampler of this plan, under a fresh key.
    ///
    /// One run needs one sampler; one that resumes takes that of [`PrivacyPlan::resume`].
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn sampler(&self) -> Result<Sampler> {
        Sampler::new(self.units, self.scheme)
    }

    /// An empty sum for one logical batch of gradients with `dimension` parameters.
    pub fn accumulator(&self, dimension: usize) -> ClippedSum {
        ClippedSum::new(self.clip(), dimension)
    }

    /// The noise for all steps, under a fresh key.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn noise(&self) -> Result<NoiseSource> {
        NoiseSource::new(self.steps)
    }

    /// The noise for the steps that remain after a resume, under a fresh key.
    ///
    /// # Errors
    /// [`Error::StepOutOfRange`] after the last planned step, [`Error::MidPass`] for shuffled data within a pass,
    /// whose order is not stored, [`Error::Randomness`].
    pub fn noise_after(&self, steps_done: u64) -> Result<NoiseSource> {
        if let Some(pass) = self.scheme.steps_per_pass(self.units)
            && !steps_done.is_multiple_of(pass)
            && steps_done < self.steps
        {
            return Err(Error::MidPass { step: steps_done, pass });
        }
        let left = self.steps.checked_sub(steps_done);
        NoiseSource::new(left.ok_or(Error::StepOutOfRange { step: steps_done, steps: self.steps })?)
    }

    /// Sampler and noise of a run that resumes after `steps_done` steps, under fresh keys. Poisson draws are independent,
    /// so that nothing of the old sampler is needed; within a pass over shuffled data it goes on with the units that were
    /// left ([`Sampler::left_in_pass`]).
    ///
    /// `steps_lost` of the steps done count as spent and were never released: their noise is not drawn again, and a pass
    /// goes on as if they had not been, so that what is released still holds every unit once a pass at most.
    ///
    /// # Errors
    /// [`Error::StepOutOfRange`] after the last planned step, [`Error::MidPass`] within a pass if `left_in_pass` is
    /// `None`, [`Error::PassOrder`] if it does not fit, [`Error::Randomness`].
    pub fn resume(
        &self,
        steps_done: u64,
        steps_lost: u64,
        left_in_pass: Option<&[u32]>,
    ) -> Result<(Sampler, NoiseSource)> {
        let (Some(pass), Some(left)) = (self.scheme.steps_per_pass(self.units), left_in_pass) else {
            return Ok((self.sampler()?, self.noise_after(steps_done)?));
        };
        let steps_left = self.steps.checked_sub(steps_done);
        let steps_left = steps_left.ok_or(Error::StepOutOfRange { step: steps_done, steps: self.steps })?;
        let released = steps_done.checked_sub(steps_lost);
        let into_pass = released.ok_or(Error::StepOutOfRange { step: steps_lost, steps: steps_done })? % pass;
        if into_pass == 0 {
            return Ok((self.sampler()?, NoiseSource::new(steps_left)?));
        }
        let batch = self.denominator as u64;
        Ok((Sampler::within_pass(self.units, batch, into_pass, left)?, NoiseSource::new(steps_left)?))
    }

    /// Ends a logical batch: adds noise once and divides by the planned denominator. The sum is consumed, so the
    /// same batch cannot be released twice; an empty sum gives noise only.
    ///
    /// # Errors
    /// [`Error::ForeignSum`] for a sum from another plan, [`Error::StepsSpent`] when every planned step has been
    /// released.
    pub fn privatise(&self, sum: ClippedSum, noise: &mut NoiseSource) -> Result<NoisyMean> {
        let left = noise.steps_left.checked_sub(1).ok_or(Error::StepsSpent { steps: self.steps })?;
        let mean = sum.privatise(&self.clip(), self.denominator, noise)?;
        noise.steps_left = left;
        Ok(mean)
    }

    fn clip(&self) -> Clip {
        Clip { sigma: self.sigma, clip_norm: self.clip_norm, unit_cap: self.unit_cap }
    }
}
