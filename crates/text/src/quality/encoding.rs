//! Signs that a text was decoded wrongly, or holds characters that people do not see.
//!
//! Mojibake is looked for by undoing it: characters that stand for single bytes in Windows-1252 (what the byte-wise
//! decoders of the WHATWG Encoding Standard give) are turned back into bytes, and where those form UTF-8 of more than one
//! byte, the text was most likely UTF-8 once. A lone match can be chance (`É”`), so matches have weights.
//! Invariant: one pass over the characters, three characters of look-ahead.

/// What is wrong with the characters of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// U+FFFD: a decoder met bytes that it could not read.
    pub(super) replacement: bool,
    /// UTF-8 read as Windows-1252 or Latin-1.
    pub(super) mojibake: bool,
    /// Control characters other than tab and line breaks, or noncharacters.
    pub(super) control: bool,
    /// Embeddings, overrides or isolates of bidirectional text: what is shown differs from what is there.
    pub(super) bidi: bool,
    /// Tag characters outside a flag, which nobody sees and a model reads.
    pub(super) hidden: bool,
}

/// From this weight on, matches are no chance.
const MOJIBAKE_WEIGHT: u32 = 2;

/// What is wrong with `text`.
pub(super) fn faults(text: &str) -> Faults {
    let mut faults = Faults::default();
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
        return faults;
    }
    let mut weight = 0;
    let mut flag = false; // inside an emoji tag sequence, which begins with a black flag
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\t' | '\n' | '\r' => {}
            '\u{fffd}' => faults.replacement = true,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => faults.bidi = true,
            '\u{feff}' | '\u{fdd0}'..='\u{fdef}' => faults.control = true,
            c if u32::from(c) & 0xfffe == 0xfffe => faults.control = true,
            '\u{e0000}'..='\u{e007f}' => faults.hidden |= !flag,
            '\u{80}'..='\u{9f}' => faults.control = true,
            c if c.is_control() => faults.control = true,
            c if weight < MOJIBAKE_WEIGHT => weight += mojibake_weight(c, rest.clone()),
            _ => {}
        }
        flag = c == '\u{1f3f4}' || flag && ('\u{e0020}'..='\u{e007e}').contains(&c);
    }
    faults.mojibake = weight >= MOJIBAKE_WEIGHT;
    faults
}

/// How much `lead` and what follows look like the bytes of one character of UTF-8.
fn mojibake_weight(lead: char, mut rest: impl Iterator<Item = char>) -> u32 {
    let Some(first) = byte(lead).filter(|byte| (0xc2..=0xf4).contains(byte)) else { return 0 };
    let count = match first {
        0xc2..=0xdf => 1,
        0xe0..=0xef => 2,
        _ => 3,
    };
    let mut bytes = vec![first];
    let mut punctuation = false;
    for _ in 0..count {
        let Some(next) = rest.next() else { return 0 };
        let Some(value) = byte(next) else { return 0 };
        punctuation |= u32::from(next) > 0xff;
        bytes.push(value);
    }
    let Some(meant) = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) else { return 0 };
    match (meant, bytes.len()) {
        // Typographic punctuation and pictures: nobody writes these three or four characters in a row.
        ('\u{2010}'..='\u{2044}' | '\u{20ac}' | '\u{2122}' | '\u{1f000}'..='\u{1faff}', _) => 2,
        // Western letters and signs; the second byte as a quotation mark or dash can be punctuation after a capital.
        ('\u{a0}'..='\u{ff}', 2) if !punctuation => 2,
        ('\u{80}'..='\u{17f}', 2) => 1,
        // Other alphabets come in runs.
        ('\u{370}'..='\u{52f}' | '\u{590}'..='\u{6ff}', 2) | ('\u{900}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}', 3) => 1,
        _ => 0,
    }
}

/// The byte of Windows-1252 that decodes to `c`.
fn byte(c: char) -> Option<u8> {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match u32::from(c) {
        code @ 0x80..=0xff => u8::try_from(code).ok(),
        _ => HIGH.iter().position(|high| *high == c).and_then(|index| u8::try_from(0x80 + index).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UTF-8 read as Windows-1252.
    fn misread(text: &str) -> String {
        text.bytes()
            .map(|byte| match (0x80..=0x9f).contains(&byte) {
                true => ('\u{80}'..='\u{2122}').find(|c| super::byte(*c) == Some(byte) && u32::from(*c) > 0xff),
                false => Some(char::from(byte)),
            })
            .map(|c| c.unwrap_or('\u{81}'))
            .collect()
    }

    #[test]
    fn misread_text_is_found_in_every_script() {
        for text in ["café", "it’s", "20 €", "Größe", "señor", "naïve", "a – b", "Привет", "Ελλάδα", "こんにちは", "🙂"]
        {
            assert!(faults(&misread(text)).mojibake, "{text}");
        }
        assert!(faults("Ã©").mojibake && faults("donâ€™t").mojibake);
    }

    #[test]
    fn text_as_it_should_be_is_left_alone() {
        for text in [
            "café",
            "it’s 20 €",
            "„Spaß“",
            "«Été»",
            "“AMANHÔ",
            "SÃO PAULO",
            "Ærø–Ålesund",
            "naïve…",
            "É”",
            "Привет",
            "Ä“",
            "100 µm ± 2°",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "a\tb\r\nc",
            "नमस्ते",
            "你好",
        ] {
            assert_eq!(faults(text), Faults::default(), "{text}");
        }
    }

    #[test]
    fn what_people_do_not_see_is_named() {
        assert!(faults("a\u{fffd}b").replacement);
        assert!(faults("a\u{1b}[2Jb").control && faults("a\u{7f}").control && faults("a\u{85}").control);
        assert!(faults("a\u{fffe}").control && faults("a\u{feff}b").control);
        assert!(faults("user\u{202e}nimda").bidi && faults("\u{2067}x\u{2069}").bidi);
        assert!(faults("hello\u{e0049}\u{e0067}").hidden);
        assert!(!faults("abc\u{200d}").hidden);
    }
}
