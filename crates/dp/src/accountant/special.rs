//! Owns the special functions that the accountants share.
//! Invariant: full relative precision in the far tails, where the accountants live.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// `ln(exp(a) + exp(b))`.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(exp(x) - 1)` for `x > 0`.
pub(crate) fn log_expm1(x: f64) -> f64 {
    if x > 40.0 { x } else { x.exp_m1().ln() }
}

/// Mass of the standard normal above `x`.
pub(crate) fn normal_above(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// `ln` of the mass of the standard normal above `x`.
pub(crate) fn log_normal_above(x: f64) -> f64 {
    if x < 35.0 {
        return normal_above(x).ln();
    }
    // Abramowitz and Stegun 7.1.23; at x = 35 the first term left out is below 1e-17.
    let r = 1.0 / (x * x);
    let series = 1.0 - r * (1.0 - 3.0 * r * (1.0 - 5.0 * r * (1.0 - 7.0 * r * (1.0 - 9.0 * r))));
    -0.5 * x * x - (x * (2.0 * PI).sqrt()).ln() + series.ln()
}
