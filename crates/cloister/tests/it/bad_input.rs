//! Hostile and broken input through the command line: a finding each, bounded memory, and every other record is read.
//!
//! `CLOISTER_LINE_BYTES` sets the length of the longest line, 64 MiB unless told.

use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Place, Ran};

/// What every record holds and no message may.
const MAIL: &str = "zq.quint@quintacorp.com";

fn good(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"text\":\"mail {MAIL} now\"}}\n")
}

fn line_bytes() -> usize {
    std::env::var("CLOISTER_LINE_BYTES").map_or(64 << 20, |bytes| bytes.parse().unwrap())
}

/// Runs the program while its memory is watched; gives the largest resident size in MiB, 0 where the system does not tell.
fn watched(place: &Place, args: &[&str], input: impl FnOnce(ChildStdin) + Send + 'static) -> (Ran, usize) {
    let mut command = place.command();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let writer = std::thread::spawn(move || input(stdin));
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        // Until it has ended: a process that nobody has waited for has no memory any more.
        while let Some(kib) = std::fs::read_to_string(&status).ok().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().trim_end_matches(" kB").parse::<usize>().ok()
        }) {
            peak = peak.max(kib);
            std::thread::sleep(Duration::from_millis(2));
        }
        peak / 1024
    });
    let ran = Ran::of(child.wait_with_output().unwrap());
    writer.join().unwrap();
    (ran, watcher.join().unwrap())
}

/// A record on one very long line between two good ones.
fn long_line(mut out: impl std::io::Write) {
    let block = vec![b'a'; 1 << 20];
    let mut write = || -> std::io::Result<()> {
        out.write_all(good("before").as_bytes())?;
        out.write_all(b"{\"id\":\"long\",\"text\":\"")?;
        for _ in 0..line_bytes() >> 20 {
            out.write_all(&block)?;
        }
        out.write_all(b"\"}\n")?;
        out.write_all(good("after").as_bytes())
    };
    // A reader that refuses hangs up.
    let _ = write();
}

fn scan(place: &Place, file: &str, code: i32) -> Value {
    let ran = place.run(["scan", file, "--json"]).exits(code);
    assert!(!ran.stdout.contains("quint") && !ran.stderr.contains("quint"), "{}", ran.stderr);
    ran.document()
}

