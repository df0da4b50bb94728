//! One pass over a text: words and numbers with their shape, and where context words stand.
//!
//! Invariant: tokens are sorted, do not overlap, and lie on character boundaries.

use std::cell::{Cell, OnceCell};

use super::literals::Literals;
use super::names::{self, Known};

/// How a token is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All lower case.
    Lower,
    /// Begins with a capital; other letters mixed or lower (`Ana`, `McKay`, `O'Neil`).
    Title,
    /// Two or more letters, all capitals.
    Upper,
    /// One capital letter.
    Initial,
    /// Lower case first, a capital later (`iPhone`).
    Mixed,
    /// Letters of a script without case.
    Uncased,
    /// Digits only.
    Number,
    /// Letters and digits together (`5th`, `Q4`).
    Code,
}

/// A word or a number.
#[derive(Clone, Copy)]
pub(crate) struct Token {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) form: Form,
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        !matches!(self.form, Form::Number | Form::Code)
    }

    pub(crate) fn is_capitalised(&self) -> bool {
        matches!(self.form, Form::Title | Form::Upper | Form::Initial)
    }
}

/// What a context word speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Phone,
    Card,
    Bank,
    Ip,
    Mac,
    Web,
    /// Software versions: against IP addresses.
    Version,
    /// Order, invoice and ticket numbers: against telephone numbers.
    Reference,
}

const CONTEXT: &[(Topic, &[&str])] = &[
    (
        Topic::Phone,
        &[
            "phone",
            "telephone",
            "tel",
            "mobile",
            "cell",
            "cellphone",
            "fax",
            "call",
            "called",
            "dial",
            "ring",
            "sms",
            "text me",
            "texted",
            "whatsapp",
            "hotline",
            "handy",
            "telefon",
            "telefono",
            "teléfono",
            "téléphone",
            "telefonnummer",
            "mobil",
            "móvil",
            "movil",
            "portable",
            "cellulare",
            "rufnummer",
            "contact number",
            "reach me",
            "reach us",
            "desk",
            "office",
            "landline",
            "voicemail",
            "numero di telefono",
            "numéro",
            "phone_number",
            "phonenumber",
            "tlf",
            "answering",
            "messages to",
            "tfno",
            "telf",
            "my number",
            "my num",
            "my new number",
            "his number",
            "his num",
            "her number",
            "her num",
            "their number",
            "your number",
            "handynummer",
            "mobilnummer",
            "mi número",
            "mon numéro",
            "meine nummer",
            // To call, and to be reached, in the languages whose national forms are known.
            "anrufen",
            "ruf mich",
            "rufen sie",
            "erreichbar",
            "erreichen",
            "llamar",
            "llamadme",
            "llamame",
            "llámame",
            "llame",
            "llameme",
            "llámeme",
            "llámenos",
            "celular",
            "appelez",
            "appelle",
            "appeler",
            "joindre",
            "joignable",
            "rappelez",
            "rappeler",
            "chiama",
            "chiamare",
            "chiamami",
            "chiamatemi",
            "chiamateci",
            "telefonare",
            "ligue",
            "ligar",
            "telefone",
            "telemóvel",
            "telemovel",
            "bellen",
            "bel me",
            "bereikbaar",
            "mobiel",
            "zadzwoń",
            "zadzwonić",
            "dzwonić",
            "telefonu",
            "komórka",
            "ringa",
            "puhelin",
            "puh",
            "soita",
        ],
    ),
    (
        Topic::Card,
        &[
            "card",
            "credit",
            "debit",
            "visa",
            "mastercard",
            "amex",
            "american express",
            "discover",
            "maestro",
            "diners",
            "jcb",
            "cc",
            "payment",
            "tarjeta",
            "carte",
            "karte",
            "kreditkarte",
        ],
    ),
    (Topic::Bank, &["iban", "bank", "account", "transfer", "wire", "konto", "compte", "cuenta", "conto"]),
    (Topic::Ip, &["ip", "ipv4", "ipv6", "address", "host", "server", "subnet", "gateway", "dns", "login from"]),
    (Topic::Mac, &["mac", "hardware address", "ethernet", "hwaddr", "ether", "bssid"]),
    (Topic::Web, &["website", "site", "url", "link", "visit", "web", "webpage", "homepage", "domain", "www"]),
    (
        Topic::Version,
        &["version", "ver", "release", "build", "firmware", "section", "chapter", "clause", "upgrade", "upgraded"],
    ),
    (
        Topic::Reference,
        &[
            "order",
            "invoice",
            "ticket",
            "case",
            "tracking",
            "reference",
            "ref",
            "sku",
            "isbn",
            "serial",
            "part",
            "item",
            "product",
            "batch",
            "transaction",
            "id",
            "booking",
            "confirmation",
            "policy",
            "article",
            "issue",
            "pr",
            "commit",
            "bug",
            "port",
            "pid",
            "uid",
        ],
    ),
];

