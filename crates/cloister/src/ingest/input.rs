//! The inputs: files, the files of folders, and what was piped in; read piece by piece, on all cores.
//!
//! Invariants: what is held does not grow with a file (what was piped in is kept, since it comes only once); pieces are
//! handed on in their order; every byte that is stored goes into the digest of its file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloister_text::{Chunk, Columns, Error as TextError, FileInFolder, Finding, Given, Piece, Reading, Source, Tally};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::progress::Progress;
use crate::{interrupt, parallel};

/// Where records come from: one file, or one stream. Holds what was piped in: no `Debug`.
pub struct Input {
    /// The path as it was given; `-` is stdin. In a folder, the file.
    pub path: PathBuf,
    name: Arc<str>,
    origin: Origin,
}

enum Origin {
    File,
    InFolder(FileInFolder),
    Piped(Vec<u8>),
}

/// Why a line, a row or a value is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable {
    /// In words, for counting.
    pub kind: &'static str,
    /// Whether its file cannot be read to its end, so that nobody knows how many records are missing.
    pub ends_file: bool,
}

impl Input {
    /// The file at `path`, or the files of the folder there, in the order of their names; and what there is in the folder
    /// that is not read. What is no file, such as stdin, is read at once.
    ///
    /// # Errors
    /// [`crate::Error::Read`] if there is nothing to read.
    pub fn open(path: &Path) -> Result<(Vec<Self>, Vec<Finding>), crate::Error> {
        let piped = |name: &str, mut from: Box<dyn io::Read>| -> Result<_, crate::Error> {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map_err(crate::Error::read(path))?;
            let input = Self { path: path.into(), name: name.into(), origin: Origin::Piped(bytes) };
            Ok((vec![input], Vec::new()))
        };
        if path == Path::new("-") {
            return piped("stdin", Box::new(io::stdin().lock()));
        }
        let metadata = path.metadata().map_err(crate::Error::read(path))?;
        if metadata.is_dir() {
            let refused = |error: TextError| crate::Error::read(path)(io::Error::other(error));
            let (files, others) = Source::files_of(path).map_err(refused)?;
            let input = |file: FileInFolder| Self {
                path: file.path.clone(),
                name: Arc::clone(&file.name),
                origin: Origin::InFolder(file),
            };
            return Ok((files.into_iter().map(input).collect(), others));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = File::open(path).map_err(crate::Error::read(path))?;
        if !metadata.is_file() {
            return piped(&name, Box::new(file));
        }
        Ok((vec![Self { path: path.into(), name: name.into(), origin: Origin::File }], Vec::new()))
    }

    /// The name of the file without its folders; in a folder that was named, from that folder on.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Size in bytes, as far as it is known before reading.
    pub fn bytes(&self) -> u64 {
        match &self.origin {
            Origin::Piped(bytes) => bytes.len() as u64,
            _ => self.path.metadata().map_or(0, |metadata| metadata.len()),
        }
    }

    /// Lets `look` see every piece, on all cores, and hands what it makes of them to `sink`, in their order; gives the
    /// digest of all bytes. `progress` advances by the size of the file.
    pub(super) fn read<T: Send>(
        &self,
        columns: &Columns,
        (progress, findings): (&mut Progress, &mut Tally),
        look: impl Fn(Piece<'_>) -> T + Sync,
        mut sink: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<[u8; 32], Error> {
        let named = |source| Error::Input { path: self.path.clone(), source };
        let reading = Reading::strict(columns);
        let (mut digest, mut advanced) = (Sha256::new(), 0);
        let mut source = self.source().map_err(named)?.keeping_rows().heard_by(|bytes| digest.update(bytes));
        let work = |chunk: Chunk| {
            let mut looked = Vec::new();
            chunk.pieces(&reading, |piece| looked.push(look(piece))).map(|given| (looked, given))
        };
        let next = || source.next_chunk();
        parallel::pipeline(
            parallel::cores(),
            next,
            work,
            |done: Result<(Vec<T>, Given), TextError>| -> Result<(), Error> {
                interrupt::check()?;
                let (looked, given) = done.map_err(named)?;
                findings.extend(
                    given.findings.into_iter().map(|finding| Finding { file: Some(Arc::clone(&self.name)), ..finding }),
                );
                progress.advance(given.read_bytes.saturating_sub(advanced));
                advanced = advanced.max(given.read_bytes);
                looked.into_iter().try_for_each(&mut sink)
            },
        )?;
        drop(source);
        progress.advance(self.bytes().saturating_sub(advanced));
        Ok(digest.finalize().into())
    }

    fn source(&self) -> Result<Source<'_>, TextError> {
        Ok(match &self.origin {
            Origin::File => Source::open(&self.path)?,
            Origin::InFolder(file) => Source::of_file(file),
            Origin::Piped(bytes) => Source::from_reader(bytes.as_slice(), &self.name),
        })
    }
}

impl Unreadable {
    /// A record of another shape than the first.
    pub(super) const OTHER_SHAPE: Self = Self { kind: "another shape than the first record", ends_file: false };

    /// An error in words that do not repeat the line.
    pub(super) fn of(error: &TextError) -> Self {
        let ends_file =
            matches!(error, TextError::CutShort { .. } | TextError::Damaged { .. } | TextError::Unsupported { .. });
        let kind = match error {
            TextError::NotUtf8 { .. } | TextError::CellNotUtf8 { .. } => "not UTF-8",
            TextError::Nul { .. } | TextError::CellNul { .. } => "holds a NUL character",
            TextError::LoneSurrogate { .. } => "holds half of a surrogate pair",
            TextError::NotJson { .. } => "not JSON",
            TextError::TooDeep { .. } => "nested too deep",
            TextError::NotObject { .. } => "not a JSON object",
            TextError::UnknownShape { .. } => "none of the known shapes",
            TextError::MissingField { .. } => "a field is missing",
            TextError::WrongType { .. } => "a field has another type",
            TextError::UnknownRole { .. } => "a turn has an unknown role",
            TextError::NoCompletion { .. } => "no completion",
            TextError::LineTooLong { .. } | TextError::RecordTooLong { .. } => "too long",
            TextError::TooManyValues { .. } => "too many values",
            TextError::RaggedRow { .. } => "more or fewer fields than the header",
            TextError::StrayQuote { .. } => "text behind a closing quotation mark",
            TextError::OpenQuote { .. } => "a quotation mark is not closed",
            TextError::RepeatedColumn { .. } => "two columns of one name",
            TextError::CutShort { .. } => "the file ends too early",
            TextError::Damaged { .. } => "the file is damaged",
            TextError::Unsupported { .. } => "a form that is not read",
            _ => "no record",
        };
        Self { kind, ends_file }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cloister_text::records::LINE_LIMIT_BYTES;

    use super::*;
    use crate::progress::{Show, Unit};

    /// Places with what stands there, or why not.
    type Pieces = Vec<(usize, Result<String, &'static str>)>;

    fn read(bytes: &[u8], name: &str) -> (Pieces, [u8; 32]) {
        let input = Input { path: "-".into(), name: name.into(), origin: Origin::Piped(bytes.to_vec()) };
        let mut found = Vec::new();
        let mut progress = Progress::new(Show::Nothing, "", 0, Unit::Bytes);
        let look = |piece: Piece<'_>| {
            let record = piece.record.map(|record| record.to_json_line());
            (piece.place, record.map_err(|error| Unreadable::of(&error).kind))
        };
        let digest = input.read(&Columns::default(), (&mut progress, &mut Tally::default()), look, |piece| {
            found.push(piece);
            Ok(())
        });
        (found, digest.unwrap())
    }

    #[test]
    fn a_bad_line_does_not_stop_the_next() {
        let bytes = b"\xEF\xBB\xBF{\"text\":\"a\"}\r\n\n{\"text\":\n[{\"text\":\"x\"},{\"text\":\"y\"}]\n{\"text\":\"\xff\"}\n{\"text\":\"\\ud800\"}\n{\"text\":\"b\"}";
        let (found, digest) = read(bytes, "stdin");
        let expected = [
            (1, Ok("{\"text\":\"a\"}".to_owned())),
            (3, Err("not JSON")),
            (4, Err("not a JSON object")),
            (5, Err("not UTF-8")),
            (6, Err("holds half of a surrogate pair")),
            (7, Ok("{\"text\":\"b\"}".to_owned())),
        ];
        assert_eq!(found, expected);
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(bytes)));
    }

    #[test]
    fn values_count_where_lines_do_not() {
        let good = |text: &str| Ok(format!("{{\"text\":\"{text}\"}}"));
        let (found, _) = read(b"[{\"text\":\"a\"},7,{\"text\":\"b\"},\n,{\"text\":\"c\"}", "x.json");
        let expected = [
            (1, good("a")),
            (2, Err("not a JSON object")),
            (3, good("b")),
            (4, Err("not JSON")),
            (4, good("c")),
            (5, Err("the file ends too early")),
        ];
        assert_eq!(found, expected);
        let (found, _) = read(b"id,text\n1,\"a\nb\"\n2\n3,c\n", "x.csv");
        let row = |line: &str| Ok(line.to_owned());
        let ragged = Err("more or fewer fields than the header");
        let expected = [(2, row(r#"{"id":"1","text":"a\nb"}"#)), (4, ragged), (5, row(r#"{"id":"3","text":"c"}"#))];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut bytes = vec![b'x'; LINE_LIMIT_BYTES + 10];
        bytes.extend_from_slice(b"\n{\"text\":\"b\"}\n");
        let (found, digest) = read(&bytes, "stdin");
        assert_eq!(found, [(1, Err("too long")), (2, Ok("{\"text\":\"b\"}".to_owned()))]);
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(read(b"", "stdin").0, Vec::new());
    }
}
