//! A tokenizer out of the metadata of a GGUF file.
//!
//! GGUF stores the vocabulary and the merges, and only the *name* of the pre-tokenizer. What a name stands for
//! is taken from llama.cpp (`src/llama-vocab.cpp`) and, where both exist, from the model's own `tokenizer.json`.
//! The result is a `tokenizer.json`, so that one path serves GGUF, folders and written adapters.
//!
//! Invariant: a pre-tokenizer that we do not know is refused; a guess would shift token boundaries silently.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::base::gguf::{Gguf, printable};
use crate::error::{Error, Result};
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// Longest token of a SentencePiece vocabulary.
const LONGEST_TOKEN_BYTES: usize = 1024;
/// Splits of Llama 3.
const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Splits of Qwen 2: as Llama 3, and every digit by itself.
const QWEN2_SPLIT: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Kinds of token in `tokenizer.ggml.token_type`.
const UNKNOWN: f64 = 2.0;
const CONTROL: f64 = 3.0;
const USER_DEFINED: f64 = 4.0;

/// Builds the tokenizer.
///
/// # Errors
/// [`Error::Unsupported`] for a tokenizer model or pre-tokenizer that is not known; [`Error::Tokenizer`] for a
/// vocabulary that contradicts itself.
pub(crate) fn tokenizer(file: &Gguf<'_>, context_length: usize) -> Result<Tokenizer> {
    let model = file.text("tokenizer.ggml.model")?.unwrap_or("none");
    let tokens = file.texts("tokenizer.ggml.tokens")?.ok_or_else(|| file.problem("has no vocabulary"))?;
    let kinds = file.numbers("tokenizer.ggml.token_type")?.unwrap_or_else(|| vec![1.0; tokens.len()]);
    if kinds.len() != tokens.len() {
        return Err(Error::Tokenizer(format!("{} tokens and {} token types", tokens.len(), kinds.len())));
    }
    let mut vocabulary = Map::new();
    for (id, &token) in tokens.iter().enumerate() {
        if vocabulary.insert(token.to_owned(), json!(id)).is_some() {
            return Err(Error::Tokenizer(format!("the vocabulary has token {id} twice")));
        }
    }
    let named = |key: &str| -> Result<Option<&str>> {
        let Some(id) = file.size(&format!("tokenizer.ggml.{key}"))? else { return Ok(None) };
        let missing = || Error::Tokenizer(format!("`{key}` is {id}, outside the vocabulary"));
        tokens.get(id).copied().map(Some).ok_or_else(missing)
    };
    let (bos, eos, pad) = (named("bos_token_id")?, named("eos_token_id")?, named("padding_token_id")?);
    let unknown = named("unknown_token_id")?;
    let mut json = match model {
        "gpt2" => byte_level(file, vocabulary)?,
        "llama" => sentence_piece(file, &tokens, vocabulary)?,
        other => return Err(Error::Unsupported { what: "tokenizer", value: printable(other) }),
    };
    let add_bos = match file.flag("tokenizer.ggml.add_bos_token")? {
        Some(flag) => flag,
        None => model == "llama" || is_llama3(file.text("tokenizer.ggml.pre")?),
    };
    let add_eos = file.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    json["added_tokens"] = added_tokens(&tokens, &kinds, &[bos, eos, pad]);
    json["post_processor"] = frame(bos.filter(|_| add_bos), eos.filter(|_| add_eos), &tokens);

    let mut config = Map::new();
    config.insert("add_bos_token".into(), json!(add_bos));
    config.insert("add_eos_token".into(), json!(add_eos));
    for (key, token) in [("bos_token", bos), ("eos_token", eos), ("pad_token", pad), ("unk_token", unknown)] {
        if let Some(token) = token {
            config.insert(key.into(), json!(token));
        }
    }
    config.insert("clean_up_tokenization_spaces".into(), json!(false));
    config.insert("model_max_length".into(), json!(context_length));
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    let special = SpecialTokens { add_bos: Some(add_bos), other_eos_ids: Vec::new(), config };
    Tokenizer::from_json(json.to_string(), special)
}

fn is_llama3(pre: Option<&str>) -> bool {
    matches!(pre, Some("llama-bpe" | "llama3" | "llama-v3"))
}

