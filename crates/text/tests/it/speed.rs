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
        "http://",
        "http://a.de/",
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
