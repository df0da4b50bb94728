//! Lines of the inputs, as records or as lines that cannot be read.
//!
//! Invariants: one line is in memory at a time, and of a line that is too long only what the limit allows; a line that is no
//! record is reported with its number and a kind, and the next is read; all bytes pass through `seen`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use cloister_text::records::LINE_LIMIT_BYTES;
use cloister_text::{Columns, Error as TextError, Record, Shape};

use super::Error;
use crate::interrupt;

/// Where records come from. Holds what was piped in: no `Debug`.
pub struct Input {
    /// The path as it was given; `-` is stdin.
    pub path: PathBuf,
    piped: Option<Vec<u8>>,
}

/// Why a line is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable(pub &'static str);

impl Input {
    /// The file at `path`; stdin is read at once, since it can be read only once.
    ///
    /// # Errors
    /// [`crate::Error::Read`] or [`crate::Error::IsFolder`] if there is nothing to read.
    pub fn open(path: &Path) -> Result<Self, crate::Error> {
        let mut piped = None;
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(crate::Error::read(path))?;
            piped = Some(bytes);
        } else {
            let file = File::open(path).map_err(crate::Error::read(path))?;
            if file.metadata().map_err(crate::Error::read(path))?.is_dir() {
                return Err(crate::Error::IsFolder { path: path.into() });
            }
        }
        Ok(Self { path: path.into(), piped })
    }

    /// The name of the file without its folders.
    pub fn name(&self) -> String {
        match (&self.piped, self.path.file_name()) {
            (None, Some(name)) => name.to_string_lossy().into_owned(),
            _ => "stdin".into(),
        }
    }

    /// Size in bytes, as far as it is known before reading.
    pub fn bytes(&self) -> u64 {
        match &self.piped {
            Some(bytes) => bytes.len() as u64,
            None => self.path.metadata().map_or(0, |metadata| metadata.len()),
        }
    }

    /// Calls `each` with the number, the bytes and the record of every line that is not blank; with `seen`, all bytes.
    /// `shape` is the shape that all records share, once it is known.
    pub(super) fn lines(
        &self,
        columns: &Columns,
        shape: &mut Option<Shape>,
        mut seen: impl FnMut(&[u8]),
        mut each: impl FnMut(usize, &[u8], Result<Record, Unreadable>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut reader: Box<dyn BufRead> = match &self.piped {
            Some(bytes) => Box::new(bytes.as_slice()),
            None => {
                let file = File::open(&self.path).map_err(crate::Error::read(&self.path))?;
                Box::new(BufReader::with_capacity(1 << 18, file))
            }
        };
        let head = reader.fill_buf().map_err(crate::Error::read(&self.path))?;
        if let Some(form) = other_form(head, &self.path) {
            return Err(Error::NotLines { path: self.path.clone(), form });
        }
        let (mut line, mut bytes) = (0, Vec::new());
        while let Some(whole) = next_line(&mut reader, &mut bytes, &mut seen).map_err(crate::Error::read(&self.path))? {
            interrupt::check()?;
            line += 1;
            let mut content = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
            if line == 1 {
                content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
            }
            if whole && content.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let record = if whole { record(content, columns, line, shape) } else { Err(Unreadable("too long")) };
            each(line, content, record)?;
        }
        Ok(())
    }
}