/// Byte-level BPE (GPT-2) with the named pre-tokenizer.
fn byte_level(file: &Gguf<'_>, vocabulary: Map<String, Value>) -> Result<Value> {
    let pre = file.text("tokenizer.ggml.pre")?;
    let split = |pattern: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        ]})
    };
    let gpt2 = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
    let (pre_tokenizer, normalizer) = match pre {
        Some("gpt-2" | "phi-2") => (gpt2, Value::Null),
        Some("smollm" | "starcoder" | "refact" | "command-r" | "codeshell") => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            (json!({"type": "Sequence", "pretokenizers": [digits, gpt2]}), Value::Null)
        }
        pre if is_llama3(pre) => (split(LLAMA3_SPLIT), Value::Null),
        // SmolLM3: splits as Llama 3, but merges a word that is a token as a whole like any other.
        Some("smaug-bpe") => (split(LLAMA3_SPLIT), Value::Null),
        Some("qwen2" | "deepseek-r1-qwen") => (split(QWEN2_SPLIT), json!({"type": "NFC"})),
        other => {
            let value = printable(other.unwrap_or("none"));
            return Err(Error::Unsupported { what: "pre-tokenizer", value });
        }
    };
    let merges = file.texts("tokenizer.ggml.merges")?.ok_or_else(|| file.problem("has no merges"))?;
    let merges = merges.iter().enumerate().map(|(line, merge)| match merge.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok(json!([left, right]))
        }
        _ => Err(Error::Tokenizer(format!("merge {line} is not a pair"))),
    });
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": is_llama3(pre),
            "vocab": vocabulary, "merges": merges.collect::<Result<Vec<_>>>()?,
        },
    }))
}

/// SentencePiece BPE: merges follow from the scores, characters outside the vocabulary fall back to bytes.
fn sentence_piece(file: &Gguf<'_>, tokens: &[&str], vocabulary: Map<String, Value>) -> Result<Value> {
    let scores = file.numbers("tokenizer.ggml.scores")?.ok_or_else(|| file.problem("has no token scores"))?;
    if scores.len() != tokens.len() {
        return Err(Error::Tokenizer(format!("{} tokens and {} scores", tokens.len(), scores.len())));
    }
    // Every cut of a token is tried: the work grows with the square of its length.
    if let Some(token) = tokens.iter().find(|token| token.len() > LONGEST_TOKEN_BYTES) {
        return Err(Error::Tokenizer(format!("a token of {} bytes, the limit is {LONGEST_TOKEN_BYTES}", token.len())));
    }
    let prefix = file.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let scheme = if prefix { "first" } else { "never" };
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false},
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges_from_scores(tokens, &scores),
        },
    }))
}

/// Every way to cut a token into two tokens, best score first; ties by the lengths of the parts, longest first.
fn merges_from_scores(tokens: &[&str], scores: &[f64]) -> Vec<Value> {
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, &token)| (token, id)).collect();
    let mut merges = Vec::new();
    for (&token, &score) in tokens.iter().zip(scores) {
        let cuts = token.char_indices().skip(1).map(|(at, _)| token.split_at(at));
        let mut cuts: Vec<_> =
            cuts.filter_map(|(left, right)| Some(((*ids.get(left)?, *ids.get(right)?), left, right))).collect();
        cuts.sort_by_key(|&(pair, _, _)| pair);
        merges.extend(cuts.into_iter().map(|(_, left, right)| (score, left, right)));
    }
    let lengths = |left: &str, right: &str| (left.chars().count(), right.chars().count());
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| lengths(b.1, b.2).cmp(&lengths(a.1, a.2))));
    merges.into_iter().map(|(_, left, right)| json!([left, right])).collect()
}

/// Control tokens are special, user-defined ones are only kept whole.
fn added_tokens(tokens: &[&str], kinds: &[f64], named: &[Option<&str>]) -> Value {
    let added = tokens.iter().zip(kinds).enumerate().filter_map(|(id, (&token, &kind))| {
        let special = kind == CONTROL || kind == UNKNOWN || named.contains(&Some(token));
        (special || kind == USER_DEFINED).then(|| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": special})
        })
    });
    added.collect()
}

/// The post-processor that puts special tokens around a text; null if there are none.
fn frame(bos: Option<&str>, eos: Option<&str>, tokens: &[&str]) -> Value {
    if bos.is_none() && eos.is_none() {
        return Value::Null;
    }
    let mut special = Map::new();
    for token in [bos, eos].into_iter().flatten() {
        let id = tokens.iter().position(|&other| other == token);
        special.insert(token.into(), json!({"id": token, "ids": [id], "tokens": [token]}));
    }
    let piece = |token: Option<&str>, part: u8| token.map(|t| json!({"SpecialToken": {"id": t, "type_id": part}}));
    let framed = |name: &str, part: u8| -> Vec<Value> {
        let text = json!({"Sequence": {"id": name, "type_id": part}});
        [piece(bos, part), Some(text), piece(eos, part)].into_iter().flatten().collect()
    };
    let pair: Vec<Value> = framed("A", 0).into_iter().chain(framed("B", 1)).collect();
    json!({"type": "TemplateProcessing", "single": framed("A", 0), "pair": pair, "special_tokens": special})
}
