//! Text from outside as a person may see it: nothing in it steers a terminal or turns the direction of text.

/// Whether a character does something else than be seen: it steers a terminal, turns the direction of text, or hides in it.
#[must_use]
pub fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text in which every character that [`steers`] stands as its escape.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match steers(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_32_what_steers_is_escaped() {
        assert_eq!(plain("a\n\u{1b}[2J\0"), "a\\u{a}\\u{1b}[2J\\u{0}");
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{9b}"), "a\\u{202e}b\\u{2066}c\\u{9b}");
        assert_eq!(plain("Ana-María 名"), "Ana-María 名");
    }
}
