//! Telephone numbers in text.
//!
//! Invariant: a group of digits belongs to at most one number; dates, years, amounts and dotted quads are not numbers.
//! Sources: ITU-T E.164 (country codes, at most 15 digits), those of [`plan`], national forms of GB, DE, FR, ES, IT, IN,
//! CN and AU.

mod plan;
mod regional;

use super::edge::{word_after, word_before};
use super::locale::Phones;
use super::view::{Token, Topic, View};
use super::{Label, Span};
use plan::{is_north_american, is_plausible};

/// Finds numbers in groups of digits that stand close together.
pub(crate) fn cluster(view: &View<'_>, groups: &[Token], forms: Phones, out: &mut Vec<Span>) {
    let mut first = 0;
    while first < groups.len() {
        match number(view, groups, first, forms) {
            Some((start, end, last, score)) => {
                let (end, extension) = with_extension(view, end);
                out.push(Span::new(start, end, Label::PHONE_NUMBER, judge(view, start, end, score, extension)));
                first = last + 1;
            }
            None => first += 1,
        }
    }
    regional::find(view, groups, forms, out);
}

fn judge(view: &View<'_>, start: usize, end: usize, mut score: f32, extension: bool) -> f32 {
    if view.near(Topic::Phone, start, end, 40) {
        score += 0.35;
    } else if view.just_before(Topic::Reference, start, 14) {
        score -= 0.3;
    }
    if extension {
        score += 0.1;
    }
    score.clamp(0.01, 0.95)
}

/// First and last byte, last group, and the score of the form alone.
fn number(view: &View<'_>, groups: &[Token], first: usize, forms: Phones) -> Option<(usize, usize, usize, f32)> {
    let start = groups[first].start;
    let before = view.before(start);
    if before == b'+' {
        return international(view, groups, first, start - 1, 0);
    }
    if before == b'(' && start >= 2 && view.bytes[start - 2] == b'+' {
        return None;
    }
    if !begins_well(view, start) {
        return None;
    }
    let text = view.word(&groups[first]);
    if text.len() > 3
        && text.starts_with("00")
        && !text.starts_with("000")
        && let Some(found) = international(view, groups, first, start, 2)
    {
        return Some(found);
    }
    if matches!(text, "00" | "001" | "0011")
        && let Some(found) = international(view, groups, first, start, 2)
    {
        return Some(found);
    }
    let north_american = if forms.north_american { north_american(view, groups, first) } else { None };
    north_american.or_else(|| national(view, groups, first, forms))
}

/// A number with its country code. `skip` digits of the first group (a `00`) stand before the code.
fn international(
    view: &View<'_>,
    groups: &[Token],
    first: usize,
    start: usize,
    skip: usize,
) -> Option<(usize, usize, usize, f32)> {
    let mut digits = String::with_capacity(16);
    let mut best = None;
    for (index, group) in groups.iter().enumerate().skip(first) {
        if index > first && (view.gap(&groups[index - 1], group).contains("- ") || index - first > 6) {
            break;
        }
        let text = view.word(group);
        digits.push_str(if index == first { text.get(skip..)? } else { text });
        if digits.len() > 15 {
            break;
        }
        if ends_well(view, group.end) {
            if is_plausible(&digits) {
                best = Some((start, group.end, index, 0.75));
            } else if skip == 0
                && !is_signed_value(view, &groups[first..=index])
                && !is_signed_value(view, &groups[first..groups.len().min(index + 2)])
                && (9..=15).contains(&digits.len())
                && best.is_none_or(|found| found.3 < 0.6)
            {
                // A digit too many or an unassigned code: mistyped, but still someone's number.
                best = Some((start, group.end, index, 0.55));
            }
        }
    }
    best
}

/// `+1441497364.649`, `+12345-06-07`: a decimal, or a date of a far year.
fn is_signed_value(view: &View<'_>, groups: &[Token]) -> bool {
    match groups {
        [a, b] => view.gap(a, b) == ".",
        [a, b, c] => view.gap(a, b) == "-" && b.end - b.start == 2 && c.end - c.start == 2,
        _ => false,
    }
}

