//! Values encrypted where they stand, and whole records restored from them.
//!
//! Invariants: every value is authenticated with its label, and every record with all of its bytes: what was changed, or
//! is opened with another key, is refused and never guessed. Equal values of one scope give equal tokens and unequal ones
//! do not; a token tells its label and, in steps of 16 bytes, the length of its value.
//!
//! A token reads `<LABEL:…>` with small letters and digits (base 32), so it passes unchanged through JSON, XML text that
//! escapes it, and spreadsheets. A record carries one more member, [`MEMBER`], whose token holds the digest of the
//! original line and how it was laid out, or, where the line cannot be rebuilt from its values, the line itself.
//! Sources: RFC 8452 (AES-256-GCM-SIV), RFC 4648 section 6 (base 32), ISO/IEC 7816-4 (padding).

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::SurrogateKey;
use super::draw::tag;
use super::layout::Layout;
use crate::error::{Error, Result};

/// The member of a record that holds its seal.
pub const MEMBER: &str = "cloister_seal";

/// The label of a seal's token.
const RECORD: &str = "RECORD";
/// First byte of a seal: a layout, and the digest follows.
const BY_LAYOUT: u8 = 1;
/// First byte of a seal: the line follows.
const BY_LINE: u8 = 2;
/// First byte of a seal where not every value was encrypted: the digest of what comes back follows.
const IN_PART: u8 = 3;
/// Bytes of the digest in a seal.
const DIGEST: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Values are padded to a multiple of it.
const STEP: usize = 16;

/// The cipher of one key.
pub struct Sealer {
    cipher: Aes256GcmSiv,
    key: SurrogateKey,
}

impl Sealer {
    /// A sealer whose keys are derived from `key`.
    pub fn new(key: &SurrogateKey) -> Self {
        let mut bytes = tag(key, &["seal", "encryption"]);
        let cipher = Aes256GcmSiv::new(&bytes.into());
        bytes.zeroize();
        Self { cipher, key: key.clone() }
    }

    /// The token of a value; `scope` says how far equal values are to be told as equal.
    pub(super) fn token(&self, scope: (&str, &str), label: &str, value: &str) -> String {
        self.seal(scope, label, value.as_bytes()).unwrap_or_else(|| format!("<{label}>"))
    }

