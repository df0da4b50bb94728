//! Feature weights as a table that is read where it lies.
//!
//! Invariant: a bucket is one cache line of 64 bytes: eight one-byte tags of features, then eight rows of [`TAGS`] weights. The
//! tag 0 marks an empty row. A feature that training never saw adds nothing, but for the one in about forty whose tag
//! happens to stand in its bucket. Weights are whole numbers of one common step, so that sums are exact in any order.

/// Tags of a token: outside, then begin and inside of a person, a place, an organisation.
pub const TAGS: usize = 7;

const ROWS: usize = 8;
const BUCKET: usize = ROWS * (1 + TAGS);

/// The table.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    buckets: &'a [[u8; BUCKET]],
}

impl<'a> Weights<'a> {
    /// A table over `bytes`; what is left over behind the last whole bucket is ignored.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { buckets: bytes.as_chunks().0 }
    }

    /// Adds the weights of a feature to `sums`.
    pub(super) fn add(&self, feature: u64, sums: &mut [i32; TAGS]) {
        if self.buckets.is_empty() {
            return;
        }
        const LOW: u64 = 0x0101_0101_0101_0101;
        let bucket = &self.buckets[place(feature, self.buckets.len())];
        let (tags, rows) = bucket.split_at(ROWS);
        let mut word = [0u8; ROWS];
        word.copy_from_slice(tags);
        // The lowest zero byte of the difference is the row; bytes above it may be marked wrongly, that one never.
        let difference = u64::from_le_bytes(word) ^ (LOW * u64::from(tag(feature)));
        let zero = difference.wrapping_sub(LOW) & !difference & (LOW << 7);
        if zero != 0 {
            let row = (zero.trailing_zeros() / 8) as usize * TAGS;
            for (sum, weight) in sums.iter_mut().zip(&rows[row..row + TAGS]) {
                *sum += i32::from(weight.cast_signed());
            }
        }
    }
}

fn place(feature: u64, buckets: usize) -> usize {
    (((feature >> 32) * buckets as u64) >> 32) as usize
}

fn tag(feature: u64) -> u8 {
    (feature as u8).max(1)
}

/// Writes a table of `buckets` buckets. Where a bucket is full, or two features have one tag, those that come first stay.
pub fn build(features: impl IntoIterator<Item = (u64, [i8; TAGS])>, buckets: usize) -> Vec<u8> {
    let mut table = vec![[0u8; BUCKET]; buckets];
    for (feature, weights) in features {
        let bucket = &mut table[place(feature, buckets)];
        let tag = tag(feature);
        if let Some(row) = (0..ROWS).find(|row| bucket[*row] == 0 || bucket[*row] == tag)
            && bucket[row] == 0
        {
            bucket[row] = tag;
            let from = ROWS + row * TAGS;
            bucket[from..from + TAGS].copy_from_slice(&weights.map(i8::cast_unsigned));
        }
    }
    table.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;

    #[test]
    fn weights_come_back_and_unknown_features_rarely_hit() {
        let feature = |n: u64| hash::mix(n, 7);
        let row = |n: u64| [n as i8; TAGS];
        let bytes = build((0..1000).map(|n| (feature(n), row(n))), 250);
        let table = Weights::new(&bytes);
        let get = |feature| {
            let mut sums = [0; TAGS];
            table.add(feature, &mut sums);
            sums
        };
        let kept = (0..1000).filter(|n| get(feature(*n)) == row(*n).map(i32::from)).count();
        assert!(kept > 950, "{kept}");
        let hits = (1000..11_000).filter(|n| get(feature(*n)) != [0; TAGS]).count();
        assert!(hits < 300, "{hits}");
        Weights::new(&[]).add(1, &mut [0; TAGS]);
    }
}
