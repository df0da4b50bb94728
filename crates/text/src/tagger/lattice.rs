//! The linear chain: best path and probabilities of tags.
//!
//! Invariant: time and memory are linear in the number of tokens. Arithmetic is in the order of the tokens, so the same
//! input gives the same bits. Source: Lafferty, McCallum and Pereira 2001; forward and backward scaled as in Rabiner 1989.

use super::gap::GAPS;
use super::weights::TAGS;

/// The tag of a token that is in no name.
pub const OUTSIDE: usize = 0;

/// Scores of neighbouring tags by what stands between the two tokens: `[gap][left][right]`.
pub type Transitions = [[[f32; TAGS]; TAGS]; GAPS];

/// Whether `right` may follow `left`: the inside of a name only its beginning or inside.
pub fn may_follow(left: usize, right: usize) -> bool {
    right == OUTSIDE || right % 2 == 1 || left == right || left + 1 == right
}

/// Buffers for one sequence after another.
#[derive(Default)]
pub struct Lattice {
    forward: Vec<[f32; TAGS]>,
    potentials: Vec<[f32; TAGS]>,
    scale: Vec<f32>,
    back: Vec<[u8; TAGS]>,
}

impl Lattice {
    /// The probabilities of the tags of every token, into `marginals`, and the logarithm of the partition function.
    ///
    /// `exponentials` are the transitions, exponentiated, with 0 where a tag may not follow.
    pub fn marginals(
        &mut self,
        emissions: &[[f32; TAGS]],
        gaps: &[u8],
        exponentials: &Transitions,
        marginals: &mut Vec<[f32; TAGS]>,
    ) -> f64 {
        marginals.clear();
        self.forward.clear();
        self.potentials.clear();
        self.scale.clear();
        let mut log_partition = 0.0f64;
        let mut left = [0.0; TAGS];
        left[OUTSIDE] = 1.0;
        for (emission, gap) in emissions.iter().zip(gaps) {
            let highest = emission.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let potential = emission.map(|score| (score - highest).exp());
            let table = &exponentials[usize::from(*gap)];
            let mut here = [0.0; TAGS];
            for (weight, row) in left.iter().zip(table) {
                for (sum, transition) in here.iter_mut().zip(row) {
                    *sum += weight * transition;
                }
            }
            let mut total = 0.0;
            for (value, potential) in here.iter_mut().zip(&potential) {
                *value *= potential;
                total += *value;
            }
            let total = total.max(f32::MIN_POSITIVE);
            left = here.map(|value| value / total);
            log_partition += f64::from(total.ln()) + f64::from(highest);
            self.forward.push(left);
            self.potentials.push(potential);
            self.scale.push(total);
        }
        marginals.resize(emissions.len(), [0.0; TAGS]);
        let mut right = [1.0f32; TAGS];
        for index in (0..emissions.len()).rev() {
            for ((out, forward), backward) in marginals[index].iter_mut().zip(&self.forward[index]).zip(&right) {
                *out = forward * backward;
            }
            let table = &exponentials[usize::from(gaps[index])];
            let weighted: [f32; TAGS] =
                std::array::from_fn(|tag| self.potentials[index][tag] * right[tag] / self.scale[index]);
            right = std::array::from_fn(|left| table[left].iter().zip(&weighted).map(|(t, w)| t * w).sum());
        }
        log_partition
    }

    /// Calls `each` with `(index, left, right, probability)` of every pair of neighbouring tags; valid after
    /// [`Self::marginals`] of the same sequence.
    pub fn pairs(
        &self,
        gaps: &[u8],
        exponentials: &Transitions,
        marginals: &[[f32; TAGS]],
        mut each: impl FnMut(usize, usize, usize, f32),
    ) {
        let mut before = [0.0; TAGS];
        before[OUTSIDE] = 1.0;
        for index in 0..marginals.len() {
            let table = &exponentials[usize::from(gaps[index])];
            for right in 0..TAGS {
                let reached: f32 = (0..TAGS).map(|left| before[left] * table[left][right]).sum();
                if reached > 0.0 {
                    for left in 0..TAGS {
                        let share = before[left] * table[left][right] / reached;
                        if share > 0.0 {
                            each(index, left, right, marginals[index][right] * share);
                        }
                    }
                }
            }
            before = self.forward[index];
        }
    }