/// Finds context words; made once per detector.
pub(crate) struct Context {
    words: Literals,
    topics: Vec<Topic>,
}

impl Context {
    pub(crate) fn new() -> Self {
        let words = Literals::new(CONTEXT.iter().flat_map(|(_, words)| words.iter()));
        let topics = CONTEXT.iter().flat_map(|(topic, words)| words.iter().map(|_| *topic)).collect();
        Self { words, topics }
    }
}

struct Hit {
    start: usize,
    end: usize,
    topic: Topic,
}

/// A text with its tokens and context words.
pub(crate) struct View<'a> {
    pub(crate) text: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) tokens: Vec<Token>,
    hits: Vec<Hit>,
    /// What the gazetteer knows about each token that was asked for.
    known: OnceCell<Box<[Cell<Option<Known>>]>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(text: &'a str, context: &Context) -> Self {
        let bytes = text.as_bytes();
        let mut hits = Vec::new();
        context.words.find(bytes, |hit| {
            if is_whole_word(bytes, hit.start, hit.end) && !in_placeholder(bytes, hit.start) {
                hits.push(Hit { start: hit.start, end: hit.end, topic: context.topics[hit.literal] });
            }
        });
        Self { text, bytes, tokens: tokens(text), hits, known: OnceCell::new() }
    }

    /// Whether a word for `topic` ends at most `reach` bytes before `start`, or begins within 24 bytes after `end`.
    pub(crate) fn near(&self, topic: Topic, start: usize, end: usize, reach: usize) -> bool {
        let first = self.hits.partition_point(|hit| hit.end + reach < start);
        self.hits[first..]
            .iter()
            .take_while(|hit| hit.start < end + 24)
            .any(|hit| hit.topic == topic && (hit.end <= start || hit.start >= end))
    }

    /// Whether a word for `topic` ends at most `reach` bytes before `start`.
    pub(crate) fn just_before(&self, topic: Topic, start: usize, reach: usize) -> bool {
        let first = self.hits.partition_point(|hit| hit.end + reach < start);
        self.hits[first..].iter().take_while(|hit| hit.end <= start).any(|hit| hit.topic == topic)
    }

    pub(crate) fn word(&self, token: &Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// What the gazetteer knows about the token at `index`; nothing past the last. A token is looked up once, and only if asked
    /// for: most are not.
    pub(crate) fn known(&self, index: usize) -> Known {
        let Some(token) = self.tokens.get(index) else { return Known::default() };
        let memo = &self.known.get_or_init(|| vec![Cell::new(None); self.tokens.len()].into())[index];
        memo.get().unwrap_or_else(|| {
            let known = match token.form {
                Form::Number => Known::default(),
                _ => names::shared().look_up(self.word(token)),
            };
            memo.set(Some(known));
            known
        })
    }

    /// The text between two tokens that follow each other.
    pub(crate) fn gap(&self, left: &Token, right: &Token) -> &'a str {
        &self.text[left.end..right.start]
    }

    /// The byte before `at`; a space at the start of the text.
    pub(crate) fn before(&self, at: usize) -> u8 {
        if at == 0 { b' ' } else { self.bytes[at - 1] }
    }

    /// The byte at `at`; a space at the end of the text.
    pub(crate) fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b' ')
    }
}

/// Letters and digits of any script count (every byte of a multi-byte character is taken for a letter).
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn is_whole_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
    let plural = usize::from(bytes.get(end).is_some_and(|b| *b | 0x20 == b's'));
    (start == 0 || !letter(bytes[start - 1])) && bytes.get(end + plural).is_none_or(|b| !letter(*b))
}

/// Inside a label that replacement wrote, such as `<PHONE_NUMBER>`.
fn in_placeholder(bytes: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(24);
    bytes[from..at].iter().rev().find(|b| !(b.is_ascii_uppercase() || **b == b'_')).is_some_and(|b| *b == b'<')
}

