//! Every rule finds a token of its form, and no near miss.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::detect::{Detector, DetectorOptions, Label};

fn found(text: &str) -> Vec<(&str, &'static str)> {
    let detector = Detector::new(&DetectorOptions::default()).unwrap();
    let spans = detector.detect(text);
    let secrets = spans.iter().filter(|span| span.label == Label::CREDENTIAL);
    secrets.map(|span| (&text[span.start..span.end], span.kind.unwrap_or(""))).collect()
}

#[test]
fn vendor_keys() {
    // The tokens are put together here so that no scanner takes this file for a leak.
    let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0";
    for (prefix, length, kind) in [
        ("ghp_", 36, "github-token"),
        ("glpat-", 20, "gitlab-token"),
        ("sk_live_", 24, "stripe-key"),
        ("AIza", 35, "google-api-key"),
        ("sk-", 40, "sk-api-key"),
        ("xoxb-", 30, "slack-token"),
    ] {
        let token = format!("{prefix}{}", &body[..length]);
        assert_eq!(found(&format!("use {token}, please")), [(token.as_str(), kind)]);
        assert_eq!(found(&format!("x{token}")), [], "{prefix}");
    }
    let aws = format!("{}{}", "AKIA", "QWERTYUIOPASDFGH");
    assert_eq!(found(&aws), [(aws.as_str(), "aws-access-key")]);
    assert_eq!(found("AKIAIOSFODNN7EXAMPLE"), []);
    assert_eq!(found("task-oriented-dialogue-systems-are-nice"), []);
}

#[test]
fn private_keys_and_tokens() {
    let pem = format!("-----BEGIN {}RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----", "");
    assert_eq!(found(&format!("key:\n{pem}\nend")), [(pem.as_str(), "private-key")]);
    assert_eq!(found("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"), []);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r";
    assert_eq!(found(jwt), [(jwt, "jwt")]);
}

#[test]
fn connection_strings() {
    assert_eq!(
        found("db postgres://ana:s3cr3t@db.corp.com:5432/app ok"),
        [("postgres://ana:s3cr3t@db.corp.com:5432/app", "connection-string")]
    );
    assert_eq!(found("postgres://user:<password>@host/db"), []);
    assert_eq!(found("https://host:8080/path"), []);
}

#[test]
fn assigned_values() {
    assert_eq!(found("Memorable word: dragonfruit"), [("dragonfruit", "password")]);
    assert_eq!(found("password: hunter2."), [("hunter2", "password")]);
    assert_eq!(found("my password is Tr0ub4dor&3"), [("Tr0ub4dor&3", "password")]);
    assert_eq!(found("I typed quartz!3804 as the password."), [("quartz!3804", "password")]);
    assert_eq!(found("set the password to tundra%Pixel77 today"), [("tundra%Pixel77", "password")]);
    assert_eq!(found("/login?password=abc123&next=1"), [("abc123", "password")]);
    assert_eq!(found("DB_PASSWORD=\"correct horse 9\""), [("correct horse 9", "password")]);
    assert_eq!(
        found("{\"api_key\": \"9f86d081884c7d659a2feaa0c55ad015\"}"),
        [("9f86d081884c7d659a2feaa0c55ad015", "token")]
    );
    for none in [
        "password: <password>",
        "the password is wrong",
        "password = get_password()",
        "token: string",
        "password: ********",
        "password == other1",
        "api_key = settings.api_key",
        "secret santa",
        "the password reset 2 days ago",
        "pass 12345 on",
        "I know it as the password manager",
        "pub use self::RenderPass::LoadAction1;",
        "pub password: CFStringRef,",
        "fn log_in(user: &str, password: &str)",
        "pwd: *mut passwd",
        "password: libc::passwd2",
    ] {
        assert_eq!(found(none), [], "{none}");
    }
}

/// A token of a rule: what stands before the literal, the literal, what stands behind it.
fn token(rule: &super::Rule, literal: &str, longest: bool, seed: u64) -> String {
    let part = |pattern, seed| super::pattern::tests::sample(pattern, longest, seed);
    format!("{}{literal}{}", part(rule.before, seed), part(rule.body, seed + 1))
}

/// Every credential among the candidates.
fn all(detector: &Detector, text: &str) -> Vec<(usize, usize, &'static str)> {
    let spans = detector.candidates(text);
    let secrets = spans.iter().filter(|span| span.label == Label::CREDENTIAL);
    secrets.map(|span| (span.start, span.end, span.kind.unwrap_or(""))).collect()
}

#[test]
fn every_rule_finds_its_tokens() {
    let detector = Detector::new(&DetectorOptions::default()).unwrap();
    for rule in super::RULES {
        for literal in rule.literals {
            for (seed, longest) in [(1, false), (2, true), (3, false), (4, true)] {
                let token = token(rule, literal, longest, seed);
                for (text, at) in [
                    (format!("use {token}, please"), 4),
                    (format!("{{\"k\":\"{token}\"}}"), 6),
                    (token.clone(), 0),
                    (format!("\u{201c}{token}\u{201d}"), 3),
                ] {
                    let found = all(&detector, &text);
                    let whole = found.iter().find(|(start, end, _)| *start <= at && *end >= at + token.len());
                    let whole = whole.unwrap_or_else(|| panic!("{}: {text} gave {found:?}", rule.kind));
                    // A format may also fit a more special one that was listed before it.
                    let alike = super::RULES
                        .iter()
                        .any(|other| other.kind == whole.2 && other.literals.iter().any(|l| token.contains(l)));
                    assert!(alike, "{}: found as {}", rule.kind, whole.2);
                }
            }
        }
    }
}

