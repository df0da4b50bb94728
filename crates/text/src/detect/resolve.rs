//! Decides between overlapping candidates.
//!
//! Invariant: what [`without_overlaps`] returns is sorted and free of overlaps, and every candidate that lost is
//! covered, or its rest stands beside a span that was preferred. Order of preference: agreed by checksum, then longer,
//! then higher score.

use std::cmp::Ordering;

use super::{Label, Span};

/// The preferred spans, sorted, none overlapping another.
pub(crate) fn without_overlaps(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable_by(preference);
    pick(spans)
}

/// For each label the preferred spans; spans of different labels may overlap.
pub(crate) fn best_of_each_label(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable_by(|a, b| a.label.cmp(&b.label).then_with(|| preference(a, b)));
    let mut kept = Vec::with_capacity(spans.len());
    for same_label in spans.chunk_by(|a, b| a.label == b.label) {
        kept.extend(pick(same_label.to_vec()));
    }
    kept.sort_unstable_by_key(|span| (span.start, span.end, span.label));
    kept
}

/// The names that touch none of `taken`, beside places: what is written like an address of the web or a number is no name,
/// whatever stands around it.
pub(crate) fn outside(mut names: Vec<Span>, taken: &[Span]) -> Vec<Span> {
    let mut taken: Vec<(usize, usize)> =
        taken.iter().filter(|span| span.label != Label::LOCATION).map(|span| (span.start, span.end)).collect();
    taken.sort_unstable();
    // The furthest end so far, since spans may lie in one another.
    let mut furthest = 0;
    for span in &mut taken {
        furthest = furthest.max(span.1);
        span.1 = furthest;
    }
    names.retain(|name| {
        let before = taken.partition_point(|(start, _)| *start < name.end);
        before.checked_sub(1).is_none_or(|last| taken[last].1 <= name.start)
    });
    names
}

fn preference(a: &Span, b: &Span) -> Ordering {
    let checked = |span: &Span| span.score >= 1.0;
    checked(b)
        .cmp(&checked(a))
        .then((b.end - b.start).cmp(&(a.end - a.start)))
        .then(b.score.total_cmp(&a.score))
        .then(a.start.cmp(&b.start))
        .then(a.label.cmp(&b.label))
}

/// Takes spans in order of preference, each unless it overlaps one already taken; returns them by position.
fn pick(spans: Vec<Span>) -> Vec<Span> {
    let mut taken = std::collections::BTreeMap::<usize, Span>::new();
    for span in spans {
        let before = taken.range(..span.end).next_back();
        if before.is_none_or(|(_, other)| other.end <= span.start) {
            taken.insert(span.start, span);
        }
    }
    taken.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_beats_length_and_length_beats_score() {
        let spans = vec![
            Span::new(0, 30, Label::PHONE_NUMBER, 0.9),
            Span::new(5, 20, Label::CREDIT_CARD, 1.0),
            Span::new(40, 50, Label::PERSON, 0.6),
            Span::new(44, 50, Label::PERSON, 0.95),
            Span::new(20, 22, Label::PERSON, 0.5),
        ];
        let got: Vec<_> = without_overlaps(spans).iter().map(|s| (s.start, s.end)).collect();
        assert_eq!(got, [(5, 20), (20, 22), (40, 50)]);
    }

    #[test]
    fn names_that_touch_what_rules_found_are_left_out() {
        let name = |start, end| Span::new(start, end, Label::PERSON, 0.9);
        let taken = [
            Span::new(10, 40, Label::URL, 0.9),
            Span::new(12, 14, Label::PHONE_NUMBER, 0.9),
            Span::new(50, 60, Label::LOCATION, 0.9),
        ];
        let names = vec![name(0, 10), name(8, 11), name(20, 25), name(39, 45), name(40, 45), name(52, 55)];
        let got: Vec<_> = outside(names, &taken).iter().map(|s| (s.start, s.end)).collect();
        assert_eq!(got, [(0, 10), (40, 45), (52, 55)]);
    }

    #[test]
    fn labels_do_not_compete_among_candidates() {
        let spans = vec![
            Span::new(0, 9, Label::US_SSN, 0.1),
            Span::new(0, 9, Label::PHONE_NUMBER, 0.2),
            Span::new(3, 9, Label::PHONE_NUMBER, 0.3),
        ];
        let got: Vec<_> = best_of_each_label(spans).iter().map(|s| (s.start, s.label.0)).collect();
        assert_eq!(got, [(0, "PHONE_NUMBER"), (0, "US_SSN")]);
    }
}
