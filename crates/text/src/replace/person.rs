//! Surrogates for names of persons, and for e-mail addresses, whose local part follows the name.
//!
//! Invariant: a name is mapped part by part, each by itself and by what the whole scope says of it, so "Ana Ruiz", "Ruiz",
//! "A. Ruiz" and `ana.ruiz@` agree within a scope, in whatever order they are met. Initials are mapped first and a name part
//! goes to a name with the mapped initial, of its language and gender as far as lists and texts tell them. Honorifics,
//! particles, suffixes and case stay.

use super::draw::{Draw, Ring, folded};
use super::gender::{self, Sort};
use super::locales::{self, Locale};
use super::network::EXAMPLE_HOSTS;
use crate::detect::names::{self, Filler, Gender};

/// A surrogate for a name as it was written.
pub(super) fn name(ring: &Ring<'_>, value: &str) -> String {
    let mut result = String::with_capacity(value.len() + 8);
    for run in runs(value) {
        match run {
            Run::Bearer(word) => result.push_str(&part(ring, word)),
            Run::Other(text) => result.push_str(text),
        }
    }
    result
}

/// The words of a name without titles, particles and suffixes, in canonical form; initials among them.
pub(super) fn bearers(value: &str) -> Vec<String> {
    let word = |run| match run {
        Run::Bearer(word) => Some(names::plain(word)),
        Run::Other(_) => None,
    };
    runs(value).into_iter().filter_map(word).collect()
}

