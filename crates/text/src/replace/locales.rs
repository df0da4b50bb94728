//! Names by language and script, so that a Spanish name becomes a Spanish one and a Greek one stays Greek.
//!
//! Invariant: what a name part is taken for depends on that part alone. A part that several languages share, or that is
//! common in English, belongs to none here: the lists of the census serve it.
//! Source: `data/surrogates.txt`, compiled for this project.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::detect::names::{self, Gender};

const LISTS: &str = include_str!("../../data/surrogates.txt");

/// Names of one language or script.
#[derive(Default)]
pub(super) struct Locale {
    name: &'static str,
    lists: [Vec<&'static str>; 3],
    /// Written without spaces, one character or two for each part.
    pub(super) syllabic: bool,
}

impl Locale {
    /// Its names of one kind; those of the surnames where it has none.
    pub(super) fn names(&self, kind: Gender) -> &[&'static str] {
        match self.lists[kind as usize].as_slice() {
            [] => &self.lists[Gender::Surname as usize],
            names => names,
        }
    }
}

impl Locale {
    /// Its given names of women and men: those that both bear, or where there are none, all.
    pub(super) fn of_both(&self) -> Vec<&'static str> {
        let [women, men, _] = &self.lists;
        let both: Vec<&str> = women.iter().filter(|name| men.contains(name)).copied().collect();
        match (both.as_slice(), women.as_slice(), men.as_slice()) {
            ([], [], []) => self.lists[Gender::Surname as usize].clone(),
            ([], ..) => [women.as_slice(), men].concat(),
            _ => both,
        }
    }
}

struct Locales {
    all: Vec<Locale>,
    /// Without diacritics, to every list that has it.
    plain: HashMap<String, Vec<(usize, Gender)>>,
}

fn shared() -> &'static Locales {
    static LOCALES: OnceLock<Locales> = OnceLock::new();
    LOCALES.get_or_init(|| {
        let mut all: Vec<Locale> = Vec::new();
        let mut plain: HashMap<String, Vec<(usize, Gender)>> = HashMap::new();
        for section in LISTS.split("# ").skip(1) {
            let Some((title, list)) = section.split_once('\n') else { continue };
            let (name, kind) = title.trim().split_once(' ').unwrap_or((title, ""));
            if all.last().is_none_or(|locale| locale.name != name) {
                all.push(Locale { name, syllabic: matches!(name, "han" | "hangul"), ..Locale::default() });
            }
            let place = all.len() - 1;
            let kinds: &[Gender] = match kind {
                "female" => &[Gender::Female],
                "male" => &[Gender::Male],
                "given" => &[Gender::Female, Gender::Male],
                _ => &[Gender::Surname],
            };
            for word in list.split_whitespace() {
                for kind in kinds {
                    all[place].lists[*kind as usize].push(word);
                    plain.entry(names::plain(word)).or_default().push((place, *kind));
                }
            }
        }
        Locales { all, plain }
    })
}

/// Endings and letters of surnames that only one language has, without regard to diacritics where there are none.
const ENDINGS: &[(&str, &[&str])] = &[
    ("es", &["ández", "éndez", "ínez", "írez", "ález", "ópez", "uez", "guez", "ñez", "illo", "eño", "uñoz"]),
    ("pt", &["ões", "ção", "eiro", "eira", "ães", "inho", "lhães", "alho", "valho"]),
    ("fr", &["eau", "eaux", "oux", "ault", "ère", "ières", "ette", "ouët"]),
    ("it", &["elli", "etti", "ucci", "ini", "acci", "ozzi", "aldi", "asco", "ello"]),
    ("de", &["mann", "meier", "maier", "bauer", "stein", "huber", "schmidt", "ß"]),
    ("nordic", &["sson", "sen", "qvist", "gren", "gaard", "ström", "strøm", "ø", "å"]),
    ("slavic", &["ski", "ska", "wicz", "czyk", "ová", "ić", "vić", "enko", "ov", "ova", "ev", "chuk", "ák", "ek"]),
    ("turkish", &["oğlu", "ğ", "ı", "türk", "demir"]),
    ("vietnamese", &["ễn", "ần", "ương", "ỳnh"]),
];

