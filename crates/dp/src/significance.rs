//! Owns the verdicts of the statistical tests of noise and sampler.
//!
//! Every verdict rejects a correct generator with probability at most [`ALPHA`] = 1e-7. The suites count their verdicts
//! on correct generators: at most 100 in all, so that the false-alarm rate of the whole suite is at most 1e-5 (union
//! bound). Most streams are fixed by a seed, so that a run that passes passes again until the code changes.
//!
//! Every suite also applies its verdicts to generators with a plausible defect, which must be rejected: a verdict that
//! cannot fail is worth nothing.
//!
//! Sources of the thresholds: Bernstein's inequality for counts; Laurent and Massart 2000, lemma 1, for chi-square;
//! Massart 1990 (Dvoretzky, Kiefer and Wolfowitz with the sharp constant) for the distribution function; the normal limit
//! for means of many terms.

/// Probability with which one verdict rejects a correct generator.
pub(crate) const ALPHA: f64 = 1e-7;

/// `x` with `P(|N(0,1)| > x) = ALPHA`.
const TWO_SIDED: f64 = 5.326_723_886;

/// Why a generator was rejected.
pub(crate) type Verdict = Result<(), String>;

/// A mean of `count` independent terms with known mean and variance.
pub(crate) fn mean(name: &str, actual: f64, expected: f64, variance: f64, count: f64) -> Verdict {
    let z = (actual - expected) / (variance / count).sqrt();
    judge(z.abs() <= TWO_SIDED, || format!("{name}: {actual} is not {expected}, {z:.1} standard errors"))
}

/// A binomial count.
pub(crate) fn count(name: &str, actual: f64, trials: f64, p: f64) -> Verdict {
    let (expected, variance, t) = (trials * p, trials * p * (1.0 - p), (2.0 / ALPHA).ln());
    let allowed = t / 3.0 + (t * t / 9.0 + 2.0 * t * variance).sqrt();
    judge((actual - expected).abs() <= allowed, || format!("{name}: {actual} is not {expected} within {allowed:.0}"))
}

/// A sum of squares of `freedom` standard normal variables, of which a defect makes too much or too little.
pub(crate) fn chi_squared(name: &str, actual: f64, freedom: f64) -> Verdict {
    let t = (2.0 / ALPHA).ln();
    let (low, high) = (freedom - 2.0 * (freedom * t).sqrt(), freedom + 2.0 * (freedom * t).sqrt() + 2.0 * t);
    judge((low..=high).contains(&actual), || format!("{name}: {actual:.0} is not in [{low:.0}, {high:.0}]"))
}

/// Pearson's statistic of counts against expected counts, which add up to the same.
pub(crate) fn fit(name: &str, counts: &[f64], expected: &[f64]) -> Verdict {
    let terms = counts.iter().zip(expected).map(|(count, expected)| (count - expected).powi(2) / expected);
    chi_squared(name, terms.sum(), counts.len() as f64 - 1.0)
}

/// The largest distance of the empirical distribution function of sorted values from `below`.
pub(crate) fn distribution(name: &str, sorted: &[f64], below: impl Fn(f64) -> f64) -> Verdict {
    let count = sorted.len() as f64;
    let distance = sorted.iter().enumerate().fold(0.0_f64, |most, (rank, value)| {
        let exact = below(*value);
        most.max((exact - rank as f64 / count).abs()).max((exact - (rank + 1) as f64 / count).abs())
    });
    let allowed = ((2.0 / ALPHA).ln() / (2.0 * count)).sqrt();
    judge(distance <= allowed, || format!("{name}: distance {distance:e}, allowed {allowed:e}"))
}

/// The mean product of two series of mean 0 and variance 1.
pub(crate) fn uncorrelated(name: &str, a: &[f64], b: &[f64]) -> Verdict {
    let count = a.len().min(b.len()) as f64;
    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    mean(name, product / count, 0.0, 1.0, count)
}

/// The first rejection, if any.
pub(crate) fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().collect()
}

/// A generator with a defect must be rejected.
pub(crate) fn assert_caught(defect: &str, verdict: Verdict) {
    assert!(verdict.is_err(), "{defect} was not noticed");
}

fn judge(good: bool, why: impl FnOnce() -> String) -> Verdict {
    if good { Ok(()) } else { Err(why()) }
}

#[test]
fn the_thresholds_have_the_stated_significance() {
    let two_sided = libm::erfc(TWO_SIDED * std::f64::consts::FRAC_1_SQRT_2);
    assert!((two_sided / ALPHA - 1.0).abs() < 1e-6, "{two_sided:e}");
    assert!(mean("", 5.32e-3, 0.0, 1.0, 1e6).is_ok() && mean("", 5.34e-3, 0.0, 1.0, 1e6).is_err());
    // Bernstein is at most a little wider than the normal limit.
    assert!(count("", 5e5 + 2_900.0, 1e6, 0.5).is_ok() && count("", 5e5 - 2_950.0, 1e6, 0.5).is_err());
    assert!(chi_squared("", 1_000.0, 1_000.0).is_ok());
    assert!(chi_squared("", 1_300.0, 1_000.0).is_err() && chi_squared("", 730.0, 1_000.0).is_err());
}
