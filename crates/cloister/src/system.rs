//! What the operating system says about this process.

use std::time::{SystemTime, UNIX_EPOCH};

/// Largest resident memory of this process so far, in bytes; `None` where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes("self", "VmHWM:")
}

/// The same of another process of this user.
#[must_use]
pub fn peak_rss_bytes_of(process: u32) -> Option<u64> {
    status_bytes(&process.to_string(), "VmHWM:")
}

/// Resident memory of this process now, in bytes; `None` where the system does not tell.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    status_bytes("self", "VmRSS:")
}

fn status_bytes(process: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Seconds for which this thread has run, to a few milliseconds; `None` where the system does not tell.
#[must_use]
pub fn thread_cpu_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0.0).then_some(nanoseconds * 1e-9)
}

/// A moment as RFC 3339 writes it, in UTC, whole seconds (Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_written_in_utc() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(at(1_795_443_678), "2026-11-23T14:21:18Z");
    }

    #[test]
    fn the_peak_covers_what_was_touched() {
        let block = vec![1u8; 64 << 20];
        let touched = block.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        if cfg!(target_os = "linux") {
            assert!(peak_rss_bytes().is_some_and(|peak| peak >= touched));
        }
    }
}
