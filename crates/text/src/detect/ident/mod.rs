//! Numbers that states, tax offices, insurers, banks and makers give to people and things, by country.
//!
//! Invariants: a number costs a bounded number of steps, so a pass is linear; a candidate lies on character boundaries;
//! what no rule's form admits is never looked at twice.
//!
//! Every kind of number is a [`Rule`] in the table of its country. A text is cut into pieces of letters and digits once;
//! runs of up to seven joined pieces are looked up by their length in the table, so rules of other lengths cost nothing.
//! A rule then looks at the form, the places of separators, and the check digits, in this order, and at the words nearby
//! last. Scores are explained in [`rule`].

mod americas;
mod asia;
mod au;
mod ca;
mod de;
mod es;
mod europe;
mod fi;
mod fr;
mod generic;
mod in_;
mod it;
mod kr;
mod ng;
mod nl;
mod ph;
mod pl;
mod rule;
mod se;
mod sg;
mod th;
mod tr;
mod uk;
mod us;
mod window;
mod za;

mod cues;

use std::sync::LazyLock;

use super::locale::Locales;
use super::view::View;
use super::{Label, Span, number};
use cues::{Cues, Search};
use rule::{Rule, Shape, Verdict, Way};
use window::{Extent, LONGEST, PIECES, Piece, Window, pieces};

/// Rules by the locale that they belong to.
const TABLES: &[(&str, &[Rule])] = &[
    ("ar", americas::ARGENTINA),
    ("at", europe::AUSTRIA),
    ("au", au::RULES),
    ("be", europe::BELGIUM),
    ("br", americas::BRAZIL),
    ("ca", ca::RULES),
    ("ch", europe::SWITZERLAND),
    ("cl", americas::CHILE),
    ("cn", asia::CHINA),
    ("de", de::RULES),
    ("dk", europe::DENMARK),
    ("es", es::RULES),
    ("fi", fi::RULES),
    ("fr", fr::RULES),
    ("hk", asia::HONG_KONG),
    ("ie", europe::IRELAND),
    ("il", asia::ISRAEL),
    ("in", in_::RULES),
    ("it", it::RULES),
    ("jp", asia::JAPAN),
    ("kr", kr::RULES),
    ("mx", americas::MEXICO),
    ("ng", ng::RULES),
    ("nl", nl::RULES),
    ("no", europe::NORWAY),
    ("nz", au::NEW_ZEALAND),
    ("ph", ph::RULES),
    ("pl", pl::RULES),
    ("pt", europe::PORTUGAL),
    ("se", se::RULES),
    ("sg", sg::RULES),
    ("th", th::RULES),
    ("tr", tr::RULES),
    ("uk", uk::RULES),
    ("us", us::RULES),
    ("za", za::RULES),
];

/// The locales that [`crate::DetectorOptions::locales`] knows, in alphabetical order.
pub static LOCALES: LazyLock<Vec<&'static str>> = LazyLock::new(|| TABLES.iter().map(|(locale, _)| *locale).collect());

/// What is added to the score of agreeing check digits where the locales are chosen: numbers of these countries are then
/// expected, and fewer kinds of numbers compete to agree by chance.
const CHOSEN_LOCALE: f32 = 0.15;
/// A number that goes on beside a separator, or is an amount: hardly one of ours.
const PART_OF_MORE: f32 = 0.1;
/// What words that stand farther away than those for another kind leave to a number.
const OTHER_KIND: f32 = 0.45;
/// Small letters in a code that is written in capitals.
const SMALL_LETTERS: f32 = 0.6;

/// The rules of some locales, compiled.
pub(crate) struct Identifiers {
    rules: Vec<&'static Rule>,
    cues: Cues,
    /// Rules by what [`place`] makes of a window.
    by_place: Vec<Vec<Way>>,
    chosen: bool,
}

impl Identifiers {
    /// The rules of these locales, and those that hold everywhere.
    pub(crate) fn new(locales: &Locales) -> Self {
        let national = TABLES.iter().filter(|(locale, _)| locales.has(locale)).flat_map(|(_, rules)| rules.iter());
        let rules: Vec<&'static Rule> = national.chain(generic::RULES).collect();
        let by_place = places()
            .map(|(length, letters, separators)| {
                (0..).zip(&rules).flat_map(|(index, rule)| rule.ways(index, length, letters, separators)).collect()
            })
            .collect();
        Self { cues: Cues::new(&rules), rules, by_place, chosen: locales.chosen() }
    }

    /// What a whole value is that stands for what `cue`, a word of a rule, announces: of such numbers the one whose form it has,
    /// whether its check digits agree or not.
    pub(crate) fn cued(&self, cue: &str, value: &str) -> Option<Label> {
        let window = Window::of(value).filter(|window| window.digits)?;
        let mut form = None;
        for rule in self.rules.iter().filter(|rule| rule.cues.contains(&cue)) {
            let ways = rule.ways(0, window.len(), window.letters, window.separators().len());
            match ways.into_iter().find_map(|way| rule.verdict(&window, way)) {
                Some(Verdict::Refuted) => form = form.or(Some(rule.label)),
                Some(_) => return Some(rule.label),
                None => {}
            }
        }
        form
    }

