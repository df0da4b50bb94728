//! Speed of the accountants on ten fixed questions: runs of usual sizes, one of three phases.
//!
//! Source of the questions: `bench/peers/accountant.jsonl`, which the comparison with another accountant reads too. The
//! first answer is timed by itself, because tables and plans of transforms are made then; the median is of the rest.
//! Processor time stands beside wall time: on a busy machine a short answer is interrupted less often than a long one.

use std::time::Instant;

use cloister_dp::accountant::{OnGrid, epsilon_pld_on_grid, epsilon_rdp};
use cloister_dp::{Error, Phase, Result};
use serde::Deserialize;

use crate::system;

const QUESTIONS: &str = include_str!("../../../../bench/peers/accountant.jsonl");

/// A question with what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The run that is accounted for.
    pub phases: Vec<Phase>,
    /// Failure probability.
    pub delta: f64,
    /// By privacy loss distributions, with the grid used.
    pub pld: OnGrid,
    /// By Rényi divergences.
    pub epsilon_rdp: f64,
    /// Seconds of the first answer by privacy loss distributions.
    pub pld_first_seconds: f64,
    /// Seconds of the others, in order.
    pub pld_seconds: Vec<f64>,
    /// Mean processor seconds of the same answers; `None` where the system does not tell.
    pub pld_cpu_seconds: Option<f64>,
    /// Seconds by Rényi divergences, in order, after one that is not counted.
    pub rdp_seconds: Vec<f64>,
}

impl Measured {
    /// Median of the counted seconds by privacy loss distributions.
    #[must_use]
    pub fn pld_median_seconds(&self) -> f64 {
        median(&self.pld_seconds)
    }

    /// Median of the counted seconds by Rényi divergences.
    #[must_use]
    pub fn rdp_median_seconds(&self) -> f64 {
        median(&self.rdp_seconds)
    }
}

#[derive(Deserialize)]
struct Question {
    phases: Vec<Phase>,
    delta: f64,
}

/// The number of questions.
#[must_use]
pub fn count() -> usize {
    questions().len()
}

/// Answers the question number `index` (all of them without), `repeats` times after the first, on one thread.
///
/// # Errors
/// Those of the accountants.
pub fn run(index: Option<usize>, repeats: usize) -> Result<Vec<Measured>> {
    let questions = questions().into_iter().enumerate();
    questions
        .filter(|(at, _)| index.is_none_or(|index| index == *at))
        .map(|(_, asked)| measure(asked, repeats))
        .collect()
}

fn questions() -> Vec<Question> {
    QUESTIONS.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn measure(Question { phases, delta }: Question, repeats: usize) -> Result<Measured> {
    let (pld_first_seconds, pld) = timed(|| epsilon_pld_on_grid(&phases, delta))?;
    let (_, by_rdp) = timed(|| epsilon_rdp(&phases, delta))?;
    let (mut pld_seconds, mut rdp_seconds) = (Vec::new(), Vec::new());
    let before = system::thread_cpu_seconds();
    for _ in 0..repeats {
        pld_seconds.push(timed(|| epsilon_pld_on_grid(&phases, delta))?.0);
    }
    let cpu = system::thread_cpu_seconds().zip(before).map(|(after, before)| after - before);
    let pld_cpu_seconds = cpu.map(|seconds| seconds / repeats.max(1) as f64);
    for _ in 0..repeats {
        rdp_seconds.push(timed(|| epsilon_rdp(&phases, delta))?.0);
    }
    Ok(Measured {
        phases,
        delta,
        pld,
        epsilon_rdp: by_rdp,
        pld_first_seconds,
        pld_seconds,
        pld_cpu_seconds,
        rdp_seconds,
    })
}

fn timed<T>(answer: impl FnOnce() -> Result<T>) -> std::result::Result<(f64, T), Error> {
    let started = Instant::now();
    let answer = std::hint::black_box(answer()?);
    Ok((started.elapsed().as_secs_f64(), answer))
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Speed on a coarser grid than the one it is compared on would be no speed.
    #[test]
    fn every_question_is_answered_on_a_grid_of_at_most_1e_4() {
        assert_eq!((count(), QUESTIONS.lines().count()), (10, 10), "no line is skipped");
        let measured = run(None, 1).unwrap();
        assert_eq!(measured.len(), 10);
        for question in &measured {
            assert!(question.pld.interval > 0.0 && question.pld.interval <= 1e-4, "{question:?}");
            assert!(question.pld.epsilon < question.epsilon_rdp && question.pld_median_seconds() > 0.0);
        }
        assert_eq!(run(Some(3), 1).unwrap()[0].phases, measured[3].phases);
    }
}
