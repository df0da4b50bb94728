//! `cloister bench`: throughput of one engine on generated input.

use std::path::PathBuf;
use std::time::Duration;

use cloister_model::{LoraSpec, Precision};
use serde_json::{Map, json};

use super::Exit;
use super::config::whole;
use super::console::Console;
use super::hint::Usage;
use super::training::{targets, use_threads};
use super::words::counted;
use crate::bench::BenchError;
use crate::bench::train::{Setting, run};
use crate::bench::{accountant, ingest, log, scan, sealed};
use crate::budget::number;
use crate::files::human_bytes;
use crate::train::USUAL_TOKENS;
use crate::{interrupt, parallel, system};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    engine: Engine,
}

#[derive(clap::Subcommand)]
enum Engine {
    /// Private training steps on a base of SmolLM2-135M's shape with generated weights
    Train(TrainArgs),
    /// Epsilon of ten fixed training runs, by both accountants
    Accountant(AccountantArgs),
    /// Search of mixed English with personal data planted in it, in MB/s
    Scan(ScanArgs),
    /// Near duplicates planted in generated records: how many are found, how many others, and in what time
    Ingest(IngestArgs),
    /// Durable entries a second of the log, verifying it, and reading, sealing and opening sealed data
    Log(LogArgs),
}

#[derive(clap::Args)]
struct TrainArgs {
    /// Precision of the frozen weights: `f32`, `bf16`, `q8` or `q4`
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Adapted matrices: `qv`, `all`, or a list such as `q,k,v,o`
    #[arg(long, default_value = "qv", value_name = "LIST")]
    targets: String,
    /// Examples in a step
    #[arg(long, default_value = "8", value_name = "N", value_parser = whole)]
    batch: usize,
    /// Tokens in an example
    #[arg(long, default_value = "128", value_name = "T", value_parser = whole)]
    sequence: usize,
    /// Rank of the adapter
    #[arg(long, default_value = "8", value_name = "R", value_parser = whole)]
    rank: usize,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
    /// Measured steps, after one that is not
    #[arg(long, default_value = "5", value_name = "S", value_parser = whole)]
    steps: usize,
    /// Neither clip nor add noise
    #[arg(long)]
    non_private: bool,
}

#[derive(clap::Args)]
struct AccountantArgs {
    /// Measured answers to each question, after one that is not
    #[arg(long, default_value = "9", value_name = "N", value_parser = whole)]
    repeats: usize,
    /// One question only, from 1 to 10
    #[arg(long, value_name = "I", value_parser = whole)]
    question: Option<usize>,
}

#[derive(clap::Args)]
struct ScanArgs {
    /// Millions of bytes that are generated and scanned
    #[arg(long, default_value = "100", value_name = "MB", value_parser = whole)]
    megabytes: usize,
    /// Threads; without it, one, then all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
}

#[derive(clap::Args)]
struct IngestArgs {
    /// Records that are generated and looked at
    #[arg(long, default_value = "100000", value_name = "N", value_parser = whole)]
    records: usize,
    /// Near duplicates among them, at most an eighth; without it, 6 %
    #[arg(long, value_name = "N", value_parser = whole)]
    planted: Option<usize>,
    /// Threads; without it, all processors
    #[arg(long, value_name = "K", value_parser = whole)]
    threads: Option<usize>,
}

#[derive(clap::Args)]
struct LogArgs {
    /// Folder on the disk that is measured, for files of a few gigabytes that go afterwards; without it, the system's folder
    /// for temporary files
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Writers at once
    #[arg(long, default_value = "64", value_name = "N", value_parser = whole)]
    writers: usize,
    /// Seconds for which they write
    #[arg(long, default_value = "10", value_name = "S", value_parser = whole)]
    seconds: usize,
    /// Entries of the log that is verified
    #[arg(long, default_value = "1000000", value_name = "N", value_parser = whole)]
    entries: usize,
    /// Millions of bytes of records that are sealed and read
    #[arg(long, default_value = "1000", value_name = "MB", value_parser = whole)]
    megabytes: usize,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match self.engine {
            Engine::Train(args) => args.run(console),
            Engine::Accountant(args) => args.run(console),
            Engine::Scan(args) => args.run(console),
            Engine::Ingest(args) => args.run(console),
            Engine::Log(args) => args.run(console),
        }
    }
}

