//! Which format an input has, told from its first bytes and its name.
//!
//! Magic numbers decide first, then what a name promises, then the look of the first line.
//! Source: RFC 1952 (gzip), RFC 8878 (zstd), the specifications of Apache Parquet and of Arrow's IPC format.

use memchr::memchr;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    JsonLines,
    /// An array of objects, or objects one after the other, over any number of lines.
    Json,
    /// Rows under a header, fields between separators (RFC 4180).
    Table {
        /// Comma, tab, semicolon or bar.
        separator: u8,
    },
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, with a footer.
    ArrowFile,
    /// Arrow IPC, as a stream.
    ArrowStream,
}

/// What is wrapped around the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    None,
    Gzip,
    Zstd,
}

/// How many first bytes are looked at.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// Endings of names that are looked at inside a folder, each also with `.gz` or `.zst` behind it.
const ENDINGS: &[(&str, Promise)] = &[
    ("jsonl", Promise::Lines),
    ("ndjson", Promise::Lines),
    ("json", Promise::Json),
    ("csv", Promise::Table),
    ("tsv", Promise::Tabs),
    ("tab", Promise::Tabs),
    ("parquet", Promise::Binary),
    ("arrow", Promise::Binary),
    ("arrows", Promise::Binary),
    ("feather", Promise::Binary),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    Lines,
    Json,
    Table,
    Tabs,
    Binary,
}

pub(super) fn wrapping(head: &[u8]) -> Wrapping {
    match head {
        [0x1F, 0x8B, ..] => Wrapping::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Wrapping::Zstd,
        // A skippable frame, with which zstd streams may begin.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Wrapping::Zstd,
        _ => Wrapping::None,
    }
}

/// What is certainly not records, by its magic number.
pub(super) fn foreign(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some("a zip archive"),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz compression"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("bzip2 compression"),
        [0x04, 0x22, 0x4D, 0x18, ..] => Some("lz4 compression"),
        [b'O', b'b', b'j', 1, ..] => Some("Avro"),
        [b'P', b'A', b'R', b'E', ..] => Some("encrypted Parquet"),
        [b'%', b'P', b'D', b'F', ..] => Some("PDF"),
        _ if head.get(257..262) == Some(b"ustar") => Some("a tar archive"),
        _ => None,
    }
}

/// Whether a file in a folder is one of records, by its name.
pub(super) fn is_record_file(name: &str) -> bool {
    promise(name).is_some()
}

fn promise(name: &str) -> Option<Promise> {
    let lower = name.to_ascii_lowercase();
    let bare = [".gz", ".gzip", ".zst", ".zstd"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
    let (_, ending) = bare.rsplit_once('.')?;
    ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, promise)| *promise)
}

