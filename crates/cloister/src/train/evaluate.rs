//! Losses on records that the user declared public. Nothing else may be measured and shown.

use cloister_model::{Decoder, Example, Lora, Workspace};

use super::Error;
use crate::interrupt;

/// A loss over all target tokens of some records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Mean negative natural-log probability.
    pub nats_per_token: f64,
    /// Target tokens.
    pub tokens: u64,
}

/// The loss of `examples`, in passes of at most `pass_tokens` tokens; it may be infinite or NaN.
pub(super) fn evaluate(
    decoder: &Decoder,
    lora: Option<&Lora>,
    examples: &[Example],
    pass_tokens: usize,
    workspace: &mut Workspace,
) -> Result<Loss, Error> {
    let (mut nats, mut tokens) = (0.0, 0);
    let mut rest = examples;
    while !rest.is_empty() {
        interrupt::check()?;
        let mut length = 0;
        let fits = |example: &&Example| {
            length += example.tokens.len();
            length <= pass_tokens
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        rest = later;
        for loss in decoder.losses(lora, &now.iter().collect::<Vec<_>>(), workspace)? {
            nats += loss.nats;
            tokens += loss.targets as u64;
        }
    }
    Ok(Loss { nats_per_token: nats / tokens as f64, tokens })
}