/// A stretch of a name: a word that a person bears, or what stands between and beside.
enum Run<'a> {
    Bearer(&'a str),
    Other(&'a str),
}

fn runs(value: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    each_run(value, |run, is_word| runs.push((run, is_word)));
    let cased = value.contains(char::is_uppercase);
    let last = runs.iter().rposition(|(_, is_word)| *is_word);
    let first = runs.iter().position(|(_, is_word)| *is_word);
    let bears = |index: usize, run: &str| {
        let filler = match names::name_filler(&folded(run)) {
            Some(Filler::Honorific) => Some(index) != last,
            // A particle is written small and leads to another word; "Ben" and "Al" in front are names.
            Some(Filler::Particle) => {
                Some(index) != last && !run.contains(char::is_uppercase) && (cased || Some(index) != first)
            }
            Some(Filler::Suffix) => Some(index) != first,
            None => false,
        };
        !filler
    };
    let runs = runs.into_iter().enumerate();
    runs.map(|(at, (run, is_word))| if is_word && bears(at, run) { Run::Bearer(run) } else { Run::Other(run) })
        .collect()
}

/// The parts of a name or of a local part that carry it, in canonical form: what no surrogate may repeat.
pub(super) fn parts(value: &str) -> Vec<String> {
    let value = value.split_once('@').map_or(value, |(local, _)| local);
    let mut found = Vec::new();
    each_run(value, |run, is_word| {
        let canonical = names::plain(run);
        if is_word && canonical.chars().count() > 1 {
            found.push(canonical);
        }
    });
    found
}

/// First labels of mail hosts: words that name nobody.
const MAIL_HOSTS: &[&str] = &[
    "acorn", "anchor", "beacon", "birch", "breeze", "canyon", "cedar", "cobalt", "comet", "copper", "delta", "fjord",
    "glacier", "granite", "harbor", "harvest", "island", "lagoon", "lantern", "maple", "marble", "meadow", "mesa",
    "mosaic", "nimbus", "oasis", "onyx", "orchard", "otter", "pebble", "pine", "plaza", "prairie", "quartz", "quill",
    "reef", "ridge", "river", "spruce", "stone", "summit", "thistle", "timber", "tundra", "umber", "valley", "velvet",
    "walnut", "wave", "zenith",
];

/// A surrogate for an e-mail address under a domain that is reserved for examples (RFC 2606). Addresses of one domain stay
/// addresses of one domain, and those of others get others: a model that learns from them learns to read the domain, not to
/// expect a few.
pub(super) fn email(ring: &Ring<'_>, draw: &mut Draw, value: &str) -> String {
    let (local, domain) = value.rsplit_once('@').unwrap_or((value, ""));
    let mut host = ring.draw(&["mail-domain", &folded(domain)], 0);
    let label = host.pick(MAIL_HOSTS).unwrap_or("mail");
    let host = host.pick(EXAMPLE_HOSTS).unwrap_or("example.org");
    format!("{}@{label}.{host}", self::local(ring, draw, local))
}

fn local(ring: &Ring<'_>, draw: &mut Draw, local: &str) -> String {
    let mut new = String::with_capacity(local.len() + 8);
    each_run(local, |run, is_word| {
        if is_word {
            let joined: String = names::shared().split(&folded(run)).iter().map(|p| part(ring, p)).collect();
            let capital = run.chars().any(char::is_uppercase);
            let plain = names::plain(&joined);
            new.push_str(&if capital { like_case(&joined, &plain) } else { plain });
        } else {
            new.extend(run.chars().map(|c| if c.is_alphabetic() { 'x' } else { draw.like(c) }));
        }
    });
    let new: String = new.chars().filter(char::is_ascii).collect();
    // Nothing is left of letters that are not Latin.
    if new.contains(|c: char| c.is_ascii_alphanumeric()) { new } else { format!("user{}", 100 + draw.below(900)) }
}

/// A surrogate for a user name, whose letters go as those of a mail address: `@ana_ruiz77` follows Ana Ruiz.
pub(super) fn username(ring: &Ring<'_>, draw: &mut Draw, value: &str) -> String {
    local(ring, draw, value)
}

/// The form of `model` (capitals, small letters, first letter capital) given to `word`.
pub(super) fn like_case(model: &str, word: &str) -> String {
    let mut letters = model.chars().filter(|c| c.is_alphabetic());
    let first_upper = letters.next().is_some_and(char::is_uppercase);
    let rest_upper = letters.clone().count() > 0 && letters.all(char::is_uppercase);
    if first_upper && rest_upper {
        word.to_uppercase()
    } else if first_upper {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
    } else {
        word.to_lowercase()
    }
}

/// Calls `f` with each run of letters (true) and each run of anything else (false).
fn each_run<'a>(value: &'a str, mut f: impl FnMut(&'a str, bool)) {
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        // A mark belongs to the letter before it; one after a digit or a sign stands with the letters.
        let is_word = |c: char| c.is_alphabetic() || is_mark(c);
        let inner = |c: char| is_word(c) == is_word(first);
        let mut end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        // An apostrophe inside a name belongs to it: O'Neil, D’Angelo.
        while is_word(first)
            && let Some(mark) = rest[end..].chars().next().filter(|c| matches!(c, '\'' | '\u{2019}'))
            && rest[end + mark.len_utf8()..].starts_with(char::is_alphabetic)
        {
            let from = end + mark.len_utf8();
            end = rest[from..].find(|c| !inner(c)).map_or(rest.len(), |n| from + n);
        }
        f(&rest[..end], is_word(first));
        rest = &rest[end..];
    }
}

fn is_mark(c: char) -> bool {
    // Also the signs inside syllables of Devanagari that are no letters.
    matches!(c, '\u{300}'..='\u{36F}' | '\u{93C}' | '\u{94D}')
}

/// Letters by how many names begin with them.
const INITIALS: &[u8] = b"AABBCCDDEFGHHJJKKLLMMNPRRSSTW";

