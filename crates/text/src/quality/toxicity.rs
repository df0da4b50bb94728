//! Words and phrases that a person should look at before a model learns them.
//!
//! A list finds insults, threats and obscenities by their words. It knows nothing of context: it misses contempt in polite
//! words and finds quotations, so it asks for a review and never rejects by itself.
//! Invariant: terms are compared as whole words; one pass over the words of a text.

use std::collections::HashSet;

use super::words::{joined, words};

/// The list that is used unless another is named: one term on a line, `#` begins a comment.
const STANDARD: &str = include_str!("toxic_words.txt");
/// Longer terms are cut to so many words.
const LONGEST_TERM: usize = 5;

/// Terms to look for.
pub struct WordList {
    terms: HashSet<u64>,
    longest: usize,
    count: usize,
}

impl WordList {
    /// The terms of a text: one on a line, case and punctuation do not count, `#` begins a comment.
    pub fn parse(text: &str) -> Self {
        let mut list = Self { terms: HashSet::new(), longest: 0, count: 0 };
        for line in text.lines() {
            let mut term = words(line.split('#').next().unwrap_or_default());
            term.truncate(LONGEST_TERM);
            if !term.is_empty() {
                list.longest = list.longest.max(term.len());
                list.count += usize::from(list.terms.insert(joined(&term)));
            }
        }
        list
    }

    /// The list that comes with the product.
    pub fn standard() -> Self {
        Self::parse(STANDARD)
    }

    /// Number of different terms.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no term.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many places of a text a term begins at.
    pub(super) fn count(&self, words: &[u64]) -> usize {
        let begins = |from: usize| {
            let rest = &words[from..];
            (1..=self.longest.min(rest.len())).any(|length| self.terms.contains(&joined(&rest[..length])))
        };
        if self.terms.is_empty() { 0 } else { (0..words.len()).filter(|from| begins(*from)).count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_whole_words_in_any_case() {
        let list = WordList::parse("# comment\nScum\ndrop dead # both words\n\n");
        assert_eq!(list.len(), 2);
        let count = |text: &str| list.count(&words(text));
        assert_eq!(count("You SCUM! Drop dead, scum."), 3);
        assert_eq!(count("scumbag, dropped dead"), 0);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn the_standard_list_is_small_and_leaves_everyday_words_alone() {
        let list = WordList::standard();
        assert!((40..400).contains(&list.len()), "{}", list.len());
        let everyday = "The class assessed Scunthorpe's cockpit; Dick Essex passed the grape assembly in Sussex and \
                        killed the process. The dead battery of my shell died.";
        assert_eq!(list.count(&words(everyday)), 0);
        assert_eq!(list.count(&words("you are a worthless piece of shit")), 3);
    }
}
