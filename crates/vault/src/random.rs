//! Randomness of the operating system.
//!
//! Invariant: where it fails, the work fails; nothing goes on with bytes that are not random.

use crate::{Error, Result};

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::NoRandomness { reason: error.to_string() })
}
