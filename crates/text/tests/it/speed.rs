//! Time is linear in the length of a text.

use std::time::{Duration, Instant};

use crate::detector;

/// Runs `work` and tells how long this thread was running: other work on the machine does not count where the kernel
/// says so.
fn time(work: impl FnOnce()) -> Duration {
    let running = || {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    let (start, before) = (Instant::now(), running());
    work();
    before.zip(running()).map_or_else(|| start.elapsed(), |(before, after)| after - before)
}

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
        "&",
        "&#",
        "&amp;",
        "&amp;amp;",
        "%",
        "%25",
        "%4",
        "\\",
        "\\\\",
        "\\u0040",
        "\\\"",
        "\u{200b}",
        "a\u{200b}",
        "\u{ad}1",
        "\u{ff11}",
        "\u{430}a",
        "\u{430}a ",
        "4 1 ",
        "4.",
        "41_",
        "1 at dot ",
        "a dot ",
        "a at b dot ",
        "(at)",
        "QWxh",
        "YW5hQGNvcnAuY29t",
        "QWxhQGNvcnAuY29t\n",
        "Calle ",
        "12, Calle Mayor ",
        "Apt. 4 ",
        "1 Ab 2 ",
        "corner of A and ",
        "address: 1 ",
        "CP: ",
        "s/n ",
        "Box 1 ",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
        // The better of two, since other work on the machine counts in the first.
        let took = (0..2)
            .map(|_| {
                time(|| {
                    detector.detect(&text);
                })
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

/// Text in text in text: ten times as much takes about ten times as long. Other tests run beside this one, so the limit is
/// one that quadratic work, a hundredfold, passes and linear work does not.
#[test]
fn ten_times_the_text_is_not_a_hundred_times_the_time() {
    let detector = detector();
    for piece in [
        "&amp;#64;ana&#64;corp.com ",
        "%2541na%40corp.com",
        "\\\\\\\"a\\\\\\\":\\\\u0040",
        "a\u{200b}b\u{200b}@c.de ",
        "QVdKalFHTnZjbkF1WTI5dA",
        "4 1 1 1 1 1 1 1 ",
        "12 Ab Cd 3, Ef, AA 12345 ",
    ] {
        let best = |bytes: usize| {
            let text = piece.repeat(bytes / piece.len());
            let runs = (0..3).map(|_| {
                time(|| {
                    detector.detect(&text);
                })
            });
            runs.min().unwrap()
        };
        let (short, long) = (best(300_000), best(3_000_000));
        if std::env::var_os("SHOW_TIMES").is_some() {
            eprintln!("{piece:?} {short:?} {long:?}");
        }
        // Both sizes lie beyond the processor's caches; the rest is for what the clock cannot tell apart.
        assert!(long <= short * 25 + Duration::from_millis(50), "{piece:?}: {short:?}, then {long:?}");
    }
}
