//! A run's figures as files for other tools: `metrics.jsonl`, and an event file that TensorBoard reads.
//!
//! Invariant: what stands here follows from the plan, the recipe and public records alone, but for the rounded timings
//! of the last line. So there is no time in a line, and every event of a file carries the time at which the file was
//! begun: the duration of a step tells how long the records were that the sampler drew.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Loss, Outcome, StepFigures, tfevents};

/// The file of lines.
const LINES: &str = "metrics.jsonl";

/// Both files, open for appending.
pub struct Metrics {
    folder: PathBuf,
    lines: File,
    events: File,
    begun_seconds: f64,
    failed: Option<io::Error>,
}

impl Metrics {
    /// Whether a run that made a step has left its lines in a folder.
    #[must_use]
    pub fn taken(folder: &Path) -> bool {
        std::fs::read_to_string(folder.join(LINES)).is_ok_and(|lines| lines.contains("\"steps_lost\":"))
    }

    /// Begins the lines in `folder`, or goes on with them, and begins an event file.
    ///
    /// # Errors
    /// [`crate::Error::Write`] with the file.
    pub fn open(folder: &Path, resumed: bool) -> Result<Self, crate::Error> {
        crate::files::create_folder(folder)?;
        let path = folder.join(LINES);
        let lines = whole_lines(&path, resumed).map_err(crate::Error::write(&path))?;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // The readers' order of files is that of their names; what TensorBoard looks for is "tfevents".
        let path = folder.join(format!("events.out.tfevents.{begun:010}.cloister.{}", std::process::id()));
        let mut events = File::create(&path).map_err(crate::Error::write(&path))?;
        events.write_all(&tfevents::file_version(begun as f64)).map_err(crate::Error::write(&path))?;
        Ok(Self { folder: folder.into(), lines, events, begun_seconds: begun as f64, failed: None })
    }

    /// A step is over.
    pub fn step(&mut self, figures: StepFigures) {
        let StepFigures { step, lost, epsilon, learning_rate } = figures;
        self.line(&json!({"step": step, "steps_lost": lost, "epsilon": epsilon, "learning_rate": learning_rate}));
        self.scalars(step, &[("privacy/epsilon", epsilon), ("train/learning_rate", learning_rate)]);
        if lost > 0 {
            self.scalars(step, &[("privacy/steps_lost", lost as f64)]);
        }
    }

    /// A loss on public records.
    pub fn loss(&mut self, step: u64, loss: Loss) {
        let Loss { nats_per_token, tokens } = loss;
        self.line(&json!({"step": step, "evaluation_nats_per_token": nats_per_token, "evaluation_tokens": tokens}));
        self.scalars(step, &[("evaluation/nats_per_token", nats_per_token)]);
    }

    /// The run is over, after `step` steps. The first thing that could not be written, if any: a run is not stopped
    /// for it.
    pub fn finish(mut self, step: u64, outcome: &Outcome) -> Option<crate::Error> {
        let (speed, memory) = (outcome.tokens_per_second, outcome.peak_rss_bytes);
        self.line(&json!({"step": step, "seconds": outcome.seconds, "tokens_per_second": speed,
                          "peak_rss_bytes": memory}));
        self.scalars(step, &[("run/tokens_per_second", speed), ("run/peak_rss_bytes", memory as f64)]);
        self.failed.map(crate::Error::write(&self.folder))
    }

    fn line(&mut self, line: &Value) {
        let written = self.lines.write_all(format!("{line}\n").as_bytes());
        self.note(written);
    }

    fn scalars(&mut self, step: u64, figures: &[(&str, f64)]) {
        let records: Vec<u8> =
            figures.iter().flat_map(|(tag, value)| tfevents::scalar(self.begun_seconds, step, tag, *value)).collect();
        let written = self.events.write_all(&records);
        self.note(written);
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

/// A file of lines, without the rest of a line that was cut off when its writer was killed; or an empty one.
fn whole_lines(path: &Path, keep: bool) -> io::Result<File> {
    let mut file = File::options().create(true).truncate(!keep).read(true).write(true).open(path)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let whole = content.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last as u64 + 1);
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LINES);
        std::fs::write(&path, "{\"step\":1}\n{\"st").unwrap();
        let mut metrics = Metrics::open(folder.path(), true).unwrap();
        metrics.step(StepFigures { step: 5, lost: 3, epsilon: 0.5, learning_rate: 0.125 });
        let text = std::fs::read_to_string(&path).unwrap();
        let line = "{\"step\":5,\"steps_lost\":3,\"epsilon\":0.5,\"learning_rate\":0.125}\n";
        assert_eq!(text, format!("{{\"step\":1}}\n{line}"));
    }
}
