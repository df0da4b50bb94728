//! Measures how many durable entries a second many writers get.
//!
//! `cargo run --release -p cloister-vault --features postgres --example log_throughput [--writers N] [--seconds S] [PLACE]`,
//! where PLACE is a folder for SQLite, or the URL of an empty PostgreSQL database. Every entry is on the disk before its writer
//! hears of it.
#![allow(clippy::print_stdout, reason = "figures on the standard output")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloister_vault::log::entry::{Actor, ActorKind};
use cloister_vault::log::{Against, SignatureKind, SignerKey, verify};
use cloister_vault::store::{Database, Request, RowKey, Settings, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut writers, mut seconds, mut place) = (64, 10, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or("a number is missing");
        match argument.as_str() {
            "--writers" => writers = number()?,
            "--seconds" => seconds = number()?,
            _ => place = Some(argument),
        }
    }
    let folder = match &place {
        Some(place) if !place.contains("://") => tempfile::tempdir_in(place)?,
        _ => tempfile::tempdir()?,
    };
    let sqlite = || Ok(Database::Sqlite(folder.path().join("vault.db")));
    let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519)?;
    let key = signer.verifier().clone();
    let open = || -> Result<Store, Box<dyn std::error::Error>> {
        let (signer, database) = (SignerKey::parse(&signer.to_text())?, database(place.as_deref(), sqlite)?);
        let settings = Settings::new(database, folder.path().join("log"), signer, RowKey::random()?);
        Ok(Store::open(settings)?)
    };
    let store = open()?;
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    let counts = std::thread::scope(|scope| {
        let writer = |number: u64| {
            let (store, stop) = (&store, &stop);
            let id = format!("u{number}");
            let actor = Actor { auth: "token".into(), id, mfa_age: Some(30), session_h: None, kind: ActorKind::User };
            scope.spawn(move || {
                let request = Request::new("dataset.read", actor).on("dataset", "d1").purpose("support");
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let _announced = store.intent(&request)?;
                    times.push(begin.elapsed());
                }
                Ok::<_, cloister_vault::Error>(times)
            })
        };
        let threads: Vec<_> = (0..writers).map(writer).collect();
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a writer panicked")).collect::<Result<Vec<_>, _>>()
    })?;
    let elapsed = begin.elapsed().as_secs_f64();
    let mut times: Vec<Duration> = counts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    times.sort();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("{writers} writers: {:.0} durable entries a second", times.len() as f64 / elapsed);
    println!("one entry: median {:.1?}, 99 % below {:.1?}", at(0.5), at(0.99));
    let begin = Instant::now();
    store.close()?;
    println!("publishing what was left: {:.2} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    let again = open()?;
    let found = again.opening().entries;
    println!("opening it again, all {found} entries compared: {:.2} s", begin.elapsed().as_secs_f64());
    drop(again);
    let report = verify(&folder.path().join("log"), &key, &Against { entries: true, ..Against::default() });
    let size = report.checkpoint.map_or(0, |checkpoint| checkpoint.size);
    println!("the log has {size} entries and {} findings", report.findings.len());
    Ok(())
}

/// The database of a place.
fn database(
    place: Option<&str>,
    sqlite: impl Fn() -> Result<Database, Box<dyn std::error::Error>>,
) -> Result<Database, Box<dyn std::error::Error>> {
    match place {
        #[cfg(feature = "postgres")]
        Some(url) if url.contains("://") => Ok(Database::Postgres(url.into())),
        #[cfg(not(feature = "postgres"))]
        Some(url) if url.contains("://") => Err("build it with the feature `postgres`".into()),
        _ => sqlite(),
    }
}
