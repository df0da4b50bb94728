//! Token ids: ours are those of the Hugging Face library, and nothing of a text is lost.

use std::ops::Range;

use cloister_model::Tokenizer;
use proptest::prelude::*;

use super::writer::{self, Meta};
use super::{error, peer, peer_json, real_base, tiny_base};

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, false).unwrap()
}

#[test]
fn merges_digits_and_special_tokens_are_applied() {
    let tokenizer = tiny_base().tokenizer;
    let id = |token: &str| tokenizer.id_of(token).unwrap();
    let (hello, space_hello, two_spaces) = (id("hello"), id("Ġhello"), id("ĠĠ"));
    assert_eq!(ids(&tokenizer, "hello hello"), [hello, space_hello]);
    assert_eq!(ids(&tokenizer, "<|im_start|>hello<|im_end|>"), [1, hello, 2]);
    // Every digit stands alone, so both spaces before it form one token.
    assert_eq!(ids(&tokenizer, "  12"), [two_spaces, id("1"), id("2")]);
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.adds_bos()), (Some(1), Some(2), false));
    assert_eq!(tokenizer.eos_ids(), [2, 0]);
    assert_eq!(tokenizer.decode(&[1, hello, 2], true), "hello");
    assert_eq!(tokenizer.decode(&[1, hello, 2], false), "<|im_start|>hello<|im_end|>");
}

#[test]
fn the_pre_tokenizer_is_the_named_one() {
    let with = |pre: &str| {
        let mut file = writer::tiny();
        file.set("tokenizer.ggml.pre", Meta::Text(pre.into()));
        file.open().unwrap().0.tokenizer
    };
    let id = |token: &str| tiny_base().tokenizer.id_of(token).unwrap();
    let (one, two, both) = (id("1"), id("2"), id("12"));
    // One token per digit, runs of any length, or runs of up to three.
    assert_eq!(ids(&with("smollm"), "1212"), [one, two, one, two]);
    assert_eq!(ids(&with("qwen2"), "1212"), [one, two, one, two]);
    assert_eq!(ids(&with("gpt-2"), "1212"), [both, both]);
    assert_eq!(ids(&with("llama-bpe"), "1212"), [both, one, two]);
    assert_eq!(ids(&with("smaug-bpe"), "1212"), [both, one, two]);
    // Only SmolLM's splits digits off before it looks at white space.
    assert_eq!(ids(&with("smollm"), "  1"), [id("ĠĠ"), one]);
    assert_eq!(ids(&with("qwen2"), "  1"), [id("Ġ"), id("Ġ"), one]);
}

#[test]
fn the_beginning_of_sequence_token_is_added_where_the_file_says_so() {
    let mut file = writer::tiny();
    file.set("tokenizer.ggml.add_bos_token", Meta::Bool(true));
    let tokenizer = file.open().unwrap().0.tokenizer;
    let hello = tokenizer.id_of("hello").unwrap();
    assert_eq!(tokenizer.encode("hello", true).unwrap(), [1, hello]);
    assert_eq!(tokenizer.encode("hello", false).unwrap(), [hello]);
    assert!(tokenizer.adds_bos());
}

