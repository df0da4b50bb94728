//! Where records begin and end: lines, and JSON values that stand in an array or one after the other.
//!
//! Invariant: what is held of a record never passes [`LINE_LIMIT_BYTES`]; what is longer is passed over in pieces and
//! becomes one fault. Every byte of the input is looked at once.
//! Source: jsonlines.org; RFC 8259.

use std::io::{BufRead, ErrorKind};
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::LINE_LIMIT_BYTES;
use crate::error::{Error, Result};

/// Where a chunk ends: after the record that reaches one of these.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
pub(super) const CHUNK_RECORDS: usize = 512;

/// Records as they were cut from the input, in order, each in its bytes or as the fault that stands in its place.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<(usize, Result<Range<usize>>)>,
    /// How many values come before these, where values are counted and not lines.
    pub(super) before: Option<usize>,
}

impl Frames {
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES || self.records.len() >= CHUNK_RECORDS
    }

    fn fault(&mut self, line: usize, fault: Error) {
        self.records.push((line, Err(fault)));
    }
}

/// Gives what is in the buffer; `None` at the end and where reading fails, which becomes a fault.
pub(super) fn fill<'a>(reader: &'a mut dyn BufRead, line: usize, failed: &mut Option<Error>) -> Option<&'a [u8]> {
    loop {
        // The borrow of a successful call ends only with the function, so look first and take afterwards.
        match reader.fill_buf() {
            Ok([]) => return None,
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => {
                *failed = Some(read_error(source, line));
                return None;
            }
        }
    }
    reader.fill_buf().ok()
}

/// An error of reading; what decoders report of their input is told apart from what the system reports.
pub(super) fn read_error(source: std::io::Error, line: usize) -> Error {
    match source.kind() {
        ErrorKind::UnexpectedEof => Error::CutShort { line },
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Error::Damaged { line },
        // zstd has no kind of its own for a frame that contradicts itself
        ErrorKind::Other if source.raw_os_error().is_none() => Error::Damaged { line },
        ErrorKind::IsADirectory => Error::IsFolder { path: "input".into() },
        _ => Error::Read { line, source },
    }
}

/// Cuts lines.
#[derive(Default)]
pub(super) struct Lines {
    line: usize,
    ended: bool,
}

impl Lines {
    /// The next lines, without their breaks; nothing at the end.
    pub(super) fn cut(&mut self, reader: &mut dyn BufRead) -> Option<Frames> {
        let mut frames = Frames::default();
        while !self.ended && !frames.is_full() {
            self.next(reader, &mut frames);
        }
        (!frames.records.is_empty()).then_some(frames)
    }

