//! Throughput of single engines on generated input, so that anyone can repeat a figure.

pub mod accountant;
pub mod ingest;
pub mod log;
pub mod scan;
pub mod sealed;
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
    /// The vault fails.
    #[error(transparent)]
    Vault(#[from] cloister_vault::Error),
    /// What was measured did not do what it should: its time says nothing.
    #[error("nothing was measured: {what}")]
    Wrong {
        /// What it did.
        what: &'static str,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::Error),
}

/// The value below which that share of sorted values lies; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
