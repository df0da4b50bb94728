//! Addresses of cryptocurrency wallets, and the private keys that look like them.
//!
//! Invariant: an address whose checksum is wrong is no candidate; every search starts at a token of letters and digits
//! of bounded length. Private keys are credentials, not addresses.
//! Sources: Bitcoin base58check (version bytes of chainparams of Bitcoin, Litecoin, Dogecoin, Dash, Zcash, Tron),
//! XRP Ledger address encoding, BIP-32 (extended keys), BIP-173 and BIP-350 (bech32, bech32m), BIP-141 (witness
//! programs), CIP-19 (Cardano), NIP-19 (Nostr keys), EIP-55 (mixed-case checksum of Ethereum).

mod keccak;

use sha2::{Digest, Sha256};

use super::edge::{word_after, word_before};
use super::view::{Form, View};
use super::{Label, Span};

const BITCOIN_ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE_ALPHABET: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
const BECH32_ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Version bytes of addresses: public key hashes and script hashes.
const VERSIONS: &[&[u8]] = &[
    &[0x00],       // Bitcoin P2PKH, 1…
    &[0x05],       // Bitcoin P2SH, 3…
    &[0x6F],       // test network, m… and n…
    &[0xC4],       // test network, 2…
    &[0x30],       // Litecoin, L…
    &[0x32],       // Litecoin, M…
    &[0x1E],       // Dogecoin, D…
    &[0x16],       // Dogecoin, A… and 9…
    &[0x4C],       // Dash, X…
    &[0x41],       // Tron, T…
    &[0x1C, 0xB8], // Zcash, t1…
    &[0x1C, 0xBD], // Zcash, t3…
];

/// Longest token that is looked at: a Cardano address has 103 characters, an extended key 111.
const LONGEST: usize = 120;

enum Found {
    Address(f32),
    PrivateKey(&'static str),
}

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    for token in view.tokens.iter().filter(|token| token.form == Form::Code) {
        let length = token.end - token.start;
        if !(26..=LONGEST).contains(&length) {
            continue;
        }
        let value = &view.bytes[token.start..token.end];
        if !value.is_ascii() || word_before(view.text, token.start) || word_after(view.text, token.end) {
            continue;
        }
        match recognise(value) {
            Some(Found::Address(score)) => out.push(Span::new(token.start, token.end, Label::CRYPTO, score)),
            Some(Found::PrivateKey(kind)) => {
                out.push(Span::new(token.start, token.end, Label::CREDENTIAL, 1.0).of_kind(kind));
            }
            None => {}
        }
    }
}

fn recognise(value: &[u8]) -> Option<Found> {
    match value {
        [b'0', b'x', hex @ ..] => ethereum(hex).map(Found::Address),
        [b'x' | b'y' | b'z' | b't', b'p', b'r', b'v', ..] if value.len() == 111 => {
            let decoded = base58check(value, BITCOIN_ALPHABET)?;
            (decoded.len() == 78).then_some(Found::PrivateKey("extended-private-key"))
        }
        _ => bech32(value).or_else(|| base58(value)),
    }
}

fn base58(value: &[u8]) -> Option<Found> {
    match value.len() {
        26..=36 if value[0] == b'r' => {
            let decoded = base58check(value, RIPPLE_ALPHABET)?;
            (decoded.len() == 21 && decoded[0] == 0).then_some(Found::Address(1.0))
        }
        26..=36 => {
            let decoded = base58check(value, BITCOIN_ALPHABET)?;
            let known =
                VERSIONS.iter().any(|version| decoded.len() == 20 + version.len() && decoded.starts_with(version));
            known.then_some(Found::Address(1.0))
        }
        // Wallet import format: version, 32 bytes, and 01 where the public key is compressed.
        51 | 52 => {
            let decoded = base58check(value, BITCOIN_ALPHABET)?;
            let known = matches!(decoded[0], 0x80 | 0xEF | 0xB0) && matches!(decoded.len(), 33 | 34);
            known.then_some(Found::PrivateKey("wallet-private-key"))
        }
        _ => None,
    }
}

/// The payload of a base58 text whose last four bytes are the beginning of its double SHA-256.
fn base58check(value: &[u8], alphabet: &[u8; 58]) -> Option<Vec<u8>> {
    let mut number: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value {
        let mut carry = alphabet.iter().position(|letter| letter == byte)?;
        for digit in &mut number {
            carry += usize::from(*digit) * 58;
            *digit = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            number.push((carry & 0xFF) as u8);
            carry >>= 8;
        }
    }
    number.extend(value.iter().take_while(|byte| **byte == alphabet[0]).map(|_| 0));
    number.reverse();
    let (payload, sum) = number.split_last_chunk::<4>()?;
    let digest = Sha256::digest(Sha256::digest(payload));
    (!payload.is_empty() && digest[..4] == *sum).then(|| payload.to_vec())
}

