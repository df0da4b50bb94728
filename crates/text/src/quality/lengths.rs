//! Records far shorter or longer than the rest.
//!
//! Lengths are compared by their logarithm, for they spread by factors, and by median and median absolute deviation, which a
//! few outliers cannot move: modified z-scores of Iglewicz and Hoaglin 1993, with their limit of 3.5.

use serde::Serialize;

/// A modified z-score above this is an outlier.
const LIMIT: f64 = 3.5;
/// The median absolute deviation of a standard normal variable.
const NORMAL_MAD: f64 = 0.674_5;
/// However alike the others are, a length within this factor of the median is no outlier.
const LEAST_FACTOR: f64 = 4.0;
/// Fewer records say nothing of what is usual.
const FEWEST: usize = 20;

/// The lengths that are usual in a data set, in words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lengths {
    /// The shortest record.
    pub least: u32,
    /// The median.
    pub median: u32,
    /// 95 of 100 records are at most this long.
    pub percentile_95: u32,
    /// The longest record.
    pub most: u32,
    /// A shorter record is an outlier; 0 where none is.
    pub short_below: u32,
    /// A longer record is an outlier.
    pub long_above: u32,
}

impl Lengths {
    /// Of records with so many words each; `None` without records.
    pub(super) fn of(mut words: Vec<u32>) -> Option<Self> {
        words.sort_unstable();
        let (least, most) = (*words.first()?, *words.last()?);
        let at = |share: f64| words[((words.len() - 1) as f64 * share).round() as usize];
        let median = at(0.5);
        let (mut short_below, mut long_above) = (0, u32::MAX);
        if words.len() >= FEWEST {
            let log = |count: u32| (f64::from(count) + 1.0).ln();
            let center = log(median);
            let mut deviations: Vec<f64> = words.iter().map(|count| (log(*count) - center).abs()).collect();
            deviations.sort_unstable_by(f64::total_cmp);
            let reach = (LIMIT / NORMAL_MAD * deviations[deviations.len() / 2]).max(LEAST_FACTOR.ln());
            // The last bits of a logarithm are no reason for another word.
            short_below = ((center - reach).exp() - 1.0 - 1e-9).ceil().max(0.0) as u32;
            long_above = ((center + reach).exp() - 1.0 + 1e-9).floor().min(f64::from(u32::MAX)) as u32;
        }
        Some(Self { least, median, percentile_95: at(0.95), most, short_below, long_above })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn outliers_lie_outside_what_is_usual() {
        // 99 records of 90 to 110 words: the spread is small, so the factor of 4 decides: (100 + 1) / 4 - 1 = 24.25 and
        // (100 + 1) · 4 - 1 = 403.
        let mut words: Vec<u32> = (0..99).map(|n| 90 + n % 21).collect();
        words.push(5000);
        let lengths = Lengths::of(words).unwrap();
        assert_eq!((lengths.least, lengths.median, lengths.most), (90, 100, 5000));
        assert_eq!((lengths.short_below, lengths.long_above), (25, 403));
    }

    #[test]
    fn a_wide_spread_is_usual_where_it_is_common() {
        // Words in powers of two, ten records each: 1 … 1024, median 32. Deviations of ln(1 + n) from ln 33: the
        // median of the absolute ones is ln 33 - ln 5 = 1.887 (n = 4), the reach 3.5 / 0.6745 · 1.887 = 9.79.
        let words: Vec<u32> = (0..110).map(|n| 1 << (n % 11)).collect();
        let lengths = Lengths::of(words).unwrap();
        assert_eq!(lengths.median, 32);
        assert_eq!(lengths.short_below, 0);
        assert!(lengths.long_above > 100_000, "{}", lengths.long_above);
    }

    #[test]
    fn few_records_have_no_outliers() {
        let lengths = Lengths::of(vec![1, 1000]).unwrap();
        assert_eq!((lengths.short_below, lengths.long_above), (0, u32::MAX));
        assert!(Lengths::of(Vec::new()).is_none());
    }
}
