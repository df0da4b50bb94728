//! `cloister completions`: a completion script on stdout, generated from the flags themselves.

use clap_complete::Shell;

use super::Exit;
use super::console::Console;

/// Arguments of `completions`.
#[derive(clap::Args)]
#[command(after_help = "Bash: cloister completions bash > ~/.local/share/bash-completion/completions/cloister")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "cloister", &mut script);
        console.bytes(&script)?;
        Ok(Exit::Passed)
    }
}
