//! Values assigned to names like `password`, `api_key` or `username`.
//!
//! Invariant: a value is read up to a fixed limit; one that is code, a placeholder or one of our own replacements is
//! no candidate.
//! Sources: the names are those of configuration files and of the languages that the product reads; RFC 6750 (Bearer),
//! RFC 7617 (Basic).

use std::ops::Range;

use super::super::edge::word_after;
use super::super::view::View;
use super::super::{Label, Span};
use super::credential;
use super::placeholder::{entropy, is_placeholder};

const VALUE_LIMIT: usize = 160;

/// What a name before `:` or `=` says about the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Password,
    Key,
    Pin,
    /// What a bank asks for to know a customer again: any word.
    Answer,
    /// `Bearer`, followed by a space.
    Header,
    /// `Basic`, followed by a space and `user:password` in base64.
    Basic,
    /// Name of an account.
    User,
    /// Name of an account of a network: many other things are said of one.
    Network,
}

pub(super) const NAMES: &[(Named, &[&str])] = &[
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
            "hasło",
            "heslo",
            "salasana",
            "mot_de_passe",
            "mdp",
            "contrasena",
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
            "shared_secret",
            "consumer_secret",
            "app_secret",
            "appsecret",
            "bot_token",
            "id_token",
            "session_token",
            "sessionid",
            "session_id",
            "sharedaccesskey",
            "sharedaccesssignature",
            "&sig",
            "?sig",
            "x-amz-signature",
            "jwt_secret",
            "secret_key_base",
            "master_key",
            "_auth",
            "_authtoken",
            "presharedkey",
        ],
    ),
    (
        Named::Pin,
        &["pin", "pin code", "pincode", "otp", "verification code", "security code", "cvv", "cvv2", "cvc", "cvc2"],
    ),
    (
        Named::Answer,
        &[
            "memorable word",
            "memorable place",
            "memorable answer",
            "security answer",
            "secret answer",
            "security word",
            "secret word",
        ],
    ),
    (Named::Header, &["authorization: bearer", "bearer"]),
    (Named::Basic, &["authorization: basic", "basic"]),
    (
        Named::User,
        &[
            "username",
            "user name",
            "user_name",
            "user-name",
            "userid",
            "user id",
            "user_id",
            "screen name",
            "screen_name",
            "screenname",
            "nickname",
            "my handle",
            "twitter handle",
            "instagram handle",
            "github handle",
            "discord handle",
            "telegram handle",
            "tiktok handle",
            "gamertag",
            "login",
            "login name",
            "account name",
            "logged in as",
            "usuario",
            "nombre de usuario",
            "benutzername",
            "benutzerkennung",
            "identifiant",
            "nom d'utilisateur",
            "nome utente",
            "nome de usuário",
            "usuário",
            "gebruikersnaam",
        ],
    ),
    (
        Named::Network,
        &[
            "insta",
            "instagram",
            "snap",
            "snapchat",
            "twitter",
            "tiktok",
            "discord",
            "telegram",
            "skype",
            "kik",
            "twitch",
            "reddit",
            "steam",
            "xbox",
            "psn",
            "venmo",
            "cash app",
            "cashapp",
        ],
    ),
];

/// The value that follows a name such as `password`.
pub(super) fn value_of(view: &View<'_>, start: usize, end: usize, named: Named) -> Option<Span> {
    let (first, before) = (view.bytes[start], view.before(start));
    let camel = first.is_ascii_uppercase() && before.is_ascii_lowercase();
    if (before.is_ascii_alphabetic() || before >= 0x80) && !camel {
        return None;
    }
    let parameter = matches!(before, b'?' | b'&') || matches!(first, b'?' | b'&');
    let (value, score) = match separator(view, end, named) {
        Some((from, sign)) => {
            let (value, quoted) = value(view, from, parameter)?;
            let text = &view.text[value.clone()];
            if !quoted && is_type(text, view, start) {
                return None;
            }
            (value, judge(text, named, sign, quoted)?)
        }
        None if named == Named::Password => beside(view, start, end)?,
        None if named == Named::Pin => code_behind(view, start, end)?,
        None if named == Named::User => account_behind(view, start, end)?,
        None => return None,
    };
    let kind = match named {
        Named::Password | Named::Answer => "password",
        Named::Pin => "pin",
        Named::Key | Named::Header => "token",
        Named::Basic => "basic-auth",
        Named::User | Named::Network => return Some(Span::new(value.start, value.end, Label::USERNAME, score)),
    };
    Some(credential(value.start, value.end, score, kind))
}

/// Whether a value is the type in a declaration of a program: `pub password: CFStringRef`, `pwd: *mut passwd`.
fn is_type(value: &str, view: &View<'_>, name: usize) -> bool {
    const DECLARATIONS: [&[u8]; 9] =
        [b"fn ", b"pub ", b"const ", b"static ", b"let ", b"var ", b"def ", b"(&self", b"func "];
    if value.starts_with(['&', '*', ':']) || value.contains("::") {
        return true;
    }
    let line = view.bytes[name.saturating_sub(80)..name].rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let word = value.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') || value.starts_with("__");
    word && DECLARATIONS.iter().any(|mark| memchr::memmem::find(line, mark).is_some())
}

