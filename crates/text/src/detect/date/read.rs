//! The grammar of a written date: which characters are its year, month and day.
//!
//! Invariant: a reading starts where it is asked to and looks at no more than 80 bytes, so reading is constant work.
//! Sources: ISO 8601-1 (year first, `T`, zone), RFC 5322 section 3.3 and POSIX `ctime` (English mail and logs), Unicode
//! CLDR date formats of the seven languages of [`super::words`], POSIX `strptime` (two-digit years).

use std::ops::Range;

use super::clock::{time, zone};
use super::words::{self, Named, Names};
use crate::detect::edge::{word_after, word_before};

/// A field of a date: where it stands in the value, and what it says.
#[derive(Clone, Copy)]
pub struct Part {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Year (four digits, by POSIX `%y` where two are written), month 1 to 12, day 1 to 31, weekday 1 (Monday) to 7.
    pub value: u32,
    /// Where a month or weekday is written as a word: the names of its row, January or Monday first, in lower case.
    pub names: Option<Names>,
}

/// The structure of a date; every field stands where the value has it.
#[derive(Clone, Default)]
pub struct DateParts {
    /// Year; its text has two or four digits.
    pub year: Option<Part>,
    /// Month, as a number or a word.
    pub month: Option<Part>,
    /// Day of the month.
    pub day: Option<Part>,
    /// Weekday, which has to follow a shifted date.
    pub weekday: Option<Part>,
    /// Time of day with its zone.
    pub time: Option<Range<usize>>,
    /// Day and month could be read the other way round (`5/6/2021`; here the month is taken to be first with `/` and `-`).
    pub ambiguous: bool,
}

/// The structure of `value` where it is a date as a whole: a day, month or year that a calendar has.
///
/// `None` for ranges of days, days that their month does not have, bare times and anything else.
///
/// ```
/// let parts = cloister_text::detect::date::parse("5. Mai 2021").unwrap();
/// let (day, month, year) = (parts.day.unwrap(), parts.month.unwrap(), parts.year.unwrap());
/// assert_eq!((day.value, month.value, year.value), (5, 5, 2021));
/// assert_eq!((month.start, month.end, month.names.unwrap()[5]), (3, 6, "juni"));
/// ```
pub fn parse(value: &str) -> Option<DateParts> {
    let reading = read(value, 0).or_else(|| bare_year(value))?;
    (reading.end == value.len() && !matches!(reading.form, Form::Range | Form::WeakRange) && exists(&reading.parts))
        .then_some(reading.parts)
}

fn bare_year(value: &str) -> Option<Reading> {
    let (year, end) = digits(value.as_bytes(), 0)?;
    let year = year_part(0, end, year)?;
    (end == 4).then(|| Reading { end, form: Form::Year, parts: DateParts { year: Some(year), ..DateParts::default() } })
}

/// Whether the calendar has the day; a year that is not given is taken for a leap year.
fn exists(parts: &DateParts) -> bool {
    let (Some(day), Some(month)) = (parts.day, parts.month) else { return true };
    let year = parts.year.map_or(2000, |year| year.value);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month.value {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    day.value <= last
}

/// How a date is written; the form decides what it is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `2021-05-21T10:00Z`.
    Instant,
    /// `2021-05-21`, `2021/5/21`.
    YearFirst,
    /// `21/05/2021`, `5-21-2021`, `21.5.2021`.
    FullYear,
    /// `21/05/21`.
    ShortYear,
    /// `21.05.21`, or a first number that only a day can be.
    DottedShortYear,
    /// `1.5.21`: versions are written so too.
    VersionLike,
    /// `21-05-21`.
    DashedShortYear,
    /// `20210521`.
    Compact,
    /// `05/2021`.
    MonthYear,
    /// `05-2021`, `05.2021`, `2021-05`.
    LooseMonthYear,
    /// `5/21`.
    Fraction,
    /// Day, name of the month and year.
    Written,
    /// Name of the month and year.
    WrittenMonth,
    /// Day and name of the month, or the reverse.
    WrittenDay,
    /// The same with a month whose name is a frequent word.
    WeakWritten,
    /// Several days of a month.
    Range,
    /// Several days of a month whose name is a frequent word: "13-17 may".
    WeakRange,
    /// A year alone.
    Year,
}

