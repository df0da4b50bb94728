//! How numbers, bytes and instants are written in the formats of the log: one spelling each.
//!
//! Invariant: what is read is written again as exactly the same text; another spelling of the same value is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Base 64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a text in base 64; no white space, no missing padding, no bits left over.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A number in decimal digits without sign or leading zeros.
pub(crate) fn from_decimal(text: &str) -> Option<u64> {
    let canonical = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !canonical || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of lower-case hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_value_has_one_spelling() {
        assert_eq!(from_decimal("0"), Some(0));
        assert_eq!(from_decimal("18446744073709551615"), Some(u64::MAX));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "18446744073709551616", "\u{661}"] {
            assert_eq!(from_decimal(text), None, "{text:?}");
        }
        assert_eq!(from_base64("YQ==").unwrap(), b"a");
        for text in ["YQ", "YQ=", "YR==", "YQ==\n", "Y Q==", "YQ==YQ==", "_-8="] {
            assert_eq!(from_base64(text), None, "{text:?}");
        }
        assert_eq!(from_hex("00ff"), Some([0, 255]));
        for text in ["00fF", "0ff", "00ff0", "0xff"] {
            assert_eq!(from_hex::<2>(text), None, "{text:?}");
        }
        assert_eq!(hex(&[0, 171]), "00ab");
    }
}
