//! A file, a folder or a stream as a sequence of chunks of records.
//!
//! Invariants: chunks come in the order of the input; files of a folder in the order of their names; a chunk holds what
//! was cut and not yet looked into, so that looking into it can be shared out; what is held does not grow with the input.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead as _, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::chunk::{Chunk, Content};
use super::finding::{Finding, Problem};
use super::format::{Format, Wrapping, foreign, format, is_record_file, wrapping};
use super::frame::{Lines, Values, read_error};
use super::table::Table;
use super::unpack::{Listener, Reader, Utf16, Watched, peek, unpack};
use crate::error::{Error, Result};

/// Length of the byte order mark in UTF-8.
const MARK_BYTES: usize = 3;

/// Where records come from.
pub struct Source<'a> {
    pending: VecDeque<Input<'a>>,
    open: Option<Open<'a>>,
    /// Findings about the folder, given with the first chunk.
    findings: Vec<Finding>,
    read_bytes: Arc<AtomicU64>,
    total_bytes: u64,
    listener: Option<Listener<'a>>,
    keep_rows: bool,
}

/// A file of records in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name from the folder on, with `/` between the parts.
    pub name: Arc<str>,
    /// Its size.
    pub bytes: u64,
}

/// One file or stream, not yet opened.
struct Input<'a> {
    /// The name inside a folder, for findings.
    file: Option<Arc<str>>,
    /// The name by which a format may be told.
    name: String,
    origin: Origin<'a>,
}

enum Origin<'a> {
    File(PathBuf),
    Stream(Box<dyn Read + Send + 'a>),
}

/// An opened input.
struct Open<'a> {
    file: Option<Arc<str>>,
    /// Bytes of a byte order mark before the first line.
    mark_bytes: usize,
    cutter: Cutter<'a>,
}