/// A date at a known place.
pub(super) struct Reading {
    pub(super) end: usize,
    pub(super) form: Form,
    pub(super) parts: DateParts,
}

/// The date that starts at `at`, if one does; borders are looked at behind it only.
pub(super) fn read(text: &str, at: usize) -> Option<Reading> {
    let first = *text.as_bytes().get(at)?;
    let mut reading = if first.is_ascii_digit() {
        numeric(text, at).or_else(|| day_first(text, at))?
    } else {
        month_first(text, at).or_else(|| weekday_first(text, at))?
    };
    if reading.parts.time.is_none()
        && let Some(time) = joined_time(text, &reading)
    {
        reading.end = time.end;
        if reading.form == Form::YearFirst && matches!(text.as_bytes()[time.start - 1], b'T' | b't') {
            reading.form = Form::Instant;
        }
        reading.parts.time = Some(time);
    }
    (ends_well(text, reading.end) || begins_interval(text, at, &reading)).then_some(reading)
}

/// `2021-05-21/2021-05-28`, `5/21/2021-5/28/2021`: another sign than the date's own stands before the second date.
fn begins_interval(text: &str, at: usize, reading: &Reading) -> bool {
    let bytes = text.as_bytes();
    let own = digits(bytes, at).and_then(|(_, end)| bytes.get(end));
    let whole = matches!(reading.form, Form::Instant | Form::YearFirst | Form::FullYear | Form::ShortYear);
    whole && bytes.get(reading.end).is_some_and(|sign| matches!(sign, b'-' | b'/') && Some(sign) != own)
}

/// Nothing that would make the date part of a longer number or word follows.
fn ends_well(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    match bytes.get(end) {
        Some(b'.' | b'-' | b'/' | b':' | b',') => !digit_at(end + 1),
        Some(b'_' | b'%') => false,
        _ => !word_after(text, end),
    }
}

/// The run of digits at `at`: its value and its end; `None` for more than eight.
pub(super) fn digits(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let length = bytes.get(at..)?.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    let run = bytes[at..at + length].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    (1..=8).contains(&length).then_some((run, at + length))
}

fn part(start: usize, end: usize, value: u32) -> Part {
    Part { start, end, value, names: None }
}

/// A year of two or four digits.
fn year_part(start: usize, end: usize, value: u32) -> Option<Part> {
    let value = match end - start {
        2 if value < 69 => 2000 + value,
        2 => 1900 + value,
        4 if (1000..2200).contains(&value) => value,
        _ => return None,
    };
    Some(part(start, end, value))
}

pub(super) fn is_short(start: usize, end: usize) -> bool {
    end - start < 3
}

/// Dates of digits alone.
fn numeric(text: &str, at: usize) -> Option<Reading> {
    let bytes = text.as_bytes();
    let (first, end) = digits(bytes, at)?;
    match end - at {
        8 => compact(bytes, at, first),
        4 => year_first(bytes, at, end, first),
        1 | 2 => short_first(bytes, at, end, first),
        _ => None,
    }
}

