//! What a date says: the places of year, month, day and weekday in it.
//!
//! Invariants: a number is a year, month or day, part of a time of day, or the count of a duration; where one is none of
//! these the whole value is not understood. No day is read that the calendar does not have. Every token is looked at a
//! bounded number of times.

use super::calendar::{Date, Named, month_name, months, weekdays};
use super::policy::Rule;

/// What a run of characters is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Digits,
    Letters,
    Other,
}

/// A run of characters of one kind.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

impl Token<'_> {
    pub(super) fn number(&self) -> Option<u16> {
        if self.kind == Kind::Digits && self.text.len() <= 4 { self.text.parse().ok() } else { None }
    }

    fn lower(&self) -> String {
        self.text.to_lowercase()
    }

    fn small(&self) -> Option<u8> {
        (self.text.len() <= 2).then(|| self.number()).flatten().and_then(|n| u8::try_from(n).ok())
    }
}

pub(super) fn tokens(value: &str) -> Vec<Token<'_>> {
    let kind = |c: char| match c {
        '0'..='9' => Kind::Digits,
        c if c.is_alphabetic() => Kind::Letters,
        _ => Kind::Other,
    };
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        found.push(Token { text: &rest[..end], kind: kind(first) });
        rest = &rest[end..];
    }
    found
}

/// Three numbers with one separator from token `at`: a date in numbers, by its form.
pub(super) fn triple(tokens: &[Token<'_>], at: usize) -> Option<[usize; 3]> {
    let [a, first, b, second, c, ..] = tokens.get(at..)? else { return None };
    let numbers = [a, b, c].iter().all(|token| token.kind == Kind::Digits);
    let mark = first.text.trim();
    let form = matches!((a.text.len(), b.text.len(), c.text.len()), (4, 1..=2, 1..=2) | (1..=2, 1..=2, 2 | 4));
    let spaced = mark.is_empty() && !matches!((a.text.len(), c.text.len()), (4, 2) | (_, 4));
    let joined = mark == second.text.trim() && matches!(mark, "-" | "/" | "." | "" | "‐" | "‑" | "–") && !spaced;
    (numbers && joined && form).then_some([at, at + 2, at + 4])
}

/// A date, by the places of its tokens.
#[derive(Default)]
pub(super) struct Found {
    pub(super) year: Option<(usize, u16)>,
    pub(super) month: Option<(usize, u8, Option<Named>)>,
    pub(super) day: Option<(usize, u8)>,
    /// All eight digits of a date stand in one token.
    pub(super) compact: bool,
}

impl Found {
    pub(super) fn is_full(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }
}

/// What a value says, token by token.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) dates: Vec<Found>,
    pub(super) weekdays: Vec<(usize, Named)>,
}

/// Words behind a number that make it a duration, an age of something or a time of day.
const MEASURES: &str = " s d h hr hrs hour hours min mins minute minutes sec second seconds day days week weeks \
                        month months year years yr yrs decade decades century am pm a p o uhr tag tage tagen woche \
                        wochen monat monate monaten jahr jahre jahren stunde stunden heure heures jour jours semaine \
                        semaines mois an ans día días dias hora horas semana semanas mes meses año años ora ore giorno \
                        giorni settimana settimane mese mesi anno anni ";

