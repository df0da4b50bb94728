//! Hostile and broken input: one clear finding each, and every other record is read.

use std::io::{BufReader, Read, Write as _};

use cloister_text::{Columns, Problem, Source, read_from, read_source};

use crate::formats::{mended, texts};

const BEFORE: &[u8] = b"{\"text\":\"before\"}\n";
const AFTER: &[u8] = b"\n{\"text\":\"after\"}\n";

/// A bad line between two good ones gives this one finding; `kept` is the text of the bad one where it is read all the same.
fn between(bad: &[u8], problem: Problem, kept: Option<&str>) {
    let input = [BEFORE, bad, AFTER].concat();
    let (records, findings) = mended(Source::from_reader(input.as_slice(), ""));
    let expected: Vec<&str> = [Some("before"), kept, Some("after")].into_iter().flatten().collect();
    assert_eq!(texts(&records), expected, "{problem:?}");
    assert_eq!(findings, [(String::new(), 2, problem)]);
    assert_eq!(problem.leaves_out(), kept.is_none());
}

/// What a strict reader says of a bad line between two good ones.
fn refusal(bad: &[u8]) -> String {
    let input = [BEFORE, bad, AFTER].concat();
    read_from(input.as_slice(), &Columns::default()).err().map_or("accepted".into(), |error| error.to_string())
}

/// Resident memory at its largest, in MiB; 0 where the system does not tell.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[test]
fn a_gigabyte_on_one_line_is_passed_over_in_bounded_memory() {
    let before = peak_mib();
    let long =
        BEFORE.chain(&b"{\"text\":\""[..]).chain(std::io::repeat(b'a').take(1 << 30)).chain(&b"\"}"[..]).chain(AFTER);
    let (records, findings) = mended(Source::from_reader(long, ""));
    assert_eq!(texts(&records), ["before", "after"]);
    assert_eq!(findings, [(String::new(), 2, Problem::TooLong)]);
    assert!(peak_mib() < before + 200, "{} MiB, {before} before", peak_mib());
}

#[test]
fn a_record_of_100_megabytes_is_too_long_in_every_format() {
    let text = "word ".repeat(20_000_000);
    between(format!("{{\"text\":\"{text}\"}}").as_bytes(), Problem::TooLong, None);
    for (input, name) in [
        (format!("[{{\"text\":\"before\"}},\n{{\"text\":\"{text}\"}},\n{{\"text\":\"after\"}}]"), "x.json"),
        (format!("text\nbefore\n\"{text}\"\nafter\n"), "x.csv"),
        (format!("text\nbefore\n{text}\nafter\n"), "x.csv"),
    ] {
        let (records, findings) = mended(Source::from_reader(input.as_bytes(), name));
        assert_eq!(texts(&records), ["before", "after"]);
        let line = if name == "x.csv" { 3 } else { 2 };
        assert_eq!(findings, [(String::new(), line, Problem::TooLong)]);
        let strict = read_source(Source::from_reader(input.as_bytes(), name), &Columns::default());
        let error = strict.err().unwrap().to_string();
        assert_eq!(error, format!("the record in line {line} is longer than 16777216 bytes"));
    }
}

