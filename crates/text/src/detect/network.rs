//! E-mail addresses, web addresses, IP and hardware addresses, UUIDs.
//!
//! Invariant: each candidate grows from one trigger byte (`@`, `:`, `.`, `-`) over a bounded or once-visited stretch,
//! so the pass is linear. Host names are judged by the public suffix list that is compiled in; nothing is looked up.
//! Sources: RFC 9562 (UUID), RFC 5321 section 4.5.3.1 (lengths), RFC 3986 (URI), RFC 4291 section 2.2 (IPv6 text), IEEE 802 (EUI-48).

use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::{memchr_iter, memmem};

use super::edge::{word_after, word_before};
use super::view::{Topic, View, is_word_byte};
use super::{Label, Span};

const LOCAL_LIMIT: usize = 64;
const DOMAIN_LIMIT: usize = 253;
const URL_LIMIT: usize = 4096;
const UUID_LENGTH: usize = 36;

/// Suffixes of private networks; RFC 6762 appendix G and ICANN's `.internal`.
const PRIVATE_SUFFIXES: &[&str] = &["local", "internal", "intranet", "lan", "corp", "home", "private", "localdomain"];

/// Suffixes under which a bare name is most likely a host and not the end of a sentence or a file name.
pub(super) const COMMON_SUFFIXES: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "dev", "app", "ai", "co", "uk", "us", "ca",
    "de", "fr", "es", "it", "nl", "ch", "at", "be", "eu", "au", "nz", "jp", "cn", "in", "br", "mx", "se", "no", "dk",
    "fi", "pl", "cz", "pt", "ie", "ru", "za", "kr", "online", "site", "shop", "store", "tech", "cloud", "xyz",
];

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    emails(view, out);
    urls(view, out);
    hosts(view, out);
    colons(view, out);
    dashes(view, out);
}

fn emails(view: &View<'_>, out: &mut Vec<Span>) {
    let local_byte = |b: u8| is_word_byte(b) || b"._%+-'".contains(&b);
    for at in memchr_iter(b'@', view.bytes) {
        let from = at.saturating_sub(LOCAL_LIMIT + 1);
        let length = view.bytes[from..at].iter().rev().take_while(|b| local_byte(**b)).count();
        if length == 0 || length > LOCAL_LIMIT {
            continue;
        }
        let mut start = at - length;
        while !view.text.is_char_boundary(start) {
            start += 1;
        }
        // Marks around the address and those that no address begins with.
        let outside = |c: char| !c.is_alphanumeric() && c != '_';
        start = at - view.text[start..at].trim_start_matches(outside).len();
        if let Some((mark, c)) = view.text[start..at].char_indices().rfind(|(_, c)| is_mark(*c)) {
            start += mark + c.len_utf8();
        }
        start += escape_letters(&view.bytes[..at], start);
        if start >= at || view.bytes[at - 1] == b'.' {
            continue;
        }
        let (end, score) = match mail_domain(view, at + 1) {
            Some(found) => found,
            None => continue,
        };
        // `@ana@social.org` is an account of a federated network.
        let score = if view.before(start) == b'@' { 0.3 } else { score };
        out.push(Span::new(start, end, Label::EMAIL_ADDRESS, score));
    }
}

/// How many letters at `start` belong to an escape whose backslash stands before them, as in `mail:\nana@corp.com`.
fn escape_letters(bytes: &[u8], start: usize) -> usize {
    if start == 0 || bytes[start - 1] != b'\\' {
        return 0;
    }
    let hexadecimal = |count: usize| {
        let digits = bytes.get(start + 1..start + 1 + count).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        digits.map_or(0, |digits| 1 + digits.len())
    };
    match bytes.get(start) {
        Some(b'n' | b'r' | b't' | b'b' | b'f') => 1,
        Some(b'u') => hexadecimal(4),
        Some(b'x') => hexadecimal(2),
        _ => 0,
    }
}

