//! A Modelfile: what `ollama create` builds a model from.
//!
//! Sources: ollama/ollama, `docs/modelfile.mdx`, `docs/template.mdx`, `docs/import.mdx`, `parser/parser.go` (quotes),
//! `template/template.go` (what `.System` and `.Messages` hold), `server/images.go` and `server/model.go` (without a
//! TEMPLATE, the chat template of the GGUF file is used, or a built-in one that resembles it).
//!
//! Invariant: a TEMPLATE stands in the file only if it writes what the base's own template writes. Otherwise it is left
//! out, and Ollama does with the base's template what it can.

use crate::base::Base;
use crate::base::gguf::printable;
use crate::error::{Error, Result};
use crate::export::turns::Turns;

/// The text of a Modelfile.
///
/// `from` is the model, and `adapter` the GGUF adapter, each as a path relative to the Modelfile.
///
/// # Errors
/// [`Error::Unsupported`] for a path that the file cannot quote.
pub fn modelfile(base: &Base, from: &str, adapter: Option<&str>) -> Result<String> {
    let mut file = String::new();
    let mut line = |text: String| file += &(text + "\n");
    line(format!("# Tuned from {}, sha256 {}", printable(&base.identity.name), base.identity.sha256));
    line(format!("FROM {}", quoted(from)?));
    if let Some(adapter) = adapter {
        line(format!("ADAPTER {}", quoted(adapter)?));
    }
    if let Some(template) = template(base) {
        line(format!("TEMPLATE \"\"\"{template}\"\"\""));
    }
    for &id in base.tokenizer.eos_ids() {
        let token = base.tokenizer.decode(&[id], false);
        if !token.is_empty() && is_plain(&token) && !token.contains(['"', '\n']) {
            line(format!("PARAMETER stop \"{token}\""));
        }
    }
    Ok(file)
}

/// The base's chat template in Go's language, if it is simple enough.
fn template(base: &Base) -> Option<String> {
    let mut turns = Turns::of(base.template.as_ref()?)?;
    if base.tokenizer.adds_bos() {
        // Ollama puts the token there by itself, once for a text.
        let bos = base.tokenizer.special_text("bos_token")?;
        turns.opening = turns.opening.strip_prefix(bos).unwrap_or(&turns.opening).to_owned();
        turns.system.0 = turns.system.0.strip_prefix(bos).unwrap_or(&turns.system.0).to_owned();
    }
    let Turns { opening, system, user, assistant, prompt } = &turns;
    let texts = [opening, &system.0, &system.1, &user.0, &user.1, &assistant.0, &assistant.1, prompt];
    // Nor at an end, where a brace or a quote would join what follows.
    let closed = |text: &str| !text.contains("{{") && !text.contains("\"\"\"") && !text.ends_with(['{', '"']);
    if !texts.iter().all(|text| is_plain(text) && closed(text)) {
        return None;
    }
    let role = |name: &str, around: &(String, String)| {
        format!("if eq .Role \"{name}\" }}}}{}{{{{ .Content }}}}{}", around.0, around.1)
    };
    let opening =
        if opening.is_empty() { String::new() } else { format!("{{{{ if not .System }}}}{opening}{{{{ end }}}}") };
    Some(format!(
        "{opening}{{{{ range .Messages }}}}{{{{ {}{{{{ else {}{{{{ else {}{{{{ end }}}}{{{{ end }}}}{prompt}",
        role("system", system),
        role("user", user),
        role("assistant", assistant)
    ))
}

fn quoted(path: &str) -> Result<String> {
    if path.contains('"') || !path.chars().all(|c| c == ' ' || is_printable(c)) {
        return Err(Error::Unsupported { what: "file name in a Modelfile", value: printable(path) });
    }
    Ok(if path.contains(' ') { format!("\"{path}\"") } else { path.to_owned() })
}

/// Whether Ollama's parser, which drops what it cannot print, keeps every character.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' ' | '\n' | '\t') || is_printable(c))
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !c.is_whitespace()
        && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
