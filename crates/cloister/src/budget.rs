//! Batches of privacy questions: lines of JSON in, lines of JSON out.
//!
//! Owns the line format only; every number is computed by `cloister_dp`. Invariants: one line out per line in, in
//! order; one bad line stops the batch, for a gap would shift every answer after it; infinity is the string `"inf"`.

use cloister_dp::accountant::{self, Repetitions};
use cloister_dp::{Adjacency, Mechanism, Phase, PrivacyProfile, calibrate_sigma};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::parallel;

mod chart;
mod phase;

pub use chart::chart;
pub use phase::PhaseLine;

/// A batch that cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line is not a question.
    #[error("line {line}, column {column}: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Where reading stopped, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
        /// What was to be asked: `epsilon` or `sigma`.
        question: &'static str,
    },
    /// Nothing is asked.
    #[error("no question is asked")]
    NoQuestion,
    /// A question without an answer.
    #[error("line {line}")]
    Question {
        /// Its number, from 1.
        line: usize,
        /// Why.
        source: cloister_dp::Error,
    },
}

/// What a run of DP-SGD costs: `{"phases":[{"q","sigma","steps"}],"delta"}`, and optionally `"adjacency"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpsilonQuestion {
    /// The phases, composed in any order.
    #[serde(deserialize_with = "at_least_one")]
    pub phases: Vec<PhaseLine>,
    /// Failure probability.
    pub delta: f64,
    /// Which data sets are compared.
    #[serde(default = "add_remove")]
    pub adjacency: Adjacency,
}

fn add_remove() -> Adjacency {
    Adjacency::AddRemove
}

/// No phase at all would cost nothing: more likely a mistake than a question.
fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PhaseLine>, D::Error> {
    let phases = Vec::deserialize(deserializer)?;
    if phases.is_empty() { Err(D::Error::custom("no phase is given")) } else { Ok(phases) }
}

/// What it costs to publish the best of a random number of runs, each of which is `phases`.
#[derive(Clone, Debug)]
pub struct TuningQuestion {
    /// One run, Poisson sampling.
    pub run: Phase,
    /// How the number of runs is drawn.
    pub trials: Repetitions,
    /// Its mean.
    pub mean: f64,
    /// Failure probability.
    pub delta: f64,
}

impl TuningQuestion {
    /// Its answer: `epsilon` of what is published, of one run, and of publishing as many runs as the mean.
    ///
    /// # Errors
    /// As [`accountant::epsilon_repeat_and_select`].
    pub fn answer(&self) -> cloister_dp::Result<Map<String, Value>> {
        let Self { run, trials, mean, delta } = self;
        let epsilon = accountant::epsilon_repeat_and_select(&[*run], *trials, *delta)?;
        let one = accountant::epsilon(&[*run], *delta)?.epsilon;
        let all = Phase { steps: (run.steps as f64 * mean.ceil()) as u64, ..*run };
        let all = accountant::epsilon(&[all], *delta)?.epsilon;
        Ok(fields([("epsilon", epsilon), ("epsilon_one_run", one), ("epsilon_every_run", all)]))
    }
}

/// The whole curve of delta over epsilon, from epsilon 0 to that of the question's delta, in `points` points.
///
/// # Errors
/// As [`PrivacyProfile::of`].
pub fn curve(question: &EpsilonQuestion, points: usize) -> cloister_dp::Result<Vec<(f64, f64)>> {
    Ok(PrivacyProfile::of(&question.mechanisms(), question.adjacency, question.delta)?.curve(points))
}

impl EpsilonQuestion {
    fn mechanisms(&self) -> Vec<Mechanism> {
        self.phases.iter().map(|phase| phase.0).collect()
    }
}

/// The noise that an epsilon needs: `{"epsilon","delta","q","steps"}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigmaQuestion {
    /// Target.
    pub epsilon: f64,
    /// Failure probability.
    pub delta: f64,
    /// Sampling rate.
    pub q: f64,
    /// Number of steps.
    pub steps: u64,
}

/// A question that a line can hold.
pub trait Question: DeserializeOwned + Sync {
    /// The subcommand of `budget` that asks it.
    const NAME: &'static str;