    fn next(&mut self, reader: &mut dyn BufRead, frames: &mut Frames) {
        let line = self.line + 1;
        let start = frames.bytes.len();
        let (mut any, mut too_long, mut failed) = (false, false, None);
        loop {
            let Some(buffer) = fill(reader, line, &mut failed) else {
                self.ended = true;
                break;
            };
            any = true;
            let end = memchr(b'\n', buffer);
            let take = end.unwrap_or(buffer.len());
            if too_long || frames.bytes.len() - start + take > LINE_LIMIT_BYTES {
                too_long = true;
                frames.bytes.truncate(start);
            } else {
                frames.bytes.extend_from_slice(&buffer[..take]);
            }
            reader.consume(take + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        if any {
            self.line = line;
            if too_long {
                frames.fault(line, Error::LineTooLong { line, limit_bytes: LINE_LIMIT_BYTES });
            } else if failed.is_none() || frames.bytes.len() > start {
                let content = &frames.bytes[start..];
                let end = start + content.strip_suffix(b"\r").unwrap_or(content).len();
                frames.records.push((line, Ok(start..end)));
            }
        }
        if let Some(fault) = failed {
            frames.fault(self.line.max(1), fault);
        }
    }
}

/// Cuts JSON values: the elements of arrays, and what stands outside arrays.
#[derive(Default)]
pub(super) struct Values {
    /// Bytes before what is looked at.
    offset: usize,
    /// Line breaks before it.
    breaks: usize,
    /// Where its line begins.
    line_start: usize,
    in_array: bool,
    /// What may come next in an array.
    between: Between,
    /// A fault between two values is told once.
    faulted: bool,
    /// Values cut.
    count: usize,
    ended: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Between {
    /// After the opening bracket: an element or the end.
    #[default]
    Begin,
    /// After an element: a comma or the end.
    Element,
    /// After a comma: an element.
    Comma,
}

/// The value that is being cut.
struct Open {
    line: usize,
    start: usize,
    too_long: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// A number or a word, which ends before a separator.
    bare: bool,
}

impl Values {
    /// The next values; nothing at the end.
    pub(super) fn cut(&mut self, reader: &mut dyn BufRead) -> Option<Frames> {
        let mut frames = Frames { before: Some(self.count), ..Frames::default() };
        let mut open: Option<Open> = None;
        let mut failed = None;
        while !self.ended && (open.is_some() || !frames.is_full()) {
            let Some(buffer) = fill(reader, self.breaks + 1, &mut failed) else {
                self.end(open.take(), failed.take(), &mut frames);
                break;
            };
            let taken = match &mut open {
                None => self.seek(buffer, &mut open, &mut frames),
                Some(value) => {
                    let (taken, ends) = value.end_in(buffer);
                    self.pass(&buffer[..taken]);
                    if value.too_long || frames.bytes.len() - value.start + taken > LINE_LIMIT_BYTES {
                        value.too_long = true;
                        frames.bytes.truncate(value.start);
                    } else {
                        frames.bytes.extend_from_slice(&buffer[..taken]);
                    }
                    if ends && let Some(value) = open.take() {
                        value.close(&mut frames);
                        self.count += 1;
                        self.between = Between::Element;
                    }
                    taken
                }
            };
            reader.consume(taken);
        }
        (!frames.records.is_empty()).then_some(frames)
    }

    /// Passes what stands between values, up to the first byte of one.
    fn seek(&mut self, buffer: &[u8], open: &mut Option<Open>, frames: &mut Frames) -> usize {
        for (at, byte) in buffer.iter().enumerate() {
            let fits = match byte {
                b'[' if !self.in_array => {
                    (self.in_array, self.between) = (true, Between::Begin);
                    true
                }
                b']' if self.in_array => {
                    self.in_array = false;
                    self.between != Between::Comma
                }
                b',' => {
                    let fits = self.in_array && self.between == Between::Element;
                    self.between = Between::Comma;
                    fits
                }
                b'}' | b']' => false,
                byte if byte.is_ascii_whitespace() => true,
                first => {
                    if self.in_array && self.between == Between::Element {
                        self.fault(frames);
                    }
                    self.faulted = false;
                    *open = Some(Open {
                        line: self.breaks + 1,
                        start: frames.bytes.len(),
                        too_long: false,
                        depth: 0,
                        in_string: false,
                        escaped: false,
                        bare: !matches!(first, b'{' | b'[' | b'"'),
                    });
                    return at;
                }
            };
            if !fits {
                self.fault(frames);
            }
            self.pass(&buffer[at..=at]);
        }
        buffer.len()
    }

    fn fault(&mut self, frames: &mut Frames) {
        let line = self.breaks + 1;
        if !self.faulted {
            frames.fault(line, Error::NotJson { line, byte: self.offset - self.line_start });
        }
        self.faulted = true;
    }

    fn pass(&mut self, bytes: &[u8]) {
        if let Some(last) = memrchr(b'\n', bytes) {
            self.breaks += memchr_iter(b'\n', bytes).count();
            self.line_start = self.offset + last + 1;
        }
        self.offset += bytes.len();
    }

    fn end(&mut self, open: Option<Open>, failed: Option<Error>, frames: &mut Frames) {
        self.ended = true;
        let line = self.breaks + 1;
        let is_open = match open {
            Some(value) if value.bare => {
                value.close(frames);
                false
            }
            Some(value) => {
                frames.bytes.truncate(value.start);
                true
            }
            None => false,
        };
        match failed {
            Some(fault) => frames.fault(line, fault),
            None if is_open || self.in_array => frames.fault(line, Error::CutShort { line }),
            None => {}
        }
    }
}

impl Open {
    /// How many of these bytes belong to the value, and whether it ends with them.
    fn end_in(&mut self, buffer: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < buffer.len() {
            let byte = buffer[at];
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                let Some(next) = memchr2(b'"', b'\\', &buffer[at..]) else { return (buffer.len(), false) };
                at += next;
                self.escaped = buffer[at] == b'\\';
                self.in_string = self.escaped;
                if !self.in_string && self.depth == 0 {
                    return (at + 1, true);
                }
            } else {
                let separates = byte.is_ascii_whitespace() || matches!(byte, b'"' | b',' | b'{' | b'[' | b'}' | b']');
                if self.bare && separates {
                    return (at, true);
                }
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        (buffer.len(), false)
    }

    fn close(self, frames: &mut Frames) {
        let Self { line, start, .. } = self;
        if self.too_long {
            frames.fault(line, Error::RecordTooLong { line, limit_bytes: LINE_LIMIT_BYTES });
        } else {
            frames.records.push((line, Ok(start..frames.bytes.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    /// Every record or fault, with its line; the input comes in pieces of `capacity` bytes.
    fn all(mut cut: impl FnMut(&mut dyn BufRead) -> Option<Frames>, input: &[u8], capacity: usize) -> Vec<String> {
        let mut reader = BufReader::with_capacity(capacity, Cursor::new(input));
        let mut found = Vec::new();
        while let Some(frames) = cut(&mut reader) {
            found.extend(frames.records.into_iter().map(|(line, record)| match record {
                Ok(range) => format!("{line} {}", String::from_utf8_lossy(&frames.bytes[range])),
                Err(fault) => format!("! {fault}"),
            }));
        }
        found
    }

    fn values(input: &[u8]) -> Vec<String> {
        let mut cut = Values::default();
        let whole = all(|reader| cut.cut(reader), input, 1 << 16);
        for capacity in [1, 2, 3, 7] {
            let mut cut = Values::default();
            assert_eq!(all(|reader| cut.cut(reader), input, capacity), whole, "in pieces of {capacity}");
        }
        whole
    }

    #[test]
    fn elements_are_cut_wherever_buffers_end() {
        assert_eq!(
            values(b" [\n {\"a\":\"]}\\\"\\\\\"},\n{\"b\":[1,{}]} ]\n"),
            [r#"2 {"a":"]}\"\\"}"#, r#"3 {"b":[1,{}]}"#]
        );
        assert_eq!(values(b"{\n\"a\":1\n}\n{\"b\":2}"), ["1 {\n\"a\":1\n}", "4 {\"b\":2}"]);
        assert_eq!(values(b"[]"), [""; 0]);
        assert_eq!(values(b"[1, true,\"a b\"]7"), ["1 1", "1 true", "1 \"a b\"", "1 7"]);
    }

    #[test]
    fn faults_between_values_are_told_and_passed() {
        assert_eq!(values(b"[{} {}]"), ["1 {}", "! line 1, byte 4: not JSON", "1 {}"]);
        assert_eq!(values(b"[{},]"), ["1 {}", "! line 1, byte 4: not JSON"]);
        assert_eq!(values(b"[,,,{}]"), ["! line 1, byte 1: not JSON", "1 {}"]);
        assert_eq!(values(b"{}\n}}} {}"), ["1 {}", "! line 2, byte 0: not JSON", "2 {}"]);
        assert_eq!(values(b"[{},\n{\"a\":"), ["1 {}", "! the input ends too early, in line 2"]);
        assert_eq!(values(b"[{}"), ["1 {}", "! the input ends too early, in line 1"]);
    }

    #[test]
    fn lines_are_cut_wherever_buffers_end() {
        for capacity in [1, 2, 3, 1 << 16] {
            let mut cut = Lines::default();
            assert_eq!(all(|reader| cut.cut(reader), b"a\r\n\nb\rc\nd", capacity), ["1 a", "2 ", "3 b\rc", "4 d"]);
        }
    }

    #[test]
    fn chunks_are_bounded_and_keep_the_order() {
        let input: String = (0..5000).map(|n| format!("{n}\n")).collect();
        let mut cut = Lines::default();
        let mut reader = BufReader::new(Cursor::new(input.as_bytes()));
        let first = cut.cut(&mut reader).unwrap();
        assert_eq!(first.records.len(), CHUNK_RECORDS);
        assert_eq!(cut.cut(&mut reader).unwrap().records[0].0, CHUNK_RECORDS + 1);
    }

    #[test]
    fn a_gigabyte_on_one_line_or_in_one_value_is_passed_over() {
        let long = |open: &'static [u8], close: &'static [u8]| {
            BufReader::with_capacity(1 << 16, open.chain(std::io::repeat(b'a').take(1 << 30)).chain(close))
        };
        let mut cut = Lines::default();
        let frames = cut.cut(&mut long(b"{\"text\":\"", b"\"}\n{}\n")).unwrap();
        assert!(matches!(frames.records[0], (1, Err(Error::LineTooLong { line: 1, .. }))));
        assert!(matches!(frames.records[1], (2, Ok(_))));
        assert!(frames.bytes.capacity() <= 3 * LINE_LIMIT_BYTES, "{}", frames.bytes.capacity());
        let mut cut = Values::default();
        let frames = cut.cut(&mut long(b"[{\"text\":\"", b"\"},\n{}]")).unwrap();
        assert!(matches!(frames.records[0], (1, Err(Error::RecordTooLong { line: 1, .. }))));
        assert!(matches!(frames.records[1], (2, Ok(_))));
        assert!(frames.bytes.capacity() <= 3 * LINE_LIMIT_BYTES, "{}", frames.bytes.capacity());
    }

    #[test]
    fn what_a_decoder_says_is_no_failure_of_the_system() {
        let error = |kind| read_error(std::io::Error::from(kind), 4);
        assert!(matches!(error(ErrorKind::UnexpectedEof), Error::CutShort { line: 4 }));
        assert!(matches!(error(ErrorKind::InvalidData), Error::Damaged { line: 4 }));
        assert!(matches!(error(ErrorKind::PermissionDenied), Error::Read { line: 4, .. }));
    }
}
