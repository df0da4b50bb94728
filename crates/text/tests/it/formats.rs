//! What the readers make of each format, in both manners.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloister_text::{Columns, Error, Problem, Reading, Record, Shape, Source, Tally, read, read_from};

/// Everything that a mending reader gives: records, findings as (file, line, problem).
pub(crate) fn mended(mut source: Source<'_>) -> (Vec<Record>, Vec<(String, usize, Problem)>) {
    let reading = Reading::mending(&Columns::default());
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    while let Some(chunk) = source.next_chunk() {
        let mut batch = chunk.read(&reading, &mut None).unwrap();
        records.append(&mut batch.records);
        findings.append(&mut batch.findings);
    }
    findings.append(&mut source.leftover_findings());
    let place = |finding: cloister_text::Finding| {
        (finding.file.map(|file| file.to_string()).unwrap_or_default(), finding.line, finding.problem)
    };
    (records, findings.into_iter().map(place).collect())
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.fields().map(|(_, text)| text).collect::<Vec<_>>().join("|")).collect()
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

const TWO: &str = "{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\",\"text\":\"two\"}\n";

#[test]
fn an_array_and_an_object_over_many_lines_are_records() {
    for input in [
        "[{\"id\":\"a\",\"text\":\"one\"},{\"id\":\"b\",\"text\":\"two\"}]",
        "[\n  {\n    \"id\": \"a\",\n    \"text\": \"one\"\n  },\n  {\"id\": \"b\", \"text\": \"two\"}\n]\n",
        "{\n\"id\": \"a\",\n\"text\": \"one\"}\n{\n\"id\": \"b\", \"text\": \"two\"}",
    ] {
        let dataset = read_from(input.as_bytes(), &Columns::default()).ok().unwrap();
        assert_eq!((ids(&dataset.records), dataset.findings.len()), (vec!["a", "b"], 0), "{input}");
    }
    let one = read_from(&b"{\n\"text\": \"t\"\n}"[..], &Columns::default()).ok().unwrap();
    assert_eq!((one.records.len(), one.records[0].line), (1, 1));
}

#[test]
fn a_table_is_read_by_its_header() {
    for input in ["id,text\na,one\nb,two\n", "id;text\r\na;one\r\nb;\"two\"\r\n", "id\ttext\na\tone\nb\ttwo"] {
        let dataset = read_from(input.as_bytes(), &Columns::default()).ok().unwrap();
        assert_eq!((dataset.shape, ids(&dataset.records)), (Shape::Text, vec!["a", "b"]), "{input:?}");
        assert_eq!(texts(&dataset.records), ["one", "two"]);
        assert_eq!(dataset.records[1].line, 3);
    }
    let columns = Columns { prompt: Some("q".into()), completion: Some("a".into()), ..Columns::default() };
    let dataset = read_from(&b"q,a\nwho?,me\n"[..], &columns).ok().unwrap();
    assert_eq!(dataset.shape, Shape::PromptCompletion);
    let error = read_from(&b"id,text\na,one\nb\n"[..], &columns).err().unwrap();
    assert_eq!(error.to_string(), "line 3 has 1 fields, the header has 2");
}

#[test]
fn a_table_without_a_known_shape_is_searched_whole() {
    let (records, findings) = mended(Source::from_reader(&b"name,mail\nAna,ana@corp.com\n"[..], "x.csv"));
    assert_eq!((records[0].shape(), texts(&records)), (Shape::Fields, vec!["Ana|ana@corp.com".to_owned()]));
    assert_eq!(findings, [(String::new(), 2, Problem::UnknownShape)]);
}

