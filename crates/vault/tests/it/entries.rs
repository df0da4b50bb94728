//! Entries of the log: one form, and nothing that a field holds gets out of it.

use std::collections::BTreeMap;

use cloister_vault::Error;
use cloister_vault::log::ENTRY_BYTES;
use cloister_vault::log::entry::{
    Actor, ActorKind, Decision, Digest, Effect, Entry, Fact, Instant, Outcome, Phase, Resource, Source, Ulid,
};

fn full() -> Entry {
    let id = Ulid::from_parts(1_795_000_000_000, 7);
    let actor = Actor {
        auth: "passphrase".into(),
        id: "u7".into(),
        mfa_age: Some(30),
        session_h: Some(Digest([1; 32])),
        kind: ActorKind::User,
    };
    Entry {
        decision: Some(Decision {
            effect: Effect::Allow,
            entities_h: Digest([2; 32]),
            policies: vec!["grant".into(), "steward".into()],
            policy_set: Digest([3; 32]),
        }),
        detail_c: Some(Digest([4; 32])),
        facts: BTreeMap::from([("steps".into(), Fact::Number(50)), ("q".into(), Fact::Text("0.01".into()))]),
        params_h: Some(Digest([5; 32])),
        prev_outcome: Some(Ulid::from_parts(0, 0)),
        purpose: Some("support".into()),
        res: Some(Resource { id: "d1".into(), kind: "dataset".into(), ver: Some("3".into()) }),
        result: Some(Outcome::Ok),
        src: Some(Source { ip_h: Some(Digest([6; 32])), mtls_fp: None }),
        ..Entry::new("dataset.read", actor, Phase::Outcome, id, 12, Instant::from_millis(1_795_000_000_001).unwrap())
    }
}

#[test]
fn an_entry_comes_back_and_its_keys_are_sorted() {
    let bytes = full().to_bytes().unwrap();
    assert_eq!(Entry::parse(&bytes).unwrap(), full());
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for object in [&value, &value["actor"], &value["decision"], &value["facts"], &value["res"], &value["src"]] {
        assert!(keys(object).is_sorted(), "{:?}", keys(object));
    }
    assert_eq!(keys(&value).len(), 17);
    assert_eq!(value["t"], "2026-11-18T11:06:40.001Z");
}

#[test]
fn requirement_32_no_field_forges_or_splits_an_entry() {
    let hostile = [
        "\n{\"act\":\"forged\"}\n",
        "\r\n",
        "\0",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "\u{202e}gnp.exe\u{2066}\u{200f}",
        "\u{85}\u{2028}\u{2029}\u{7f}\u{9b}31m",
        "\",\"result\":\"ok\",\"x\":\"",
        "\\u0022\\",
        "😀\u{10ffff}ß",
        "— example.com/log AAAA\n",
    ];
    for text in hostile {
        let set: [fn(&mut Entry, &str); 8] = [
            |entry, text| entry.act = text.into(),
            |entry, text| entry.actor.id = text.into(),
            |entry, text| entry.actor.auth = text.into(),
            |entry, text| entry.purpose = Some(text.into()),
            |entry, text| entry.res.as_mut().unwrap().id = text.into(),
            |entry, text| entry.res.as_mut().unwrap().ver = Some(text.into()),
            |entry, text| entry.decision.as_mut().unwrap().policies.push(text.into()),
            |entry, text| drop(entry.facts.insert(text.into(), Fact::Text(text.into()))),
        ];
        for set in set {
            let mut entry = full();
            set(&mut entry, text);
            let bytes = entry.to_bytes().unwrap();
            assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)), "{text:?}");
            assert_eq!(Entry::parse(&bytes).unwrap(), entry);
        }
    }
    let mut entry = full();
    entry.actor.id = "x".repeat(1 << 20);
    assert!(matches!(entry.to_bytes(), Err(Error::EntryTooLong { .. })));
}

#[test]
fn an_entry_has_one_form() {
    let bytes = full().to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let pairs = [
        ("{\"act\"", "{ \"act\""),
        ("\"seq\":12", "\"seq\":12.0"),
        ("\"seq\":12", "\"seq\":1.2e1"),
        ("\"seq\":12", "\"seq\":\"12\""),
        ("\"seq\":12", "\"seq\":-12"),
        ("\"seq\":12", "\"seq\":012"),
        ("\"seq\":12", "\"seq\":12,\"seq\":12"),
        ("\"seq\":12", "\"seq\":12,\"unknown\":1"),
        ("\"seq\":12,", ""),
        ("\"v\":1", "\"v\":2"),
        ("\"steps\":50", "\"steps\":50,\"steps\":50"),
        ("\"steps\":50", "\"steps\":5e1"),
        ("\"steps\":50", "\"steps\":null"),
        ("\"q\":\"0.01\",\"steps\":50", "\"steps\":50,\"q\":\"0.01\""),
        ("dataset.read", "\\u0064ataset.read"),
        ("dataset.read", "dataset\\/read"),
        ("dataset.read", "dataset\u{e9}"),
        ("dataset.read", "dataset\u{7f}"),
        ("dataset.read", "dataset\n"),
        ("dataset.read", "dataset\\u000A"),
        ("dataset.read", "dataset\\u000a"),
        ("dataset.read", "dataset\\u00E9"),
        ("dataset.read", "dataset\\ud800"),
        ("\"phase\":\"outcome\"", "\"phase\":\"Outcome\""),
        ("\"phase\":\"outcome\"", "\"phase\":\"intent\""),
        ("\"result\":\"ok\",", ""),
        ("\"type\":\"user\"", "\"type\":\"root\""),
        ("2026-11-18T11:06:40.001Z", "2026-11-18T09:46:40.001z"),
        ("\"purpose\":\"support\",", "\"purpose\":null,"),
        ("0101", "010G"),
        ("00000007", "0000000l"),
    ];
    for (from, to) in pairs {
        assert!(text.contains(from), "{from}");
        assert!(Entry::parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    let swapped = text.replacen("\"id\":\"d1\",\"type\":\"dataset\"", "\"type\":\"dataset\",\"id\":\"d1\"", 1);
    assert!(swapped != text && Entry::parse(swapped.as_bytes()).is_err());
    for behind in [" ", "\n", "{}", "\0"] {
        assert!(Entry::parse(format!("{text}{behind}").as_bytes()).is_err());
    }
    for at in 0..bytes.len() {
        assert!(Entry::parse(&bytes[..at]).is_err());
    }
    assert!(Entry::parse(&vec![b' '; ENTRY_BYTES + 1]).is_err());
    assert!(Entry::parse("[".repeat(ENTRY_BYTES).as_bytes()).is_err());
}
