//! Postal addresses by grammar: a street and a number, with the flat, town, region, postcode and country around them.
//!
//! Invariants: only a number (or `s/n`, `corner`, the label of a form) starts a search, and from it a bounded number
//! of tokens is looked at, so the pass is linear; spans do not overlap; nothing is looked up in a list of streets or
//! towns, so that what is found does not depend on the place.
//!
//! The traditions lie in modules of their own: [`english`] (number, name, type), [`continental`] (type, name, number
//! and its relatives), [`boxes`] (post boxes and military post), [`context`] (streets without a type, by what stands
//! beside them), [`fields`] (labels of forms). [`tail`] reads on from a street; [`postcode`] knows the countries' codes.
//! Sources: UPU S42 (address templates by country); USPS Publication 28; BS 7666; the modules name theirs.

mod boxes;
mod context;
mod continental;
mod english;
mod fields;
mod lexicon;
mod postcode;
mod postcode_gb;
mod tail;
mod words;
mod zip;

use super::locale::Addresses;
use super::view::{Form, View};
use super::{Label, Span};
use context::{Cue, cue};
use lexicon::Role;
pub(crate) use lexicon::is_address_word;
use words::{Gap, Notes, Words};

/// How much the form of a street alone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Possible,
    Fair,
    Likely,
    Sure,
}

impl Strength {
    fn weaker(self) -> Self {
        match self {
            Self::Sure | Self::Likely | Self::Fair => Self::Possible,
            Self::Possible | Self::Weak => Self::Weak,
        }
    }

    fn score(self) -> f32 {
        match self {
            Self::Weak => 0.25,
            Self::Possible => 0.4,
            Self::Fair => 0.55,
            Self::Likely => 0.65,
            Self::Sure => 0.8,
        }
    }
}

/// What a flat, a postcode, a state or a country after the street adds to the score.
const PROVED: f32 = 0.3;
/// What a word such as "address" or "lives" before it adds.
const ANNOUNCED: f32 = 0.15;

/// A street or what stands for one: its first and last token.
#[derive(Clone, Copy)]
struct Core {
    first: usize,
    last: usize,
    strength: Strength,
}

impl Core {
    fn new(first: usize, last: usize, strength: Strength) -> Self {
        Self { first, last, strength }
    }
}

pub(crate) fn find(view: &View<'_>, forms: Addresses, out: &mut Vec<Span>) {
    let notes = Notes::default();
    let words = Words { view, forms, notes: &notes };
    let (mut index, mut floor) = (0, 0);
    while let Some(token) = view.tokens.get(index) {
        let next = match token.form {
            Form::Number | Form::Code => at_number(&words, index, floor).map(|found| found.put(&words, out)),
            _ if is_start(view, token.start, token.end) => {
                at_word(&words, index, floor).map(|found| found.put(&words, out))
            }
            _ => None,
        };
        match next {
            Some(next) => (index, floor) = (next, next),
            None => index += 1,
        }
    }
}

/// Whether a word may start a search: before a colon, or `s/n`, or `corner`.
fn is_start(view: &View<'_>, start: usize, end: usize) -> bool {
    match view.at(end) {
        b':' | b'"' => true,
        b' ' if view.at(end + 1) == b':' => true,
        b'/' => end - start == 1 && view.bytes[start] | 0x20 == b's' && view.at(end + 1) | 0x20 == b'n',
        _ => end - start == 6 && view.bytes[start..end].eq_ignore_ascii_case(b"corner"),
    }
}

/// An address with its score.
struct Found {
    first: usize,
    last: usize,
    score: f32,
    kind: Option<&'static str>,
}

impl Found {
    /// Adds the spans of this address; returns the token after it.
    fn put(&self, words: &Words<'_, '_>, out: &mut Vec<Span>) -> usize {
        let mut span = |first: usize, last: usize| {
            let (start, end) = (words.view.tokens[first].start, words.view.tokens[last].end);
            out.push(Span { kind: self.kind, ..Span::new(start, end, Label::LOCATION, self.score) });
        };
        if is_block(words, self.first, self.last) {
            // In the head of a letter every line stands for itself, and keeps its place when it is replaced.
            let mut first = self.first;
            for index in self.first + 1..=self.last {
                if matches!(words.gap(index), Gap::Line | Gap::Blank) {
                    span(first, index - 1);
                    first = index;
                }
            }
            span(first, self.last);
        } else {
            span(self.first, self.last);
        }
        self.last + 1
    }
}

