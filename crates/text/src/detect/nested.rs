//! Text inside text: what is escaped, encoded or wrapped in base64 is searched too, to a fixed depth.
//!
//! Invariants: every span that is found inside comes back as a span of the outer text on character boundaries;
//! at most [`DEPTH`] layers are opened; a layer is never longer than a fixed multiple of the one around it, so the
//! work is linear. Of a base64 run the whole is the span, with the label of what is inside and the kind `base64`:
//! no part of it can be replaced by itself.
//! Sources: RFC 4648 sections 4 and 5 (base64, base64url), RFC 2045 section 6.8 (lines of 76 characters).

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
/// Bytes that are decoded of one run, at most; what follows is searched as another run.
const DECODED_LIMIT: usize = 256 * 1024;
/// Characters decoded first, to see whether there is text at all.
const SAMPLE: usize = 64;
/// Longest line of wrapped base64 that is put together; PEM has 64, MIME 76 characters.
const LINE: usize = 76;

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
    let mut done = 0;
    let mut at = SHORTEST - 1;
    // A run as long as the shortest has a character at one of these places.
    while at < bytes.len() {
        if !is_base64(bytes[at]) {
            at += SHORTEST;
            continue;
        }
        let start = at - bytes[done..at].iter().rev().take_while(|byte| is_base64(**byte)).count();
        let end = run_end(bytes, at);
        let padded = end + bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        if end - start >= SHORTEST {
            parts(&bytes[start..end], &mut |part, text| {
                let last = part.end == end - start;
                found(start + part.start..if last { padded } else { start + part.end }, text);
            });
        }
        done = padded;
        at = padded + SHORTEST - 1;
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Where the run around `at` ends; lines of one length that follow each other are one run.
fn run_end(bytes: &[u8], at: usize) -> usize {
    let line_end = |from: usize| from + bytes[from..].iter().take_while(|byte| is_base64(**byte)).count();
    let mut end = line_end(at);
    let start = at - bytes[at.saturating_sub(LINE)..at].iter().rev().take_while(|byte| is_base64(**byte)).count();
    let length = end - start;
    if (SHORTEST * 2..=LINE).contains(&length) && length.is_multiple_of(4) {
        loop {
            let next = end + line_break(&bytes[end..]);
            let next_end = line_end(next);
            if next == end || next_end == next || next_end - next > length {
                break;
            }
            end = next_end;
            if next_end - next < length {
                break;
            }
        }
    }
    end
}

fn line_break(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

/// Decodes a run in parts of bounded length.
fn parts(run: &[u8], found: &mut dyn FnMut(Range<usize>, &str)) {
    if !looks_encoded(run) {
        return;
    }
    let mut sample = Vec::with_capacity(SAMPLE);
    decode(run, SAMPLE / 4 * 3, &mut sample);
    if printable(&sample).is_none() {
        return;
    }
    let mut decoded = Vec::with_capacity((run.len() / 4 * 3).min(DECODED_LIMIT) + 3);
    let mut from = 0;
    while from < run.len() {
        decoded.clear();
        let used = decode(&run[from..], DECODED_LIMIT, &mut decoded);
        if let Some(text) = printable(&decoded) {
            found(from..from + used, text);
        }
        from += used.max(1);
    }
}

/// Words, paths and hexadecimal digests have the letters of base64 and not its mixture.
fn looks_encoded(run: &[u8]) -> bool {
    let head = &run[..run.len().min(SAMPLE)];
    let upper = head.iter().any(u8::is_ascii_uppercase);
    let lower = head.iter().any(u8::is_ascii_lowercase);
    let standard = head.iter().any(|byte| matches!(byte, b'+' | b'/'));
    let url = head.iter().any(|byte| matches!(byte, b'-' | b'_'));
    upper && lower && !(standard && url)
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

/// The text, if nearly all of it is printable; a character that is cut off at the end is left out.
fn printable(decoded: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&decoded[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let strange = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')).count();
    (!text.is_empty() && strange * 50 <= text.len()).then_some(text)
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
