//! The command line: flags to a typed request once, a verb that runs it, one exit code.
//!
//! A new verb is one file here with `Args` and `Args::run`, its `mod` line, and its line in `verbs!` below.
//!
//! Invariants: data goes to stdout, everything else to stderr; an error is one `error:` line with its causes and one
//! `hint:` line; no secret is ever taken from a flag. Source of the conventions: clig.dev.

mod access;
mod audit;
mod bench;
mod budget;
mod classifier;
mod completions;
pub mod config;
pub mod console;
mod detection;
mod doctor;
mod generate;
pub mod hint;
mod ingest;
mod init;
mod input;
mod lines;
mod log;
mod man;
mod model;
mod origin;
mod project;
mod protect;
mod pull;
mod ranks;
mod release;
mod review;
mod run;
mod scan;
mod sealed;
mod secret;
mod subject;
mod train;
mod trainer;
mod training;
mod words;

use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use console::Console;

/// How a verb ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done and passed.
    Passed = 0,
    /// The work failed.
    Failed = 1,
    /// The request makes no sense: flags, configuration or input data.
    Usage = 2,
    /// The work is complete, and a gate says no.
    Refused = 3,
    /// Integrity is broken: a wrong digest, signature or log, or a hostile file.
    Broken = 4,
    /// The policy says no.
    Denied = 5,
    /// Ctrl-C; a snapshot is kept where there is one.
    Interrupted = 130,
}

impl Exit {
    /// The exit of this number, or a failure: another process of this program told it.
    fn of(number: u8) -> Self {
        let all =
            [Self::Passed, Self::Failed, Self::Usage, Self::Refused, Self::Broken, Self::Denied, Self::Interrupted];
        all.into_iter().find(|exit| *exit as u8 == number && number != 0).unwrap_or(Self::Failed)
    }
}

macro_rules! verbs {
    ($($(#[$about:meta])+ $verb:ident($module:ident),)+) => {
        #[derive(Subcommand)]
        enum Verb {
            $($(#[$about])+ $verb($module::Args),)+
        }

        impl Verb {
            /// The verb as typed and as it stands in the schema of its document.
            fn name(&self) -> &'static str {
                match self { $(Verb::$verb(_) => stringify!($module),)+ }
            }

            fn run(self, console: &Console) -> anyhow::Result<Exit> {
                match self { $(Verb::$verb(args) => args.run(console),)+ }
            }
        }
    };
}

verbs! {
    /// Make a project: a vault, a log and a first owner
    Init(init),
    /// Fetch a base model, checked against its pinned digest
    Pull(pull),
    /// Take records in: quality, duplicates, provenance, digest
    Ingest(ingest),
    /// Find personal data and secrets in records
    Scan(scan),
    /// Replace personal data in records, file to file or within a project
    Protect(protect),
    /// Fine-tune a base privately, from records to an adapter
    Train(train),
    /// Train for another process of this program, shut in
    #[command(hide = true)]
    Trainer(trainer),
    /// Protect, train and report, in one command
    Run(run),
    /// Write an adapter in the forms that other programs run
    Release(release),
    /// Let a model write, with or without an adapter
    Generate(generate),
    /// Measure what a model gives away
    Audit(audit),
    /// Compute privacy: epsilon of a plan, or the noise for an epsilon
    Budget(budget),
    /// Answer a person about their own data in a project: find, export, erase
    Subject(subject),
    /// Say who may do what in a project: members, grants, policies
    Access(access),
    /// Show, prove and verify the log of a project
    Log(log),
    /// Measure the throughput of an engine on generated input
    Bench(bench),
    /// Show what this machine has and what it lacks
    Doctor(doctor),
    /// Print a completion script for a shell
    Completions(completions),
    /// Print the manual page
    Man(man),
}

#[derive(Parser)]
#[command(
    name = "cloister",
    version,
    about = "Private fine-tuning of language models, with proof",
    styles = STYLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    after_help = "Exit codes: 0 passed · 1 failed · 2 usage or config · 3 a gate says no · 4 integrity broken · \
                  5 access denied · 130 interrupted.\nSettings: flag, then CLOISTER_*, then ./cloister.toml, then the \
                  user's config.toml."
)]
struct Cli {
    #[command(flatten)]
    look: Look,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that every verb takes.
#[derive(clap::Args)]
struct Look {
    /// Print one JSON document on stdout
    #[arg(long, global = true, display_order = 900)]
    json: bool,
    /// Print errors and warnings only
    #[arg(long, short, global = true, display_order = 901)]
    quiet: bool,
    /// Colour: auto, always or never; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(hide_default_value = true, display_order = 902)]
    color: console::Color,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::BrightBlack.on_default());

/// The whole program: parses the arguments, runs the verb, prints what went wrong.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        if cloister_text::expects_panics() {
            return;
        }
        // When nobody reads there is nobody left to tell.
        let _ = io::stderr().write_all(of_panic(panic).as_bytes());
    }));
    let exit = panic::catch_unwind(|| match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => refuse_arguments(&error),
    });
    ExitCode::from(exit.unwrap_or(Exit::Failed) as u8)
}

