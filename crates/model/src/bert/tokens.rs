//! The WordPiece tokenizer of a folder: text to ids with byte offsets.
//!
//! Invariants: only parts that read a text in linear time are taken, so nothing with a pattern of its own; a special token
//! that stands written in a text is read as text, so no text can end its own window; every id has a row in the embedding.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::base::folder::Files;
use crate::base::gguf::printable;
use crate::error::{Error, Result};

/// Most characters of a word that is cut into pieces; the time for a word grows with its square.
const LONGEST_WORD: u64 = 256;

/// A tokenizer, and what stands around every window.
pub(super) struct Words {
    inner: tokenizers::Tokenizer,
    /// `[CLS]`, `[SEP]`.
    pub(super) frame: (u32, u32),
}

impl Words {
    /// From `tokenizer.json`, or from `vocab.txt`.
    pub(super) fn read(files: &mut Files<'_>, rows: usize) -> Result<Self> {
        let config = files.object("tokenizer_config.json")?.unwrap_or_default();
        let description = match files.object("tokenizer.json")? {
            Some(description) => description,
            None => match files.text("vocab.txt")? {
                Some(vocabulary) => from_vocabulary(&vocabulary, &config),
                None => {
                    let value = "neither tokenizer.json nor vocab.txt".into();
                    return Err(Error::Unsupported { what: "tokenizer", value });
                }
            },
        };
        Self::new(description, &config, rows)
    }

    fn new(mut description: Map<String, Value>, config: &Map<String, Value>, rows: usize) -> Result<Self> {
        refuse_others(&description)?;
        // Windows are framed here; padding and truncation would change lengths.
        for part in ["padding", "truncation", "post_processor", "decoder"] {
            description.insert(part.into(), Value::Null);
        }
        let bytes = Value::Object(description).to_string();
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| Error::Tokenizer(error.to_string()))?;
        inner.set_encode_special_tokens(true);
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0) as usize;
        if largest >= rows {
            return Err(Error::Tokenizer(format!("has ids up to {largest}, the embedding has {rows} rows")));
        }
        let special = |key: &str, usual: &str| {
            let named = config.get(key).and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
            let name = named.unwrap_or(usual);
            inner.token_to_id(name).ok_or_else(|| Error::Tokenizer(format!("has no token `{}`", printable(name))))
        };
        let frame = (special("cls_token", "[CLS]")?, special("sep_token", "[SEP]")?);
        special("unk_token", "[UNK]")?;
        Ok(Self { inner, frame })
    }

    /// Ids of a text, without a frame, each with the bytes of the text that it stands for.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        // The library's reason could quote the text.
        let failed = |_| Error::Tokenizer("cannot encode the text".into());
        let encoding = self.inner.encode(text, false).map_err(failed)?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| start..end);
        Ok(encoding.get_ids().iter().copied().zip(offsets).collect())
    }
}

/// What `BertTokenizerFast` makes of a list of words.
fn from_vocabulary(vocabulary: &str, config: &Map<String, Value>) -> Map<String, Value> {
    let words: Map<String, Value> =
        vocabulary.lines().enumerate().map(|(id, word)| (word.to_owned(), Value::from(id))).collect();
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    let description = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": flag("strip_accents"),
            "lowercase": flag("do_lower_case").unwrap_or(true),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": words,
        },
    });
    match description {
        Value::Object(description) => description,
        _ => Map::new(),
    }
}

/// Refuses models other than WordPiece, and normalisers and splitters with patterns of their own.
fn refuse_others(description: &Map<String, Value>) -> Result<()> {
    const NORMALIZERS: &[&str] =
        &["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "Strip"];
    const SPLITTERS: &[&str] = &["BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits"];
    let unsupported = |what, value: &str| Err(Error::Unsupported { what, value: printable(value) });
    let model = description.get("model").unwrap_or(&Value::Null);
    match model.get("type").and_then(Value::as_str) {
        Some("WordPiece") => {}
        other => return unsupported("tokenizer", other.unwrap_or("without a type")),
    }
    if model.get("max_input_chars_per_word").and_then(Value::as_u64).is_some_and(|most| most > LONGEST_WORD) {
        return unsupported("tokenizer setting", "max_input_chars_per_word above 256");
    }
    for (part, list, known) in
        [("normalizer", "normalizers", NORMALIZERS), ("pre_tokenizer", "pretokenizers", SPLITTERS)]
    {
        let Some(value) = description.get(part).filter(|value| !value.is_null()) else { continue };
        let steps = match value.get(list).and_then(Value::as_array) {
            Some(steps) if value["type"] == "Sequence" => steps.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for step in steps {
            match step.get("type").and_then(Value::as_str) {
                Some(kind) if known.contains(&kind) => {}
                other => return unsupported("part of a tokenizer", other.unwrap_or("without a type")),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nana\nru\n##iz\n[\n]\nsep\n";

    fn words(config: Value, rows: usize) -> Result<Words> {
        let config = config.as_object().unwrap();
        Words::new(from_vocabulary(VOCABULARY, config), config, rows)
    }

    #[test]
    fn ids_have_the_bytes_they_stand_for_and_written_frames_are_text() {
        let words = words(json!({}), 11).unwrap();
        assert_eq!(words.frame, (2, 3));
        let text = "\u{1}Äna  Ruiz [SEP]";
        let found: Vec<_> = words.encode(text).unwrap().into_iter().map(|(id, at)| (id, &text[at])).collect();
        assert_eq!(found, [(5, "Äna"), (6, "Ru"), (7, "iz"), (8, "["), (10, "SEP"), (9, "]")]);
    }

    #[test]
    fn case_is_kept_where_the_settings_say_so() {
        let words = words(json!({"do_lower_case": false}), 11).unwrap();
        assert_eq!(words.encode("Ana ana").unwrap(), [(1, 0..3), (5, 4..7)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refusal = |change: &dyn Fn(&mut Value)| {
            let mut description = Value::Object(from_vocabulary(VOCABULARY, &Map::new()));
            change(&mut description);
            let Value::Object(description) = description else { unreachable!() };
            Words::new(description, &Map::new(), 11).err().unwrap().to_string()
        };
        assert_eq!(
            words(json!({}), 10).err().unwrap().to_string(),
            "tokenizer: has ids up to 10, the embedding has 10 rows"
        );
        assert_eq!(refusal(&|all| all["model"]["type"] = "BPE".into()), "unsupported tokenizer: `BPE`");
        let split = json!({"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": false});
        assert_eq!(refusal(&|all| all["pre_tokenizer"] = split.clone()), "unsupported part of a tokenizer: `Split`");
        let hidden = json!({"type": "Sequence", "normalizers": [{"type": "Replace"}]});
        assert_eq!(refusal(&|all| all["normalizer"] = hidden.clone()), "unsupported part of a tokenizer: `Replace`");
        assert_eq!(
            refusal(&|all| all["model"]["max_input_chars_per_word"] = 100_000.into()),
            "unsupported tokenizer setting: `max_input_chars_per_word above 256`"
        );
    }
}