/// End and score of the domain of an e-mail address that starts at `start`.
fn mail_domain(view: &View<'_>, start: usize) -> Option<(usize, f32)> {
    let mut end = start + host_length(&view.bytes[start..], DOMAIN_LIMIT);
    while !view.text.is_char_boundary(end) {
        end -= 1;
    }
    let run = &view.text[start..end];
    let run = run[..run.find(is_mark).unwrap_or(run.len())].trim_end_matches(['.', '-']);
    let mut host = run;
    loop {
        if is_public_host(host) {
            return Some((start + host.len(), 1.0));
        }
        // `ana@corp.com.Please` : the sentence goes on without a space.
        match host.rfind('.') {
            Some(dot) => host = &host[..dot],
            None => break,
        }
    }
    let (name, suffix) = run.rsplit_once('.')?;
    let suffix = suffix.to_ascii_lowercase();
    let shaped = suffix.len() > 1 && suffix.bytes().all(|b| b.is_ascii_alphabetic()) && labels_are_sound(name);
    let score = if PRIVATE_SUFFIXES.contains(&suffix.as_str()) { 0.7 } else { 0.5 };
    shaped.then_some((start + run.len(), score))
}

fn host_length(bytes: &[u8], limit: usize) -> usize {
    bytes.iter().take(limit).take_while(|b| is_word_byte(**b) || matches!(b, b'.' | b'-')).count()
}

/// Quotation marks, dashes and other punctuation outside ASCII: they end an address.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{AB}' | '\u{BB}' | '\u{B7}' | '\u{2010}'..='\u{206F}' | '\u{3000}'..='\u{303F}' | '\u{FF00}'..='\u{FF0F}')
}

fn labels_are_sound(host: &str) -> bool {
    host.split('.')
        .all(|label| !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-'))
}

/// A name below a suffix of the public suffix list.
fn is_public_host(host: &str) -> bool {
    if host.len() > DOMAIN_LIMIT || !host.contains('.') || !labels_are_sound(host) {
        return false;
    }
    let lower = host.to_lowercase();
    psl::domain(lower.as_bytes()).is_some_and(|domain| domain.suffix().is_known())
}

/// Addresses with a scheme.
fn urls(view: &View<'_>, out: &mut Vec<Span>) {
    let mut done = 0;
    for at in memmem::find_iter(view.bytes, b"://") {
        if at < done {
            continue; // inside the address before: an archive's link, or one in a query
        }
        let from = at.saturating_sub(16).max(done);
        let scheme = view.bytes[from..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || **b == b'+').count();
        let start = at - scheme;
        let known =
            ["http", "https", "ftp", "ftps", "sftp", "ssh", "ws", "wss", "git", "s3", "gs", "ldap", "smb", "rtsp"]
                .iter()
                .any(|known| view.text[start..at].eq_ignore_ascii_case(known));
        if !known || word_before(view.text, start) {
            continue;
        }
        let end = url_end(view, at + 3);
        done = end;
        if end > at + 3 {
            let score = if view.near(Topic::Web, start, end, 40) { 0.95 } else { 0.6 };
            web(view, start, end, score, out);
        }
    }
}

/// Adds a web address. In quotation marks, Presidio's recogniser takes the marks along: that reading is the weaker one.
fn web(view: &View<'_>, start: usize, end: usize, score: f32, out: &mut Vec<Span>) {
    let mark = view.before(start);
    if start > 0 && matches!(mark, b'"' | b'\'') && view.at(end) == mark {
        out.push(Span::new(start - 1, end + 1, Label::URL, 0.1));
    }
    out.push(Span::new(start, end, Label::URL, score));
}

/// Where an address ends that goes on at `from`: before white space, quotes, angle brackets and closing punctuation.
pub(crate) fn url_end(view: &View<'_>, from: usize) -> usize {
    let stop = (from + URL_LIMIT).min(view.bytes.len());
    let mut end =
        from + view.bytes[from..stop].iter().take_while(|b| **b > b' ' && !b"<>\"'`{}|\\^".contains(b)).count();
    while !view.text.is_char_boundary(end) {
        end -= 1;
    }
    if let Some(mark) = view.text[from..end].find(is_mark) {
        end = from + mark;
    }
    while end > from {
        match view.bytes[end - 1] {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'*' | b'_' => end -= 1,
            // A bracket that closes inside the address opened there too.
            b')' if !view.bytes[from..end].contains(&b'(') => end -= 1,
            b']' if !view.bytes[from..end].contains(&b'[') => end -= 1,
            _ => break,
        }
    }
    end
}

/// Stretches of letters, digits, dots and hyphens that hold a dot: host names and IPv4 addresses.
fn hosts(view: &View<'_>, out: &mut Vec<Span>) {
    let mut done = 0;
    for dot in memchr_iter(b'.', view.bytes) {
        if dot < done {
            continue;
        }
        let start = dot - view.bytes[done..dot].iter().rev().take_while(|b| is_word_byte(**b) || **b == b'-').count();
        let end = dot + host_length(&view.bytes[dot..], usize::MAX);
        done = end;
        if end - start > DOMAIN_LIMIT || start == dot {
            continue;
        }
        let run = view.text[start..end].trim_end_matches(|c: char| !c.is_alphanumeric());
        let inner = run.trim_start_matches(|c: char| !c.is_alphanumeric());
        let (start, run) = (start + run.len() - inner.len(), inner);
        if run.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')) {
            // `192.0.2.1-192.0.2.9` is two addresses.
            let mut from = start;
            for piece in run.split('-') {
                ipv4(view, from, piece, out);
                from += piece.len() + 1;
            }
        } else if end == start + run.len()
            && run.len() == 14
            && run.bytes().enumerate().all(|(i, b)| (b == b'.') == (i % 5 == 4))
        {
            mac(view, start, end, b'.', out);
        } else if view.before(start) != b'@' && view.at(start + run.len()) != b'@' {
            bare_host(view, start, run, out);
        }
    }
}