/// Expected ids from transformers 5.23 (`LlamaTokenizer`, with merges from the scores).
#[test]
fn sentence_piece_vocabularies_agree_with_transformers() {
    let pieces = ["▁t", "he", "▁the", "in", "er", "▁a", "ing", "▁", "e", "t", "a", "i", "n", "h", "r", "g", "s"];
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(pieces.map(String::from));
    let kinds = (0..tokens.len()).map(|id| [2, 3, 3].get(id).copied().unwrap_or(if id < 259 { 6 } else { 1 }));
    let scores = (0..tokens.len()).map(|id| if id < 259 { 0.0 } else { 258.0 - id as f32 });
    let mut file = writer::tiny();
    file.metadata.retain(|(key, _)| !key.ends_with(".merges") && !key.ends_with(".pre"));
    file.metadata.retain(|(key, _)| !key.ends_with("add_bos_token"));
    file.set("tokenizer.ggml.model", Meta::Text("llama".into()));
    file.set("tokenizer.ggml.token_type", Meta::I32s(kinds.collect()));
    file.set("tokenizer.ggml.scores", Meta::F32s(scores.collect()));
    let embedding = file.tensor("token_embd.weight");
    embedding.dimensions[1] = tokens.len() as u64;
    embedding.bytes = vec![0; writer::HIDDEN * tokens.len() * 4];
    file.set("tokenizer.ggml.tokens", Meta::Texts(tokens));
    let tokenizer = file.open().unwrap().0.tokenizer;
    let cases: [(&str, &[u32]); 4] = [
        ("the thing", &[261, 259, 272, 265]),
        ("a tiger's ring é", &[264, 259, 270, 274, 263, 42, 275, 266, 273, 265, 266, 198, 172]),
        ("the</s>a", &[261, 2, 269]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(ids(&tokenizer, text), expected, "{text:?}");
        assert_eq!(tokenizer.decode(expected, false), text);
    }
    assert_eq!(tokenizer.encode("the", true).unwrap(), [1, 261]);
}

#[test]
fn contradictory_vocabularies_are_refused() {
    let with = |key: &str, value: Meta| {
        let mut file = writer::tiny();
        file.set(key, value);
        error(file.open()).to_string()
    };
    assert!(with("tokenizer.ggml.merges", Meta::Texts(vec!["x".into()])).contains("merge 0 is not a pair"));
    assert!(with("tokenizer.ggml.merges", Meta::Texts(vec!["no such".into()])).starts_with("tokenizer: "));
    assert!(with("tokenizer.ggml.eos_token_id", Meta::U32(9999)).contains("outside the vocabulary"));
    assert!(with("tokenizer.ggml.token_type", Meta::I32s(vec![1])).contains("token types"));
    let mut file = writer::tiny();
    let rows = file.tensor("token_embd.weight");
    rows.dimensions[1] -= 1;
    assert!(error(file.open()).to_string().contains("the embedding has"));
}

proptest! {
    #[test]
    fn texts_survive_and_offsets_cover_them(text in "(?s)\\PC{0,20}[ \n\t0-9a-zé🙂]{0,40}.{0,10}") {
        thread_local! {
            static TOKENIZER: Tokenizer = tiny_base().tokenizer;
        }
        TOKENIZER.with(|tokenizer| {
            let encoded = tokenizer.encode_with_offsets(&text).unwrap();
            let ids: Vec<u32> = encoded.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, tokenizer.encode(&text, false).unwrap());
            assert_eq!(tokenizer.decode(&ids, false), text);
            let mut stream = tokenizer.decoder(false);
            let mut streamed: String = ids.iter().map(|&id| stream.push(id)).collect();
            streamed.push_str(&stream.finish());
            assert_eq!(streamed, text);
            let mut covered = 0;
            for (_, Range { start, end }) in encoded {
                assert!(start <= covered && covered <= end && text.is_char_boundary(end));
                covered = end;
            }
            assert_eq!(covered, text.len());
        });
    }
}

#[test]
fn a_stream_shows_whole_characters_and_does_not_hold_back_text() {
    let tokenizer = tiny_base().tokenizer;
    let mut stream = tokenizer.decoder(true);
    let shown: Vec<String> = ids(&tokenizer, "hello é!").into_iter().map(|id| stream.push(id)).collect();
    assert_eq!(shown, ["hello", " ", "", "é", "!"]);
    let half = ids(&tokenizer, "é")[0];
    let mut stream = tokenizer.decoder(true);
    assert_eq!(stream.push(half), "");
    assert_eq!(stream.finish(), "\u{fffd}");
}

/// 5,000 strings of hard cases, by the Hugging Face library behind the model's own pre-tokenizer.
#[test]
fn the_real_vocabulary_agrees_with_its_peer() {
    let Some((base, _)) = real_base() else { return };
    let lines = std::fs::read_to_string(peer("tokenizer.jsonl")).unwrap();
    let mut compared = 0;
    for line in lines.lines().skip(1) {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        // `ids` leaves out the split into digits that the file names; `ids_digits` is given where that matters.
        let expected = row.get("ids_digits").unwrap_or(&row["ids"]);
        let expected: Vec<u32> = serde_json::from_value(expected.clone()).unwrap();
        assert_eq!(ids(&base.tokenizer, row["text"].as_str().unwrap()), expected, "row {compared}");
        compared += 1;
    }
    assert_eq!(compared, 5000);
}

#[test]
fn a_folder_s_tokenizer_agrees_with_its_peer() {
    let base = super::open(&peer("tiny_llama")).unwrap();
    for row in peer_json("tiny_llama_answers.json")["tokenizer"].as_array().unwrap() {
        let expected: Vec<u32> = serde_json::from_value(row["ids"].clone()).unwrap();
        assert_eq!(ids(&base.tokenizer, row["text"].as_str().unwrap()), expected);
    }
    assert_eq!((base.tokenizer.bos(), base.tokenizer.eos_ids()), (Some(1), [2, 0].as_slice()));
}