    /// Its answer.
    fn answer(&self) -> cloister_dp::Result<Map<String, Value>>;
}

impl Question for EpsilonQuestion {
    const NAME: &'static str = "epsilon";

    fn answer(&self) -> cloister_dp::Result<Map<String, Value>> {
        let cost = accountant::epsilon_of(&self.mechanisms(), self.adjacency, self.delta)?;
        Ok(fields([("epsilon", cost.epsilon), ("epsilon_pld", cost.epsilon_pld), ("epsilon_rdp", cost.epsilon_rdp)]))
    }
}

impl Question for SigmaQuestion {
    const NAME: &'static str = "sigma";

    fn answer(&self) -> cloister_dp::Result<Map<String, Value>> {
        let noise = calibrate_sigma(self.epsilon, self.delta, self.q, self.steps)?;
        Ok(fields([("sigma", noise.sigma), ("epsilon_pld", noise.epsilon_pld)]))
    }
}

/// The questions in `lines`, with their numbers; blank lines are skipped.
///
/// # Errors
/// [`Error::Line`] for a line that is not a question, [`Error::NoQuestion`] if there is none.
pub fn questions<Q: Question>(lines: &str) -> Result<Vec<(usize, Q)>, Error> {
    let numbered = lines.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    let questions = numbered.map(|(index, text)| parse::<Q>(index + 1, text)).collect::<Result<Vec<_>, _>>()?;
    if questions.is_empty() { Err(Error::NoQuestion) } else { Ok(questions) }
}

/// The answers to all questions in `lines`; blank lines are skipped.
pub fn answer_lines<Q: Question>(lines: &str) -> Result<Vec<Map<String, Value>>, Error> {
    let answers = parallel::map(&questions::<Q>(lines)?, |(line, question)| {
        question.answer().map_err(|source| Error::Question { line: *line, source })
    });
    answers.into_iter().collect()
}

/// A number as JSON; what JSON has no number for as a string.
pub fn number(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None => Value::String(value.to_string()),
    }
}

fn fields<const N: usize>(pairs: [(&str, f64); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn parse<Q: Question>(line: usize, text: &str) -> Result<(usize, Q), Error> {
    serde_json::from_str(text).map(|question| (line, question)).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or(&reason).to_owned();
        Error::Line { line, column: error.column(), reason, question: Q::NAME }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_batch_keeps_its_order_and_skips_blank_lines() {
        let lines = "{\"epsilon\":2,\"delta\":1e-5,\"q\":0.01,\"steps\":100}\n\n{\"epsilon\":8,\"delta\":1e-5,\"q\":0.01,\"steps\":100}\n";
        let answers = answer_lines::<SigmaQuestion>(lines).unwrap();
        let sigma = |index: usize| answers[index]["sigma"].as_f64().unwrap();
        assert_eq!(answers.len(), 2);
        assert!(sigma(0) > sigma(1), "a smaller epsilon needs more noise");
    }

    #[test]
    fn the_bad_line_is_named() {
        let good = "{\"phases\":[{\"q\":0.01,\"sigma\":1,\"steps\":10}],\"delta\":1e-5}";
        let text = |bad: &str| answer_lines::<EpsilonQuestion>(&format!("{good}\n{bad}")).unwrap_err();
        assert_eq!(text("{\"phases\":[],\"delta\":1e-5}").to_string(), "line 2, column 12: no phase is given");
        assert!(matches!(answer_lines::<EpsilonQuestion>("\n"), Err(Error::NoQuestion)));
        let missing = text(&good.replace(",\"delta\":1e-5", "")).to_string();
        assert!(missing.ends_with("missing field `delta`"), "{missing}");
        assert!(matches!(text(&good.replace("0.01", "1.5")), Error::Question { line: 2, .. }));
        assert!(matches!(text(&good.replace("delta", "delte")), Error::Line { line: 2, .. }));
    }

    #[test]
    fn infinity_is_a_string() {
        assert_eq!(number(f64::INFINITY), Value::String("inf".into()));
        assert_eq!(number(0.5), serde_json::json!(0.5));
    }
}
