//! Writes the logits of some token sequences for the comparisons in `bench/peers`.
//!
//! `cargo run --release -p cloister-model --example dump_logits -- BASE ADAPTER|- SEQUENCES.json OUT_DIR`
//!
//! `SEQUENCES.json` is a list of lists of token ids, or `fixtures/logits.json`. Each sequence's logits go to
//! `OUT_DIR/N.f32`, little-endian `[tokens, vocabulary]`, and a line about it to `OUT_DIR/logits.jsonl`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use cloister_model::{Base, Decoder, Precision, peft};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, adapter, sequences, out] = arguments.as_slice() else {
        return Err("usage: dump_logits BASE ADAPTER|- SEQUENCES.json OUT_DIR".into());
    };
    let (base, weights) = Base::open(Path::new(base), Precision::F32)?;
    let decoder = Decoder::new(base.config, weights)?;
    let lora = match adapter.as_str() {
        "-" => None,
        path => Some(peft::read(Path::new(path), decoder.config())?.0),
    };
    let input: Value = serde_json::from_slice(&std::fs::read(sequences)?)?;
    let list = input.get("prompts").unwrap_or(&input).as_array().ok_or("no list of sequences")?;
    std::fs::create_dir_all(out)?;
    let mut lines = std::fs::File::create(Path::new(out).join("logits.jsonl"))?;
    for (index, entry) in list.iter().enumerate() {
        let ids = entry.get("tokens").unwrap_or(entry).as_array().ok_or("a sequence is not a list")?;
        let tokens: Vec<u32> = ids.iter().filter_map(Value::as_u64).map(|id| id as u32).collect();
        let logits = decoder.logits(lora.as_ref(), &tokens)?;
        let name = format!("{index}.f32");
        let bytes: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(Path::new(out).join(&name), bytes)?;
        writeln!(lines, "{}", json!({"prompt_index": index, "tokens": tokens, "logits_path": name}))?;
    }
    Ok(())
}
