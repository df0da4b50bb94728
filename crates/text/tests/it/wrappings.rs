//! What is found inside encodings is replaced so that nothing of it stays, however the output is decoded.

use cloister_text::{Columns, Detector, Profile, Replacer, Scope, SurrogateKey, protect, read_from};
use serde_json::{Value, json};

use crate::detector;

/// Values, each with words around it that say what it is, and the parts of it that must not stay.
const VALUES: &[(&str, &[&str])] = &[
    ("mail to zq.ruizova@quintacorp.com please", &["ruizova", "quintacorp"]),
    ("my ssn is 536-22-1834, she said", &["536-22", "1834"]),
    ("card 4556 7375 8689 9855 of mine", &["4556", "7375", "8689", "9855"]),
    ("iban DE89 3704 0044 0532 0130 00 it is", &["3704 0044", "0532 0130"]),
    ("call me: phone +1 (212) 736-5014", &["736-5014", "5014"]),
    ("server ip 10.77.203.41 was down", &["10.77", "203.41"]),
    ("password: hunterZq77xw is mine", &["hunterZq77xw", "Zq77"]),
    ("see https://zara:s3cretQz9@quintacorp.com/in?u=zara81 for it", &["s3cretQz9", "quintacorp", "zara"]),
];

pub(crate) fn base64(text: &str, url: bool, pad: bool) -> String {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut result = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for n in 0..4 {
            if n <= chunk.len() {
                let sign = char::from(STANDARD[(bits >> (18 - 6 * n) & 63) as usize]);
                result.push(match sign {
                    '+' if url => '-',
                    '/' if url => '_',
                    sign => sign,
                });
            } else if pad {
                result.push('=');
            }
        }
    }
    result
}

/// Every run of base64 that is text, decoded from each of the four places where a group can begin.
fn base64_decoded(text: &str) -> Vec<String> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let joined = text.replace(['\r', '\n'], "");
    let runs = joined.split(|c: char| !c.is_ascii() || value(c as u8).is_none()).filter(|run| run.len() >= 6);
    let mut found = Vec::new();
    for run in runs {
        for skip in 0..4 {
            let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
            for sign in run.bytes().skip(skip).filter_map(value) {
                bits = bits << 6 | u32::from(sign);
                held += 6;
                if held >= 8 {
                    held -= 8;
                    bytes.push((bits >> held) as u8);
                }
            }
            // What is no text says nothing, and would make the readings many.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').count() * 10 >= text.chars().count() * 8 {
                found.push(text);
            }
        }
    }
    found
}

fn percent(text: &str, all: bool) -> String {
    let plain = |byte: u8| !all && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let piece = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(piece).collect()
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        (bytes, rest) = match (byte, code) {
            (b'%', Some(code)) => ([bytes, vec![code]].concat(), &after[2..]),
            _ => ([bytes, vec![*byte]].concat(), after),
        };
    }
    String::from_utf8_lossy(&bytes).replace('+', " ")
}

fn json_string(text: &str, escape_signs: bool) -> String {
    let inner = json!(text).to_string();
    let inner = &inner[1..inner.len() - 1];
    if escape_signs {
        inner.replace('@', "\\u0040").replace('-', "\\u002d").replace(' ', "\\u0020")
    } else {
        inner.into()
    }
}

pub(crate) fn json_decoded(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\\') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let code = after.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex.get(..4)?, 16).ok());
        let (sign, used) = match (code.and_then(char::from_u32), after.chars().next()) {
            (Some(sign), _) => (sign, 5),
            (None, Some('n')) => ('\n', 1),
            (None, Some(sign)) => (sign, sign.len_utf8()),
            (None, None) => break,
        };
        result.push(sign);
        rest = &after[used..];
    }
    result + rest
}

fn entities(text: &str, hex: bool) -> String {
    let piece = |c: char| match (c.is_ascii_punctuation(), hex) {
        (true, true) => format!("&#x{:x};", c as u32),
        (true, false) => format!("&#{};", c as u32),
        _ => c.to_string(),
    };
    text.chars().map(piece).collect()
}

