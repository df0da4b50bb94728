//! A bound from below: what an observer surely gets who sees only in which of many ranges each outcome fell.
//!
//! Merging outcomes is post-processing, so that the divergence of the merged distributions is at most that of the
//! mechanism. Ranges are chosen one after the other such that the loss of each, `ln P(range)/Q(range)`, is a multiple of
//! the spacing exactly; the last one is rounded down. The distance to the truth is then of second order in the spacing,
//! as that of connect-the-dots from above, and nothing is shared with the accountant but the transform.

use cloister_dp::accountant::epsilon_pld;
use cloister_dp::{Phase, PrivacyProfile};
use realfft::RealFftPlanner;

use crate::exact::above;

const RANGES: f64 = 1_500.0;
const LENGTH: usize = 1 << 17;

/// Losses `first + i` times `spacing` with their masses when the unit is there.
struct Merged {
    spacing: f64,
    first: i64,
    mass: Vec<f64>,
}

/// Mass of a standard normal between two points, without cancellation in the tails.
fn between(from: f64, to: f64) -> f64 {
    if from > 0.0 { above(from) - above(to) } else { above(-to) - above(-from) }
}

impl Merged {
    fn sampled(q: f64, sigma: f64, spacing: f64) -> Self {
        let loss = |x: f64| (q * ((2.0 * x - 1.0) / (2.0 * sigma * sigma)).exp_m1()).ln_1p();
        let masses = |from: f64, to: f64| {
            let without = between(from / sigma, to / sigma);
            ((1.0 - q) * without + q * between((from - 1.0) / sigma, (to - 1.0) / sigma), without)
        };
        let ratio = |from: f64, to: f64| {
            let (with, without) = masses(from, to);
            (with / without).ln()
        };
        // Beyond this point is one range; below it an outcome further up always has a larger loss.
        let (start, end) = (-8.0 * sigma, 1.0 + 8.0 * sigma);
        let mut from = f64::NEG_INFINITY;
        let mut target = (ratio(from, start) / spacing).ceil() as i64;
        let first = target;
        let mut mass = Vec::new();
        loop {
            let wanted = target as f64 * spacing;
            if from >= end || ratio(from, end) <= wanted {
                break;
            }
            let (mut low, mut high) = (from.max(start - 2.0 * sigma), end);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if ratio(from, middle) < wanted { low = middle } else { high = middle }
            }
            // At `high` the ratio has reached the loss that is counted: by the last bit it is not below.
            mass.resize((target - first) as usize, 0.0);
            mass.push(masses(from, high).0);
            from = high;
            target = (target + 1).max((loss(from) / spacing).floor() as i64 + 1);
        }
        let (with, without) = masses(from, f64::INFINITY);
        if with > 0.0 {
            let last = (((with / without).ln() / spacing).floor() as i64).min(target);
            mass.resize(mass.len().max((last - first) as usize + 1), 0.0);
            mass[(last - first) as usize] += with;
        }
        Self { spacing, first, mass }
    }

    fn loss(&self, index: usize) -> f64 {
        (self.first + index as i64) as f64 * self.spacing
    }

    /// `ln E exp(t loss)` with its first two derivatives.
    fn cumulant(&self, t: f64) -> (f64, f64, f64) {
        let terms = || self.mass.iter().enumerate().filter(|(_, mass)| **mass > 0.0);
        let highest = terms().map(|(i, mass)| mass.ln() + t * self.loss(i)).fold(f64::NEG_INFINITY, f64::max);
        let (mut zero, mut one, mut two) = (0.0, 0.0, 0.0);
        for (index, mass) in terms() {
            let (loss, weight) = (self.loss(index), (mass.ln() + t * self.loss(index) - highest).exp());
            (zero, one, two) = (zero + weight, one + weight * loss, two + weight * loss * loss);
        }
        let mean = one / zero;
        (highest + zero.ln(), mean, (two / zero - mean * mean).max(0.0))
    }

    /// Delta at `epsilon` of so many steps; `None` if they spread over more cells than the transform holds.
    fn delta(&self, steps: u64, epsilon: f64) -> Option<f64> {
        let count = steps as f64;
        // The tilt that centres the sum at epsilon.
        let (mut low, mut high) = (0.0, 1e4_f64.min(30.0 / self.spacing));
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if count * self.cumulant(middle).1 < epsilon { low = middle } else { high = middle }
        }
        let (tilt, (log_total, mean, variance)) = (low, self.cumulant(low));
        let deviation = (count * variance).sqrt() / self.spacing;
        if 24.0 * deviation > LENGTH as f64 {
            return None;
        }
        let mut wrapped = vec![0.0; LENGTH];
        for (index, mass) in self.mass.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            let place = (self.first + index as i64).rem_euclid(LENGTH as i64) as usize;
            wrapped[place] += (mass.ln() + tilt * self.loss(index) - log_total).exp();
        }
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(LENGTH), planner.plan_fft_inverse(LENGTH));
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut wrapped, &mut spectrum).unwrap();
        for value in &mut spectrum {
            *value = if value.norm_sqr() == 0.0 { *value } else { (value.ln() * count).exp() };
        }
        spectrum[0].im = 0.0;
        spectrum[LENGTH / 2].im = 0.0;
        inverse.process(&mut spectrum, &mut wrapped).unwrap();
        // Cells around the mean of the tilted sum; only those above epsilon count.
        let centre = (count * mean / self.spacing).round() as i64;
        let half = LENGTH as i64 / 2;
        let terms = (centre - half..centre + half).map(|place| {
            let loss = place as f64 * self.spacing;
            let mass = wrapped[place.rem_euclid(LENGTH as i64) as usize] / LENGTH as f64;
            let seen = -(epsilon - loss).min(0.0).exp_m1();
            mass.max(0.0) * seen * (count * log_total - tilt * loss).exp()
        });
        Some(terms.filter(|term| term.is_finite()).sum())
    }
}

