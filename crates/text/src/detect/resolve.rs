//! Decides between overlapping candidates.
//!
//! Invariant: what [`without_overlaps`] returns is sorted and free of overlaps, and every candidate that lost is
//! covered, or its rest stands beside a span that was preferred. Order of preference: agreed by checksum, then longer,
//! then higher score. A web or postal address that lost to something inside it keeps what is left of it: the rest of
//! `https://corp.com/ana-ruiz?mail=ana@corp.com` is as personal as before.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Label, Span, normal};

/// The preferred spans of `text`, sorted, none overlapping another.
pub(crate) fn without_overlaps(text: &str, mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    pick(&mut spans, |loser, taken| rest(text, loser, taken))
}

/// For each label the preferred spans; spans of different labels may overlap.
pub(crate) fn best_of_each_label(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_by_key(|span| span.label);
    let mut kept = Vec::with_capacity(spans.len());
    for same_label in spans.chunk_by_mut(|a, b| a.label == b.label) {
        kept.extend(pick(same_label, |_, _| Vec::new()));
    }
    kept.sort_unstable_by_key(|span| (span.start, span.end, span.label));
    kept
}

/// The names that touch none of `taken`, beside places: what is written like an address of the web or a number is no name,
/// whatever stands around it.
pub(crate) fn outside(mut names: Vec<Span>, taken: &[Span]) -> Vec<Span> {
    let mut taken: Vec<(usize, usize)> =
        taken.iter().filter(|span| span.label != Label::LOCATION).map(|span| (span.start, span.end)).collect();
    // Stable, since that is fast with the runs of the detectors, which are in order.
    taken.sort();
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

/// Spans by their start.
type Taken = BTreeMap<usize, Span>;

/// Takes spans in order of preference, each unless it overlaps one already taken, and then what `rest` leaves of it;
/// returns them by position. What no overlap connects is decided apart, so that the work stays near in memory however many
/// spans there are.
fn pick(spans: &mut [Span], rest: impl Fn(&Span, &Taken) -> Vec<Span>) -> Vec<Span> {
    // The detectors yield runs that are in order already, which this sort takes over.
    spans.sort_by_key(|span| span.start);
    let mut picked = Vec::with_capacity(spans.len());
    let mut taken = Taken::new();
    let mut spans = spans;
    while let Some(first) = spans.first() {
        let mut end = first.end;
        let more = spans[1..].iter().take_while(|span| {
            let connected = span.start < end;
            end = end.max(span.end);
            connected
        });
        let count = 1 + more.count();
        let (connected, others) = spans.split_at_mut(count);
        spans = others;
        if let [alone] = connected {
            picked.push(*alone);
            continue;
        }
        connected.sort_unstable_by(preference);
        for span in connected {
            let before = taken.range(..span.end).next_back();
            if before.is_none_or(|(_, other)| other.end <= span.start) {
                taken.insert(span.start, *span);
            } else {
                taken.extend(rest(span, &taken).into_iter().map(|part| (part.start, part)));
            }
        }
        picked.extend(std::mem::take(&mut taken).into_values());
    }
    picked
}

/// Parts of a web or postal address that no preferred span covers and that say something by themselves.
fn rest(text: &str, loser: &Span, taken: &Taken) -> Vec<Span> {
    let address = loser.label == Label::LOCATION && loser.kind == Some("address");
    if !(address || loser.label == Label::URL) {
        return Vec::new();
    }
    let before = taken.range(..loser.start).next_back().map(|(_, span)| *span).filter(|span| span.end > loser.start);
    let inside = taken.range(loser.start..loser.end).map(|(_, span)| *span);
    let mut parts = Vec::new();
    let mut from = loser.start;
    let end = Span { start: loser.end, ..*loser };
    for winner in before.into_iter().chain(inside).chain([end]) {
        let part = text.get(from..winner.start).unwrap_or_default();
        let tidy = part.trim_start_matches(|c: char| !c.is_alphanumeric());
        let start = winner.start - tidy.len();
        let tidy = tidy.trim_end_matches(|c: char| !c.is_alphanumeric());
        let says = if address {
            tidy.split(|c: char| !c.is_alphabetic()).any(|word| word.len() > 2)
        } else {
            tidy.contains(['.', '/', '=', '?'])
        };
        if from < winner.start && says {
            let whole = normal::around_codes(text, start..start + tidy.len(), from..winner.start);
            parts.push(Span { start: whole.start, end: whole.end, ..*loser });
        }
        from = winner.end;
    }
    parts
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
        let got: Vec<_> = without_overlaps("", spans).iter().map(|s| (s.start, s.end)).collect();
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
    fn a_web_address_keeps_what_is_left_of_it() {
        let text = "see https://corp.com/ana-ruiz?mail=ana@corp.com&key=12 now";
        let mail = text.find("ana@").unwrap_or(0);
        let spans = vec![
            Span::new(4, 55, Label::URL, 0.6),
            Span::new(mail, mail + 12, Label::EMAIL_ADDRESS, 1.0),
            Span::new(8, 20, Label::PERSON, 0.9),
        ];
        let got: Vec<_> = without_overlaps(text, spans).iter().map(|s| (&text[s.start..s.end], s.label.0)).collect();
        let want = [("https://corp.com/ana-ruiz?mail", "URL"), ("ana@corp.com", "EMAIL_ADDRESS"), ("key=12", "URL")];
        assert_eq!(got, want);
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
