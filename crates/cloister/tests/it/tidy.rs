//! The tree's own rules: the invariants of ARCHITECTURE.md that a program can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::walk;

const STAGES: &[&str] = &["ingest", "scan", "protect", "train", "audit", "release", "serve"];
const ENGINES: &[&str] = &["dp", "text", "model", "inspect", "vault", "access"];
const UNSAFE_ALLOWED: &[&str] = &["crates/model/src/kernels/", "crates/model/src/base/mmap.rs"];
/// Who may take a sum without noise out of its process, and what for: `ClippedSum::across_processes` and its `Parts`.
const SUMS_CROSS: &[&str] =
    &["crates/dp/src/", "crates/cloister/src/train/team/mod.rs", "crates/cloister/src/train/team/mpi.rs"];
/// Types that hold what a person wrote, or a key.
const SILENT_TYPES: &[&str] = &[
    "Record",
    "Turn",
    "Body",
    "Dataset",
    "Example",
    "Replaced",
    "ReplaceContext",
    "Features",
    "Fingerprint",
    "Subjects",
    "RecordKey",
    "Originals",
    "Written",
    "SurrogateKey",
    "Sources",
    "Parts",
    "ClippedSum",
    "DataKey",
    "Kek",
    "SignerKey",
    "Plaintext",
    "RecordRow",
    "ChunkBuffer",
    "OpeningReader",
    "SealingWriter",
    "Passphrase",
    "Pin",
    "KeyFile",
    "RowKey",
    "Database",
    "UnsealedRing",
    "DatasetKeys",
    "SubjectKey",
    "OpeningKeys",
    "NewVersion",
    "Sealed",
    "Subjects",
    "Secrets",
    "ForStore",
    "RecordLine",
    "Frame",
    "SnapshotKey",
];
const LONG_FILE_LINES: usize = 600;
const LONGEST_FILE_LINES: usize = 1000;

struct Source {
    /// From the root of the workspace, with slashes.
    path: String,
    text: String,
    /// The text without comments and the insides of string and character literals; lines stay.
    code: String,
}

