//! Private keys and signed tokens in the forms of standards.
//!
//! Invariant: a block without its end is read as far as it can be a key, and no block farther than a fixed limit.
//! Sources: RFC 7468 (PEM), RFC 9580 section 6.2 (OpenPGP armour), RFC 4716 (SSH2 keys), PuTTY key format 3, RFC 7519
//! and RFC 7516 (JWT, JWE in compact form).

use memchr::memmem;

use super::super::Span;
use super::super::view::View;
use super::{begins_well, credential, placeholder};

const BLOCK_LIMIT: usize = 16 * 1024;
const PART_LIMIT: usize = 4 * 1024;

/// Header and payload begin with `{"`, which is `eyJ` in base64. Each part is read once, so that a run of beginnings
/// costs no more than five times its length.
pub(super) fn json_web_token(view: &View<'_>, start: usize) -> Option<Span> {
    if !begins_well(view, start) {
        return None;
    }
    let part = |from: usize| {
        let inside = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        view.bytes.get(from..)?.iter().take(PART_LIMIT).take_while(inside).count().checked_add(from)
    };
    let next = |end: usize| (view.at(end) == b'.').then(|| part(end + 1)).flatten();
    let head = part(start)?;
    let body = next(head)?;
    if head - start < 13 {
        return None;
    }
    let third = next(body);
    let signed = view.bytes[head + 1..].starts_with(b"eyJ") && body - head > 9;
    let end = match (signed, third) {
        (true, Some(end)) => end,
        (true, None) => body,
        // Encrypted, with a key that may be empty: vector, text and tag follow.
        (false, Some(vector)) => {
            let text = next(vector)?;
            let tag = next(text)?;
            (vector - body > 9 && tag - text > 9).then_some(tag)?
        }
        (false, None) => return None,
    };
    let text = view.text.get(start..end)?.trim_end_matches('-');
    (!placeholder::is_published(text)).then(|| credential(start, start + text.len(), 1.0, "jwt"))
}

/// A block of armour whose heading says that it is a private key.
pub(super) fn private_key(view: &View<'_>, start: usize) -> Option<Span> {
    let limit = (start + BLOCK_LIMIT).min(view.bytes.len());
    let block = &view.bytes[start..limit];
    let dashes = block.iter().take_while(|b| **b == b'-').count();
    let heading = &block[dashes..block.len().min(80)];
    let heading = &heading[..memmem::find(heading, b"----")?];
    memmem::find(heading, b"PRIVATE KEY")?;
    let end = match memmem::find(block, b"-- END ").or_else(|| memmem::find(block, b"--END ")) {
        Some(at) => {
            let rest = &block[at + 6..];
            let close = memmem::find(&rest[..rest.len().min(64)], b"----").unwrap_or(rest.len().min(64));
            close + at + 6 + rest[close..].iter().take(5).take_while(|b| **b == b'-').count()
        }
        // Cut off: as far as it looks like base64, with `\n` escapes and header lines.
        None => {
            let inside = |b: &&u8| b.is_ascii_alphanumeric() || b"+/=- \n\r\\:,.".contains(b);
            block.iter().take_while(inside).count()
        }
    };
    let end = (start..=(start + end).min(limit)).rev().find(|at| view.text.is_char_boundary(*at))?;
    Some(credential(start, end, 1.0, "private-key"))
}

/// The private lines of a PuTTY key file.
pub(super) fn putty(view: &View<'_>, start: usize) -> Option<Span> {
    let block = &view.bytes[start..view.bytes.len().min(start + BLOCK_LIMIT)];
    let private = memmem::find(block, b"Private-Lines:")?;
    let inside = |b: &&u8| b.is_ascii_alphanumeric() || b"+/=-: \n\r".contains(b);
    let length = private + block[private..].iter().take_while(inside).count();
    let text = view.text.get(start..start + length)?.trim_end();
    Some(credential(start, start + text.len(), 1.0, "private-key"))
}