/// The format of what begins with `head`, already unpacked; `name` is empty where there is none.
pub(super) fn format(head: &[u8], name: &str) -> Format {
    if head.starts_with(b"PAR1") {
        return Format::Parquet;
    }
    if head.starts_with(b"ARROW1") {
        return Format::ArrowFile;
    }
    // The first message of a stream, its schema: a continuation mark and its length (a multiple of 8).
    if let [0xFF, 0xFF, 0xFF, 0xFF, low, _, _, 0, ..] = head
        && low % 8 == 0
    {
        return Format::ArrowStream;
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let promise = promise(name);
    match promise {
        Some(Promise::Tabs) => return Format::Table { separator: b'\t' },
        Some(Promise::Table) => return Format::Table { separator: separator(text) },
        _ => {}
    }
    let text = text.trim_ascii_start();
    match text.first() {
        Some(b'[') => Format::Json,
        Some(b'{') => object_format(text, promise),
        Some(_) if promise.is_none() && is_table(text) => Format::Table { separator: separator(text) },
        _ => Format::JsonLines,
    }
}

/// A first line that is a whole object speaks for JSON lines; one that ends between two tokens of an object, for JSON.
fn object_format(text: &[u8], promise: Option<Promise>) -> Format {
    let Some(end) = memchr(b'\n', text) else {
        return if promise == Some(Promise::Json) { Format::Json } else { Format::JsonLines };
    };
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in &text[..end] {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let goes_on = depth > 0 && !in_string;
    if goes_on && promise != Some(Promise::Lines) { Format::Json } else { Format::JsonLines }
}

/// The separator that stands most often in the first line, outside quotation marks.
fn separator(text: &[u8]) -> u8 {
    let count = |separator: u8| first_line(text, separator).saturating_sub(1);
    let mut best = b',';
    for separator in [b'\t', b';', b'|'] {
        if count(separator) > count(best) {
            best = separator;
        }
    }
    best
}

/// Without a promise: two lines of the same number of fields, at least two.
fn is_table(text: &[u8]) -> bool {
    let separator = separator(text);
    let fields = first_line(text, separator);
    let rest = memchr(b'\n', text).map_or(&[][..], |end| &text[end + 1..]);
    let binary = text.iter().any(|byte| *byte < b'\t');
    fields > 1 && !binary && !rest.is_empty() && first_line(rest, separator) == fields
}

/// Fields in the first line; separators inside quotation marks do not count.
fn first_line(text: &[u8], separator: u8) -> usize {
    let mut quoted = false;
    let mut fields = 1;
    for &byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if byte == separator && !quoted => fields += 1,
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        assert_eq!(format(b"PAR1....", "a.csv"), Format::Parquet);
        assert_eq!(format(b"ARROW1\0\0", ""), Format::ArrowFile);
        assert_eq!(format(b"\xFF\xFF\xFF\xFF\x10\x01\0\0", ""), Format::ArrowStream);
        assert_eq!(format(b"[{\"text\":1}]", "a.jsonl"), Format::Json);
        assert_eq!(format(b"{\"text\":1}\n{\"text\":2}", "a.json"), Format::JsonLines);
        assert_eq!(format(b"{\n \"text\":1}", "a.json"), Format::Json);
        assert_eq!(format(b"{\n \"text\":1}", ""), Format::Json);
    }

    #[test]
    fn a_broken_first_line_of_json_lines_is_no_other_format() {
        assert_eq!(format(b"{\"text\":\"a\n{\"text\":\"b\"}", ""), Format::JsonLines);
        assert_eq!(format(b"{\"text\":\n{\"text\":\"b\"}", "a.jsonl"), Format::JsonLines);
        assert_eq!(format(b"not json, at all\n", ""), Format::JsonLines);
        assert_eq!(format(b"", "a.json"), Format::JsonLines);
    }

    #[test]
    fn separators_are_told_from_the_header() {
        let table = |separator| Format::Table { separator };
        assert_eq!(format(b"id,text\n1,a", "a.csv"), table(b','));
        assert_eq!(format(b"id;\"a,b,c\";text\n", "a.csv"), table(b';'));
        assert_eq!(format(b"id\ttext\n", "a.CSV.gz"), table(b'\t'));
        assert_eq!(format(b"text\n", "a.csv"), table(b','));
        assert_eq!(format(b"a,b\n", "a.tsv"), table(b'\t'));
        assert_eq!(format(b"id,text\n1,a\n", ""), table(b','));
    }

    #[test]
    fn wrappings_and_strangers_are_known_by_their_magic_numbers() {
        assert_eq!(wrapping(b"\x1F\x8B\x08"), Wrapping::Gzip);
        assert_eq!(wrapping(b"\x28\xB5\x2F\xFD"), Wrapping::Zstd);
        assert_eq!(wrapping(b"{"), Wrapping::None);
        assert_eq!(foreign(b"PK\x03\x04"), Some("a zip archive"));
        assert_eq!(foreign(b"PARK"), None);
        assert!(is_record_file("x.JSONL") && is_record_file("x.csv.zst") && !is_record_file("README.md"));
        assert!(!is_record_file("jsonl"));
    }
}
