//! Surrogates for IP, hardware and web addresses, and for credentials.
//!
//! Invariant: results lie in ranges and names reserved for documentation, or are marked `EXAMPLE`.
//! Sources: RFC 5737 (IPv4), RFC 3849 (IPv6), RFC 2606 (example domains), IEEE 802 (locally administered addresses).

use super::draw::Draw;

pub(super) const EXAMPLE_HOSTS: &[&str] = &["example.org", "example.net", "example.com"];

pub(super) fn ip(draw: &mut Draw, value: &str) -> String {
    let (address, prefix) = match value.find('/') {
        Some(at) => value.split_at(at),
        None => (value, ""),
    };
    if address.contains(':') {
        let mut group = || format!("{:x}", 1 + draw.below(0xFFFE));
        return format!("2001:db8:{}:{}::{}{prefix}", group(), group(), group());
    }
    let network = draw.pick(&["192.0.2", "198.51.100", "203.0.113"]).unwrap_or("192.0.2");
    format!("{network}.{}{prefix}", 1 + draw.below(254))
}

/// Keeps separators and case; the first byte says "locally administered, unicast".
pub(super) fn mac(draw: &mut Draw, value: &str) -> String {
    let lower = value.contains(|c: char| c.is_ascii_lowercase());
    let mut place = 0;
    value
        .chars()
        .map(|c| {
            if !c.is_ascii_hexdigit() {
                return c;
            }
            place += 1;
            let nibble = match place {
                1 => 0,
                2 => 2,
                _ => draw.below(16) as u32,
            };
            let digit = char::from_digit(nibble, 16).unwrap_or('0');
            if lower { digit } else { digit.to_ascii_uppercase() }
        })
        .collect()
}

/// Keeps case, braces and the digits that say version and variant (RFC 9562).
pub(super) fn uuid(draw: &mut Draw, value: &str) -> String {
    let mut place = 0;
    let upper = value.contains(|c: char| c.is_ascii_uppercase());
    value
        .chars()
        .map(|c| {
            place += usize::from(c.is_ascii_hexdigit());
            match c {
                c if !c.is_ascii_hexdigit() || place == 13 || place == 17 => c,
                _ => {
                    let digit = char::from_digit(draw.below(16) as u32, 16).unwrap_or('0');
                    if upper { digit.to_ascii_uppercase() } else { digit }
                }
            }
        })
        .collect()
}

/// Keeps scheme, `www.`, port and the shape of path and query; drops user names and passwords.
pub(super) fn url(draw: &mut Draw, value: &str) -> String {
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at(at + 3),
        None => ("", value),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let www = if host.to_ascii_lowercase().starts_with("www.") { "www." } else { "" };
    let port = match host.rfind(':') {
        Some(at) if !host.ends_with(']') && host[at + 1..].bytes().all(|b| b.is_ascii_digit()) => &host[at..],
        _ => "",
    };
    let name = draw.pick(EXAMPLE_HOSTS).unwrap_or("example.org");
    let path = path_like(draw, path);
    format!("{scheme}{www}{name}{port}{path}")
}

/// A path and query of the same shape. What is percent-encoded and no sign gives one letter, so that a word in another
/// script leaves nothing of itself.
fn path_like(draw: &mut Draw, path: &str) -> String {
    let mut new = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let digits = rest.strip_prefix('%').and_then(|code| code.get(..2));
        // The standard parser takes a sign too.
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.map(char::from) {
            Some(sign) if sign.is_ascii() && !sign.is_ascii_alphanumeric() => new.push_str(&rest[..3]),
            Some(sign) if sign.is_ascii() => new.push(draw.like(sign)),
            Some(_) => new.push(draw.like('a')),
            None => new.push(draw.like(c)),
        }
        rest = &rest[if code.is_some() { 3 } else { c.len_utf8() }..];
    }
    new
}

/// Keeps length and the classes of characters, and says `EXAMPLE` so that nobody takes it for a working secret.
pub(super) fn credential(draw: &mut Draw, value: &str, kind: Option<&str>) -> String {
    match kind {
        Some("private-key") => {
            let lines = value.split_inclusive('\n').enumerate();
            lines
                .map(|(n, line)| if line.starts_with("-----") { line.to_owned() } else { marked(draw, line, n == 1) })
                .collect()
        }
        _ => match value.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}", with_secret(draw, rest)),
            _ => marked(draw, value, true),
        },
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// What follows a scheme: user and password of the same length, and a host and path as of any URL. Where no user stands, the
/// secret is in the path.
fn with_secret(draw: &mut Draw, rest: &str) -> String {
    let Some((secret, host)) = rest.rsplit_once('@') else { return url(draw, rest) };
    // A code of percent-encoding would be none after its digits are drawn anew.
    let secret = secret.replace('%', "x");
    let secret = match secret.split_once(':') {
        Some((user, password)) => format!("{}:{}", path_like(draw, user), marked(draw, password, true)),
        None => marked(draw, &secret, true),
    };
    format!("{secret}@{}", url(draw, host))
}

fn marked(draw: &mut Draw, value: &str, mark: bool) -> String {
    let mut marks = if mark { "EXAMPLE" } else { "" }.chars();
    value
        .chars()
        .map(|c| match c {
            c if !c.is_alphanumeric() => c,
            c => marks.next().unwrap_or_else(|| draw.like(c)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_hexadecimal_digits_are_a_code() {
        let old = "https://h.org/a%20b?x=%+4%+1%+5%+5";
        let new = url(&mut Draw::new([1; 32], 0), old);
        assert!(new.contains("%20") && new[new.len() - 12..] != old[old.len() - 12..], "{new}");
    }
}
