//! Speed of sealed data: streams in memory on one thread, and single records of a large file.
//!
//! The file is read where it was just written, so that the system has most of it in memory: what is measured is finding,
//! reading and opening a record, not the seek of a disk. Every record that was read is compared with what was sealed.

use std::collections::HashMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use cloister_vault::sealed::cobblestone::{OpeningReader, SealingWriter};
use cloister_vault::sealed::container::NewFile;
use cloister_vault::sealed::{Context, DataKey, Id, Kek, ShardReader, ShardWriter};

use super::{BenchError, quantile};
use crate::{interrupt, system};

/// Streams through the cipher.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// Bytes of a stream.
    pub bytes: u64,
    /// Bytes that one thread seals, in thousands of millions, in a second: the median of three.
    pub sealing_gigabytes_per_second: f64,
    /// The same of opening.
    pub opening_gigabytes_per_second: f64,
}

/// Records of a sealed file.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// How many there are.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds of sealing them and of making the file durable.
    pub sealing_seconds: f64,
    /// Seconds of opening the file.
    pub opening_seconds: f64,
    /// Records that were read, each by its id.
    pub read: usize,
    /// Median time of one, in seconds.
    pub median_seconds: f64,
    /// What 99 of 100 took at most, in seconds.
    pub slow_seconds: f64,
    /// Mean processor time of one, in seconds; `None` where the system does not tell. On a busy machine it tells more.
    pub cpu_seconds: Option<f64>,
    /// Records a second when all are read in order.
    pub streamed_per_second: f64,
}

/// Bytes of a record.
pub const RECORD_BYTES: usize = 900;
/// People whose records they are.
const SUBJECTS: usize = 1000;
/// Records that are read by their ids.
const READ: usize = 2000;

/// Seals and opens so many bytes.
///
/// # Errors
/// [`BenchError`].
pub fn streams(bytes: usize) -> Result<Streams, BenchError> {
    const ROUNDS: usize = 3;
    let key = DataKey::random()?;
    let block = vec![0x5a; bytes.min(1 << 20)];
    // What is measured is the cipher: the text goes into one buffer, whose pages are there already.
    let mut sealed = vec![1; bytes + (bytes >> 9) + (1 << 10)];
    let (mut sealing, mut opening) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        interrupt::check()?;
        sealed.clear();
        let begin = Instant::now();
        let mut writer = SealingWriter::new(&mut sealed, &key, b"bench")?;
        let mut left = bytes;
        while left > 0 {
            let part = left.min(block.len());
            writer.append(&block[..part])?;
            left -= part;
        }
        writer.finish()?;
        sealing.push(bytes as f64 / 1e9 / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let mut reader = OpeningReader::new(&sealed[..], &key, b"bench")?;
        let mut opened = 0;
        while let Some(chunk) = reader.next_chunk()? {
            opened += chunk.len();
        }
        opening.push(bytes as f64 / 1e9 / begin.elapsed().as_secs_f64());
        if opened != bytes {
            return Err(BenchError::Wrong { what: "a stream opens to another length" });
        }
    }
    sealing.sort_by(f64::total_cmp);
    opening.sort_by(f64::total_cmp);
    Ok(Streams {
        bytes: bytes as u64,
        sealing_gigabytes_per_second: quantile(&sealing, 0.5),
        opening_gigabytes_per_second: quantile(&opening, 0.5),
    })
}

/// Seals records of about so many bytes in a file in `folder`, then reads some of them by their ids, and all in order.
///
/// # Errors
/// [`BenchError`].
pub fn records(folder: &Path, bytes: u64) -> Result<Records, BenchError> {
    let count = (bytes / RECORD_BYTES as u64).max(1);
    let (path, kek) = (folder.join("records"), Kek::random()?);
    let place = Context { tenant: "t", dataset: "d", version: "v" };
    let subjects: Vec<(Id, DataKey)> =
        (0..SUBJECTS).map(|_| Ok((Id::random()?, DataKey::random()?))).collect::<cloister_vault::Result<_>>()?;
    let begin = Instant::now();
    let mut writer = ShardWriter::new(BufWriter::with_capacity(1 << 20, NewFile::create(&path)?), &kek, &place)?;
    for (number, (id, key)) in (0..count).zip(subjects.iter().cycle()) {
        if number % 4096 == 0 {
            interrupt::check()?;
        }
        writer.append(name(number).as_bytes(), *id, key, &text(number))?;
    }
    let (mut file, _) = writer.finish()?;
    file.flush()?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.publish()?;
    let sealing_seconds = begin.elapsed().as_secs_f64();

    let keys: HashMap<Id, DataKey> = subjects.into_iter().collect();
    let begin = Instant::now();
    let shard = ShardReader::open(&path, &kek, &place)?;
    let opening_seconds = begin.elapsed().as_secs_f64();
    let other = || BenchError::Wrong { what: "a record opens to another text" };
    let (mut times, mut random) = (Vec::new(), 1_u64);
    let before = system::thread_cpu_seconds();
    for _ in 0..READ {
        random = random * 48_271 % 2_147_483_647;
        let number = random % count;
        let name = name(number);
        let begin = Instant::now();
        let found = shard.read(name.as_bytes(), &keys)?;
        times.push(begin.elapsed().as_secs_f64());
        if found.as_deref() != Some(&text(number)[..]) {
            return Err(other());
        }
    }
    let cpu = system::thread_cpu_seconds().zip(before).map(|(after, before)| after - before);
    times.sort_by(f64::total_cmp);
    let begin = Instant::now();
    let mut streamed = 0;
    for record in shard.records(&keys) {
        let (_, text) = record?;
        streamed += u64::from(text.len() == RECORD_BYTES);
    }
    let streamed_per_second = streamed as f64 / begin.elapsed().as_secs_f64();
    if streamed != count {
        return Err(other());
    }
    let (median_seconds, slow_seconds) = (quantile(&times, 0.5), quantile(&times, 0.99));
    let bytes = std::fs::metadata(&path)?.len();
    Ok(Records {
        records: count,
        bytes,
        sealing_seconds,
        opening_seconds,
        read: READ,
        median_seconds,
        slow_seconds,
        cpu_seconds: cpu.map(|seconds| seconds / READ as f64),
        streamed_per_second,
    })
}

fn name(number: u64) -> String {
    format!("record-{number}")
}

fn text(number: u64) -> Vec<u8> {
    let mut text = vec![b'x'; RECORD_BYTES];
    text[..8].copy_from_slice(&number.to_be_bytes());
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_measured_was_sealed_and_opened() {
        for bytes in [1, 1 << 14, (1 << 20) + 1] {
            let found = streams(bytes).unwrap();
            assert!(found.sealing_gigabytes_per_second > 0.0 && found.opening_gigabytes_per_second > 0.0, "{found:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let found = records(folder.path(), 2_000_000).unwrap();
        assert!(found.records == 2_222 && found.bytes > 2_000_000 && found.read == READ, "{found:?}");
        assert!(found.median_seconds <= found.slow_seconds && found.streamed_per_second > 0.0, "{found:?}");
    }
}