#[test]
fn no_stage_imports_another_stage() {
    let mut found = Vec::new();
    for stage in STAGES {
        let own = [format!("crates/cloister/src/{stage}/"), format!("crates/cloister/src/{stage}.rs")];
        for source in rust().iter().filter(|source| own.iter().any(|own| source.path.starts_with(own.as_str()))) {
            let others =
                roots(&source.code).into_iter().filter(|root| STAGES.contains(&root.as_str()) && root != stage);
            found.extend(others.map(|other| format!("{} uses {other}", source.path)));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_engine_depends_on_another_engine() {
    for engine in ENGINES {
        let path = root().join("crates").join(engine).join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
        let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
        let ours: Vec<&String> =
            tables.flat_map(|table| table.keys()).filter(|name| name.starts_with("cloister")).collect();
        assert!(ours.is_empty(), "crates/{engine} depends on {ours:?}");
    }
}

#[test]
fn every_crate_obeys_the_workspace_lints() {
    for crate_folder in fs::read_dir(root().join("crates")).unwrap() {
        let manifest = crate_folder.unwrap().path().join("Cargo.toml");
        let table: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
        let inherits = table.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        assert_eq!(inherits, Some(true), "{}", manifest.display());
    }
}

#[test]
fn unsafe_code_stays_where_it_is_audited() {
    let allowed = |source: &&Source| UNSAFE_ALLOWED.iter().any(|place| source.path.starts_with(place));
    let sources = rust();
    let found = sources.iter().filter(|source| !allowed(source) && words(&source.code).any(|word| word == "unsafe"));
    assert_eq!(found.map(|source| source.path.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_sum_without_noise_leaves_its_process_in_one_place() {
    let allowed = |source: &&Source| SUMS_CROSS.iter().any(|place| source.path.starts_with(place));
    let sources = rust();
    let crosses = |source: &&Source| words(&source.code).any(|word| word == "across_processes" || word == "Parts");
    let (inside, outside): (Vec<&Source>, Vec<&Source>) = sources.iter().filter(crosses).partition(allowed);
    assert_eq!(outside.iter().map(|source| source.path.as_str()).collect::<Vec<_>>(), [""; 0]);
    assert!(inside.len() > 2, "the door was renamed: name it here");
}

#[test]
fn every_file_says_what_it_owns() {
    let sources = rust();
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path.as_str());
    assert_eq!(silent.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn no_file_is_too_long() {
    let mut too_long = Vec::new();
    for source in rust() {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE_LINES {
            too_long.push(format!("{}: {lines}", source.path));
        } else if lines > LONG_FILE_LINES {
            eprintln!("worth a split: {} has {lines} lines", source.path);
        }
    }
    assert_eq!(too_long, [""; 0]);
}

#[test]
fn nothing_is_left_to_do() {
    // In two halves, so that this file passes its own test.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let macros = [concat!("unimpl", "emented!"), concat!("to", "do!")];
    let mut found = Vec::new();
    for source in rust() {
        found.extend(
            macros.iter().filter(|mark| source.code.contains(**mark)).map(|mark| format!("{}: {mark}", source.path)),
        );
    }
    for (path, text) in texts(&["rs", "md", "toml", "sh", ""]) {
        let marked = |mark: &&&str| words(&text).any(|word| word == **mark);
        found.extend(marks.iter().filter(marked).map(|mark| format!("{path}: {mark}")));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_holds_text_or_keys_cannot_be_printed() {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for source in rust().iter().filter(|source| source.path.contains("/src/")) {
        let lines: Vec<&str> = source.code.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(name) = defined(line).filter(|name| SILENT_TYPES.contains(name)) else { continue };
            seen.insert(name.to_owned());
            let attributes = lines[..number].iter().rev().take_while(|above| {
                let above = above.trim();
                above.is_empty() || above.starts_with("#[") || above.starts_with("///") || above.ends_with(")]")
            });
            let derives: String = attributes.copied().collect();
            let printable = words(&derives).any(|word| word == "Debug" || word == "Display");
            let by_hand = [" Debug for ", " Display for ", "::Debug for ", "::Display for "].iter().any(|how| {
                lines.iter().any(|line| line.split_once(how).is_some_and(|(_, of)| words(of).next() == Some(name)))
            });
            if printable || by_hand {
                found.push(format!("{}: {name}", source.path));
            }
        }
    }
    assert_eq!(found, [""; 0]);
    for expected in ["Record", "Dataset", "SurrogateKey", "Features", "Fingerprint", "Subjects", "RecordKey"] {
        assert!(seen.contains(expected), "{expected} was renamed: name its successor here");
    }
}

#[test]
fn errors_stay_typed_outside_the_command_line() {
    let sources = rust();
    let is_inner = |source: &&Source| {
        let path = &source.path;
        path.contains("/src/") && !path.starts_with("crates/cloister/src/cli/") && path != "crates/cloister/src/main.rs"
    };
    let found = sources.iter().filter(is_inner).filter(|source| words(&source.code).any(|word| word == "anyhow"));
    assert_eq!(found.map(|source| source.path.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn documents_name_no_home_folder() {
    let homes = ["/root/", "/home/", "/Users/", "C:\\Users"];
    let mut found = Vec::new();
    for (path, text) in texts(&["md", "sh", ""]) {
        found.extend(homes.iter().filter(|home| text.contains(**home)).map(|home| format!("{path}: {home}")));
    }
    assert_eq!(found, [""; 0]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Rust file of the workspace.
fn rust() -> Vec<Source> {
    let sources: Vec<Source> =
        texts(&["rs"]).into_iter().map(|(path, text)| Source { code: code_of(&text), path, text }).collect();
    assert!(sources.len() > 20, "the tree was not found");
    sources
}

/// The text files with these extensions, without what is generated, built or hidden.
fn texts(extensions: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() {
            collect(&root, &path, extensions, &mut found);
        } else if !name.starts_with('.') && !name.starts_with("target") && name != "demo-out" {
            walk(&path, &mut |path| collect(&root, path, extensions, &mut found));
        }
    }
    found.sort();
    found
}

fn collect(root: &Path, path: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
    let extension = path.extension().map_or("", |extension| extension.to_str().unwrap_or("?"));
    if extensions.contains(&extension)
        && let Ok(text) = fs::read_to_string(path)
    {
        found.push((path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"), text));
    }
}

/// The first names after `crate::`, or after a `super::` that leads there, also inside `{…}`.
fn roots(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for keyword in ["crate::", "super::"] {
        for (at, _) in code.match_indices(keyword) {
            let rest = code[at + keyword.len()..].trim_start();
            match rest.strip_prefix('{') {
                None => found.extend(words(rest).next().map(str::to_owned)),
                Some(group) => found.extend(first_names(group)),
            }
        }
    }
    found
}

/// The first name of every path in a group, up to the brace that closes it.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    names.push(item);
    names.iter().filter_map(|item| words(item).next().map(str::to_owned)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The name of the struct or enum that a line begins.
fn defined(line: &str) -> Option<&str> {
    let mut words = words(line.trim_start()).skip_while(|word| matches!(*word, "pub" | "crate" | "super" | "in"));
    matches!(words.next(), Some("struct" | "enum")).then(|| words.next())?
}

/// Blanks comments and the insides of literals.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest, &code) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].chars().filter(|c| *c == '\n'));
        code.push(' ');
        rest = &rest[length..];
    }
    code
}

/// The length of a raw string that begins here.
fn raw_string(rest: &str, before: &str) -> Option<usize> {
    let inside_word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).filter(|_| !inside_word)?;
    let hashes = body.chars().take_while(|c| *c == '#').count();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = inside.find(&format!("\"{}", "#".repeat(hashes))).map_or(inside.len(), |end| end + 1 + hashes);
    Some(rest.len() - inside.len() + end)
}

/// The length of a literal with escapes, quotes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

#[test]
fn the_rules_see_what_they_should() {
    let code = code_of(
        "use crate::{files, train::{self, plan}};\nlet x = \"crate::audit\"; // crate::serve\nr#\"crate::scan\"#;",
    );
    assert_eq!(roots(&code).into_iter().collect::<Vec<_>>(), ["files", "train"]);
    assert_eq!(
        code_of("let q = '\"'; let l: &'a str = b\"x\\\"y\"; unsafe {}"),
        "let q =  ; let l: &'a str = b ; unsafe {}"
    );
    assert_eq!(defined("pub(crate) struct Record<'a> {"), Some("Record"));
    assert_eq!(defined("let record = Record::new();"), None);
}
