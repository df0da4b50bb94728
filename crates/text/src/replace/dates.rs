//! Dates: moved by the offset of their subject, or reduced to the year.
//!
//! Invariants: all dates of one subject move by the same number of days, so the days between them stay; the surface stays
//! (order, separators, padding, language and case of names, times of day); what is not understood is never passed on.
//! Times of day, durations and words such as "yesterday" name no day: they stay where a date is moved.
//! Sources: Hripcsak et al. 2016, "Preserving temporal relations in clinical data while maintaining privacy"; 45 CFR 164.514(b)(2)(i)(C) for the year.

use super::calendar::{Date, month_name, weekday_name};
use super::draw::Ring;
use super::originals::DateOrders;
use super::person::like_case;
use super::policy::Rule;
use super::reading::{Found, Kind, Reading, Token, tokens, triple};
use super::wrapped::Written;
use crate::detect::Span;

/// What became of a date.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It reads otherwise now.
    New(String),
    /// It names no day, or nothing in it may not be told.
    Kept,
    /// It was not understood.
    Unreadable,
}

/// The days by which a subject's dates are moved: within ± `days`, never 0.
pub(super) fn offset(ring: &Ring<'_>, rule: &Rule) -> i64 {
    let unit: i64 = if rule.weekday { 7 } else { 1 };
    let most = usize::from(rule.days) / if rule.weekday { 7 } else { 1 };
    let place = ring.draw(&["date-offset"], 0).below(2 * most.max(1));
    let steps = (place / 2 + 1) as i64;
    unit * if place.is_multiple_of(2) { steps } else { -steps }
}

/// In which order the dates in numbers among the spans are written, as far as they tell: all, and those whose form leaves
/// it open (a date with full stops begins with its day).
pub(super) fn orders(text: &str, spans: &[Span]) -> (DateOrders, DateOrders) {
    let (mut all, mut open) = (DateOrders::default(), DateOrders::default());
    for span in spans.iter().filter(|span| span.label.0 == "DATE_TIME") {
        let written = Written::read(span, text.get(span.start..span.end).unwrap_or_default());
        let tokens = tokens(written.value());
        for at in 0..tokens.len() {
            let Some([a, b, _]) = triple(&tokens, at) else { continue };
            let one = match (tokens[a].number(), tokens[b].number()) {
                _ if tokens[a].text.len() == 4 => continue,
                (Some(13..=31), Some(1..=12)) => DateOrders { day_first: 1, month_first: 0 },
                (Some(1..=12), Some(13..=31)) => DateOrders { day_first: 0, month_first: 1 },
                _ => continue,
            };
            all.add(one);
            if tokens[a + 1].text.trim() != "." {
                open.add(one);
            }
        }
    }
    (all, open)
}

/// The value moved by `offset` days.
pub(super) fn shift(value: &str, rule: &Rule, day_first: bool, offset: i64) -> Outcome {
    let tokens = tokens(value);
    let Some(reading) = Reading::of(&tokens, rule, day_first) else { return Outcome::Unreadable };
    let mut new: Vec<String> = tokens.iter().map(|token| token.text.to_owned()).collect();
    let mut days = Vec::new();
    for found in &reading.dates {
        match found.write(&tokens, offset, &mut new) {
            Some(day) => days.push(day),
            None => return Outcome::Unreadable,
        }
    }
    for (at, named) in &reading.weekdays {
        let full = reading.dates.iter().position(|found| found.is_full());
        let weekday = match full.and_then(|n| days.get(n)) {
            Some(day) => day.weekday(),
            None => (named.number as i64 + offset).rem_euclid(7) as usize,
        };
        new[*at] = like_case(tokens[*at].text, weekday_name(*named, weekday));
    }
    let new = new.concat();
    if new == value { Outcome::Kept } else { Outcome::New(new) }
}