/// What a part (lower case) is taken for; `None` where the lists of the census serve it.
pub(super) fn of(canonical: &str) -> Option<(&'static Locale, Gender)> {
    let locales = shared();
    if let Some(script) = canonical.chars().find_map(script) {
        let locale = locales.all.iter().find(|locale| locale.name == script)?;
        let kind = locales.plain.get(&names::plain(canonical)).and_then(|hits| hits.first());
        return Some((locale, kind.map_or(Gender::Surname, |(_, kind)| *kind)));
    }
    let plain = names::plain(canonical);
    let hits = locales.plain.get(&plain).map(Vec::as_slice).unwrap_or_default();
    // Its own spelling decides first, then the only language that has it, then the only one that writes it with marks.
    let spelled = |word: &str| {
        let mut found = hits.iter().filter(|(place, kind)| locales.all[*place].names(*kind).contains(&word));
        found.next().copied()
    };
    let only = |marked: bool| {
        let mut found = hits.iter().filter(|(place, kind)| {
            !marked
                || locales.all[*place].names(*kind).iter().any(|name| !name.is_ascii() && names::plain(name) == plain)
        });
        let first = *found.next()?;
        found.all(|(place, _)| *place == first.0).then_some(first)
    };
    let found = match canonical.is_ascii() {
        false => spelled(canonical).or_else(|| only(false)),
        true if is_english(canonical) => None,
        true => only(false).or_else(|| only(true)),
    };
    match found {
        Some((place, kind)) => Some((&locales.all[place], kind)),
        None if !hits.is_empty() || names::shared().look_up(canonical).is_given() => None,
        None => {
            let fits = |ending: &&&str| canonical.len() > ending.len() + 1 && canonical.ends_with(**ending);
            let (name, _) = ENDINGS.iter().find(|(_, endings)| endings.iter().any(|ending| fits(&ending)))?;
            Some((locales.all.iter().find(|locale| locale.name == *name)?, Gender::Surname))
        }
    }
}

/// Whether a list has the word (lower case, without diacritics); endings do not count.
pub(super) fn is_listed(plain: &str) -> bool {
    shared().plain.contains_key(plain)
}

/// Whether a given name is among the most frequent of the census with its initial.
fn is_english(canonical: &str) -> bool {
    let initial = canonical.bytes().next().unwrap_or(b'a').to_ascii_uppercase();
    [Gender::Female, Gender::Male]
        .iter()
        .any(|kind| names::shared().pool(*kind, initial).iter().take(8).any(|name| *name == canonical))
}

/// The section for letters that are not Latin.
fn script(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => "greek",
        '\u{400}'..='\u{52F}' => "cyrillic",
        '\u{590}'..='\u{5FF}' => "hebrew",
        '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => "arabic",
        '\u{900}'..='\u{97F}' => "devanagari",
        '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' => "han",
        '\u{AC00}'..='\u{D7A3}' => "hangul",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_belong_to_their_language_or_to_none() {
        let name = |part: &str| of(part).map(|(locale, kind)| (locale.name, kind));
        assert_eq!(name("garcía"), Some(("es", Gender::Surname)));
        assert_eq!(name("garcia"), Some(("es", Gender::Surname)));
        assert_eq!(name("jürgen"), Some(("de", Gender::Male)));
        assert_eq!(name("kowalska"), Some(("slavic", Gender::Surname)));
        assert_eq!(name("nakamura"), Some(("japanese", Gender::Surname)));
        assert_eq!(name("иван"), Some(("cyrillic", Gender::Male)));
        assert_eq!(name("παπαδόπουλος"), Some(("greek", Gender::Surname)));
        assert_eq!(name("王"), Some(("han", Gender::Surname)));
        for part in ["john", "mary", "smith", "thomas", "martin", "maria", "xyzzy"] {
            assert_eq!(name(part), None, "{part}");
        }
    }

    #[test]
    fn every_list_has_names_of_its_own_script() {
        for locale in &shared().all {
            assert!(locale.names(Gender::Surname).len() > 30, "{}", locale.name);
            for kind in [Gender::Female, Gender::Male, Gender::Surname] {
                let foreign = |name: &&&str| {
                    name.chars().find_map(script).is_some()
                        != matches!(
                            locale.name,
                            "cyrillic" | "greek" | "arabic" | "hebrew" | "devanagari" | "han" | "hangul"
                        )
                };
                assert_eq!(locale.names(kind).iter().find(foreign), None, "{}", locale.name);
            }
        }
    }
}
