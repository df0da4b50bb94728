//! Instants in UTC with milliseconds, as RFC 3339 writes them: `2026-11-27T19:06:00.000Z`.
//!
//! Invariant: years from 1970 to 9999, so that every instant has 24 characters and texts sort as the instants do.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::encoding::from_decimal;
use crate::{Error, Result};

const DAY_MILLIS: u64 = 86_400_000;
/// The first millisecond of the year 10000.
const END: u64 = 2_932_897 * DAY_MILLIS;

/// Milliseconds since 1970 in UTC, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Instant(u64);

impl Instant {
    /// The instant so many milliseconds after the beginning of 1970.
    ///
    /// # Errors
    /// [`Error::Malformed`] from the year 10000 on.
    pub fn from_millis(millis: u64) -> Result<Self> {
        if millis >= END { Err(malformed()) } else { Ok(Self(millis)) }
    }

    /// What the machine's clock says.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it stands before 1970 or after 9999.
    pub fn now() -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| malformed())?;
        Self::from_millis(u64::try_from(since.as_millis()).map_err(|_| malformed())?)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0 / DAY_MILLIS, self.0 % DAY_MILLIS);
        let (year, month, day) = date(days);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

impl std::str::FromStr for Instant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range)?.trim_start_matches('0');
            if digits.is_empty() { Some(0) } else { from_decimal(digits) }
        };
        let parse = || {
            let days = days_until(number(0..4)?, number(5..7)?, number(8..10)?)?;
            let seconds = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
            Some(days * DAY_MILLIS + seconds * 1000 + number(20..23)?)
        };
        // Whatever the text has beside digits, and numbers that are too large, are seen when it is written again.
        let instant = parse().and_then(|millis| Self::from_millis(millis).ok());
        instant.filter(|instant| instant.to_string() == text).ok_or_else(malformed)
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

/// Days before the first of March of a year, counted from the first of March of the year 0 (proleptic Gregorian).
const fn days_before(year: u64) -> u64 {
    365 * year + year / 4 - year / 100 + year / 400
}

/// Days from the first of March to the first of a month; March is 0.
const fn days_of_months(months: u64) -> u64 {
    (153 * months + 2) / 5
}

/// The first of March of the year 0 is so many days before 1970.
const ERA_DAYS: u64 = 719_468;

fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let (year, months) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    (days_before(year) + days_of_months(months) + day - 1).checked_sub(ERA_DAYS)
}

/// Year, month and day of a day counted from 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + ERA_DAYS;
    // At most one too large: a mean year has 365.2425 days.
    let guess = days * 400 / 146_097;
    let year = if days_before(guess) > days {
        guess - 1
    } else if days_before(guess + 1) <= days {
        guess + 1
    } else {
        guess
    };
    let day = days - days_before(year);
    let months = (5 * day + 2) / 153;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (year + u64::from(month <= 2), month, day - days_of_months(months) + 1)
}

fn malformed() -> Error {
    Error::Malformed { format: "instant", reason: "it is not a time in UTC with milliseconds from 1970 to 9999" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339_says() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (END - 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Instant(millis).to_string(), text);
            assert_eq!(text.parse::<Instant>().unwrap(), Instant(millis));
        }
        assert!(Instant::from_millis(END).is_err());
        assert!(Instant::now().unwrap() > Instant(1_700_000_000_000));
        for text in [
            "",
            "1970-01-01T00:00:00Z",
            "1970-01-01t00:00:00.000Z",
            "1970-01-01T00:00:00.000z",
            "1969-12-31T23:59:59.999Z",
            "2023-02-29T00:00:00.000Z",
            "2024-02-30T00:00:00.000Z",
            "2024-13-01T00:00:00.000Z",
            "2024-00-01T00:00:00.000Z",
            "2024-01-00T00:00:00.000Z",
            "2024-01-01T24:00:00.000Z",
            "2024-01-01T00:60:00.000Z",
            "2024-01-01T00:00:60.000Z",
            "2024-01-01T00:00:00.0000Z",
            "2024-01-01T00:00:00.000+00:00",
            " 2024-01-01T00:00:00.000Z",
            "2024-1-01T00:00:00.000Z",
            "0000-01-01T00:00:00.000Z",
            "2024-01-01T00:00:00.00\u{661}Z",
        ] {
            assert!(text.parse::<Instant>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        for day in (0..END / DAY_MILLIS).step_by(13) {
            let (year, month, of_month) = date(day);
            assert_eq!(days_until(year, month, of_month), Some(day));
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
        }
    }
}