/// The years of the value and nothing else; a year of birth of people above the cap of ages becomes one class.
/// `before` is the text in front: "seen on 12 March 2020" becomes "seen on a day in 2020".
pub(super) fn year(before: &str, value: &str, rule: &Rule, day_first: bool) -> Outcome {
    let tokens = tokens(value);
    let Some(reading) = Reading::of(&tokens, rule, day_first) else { return Outcome::Unreadable };
    if reading.dates.is_empty() {
        let relative = |token: &Token<'_>| match token.kind {
            Kind::Digits => false,
            Kind::Letters => RELATIVE.contains(&format!(" {} ", token.text.to_lowercase())),
            Kind::Other => true,
        };
        return if tokens.iter().all(relative) { Outcome::Kept } else { Outcome::Unreadable };
    }
    let oldest = rule.as_of.saturating_sub(90);
    let mut years: Vec<String> = Vec::new();
    for found in &reading.dates {
        let year = match found.year {
            Some((_, year)) if year <= oldest => format!("{oldest} or before"),
            Some((_, year)) => format!("{year:04}"),
            None => return Outcome::Unreadable,
        };
        if years.last() != Some(&year) {
            years.push(year);
        }
    }
    let mut new = years.join("–");
    let word = before.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    if reading.dates.iter().any(|found| found.day.is_some()) && word.eq_ignore_ascii_case("on") {
        new.insert_str(0, if years.len() > 1 { "days in " } else { "a day in " });
    }
    if new == value { Outcome::Kept } else { Outcome::New(new) }
}

/// Words that name no day of the calendar, as a feast does.
const RELATIVE: &str = " yesterday today tomorrow tonight now recently currently last next this these the a an past coming \
                        previous following same other every each in on at by of for from to until since ago later earlier \
                        before after day days daily week weeks weekly weekend month months monthly year years yearly decade \
                        decades century hour hours minute minutes second seconds moment morning noon afternoon evening night \
                        midnight one two three four five six seven eight nine ten eleven twelve few several couple some \
                        half quarter early late mid gestern heute morgen hier demain ayer hoy mañana ieri oggi domani ";

impl Found {
    /// Puts the moved date into `new`; returns the day that it now is, as far as it is known.
    fn write(&self, tokens: &[Token<'_>], offset: i64, new: &mut [String]) -> Option<Date> {
        // A date without a year moves within some year; 2000 has a 29th of February.
        let year = self.year.map_or(2000, |(_, year)| year);
        let months = by_unit(offset, 30);
        let moved = match (self.year, self.month, self.day) {
            (Some(_), Some((_, month, _)), Some((_, day))) => Date::new(year, month, day)?.shifted(offset)?,
            (None, Some((_, month, _)), Some((_, day))) => {
                let moved = Date::new(year, month, day)?.shifted(offset)?;
                let again = (moved.month, moved.day) == (month, day); // a whole year
                if again { moved.shifted(-offset.signum())? } else { moved }
            }
            (Some(_), Some((_, month, _)), None) => {
                let total = i64::from(year) * 12 + i64::from(month) - 1 + months;
                Date::new(u16::try_from(total / 12).ok()?, u8::try_from(total % 12).ok()? + 1, 1)?
            }
            (None, Some((_, month, _)), None) => {
                let moved = if months % 12 == 0 { offset.signum() } else { months };
                let month = (i64::from(month) - 1 + moved).rem_euclid(12);
                Date::new(year, u8::try_from(month).ok()? + 1, 1)?
            }
            (Some(_), None, None) => Date::new(u16::try_from(i64::from(year) + by_unit(offset, 365)).ok()?, 1, 1)?,
            _ => return None,
        };
        if self.compact {
            let (at, _) = self.day?;
            let rest = tokens[at].text.get(8..).unwrap_or_default();
            new[at] = format!("{:04}{:02}{:02}{rest}", moved.year, moved.month, moved.day);
            return Some(moved);
        }
        let numeric = self.month.is_some_and(|(_, _, named)| named.is_none());
        let long = |at: usize| tokens[at].text.len() == 2;
        let padded = match (self.month, self.day) {
            (Some((month, ..)), Some((day, _))) if numeric => long(month) && long(day),
            (Some((month, ..)), None) if numeric => long(month),
            (_, Some((day, _))) => tokens[day].text.starts_with('0'),
            _ => false,
        };
        let number = |n: u8| if padded { format!("{n:02}") } else { n.to_string() };
        if let Some((at, _)) = self.year {
            let short = tokens[at].text.len() == 2;
            new[at] = if short { format!("{:02}", moved.year % 100) } else { format!("{:04}", moved.year) };
        }
        if let Some((at, _, named)) = self.month {
            new[at] = match named {
                Some(named) => like_case(tokens[at].text, month_name(named, moved.month)),
                None => number(moved.month),
            };
        }
        if let Some((at, _)) = self.day {
            new[at] = number(moved.day);
            if let Some(ending) = ordinal(tokens, at) {
                new[at + 1] = ending_of(ending, moved.day);
            }
        }
        Some(moved)
    }
}

/// An offset in days as whole months or years, at least one.
fn by_unit(offset: i64, unit: i64) -> i64 {
    offset.signum() * ((offset.abs() + unit / 2) / unit).max(1)
}

/// The ending behind a number, as in `3rd`.
fn ordinal<'a>(tokens: &[Token<'a>], at: usize) -> Option<&'a str> {
    let ending = tokens.get(at + 1).filter(|token| token.kind == Kind::Letters)?.text;
    matches!(ending.to_lowercase().as_str(), "st" | "nd" | "rd" | "th" | "er" | "º" | "o").then_some(ending)
}