impl Reading {
    /// `None` where a number is left that nobody can place.
    pub(super) fn of(tokens: &[Token<'_>], rule: &Rule, day_first: bool) -> Option<Self> {
        let mut reading = Self::default();
        let mut used = vec![false; tokens.len()];
        times(tokens, &mut used);
        for at in 0..tokens.len() {
            if !used[at]
                && let Some(found) = numeric(tokens, at, rule, day_first, &used)
            {
                reading.take(found, &mut used);
            }
        }
        let names: Vec<usize> = (0..tokens.len()).filter(|at| month_at(tokens, *at).is_some()).collect();
        let sure = names.iter().any(|at| weekdays(&tokens[*at].lower()).next().is_none());
        for at in names {
            if sure && weekdays(&tokens[at].lower()).next().is_some() {
                continue; // `mar.` beside another month is a Tuesday
            }
            if let Some(found) = named(tokens, at, rule, &used) {
                reading.take(found, &mut used);
            }
        }
        for at in 0..tokens.len() {
            if !used[at]
                && let Some(found) = pair(tokens, at, rule, day_first, &used).or_else(|| alone(tokens, at, &used))
            {
                reading.take(found, &mut used);
            }
        }
        for (at, token) in tokens.iter().enumerate() {
            // Two letters are a weekday only with a capital: `Do` and `so`.
            let is_name = token.kind == Kind::Letters
                && !used[at]
                && (token.text.chars().count() > 2 || token.text.starts_with(char::is_uppercase));
            if is_name && let Some(named) = weekdays(&token.lower()).next() {
                reading.weekdays.push((at, named));
            }
        }
        let mut placed = used;
        for at in (0..tokens.len()).rev() {
            placed[at] |= tokens[at].kind != Kind::Digits || counts_something(tokens, at, &placed);
        }
        placed.into_iter().all(|placed| placed).then_some(reading)
    }

    fn take(&mut self, found: Found, used: &mut [bool]) {
        let places = [found.year.map(|(at, _)| at), found.month.map(|(at, ..)| at), found.day.map(|(at, _)| at)];
        for at in places.into_iter().flatten() {
            used[at] = true;
        }
        self.dates.push(found);
    }
}

/// Whether a number of up to three digits counts what is named behind it: `3 days`, `2.5 hours`, `3-5 weeks`, `21st
/// century`; or whether it is a decade.
fn counts_something(tokens: &[Token<'_>], at: usize, placed: &[bool]) -> bool {
    let behind = &tokens[at + 1..tokens.len().min(at + 4)];
    let ordinal = |token: &Token<'_>| matches!(token.lower().as_str(), "st" | "nd" | "rd" | "th");
    let mut words = behind.iter().filter(|token| token.kind == Kind::Letters && !ordinal(token));
    let first = behind.iter().position(|token| token.kind == Kind::Digits);
    let joined = first == Some(1) && matches!(behind[0].text, "-" | "–" | "." | ",") && placed[at + 2];
    let counted = first.is_none() && words.next().is_some_and(|word| MEASURES.contains(&format!(" {} ", word.lower())));
    let decade = tokens[at].text.len() == 4 && behind.first().is_some_and(|token| token.text.eq_ignore_ascii_case("s"));
    decade || (tokens[at].text.len() <= 3 && (counted || joined))
}

/// Marks the numbers of times of day: `10:30`, `10:30:00.250`, `T143000Z`, `+02:00`.
fn times(tokens: &[Token<'_>], used: &mut [bool]) {
    let digits = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Digits);
    let mark = |at: usize, signs: &[&str]| tokens.get(at).is_some_and(|token| signs.contains(&token.text));
    let mut at = 0;
    while at < tokens.len() {
        let mut last = at;
        while digits(last) && mark(last + 1, &[":"]) && digits(last + 2) {
            last += 2;
        }
        let short = tokens[at..=last].iter().all(|token| token.text.len() <= 2);
        if last > at && last <= at + 4 && short {
            used[at..=last].fill(true);
            if last == at + 4 && mark(last + 1, &[".", ","]) && digits(last + 2) {
                last += 2;
                used[last] = true;
            }
        } else if digits(at)
            && at > 1
            && mark(at - 1, &["T", "t"])
            && digits(at - 2)
            && matches!(tokens[at].text.len(), 4 | 6)
        {
            used[at] = true;
        }
        at = last + 1;
    }
}

/// A year of two digits is the last such year that is not far in the future.
fn full_year(token: &Token<'_>, rule: &Rule) -> Option<u16> {
    let year = token.number()?;
    match token.text.len() {
        4 => (1..=9999).contains(&year).then_some(year),
        2 if 2000 + year <= rule.as_of + 10 => Some(2000 + year),
        2 => Some(1900 + year),
        _ => None,
    }
}

/// A full date in numbers.
fn numeric(tokens: &[Token<'_>], at: usize, rule: &Rule, day_first: bool, used: &[bool]) -> Option<Found> {
    if tokens[at].kind == Kind::Digits && matches!(tokens[at].text.len(), 8 | 14) {
        let digits = tokens[at].text;
        let (year, month, day) = (digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..8].parse().ok()?);
        let date = Date::new(year, month, day).filter(|date| (1000..=2999).contains(&date.year))?;
        let month = Some((at, date.month, None));
        return Some(Found { year: Some((at, year)), month, day: Some((at, day)), compact: true });
    }
    let places = triple(tokens, at).filter(|places| places.iter().all(|at| !used[*at]))?;
    let found = |[y, m, d]: [usize; 3]| {
        let (year, month, day) = (full_year(&tokens[y], rule)?, tokens[m].small()?, tokens[d].small()?);
        Date::new(year, month, day)?;
        Some(Found { year: Some((y, year)), month: Some((m, month, None)), day: Some((d, day)), compact: false })
    };
    let [a, b, c] = places;
    if tokens[a].text.len() == 4 {
        return found([a, b, c]);
    }
    let orders = match day_first || tokens[a + 1].text.trim() == "." {
        true => [[c, b, a], [c, a, b], [a, b, c]],
        false => [[c, a, b], [c, b, a], [a, b, c]],
    };
    orders.into_iter().find_map(found)
}

/// The month that the token at `at` names, in the likeliest language and form.
fn month_at(tokens: &[Token<'_>], at: usize) -> Option<Named> {
    let token = tokens.get(at).filter(|token| token.kind == Kind::Letters)?;
    let word = token.lower();
    let all: Vec<Named> = months(&word).collect();
    let says = |words: &[&str]| tokens.iter().any(|token| words.contains(&token.lower().as_str()));
    let dotted = at > 1 && tokens[at - 1].text.starts_with('.') && tokens[at - 2].kind == Kind::Digits;
    let small = token.text.starts_with(char::is_lowercase);
    let of = |language: usize| all.iter().find(|named| named.language == language);
    let likely = if says(&["de", "del"]) {
        of(3)
    } else if dotted || says(&["den", "der", "am", "im", "vom"]) {
        of(1)
    } else if says(&["le", "er", "du"]) || (small && of(0).is_none() && of(2).is_some()) {
        of(2)
    } else if of(0).is_none() && of(4).is_some() {
        // Spanish would say `de`.
        of(4)
    } else {
        None
    };
    let mut named = *likely.or(all.first())?;
    // `May` and `mai` are their own short forms.
    let tight = tokens
        .get(at + 1)
        .or(at.checked_sub(1).and_then(|at| tokens.get(at)))
        .is_some_and(|next| matches!(next.text.trim_end(), "-" | "/" | "."));
    if tight && named.form == 0 && month_name(Named { form: 1, ..named }, named.number as u8 + 1) == word {
        named.form = 1;
    }
    Some(named)
}

/// Words between the parts of a date.
const LINKS: &str = " st nd rd th er º o of the de del den der le di ";

/// A date with the name of its month at `at`.
fn named(tokens: &[Token<'_>], at: usize, rule: &Rule, used: &[bool]) -> Option<Found> {
    let name = month_at(tokens, at)?;
    let month = (at, u8::try_from(name.number).ok()? + 1, Some(name));
    // The next number on one side, at most four tokens away, past nothing but words that link the two.
    let near = |mut places: std::ops::Range<usize>, back: bool| {
        let stops = |at: &usize| {
            let token = &tokens[*at];
            token.kind == Kind::Digits
                || (token.kind == Kind::Letters && !LINKS.contains(&format!(" {} ", token.lower())))
        };
        let found = if back { places.rfind(stops) } else { places.find(stops) };
        found.filter(|at| tokens[*at].kind == Kind::Digits && !used[*at])
    };
    let left = near(at.saturating_sub(5)..at, true);
    let right = near(at + 1..tokens.len().min(at + 5), false);
    // Short forms are words too: `3 days ago`, `a set`.
    if name.language > 0 && tokens[at].text.chars().count() < 4 && left.or(right).is_none() {
        return None;
    }
    let quoted = |at: usize| at > 0 && tokens[at - 1].text.ends_with(['\'', '’']);
    let day_of = |at: usize| Some((at, tokens[at].small().filter(|day| (1..=31).contains(day) && !quoted(at))?));
    let year_of = |at: usize| {
        let plain = tokens[at].text.len() == 4;
        full_year(&tokens[at], rule).filter(|_| plain || tokens[at].text.len() == 2).map(|year| (at, year))
    };
    let long = |at: &usize| tokens[*at].text.len() == 4;
    let mut found = Found { month: Some(month), ..Found::default() };
    if let Some(at) = left {
        if long(&at) { found.year = year_of(at) } else { found.day = day_of(at) }
    }
    if let Some(at) = right {
        if found.day.is_none() && !long(&at) {
            found.day = day_of(at);
        }
        let after = match found.day {
            Some((day, _)) if day == at => near(at + 1..tokens.len().min(at + 5), false),
            _ => Some(at),
        };
        if found.year.is_none() {
            found.year = after.and_then(year_of);
        }
    }
    if let (Some((_, day)), year) = (found.day, found.year.map_or(2000, |(_, year)| year)) {
        Date::new(year, month.1, day)?;
    }
    Some(found)
}

/// Two numbers: `03/2020`, `2020-03`, `12/25`.
fn pair(tokens: &[Token<'_>], at: usize, rule: &Rule, day_first: bool, used: &[bool]) -> Option<Found> {
    let [a, mark, b, ..] = tokens.get(at..)? else { return None };
    let counts = counts_something(tokens, at + 2, used); // `2.5 hours`
    let fits = a.kind == Kind::Digits && b.kind == Kind::Digits && !used[at + 2] && !counts;
    if !fits || !matches!(mark.text.trim(), "/" | "-" | ".") {
        return None;
    }
    let month_of = |at: usize| Some((at, tokens[at].small().filter(|month| (1..=12).contains(month))?, None));
    let with_year = |month: usize, year: usize| {
        let year = (year, full_year(&tokens[year], rule).filter(|year| (1000..=2999).contains(year))?);
        Some(Found { year: Some(year), month: Some(month_of(month)?), ..Found::default() })
    };
    match (a.text.len(), b.text.len()) {
        (1..=2, 4) => with_year(at, at + 2),
        (4, 1..=2) => with_year(at + 2, at),
        (1..=2, 1..=2) => {
            let within = |month: usize, day: usize| {
                let (month, day) = (month_of(month)?, (day, tokens[day].small()?));
                Date::new(2000, month.1, day.1)?;
                Some(Found { month: Some(month), day: Some(day), ..Found::default() })
            };
            let orders = if day_first { [(at + 2, at), (at, at + 2)] } else { [(at, at + 2), (at + 2, at)] };
            orders.into_iter().find_map(|(month, day)| within(month, day)).or_else(|| with_year(at, at + 2))
        }
        _ => None,
    }
}

/// A year by itself; a decade is none.
fn alone(tokens: &[Token<'_>], at: usize, used: &[bool]) -> Option<Found> {
    let year = tokens[at].number().filter(|year| tokens[at].text.len() == 4 && (1000..=2999).contains(year))?;
    let decade = tokens.get(at + 1).is_some_and(|next| next.text.eq_ignore_ascii_case("s"));
    (!used[at] && !decade).then(|| Found { year: Some((at, year)), ..Found::default() })
}