    /// The best sequence of tags, with `tilt` taken from the score of every token outside of names.
    pub fn best(
        &mut self,
        emissions: &[[f32; TAGS]],
        gaps: &[u8],
        transitions: &Transitions,
        tilt: f32,
        path: &mut Vec<u8>,
    ) {
        path.clear();
        self.back.clear();
        let mut scores = [f32::NEG_INFINITY; TAGS];
        scores[OUTSIDE] = 0.0;
        for (emission, gap) in emissions.iter().zip(gaps) {
            let table = &transitions[usize::from(*gap)];
            let mut next = [f32::NEG_INFINITY; TAGS];
            let mut back = [0u8; TAGS];
            for right in 0..TAGS {
                for left in (0..TAGS).filter(|left| may_follow(*left, right)) {
                    let score = scores[left] + table[left][right];
                    if score > next[right] {
                        next[right] = score;
                        back[right] = left as u8;
                    }
                }
                next[right] += emission[right] - if right == OUTSIDE { tilt } else { 0.0 };
            }
            scores = next;
            self.back.push(back);
        }
        let mut tag = (0..TAGS).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(OUTSIDE);
        path.resize(emissions.len(), 0);
        for index in (0..emissions.len()).rev() {
            path[index] = tag as u8;
            tag = usize::from(self.back[index][tag]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> (Transitions, Transitions) {
        let mut scores = [[[0.0; TAGS]; TAGS]; GAPS];
        let mut exponentials = scores;
        for (gap, table) in scores.iter_mut().enumerate() {
            for left in 0..TAGS {
                for right in 0..TAGS {
                    table[left][right] = ((gap * 7 + left * 3 + right * 5) % 11) as f32 / 7.0 - 0.6;
                    exponentials[gap][left][right] =
                        if may_follow(left, right) { table[left][right].exp() } else { 0.0 };
                }
            }
        }
        (scores, exponentials)
    }

    fn emissions() -> Vec<[f32; TAGS]> {
        (0..4).map(|i| std::array::from_fn(|tag| ((i * 13 + tag * 29) % 17) as f32 / 5.0 - 1.5)).collect()
    }

    /// All paths of four tokens with their scores.
    fn paths(emissions: &[[f32; TAGS]], gaps: &[u8], scores: &Transitions) -> Vec<([usize; 4], f64)> {
        let all = (0..TAGS.pow(4)).map(|n| [n % 7, n / 7 % 7, n / 49 % 7, n / 343]);
        let legal = all.filter(|path| {
            let mut left = OUTSIDE;
            path.iter().all(|tag| may_follow(std::mem::replace(&mut left, *tag), *tag))
        });
        legal
            .map(|path| {
                let mut left = OUTSIDE;
                let mut score = 0.0;
                for (i, tag) in path.iter().enumerate() {
                    score += f64::from(emissions[i][*tag] + scores[usize::from(gaps[i])][left][*tag]);
                    left = *tag;
                }
                (path, score)
            })
            .collect()
    }

    #[test]
    fn best_path_and_marginals_agree_with_all_paths() {
        let (scores, exponentials) = tables();
        let (emissions, gaps) = (emissions(), [0, 1, 3, 2]);
        let all = paths(&emissions, &gaps, &scores);
        let partition: f64 = all.iter().map(|(_, score)| score.exp()).sum();
        let mut lattice = Lattice::default();
        let mut marginals = Vec::new();
        let log_partition = lattice.marginals(&emissions, &gaps, &exponentials, &mut marginals);
        assert!((log_partition - partition.ln()).abs() < 1e-4);
        for (i, row) in marginals.iter().enumerate() {
            for (tag, probability) in row.iter().enumerate() {
                let sum: f64 = all.iter().filter(|(path, _)| path[i] == tag).map(|(_, score)| score.exp()).sum();
                assert!((f64::from(*probability) - sum / partition).abs() < 1e-4, "{i} {tag}");
            }
        }
        let mut sum = [0.0; 4];
        lattice.pairs(&gaps, &exponentials, &marginals, |index, left, right, probability| {
            assert!(may_follow(left, right));
            sum[index] += probability;
        });
        assert!(sum.iter().all(|sum| (sum - 1.0).abs() < 1e-4), "{sum:?}");
        let mut path = Vec::new();
        lattice.best(&emissions, &gaps, &scores, 0.0, &mut path);
        let best = all.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(path, _)| path.map(|tag| tag as u8));
        assert_eq!(Some(path), best.map(|path| path.to_vec()));
    }

    #[test]
    fn a_strong_tilt_leaves_nothing_outside_and_nothing_has_no_path() {
        let (scores, _) = tables();
        let mut path = Vec::new();
        Lattice::default().best(&emissions(), &[0; 4], &scores, 100.0, &mut path);
        assert!(path.iter().all(|tag| usize::from(*tag) != OUTSIDE));
        Lattice::default().best(&[], &[], &scores, 0.0, &mut path);
        assert!(path.is_empty());
    }
}
