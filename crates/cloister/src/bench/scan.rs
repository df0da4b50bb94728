//! Throughput of the detectors on generated records, from bytes of JSON lines to counted spans.
//!
//! The input is written once, to a file without a name that goes with the process, and read as any file is: so the figures are
//! those of `scan` itself, and the largest memory is that of its working, not of its input.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use cloister_text::{Columns, Detector, DetectorOptions, Source};

use super::BenchError;
use super::text::Writer;
use crate::progress::{Progress, Show, Unit};
use crate::scan::{Report, Scan};
use crate::system;

/// One scan of the whole input.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Which detectors ran.
    pub detectors: &'static str,
    /// On how many threads.
    pub threads: usize,
    /// Wall time.
    pub seconds: f64,
    /// Bytes of the input, in millions, in a second.
    pub megabytes_per_second: f64,
    /// Spans found.
    pub spans: usize,
    /// Largest resident memory of the process so far; `None` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// What was scanned, and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Bytes of the input.
    pub bytes: u64,
    /// Its records.
    pub records: usize,
    /// Pieces of personal data planted in it.
    pub planted: usize,
    /// The scans, in order.
    pub scans: Vec<Measured>,
}

/// Generates so many million bytes and scans them with each set of detectors, on each number of threads.
///
/// # Errors
/// [`BenchError`].
pub fn run(megabytes: usize, threads: &[usize]) -> Result<Outcome, BenchError> {
    const SEED: u64 = 1;
    let mut file = tempfile::tempfile()?;
    let (records, planted) = generate(&file, megabytes as u64 * 1_000_000, SEED)?;
    let bytes = file.stream_position()?;
    let mut scans = Vec::new();
    for (detectors, options) in sets() {
        let detector = Detector::new(&options)?;
        for &threads in threads {
            file.seek(SeekFrom::Start(0))?;
            scans.push(measure(&file, detectors, &detector, threads, bytes)?);
        }
    }
    Ok(Outcome { bytes, records, planted, scans })
}

/// The sets of detectors that are measured.
fn sets() -> Vec<(&'static str, DetectorOptions)> {
    let rules = DetectorOptions { tagger: false, ..DetectorOptions::default() };
    vec![("rules", rules), ("rules and tagger", DetectorOptions::default())]
}

fn generate(file: &File, bytes: u64, seed: u64) -> Result<(usize, usize), BenchError> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let (mut writer, mut line) = (Writer::new(seed), String::new());
    let (mut written, mut records) = (0, 0);
    while written < bytes {
        line.clear();
        writer.line(&mut line);
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        records += 1;
    }
    out.flush()?;
    Ok((records, writer.planted))
}

fn measure(
    file: &File,
    detectors: &'static str,
    detector: &Detector,
    threads: usize,
    bytes: u64,
) -> Result<Measured, BenchError> {
    let columns = Columns::default();
    let scan = Scan { detector, report: Report::Found, columns: &columns, strict: false, threads };
    let mut progress = Progress::new(Show::Nothing, "", 0, Unit::Bytes);
    let started = Instant::now();
    let (summary, _) = scan.run(&mut Source::from_reader(file, ""), &mut progress, |_| Ok::<(), BenchError>(()))?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Measured {
        detectors,
        threads,
        seconds,
        megabytes_per_second: bytes as f64 / 1e6 / seconds.max(1e-9),
        spans: summary.spans,
        peak_rss_bytes: system::peak_rss_bytes(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn threads_change_the_time_and_nothing_else() {
        let outcome = run(1, &[1, 2]).unwrap();
        assert!(outcome.bytes >= 1_000_000 && outcome.records > 500);
        let spans: Vec<usize> = outcome.scans.iter().map(|scan| scan.spans).collect();
        assert!(spans[0] as f64 > 0.8 * outcome.planted as f64, "{spans:?} of {}", outcome.planted);
        assert!(spans.chunks(2).all(|of_set| of_set[0] == of_set[1]), "{spans:?}");
        assert_eq!(outcome.scans.iter().map(|scan| scan.threads).collect::<Vec<_>>()[..2], [1, 2]);
    }
}
