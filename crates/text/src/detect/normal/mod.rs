//! Text as it is meant: what hides, escapes or spells out characters is undone, for detection only.
//!
//! Invariants: the text itself never changes; every piece of normalised text carries a map back, which is monotone,
//! total, and leads to character boundaries of the original. A text with nothing to undo costs one look at its bytes
//! and tokens and allocates nothing. Only the neighbourhood of an edit is searched again, in windows that do not
//! overlap by more than a fixed length, so the work is linear.
//! Sources: Unicode UAX #15 (compatibility forms) and UTS #39 (look-alikes), HTML (character references), RFC 3986
//! section 2.1 (percent-encoding), RFC 8259 section 7 (escapes in JSON strings), RFC 2045 section 6.7 (quoted-printable).

mod characters;
mod escapes;
mod quoted;
mod spelled;

use std::ops::Range;
use std::sync::LazyLock;

use super::Span;
use super::view::{self, View};

/// Bytes of context on either side of an edit: more than any detector looks back for a context word.
const CONTEXT: usize = 160;
/// Bytes beside a cut in which only what overlaps an edit counts: its surroundings are not all in view.
const MARGIN: usize = 64;
/// Bytes of the original in one piece, at most, so that memory stays bounded.
const PIECE_LIMIT: usize = 256 * 1024;

/// What stands for a stretch of the original.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    Char(char),
    Text(&'static str),
}

/// Bytes `start..end` of the original are read as something else.
#[derive(Clone, Copy)]
struct Edit {
    start: usize,
    end: usize,
    with: With,
}

impl Edit {
    fn new(range: Range<usize>, with: With) -> Self {
        Self { start: range.start, end: range.end, with }
    }
}

/// An edit as it lies in both texts.
struct Segment {
    original: Range<usize>,
    derived: Range<usize>,
}

/// A stretch of text read differently, with the way back.
pub(super) struct Piece {
    pub(super) text: String,
    segments: Vec<Segment>,
    /// Where the piece lies in the original.
    original: Range<usize>,
    /// Whether text goes on before and after the piece.
    cut: (bool, bool),
}

impl Piece {
    fn new(view: &View<'_>, original: Range<usize>, edits: &[Edit]) -> Self {
        let (text, segments) = applied(view.text, original.clone(), edits);
        let cut = (original.start > 0, original.end < view.text.len());
        Self { text, segments, original, cut }
    }

    /// The span of the original that `span` of this piece stands for; `None` where a cut may have made it.
    pub(super) fn back(&self, span: Span) -> Option<Span> {
        let (start, end) = (span.start, span.end);
        let touches_cut = (self.cut.0 && start == 0) || (self.cut.1 && end == self.text.len());
        let near_cut = (self.cut.0 && start < MARGIN) || (self.cut.1 && end + MARGIN > self.text.len());
        let first = self.segments.partition_point(|segment| segment.derived.end < start);
        let edited = self.segments.get(first).is_some_and(|segment| segment.derived.start <= end);
        if touches_cut || (near_cut && !edited) {
            return None;
        }
        let (start, end) = (self.original_start(start), self.original_end(end));
        (start < end).then_some(Span { start, end, ..span })
    }

    /// Where a span that begins at `at` begins in the original: after what is left out there, before what is replaced.
    fn original_start(&self, at: usize) -> usize {
        let next = self.segments.partition_point(|segment| segment.derived.end <= at);
        if let Some(segment) = self.segments.get(next).filter(|segment| segment.derived.start <= at)
            && !segment.derived.is_empty()
        {
            return segment.original.start;
        }
        let (original, derived) = self.end_of(next);
        original + (at - derived)
    }

    /// Where a span that ends at `at` ends in the original: before what is left out there, after what is replaced.
    fn original_end(&self, at: usize) -> usize {
        let next = self.segments.partition_point(|segment| segment.derived.end < at);
        if let Some(segment) = self.segments.get(next).filter(|segment| segment.derived.start < at) {
            return segment.original.end;
        }
        let (original, derived) = self.end_of(next);
        original + (at - derived)
    }

    /// Ends of the segment before `next`, or the start of the piece.
    fn end_of(&self, next: usize) -> (usize, usize) {
        match next.checked_sub(1) {
            Some(last) => (self.segments[last].original.end, self.segments[last].derived.end),
            None => (self.original.start, 0),
        }
    }
}

