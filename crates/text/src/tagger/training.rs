//! What a program needs to train the model: the features of a text, and the parts of the file.
//!
//! Invariant: training sees a text exactly as the tagger does.

use super::features::{self, BORDER, Word};
use super::sequence::{Sequence, Source, sequences};
use super::{Model, hints_of};
use crate::detect::{Context, Token, View, person};

pub use super::gap::GAPS;
pub use super::gazetteer::{Classes, Gazetteer, build as build_gazetteer};
pub use super::lattice::{Lattice, OUTSIDE, Transitions, may_follow};
pub use super::model::{Calibration, KINDS, POINTS, exponentials, write};
pub use super::weights::{TAGS, build as build_weights};

/// A word in lower case without diacritics, as the gazetteer holds it.
pub fn plain(word: &str) -> String {
    crate::detect::plain(word)
}

/// A sequence of words with the features of each.
pub struct Features {
    /// First byte and one past the last, by word.
    pub words: Vec<(usize, usize)>,
    /// The class of the gap before each word.
    pub gaps: Vec<u8>,
    /// The features of each word, as hashes.
    pub features: Vec<Vec<u64>>,
}

/// Turns texts into features.
pub struct Extractor<'a> {
    gazetteer: Gazetteer<'a>,
    context: Context,
}

impl<'a> Extractor<'a> {
    /// An extractor that knows the words of `gazetteer`.
    pub fn new(gazetteer: Gazetteer<'a>) -> Self {
        Self { gazetteer, context: Context::new() }
    }

    /// The sequences of a text.
    pub fn sequences(&self, text: &str) -> Vec<Features> {
        let view = View::new(text, &self.context);
        let people = person::find(std::slice::from_ref(&view)).pop().unwrap_or_default();
        let hints = hints_of(&view, &people);
        let text_of = |token: &Token| view.word(token);
        let word = |index: usize| {
            let token = &view.tokens[index];
            Word::new(text_of(token), Some(token.form), &self.gazetteer)
        };
        let border = Word::new(BORDER, None, &self.gazetteer);
        let source = Source { view: &view, hints: &hints, gazetteer: &self.gazetteer, border };
        let mut sequence = Sequence::default();
        sequences(&view)
            .map(|range: std::ops::Range<usize>| {
                let mut features = Vec::with_capacity(range.len());
                let read = |window: &features::Window, seen: [Option<usize>; features::ROLES]| {
                    let mut own = Vec::with_capacity(96);
                    for (role, index) in seen.iter().enumerate() {
                        let text = index.map_or(BORDER, |index| text_of(&view.tokens[index]));
                        features::of_word(text, &window.words[role], role, &mut |feature| own.push(feature));
                    }
                    features::of_window(window, &mut |feature| own.push(feature));
                    features.push(own);
                };
                sequence.read(&source, range.clone(), word, read);
                let words = view.tokens[range].iter().map(|token| (token.start, token.end)).collect();
                Features { words, gaps: sequence.gaps.clone(), features }
            })
            .collect()
    }

    /// The names that `model` finds: first byte, one past the last, kind by its place in [`super::Kind::ALL`], probability.
    pub fn names(&self, model: &Model<'_>, text: &str) -> Vec<(usize, usize, usize, f32)> {
        let view = View::new(text, &self.context);
        let people = person::find(std::slice::from_ref(&view)).pop().unwrap_or_default();
        let names = model.names(&view, &hints_of(&view, &people));
        names.into_iter().map(|name| (name.start, name.end, name.kind as usize, name.probability)).collect()
    }
}
