//! What release refuses or fails at.

use std::path::PathBuf;

use cloister_model::export::FloatType;

use super::Fidelity;

/// An export that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something of that name exists.
    #[error("`{}` exists", path.display())]
    Exists {
        /// What is in the way.
        path: PathBuf,
    },

    /// The base's file has a name that a Modelfile cannot hold.
    #[error("the name of `{}` is not UTF-8", path.display())]
    Name {
        /// The base.
        path: PathBuf,
    },

    /// The adapter is the base.
    #[error("the adapter changes nothing: every B factor is zero")]
    Identity,

    /// The merged model does not do what the adapter does; it was removed.
    #[error(
        "the merged model in {kind} is off by {:.2e} from base and adapter, which are {:.2e} from the base",
        fidelity.from_adapter, fidelity.adapter_from_base
    )]
    Lost {
        /// How its values were stored.
        kind: FloatType,
        /// The differences of logits.
        fidelity: Fidelity,
    },

    /// The model engine refused.
    #[error(transparent)]
    Model(#[from] cloister_model::Error),

    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::Error),
}
