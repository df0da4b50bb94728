//! What lists of names and places say of a word, as a table that is read where it lies.
//!
//! Invariant: a slot is four bytes of a key and two bytes of classes, little endian; an empty slot has no class. Keys are
//! hashes of words in lower case without diacritics, and of place names of several words joined by single spaces.

use super::hash;

/// Classes of a word; a word can have several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes(pub u16);

impl Classes {
    /// Among the few hundred most frequent given names of the US census.
    pub const GIVEN_FREQUENT: Self = Self(1);
    /// A given name of any list.
    pub const GIVEN: Self = Self(1 << 1);
    /// Among the thousand most frequent surnames of the US census.
    pub const SURNAME_FREQUENT: Self = Self(1 << 2);
    /// A surname of the shorter lists.
    pub const SURNAME: Self = Self(1 << 3);
    /// A surname of the long tail of the US census.
    pub const SURNAME_RARE: Self = Self(1 << 4);
    /// A city of more than 300,000 people.
    pub const CITY_LARGE: Self = Self(1 << 5);
    /// A city of more than 15,000 people.
    pub const CITY: Self = Self(1 << 6);
    /// First word of a place name of several.
    pub const PLACE_FIRST: Self = Self(1 << 7);
    /// Later word of a place name of several.
    pub const PLACE_LATER: Self = Self(1 << 8);
    /// A country.
    pub const COUNTRY: Self = Self(1 << 9);
    /// A state, province, continent, sea, river or well-known quarter.
    pub const REGION: Self = Self(1 << 10);
    /// Of a nation, a religion or a political group.
    pub const NATIONALITY: Self = Self(1 << 11);
    /// A well-known organisation.
    pub const ORGANISATION: Self = Self(1 << 12);
    /// Part of names of organisations: `Ltd`, `University`.
    pub const ORGANISATION_WORD: Self = Self(1 << 13);
    /// Part of names of places: `Street`, `River`.
    pub const PLACE_WORD: Self = Self(1 << 14);
    /// An ordinary word: often written in lower case.
    pub const ORDINARY: Self = Self(1 << 15);

    /// Whether any of `other`'s classes is among these.
    pub fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These and those of `other`.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Name, place, organisation and ordinary word in five bits.
    pub(super) fn summary(self) -> u8 {
        let given = Self::GIVEN_FREQUENT.with(Self::GIVEN);
        let surname = Self::SURNAME_FREQUENT.with(Self::SURNAME);
        let place = Self::CITY_LARGE.with(Self::CITY).with(Self::COUNTRY).with(Self::REGION);
        let part = Self::ORGANISATION_WORD.with(Self::PLACE_WORD);
        [given, surname, place, part, Self::ORDINARY]
            .iter()
            .enumerate()
            .fold(0, |bits, (index, class)| bits | (u8::from(self.any(*class)) << index))
    }
}

const SLOT: usize = 6;

/// The table.
#[derive(Clone, Copy)]
pub struct Gazetteer<'a> {
    slots: &'a [u8],
}

impl<'a> Gazetteer<'a> {
    /// A table over `bytes`; what is left over behind the last whole slot is ignored.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { slots: bytes }
    }

    /// Classes of a word or of several joined by spaces, in lower case without diacritics.
    pub fn look_up(&self, plain: &str) -> Classes {
        self.classes(hash::of_bytes(plain.as_bytes()))
    }

    fn classes(&self, hash: u64) -> Classes {
        let (slots, _) = self.slots.as_chunks::<SLOT>();
        if slots.is_empty() {
            return Classes::default();
        }
        let key = (hash as u32).to_le_bytes();
        let mut at = place(hash, slots.len());
        // The table is never full, so an empty slot ends the search.
        for _ in 0..slots.len() {
            let [a, b, c, d, low, high] = slots[at];
            let classes = Classes(u16::from_le_bytes([low, high]));
            if classes == Classes::default() || [a, b, c, d] == key {
                return classes;
            }
            at = if at + 1 == slots.len() { 0 } else { at + 1 };
        }
        Classes::default()
    }
}

fn place(hash: u64, slots: usize) -> usize {
    (((hash >> 32) * slots as u64) >> 32) as usize
}

/// Writes the table of words with their classes, filled to four fifths.
pub fn build<'w>(words: impl IntoIterator<Item = (&'w str, Classes)>) -> Vec<u8> {
    let entries: Vec<(u64, Classes)> = words
        .into_iter()
        .filter(|(_, classes)| *classes != Classes::default())
        .map(|(word, classes)| (hash::of_bytes(word.as_bytes()), classes))
        .collect();
    let count = entries.len() * 5 / 4 + 1;
    let mut slots = vec![[0u8; SLOT]; count];
    for (hash, classes) in entries {
        let [a, b, c, d] = (hash as u32).to_le_bytes();
        let mut at = place(hash, count);
        while slots[at][4..] != [0, 0] && slots[at][..4] != [a, b, c, d] {
            at = (at + 1) % count;
        }
        let old = u16::from_le_bytes([slots[at][4], slots[at][5]]);
        let [low, high] = (old | classes.0).to_le_bytes();
        slots[at] = [a, b, c, d, low, high];
    }
    slots.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_with_its_classes_and_others_are_not() {
        let words: Vec<String> = (0..5000).map(|n| format!("word{n}")).collect();
        let classes = |n: usize| if n < 2500 { Classes::GIVEN } else { Classes::CITY };
        let bytes = build(words.iter().enumerate().map(|(n, word)| (word.as_str(), classes(n))));
        let table = Gazetteer::new(&bytes);
        assert!(words.iter().enumerate().all(|(n, word)| table.look_up(word) == classes(n)));
        assert!((5000..9000).all(|n| table.look_up(&format!("word{n}")) == Classes::default()));
    }

    #[test]
    fn classes_of_a_repeated_word_are_joined_and_an_empty_table_knows_nothing() {
        let bytes = build([("jordan", Classes::GIVEN), ("jordan", Classes::COUNTRY)]);
        assert_eq!(Gazetteer::new(&bytes).look_up("jordan"), Classes::GIVEN.with(Classes::COUNTRY));
        assert_eq!(Gazetteer::new(&[]).look_up("jordan"), Classes::default());
    }
}
