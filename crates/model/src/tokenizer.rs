//! Text to token ids and back, with byte offsets.
//!
//! Invariants: the ids are those of the `tokenizer.json` that an adapter is written with, as the Hugging Face
//! library reads it; offsets are untrimmed byte offsets into the text that was given; nothing that holds text
//! implements `Debug`.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Names that end a turn or a text in the families we run; those that a vocabulary marks special count as ends.
const END_TOKENS: [&str; 11] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<|EOT|>",
    "<|eot|>",
    "</s>",
    "<eos>",
];

/// A tokenizer and its special tokens.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    json: String,
    config: Map<String, Value>,
    bos: Option<u32>,
    add_bos: bool,
    frame_bos: bool,
    pad: Option<u32>,
    eos: Vec<u32>,
    vocab_size: usize,
}

/// What `tokenizer.json` does not say.
pub(crate) struct SpecialTokens {
    /// Whether texts start with the beginning-of-sequence token; `None` leaves it to the post-processor.
    pub(crate) add_bos: Option<bool>,
    /// Further ids that end a generation.
    pub(crate) other_eos_ids: Vec<u32>,
    /// The contents of `tokenizer_config.json`.
    pub(crate) config: Map<String, Value>,
}

impl Tokenizer {
    /// From the text of a `tokenizer.json` and the settings beside it.
    pub(crate) fn from_json(json: String, special: SpecialTokens) -> Result<Self> {
        let mut parsed: Map<String, Value> =
            serde_json::from_str(&json).map_err(|error| Error::Tokenizer(error.to_string()))?;
        // Padding and truncation would change lengths, and trimming would make offsets miss the white space.
        parsed.insert("padding".into(), Value::Null);
        parsed.insert("truncation".into(), Value::Null);
        if let Some(processor) = parsed.get_mut("post_processor") {
            keep_offsets_whole(processor);
            if !frames_are_whole(processor) {
                return Err(Error::Tokenizer("the post-processor names what it does not have".into()));
            }
        }
        let parsed = Value::Object(parsed);
        let inner = tokenizers::Tokenizer::from_bytes(parsed.to_string()).map_err(failed)?;
        let SpecialTokens { add_bos, other_eos_ids, config } = special;
        let id = |key: &str| token_text(&config, key).and_then(|text| inner.token_to_id(text));
        let (bos, pad) = (id("bos_token"), id("pad_token"));
        let mut eos: Vec<u32> = id("eos_token").into_iter().chain(other_eos_ids).collect();
        let added = inner.get_added_tokens_decoder();
        let mut ends: Vec<u32> = added
            .iter()
            .filter(|(_, token)| token.special && END_TOKENS.contains(&token.content.as_str()))
            .map(|(&id, _)| id)
            .collect();
        ends.sort_unstable();
        eos.extend(ends);
        let mut seen = BTreeSet::new();
        eos.retain(|&id| seen.insert(id));
        let special = |id: &u32| added.get(id).is_some_and(|token| token.special);
        let ids = inner.get_vocab(true).into_values().filter(|id| !special(id));
        let vocab_size = ids.chain(bos).chain(pad).chain(eos.iter().copied()).max().map_or(0, |id| id as usize + 1);
        let framed = inner.encode_fast("", true).map_err(failed)?;
        let frame_bos = bos.is_some() && framed.get_ids().first().copied() == bos;
        let add_bos = bos.is_some() && add_bos.unwrap_or(frame_bos);
        Ok(Self { inner, json, config, bos, add_bos, frame_bos, pad, eos, vocab_size })
    }

