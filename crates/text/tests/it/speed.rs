//! Time is linear in the length of a text.

use std::time::{Duration, Instant};

use crate::detector;

#[test]
fn long_runs_take_linear_time() {
    let detector = detector();
    for piece in [
        "a",
        "1",
        "@",
        "-",
        ".",
        ":",
        "/",
        "A",
        "1-",
        "1.",
        "a.",
        "a@",
        "a:",
        "1 ",
        "A ",
        "é",
        "://",
        "a://b:c@",
        "-----BEGIN ",
        "password: ",
        "eyJ",
        "J. ",
        "Ana ",
        "1 Main ",
        "::",
        "(",
        "0x",
        "'",
        "a'",
        "AA11 ",
        "Ana, ",
        "sk-",
    ] {
        let text = piece.repeat(2_000_000 / piece.len());
        // The better of two, since other work on the machine counts in the first.
        let took = (0..2)
            .map(|_| {
                let start = Instant::now();
                detector.detect(&text);
                start.elapsed()
            })
            .min()
            .unwrap();
        if std::env::var_os("SHOW_TIMES").is_some() {
            eprintln!("{piece:?} {took:?}");
        }
        assert!(took < Duration::from_secs(2), "2 MB of {piece:?} took {took:?}");
    }
}

#[test]
#[ignore = "a measurement; run it alone and in release"]
fn throughput() {
    let ticket = "Hi, my name is Ana Ruiz and my order 48213-7 has not arrived. Please call me at (415) 555-0132 or write to \
        ana.ruiz@corp.com. I live at 123 Main Street, Springfield, IL 62704. The tracking page https://track.corp.com/t/88213 \
        says it left the warehouse on Tuesday, but nobody knows where it is now. I paid with 4111 1111 1111 1111. Thanks!\n";
    let plain = "The committee met in the afternoon to discuss the results of the survey, and although the numbers were better \
        than last year the members agreed that a lot of work remained before the next report could be written.\n";
    let detector = detector();
    for (name, text) in [("tickets", ticket.repeat(8000)), ("plain prose", plain.repeat(16000))] {
        let records: Vec<&str> = text.split_inclusive('\n').collect();
        let start = Instant::now();
        let found: usize = records.iter().map(|record| detector.detect(record).len()).sum();
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{name}: {:.1} MB/s, {found} spans", text.len() as f64 / 1e6 / seconds);
    }
}
