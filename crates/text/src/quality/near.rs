//! Near duplicates: MinHash signatures over shingles of two words, bands of locality-sensitive hashing for candidates, and
//! a comparison of words for every candidate.
//!
//! The similarity of two texts is the share of words that they have in common, `2 · |A ∩ B| / (|A| + |B|)` over their words
//! with repetition (Dice). A pair becomes a candidate when all [`ROWS`] values of one of [`BANDS`] bands agree: with the
//! Jaccard similarity `s` of the shingles that happens with probability `1 - (1 - s^ROWS)^BANDS`, which is 0.99 at
//! `s = 0.47`, what is left of the shingles when every fifth word is another one. Candidates are compared by their
//! smallest [`SKETCH`] word hashes: exactly up to that many words, else by the estimate of Beyer et al.
//!
//! Invariants: a text takes at most `4 · (BANDS + SKETCH)` bytes, whatever its length; a text is compared with at most
//! [`MOST_COMPARED`] others in a band, so that many texts with one common passage do not cost the square of their number.
//!
//! Sources: Broder 1997 (resemblance, min-wise hashing); Indyk and Motwani 1998 (bands); Beyer, Haas, Reinwald, Sismanis
//! and Gemulla 2007 (similarity from the k smallest hashes).

use std::ops::Range;

use super::words::{joined, mix};

/// Bands of a signature.
const BANDS: usize = 48;
/// Values that must agree in a band.
const ROWS: usize = 3;
/// Word hashes that are kept of a text.
const SKETCH: usize = 256;
/// Texts that one text is compared with in one band.
const MOST_COMPARED: usize = 64;

/// What is kept of a text to find others like it. Hashes of words can be guessed: never written, never printed.
#[derive(Clone, Default)]
pub(super) struct Fingerprint {
    /// One hash for each band; empty for a text that is too short.
    bands: Vec<u32>,
    sketch: Sketch,
}

/// The smallest hashes of the words of a text, each occurrence of a word being another one.
#[derive(Clone, Default)]
struct Sketch {
    /// Rising.
    smallest: Vec<u32>,
    /// Whether these are all.
    whole: bool,
}

impl Fingerprint {
    /// Of a text with these words; the empty one, which is like no other, for fewer than `shortest` words.
    pub(super) fn of(words: &[u64], shortest: usize) -> Self {
        if words.len() < shortest.max(2) {
            return Self::default();
        }
        Self { bands: bands(words), sketch: Sketch::of(words) }
    }
}

/// The hash of every band of the MinHash signature.
fn bands(words: &[u64]) -> Vec<u32> {
    let mut signature = [u32::MAX; BANDS * ROWS];
    for pair in words.windows(2) {
        let shingle = joined(pair);
        // Two independent halves make a family of functions x + i·y (Kirsch and Mitzenmacher 2006), each mixed anew.
        let (mut value, step) = (shingle as u32, (shingle >> 32) as u32 | 1);
        for least in &mut signature {
            value = value.wrapping_add(step);
            *least = (*least).min(scatter(value));
        }
    }
    let band = |(index, rows): (usize, &[u32])| {
        let all = rows.iter().fold(index as u64, |hash, row| mix(hash.rotate_left(32) ^ u64::from(*row)));
        (all >> 32) as u32
    };
    signature.chunks_exact(ROWS).enumerate().map(band).collect()
}

/// A bijection of 32 bits (finaliser of MurmurHash3).
fn scatter(value: u32) -> u32 {
    let value = (value ^ value >> 16).wrapping_mul(0x85eb_ca6b);
    let value = (value ^ value >> 13).wrapping_mul(0xc2b2_ae35);
    value ^ value >> 16
}

impl Sketch {
    fn of(words: &[u64]) -> Self {
        let mut sorted = words.to_vec();
        sorted.sort_unstable();
        let mut hashes = Vec::with_capacity(sorted.len());
        for same in sorted.chunk_by(|a, b| a == b) {
            hashes
                .extend(same.iter().zip(0_u64..).map(|(word, occurrence)| (mix(word ^ mix(occurrence)) >> 32) as u32));
        }
        let whole = hashes.len() <= SKETCH;
        if !whole {
            hashes.select_nth_unstable(SKETCH);
            hashes.truncate(SKETCH);
        }
        hashes.sort_unstable();
        hashes.shrink_to_fit();
        Self { smallest: hashes, whole }
    }

