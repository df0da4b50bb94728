//! Who computes epsilon for the privacy ledger: `cloister_dp`, over everything that was ever charged to a dataset.
//!
//! Owns the search for the most steps that still fit; every epsilon is computed by `cloister_dp` and is that of
//! `cloister budget epsilon` for the same phases. Invariants: the same mechanisms give the same bits, in whatever order they
//! come, so that what was found to fit fits when it is asked again; what cannot be computed is an error or infinity, and no
//! ledger takes either for a small epsilon.
//!
//! ```
//! use cloister::accountant::LossDistributions;
//! use cloister_vault::ledger::{Accountant, Mechanism};
//!
//! # fn main() -> cloister_vault::Result<()> {
//! let spent = [Mechanism { q: 0.01, sigma: 1.0, steps: 1000 }];
//! let next = Mechanism { q: 0.02, sigma: 1.2, steps: 10_000 };
//! let accountant = LossDistributions::default();
//! let fit = accountant.largest_steps(&spent, &next, 1e-5, 4.0)?;
//! let with = |steps| accountant.epsilon(&[spent[0], Mechanism { steps, ..next }], 1e-5);
//! assert!(with(fit)? <= 4.0 && with(fit + 1)? > 4.0);
//! # Ok(())
//! # }
//! ```

use std::sync::{Mutex, PoisonError};

use cloister_dp::Phase;
use cloister_dp::accountant::epsilon;
use cloister_vault::ledger::{Accountant, Mechanism};
use cloister_vault::{Error, Result};

/// Answers that are kept: a refusal asks again for what was asked just before.
const KEPT: usize = 64;

/// The smaller of two upper bounds, by privacy loss distributions and by Rényi divergences, for a unit that is added, removed
/// or zeroed out.
///
/// A bound is computed on a grid, which is finer for more than 20,000 steps; there it can be lower for a step more, by at most
/// a thousandth of the larger of epsilon and 1. Both are bounds.
#[derive(Default)]
pub struct LossDistributions {
    known: Mutex<Vec<(Vec<Phase>, f64, f64)>>,
}

impl Accountant for LossDistributions {
    fn name(&self) -> &str {
        concat!("cloister-dp ", env!("CARGO_PKG_VERSION"), " pld+rdp")
    }

    fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> Result<f64> {
        let phases = phases(mechanisms);
        let same = |(asked, at, _): &&(Vec<Phase>, f64, f64)| *asked == phases && at.to_bits() == delta.to_bits();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().find(same).map(|known| known.2);
        if let Some(epsilon) = known {
            return Ok(epsilon);
        }
        let failed = |error: cloister_dp::Error| Error::Accountant { reason: error.to_string() };
        let epsilon = epsilon(&phases, delta).map_err(failed)?.epsilon;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KEPT {
            known.remove(0);
        }
        known.push((phases, delta, epsilon));
        Ok(epsilon)
    }

    fn largest_steps(&self, spent: &[Mechanism], next: &Mechanism, delta: f64, epsilon: f64) -> Result<u64> {
        let with = |steps| -> Result<f64> {
            let all: Vec<Mechanism> = spent.iter().copied().chain([Mechanism { steps, ..*next }]).collect();
            self.epsilon(&all, delta)
        };
        largest(with, next.steps, epsilon)
    }
}

/// Mechanisms as `cloister_dp` takes them: in one order, equal ones together, none without steps.
fn phases(mechanisms: &[Mechanism]) -> Vec<Phase> {
    let phase = |&Mechanism { q, sigma, steps }: &Mechanism| Phase { q, sigma, steps };
    let mut phases: Vec<Phase> = mechanisms.iter().map(phase).filter(|phase| phase.steps > 0).collect();
    phases.sort_by(|a, b| a.q.total_cmp(&b.q).then(a.sigma.total_cmp(&b.sigma)));
    phases.dedup_by(|next, kept| {
        let same = next.q.to_bits() == kept.q.to_bits() && next.sigma.to_bits() == kept.sigma.to_bits();
        if same {
            kept.steps = kept.steps.saturating_add(next.steps);
        }
        same
    });
    phases
}

