//! Throughput of single engines on generated input, so that anyone can repeat a figure.

pub mod accountant;
pub mod ingest;
pub mod scan;
pub mod text;
pub mod train;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The input cannot be written or read again.
    #[error("cannot write the input of the measurement")]
    Input(#[from] std::io::Error),
    /// The engine refuses what was written for it.
    #[error(transparent)]
    Text(#[from] cloister_text::Error),
    /// The user asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::Error),
}