/// Words and numbers in order. A word may hold apostrophes and hyphens between letters.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(text.len() / 5 + 1);
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if !is_word_byte(byte) {
            at += 1;
            continue;
        }
        let start = at;
        // Most words are plain: their letters are counted without asking what else they could be.
        let mut upper = 0;
        while let Some(letter) = bytes.get(at).filter(|byte| byte.is_ascii_alphabetic()) {
            upper += u32::from(letter.is_ascii_uppercase());
            at += 1;
        }
        let mut shape = Shape::letters((at - start) as u32, upper, byte.is_ascii_uppercase());
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii() {
                if byte.is_ascii_alphanumeric() {
                    // An extension (`555-0132x17`) is a token of its own.
                    if byte | 0x20 == b'x' && shape.letters == 0 && shape.digits > 2 {
                        break;
                    }
                    shape.ascii(byte);
                    at += 1;
                } else if (byte == b'\'' || byte == b'-')
                    && shape.ends_in_letter
                    && bytes.get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || *b >= 0x80)
                {
                    // `Ana's` ends before the possessive; `O'Neil` and `Smith-Jones` go on.
                    let possessive = byte == b'\''
                        && bytes[at + 1].eq_ignore_ascii_case(&b's')
                        && bytes.get(at + 2).is_none_or(|b| !is_word_byte(*b));
                    if possessive {
                        break;
                    }
                    at += 1;
                } else {
                    break;
                }
            } else {
                let Some(c) = text[at..].chars().next() else { break };
                // U+2019, the typographic apostrophe.
                if c == '\u{2019}' && shape.ends_in_letter {
                    let mut next = text[at + 3..].chars();
                    let (first, second) = (next.next(), next.next());
                    let possessive = matches!(first, Some('s' | 'S')) && second.is_none_or(|c| !c.is_alphanumeric());
                    if possessive || first.is_none_or(|c| !c.is_alphabetic()) {
                        break;
                    }
                } else if !shape.other(c) {
                    break;
                }
                at += c.len_utf8();
            }
        }
        if at == start {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        tokens.push(Token { start, end: at, form: shape.form() });
    }
    tokens
}

/// What the characters of a token have shown so far.
#[derive(Default)]
struct Shape {
    letters: u32,
    upper: u32,
    lower: u32,
    digits: u32,
    first_upper: bool,
    ends_in_letter: bool,
}

impl Shape {
    /// Of ASCII letters only.
    fn letters(letters: u32, upper: u32, first_upper: bool) -> Self {
        Self { letters, upper, lower: letters - upper, digits: 0, first_upper, ends_in_letter: letters > 0 }
    }

    fn ascii(&mut self, byte: u8) {
        if byte.is_ascii_digit() {
            self.digits += 1;
            self.ends_in_letter = false;
        } else {
            self.letter(byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
        }
    }

    fn letter(&mut self, upper: bool, lower: bool) {
        if self.letters == 0 {
            self.first_upper = upper;
        }
        self.letters += 1;
        self.upper += u32::from(upper);
        self.lower += u32::from(lower);
        self.ends_in_letter = true;
    }

    /// False where the character ends the token.
    fn other(&mut self, c: char) -> bool {
        if c.is_alphabetic() {
            self.letter(c.is_uppercase(), c.is_lowercase());
        } else if c.is_numeric() {
            self.digits += 1;
            self.ends_in_letter = false;
        } else {
            // Combining marks stay with their letter.
            return self.ends_in_letter && ('\u{300}'..='\u{36F}').contains(&c);
        }
        true
    }

    fn form(&self) -> Form {
        match self {
            Self { letters: 0, .. } => Form::Number,
            Self { digits: 1.., .. } => Form::Code,
            Self { upper: 0, lower: 0, .. } => Form::Uncased,
            Self { upper: 0, .. } => Form::Lower,
            Self { upper: 1, letters: 1, .. } => Form::Initial,
            Self { lower: 0, .. } => Form::Upper,
            Self { first_upper: true, .. } => Form::Title,
            _ => Form::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn tokens_have_forms_and_possessives_stay_outside() {
        let text = "Ana's O'Neil-Smith met J. in ÉCOLE, iPhone 5th 42 東京 Zo\u{301}e\u{2019}s";
        let got: Vec<_> = tokens(text).iter().map(|t| (&text[t.start..t.end], t.form)).collect();
        use Form::*;
        assert_eq!(
            got,
            [
                ("Ana", Title),
                ("s", Lower),
                ("O'Neil-Smith", Title),
                ("met", Lower),
                ("J", Initial),
                ("in", Lower),
                ("ÉCOLE", Upper),
                ("iPhone", Mixed),
                ("5th", Code),
                ("42", Number),
                ("東京", Uncased),
                ("Zo\u{301}e", Title),
                ("s", Lower),
            ]
        );
    }

    #[test]
    fn context_words_are_whole_and_placeholders_do_not_count() {
        let context = Context::new();
        let near = |text: &str| {
            let at = text.find('5').unwrap();
            View::new(text, &context).near(Topic::Phone, at, at + 1, 40)
        };
        assert!(near("my phone: 5"));
        assert!(near("PHONES 5"));
        assert!(near("5 is my mobile"));
        assert!(!near("a telling 5"));
        assert!(!near("<PHONE_NUMBER> 5"));
    }
}