    /// The share of common words.
    fn similarity(&self, other: &Self) -> f64 {
        // Of a text that is not whole nothing is known above its largest hash.
        let known = |sketch: &Self| if sketch.whole { u32::MAX } else { sketch.smallest.last().copied().unwrap_or(0) };
        let limit = known(self).min(known(other));
        let (mut a, mut b) = (self.smallest.as_slice(), other.smallest.as_slice());
        let (mut common, mut all) = (0_u32, 0_u32);
        while let Some(&x) = a.first().filter(|x| **x <= limit) {
            let Some(&y) = b.first().filter(|y| **y <= limit) else { break };
            if x <= y {
                a = &a[1..];
            }
            if y <= x {
                b = &b[1..];
            }
            common += 2 * u32::from(x == y);
            all += if x == y { 2 } else { 1 };
        }
        let rest = |rest: &[u32]| rest.partition_point(|hash| *hash <= limit) as u32;
        f64::from(common) / f64::from((all + rest(a) + rest(b)).max(1))
    }
}

/// Two texts that are alike, by their places in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    /// The text that is like an earlier one, or like one of `evaluation`.
    pub(super) text: usize,
    /// What it is like.
    pub(super) like: usize,
    /// The share of common words.
    pub(super) similarity: f64,
}

/// What was found.
pub(super) struct Found {
    /// Texts outside `evaluation` that are alike, each text at most once, with an earlier one.
    pub(super) pairs: Vec<Pair>,
    /// Texts that are like one of `evaluation`, each at most once.
    pub(super) overlaps: Vec<Pair>,
}