fn compact(bytes: &[u8], at: usize, value: u32) -> Option<Reading> {
    let (year, month, day) = (value / 10_000, value / 100 % 100, value % 100);
    if !(1900..2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut parts = DateParts {
        year: Some(part(at, at + 4, year)),
        month: Some(part(at + 4, at + 6, month)),
        day: Some(part(at + 6, at + 8, day)),
        ..DateParts::default()
    };
    // The basic form with a time, `20210521T101500Z`, is a date beyond doubt.
    if bytes.get(at + 8) == Some(&b'T')
        && let Some((_, end)) = digits(bytes, at + 9).filter(|(_, end)| matches!(end - at - 9, 4 | 6))
    {
        let end = zone(bytes, end).unwrap_or(end);
        parts.time = Some(at + 9..end);
        return Some(Reading { end, form: Form::Instant, parts });
    }
    Some(Reading { end: at + 8, form: Form::Compact, parts })
}

fn year_first(bytes: &[u8], at: usize, end: usize, year: u32) -> Option<Reading> {
    let sign = *bytes.get(end)?;
    let year = year_part(at, end, year).filter(|_| matches!(sign, b'-' | b'/' | b'.'))?;
    let (month, month_end) = digits(bytes, end + 1)?;
    if !(1..=12).contains(&month) || !is_short(end + 1, month_end) {
        return None;
    }
    let month = part(end + 1, month_end, month);
    let day = (bytes.get(month_end) == Some(&sign)).then(|| digits(bytes, month_end + 1)).flatten();
    let parts = DateParts { year: Some(year), month: Some(month), ..DateParts::default() };
    match day {
        Some((day, day_end)) if (1..=31).contains(&day) && is_short(month_end + 1, day_end) => Some(Reading {
            end: day_end,
            form: Form::YearFirst,
            parts: DateParts { day: Some(part(month_end + 1, day_end, day)), ..parts },
        }),
        None if sign == b'-' && month_end - end == 3 => {
            Some(Reading { end: month_end, form: Form::LooseMonthYear, parts })
        }
        _ => None,
    }
}

/// `21/05/2021`, `5/21/21`, `21. 5. 2021`, `05/2021`, `5/21`.
fn short_first(bytes: &[u8], at: usize, end: usize, first: u32) -> Option<Reading> {
    let sign = *bytes.get(end).filter(|b| matches!(b, b'-' | b'/' | b'.'))?;
    let space = usize::from(sign == b'.' && bytes.get(end + 1) == Some(&b' '));
    let second_at = end + 1 + space;
    let (second, second_end) = digits(bytes, second_at)?;
    let month_first = (1..=12).contains(&first);
    if second_end - second_at == 4 && month_first && space == 0 {
        let year = part(second_at, second_end, second);
        let full = (1900..2100).contains(&second) || sign == b'/';
        let form = if sign == b'/' { Form::MonthYear } else { Form::LooseMonthYear };
        let parts = DateParts {
            year: year_part(second_at, second_end, year.value),
            month: Some(part(at, end, first)),
            ..DateParts::default()
        };
        return (full && parts.year.is_some()).then_some(Reading { end: second_end, form, parts });
    }
    if !is_short(second_at, second_end) || !(1..=31).contains(&first) {
        return None;
    }
    let third_at = second_end + 1 + space;
    let third = (bytes.get(second_end) == Some(&sign) && (space == 0 || bytes.get(second_end + 1) == Some(&b' ')))
        .then(|| digits(bytes, third_at))
        .flatten();
    let Some((third, third_end)) = third else {
        let whole = sign == b'/' && month_first && second_end - second_at == 2;
        let parts = DateParts {
            month: Some(part(at, end, first)),
            day: (1..=31).contains(&second).then(|| part(second_at, second_end, second)),
            ambiguous: true,
            ..DateParts::default()
        };
        return whole.then_some(Reading { end: second_end, form: Form::Fraction, parts });
    };
    let year = year_part(third_at, third_end, third)?;
    let (day_month, month_day) = ((1..=12).contains(&second), month_first && (1..=31).contains(&second));
    if !day_month && !month_day {
        return None;
    }
    let swapped = month_day && (!day_month || sign != b'.');
    let (a, b) = (part(at, end, first), part(second_at, second_end, second));
    let (month, day) = if swapped { (a, b) } else { (b, a) };
    let padded = end - at == 2 && second_end - second_at == 2 && (bytes[at] == b'0' || bytes[second_at] == b'0');
    let form = match (third_end - third_at, sign) {
        (4, _) => Form::FullYear,
        (_, b'/') => Form::ShortYear,
        (_, b'-') => Form::DashedShortYear,
        _ if padded || first > 12 || space > 0 => Form::DottedShortYear,
        _ => Form::VersionLike,
    };
    let ambiguous = day_month && month_day && first != second && sign != b'.';
    let parts = DateParts { year: Some(year), month: Some(month), day: Some(day), ambiguous, ..DateParts::default() };
    Some(Reading { end: third_end, form, parts })
}

/// The word at `at`; a full stop after it is left outside.
fn word(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..)?;
    let length = rest.char_indices().take(16).find(|(_, c)| !c.is_alphabetic()).map(|(length, _)| length);
    let length = length.unwrap_or_else(|| rest.char_indices().nth(16).map_or(rest.len(), |(at, _)| at));
    (length > 0).then(|| (&rest[..length], at + length))
}

