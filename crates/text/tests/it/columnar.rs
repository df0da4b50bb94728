//! Parquet and Arrow, as their own writers write them.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder, StructBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Date32Array, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use cloister_text::{Body, Columns, Problem, Reading, Role, Shape, Source, read, read_from};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::formats::{mended, texts};

fn parquet(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let mut file = Vec::new();
    let properties =
        WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(400)).build();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file
}

fn arrow(batch: &RecordBatch, stream: bool) -> Vec<u8> {
    if stream {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.into_inner().unwrap()
    } else {
        let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.into_inner().unwrap()
    }
}

/// Chats with a number, a dictionary, a date and a float beside them.
fn chats(rows: usize) -> RecordBatch {
    let turn = vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)];
    let mut turns = ListBuilder::new(StructBuilder::from_fields(turn, 2));
    let (mut id, mut source) = (Int64Builder::new(), StringDictionaryBuilder::<Int32Type>::new());
    for row in 0..rows {
        for (role, said) in [("user", format!("question {row}")), ("assistant", format!("answer {row}"))] {
            turns.values().field_builder::<StringBuilder>(0).unwrap().append_value(role);
            turns.values().field_builder::<StringBuilder>(1).unwrap().append_value(said);
            turns.values().append(true);
        }
        turns.append(true);
        id.append_value(row as i64);
        source.append_value(["mail", "phone"][row % 2]);
    }
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(id.finish()) as ArrayRef, true),
        ("messages", Arc::new(turns.finish()), true),
        ("source", Arc::new(source.finish()), true),
        ("day", Arc::new(Date32Array::from(vec![Some(11_016); rows])), true),
        ("score", Arc::new(Float64Array::from(vec![Some(f64::NAN); rows])), true),
    ])
    .unwrap()
}

fn forms(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let level = ZstdLevel::try_new(3).unwrap();
    let parquets = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(level), Compression::LZ4_RAW];
    let mut forms: Vec<Vec<u8>> = parquets.into_iter().map(|compression| parquet(batch, compression)).collect();
    forms.extend([arrow(batch, false), arrow(batch, true)]);
    forms
}

#[test]
fn rows_become_the_records_that_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in forms(&chats(1000)) {
        let path = folder.path().join("x.bin");
        std::fs::write(&path, &bytes).unwrap();
        let from_file = read(&path, &Columns::default()).ok().unwrap();
        let from_stream = read_from(bytes.as_slice(), &Columns::default()).ok().unwrap();
        for dataset in [from_file, from_stream] {
            assert_eq!((dataset.shape, dataset.records.len(), dataset.findings.len()), (Shape::Messages, 1000, 0));
            let record = &dataset.records[777];
            assert_eq!((record.line, record.id.as_str()), (778, "777"));
            let Body::Chat(turns) = record.body() else { panic!("not a chat") };
            assert_eq!((turns[1].role, turns[1].text.as_str()), (Role::Assistant, "answer 777"));
            let line = record.to_json_line();
            assert!(line.ends_with(r#""source":"phone","day":"2000-02-29","score":null}"#), "{line}");
        }
    }
}

#[test]
fn a_listener_hears_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in forms(&chats(50)) {
        let path = folder.path().join("x.bin");
        std::fs::write(&path, &bytes).unwrap();
        let mut heard = Vec::new();
        let source = Source::open(&path).unwrap().heard_by(|part| heard.extend_from_slice(part));
        cloister_text::read_source(source, &Columns::default()).ok().unwrap();
        assert!(heard == bytes);
    }
}

#[test]
fn a_file_that_is_cut_short_or_damaged_is_a_finding() {
    for bytes in forms(&chats(1000)) {
        for keep in [10, bytes.len() / 2, bytes.len() - 1] {
            // A stream need not end with the mark that the last byte belongs to.
            if bytes.starts_with(&[0xFF; 4]) && keep == bytes.len() - 1 {
                continue;
            }
            let (records, findings) = mended(Source::from_reader(&bytes[..keep], "x.parquet"));
            assert!(records.len() <= 1000);
            assert_eq!(findings.len(), 1, "{findings:?}");
            // Without a schema nothing tells how much there was.
            assert!(
                findings[0].2 == Problem::CutShort || keep == 10 && findings[0].2 == Problem::Damaged,
                "{findings:?}"
            );
        }
        let mut damaged = bytes.clone();
        let from = if bytes.starts_with(b"PAR1") { bytes.len() - 200 } else { 16 };
        damaged[from..from + 100].fill(0xAA);
        let (records, findings) = mended(Source::from_reader(damaged.as_slice(), ""));
        assert_eq!((records.len(), findings.len()), (0, 1));
        assert!(findings[0].2.leaves_out(), "{findings:?}");
    }
}

#[test]
fn a_footer_that_claims_millions_of_elements_is_refused_at_once() {
    // Fields of no known number, each a list of 2,147,483,647 booleans, of which the reader takes no byte.
    let footer = [[0xF9, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0x07]; 1000].concat();
    let length = (footer.len() as u32).to_le_bytes();
    let bytes = [b"PAR1", footer.as_slice(), &length, b"PAR1"].concat();
    let start = std::time::Instant::now();
    let (records, findings) = mended(Source::from_reader(bytes.as_slice(), "x.parquet"));
    assert_eq!((records.len(), findings.len(), findings[0].2), (0, 1, Problem::Damaged));
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn one_long_string_in_many_rows_stays_one() {
    let long = "la ".repeat(4 << 20);
    let keys = Int32Array::from(vec![0; 600]);
    let column = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![long.as_str()])));
    let batch = RecordBatch::try_from_iter([("text", Arc::new(column) as ArrayRef)]).unwrap();
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(64 << 20).build();
    let mut parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    parquet.write(&batch).unwrap();
    for bytes in [parquet.into_inner().unwrap(), arrow(&batch, true)] {
        assert!(bytes.len() < 32 << 20, "{}", bytes.len());
        let mut source = Source::from_reader(bytes.as_slice(), "");
        // The rows that are decoded together would be 6 GB; each chunk is one row.
        for line in 1..=5 {
            let batch = source.next_chunk().unwrap().read(&Reading::mending(&Columns::default()), &mut None).unwrap();
            assert_eq!((batch.records.len(), batch.records[0].line), (1, line));
        }
    }
}

#[test]
fn odd_values_are_told() {
    let bytes: ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![&b"\xFF\xFE"[..], b"text"]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a\0b", "c\u{202E}d"]));
    let batch = RecordBatch::try_from_iter([("text", text), ("blob", bytes)]).unwrap();
    for file in [parquet(&batch, Compression::SNAPPY), arrow(&batch, false)] {
        let (records, findings) = mended(Source::from_reader(file.as_slice(), ""));
        assert_eq!(texts(&records), ["a\0b", "c\u{202E}d|text"]);
        let found: Vec<_> = findings.into_iter().map(|(_, line, problem)| (line, problem)).collect();
        assert_eq!(found, [(1, Problem::Nul), (1, Problem::OtherType), (2, Problem::BidiControl)]);
        let error = read_from(file.as_slice(), &Columns::default()).err().unwrap().to_string();
        assert_eq!(error, "line 1, column 1: NUL character");
    }
}