    /// Adds the candidates of a text.
    pub(crate) fn find(&self, view: &View<'_>, out: &mut Vec<Span>) {
        let pieces = pieces(view);
        let mut pass = Pass { table: self, view, cues: self.cues.search(view), out };
        for (index, piece) in pieces.iter().enumerate() {
            pass.windows(*piece, &pieces[index + 1..], false);
            if let Some(tail) = after_small_letters(view.bytes, *piece) {
                pass.windows(tail, &pieces[index + 1..], true);
            }
        }
    }
}

/// Every word that announces a number, of all locales.
pub(crate) fn cue_words() -> impl Iterator<Item = &'static str> {
    let rules = TABLES.iter().flat_map(|(_, rules)| rules.iter()).chain(generic::RULES);
    rules.flat_map(|rule| rule.cues.iter().copied())
}

/// All lengths, with or without letters, and numbers of separators, in the order of [`place`].
fn places() -> impl Iterator<Item = (usize, bool, usize)> {
    (0..=LONGEST).flat_map(|length| {
        [false, true].into_iter().flat_map(move |letters| (0..PIECES).map(move |joints| (length, letters, joints)))
    })
}

/// Where the rules for some pieces stand.
fn place(extent: Extent) -> usize {
    (2 * extent.length + usize::from(extent.letters)) * PIECES + extent.pieces - 1
}

/// The rest of a piece such as `is030594W903B`, which lacks a space.
fn after_small_letters(bytes: &[u8], piece: Piece) -> Option<Piece> {
    let run = &bytes[piece.start..piece.end];
    let letters = run.iter().take(LONGEST).take_while(|byte| byte.is_ascii_lowercase()).count();
    let digits = run[letters..].iter().take(6).all(u8::is_ascii_digit) && run.len() >= letters + 6;
    (letters >= 2 && digits).then(|| Piece::new(bytes, piece.start + letters, piece.end, piece.separator))
}

/// What stands beside a window.
#[derive(PartialEq, Eq)]
enum Edges {
    /// Letters or an underscore, or more groups: the window is part of a longer word or number.
    Inside,
    /// Digits behind another separator, a currency, a sign: the window is part of a longer number.
    Number,
    Clear,
}

/// One pass over a text.
struct Pass<'a> {
    table: &'a Identifiers,
    view: &'a View<'a>,
    cues: Search<'a>,
    out: &'a mut Vec<Span>,
}

impl Pass<'_> {
    /// Tries the windows that begin with a piece.
    fn windows(&mut self, first: Piece, rest: &[Piece], glued: bool) {
        let pieces = || std::iter::once(first).chain(rest.iter().copied());
        let mut extent = Extent::default();
        // Characters are looked at only where rules know numbers of this extent.
        let mut window = Window::new();
        let mut unread = pieces();
        for piece in pieces() {
            if !extent.take(piece) {
                return;
            }
            let ways = &self.table.by_place[place(extent)];
            if extent.digits && !ways.is_empty() {
                for piece in unread.by_ref().take(extent.pieces - window.pieces()) {
                    window.append(self.view.bytes, piece);
                }
                self.window(&window, first.start, piece.end, ways, glued);
            }
        }
    }

    fn window(&mut self, window: &Window, start: usize, end: usize, ways: &[Way], glued: bool) {
        let mut edges = None;
        let first = self.out.len();
        let mut nearest = usize::MAX;
        let mut distances = [usize::MAX; 16];
        for way in ways {
            if glued && !way.glued || !way.admits(window) {
                continue;
            }
            let rule = self.table.rules[usize::from(way.rule)];
            if !rule.fits(window, *way) {
                continue;
            }
            // Asked before the check digits, which cost more.
            let edges = edges.get_or_insert_with(|| self.edges(window, start, end, glued));
            if *edges == Edges::Inside {
                return;
            }
            let verdict = (rule.check)(window);
            if verdict == Verdict::Refuted {
                continue;
            }
            let whole = *edges == Edges::Clear;
            // `JH21 was`: words of a sentence rather than parts of a code.
            let words = window.small && (rule.capitals || window.capital && !window.separators().is_empty());
            let cue = if rule.cues.is_empty() || !whole || words {
                None
            } else {
                self.cues.distance(way.rule, start, end, rule.reach)
            };
            let score = self.score(rule, verdict, window, cue);
            if score > 0.0 {
                let score = if whole { score } else { score.min(PART_OF_MORE) };
                if let Some(distance) = distances.get_mut(self.out.len() - first) {
                    *distance = cue.unwrap_or(usize::MAX);
                    nearest = nearest.min(*distance);
                }
                self.out.push(Span::new(start, end, rule.label, score));
            }
        }
        // `SSN and passport 123456789`: the nearer word says what it is.
        for (span, distance) in self.out[first..].iter_mut().zip(distances) {
            if distance > nearest && distance < usize::MAX {
                span.score = span.score.min(OTHER_KIND);
            }
        }
    }

    fn score(&self, rule: &Rule, verdict: Verdict, window: &Window, cue: Option<usize>) -> f32 {
        let worth = if window.separators().is_empty() { rule.bare } else { rule.grouped };
        let alone = match verdict {
            Verdict::Refuted => 0.0,
            Verdict::Fits => worth.form,
            Verdict::Sound => worth.agrees,
            Verdict::Agrees if self.table.chosen && worth.agrees > 0.0 => (worth.agrees + CHOSEN_LOCALE).min(1.0),
            Verdict::Agrees => worth.agrees,
        };
        let alone = if window.small && alone < 1.0 { alone * SMALL_LETTERS } else { alone };
        match (verdict, cue) {
            (Verdict::Agrees, Some(_)) => 1.0,
            // Of several kinds the one whose word is nearest is preferred.
            (_, Some(distance)) => alone.max(rule.cued - (distance.min(50) as f32) / 1000.0),
            (_, None) => alone,
        }
    }

    fn edges(&self, window: &Window, start: usize, end: usize, glued: bool) -> Edges {
        let text = self.view.text;
        let mut before = text[..start].chars().rev();
        let mut after = text[end..].chars();
        let (left, right) = (before.next(), after.next());
        // Scripts from Thai on are written without spaces; a number may follow at once.
        let word = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric() && c < '\u{E00}');
        if !glued && word(left) || word(right) {
            return Edges::Inside;
        }
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let joint = |c: Option<char>| matches!(c, Some('-' | '.' | '/' | ',' | ':'));
        let amount = |c: Option<char>| matches!(c, Some('$' | '€' | '£' | '¥' | '+' | '%' | '°'));
        let left_group = joint(left) && digit(before.next());
        let right_group = joint(right) && digit(after.next());
        let same = |c: Option<char>| c.is_some_and(|c| window.separators().iter().any(|own| char::from(*own) == c));
        if left_group && same(left) || right_group && same(right) {
            return Edges::Inside;
        }
        if !window.letters && (amount(left) || amount(right)) || left_group || right_group {
            Edges::Number
        } else {
            Edges::Clear
        }
    }
}

