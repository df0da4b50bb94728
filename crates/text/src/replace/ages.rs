//! Ages: moved a little, or made coarse.
//!
//! Invariant: no age above the cap is told (89 in the Safe Harbor: 45 CFR 164.514(b)(2)(i)(C)); nobody comes of age or
//! loses it by a surrogate.

use super::dates::Outcome;
use super::draw::Ring;
use super::person::like_case;
use super::policy::Rule;

/// How far a surrogate may lie from the age, in the unit of the age.
const SPREAD: i64 = 3;

/// Ages a few years off, the same way for one subject.
pub(super) fn surrogate(ring: &Ring<'_>, rule: &Rule, value: &str) -> Outcome {
    let place = ring.draw(&["age-offset"], 0).below(2 * SPREAD as usize) as i64;
    let offset = if place < SPREAD { place - SPREAD } else { place - SPREAD + 1 };
    let months = is_of_months(value);
    rewrite(value, |age| {
        let (low, high) = match age {
            _ if months => (1, 36),
            0..18 => (0, 17),
            _ => (18, i64::from(rule.age_cap).max(18)),
        };
        match i64::from(age) {
            age if age > i64::from(rule.age_cap) && !months => above(rule),
            age if (low..=high).contains(&(age + offset)) => (age + offset).to_string(),
            age if (low..=high).contains(&(age - offset)) => (age - offset).to_string(),
            _ => if i64::from(age) == low { low + 1 } else { low }.to_string(),
        }
    })
}

/// Ages in bands of the rule's width; those above its cap become one.
pub(super) fn coarse(rule: &Rule, value: &str) -> Outcome {
    if is_of_months(value) {
        return Outcome::Kept;
    }
    rewrite(value, |age| match rule.age_band {
        _ if age > rule.age_cap => above(rule),
        0 | 1 => age.to_string(),
        band => format!("{}-{}", age / band * band, (age / band * band + band - 1).min(rule.age_cap)),
    })
}

fn above(rule: &Rule) -> String {
    format!("{}+", rule.age_cap + 1)
}

/// Whether the number counts months, weeks or days: the age of a small child.
fn is_of_months(value: &str) -> bool {
    let lower = value.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic());
    let unit = |word: &str| {
        ["month", "week", "day", "monat", "woche", "tag", "mois", "semaine", "jour", "mes", "semana", "día", "dia"]
            .iter()
            .any(|unit| word.starts_with(unit) && word.len() <= unit.len() + 2)
            || matches!(word, "mo" | "mos" | "wk" | "wks" | "mesi" | "settimane" | "giorni")
    };
    words.into_iter().any(unit)
}

/// Rewrites every number of a value, in digits or in English words, by `f`.
fn rewrite(value: &str, f: impl Fn(u16) -> String) -> Outcome {
    let mut new = String::with_capacity(value.len() + 4);
    let mut rest = value;
    let mut any = false;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| (c.is_ascii_digit(), c.is_alphabetic());
        let end = rest.find(|c| class(c) != class(first)).unwrap_or(rest.len());
        if first.is_ascii_digit() {
            let Some(age) = rest[..end].parse().ok().filter(|age| *age <= 999) else { return Outcome::Unreadable };
            new.push_str(&f(age));
            any = true;
        } else if first.is_alphabetic()
            && let Some((age, length)) = spoken(rest)
        {
            let word = words(f(age));
            new.push_str(&like_case(&rest[..length], &word));
            any = true;
            rest = &rest[length..];
            continue;
        } else if first.is_numeric() {
            return Outcome::Unreadable;
        } else {
            new.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    // A sign before a hyphen reads badly: "a 90+-year-old".
    let new = new.replace("+-", "-plus-");
    match any {
        false => Outcome::Unreadable,
        true if new == value => Outcome::Kept,
        true => Outcome::New(new),
    }
}

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number in words at the beginning of `text`, and its length.
fn spoken(text: &str) -> Option<(u16, usize)> {
    let word_at = |from: usize| {
        let rest = text.get(from..)?;
        let word = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
        Some((word.to_ascii_lowercase(), from + word.len()))
    };
    let unit = |word: &str| UNITS.iter().position(|name| *name == word);
    let (word, end) = word_at(0)?;
    if let Some(n) = unit(&word) {
        return Some((n as u16, end));
    }
    let tens = 20 + 10 * TENS.iter().position(|name| *name == word)?;
    let joined = matches!(text.as_bytes().get(end), Some(b'-' | b' '));
    match joined.then(|| word_at(end + 1)).flatten() {
        Some((word, end)) if unit(&word).is_some_and(|n| (1..10).contains(&n)) => {
            Some(((tens + unit(&word).unwrap_or(0)) as u16, end))
        }
        _ => Some((tens as u16, end)),
    }
}

/// A number in digits as words, where it is one below 100.
fn words(number: String) -> String {
    match number.parse::<usize>() {
        Ok(n @ 0..20) => UNITS[n].into(),
        Ok(n @ 20..100) if n.is_multiple_of(10) => TENS[n / 10 - 2].into(),
        Ok(n @ 20..100) => format!("{}-{}", TENS[n / 10 - 2], UNITS[n % 10]),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Ring;
    use super::super::policy::Policy;
    use super::super::{Originals, Profile, SurrogateKey};
    use super::*;
    use crate::detect::Label;

    fn rule(band: u16) -> Rule {
        Rule { age_band: band, ..*Policy::of(Profile::HipaaSafeHarbor).rule(Label("AGE")) }
    }

    #[test]
    fn ages_above_the_cap_are_one_class() {
        for (value, want) in [
            ("93", Outcome::New("90+".into())),
            ("a 93-year-old", Outcome::New("a 90-plus-year-old".into())),
            ("ninety-two years old", Outcome::New("90+ years old".into())),
            ("89", Outcome::Kept),
            ("6 months", Outcome::Kept),
            ("old", Outcome::Unreadable),
            ("12345", Outcome::Unreadable),
        ] {
            assert_eq!(coarse(&rule(1), value), want, "{value}");
        }
        assert_eq!(coarse(&rule(5), "43 years"), Outcome::New("40-44 years".into()));
        assert_eq!(coarse(&rule(10), "87"), Outcome::New("80-89".into()));
    }

    #[test]
    fn surrogates_are_near_and_never_the_age() {
        let originals = Originals::default();
        for key in 0..30 {
            let key = SurrogateKey::from_bytes([key; 32]);
            let ring = Ring::new(&key, None, ("subject", "s"), &originals);
            for age in 0..=89u16 {
                let Outcome::New(new) = surrogate(&ring, &rule(1), &age.to_string()) else { panic!("{age} is kept") };
                let new: u16 = new.parse().unwrap_or(999);
                assert!(new != age && new.abs_diff(age) <= 3 && (age < 18) == (new < 18), "{age}: {new}");
            }
            assert_eq!(surrogate(&ring, &rule(1), "97"), Outcome::New("90+".into()));
            assert!(
                matches!(surrogate(&ring, &rule(1), "Forty-one"), Outcome::New(new) if new.starts_with(['F', 'T']))
            );
        }
    }
}