#[test]
fn compression_is_told_by_content_whatever_the_name() {
    let twice = [gzip(TWO.as_bytes()), gzip(b"{\"id\":\"c\",\"text\":\"three\"}\n")].concat();
    let zstd = zstd::encode_all(TWO.as_bytes(), 3).unwrap();
    for (input, count) in [(gzip(TWO.as_bytes()), 2), (twice, 3), (zstd, 2)] {
        let dataset = read_from(input.as_slice(), &Columns::default()).ok().unwrap();
        assert_eq!((dataset.records.len(), dataset.findings.len()), (count, 0));
    }
    let table = gzip(b"id,text\na,one\n");
    assert_eq!(read_from(table.as_slice(), &Columns::default()).ok().unwrap().shape, Shape::Text);
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("b.jsonl.gz", &gzip(b"{\"text\":\"3\"}\n"));
    write("a/2.csv", b"text\n2\n");
    write("a/1.json", b"[{\"text\":\"1\"}]");
    write("c.jsonl", b"{\"text\":\"4\"}\n{\"text\":\n{\"text\":\"5\"}");
    write("readme.md", b"no records");
    write(".hidden.jsonl", b"{\"text\":\"hidden\"}");
    let (records, findings) = mended(Source::open(folder.path()).unwrap());
    assert_eq!(texts(&records), ["1", "2", "3", "4", "5"]);
    assert_eq!(records[4].id, "c.jsonl:line-3");
    assert_eq!(findings, [("readme.md".into(), 0, Problem::OtherFile), ("c.jsonl".into(), 2, Problem::NotJson)]);
    let error = read(folder.path(), &Columns::default()).err().unwrap();
    assert_eq!(error.to_string(), "c.jsonl: line 2, byte 7: not JSON");
}

#[test]
fn a_listener_hears_every_stored_byte_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl.gz");
    let stored = gzip(TWO.repeat(20_000).as_bytes());
    std::fs::write(&path, &stored).unwrap();
    let (mut heard, count) = (Vec::new(), AtomicUsize::new(0));
    let source = Source::open(&path).unwrap().heard_by(|bytes| {
        count.fetch_add(bytes.len(), Ordering::Relaxed);
        heard.extend_from_slice(bytes);
    });
    assert_eq!(source.total_bytes(), stored.len() as u64);
    let dataset = cloister_text::read_source(source, &Columns::default()).ok().unwrap();
    assert_eq!((dataset.records.len(), heard == stored), (40_000, true));
    assert_eq!(count.into_inner(), stored.len());
}

#[test]
fn what_is_no_format_of_records_is_named() {
    for (input, what) in [(&b"PK\x03\x04rest"[..], "a zip archive"), (b"%PDF-1.7", "PDF")] {
        let error = read_from(input, &Columns::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("{what} is not read"));
        let (records, findings) = mended(Source::from_reader(input, ""));
        assert_eq!((records.len(), findings), (0, vec![(String::new(), 0, Problem::Unsupported)]));
    }
    let missing = Source::open(Path::new("nowhere/none.jsonl")).err().unwrap();
    assert!(matches!(missing, Error::MissingFile { .. }));
}

#[test]
fn a_mending_reader_keeps_what_training_refuses() {
    let input = "{\"text\":\"a\"}\n{\"prompt\":\"p\",\"completion\":\"\"}\n{\"text\":[\"b\"]}\n{\"note\":\"c\"}\n{\"prompt\":\"q\",\"completion\":\"r\"}\n[1]\n";
    let mut tally = Tally::default();
    let mut source = Source::from_reader(input.as_bytes(), "");
    let batch = source.next_chunk().unwrap().read(&Reading::mending(&Columns::default()), &mut None).unwrap();
    assert_eq!(texts(&batch.records), ["a", "p|", "b", "c", "q|r"]);
    let shapes: Vec<_> = batch.records.iter().map(Record::shape).collect();
    assert_eq!(shapes, [Shape::Text, Shape::Fields, Shape::Fields, Shape::Fields, Shape::PromptCompletion]);
    tally.extend(batch.findings);
    let kinds: Vec<_> = tally.kinds().iter().map(|kind| (kind.problem, kind.count)).collect();
    assert_eq!(kinds, [(Problem::Incomplete, 2), (Problem::UnknownShape, 1), (Problem::NotObject, 1)]);
    assert_eq!(batch.left_out.unwrap().to_string(), "line 6 is an array, not a JSON object");
}