pub(crate) fn entities_decoded(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("&#") {
        result.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after.find(';').filter(|end| *end < 8);
        let code = end.and_then(|end| match after[..end].strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => after[..end].parse().ok(),
        });
        match (end, code.and_then(char::from_u32)) {
            (Some(end), Some(sign)) => {
                result.push(sign);
                rest = &after[end + 1..];
            }
            _ => {
                result.push_str("&#");
                rest = after;
            }
        }
    }
    (result + rest).replace("&amp;", "&")
}

/// Quoted-printable behind a word with an accent, with every sign as a code or only those that must be, in lines of `width`.
pub(crate) fn quoted(text: &str, all: bool, width: usize) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || !all && matches!(byte, b' '..=b'~') && byte != b'=';
    let pieces =
        text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("={byte:02X}") });
    let (mut lines, mut length) = (String::from("Voil=C3=A0: "), 12);
    for piece in pieces {
        if length + piece.len() >= width {
            lines.push_str("=\r\n");
            length = 0;
        }
        length += piece.len();
        lines.push_str(&piece);
    }
    lines
}

pub(crate) fn quoted_decoded(text: &str) -> String {
    let joined = text.replace("=\r\n", "").replace("=\n", "");
    percent_decoded(&joined.replace('+', "%2B").replace('=', "%"))
}

/// The text and everything that it is when decoded, up to four layers deep.
fn readings(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    let mut last = all.clone();
    for _ in 0..3 {
        let mut next = Vec::new();
        for text in &last {
            next.extend([percent_decoded(text), json_decoded(text), entities_decoded(text), quoted_decoded(text)]);
            next.extend(base64_decoded(text));
        }
        next.retain(|new| !all.contains(new) && new.len() > 3);
        next.sort();
        next.dedup();
        all.extend(next.iter().cloned());
        last = next;
    }
    all
}

