//! Credentials in the authority of a URI, and on the command line of curl.
//!
//! Invariant: at most 512 bytes behind the scheme are looked at.
//! Source: RFC 3986 section 3.2.1 (user information), curl's manual (`--user`).

use super::super::Span;
use super::super::edge::word_after;
use super::super::network::url_end;
use super::super::view::View;
use super::credential;
use super::placeholder::{entropy, is_placeholder};

const AUTHORITY: usize = "://".len();

/// `scheme://user:password@host` or `https://token@host`; `at` is where `://` stands.
pub(super) fn authority(view: &View<'_>, at: usize) -> Option<Span> {
    let from = at.saturating_sub(24);
    let inside = |b: &&u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    let scheme = view.bytes[from..at].iter().rev().take_while(inside).count();
    let start = at - scheme;
    let authority = at + AUTHORITY;
    let rest = &view.bytes[authority..view.bytes.len().min(authority + 512)];
    let stop = rest.iter().position(|b| *b <= b' ' || b"/\"'<>`".contains(b)).unwrap_or(rest.len());
    let sign = rest[..stop].iter().rposition(|b| *b == b'@')?;
    let information = view.text.get(authority..authority + sign)?;
    let web = view.text[start..at].to_ascii_lowercase().starts_with("http");
    let kind = match information.split_once(':') {
        Some((_, password)) if password.is_empty() || is_variable(password) => return None,
        Some(_) if web => "basic-auth-url",
        Some(_) => "connection-string",
        // A token in the place of the user.
        None if web && information.len() >= 20 && entropy(information.as_bytes()) > 3.3 => "basic-auth-url",
        None => return None,
    };
    if scheme == 0 || is_placeholder(information) {
        return None;
    }
    let end = url_end(view, authority);
    (end > authority + sign).then(|| credential(start, end, 1.0, kind))
}

fn is_variable(password: &str) -> bool {
    is_placeholder(password) || (password.starts_with('$') && !password[1..].contains(|c: char| c.is_ascii_digit()))
}

/// `curl -u user:password`; the flag ends at `end`.
pub(super) fn curl_user(view: &View<'_>, start: usize, end: usize) -> Option<Span> {
    let line = &view.bytes[start.saturating_sub(200)..=start];
    let line = line.rsplit(|b| *b == b'\n').next()?;
    memchr::memmem::find(line, b"curl")?;
    let quote = usize::from(matches!(view.at(end), b'"' | b'\''));
    let rest = &view.bytes[end + quote..view.bytes.len().min(end + 160)];
    let stop = rest.iter().position(|b| *b <= b' ' || matches!(b, b'"' | b'\'' | b'`')).unwrap_or(rest.len());
    let from = end + quote;
    let value = view.text.get(from..from + stop)?;
    let (user, password) = value.split_once(':')?;
    let sound = !user.is_empty() && password.len() > 2 && !is_variable(password) && !word_after(view.text, from + stop);
    sound.then(|| credential(from, from + stop, 0.9, "basic-auth"))
}
