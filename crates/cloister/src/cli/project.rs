//! What every verb on a project begins with: where it is, who opens it, and how it is closed again.

use std::path::{Path, PathBuf};

use cloister_access::{Action, Id, Principal, Resource};
use cloister_vault::keys::{Hardened, ProviderKind};

use super::console::Console;
use super::hint::Usage;
use super::secret::Source;
use crate::project::{Closed, Project};
use crate::pull::Home;

/// Where the project is, and who opens it.
#[derive(clap::Args)]
#[command(next_help_heading = "Project")]
pub(super) struct Opening {
    /// Folder of the project [default: this one, or the nearest above it that has one]
    #[arg(long, global = true, env = "CLOISTER_PROJECT", value_name = "DIR", hide_env = true)]
    project: Option<PathBuf>,
    /// Open it with this key file instead of a passphrase
    #[arg(long, global = true, env = "CLOISTER_KEY_FILE", value_name = "PATH", hide_env = true)]
    key_file: Option<PathBuf>,
    /// Read the passphrase from this file descriptor instead of the terminal
    #[arg(long, global = true, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl Opening {
    /// Works on the open project, and closes it whatever came of the work.
    pub(super) fn with<T>(
        &self,
        console: &Console,
        work: impl FnOnce(&Project) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.prepared(console, |closed| closed, work)
    }

    /// The same, opened as `prepare` says.
    pub(super) fn prepared<T>(
        &self,
        console: &Console,
        prepare: impl FnOnce(Closed) -> Closed,
        work: impl FnOnce(&Project) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let closed = match &self.project {
            Some(folder) => Closed::open(folder)?,
            None => Closed::find(Path::new("."))?,
        };
        let source = Source::of(self.passphrase_fd, self.key_file.clone())?;
        let has = |kind| closed.slots().iter().any(|slot| slot.kind == kind);
        if matches!(source, Source::Terminal) && !has(ProviderKind::Passphrase) {
            return Err(Usage::new(
                "the project opens with a key file",
                "give --key-file PATH, or set CLOISTER_KEY_FILE",
            )
            .into());
        }
        let hardened = Hardened::apply()?;
        let secret = source.secret("passphrase")?;
        let project = prepare(closed).unseal(&*secret, &hardened, Home::from_env()?)?;
        let unmatched = project.opening().unmatched.len();
        if unmatched > 0 {
            let acts = if unmatched == 1 { "1 act was" } else { &format!("{unmatched} acts were") };
            console.warn(format_args!(
                "{acts} announced in the log without an end: under way, or cut off; see `cloister log fsck`"
            ));
        }
        let done = work(&project);
        for alert in project.alerts() {
            console.warn(format_args!("alert: {alert}"));
        }
        let ended = project.close();
        let done = done?;
        ended?;
        Ok(done)
    }

    /// The folder that was named, or this one.
    pub(super) fn folder(&self) -> &Path {
        self.project.as_deref().unwrap_or(Path::new("."))
    }

    /// Where the secret of whoever works comes from.
    pub(super) fn source(&self) -> anyhow::Result<Source> {
        Source::of(self.passphrase_fd, self.key_file.clone())
    }
}

/// For clap: an id.
pub(super) fn id(text: &str) -> Result<Id, String> {
    Id::new(text).map_err(|error| error.to_string())
}

/// For clap: an action.
pub(super) fn action(text: &str) -> Result<Action, String> {
    text.parse().map_err(|error: cloister_access::Error| error.to_string())
}

/// For clap: a thing.
pub(super) fn thing(text: &str) -> Result<Resource, String> {
    text.parse().map_err(|error: cloister_access::Error| error.to_string())
}

/// For clap: somebody, by the id alone if it is a person.
pub(super) fn somebody(text: &str) -> Result<Principal, String> {
    let full = if text.contains(':') { text.to_owned() } else { format!("user:{text}") };
    full.parse().map_err(|error: cloister_access::Error| error.to_string())
}

/// The bytes of a text file that a user named.
pub(super) fn text_of(path: &Path) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(path).map_err(crate::Error::read(path))?)
}