fn bare_host(view: &View<'_>, start: usize, run: &str, out: &mut Vec<Span>) {
    // An address with a scheme covers this one; a single letter before the dot is an initial or `e.g`.
    if view.before(start) == b'/' || !run.is_ascii() || run.split('.').any(|label| label.is_empty()) {
        return;
    }
    let Some((name, suffix)) = run.rsplit_once('.') else { return };
    let one_case = suffix.bytes().all(|b| b.is_ascii_lowercase())
        || (run.bytes().all(|b| !b.is_ascii_lowercase()) && suffix.len() > 2);
    let labels = run.split('.').count();
    let www = name.len() > 4 && name[..4].eq_ignore_ascii_case("www.");
    let short = !name.contains('.') && name.len() < 3;
    if !one_case || short || (name.eq_ignore_ascii_case("www")) || !is_public_host(run) {
        return;
    }
    let mut end = start + run.len();
    if view.at(end) == b':' && view.at(end + 1).is_ascii_digit() {
        end += 1 + view.bytes[end + 1..].iter().take(5).take_while(|b| b.is_ascii_digit()).count();
    }
    let path = view.at(end) == b'/';
    if path {
        end = url_end(view, end);
    }
    let common = COMMON_SUFFIXES.contains(&suffix.to_ascii_lowercase().as_str());
    let mut score: f32 = match () {
        () if www && labels > 2 => 0.6,
        () if common && suffix.len() > 2 => 0.5,
        () if common && (labels > 2 || path) => 0.5,
        () if common => 0.4,
        () => 0.25,
    };
    if view.near(Topic::Web, start, end, 40) {
        score += 0.35;
    }
    web(view, start, end, score, out);
}

