//! Which names are one person's: "Margaret Holloway", "Mrs Holloway", "M. Holloway" and "Margaret" in one record.
//!
//! Invariants: names are joined within a record, and within the records of a subject, never further; a name that fits two
//! people stays apart from both. Only fingerprints are held. A name is compared with a bounded number of others.

use std::collections::HashMap;

use crate::detect::names::Gender;

use super::gender::agree;

/// A name by the fingerprints of its words.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Mention {
    /// Of each word and of its first letter, sorted by the word; an initial has the first letter alone.
    words: Vec<(Option<u64>, u64)>,
    gender: Option<Gender>,
}

impl Mention {
    pub(super) fn new(mut words: Vec<(Option<u64>, u64)>, gender: Option<Gender>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self { words, gender }
    }

    fn full(&self) -> impl Iterator<Item = u64> {
        self.words.iter().filter_map(|(word, _)| *word)
    }

    /// Whether everything that this name says, `other` says too.
    fn is_within(&self, other: &Self) -> bool {
        let has = |word: u64| other.full().any(|full| full == word);
        let initials = self.words.iter().filter(|(word, _)| word.is_none());
        let fits = |(_, letter): &(Option<u64>, u64)| {
            let mut of_letter = other.words.iter().filter(|(_, first)| first == letter);
            of_letter.any(|(word, _)| word.is_none_or(|word| self.full().all(|own| own != word)))
        };
        self.full().all(has) && initials.into_iter().all(fits) && agree(self.gender, other.gender)
    }

    /// What the pseudonym is made of.
    fn key(&self) -> String {
        self.words.iter().map(|(word, letter)| format!("{:016x}", word.unwrap_or(*letter))).collect()
    }
}

/// The names of all records and subjects.
#[derive(Default)]
pub(super) struct Mentions(HashMap<(u64, u64), Vec<Mention>>);

/// Most names with one word in common that are compared.
const MOST: usize = 64;

impl Mentions {
    pub(super) fn add(&mut self, scope: u64, mention: &Mention) {
        for word in mention.full() {
            let others = self.0.entry((scope, word)).or_default();
            if others.len() < MOST && !others.contains(mention) {
                others.push(mention.clone());
            }
        }
    }

    /// Whether a word, by its fingerprint, is part of a name in the scope.
    pub(super) fn know(&self, scope: u64, word: u64) -> bool {
        self.0.contains_key(&(scope, word))
    }

    /// The fullest name of the person, in the scopes from the narrowest to the widest, and what tells it from others.
    pub(super) fn person(&self, scopes: &[u64], mention: Mention) -> String {
        let mut fullest = mention;
        let mut apart = "";
        for scope in scopes {
            let Some(first) = fullest.full().next() else { break };
            let others = self.0.get(&(*scope, first)).map(Vec::as_slice).unwrap_or_default();
            if others.len() >= MOST {
                continue;
            }
            let wider: Vec<&Mention> = others.iter().filter(|other| fullest.is_within(other)).collect();
            let mut top: Vec<&Mention> = Vec::new();
            for one in &wider {
                let below = |other: &&&Mention| one.is_within(other) && !other.is_within(one);
                let known = top.iter().any(|other| other.words == one.words && agree(other.gender, one.gender));
                if !wider.iter().any(|other| below(&other)) && !known {
                    top.push(one);
                }
            }
            if let [one] = top.as_slice() {
                let gender = fullest.gender.or(one.gender);
                fullest = Mention { gender, ..(*one).clone() };
            }
            // "Mr Novak" and "Mrs Novak" are two people.
            let two = others.iter().any(|other| other.words == fullest.words && !agree(other.gender, fullest.gender));
            apart = match fullest.gender {
                Some(Gender::Female) if two => "f",
                Some(Gender::Male) if two => "m",
                _ => apart,
            };
        }
        fullest.key() + apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(name: &str, gender: Option<Gender>) -> Mention {
        let word = |word: &str| {
            let print = |text: &str| text.bytes().fold(7, |sum: u64, b| sum * 31 + u64::from(b));
            ((word.len() > 1).then(|| print(word)), print(&word[..1]))
        };
        Mention::new(name.split(' ').map(word).collect(), gender)
    }

    #[test]
    fn names_join_where_they_fit_one_person_only() {
        let mut mentions = Mentions::default();
        let (woman, man) = (Some(Gender::Female), Some(Gender::Male));
        let all = [
            ("ana ruiz lopez", woman),
            ("ana ruiz", woman),
            ("tom ruiz", man),
            ("kim", None),
            ("novak", woman),
            ("novak", man),
        ];
        for (name, gender) in all {
            mentions.add(1, &mention(name, gender));
        }
        let person = |name, gender| mentions.person(&[1], mention(name, gender));
        let ana = person("ana ruiz lopez", woman);
        for (name, gender) in [("ana", None), ("ruiz", woman), ("a ruiz", None), ("lopez", None), ("ruiz ana", None)] {
            assert_eq!(person(name, gender), ana, "{name}");
        }
        assert_ne!(person("ruiz", None), ana, "two people");
        assert_ne!(person("ruiz", None), person("tom ruiz", man));
        assert_eq!(person("ruiz", man), person("tom ruiz", man));
        assert_ne!(person("novak", woman), person("novak", man));
        assert_ne!(mentions.person(&[2], mention("ana", None)), ana, "another record");
    }
}
