//! Text from a decoder: greedy, or sampled with temperature and nucleus (Holtzman et al. 2020).

use crate::decoder::{Decoder, Session};
use crate::error::{Error, Result};
use crate::lora::Lora;
use crate::random::SplitMix64;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// The most likely one; the lowest id of several.
    Greedy,
    /// Drawn from the smallest set of tokens whose probability reaches `top_p`, after dividing logits by `temperature`.
    Sampled {
        /// Above 0.
        temperature: f32,
        /// From 0 (exclusive) to 1.
        top_p: f32,
        /// Where the draw starts: one seed, one text.
        seed: u64,
    },
}

/// The new tokens after `prompt`: at most `limit`, ending before the first of `stops`.
///
/// # Errors
/// [`Error::NonFinite`] if the logits are not numbers; [`Error::TooLong`] if the prompt fills the context;
/// [`Error::Config`] for a temperature or nucleus outside its range.
pub fn generate(
    decoder: &Decoder,
    lora: Option<&Lora>,
    prompt: &[u32],
    stops: &[u32],
    limit: usize,
    choice: Choice,
) -> Result<Vec<u32>> {
    let mut chooser = Chooser::new(choice)?;
    let mut session: Session<'_> = decoder.session(lora);
    let mut logits = session.feed(prompt)?;
    let mut tokens = Vec::new();
    while tokens.len() < limit {
        let token = chooser.choose(&logits)?;
        if stops.contains(&token) {
            break;
        }
        tokens.push(token);
        if tokens.len() == limit || session.len() == decoder.config().context_length {
            break;
        }
        logits = session.feed(&[token])?;
    }
    Ok(tokens)
}

/// The natural-log probability of all tokens after the first.
///
/// # Errors
/// As [`generate`]; also if there are fewer than two tokens.
pub fn log_probability(decoder: &Decoder, lora: Option<&Lora>, tokens: &[u32]) -> Result<f64> {
    let example = crate::example::Example {
        tokens: tokens.to_vec(),
        is_target: (0..tokens.len()).map(|position| position > 0).collect(),
    };
    if tokens.len() < 2 {
        return Err(Error::NoCompletion);
    }
    let losses = decoder.losses(lora, &[&example], &mut crate::decoder::Workspace::default())?;
    let nats = losses.iter().map(|loss| loss.nats).sum::<f64>();
    if nats.is_finite() { Ok(-nats) } else { Err(Error::NonFinite("the log-probability")) }
}

struct Chooser {
    choice: Choice,
    numbers: SplitMix64,
}

impl Chooser {
    fn new(choice: Choice) -> Result<Self> {
        let mut numbers = SplitMix64(0);
        if let Choice::Sampled { temperature, top_p, seed } = choice {
            if !(temperature.is_finite() && temperature > 0.0) {
                return Err(Error::Config { field: "temperature", rule: "must be above 0".into() });
            }
            if !(top_p > 0.0 && top_p <= 1.0) {
                return Err(Error::Config { field: "top_p", rule: "must be above 0 and at most 1".into() });
            }
            numbers = SplitMix64(seed);
        }
        Ok(Self { choice, numbers })
    }

    fn choose(&mut self, logits: &[f32]) -> Result<u32> {
        if !logits.iter().all(|value| value.is_finite()) {
            return Err(Error::NonFinite("a logit"));
        }
        match self.choice {
            Choice::Greedy => Ok(argmax(logits)),
            Choice::Sampled { temperature, top_p, .. } => Ok(self.sample(logits, temperature, top_p)),
        }
    }

    fn sample(&mut self, logits: &[f32], temperature: f32, top_p: f32) -> u32 {
        let top = f64::from(logits[argmax(logits) as usize]);
        let mut weights: Vec<(u32, f64)> = (0u32..)
            .zip(logits)
            .map(|(id, &logit)| (id, ((f64::from(logit) - top) / f64::from(temperature)).exp()))
            .collect();
        weights.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut kept = 0.0;
        let mut nucleus = weights.len();
        for (index, (_, weight)) in weights.iter().enumerate() {
            kept += weight;
            if kept >= f64::from(top_p) * total {
                nucleus = index + 1;
                break;
            }
        }
        let mut place = f64::from(self.numbers.uniform()) * kept;
        for &(id, weight) in &weights[..nucleus] {
            place -= weight;
            if place < 0.0 {
                return id;
            }
        }
        weights[nucleus - 1].0
    }
}

fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = index;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn sampling_follows_the_distribution_inside_the_nucleus() {
        let logits = [0.0f32, 1.0, 2.0, -1.0];
        let exact: Vec<f64> = logits.iter().map(|&l| f64::from(l).exp()).collect();
        let kept: f64 = exact[0] + exact[1] + exact[2];
        let mut chooser = Chooser::new(Choice::Sampled { temperature: 1.0, top_p: 0.96, seed: 7 }).unwrap();
        let mut counts = [0usize; 4];
        for _ in 0..100_000 {
            counts[chooser.choose(&logits).unwrap() as usize] += 1;
        }
        assert_eq!(counts[3], 0, "outside the nucleus");
        for id in 0..3 {
            let expected = exact[id] / kept * 100_000.0;
            assert!((counts[id] as f64 - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn greedy_takes_the_first_of_equals_and_refuses_nan() {
        let mut chooser = Chooser::new(Choice::Greedy).unwrap();
        assert_eq!(chooser.choose(&[1.0, 3.0, 3.0]).unwrap(), 1);
        assert!(chooser.choose(&[1.0, f32::NAN]).is_err());
        assert!(Chooser::new(Choice::Sampled { temperature: 0.0, top_p: 1.0, seed: 0 }).is_err());
    }
}