/// Whether an address fills three lines or more, each of them its own: none begins with a comma, and the first and the
/// last have nothing else on them.
fn is_block(words: &Words<'_, '_>, first: usize, last: usize) -> bool {
    let breaks = || (first + 1..=last).filter(|index| matches!(words.gap(*index), Gap::Line | Gap::Blank));
    let whole = |index: usize| words.raw_gap(index).rsplit('\n').next().is_some_and(|indent| !indent.contains(','));
    breaks().count() >= 2 && words.begins_line(first) && words.ends_line(last) && breaks().all(whole)
}

/// What a form that may not be wanted finds.
fn chosen<T>(wanted: bool, find: impl FnOnce() -> Option<T>) -> Option<T> {
    if wanted { find() } else { None }
}

/// The address around the number at `index`, not before token `floor`.
fn at_number(words: &Words<'_, '_>, index: usize, floor: usize) -> Option<Found> {
    let postal = boxes::post_box(words, index, floor)
        .or_else(|| boxes::military_box(words, index, floor))
        .or_else(|| boxes::military_office(words, index, floor));
    if let Some(core) = postal {
        return Some(finish(words, core, floor));
    }
    // A number among numbers is none of a house.
    let mut near = (index.saturating_sub(2)..index).chain(index + 1..index + 3);
    let named = near.any(|index| words.token(index).is_some_and(|token| token.is_word()));
    if named && words.is_house_number(index) {
        let english = || english::numbered(words, index);
        let continental =
            || continental::number_first(words, index).or_else(|| continental::number_last(words, index, floor));
        let found = chosen(words.forms.english, english)
            .or_else(|| chosen(words.forms.continental, continental))
            .map(|core| finish(words, core, floor))
            .filter(|found| found.score >= 0.5)
            .or_else(|| context::street(words, index, floor).map(|core| finish(words, core, floor)));
        if found.is_some() {
            return found;
        }
    }
    if named && words.forms.continental && words.is_number(index, 4..=5) {
        let core =
            continental::before_postcode(words, index, floor).or_else(|| postcode::with_town(words, index, floor));
        if let Some(core) = core {
            return Some(finish(words, core, floor));
        }
    }
    if named && let Some(code) = zip::alone(words, index, floor) {
        return Some(code);
    }
    let (last, score) = chosen(words.forms.british, || postcode_gb::stands_alone(words.view, index))?;
    Some(Found { first: index, last, score, kind: Some("postcode") })
}

/// The address that `s/n`, `corner` or the label of a form at `index` starts.
fn at_word(words: &Words<'_, '_>, index: usize, floor: usize) -> Option<Found> {
    if words.gap(index + 1) == Gap::Slash && words.says(index, "s") {
        let typed = chosen(words.forms.continental, || continental::number_last(words, index, floor));
        let core = typed.map(|core| Core { last: index + 1, ..core });
        return core.or_else(|| context::without_number(words, index, floor)).map(|core| finish(words, core, floor));
    }
    if words.says(index, "corner") {
        return chosen(words.forms.english, || english::corner(words, index)).map(|core| finish(words, core, floor));
    }
    fields::value(words, index)
}

/// Reads on from a street in both directions and weighs the whole.
fn finish(words: &Words<'_, '_>, core: Core, floor: usize) -> Found {
    let first = before(words, core.first, floor);
    let core = Core { last: context::second_name(words, core.last), ..core };
    let details = !words.is_house_number(core.first) || words.is_house_number(core.last);
    let tail = tail::tail(words, core.last, details);
    let mut score = core.strength.score();
    if tail.proved {
        score += PROVED;
    }
    if cue(words, first) != Cue::None {
        score += ANNOUNCED;
    }
    Found { first, last: tail.last, score: score.min(0.95), kind: Some("address") }
}

/// The first token of what stands before a street: a flat (`Flat 2, 10 High Street`), or a number that some forms put
/// before a street that has its own (`86036 Rua do Arenque 1634`).
fn before(words: &Words<'_, '_>, street: usize, floor: usize) -> usize {
    let mut first = street;
    if first > floor
        && !words.is_house_number(first)
        && words.gap(first) == Gap::Space
        && words.is_house_number(first - 1)
        && !words.is_year(first - 1)
    {
        first -= 1;
    }
    // `Unit 3/45 Smith Street`.
    let slash = words.gap(first + 1) == Gap::Slash && words.gap(first) == Gap::Space;
    if slash && first > floor && words.is(first - 1, Role::UNIT.or(Role::WEAK_UNIT)) && words.is_capital(first - 1) {
        first -= 1;
    }
    for _ in 0..2 {
        let Some(kind) = first.checked_sub(2).filter(|kind| *kind >= floor) else { break };
        let id = matches!(words.form(kind + 1), Some(Form::Number | Form::Code | Form::Initial))
            && words.text(kind + 1).len() <= 5;
        let unit = words.is(kind, Role::UNIT.or(Role::WEAK_UNIT)) && words.is_capital(kind);
        let near = matches!(words.gap(first), Gap::Comma | Gap::Slash | Gap::Line | Gap::Space);
        if !(unit && id && near && matches!(words.gap(kind + 1), Gap::Space | Gap::Hash)) {
            break;
        }
        first = kind;
    }
    first
}

