//! Labelled texts: reading, cleaning, and variants with other names.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::lists::Lists;
use super::prng::Prng;

/// A text with its names: first byte, one past the last, kind (0 person, 1 place, 2 organisation).
#[derive(Clone)]
pub(crate) struct Labelled {
    pub(crate) text: String,
    pub(crate) spans: Vec<(usize, usize, usize)>,
}

/// Roles that loan agreements mark as persons.
const ROLES: &[&str] = &["lender", "lenders", "borrower", "borrowers", "bank", "company", "agent"];

fn kind(label: &str) -> Option<usize> {
    Some(match label {
        "PERSON" => 0,
        "LOCATION" | "GPE" | "STREET_ADDRESS" | "LOC" => 1,
        "ORGANIZATION" | "ORG" => 2,
        _ => return None,
    })
}

/// Reads a file of the shared form.
pub(crate) fn read(path: &Path) -> std::io::Result<Vec<Labelled>> {
    let mut all = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        let text = row["text"].as_str().unwrap_or_default().to_owned();
        let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        let mut spans = Vec::new();
        for span in row["spans"].as_array().into_iter().flatten() {
            let place = |name: &str| span[name].as_u64().and_then(|at| bytes.get(at as usize).copied());
            if let (Some(start), Some(end), Some(kind)) =
                (place("start"), place("end"), span["label"].as_str().and_then(kind))
            {
                spans.push((start, end, kind));
            }
        }
        spans.sort_unstable();
        all.push(Labelled { text, spans });
    }
    Ok(all)
}

/// Takes away what is marked by convention and is no name to us: roles, handles and web addresses.
pub(crate) fn clean(all: &mut [Labelled]) {
    for Labelled { text, spans } in all {
        spans.retain(|(start, end, kind)| {
            let name = text[*start..*end].to_lowercase();
            let handle = name == "@" || text[..*start].ends_with('@') || name.contains("://");
            !(handle || *kind == 0 && ROLES.contains(&name.as_str()))
        });
    }
}

/// The text in small or capital letters, where that keeps the offsets.
pub(crate) fn recased(example: &Labelled, upper: bool) -> Option<Labelled> {
    let text = if upper { example.text.to_uppercase() } else { example.text.to_lowercase() };
    let fits = text.len() == example.text.len()
        && example.spans.iter().all(|(start, end, _)| text.is_char_boundary(*start) && text.is_char_boundary(*end));
    fits.then(|| Labelled { text, spans: example.spans.clone() })
}

/// The text with its persons, and some of its places, exchanged for others.
pub(crate) fn renamed(example: &Labelled, lists: &Lists, prng: &mut Prng) -> Option<Labelled> {
    if !example.spans.iter().any(|(_, _, kind)| *kind < 2) {
        return None;
    }
    let (mut text, mut spans, mut from) = (String::new(), Vec::new(), 0);
    for (start, end, kind) in &example.spans {
        if *start < from {
            continue;
        }
        text.push_str(&example.text[from..*start]);
        let old = &example.text[*start..*end];
        let words = old.split(' ').count();
        let new = match kind {
            0 if words == 1 && prng.chance(50) => lists.given(prng),
            0 if words == 1 => lists.surname(prng),
            0 if words < 4 => {
                let mut name = lists.given(prng);
                for _ in 2..words {
                    name.push(' ');
                    name.push_str(&lists.given(prng));
                }
                name + " " + &lists.surname(prng)
            }
            1 if words < 3 && lists.is_city(old) => lists.city(prng),
            _ => old.to_owned(),
        };
        let small = !old.chars().any(char::is_uppercase);
        let capital = old.len() > 3 && !old.chars().any(char::is_lowercase);
        let at = text.len();
        text.push_str(&if small {
            new.to_lowercase()
        } else if capital {
            new.to_uppercase()
        } else {
            new
        });
        spans.push((at, text.len(), *kind));
        from = *end;
    }
    text.push_str(&example.text[from..]);
    Some(Labelled { text, spans })
}
