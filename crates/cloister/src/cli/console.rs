//! Where a verb speaks: documents on stdout; messages, tables and progress on stderr.
//!
//! Invariant: under `--json` exactly one document reaches stdout, on success and on failure alike.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::Exit;
use super::hint::Advice;
use crate::progress::{Progress, Show, Unit};

/// When messages are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The two output streams of one verb.
pub struct Console {
    verb: String,
    json: bool,
    quiet: bool,
    color: bool,
    color_data: bool,
    show: Show,
    silent: bool,
}

/// A part of a message that stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Good news.
    Green,
    /// A warning.
    Yellow,
    /// Bad news.
    Red,
    /// A label.
    Cyan,
    /// What matters less.
    Dim,
    /// What matters most.
    Bold,
}

impl Ink {
    fn around(self, text: &str) -> String {
        let code = match self {
            Ink::Green => "32",
            Ink::Yellow => "1;33",
            Ink::Red => "1;31",
            Ink::Cyan => "36",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl Console {
    /// A console for `verb`, as the global flags and the environment ask.
    pub fn new(verb: &str, json: bool, quiet: bool, color: Color) -> Self {
        let terminal = io::stderr().is_terminal();
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let show = match () {
            () if quiet || set("CLOISTER_NO_PROGRESS") => Show::Nothing,
            () if terminal => Show::Bar,
            () => Show::Lines,
        };
        let (color, color_data) = (wanted(terminal), wanted(io::stdout().is_terminal()));
        Self { verb: verb.into(), json, quiet, color, color_data, show, silent: false }
    }

    /// One that says nothing at all: another process of the same run speaks.
    pub fn silent() -> Self {
        Self { silent: true, ..Self::new("", false, true, Color::Never) }
    }

    /// Whether the user asked for one JSON document.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A message line on stderr.
    pub fn say(&self, line: impl Display) {
        if !self.quiet {
            stderr_line(line);
        }
    }

    /// A warning line on stderr, also under `--quiet`.
    pub fn warn(&self, line: impl Display) {
        if !self.silent {
            stderr_line(format_args!("{} {line}", self.ink(Ink::Yellow, "warning:")));
        }
    }

    /// `text` in colour, if messages are coloured.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        if self.color { ink.around(text) } else { text.into() }
    }

    /// `text` in colour for stdout, if that is coloured.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if self.color_data { ink.around(text) } else { text.into() }
    }

    /// Rows under a header on stderr: the first column to the left, the others (numbers) to the right.
    pub fn table(&self, header: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
        };
        self.say(self.ink(Ink::Dim, &line(header.to_vec())));
        for row in rows {
            self.say(line(row.iter().map(String::as_str).collect()));
        }
    }

    /// Progress towards `total` units on stderr.
    pub fn progress(&self, label: &str, total: u64, unit: Unit) -> Progress {
        Progress::new(self.show, label, total, unit)
    }

    /// How progress is shown, for stages that make their own.
    pub fn show(&self) -> Show {
        self.show
    }

    /// Under `--json`: the verb's document, with its schema and verdict first. Else nothing.
    pub fn document(&self, verdict: &str, fields: Map<String, Value>) -> anyhow::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut document = Map::new();
        document.insert("schema".into(), format!("cloister.{}.v1", self.verb).into());
        document.insert("verdict".into(), verdict.into());
        document.extend(fields);
        self.data(&Value::Object(document))
    }

    /// One JSON value as one line on stdout.
    pub fn data(&self, value: &Value) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Bytes on stdout.
    pub fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// The `error:` line with its causes, the `hint:` line, and under `--json` the document that says so.
    pub fn error(&self, error: &anyhow::Error, advice: &Advice) {
        let message = one_line(&chain(error));
        self.lines(&message, advice.hint.as_deref());
        let mut fields = Map::new();
        fields.insert("error".into(), message.into());
        fields.insert("hint".into(), json!(advice.hint));
        fields.insert("exit".into(), (advice.exit as u8).into());
        let verdict = if advice.exit == Exit::Interrupted { "interrupted" } else { "error" };
        // The exit code stands even if nobody reads stdout.
        let _ = self.document(verdict, fields);
    }

    /// The two lines of an error.
    pub fn lines(&self, message: &str, hint: Option<&str>) {
        stderr_line(format_args!("{} {message}", self.ink(Ink::Red, "error:")));
        if let Some(hint) = hint {
            stderr_line(format_args!("{} {hint}", self.ink(Ink::Cyan, "hint:")));
        }
    }
}

fn stderr_line(line: impl Display) {
    // When stderr is gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&line.to_string()));
}

/// The line without what would steer a terminal, such as an escape sequence in the name of a file; colours stay.
fn harmless(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    for (index, part) in line.split('\x1b').enumerate() {
        let parameters =
            part.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
        if index > 0 && parameters.is_some_and(|rest| rest.starts_with('m')) {
            kept.push('\x1b');
        }
        kept.extend(part.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')));
    }
    kept
}

/// The error and its causes; a cause that its parent already quotes is not said twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let message = without_number(&cause.to_string());
        if text.is_empty() {
            text = message;
        } else if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
    }
    text
}

/// The system's message without ` (os error N)`, which helps nobody who reads it.
fn without_number(message: &str) -> String {
    match message.rsplit_once(" (os error ") {
        Some((before, number)) if number.trim_end_matches(')').parse::<i32>().is_ok() => before.to_owned(),
        _ => message.to_owned(),
    }
}

/// Control characters and line breaks (a file name may hold them) as spaces, so that a message stays one line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_reach_the_terminal() {
        let line = format!("{}\x1b]0;title\x07 a\x1b[2Jb\rc\x1b", Ink::Red.around("ok\n\t"));
        assert_eq!(harmless(&line), "\x1b[1;31mok\n\t\x1b[0m]0;title a[2Jbc");
        assert_eq!(harmless("naïve 名"), "naïve 名");
    }

    #[test]
    fn a_cause_is_said_once_and_on_one_line() {
        let error = anyhow::anyhow!("disk is full").context("cannot write\n\x1b[2J`x`: disk is full");
        assert_eq!(one_line(&chain(&error)), "cannot write [2J`x`: disk is full");
        let error = anyhow::anyhow!("disk is full").context("cannot write `x`");
        assert_eq!(chain(&error), "cannot write `x`: disk is full");
        let error = anyhow::Error::from(io::Error::from_raw_os_error(2)).context("cannot read `x`");
        assert!(!chain(&error).contains("os error"));
    }
}