fn ending_of(model: &str, day: u8) -> String {
    let english = match (day % 10, day) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    match model.to_lowercase().as_str() {
        // French and Spanish number the first of a month only.
        "er" | "º" | "o" => if day == 1 { model } else { "" }.to_owned(),
        _ if model.chars().all(char::is_uppercase) => english.to_uppercase(),
        _ => english.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Policy;
    use super::*;
    use crate::detect::Label;
    use crate::replace::Profile;

    fn rule() -> Rule {
        Rule { as_of: 2026, ..*Policy::of(Profile::HipaaSafeHarbor).rule(Label("DATE_TIME")) }
    }

    fn moved(value: &str, offset: i64) -> String {
        match shift(value, &rule(), false, offset) {
            Outcome::New(new) => new,
            Outcome::Kept => "kept".into(),
            Outcome::Unreadable => "unreadable".into(),
        }
    }

    #[test]
    fn every_form_keeps_its_surface() {
        for (value, offset, want) in [
            ("2021-05-21", 10, "2021-05-31"),
            ("2021-05-21", 11, "2021-06-01"),
            ("2024-03-15T14:30:00.123456Z", 17, "2024-04-01T14:30:00.123456Z"),
            ("2024-12-31T23:59:59+00:00", 1, "2025-01-01T23:59:59+00:00"),
            ("1978-04-13 12:20:39", -13, "1978-03-31 12:20:39"),
            ("20240315T143000Z", -15, "20240229T143000Z"),
            ("21.5.21", 11, "1.6.21"),
            ("05/21/21", -20, "05/01/21"),
            ("5/21/21", -20, "5/1/21"),
            ("21/05/21", 11, "01/06/21"),
            ("2/8/1935", 25, "3/5/1935"),
            ("12/11/2020", 30, "01/10/2021"),
            ("5-MAY-2021", 30, "4-JUN-2021"),
            ("5-May-2021", 30, "4-Jun-2021"),
            ("May-21", 11, "Jun-1"),
            ("21-May", 11, "1-Jun"),
            ("05-May", -5, "30-Apr"),
            ("May-2021", 40, "Jun-2021"),
            ("05/2021", -3, "04/2021"),
            ("5/21", -1, "5/20"),
            ("March 12, 2020", 20, "April 1, 2020"),
            ("march 12th, 2020", -11, "march 1st, 2020"),
            ("MARCH 3RD 1999", -1, "MARCH 2ND 1999"),
            ("Thursday, 12 March 2020", 1, "Friday, 13 March 2020"),
            ("12. März 2020", 20, "1. April 2020"),
            ("12.03.2020", 20, "01.04.2020"),
            ("Montag, den 3. Mai 2021", 30, "Mittwoch, den 2. Juni 2021"),
            ("12 de marzo de 2020", 20, "1 de abril de 2020"),
            ("1er mars 2020", 1, "2 mars 2020"),
            ("le 12 août 2020", -11, "le 1 août 2020"),
            ("12 agosto 2020", 20, "1 settembre 2020"),
            ("Sept. 12, 2020", 30, "Oct. 12, 2020"),
            ("12 Mar '84", 20, "1 Apr '84"),
            ("March 12", 365, "March 11"),
            ("2017", 200, "2018"),
            ("2017", -3, "2016"),
            ("Tuesday", 3, "Friday"),
            ("May 2019 to June 2020", 60, "July 2019 to August 2020"),
            ("2020-01-01 - 2020-02-01", 1, "2020-01-02 - 2020-02-02"),
        ] {
            assert_eq!(moved(value, offset), want, "{value} + {offset}");
        }
    }

    #[test]
    fn what_names_no_day_stays() {
        for value in [
            "yesterday",
            "10:30",
            "10:30 pm",
            "3 days ago",
            "two weeks",
            "5 years",
            "the 1990s",
            "at 9 am",
            "2.5 hours",
            "3-5 weeks",
            "21st century",
        ] {
            assert_eq!(moved(value, 5), "kept", "{value}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for value in ["99/99/9999", "31/02/2020", "12345678901", "№ 77", "2021-13-45", "2020:03:12", "the 15th"] {
            assert_eq!(moved(value, 5), "unreadable", "{value}");
        }
    }

    #[test]
    fn intervals_stay() {
        let days = |value: &str| -> i64 {
            let numbers: Vec<u16> = value.split('-').filter_map(|part| part.parse().ok()).collect();
            Date::new(numbers[0], numbers[1] as u8, numbers[2] as u8).map_or(0, Date::days)
        };
        for offset in [-365, -77, -1, 1, 30, 365] {
            let (a, b) = (moved("2019-12-24", offset), moved("2020-02-29", offset));
            assert_eq!(days(&b) - days(&a), days("2020-02-29") - days("2019-12-24"), "{offset}");
        }
    }

    #[test]
    fn the_order_of_numbers_shows_where_a_day_is_above_twelve() {
        let tells = |value: &str| {
            let (all, open) = orders(value, &[Span::new(0, value.len(), Label("DATE_TIME"), 1.0)]);
            (all.begin_with_day(), open.begin_with_day())
        };
        assert_eq!(tells("25/12/2020"), (Some(true), Some(true)));
        assert_eq!(tells("12/25/2020"), (Some(false), Some(false)));
        assert_eq!(tells("25.12.2020"), (Some(true), None));
        for value in ["11/12/2020", "2020-12-25", "25/12/2020 - 12/25/2020"] {
            assert_eq!(tells(value), (None, None), "{value}");
        }
        assert_eq!(shift("3/4/2020", &rule(), true, 1), Outcome::New("4/4/2020".into()));
        assert_eq!(shift("3/4/2020", &rule(), false, 1), Outcome::New("3/5/2020".into()));
    }

    #[test]
    fn only_years_are_left() {
        let year = |value: &str| match year("of", value, &rule(), false) {
            Outcome::New(new) => new,
            Outcome::Kept => "kept".into(),
            Outcome::Unreadable => "unreadable".into(),
        };
        assert_eq!(year("March 12, 2020"), "2020");
        assert_eq!(year("2024-03-15T14:30Z"), "2024");
        assert_eq!(year("12/3/84"), "1984");
        assert_eq!(year("2020"), "kept");
        assert_eq!(year("2/8/1935"), "1936 or before");
        assert_eq!(year("May 2019 to June 2020"), "2019–2020");
        assert_eq!(year("yesterday"), "kept");
        assert_eq!(year("last week"), "kept");
        for value in ["Tuesday", "March 12", "10:30", "5/21", "Christmas", "May"] {
            assert_eq!(year(value), "unreadable", "{value}");
        }
        assert_eq!(super::year("seen on ", "Feb 14, 2023", &rule(), false), Outcome::New("a day in 2023".into()));
        assert_eq!(super::year("based on ", "2023", &rule(), false), Outcome::Kept);
    }
}