/// `(415) 555-0132`, `415.555.0132`, `1-415-555-0132`, ten digits.
fn north_american(view: &View<'_>, groups: &[Token], first: usize) -> Option<(usize, usize, usize, f32)> {
    let word = |index: usize| groups.get(index).map_or("", |group| view.word(group));
    let trunk = matches!(word(first), "1" | "001");
    let area = first + usize::from(trunk);
    let start = opening(view, groups[first].start);
    if !trunk && word(first).len() == 10 && is_north_american(word(first)) && ends_well(view, groups[first].end) {
        return Some((groups[first].start, groups[first].end, first, 0.3));
    }
    if !trunk && word(first).len() == 11 && word(first).starts_with('1') && is_north_american(&word(first)[1..]) {
        return ends_well(view, groups[first].end).then_some((groups[first].start, groups[first].end, first, 0.3));
    }
    let (a, e, s) = (word(area), word(area + 1), word(area + 2));
    let last = match (a.len(), e.len(), s.len()) {
        (3, 3, 4) => area + 2,
        (3, 7, _) if is_north_american(&[a, e].concat()) => area + 1,
        _ => return None,
    };
    if last == area + 2 && !is_north_american(&[a, e, s].concat()) || !ends_well(view, groups[last].end) {
        return None;
    }
    let brackets = view.bytes[start] == b'(' || (trunk && view.gap(&groups[first], &groups[area]).contains('('));
    let gap = view.gap(&groups[area], &groups[area + 1]);
    let score = match gap {
        _ if brackets && gap.contains(')') => 0.75,
        "-" | "." | "\u{2011}" if last == area + 2 => 0.7,
        _ if trunk => 0.6,
        "-" | " " => 0.5,
        _ => 0.3,
    };
    Some((start, groups[last].end, last, score))
}

/// Formats without a country code.
fn national(view: &View<'_>, groups: &[Token], first: usize, forms: Phones) -> Option<(usize, usize, usize, f32)> {
    // Without a code only a cluster that is one number as a whole is believed.
    if first > 0 && view.gap(&groups[first - 1], &groups[first]) != " " {
        return None;
    }
    let (mut last, mut digits) = (first, groups[first].end - groups[first].start);
    for index in first + 1..groups.len() {
        let length = groups[index].end - groups[index].start;
        let gap = view.gap(&groups[index - 1], &groups[index]);
        if digits + length > 12 || gap.starts_with('.') && gap.len() > 1 {
            break;
        }
        (last, digits) = (index, digits + length);
    }
    if last + 1 < groups.len() && view.gap(&groups[last], &groups[last + 1]) != " " {
        return None;
    }
    // `01 02 03 04 05 06 07`: a series goes on as it began.
    let length = |group: &Token| group.end - group.start;
    let mut beside = [first.checked_sub(1), Some(last + 1)].into_iter().flatten().filter_map(|at| groups.get(at));
    let even = groups[first..=last].iter().all(|group| length(group) == length(&groups[first]));
    if last > first && even && beside.any(|group| length(group) == length(&groups[first])) {
        return None;
    }
    let own = &groups[first..=last];
    if !(7..=12).contains(&digits) || own.len() > 6 || !ends_well(view, groups[last].end) || is_other(view, own) {
        return None;
    }
    let start = opening(view, groups[first].start);
    let brackets = view.bytes[start] == b'(';
    let lead = view.bytes[groups[first].start];
    let lengths: Vec<usize> = own.iter().map(|g| g.end - g.start).collect();
    let slash = own.windows(2).any(|pair| view.gap(&pair[0], &pair[1]).contains('/'));
    // A trunk zero and the digits behind it; `0.117` and `001 - 12` begin otherwise.
    let second = view.bytes[groups[first].start..groups[last].end].iter().filter(|b| b.is_ascii_digit()).nth(1);
    let zero = forms.trunk_zero && lead == b'0' && second != Some(&b'0') && (9..=12).contains(&digits);
    let score = match lengths.as_slice() {
        [2, 2, 2, 2, 2] if forms.trunk_zero && lead == b'0' => 0.65,
        _ if zero && (brackets || slash) => 0.6,
        [_, _, ..] if zero => 0.5,
        [11] if forms.trunk_zero && view.word(&own[0]).starts_with("07") => 0.5,
        [_] if zero => 0.3,
        [3, 3, 3] | [3, 2, 2, 2] if forms.nine_digits && matches!(lead, b'6'..=b'9') => 0.35,
        // India: two groups of five; China: mobile numbers begin with 13 to 19.
        [5, 5] if forms.indian && matches!(lead, b'6'..=b'9') => 0.35,
        [11] | [3, 4, 4] if forms.chinese && is_chinese_mobile(view, own) => 0.35,
        _ if brackets => 0.4,
        [9] if forms.nine_digits && matches!(lead, b'6'..=b'9') => 0.2,
        [3, 4] => 0.25,
        [_] if digits > 9 => 0.15,
        [_] => 0.1,
        _ => 0.2,
    };
    Some((start, groups[last].end, last, score))
}