/// Hands every piece of `view` that reads differently to `found`.
pub(super) fn pieces(view: &View<'_>, found: &mut dyn FnMut(&Piece)) {
    let mut from = 0;
    let mut edits = Vec::new();
    while from < view.bytes.len() {
        let to = boundary_at_space(view, (from + PIECE_LIMIT).min(view.bytes.len()));
        edits.clear();
        escapes::find(view.text, from..to, &mut edits);
        quoted::find(view.text, from..to, &mut edits);
        characters::find(view.text, from..to, &mut edits);
        spelled::find(view, from..to, &mut edits);
        if !edits.is_empty() {
            apart(&mut edits);
            windows(view, &edits, found);
        }
        from = to;
    }
}

/// Sorted, and without overlaps. Where two ways of reading meet, the first holds; the other is found in the next layer.
fn apart(edits: &mut Vec<Edit>) {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut done = 0;
    edits.retain(|edit| {
        let apart = edit.start >= done;
        if apart {
            done = edit.end;
        }
        apart
    });
}

/// A value as it reads when codes for characters, invisible ones and look-alikes are undone, at most `layers` times;
/// `None` where there is nothing to undo.
pub(crate) fn undone(value: &str, layers: usize) -> Option<String> {
    let mut text: Option<String> = None;
    for _ in 0..layers {
        let layer = text.as_deref().unwrap_or(value);
        let mut edits = Vec::new();
        escapes::find(layer, 0..layer.len(), &mut edits);
        quoted::find_in_value(layer, &mut edits);
        characters::find(layer, 0..layer.len(), &mut edits);
        apart(&mut edits);
        if edits.is_empty() {
            break;
        }
        let (undone, _) = applied(layer, 0..layer.len(), &edits);
        text = Some(undone);
    }
    text
}

/// The codes for characters in a value: where each stands, and the character that it says, if any.
pub(crate) fn codes(value: &str) -> Vec<(Range<usize>, Option<char>)> {
    let mut edits = Vec::new();
    escapes::find(value, 0..value.len(), &mut edits);
    quoted::find_in_value(value, &mut edits);
    apart(&mut edits);
    let says = |edit: &Edit| match edit.with {
        With::Char(c) => Some(c),
        With::Nothing | With::Text(_) => None,
    };
    edits.iter().map(|edit| (edit.start..edit.end, says(edit))).collect()
}

fn codes_of(text: &str, range: Range<usize>) -> Vec<Edit> {
    let mut edits = Vec::new();
    escapes::find(text, range.clone(), &mut edits);
    quoted::find(text, range, &mut edits);
    apart(&mut edits);
    edits
}

/// Bytes before a border in which a code that it cuts begins: twelve percent-encoded ones of a character, or twenty with lines
/// broken between.
const BEFORE_BORDER: usize = 24;

/// A range whose borders cut no code for a character: each that does moves to the end of the code, outwards as far as `within`
/// allows it.
pub(crate) fn around_codes(text: &str, range: Range<usize>, within: Range<usize>) -> Range<usize> {
    let cut = |at: usize| {
        let bytes = text.as_bytes();
        let from = at.saturating_sub(BEFORE_BORDER);
        let stop = bytes.len().min(at + BEFORE_BORDER);
        let is_sign = |byte: &u8| matches!(byte, b'&' | b'%' | b'\\' | b'=');
        if at == 0 || at >= bytes.len() || !bytes[from..at].iter().any(is_sign) {
            return None;
        }
        let backslashes = bytes[..from].iter().rev().take(BEFORE_BORDER).take_while(|byte| **byte == b'\\').count();
        let from = (from - backslashes..=at).find(|from| text.is_char_boundary(*from))?;
        let stop = (stop..=bytes.len()).find(|stop| text.is_char_boundary(*stop))?;
        codes_of(text, from..stop).into_iter().find(|code| code.start < at && at < code.end)
    };
    let start =
        cut(range.start).map_or(range.start, |code| if code.start >= within.start { code.start } else { code.end });
    let end = cut(range.end).map_or(range.end, |code| if code.end <= within.end { code.end } else { code.start });
    start..end.max(start)
}

/// A stretch of text with its edits made, and where they lie.
fn applied(text: &str, range: Range<usize>, edits: &[Edit]) -> (String, Vec<Segment>) {
    let mut new = String::with_capacity(range.len());
    let mut segments = Vec::with_capacity(edits.len());
    let mut at = range.start;
    for edit in edits {
        new.push_str(&text[at..edit.start]);
        let start = new.len();
        match edit.with {
            With::Nothing => {}
            With::Char(c) => new.push(c),
            With::Text(with) => new.push_str(with),
        }
        segments.push(Segment { original: edit.start..edit.end, derived: start..new.len() });
        at = edit.end;
    }
    new.push_str(&text[at..range.end]);
    (new, segments)
}

