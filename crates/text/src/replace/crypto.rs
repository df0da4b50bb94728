//! Surrogates for addresses of crypto currencies, with checksums that hold.
//!
//! Invariant: kind, version and the length of the payload stay; the payload is drawn, so the address belongs to nobody but
//! by a chance of 2^-160. Sources: Bitcoin's base58check, BIP 173 (bech32), BIP 350 (bech32m), EIP 55 (a hexadecimal
//! address in one case has no checksum).

use sha2::{Digest as _, Sha256};

use super::draw::{Draw, same_form};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Constants of bech32 and bech32m.
const CONSTANTS: [u32; 2] = [1, 0x2bc8_30a3];

pub(super) fn address(draw: &mut Draw, value: &str) -> String {
    let upper = !value.contains(char::is_lowercase);
    match value.as_bytes() {
        [b'0', b'x' | b'X', rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit) => {
            let digits = rest.iter().filter_map(|_| char::from_digit(draw.below(16) as u32, 16));
            value.chars().take(2).chain(digits).collect()
        }
        [b'b' | b'B', b'c' | b'C', b'1', version, ..] => {
            let version = usize::from(!version.eq_ignore_ascii_case(&b'q'));
            let new = segwit(draw, version, value.len());
            if upper { new.to_uppercase() } else { new }
        }
        [b'1', ..] => base58(draw, 0x00),
        [b'3', ..] => base58(draw, 0x05),
        _ => same_form(draw, value),
    }
}

/// A version byte, 20 drawn bytes and four of a checksum.
fn base58(draw: &mut Draw, version: u8) -> String {
    let mut bytes = vec![version];
    bytes.extend((0..20).map(|_| draw.below(256) as u8));
    let checksum = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend_from_slice(&checksum[..4]);
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits: Vec<u8> = Vec::new();
    for byte in &bytes[zeros..] {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let leading = std::iter::repeat_n('1', zeros);
    leading.chain(digits.iter().rev().map(|digit| char::from(BASE58[usize::from(*digit)]))).collect()
}

/// `bc1`, a version, the payload that the length leaves room for, and six characters of a checksum.
fn segwit(draw: &mut Draw, version: usize, length: usize) -> String {
    let payload = if length > 50 { 256 } else { 160 };
    let mut data = vec![version as u8];
    data.extend((0..payload / 5).map(|_| draw.below(32) as u8));
    // The last group is filled up with zeros.
    let rest = payload % 5;
    if rest > 0 {
        data.push((draw.below(1 << rest) << (5 - rest)) as u8);
    }
    let prefix = b"bc".iter().map(|b| b >> 5).chain([0]).chain(b"bc".iter().map(|b| b & 31));
    let sum = polymod(prefix.chain(data.iter().copied()).chain([0; 6])) ^ CONSTANTS[version];
    data.extend((0..6).map(|place| (sum >> (5 * (5 - place)) & 31) as u8));
    let letters = data.iter().map(|five| char::from(BECH32[usize::from(*five)]));
    "bc1".chars().chain(letters).collect()
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, g)| sum ^ g)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bech32(address: &str) -> bool {
        let lower = address.to_lowercase();
        let data: Option<Vec<u8>> =
            lower[3..].bytes().map(|b| BECH32.iter().position(|known| *known == b).map(|place| place as u8)).collect();
        let prefix = b"bc".iter().map(|b| b >> 5).chain([0]).chain(b"bc".iter().map(|b| b & 31));
        data.is_some_and(|data| CONSTANTS[usize::from(data[0])] == polymod(prefix.chain(data)))
    }

    fn is_base58(address: &str) -> bool {
        let mut bytes = [0u8; 25];
        for c in address.bytes() {
            let Some(digit) = BASE58.iter().position(|known| *known == c) else { return false };
            let mut carry = digit as u32;
            for byte in bytes.iter_mut().rev() {
                carry += u32::from(*byte) * 58;
                *byte = carry as u8;
                carry >>= 8;
            }
        }
        Sha256::digest(Sha256::digest(&bytes[..21]))[..4] == bytes[21..]
    }

    #[test]
    fn checksums_hold() {
        // Examples of BIP 173, BIP 350 and the first block.
        let segwit = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0";
        let legacy = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        assert!(is_bech32(segwit) && is_bech32(taproot) && is_base58(legacy));
        for seed in 0..20 {
            let mut draw = Draw::new([seed; 32], 0);
            for value in [segwit, taproot] {
                let new = address(&mut draw, value);
                assert!(is_bech32(&new) && new.len() == value.len() && new != value, "{new}");
            }
            for (value, first) in [(legacy, '1'), ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", '3')] {
                let new = address(&mut draw, value);
                assert!(is_base58(&new) && new.starts_with(first) && new != value, "{new}");
            }
            let hex = address(&mut draw, "0x52908400098527886E0F7030069857D2E4169EE7");
            assert!(hex.len() == 42 && hex.starts_with("0x"), "{hex}");
        }
    }
}