/// The most steps up to `most` whose epsilon is at most `limit`; 0 if none do.
///
/// Bisection, but that the next number is where a straight line through both ends of the bracket, or through one of them and
/// half of the other's excess, meets the limit (the Illinois variant of false position). Epsilon bends little, so that a handful
/// of answers does where bisection takes one for every bit of `most`. The bracket is that of bisection: its lower end was
/// seen to fit, its upper end not.
fn largest(mut epsilon: impl FnMut(u64) -> Result<f64>, most: u64, limit: f64) -> Result<u64> {
    let (mut fits, mut above) = (0, most);
    let (mut room, mut excess) = (limit - epsilon(fits)?, epsilon(above)? - limit);
    // What is no number fits nowhere.
    if room.is_nan() || room < 0.0 {
        return Ok(0);
    }
    if excess <= 0.0 {
        return Ok(most);
    }
    let mut last_fits = None;
    let mut round = 0;
    while above - fits > 1 {
        round += 1;
        let span = above - fits;
        let share = room / (room + excess);
        let aim = match round % 4 {
            // Wherever the line misleads: the middle, by ratio as long as the ends are far apart.
            0 if fits > 0 && above / fits >= 4 => ((fits as f64 * above as f64).sqrt() as u64).saturating_sub(fits),
            0 => span / 2,
            _ if !share.is_finite() || excess.is_infinite() => span / 2,
            _ => (span as f64 * share).round() as u64,
        };
        let steps = fits + aim.clamp(1, span - 1);
        let found = epsilon(steps)? - limit;
        if found <= 0.0 {
            (fits, room) = (steps, -found);
            if last_fits == Some(true) {
                excess /= 2.0;
            }
            last_fits = Some(true);
        } else {
            (above, excess) = (steps, if found.is_nan() { f64::INFINITY } else { found });
            if last_fits == Some(false) {
                room /= 2.0;
            }
            last_fits = Some(false);
        }
    }
    Ok(fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn mechanism(q: f64, sigma: f64, steps: u64) -> Mechanism {
        Mechanism { q, sigma, steps }
    }

    /// Runs as they follow each other on a dataset, each with its own rate and noise.
    fn past(runs: u64) -> Vec<Mechanism> {
        let run = |number: u64| {
            let part = number as f64 / 20.0;
            mechanism(0.004 + 0.02 * part, 1.1 + 0.9 * part, 100 + 35 * number)
        };
        (0..runs).map(run).collect()
    }

    #[test]
    fn the_same_mechanisms_give_the_same_bits_in_any_order() {
        let accountant = LossDistributions::default();
        let one = [mechanism(0.05, 1.5, 200), mechanism(0.01, 0.9, 500), mechanism(1.0, 30.0, 5)];
        let other = [
            mechanism(1.0, 30.0, 5),
            mechanism(0.01, 0.9, 300),
            mechanism(0.05, 1.5, 200),
            mechanism(0.3, 1.0, 0),
            mechanism(0.01, 0.9, 200),
        ];
        let fresh = LossDistributions::default().epsilon(&other, 1e-6).unwrap();
        assert_eq!(accountant.epsilon(&one, 1e-6).unwrap().to_bits(), fresh.to_bits());
        // An answer that was kept is the answer, and for its own delta only.
        assert_eq!(accountant.epsilon(&other, 1e-6).unwrap().to_bits(), fresh.to_bits());
        assert!(accountant.epsilon(&one, 1e-7).unwrap() > fresh);
        assert_eq!(accountant.known.lock().unwrap().len(), 2);
        assert_eq!(accountant.epsilon(&[], 1e-6).unwrap(), 0.0);
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let accountant = LossDistributions::default();
        for (q, sigma, delta) in
            [(0.0, 1.0, 1e-5), (1.1, 1.0, 1e-5), (0.5, 0.0, 1e-5), (0.5, 1.0, 0.0), (0.5, f64::NAN, 1e-5)]
        {
            let asked = [mechanism(q, sigma, 1)];
            assert!(matches!(accountant.epsilon(&asked, delta), Err(Error::Accountant { .. })), "{q} {sigma} {delta}");
            assert!(accountant.largest_steps(&[], &asked[0], delta, 1.0).is_err());
        }
    }

    /// The search against bisection, on curves that bend in every way, with jumps, and with what is no number at the end.
    #[test]
    fn the_search_ends_where_bisection_does() {
        let bisect = |curve: &dyn Fn(u64) -> f64, most: u64, limit: f64| {
            let (mut fits, mut above) = (0, most + 1);
            while above - fits > 1 {
                let middle = fits + (above - fits) / 2;
                if curve(middle) <= limit { fits = middle } else { above = middle }
            }
            fits
        };
        let curves: [(&str, &dyn Fn(u64) -> f64); 6] = [
            ("line", &|steps| 1e-3 * steps as f64),
            ("root", &|steps| 0.02 * (steps as f64).sqrt()),
            ("square", &|steps| 1e-6 * (steps as f64).powi(2)),
            ("jump", &|steps| if steps < 777 { 0.1 } else { 50.0 }),
            ("flat, then no bound", &|steps| if steps < 4_321 { 1.0 } else { f64::INFINITY }),
            ("flat, then no number", &|steps| if steps < 4_321 { 1.0 } else { f64::NAN }),
        ];
        for (name, curve) in curves {
            for most in [1, 2, 3, 1_000, 100_000, 1 << 40] {
                for limit in [0.0, 0.05, 1.0, 3.3, 1e9] {
                    let mut asked = 0;
                    let count = |steps| {
                        asked += 1;
                        Ok(curve(steps))
                    };
                    let found = largest(count, most, limit).unwrap();
                    assert_eq!(found, bisect(curve, most, limit), "{name} up to {most}, limit {limit}");
                    assert!(asked < 90, "{name} up to {most}, limit {limit}: asked {asked} times");
                }
            }
        }
    }

    #[test]
    fn the_largest_plan_fits_beside_twenty_runs_and_one_step_more_does_not() {
        let accountant = LossDistributions::default();
        let (spent, next) = (past(20), mechanism(0.02, 1.4, 5_000));
        let before = accountant.epsilon(&spent, 1e-5).unwrap();
        let limit = before + 0.3;
        let fit = accountant.largest_steps(&spent, &next, 1e-5, limit).unwrap();
        let with = |steps| {
            let all: Vec<Mechanism> = spent.iter().copied().chain([mechanism(0.02, 1.4, steps)]).collect();
            accountant.epsilon(&all, 1e-5).unwrap()
        };
        assert!(fit > 10 && fit < 5_000, "{fit}");
        assert!(with(fit) <= limit && with(fit + 1) > limit, "{fit}");
        // What is asked for and fits is not more than was asked for; where nothing is left nothing fits.
        assert_eq!(
            accountant.largest_steps(&spent, &Mechanism { steps: fit / 2, ..next }, 1e-5, limit).unwrap(),
            fit / 2
        );
        assert_eq!(accountant.largest_steps(&spent, &next, 1e-5, before - 0.01).unwrap(), 0);
    }

    #[test]
    fn epsilon_never_falls_with_more_steps() {
        let accountant = LossDistributions::default();
        let spent = past(3);
        for next in [mechanism(0.01, 0.8, 0), mechanism(0.3, 5.0, 0), mechanism(1.0, 20.0, 0), mechanism(1e-4, 0.6, 0)]
        {
            let mut before = 0.0;
            for steps in [0, 1, 2, 3, 10, 11, 100, 101, 1_000, 1_001, 5_000] {
                let mut all = spent.clone();
                all.push(Mechanism { steps, ..next });
                let epsilon = accountant.epsilon(&all, 1e-5).unwrap();
                assert!(epsilon >= before * (1.0 - 1e-9), "{next:?} at {steps} steps: {epsilon} after {before}");
                before = epsilon;
            }
        }
    }
}
