//! Exact confidence limits of a proportion (Clopper and Pearson 1934).
//!
//! The limits are quantiles of beta distributions, so this module owns the regularised incomplete beta function: the
//! continued fraction of the NIST Digital Library of Mathematical Functions, 8.17.22, by the modified Lentz method (Lentz
//! 1976; Thompson and Barnett 1986), and its inverse by bisection. Invariant: limits enclose the observed share, and are
//! exact to about 1e-12.

use serde::Serialize;

/// Limits between which a proportion lies with some confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower limit.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
}

/// The exact two-sided limits of a proportion of which `hits` of `trials` were seen; without trials, from 0 to 1.
///
/// `confidence` is between 0 and 1, such as 0.95.
pub fn two_sided(hits: u64, trials: u64, confidence: f64) -> Interval {
    let tail = (1.0 - confidence) / 2.0;
    Interval { lower: lower(hits, trials, tail), upper: upper(hits, trials, tail) }
}

/// The exact one-sided upper limit: larger proportions give so few `hits` with at most `1 - confidence`.
pub fn at_most(hits: u64, trials: u64, confidence: f64) -> f64 {
    upper(hits, trials, 1.0 - confidence)
}

/// The exact one-sided lower limit.
pub fn at_least(hits: u64, trials: u64, confidence: f64) -> f64 {
    lower(hits, trials, 1.0 - confidence)
}

fn lower(hits: u64, trials: u64, tail: f64) -> f64 {
    if hits == 0 { 0.0 } else { beta_quantile(tail, hits as f64, (trials.saturating_sub(hits) + 1) as f64) }
}

fn upper(hits: u64, trials: u64, tail: f64) -> f64 {
    if hits >= trials { 1.0 } else { beta_quantile(1.0 - tail, (hits + 1) as f64, (trials - hits) as f64) }
}

/// The value below which a beta variable lies with probability `p`.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Bisection halves the interval until two neighbouring numbers are left: no derivative, no start, no failure.
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if beta_cdf(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The regularised incomplete beta function `I_x(a, b)`: the probability that a beta variable is at most `x`.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean; above it, by symmetry.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = (a * x.ln() + b * (-x).ln_1p() - ln_beta).exp() / a;
    front * fraction(x, a, b)
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const MOST_TERMS: u32 = 100_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut result = d;
    for m in 1..MOST_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            result *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64, error: f64) {
        assert!((actual - expected).abs() <= error, "{actual} is not {expected}");
    }

    #[test]
    fn closed_forms_of_the_beta_function() {
        for x in [1e-9, 0.01, 0.3, 0.5, 0.9, 0.999] {
            close(beta_cdf(x, 1.0, 1.0), x, 1e-14);
            close(beta_cdf(x, 3.0, 1.0), x * x * x, 1e-14);
            close(beta_cdf(x, 1.0, 4.0), 1.0 - (1.0 - x).powi(4), 1e-14);
            close(beta_cdf(x, 2.0, 2.0), x * x * (3.0 - 2.0 * x), 1e-14);
            // the arcsine law
            close(beta_cdf(x, 0.5, 0.5), 2.0 / std::f64::consts::PI * x.sqrt().asin(), 1e-13);
            close(beta_cdf(x, 7.0, 11.0) + beta_cdf(1.0 - x, 11.0, 7.0), 1.0, 1e-13);
        }
    }

    #[test]
    fn the_beta_function_is_a_binomial_tail() {
        // P(Binomial(n, p) >= k) = I_p(k, n - k + 1)
        for (n, k, p) in [(20_u32, 5_u32, 0.3_f64), (300, 2, 0.01), (50, 49, 0.97)] {
            let (n, k) = (f64::from(n), f64::from(k));
            let mut tail = 0.0;
            for j in (k as u32)..=(n as u32) {
                let j = f64::from(j);
                let ways = libm::lgamma(n + 1.0) - libm::lgamma(j + 1.0) - libm::lgamma(n - j + 1.0);
                tail += (ways + j * p.ln() + (n - j) * (1.0 - p).ln()).exp();
            }
            close(beta_cdf(p, k, n - k + 1.0), tail, 1e-12);
        }
    }

    #[test]
    fn limits_are_those_of_the_tables() {
        // R: binom.test(x, n)$conf.int
        for (hits, trials, lower, upper) in [
            (5, 20, 0.086_571_47, 0.491_045_87),
            (1, 10, 0.002_528_579, 0.445_016_117),
            (0, 10, 0.0, 0.308_497_1),
            (10, 10, 0.691_502_9, 1.0),
            (50, 100, 0.398_321_1, 0.601_678_9),
        ] {
            let limits = two_sided(hits, trials, 0.95);
            close(limits.lower, lower, 5e-7);
            close(limits.upper, upper, 5e-7);
        }
        // With no hit the limits have a closed form: 1 - tail^(1/n).
        close(at_most(0, 300, 0.95), 1.0 - 0.05_f64.powf(1.0 / 300.0), 1e-13);
        close(at_least(300, 300, 0.95), 0.05_f64.powf(1.0 / 300.0), 1e-13);
        close(two_sided(0, 1_000_000, 0.95).upper, 1.0 - 0.025_f64.powf(1e-6), 1e-13);
        assert_eq!(two_sided(0, 0, 0.95), Interval { lower: 0.0, upper: 1.0 });
    }

    #[test]
    fn limits_cover_as_promised() {
        // The probability, under p, of data whose limits miss p, is at most 5 %.
        for p in [0.01, 0.05, 0.3, 0.5, 0.9] {
            for n in [7_u64, 30, 90] {
                let mut missed = 0.0;
                for hits in 0..=n {
                    let limits = two_sided(hits, n, 0.95);
                    assert!(limits.lower <= hits as f64 / n as f64 && hits as f64 / n as f64 <= limits.upper);
                    if p < limits.lower || p > limits.upper {
                        let (n, j) = (n as f64, hits as f64);
                        let ways = libm::lgamma(n + 1.0) - libm::lgamma(j + 1.0) - libm::lgamma(n - j + 1.0);
                        missed += (ways + j * f64::ln(p) + (n - j) * f64::ln(1.0 - p)).exp();
                    }
                }
                assert!(missed <= 0.05 + 1e-9, "{p} {n}: {missed}");
            }
        }
    }

    #[test]
    fn large_counts_are_no_trouble() {
        let limits = two_sided(500_000, 1_000_000, 0.95);
        close(limits.upper - 0.5, 1.959_964 * 0.0005, 1e-6);
        let limits = two_sided(u64::from(u32::MAX) - 5, u64::from(u32::MAX), 0.95);
        assert!(limits.lower > 0.999_999 && limits.upper < 1.0);
    }
}