/// `run` is digits and dots.
fn ipv4(view: &View<'_>, start: usize, run: &str, out: &mut Vec<Span>) {
    let parts = run.split('.').count();
    if parts < 4 {
        return;
    }
    let length = run.split('.').take(4).map(str::len).sum::<usize>() + 3;
    let Ok(address) = run[..length].parse::<Ipv4Addr>() else { return };
    if word_before(view.text, start) {
        return;
    }
    let end = with_prefix_length(view, start + length, 32);
    let about_version = view.just_before(Topic::Version, start, 14);
    let small = address.octets().iter().all(|octet| *octet < 10);
    let mut score: f32 = match () {
        () if parts > 4 || about_version => 0.2,
        () if small => 0.4,
        () => 0.6,
    };
    if !about_version && view.near(Topic::Ip, start, end, 40) {
        score += 0.35;
    }
    out.push(Span::new(start, end, Label::IP_ADDRESS, score.min(0.95)));
}

/// `end`, or past a network prefix length such as `/24` that follows.
fn with_prefix_length(view: &View<'_>, end: usize, most: u32) -> usize {
    if view.at(end) != b'/' {
        return end;
    }
    let digits = view.bytes[end + 1..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let value = view.text[end + 1..end + 1 + digits].parse::<u32>();
    if value.is_ok_and(|v| v <= most) && !word_after(view.text, end + 1 + digits) { end + 1 + digits } else { end }
}

/// Stretches of hexadecimal digits, colons and dots: IPv6 and hardware addresses.
fn colons(view: &View<'_>, out: &mut Vec<Span>) {
    let mut done = 0;
    for colon in memchr_iter(b':', view.bytes) {
        if colon < done {
            continue;
        }
        let inner = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
        let start = colon - view.bytes[done..colon].iter().rev().take_while(inner).count();
        let mut end = colon + view.bytes[colon..].iter().take_while(inner).count();
        done = end;
        while end > start && (view.bytes[end - 1] == b'.' || ends_in_one_colon(&view.bytes[start..end])) {
            end -= 1;
        }
        if end - start < 2 || end - start > 45 || word_before(view.text, start) || word_after(view.text, end) {
            continue;
        }
        let run = &view.text[start..end];
        if run.len() == 17 && run.bytes().enumerate().all(|(i, b)| (b == b':') == (i % 3 == 2)) {
            mac(view, start, end, b':', out);
        } else if let Ok(address) = run.parse::<Ipv6Addr>() {
            let end = with_prefix_length(view, end, 128);
            let groups = run.split(':').filter(|group| !group.is_empty()).count();
            let digits = run.bytes().any(|b| b.is_ascii_digit());
            let mut score: f32 = match () {
                () if address.is_unspecified() => 0.1,
                () if address.is_loopback() || (digits && (groups > 2 || address.segments()[0] >= 0x2000)) => 0.6,
                () => 0.3,
            };
            if !address.is_unspecified() && view.near(Topic::Ip, start, end, 40) {
                score += 0.35;
            }
            out.push(Span::new(start, end, Label::IP_ADDRESS, score));
        }
    }
}

fn ends_in_one_colon(run: &[u8]) -> bool {
    run.ends_with(b":") && !run.ends_with(b"::")
}

/// Hardware addresses with hyphens, and UUIDs.
fn dashes(view: &View<'_>, out: &mut Vec<Span>) {
    let mut done = 0;
    for dash in memchr_iter(b'-', view.bytes) {
        if let Some(start) = dash.checked_sub(8).filter(|start| *start >= done)
            && let Some(score) = uuid(view, start)
        {
            done = start + UUID_LENGTH;
            out.push(Span::new(start, done, Label::UUID, score));
        }
        if dash < 2 || dash - 2 < done || dash + 15 > view.bytes.len() {
            continue;
        }
        let run = &view.bytes[dash - 2..dash + 15];
        if run.iter().enumerate().all(|(i, b)| if i % 3 == 2 { *b == b'-' } else { b.is_ascii_hexdigit() }) {
            done = dash + 15;
            mac(view, dash - 2, dash + 15, b'-', out);
        }
    }
}

/// The score of the UUID at `start`: with a version and variant that are assigned it is one beyond doubt.
fn uuid(view: &View<'_>, start: usize) -> Option<f32> {
    let run = view.bytes.get(start..start + UUID_LENGTH)?;
    let shaped = run.iter().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let beside = |b: u8| b == b'-';
    let end = start + UUID_LENGTH;
    if !shaped
        || word_before(view.text, start)
        || word_after(view.text, end)
        || beside(view.before(start))
        || beside(view.at(end))
    {
        return None;
    }
    let assigned = matches!(run[14], b'1'..=b'8') && matches!(run[19].to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b');
    let constant = run.iter().filter(|b| **b != b'-').all(|b| *b == run[0]);
    Some(if constant {
        0.1
    } else if assigned {
        0.9
    } else {
        0.6
    })
}

fn mac(view: &View<'_>, start: usize, end: usize, separator: u8, out: &mut Vec<Span>) {
    let run = &view.bytes[start..end];
    let hex = || run.iter().filter(|b| **b != separator);
    let constant = hex().all(|b| b.eq_ignore_ascii_case(&b'f')) || hex().all(|b| *b == b'0');
    if constant
        || !hex().all(u8::is_ascii_hexdigit)
        || word_before(view.text, start)
        || word_after(view.text, end)
        || view.before(start) == separator
        || view.at(end) == separator
    {
        return;
    }
    let score = if view.near(Topic::Mac, start, end, 40) { 0.95 } else { 0.6 };
    out.push(Span::new(start, end, Label::MAC_ADDRESS, score));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label};

    fn found(text: &str, label: Label) -> Vec<&str> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        spans.iter().filter(|span| span.label == label).map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn typographic_marks_are_no_part_of_an_address() {
        let text = "\u{201c}ana@corp.com\u{201d} \u{2014}bo@corp.com\u{2014}thanks";
        assert_eq!(found(text, Label::EMAIL_ADDRESS), ["ana@corp.com", "bo@corp.com"]);
        assert_eq!(found("see \u{201c}https://corp.com/a\u{201d}", Label::URL), ["https://corp.com/a"]);
        assert_eq!(
            found("\u{ab}192.0.2.7\u{bb} and \u{2018}2001:db8::7\u{2019}", Label::IP_ADDRESS),
            ["192.0.2.7", "2001:db8::7"]
        );
        assert_eq!(found("\u{201c}00:1A:2B:3C:4D:5E\u{201d}", Label::MAC_ADDRESS), ["00:1A:2B:3C:4D:5E"]);
    }

    #[test]
    fn an_escape_before_an_address_is_no_part_of_it() {
        for escape in ["\\n", "\\t", "\\r", "\\u0020", "\\x20", "\\\\n"] {
            assert_eq!(
                found(&format!("{{\"t\":\"mail:{escape}ana.ruiz@corp.com\"}}"), Label::EMAIL_ADDRESS),
                ["ana.ruiz@corp.com"]
            );
        }
        assert_eq!(found("nora@corp.com", Label::EMAIL_ADDRESS), ["nora@corp.com"]);
    }

    #[test]
    fn a_range_is_two_addresses() {
        assert_eq!(found("block 192.0.2.1-192.0.2.9", Label::IP_ADDRESS), ["192.0.2.1", "192.0.2.9"]);
    }

    #[test]
    fn identifiers_of_rfc_9562() {
        let id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert_eq!(found(&format!("id={id};"), Label::UUID), [id]);
        assert_eq!(found(&format!("{{{}}}", id.to_uppercase()), Label::UUID), [id.to_uppercase()]);
        for text in [&id[1..], &format!("a{id}"), &format!("{id}-1"), "00000000-0000-0000-0000-000000000000"] {
            assert!(found(text, Label::UUID).is_empty(), "{text}");
        }
    }

    #[test]
    fn quotation_marks_are_taken_along_by_the_weaker_reading_only() {
        let text = "\"https://corp.com/a\"";
        let spans = Detector::new(&DetectorOptions::default()).unwrap().candidates(text);
        let url = spans.iter().find(|span| span.label == Label::URL).unwrap();
        assert_eq!((url.start, url.end, url.score), (0, text.len(), 0.1));
        assert_eq!(found(text, Label::URL), ["https://corp.com/a"]);
    }
}
