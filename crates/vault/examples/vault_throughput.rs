//! Measures what the vault promises: sealing and opening on one core, single records of a large shard, a whole log verified.
//!
//! `cargo run --release -p cloister-vault --example vault_throughput [FOLDER]`; it needs 3 GB of disk in the folder.
#![allow(clippy::print_stdout, reason = "figures on the standard output")]

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cloister_vault::Result;
use cloister_vault::log::entry::{Actor, ActorKind, Entry, Instant as Moment, Phase, Ulid};
use cloister_vault::log::{Against, LogReader, LogWriter, SignatureKind, SignerKey, verify};
use cloister_vault::sealed::cobblestone::{OpeningReader, RandomReader, SealingWriter};
use cloister_vault::sealed::container::NewFile;
use cloister_vault::sealed::{Context, DataKey, Id, Kek, ShardReader, ShardWriter};

const STREAM_BYTES: usize = 1 << 30;
const RECORDS: usize = 1_000_000;
const RECORD_BYTES: usize = 900;
const ENTRIES: u64 = 1_000_000;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    streams()?;
    shard(&folder.path().join("shard"))?;
    log(&folder.path().join("log"))?;
    Ok(())
}

fn per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e9
}

fn streams() -> Result<()> {
    let key = DataKey::random()?;
    let block = vec![0x5a; 1 << 20];
    // What is measured is the cipher, so the text goes nowhere: into one buffer that is there already.
    let mut sealed = vec![0; STREAM_BYTES + (STREAM_BYTES >> 9)];
    sealed.fill(1);
    sealed.clear();
    let begin = Instant::now();
    let mut writer = SealingWriter::new(&mut sealed, &key, b"context")?;
    for _ in 0..STREAM_BYTES / block.len() {
        writer.append(&block)?;
    }
    writer.finish()?;
    println!("sealing a stream: {:.2} GB/s", per_second(STREAM_BYTES, begin.elapsed()));

    let begin = Instant::now();
    let mut reader = OpeningReader::new(&sealed[..], &key, b"context")?;
    let mut bytes = 0;
    while let Some(chunk) = reader.next_chunk()? {
        bytes += chunk.len();
    }
    println!("opening a stream: {:.2} GB/s", per_second(bytes, begin.elapsed()));

    let begin = Instant::now();
    let reader = RandomReader::new(&sealed[..], &key, b"context")?;
    let mut buffer = vec![0; 1 << 20];
    for block in 0..STREAM_BYTES >> 20 {
        reader.read_at(&mut buffer, (block as u64) << 20)?;
    }
    println!("opening blocks of a mebibyte: {:.2} GB/s", per_second(STREAM_BYTES, begin.elapsed()));
    Ok(())
}

fn shard(path: &Path) -> Result<()> {
    let kek = Kek::random()?;
    let place = Context { tenant: "t", dataset: "d", version: "v" };
    let subjects: Vec<(Id, DataKey)> =
        (0..1000).map(|_| Ok((Id::random()?, DataKey::random()?))).collect::<Result<_>>()?;
    let text = vec![b'x'; RECORD_BYTES];
    let begin = Instant::now();
    let mut writer = ShardWriter::new(io::BufWriter::new(NewFile::create(path)?), &kek, &place)?;
    for number in 0..RECORDS {
        let (id, key) = &subjects[number % subjects.len()];
        writer.append(format!("record-{number}").as_bytes(), *id, key, &text)?;
    }
    let (mut file, _) = writer.finish()?;
    file.flush()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.publish()?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("sealing a shard: {RECORDS} records of {RECORD_BYTES} bytes in {seconds:.1} s");

    let keys: HashMap<Id, DataKey> = subjects.into_iter().collect();
    let begin = Instant::now();
    let shard = ShardReader::open(path, &kek, &place)?;
    let opened = begin.elapsed();
    let mut times = Vec::new();
    let mut number = 1;
    for _ in 0..2000 {
        number = number * 48_271 % 2_147_483_647;
        let id = format!("record-{}", number % RECORDS);
        let begin = Instant::now();
        let text = shard.read(id.as_bytes(), &keys)?;
        times.push(begin.elapsed());
        assert_eq!(text.map(|text| text.len()), Some(RECORD_BYTES));
    }
    times.sort();
    let (median, slow) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("opening the shard: {opened:.0?}; one random record: median {median:.0?}, 99 % below {slow:.0?}");
    let begin = Instant::now();
    let count = shard.rows().filter(Result::is_ok).count();
    println!("listing {count} records: {:.2} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn log(folder: &Path) -> Result<()> {
    let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519)?;
    let key = signer.verifier().clone();
    let actor =
        Actor { auth: "passphrase".into(), id: "u7".into(), mfa_age: Some(30), session_h: None, kind: ActorKind::User };
    let mut writer = LogWriter::open(folder, signer, None)?;
    let (mut writing, mut bytes) = (Duration::ZERO, 0);
    for begin in (0..ENTRIES).step_by(10_000) {
        let entry = |seq| {
            let t = Moment::from_millis(1_795_000_000_000 + seq)?;
            let id = Ulid::from_parts(t.millis(), u128::from(seq));
            Entry::new("dataset.read", actor.clone(), Phase::Intent, id, seq, t).to_bytes()
        };
        let entries = (begin..begin + 10_000).map(entry).collect::<Result<Vec<_>>>()?;
        bytes += entries.iter().map(Vec::len).sum::<usize>();
        let begin = Instant::now();
        writer.publish(&entries)?;
        writing += begin.elapsed();
    }
    let rate = ENTRIES as f64 / writing.as_secs_f64();
    println!("publishing {ENTRIES} entries, {} bytes each: {rate:.0} a second", bytes as u64 / ENTRIES);
    for entries in [false, true] {
        let begin = Instant::now();
        let report = verify(folder, &key, &Against { entries, ..Against::default() });
        assert!(report.is_intact());
        let what = if entries { ", their form too" } else { "" };
        let seconds = begin.elapsed().as_secs_f64();
        println!("verifying {ENTRIES} entries{what}: {seconds:.2} s for {} MB", report.bytes / 1_000_000);
    }
    let reader = LogReader::open(folder, &key)?;
    let begin = Instant::now();
    for index in (0..ENTRIES).step_by(9973) {
        reader.prove(index)?;
    }
    println!("one proof: {:.0?}", begin.elapsed() / (ENTRIES / 9973 + 1) as u32);
    Ok(())
}
