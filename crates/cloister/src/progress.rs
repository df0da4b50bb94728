//! Progress of long work on stderr: a bar on a terminal, one line per 5 % elsewhere, or nothing.
//!
//! Lines less than half a second apart are left out, so that quick work is quiet in a log.
//!
//! Invariant: a progress line shows a label, counts and rates; a label is a name or a verb, never a record.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::files::human_bytes;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A bar that redraws itself.
    Bar,
    /// One line per 5 %.
    Lines,
    /// Nothing.
    Nothing,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown in powers of ten.
    Bytes,
    /// Things with a name, such as `records` or `steps`.
    Count(&'static str),
}

/// One piece of work that advances towards a known total.
pub struct Progress {
    label: String,
    unit: Unit,
    done: u64,
    total: u64,
    twentieths: u64,
    last_line: Instant,
    shown: Shown,
}

const BETWEEN_LINES: Duration = Duration::from_millis(500);

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Starts work of `total` units; a total of 0 means that it is not known.
    pub fn new(show: Show, label: &str, total: u64, unit: Unit) -> Self {
        let shown = match show {
            Show::Bar => Shown::Bar(bar(label, total, unit)),
            Show::Lines if total > 0 => Shown::Lines,
            _ => Shown::Nothing,
        };
        Self { label: label.into(), unit, done: 0, total, twentieths: 0, last_line: Instant::now(), shown }
    }

    /// Counts `more` units as done.
    pub fn advance(&mut self, more: u64) {
        self.done += more;
        match &self.shown {
            Shown::Bar(bar) => bar.inc(more),
            Shown::Lines => self.line(),
            Shown::Nothing => {}
        }
    }

    /// A short note beside the bar, such as `loss 2.31`; lines elsewhere do not show it.
    pub fn note(&self, note: String) {
        if let Shown::Bar(bar) = &self.shown {
            bar.set_message(note);
        }
    }

    /// A lasting line above the bar.
    pub fn above(&self, say: impl FnOnce()) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(say),
            Shown::Lines | Shown::Nothing => say(),
        }
    }

    fn line(&mut self) {
        let twentieths = (self.done.min(self.total) * 20) / self.total;
        if twentieths > self.twentieths {
            self.twentieths = twentieths;
            if self.last_line.elapsed() < BETWEEN_LINES {
                return;
            }
            self.last_line = Instant::now();
            let amount = match self.unit {
                Unit::Bytes => format!("{} of {}", human_bytes(self.done), human_bytes(self.total)),
                Unit::Count(name) => format!("{} of {} {name}", self.done, self.total),
            };
            // A progress line that nobody can read is no reason to stop the work.
            let _ = writeln!(io::stderr().lock(), "{}: {} % ({amount})", self.label, twentieths * 5);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn template(total: u64, unit: Unit) -> String {
    match (total, unit) {
        (0, Unit::Bytes) => "{prefix}  {spinner} {decimal_bytes}  {decimal_bytes_per_sec}  {msg}".into(),
        (0, Unit::Count(name)) => format!("{{prefix}}  {{spinner}} {{human_pos}} {name}  {{msg}}"),
        (_, Unit::Bytes) => "{prefix}  {bar:24} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  \
                             {decimal_bytes_per_sec}  {eta} left  {msg}"
            .into(),
        (_, Unit::Count(name)) => {
            format!(
                "{{prefix}}  {{bar:24}} {{percent:>3}} %  {{human_pos}} of {{human_len}} {name}  {{eta}} left  {{msg}}"
            )
        }
    }
}

fn bar(label: &str, total: u64, unit: Unit) -> ProgressBar {
    let length = if total == 0 { None } else { Some(total) };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10));
    // The tests build every template; a default bar would still be a bar.
    if let Ok(style) = ProgressStyle::with_template(&template(total, unit)) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_prefix(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_valid() {
        for total in [0, 10] {
            for unit in [Unit::Bytes, Unit::Count("records")] {
                assert!(ProgressStyle::with_template(&template(total, unit)).is_ok());
                let mut progress = Progress::new(Show::Bar, "work", total, unit);
                progress.advance(10);
                progress.note("loss 2.31".into());
                assert!(matches!(&progress.shown, Shown::Bar(bar) if bar.position() == 10));
            }
        }
    }

    #[test]
    fn lines_come_every_twentieth() {
        let mut progress = Progress::new(Show::Lines, "work", 1000, Unit::Count("steps"));
        let mut lines = 0;
        for _ in 0..1000 {
            let before = progress.twentieths;
            progress.advance(1);
            lines += u64::from(progress.twentieths > before);
        }
        assert_eq!(lines, 20);
    }
}
