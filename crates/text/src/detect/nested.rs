//! Text inside text: what is escaped, encoded or wrapped in base64 is searched too, to a fixed depth.
//!
//! Invariants: every span that is found inside comes back as a span of the outer text on character boundaries;
//! at most [`DEPTH`] layers are opened; a layer is never longer than a fixed multiple of the one around it, so the
//! work is linear. Of a base64 run the whole is the span, with the label of what is inside and the kind `base64`:
//! no part of it can be replaced by itself.
//! Sources: RFC 4648 sections 4 and 5 (base64, base64url), RFC 2045 section 6.8 (lines of 76 characters).

use std::borrow::Cow;
use std::ops::Range;

use super::normal;
use super::view::{Context, View};
use super::{Label, Span};

/// Layers that are opened.
pub(crate) const DEPTH: usize = 3;
/// The kind of a span that is a run of base64, whatever is inside.
pub(crate) const BASE64: &str = "base64";
/// The shortest run of base64 that is decoded: 16 characters hold 12 bytes, the least that an e-mail address needs.
const SHORTEST: usize = 16;
/// Bytes that are decoded at once; a longer run is searched in parts.
const DECODED_LIMIT: usize = 256 * 1024;
/// Characters of a part that the next one repeats, so that a value on the border is whole in one of them.
const OVERLAP: usize = 4096;
/// The shortest text between bytes that are none. Twelve random bytes are text once in a hundred thousand times.
const SHORTEST_TEXT: usize = 12;
/// Longest line of wrapped base64 that is put together; PEM has 64, MIME 76 characters.
const LINE: usize = 1024;

/// Adds what `search` finds in the normalised and decoded parts of `view`.
pub(super) fn find(view: &View<'_>, context: &Context, search: &dyn Fn(&View<'_>) -> Vec<Span>, out: &mut Vec<Span>) {
    layer(view, context, search, DEPTH, out);
}

fn layer(
    view: &View<'_>,
    context: &Context,
    search: &dyn Fn(&View<'_>) -> Vec<Span>,
    depth: usize,
    out: &mut Vec<Span>,
) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    let inside = |text: &str| {
        let view = View::new(text, context);
        let mut spans = search(&view);
        layer(&view, context, search, deeper, &mut spans);
        spans
    };
    normal::pieces(view, &mut |piece| {
        out.extend(inside(&piece.text).into_iter().filter_map(|span| piece.back(span)));
    });
    base64_runs(view.bytes, &mut |run, text| {
        out.extend(labels(inside(text)).map(|span| Span { start: run.start, end: run.end, ..span }.of_kind(BASE64)));
    });
}

/// For each label the highest score.
fn labels(mut spans: Vec<Span>) -> impl Iterator<Item = Span> {
    spans.sort_unstable_by(|a, b| a.label.cmp(&b.label).then(b.score.total_cmp(&a.score)));
    spans.dedup_by_key(|span| span.label);
    // A host name or a place of little weight is no reason to take the run for personal data.
    spans.into_iter().filter(|span| span.label != Label::URL || span.score >= 0.5)
}

/// Hands every run of base64 that decodes to text to `found`, with the text.
fn base64_runs(bytes: &[u8], found: &mut dyn FnMut(Range<usize>, &str)) {
    let mut start = 0;
    // A run that begins here or later and is as long as the shortest holds all of these bytes; the last that is none of base64
    // is where the search goes on.
    while let Some(first) = bytes.get(start..start + SHORTEST) {
        if let Some(other) = first.iter().rposition(|byte| !is_base64(*byte)) {
            start += other + 1;
            continue;
        }
        let end = run_end(bytes, start + SHORTEST - 1);
        let padded = end + bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        texts(&bytes[start..end], &mut |text| found(start..padded, text));
        start = padded;
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Where the run around `at` ends; lines that hold nothing else and follow it are part of it, whatever their length.
fn run_end(bytes: &[u8], at: usize) -> usize {
    let line_end = |from: usize| from + bytes[from..].iter().take_while(|byte| is_base64(**byte)).count();
    let mut end = line_end(at);
    let start = at - bytes[at.saturating_sub(LINE)..at].iter().rev().take_while(|byte| is_base64(**byte)).count();
    if (SHORTEST..=LINE).contains(&(end - start)) {
        loop {
            let next = end + line_break(&bytes[end..]);
            let next_end = line_end(next);
            if next == end || next_end == next || bytes.get(next_end).is_some_and(|byte| !ends_line(*byte)) {
                break;
            }
            end = next_end;
        }
    }
    end
}

/// What can stand behind the last character of a line of base64.
fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'=' | b'"' | b'\'' | b'<' | b'\\' | b'%' | b'&')
}

