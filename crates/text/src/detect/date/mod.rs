//! Dates and times.
//!
//! Invariant: every search starts at a number token (or at a weekday) and reads a bounded stretch around it. A complete
//! date is a finding by its form; a bare year, a weekday or a time of day is a weak candidate unless the words before
//! it speak of a date.
//! Sources: those of the grammar in `read`; HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(C), for what counts as a date.

mod clock;
mod read;
mod words;

pub use read::{DateParts, Part, parse};
pub use words::Names;

use read::{Form, Reading, digits, starts_well};
use words::Announced;

use super::view::{Form as TokenForm, Token, Topic, View};
use super::{Label, Span};

/// Words before a year.
const YEARS: &[&str] = &["in", "since", "until", "year", "im", "jahr", "seit", "en", "depuis", "desde", "nel", "sinds"];

/// Bytes that may lie between a word and the date that it announces.
const REACH: usize = 40;

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    let mut done = 0;
    for (index, token) in view.tokens.iter().enumerate() {
        if token.start < done {
            continue;
        }
        if !view.bytes[token.start].is_ascii_digit() {
            if is_weekday(view, token) {
                out.push(Span::new(token.start, token.end, Label::DATE_TIME, 0.2));
            }
            continue;
        }
        if let Some((start, reading)) = around(view, index, done) {
            done = reading.end;
            let score = judge(view, index, start, &reading);
            out.push(Span::new(start, reading.end, Label::DATE_TIME, score));
        } else if let Some(span) = time_of_day(view, token).or_else(|| bare_year(view, index)) {
            done = span.end;
            out.push(span);
        }
    }
}

/// The date that has its first number at `index`: with the month or weekday before it, not before `done`.
fn around(view: &View<'_>, index: usize, done: usize) -> Option<(usize, Reading)> {
    let start = view.tokens[index].start;
    let earlier = |back: usize| index.checked_sub(back).map(|at| &view.tokens[at]);
    // At most "Friday, May the 5th": the tokens before are month, link and weekday.
    let starts = (1..=4).rev().filter_map(earlier).filter(|token| {
        token.start >= done && start - token.start < REACH && token.is_word() && token.end - token.start < 16
    });
    let mut weak = None;
    let froms = starts.filter(|token| begins_with_name(view.word(token))).map(|token| token.start).chain([start]);
    for from in froms.filter(|from| starts_well(view.text, *from) || (done > 0 && *from == done + 1)) {
        match read::read(view.text, from).filter(|reading| reading.end > start) {
            Some(reading) if !is_weak(&reading) => return Some((from, reading)),
            Some(reading) => weak = weak.or(Some((from, reading))),
            None => {}
        }
    }
    weak
}

fn is_weak(reading: &Reading) -> bool {
    matches!(reading.form, Form::WeakWritten | Form::WeakRange)
}

fn begins_with_name(word: &str) -> bool {
    words::month(word).is_some() || words::weekday(word).is_some()
}

fn judge(view: &View<'_>, index: usize, start: usize, reading: &Reading) -> f32 {
    let announced = announced(view, index, start);
    let parts = &reading.parts;
    let likely = parts.year.is_none_or(|year| (1850..2100).contains(&year.value));
    let form = match reading.form {
        Form::Instant => 0.8,
        Form::Written if likely => 0.85,
        Form::Written => 0.4,
        Form::YearFirst | Form::FullYear if likely => 0.65,
        Form::YearFirst | Form::FullYear => 0.3,
        Form::Range => 0.65,
        Form::ShortYear => 0.6,
        Form::WrittenMonth if parts.weekday.is_some() || likely => 0.6,
        Form::WrittenMonth => 0.3,
        Form::WrittenDay => 0.6,
        Form::DottedShortYear => 0.5,
        Form::VersionLike | Form::DashedShortYear => 0.35,
        Form::WeakWritten | Form::WeakRange => 0.3,
        Form::MonthYear | Form::Year => 0.2,
        Form::Compact => 0.15,
        Form::LooseMonthYear | Form::Fraction => 0.1,
    };
    let raised = match announced {
        Announced::Birth => form + 0.35,
        // "on may 5" says nothing of "may".
        Announced::Date if is_weak(reading) => form,
        Announced::Date if form >= 0.3 || matches!(reading.form, Form::MonthYear | Form::Compact) => form + 0.2,
        _ => form,
    };
    let joined = if parts.weekday.is_some() || parts.time.is_some() { raised + 0.15 } else { raised };
    let about_version = matches!(reading.form, Form::VersionLike | Form::DottedShortYear | Form::FullYear)
        && view.just_before(Topic::Version, start, 14);
    if about_version { 0.2 } else { f32::min(joined, 0.95) }
}

/// What the words before `start` announce; a sentence or line that ended does not count.
fn announced(view: &View<'_>, index: usize, start: usize) -> Announced {
    let mut found = Announced::No;
    for (steps, token) in view.tokens[..index].iter().rev().skip_while(|token| token.end > start).take(6).enumerate() {
        if start - token.end > REACH || view.bytes[token.end..start].contains(&b'\n') && steps > 2 {
            break;
        }
        match words::announced(view.word(token)) {
            Announced::Birth => return Announced::Birth,
            Announced::Date if steps < 3 => found = Announced::Date,
            _ => {}
        }
    }
    found
}

fn time_of_day(view: &View<'_>, token: &Token) -> Option<Span> {
    if token.end - token.start > 6 || !starts_well(view.text, token.start) {
        return None;
    }
    let end = clock::time(view.text, token.start)?;
    let ends = view.at(end) != b':' && !(view.at(end) == b'.' && view.at(end + 1).is_ascii_digit());
    ends.then(|| Span::new(token.start, end, Label::DATE_TIME, 0.3))
}

fn bare_year(view: &View<'_>, index: usize) -> Option<Span> {
    let token = &view.tokens[index];
    if token.form != TokenForm::Number || token.end - token.start != 4 {
        return None;
    }
    let (year, _) = digits(view.bytes, token.start)?;
    let beside =
        |b: u8, next: u8| matches!(b, b'%' | b'_') || (matches!(b, b'.' | b',' | b':') && next.is_ascii_digit());
    if !(1900..2100).contains(&year)
        || view.before(token.start) == b'-'
        || !starts_well(view.text, token.start)
        || beside(view.at(token.end), view.at(token.end + 1))
    {
        return None;
    }
    let before = index.checked_sub(1).map(|at| &view.tokens[at]).filter(|before| before.end + 1 == token.start);
    let after_year_word =
        before.is_some_and(|before| YEARS.iter().any(|word| word.eq_ignore_ascii_case(view.word(before))));
    let score = match announced(view, index, token.start) {
        Announced::Birth => 0.6,
        _ if after_year_word => 0.3,
        _ => 0.15,
    };
    Some(Span::new(token.start, token.end, Label::DATE_TIME, score))
}

/// An English weekday in any case.
fn is_weekday(view: &View<'_>, token: &Token) -> bool {
    let word = &view.bytes[token.start..token.end];
    (6..=9).contains(&word.len())
        && word[word.len() - 3..].eq_ignore_ascii_case(b"day")
        && words::weekday(view.word(token)).is_some()
}

#[cfg(test)]
mod tests;