#[test]
fn json_of_any_depth_is_a_finding() {
    for depth in [128, 100_000, 3_000_000] {
        let deep = format!("{{\"text\":\"a\",\"b\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        between(deep.as_bytes(), Problem::TooDeep, None);
        between("{\"a\":".repeat(depth).as_bytes(), Problem::TooDeep, None);
        assert_eq!(refusal(deep.as_bytes()), "line 2 is nested deeper than 127 levels");
        let values = format!("[{{\"text\":\"before\"}},\n{deep},\n{{\"text\":\"after\"}}]");
        let (records, findings) = mended(Source::from_reader(values.as_bytes(), ""));
        assert_eq!((texts(&records).len(), findings), (2, vec![(String::new(), 2, Problem::TooDeep)]));
    }
}

#[test]
fn many_values_in_one_record_are_a_finding() {
    let many = format!("{{\"text\":\"a\",\"b\":[{}0]}}", "0,".repeat(7_000_000));
    between(many.as_bytes(), Problem::TooLong, None);
    assert_eq!(refusal(many.as_bytes()), "the record in line 2 has more than 524288 values");
    let commas = format!("{{\"text\":\"{}\"}}", ",".repeat(1_000_000));
    assert_eq!(refusal(commas.as_bytes()), "accepted");
}

#[test]
fn bytes_that_are_not_utf8_are_mended() {
    between(b"{\"text\":\"caf\xE9\"}", Problem::NotUtf8, Some("caf\u{FFFD}"));
    between(b"{\"text\":\"a\xC0\xAFb\"}", Problem::NotUtf8, Some("a\u{FFFD}\u{FFFD}b"));
    assert_eq!(refusal(b"{\"text\":\"caf\xE9\"}"), "line 2, byte 12: not UTF-8");
}

#[test]
fn lone_surrogates_are_mended() {
    between(br#"{"text":"a\ud800b"}"#, Problem::LoneSurrogate, Some("a\u{FFFD}b"));
    between(br#"{"text":"\udc00\ud800"}"#, Problem::LoneSurrogate, Some("\u{FFFD}\u{FFFD}"));
    assert_eq!(refusal(br#"{"text":"a\ud800b"}"#), "line 2, byte 10: half of a surrogate pair");
    // Their UTF-8 form is no UTF-8.
    between(b"{\"text\":\"\xED\xA0\x80\"}", Problem::NotUtf8, Some("\u{FFFD}\u{FFFD}\u{FFFD}"));
}

#[test]
fn nul_characters_are_told() {
    between(b"{\"text\":\"a\0b\"}", Problem::Nul, Some("a\u{FFFD}b"));
    between(br#"{"text":"a\u0000b"}"#, Problem::Nul, Some("a\0b"));
    assert_eq!(refusal(b"{\"text\":\"a\0b\"}"), "line 2, byte 10: NUL character");
}

#[test]
fn byte_order_marks_are_told_wherever_they_stand() {
    between(b"\xEF\xBB\xBF{\"text\":\"put together\"}", Problem::ByteOrderMark, Some("put together"));
    for (input, name) in [
        (&b"\xEF\xBB\xBF{\"text\":\"a\"}"[..], "x.jsonl"),
        (b"\xEF\xBB\xBF[{\"text\":\"a\"}]", "x.json"),
        (b"\xEF\xBB\xBFtext\na\n", "x.csv"),
    ] {
        let (records, findings) = mended(Source::from_reader(input, name));
        assert_eq!((texts(&records), findings), (vec!["a".into()], vec![(String::new(), 1, Problem::ByteOrderMark)]));
        let strict = read_source(Source::from_reader(input, name), &Columns::default());
        assert_eq!(strict.ok().unwrap().findings.len(), 1, "accepted, and told");
    }
}

#[test]
fn directions_of_text_are_told() {
    between("{\"text\":\"a\u{202E}b\"}".as_bytes(), Problem::BidiControl, Some("a\u{202E}b"));
    between(br#"{"text":"a\u2067b"}"#, Problem::BidiControl, Some("a\u{2067}b"));
    assert_eq!(refusal("{\"text\":\"a\u{202E}b\"}".as_bytes()), "accepted");
}

#[test]
fn a_little_that_expands_to_much_is_read_in_bounded_memory() {
    let before = peak_mib();
    // 2 GiB of one letter on one line, then 64 MiB of short lines, in some 200 kB.
    let lines = b"{\"text\":\"ha ha ha\"}\n".repeat(1 << 15);
    let long = BEFORE.chain(std::io::repeat(b'a').take(2 << 30)).chain(&b"\n"[..]);
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut BufReader::with_capacity(1 << 20, long), &mut packed).unwrap();
    let times = (64 << 20) / lines.len();
    (0..times).for_each(|_| packed.write_all(&lines).unwrap());
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 2 << 20, "{}", packed.len());
    let mut source = Source::from_reader(packed.as_slice(), "");
    let reading = cloister_text::Reading::mending(&Columns::default());
    let (mut records, mut findings) = (0, Vec::new());
    while let Some(chunk) = source.next_chunk() {
        let mut batch = chunk.read(&reading, &mut None).unwrap();
        records += batch.records.len();
        findings.append(&mut batch.findings);
    }
    assert_eq!(records, 1 + times * (1 << 15));
    assert_eq!(
        findings.iter().map(|finding| (finding.line, finding.problem)).collect::<Vec<_>>(),
        [(2, Problem::TooLong)]
    );
    assert!(peak_mib() < before + 200, "{} MiB, {before} before", peak_mib());
}

#[test]
fn compressed_input_that_is_cut_short_gives_what_it_holds() {
    let lines: String =
        (0..20_000).map(|n| format!("{{\"text\":\"record {n} of many {}\"}}\n", n * n % 7919)).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for packed in [&gzip, &zstd] {
        let (records, findings) = mended(Source::from_reader(&packed[..packed.len() / 2], ""));
        assert!(records.len() > 1000 && records.len() < 19_000, "{} records", records.len());
        let last = findings.last().unwrap();
        assert_eq!(last.2, Problem::CutShort);
        assert!(findings.len() <= 2, "the end, and at most the line in which it is: {findings:?}");
        let error = read_from(&packed[..packed.len() / 2], &Columns::default()).err().unwrap().to_string();
        assert!(error.contains("ends too early") || error.contains("not JSON"), "{error}");
        let (none, findings) = mended(Source::from_reader(&packed[..6], ""));
        assert_eq!((none.len(), findings.len(), findings[0].2), (0, 1, Problem::CutShort));
    }
    let mut damaged = gzip.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xFF);
    let (records, findings) = mended(Source::from_reader(damaged.as_slice(), ""));
    assert!(records.len() > 1000 && findings.last().unwrap().2 == Problem::Damaged, "{findings:?}");
}

#[test]
fn ragged_rows_keep_their_fields() {
    let (records, findings) = mended(Source::from_reader(&b"id,text\n1,a\n2\n3,b,c\n4,d\n"[..], "x.csv"));
    assert_eq!(texts(&records), ["a", "", "b|c", "d"]);
    let ragged = |line| (String::new(), line, Problem::RaggedRow);
    assert_eq!(findings, [ragged(3), (String::new(), 3, Problem::UnknownShape), ragged(4)]);
}
