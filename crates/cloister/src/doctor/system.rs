//! Processor, memory, kernel, and the three ways in which memory reaches a disk unasked.
//!
//! Source: proc(5), core(5), cgroups(7), swapon(8).

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use super::Check;
use crate::files::human_bytes;
use crate::system::rfc3339;

const SMALLEST_MEMORY_BYTES: u64 = 4_000_000_000;

pub(super) fn processor() -> Check {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| value_of(&text, "model name"));
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.into());
    #[cfg(target_arch = "x86_64")]
    {
        let features = [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
        ];
        let present: Vec<&str> = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        let found =
            format!("{model}: {}", if present.is_empty() { "none of avx2, avx512f".into() } else { present.join(" ") });
        if present.contains(&"avx2") && present.contains(&"fma") {
            return Check::ok("processor", found);
        }
        Check::warn("processor", found, "training runs, but several times slower than with avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    Check::ok("processor", model)
}

pub(super) fn cores() -> Check {
    match thread::available_parallelism() {
        Ok(cores) => Check::ok("cores", NonZero::get(cores).to_string()),
        Err(error) => Check::warn("cores", format!("unknown: {error}"), "set the number of threads by hand"),
    }
}

pub(super) fn memory() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |key| value_of(&text, key)?.split(' ').next()?.parse::<u64>().ok();
    let (Some(total), Some(free)) = (kib("MemTotal"), kib("MemAvailable")) else {
        return Check::warn("memory", "unknown", "make sure that 4 GB are free");
    };
    let (total, free) = (total * 1024, free * 1024);
    let limit = cgroup_limit().filter(|limit| *limit < total);
    let usable = limit.map_or(free, |limit| limit.min(free));
    let limited = limit.map_or(String::new(), |limit| format!(", limited to {} by the cgroup", human_bytes(limit)));
    let found = format!("{} free of {}{limited}", human_bytes(free), human_bytes(total));
    if usable >= SMALLEST_MEMORY_BYTES {
        return Check::ok("memory", found);
    }
    Check::warn("memory", found, "a 135M-parameter base wants about 4 GB; use a smaller batch or --max-tokens")
}

/// The strictest memory limit on the way from the own control group to the root.
fn cgroup_limit() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let (root, file, path) = match own.lines().find_map(|line| line.strip_prefix("0::")) {
        Some(path) => ("/sys/fs/cgroup", "memory.max", path),
        None => {
            let path = own.lines().find_map(|line| line.split_once(":memory:"))?.1;
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path)
        }
    };
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    groups
        .filter_map(|group| fs::read_to_string(Path::new(root).join(group).join(file)).ok()?.trim().parse().ok())
        .min()
}

pub(super) fn kernel() -> Check {
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(release) => Check::ok("kernel", format!("{} {}", std::env::consts::OS, release.trim())),
        Err(_) => Check::ok("kernel", std::env::consts::OS),
    }
}

pub(super) fn core_dumps() -> Check {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    match (soft_core_limit(&limits), pattern.trim()) {
        (None, _) => Check::warn("core dumps", "unknown", "switch them off: a dump holds records in clear"),
        (Some(_), pattern) if pattern.starts_with('|') => {
            // The limit does not apply to a handler behind a pipe (core(5)).
            let handler = pattern.trim_start_matches('|').split(' ').next().unwrap_or_default();
            let advice = "a crash would hand records in clear to that program: set kernel.core_pattern to `core`";
            Check::warn("core dumps", format!("piped to {handler}"), advice)
        }
        (Some("0"), _) => Check::ok("core dumps", "off"),
        (Some(_), _) => {
            Check::warn("core dumps", "on", "a crash would write records in clear: run `ulimit -c 0` first")
        }
    }
}

pub(super) fn swap() -> Check {
    let Ok(text) = fs::read_to_string("/proc/swaps") else {
        return Check::warn("swap", "unknown", "switch it off or encrypt it: memory holds records in clear");
    };
    let areas = swap_areas(&text);
    let open: Vec<&str> = areas.iter().copied().filter(|area| !stays_in_memory_or_is_encrypted(area)).collect();
    match (areas.is_empty(), open.is_empty()) {
        (true, _) => Check::ok("swap", "off"),
        (false, true) => Check::ok("swap", format!("{}: compressed memory or encrypted", areas.join(", "))),
        (false, false) => {
            let advice = "records in clear could reach that disk: run `swapoff -a`, or encrypt the swap";
            Check::warn("swap", open.join(", "), advice)
        }
    }
}

pub(super) fn randomness() -> Check {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) if bytes != [0; 32] => Check::ok("randomness", "the operating system answers"),
        Ok(()) => Check::fail("randomness", "the operating system gave zeros", "do not train here"),
        Err(error) => Check::fail("randomness", error.to_string(), "private training needs the system's random source"),
    }
}

/// A clock before the time at which this very program was built is wrong; certificates and deadlines depend on it.
pub(super) fn clock() -> Check {
    let built = std::env::current_exe().and_then(|path| path.metadata()?.modified());
    let now = SystemTime::now();
    let advice = "set the clock: certificates, deadlines and log entries depend on it";
    match built {
        Ok(built) if now + Duration::from_secs(86_400) < built => {
            Check::fail("clock", "earlier than this program was built", advice)
        }
        Ok(_) => Check::ok("clock", rfc3339(now)),
        Err(_) => Check::warn("clock", "could not be compared with the program's own date", advice),
    }
}

/// The value of a line `key : value`.
fn value_of(text: &str, key: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

fn soft_core_limit(limits: &str) -> Option<&str> {
    limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?.split_whitespace().next()
}

fn swap_areas(swaps: &str) -> Vec<&str> {
    swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

fn stays_in_memory_or_is_encrypted(area: &str) -> bool {
    let device = fs::canonicalize(area).unwrap_or_else(|_| area.into());
    let Some(name) = device.file_name().and_then(|name| name.to_str()) else { return false };
    if !device.starts_with("/dev") {
        return false;
    }
    let mapped = fs::read_to_string(format!("/sys/block/{name}/dm/uuid")).unwrap_or_default();
    name.starts_with("zram") || mapped.starts_with("CRYPT-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(value_of("processor : 0\nmodel name\t: AMD EPYC\n", "model name").as_deref(), Some("AMD EPYC"));
        let limits = "Limit      Soft Limit  Hard Limit  Units\nMax core file size        0                    unlimited            bytes\n";
        assert_eq!(soft_core_limit(limits), Some("0"));
        let swaps = "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 8 0 -2\n/swapfile file 8 0 -3\n";
        assert_eq!(swap_areas(swaps), ["/dev/sda2", "/swapfile"]);
        assert!(!stays_in_memory_or_is_encrypted("/swapfile"));
        assert!(stays_in_memory_or_is_encrypted("/dev/zram0"));
    }
}
