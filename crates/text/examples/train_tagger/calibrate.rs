//! Probabilities that mean what they say, and what the tagger alone is worth.

use cloister_text::tagger::training::{Calibration, KINDS, POINTS};

use super::Names;
use super::corpora::Labelled;

/// By kind, the increasing curve that fits best (pool adjacent violators), read at equal steps.
pub(crate) fn curves<'e>(names: &Names<'_>, examples: impl Iterator<Item = &'e Labelled>) -> Calibration {
    let mut found: [Vec<(f32, bool)>; KINDS] = Default::default();
    for example in examples {
        for (start, end, kind, probability) in names.find(&example.text) {
            let right = example.spans.iter().any(|span| span.2 == kind && span.0 < end && start < span.1);
            found[kind].push((probability, right));
        }
    }
    found.map(|mut points| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Blocks of sum of probability, number right, number; neighbours are joined while they do not rise.
        let mut blocks: Vec<[f64; 3]> = Vec::new();
        for (probability, right) in points {
            blocks.push([f64::from(probability), f64::from(u8::from(right)), 1.0]);
            while let [.., left, last] = blocks.as_slice()
                && left[1] * last[2] >= last[1] * left[2]
            {
                let joined = std::array::from_fn(|n| left[n] + last[n]);
                blocks.truncate(blocks.len() - 2);
                blocks.push(joined);
            }
        }
        let mut knots = vec![(0.0, 0.0)];
        knots.extend(blocks.iter().map(|[sum, right, count]| (sum / count, (right + 0.5) / (count + 1.0))));
        knots.push((1.0, 0.995));
        let mut curve: [f32; POINTS] = std::array::from_fn(|point| {
            let at = point as f64 / (POINTS - 1) as f64;
            let right = knots.iter().position(|knot| knot.0 >= at).unwrap_or(knots.len() - 1).max(1);
            let (from, to) = (knots[right - 1], knots[right]);
            let share = if to.0 > from.0 { ((at - from.0) / (to.0 - from.0)).clamp(0.0, 1.0) } else { 1.0 };
            (from.1 + (to.1 - from.1) * share) as f32
        });
        for point in 1..POINTS {
            curve[point] = curve[point].max(curve[point - 1]);
        }
        curve
    })
}

/// Prints precision, recall and F1 by overlap, by kind and threshold.
pub(crate) fn report(name: &str, names: &Names<'_>, examples: &[Labelled]) {
    let found: Vec<_> = examples.iter().map(|example| names.find(&example.text)).collect();
    print!("{name:20}");
    for kind in 0..KINDS {
        print!("  {}", ["PERSON", "LOCATION", "ORGANIZATION"][kind]);
        for threshold in [0.3, 0.4, 0.5] {
            let (mut hit, mut gold, mut all) = (0, 0, 0);
            for (example, found) in examples.iter().zip(&found) {
                let mut free: Vec<_> = found.iter().filter(|n| n.2 == kind && n.3 >= threshold).collect();
                all += free.len();
                for (start, end, _) in example.spans.iter().filter(|span| span.2 == kind) {
                    gold += 1;
                    if let Some(at) = free.iter().position(|name| name.0 < *end && *start < name.1) {
                        free.remove(at);
                        hit += 1;
                    }
                }
            }
            let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
            print!(" {:.2}/{:.2}/{:.3}", share(hit, all), share(hit, gold), share(2 * hit, all + gold));
        }
    }
    println!();
}
