//! Known answers of Project Wycheproof for what the vault uses.

use std::io::Read as _;

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Salt};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesBlockCipher, AesKek, KeyWrapPadded as _};
use cloister_vault::log::Note;
use cloister_vault::log::note::{SignatureKind, VerifierKey};
use cloister_vault::sealed::cobblestone::{CHUNK_BYTES, OpeningReader, RandomReader, open};
use cloister_vault::sealed::{DataKey, Id, Kek};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{from_hex, json, vectors};

/// Every case of a file with its group.
fn cases(name: &str) -> Option<Vec<(Value, Value)>> {
    let file = json(&vectors()?.join("wycheproof").join(name));
    let mut cases = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        cases.extend(group["tests"].as_array().unwrap().iter().map(|case| (group.clone(), case.clone())));
    }
    Some(cases)
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    from_hex(case[field].as_str().unwrap())
}

fn flagged(case: &Value, flag: &str) -> bool {
    case["flags"].as_array().unwrap().iter().any(|have| have == flag)
}

fn sha512(bytes: &[u8]) -> String {
    digest(&SHA512, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ciphertexts are compressed: a stored form of zlib.
fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
    inflated
}

#[test]
fn requirement_19_vector_cobblestone_256() {
    let Some(cases) = cases("c2sp_chunked_encryption_aes_256_gcm_test.json") else { return };
    assert_eq!(cases.len(), 35);
    for (_, case) in cases {
        let (name, valid) = (&case["comment"], case["result"] == "valid");
        let (context, sealed) = (bytes(&case, "ctx"), inflate(&bytes(&case, "ct")));
        let Ok(key) = <[u8; 32]>::try_from(bytes(&case, "key")) else {
            assert!(!valid && flagged(&case, "InvalidKeySize"));
            continue;
        };
        let key = DataKey::from_bytes(Zeroizing::new(key));
        let expected = case["msgSha512"].as_str();
        let length = case["msgLength"].as_u64().unwrap_or(0);

        let whole = open(&key, &context, &sealed);
        assert_eq!(whole.is_ok(), valid, "{name}");
        if let Ok(plaintext) = whole {
            assert_eq!((plaintext.len() as u64, sha512(&plaintext).as_str()), (length, expected.unwrap()), "{name}");
        }

        // As a stream: the longest valid beginning, then errors for ever.
        let mut given = Vec::new();
        match OpeningReader::new(&sealed[..], &key, &context) {
            Err(_) => assert!(flagged(&case, "HeaderFailure"), "{name}"),
            Ok(mut reader) => {
                assert!(!flagged(&case, "HeaderFailure"), "{name}");
                let ended = loop {
                    match reader.next_chunk() {
                        Ok(Some(chunk)) => given.extend_from_slice(chunk),
                        Ok(None) => break true,
                        Err(_) => break false,
                    }
                };
                assert_eq!(ended, valid, "{name}");
                assert_eq!(given.len() as u64, length, "{name}");
                if let Some(expected) = expected {
                    assert_eq!(sha512(&given), expected, "{name}");
                }
                for _ in 0..3 {
                    assert_eq!(reader.next_chunk().is_ok(), valid, "{name}: it must keep failing");
                }
            }
        }

        // From any place: the length is authenticated by the last chunk.
        match RandomReader::new(&sealed[..], &key, &context) {
            Err(_) => assert!(!valid && !flagged(&case, "ValidFinalChunk"), "{name}"),
            Ok(reader) => {
                assert!(valid || flagged(&case, "ValidFinalChunk"), "{name}");
                let mut plaintext = vec![0xaa; reader.length() as usize];
                let read = reader.read_at(&mut plaintext, 0);
                assert_eq!(read.is_ok(), valid, "{name}");
                match read {
                    Ok(_) => assert_eq!(sha512(&plaintext).as_str(), expected.unwrap(), "{name}"),
                    Err(_) => assert!(plaintext.iter().all(|byte| *byte == 0), "{name}"),
                }
                let mut part = vec![0; CHUNK_BYTES.min(given.len())];
                reader.read_at(&mut part, 0).unwrap();
                assert_eq!(part[..], given[..part.len()]);
            }
        }
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn requirement_19_vector_hkdf_sha_512() {
    let Some(cases) = cases("hkdf_sha512_test.json") else { return };
    assert_eq!(cases.len(), 83);
    for (_, case) in cases {
        let secret = Salt::new(HKDF_SHA512, &bytes(&case, "salt")).extract(&bytes(&case, "ikm"));
        let size = case["size"].as_u64().unwrap() as usize;
        let mut derived = vec![0; size];
        let info = bytes(&case, "info");
        let done = secret.expand(&[&info], Length(size)).and_then(|expanded| expanded.fill(&mut derived));
        let same = done.is_ok() && derived == bytes(&case, "okm");
        assert_eq!(same, case["result"] == "valid", "{}", case["tcId"]);
    }
}

#[test]
fn requirement_19_vector_aes_kwp() {
    let Some(cases) = cases("aes_kwp_test.json") else { return };
    assert_eq!(cases.len(), 254);
    let mut checked = 0;
    for (group, case) in cases {
        let cipher: &'static AesBlockCipher = match group["keySize"].as_u64().unwrap() {
            128 => &AES_128,
            256 => &AES_256,
            // The library does not have it, and nothing here uses it.
            _ => continue,
        };
        let (key, message, wrapped) = (bytes(&case, "key"), bytes(&case, "msg"), bytes(&case, "ct"));
        let mut room = vec![0; wrapped.len().max(message.len()) + 16];
        let unwrapped = AesKek::new(cipher, &key).unwrap().unwrap_with_padding(&wrapped, &mut room);
        let valid = case["result"] == "valid" || (case["result"] == "acceptable" && unwrapped.is_ok());
        assert_eq!(unwrapped.is_ok_and(|plain| *plain == message), valid, "{}", case["tcId"]);
        if valid {
            let mut room = vec![0; message.len() + 16];
            let ours = AesKek::new(cipher, &key).unwrap().wrap_with_padding(&message, &mut room).unwrap().to_vec();
            assert_eq!(ours, wrapped, "{}", case["tcId"]);
        }
        // Through our own door: 32 bytes under 32 bytes, and nothing else.
        if let (Ok(key), Ok(wrapped)) = (key.try_into(), <[u8; 40]>::try_from(wrapped)) {
            let opened = Kek::new(Id([0; 16]), Zeroizing::new(key)).unwrap(&wrapped);
            assert_eq!(opened.is_ok(), valid && message.len() == 32, "{}", case["tcId"]);
        }
        checked += 1;
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn requirement_19_vector_ed25519_as_signed_notes() {
    let Some(cases) = cases("ed25519_test.json") else { return };
    assert_eq!(cases.len(), 151);
    let (mut valid, mut as_notes) = (0, 0);
    for (group, case) in cases {
        let public: [u8; 32] = bytes(&group["publicKey"], "pk").try_into().unwrap();
        let (message, signature) = (bytes(&case, "msg"), bytes(&case, "sig"));
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
        let good = case["result"] == "valid";
        assert_eq!(key.verify(&message, &signature).is_ok(), good, "{}", case["tcId"]);
        valid += usize::from(good);
        // Every signature, on whatever text it was made, is refused or accepted as a note would.
        let Ok(key) = VerifierKey::new("k", SignatureKind::Ed25519, public) else {
            assert!(!good, "{}", case["tcId"]);
            continue;
        };
        let text = String::from_utf8(message).ok().filter(|text| text.ends_with('\n'));
        let Some(text) = text else { continue };
        let line = [&key.id().to_be_bytes(), &signature[..]].concat();
        let line = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, line);
        let note = Note::parse(format!("{text}\n— k {line}\n").as_bytes());
        assert_eq!(note.is_ok_and(|note| note.verify(&[&key]).is_ok()), good);
        as_notes += 1;
    }
    assert!(valid > 50, "{valid}; {as_notes} as notes");
}
