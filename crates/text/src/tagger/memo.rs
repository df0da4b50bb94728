//! Remembers what the model says of single words.
//!
//! Invariant: an answer is the same whether it was remembered or not, because the whole word is compared. A table has a
//! fixed size and belongs to one thread.

use super::features::{self, ROLES, Word};
use super::gazetteer::Gazetteer;
use super::hash;
use super::weights::{TAGS, Weights};
use crate::detect::Form;

/// Longest word that is remembered, in bytes.
const LONGEST: usize = 22;
const SLOTS: usize = 1 << 12;

/// A word and the sums of its features' weights in every role.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) word: Word,
    pub(super) sums: [[i32; TAGS]; ROLES],
}

#[derive(Clone, Copy, Default)]
struct Slot {
    text: [u8; LONGEST],
    /// Length of the text and one; 0 in an empty slot.
    length: u8,
    known: Known,
}

/// The words met lately.
#[derive(Default)]
pub(super) struct Memo {
    slots: Vec<Slot>,
}

impl Memo {
    /// What is known of `text`; `form` is absent for the border of a sentence.
    pub(super) fn get(
        &mut self,
        text: &str,
        form: Option<Form>,
        gazetteer: &Gazetteer<'_>,
        weights: &Weights<'_>,
    ) -> Known {
        let compute = || {
            let word = Word::new(text, form, gazetteer);
            let mut known = Known { word, ..Known::default() };
            for (role, sums) in known.sums.iter_mut().enumerate() {
                features::of_word(text, &word, role, &mut |feature| weights.add(feature, sums));
            }
            known
        };
        if text.len() > LONGEST {
            return compute();
        }
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let slot = &mut self.slots[hash::of_bytes(text.as_bytes()) as usize % SLOTS];
        let same = usize::from(slot.length) == text.len() + 1 && &slot.text[..text.len()] == text.as_bytes();
        if !same {
            slot.known = compute();
            slot.length = text.len() as u8 + 1;
            slot.text[..text.len()].copy_from_slice(text.as_bytes());
        }
        slot.known
    }
}