/// Whether a value keeps the definition of its kind.
///
/// `Some(true)` where its check digits agree or, for kinds whose definition has none but a structure that can be told
/// from a mistyped one, its structure; `Some(false)` where form, ranges or check digits contradict; [`None`] where the
/// definition gives no verdict, and for labels without one.
pub fn is_valid(label: Label, value: &str) -> Option<bool> {
    match label {
        Label::CREDIT_CARD => return Some(number::is_card(value)),
        Label::IBAN_CODE => return Some(number::is_iban(value)),
        _ => {}
    }
    let rules = || TABLES.iter().flat_map(|(_, rules)| rules.iter()).chain(generic::RULES);
    let mut known = rules().filter(|rule| rule.label == label).peekable();
    known.peek()?;
    let window = Window::of(value.trim().trim_end_matches(')'));
    let mut verdict = Some(false);
    for rule in known {
        let judged = window.as_ref().and_then(|window| {
            let ways = rule.ways(0, window.len(), window.letters, window.separators().len());
            ways.into_iter().find_map(|way| rule.verdict(window, way))
        });
        match judged {
            Some(Verdict::Agrees | Verdict::Sound) => return Some(true),
            Some(Verdict::Fits) => verdict = None,
            // A kind without a form of its own cannot contradict.
            Some(Verdict::Refuted) | None if matches!(rule.shape, Shape::Mixed(..)) => verdict = None,
            Some(Verdict::Refuted) | None => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static Rule> {
        TABLES.iter().flat_map(|(_, rules)| rules.iter()).chain(generic::RULES)
    }

    #[test]
    fn locales_are_sorted_and_every_rule_is_well_formed() {
        assert!(TABLES.is_sorted_by(|a, b| a.0 < b.0));
        for rule in all() {
            let label = rule.label;
            assert!(Label::ALL.contains(&label), "{label}");
            if let Shape::Of(shapes) = rule.shape {
                assert!(!shapes.is_empty(), "{label}");
                for shape in shapes {
                    let known = |c: u8| matches!(c, b'A' | b'9' | b'*' | b'0') || c.is_ascii_lowercase() || c == b'1';
                    assert!(shape.len() <= LONGEST && shape.bytes().all(known), "{label} {shape}");
                }
            }
            assert!(places().any(|(n, letters, joints)| !rule.ways(0, n, letters, joints).is_empty()), "{label}");
            for worth in [rule.bare.form, rule.bare.agrees, rule.grouped.form, rule.grouped.agrees, rule.cued] {
                assert!((0.0..=1.0).contains(&worth), "{label}");
            }
            assert!(!rule.cues.is_empty(), "{label} has no words");
            for cue in rule.cues {
                assert!(cue.len() <= cues::LONGEST_CUE && *cue == cue.to_lowercase(), "{label} {cue}");
            }
        }
    }

    #[test]
    fn every_label_of_the_table_gives_verdicts() {
        for rule in all() {
            let open = all().any(|other| other.label == rule.label && matches!(other.shape, Shape::Mixed(..)));
            assert_eq!(is_valid(rule.label, "?"), if open { None } else { Some(false) }, "{}", rule.label);
        }
    }
}
