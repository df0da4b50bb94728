//! What stops work on a project.
//!
//! Invariant: a message carries ids, paths and what policies say of themselves; no secret, no text of a record.

use std::fmt;
use std::path::PathBuf;

use cloister_access::{Action, Decision, Resource, Why};

/// Result of work on a project.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stops work on a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// The vault said no: keys, store or log.
    #[error(transparent)]
    Vault(#[from] cloister_vault::Error),
    /// A name, a policy or a step of a grant cannot be.
    #[error(transparent)]
    Access(#[from] cloister_access::Error),
    /// The rules say no. The log has an entry of it.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// There is no project.
    #[error("there is no project in `{}`", path.display())]
    NoProject {
        /// The folder.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a project in `{}` already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the project is not what was written.
    #[error("`{}` {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, as the rest of a sentence that begins with the file.
        reason: &'static str,
    },
    /// A newer version of the product made the project.
    #[error("`{}` is of another version of cloister", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
    },
    /// A slot of the key ring is nobody's.
    #[error("what opened the keys is nobody's of this project")]
    Stranger,
    /// There is no such preset.
    #[error("there is no preset `{name}`")]
    NoPreset {
        /// What was given, without what could move a cursor.
        name: String,
    },
    /// A name for people that cannot be one.
    #[error(
        "a name has 1 to 100 characters on one line, none of which steers a terminal or turns the direction of text"
    )]
    Name,
    /// There is no such thing.
    #[error("there is no {kind} `{id}`")]
    Unknown {
        /// What it would be.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// There is one already.
    #[error("there is a {kind} `{id}` already")]
    Taken {
        /// What it is.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// A secret opens the project already, as that of somebody.
    #[error("this secret opens the project already")]
    SecretTaken,
    /// A dataset may be used for more than what its records were collected for.
    #[error("dataset `{dataset}` may be used for more than `{from}`, or is less sensitive")]
    Wider {
        /// The dataset.
        dataset: String,
        /// What the records come from.
        from: String,
    },
    /// A key is removed, and the database's files may hold it still.
    #[error("the keys are removed, and somebody who reads the database keeps them in its files")]
    NotScrubbed,
    /// There is no run to go on with.
    #[error("no run on `{version}` with these settings waits to go on")]
    NoRun {
        /// The version of a dataset.
        version: String,
    },
    /// The ledger counts Poisson sampling only.
    #[error("the ledger has no account of this way of sampling")]
    Sampling,
    /// Nobody would own the project.
    #[error("`{id}` is the last owner")]
    LastOwner {
        /// Whose id.
        id: String,
    },
    /// What was done is done, and the checkpoint that would show an older database was not kept.
    #[error("the last checkpoint of the log could not be kept outside of the project")]
    NotRemembered {
        /// Why.
        source: Box<Error>,
    },
}

impl Error {
    /// Whether the rules or the budget say no: nothing is broken.
    pub(super) fn is_refusal(&self) -> bool {
        use cloister_vault::Error as Vault;
        matches!(
            self,
            Self::Denied(_) | Self::Vault(Vault::OverBudget { .. } | Vault::NoLimit { .. } | Vault::Plan { .. })
        )
    }
}

/// A request that the rules do not allow.
#[derive(Clone, Debug)]
pub struct Denied {
    /// What was asked for.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// The answer.
    pub decision: Decision,
    /// The reasons of it, in words.
    pub why: Why,
}

impl Denied {
    /// Whether a policy decided it.
    #[must_use]
    pub fn is_by(&self, policy: &str) -> bool {
        self.decision.policies.iter().any(|id| id == policy)
    }
}

impl fmt::Display for Denied {
    /// One line: every reason, then where it would be permitted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)?;
        let told = self.why.to_string();
        let lines = told.lines().map(str::trim).filter(|line| !line.starts_with("it is permitted"));
        for (at, line) in lines.enumerate() {
            let line = if at == 0 { line } else { line.trim_start_matches("denied: ") };
            write!(f, "{}{line}", if at == 0 { " is " } else { "; " })?;
        }
        Ok(())
    }
}