impl TrainArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        use_threads(self.threads)?;
        let setting = Setting {
            lora: LoraSpec::new(self.rank, u32::try_from(2 * self.rank)?, targets(&self.targets)?)?,
            batch: self.batch,
            sequence: self.sequence,
            steps: self.steps,
            precision: self.precision,
            private: !self.non_private,
            pass_tokens: USUAL_TOKENS,
        };
        let measured = run(&setting)?;
        let peak = system::peak_rss_bytes();
        console.say(format_args!(
            "{:.1} tokens/s (median of {} steps of {} tokens), peak memory {}, of it frozen weights {}",
            measured.tokens_per_second,
            measured.step_seconds.len(),
            self.batch * self.sequence,
            human_bytes(peak.unwrap_or(0)),
            human_bytes(measured.weight_bytes)
        ));
        let mut fields = Map::new();
        for (name, value) in [
            ("engine", json!("train")),
            ("precision", json!(self.precision.to_string())),
            ("targets", json!(self.targets)),
            ("batch", json!(self.batch)),
            ("sequence", json!(self.sequence)),
            ("rank", json!(self.rank)),
            ("threads", json!(rayon::current_num_threads())),
            ("private", json!(!self.non_private)),
            ("step_seconds", json!(measured.step_seconds)),
            ("tokens_per_second", json!(measured.tokens_per_second)),
            ("peak_rss_bytes", json!(peak)),
            ("weight_bytes", json!(measured.weight_bytes)),
        ] {
            fields.insert(name.into(), value);
        }
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

impl AccountantArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let count = accountant::count();
        if self.question.is_some_and(|question| question > count) {
            return Err(Usage::new("there is no such question", format!("choose one from 1 to {count}")).into());
        }
        let measured = accountant::run(self.question.map(|question| question - 1), self.repeats)?;
        let mut rows = Vec::new();
        let mut questions = Vec::new();
        for asked in &measured {
            let (pld, rdp) = (asked.pld_median_seconds(), asked.rdp_median_seconds());
            rows.push(vec![
                format!("{:.4}", asked.pld.epsilon),
                format!("{:.1e}", asked.pld.interval),
                format!("{:.2} ms", 1e3 * pld),
                format!("{:.4}", asked.epsilon_rdp),
                format!("{:.2} ms", 1e3 * rdp),
            ]);
            questions.push(json!({
                "phases": asked.phases, "delta": asked.delta,
                "pld": {"epsilon": number(asked.pld.epsilon), "grid": asked.pld.interval, "seconds": pld,
                        "first_seconds": asked.pld_first_seconds, "all_seconds": asked.pld_seconds, "cpu_seconds": asked.pld_cpu_seconds},
                "rdp": {"epsilon": number(asked.epsilon_rdp), "seconds": rdp, "all_seconds": asked.rdp_seconds},
            }));
        }
        console.table(&["PLD", "grid", "median", "RDP", "median"], &rows);
        let mut fields = Map::new();
        for (name, value) in [
            ("engine", json!("accountant")),
            ("threads", json!(1)),
            ("repeats", json!(self.repeats)),
            ("questions", json!(questions)),
        ] {
            fields.insert(name.into(), value);
        }
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

impl ScanArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        interrupt::watch();
        let threads = match (self.threads, parallel::cores()) {
            (Some(threads), _) => vec![threads],
            (None, 1) => vec![1],
            (None, cores) => vec![1, cores],
        };
        let outcome = scan::run(self.megabytes, &threads).map_err(not_measured)?;
        console.say(format_args!(
            "{} in {} records, {} pieces of personal data planted",
            human_bytes(outcome.bytes),
            outcome.records,
            outcome.planted
        ));
        let mut rows = Vec::new();
        let mut scans = Vec::new();
        for scan in &outcome.scans {
            rows.push(vec![
                scan.detectors.to_owned(),
                scan.threads.to_string(),
                format!("{:.1}", scan.megabytes_per_second),
                scan.spans.to_string(),
                human_bytes(scan.peak_rss_bytes.unwrap_or(0)),
            ]);
            scans.push(json!({
                "detectors": scan.detectors, "threads": scan.threads, "seconds": scan.seconds,
                "megabytes_per_second": scan.megabytes_per_second, "spans": scan.spans, "peak_rss_bytes": scan.peak_rss_bytes,
            }));
        }
        console.table(&["detectors", "threads", "MB/s", "spans", "peak memory"], &rows);
        let mut fields = Map::new();
        for (name, value) in [
            ("engine", json!("scan")),
            ("bytes", json!(outcome.bytes)),
            ("records", json!(outcome.records)),
            ("planted", json!(outcome.planted)),
            ("scans", json!(scans)),
            ("peak_rss_bytes", json!(system::peak_rss_bytes())),
        ] {
            fields.insert(name.into(), value);
        }
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

