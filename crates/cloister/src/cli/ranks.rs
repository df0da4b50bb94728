//! What `train` and `run` share when several processes are one run: the lead speaks and writes, the others are silent.

use std::path::Path;

use super::Exit;
use super::console::Console;
use super::hint::Usage;
use super::training::Flags;
use super::words::counted;
use crate::train::Team;

/// Runs a verb in the team that this process was started in, if any. What stops another rank is an error of the lead,
/// and the lead's exit code is the run's: a rank whose end the lead knows of exits with 0, or `mpirun` would end the
/// lead while it still writes.
pub(super) fn together(
    console: &Console,
    work: impl FnOnce(&Console, &Team) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let team = Team::join()?;
    if team.leads() {
        let outcome = work(console, &team);
        // Told before the others are waited for: after Ctrl-C, `mpirun` may end this process while it waits.
        let exit = outcome.as_ref().map_or_else(|error| super::tell(console, error), |exit| *exit);
        let _ = team.leave(&outcome);
        return Ok(exit);
    }
    let outcome = work(&Console::silent(), &team);
    if team.leave(&outcome) { Ok(Exit::Passed) } else { outcome }
}

/// What is different for a team: only the lead measures on public records, and there is one stdin.
pub(super) fn suit(flags: &mut Flags, data: &Path, console: &Console, team: &Team) -> anyhow::Result<()> {
    if team.size() > 1 && data == Path::new("-") {
        return Err(Usage::new("stdin cannot be read by several ranks", "name a file that every rank has").into());
    }
    if team.size() > 1 {
        console.say(format_args!("team of {}", counted(team.size(), "rank")));
    }
    if !team.leads() {
        flags.settings.evaluation = None;
    }
    Ok(())
}
