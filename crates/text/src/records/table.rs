//! Comma- and tab-separated values: rows under a header.
//!
//! Invariant: what is held of a row never passes [`LINE_LIMIT_BYTES`], nor its fields [`FIELDS_LIMIT`], nor what is kept of
//! it as it was read twice the former; every byte is looked at once. No message holds a name of the header: where a file has none, its first row is data.
//! Source: RFC 4180. Beyond it: other separators, a quotation mark inside a field that does not begin with one, and line
//! breaks without a carriage return.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memchr2};
use serde_json::{Map, Value};

use super::LINE_LIMIT_BYTES;
use super::chunk::Cut;
use super::finding::Problem;
use super::frame::{CHUNK_BYTES, CHUNK_RECORDS, fill};
use crate::error::{Error, Result};

/// Most fields accepted in a row.
pub(super) const FIELDS_LIMIT: usize = 1 << 16;

/// Rows as they were cut from the input, in order.
pub(super) struct Rows {
    header: Arc<Header>,
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`; it begins where the one before it ends.
    ends: Vec<usize>,
    rows: Vec<(usize, Result<Row>)>,
    /// The rows as they were read, where they are kept so.
    raw: Vec<u8>,
}

/// The names of the columns.
#[derive(Default)]
struct Header {
    names: Vec<String>,
}

/// What a record is made of.
pub(super) type Members = Map<String, Value>;

/// A record as it was read, nothing, or a fault; and what was mended or is odd.
pub(super) type Item = (Result<Option<Members>>, Vec<Problem>);

/// One row.
struct Row {
    start: usize,
    fields: Range<usize>,
    stray_quote: bool,
    open_quote: bool,
    /// Where it stands among the rows as they were read.
    raw: Option<Range<usize>>,
}

/// Cuts rows.
pub(super) struct Table {
    separator: u8,
    /// Whether rows are kept as they were read, too.
    keep: bool,
    header: Option<Arc<Header>>,
    /// Line breaks seen.
    breaks: usize,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the first byte of a field.
    Begin,
    /// In a field without quotation marks around it.
    Plain,
    /// Between quotation marks.
    Quoted,
    /// After a quotation mark that closes the field, unless another one follows.
    Closed,
}

impl Table {
    pub(super) fn new(separator: u8, keep: bool) -> Self {
        Self { separator, keep, header: None, breaks: 0, ended: false }
    }

    /// The next rows; nothing at the end. The first ones begin with the faults of the header.
    pub(super) fn cut(&mut self, reader: &mut dyn BufRead) -> Option<Rows> {
        let mut rows = Rows { header: Arc::default(), bytes: vec![], ends: vec![], rows: vec![], raw: vec![] };
        let header = match &self.header {
            Some(header) => Arc::clone(header),
            None => {
                while !self.ended && rows.rows.is_empty() {
                    self.next(reader, &mut rows);
                    rows.drop_blank();
                }
                let header = Arc::new(rows.take_header());
                self.header = Some(Arc::clone(&header));
                header
            }
        };
        rows.header = header;
        while !self.ended && rows.bytes.len() < CHUNK_BYTES && rows.rows.len() < CHUNK_RECORDS {
            self.next(reader, &mut rows);
        }
        (!rows.rows.is_empty()).then_some(rows)
    }

    /// Cuts one row.
    fn next(&mut self, reader: &mut dyn BufRead, rows: &mut Rows) {
        let line = self.breaks + 1;
        let (start, fields) = (rows.bytes.len(), rows.ends.len()..0);
        let mut row = Row { start, fields, stray_quote: false, open_quote: false, raw: None };
        let (mut keep, raw_start) = (self.keep, rows.raw.len());
        let mut state = State::Begin;
        let (mut any, mut over, mut failed) = (false, None, None);
        loop {
            let Some(buffer) = fill(reader, self.breaks + 1, &mut failed) else {
                self.ended = true;
                break;
            };
            any = true;
            let (taken, done) = self.step(buffer, &mut state, &mut row, rows);
            if keep {
                rows.raw.extend_from_slice(&buffer[..taken]);
                // What stands between a closing quotation mark and a separator may be long and no part of a field.
                keep = over.is_none() && rows.raw.len() - raw_start <= 2 * LINE_LIMIT_BYTES;
            }
            reader.consume(taken);
            let too_long = rows.bytes.len() - row.start > LINE_LIMIT_BYTES;
            if too_long || rows.ends.len() - row.fields.start >= FIELDS_LIMIT {
                over.get_or_insert(match too_long {
                    true => Error::RecordTooLong { line, limit_bytes: LINE_LIMIT_BYTES },
                    false => Error::TooManyValues { line, limit: FIELDS_LIMIT },
                });
                rows.bytes.truncate(row.start);
                rows.ends.truncate(row.fields.start);
            }
            if done {
                break;
            }
        }
        if keep && over.is_none() {
            let read = &rows.raw[raw_start..];
            let read = read.strip_suffix(b"\n").unwrap_or(read);
            row.raw = Some(raw_start..raw_start + read.strip_suffix(b"\r").unwrap_or(read).len());
        } else {
            rows.raw.truncate(raw_start);
        }
        match over {
            Some(fault) => {
                rows.bytes.truncate(row.start);
                rows.ends.truncate(row.fields.start);
                rows.rows.push((line, Err(fault)));
            }
            None if any => {
                row.open_quote = state == State::Quoted;
                rows.ends.push(rows.bytes.len());
                row.fields.end = rows.ends.len();
                rows.rows.push((line, Ok(row)));
            }
            None => {}
        }
        if let Some(fault) = failed {
            rows.rows.push((self.breaks + 1, Err(fault)));
        }
    }

    /// Takes bytes up to the next that changes the state; gives their number, and whether the row ends with them.
    fn step(&mut self, buffer: &[u8], state: &mut State, row: &mut Row, rows: &mut Rows) -> (usize, bool) {
        let byte = buffer[0];
        match *state {
            State::Begin if byte == b'"' => {
                *state = State::Quoted;
                return (1, false);
            }
            State::Quoted => {
                let end = memchr(b'"', buffer);
                let taken = end.unwrap_or(buffer.len());
                self.breaks += memchr_iter(b'\n', &buffer[..taken]).count();
                rows.bytes.extend_from_slice(&buffer[..taken]);
                if end.is_some() {
                    *state = State::Closed;
                }
                return (taken + usize::from(end.is_some()), false);
            }
            State::Closed => match byte {
                b'"' => {
                    rows.bytes.push(b'"');
                    *state = State::Quoted;
                    return (1, false);
                }
                b'\r' => return (1, false),
                _ if byte == self.separator || byte == b'\n' => {}
                _ => row.stray_quote = true,
            },
            State::Begin | State::Plain => {}
        }
        let plain = *state != State::Closed || row.stray_quote;
        let end = memchr2(self.separator, b'\n', buffer);
        let taken = end.unwrap_or(buffer.len());
        rows.bytes.extend_from_slice(&buffer[..taken]);
        *state = State::Plain;
        let Some(end) = end else { return (taken, false) };
        if buffer[end] == b'\n' {
            self.breaks += 1;
            let field_start = rows.ends.get(row.fields.start..).and_then(<[usize]>::last).copied().unwrap_or(row.start);
            if plain && rows.bytes.len() > field_start && rows.bytes.ends_with(b"\r") {
                rows.bytes.pop();
            }
            return (end + 1, true);
        }
        rows.ends.push(rows.bytes.len());
        *state = State::Begin;
        (end + 1, false)
    }
}

impl Rows {
    /// Makes the row that was cut last the header, and the names that stand in it twice faults of its line.
    fn take_header(&mut self) -> Header {
        let Some((line, Ok(row))) = self.rows.pop_if(|(_, row)| row.is_ok()) else { return Header::default() };
        let (mut names, mut known, mut faults) = (Vec::new(), HashSet::new(), Vec::new());
        for (index, field) in self.fields(&row).enumerate() {
            let column = index + 1;
            let name = String::from_utf8_lossy(field);
            if matches!(name, Cow::Owned(_)) {
                faults.push((line, Err(Error::CellNotUtf8 { line, column })));
            }
            // Spreadsheets leave spaces around names, and nobody sees them.
            let mut name = match name.trim() {
                "" => format!("column-{column}"),
                name => name.to_owned(),
            };
            if known.contains(&name) {
                faults.push((line, Err(Error::RepeatedColumn { line, column })));
                name = format!("{name} (column {column})");
            }
            known.insert(name.clone());
            names.push(name);
        }
        self.rows.append(&mut faults);
        Header { names }
    }

    fn drop_blank(&mut self) {
        let blank = |rows: &Self| matches!(rows.rows.last(), Some((_, Ok(row))) if rows.is_blank(row));
        if blank(self) {
            self.rows.pop();
        }
    }

    fn is_blank(&self, row: &Row) -> bool {
        row.fields.len() == 1 && self.fields(row).all(<[u8]>::is_empty)
    }

    fn fields(&self, row: &Row) -> impl Iterator<Item = &[u8]> {
        let mut start = row.start;
        self.ends[row.fields.clone()].iter().map(move |&end| {
            let field = &self.bytes[start..end];
            start = end;
            field
        })
    }

    /// Gives every row to `each` with its line: the members it stands for, nothing for a blank line, or a fault; and what
    /// was mended or is odd.
    pub(super) fn read(mut self, mend: bool, mut each: impl FnMut(Cut<'_>) -> Result<()>) -> Result<()> {
        for (line, row) in std::mem::take(&mut self.rows) {
            let mut problems = Vec::new();
            let raw = row.as_ref().ok().and_then(|row| row.raw.clone());
            let members = row.and_then(|row| self.members(line, &row, mend, &mut problems));
            let content = raw.map(|raw| self.raw[raw].into());
            each(Cut { line, place: line, item: (members, problems), content, is_json: false })?;
        }
        Ok(())
    }

    fn members(&self, line: usize, row: &Row, mend: bool, problems: &mut Vec<Problem>) -> Result<Option<Members>> {
        if self.is_blank(row) {
            problems.push(Problem::BlankLine);
            return Ok(None);
        }
        let mut odd = |is_odd: bool, fault: Error| match fault.problem() {
            _ if !is_odd => Ok(()),
            Some(problem) if mend => {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
                Ok(())
            }
            _ => Err(fault),
        };
        let (found, expected) = (row.fields.len(), self.header.names.len());
        odd(row.open_quote, Error::OpenQuote { line })?;
        odd(row.stray_quote, Error::StrayQuote { line })?;
        odd(found != expected, Error::RaggedRow { line, found, expected })?;
        let mut members = Map::with_capacity(found);
        for (index, field) in self.fields(row).enumerate() {
            let column = index + 1;
            let text = String::from_utf8_lossy(field);
            odd(matches!(text, Cow::Owned(_)), Error::CellNotUtf8 { line, column })?;
            odd(memchr(0, field).is_some(), Error::CellNul { line, column })?;
            let mut name = self.header.names.get(index).cloned().unwrap_or_else(|| format!("column-{column}"));
            if index >= expected && self.header.names.contains(&name) {
                name = format!("{name} (column {column})");
            }
            members.insert(name, Value::String(text.into_owned()));
        }
        Ok(Some(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    fn cut(input: &[u8], mend: bool, capacity: usize) -> Vec<String> {
        let mut reader = BufReader::with_capacity(capacity, Cursor::new(input));
        let mut table = Table::new(b',', false);
        let mut found = Vec::new();
        while let Some(rows) = table.cut(&mut reader) {
            rows.read(mend, |Cut { line, item: (members, problems), content, .. }| {
                assert!(content.is_none());
                let shown = match members {
                    Ok(Some(members)) => serde_json::to_string(&members).unwrap(),
                    Ok(None) => "-".to_owned(),
                    Err(fault) => format!("! {fault}"),
                };
                let problems: String = problems.iter().map(|problem| format!(" {}", problem.name())).collect();
                found.push(format!("{line} {shown}{problems}"));
                Ok(())
            })
            .unwrap();
        }
        found
    }

    fn rows(input: &[u8], mend: bool) -> Vec<String> {
        let whole = cut(input, mend, 1 << 16);
        for capacity in [1, 2, 3, 5] {
            assert_eq!(cut(input, mend, capacity), whole, "in pieces of {capacity}");
        }
        whole
    }

    #[test]
    fn fields_are_read_as_rfc_4180_says() {
        assert_eq!(
            rows(b"\r\nid,text\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n\r\n2,d\"e\r\n3,\"\"", false),
            [
                r#"3 {"id":"1","text":"a, \"b\"\r\nc"}"#,
                "5 - blank-line",
                r#"6 {"id":"2","text":"d\"e"}"#,
                r#"7 {"id":"3","text":""}"#,
            ]
        );
    }

    #[test]
    fn ragged_rows_are_findings_that_lose_nothing() {
        let input = b"id,text\n1\n2,b,c\n3,d\n";
        assert_eq!(
            rows(input, true),
            [
                r#"2 {"id":"1"} ragged-row"#,
                r#"3 {"id":"2","text":"b","column-3":"c"} ragged-row"#,
                r#"4 {"id":"3","text":"d"}"#,
            ]
        );
        assert_eq!(rows(input, false)[0], "2 ! line 2 has 1 fields, the header has 2");
    }

    #[test]
    fn quotation_marks_out_of_place_lose_nothing() {
        assert_eq!(
            rows(b"a,b\n\"x\"y,z\n\"open,\nto the end", true),
            [r#"2 {"a":"xy","b":"z"} stray-quote"#, r#"3 {"a":"open,\nto the end"} open-quote ragged-row"#,]
        );
        assert_eq!(rows(b"a\n\"x\"y", false), ["2 ! line 2: text stands behind a closing quotation mark"]);
        assert_eq!(rows(b"a\n\"x", false), ["2 ! line 2: a quotation mark is not closed"]);
    }

    #[test]
    fn columns_without_a_name_of_their_own_get_one() {
        assert_eq!(
            rows(b"a,,a,column-5\n1,2,3,4,5\n", true),
            [
                "1 ! line 1, column 3: the name stands there twice",
                r#"2 {"a":"1","column-2":"2","a (column 3)":"3","column-5":"4","column-5 (column 5)":"5"} ragged-row"#,
            ]
        );
    }

    #[test]
    fn bytes_and_nuls_are_named_by_column() {
        assert_eq!(rows(b"a,b\nx,\xFFy\n", true), ["2 {\"a\":\"x\",\"b\":\"\u{FFFD}y\"} not-utf8"]);
        assert_eq!(rows(b"a,b\nx,\xFFy\n", false), ["2 ! line 2, column 2: not UTF-8"]);
        assert_eq!(rows(b"a,b\nx,\0y\n", true), [r#"2 {"a":"x","b":"\u0000y"} nul"#]);
        assert_eq!(rows(b"a,b\nx,\0y\n", false), ["2 ! line 2, column 2: NUL character"]);
    }

    #[test]
    fn rows_are_kept_as_they_were_read_on_request() {
        let kept = |input: &[u8], capacity: usize| {
            let mut reader = BufReader::with_capacity(capacity, Cursor::new(input));
            let (mut table, mut found) = (Table::new(b',', true), Vec::new());
            while let Some(rows) = table.cut(&mut reader) {
                rows.read(false, |cut| {
                    found.push(cut.content.map(|content| String::from_utf8_lossy(&content).into_owned()));
                    Ok(())
                })
                .unwrap();
            }
            found
        };
        let read = |rows: &[&str]| rows.iter().map(|row| Some((*row).to_owned())).collect::<Vec<_>>();
        for capacity in [1, 3, 100] {
            let input = b"a,b\r\n1,\"x \"\"y\"\"\nz\"\r\n\r\n\"s\"t,\n3,\"open\n";
            assert_eq!(kept(input, capacity), read(&["1,\"x \"\"y\"\"\nz\"", "", "\"s\"t,", "3,\"open"]));
        }
        // Nothing of this goes into a field.
        let long = [b"a\n\"x\"", "\r".repeat(3 * LINE_LIMIT_BYTES).as_bytes(), b"\ny\n"].concat();
        assert_eq!(kept(&long, 1 << 16), [None, Some("y".to_owned())]);
    }

    #[test]
    fn a_row_beyond_the_limits_is_passed_over() {
        let long = |filler: &'static [u8]| {
            let repeated = filler.repeat(1 << 16);
            let times = (40 << 20) / repeated.len();
            let middle: Vec<u8> = repeated.repeat(times);
            Cursor::new(b"a,b\n".to_vec()).chain(Cursor::new(middle)).chain(&b"\n1,2\n"[..])
        };
        for (filler, fault) in [
            (&b"x"[..], format!("! the record in line 2 is longer than {LINE_LIMIT_BYTES} bytes")),
            (b",", format!("! the record in line 2 has more than {FIELDS_LIMIT} values")),
        ] {
            let mut reader = BufReader::new(long(filler));
            let mut table = Table::new(b',', true);
            let rows = table.cut(&mut reader).unwrap();
            assert!(rows.bytes.capacity() <= 3 * LINE_LIMIT_BYTES && rows.ends.capacity() <= 4 * FIELDS_LIMIT);
            assert!(rows.raw.capacity() <= 5 * LINE_LIMIT_BYTES);
            let mut shown = Vec::new();
            rows.read(true, |Cut { line, item: (members, _), .. }| {
                shown.push(match members {
                    Ok(members) => format!("{line} {}", serde_json::to_string(&members.unwrap()).unwrap()),
                    Err(fault) => format!("! {fault}"),
                });
                Ok(())
            })
            .unwrap();
            assert_eq!(shown, [fault, r#"3 {"a":"1","b":"2"}"#.to_owned()]);
        }
    }
}
