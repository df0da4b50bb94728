//! Signed notes, checkpoints, proofs and policies: what the specifications forbid is refused.

use cloister_vault::Error;
use cloister_vault::log::note::{NOTE_BYTES, NOTE_SIGNATURES};
use cloister_vault::log::{
    LogReader, Note, Policy, SignatureKind, SignedCheckpoint, SignerKey, TlogProof, VerifierKey,
};

use crate::{again, signer, write_log};

fn note(text: &str, key: &SignerKey) -> String {
    Note::sign(text, key).unwrap().to_string()
}

#[test]
fn a_note_is_what_was_signed_and_nothing_else() {
    let key = signer("example.com/log");
    let good = note("a\n\nb\n", &key);
    assert_eq!(Note::parse(good.as_bytes()).unwrap().text(), "a\n\nb\n");
    Note::parse(good.as_bytes()).unwrap().verify(&[key.verifier()]).unwrap();
    let accepted = |bytes: &[u8]| Note::parse(bytes).is_ok_and(|note| note.verify(&[key.verifier()]).is_ok());
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone().into_bytes();
            changed[at] ^= 1 << bit;
            assert!(!accepted(&changed), "byte {at} bit {bit}");
        }
        assert!(!accepted(&good.as_bytes()[..at]), "cut at {at}");
    }
    let long = format!("{good}— x AAAAAAA=\n");
    assert!(accepted(long.as_bytes()), "a stranger's signature is passed over");
    for behind in [
        "\n",
        " ",
        "x",
        "— x AAAAAAA=",
        "— x AAAA\n",
        "— x+y AAAAAAA=\n",
        "—  AAAAAAA=\n",
        "— x  AAAAAAA=\n",
        "— x AAAAAAA= \n",
        "— x AAAAAAB=\n",
        "— x\u{a0}y AAAAAAA=\n",
        "-- x AAAAAAA=\n",
        "\n— x AAAAAAA=\n",
    ] {
        assert!(!accepted(format!("{good}{behind}").as_bytes()), "{behind:?}");
    }
}

#[test]
fn a_wrong_signature_of_a_known_key_condemns_the_note() {
    let (one, two) = (signer("example.com/one"), signer("example.com/two"));
    let good = note("text\n", &one);
    let other = note("other\n", &two);
    let line = other.lines().last().unwrap();
    let both = Note::parse(format!("{good}{line}\n").as_bytes()).unwrap();
    both.verify(&[one.verifier()]).unwrap();
    let refused = both.verify(&[one.verifier(), two.verifier()]);
    assert!(matches!(refused, Err(Error::BadSignature { name }) if name == "example.com/two"));
    assert!(matches!(both.verify(&[signer("example.com/one").verifier()]), Err(Error::Unsigned)));
    assert!(matches!(both.verify(&[]), Err(Error::Unsigned)));
    // A key counts once, however often it signs.
    let mut twice = Note::sign("text\n", &one).unwrap();
    twice.add_signature(&one, 0);
    assert_eq!(twice.verify(&[one.verifier()]).unwrap().len(), 1);
}

#[test]
fn notes_have_an_end() {
    let key = signer("example.com/log");
    let mut many = Note::sign("text\n", &key).unwrap();
    for _ in 1..NOTE_SIGNATURES {
        many.add_signature(&key, 0);
    }
    assert!(Note::parse(many.to_string().as_bytes()).is_ok());
    many.add_signature(&key, 0);
    assert!(Note::parse(many.to_string().as_bytes()).is_err());
    let long = note(&format!("{}\n", "x".repeat(NOTE_BYTES)), &key);
    assert!(Note::parse(long.as_bytes()).is_err());
    for text in ["", "no newline", "tab\t\n", "\u{1b}[2J\n", "nul\0\n", "cr\r\n"] {
        assert!(Note::sign(text, &key).is_err(), "{text:?}");
    }
}