    fn seal(&self, scope: (&str, &str), label: &str, value: &[u8]) -> Option<String> {
        let digest: [u8; 32] = Sha256::digest(value).into();
        let nonce = tag(&self.key, &["seal-nonce", scope.0, scope.1, label, &super::draw::hex(&digest, 64)]);
        let nonce = Nonce::try_from(&nonce[..NONCE]).ok()?;
        let mut padded = Zeroizing::new(value.to_vec());
        padded.push(0x80);
        let length = padded.len().next_multiple_of(STEP);
        padded.resize(length, 0);
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: &padded, aad: label.as_bytes() }).ok()?;
        Some(format!("<{label}:{}>", base32(&[nonce.as_slice(), &sealed].concat())))
    }

    /// The value of a token's parts; `None` where the key, the label or the text is another one.
    fn open(&self, label: &str, body: &str) -> Option<Vec<u8>> {
        let bytes = from_base32(body)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).filter(|(_, sealed)| sealed.len() >= TAG)?;
        let nonce = Nonce::try_from(nonce).ok()?;
        let mut value = self.cipher.decrypt(&nonce, Payload { msg: sealed, aad: label.as_bytes() }).ok()?;
        let end = value.iter().rposition(|byte| *byte != 0)?;
        if value[end] != 0x80 {
            return None;
        }
        value.truncate(end);
        Some(value)
    }

    /// A protected line with its seal. `original` is what [`Sealer::restore_line`] shall give back: the line as it was read,
    /// with its line break and whatever stood around it. Without it, the protected line comes back with its tokens opened:
    /// for records in which other values were replaced for good.
    ///
    /// # Errors
    /// [`Error::NotJson`] where `protected` is no object.
    pub fn seal_line(&self, protected: &str, original: Option<&[u8]>) -> Result<String> {
        let Ok(Value::Object(mut members)) = serde_json::from_str(protected) else {
            return Err(Error::NotJson { line: 1, byte: 0 });
        };
        let opened = |numbers, strict| {
            let mut value = Value::Object(members.clone());
            (self.restore(&mut value, numbers, strict) && !members.contains_key(MEMBER)).then_some(value)
        };
        let seal = match original {
            Some(original) => {
                let values = [opened(false, true), opened(true, true)];
                let fits = |layout: &Layout| {
                    let value = values[usize::from(layout.numbers())].as_ref();
                    value.is_some_and(|value| layout.write(value).as_bytes() == original)
                };
                match Layout::all().find(fits) {
                    Some(layout) => [&[BY_LAYOUT, layout.code()], digest(original).as_slice()].concat(),
                    None => [&[BY_LINE], original].concat(),
                }
            }
            None => {
                let value = opened(false, false).unwrap_or_default();
                [&[IN_PART, 0], digest(Layout::of(0).write(&value).as_bytes()).as_slice()].concat()
            }
        };
        // What cannot be sealed cannot be restored, and nothing else is worth writing.
        let token = self.seal(("record", ""), RECORD, &seal).ok_or(Error::Seal { line: 0 })?;
        members.insert(MEMBER.into(), Value::String(token));
        Ok(Value::Object(members).to_string())
    }

    /// What `line`, a line of a protected file, was before: to the byte, with its line break.
    ///
    /// # Errors
    /// [`Error::NoSeal`] for a line without a seal, [`Error::Seal`] where the key is another one or the line was changed.
    pub fn restore_line(&self, line: &str, number: usize) -> Result<Vec<u8>> {
        let broken = Error::Seal { line: number };
        let no_seal = || Error::NoSeal { line: number };
        let Ok(Value::Object(mut members)) = serde_json::from_str(line) else { return Err(no_seal()) };
        let token =
            members.shift_remove(MEMBER).and_then(|token| token.as_str().map(str::to_owned)).ok_or_else(no_seal)?;
        let whole = tokens(&token).next().filter(|found| found.start == 0 && found.end == token.len());
        let found = whole.filter(|found| found.label == RECORD).ok_or_else(no_seal)?;
        let seal = self.open(found.label, found.body).ok_or(Error::Seal { line: number })?;
        match seal.as_slice() {
            [BY_LINE, original @ ..] => Ok(original.to_vec()),
            [kind @ (BY_LAYOUT | IN_PART), code, sealed @ ..] => {
                let layout = Layout::of(*code);
                let mut value = Value::Object(members);
                if !self.restore(&mut value, layout.numbers(), *kind == BY_LAYOUT) {
                    return Err(broken);
                }
                let original = layout.write(&value).into_bytes();
                if digest(&original) == *sealed { Ok(original) } else { Err(broken) }
            }
            _ => Err(broken),
        }
    }

    /// Opens every token in the strings of a value. Where `numbers`, a member of the record that is a token and nothing else
    /// and holds a number was a number. One that does not open stays, and is a failure where `strict`.
    fn restore(&self, value: &mut Value, numbers: bool, strict: bool) -> bool {
        match value {
            Value::String(text) => self.restore_text(text, strict),
            Value::Array(items) => items.iter_mut().all(|item| self.restore(item, false, strict)),
            Value::Object(members) => members.values_mut().all(|member| {
                let alone = member.as_str().is_some_and(|text| {
                    tokens(text).next().is_some_and(|found| found.start == 0 && found.end == text.len())
                });
                let opened = self.restore(member, false, strict);
                if numbers
                    && alone
                    && let Some(number) = member.as_str().and_then(|text| serde_json::from_str(text).ok())
                    && let Value::Number(_) = number
                {
                    *member = number;
                }
                opened
            }),
            _ => true,
        }
    }

    fn restore_text(&self, text: &mut String, strict: bool) -> bool {
        let mut new = String::with_capacity(text.len());
        let mut done = 0;
        for found in tokens(text) {
            let value = self.open(found.label, found.body).and_then(|value| String::from_utf8(value).ok());
            let Some(value) = value else {
                if strict {
                    return false;
                }
                continue;
            };
            new.push_str(&text[done..found.start]);
            new.push_str(&value);
            done = found.end;
        }
        new.push_str(&text[done..]);
        *text = new;
        true
    }
}

/// What tells a restored line from any other.
fn digest(line: &[u8]) -> [u8; DIGEST] {
    let mut head = [0; DIGEST];
    head.copy_from_slice(&Sha256::digest(line)[..DIGEST]);
    head
}

/// What has the form of a token.
struct Token<'a> {
    start: usize,
    end: usize,
    label: &'a str,
    body: &'a str,
}

/// Everything in a text that has the form of a token, in order.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text.get(at..)?.find('<')?;
            at = start + 1;
            let rest = &text[at..];
            let label = &rest[..rest.find(|c: char| !is_label(c)).unwrap_or(rest.len())];
            let Some(body) = rest[label.len()..].strip_prefix(':').filter(|_| !label.is_empty()) else { continue };
            let body = &body[..body.find(|c: char| !is_base32(c)).unwrap_or(body.len())];
            let end = at + label.len() + 1 + body.len();
            if !body.is_empty() && text[end..].starts_with('>') {
                at = end + 1;
                return Some(Token { start, end: at, label, body });
            }
        }
    })
}