impl IngestArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        interrupt::watch();
        let planted = self.planted.unwrap_or(self.records * 6 / 100);
        let threads = self.threads.unwrap_or_else(parallel::cores);
        let outcome = ingest::run(self.records, planted, threads).map_err(not_measured)?;
        console.say(format_args!(
            "{} records in {:.1} s on {}: {:.2} % of {} planted near duplicates found, {:.2} % of {} reported pairs wrong",
            outcome.records,
            outcome.seconds,
            counted(outcome.threads, "thread"),
            100.0 * outcome.found(),
            outcome.planted,
            100.0 * outcome.wrong(),
            outcome.reported
        ));
        let mut fields = Map::new();
        for (name, value) in [
            ("engine", json!("ingest")),
            ("records", json!(outcome.records)),
            ("bytes", json!(outcome.bytes)),
            ("planted", json!(outcome.planted)),
            ("threads", json!(outcome.threads)),
            ("seconds", json!(outcome.seconds)),
            ("records_per_second", json!(outcome.records as f64 / outcome.seconds.max(1e-9))),
            ("reported", json!(outcome.reported)),
            ("found", json!(outcome.found())),
            ("false", json!(outcome.wrong())),
            ("peak_rss_bytes", json!(system::peak_rss_bytes())),
        ] {
            fields.insert(name.into(), value);
        }
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

impl LogArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        interrupt::watch();
        let place = self.folder.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::tempdir_in(&place).map_err(crate::Error::write(&place))?;
        let (store, files) = (folder.path().join("store"), folder.path().join("files"));
        std::fs::create_dir(&store).map_err(crate::Error::write(&store))?;
        let durable =
            log::durable(&store, self.writers, Duration::from_secs(self.seconds as u64)).map_err(not_measured)?;
        console.say(format_args!(
            "{:.0} durable entries/s of {}: each in {:.1} ms (median), 99 % within {:.1} ms; one fsync takes {:.2} ms",
            durable.entries_per_second(),
            counted(durable.writers, "writer"),
            1e3 * durable.median_seconds,
            1e3 * durable.slow_seconds,
            1e3 * durable.fsync_seconds
        ));
        let verified = log::verified(&files, self.entries as u64).map_err(not_measured)?;
        console.say(format_args!(
            "log of {} entries verified in {:.2} s, their form too in {:.2} s",
            self.entries, verified.seconds, verified.entries_seconds
        ));
        let records = sealed::records(folder.path(), self.megabytes as u64 * 1_000_000).map_err(not_measured)?;
        console.say(format_args!(
            "{} of {} sealed records: one in {:.2} ms (median), all in order at {:.0} a second",
            human_bytes(records.bytes),
            records.records,
            1e3 * records.median_seconds,
            records.streamed_per_second
        ));
        let streams = sealed::streams((self.megabytes * 1_000_000).min(1 << 29)).map_err(not_measured)?;
        console.say(format_args!(
            "{:.2} GB/s sealed, {:.2} GB/s opened, on one thread",
            streams.sealing_gigabytes_per_second, streams.opening_gigabytes_per_second
        ));
        let mut fields = Map::new();
        for (name, value) in [
            ("engine", json!("log")),
            (
                "durable",
                json!({
                    "writers": durable.writers, "entries": durable.entries, "seconds": durable.seconds,
                    "entries_per_second": durable.entries_per_second(), "median_seconds": durable.median_seconds,
                    "slow_seconds": durable.slow_seconds, "fsync_seconds": durable.fsync_seconds,
                    "opening_seconds": durable.opening_seconds, "reopening_seconds": durable.reopening_seconds,
                }),
            ),
            (
                "verified",
                json!({
                    "entries": verified.entries, "bytes": verified.bytes, "writing_seconds": verified.writing_seconds,
                    "seconds": verified.seconds, "entries_seconds": verified.entries_seconds,
                    "threads": rayon::current_num_threads(),
                }),
            ),
            (
                "records",
                json!({
                    "records": records.records, "record_bytes": sealed::RECORD_BYTES, "bytes": records.bytes,
                    "sealing_seconds": records.sealing_seconds, "opening_seconds": records.opening_seconds,
                    "read": records.read, "median_seconds": records.median_seconds, "slow_seconds": records.slow_seconds,
                    "cpu_seconds": records.cpu_seconds, "streamed_per_second": records.streamed_per_second,
                }),
            ),
            (
                "streams",
                json!({
                    "bytes": streams.bytes, "threads": 1,
                    "sealing_gigabytes_per_second": streams.sealing_gigabytes_per_second,
                    "opening_gigabytes_per_second": streams.opening_gigabytes_per_second,
                }),
            ),
            ("peak_rss_bytes", json!(system::peak_rss_bytes())),
        ] {
            fields.insert(name.into(), value);
        }
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

fn not_measured(error: BenchError) -> anyhow::Error {
    match error {
        // So that the exit code is that of Ctrl-C.
        BenchError::Stopped(error) => error.into(),
        error => error.into(),
    }
}
