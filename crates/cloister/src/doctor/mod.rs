//! What this machine has and lacks for private training: every line is read from the system at the moment of asking.
//!
//! Invariant: a line that cannot be read says so as a warning; it is never assumed to be fine.

mod disk;
mod system;
mod trust;

use serde::Serialize;

use crate::files::human_bytes;
use crate::progress::Show;
use crate::pull::{Error, Home, verify};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, with a risk or a loss that the line names.
    Warn,
    /// Does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    pub advice: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, found: found.into(), advice: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, level: Level::Warn, found: found.into(), advice: Some(advice) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, level: Level::Fail, found: found.into(), advice: Some(advice) }
    }
}

/// All checks, in the order in which they should be read.
pub fn examine(home: &Home, show: Show) -> Vec<Check> {
    let mut checks = vec![
        Check::ok(
            "cloister",
            format!("{} for {}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS),
        ),
        system::processor(),
        system::cores(),
        system::memory(),
        system::kernel(),
        system::core_dumps(),
        system::swap(),
        system::randomness(),
        system::clock(),
        disk::folder(home.folder()),
        disk::space(home.folder()),
        trust::store(),
    ];
    checks.extend(bases(home, show));
    checks
}

/// One line per pulled base, each digest computed now.
fn bases(home: &Home, show: Show) -> Vec<Check> {
    let names = home.pulled();
    if names.is_empty() {
        return vec![Check::ok("base", "none pulled")];
    }
    names.iter().map(|name| base(home, name, show)).collect()
}

fn base(home: &Home, name: &str, show: Show) -> Check {
    let read = home.manifest(name).and_then(|manifest| match manifest {
        Some(manifest) => verify(home, &manifest, show).map(|()| manifest),
        None => Err(Error::NotPulled { name: name.into() }),
    });
    match read {
        Ok(manifest) => {
            let bytes = manifest.files.iter().map(|file| file.bytes).sum();
            Check::ok("base", format!("{name}, {}, digests right", human_bytes(bytes)))
        }
        Err(error) => Check::fail("base", error.to_string(), "remove its folder and pull it again"),
    }
}
