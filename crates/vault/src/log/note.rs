//! Signed notes (C2SP signed-note): text under signatures of named keys.
//!
//! Invariant: text is taken from a note only after [`Note::verify`] has found a signature of a known key; a wrong
//! signature of a known key condemns the whole note. Ed25519 is verified strictly: canonical scalars, no points of small
//! order, as key or in the signature (RFC 8032, section 5.1.7, and Chalkias et al., "Taming the many EdDSAs", 2020).

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::encoding::{base64, from_base64, from_hex, hex};
use crate::{Error, Result, random};

/// The longest note that is read, in bytes.
pub const NOTE_BYTES: usize = 1 << 20;
/// Most signatures on a note that is read. The specification asks for 16 at least.
pub const NOTE_SIGNATURES: usize = 100;

const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs (signed-note, "signature types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureKind {
    /// `0x01`: Ed25519 over the text of the note.
    Ed25519,
    /// `0x04`: Ed25519 over the text of a checkpoint and a time (tlog-cosignature).
    Cosignature,
}

impl SignatureKind {
    /// The byte that stands for it.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: SignatureKind,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key of which name and bytes are known.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name with white space or `+`, and for a key that is no point or one of small order.
    pub fn new(name: &str, kind: SignatureKind, public: [u8; 32]) -> Result<Self> {
        if !is_key_name(name) {
            return Err(malformed_key("its name is empty, or has white space, a plus or a control character"));
        }
        if !is_strict_point(&public) || ParsedPublicKey::new(&ED25519, public).is_err() {
            return Err(malformed_key("it is not a point of the curve, or one of small order"));
        }
        Ok(Self { name: name.into(), id: key_id(name, kind, &public), kind, public })
    }

    /// The key of a text `name+id+base64(kind || key)`.
    ///
    /// # Errors
    /// [`Error::Malformed`], also where the id is not that of name and key, and for kinds other than [`SignatureKind`].
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed_key("it has not three parts"));
        };
        let id = from_hex::<4>(id).ok_or_else(|| malformed_key("its id is not eight hexadecimal digits"))?;
        let key = from_base64(key).ok_or_else(|| malformed_key("it is not base 64"))?;
        let (kind, public) = split_key(&key)?;
        let key = Self::new(name, kind, *public)?;
        if key.id != u32::from_be_bytes(id) {
            return Err(malformed_key("its id is not that of its name and key"));
        }
        Ok(key)
    }

    /// Its name; that of a log is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || 0x0A || kind || key)`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// Its 32 bytes (RFC 8032).
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Checks a signature of this key on the text of a note, and tells the time that a cosignature states.
    fn check(&self, text: &str, signature: &[u8]) -> Result<Option<u64>> {
        let wrong = || Error::BadSignature { name: self.name.clone() };
        match self.kind {
            SignatureKind::Ed25519 => {
                verify_ed25519(&self.public, text.as_bytes(), signature).then_some(None).ok_or_else(wrong)
            }
            SignatureKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk().ok_or_else(wrong)?;
                let seconds = u64::from_be_bytes(*time);
                let message = cosigned(text, seconds);
                let holds = seconds <= i64::MAX as u64 && verify_ed25519(&self.public, &message, signature);
                holds.then_some(Some(seconds)).ok_or_else(wrong)
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, .. } = self;
        write!(f, "{name}+{id:08x}+{}", base64(&typed_key(self.kind, &self.public)))
    }
}

