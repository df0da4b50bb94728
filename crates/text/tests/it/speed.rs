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
        "1/",
        "12/12/",
        "1/1/2021 ",
        "May 5 ",
        "May ",
        "5. ",
        "12:",
        "12:30 ",
        "2021-",
        "Mon, 1 May ",
        "de 5 de ",
        "45 years ",
        "aged 5 ",
        "@a",
        "@a ",
        "@a@b.c ",
        "x.com/",
        "a/",
        "1A",
        "1BoatSLRHtKNngkdXEeobR76b53LETtpyT ",
        "bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqq ",
        "0x0123456789abcdef0123456789abcdef01234567 ",
        "123e4567-e89b-12d3-a456-42661417400",
        "AKIA",
        "AKIA ",
        "sk-a.",
        "eyJ.",
        "eyJaaaaaaaaaaaaaaa-",
        "eyJaaaaaaaaaaaaaaa=",
        "eyJaaaaaaaaaaaaaaa.eyJ.",
        "fm2_aa/",
        "ops_eyJ/",
        ":AA",
        "1234567890:AA",
        "-us1",
        "st.",
        "$2a$",
        "https://",
        "://a:b",
        " -u ",
        "PuTTY-User-Key-File-",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----é",
        "basic ",
        "username: a",
        "+63 ",
        "0 9",
        "\u{201c}",
        "a.\u{201d}",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
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
        // Quadratic work would take minutes; the machine may be busy with other tests.
        assert!(took < Duration::from_secs(3), "1 MB of {piece:?} took {took:?}");
    }
}