/// One name part or initial.
pub(super) fn part(ring: &Ring<'_>, word: &str) -> String {
    // Without its marks, as it stands in addresses.
    let canonical = names::plain(word);
    let locale = locales::of(&folded(word));
    if let Some((locale, _)) = locale.filter(|(locale, _)| locale.syllabic) {
        return syllables(ring, locale, word);
    }
    let all = names::shared();
    let listed = match locale {
        Some((_, kind)) if locales::is_listed(&canonical) => Some(kind),
        _ => all.gender(&canonical),
    };
    let taken = |name: &str| names::plain(name) == canonical || ring.is_original(&names::plain(name));
    // The genitive of German, "Annas Bruder", follows the name.
    if listed.is_none()
        && let Some(stem) = word.strip_suffix('s').filter(|stem| stem.chars().count() > 2)
        && ring.hint(&names::plain(stem)).is_some()
    {
        let new = part(ring, stem) + "s";
        if !taken(&new) {
            return new;
        }
    }
    let initial = initial(ring, &canonical, locale.map(|(locale, _)| locale));
    if canonical.chars().count() == 1 {
        return like_case(word, &initial);
    }
    let sort = gender::sort(&canonical, listed, ring.hint(&canonical));
    let kind = match sort {
        Sort::Surname => Some(Gender::Surname),
        Sort::Given(gender) => Some(gender),
        Sort::Either => None,
    };
    // Names of the language first, as long as one is free; then those of the census. Another script stays.
    if let Some((locale, _)) = locale {
        let names_of = kind.map_or_else(|| locale.of_both(), |kind| locale.names(kind).to_vec());
        let free: Vec<&str> = names_of.into_iter().filter(|name| !taken(name)).collect();
        let mut own = free.clone();
        own.retain(|name| names::plain(name).starts_with(&initial));
        if own.is_empty() && !initial.is_ascii() {
            own = free;
        }
        if let Some(new) = ring.draw(&["name", &canonical], 0).pick(&own) {
            return like_case(word, new);
        }
    }
    let letter = initial.bytes().next().unwrap_or(b'a').to_ascii_uppercase();
    let either;
    let pool = match kind {
        Some(kind) => all.pool(kind, letter),
        None => {
            either = gender::either(letter);
            &either
        }
    };
    let mut attempts = (0..200).filter_map(|n| ring.draw(&["name", &canonical], n).pick(pool));
    let new = attempts.find(|name| !taken(name)).map(str::to_owned).or_else(|| {
        // Every name with this initial stands in the data: join two to one that does not.
        (0..2000).find_map(|n| {
            let mut draw = ring.draw(&["name-pair", &canonical], n);
            let joined = format!("{}-{}", draw.pick(pool)?, draw.pick(all.pool(Gender::Surname, letter))?);
            (!taken(&joined)).then_some(joined)
        })
    });
    like_case(word, &new.unwrap_or(initial))
}

/// A name without spaces: the first character is the surname.
fn syllables(ring: &Ring<'_>, locale: &Locale, word: &str) -> String {
    let drawn = |attempt: u32| -> String {
        let one = |(place, c): (usize, char)| {
            let kind = if place == 0 { Gender::Surname } else { Gender::Male };
            let purpose = if place == 0 { "surname" } else { "given" };
            // A surname alone must agree with the full name, so only what follows it takes part in further attempts.
            let attempt = if place == 0 && word.chars().nth(1).is_some() { 0 } else { attempt };
            ring.draw(&["syllable", purpose, c.encode_utf8(&mut [0; 4])], attempt)
                .pick(locale.names(kind))
                .unwrap_or("")
        };
        word.chars().enumerate().map(one).collect()
    };
    let canonical = folded(word);
    (0..200).map(drawn).find(|new| *new != canonical && !ring.is_original(&names::plain(new))).unwrap_or_default()
}

/// The initial, in small letters, that names beginning like this one are given.
fn initial(ring: &Ring<'_>, canonical: &str, locale: Option<&Locale>) -> String {
    let letter = canonical.chars().next().unwrap_or('a').to_string();
    let letter = names::plain(&letter);
    let latin: Vec<String> = INITIALS.iter().map(|b| char::from(b.to_ascii_lowercase()).to_string()).collect();
    let foreign = locale.filter(|_| !letter.is_ascii()).map(|locale| {
        let first = |name: &&str| names::plain(name).chars().next().map(String::from);
        locale.names(Gender::Surname).iter().filter_map(first).collect()
    });
    let pool: Vec<String> = foreign.unwrap_or(latin);
    (0..8)
        .find_map(|n| {
            let place = ring.draw(&["initial", &letter], n).below(pool.len());
            pool.get(place).filter(|new| **new != letter).cloned()
        })
        .unwrap_or_else(|| "a".to_owned())
}