fn is_chinese_mobile(view: &View<'_>, groups: &[Token]) -> bool {
    let first = view.word(&groups[0]).as_bytes();
    first[0] == b'1' && first.get(1).is_some_and(|digit| *digit >= b'3')
}

/// The opening bracket before `start`, if one closes in the number.
fn opening(view: &View<'_>, start: usize) -> usize {
    let closes = view.bytes[start..].iter().take(8).find(|b| !b.is_ascii_digit()) == Some(&b')');
    if view.before(start) == b'(' && closes { start - 1 } else { start }
}

/// Whether a number may begin with the group of digits at `start`, or with a bracket before it.
fn begins_well(view: &View<'_>, start: usize) -> bool {
    let start = start - usize::from(view.before(start) == b'(' && start > 0);
    let clock = start > 1 && view.before(start) == b':' && view.bytes[start - 2].is_ascii_digit();
    !clock && !word_before(view.text, start) && !b"#$%.-/_\\&,+".contains(&view.before(start))
}

fn ends_well(view: &View<'_>, end: usize) -> bool {
    let next = view.at(end + 1);
    match view.at(end) {
        b'x' | b'X' => next.is_ascii_digit(),
        b'%' | b'_' | b'@' => false,
        b':' | b',' | b'=' => !next.is_ascii_digit(),
        _ => !word_after(view.text, end),
    }
}

/// Dates, spans of years, dotted numbers, amounts, ZIP+4 and the form of a social security number.
fn is_other(view: &View<'_>, groups: &[Token]) -> bool {
    let value = |group: &Token| view.word(group).parse::<u32>().unwrap_or(u32::MAX);
    let length = |group: &Token| group.end - group.start;
    let year = |group: &Token| length(group) == 4 && (1800..=2100).contains(&value(group));
    let day = |group: &Token| length(group) <= 2 && (1..=31).contains(&value(group));
    let gaps: Vec<&str> = groups.windows(2).map(|pair| view.gap(&pair[0], &pair[1])).collect();
    if gaps.iter().any(|gap| gap.contains('/')) && groups.len() > 2 {
        return true;
    }
    if groups.iter().all(|group| view.word(group).bytes().all(|digit| matches!(digit, b'0' | b'1'))) {
        return true; // binary
    }
    match groups {
        // A decimal fraction.
        [a, ..] if gaps.first().is_some_and(|gap| gap.starts_with('.')) && view.word(a) == "0" => true,
        [a, b, c, ..] if day(a) && day(b) && (year(c) || length(c) == 2) && groups.len() < 4 => true,
        [a, b, c, ..] if year(a) && day(b) && day(c) => true,
        [a, b] if year(a) && (year(b) || length(b) <= 2) => true,
        [a, b] if length(a) == 5 && length(b) == 4 => true,
        [a, b] if gaps[0].contains('.') && length(a) > 3 => true,
        [a, b, c] if length(a) == 3 && length(b) == 2 && length(c) == 4 => true,
        [a, rest @ ..] if rest.len() > 1 && gaps.iter().all(|gap| *gap == ".") => {
            rest.len() == 3 && length(a) <= 3 && rest.iter().all(|g| length(g) <= 3 && value(g) <= 255)
        }
        [a, rest @ ..] => {
            // `1 234 567`: an amount with spaces.
            rest.len() > 1
                && length(a) < 3
                && gaps.iter().all(|gap| *gap == " ")
                && rest.iter().all(|g| length(g) == 3)
                && !view.word(a).starts_with('0')
                && b"$".contains(&view.before(a.start))
        }
        [] => true,
    }
}

