//! Writes small inputs of every format, from which the fuzzer goes on: `seeds FOLDER`, one folder below it for each target.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder, StructBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Date32Array, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LINES: &[&str] = &[
    "{\"id\":\"a\",\"text\":\"Write to ana.ruiz@example.com\"}\n{\"id\":2,\"text\":\"b\",\"subject\":\"s\"}\n\n",
    "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}",
    "{\"prompt\":\"p\",\"completion\":\"c\",\"n\":4155550132}\r\n{\"text\":\"other\"}",
    "{\"instruction\":\"i\",\"output\":\"o\",\"history\":[[\"q\",\"a\"]],\"system\":\"s\"}",
    "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"a\"}]}",
    "{\"text\":\"\\ud800 \\ud83d\\ude00 \\u202e \\u0000\"}\n[[[[1]]]]\n\"x\"\nnull",
    "\u{FEFF}{\"text\":\"mark\"}\n{\"text\":",
];
const VALUES: &[&str] = &[
    "[\n {\"id\":1,\"text\":\"a \\\"quoted\\\" ]\"},\n {\"id\":2,\"text\":\"b\"}\n]",
    "{\n \"text\": \"one\",\n \"meta\": {\"a\": [1, {\"b\": null}]}\n}",
    "[{},,{\"text\":\"x\"} 7 true \"s\"] {\"text\":\"y\"",
];
const TABLES: &[&str] = &[
    "id,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,d\r\n",
    "id;text;id\n1;x\n2;y;z;w\n\"open",
    "a\tb\n1\t\"x\"y\n",
    "text\n\n\"\"\n\u{e9}\0\n",
];
const TEXTS: &[&str] = &[
    "My name is Ana Ruiz, call (415) 555-0132 or write to ana.ruiz@example.com.",
    "IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, SSN 536-22-1234",
    "https://user:secret@example.com/a?b=c 192.0.2.7 2001:db8::1 00:1B:44:11:3A:B7",
    "123 Main Street, Springfield, IL 62704; AKIAIOSFODNN7EXAMPLE; password: hunter22",
    "Dr. J. M\u{fc}ller and O\u{2019}Neil met Vin, Dwayne & Michelle in S\u{e3}o Paulo \u{1f600}",
];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("usage: seeds FOLDER")?;
    let folder = Path::new(&folder);
    let texts = |target, texts: &[&str]| {
        texts.iter().enumerate().try_for_each(|(n, text)| write(folder, target, n, text.as_bytes()))
    };
    texts("json_lines", LINES)?;
    texts("json", VALUES)?;
    texts("table", TABLES)?;
    texts("detect", TEXTS)?;
    texts("replace", TEXTS)?;
    texts("packed", &[LINES[0], VALUES[0], TABLES[0]])?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(LINES[0].as_bytes())?;
    write(folder, "packed", 10, &gzip.finish()?)?;
    write(folder, "packed", 11, &zstd::encode_all(VALUES[0].as_bytes(), 3)?)?;
    let batch = batch()?;
    for (n, compression) in
        [parquet::basic::Compression::UNCOMPRESSED, parquet::basic::Compression::SNAPPY].into_iter().enumerate()
    {
        let properties = parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
        let mut file = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), Some(properties))?;
        writer.write(&batch)?;
        writer.close()?;
        write(folder, "parquet", n, &file)?;
    }
    let mut file = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema())?;
    file.write(&batch)?;
    write(folder, "arrow", 0, &file.into_inner()?)?;
    let mut stream = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema())?;
    stream.write(&batch)?;
    write(folder, "arrow", 1, &stream.into_inner()?)
}

/// Two rows with text, numbers, a dictionary and a list of objects.
fn batch() -> Result<RecordBatch> {
    let turn = vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)];
    let mut turns = ListBuilder::new(StructBuilder::from_fields(turn, 2));
    let mut text = StringBuilder::new();
    let mut id = Int64Builder::new();
    let mut source = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..2 {
        for (name, said) in [("user", "q"), ("assistant", "a")] {
            for (at, value) in [name, said].into_iter().enumerate() {
                turns.values().field_builder::<StringBuilder>(at).ok_or("not text")?.append_value(value);
            }
            turns.values().append(true);
        }
        turns.append(true);
        text.append_value("Write to ana.ruiz@example.com");
        id.append_value(row);
        source.append_value("mail");
    }
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(id.finish()) as ArrayRef, true),
        ("text", Arc::new(text.finish()), true),
        ("source", Arc::new(source.finish()), true),
        ("messages", Arc::new(turns.finish()), true),
        ("score", Arc::new(Float64Array::from(vec![Some(0.5), None])), true),
        ("day", Arc::new(Date32Array::from(vec![Some(11_016), None])), true),
        ("sure", Arc::new(BooleanArray::from(vec![true, false])), true),
    ])?)
}

fn write(folder: &Path, target: &str, number: usize, bytes: &[u8]) -> Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("seed-{number}")), bytes)?)
}