/// A password told in words: "the password to X", "the password X", "X as my password".
fn beside(view: &View<'_>, start: usize, end: usize) -> Option<(Range<usize>, f32)> {
    let mixed = |range: &Range<usize>| {
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

/// The code on the back of a card without a sign before it: "exp 12/27 cvv 123".
fn code_behind(view: &View<'_>, start: usize, end: usize) -> Option<(Range<usize>, f32)> {
    let of_card = matches!(view.bytes[start..end].to_ascii_lowercase().as_slice(), b"cvv" | b"cvv2" | b"cvc" | b"cvc2");
    let rest = view.bytes[end..].strip_prefix(b" ").filter(|_| of_card)?;
    let digits = rest.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let found = end + 1..end + 1 + digits;
    ((3..=4).contains(&digits) && !word_after(view.text, found.end)).then_some((found, 0.55))
}

/// The name of an account without a sign before it: "username jess_w99". A word alone would be prose, and much that looks made
/// up stands behind "login".
fn account_behind(view: &View<'_>, start: usize, end: usize) -> Option<(Range<usize>, f32)> {
    if view.bytes.get(end) != Some(&b' ') || view.bytes[start..end].eq_ignore_ascii_case(b"login") {
        return None;
    }
    let (found, quoted) = value(view, end + 1, false)?;
    let text = &view.text[found.clone()];
    let made_up = text.len() > 4 && text.contains(|c: char| c.is_ascii_digit() || c == '_');
    let score = user_name(text, false, quoted).filter(|_| made_up)?;
    Some((found, score))
}

/// Where the value starts after the name's end, and whether a sign (not the word "is") stood between.
fn separator(view: &View<'_>, end: usize, named: Named) -> Option<(usize, bool)> {
    let mut at = end;
    if matches!(named, Named::Header | Named::Basic) {
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
            // A comparison, or a path of a program such as `Pass::new`.
            if sign == "==" || (sign == ":" && view.at(at + 1) == b':') {
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
fn value(view: &View<'_>, from: usize, parameter: bool) -> Option<(Range<usize>, bool)> {
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
    if named == Named::User {
        return user_name(text, sign, quoted);
    }
    if named == Named::Network {
        return user_name(text, sign, quoted).filter(|score| *score > 0.5 && letters > 2);
    }
    if is_placeholder(text) || length < 4 {
        return (named == Named::Pin && length == 3 && digits == 3).then_some(0.55);
    }
    // Code, not a value: calls, member access, paths in a template.
    let code = !quoted && (text.contains(['(', '{', '[', '<']) || text.starts_with('$'));
    let member = digits == 0 && text.contains('.') && letters + text.matches(['.', '_']).count() == length;
    match named {
        _ if code || member => None,
        Named::Answer => (letters > 2).then_some(if sign || quoted { 0.7 } else { 0.55 }),
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
        Named::Basic => decodes_to_pair(text).then_some(0.9),
        Named::User | Named::Network => None,
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

/// Whether a value that is assigned to the name of an account can be one.
pub(in crate::detect) fn is_account_name(text: &str) -> bool {
    user_name(text, true, true).is_some()
}

/// How much a value looks like the name of an account.
fn user_name(text: &str, sign: bool, quoted: bool) -> Option<f32> {
    const SHARED: &[&str] = &["admin", "administrator", "root", "guest", "name", "login", "and", "the", "not", "for"];
    let name = text.strip_prefix('@').unwrap_or(text);
    let lower = name.to_ascii_lowercase();
    let shaped = (3..=40).contains(&name.len())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
        && name.chars().any(char::is_alphabetic);
    if !shaped || is_placeholder(text) || SHARED.contains(&lower.as_str()) {
        return None;
    }
    // A call or a member of a program is one word of letters and dots.
    let member = !quoted && name.contains('.') && !name.contains(|c: char| c.is_ascii_digit());
    let made_up = name.contains(|c: char| c.is_ascii_digit() || c == '_') || name.contains('.');
    Some(match () {
        () if member => 0.3,
        () if made_up => {
            if sign || quoted {
                0.75
            } else {
                0.6
            }
        }
        () if sign || quoted => 0.5,
        () => 0.2,
    })
}

/// Whether base64 text holds printable characters with a colon among them.
fn decodes_to_pair(text: &str) -> bool {
    let mut bits = 0u32;
    let mut held = 0;
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held & 0xFF) as u8);
        }
    }
    decoded.len() > 4 && decoded[1..].contains(&b':') && decoded.iter().all(|byte| *byte >= b' ' && *byte != 0x7F)
}