fn is_label(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn is_base32(c: char) -> bool {
    matches!(c, 'a'..='z' | '2'..='7')
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xFFFF;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    text
}

/// `None` for another alphabet, an impossible length, or bits behind the last byte.
fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        held = (held << 5 | u32::from(digit)) & 0xFFF;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&SurrogateKey::from_bytes([key; 32]))
    }

    #[test]
    fn base_32_has_the_vectors_of_its_standard() {
        for (plain, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(base32(plain.as_bytes()), text);
            assert_eq!(from_base32(text).unwrap(), plain.as_bytes());
        }
        assert!(from_base32("mz1").is_none() && from_base32("m").is_none() && from_base32("mz").is_none());
    }

    #[test]
    fn a_value_opens_with_its_key_and_label_only() {
        let token = sealer(1).token(("subject", "s"), "PERSON", "Ana Ruiz");
        let found = tokens(&token).next().unwrap();
        assert_eq!((found.start, found.end, found.label), (0, token.len(), "PERSON"));
        assert_eq!(sealer(1).open("PERSON", found.body).unwrap(), b"Ana Ruiz");
        assert!(sealer(2).open("PERSON", found.body).is_none());
        assert!(sealer(1).open("LOCATION", found.body).is_none());
        let other = found.body.replace(|c: char| c == found.body.chars().next().unwrap(), "b");
        assert!(sealer(1).open("PERSON", &other).is_none());
    }

    #[test]
    fn equality_is_told_within_a_scope_and_length_in_steps() {
        let token = |scope, value| sealer(1).token(("subject", scope), "PERSON", value);
        assert_eq!(token("s", "Ana"), token("s", "Ana"));
        assert_ne!(token("s", "Ana"), token("t", "Ana"));
        assert_ne!(token("s", "Ana"), token("s", "Bob"));
        assert_eq!(token("s", "Ana").len(), token("s", "Ana-Maria Ruiz").len());
    }

    #[test]
    fn lines_come_back_to_the_byte() {
        let sealer = sealer(1);
        let name = sealer.token(("d", ""), "PERSON", "José");
        let number = sealer.token(("d", ""), "SUBJECT", "12");
        let protected =
            serde_json::json!({"subject": number, "text": format!("Dear {name}, 中"), "n": 1.5}).to_string();
        for original in [
            "{\"subject\":\"12\",\"text\":\"Dear José, 中\",\"n\":1.5}\n",
            "{\"subject\":12,\"text\":\"Dear José, 中\",\"n\":1.5}\n",
            "{\"subject\": 12, \"text\": \"Dear Jos\\u00e9, \\u4e2d\", \"n\": 1.5}\n",
            "{\"subject\": \"12\", \"text\": \"Dear José, 中\", \"n\": 1.5}\r\n",
            "\u{feff}\n {\"text\":\"Dear Jos\\u00E9, 中\",\"subject\":12,\"n\":1.50}",
        ] {
            let line = sealer.seal_line(&protected, Some(original.as_bytes())).unwrap();
            assert!(!line.contains("José"), "{line}");
            assert_eq!(sealer.restore_line(&line, 1).unwrap(), original.as_bytes());
        }
    }

    #[test]
    fn what_looks_like_a_token_and_is_none_comes_back_too() {
        let original = "{\"text\":\"<PERSON:abc> <A:> <:b> << <PERSON:abc\"}\n";
        let line = sealer(1).seal_line(original, Some(original.as_bytes())).unwrap();
        assert_eq!(sealer(1).restore_line(&line, 1).unwrap(), original.as_bytes());
    }

    #[test]
    fn what_was_replaced_for_good_does_not_come_back() {
        let sealer = sealer(1);
        let token = sealer.token(("d", ""), "PERSON", "Ana");
        let line = sealer.seal_line(&format!("{{\"text\":\"{token} <PERSON:abc> <URL>\"}}"), None).unwrap();
        assert_eq!(sealer.restore_line(&line, 1).unwrap(), b"{\"text\":\"Ana <PERSON:abc> <URL>\"}\n");
        assert!(sealer.restore_line(&line.replace("<URL>", "<DAY>"), 1).is_err());
    }

    #[test]
    fn another_key_a_change_and_a_missing_seal_are_refused() {
        let original = "{\"text\":\"fine\"}\n";
        let line = sealer(1).seal_line(original, Some(original.as_bytes())).unwrap();
        assert!(matches!(sealer(2).restore_line(&line, 7), Err(Error::Seal { line: 7 })));
        assert!(matches!(sealer(1).restore_line(&line.replace("fine", "good"), 1), Err(Error::Seal { .. })));
        assert!(matches!(sealer(1).restore_line(original, 3), Err(Error::NoSeal { line: 3 })));
        assert!(matches!(sealer(1).restore_line("[]", 3), Err(Error::NoSeal { line: 3 })));
    }
}