/// The month whose name starts at `at`, and where it ends with its full stop.
fn month_at(text: &str, at: usize) -> Option<(Named, Part, usize)> {
    let (name, end) = word(text, at)?;
    let month = words::month(name)?;
    let stop = text.as_bytes().get(end) == Some(&b'.') && end - at < 6;
    let found = Part { start: at, end, value: month.value, names: Some(month.names) };
    Some((month, found, end + usize::from(stop)))
}

/// Past white space and one small word such as "of" or "de".
fn past_link(text: &str, at: usize) -> usize {
    let spaces = |at: usize| at + text.as_bytes()[at..].iter().take(2).take_while(|b| **b == b' ').count();
    let from = spaces(at);
    for (link, glued) in [("d'", true), ("d\u{2019}", true)] {
        if glued && text[from..].starts_with(link) {
            return from + link.len();
        }
    }
    match word(text, from) {
        Some((link, end)) if end - from < 4 && from > at => {
            let small = ["of", "de", "del", "di", "du", "do", "the", "den", "von"].iter();
            let known = small.clone().any(|known| link.eq_ignore_ascii_case(known));
            let next = spaces(end);
            if known && next > end { next } else { from }
        }
        _ => from,
    }
}

/// Past the ending of an ordinal: `5th`, `1er`, `1º`, `5.`.
fn past_ordinal(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    ["st", "nd", "rd", "th", "er", "º", "ª", "°", "."]
        .iter()
        .find(|ending| {
            rest.get(..ending.len()).is_some_and(|head| head.eq_ignore_ascii_case(ending))
                && (**ending == "." || !word_after(text, at + ending.len()))
        })
        .map_or(at, |ending| at + ending.len())
}

/// `5 May 2021`, `5-MAY-2021`, `5. Mai`, `1er mai 2021`, `5 de mayo de 2021`, `5-7 May 2021`, `05MAY2021`.
fn day_first(text: &str, at: usize) -> Option<Reading> {
    let bytes = text.as_bytes();
    let day_at = |at: usize| digits(bytes, at).filter(|(day, end)| (1..=31).contains(day) && is_short(at, *end));
    let (day, end) = day_at(at)?;
    let day = part(at, end, day);
    let single = day_then_month(text, day);
    if single.is_some() {
        return single;
    }
    // A range: the last day is the one the month stands behind.
    let from = past_ordinal(text, end);
    let link =
        ["-", "\u{2013}", "/", " - ", " \u{2013} ", " to ", " and ", " bis ", " al ", " au ", " und ", " et ", " y "];
    let link = link.iter().find(|link| text[from..].starts_with(*link))?;
    let last_at = from + link.len();
    let (last, last_end) = day_at(last_at)?;
    let reading = day_then_month(text, part(last_at, last_end, last))?;
    let form = if reading.form == Form::WeakWritten { Form::WeakRange } else { Form::Range };
    Some(Reading { form, ..reading })
}

