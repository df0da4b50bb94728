//! `cloister man`: the manual page of the program or of one verb on stdout, generated from the flags themselves.

use super::Exit;
use super::console::Console;
use super::hint::Usage;

/// Arguments of `man`.
#[derive(clap::Args)]
#[command(after_help = "Read it: cloister man scan | man -l -")]
pub(super) struct Args {
    /// A verb; without it, the program
    verb: Option<String>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let mut command = super::command();
        command.build();
        let page = match &self.verb {
            None => command,
            Some(verb) => {
                let found = command.find_subcommand(verb).cloned();
                found.ok_or_else(|| Usage::new(format!("unknown verb `{verb}`"), "cloister --help lists them"))?
            }
        };
        let mut bytes = Vec::new();
        clap_mangen::Man::new(page).render(&mut bytes)?;
        console.bytes(&bytes)?;
        Ok(Exit::Passed)
    }
}