fn spacing(q: f64, sigma: f64, steps: u64) -> f64 {
    let loss = |x: f64| (q * ((2.0 * x - 1.0) / (2.0 * sigma * sigma)).exp_m1()).ln_1p();
    let range = loss(1.0 + 8.0 * sigma) - loss(-8.0 * sigma);
    // Not so fine that the sum no longer fits.
    (range / RANGES).max((steps as f64).sqrt() * range / (6.0 * LENGTH as f64)).max(1e-12)
}

/// What a merging observer sees of one step is what the definition says, from below and closely.
#[test]
fn the_bound_is_below_the_exact_divergence_and_close() {
    for (q, sigma) in [(0.01, 1.0), (0.4, 2.0), (0.9, 0.7)] {
        let (merged, exact) = (Merged::sampled(q, sigma, 1e-3), crate::exact::Mixtures::sampled(q, sigma));
        for epsilon in [0.05, 0.4, 1.1] {
            for steps in [1, 2] {
                let (bound, exact) = (merged.delta(steps, epsilon).unwrap(), exact.delta(epsilon, steps as u32));
                assert!(bound <= exact * (1.0 + 1e-5), "q {q} sigma {sigma}: {bound:e} is above {exact:e}");
                assert!(bound >= exact * 0.99, "q {q} sigma {sigma}: {bound:e} is far below {exact:e}");
            }
        }
    }
}

/// Every named end of the range: `q` towards 0 and 1, sigma 0.3 to 50, up to a million steps, delta down to 1e-12.
#[test]
fn no_epsilon_lies_below_the_optimistic_bound() {
    let mut tight = 0;
    for q in [1e-9, 1e-5, 1e-3, 0.1, 0.5, 0.999] {
        for sigma in [0.3, 1.0, 7.0, 50.0] {
            for steps in [1, 100, 10_000, 1_000_000] {
                let merged = Merged::sampled(q, sigma, spacing(q, sigma, steps));
                for delta in [1e-5, 1e-12] {
                    let name = format!("q {q} sigma {sigma} steps {steps} delta {delta}");
                    let phases = [Phase { q, sigma, steps }];
                    let epsilon = epsilon_pld(&phases, delta).unwrap();
                    let Some(least) = merged.delta(steps, epsilon) else { continue };
                    assert!(least <= delta * 1.001, "{name}: delta is at least {least:e} at {epsilon}");
                    // And it is not far above: at 1 % less, delta is exceeded for certain.
                    let below = merged.delta(steps, 0.99 * epsilon - 1e-3);
                    tight += u32::from(epsilon > 2e-3 && below.is_some_and(|below| below > delta));
                }
                if steps == 100 {
                    let profile = PrivacyProfile::new(&[Phase { q, sigma, steps }], 1e-9).unwrap();
                    for share in [0.0, 0.5, 0.9] {
                        let epsilon = share * profile.epsilon(1e-9);
                        let (read, least) = (profile.delta(epsilon), merged.delta(steps, epsilon));
                        let least = least.unwrap_or(0.0);
                        assert!(read >= least * 0.999, "q {q} sigma {sigma}: {read:e} is below {least:e}");
                    }
                }
            }
        }
    }
    assert!(tight > 40, "the bound proves only {tight} answers tight: it has lost its power");
}
