//! Calendar dates and periods of retention.
//!
//! Source: ISO 8601 (dates and durations); days by the algorithms of H. Hinnant, "chrono-compatible low-level date
//! algorithms". Invariant: a [`Date`] exists in the Gregorian calendar.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: i32,
    month: u32,
    day: u32,
}

/// Until when something may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Until the end of a day.
    Until(Date),
    /// For a time from the day on which it was taken in.
    For {
        /// Calendar months.
        months: u32,
        /// Days after those.
        days: u32,
    },
}

impl Date {
    /// A day of the Gregorian calendar.
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let exists =
            (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The day, in UTC, of a moment.
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self::from_days(i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 2))
    }

    /// This day so many calendar months and then days later; the last day of a shorter month stands for one that it lacks.
    pub fn after(self, months: u32, days: u32) -> Self {
        let month = i64::from(self.year) * 12 + i64::from(self.month) - 1 + i64::from(months);
        let year = i32::try_from(month / 12).unwrap_or(9999).min(9999);
        let month = (month % 12) as u32 + 1;
        let day = self.day.min(days_of(year, month));
        Self::from_days(Self { year, month, day }.to_days() + i64::from(days))
    }

    /// Days since 1970-01-01.
    fn to_days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let month = (i64::from(self.month) + 9) % 12; // from March
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let year_of_era = year - era * 400;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    fn from_days(days: i64) -> Self {
        const LAST: Date = Date { year: 9999, month: 12, day: 31 };
        let shifted = days.min(LAST.to_days()) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month + 2) / 5 + 1) as u32;
        let month = if month < 10 { month + 3 } else { month - 9 } as u32;
        let year = (era * 400 + year_of_era) as i32 + i32::from(month <= 2);
        Self { year, month, day }
    }
}

fn days_of(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = &'static str;

    /// `2027-12-31`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a date such as 2027-12-31";
        let parts: Vec<&str> = text.trim().split('-').collect();
        let [year, month, day] = parts[..] else { return Err(wrong) };
        if (year.len(), month.len(), day.len()) != (4, 2, 2)
            || !text.trim().bytes().all(|b| b == b'-' || b.is_ascii_digit())
        {
            return Err(wrong);
        }
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        Self::new(number(year) as i32, number(month), number(day)).ok_or(wrong)
    }
}

impl Retention {
    /// The last day on which something may be kept that was taken in on `day`.
    pub fn until(self, day: Date) -> Date {
        match self {
            Self::Until(date) => date,
            Self::For { months, days } => day.after(months, days),
        }
    }
}

impl FromStr for Retention {
    type Err = &'static str;

    /// A date (`2027-12-31`), a duration of ISO 8601 (`P2Y6M`), or words (`24 months`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a date such as 2027-12-31, or a period such as 24 months or P2Y";
        let text = text.trim();
        if let Ok(date) = text.parse() {
            return Ok(Self::Until(date));
        }
        let (months, days) = match text.strip_prefix(['P', 'p']) {
            Some(period) => iso_period(period),
            None => worded_period(text),
        }
        .ok_or(wrong)?;
        // A thousand years are no period, and nothing is no period either.
        let sane = (1..=12_000).contains(&months) && days <= 366_000 || months == 0 && (1..=366_000).contains(&days);
        if sane { Ok(Self::For { months, days }) } else { Err(wrong) }
    }
}

/// `2Y6M10D` or `6W`, each unit at most once and in this order.
fn iso_period(mut text: &str) -> Option<(u32, u32)> {
    let (mut months, mut days, mut last) = (0_u32, 0_u32, 0);
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = text[..end].parse().ok()?;
        let unit = text[end..].chars().next()?.to_ascii_uppercase();
        let rank = "YMWD".find(unit)? + 1;
        if rank <= last {
            return None;
        }
        last = rank;
        add(&mut months, &mut days, number, unit)?;
        text = &text[end + 1..];
    }
    (last > 0).then_some((months, days))
}

/// `24 months`, `2 years`, `90 days`, `6 weeks`.
fn worded_period(text: &str) -> Option<(u32, u32)> {
    let (number, unit) = text.split_once(char::is_whitespace)?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "year" | "years" => 'Y',
        "month" | "months" => 'M',
        "week" | "weeks" => 'W',
        "day" | "days" => 'D',
        _ => return None,
    };
    let (mut months, mut days) = (0, 0);
    add(&mut months, &mut days, number.parse().ok()?, unit)?;
    Some((months, days))
}

fn add(months: &mut u32, days: &mut u32, number: u32, unit: char) -> Option<()> {
    let (to, factor) = match unit {
        'Y' => (months, 12),
        'M' => (months, 1),
        'W' => (days, 7),
        _ => (days, 1),
    };
    *to = to.checked_add(number.checked_mul(factor)?)?;
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::time::Duration;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn dates_exist_or_are_refused() {
        for text in ["2024-02-29", "2000-02-29", "1970-01-01", "9999-12-31"] {
            assert_eq!(date(text).to_string(), text);
        }
        for bad in
            ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "24-01-01", "+024-01-01", "", "x"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_counted_over_the_whole_calendar() {
        assert_eq!(date("1970-01-01").to_days(), 0);
        assert_eq!(date("2000-03-01").to_days(), 11_017);
        for days in (-700_000..2_900_000).step_by(997) {
            assert_eq!(Date::from_days(days).to_days(), days);
        }
        assert_eq!(Date::of(UNIX_EPOCH + Duration::from_secs(951_868_799)).to_string(), "2000-02-29");
    }

    #[test]
    fn periods_end_on_a_day_that_exists() {
        let until = |text: &str, from: &str| text.parse::<Retention>().unwrap().until(date(from)).to_string();
        assert_eq!(until("24 months", "2024-02-29"), "2026-02-28");
        assert_eq!(until("1 month", "2024-01-31"), "2024-02-29");
        assert_eq!(until("P2Y6M10D", "2024-01-31"), "2026-08-10");
        assert_eq!(until("90 days", "2023-12-31"), "2024-03-30");
        assert_eq!(until("P6W", "2024-01-01"), "2024-02-12");
        assert_eq!(until("2027-12-31", "2024-01-01"), "2027-12-31");
        assert_eq!(until("1000 years", "2024-01-01"), "3024-01-01");
        for bad in ["", "P", "0 days", "P0Y", "forever", "12", "P6M2Y", "P1YD", "2 decades", "99999 years", "-1 days"] {
            assert!(bad.parse::<Retention>().is_err(), "{bad}");
        }
    }
}
