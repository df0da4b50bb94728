//! Instants in UTC with milliseconds, and a clock that never goes back.
//!
//! Invariant: years from 1970 to 9999, one spelling each: `2026-11-27T19:06:00.000Z` (RFC 3339), which Cedar's `datetime` takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The first millisecond of the year 10000.
const END: i64 = 253_402_300_800_000;

/// Milliseconds since 1970 in UTC, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Instant(i64);

impl Instant {
    /// The instant so many milliseconds after the beginning of 1970.
    ///
    /// # Errors
    /// [`Error::BadInstant`] from the year 10000 on.
    pub fn from_millis(millis: u64) -> Result<Self> {
        let millis = i64::try_from(millis).map_err(|_| Error::BadInstant)?;
        if millis < END { Ok(Self(millis)) } else { Err(Error::BadInstant) }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// The instant so much later; the last one that there is, where that lies beyond.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(END);
        Self(self.0.saturating_add(millis).min(END - 1))
    }

    /// How much later this is than another instant; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Instant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = DateTime::parse_from_rfc3339(text).map_err(|_| Error::BadInstant)?;
        let millis = u64::try_from(read.timestamp_millis()).map_err(|_| Error::BadInstant)?;
        // Another spelling of the same instant is refused.
        Self::from_millis(millis).ok().filter(|instant| instant.to_string() == text).ok_or(Error::BadInstant)
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}

impl TryFrom<String> for Instant {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The clock of decisions: the later of the machine's clock and of the last instant that was logged, so that a clock which was
/// set back revives no grant. The caller reads the machine's clock; this one has none of its own.
///
/// ```
/// use cloister_access::{Clock, Instant};
/// use std::time::Duration;
///
/// let logged: Instant = "2026-11-27T10:00:00.000Z".parse()?;
/// let mut clock = Clock::after(Some(logged));
/// let reading = clock.read("2026-11-26T10:00:00.000Z".parse()?);
/// assert_eq!(reading.now, logged);
/// assert_eq!(reading.behind, Duration::from_secs(86_400));
/// # Ok::<(), cloister_access::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    last: Option<Instant>,
}

/// What a [`Clock`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The instant to decide and to log with.
    pub now: Instant,
    /// How far the machine's clock stands behind what was logged; zero if it does not. More than a second or so is worth an
    /// alert.
    pub behind: Duration,
}

impl Clock {
    /// A clock that stands at the last instant of the log, if there is one.
    #[must_use]
    pub const fn after(last_logged: Option<Instant>) -> Self {
        Self { last: last_logged }
    }

    /// Takes what the machine's clock says, and gives what holds.
    pub fn read(&mut self, machine: Instant) -> Reading {
        let now = self.last.map_or(machine, |last| last.max(machine));
        self.last = Some(now);
        Reading { now, behind: now.since(machine) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn instants_have_one_spelling() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (END - 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Instant(millis).to_string(), text);
            assert_eq!(text.parse::<Instant>().unwrap(), Instant(millis));
        }
        assert!(Instant::from_millis(END.unsigned_abs()).is_err());
        for text in [
            "",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.000+00:00",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000z",
        ] {
            assert!(text.parse::<Instant>().is_err(), "{text}");
        }
        assert_eq!(Instant(END - 1).plus(Duration::MAX), Instant(END - 1));
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = Clock::after(None);
        let readings = [50, 20, 60, 59, 61].map(|machine| clock.read(Instant(machine)));
        assert_eq!(readings.map(|reading| reading.now.0), [50, 50, 60, 60, 61]);
        assert_eq!(readings.map(|reading| reading.behind.as_millis()), [0, 30, 0, 1, 0]);
    }
}
