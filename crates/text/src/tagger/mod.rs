//! The trained tagger of persons, places and organisations.
//!
//! A linear-chain conditional random field over words, shapes, affixes, neighbours, gazetteers, and what the rules for
//! persons say (`features`). The weights come from `data/tagger.bin`, which the example `train_tagger` writes; sources and
//! licences are in `data/README.md`.
//!
//! Invariants: time is linear in the length of a text, and memory does not grow with it beside the names that are found; the
//! same text gives the same names, whatever was read before. Names begin and end with a token, so on character borders.

pub(crate) mod document;
mod eponym;
mod features;
mod gap;
mod gazetteer;
mod hash;
mod judge;
mod lattice;
mod memo;
mod model;
mod sequence;
pub mod training;
mod weights;

use std::cell::RefCell;
use std::sync::OnceLock;

use crate::detect::View;
use crate::error::{Error, Result};
use features::{BORDER, ROLES};
use lattice::Lattice;
use memo::{Known, Memo};
pub use model::Model;
use sequence::{Sequence, Source, sequences};
use weights::TAGS;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person.
    Person,
    /// A town, country, region or facility.
    Place,
    /// A company, body or team.
    Organisation,
}

impl Kind {
    /// In the order of the model's tags.
    pub const ALL: [Self; 3] = [Self::Person, Self::Place, Self::Organisation];

    fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.get((usize::from(tag).checked_sub(1)?) / 2).copied()
    }

    /// Tag of the first token, and of the others.
    fn tags(self) -> (usize, usize) {
        let first = 1 + 2 * self as usize;
        (first, first + 1)
    }
}

/// A name in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Name {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    pub(crate) kind: Kind,
    /// How often such a name is one.
    pub(crate) probability: f32,
}

/// Taken from the score of every token outside of names when names are proposed: an improbable name is proposed too, and
/// the threshold decides.
const TILT: f32 = 1.5;
/// Words at the ends of a name count as part of it from this probability on.
const EDGE: f32 = 0.2;

#[repr(align(64))]
struct Aligned<T: ?Sized>(T);

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../data/tagger.bin"));

/// The model of this product.
///
/// # Errors
/// [`Error::Detector`] where its file is damaged.
pub(crate) fn shared() -> Result<&'static Model<'static>> {
    static MODEL: OnceLock<Option<Model<'static>>> = OnceLock::new();
    let model = MODEL.get_or_init(|| Model::read(&FILE.0)).as_ref();
    model.ok_or_else(|| Error::Detector { detector: "tagger", source: "its weights are damaged".into() })
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    memo: Memo,
    known: Vec<Known>,
    sequence: Sequence,
    lattice: Lattice,
    emissions: Vec<[f32; TAGS]>,
    marginals: Vec<[f32; TAGS]>,
    path: Vec<u8>,
}

impl Model<'_> {
    /// The names of a text. `hints` are [`hints_of`] its tokens.
    pub(crate) fn names(&self, view: &View<'_>, hints: &[u8]) -> Vec<Name> {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|scratch| self.names_with(view, hints, scratch))
    }

    fn names_with(&self, view: &View<'_>, hints: &[u8], scratch: &mut Scratch) -> Vec<Name> {
        let Scratch { memo, known, sequence, lattice, emissions, marginals, path } = scratch;
        let mut names = Vec::new();
        let border = memo.get(BORDER, None, &self.gazetteer, &self.weights);
        let source = Source { view, hints, gazetteer: &self.gazetteer, border: border.word };
        for range in sequences(view) {
            // Numbers alone hold no name.
            if view.tokens[range.clone()].iter().all(|token| !token.is_word()) {
                continue;
            }
            emissions.clear();
            let first = range.start.saturating_sub(2);
            known.clear();
            known.extend(
                view.tokens[first..(range.end + 2).min(view.tokens.len())]
                    .iter()
                    .map(|token| memo.get(view.word(token), Some(token.form), &self.gazetteer, &self.weights)),
            );
            let own = &known[range.start - first..range.end - first];
            let hinted = hints.get(range.clone()).is_some_and(|hints| hints.iter().any(|hint| *hint > 0));
            if !hinted && !own.iter().any(|known| known.word.may_be_name()) {
                continue;
            }
            sequence.read(
                &source,
                range.clone(),
                |index| known[index - first].word,
                |window, seen: [Option<usize>; ROLES]| {
                    let mut sums = [0; TAGS];
                    for (role, index) in seen.iter().enumerate() {
                        let own = &index.map_or(&border, |index| &known[index - first]).sums[role];
                        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                    }
                    features::of_window(window, &mut |feature| self.weights.add(feature, &mut sums));
                    emissions.push(sums.map(|sum| sum as f32 * self.step));
                },
            );
            lattice.best(emissions, &sequence.gaps, &self.transitions, TILT, path);
            if path.iter().all(|tag| *tag == 0) {
                continue;
            }
            lattice.marginals(emissions, &sequence.gaps, &self.exponentials, marginals);
            self.collect(view, range.start, path, marginals, &mut names);
        }
        names
    }

    /// Makes names of a path of tags.
    fn collect(&self, view: &View<'_>, offset: usize, path: &[u8], marginals: &[[f32; TAGS]], names: &mut Vec<Name>) {
        let mut at = 0;
        while at < path.len() {
            let Some(kind) = Kind::of_tag(path[at]) else {
                at += 1;
                continue;
            };
            let (begin, inside) = kind.tags();
            let mut to = at + 1;
            while to < path.len() && usize::from(path[to]) == inside {
                to += 1;
            }
            let next = to;
            let probability = |index: usize| marginals[index][begin] + marginals[index][inside];
            let highest = (at..to).map(probability).fold(0.0, f32::max);
            while to - at > 1 && probability(to - 1) < EDGE * highest {
                to -= 1;
            }
            while to - at > 1 && probability(at) < EDGE * highest {
                at += 1;
            }
            let mean = (at..to).map(probability).sum::<f32>() / (to - at) as f32;
            names.push(Name {
                start: view.tokens[offset + at].start,
                end: view.tokens[offset + to - 1].end,
                kind,
                probability: self.calibrated(kind as usize, mean),
            });
            at = next;
        }
    }
}

/// What the rules for persons say of each token: 0 nothing; else how sure they are, and whether a name begins there.
pub(crate) fn hints_of(view: &View<'_>, people: &[crate::detect::Span]) -> Vec<u8> {
    let mut hints = vec![0; view.tokens.len()];
    for span in people {
        let sure = match span.score {
            score if score >= 0.7 => 3,
            score if score >= 0.5 => 2,
            score if score >= 0.3 => 1,
            _ => continue,
        };
        let first = view.tokens.partition_point(|token| token.start < span.start);
        for (index, token) in view.tokens.iter().enumerate().skip(first) {
            if token.end > span.end {
                break;
            }
            hints[index] = hints[index].max(2 * sure - u8::from(index > first));
        }
    }
    hints
}