/// What is said of a panic: its place alone, since its message can quote the text that was being read.
fn of_panic(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".into(), |at| format!("{}:{}", at.file(), at.line()));
    format!(
        "error: a defect of this program at {place}; its message is not shown, for it can hold text of a record\n\
         hint: report this place, and leave the record out until it is mended\n"
    )
}

/// The command as clap knows it, for completions, the manual page and the reference.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(cli: Cli) -> Exit {
    let verb = cli.verb.name();
    let console = Console::new(verb, cli.look.json, cli.look.quiet, cli.look.color);
    match cli.verb.run(&console) {
        Ok(exit) => exit,
        Err(error) => tell(&console, &error),
    }
}

/// Says what went wrong; the exit code for it.
fn tell(console: &Console, error: &anyhow::Error) -> Exit {
    let advice = hint::advise(error);
    if !advice.silent {
        console.error(error, &advice);
    }
    advice.exit
}

/// clap's own errors in our two lines, and as the document if one was asked for; help and version as they are.
fn refuse_arguments(error: &clap::Error) -> Exit {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || !error.use_stderr() {
        // When the reader is gone there is nobody left to tell.
        let _ = error.print();
        return if is_help { Exit::Usage } else { Exit::Passed };
    }
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let verb = words.iter().find(|word| Cli::command().find_subcommand(word).is_some());
    let (message, hint) = two_lines(&error.render().to_string(), verb.map(String::as_str));
    let hint = from_environment(&message, &words).unwrap_or(hint);
    let json = words.iter().any(|word| word == "--json");
    let console = Console::new(verb.map_or("cloister", String::as_str), json, false, console::Color::Auto);
    let error = hint::Usage::new(message, hint).into();
    console.error(&error, &hint::advise(&error));
    Exit::Usage
}

/// Where a refused value came from, if no flag gave it: clap names the flag in either case.
fn from_environment(message: &str, words: &[String]) -> Option<String> {
    let flag = message.split_once(" for '--")?.1.split([' ', '\'']).next()?;
    let given = words.iter().any(|word| word.trim_start_matches("--").split('=').next() == Some(flag));
    let variable = format!("CLOISTER_{}", flag.replace('-', "_").to_uppercase());
    (!given && std::env::var_os(&variable).is_some())
        .then(|| format!("the value stands in the environment variable {variable}: correct or unset it"))
}

/// Splits clap's paragraphs: the message with its list on one line; then the tip, or else how it is used.
fn two_lines(text: &str, verb: Option<&str>) -> (String, String) {
    let mut paragraphs = text.trim().split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.lines().map(str::trim).collect();
        words.join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.collect();
    let hint = match rest.iter().find_map(|line| line.strip_prefix("tip: ")) {
        Some(tip) => tip.to_owned(),
        None => match rest.iter().find_map(|line| line.strip_prefix("Usage: ")) {
            Some(usage) => format!("usage: {usage}"),
            None => format!("see `cloister {}--help`", verb.map_or(String::new(), |verb| format!("{verb} "))),
        },
    };
    (message, hint)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_no_text() {
        let told = Arc::new(Mutex::new(String::new()));
        let (hook, teller) = (panic::take_hook(), Arc::clone(&told));
        panic::set_hook(Box::new(move |panic| *teller.lock().expect("not poisoned") = of_panic(panic)));
        let (text, begin) = ("Zyxo Qwvu", std::hint::black_box(7));
        let panicked = panic::catch_unwind(|| text[begin..3].len()).is_err();
        panic::set_hook(hook);
        let told = told.lock().expect("not poisoned").clone();
        assert!(panicked && told.contains(file!()) && told.contains("hint: "), "{told}");
        assert!(!told.contains("Zyxo") && !told.contains("Qwvu"), "{told}");
    }

    #[test]
    fn the_command_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn an_argument_error_becomes_two_lines() {
        let text = "error: the following required arguments were not provided:\n  <FILE>\n\nUsage: cloister scan <FILE>\n\n\
                    For more information, try '--help'.\n";
        let (message, hint) = two_lines(text, Some("scan"));
        assert_eq!(message, "the following required arguments were not provided: <FILE>");
        assert_eq!(hint, "usage: cloister scan <FILE>");
        let text =
            "error: invalid value 'x' for '--epsilon <E>': not a number\n\nFor more information, try '--help'.\n";
        assert_eq!(two_lines(text, Some("train")).1, "see `cloister train --help`");
    }
}
