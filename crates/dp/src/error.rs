//! Owns the one error type of this crate.
//! Invariant: a message carries parameters and counts, never a gradient, a record or a key.

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a plan, an accountant, a sampler or an optimiser refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nobody to protect.
    #[error("the plan covers no units")]
    NoUnits,
    /// More units than the exact integer sums are proven for.
    #[error("{units} units are more than the supported {limit}")]
    TooManyUnits {
        /// Units asked for.
        units: u64,
        /// The largest supported number.
        limit: u64,
    },
    /// `q` is not a probability above zero.
    #[error("sampling rate q = {q} is not in (0, 1]")]
    SamplingRate {
        /// The rate given or derived.
        q: f64,
    },
    /// The expected batch cannot be drawn from the units.
    #[error("expected batch {batch} is not in (0, {units}], the number of units")]
    ExpectedBatch {
        /// The batch asked for.
        batch: f64,
        /// Units in the plan.
        units: u64,
    },
    /// The sum cannot be divided by this number.
    #[error("denominator {denominator} is not a positive finite number")]
    Denominator {
        /// The denominator asked for.
        denominator: f64,
    },
    /// A plan without a step.
    #[error("the plan has no steps")]
    NoSteps,
    /// The clipping norm is not usable.
    #[error("clip norm {clip_norm} is not a positive finite number")]
    ClipNorm {
        /// The norm asked for.
        clip_norm: f64,
    },
    /// The noise multiplier is not usable by an accountant.
    #[error("noise multiplier sigma = {sigma} is not a positive finite number")]
    Sigma {
        /// The multiplier asked for.
        sigma: f64,
    },
    /// The noise multiplier is outside what a plan supports.
    #[error("noise multiplier sigma = {sigma} is outside the supported [{least}, {most}]")]
    SigmaRange {
        /// The multiplier asked for.
        sigma: f64,
        /// The smallest supported multiplier.
        least: f64,
        /// The largest supported multiplier.
        most: f64,
    },
    /// The target cannot be a privacy loss.
    #[error("target epsilon {epsilon} is not a positive finite number")]
    Epsilon {
        /// The target asked for.
        epsilon: f64,
    },
    /// No supported amount of noise reaches the target.
    #[error("no sigma up to {most} reaches epsilon {epsilon} at delta {delta}")]
    Unreachable {
        /// The target asked for.
        epsilon: f64,
        /// The delta asked for.
        delta: f64,
        /// The largest multiplier tried.
        most: f64,
    },
    /// The delta is not a probability strictly between zero and one.
    #[error("delta {delta} is not in (0, 1)")]
    Delta {
        /// The delta asked for.
        delta: f64,
    },
    /// The delta would allow one whole unit to be published.
    #[error("delta {delta} is too large: delta > 1/N or equal to it, with N = {units} units")]
    DeltaAboveUnits {
        /// The delta asked for.
        delta: f64,
        /// Units in the plan.
        units: u64,
    },
    /// A batch of fixed or largest size cannot be drawn from the units.
    #[error("a batch of {batch} cannot be drawn from {units} units")]
    BatchSize {
        /// The size asked for.
        batch: u64,
        /// Units in the data.
        units: u64,
    },
    /// No accountant has a bound for this sampling under this adjacency.
    #[error("{sampling} sampling cannot be accounted for under {adjacency} adjacency")]
    NotAccounted {
        /// How units are chosen.
        sampling: &'static str,
        /// Which data sets are compared.
        adjacency: crate::Adjacency,
    },
    /// The number of runs has no such distribution.
    #[error("repetitions with mean {mean} and shape {shape} are out of range")]
    Repetitions {
        /// The mean asked for.
        mean: f64,
        /// The shape asked for.
        shape: f64,
    },
    /// The share of epsilon that a cap may cost is not usable.
    #[error("extra cost {fraction} is not a positive finite share of epsilon")]
    ExtraCost {
        /// The share asked for.
        fraction: f64,
    },
    /// A record is drawn alone; a subject needs room for at least one record.
    #[error("a {unit} may not contribute {cap} records per draw")]
    UnitCap {
        /// The privacy unit of the plan.
        unit: crate::Unit,
        /// The cap asked for.
        cap: u32,
    },
    /// One unit brought more records than the plan allows.
    #[error("a unit brought {records} records, the plan allows {cap} per draw")]
    TooManyRecords {
        /// Records given.
        records: usize,
        /// The plan's cap.
        cap: u32,
    },
    /// Two vectors that must match do not.
    #[error("expected a vector of length {expected}, got {actual}")]
    Length {
        /// The length of the accumulator or optimiser.
        expected: usize,
        /// The length given.
        actual: usize,
    },
    /// The sum was started by a plan with other parameters.
    #[error("the sum was built by a different plan")]
    ForeignSum,
    /// A question about a step after the last one.
    #[error("step {step} is after the plan's last step {steps}")]
    StepOutOfRange {
        /// The step asked for.
        step: u64,
        /// Steps in the plan.
        steps: u64,
    },
    /// Every planned step has been released.
    #[error("all {steps} planned steps are spent")]
    StepsSpent {
        /// Steps in the plan.
        steps: u64,
    },
    /// A run on shuffled data resumes where some units of the pass have taken part and nobody knows which.
    #[error("step {step} is within a pass of {pass} steps over shuffled data: resume where a pass begins")]
    MidPass {
        /// Steps done.
        step: u64,
        /// Steps in a pass.
        pass: u64,
    },
    /// The stored order of a pass over shuffled data does not fit the plan and the step.
    #[error("the order of the pass does not fit: {expected} different units must be left")]
    PassOrder {
        /// Units that the pass has not drawn yet.
        expected: u64,
    },
    /// A largest batch that would be cut more often than not.
    #[error("a largest batch of {cap} is below the planned batch of {batch}")]
    CapBelowBatch {
        /// The largest batch asked for.
        cap: u64,
        /// The planned batch.
        batch: f64,
    },
    /// An optimiser parameter is out of range.
    #[error("optimiser parameter {name} = {value} is out of range")]
    OptimizerParameter {
        /// The parameter's name.
        name: &'static str,
        /// The value given.
        value: f64,
    },
    /// A stored optimiser state cannot be read.
    #[error("optimiser state is damaged at byte {offset}")]
    OptimizerState {
        /// Where reading stopped.
        offset: usize,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    /// The convolution could not be computed.
    #[error("convolution of length {length} failed")]
    Convolution {
        /// The length of the transform.
        length: usize,
    },
}
