//! Writes JSON in printable ASCII.
//!
//! Invariant: every character outside of `0x20` to `0x7e` is an escape, so nothing that a terminal, a pager or a reader of
//! lines acts on is in the bytes. Order of keys is that of the fields.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// The bytes of a value.
pub(super) fn to_bytes<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii)).ok()?;
    Some(bytes)
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !(' '..='~').contains(&c)) {
            let (plain, behind) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = behind.chars();
            let mut units = [0; 2];
            for unit in characters.next().map(|c| c.encode_utf16(&mut units)).into_iter().flatten() {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
