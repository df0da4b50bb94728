//! A token classifier: BERT with a label for every token, from a Hugging Face folder.
//!
//! Texts are read in windows that overlap, and each token takes its probabilities from the window in which it stands further
//! from an edge. Windows of several texts go through the encoder together.
//!
//! Invariants: what cannot be computed exactly is refused when the folder is opened; memory does not grow with a text, and time
//! grows linearly; the tokens of a text come in order, and their offsets are those of the text as it was given; nothing
//! that holds text implements `Debug`.

mod forward;
mod settings;
mod tokens;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::base::folder::{Files, folder_name, with_tensors};
use crate::error::{Error, Result};
use crate::kernels::Ragged;
use crate::kernels::frozen::Precision;
use forward::Encoder;
use tokens::Words;

/// Tokens of a window with its frame, where the model has so many positions.
const WINDOW: usize = 256;
/// The least text that goes on in the next window is a quarter of a window.
const OVERLAP_PART: usize = 4;
/// Tokens that go through the encoder together.
const BATCH: usize = 2048;
/// Bytes of a text that are cut into tokens at a time.
const PIECE: usize = 16 * 1024;

/// A model that gives every token of a text a probability for each of its labels.
pub struct TokenClassifier {
    encoder: Encoder,
    words: Words,
    labels: Vec<String>,
    window: usize,
    identity: ClassifierIdentity,
}

/// Names a classifier without saying where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifierIdentity {
    /// The name of the folder; never a path.
    pub name: String,
    /// Lower-case hexadecimal SHA-256 of the lines `digest  name` of the files used, sorted by name.
    pub sha256: String,
    /// The SHA-256 of each file used, by name.
    pub files: BTreeMap<String, String>,
}

/// A token of a text and what the model says of it.
#[derive(Clone, Copy)]
pub struct TokenLabels<'a> {
    /// Which of the texts it stands in.
    pub text: usize,
    /// First byte; a token of characters that the model does not read may be empty.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Probabilities in the order of [`TokenClassifier::labels`]; their sum is 1.
    pub probabilities: &'a [f32],
}

impl TokenClassifier {
    /// Opens a folder with `config.json`, safetensors, and `tokenizer.json` or `vocab.txt`. The matrices are kept in
    /// `precision`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] for malformed files, [`Error::Unsupported`] for models that are not run, also other
    /// tokenizers than WordPiece, [`Error::Config`] and [`Error::Tensor`] for sizes that do not fit, [`Error::Tokenizer`].
    pub fn open(folder: &Path, precision: Precision) -> Result<Self> {
        let mut files = Files::of(folder);
        let shape = settings::read(&files.settings()?)?;
        let words = Words::read(&mut files, shape.vocabulary)?;
        let encoder = with_tensors(&mut files, forward::IGNORED, |tensors| Encoder::read(tensors, &shape, precision))?;
        let (sha256, files) = files.digests();
        let identity = ClassifierIdentity { name: folder_name(folder), sha256, files };
        Ok(Self { encoder, words, labels: shape.labels, window: WINDOW.min(shape.positions), identity })
    }

    /// The names of the labels.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Which model this is.
    #[must_use]
    pub fn identity(&self) -> &ClassifierIdentity {
        &self.identity
    }

    /// Gives `found` every token of every text, in order.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where the model overflows, [`Error::Tokenizer`]; what was given by then is not all.
    pub fn classify(&self, texts: &[&str], mut found: impl FnMut(TokenLabels<'_>)) -> Result<()> {
        let mut queue = Queue { classifier: self, ids: Vec::new(), windows: Vec::new(), found: &mut found };
        let room = self.window - 2;
        let overlap = room / OVERLAP_PART;
        for (text, content) in texts.iter().enumerate() {
            let mut tokens: Vec<(u32, Range<usize>)> = Vec::new();
            let mut is_first = true;
            for piece in pieces(content) {
                let encoded = self.words.encode(&content[piece.clone()])?;
                tokens.extend(encoded.into_iter().map(|(id, at)| (id, at.start + piece.start..at.end + piece.start)));
                let mut from = 0;
                while tokens.len() - from > room {
                    let own = if is_first { 0 } else { overlap / 2 }..room - overlap.div_ceil(2);
                    queue.push(text, &tokens[from..from + room], own)?;
                    is_first = false;
                    from += room - overlap;
                }
                tokens.drain(..from);
            }
            let own = if is_first { 0 } else { overlap / 2 }..tokens.len();
            queue.push(text, &tokens, own)?;
        }
        queue.run()
    }
}

/// Windows on their way through the encoder.
struct Queue<'a, F> {
    classifier: &'a TokenClassifier,
    ids: Vec<u32>,
    windows: Vec<Window>,
    found: &'a mut F,
}

/// A window, its frame included.
struct Window {
    text: usize,
    length: usize,
    /// The tokens that take their probabilities from it, counted from its first one.
    own: Range<usize>,
    places: Vec<Range<usize>>,
}

impl<F: FnMut(TokenLabels<'_>)> Queue<'_, F> {
    fn push(&mut self, text: usize, tokens: &[(u32, Range<usize>)], own: Range<usize>) -> Result<()> {
        if own.is_empty() {
            return Ok(());
        }
        if self.ids.len() + tokens.len() + 2 > BATCH.max(self.classifier.window) {
            self.run()?;
        }
        let (first, last) = self.classifier.words.frame;
        self.ids.push(first);
        self.ids.extend(tokens.iter().map(|(id, _)| *id));
        self.ids.push(last);
        let places = tokens[own.clone()].iter().map(|(_, place)| place.clone()).collect();
        self.windows.push(Window { text, length: tokens.len() + 2, own, places });
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        if self.windows.is_empty() {
            return Ok(());
        }
        let batch = Ragged::new(self.windows.iter().map(|window| window.length));
        let probabilities = self.classifier.encoder.probabilities(&self.ids, &batch);
        if !probabilities.iter().all(|probability| probability.is_finite()) {
            return Err(Error::NonFinite("a label's probability"));
        }
        let labels = self.classifier.labels.len();
        for (window, rows) in self.windows.drain(..).zip(batch.ranges()) {
            // Behind the token that opens the window.
            let first = rows.start + 1 + window.own.start;
            let rows = probabilities[first * labels..].chunks_exact(labels);
            for (place, probabilities) in window.places.into_iter().zip(rows) {
                (self.found)(TokenLabels { text: window.text, start: place.start, end: place.end, probabilities });
            }
        }
        self.ids.clear();
        Ok(())
    }
}

/// A text in pieces that end behind white space, where words end too, or else anywhere between characters.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == text.len() {
            return None;
        }
        let end = if text.len() - start <= PIECE {
            text.len()
        } else {
            let limit = text.floor_char_boundary(start + PIECE);
            let space = text[start..limit].char_indices().rev().find(|(_, c)| c.is_whitespace());
            space.map_or(limit, |(at, c)| start + at + c.len_utf8())
        };
        let piece = start..end;
        start = end;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_text_and_end_between_words() {
        let text = format!("{} {}{}", "ä".repeat(PIECE / 2 - 3), "word ".repeat(PIECE), "é".repeat(PIECE));
        let pieces: Vec<_> = pieces(&text).collect();
        assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (0, text.len()));
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE && text.is_char_boundary(piece.end)));
        assert!(text[..pieces[0].end].ends_with(' '));
    }
}
