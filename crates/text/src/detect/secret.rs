//! Credentials: keys of known vendors, private keys, connection strings, and values assigned to names like `password`.
//!
//! Invariant: candidates start at literals found in one automaton pass each; what follows is read up to a fixed limit.
//! Sources: the vendors' published token formats (AWS IAM identifiers, GitHub, GitLab, Slack, Stripe, Google, SendGrid,
//! npm, PyPI, Hugging Face, DigitalOcean, Shopify, Atlassian, HashiCorp Vault), RFC 7519 (JWT), RFC 7468 (PEM),
//! RFC 3986 section 3.2.1 (user information in URIs).

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;

use super::network::url_end;
use super::view::{View, is_word_byte};
use super::{Label, Span};
use crate::error::{Error, Result};

const PEM_LIMIT: usize = 16 * 1024;
const VALUE_LIMIT: usize = 160;

/// Characters of a key after its prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    Alnum,
    UpperAlnum,
    Hex,
    /// Letters, digits, `_` and `-`.
    Url,
    /// [`Alphabet::Url`] and dots.
    Dotted,
    /// [`Alphabet::Url`] and slashes.
    Path,
}

/// A vendor's key: literal prefix, kind, alphabet, least and most characters after the prefix.
struct Vendor(&'static str, &'static str, Alphabet, usize, usize);

