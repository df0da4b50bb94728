//! Telephone numbers of single regions, each under a label of its own beside PHONE_NUMBER.
//!
//! Invariant: a regional candidate never outscores the general one, so it wins no overlap; it exists for those who ask
//! for the region alone.
//! Sources: numbering plans of the National Telecommunications Commission (PH: mobile numbers are 9xx and seven digits)
//! and of BTK (TR: area codes 2xx to 4xx, mobile numbers 5xx, seven digits).

use super::super::locale::Phones;
use super::super::view::{Token, View};
use super::super::{Label, Span};
use super::{begins_well, ends_well};

const NATIONAL: usize = 10;

struct Region {
    label: Label,
    code: &'static str,
    /// First digits of national numbers.
    leads: &'static [u8],
    /// Whether a number without country code has to begin with the trunk zero.
    trunk_required: bool,
    wanted: fn(Phones) -> bool,
}

const REGIONS: &[Region] = &[
    Region {
        label: Label::PH_MOBILE_NUMBER,
        code: "63",
        leads: b"9",
        trunk_required: true,
        wanted: |forms| forms.philippine,
    },
    Region {
        label: Label::TR_PHONE_NUMBER,
        code: "90",
        leads: b"2345",
        trunk_required: false,
        wanted: |forms| forms.turkish,
    },
];

pub(super) fn find(view: &View<'_>, groups: &[Token], forms: Phones, out: &mut Vec<Span>) {
    for region in REGIONS.iter().filter(|region| (region.wanted)(forms)) {
        let mut first = 0;
        while first < groups.len() {
            match number(view, groups, first, region) {
                Some((span, last)) => {
                    out.push(span);
                    first = last + 1;
                }
                None => first += 1,
            }
        }
    }
}

/// A number from group `first`, and its last group.
fn number(view: &View<'_>, groups: &[Token], first: usize, region: &Region) -> Option<(Span, usize)> {
    let lead = view.bytes[groups[first].start];
    let plus = view.before(groups[first].start) == b'+';
    let possible =
        lead == b'0' || region.code.as_bytes()[0] == lead || (!region.trunk_required && region.leads.contains(&lead));
    if !possible || !(plus || begins_well(view, groups[first].start)) {
        return None;
    }
    // Behind the code of another country no national number begins.
    let abroad = groups[first.saturating_sub(2)..first].iter().any(|group| view.before(group.start) == b'+');
    let mut digits = String::with_capacity(16);
    for (index, group) in groups.iter().enumerate().skip(first).take(8) {
        digits.push_str(view.word(group));
        let open = digits.strip_prefix("00").filter(|_| !plus).unwrap_or(&digits);
        let (national, score) = match (open.strip_prefix(region.code), open.strip_prefix('0')) {
            (Some(rest), _) if rest.len() == NATIONAL => (rest, 0.4),
            (_, Some(rest)) if !plus && rest.len() == NATIONAL => (rest, 0.3),
            _ if !plus && !abroad && !region.trunk_required && open.len() == NATIONAL => (open, 0.15),
            _ if digits.len() > 14 => return None,
            _ => continue,
        };
        if !region.leads.contains(&national.as_bytes()[0]) || !ends_well(view, group.end) {
            continue;
        }
        let bracket =
            view.before(groups[first].start) == b'(' && view.text[groups[first].start..group.end].contains(')');
        let start = groups[first].start - usize::from(plus || bracket);
        return Some((Span::new(start, group.end, region.label, score), index));
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label};

    fn candidates(text: &str, label: Label) -> Vec<&str> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().candidates(text);
        spans.iter().filter(|span| span.label == label).map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn numbers_of_a_region_in_every_form() {
        for number in ["+63 919 555 0199", "+63 (919) 555-0199", "09195550199", "0 (919) 555 0199", "0063 919 555 0199"]
        {
            assert_eq!(candidates(&format!("cp: {number}."), Label::PH_MOBILE_NUMBER), [number]);
        }
        for number in ["+90 542 555 01 99", "905425550199", "0216 555 01 99", "542 555 01 99", "(542) 555 01 99"] {
            assert_eq!(candidates(&format!("tel {number}"), Label::TR_PHONE_NUMBER), [number]);
        }
        for text in ["919 555 0199", "+63 819 555 0199", "0919555019", "x09195550199", "091955501990"] {
            assert!(candidates(text, Label::PH_MOBILE_NUMBER).is_empty(), "{text}");
        }
        for text in ["642 555 01 99", "542 555 01 9", "+91 542 555 01 99", "54255501990"] {
            assert!(candidates(text, Label::TR_PHONE_NUMBER).is_empty(), "{text}");
        }
    }
}