/// An e-mail address written with words for its signs, and how it writes them. Holds text of a record.
pub(crate) struct Spelled {
    /// The address with its signs.
    pub(crate) address: String,
    at: String,
    local_dot: Option<String>,
    host_dot: Option<String>,
}

impl Spelled {
    /// Reads a value such as `ana dot ruiz at corp dot com`; `None` where it is no such address.
    pub(crate) fn read(value: &str) -> Option<Self> {
        static CONTEXT_WORDS: LazyLock<view::Context> = LazyLock::new(view::Context::new);
        let view = View::new(value, &CONTEXT_WORDS);
        let mut edits = Vec::new();
        spelled::find(&view, 0..value.len(), &mut edits);
        apart(&mut edits);
        let at = edits.iter().position(|edit| edit.with == With::Char('@'))?;
        let dot = |edits: &[Edit]| {
            edits.iter().find(|edit| edit.with == With::Char('.')).map(|edit| value[edit.start..edit.end].to_owned())
        };
        Some(Self {
            address: applied(value, 0..value.len(), &edits).0,
            at: value[edits[at].start..edits[at].end].to_owned(),
            local_dot: dot(&edits[..at]),
            host_dot: dot(&edits[at..]),
        })
    }

    /// Another address written in the same way; what is no address stays as it is.
    pub(crate) fn write(&self, address: &str) -> String {
        let Some((local, host)) = address.rsplit_once('@') else { return address.to_owned() };
        let host_dot = self.host_dot.as_deref();
        let local_dot = self.local_dot.as_deref().or(host_dot);
        let local = local.replace('.', local_dot.unwrap_or("."));
        format!("{local}{}{}", self.at, host.replace('.', host_dot.unwrap_or(".")))
    }
}

/// Cuts the neighbourhoods of `edits` out of the text; those that meet are one piece. Percent-encoding inside other codes is
/// also left for the next layer: a web address has it for good, and would end at the space of `a%20b`.
fn windows(view: &View<'_>, edits: &[Edit], found: &mut dyn FnMut(&Piece)) {
    for near in edits.chunk_by(|left, right| right.start - left.end <= 2 * CONTEXT) {
        let (first, last) = (near[0].start, near[near.len() - 1].end);
        let start = space_before(view, first.saturating_sub(CONTEXT));
        let end = boundary_at_space(view, (last + CONTEXT).min(view.bytes.len()));
        let range = start.min(first)..end.max(last);
        let byte = |edit: &Edit| view.bytes[edit.start];
        if near.iter().any(|edit| byte(edit) == b'%')
            && near.iter().any(|edit| matches!(byte(edit), b'&' | b'\\' | b'='))
        {
            let around: Vec<Edit> = near.iter().filter(|edit| byte(edit) != b'%').copied().collect();
            found(&Piece::new(view, range.clone(), &around));
        }
        found(&Piece::new(view, range, near));
    }
}

/// Steps from a position to white space, at most.
const TO_SPACE: usize = 64;

/// `at`, or a little later, where white space or the end of the text stands; else a character boundary.
fn boundary_at_space(view: &View<'_>, at: usize) -> usize {
    let rest = &view.bytes[at..view.bytes.len().min(at + TO_SPACE)];
    let space = rest.iter().position(u8::is_ascii_whitespace).map(|n| at + n);
    let end = (at + rest.len() == view.bytes.len()).then_some(view.bytes.len());
    space.or(end).unwrap_or_else(|| (at..view.bytes.len()).find(|at| view.text.is_char_boundary(*at)).unwrap_or(at))
}

