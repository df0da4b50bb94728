//! What can go wrong while a base model is fetched or looked up.
//!
//! Invariant: an address is shown without user name, password and query.

/// See [`crate::pull`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no, or the user did.
    #[error(transparent)]
    File(#[from] crate::Error),

    /// No answer: no network, no such host, a refused connection, a failed handshake, a stall.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The server answered, but not with the file.
    #[error("{url} answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },

    /// More came than the file has; it has been deleted.
    #[error("{url} sent more than {most} bytes")]
    TooLong {
        /// The address.
        url: String,
        /// The pinned or stated length of the file, or the longest that is taken.
        most: u64,
    },

    /// The answer ended early.
    #[error("{url} sent {found} bytes of {expected}")]
    Cut {
        /// The address.
        url: String,
        /// The announced length.
        expected: u64,
        /// The length that came.
        found: u64,
    },

    /// The answer is not what the protocol says.
    #[error("{url} gave an answer that cannot be used: {reason}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The source does not have the file.
    #[error("{url} does not offer {file}")]
    NotOffered {
        /// The address.
        url: String,
        /// The missing file.
        file: String,
    },

    /// What came is not what was pinned or stated; it has been deleted.
    #[error("wrong digest of {file}: expected sha256 {expected}, found {found}")]
    WrongDigest {
        /// The file.
        file: String,
        /// The pinned or stated digest.
        expected: String,
        /// The digest of what came.
        found: String,
    },

    /// A pulled file is not the one that was recorded.
    #[error("base `{name}` changed on disk: {file} has sha256 {found}, recorded was {expected}")]
    Changed {
        /// The base.
        name: String,
        /// The file.
        file: String,
        /// The recorded digest.
        expected: String,
        /// The digest now.
        found: String,
    },

    /// The record of a pulled base does not speak of that base, or not of all of it.
    #[error("the record of base `{name}` cannot be trusted: {reason}")]
    Record {
        /// The base.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// Neither a known name nor the form of a hub id.
    #[error("unknown base `{name}`")]
    UnknownBase {
        /// What was typed.
        name: String,
    },

    /// A name that can be pulled and has not been.
    #[error("base `{name}` has not been pulled")]
    NotPulled {
        /// The base.
        name: String,
    },

    /// A path that leads to no model.
    #[error("`{path}` is not a base model")]
    NotABase {
        /// The path as typed.
        path: String,
    },

    /// The hub has weights for this id in pickle files only.
    #[error("`{name}` has no .safetensors weights at this revision, only {file}")]
    Pickle {
        /// The hub id.
        name: String,
        /// One of the refused files.
        file: String,
    },

    /// A token would travel readable by everyone on the way.
    #[error("refusing to send the hub token to {url} without TLS")]
    TokenInClear {
        /// The address.
        url: String,
    },

    /// No folder for pulled bases can be determined.
    #[error("no home folder: set CLOISTER_HOME")]
    NoHome,
}
