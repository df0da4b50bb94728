//! Time is linear in the length of a text.

use std::time::{Duration, Instant};

use cloister_text::{Columns, Profile, Replacer, Scope, SurrogateKey, protect, read_from};

use crate::detector;

/// Runs `work` and tells how long this thread was at it, without the kernel's share, where the kernel says so: other work
/// on the machine does not count, nor does it to clear the pages of large buffers.
fn time(work: impl FnOnce()) -> Duration {
    let running = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
        // The twelfth field behind the name, in hundredths of a second.
        let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()?;
        Some(Duration::from_millis(10 * ticks))
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

/// Ten times the ratio of the least times of `work` on an input of ten sizes and on ten of one size, measured until it is at
/// most 11 or twenty times: what else the machine does can only add to a time, so a ratio that stays above is the work's own.
/// Both sizes must lie beyond the processor's caches, or the ratio is that of memories.
fn ten_times(work: impl Fn(usize)) -> (f64, Duration, Duration) {
    let (mut ten, mut long) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        ten = ten.min(time(|| (0..10).for_each(|_| work(1))));
        long = long.min(time(|| work(10)));
        if 10 * long <= 11 * ten {
            break;
        }
    }
    (10.0 * long.as_secs_f64() / ten.as_secs_f64(), ten, long)
}

/// Ten times as much takes at most eleven times as long: what long runs, false starts and text in text in text could make
/// slower than that.
#[test]
fn ten_times_the_text_takes_ten_times_as_long() {
    let detector = detector();
    for piece in [
        "&amp;#64;ana&#64;corp.com ",
        "%2541na%40corp.com",
        "\\\\\\\"a\\\\\\\":\\\\u0040",
        "a\u{200b}b\u{200b}@c.de ",
        "QVdKalFHTnZjbkF1WTI5dA",
        "4 1 1 1 1 1 1 1 ",
        "12 Ab Cd 3, Ef, AA 12345 ",
        "a@",
        "http://a.de/",
        "a://b:c@",
        "-----BEGIN PRIVATE KEY-----",
        "password: ",
        "Ana Ruiz ",
        "May 5 ",
    ] {
        let (ratio, short, long) = ten_times(|times| {
            detector.detect(&piece.repeat(times * 1_000_000 / piece.len()));
        });
        if std::env::var_os("SHOW_TIMES").is_some() {
            eprintln!("{piece:?} {ratio:.2}: {short:?}, {long:?}");
        }
        assert!(ratio <= 11.0, "{piece:?}: {ratio:.2}, {short:?}, then {long:?}");
    }
}

/// The same of replacement, with the second search.
#[test]
fn ten_times_the_identifiers_take_ten_times_as_long() {
    let detector = detector();
    for (piece, profile, bytes) in [
        ("ana.ruiz@corp.com ", Profile::Redact, 500_000),
        ("ana.ruiz@corp.com ", Profile::Surrogate, 60_000),
        ("https://u:p4ss@corp.com/x ", Profile::Surrogate, 100_000),
        ("on 2021-05-03 or ", Profile::Surrogate, 200_000),
    ] {
        let replacer = Replacer::new(SurrogateKey::from_bytes([1; 32]), profile, Scope::Subject);
        let (ratio, short, long) = ten_times(|times| {
            let line = serde_json::json!({ "text": piece.repeat(times * bytes / piece.len()) }).to_string();
            let mut data = read_from(line.as_bytes(), &Columns::default()).unwrap_or_else(|error| panic!("{error}"));
            protect(&mut data, &detector, &replacer);
        });
        if std::env::var_os("SHOW_TIMES").is_some() {
            eprintln!("{profile}, {piece:?} {ratio:.2}: {short:?}, {long:?}");
        }
        assert!(ratio <= 11.0, "{profile}, {piece:?}: {ratio:.2}, {short:?}, then {long:?}");
    }
}