#[cfg(test)]
mod tests {
    use crate::detect::tests::locations as found;

    #[test]
    fn addresses_with_their_tails() {
        assert_eq!(
            found("at 123 N. Main St, Springfield, IL 62704-1234 now"),
            ["123 N. Main St, Springfield, IL 62704-1234"]
        );
        assert_eq!(found("2450 Crown St Apt. 4B"), ["2450 Crown St Apt. 4B"]);
        assert_eq!(found("350 Fifth Avenue, New York, NY 10118"), ["350 Fifth Avenue, New York, NY 10118"]);
        assert_eq!(found("85 Corncombe Close, Leeds LS20 9FF."), ["85 Corncombe Close, Leeds LS20 9FF"]);
        assert_eq!(found("P.O. Box 1234"), ["P.O. Box 1234"]);
        assert_eq!(found("12 Rue de la Paix"), ["12 Rue de la Paix"]);
        assert_eq!(found("wohnt Hauptstraße 5"), ["Hauptstraße 5"]);
        assert_eq!(found("é 🙂 12 Rue Cler"), ["12 Rue Cler"]);
    }

    #[test]
    fn towns_of_several_words_go_with_their_postcode() {
        for address in [
            "81 Wherryholm Crescent, Newcastle upon Tyne NE14 7BT",
            "198 Kelpmarsh Gardens, Newcastle upon Tyne, NE7 3WA",
            "3 Abbey Road, Burton upon Trent DE14 1AA",
            "3 Abbey Road\nBurton upon Trent\nDE14 1AA",
            "7 Sheep Street, Stow-on-the-Wold GL54 1AB",
            "7 Sheep Street, Stow on the Wold, Gloucestershire, GL54 1AB",
            "12 High Street, Stoke-on-Trent, ST1 1AA",
            "12 High Street, Gateshead, Tyne and Wear NE8 1AA",
            "4 Quay Street, Newport, Isle of Wight PO30 5BA",
            "9 Fore Street, St. Ives TR26 1AB",
            "9 Fore Street, London SW1A 1AA",
            "9 Fore Street, London sw1a 1aa",
            "9 Fore Street, London SW1A1AA",
            "12 High Street, Kingston upon Hull",
            "12 High Street, Stoke-on-Trent",
            "20 Main Street, Fond du Lac, WI 54935",
        ] {
            assert_eq!(found(&format!("We moved to {address}. Thanks")), [address]);
        }
    }

    #[test]
    fn postcodes_before_towns_go_with_the_street() {
        for address in [
            "Hauptstraße 5, 10115 Berlin",
            "Hauptstraße 5, D-10115 Berlin",
            "Landstraße 12, 60311 Frankfurt am Main",
            "12 rue de la Paix, 75002 Paris",
            "12, rue de la Paix, 75002 Paris",
            "rue de la Paix, 75002 Paris",
            "3 avenue Jean Médecin, 06000 Nice",
            "8 rue Gambetta, 64500 Saint-Jean-de-Luz",
            "Calle Mayor 5, 28013 Madrid",
        ] {
            assert_eq!(found(&format!("adresse: {address}, merci")), [address]);
        }
    }

    #[test]
    fn a_town_without_an_end_stays_outside() {
        assert_eq!(found("12 High Street, Leeds on Monday"), ["12 High Street"]);
        assert_eq!(found("12 High Street. Order 12345 came"), ["12 High Street"]);
        assert_eq!(found("Hauptstraße 5. Dank"), ["Hauptstraße 5"]);
        assert_eq!(found("Calle Mayor 5, 28013 Madrid Email: x"), ["Calle Mayor 5, 28013 Madrid"]);
        assert_eq!(found("12 High Street, and 10115 people"), ["12 High Street"]);
    }

    #[test]
    fn counts_of_things_are_no_addresses() {
        for text in ["5 people in the street", "I have 3 ways", "call in 10 minutes by road", "The 3 best places"] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