/// Human-readable parts that are known.
fn bech32(value: &[u8]) -> Option<Found> {
    let lower = value.iter().all(|b| !b.is_ascii_uppercase());
    if !lower && value.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    let value = value.to_ascii_lowercase();
    let separator = value.iter().rposition(|b| *b == b'1')?;
    let prefix = &value[..separator];
    let known: &[&[u8]] = &[b"bc", b"tb", b"bcrt", b"ltc", b"tltc", b"addr", b"stake", b"nsec", b"npub"];
    if !known.contains(&prefix) || value.len() < separator + 9 {
        return None;
    }
    let mut data = Vec::with_capacity(value.len());
    for byte in &value[separator + 1..] {
        data.push(BECH32_ALPHABET.iter().position(|letter| letter == byte)? as u8);
    }
    let sum = polymod(prefix, &data);
    let program = &data[..data.len() - 6];
    match prefix {
        b"nsec" => (sum == 1).then_some(Found::PrivateKey("nostr-private-key")),
        b"addr" | b"stake" | b"npub" => (sum == 1).then_some(Found::Address(1.0)),
        _ => {
            let (version, program) = program.split_first()?;
            let bytes = program.len() * 5 / 8;
            let sound = match version {
                0 => sum == 1 && matches!(bytes, 20 | 32),
                1..=16 => sum == 0x2BC8_30A3 && (2..=40).contains(&bytes),
                _ => false,
            };
            sound.then_some(Found::Address(1.0))
        }
    }
}

/// The checksum of BIP-173 over the expanded prefix and the data: 1 for bech32.
fn polymod(prefix: &[u8], data: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let high = prefix.iter().map(|b| b >> 5);
    let low = prefix.iter().map(|b| b & 31);
    high.chain([0]).chain(low).chain(data.iter().copied()).fold(1, |sum, value| {
        let shifted = (sum & 0x1FF_FFFF) << 5 ^ u32::from(value);
        (0..5).filter(|bit| sum >> (25 + bit) & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
    })
}

/// Forty hexadecimal digits; with letters of both cases they carry a checksum.
fn ethereum(hex: &[u8]) -> Option<f32> {
    if hex.len() != 40 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let constant = hex.iter().all(|b| *b == hex[0]);
    let mixed = hex.iter().any(u8::is_ascii_lowercase) && hex.iter().any(u8::is_ascii_uppercase);
    if constant || !mixed {
        return Some(if constant { 0.1 } else { 0.7 });
    }
    let digest = keccak::keccak256(&hex.to_ascii_lowercase());
    let agrees = hex.iter().enumerate().all(|(place, byte)| {
        let nibble = digest[place / 2] >> (4 * (1 - place % 2)) & 15;
        byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble > 7)
    });
    agrees.then_some(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::{Detector, DetectorOptions};

    fn label(text: &str) -> Option<(&'static str, f32)> {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().candidates(text);
        let label = |span: &&Span| matches!(span.label, Label::CRYPTO | Label::CREDENTIAL);
        spans.iter().find(label).map(|span| (span.label.0, span.score))
    }

    /// A base58check text of a payload.
    fn encode(payload: &[u8], alphabet: &[u8; 58]) -> String {
        let sum = Sha256::digest(Sha256::digest(payload));
        let mut number = [payload, &sum[..4]].concat();
        let zeros = number.iter().take_while(|b| **b == 0).count();
        let mut digits = Vec::new();
        while number.iter().any(|b| *b > 0) {
            let mut rest = 0usize;
            for byte in &mut number {
                let value = rest * 256 + usize::from(*byte);
                *byte = (value / 58) as u8;
                rest = value % 58;
            }
            digits.push(alphabet[rest]);
        }
        digits.extend(std::iter::repeat_n(alphabet[0], zeros));
        digits.reverse();
        String::from_utf8(digits).unwrap()
    }

    #[test]
    fn every_version_is_known_and_one_wrong_letter_is_refused() {
        for version in VERSIONS {
            let address = encode(&[version, &[0xA7; 20][..]].concat(), BITCOIN_ALPHABET);
            assert_eq!(label(&format!("send to {address}.")), Some(("CRYPTO", 1.0)), "{address}");
            let last = if address.ends_with('a') { "b" } else { "a" };
            assert_eq!(label(&format!("{}{last}", &address[..address.len() - 1])), None);
            assert_eq!(label(&format!("x{address}")), None);
        }
        let ripple = encode(&[&[0][..], &[0x5C; 20]].concat(), RIPPLE_ALPHABET);
        assert_eq!(label(&ripple), Some(("CRYPTO", 1.0)));
        let unknown = encode(&[&[0x99][..], &[0xA7; 20]].concat(), BITCOIN_ALPHABET);
        assert_eq!(label(&unknown), None);
    }

    #[test]
    fn private_keys_are_credentials() {
        for payload in [vec![0x80; 33], [vec![0x80; 33], vec![1]].concat()] {
            assert_eq!(label(&encode(&payload, BITCOIN_ALPHABET)), Some(("CREDENTIAL", 1.0)));
        }
        let extended = [&[0x04, 0x88, 0xAD, 0xE4][..], &[7; 74]].concat();
        assert_eq!(label(&encode(&extended, BITCOIN_ALPHABET)), Some(("CREDENTIAL", 1.0)));
    }

    #[test]
    fn addresses_of_the_standards_of_segregated_witness() {
        // BIP-173 and BIP-350, test vectors.
        for address in [
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ] {
            assert_eq!(label(address), Some(("CRYPTO", 1.0)), "{address}");
        }
        for address in [
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        ] {
            assert_eq!(label(address), None, "{address}");
        }
    }

    #[test]
    fn mixed_case_of_ethereum_is_a_checksum() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"; // EIP-55
        assert_eq!(label(good), Some(("CRYPTO", 1.0)));
        assert_eq!(label(&good.replace("aA", "Aa")), None);
        assert_eq!(label(&good.to_lowercase()), Some(("CRYPTO", 0.7)));
        assert_eq!(label(&good[..41]), None);
    }
}