fn day_then_month(text: &str, day: Part) -> Option<Reading> {
    let bytes = text.as_bytes();
    let sign = bytes.get(day.end).copied().filter(|b| matches!(b, b'-' | b'/'));
    let from = match sign {
        Some(_) => day.end + 1,
        None => past_link(text, past_ordinal(text, day.end)),
    };
    let (month, month_part, month_end) = month_at(text, from)?;
    let mut parts = DateParts { month: Some(month_part), day: Some(day), ..DateParts::default() };
    let year = match sign {
        Some(sign) if bytes.get(month_end) == Some(&sign) => year_at(bytes, month_end + 1, true),
        // `05MAY2021`
        _ if month_part.start == day.end => year_at(bytes, month_end, true),
        _ => year_behind(text, month_end),
    };
    if year.is_none() && month_part.start == day.end {
        return None;
    }
    parts.year = year;
    let end = year.map_or(month_end, |year| year.end);
    // The full stop of a sentence does not belong to a month that ends it.
    let end = if year.is_none() && month_end > month_part.end { month_part.end } else { end };
    // "3 out of 2019" is no date.
    let form = match (year, month.weak) {
        (Some(year), true) if text[month_end..year.start].contains("of") => Form::WeakWritten,
        (Some(_), _) => Form::Written,
        (None, true) => Form::WeakWritten,
        (None, false) => Form::WrittenDay,
    };
    Some(Reading { end, form, parts })
}

/// The year at `at`, of four digits, or of two where `short` says so.
fn year_at(bytes: &[u8], at: usize, short: bool) -> Option<Part> {
    let (year, end) = digits(bytes, at)?;
    year_part(at, end, year).filter(|_| short || end - at == 4)
}

/// The year after a month or day: `, 2021`, ` de 2021`, ` '21`.
fn year_behind(text: &str, at: usize) -> Option<Part> {
    let bytes = text.as_bytes();
    let from = past_link(text, at + usize::from(bytes.get(at) == Some(&b',')));
    if from == at {
        return None;
    }
    // "septiembre del año 2000"
    let from = if text[from..].starts_with("año ") { from + "año ".len() } else { from };
    let mark = ["'", "\u{2019}"].iter().find(|mark| text[from..].starts_with(*mark));
    match mark {
        Some(mark) => year_at(bytes, from + mark.len(), true).filter(|year| is_short(year.start, year.end)),
        None => year_at(bytes, from, false),
    }
}

/// `May 5, 2021`, `May 5th`, `May-2021`, `mayo de 2021`, `Jan  2 15:04:05 2006`.
fn month_first(text: &str, at: usize) -> Option<Reading> {
    let bytes = text.as_bytes();
    let (month, month_part, month_end) = month_at(text, at)?;
    let mut parts = DateParts { month: Some(month_part), ..DateParts::default() };
    if matches!(bytes.get(month_end), Some(b'-' | b'/')) {
        let year = year_at(bytes, month_end + 1, true)?;
        parts.year = Some(year);
        parts.ambiguous = is_short(year.start, year.end);
        let form = if month.weak { Form::WeakWritten } else { Form::WrittenMonth };
        return Some(Reading { end: year.end, form, parts });
    }
    if let Some(year) = year_behind(text, month_end) {
        parts.year = Some(year);
        let form = if month.weak { Form::WeakWritten } else { Form::WrittenMonth };
        return Some(Reading { end: year.end, form, parts });
    }
    let from = past_link(text, month_end);
    let (day, day_end) = digits(bytes, from).filter(|(day, end)| (1..=31).contains(day) && is_short(from, *end))?;
    if from == month_end {
        return None;
    }
    parts.day = Some(part(from, day_end, day));
    let ordinal = past_ordinal(text, day_end);
    let ordinal = if bytes.get(day_end) == Some(&b'.') { day_end } else { ordinal };
    for link in ["-", "\u{2013}", " - ", " \u{2013} ", " to ", " and "] {
        if let Some(rest) = text[ordinal..].strip_prefix(link)
            && let Some((last, last_end)) = digits(rest.as_bytes(), 0)
            && (1..=31).contains(&last)
            && is_short(0, last_end)
        {
            let end = past_ordinal(text, text.len() - rest.len() + last_end);
            let end = if bytes[end - 1] == b'.' { end - 1 } else { end };
            let year = year_behind(text, end);
            return Some(Reading { end: year.map_or(end, |year| year.end), form: Form::Range, parts });
        }
    }
    // POSIX `ctime` puts the time before the year.
    let clock = ordinal + text.as_bytes()[ordinal..].iter().take(1).take_while(|b| **b == b' ').count();
    if let Some(time_end) = time(text, clock)
        && clock > ordinal
        && let Some(year) = year_behind(text, time_end)
    {
        parts.time = Some(clock..time_end);
        parts.year = Some(year);
        return Some(Reading { end: year.end, form: Form::Written, parts });
    }
    parts.year = year_behind(text, ordinal);
    let form = match (parts.year, month.weak) {
        (Some(_), _) => Form::Written,
        (None, true) => Form::WeakWritten,
        (None, false) => Form::WrittenDay,
    };
    Some(Reading { end: parts.year.map_or(ordinal, |year| year.end), form, parts })
}

