//! The folder of pulled bases and the space around it.

use std::path::Path;
use std::process::Command;

use super::Check;
use crate::files::human_bytes;

const SMALLEST_SPACE_BYTES: u64 = 2_000_000_000;

/// Whether the folder can be written, and by whom.
pub(super) fn folder(home: &Path) -> Check {
    let Some(existing) = nearest(home) else {
        return Check::fail("folder", home.display().to_string(), "set CLOISTER_HOME to a folder that can be created");
    };
    // A file that is made and vanishes again is the only honest test of permissions, quotas and read-only mounts.
    if let Err(error) = tempfile::tempfile_in(existing) {
        let found = format!("{}: {}", existing.display(), error.kind());
        return Check::fail("folder", found, "set CLOISTER_HOME to a folder that you may write to");
    }
    #[cfg(unix)]
    if existing == home {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = home.metadata().map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o022 != 0 {
            let found = format!("{}: others may write to it", home.display());
            return Check::warn(
                "folder",
                found,
                "run `chmod go-w` on it: whoever writes there chooses your base model",
            );
        }
    }
    let note = if existing == home { "" } else { " (will be created)" };
    Check::ok("folder", format!("{}{note}", home.display()))
}

/// Free space, as `df` sees it.
pub(super) fn space(home: &Path) -> Check {
    let advice = "make sure that 2 GB are free";
    let Some(existing) = nearest(home) else { return Check::warn("disk", "unknown", advice) };
    let output = Command::new("df").arg("-Pk").arg("--").arg(existing).env("LC_ALL", "C").output();
    let free = output.ok().and_then(|output| free_bytes(&String::from_utf8_lossy(&output.stdout)));
    match free {
        None => Check::warn("disk", "unknown", advice),
        Some(free) if free < SMALLEST_SPACE_BYTES => Check::warn("disk", format!("{} free", human_bytes(free)), advice),
        Some(free) => Check::ok("disk", format!("{} free", human_bytes(free))),
    }
}

/// The fourth column of POSIX `df -Pk`, counted from the end of the line: device names may hold spaces.
fn free_bytes(table: &str) -> Option<u64> {
    let line = table.lines().nth(1)?;
    let mut columns = line.split_whitespace().rev().skip_while(|column| !column.ends_with('%'));
    columns.nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().map(|part| if part == Path::new("") { Path::new(".") } else { part }).find(|part| part.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_df_is_read() {
        let table =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/my disk 1000 250 750 25% /mnt/a b\n";
        assert_eq!(free_bytes(table), Some(750 * 1024));
        assert_eq!(free_bytes(""), None);
    }
}