#[test]
fn one_very_long_line_costs_one_record_and_no_memory() {
    let place = Place::new();
    let (ran, peak) = watched(&place, &["scan", "-", "--json"], long_line);
    let report = ran.exits(3).document();
    assert_eq!((&report["records"], &report["spans"], &report["left_out"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(report["findings_at"], json!({"too-long": [2]}));
    assert!(peak < 300, "{peak} MiB");

    let (ran, peak) = watched(&place, &["protect", "-", "--out", "out.jsonl"], long_line);
    let ran = ran.exits(2);
    assert!(ran.stderr.contains("line 2 is longer than 16777216 bytes"), "{}", ran.stderr);
    assert!(peak < 300 && !place.path("out.jsonl").exists(), "{peak} MiB");

    long_line(std::fs::File::create(place.path("in.jsonl")).unwrap());
    let (ran, peak) = watched(&place, &["ingest", "in.jsonl", "--out", "set", "--json"], drop);
    let taken = ran.exits(3).document();
    assert_eq!((&taken["content"]["records"], &taken["quality"]["unreadable"]), (&json!(1), &json!({"too long": 1})));
    assert!(peak < 400, "{peak} MiB");
}

#[test]
fn every_oddity_is_told_with_its_line_and_nothing_is_lost() {
    let place = Place::new();
    let deep = format!("{{\"id\":\"d\",\"text\":\"x\",\"b\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let (first, last) = (good("1"), good("8"));
    let lines: [&[u8]; 8] = [
        first.as_bytes(),
        deep.as_bytes(),
        b"{\"id\":\"3\",\"text\":\"caf\xE9 zq.quint@quintacorp.com\"}\n",
        b"{\"id\":\"4\",\"text\":\"half \\ud800 zq.quint@quintacorp.com\"}\n",
        "{\"id\":\"5\",\"text\":\"turn \u{202e} zq.quint@quintacorp.com\"}\n".as_bytes(),
        b"{\"id\":\"6\",\"text\":\"nul \\u0000 zq.quint@quintacorp.com\"}\n",
        b"{\"id\":\"7\",\"text\":\"zq.quint@quintacorp.com\n",
        last.as_bytes(),
    ];
    place.file("in.jsonl", lines.concat());
    let report = scan(&place, "in.jsonl", 3);
    let places = json!({"too-deep": [2], "not-utf8": [3], "lone-surrogate": [4], "bidi-control": [5], "nul": [6], "not-json": [7]});
    for (kind, lines) in places.as_object().unwrap() {
        assert_eq!(&report["findings_at"][kind], lines, "{kind}");
    }
    assert_eq!((&report["records"], &report["spans"], &report["left_out"]), (&json!(6), &json!(6), &json!(2)));
    for line in 2..8 {
        place.file("one.jsonl", [good("a").as_bytes(), lines[line - 1]].concat());
        let refused = place.run(["protect", "one.jsonl", "--out", "out.jsonl", "--force", "--json"]);
        assert!(refused.code == 2 || (refused.code == 0 && matches!(line, 5 | 6)), "{line}: {}", refused.stderr);
        assert!(!refused.stderr.contains("quint") && !refused.stdout.contains("quint"), "{}", refused.stderr);
    }
}

#[test]
fn a_little_that_says_much_takes_little_time() {
    let place = Place::new();
    let mut base = format!("mail {MAIL}");
    let mut string = base.clone();
    let mut code = base.clone();
    for _ in 0..10 {
        base = encode(&base);
        string = json!({ "inner": string }).to_string();
        code = code.replace('%', "%25").replace('@', "%40");
    }
    let nested = [
        base,
        string,
        code,
        format!("{}#64;", "&amp;".repeat(200_000)),
        "%25".repeat(300_000),
        "&lol9;".repeat(200_000),
    ];
    let lines: String = nested.iter().map(|text| json!({ "text": text }).to_string() + "\n").collect();
    place.file("in.jsonl", lines + &good("last"));
    let started = Instant::now();
    let report = scan(&place, "in.jsonl", 0);
    assert_eq!(report["records"], 7);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(place.run(["protect", "in.jsonl", "--out", "out.jsonl", "--json"]).exits(0).document()["records"], 7);
}

fn encode(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| -> String {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let sign = |n: usize| if n <= chunk.len() { SIGNS[(bits >> (18 - 6 * n) & 63) as usize] } else { b'=' };
        (0..4).map(|n| char::from(sign(n))).collect()
    };
    text.as_bytes().chunks(3).map(group).collect()
}

/// Some hundred kilobytes that unpack to as long a line as above, and to half as many bytes of records.
#[test]
fn a_packed_bomb_is_read_in_bounded_memory() {
    let place = Place::new();
    let megabytes = line_bytes() >> 20;
    let script = format!(
        "{{ head -c {0}000000 /dev/zero | tr '\\0' a; echo; yes '{{\"text\":\"ha ha\"}}' | head -c {1}; }} | gzip > in.jsonl.gz",
        megabytes,
        (megabytes / 8) * 17 * 65_536
    );
    if !place.shell(&script).status().unwrap().success() {
        eprintln!("SKIPPED: there is no gzip");
        return;
    }
    let (ran, peak) = watched(&place, &["scan", "in.jsonl.gz", "--json"], drop);
    let report = ran.exits(3).document();
    assert_eq!(
        (&report["records"], &report["findings_at"]["too-long"]),
        (&json!((megabytes / 8) * 65_536), &json!([1]))
    );
    assert!(peak < 300, "{peak} MiB");
}

#[test]
fn tables_and_columns_that_are_broken_lose_nothing_else() {
    let place = Place::new();
    let long = "word ".repeat(5_000_000);
    place.file("data/a.csv", format!("id,text\n1,mail {MAIL}\n2\n3,b,mail {MAIL}\n4,{long}\n5,mail {MAIL}\n"));
    let whole = include_bytes!("../../../../fuzz/seeds/parquet/1.parquet");
    place.file("data/b.parquet", whole);
    place.file("data/c.parquet", &whole[..whole.len() * 2 / 3]);
    place.file("data/d.jsonl", good("d"));
    let report = scan(&place, "data", 3);
    assert_eq!(report["findings_at"]["ragged-row"], json!(["a.csv:3", "a.csv:4"]));
    assert_eq!(report["findings_at"]["too-long"], json!(["a.csv:5"]));
    let broken = ["cut-short", "damaged"].map(|kind| report["findings_at"][kind].clone());
    assert!(broken.iter().any(|places| *places == json!(["c.parquet:0"])), "{}", report["findings_at"]);
    // Four rows of the table, two of the columns, one line.
    assert_eq!((&report["records"], &report["left_out"]), (&json!(7), &json!(2)));
}

#[test]
fn a_policy_that_names_an_unknown_type_is_refused_whole() {
    let place = Place::new();
    place.file("in.jsonl", good("a"));
    for (policy, said) in [
        ("[entity.PERSONN]\naction = \"redact\"\n", "PERSONN"),
        ("[entity.PERSON]\naction = \"vanish\"\n", "vanish"),
        ("[entity.PERSON]\nactoin = \"redact\"\n", "actoin"),
        ("default = ", "policy"),
    ] {
        place.file("policy.toml", policy);
        let ran = place.run(["protect", "in.jsonl", "--out", "out.jsonl", "--policy", "policy.toml"]).exits(2);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("hint: "), "{policy}: {}", ran.stderr);
        assert!(!place.path("out.jsonl").exists() && place.leftovers().is_empty());
    }
}
