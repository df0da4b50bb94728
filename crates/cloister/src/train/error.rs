//! Why training stops. Messages carry lines, counts and paths, never content of a record.

use std::path::PathBuf;

use super::Reason;
use crate::files::human_bytes;

/// A refusal or failure of the training stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record cannot become an example.
    #[error("line {line}")]
    Record {
        /// Line in the data file.
        line: usize,
        /// Why.
        #[source]
        source: cloister_model::Error,
    },
    /// Subjects are the unit, and a record names none.
    #[error("line {line} names no subject, and the privacy unit is the subject")]
    NoSubject {
        /// Line in the data file.
        line: usize,
    },
    /// The base computes infinities or NaN.
    #[error("the base gives logits that are not finite")]
    BrokenBase,
    /// The public loss is not a number.
    #[error("the loss on the evaluation records is not finite after step {step}")]
    NonFiniteLoss {
        /// Steps done.
        step: u64,
    },
    /// The parameters left the numbers.
    #[error("the adapter's parameters are not finite after step {step}")]
    NonFiniteParameters {
        /// Steps done.
        step: u64,
    },
    /// A step changed nothing: the adapter would be the base.
    #[error("the adapter's parameters did not move in step {step}")]
    NotMoved {
        /// Steps done.
        step: u64,
    },
    /// The adapter read back from disk is not the one that was trained.
    #[error(
        "the adapter on disk does not give the logits of the adapter in memory (largest difference {difference:e})"
    )]
    NotFaithful {
        /// Largest difference of a logit.
        difference: f32,
    },
    /// The adapter gives the base's logits.
    #[error("the adapter on disk gives the base's logits")]
    Identity,
    /// No way to train fits the memory that was allowed.
    #[error("training takes at least {}, and {} are allowed", human_bytes(*least), human_bytes(*budget))]
    Memory {
        /// Bytes allowed.
        budget: u64,
        /// Bytes of the smallest passes.
        least: u64,
    },
    /// Ctrl-C.
    #[error("interrupted after {step} of {steps} steps; a snapshot is kept in `{}`", snapshot.display())]
    Interrupted {
        /// Steps spent.
        step: u64,
        /// Steps planned.
        steps: u64,
        /// Folder of the snapshot.
        snapshot: PathBuf,
    },
    /// Another rank of the team stopped the run.
    #[error("stopped after {step} of {steps} steps; a snapshot is kept in `{}`", snapshot.display())]
    Stopped {
        /// Steps spent.
        step: u64,
        /// Steps planned.
        steps: u64,
        /// Folder of the snapshot.
        snapshot: PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// Whoever counts the steps gives no more of them.
    #[error("no more steps are granted")]
    NotLeased {
        /// In whose words.
        #[source]
        source: Reason,
    },
    /// The run ended because no more steps were granted.
    #[error("stopped after {step} of {steps} steps, for no more are granted; a snapshot is kept in `{}`", snapshot.display())]
    Refused {
        /// Steps spent.
        step: u64,
        /// Steps planned.
        steps: u64,
        /// Folder of the snapshot.
        snapshot: PathBuf,
        /// Why.
        #[source]
        source: Reason,
    },
    /// No record may go to the trainer.
    #[error("no reservation stands for this run")]
    NotReserved {
        /// Why.
        #[source]
        source: Reason,
    },
    /// A record cannot be had.
    #[error("a record cannot be read")]
    Records {
        /// Why.
        #[source]
        source: Reason,
    },
    /// The trainer cannot be started.
    #[error("the trainer cannot be started")]
    NotStarted {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The trainer ended without saying why.
    #[error("the trainer ended before it was done ({how})")]
    TrainerLost {
        /// Its exit code or the signal.
        how: String,
    },
    /// The trainer says what it must not, or makes steps that it has no lease for.
    #[error("the trainer broke the rules between it and this process: {what}")]
    TrainerAstray {
        /// What it did.
        what: &'static str,
    },
    /// The trainer failed, in its own words.
    #[error("{message}")]
    Trainer {
        /// Its message, with causes.
        message: String,
        /// Its exit code.
        exit: u8,
        /// Its advice.
        hint: Option<String>,
    },
    /// The trainer's plan, base or records are not those that were reserved for.
    #[error("the trainer has another {what} than was reserved for")]
    OtherPlan {
        /// Which.
        what: &'static str,
    },
    /// Nothing keeps the trainer from the rest of the machine.
    #[error("the trainer cannot be shut in")]
    Sandbox(#[from] crate::sandbox::Error),
    /// The vault engine.
    #[error(transparent)]
    Vault(#[from] cloister_vault::Error),
    /// Another rank of the team failed.
    #[error("rank {rank} failed {message}")]
    Rank {
        /// Which one.
        rank: usize,
        /// Where, and its own message.
        message: String,
    },
    /// This rank was started with something else than the one that leads.
    #[error("it was started with another {what} than rank 0")]
    Differs {
        /// The setting or the input.
        what: String,
    },
    /// The team ended while this rank still counted on it.
    #[error("the other ranks have left")]
    Left,
    /// What came from the lead is not what it sent.
    #[error("a message between two ranks was garbled")]
    Garbled,
    /// Several processes were started together, and cannot find each other.
    #[error("{size} processes were started together, and this program cannot train on several")]
    NoMessagePassing {
        /// How many.
        size: usize,
    },
    /// A snapshot is in the way, and nobody said to go on from it.
    #[error("a snapshot of an unfinished run is in `{}`", path.display())]
    SnapshotExists {
        /// Its folder.
        path: PathBuf,
    },
    /// Something else has the name that the snapshot would have.
    #[error("`{}` is in the way of the snapshot: {problem}", path.display())]
    NotASnapshot {
        /// Its place.
        path: PathBuf,
        /// What it is.
        problem: &'static str,
    },
    /// There is nothing to go on from.
    #[error("there is no snapshot in `{}`", path.display())]
    NoSnapshot {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process goes on with the snapshot, or begins one.
    #[error("another process is training into `{}`", path.display())]
    SnapshotInUse {
        /// Its folder.
        path: PathBuf,
    },
    /// Every step of the plan is spent, and none of them is in the snapshot.
    #[error("all {steps} steps were charged and lost when the run was killed: there is no adapter to write")]
    AllLost {
        /// Steps planned.
        steps: u64,
    },
    /// The snapshot belongs to another run.
    #[error("the snapshot was made with another {what}")]
    OtherRun {
        /// The setting or the input that differs.
        what: String,
    },
    /// The snapshot cannot be read.
    #[error("the snapshot in `{}` is damaged: {problem}", path.display())]
    DamagedSnapshot {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// All steps are done, and the adapter cannot be written.
    #[error("the adapter is trained but cannot be written; a snapshot is kept in `{}`", snapshot.display())]
    NotWritten {
        /// Folder of the snapshot.
        snapshot: PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// Files.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// The privacy engine.
    #[error(transparent)]
    Privacy(#[from] cloister_dp::Error),
    /// The model engine.
    #[error(transparent)]
    Model(#[from] cloister_model::Error),
}