/// Ways to wrap a text, each with what stands around it.
fn wrapped(text: &str) -> Vec<String> {
    let base = base64(text, false, true);
    let lines: Vec<String> = base64(&format!("{text} {}", "and so on ".repeat(12)), false, true)
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let object = json!({"note": text, "n": 1}).to_string();
    vec![
        format!("blob {base} end"),
        format!("blob {} end", base64(text, true, false)),
        format!("\n{}\n", lines.join("\r\n")),
        format!("data:text/plain;base64,{base}"),
        format!("https://example.org/cb?state={}&next=1", base64(&object, true, false)),
        format!("https://example.org/cb?state={}&next=1", percent(&base, false)),
        format!("{}.{}.c2lnbmF0dXJl", base64(r#"{"alg":"HS256"}"#, true, false), base64(&object, true, false)),
        format!("said: {}", percent(text, false)),
        format!("said: {}", percent(text, true)),
        format!("said: {}", percent(&percent(text, false), false)),
        format!("https://example.org/r?note={}&next=1", percent(text, false)),
        format!("https://example.org/r?note={}&next=1", percent(text, false).replace("%20", "+")),
        format!("/r?a=1&note={}#top", percent(text, false)),
        format!("body: {{\\\"note\\\":\\\"{}\\\"}}", json_string(text, true).replace('\\', "\\\\")),
        format!("body: {}", json!({"note": text, "inner": object})),
        format!("body: {{\"note\":\"{}\"}}", json_string(text, true)),
        format!("<p>{}</p>", entities(text, false)),
        format!("<p>{}</p>", entities(text, true)),
        format!("<p>{}</p>", entities(text, false).replace('&', "&amp;")),
        format!("blob {} end", base64(&object, false, true)),
        format!("blob {} end", base64(&base, false, true)),
        format!("blob {} end", base64(&percent(text, false), false, true)),
        format!("<a href=\"https://example.org/r?note={}&amp;k=1\">x</a>", percent(text, false)),
        quoted(text, false, 76),
        quoted(text, true, 76),
        quoted(text, false, 24),
        quoted(text, true, 20),
    ]
}

pub(crate) fn protected(detector: &Detector, text: &str, profile: Profile) -> (String, usize) {
    let line = json!({"id": "r1", "text": text}).to_string();
    let mut data = read_from(line.as_bytes(), &Columns::default()).ok().unwrap();
    let replacer = Replacer::new(SurrogateKey::from_bytes([5; 32]), profile, Scope::Dataset);
    let report = protect(&mut data, detector, &replacer);
    let record: Value = serde_json::from_str(&data.records[0].to_json_line()).unwrap();
    (record["text"].as_str().unwrap().to_owned(), report.residual_total())
}

#[test]
fn nothing_of_a_wrapped_value_stays() {
    let (detector, mut wrong) = (detector(), Vec::new());
    for (text, parts) in VALUES {
        for wrapped in wrapped(text) {
            assert!(readings(&wrapped).iter().any(|reading| reading.contains(parts[0])), "{wrapped}");
            for profile in Profile::ALL {
                let (new, residual) = protected(&detector, &wrapped, profile);
                let readings = readings(&new);
                let stays = parts.iter().find(|part| readings.iter().any(|reading| reading.contains(**part)));
                if let Some(part) = stays {
                    wrong.push(format!("{profile}: {part:?} of {wrapped:?} in {new:?}"));
                } else if residual > 0 {
                    wrong.push(format!("{profile}: {residual} residual in {new:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// URLs with a user and a password: what stays is a URL, and the parts of it that must go.
#[test]
fn nothing_of_a_user_in_a_url_stays() {
    let cases: &[(&str, &[&str])] = &[
        ("https://zara.quint:S3cretQz9@quintacorp.com/path", &["zara", "quint", "S3cretQz9"]),
        ("https://zara:S3cretQz9@quintacorp.com:8443/a/zara81?x=1#f", &["zara", "S3cretQz9", "quintacorp"]),
        ("http://zara:p%40ssQz9@10.4.3.21/x", &["zara", "ssQz9", "10.4.3"]),
        ("https://zara:@quintacorp.com/", &["zara", "quintacorp"]),
        ("https://zara@quintacorp.com/", &["zara", "quintacorp"]),
        ("https://:S3cretQz9@quintacorp.com/", &["S3cretQz9", "quintacorp"]),
        ("ftp://zara:S3cretQz9@files.quintacorp.com/zara.csv", &["zara", "S3cretQz9", "quintacorp"]),
        ("https://zara:a:b@quintacorp.com/", &["zara", "a:b", "quintacorp"]),
        ("https://zara:S3c@retQz9@quintacorp.com/", &["zara", "S3c", "retQz9", "quintacorp"]),
        ("https://zara:S3c/retQz9@quintacorp.com/", &["zara", "S3c", "retQz9", "quintacorp"]),
        ("https://zara:S3cretQz9@localhost:3000/x", &["zara", "S3cretQz9"]),
        ("https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/zaraquint/repo.git", &["ghp_16C7", "zaraquint"]),
        ("postgres://zara:S3cretQz9@db.quintacorp.com:5432/app", &["zara", "S3cretQz9", "quintacorp"]),
        ("mongodb+srv://zara:S3cretQz9@c0.quintacorp.net/app?w=1", &["zara", "S3cretQz9", "quintacorp"]),
        ("redis://:S3cretQz9@cache.quintacorp.com:6379/0", &["S3cretQz9", "quintacorp"]),
        (
            "https://q.example.org/login?next=https%3A%2F%2Fzara%3AS3cretQz9%40quintacorp.com",
            &["S3cretQz9", "quintacorp"],
        ),
        ("HTTPS://ZARA:S3CRETQZ9@QUINTACORP.COM", &["ZARA", "S3CRETQZ9", "QUINTACORP"]),
        ("https://z%61ra:S3cret%51z9@quinta%63orp.com/", &["zara", "S3cretQz9", "quintacorp"]),
    ];
    let (detector, mut wrong) = (detector(), Vec::new());
    for (url, parts) in cases {
        for around in ["see {} for it", "<{}>", "git clone {}", "url=\"{}\"", "{}"] {
            let text = around.replace("{}", url);
            for profile in Profile::ALL {
                let (new, residual) = protected(&detector, &text, profile);
                let readings = readings(&new);
                if let Some(part) = parts.iter().find(|part| readings.iter().any(|reading| reading.contains(**part))) {
                    wrong.push(format!("{profile}: {part:?} of {text:?} in {new:?}"));
                } else if residual > 0 {
                    wrong.push(format!("{profile}: {residual} residual in {new:?}"));
                } else if profile == Profile::Surrogate {
                    let scheme = &url[..=url.find(':').unwrap()];
                    if !new.contains(&format!("{scheme}//")) || new.contains("//@") {
                        wrong.push(format!("no URL any more: {text:?} in {new:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Spans of odd texts cut no code for a character, and what stands in their place breaks none.
#[test]
fn no_span_cuts_a_code() {
    let detector = detector();
    let codes = ["%20", "%C3%A9", "%2F", "\\/", "\\u00e9", "\\u0026", "&amp;", "&#233;", "=C3=A9", "=\n"];
    let texts = [
        r"https:\/\/quintacorp.com\/a%20b%20c\/zara.pdf",
        r"see https:\/\/quintacorp.com\/zara%20quint?u=zara%40quintacorp.com\u0026k=1 now",
        "https://quintacorp.com/zara%20quint?mail=zara@quintacorp.com&amp;next=%2Fhome%20page",
        "%20415-555-0132%20",
        "phone%3A%204155550132%0A",
        "Voil=C3=A0: Jos=C3=A9 Mu=C3=B1oz, jos=\ne.munoz@quintacorp.com, jos=C3=\n=A9",
        "zara&#64;quintacorp&period;com&amp;zara",
        "\\\\u0041na Ruiz \\u0041na",
    ];
    for text in texts {
        for span in detector.detect(text) {
            for code in codes {
                for (at, _) in text.match_indices(code) {
                    let cuts = |border: usize| at < border && border < at + code.len();
                    assert!(!cuts(span.start) && !cuts(span.end), "{code:?} in {:?}", &text[span.start..span.end]);
                }
            }
        }
    }
    let whole = r"https:\/\/quintacorp.com\/a%20b%20c\/zara.pdf";
    let found: Vec<_> = detector.detect(whole).iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(found, [(0, whole.len())]);
}

#[test]
fn encryption_in_form_leaves_percent_codes_whole() {
    let policy = cloister_text::Policy::of(Profile::Surrogate).changed_by("[entity.URL]\naction = \"fpe\"").unwrap();
    let replacer = Replacer::by_policy(SurrogateKey::from_bytes([5; 32]), policy);
    let url = "https://quintacorp.com/a%20b/%7Ezara%2F81?x=%41na%C3%A9";
    let span =
        cloister_text::Span { start: 0, end: url.len(), label: cloister_text::Label::URL, score: 1.0, kind: None };
    let new = replacer.replace(&Default::default(), url, &[span]).text;
    for code in ["%20", "%7E", "%2F", "%C3%A9"] {
        assert_eq!(new.matches(code).count(), 1, "{new}");
    }
    assert!(!new.contains("%41") && !new.contains("zara") && !new.contains("quintacorp"), "{new}");
}

/// An address in words and the same in signs are one, and each is replaced as it is written.
#[test]
fn spelled_addresses_give_spelled_ones() {
    let text = "write zara dot ruizova at quintacorp dot com, that is zara.ruizova@quintacorp.com";
    let (new, residual) = protected(&detector(), text, Profile::Surrogate);
    assert_eq!(residual, 0, "{new}");
    let (spelled, plain) = new.strip_prefix("write ").unwrap().split_once(", that is ").unwrap();
    assert_eq!(spelled.replace(" dot ", ".").replace(" at ", "@"), plain, "{new}");
    assert!(spelled.contains(" dot example dot ") && !new.contains("ruizova"), "{new}");
}