#[test]
fn keys_are_read_strictly() {
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb", "a\u{7}b"] {
        assert!(SignerKey::generate(name, SignatureKind::Ed25519).is_err(), "{name:?}");
    }
    let key = signer("example.com/log");
    let text = key.verifier().to_string();
    assert_eq!(VerifierKey::parse(&text).unwrap(), *key.verifier());
    let mut parts = text.splitn(3, '+');
    let (name, id, public) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    for bad in [
        format!("{name}+{id}"),
        format!("{name}+{}+{public}", id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        format!("{name}+0{id}+{public}"),
        format!("{name}2+{id}+{public}"),
        format!("{name}+{id}+{public}\n"),
        format!("{name}+{id}+{}", &public[..40]),
        format!("+{id}+{public}"),
    ] {
        assert!(VerifierKey::parse(&bad).is_err(), "{bad}");
    }
    // One public key with two kinds of signatures has two ids.
    let cosigner = VerifierKey::new(name, SignatureKind::Cosignature, *key.verifier().public()).unwrap();
    assert_ne!(cosigner.id(), key.verifier().id());
}

#[test]
fn checkpoints_have_three_lines() {
    let key = signer("example.com/log");
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let parse = |text: &str| SignedCheckpoint::parse(note(text, &key).as_bytes());
    assert!(parse(&format!("example.com/log\n0\n{root}\n")).unwrap().verify(key.verifier()).is_ok());
    for text in [
        format!("example.com/log\n0\n{root}\nextension\n"),
        "example.com/log\n0\n".into(),
        format!("\n0\n{root}\n"),
        format!("example.com/log\n00\n{root}\n"),
        format!("example.com/log\n-1\n{root}\n"),
        format!("example.com/log\n18446744073709551616\n{root}\n"),
        format!("example.com/log\n0 \n{root}\n"),
        format!("example.com/log\n0\n{}\n", &root[4..]),
        format!("example.com/log\n0\n{root}\n\n"),
    ] {
        assert!(parse(&text).is_err(), "{text:?}");
    }
    let other = parse(&format!("example.com/other\n0\n{root}\n")).unwrap();
    assert!(matches!(other.verify(key.verifier()), Err(Error::OtherLog { .. })));
}

#[test]
fn a_proof_goes_through_a_file_and_every_byte_of_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let key = write_log(folder.path(), 300, 100);
    let reader = LogReader::open(folder.path(), &key).unwrap();
    let entry = reader.entry(258).unwrap();
    let proof = reader.prove(258).unwrap();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 258\n"));
    assert_eq!(TlogProof::parse(text.as_bytes()).unwrap(), proof);
    assert_eq!(proof.verify(&entry, &key).unwrap().size, 300);
    assert!(proof.verify(b"another entry", &key).is_err());
    let accepted = |bytes: &[u8]| TlogProof::parse(bytes).is_ok_and(|proof| proof.verify(&entry, &key).is_ok());
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        assert!(!accepted(&changed), "byte {at}");
        assert!(!accepted(&text.as_bytes()[..at]), "cut at {at}");
    }
    let extra = proof.clone().with_extra(b"\0more").unwrap();
    assert_eq!(TlogProof::parse(extra.to_string().as_bytes()).unwrap().extra(), Some(&b"\0more"[..]));
    assert_eq!(proof.clone().with_extra(b"").unwrap(), proof);
    for (from, to) in [
        ("index 258", "extra \nindex 258"),
        ("index 258", "extra AA==\nextra AA==\nindex 258"),
        ("index 258", "index 0258"),
        ("index 258\n", ""),
        ("@v1", "@v2"),
        ("index 258\n", "index 258\nextra AA==\n"),
        ("\n\n", "\n\n\n"),
    ] {
        assert!(!accepted(text.replacen(from, to, 1).as_bytes()), "{to:?}");
    }
    let many =
        text.replacen("\n\n", &format!("\n{}\n", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".repeat(64)), 1);
    assert!(TlogProof::parse(many.as_bytes()).is_err());
}

#[test]
fn a_policy_asks_for_a_log_and_a_quorum() {
    let folder = tempfile::tempdir().unwrap();
    let key = write_log(folder.path(), 5, 5);
    let witness = |name: &str| SignerKey::generate(name, SignatureKind::Cosignature).unwrap();
    let keys = [witness("w.example/1"), witness("w.example/2"), witness("w.example/3")];
    let text = format!(
        "# comment\n\n \t log {key} https://example.com/\nwitness X1 {}\nwitness X2\t{} https://w\nwitness Y {}\n\
         group X any X1 X2\ngroup both all X Y\nquorum both\n",
        keys[0].verifier(),
        keys[1].verifier(),
        keys[2].verifier()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 3));
    let mut proof = LogReader::open(folder.path(), &key).unwrap().prove(3).unwrap();
    let entry = crate::entry(3);
    let holds = |proof: &TlogProof| proof.verify_policy(entry.as_bytes(), &policy).map(drop);
    assert!(matches!(holds(&proof), Err(Error::NoQuorum)));
    proof.checkpoint_mut().note_mut().add_signature(&keys[0], 1_700_000_000);
    proof.checkpoint_mut().note_mut().add_signature(&keys[1], 1_700_000_000);
    assert!(matches!(holds(&proof), Err(Error::NoQuorum)), "two of one group are one");
    proof.checkpoint_mut().note_mut().add_signature(&keys[2], 1_700_000_001);
    holds(&proof).unwrap();
    let verified = proof.checkpoint().note().verify(&[keys[2].verifier()]).unwrap();
    assert_eq!(verified[0].seconds, Some(1_700_000_001));
    // Time, signature and text of a cosignature belong together.
    let text = proof.to_string();
    for at in text.rfind(' ').unwrap() + 1..text.len() - 1 {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(TlogProof::parse(&changed).map_or(true, |proof| holds(&proof).is_err()), "byte {at}");
    }
    let none = Policy::parse(format!("log {key}\nquorum none\n").as_bytes()).unwrap();
    proof.verify_policy(entry.as_bytes(), &none).unwrap();
    let other =
        Policy::parse(format!("log {}\nquorum none\n", signer("example.com/other").verifier()).as_bytes()).unwrap();
    assert!(matches!(proof.verify_policy(entry.as_bytes(), &other), Err(Error::OtherLog { .. })));
    let impostor =
        Policy::parse(format!("log {}\nquorum none\n", signer("example.com/log").verifier()).as_bytes()).unwrap();
    assert!(matches!(proof.verify_policy(entry.as_bytes(), &impostor), Err(Error::Unsigned)));
}