    /// Token ids of a text. `add_special` adds what the tokenizer puts around a text, such as the
    /// beginning-of-sequence token.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(|_| unencodable())?;
        let mut ids = encoding.get_ids().to_vec();
        if add_special && self.add_bos != self.frame_bos {
            match self.bos {
                Some(bos) if self.add_bos => ids.insert(0, bos),
                _ => drop(ids.drain(..1.min(ids.len()))),
            }
        }
        Ok(ids)
    }

    /// Token ids, without added special tokens, each with the range of bytes of `text` it stands for.
    /// Tokens that share one character all have that character's range.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let encoding = self.inner.encode(text, false).map_err(|_| unencodable())?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| start..end);
        Ok(encoding.get_ids().iter().copied().zip(offsets).collect())
    }

    /// The text of token ids. Bytes that are not UTF-8, and ids outside the vocabulary, do not fail: the former
    /// become U+FFFD, the latter nothing.
    #[must_use]
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        self.inner.decode(ids, skip_special).unwrap_or_default()
    }

    /// Decodes token by token, for streaming.
    #[must_use]
    pub fn decoder(&self, skip_special: bool) -> StreamDecoder<'_> {
        StreamDecoder { tokenizer: self, skip_special, ids: Vec::new(), shown: 0, read: 0 }
    }

    /// The id of a token by its name.
    #[must_use]
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The beginning-of-sequence token.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether a text starts with [`Tokenizer::bos`].
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    /// The padding token.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.pad
    }

    /// The token that ends a text: the first of [`Tokenizer::eos_ids`].
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos.first().copied()
    }

    /// All tokens that end a turn or a text. The configured one is first, if there is one.
    #[must_use]
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos
    }

    /// One more than the largest id of a text, or of a token that begins, ends or pads one. Other special tokens may
    /// lie beyond the embedding of a base: Gemma 3 without vision has such a one for an image.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The text of a special token named in the settings, such as `bos_token`.
    pub(crate) fn special_text(&self, key: &str) -> Option<&str> {
        token_text(&self.config, key)
    }

    /// The text of `tokenizer.json`.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The contents of `tokenizer_config.json`.
    pub(crate) fn config(&self) -> &Map<String, Value> {
        &self.config
    }
}

/// Turns a stream of tokens into a stream of whole characters.
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    ids: Vec<u32>,
    shown: usize,
    read: usize,
}

impl StreamDecoder<'_> {
    /// Takes the next token and returns the text that it completes, which is empty within a character.
    pub fn push(&mut self, id: u32) -> String {
        self.ids.push(id);
        self.step(false)
    }

    /// The rest: bytes of a character that was never completed appear as U+FFFD.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.step(true)
    }

    /// Decoders look at neighbours (spaces, bytes), so a window of tokens is decoded with and without the new
    /// ones, and the difference is the new text.
    fn step(&mut self, last: bool) -> String {
        let before = self.tokenizer.decode(&self.ids[self.shown..self.read], self.skip_special);
        let after = self.tokenizer.decode(&self.ids[self.shown..], self.skip_special);
        if after.ends_with('\u{fffd}') && !last {
            return String::new();
        }
        let new = after.strip_prefix(before.as_str()).unwrap_or_default().to_owned();
        if !new.is_empty() {
            // The window keeps the tokens of the last step as context, and older ones go.
            self.ids.drain(..self.read);
            self.shown = 0;
            self.read = self.ids.len();
        }
        new
    }
}

/// Settings give a special token as its text or as an object with `content`.
fn token_text<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let token = config.get(key)?;
    token.as_str().or_else(|| token.get("content")?.as_str())
}

fn keep_offsets_whole(processor: &mut Value) {
    if let Some(trim) = processor.get_mut("trim_offsets") {
        *trim = Value::Bool(false);
    }
    if let Some(Value::Array(parts)) = processor.get_mut("processors") {
        parts.iter_mut().for_each(keep_offsets_whole);
    }
}

/// Whether every frame around a text (`TemplateProcessing`) names its own special tokens and, around one text, one text: the
/// library does not check what it reads, and ends the process where a name is missing.
fn frames_are_whole(processor: &Value) -> bool {
    let parts = processor.get("processors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let known = |id: &Value| id.as_str().is_some_and(|id| processor["special_tokens"].get(id).is_some());
    let pieces = |name: &str| processor.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let whole = |piece: &Value| piece.get("SpecialToken").is_none_or(|token| known(&token["id"]));
    let second = |piece: &Value| piece.get("Sequence").is_some_and(|sequence| sequence["id"] == "B");
    pieces("single").iter().all(|piece| whole(piece) && !second(piece))
        && pieces("pair").iter().all(whole)
        && parts.iter().all(frames_are_whole)
}

/// The library's reason could quote the text.
fn unencodable() -> Error {
    Error::Tokenizer("cannot encode the text".into())
}

fn failed(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_frame_has_all_that_it_names() {
        let template = |single: Value, special: Value| json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special});
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let token = json!({"SpecialToken": {"id": "<s>", "type_id": 0}});
        let known = json!({"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}});
        let whole = template(json!([token, text]), known.clone());
        assert!(frames_are_whole(&whole) && frames_are_whole(&Value::Null));
        for broken in [
            template(json!([token, text]), json!({})),
            template(json!([{"Sequence": {"id": "B", "type_id": 0}}]), known),
        ] {
            assert!(!frames_are_whole(&broken));
            assert!(!frames_are_whole(&json!({"type": "Sequence", "processors": [whole, broken]})));
        }
    }
}