fn line_break(rest: &[u8]) -> usize {
    match rest {
        // Two line feeds are what the codes of a carriage return and a line feed are read as.
        [b'\r' | b'\n', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

/// Hands what a run says to `found`. A run can begin with letters that are no part of it, such as those of a path, so where
/// its first character begins no text, the next three are tried.
fn texts(run: &[u8], found: &mut dyn FnMut(&str)) {
    if !looks_encoded(run) {
        return;
    }
    let mut decoded = Vec::with_capacity((run.len() / 4 * 3).min(DECODED_LIMIT) + 3);
    for skipped in 0..4 {
        let (mut from, mut all, mut text) = (skipped, 0, 0);
        loop {
            decoded.clear();
            let used = decode(&run[from..], DECODED_LIMIT, &mut decoded);
            all += decoded.len();
            let part = text_of(&decoded);
            text += part.len();
            if !part.is_empty() {
                found(&part);
            }
            from += used;
            if from >= run.len() {
                break;
            }
            from = overlapping(run, from);
        }
        if 2 * text > all {
            break;
        }
    }
}

/// The place that lies [`OVERLAP`] characters of base64 before `at`.
fn overlapping(run: &[u8], at: usize) -> usize {
    let mut characters = (0..at).rev().filter(|at| is_base64(run[*at]));
    characters.nth(OVERLAP - 1).unwrap_or(0)
}

/// Words and hexadecimal digests have the letters of base64 and not its mixture.
fn looks_encoded(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_uppercase) && run.iter().any(u8::is_ascii_lowercase)
}

/// Decodes up to `limit` bytes of either alphabet into `out`; returns how many characters of `run` that took.
fn decode(run: &[u8], limit: usize, out: &mut Vec<u8>) -> usize {
    let (mut bits, mut held, mut used) = (0u32, 0, 0);
    for (at, byte) in run.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        used = at + 1;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
        if held == 0 && out.len() >= limit {
            return used;
        }
    }
    run.len().max(used)
}

/// What of `decoded` is text: all of it, if hardly a character is strange, else what stands between bytes that are none, each
/// part on a line.
fn text_of(decoded: &[u8]) -> Cow<'_, str> {
    // A character can be cut off at both ends of a part.
    let cut = decoded.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xBF)).count();
    let decoded = &decoded[cut..];
    let whole = match std::str::from_utf8(decoded) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&decoded[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let mostly_sound = |text: &&str| text.chars().filter(|c| is_strange(*c)).count() * 50 <= text.len();
    if let Some(text) = whole.filter(mostly_sound) {
        return text.into();
    }
    let mut lines = String::new();
    for chunk in decoded.utf8_chunks() {
        for part in chunk.valid().split(is_strange).filter(|part| part.len() >= SHORTEST_TEXT) {
            lines.push_str(part);
            lines.push('\n');
        }
    }
    lines.into()
}

