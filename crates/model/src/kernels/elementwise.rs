//! Vector arithmetic that the compiler turns into the widest instructions of the processor at hand.
//!
//! `dispatch` picks the instruction set at run time; everything called inside must be `#[inline(always)]`.
//! Sums run over 16 lanes, so their order is fixed and does not depend on the processor.

use pulp::Arch;

/// Runs `work` compiled for the best instruction set of this processor.
///
/// Write `#[inline(always)]` before the closure: one that the compiler does not inline is compiled without wide
/// instructions, silently.
#[inline]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Lanes of the fixed-order reductions.
const LANES: usize = 16;

/// `e^x` to 2 units in the last place: range reduction by ln 2 (Cody and Waite 1980), degree-6 polynomial
/// (coefficients of Cephes `expf`), exponent put together from bits. Below -87.3 it gives about 1e-38, never zero or less.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest integer
    let x = x.clamp(-87.3, 88.3);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_6e-1;
    p = p * r + 5e-1;
    let mantissa = p * (r * r) + r + 1.0;
    mantissa * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum of `f(a, b)` over two slices of one length.
#[inline(always)]
pub fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    let mut total = reduce(lanes, |x, y| x + y);
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        total += f(a, b);
    }
    total
}

/// `a · b`.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum2(a, b, |x, y| x * y)
}

/// The largest element, negative infinity if there is none.
#[inline(always)]
pub fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    rest.iter().fold(reduce(lanes, f32::max), |best, &value| best.max(value))
}

/// Replaces every `x` by `e^(x - shift)` and returns their sum.
#[inline(always)]
pub fn exp_shifted(values: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - shift);
            lanes[lane] += chunk[lane];
        }
    }
    let mut total = reduce(lanes, |x, y| x + y);
    for value in rest {
        *value = exp(*value - shift);
        total += *value;
    }
    total
}

/// Folds the lanes pairwise, in a fixed order.
#[inline(always)]
fn reduce(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for step in -870_000..880_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - exact) / exact).abs());
        }
        assert!(worst < 2.4e-7, "relative error {worst}");
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 2e-38);
    }

    #[test]
    fn reductions_cover_every_element_and_the_rest() {
        for length in 0..70 {
            let values: Vec<f32> = (0..length).map(|i| i as f32 - 3.0).collect();
            let exact: f32 = values.iter().map(|v| v * v).sum();
            assert_eq!(dispatch(|| dot(&values, &values)), exact);
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&values), largest);
        }
    }
}
