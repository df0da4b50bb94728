//! Measures how much text the detectors search in a second, on one thread.
//!
//! `cargo run --release -p cloister-text --example throughput`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;

use cloister_text::{Detector, DetectorOptions};

const TICKET: &str = "Hi, my name is Ana Ruiz and my order 48213-7 has not arrived. Please call me at (415) 555-0132 or write to \
        ana.ruiz@corp.com. I live at 123 Main Street, Springfield, IL 62704. The tracking page https://track.corp.com/t/88213 \
        says it left the warehouse on Tuesday, but nobody knows where it is now. I paid with 4111 1111 1111 1111. Thanks!\n";
const PLAIN: &str = "The committee met in the afternoon to discuss the results of the survey, and although the numbers were better \
        than last year the members agreed that a lot of work remained before the next report could be written.\n";

fn main() -> Result<(), cloister_text::Error> {
    for tagger in [false, true] {
        let detector = Detector::new(&DetectorOptions { tagger, ..DetectorOptions::default() })?;
        for (name, text) in [("tickets", TICKET.repeat(16000)), ("plain prose", PLAIN.repeat(32000))] {
            let start = Instant::now();
            let found: usize = text.split_inclusive('\n').map(|record| detector.detect(record).len()).sum();
            let speed = text.len() as f64 / 1e6 / start.elapsed().as_secs_f64();
            println!("{name}, {}: {speed:.1} MB/s, {found} spans", if tagger { "rules and tagger" } else { "rules" });
        }
    }
    Ok(())
}