/// Past an extension such as `x17`, `ext. 17`; whether there was one.
fn with_extension(view: &View<'_>, end: usize) -> (usize, bool) {
    let rest = &view.bytes[end..view.bytes.len().min(end + 16)];
    let spaces = rest.iter().take_while(|b| **b == b' ').count().min(1);
    let lower = rest[spaces..].to_ascii_lowercase();
    for mark in ["extension", "ext.", "ext", "x"] {
        if let Some(after) = lower.strip_prefix(mark.as_bytes()) {
            let gap = after.iter().take_while(|b| matches!(b, b' ' | b':')).count();
            let digits = after[gap..].iter().take_while(|b| b.is_ascii_digit()).count();
            if (1..=6).contains(&digits) {
                return (end + spaces + mark.len() + gap + digits, true);
            }
        }
    }
    (end, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label};

    fn numbers(text: &str, threshold: f32) -> Vec<&str> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().candidates(text);
        let phones = spans.iter().filter(|span| span.label == Label::PHONE_NUMBER && span.score >= threshold);
        phones.map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn numbers_with_country_codes_of_all_continents() {
        for number in [
            "+44 20 7946 0958",
            "+44 (0)20 7946 0958",
            "0044 20 7946 0958",
            "+49 30 901820",
            "+33 1 23 45 67 89",
            "+353 1 234 5678",
            "+254 712 345678",
            "+234 803 123 4567",
            "+880 1712-345678",
            "+971 50 123 4567",
            "+98 912 345 6789",
            "+81 3-1234-5678",
            "+852 2345 6789",
            "+54 9 11 2345-6789",
            "+506 2222-3333",
            "+679 330 1234",
            "+1 (415) 555-0132",
        ] {
            assert_eq!(numbers(&format!("write or ask {number}."), 0.5), [number]);
            assert_eq!(numbers(&format!("\u{201c}{number}\u{201d}"), 0.5), [number]);
        }
    }

    #[test]
    fn national_forms_count_beside_a_word_for_telephones() {
        for number in [
            "0171 2345678",
            "06 12 34 56 78",
            "612 34 56 78",
            "98765 43210",
            "13812345678",
            "9472 7916",
            "(02) 9876 5432",
        ] {
            assert_eq!(numbers(&format!("phone: {number}"), 0.5), [number]);
        }
    }

    #[test]
    fn words_to_call_somebody_are_known_in_the_languages_of_the_forms() {
        for (text, number) in [
            ("Llámame al 612 834 671.", "612 834 671"),
            ("tel. 612834671", "612834671"),
            ("Appelez-moi au 0612834671", "0612834671"),
            ("Chiamami al 347 123 8890", "347 123 8890"),
            ("Ruf mich unter 0171 2345678 an", "0171 2345678"),
            ("zadzwoń pod 512 345 678", "512 345 678"),
            ("Ligue para 912 345 678", "912 345 678"),
            ("je kunt me bellen op 0612345678", "0612345678"),
        ] {
            assert_eq!(numbers(text, 0.5), [number], "{text}");
        }
        assert!(numbers("the 612834671 rows of the table", 0.5).is_empty());
    }

    #[test]
    fn whose_number_it_is_says_that_it_is_one_for_telephones() {
        for text in ["her num is 4155550132", "my new number: 4155550132", "that's his number 4155550132"] {
            assert_eq!(numbers(text, 0.5), ["4155550132"], "{text}");
        }
        assert!(numbers("the order number is 4155550132", 0.5).is_empty());
    }

    #[test]
    fn other_numbers_are_not_found() {
        for text in [
            "0.1171 (0.0022)",
            "id [001 - 122697]",
            "01 02 03 04 05 06 07 08",
            "011 100 101 011",
            "+1441497364.649",
            "+12345-06-07",
            "at 09:08:07.123456789",
            "on 2019-11-30",
            "$1 234 567",
            "192.168.10.20",
            "x4155550132",
        ] {
            assert!(numbers(text, 0.5).is_empty(), "{text}: {:?}", numbers(text, 0.5));
        }
    }
}