#[test]
fn near_misses_of_every_rule_are_not_of_its_kind() {
    let detector = Detector::new(&DetectorOptions::default()).unwrap();
    let of_kind = |text: &str, kind| all(&detector, text).iter().any(|found| found.2 == kind);
    for rule in super::RULES {
        for literal in rule.literals {
            let good = token(rule, literal, false, 5);
            // Glued to a word.
            if !literal.starts_with(|c: char| !c.is_alphanumeric()) {
                assert!(!of_kind(&format!("x{good}"), rule.kind), "{}: behind a letter", rule.kind);
            }
            // One character too few, of the part that the pattern asks for.
            if !rule.body.is_empty() && !rule.body.ends_with(|c: char| c != '}') {
                assert!(!of_kind(&good[..good.len() - 1], rule.kind), "{}: too short", rule.kind);
            }
            // A character that is in no alphabet, in the middle of the last run.
            if !rule.body.is_empty() {
                let mut broken = good.clone();
                broken.replace_range(good.len() - 2..good.len() - 1, " ");
                assert!(!of_kind(&broken, rule.kind), "{}: broken", rule.kind);
            }
            // All characters alike.
            let fill: String = good[good.find(literal).unwrap() + literal.len()..]
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { '0' } else { c })
                .collect();
            if fill.len() > 12 && rule.before.is_empty() && rule.entropy > 0.0 && !rule.body.contains("X") {
                assert!(!of_kind(&format!("{literal}{fill}"), rule.kind), "{}: constant", rule.kind);
            }
        }
    }
}

#[test]
fn many_vendors_are_known() {
    let kinds: std::collections::BTreeSet<&str> = super::RULES.iter().map(|rule| rule.kind).collect();
    let vendors: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.split('-').next().unwrap()).collect();
    assert!(kinds.len() > 120 && vendors.len() > 100, "{} kinds, {} vendors", kinds.len(), vendors.len());
}

#[test]
fn blocks_of_keys_in_every_armour() {
    // Put together here so that no scanner takes this file for a leak.
    for (dashes, what) in [
        ("-----", "PRIVATE KEY"),
        ("-----", "EC PRIVATE KEY"),
        ("-----", "OPENSSH PRIVATE KEY"),
        ("-----", "PGP PRIVATE KEY BLOCK"),
        ("---- ", "SSH2 ENCRYPTED PRIVATE KEY"),
    ] {
        let line = |side: &str| format!("{dashes}{side} {what}{}", dashes.chars().rev().collect::<String>());
        let (open, close) = (line("BEGIN"), line("END"));
        let block = format!("{open}\nVersion: 1\n\nMIIEow\nIBAAK=\n{close}");
        assert_eq!(found(&format!("key:\n{block}\nend")), [(block.as_str(), "private-key")]);
    }
    let cut = format!("-----BEGIN {} KEY-----\nMIIEow\nIBAAK", "RSA PRIVATE");
    assert_eq!(found(&cut), [(cut.as_str(), "private-key")]);
    let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\nAQID\nPrivate-MAC: ab12";
    assert_eq!(found(putty), [(putty, "private-key")]);
}

#[test]
fn authorities_and_headers() {
    let pair = "YW5hOnMzY3IzdA==";
    assert_eq!(found(&format!("Authorization: Basic {pair}")), [(pair, "basic-auth")]);
    assert_eq!(found("Authorization: Basic authentication"), []);
    assert_eq!(found("https://ana:s3cr3t@corp.com/x"), [("https://ana:s3cr3t@corp.com/x", "basic-auth-url")]);
    assert_eq!(found("redis://:s3cr3t@cache:6379"), [("redis://:s3cr3t@cache:6379", "connection-string")]);
    assert_eq!(found("curl -u ana:s3cr3t https://corp.com"), [("ana:s3cr3t", "basic-auth")]);
    for none in ["https://user:${PASS}@host/", "https://ana@corp.com/x", "sort -u a:bcd", "see http://a.b/c:d@e"] {
        assert_eq!(found(none), [], "{none}");
    }
}

#[test]
fn names_of_accounts() {
    let names = |text: &str| {
        let spans = Detector::new(&DetectorOptions::default()).unwrap().detect(text);
        let names = spans.iter().filter(|span| span.label == Label::USERNAME);
        names.map(|span| text[span.start..span.end].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("username: quiet_fox, please"), ["quiet_fox"]);
    assert_eq!(names("my user name is quietfox77."), ["quietfox77"]);
    assert_eq!(names("{\"username\": \"quietfox\"}"), ["quietfox"]);
    assert_eq!(names("Benutzername: q.fuchs7"), ["q.fuchs7"]);
    assert_eq!(names("add me, insta: quiet.fox77 or my snap is quiet_fox"), ["quiet.fox77", "quiet_fox"]);
    for none in
        ["snap: great", "discord is down", "twitter: 10.5", "steam: v1.2", "telegram: https://t.me/x", "instagram: yes"]
    {
        assert!(names(none).is_empty(), "{none}");
    }
    for none in
        ["username: string", "the username is wrong", "username = get_user()", "login: admin", "username: <USERNAME>"]
    {
        assert!(names(none).is_empty(), "{none}");
    }
}

#[test]
fn codes_on_the_back_of_cards() {
    for text in ["exp 12/27 cvv 123", "CVC: 123", "the cvv2 is 123."] {
        assert_eq!(found(text), [("123", "pin")], "{text}");
    }
    for none in ["cvv 12", "cvc 12345", "the cvv 123abc", "pin 4 legs 123"] {
        assert_eq!(found(none), [], "{none}");
    }
}
