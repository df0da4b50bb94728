//! Records whose values are sealed, and the way back.
//!
//! Invariant: a sealed record carries what its restoration is checked against: the bytes of the file from the end of the
//! record before it to its own end, so blank lines, spaces and a byte order mark come back too.

use std::io::{BufRead, Write as _};

use cloister_text::{Dataset, Sealer};

use super::Error;
use crate::files::WholeFile;

/// Writes the records sealed, one line each. `source` is the file as it was read; without it the records come back without
/// what the policy replaced for good.
pub fn write_sealed(
    dataset: &Dataset,
    source: Option<&[u8]>,
    sealer: &Sealer,
    out: &mut WholeFile,
) -> Result<(), Error> {
    let path = out.target().to_owned();
    let mut pieces = source.map(|source| Pieces { source, line: 0 });
    for (index, record) in dataset.records.iter().enumerate() {
        crate::interrupt::check()?;
        let last = index + 1 == dataset.records.len();
        let original = pieces.as_mut().map(|pieces| pieces.up_to(record.line, last));
        let mut line = sealer.seal_line(&record.to_json_line(), original)?;
        line.push('\n');
        out.write_all(line.as_bytes()).map_err(crate::Error::write(&path))?;
    }
    Ok(())
}

/// What is left of a file, and the number of the last line that was taken.
struct Pieces<'a> {
    source: &'a [u8],
    line: usize,
}

impl<'a> Pieces<'a> {
    /// Everything up to the end of `line`, or all that is left.
    fn up_to(&mut self, line: usize, all: bool) -> &'a [u8] {
        let mut end = 0;
        while self.line < line {
            let rest = &self.source[end..];
            end += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            self.line += 1;
        }
        let (piece, rest) = self.source.split_at(if all { self.source.len() } else { end });
        self.source = rest;
        piece
    }
}

/// Writes what a sealed file was; returns the number of its records.
pub fn restore(
    mut source: impl BufRead,
    name: &std::path::Path,
    sealer: &Sealer,
    out: &mut WholeFile,
) -> Result<usize, Error> {
    let path = out.target().to_owned();
    let (mut bytes, mut number, mut records) = (Vec::new(), 0, 0);
    loop {
        crate::interrupt::check()?;
        bytes.clear();
        if source.read_until(b'\n', &mut bytes).map_err(crate::Error::read(name))? == 0 {
            break;
        }
        number += 1;
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = str::from_utf8(&bytes)
            .map_err(|error| cloister_text::Error::NotUtf8 { line: number, byte: error.valid_up_to() })?;
        let original = sealer.restore_line(line, number)?;
        out.write_all(&original).map_err(crate::Error::write(&path))?;
        records += 1;
    }
    if records == 0 { Err(cloister_text::Error::Empty.into()) } else { Ok(records) }
}