/// Reads up to the next line break, and keeps what the limit allows; whether that is all. `None` at the end.
fn next_line(reader: &mut dyn BufRead, line: &mut Vec<u8>, seen: &mut impl FnMut(&[u8])) -> io::Result<Option<bool>> {
    line.clear();
    let (mut any, mut whole) = (false, true);
    loop {
        let block = match reader.fill_buf() {
            Ok(block) => block,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if block.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = block.iter().position(|byte| *byte == b'\n');
        let part = &block[..end.unwrap_or(block.len())];
        let room = LINE_LIMIT_BYTES - line.len();
        whole &= part.len() <= room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(block.len(), |end| end + 1);
        seen(&block[..used]);
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

/// What an input is that is no JSON lines, by its first bytes, else by its name.
fn other_form(head: &[u8], path: &Path) -> Option<&'static str> {
    let name = path.extension().map(|name| name.to_string_lossy().to_lowercase());
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    match (head, text, name.as_deref()) {
        ([0x1F, 0x8B, ..], ..) => Some("compressed by gzip"),
        ([0x28, 0xB5, 0x2F, 0xFD, ..], ..) => Some("compressed by zstd"),
        ([b'P', b'A', b'R', b'1', ..], ..) => Some("Parquet"),
        ([b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xFF, 0xFF, 0xFF, 0xFF, ..], ..) => Some("Arrow"),
        ([0xFF, 0xFE, ..] | [0xFE, 0xFF, ..], ..) => Some("UTF-16"),
        (_, [b'[', ..], _) => Some("one JSON array"),
        (.., Some("csv" | "tsv")) => Some("a table"),
        _ => None,
    }
}

fn record(content: &[u8], columns: &Columns, line: usize, shape: &mut Option<Shape>) -> Result<Record, Unreadable> {
    // A list would be read as all of its records, of which a line has one.
    if content.trim_ascii_start().first() == Some(&b'[') {
        return Err(Unreadable("not a JSON object"));
    }
    let dataset = cloister_text::read_from(content, columns).map_err(|error| Unreadable(kind(&error)))?;
    if *shape.get_or_insert(dataset.shape) != dataset.shape {
        return Err(Unreadable("another shape than the first record"));
    }
    let mut record = dataset.records.into_iter().next().ok_or(Unreadable("no record"))?;
    record.line = line;
    Ok(record)
}

/// An error in words that do not repeat the line, for counting.
fn kind(error: &TextError) -> &'static str {
    match error {
        TextError::NotUtf8 { .. } => "not UTF-8",
        TextError::Nul { .. } => "holds a NUL character",
        TextError::NotJson { .. } => "not JSON",
        TextError::NotObject { .. } => "not a JSON object",
        TextError::UnknownShape { .. } => "none of the known shapes",
        TextError::MissingField { .. } => "a field is missing",
        TextError::WrongType { .. } => "a field has another type",
        TextError::UnknownRole { .. } => "a turn has an unknown role",
        TextError::NoCompletion { .. } => "no completion",
        TextError::LineTooLong { .. } => "too long",
        _ => "no record",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Line numbers with what stands there, or why not.
    type Lines = Vec<(usize, Result<String, &'static str>)>;

    fn read(bytes: &[u8]) -> (Lines, usize) {
        let input = Input { path: "-".into(), piped: Some(bytes.to_vec()) };
        let (mut found, mut seen) = (Vec::new(), 0);
        let each = |line, _: &[u8], record: Result<Record, Unreadable>| {
            let record = record.map(|record| record.to_json_line()).map_err(|Unreadable(kind)| kind);
            found.push((line, record));
            Ok(())
        };
        input.lines(&Columns::default(), &mut None, |bytes| seen += bytes.len(), each).unwrap();
        (found, seen)
    }

    #[test]
    fn a_bad_line_does_not_stop_the_next() {
        let bytes = b"\xEF\xBB\xBF{\"text\":\"a\"}\r\n\n{\"text\":\n[{\"text\":\"x\"},{\"text\":\"y\"}]\n{\"text\":\"\xff\"}\n{\"prompt\":\"p\",\"completion\":\"c\"}\n{\"text\":\"b\"}";
        let (found, seen) = read(bytes);
        let expected = [
            (1, Ok("{\"text\":\"a\"}".to_owned())),
            (3, Err("not JSON")),
            (4, Err("not a JSON object")),
            (5, Err("not UTF-8")),
            (6, Err("another shape than the first record")),
            (7, Ok("{\"text\":\"b\"}".to_owned())),
        ];
        assert_eq!(found, expected);
        assert_eq!(seen, bytes.len());
    }

    #[test]
    fn other_forms_are_refused_before_anything_is_lost() {
        for (bytes, name, form) in [
            (&b"\x1F\x8B\x08"[..], "a.jsonl.gz", "compressed by gzip"),
            (b"\x28\xB5\x2F\xFD", "a.zst", "compressed by zstd"),
            (b"PAR1\0", "a", "Parquet"),
            (b"ARROW1\0\0", "a", "Arrow"),
            (b"\xFF\xFE{\0", "a.jsonl", "UTF-16"),
            (b" [{\"text\":\"a\"},{\"text\":\"b\"}]", "a.json", "one JSON array"),
            (b"id,text\n", "a.CSV", "a table"),
        ] {
            let input = Input { path: name.into(), piped: Some(bytes.to_vec()) };
            let refused = input.lines(&Columns::default(), &mut None, |_| (), |_, _, _| Ok(()));
            assert!(matches!(refused, Err(Error::NotLines { form: told, .. }) if told == form), "{name}");
        }
        assert_eq!(other_form(b"{\"text\":\"a\"}", Path::new("a.jsonl")), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut bytes = vec![b'x'; LINE_LIMIT_BYTES + 10];
        bytes.extend_from_slice(b"\n{\"text\":\"b\"}\n");
        let (found, seen) = read(&bytes);
        assert_eq!(found, [(1, Err("too long")), (2, Ok("{\"text\":\"b\"}".to_owned()))]);
        assert_eq!(seen, bytes.len());
        assert_eq!(read(b""), (Vec::new(), 0));
    }
}