/// Texts that have at least the share `least` of their words in common; those in `evaluation` are compared with the others
/// only.
pub(super) fn find(texts: &[Fingerprint], evaluation: Range<usize>, least: f64) -> Found {
    let mut groups = Groups::new(texts.len());
    let mut like: Vec<Option<(u32, f32)>> = vec![None; texts.len()];
    let mut overlap: Vec<Option<(u32, f32)>> = vec![None; texts.len()];
    let mut entries: Vec<u64> = Vec::with_capacity(texts.len());
    for band in 0..BANDS {
        entries.clear();
        let in_band = texts.iter().enumerate().filter(|(_, text)| !text.bands.is_empty());
        entries.extend(in_band.map(|(index, text)| u64::from(text.bands[band]) << 32 | index as u64));
        entries.sort_unstable();
        for run in entries.chunk_by(|a, b| a >> 32 == b >> 32).filter(|run| run.len() > 1) {
            for (at, entry) in run.iter().enumerate() {
                let text = *entry as u32 as usize;
                // Entries of a run stand in the order of the texts.
                for entry in run[..at].iter().rev().take(MOST_COMPARED) {
                    let other = *entry as u32 as usize;
                    match (evaluation.contains(&text), evaluation.contains(&other)) {
                        (false, false) if groups.same(text, other) => {}
                        (false, false) => {
                            let similarity = texts[text].sketch.similarity(&texts[other].sketch);
                            if similarity >= least {
                                // Told is the first of the group, if the text is like that too.
                                let first = groups.root(other);
                                let of_first = texts[text].sketch.similarity(&texts[first].sketch);
                                let told = if of_first >= least { (first, of_first) } else { (other, similarity) };
                                keep_earliest(&mut like[text], told);
                                groups.join(text, other);
                            }
                        }
                        (true, true) => {}
                        (text_is_evaluation, _) => {
                            let (own, foreign) = if text_is_evaluation { (other, text) } else { (text, other) };
                            if overlap[own].is_none() {
                                let similarity = texts[own].sketch.similarity(&texts[foreign].sketch);
                                if similarity >= least {
                                    overlap[own] = Some((foreign as u32, similarity as f32));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    Found { pairs: listed(&like), overlaps: listed(&overlap) }
}

fn keep_earliest(kept: &mut Option<(u32, f32)>, (like, similarity): (usize, f64)) {
    if kept.is_none_or(|(earlier, _)| like < earlier as usize) {
        *kept = Some((like as u32, similarity as f32));
    }
}

fn listed(like: &[Option<(u32, f32)>]) -> Vec<Pair> {
    let pair = |(text, like): (usize, &Option<(u32, f32)>)| {
        like.map(|(like, similarity)| Pair { text, like: like as usize, similarity: f64::from(similarity) })
    };
    like.iter().enumerate().filter_map(pair).collect()
}

/// Which texts are already known to be alike, directly or through others: a disjoint-set forest with path halving
/// (Tarjan and van Leeuwen 1984).
struct Groups(Vec<u32>);

impl Groups {
    fn new(size: usize) -> Self {
        Self((0..size as u32).collect())
    }

    fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] as usize != of {
            self.0[of] = self.0[self.0[of] as usize];
            of = self.0[of] as usize;
        }
        of
    }

    fn same(&mut self, a: usize, b: usize) -> bool {
        self.root(a) == self.root(b)
    }

    /// The earlier root stays.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn print(text: &str) -> Fingerprint {
        Fingerprint::of(&words(text), 2)
    }

    fn alike(a: &str, b: &str) -> f64 {
        print(a).sketch.similarity(&print(b).sketch)
    }

    /// Numbers as texts: word `n` for every number.
    fn numbers(of: impl IntoIterator<Item = usize>) -> Vec<u64> {
        of.into_iter().map(|n| mix(n as u64 + 1)).collect()
    }

    #[test]
    fn similarity_is_the_share_of_common_words() {
        assert_eq!(alike("a b c d", "a b c e"), 6.0 / 8.0);
        assert_eq!(alike("a a b", "a b"), 4.0 / 5.0);
        assert_eq!(alike("a b", "b a"), 1.0);
        assert_eq!(alike("a b c", "x y z"), 0.0);
    }

    #[test]
    fn long_texts_are_estimated() {
        // 4,000 words each, 3,200 in common: 0.8. The estimate rests on about 256 hashes of the union (4,800), its standard
        // error is below 0.03.
        let (a, b) = (Sketch::of(&numbers(0..4000)), Sketch::of(&numbers(800..4800)));
        let estimate = a.similarity(&b);
        assert!((estimate - 0.8).abs() < 0.1, "{estimate}");
        assert_eq!(a.smallest.len(), SKETCH);
        // one long, one short: all 100 words of the short one are in the long one
        let short = Sketch::of(&numbers(0..100));
        assert!(a.similarity(&short) < 0.2);
    }

    #[test]
    fn a_text_is_like_the_earliest_of_its_kind() {
        let text = "the quick brown fox jumps over the lazy dog near the old river bank today";
        let other = "an entirely different sentence about taxes and the weather of the coming winter months";
        let changed = text.replace("today", "now");
        let texts: Vec<Fingerprint> = [other, text, text, &changed].into_iter().map(print).collect();
        let found = find(&texts, 4..4, 0.75);
        assert_eq!(found.pairs.iter().map(|pair| (pair.text, pair.like)).collect::<Vec<_>>(), [(2, 1), (3, 1)]);
        assert!(found.overlaps.is_empty());
        let found = find(&texts, 3..4, 0.75);
        assert_eq!(found.pairs.len(), 1);
        let overlaps: Vec<_> = found.overlaps.iter().map(|pair| (pair.text, pair.like)).collect();
        assert_eq!(overlaps, [(1, 3), (2, 3)]);
    }

    #[test]
    fn short_texts_are_like_no_other() {
        let texts = [Fingerprint::of(&words("yes please"), 8), Fingerprint::of(&words("yes please"), 8)];
        assert!(find(&texts, 2..2, 0.5).pairs.is_empty());
    }

    #[test]
    fn bands_agree_as_often_as_the_theory_says() {
        // Jaccard of shingles: 90 of 110 pairs of neighbours are common, s = 0.818, s³ = 0.548 per band.
        let mut agreeing = 0;
        for trial in 0..50 {
            let from = trial * 1000;
            let (a, b) = (bands(&numbers(from..from + 101)), bands(&numbers(from + 10..from + 111)));
            agreeing += a.iter().zip(&b).filter(|(a, b)| a == b).count();
        }
        let (expected, trials) = (0.548, 50.0 * BANDS as f64);
        let share = agreeing as f64 / trials;
        assert!((share - expected).abs() < 0.06, "{share}");
    }

    #[test]
    fn one_common_passage_in_many_texts_stays_cheap() {
        let start = std::time::Instant::now();
        let common = "this message is intended for the named recipient only and may hold confidential matter";
        let texts: Vec<Fingerprint> = (0..20_000).map(|n| print(&format!("{common} {}", unlike(n)))).collect();
        let found = find(&texts, 0..0, 0.75);
        assert!(found.pairs.len() < 200, "{}", found.pairs.len());
        assert!(start.elapsed().as_secs() < 60);
    }

    fn unlike(n: usize) -> String {
        (0..30).map(|word| format!("w{} ", mix((n * 100 + word) as u64) % 5000)).collect()
    }
}