/// A private key with its name. The seed is wiped when it goes.
pub struct SignerKey {
    verifier: VerifierKey,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl SignerKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], and [`Error::Malformed`] for a name that is none.
    pub fn generate(name: &str, kind: SignatureKind) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        random::fill(seed.as_mut())?;
        Self::from_seed(name, kind, seed)
    }

    /// The key of a seed (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name that is none.
    pub fn from_seed(name: &str, kind: SignatureKind, seed: Zeroizing<[u8; 32]>) -> Result<Self> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| malformed_key("its seed is refused"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| malformed_key("its seed is refused"))?;
        Ok(Self { verifier: VerifierKey::new(name, kind, public)?, seed, pair })
    }

    /// The key of a text `PRIVATE+KEY+name+id+base64(kind || seed)`, the form of golang.org/x/mod/sumdb/note.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix(PRIVATE).ok_or_else(|| malformed_key("it is no private key"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed_key("it has not three parts"));
        };
        let key = Zeroizing::new(from_base64(key).ok_or_else(|| malformed_key("it is not base 64"))?);
        let (kind, seed) = split_key(&key)?;
        let signer = Self::from_seed(name, kind, Zeroizing::new(*seed))?;
        if from_hex(id) != Some(signer.verifier.id.to_be_bytes()) {
            return Err(malformed_key("its id is not that of its name and key"));
        }
        Ok(signer)
    }

    /// The text from which [`SignerKey::parse`] reads it: a secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let VerifierKey { name, id, kind, .. } = &self.verifier;
        let key = Zeroizing::new(typed_key(*kind, &self.seed));
        let key = Zeroizing::new(base64(key.as_ref()));
        Zeroizing::new(format!("{PRIVATE}{name}+{}+{}", hex(&id.to_be_bytes()), key.as_str()))
    }

    /// The key with which its signatures are verified.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The line of a signature on the text of a note. A cosignature states that it was given at `seconds`.
    fn line(&self, text: &str, seconds: u64) -> Signature {
        let bytes = match self.verifier.kind {
            SignatureKind::Ed25519 => self.pair.sign(text.as_bytes()).as_ref().to_vec(),
            SignatureKind::Cosignature => {
                let signature = self.pair.sign(&cosigned(text, seconds));
                [&seconds.to_be_bytes(), signature.as_ref()].concat()
            }
        };
        Signature { name: self.verifier.name.clone(), id: self.verifier.id, bytes }
    }
}

/// One signature on a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of its key.
    pub name: String,
    /// The id of its key.
    pub id: u32,
    /// What the key's algorithm gave.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Signature {
    /// The line in the note, with its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.to_be_bytes(), self.bytes.as_slice()].concat();
        writeln!(f, "— {} {}", self.name, base64(&bytes))
    }
}

/// A signature that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The known key.
    pub key: &'a VerifierKey,
    /// When a cosignature was given, in seconds since 1970.
    pub seconds: Option<u64>,
}

/// A text with signatures, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A note with one signature.
    ///
    /// # Errors
    /// [`Error::Malformed`] for text that a note cannot hold.
    pub fn sign(text: &str, key: &SignerKey) -> Result<Self> {
        if !text.ends_with('\n') || !is_note_text(text) {
            return Err(malformed("its text does not end in a newline, or has control characters"));
        }
        Ok(Self { text: text.into(), signatures: vec![key.line(text, 0)] })
    }

    /// Reads a note. Nothing in it can be relied on before [`Note::verify`].
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > NOTE_BYTES {
            return Err(malformed("it is longer than a mebibyte"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        if !is_note_text(note) {
            return Err(malformed("it has control characters"));
        }
        let blank = note.rfind("\n\n").ok_or_else(|| malformed("no blank line stands before signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| malformed("it does not end in a line of a signature"))?;
        let signatures = lines.split('\n').map(parse_line).collect::<Result<Vec<_>>>()?;
        if signatures.len() > NOTE_SIGNATURES {
            return Err(malformed("it has more than a hundred signatures"));
        }
        Ok(Self { text: text.into(), signatures })
    }

    /// The text, its last newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, known and unknown, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signatures of known keys, each key once. Those of unknown keys are passed over.
    ///
    /// # Errors
    /// [`Error::BadSignature`] if one of a known key is wrong, [`Error::Unsigned`] if there is none, and
    /// [`Error::AmbiguousKey`] if two known keys share name and id.
    pub fn verify<'a>(&self, keys: &[&'a VerifierKey]) -> Result<Vec<Verified<'a>>> {
        let mut verified: Vec<Verified<'a>> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| key.id == signature.id && key.name == signature.name);
            let Some(key) = known.next() else { continue };
            if known.any(|other| other != key) {
                return Err(Error::AmbiguousKey { name: key.name.clone() });
            }
            let seconds = key.check(&self.text, &signature.bytes)?;
            if verified.iter().all(|earlier| earlier.key != *key) {
                verified.push(Verified { key, seconds });
            }
        }
        if verified.is_empty() { Err(Error::Unsigned) } else { Ok(verified) }
    }

    /// Adds the signature of a key; a cosignature states that it was given at `seconds` since 1970.
    pub fn add_signature(&mut self, key: &SignerKey, seconds: u64) {
        let line = key.line(&self.text, seconds);
        self.signatures.push(line);
    }

    /// Leaves the first signature of each of `keys` and no other.
    pub(crate) fn retain(&mut self, keys: &[&VerifierKey]) {
        let mut kept: Vec<&VerifierKey> = Vec::new();
        self.signatures.retain(|signature| {
            let key = keys.iter().find(|key| key.id == signature.id && key.name == signature.name);
            match key {
                Some(key) if !kept.contains(key) => {
                    kept.push(key);
                    true
                }
                _ => false,
            }
        });
    }

    /// Adds lines of signatures, as a witness answers with them.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn add_lines(&mut self, lines: &str) -> Result<()> {
        *self = Self::parse(format!("{self}{lines}").as_bytes())?;
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

