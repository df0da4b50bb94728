//! Borders of words, told by characters.
//!
//! Invariant: both functions look at one character. A byte of a multi-byte character may belong to a quotation mark as
//! well as to a letter, so bytes cannot decide whether a value stands alone.

/// Whether a letter or digit stands right before `at`, which lies on a character boundary.
pub(crate) fn word_before(text: &str, at: usize) -> bool {
    text.get(..at).and_then(|head| head.chars().next_back()).is_some_and(char::is_alphanumeric)
}

/// Whether a letter or digit stands at `at`, which lies on a character boundary.
pub(crate) fn word_after(text: &str, at: usize) -> bool {
    text.get(at..).and_then(|tail| tail.chars().next()).is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_are_borders_and_letters_are_not() {
        let text = "\u{201c}5\u{201d} é5é";
        assert!(!word_before(text, 3) && !word_after(text, 4));
        assert!(word_before(text, 10) && word_after(text, 11));
        assert!(!word_before(text, 0) && !word_after(text, text.len()));
    }
}
