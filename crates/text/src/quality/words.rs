//! Words of a text as hashes, and the form in which two texts count as the same.
//!
//! A word is a run of letters and digits in lower case; characters of scripts that put no space between words (Chinese,
//! Japanese, Thai, …) are words of their own. Invariant: one pass, no allocation per word, the same hashes on every
//! machine, so that a report can be repeated.

use unicode_normalization::UnicodeNormalization;

/// The hashes of the words of `text`, in their order.
pub(super) fn words(text: &str) -> Vec<u64> {
    let mut found = Vec::with_capacity(text.len() / 5 + 1);
    each_word(text, |word| found.push(word));
    found
}

/// Calls `f` with the hash of every word of `text`.
pub(super) fn each_word(text: &str, mut f: impl FnMut(u64)) {
    let mut word = None::<u64>;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            if let Some(hash) = word.take() {
                f(mix(hash));
            }
            continue;
        }
        if stands_alone(c) {
            if let Some(hash) = word.take() {
                f(mix(hash));
            }
            f(mix(add(START, c)));
            continue;
        }
        let mut hash = word.unwrap_or(START);
        if c.is_ascii() {
            hash = add(hash, c.to_ascii_lowercase());
        } else {
            for lower in c.to_lowercase() {
                hash = add(hash, lower);
            }
        }
        word = Some(hash);
    }
    if let Some(hash) = word {
        f(mix(hash));
    }
}

/// One hash for a sequence of words.
pub(super) fn joined(words: &[u64]) -> u64 {
    words.iter().fold(START, |hash, word| mix(hash.rotate_left(23) ^ word))
}

/// What a text says without its look: NFKC, lower case, white space made single.
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    let mut push = |c: char, gap: &mut bool| {
        if c.is_whitespace() {
            *gap = true;
            return;
        }
        if std::mem::take(gap) && !folded.is_empty() {
            folded.push(' ');
        }
        folded.push(c);
    };
    if text.is_ascii() {
        text.chars().for_each(|c| push(c.to_ascii_lowercase(), &mut gap));
    } else {
        text.nfkc().flat_map(char::to_lowercase).for_each(|c| push(c, &mut gap));
    }
    folded
}

/// A bijection of 64 bits that spreads every bit over all (finaliser of MurmurHash3, variant 13 of D. Stafford).
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// The offset basis and the prime of FNV-1a with 64 bits.
const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn add(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(u32::from(c))).wrapping_mul(PRIME)
}

/// Whether a character belongs to a script that is written without spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF     // Thai, Lao
        | 0x1000..=0x109F   // Burmese
        | 0x1780..=0x17FF   // Khmer
        | 0x3040..=0x30FF   // Hiragana, Katakana
        | 0x3400..=0x4DBF   // CJK extension A
        | 0x4E00..=0x9FFF   // CJK
        | 0xF900..=0xFAFF   // CJK compatibility
        | 0x20000..=0x3FFFF // CJK extensions B and on
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_ignore_case_punctuation_and_spacing() {
        assert_eq!(words("Hello,  WORLD! 42"), words("hello world 42"));
        assert_ne!(words("hello world"), words("world hello"));
        assert_eq!(words("Straße ÉTÉ"), words("straße été"));
        assert_eq!(words("  .,!? "), [0u64; 0]);
        assert_eq!(words("ab c").len(), 2);
    }

    #[test]
    fn scripts_without_spaces_are_cut_at_every_character() {
        assert_eq!(words("我喜欢茶").len(), 4);
        assert_eq!(words("tea茶tea").len(), 3);
        assert_eq!(words("tea茶tea")[0], words("tea茶tea")[2]);
    }

    #[test]
    fn folding_keeps_what_is_said() {
        assert_eq!(folded("  Ｈｅｌｌｏ\u{a0}\tWorld \n"), "hello world");
        assert_eq!(folded("A  B"), "a b");
        assert_eq!(folded("cafe\u{301}"), folded("café"));
        assert_eq!(folded(""), "");
    }

    #[test]
    fn a_sequence_depends_on_its_order() {
        assert_ne!(joined(&[1, 2]), joined(&[2, 1]));
        assert_ne!(joined(&[1]), joined(&[1, 1]));
    }
}