#[test]
fn utf_16_is_read_in_both_orders_and_inside_of_compression() {
    let units = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{FEFF}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let table = "id,text\na,one €\nb,two 😀\n";
    for input in [
        units(table, u16::to_le_bytes),
        units(table, u16::to_be_bytes),
        gzip(&units("{\"id\":\"a\",\"text\":\"one €\"}\r\n{\"id\":\"b\",\"text\":\"two 😀\"}", u16::to_le_bytes)),
        units("[{\"id\":\"a\",\"text\":\"one €\"},{\"id\":\"b\",\"text\":\"two 😀\"}]", u16::to_be_bytes),
    ] {
        let dataset = read_from(input.as_slice(), &Columns::default()).ok().unwrap();
        assert_eq!(
            (ids(&dataset.records), texts(&dataset.records)),
            (vec!["a", "b"], vec!["one €".into(), "two 😀".into()])
        );
    }
    let mut half = units("{\"text\":\"a", u16::to_le_bytes);
    half.extend([0x00, 0xD8]);
    half.extend("\"}\n".encode_utf16().flat_map(u16::to_le_bytes));
    let (records, findings) = mended(Source::from_reader(half.as_slice(), ""));
    assert_eq!(texts(&records), ["a\u{FFFD}"]);
    let problems: Vec<Problem> = findings.iter().map(|finding| finding.2).collect();
    assert_eq!(problems, [Problem::ByteOrderMark, Problem::NotUtf8]);
    assert!(matches!(read_from(half.as_slice(), &Columns::default()).err().unwrap(), Error::NotUtf8 { line: 1, .. }));
    half.pop();
    let (_, findings) = mended(Source::from_reader(half.as_slice(), ""));
    assert!(findings.iter().any(|finding| finding.2 == Problem::CutShort));
}

/// The pieces of an input: where, what is there or why not, and what was read.
fn pieces(source: Source<'_>) -> Vec<(usize, Result<String, String>, Option<String>)> {
    let (mut source, reading, mut found) = (source.keeping_rows(), Reading::strict(&Columns::default()), Vec::new());
    while let Some(chunk) = source.next_chunk() {
        let mut see = |piece: cloister_text::Piece<'_>| {
            let record = piece.record.map(|record| record.to_json_line()).map_err(|error| error.to_string());
            found.push((
                piece.place,
                record,
                piece.content.map(|content| String::from_utf8_lossy(&content).into_owned()),
            ));
        };
        chunk.pieces(&reading, &mut see).unwrap();
    }
    found
}

#[test]
fn pieces_are_records_or_refusals_with_what_was_read() {
    let lines = "{\"text\": \"a\"}\r\n\n{\"text\":1}\n{\"prompt\":\"p\",\"completion\":\"c\"}\n";
    let found = pieces(Source::from_reader(lines.as_bytes(), ""));
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        (1, Ok("{\"text\":\"a\"}".into()), some("{\"text\": \"a\"}")),
        (3, Err("line 3: field `text` is not a string".into()), some("{\"text\":1}")),
        (4, Ok("{\"prompt\":\"p\",\"completion\":\"c\"}".into()), some("{\"prompt\":\"p\",\"completion\":\"c\"}")),
    ];
    assert_eq!(found, expected);
    let found = pieces(Source::from_reader(&b"text,text\na,b\nc\n"[..], "x.csv"));
    let expected = [
        (1, Err("line 1, column 2: the name stands there twice".into()), None),
        (2, Ok("{\"text\":\"a\",\"text (column 2)\":\"b\"}".into()), some("a,b")),
        (3, Err("line 3 has 1 fields, the header has 2".into()), some("c")),
    ];
    assert_eq!(found, expected);
    let found = pieces(Source::from_reader(&b"PK\x03\x04"[..], ""));
    assert_eq!(found, [(0, Err("a zip archive is not read".into()), None)]);
    // Values count over the ends of chunks, whatever lines they stand in.
    let many = format!("[{}]", vec!["{\"text\":\"a\"}"; 1500].join(","));
    let places: Vec<usize> = pieces(Source::from_reader(many.as_bytes(), "")).iter().map(|piece| piece.0).collect();
    assert_eq!(places, (1..=1500).collect::<Vec<_>>());
}

#[test]
fn the_files_of_a_folder_are_read_one_by_one_as_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    for (name, content) in [("b/2.csv", "text\n2\n"), ("a.jsonl", "{\"text\":\"1\"}\n"), ("c.txt", "x")] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let (files, others) = Source::files_of(folder.path()).unwrap();
    assert_eq!((others.len(), others[0].problem), (1, Problem::OtherFile));
    let alone: Vec<String> =
        files.iter().flat_map(|file| mended(Source::of_file(file)).0).map(|record| record.id).collect();
    let together: Vec<String> =
        mended(Source::open(folder.path()).unwrap()).0.into_iter().map(|record| record.id).collect();
    assert_eq!((&alone, alone[1].as_str()), (&together, "b/2.csv:line-2"));
}