/// `at`, or a little earlier, where white space or the start of the text stands; else a character boundary.
fn space_before(view: &View<'_>, at: usize) -> usize {
    let from = at.saturating_sub(TO_SPACE);
    let space = view.bytes[from..at].iter().rposition(u8::is_ascii_whitespace).map(|n| from + n + 1);
    let start = (from == 0).then_some(0);
    space.or(start).unwrap_or_else(|| (0..=at).rev().find(|at| view.text.is_char_boundary(*at)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::super::view::Context;
    use super::super::{Detector, DetectorOptions, Label};
    use super::*;

    fn normalised(text: &str) -> Vec<String> {
        let context = Context::new();
        let mut all = Vec::new();
        pieces(&View::new(text, &context), &mut |piece| all.push(piece.text.clone()));
        all
    }

    fn found(text: &str) -> Vec<(&str, &'static str)> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        spans.iter().map(|span| (&text[span.start..span.end], span.label.0)).collect()
    }

    #[test]
    fn ordinary_text_is_not_read_twice() {
        for text in [
            "Dear Ana, 100% of R&D went to AT&T; 5 & 6 remain. Look at the dot, José! C:\\Users\\ana",
            "Bei Größe Nº 5 gibt es 20 % Rabatt – ça va… «très» ½",
            "Москва и Санкт-Петербург, α and β, 東京 🙂👍🏽👩\u{200d}👩",
            "\u{3f6} and \u{482}\u{489} \u{3a2}",
            "1 2 3 go; 12/05/2020 at 10.0.0.1, version 1.2.3.4, 1,000,000",
        ] {
            assert_eq!(normalised(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_hides_characters_is_undone() {
        for (text, want) in [
            ("ａｎａ＠ｃｏｒｐ．ｃｏｍ", "ana@corp.com"),
            ("an\u{200b}a@co\u{ad}rp.com", "ana@corp.com"),
            ("\u{202a}415\u{2060}-555-0132x", "\u{202a}415-555-0132x"),
            ("раypal.com", "paypal.com"),
            ("ana&#64;corp&period;com", "ana@corp.com"),
            ("ana&#x40;corp.com &amp; co", "ana@corp.com & co"),
            ("q=ana%40corp.com", "q=ana@corp.com"),
            ("Jos%C3%A9", "José"),
            ("\\\"mail\\\": \\\"ana\\u0040corp.com\\\"", "\"mail\": \"ana@corp.com\""),
            ("ana (at) corp [dot] com", "ana@corp.com"),
            ("ana dot ruiz at corp dot co dot uk", "ana.ruiz@corp.co.uk"),
            ("٠١٢٣٤", "01234"),
            ("𝟜𝟙𝟙𝟙 𝐚𝐧𝐚", "4111 ana"),
            ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4111111111111111"),
        ] {
            assert_eq!(normalised(text), [want], "{text}");
        }
    }

    #[test]
    fn spans_cover_what_was_hidden_inside() {
        assert_eq!(found("to an\u{200b}a@corp.com\u{200b}!"), [("an\u{200b}a@corp.com", "EMAIL_ADDRESS")]);
        assert_eq!(found("to ana&#64;corp.com."), [("ana&#64;corp.com", "EMAIL_ADDRESS")]);
        assert_eq!(
            found("card ４１１１１１１１１１１１１１１１ ok"),
            [("４１１１１１１１１１１１１１１１", "CREDIT_CARD")]
        );
        assert_eq!(
            found("card 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 ok"),
            [("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "CREDIT_CARD")]
        );
        assert_eq!(found("write ana (at) corp (dot) com now"), [("ana (at) corp (dot) com", "EMAIL_ADDRESS")]);
        assert_eq!(found("write ana at corp dot com now"), [("ana at corp dot com", "EMAIL_ADDRESS")]);
    }

    #[test]
    fn a_cut_makes_no_number() {
        // The window's edge falls into a long number; its rest alone would pass for a card.
        for length in 0..64 {
            let text = format!("{}4111111111111111 &amp; x", "9".repeat(300 + length));
            assert!(found(&text).iter().all(|(_, label)| *label != Label::CREDIT_CARD.0), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_map_back_is_monotone_and_total(text in r#"([a-z0-9 @.]{0,5}(&#64;|&amp;|%40|%C3%A9|\\n|\\u0041|\u{200b}|\u{ad}|\u{ff21}|\u{430}|é|🙂| dot | at |1 2 3 4 5 6 7 8)?){0,12}"#) {
            let context = Context::new();
            let view = View::new(&text, &context);
            pieces(&view, &mut |piece| {
                let whole = |start, end| Piece { cut: (false, false), text: piece.text.clone(), original: piece.original.clone(),
                    segments: piece.segments.iter().map(|s| Segment { original: s.original.clone(), derived: s.derived.clone() }).collect() }
                    .back(Span::new(start, end, Label::PERSON, 1.0));
                let bounds: Vec<usize> = piece.text.char_indices().map(|(at, _)| at).chain([piece.text.len()]).collect();
                let mut before = piece.original.start;
                for pair in bounds.windows(2) {
                    let span = whole(pair[0], pair[1]).unwrap();
                    assert!(span.start >= before && span.end > span.start && span.end <= piece.original.end);
                    assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
                    before = span.start;
                }
                if let Some(span) = whole(0, piece.text.len()) {
                    assert!(text[piece.original.start..span.start].chars().all(|c| !c.is_alphanumeric()));
                }
            });
        }
    }
}
