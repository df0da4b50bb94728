//! Turns a panel of a 16-bit weight over, from pairs of inputs to pairs of outputs.
//!
//! Two words next to each other hold two inputs of two outputs: their four halves change places inside, and then the
//! couples of words are transposed as wholes, eight by eight in registers where the processor has AVX-512.
#![allow(unsafe_code, reason = "shuffles between registers have no safe form; sizes are checked in `transpose`")]

use super::elementwise::dispatch;
use super::tile::COLUMNS;

/// Lines of a whole panel.
const LINES: usize = COLUMNS / 2;

/// `[pair of inputs][output]` to `[pair of outputs][input]`: the inputs of `source` come first in each of `lines`, and the
/// rest of a line stays as it is. Outputs for which there is no line are left out.
pub(super) fn transpose(lines: &mut [u32], source: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    if lines.len() == LINES * COLUMNS
        && source.len() == LINES * COLUMNS
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
    {
        // SAFETY: the processor was asked, and both are whole panels.
        unsafe { avx512(lines.as_mut_ptr(), source.as_ptr()) };
        return;
    }
    dispatch(
        #[inline(always)]
        || portable(lines, source),
    );
}

#[inline(always)]
fn portable(lines: &mut [u32], source: &[u32]) {
    for (pair, outputs) in source.as_chunks::<COLUMNS>().0.iter().enumerate() {
        for (line, two) in lines.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(outputs.as_chunks::<2>().0) {
            line[2 * pair] = (two[0] & 0xffff) | (two[1] << 16);
            line[2 * pair + 1] = (two[0] >> 16) | (two[1] & 0xffff_0000);
        }
    }
}

/// Both of `LINES * COLUMNS` words.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn avx512(lines: *mut u32, source: *const u32) {
    use std::arch::x86_64::*;

    /// Couples of words in a register, and lines of a square.
    const SQUARE: usize = 8;

    // the second and the third quarter of each couple change places
    let swap = _mm512_set4_epi32(0x0f0e_0b0a, 0x0d0c_0908, 0x0706_0302, 0x0504_0100);
    for down in (0..LINES).step_by(SQUARE) {
        for across in (0..LINES).step_by(SQUARE) {
            let a: [__m512i; SQUARE] = std::array::from_fn(|row| {
                // SAFETY: `down + row` and `across + SQUARE - 1` are smaller than LINES.
                let couples = unsafe { _mm512_loadu_si512(source.add((down + row) * COLUMNS + 2 * across).cast()) };
                _mm512_shuffle_epi8(couples, swap)
            });
            // in each quarter of a register: couples of two lines, then of four, then of eight
            let b: [__m512i; SQUARE] = std::array::from_fn(|at| {
                let (even, odd) = (a[at & !1], a[at | 1]);
                if at & 1 == 0 { _mm512_unpacklo_epi64(even, odd) } else { _mm512_unpackhi_epi64(even, odd) }
            });
            let c: [__m512i; SQUARE] = std::array::from_fn(|at| {
                let (low, high) = (b[at & !2], b[at | 2]);
                if at & 2 == 0 {
                    _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high)
                } else {
                    _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high)
                }
            });
            for at in 0..SQUARE {
                let (low, high) = (c[at & !4], c[at | 4]);
                let line = if at & 4 == 0 {
                    _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high)
                } else {
                    _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high)
                };
                // SAFETY: as above, with the two changed over.
                unsafe { _mm512_storeu_si512(lines.add((across + at) * COLUMNS + 2 * down).cast(), line) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_to_its_place() {
        let value = |input: usize, output: usize| (input * COLUMNS + output) as u32 + 1;
        for (inputs, outputs) in [(COLUMNS, COLUMNS), (2, COLUMNS), (COLUMNS, 2), (10, 34)] {
            let words = (0..inputs / 2 * COLUMNS).map(|at| (2 * (at / COLUMNS), at % COLUMNS));
            let source: Vec<u32> = words.map(|(i, o)| value(i, o) | (value(i + 1, o) << 16)).collect();
            let mut lines = vec![0; outputs / 2 * COLUMNS];
            transpose(&mut lines, &source);
            for (at, &word) in lines.iter().enumerate() {
                let (output, input) = (2 * (at / COLUMNS), at % COLUMNS);
                let expected = if input < inputs { value(input, output) | (value(input, output + 1) << 16) } else { 0 };
                assert_eq!(word, expected, "{inputs} x {outputs}: input {input}, output {output}");
            }
        }
    }
}