/// A weekday before the rest: `Friday, May 5, 2021`, `Fr., den 5. Mai`, `lunes 5 de mayo`.
fn weekday_first(text: &str, at: usize) -> Option<Reading> {
    let (name, end) = hyphenated(text, at)?;
    let weekday = words::weekday(name)?;
    let rest = text[end..].trim_start_matches(['.', ',']);
    let rest = rest.strip_prefix(' ')?;
    let from = past_link(text, text.len() - rest.len() - 1);
    let mut reading = if text.as_bytes().get(from)?.is_ascii_digit() {
        numeric(text, from).or_else(|| day_first(text, from))?
    } else {
        month_first(text, from)?
    };
    reading.parts.weekday = Some(Part { start: at, end, value: weekday.value, names: Some(weekday.names) });
    Some(reading)
}

/// A word that may hold hyphens, as Portuguese weekdays do.
fn hyphenated(text: &str, at: usize) -> Option<(&str, usize)> {
    let (_, mut end) = word(text, at)?;
    if text.as_bytes().get(end) == Some(&b'-')
        && let Some((_, second)) = word(text, end + 1)
    {
        end = second;
    }
    Some((&text[at..end], end))
}

/// A time of day that belongs to the date before it.
fn joined_time(text: &str, reading: &Reading) -> Option<Range<usize>> {
    if matches!(
        reading.form,
        Form::Fraction | Form::MonthYear | Form::LooseMonthYear | Form::Compact | Form::Range | Form::WeakRange
    ) {
        return None;
    }
    let rest = &text[reading.end..];
    for link in ["T", "t", " at ", ", at ", " um ", " à ", " a las ", " alle ", " om ", " às ", ", ", " - ", " ", ":"]
    {
        if let Some(tail) = rest.strip_prefix(link) {
            let from = text.len() - tail.len();
            let tight = matches!(link, "T" | "t" | ":");
            let fits = !tight || (reading.parts.day.is_some() && tail.as_bytes().get(2) == Some(&b':'));
            if let Some(end) = time(text, from).filter(|_| fits) {
                return Some(from..end);
            }
        }
    }
    None
}

/// Whether nothing before `at` makes a number there part of something longer.
pub(super) fn starts_well(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let digit_before = at > 1 && bytes[at - 2].is_ascii_digit();
    match at.checked_sub(1).map(|before| bytes[before]) {
        None => true,
        Some(b'.' | b'-' | b'+' | b',' | b':') => !digit_before,
        Some(b'/' | b'_' | b'$' | b'#' | b'%' | b'&' | b'\\' | b'@') => false,
        _ => !word_before(text, at),
    }
}
