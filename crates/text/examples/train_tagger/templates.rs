//! Sentences made from templates: chats, tickets, letters, lives and forms.

use super::corpora::Labelled;
use super::lists::Lists;
use super::prng::Prng;

const TEMPLATES: &str = include_str!("templates.txt");

/// Makes `rounds` sentences of every template.
pub(crate) fn compose(lists: &Lists, rounds: usize, prng: &mut Prng) -> Vec<Labelled> {
    let templates: Vec<&str> = TEMPLATES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let mut all = Vec::new();
    for _ in 0..rounds {
        for template in &templates {
            let mut sentence = fill(template, lists, prng);
            // What people write is often joined: two sentences, or a line break between them.
            if prng.chance(25) {
                let next = fill(prng.pick::<&str>(&templates), lists, prng);
                let gap = if prng.chance(50) { " " } else { "\n" };
                let from = sentence.text.len() + gap.len();
                sentence.text.push_str(gap);
                sentence.text.push_str(&next.text);
                sentence.spans.extend(next.spans.iter().map(|(start, end, kind)| (start + from, end + from, *kind)));
            }
            all.push(sentence);
        }
    }
    all
}

fn fill(template: &str, lists: &Lists, prng: &mut Prng) -> Labelled {
    let (mut text, mut spans) = (String::new(), Vec::<(usize, usize, usize)>::new());
    for piece in template.replace("\\n", "\n").replace("\\t", "\t").split_inclusive('}') {
        let Some((before, slot)) = piece.strip_suffix('}').and_then(|piece| piece.rsplit_once('{')) else {
            text.push_str(piece);
            continue;
        };
        text.push_str(before);
        let Some((value, kind)) = slot_value(slot, lists, prng) else {
            text.push('{');
            text.push_str(slot);
            text.push('}');
            continue;
        };
        let at = text.len();
        text.push_str(&value);
        let joined = |last: &(usize, usize, usize)| last.2 == 0 && matches!(&text[last.1..at], " " | ". ");
        match (kind, spans.last_mut()) {
            (Some(0), Some(last)) if joined(last) => last.1 = text.len(),
            (Some(kind), _) => spans.push((at, text.len(), kind)),
            (None, _) => {}
        }
    }
    Labelled { text, spans }
}

/// What stands for a slot, and which kind of name that is.
fn slot_value(slot: &str, lists: &Lists, prng: &mut Prng) -> Option<(String, Option<usize>)> {
    let number =
        |prng: &mut Prng, digits: u32| (prng.below(9 * 10usize.pow(digits - 1)) + 10usize.pow(digits - 1)).to_string();
    Some(match slot {
        "name" => (name(lists, prng), Some(0)),
        "given" => (lists.given(prng), Some(0)),
        "surname" => (surname(lists, prng), Some(0)),
        "SURNAME" => (lists.surname(prng).to_uppercase(), Some(0)),
        "GIVEN" => (lists.given(prng).to_uppercase(), Some(0)),
        "initial" => (char::from(b'A' + prng.below(26) as u8).to_string(), Some(0)),
        "city" if prng.chance(85) => (lists.city(prng), Some(1)),
        "city" | "region" => (lists.one("region", prng).to_owned(), Some(1)),
        "country" => (lists.one("country", prng).to_owned(), Some(1)),
        "org" => (organisation(lists, prng), Some(2)),
        "street" => (street(lists, prng), Some(1)),
        "zip" => (number(prng, 5), None),
        "phone" => (format!("{}-{}-{}", number(prng, 3), number(prng, 3), number(prng, 4)), None),
        "email" => {
            let local = format!("{}.{}", lists.given(prng), lists.surname(prng)).to_lowercase();
            (format!("{local}@example.com"), None)
        }
        "handle" => (format!("{}{}", lists.given(prng).to_lowercase(), prng.below(100)), None),
        "number" => {
            let digits = 2 + prng.below(8) as u32;
            (number(prng, digits), None)
        }
        "day" => ((1 + prng.below(28)).to_string(), None),
        "age" => ((18 + prng.below(70)).to_string(), None),
        "year" => ((1900 + prng.below(125)).to_string(), None),
        "clock" => (format!("{}:{}0", 1 + prng.below(23), prng.below(6)), None),
        "nationality" | "thing" | "job" | "weekday" | "month" => (lists.one(slot, prng).to_owned(), None),
        _ => return None,
    })
}

fn initial(lists: &Lists, prng: &mut Prng) -> String {
    lists.given(prng).chars().take(1).collect()
}

fn surname(lists: &Lists, prng: &mut Prng) -> String {
    let plain = lists.surname(prng);
    match prng.below(100) {
        0..5 => {
            let particle = lists.one("particle", prng);
            let joined = particle.ends_with('\'') || particle == "Mc";
            format!("{particle}{}{plain}", if joined { "" } else { " " })
        }
        5..9 => format!("{plain} {}", lists.surname(prng)),
        _ => plain,
    }
}

fn name(lists: &Lists, prng: &mut Prng) -> String {
    let (given, surname) = (lists.given(prng), surname(lists, prng));
    match prng.below(100) {
        0..8 => format!("{given} {}. {surname}", initial(lists, prng)),
        8..11 => format!("{given} {} {surname}", initial(lists, prng)),
        11..16 => format!("{given} {} {surname}", lists.given(prng)),
        16..19 => format!("{}. {surname}", initial(lists, prng)),
        19..21 => format!("{}.{}. {surname}", initial(lists, prng), initial(lists, prng)),
        21..23 => format!("{surname} {given}"),
        23..25 => format!("{given} {}", surname.to_uppercase()),
        25..27 => format!("{}-{} {surname}", given, lists.given(prng)),
        27..29 => given,
        _ => format!("{given} {surname}"),
    }
}

fn organisation(lists: &Lists, prng: &mut Prng) -> String {
    let ending = lists.one("company-ending", prng);
    match prng.below(100) {
        0..30 => lists.one("organisation", prng).to_owned(),
        30..50 => format!("{} {ending}", lists.surname(prng)),
        50..65 => format!("{} {} {ending}", lists.one("company-word", prng), lists.one("company-word", prng)),
        65..75 => format!("{} & {}", lists.surname(prng), lists.surname(prng)),
        75..80 => format!("University of {}", lists.city(prng)),
        80..88 => format!("{} {ending}", lists.city(prng)),
        88..94 => format!("{}{}", lists.one("company-word", prng), lists.one("company-word", prng).to_lowercase()),
        _ => (0..3).map(|_| char::from(b'A' + prng.below(26) as u8)).collect(),
    }
}

fn street(lists: &Lists, prng: &mut Prng) -> String {
    let name = if prng.chance(50) { lists.surname(prng) } else { lists.city(prng) };
    let number = 1 + prng.below(9_999);
    match prng.below(100) {
        0..70 => format!("{number} {name} {}", lists.one("street-word", prng)),
        70..85 => format!("{name} {}", number % 200 + 1),
        _ => format!("{number} {name} {} Apt {}", lists.one("street-word", prng), number % 90 + 1),
    }
}
