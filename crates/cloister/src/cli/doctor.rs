//! `cloister doctor`: one line per check, with what to do where something is wrong.

use serde_json::{Map, json};

use super::Exit;
use super::console::{Console, Ink};
use crate::doctor::{Level, examine};
use crate::pull::Home;

/// Arguments of `doctor`.
#[derive(clap::Args)]
#[command(after_help = "Exit 1 if a check fails; warnings pass.")]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let checks = examine(&Home::from_env()?, console.show());
        let worst = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
        let (exit, verdict) = match worst {
            Level::Fail => (Exit::Failed, "failed"),
            Level::Ok | Level::Warn => (Exit::Passed, "passed"),
        };
        if console.json() {
            console.document(verdict, Map::from_iter([("checks".into(), json!(checks))]))?;
            return Ok(exit);
        }
        let mut lines = String::new();
        for check in &checks {
            let sign = match check.level {
                Level::Ok => console.paint(Ink::Green, "ok  "),
                Level::Warn => console.paint(Ink::Yellow, "warn"),
                Level::Fail => console.paint(Ink::Red, "fail"),
            };
            lines.push_str(&format!("{sign}  {:<12}  {}\n", check.name, check.found));
            if let Some(advice) = check.advice {
                lines.push_str(&format!("      {:<12}  {}\n", "", console.paint(Ink::Cyan, &format!("→ {advice}"))));
            }
        }
        console.bytes(lines.as_bytes())?;
        Ok(exit)
    }
}