const VENDORS: &[Vendor] = &[
    Vendor("AKIA", "aws-access-key", Alphabet::UpperAlnum, 16, 16),
    Vendor("ASIA", "aws-access-key", Alphabet::UpperAlnum, 16, 16),
    Vendor("ABIA", "aws-access-key", Alphabet::UpperAlnum, 16, 16),
    Vendor("ACCA", "aws-access-key", Alphabet::UpperAlnum, 16, 16),
    Vendor("ghp_", "github-token", Alphabet::Alnum, 36, 255),
    Vendor("gho_", "github-token", Alphabet::Alnum, 36, 255),
    Vendor("ghu_", "github-token", Alphabet::Alnum, 36, 255),
    Vendor("ghs_", "github-token", Alphabet::Alnum, 36, 255),
    Vendor("ghr_", "github-token", Alphabet::Alnum, 36, 255),
    Vendor("github_pat_", "github-token", Alphabet::Url, 22, 255),
    Vendor("glpat-", "gitlab-token", Alphabet::Url, 20, 64),
    Vendor("xoxb-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("xoxp-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("xoxa-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("xoxr-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("xoxs-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("xapp-", "slack-token", Alphabet::Url, 10, 250),
    Vendor("https://hooks.slack.com/services/", "slack-webhook", Alphabet::Path, 20, 120),
    Vendor("sk_live_", "stripe-key", Alphabet::Alnum, 10, 247),
    Vendor("sk_test_", "stripe-key", Alphabet::Alnum, 10, 247),
    Vendor("rk_live_", "stripe-key", Alphabet::Alnum, 10, 247),
    Vendor("rk_test_", "stripe-key", Alphabet::Alnum, 10, 247),
    Vendor("whsec_", "stripe-key", Alphabet::Alnum, 24, 64),
    Vendor("AIza", "google-api-key", Alphabet::Url, 35, 35),
    Vendor("ya29.", "google-oauth-token", Alphabet::Dotted, 20, 512),
    Vendor("sk-", "sk-api-key", Alphabet::Url, 20, 256),
    Vendor("SG.", "sendgrid-key", Alphabet::Dotted, 60, 70),
    Vendor("npm_", "npm-token", Alphabet::Alnum, 36, 36),
    Vendor("pypi-AgE", "pypi-token", Alphabet::Url, 50, 512),
    Vendor("hf_", "huggingface-token", Alphabet::Alnum, 30, 40),
    Vendor("dop_v1_", "digitalocean-token", Alphabet::Hex, 64, 64),
    Vendor("shpat_", "shopify-token", Alphabet::Hex, 32, 32),
    Vendor("ATATT3", "atlassian-token", Alphabet::Url, 100, 256),
    Vendor("hvs.", "vault-token", Alphabet::Url, 24, 128),
    Vendor("AGE-SECRET-KEY-1", "age-key", Alphabet::UpperAlnum, 58, 58),
];

const JWT: &str = "eyJ";
const PEM: &str = "-----BEGIN ";
const AUTHORITY: &str = "://";

/// What a name before `:` or `=` says about the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Password,
    Key,
    Pin,
    /// `Bearer` and `Basic`, followed by a space.
    Header,
}

const NAMES: &[(Named, &[&str])] = &[
    (
        Named::Password,
        &[
            "password",
            "pass",
            "passwd",
            "passwort",
            "kennwort",
            "passphrase",
            "passcode",
            "pwd",
            "contraseña",
            "clave",
            "mot de passe",
            "senha",
            "parola",
            "wachtwoord",
            "lösenord",
        ],
    ),
    (
        Named::Key,
        &[
            "api_key",
            "api-key",
            "apikey",
            "api key",
            "access_key",
            "access key",
            "accesskey",
            "secret_key",
            "secret key",
            "secretkey",
            "secret_access_key",
            "secretaccesskey",
            "secret access key",
            "secret",
            "client_secret",
            "client secret",
            "clientsecret",
            "auth_token",
            "authtoken",
            "access_token",
            "access token",
            "accesstoken",
            "refresh_token",
            "token",
            "private_key",
            "privatekey",
            "encryption_key",
            "signing_key",
            "account_key",
            "accountkey",
            "credential",
            "webhook_secret",
        ],
    ),
    (Named::Pin, &["pin", "pin code", "pincode", "otp", "verification code", "security code", "cvv", "cvc"]),
    (Named::Header, &["authorization: bearer", "authorization: basic", "bearer"]),
];

/// The automata for credentials.
pub(crate) struct Secrets {
    prefixes: AhoCorasick,
    names: AhoCorasick,
    named: Vec<Named>,
}

impl Secrets {
    pub(crate) fn new() -> Result<Self> {
        let built = |built: Result<AhoCorasick, aho_corasick::BuildError>| {
            built.map_err(|source| Error::Detector { detector: "credentials", source: Box::new(source) })
        };
        let prefixes = VENDORS.iter().map(|vendor| vendor.0).chain([JWT, PEM, AUTHORITY]);
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest);
        let prefixes = built(builder.build(prefixes))?;
        let names = NAMES.iter().flat_map(|(_, names)| names.iter());
        let names = built(builder.ascii_case_insensitive(true).build(names))?;
        let named = NAMES.iter().flat_map(|(kind, names)| names.iter().map(|_| *kind)).collect();
        Ok(Self { prefixes, names, named })
    }

    pub(crate) fn find(&self, view: &View<'_>, out: &mut Vec<Span>) {
        let mut done = 0;
        for hit in self.prefixes.find_iter(view.text) {
            if hit.start() < done {
                continue;
            }
            let found = match hit.pattern().as_usize().checked_sub(VENDORS.len()) {
                None => vendor(view, hit.start(), &VENDORS[hit.pattern().as_usize()]),
                Some(0) => jwt(view, hit.start()),
                Some(1) => private_key(view, hit.start()),
                _ => connection_string(view, hit.start()),
            };
            if let Some(span) = found {
                done = span.end;
                out.push(span);
            }
        }
        for hit in self.names.find_iter(view.text) {
            out.extend(assigned(view, hit.start(), hit.end(), self.named[hit.pattern().as_usize()]));
        }
    }
}

fn credential(start: usize, end: usize, score: f32, kind: &'static str) -> Span {
    Span::new(start, end, Label::CREDENTIAL, score).of_kind(kind)
}

fn vendor(view: &View<'_>, start: usize, vendor: &Vendor) -> Option<Span> {
    let Vendor(prefix, kind, alphabet, least, most) = *vendor;
    if is_word_byte(view.before(start)) || matches!(view.before(start), b'_' | b'-') {
        return None;
    }
    let body = start + prefix.len();
    let length = run(view, body, most + 1, alphabet);
    let end = body + length;
    let token = &view.bytes[body..end];
    let fits =
        (least..=most).contains(&length) && !is_word_byte(view.at(end)) && !is_placeholder(&view.text[body..end]);
    // Behind `sk-` words with hyphens may stand.
    let random = prefix != "sk-" || (token.iter().any(u8::is_ascii_digit) && entropy(token) > 3.5);
    (fits && random).then(|| credential(start, end, 1.0, kind))
}

fn run(view: &View<'_>, from: usize, limit: usize, alphabet: Alphabet) -> usize {
    let inside = |b: u8| match alphabet {
        Alphabet::Alnum => b.is_ascii_alphanumeric(),
        Alphabet::UpperAlnum => b.is_ascii_uppercase() || b.is_ascii_digit(),
        Alphabet::Hex => b.is_ascii_hexdigit(),
        Alphabet::Url => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'),
        Alphabet::Dotted => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'),
        Alphabet::Path => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'),
    };
    let length = view.bytes[from..].iter().take(limit).take_while(|b| inside(**b)).count();
    let trailing = view.bytes[from..from + length].iter().rev().take_while(|b| matches!(b, b'.' | b'/')).count();
    length - trailing
}

/// Header and payload begin with `{"`, which is `eyJ` in base64.
fn jwt(view: &View<'_>, start: usize) -> Option<Span> {
    if is_word_byte(view.before(start)) {
        return None;
    }
    let end = start + run(view, start, 4096, Alphabet::Dotted);
    let parts: Vec<&str> = view.text[start..end].split('.').collect();
    let fits =
        matches!(parts.as_slice(), [head, body, ..] if head.len() > 12 && body.len() > 8 && body.starts_with(JWT));
    (fits && parts.len() <= 5).then(|| credential(start, end, 1.0, "jwt"))
}

fn private_key(view: &View<'_>, start: usize) -> Option<Span> {
    let limit = (start + PEM_LIMIT).min(view.bytes.len());
    let head = &view.bytes[start..limit.min(start + 64)];
    memmem::find(head, b"PRIVATE KEY")?;
    let block = &view.bytes[start..limit];
    let end = match memmem::find(block, b"-----END ") {
        Some(at) => {
            let rest = &block[at + 9..];
            start + at + 9 + memmem::find(&rest[..rest.len().min(64)], b"-----").map_or(rest.len().min(64), |n| n + 5)
        }
        // Cut off: as far as it looks like base64, with `\n` escapes.
        None => {
            let inside = |b: &&u8| b.is_ascii_alphanumeric() || b"+/=- \n\r\\".contains(b);
            start + block.iter().take_while(inside).count()
        }
    };
    let end = (start..=end.min(limit)).rev().find(|at| view.text.is_char_boundary(*at))?;
    Some(credential(start, end, 1.0, "private-key"))
}

/// `scheme://user:password@host`; `at` is where `://` stands.
fn connection_string(view: &View<'_>, at: usize) -> Option<Span> {
    let from = at.saturating_sub(24);
    let scheme =
        view.bytes[from..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
    let start = at - scheme;
    let authority = at + AUTHORITY.len();
    let rest = &view.bytes[authority..view.bytes.len().min(authority + 256)];
    let stop = rest.iter().position(|b| *b <= b' ' || b"/\"'<>`".contains(b)).unwrap_or(rest.len());
    let sign = rest[..stop].iter().rposition(|b| *b == b'@')?;
    let user = rest[..sign].iter().position(|b| *b == b':')?;
    let password = view.text.get(authority + user + 1..authority + sign)?;
    if scheme == 0 || password.is_empty() || is_placeholder(password) {
        return None;
    }
    let end = url_end(view, authority);
    (end > authority + sign).then(|| credential(start, end, 1.0, "connection-string"))
}

/// The value that follows a name such as `password`.
fn assigned(view: &View<'_>, start: usize, end: usize, named: Named) -> Option<Span> {
    let (first, before) = (view.bytes[start], view.before(start));
    let camel = first.is_ascii_uppercase() && before.is_ascii_lowercase();
    if (before.is_ascii_alphabetic() || before >= 0x80) && !camel {
        return None;
    }
    let parameter = matches!(before, b'?' | b'&');
    let (value, score) = match separator(view, end, named) {
        Some((from, sign)) => {
            let (value, quoted) = value(view, from, parameter)?;
            let score = judge(&view.text[value.clone()], named, sign, quoted)?;
            (value, score)
        }
        None if named == Named::Password => beside(view, start, end)?,
        None => return None,
    };
    let kind = match named {
        Named::Password => "password",
        Named::Pin => "pin",
        Named::Key | Named::Header => "token",
    };
    Some(credential(value.start, value.end, score, kind))
}

/// A password told in words: "the password to X", "the password X", "X as my password".
fn beside(view: &View<'_>, start: usize, end: usize) -> Option<(std::ops::Range<usize>, f32)> {
    let mixed = |range: &std::ops::Range<usize>| {
        let text = &view.text[range.clone()];
        let has = |class: fn(char) -> bool| usize::from(text.contains(class));
        let classes = has(char::is_lowercase)
            + has(char::is_uppercase)
            + has(|c| c.is_ascii_digit())
            + has(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '/' | ':'));
        text.len() > 5
            && classes > 2 - has(|c| c.is_ascii_digit()) * has(char::is_alphabetic)
            && text.contains(|c: char| c.is_ascii_digit())
    };
    for word in [" to ", " of ", " "] {
        if view.bytes[end..].starts_with(word.as_bytes())
            && let Some((found, _)) = value(view, end + word.len(), false)
            && mixed(&found)
            && !is_placeholder(&view.text[found.clone()])
        {
            return Some((found, 0.6));
        }
    }
    let before = &view.bytes[start.saturating_sub(VALUE_LIMIT)..start];
    let link = [" as the ", " as my ", " as a ", " as "].iter().find(|link| before.ends_with(link.as_bytes()))?;
    let stop = start - link.len();
    let length = view.bytes[start.saturating_sub(VALUE_LIMIT)..stop].iter().rev().take_while(|b| **b > b' ').count();
    let found = stop - length..stop;
    let sound = view.text.get(found.clone()).is_some_and(|text| !is_placeholder(text));
    (sound && mixed(&found)).then_some((found, 0.6))
}

/// Where the value starts after the name's end, and whether a sign (not the word "is") stood between.
fn separator(view: &View<'_>, end: usize, named: Named) -> Option<(usize, bool)> {
    let mut at = end;
    if named == Named::Header {
        return (view.at(at) == b' ').then_some((at + 1, true));
    }
    while at < end + 4 && matches!(view.at(at), b's' | b'"' | b'\'' | b']' | b'`' | b'*') && at < view.bytes.len() {
        at += 1;
    }
    let spaces = |from: usize| view.bytes[from..].iter().take(3).take_while(|b| matches!(b, b' ' | b'\t')).count();
    at += spaces(at);
    for (sign, is_sign) in
        [("=>", true), (":=", true), ("==", false), ("=", true), (":", true), ("is", false), ("was", false)]
    {
        if view.bytes[at..].starts_with(sign.as_bytes())
            && (is_sign || view.at(at + sign.len()) == b' ' || sign == "==")
        {
            if sign == "==" {
                return None;
            }
            at += sign.len();
            at += usize::from(!is_sign && view.at(at) == b':');
            at += spaces(at);
            at += usize::from(view.bytes[at..].starts_with(b"**")) * 2;
            return Some((at + spaces(at), is_sign));
        }
    }
    None
}

/// The range of a value, and whether quotes stood around it; `&` ends the value of a query parameter.
fn value(view: &View<'_>, from: usize, parameter: bool) -> Option<(std::ops::Range<usize>, bool)> {
    let rest = &view.bytes[from..view.bytes.len().min(from + VALUE_LIMIT)];
    let quote = rest.first().copied().filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    let (start, mut end) = match quote {
        Some(mark) => (from + 1, from + 1 + rest[1..].iter().position(|b| *b == mark || *b == b'\n')?),
        None => {
            let ends = |b: &u8| *b <= b' ' || b"\"'`,;<>)}]".contains(b) || (parameter && *b == b'&');
            let stop = rest.iter().position(ends);
            (from, from + stop.unwrap_or(rest.len()))
        }
    };
    while quote.is_none() && end > start && matches!(view.bytes[end - 1], b'.' | b':' | b'?' | b'\\') {
        end -= 1;
    }
    (end > start && view.text.get(start..end).is_some()).then_some((start..end, quote.is_some()))
}

/// How much a value looks like a secret; `None` where it does not.
fn judge(text: &str, named: Named, sign: bool, quoted: bool) -> Option<f32> {
    let length = text.chars().count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let symbols = length - digits - letters;
    if is_placeholder(text) || length < 4 {
        return (named == Named::Pin && length == 3 && digits == 3).then_some(0.55);
    }
    // Code, not a value: calls, member access, paths in a template.
    let code = !quoted && (text.contains(['(', '{', '[', '<']) || text.starts_with('$'));
    let member = digits == 0 && text.contains('.') && letters + text.matches(['.', '_']).count() == length;
    match named {
        _ if code || member => None,
        Named::Pin => (digits == length && length <= 8).then_some(0.6),
        Named::Password => {
            let mixed = digits > 0 || (symbols > 0 && letters > 0 && !text.contains(' '));
            let cased = text.chars().skip(1).any(char::is_uppercase) && text.chars().any(char::is_lowercase);
            match () {
                () if quoted && text.contains(' ') && digits == 0 => Some(0.4),
                () if mixed || cased => Some(if sign || quoted { 0.85 } else { 0.7 }),
                () if quoted && sign => Some(0.6),
                () if sign => Some(0.4),
                () => Some(0.15),
            }
        }
        Named::Key | Named::Header => {
            let bits = entropy(text.as_bytes());
            let random = length >= 16 && digits > 0 && bits > 3.2 && !text.contains(' ');
            match () {
                () if random && (sign || quoted) => Some(0.85),
                () if random => Some(0.7),
                () if digits > 0 && length >= 8 && letters > 0 && bits > 2.5 && !text.contains([' ', '/']) => {
                    Some(0.55)
                }
                () => None,
            }
        }
    }
}

/// Values that documentation puts where a secret belongs, and our own replacements.
fn is_placeholder(text: &str) -> bool {
    let lower = text.to_lowercase();
    let marks = [
        "example",
        "placeholder",
        "changeme",
        "change_me",
        "your_",
        "your-",
        "yourpass",
        "redacted",
        "xxxx",
        "****",
        "…",
        "....",
        "dummy",
    ];
    let whole = [
        "password",
        "passwd",
        "secret",
        "token",
        "null",
        "none",
        "true",
        "false",
        "string",
        "undefined",
        "required",
        "optional",
        "empty",
        "test",
        "pass",
        "credential",
    ];
    (lower.starts_with('<') && lower.ends_with('>'))
        || (lower.starts_with('<') && lower.contains("credential"))
        || lower.starts_with("${")
        || lower.starts_with("{{")
        || lower.starts_with("credential_")
        || lower.bytes().all(|b| matches!(b, b'*' | b'x' | b'.' | b'-' | b'_' | b'#'))
        || whole.contains(&lower.as_str())
        || marks.iter().any(|mark| lower.contains(mark))
}

/// Shannon entropy in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
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
        let pem = format!("{}RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----", super::PEM);
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
        ] {
            assert_eq!(found(none), [], "{none}");
        }
    }
}