enum Cutter<'a> {
    Lines(Lines, Reader<'a>),
    Values(Values, Reader<'a>),
    Table(Table, Reader<'a>),
    #[cfg(feature = "columnar")]
    Columns(super::columnar::Columns<'a>),
    /// A fault of the whole input.
    Fault(Option<Error>),
}

impl<'a> Source<'a> {
    /// The records of a file, or of the files of a folder and the folders in it.
    ///
    /// In a folder, names decide which files are read; hidden files and links to folders are passed over, and a finding
    /// names every other file.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::Open`].
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| open_error(path, error))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !metadata.is_dir() {
            let input = Input { file: None, name, origin: Origin::File(path.to_owned()) };
            return Ok(Self::new([input].into(), metadata.len()));
        }
        let (files, findings) = Self::files_of(path)?;
        let mut source = Self::new(VecDeque::new(), files.iter().map(|file| file.bytes).sum());
        source.pending = files.iter().map(Input::of).collect();
        source.findings = findings;
        Ok(source)
    }

    /// One of the files that [`Source::files_of`] a folder gives, by itself; its records are named as in the folder.
    pub fn of_file(file: &FileInFolder) -> Self {
        Self::new([Input::of(file)].into(), file.bytes)
    }

    /// The files of a folder that are read, in their order, and findings on the others.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::Open`].
    pub fn files_of(folder: &Path) -> Result<(Vec<FileInFolder>, Vec<Finding>)> {
        let mut all = Vec::new();
        walk(folder, &mut all)?;
        let (mut files, mut findings) = (Vec::new(), Vec::new());
        for (path, bytes) in all {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let name: Arc<str> = below.to_string_lossy().replace('\\', "/").into();
            if is_record_file(&name) {
                files.push(FileInFolder { path, name, bytes });
            } else {
                findings.push(Finding { file: Some(name), line: 0, problem: Problem::OtherFile });
            }
        }
        Ok((files, findings))
    }

    /// The records of a stream; `name` may tell a format, as the name of a file does.
    pub fn from_reader(reader: impl Read + Send + 'a, name: &str) -> Self {
        let input = Input { file: None, name: name.to_owned(), origin: Origin::Stream(Box::new(reader)) };
        Self::new([input].into(), 0)
    }

    fn new(pending: VecDeque<Input<'a>>, total_bytes: u64) -> Self {
        let (open, findings, listener) = (None, Vec::new(), None);
        Self { pending, open, findings, read_bytes: Arc::default(), total_bytes, listener, keep_rows: false }
    }

    /// Keeps the rows of tables as they were read, for [`super::Piece::content`].
    #[must_use]
    pub fn keeping_rows(mut self) -> Self {
        self.keep_rows = true;
        self
    }

    /// Lets `hear` have every byte of the files as they are stored, once and in order.
    ///
    /// A file of Parquet is then read to its end before its rows are.
    #[must_use]
    pub fn heard_by(mut self, hear: impl FnMut(&[u8]) + Send + 'a) -> Self {
        self.listener = Some(Arc::new(Mutex::new(hear)));
        self
    }

    /// The size of the files; 0 where it is not known.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The next records; nothing at the end.
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        loop {
            if self.open.is_none() {
                let input = self.pending.pop_front()?;
                let file = input.file.clone();
                self.open = Some(self.open_input(input).unwrap_or_else(|fault| Open {
                    file,
                    mark_bytes: 0,
                    cutter: Cutter::Fault(Some(fault)),
                }));
            }
            let Some(open) = &mut self.open else { continue };
            if let Some(content) = open.cutter.cut() {
                return Some(Chunk {
                    file: open.file.clone(),
                    mark_bytes: std::mem::take(&mut open.mark_bytes),
                    content,
                    findings: std::mem::take(&mut self.findings),
                    read_bytes: self.read_bytes.load(Ordering::Relaxed),
                });
            }
            self.open = None;
        }
    }

    /// Findings about a folder without any chunk that could carry them.
    pub fn leftover_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    fn open_input(&self, input: Input<'a>) -> Result<Open<'a>> {
        let Input { file, name, origin } = input;
        let (stored, stream): (Option<File>, Box<dyn Read + Send + 'a>) = match origin {
            Origin::File(path) => {
                let opened = File::open(&path).map_err(|error| open_error(&path, error))?;
                let is_file = opened.metadata().is_ok_and(|metadata| metadata.is_file());
                (opened.try_clone().ok().filter(|_| is_file), Box::new(opened))
            }
            Origin::Stream(stream) => (None, stream),
        };
        let watched = Watched { inner: stream, count: Arc::clone(&self.read_bytes), listener: self.listener.clone() };
        let (mut head, mut reader) = peek(watched);
        let wrapping = wrapping(&head);
        if wrapping != Wrapping::None {
            let inside = unpack(wrapping, reader).map_err(|error| read_error(error, 1))?;
            (head, reader) = peek(inside);
        }
        if let Some(what) = foreign(&head) {
            return Err(Error::Unsupported { what });
        }
        match Utf16::of(&head, reader) {
            Ok(text) => (head, reader) = peek(text),
            Err(same) => reader = same,
        }
        let format = format(&head, &name);
        let marked = head.starts_with(b"\xEF\xBB\xBF");
        if marked && reader.fill_buf().is_ok() {
            reader.consume(MARK_BYTES);
        }
        let cutter = match format {
            Format::JsonLines => Cutter::Lines(Lines::default(), reader),
            Format::Json => Cutter::Values(Values::default(), reader),
            Format::Table { separator } => Cutter::Table(Table::new(separator, self.keep_rows), reader),
            #[cfg(feature = "columnar")]
            Format::Parquet | Format::ArrowFile | Format::ArrowStream => {
                let seekable = stored.filter(|_| wrapping == Wrapping::None && format == Format::Parquet);
                if seekable.is_some() && self.listener.is_some() {
                    std::io::copy(&mut reader, &mut std::io::sink()).map_err(|error| read_error(error, 1))?;
                }
                Cutter::Columns(super::columnar::Columns::open(format, seekable, reader)?)
            }
            #[cfg(not(feature = "columnar"))]
            Format::Parquet | Format::ArrowFile | Format::ArrowStream => {
                drop(stored);
                return Err(Error::Unsupported { what: "Parquet or Arrow, in this build," });
            }
        };
        Ok(Open { file, mark_bytes: if marked { MARK_BYTES } else { 0 }, cutter })
    }
}

impl Input<'_> {
    fn of(file: &FileInFolder) -> Self {
        Self {
            file: Some(Arc::clone(&file.name)),
            name: file.name.to_string(),
            origin: Origin::File(file.path.clone()),
        }
    }
}

impl Cutter<'_> {
    fn cut(&mut self) -> Option<Content> {
        match self {
            Self::Lines(lines, reader) => lines.cut(reader).map(Content::Json),
            Self::Values(values, reader) => values.cut(reader).map(Content::Json),
            Self::Table(table, reader) => table.cut(reader).map(Content::Table),
            #[cfg(feature = "columnar")]
            Self::Columns(columns) => columns.cut().map(Content::Columns),
            Self::Fault(fault) => fault.take().map(Content::Fault),
        }
    }
}

fn open_error(path: &Path, source: std::io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        ErrorKind::NotFound => Error::MissingFile { path },
        ErrorKind::IsADirectory => Error::IsFolder { path },
        _ => Error::Open { path, source },
    }
}

/// The files below a folder with their sizes, in the order of their paths.
fn walk(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|error| open_error(folder, error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let metadata = fs::metadata(&path).map_err(|error| open_error(&path, error))?;
        if metadata.is_file() {
            files.push((path, metadata.len()));
        } else if metadata.is_dir() && !path.is_symlink() {
            walk(&path, files)?;
        }
    }
    Ok(())
}