fn is_strange(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::{Detector, DetectorOptions};

    fn found(text: &str) -> Vec<(&str, &'static str, &'static str)> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        spans.iter().map(|span| (&text[span.start..span.end], span.label.0, span.kind.unwrap_or(""))).collect()
    }

    fn encode(text: &str, url: bool) -> String {
        let sign = |value: u32| match value {
            0..=25 => char::from(b'A' + value as u8),
            26..=51 => char::from(b'a' + value as u8 - 26),
            52..=61 => char::from(b'0' + value as u8 - 52),
            62 => {
                if url {
                    '-'
                } else {
                    '+'
                }
            }
            _ => {
                if url {
                    '_'
                } else {
                    '/'
                }
            }
        };
        let mut result = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for n in 0..4 {
                if n <= chunk.len() {
                    result.push(sign(bits >> (18 - 6 * n) & 63));
                } else if !url {
                    result.push('=');
                }
            }
        }
        result
    }

    #[test]
    fn base64_with_personal_data_is_one_span() {
        for url in [false, true] {
            for inner in
                ["mail ana.ruiz@corp.com?", "é ana.ruiz@corp.com ~~~>>>???", "{\"mail\":\"ana.ruiz@corp.com\"}"]
            {
                let run = encode(inner, url);
                let text = format!("blob {run}, end");
                assert_eq!(found(&text), [(run.as_str(), "EMAIL_ADDRESS", "base64")], "{inner}");
            }
        }
    }

    #[test]
    fn wrapped_lines_are_put_together() {
        let run = encode(&format!("{} ana.ruiz@corp.com {}", "x".repeat(50), "y".repeat(60)), false);
        let lines: Vec<&str> = run.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let wrapped = lines.join("\r\n");
        assert_eq!(found(&format!("\r\n{wrapped}\r\n")), [(wrapped.as_str(), "EMAIL_ADDRESS", "base64")]);
    }

    #[test]
    fn lines_of_any_length_are_put_together() {
        let run = encode(&format!("{} ana.ruiz@corp.com {}", "x y".repeat(30), "z".repeat(60)), false);
        for length in [20, 75, 100, 128] {
            for line_break in ["\n", "\r\n", "\\r\\n", "%0D%0A"] {
                let lines: Vec<&str> =
                    run.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap()).collect();
                let wrapped = lines.join(line_break);
                assert_eq!(found(&wrapped), [(wrapped.as_str(), "EMAIL_ADDRESS", "base64")], "{length} {line_break:?}");
            }
        }
        let (head, tail) = run.split_at(60);
        let broken = format!("{head}\n{tail}");
        assert_eq!(found(&broken), [(broken.as_str(), "EMAIL_ADDRESS", "base64")]);
    }

    #[test]
    fn what_is_glued_to_a_run_hides_nothing() {
        let run = encode("Contact: mail ana.ruiz@corp.com and more", false);
        for text in [format!("/data/{run}"), format!("blob_{run}_v2"), format!("a-{run}"), format!("x{run}")] {
            assert!(
                found(&text).iter().any(|(_, label, kind)| (*label, *kind) == ("EMAIL_ADDRESS", "base64")),
                "{text}"
            );
        }
    }

    #[test]
    fn text_in_a_long_run_is_found_wherever_it_stands() {
        let mail = " Contact: ana.ruiz@corp.com, bye";
        // A character on the border of two parts, no text before it, letters of one case before it.
        for before in ["a".to_owned() + &"é".repeat(131_075), "z".repeat(262_130), "z".repeat(200_000)] {
            let run = encode(&(before + mail), false);
            assert_eq!(found(&run), [(run.as_str(), "EMAIL_ADDRESS", "base64")]);
        }
        let binary: String = (0..3000).map(|n| char::from(n as u8 % 8)).collect();
        let run = encode(&(binary + mail), false);
        assert_eq!(found(&run), [(run.as_str(), "EMAIL_ADDRESS", "base64")]);
    }

    #[test]
    fn base64_without_personal_data_is_left_alone() {
        for text in [
            encode("nothing personal in here at all", false),
            "com/example/SomeVeryLongClassNameForTheJavaPeople".to_owned(),
            "0123456789abcdef0123456789abcdef01234567".to_owned(),
            "TheQuickBrownFoxJumpsOverTheLazyDogAndRunsAway".to_owned(),
        ] {
            assert_eq!(found(&text), [], "{text}");
        }
    }

    #[test]
    fn layers_are_opened_to_the_third() {
        let mail = "ana.ruiz@corp.com and more";
        let once = encode(mail, false);
        let twice = encode(&once, false);
        let thrice = encode(&twice, false);
        for run in [&once, &twice, &thrice] {
            assert_eq!(found(run), [(run.as_str(), "EMAIL_ADDRESS", "base64")]);
        }
        assert_eq!(found(&encode(&thrice, false)), []);
    }

    #[test]
    fn json_in_strings_and_queries_are_searched() {
        let text = r#"{"body":"{\"to\":\"ana\u002eruiz@corp.com\",\"tel\":\"\u002b1 415 555 0132\"}"}"#;
        assert_eq!(
            found(text),
            [("ana\\u002eruiz@corp.com", "EMAIL_ADDRESS", ""), ("\\u002b1 415 555 0132", "PHONE_NUMBER", "")]
        );
        let twice = r#"{\\\"to\\\":\\\"ana\\u0040corp.com\\\"}"#;
        assert_eq!(found(twice), [("ana\\\\u0040corp.com", "EMAIL_ADDRESS", "")]);
        let labels = |text: &str| found(text).iter().map(|(_, label, _)| *label).collect::<Vec<_>>();
        assert_eq!(labels("/reset?mail=ana.ruiz%40corp.com&next=1"), ["EMAIL_ADDRESS"]);
        assert_eq!(labels("/call?phone=%2B14155550132&next=1"), ["PHONE_NUMBER"]);
    }
}