#[test]
fn a_policy_is_read_strictly() {
    let (log, one, two) =
        (signer("l"), again(&signer("l2")), SignerKey::generate("w", SignatureKind::Cosignature).unwrap());
    let (log, one, w) = (log.verifier(), one.verifier(), two.verifier());
    let w2 = SignerKey::generate("w2", SignatureKind::Cosignature).unwrap();
    let w2 = w2.verifier();
    for (text, line) in [
        (String::new(), 0),
        (format!("log {log}\n"), 0),
        (format!("log {log}\nquorum none"), 2),
        ("quorum none\nquorum none\n".into(), 2),
        ("quorum w\n".into(), 1),
        (format!("witness w {w}\nwitness w {w2}\nquorum none\n"), 2),
        (format!("witness w {w}\nwitness v {w}\nquorum none\n"), 2),
        (format!("log {log}\nlog {log}\nquorum none\n"), 2),
        (format!("log {w}\nquorum none\n"), 1),
        (format!("witness w {one}\nquorum none\n"), 1),
        (format!("witness none {w}\nquorum none\n"), 1),
        (format!("witness w {w}\ngroup g 0 w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g 2 w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g 01 w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g some w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g any\nquorum none\n"), 2),
        (format!("witness w {w}\ngroup g any w w\nquorum none\n"), 2),
        (format!("witness w {w}\ngroup g any w\ngroup h any w\nquorum none\n"), 3),
        ("group g any g\nquorum none\n".into(), 1),
        ("group g any none\nquorum none\n".into(), 1),
        ("quorum none\r\n".into(), 1),
        ("# \u{7f}\nquorum none\n".into(), 1),
        ("quorum none extra\n".into(), 1),
        ("Quorum none\n".into(), 1),
    ] {
        match Policy::parse(text.as_bytes()) {
            Err(Error::Policy { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
            _ => panic!("{text:?}"),
        }
    }
    // Names are bytes.
    let mut text = b"witness \xff ".to_vec();
    text.extend(format!("{w}\nquorum ").as_bytes());
    text.extend(b"\xff\n");
    Policy::parse(&text).unwrap();
}