fn parse_line(line: &str) -> Result<Signature> {
    let wrong = || malformed("a line of a signature is not `— name base64`");
    let (name, bytes) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
    let bytes = from_base64(bytes).ok_or_else(wrong)?;
    match bytes.split_first_chunk() {
        Some((id, bytes)) if !bytes.is_empty() && is_key_name(name) => {
            Ok(Signature { name: name.into(), id: u32::from_be_bytes(*id), bytes: bytes.into() })
        }
        _ => Err(wrong()),
    }
}

/// The message of a cosignature (tlog-cosignature, "Ed25519 signed message").
fn cosigned(text: &str, seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Some((commitment, _)) = signature.split_first_chunk::<32>() else { return false };
    // The library compares encodings, refuses scalars that are not reduced, and takes points of small order.
    is_strict_point(public)
        && is_strict_point(commitment)
        && ParsedPublicKey::new(&ED25519, public).is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}

/// Whether 32 bytes can be the canonical encoding of a point that is not of small order: the coordinate y is reduced, and
/// none of the five that the eight points of small order have.
fn is_strict_point(bytes: &[u8; 32]) -> bool {
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        (p[0], p[31]) = (0xed, 0x7f);
        p
    };
    const MINUS_ONE: [u8; 32] = {
        let mut y = P;
        y[0] = 0xec;
        y
    };
    const ONE: [u8; 32] = {
        let mut y = [0; 32];
        y[0] = 1;
        y
    };
    /// The points of order eight: y, and p - y.
    const EIGHT: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *bytes;
    y[31] &= 0x7f;
    y.iter().rev().lt(P.iter().rev()) && ![[0; 32], ONE, MINUS_ONE, EIGHT[0], EIGHT[1]].contains(&y)
}

fn is_note_text(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

/// No white space, no plus; and no control characters, for the name stands in a note.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c < ' ')
}

fn key_id(name: &str, kind: SignatureKind, public: &[u8; 32]) -> u32 {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', kind.byte()]).chain_update(public).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn typed_key(kind: SignatureKind, key: &[u8; 32]) -> [u8; 33] {
    let mut bytes = [kind.byte(); 33];
    bytes[1..].copy_from_slice(key);
    bytes
}

fn split_key(key: &[u8]) -> Result<(SignatureKind, &[u8; 32])> {
    let (kind, key) = key.split_first().ok_or_else(|| malformed_key("it is empty"))?;
    let kind = SignatureKind::of_byte(*kind).ok_or_else(|| malformed_key("its kind is not supported"))?;
    Ok((kind, key.try_into().map_err(|_| malformed_key("it has not 32 bytes"))?))
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { format: "signed note", reason }
}

fn malformed_key(reason: &'static str) -> Error {
    Error::Malformed { format: "key of signed notes", reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// All encodings of points of small order, as the Community Cryptography Test Vectors list them.
    const SMALL: [&str; 14] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        for encoding in SMALL {
            let point = from_hex(encoding).unwrap();
            assert!(!is_strict_point(&point), "{encoding}");
            assert!(VerifierKey::new("x", SignatureKind::Ed25519, point).is_err());
        }
        // Under the point of order one, this is a signature on everything, and the library takes it.
        let one: [u8; 32] = from_hex(SMALL[4]).unwrap();
        let signature = [one, [0; 32]].concat();
        assert!(ParsedPublicKey::new(&ED25519, one).unwrap().verify_sig(b"text", &signature).is_ok());
        assert!(!verify_ed25519(&one, b"text", &signature));
    }

    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        let key = SignerKey::generate("x", SignatureKind::Ed25519).unwrap();
        let mut signature = key.pair.sign(b"text").as_ref().to_vec();
        assert!(verify_ed25519(key.verifier.public(), b"text", &signature));
        // The same scalar plus the order of the group, 2^252 + 27742317777372353535851937790883648493.
        let order = from_hex::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert!(!verify_ed25519(key.verifier.public(), b"text", &signature));
        assert!(!verify_ed25519(key.verifier.public(), b"text", &signature[..63]));
    }
}
