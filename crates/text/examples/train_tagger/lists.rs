//! Lists of names and places, and the gazetteer that is made of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use cloister_text::tagger::training::{Classes, build_gazetteer, plain};

use super::prng::Prng;

const CENSUS: &str = include_str!("../../data/names.txt");
const INTERNATIONAL: &str = include_str!("../../data/international.txt");
const WORLD: &str = include_str!("world_names.txt");
const PLACES: &str = include_str!("places.txt");
const FILLERS: &str = include_str!("fillers.txt");
const WORDS: &str = include_str!("../../data/words.txt");

/// The lists, as names to draw from.
pub(crate) struct Lists {
    given: Vec<String>,
    surnames: Vec<String>,
    frequent_given: Vec<String>,
    frequent_surnames: Vec<String>,
    cities: Vec<String>,
    sections: BTreeMap<&'static str, Vec<&'static str>>,
    city_set: HashSet<String>,
    all_surnames: Vec<String>,
    large_cities: usize,
}

fn sections(list: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    list.split("# ").skip(1).filter_map(|section| section.split_once('\n')).map(|(title, body)| (title.trim(), body))
}

/// `o'brien` as `O'Brien`, `de-la-cruz` as `De-La-Cruz`.
fn capital(name: &str) -> String {
    let mut result = String::new();
    let mut start = true;
    for c in name.chars() {
        if start {
            result.extend(c.to_uppercase());
        } else {
            result.push(c);
        }
        start = c == '\'' && result.chars().count() < 3 || c == '-';
    }
    result
}

impl Lists {
    /// Reads the lists that are part of the program, and those in `folder`.
    pub(crate) fn read(folder: &Path) -> std::io::Result<Self> {
        let (mut given, mut surnames) = (Vec::new(), Vec::new());
        for (title, body) in sections(WORLD).chain(sections(INTERNATIONAL)) {
            let side = if title == "surname" { &mut surnames } else { &mut given };
            side.extend(body.split_whitespace().map(capital));
        }
        let (mut frequent_given, mut frequent_surnames) = (Vec::new(), Vec::new());
        for (title, body) in sections(CENSUS) {
            let (side, most) =
                if title == "surname" { (&mut frequent_surnames, 3000) } else { (&mut frequent_given, 500) };
            side.extend(body.split_whitespace().take(most).map(capital));
        }
        let first = |file: &str| -> std::io::Result<Vec<String>> {
            let text = fs::read_to_string(folder.join(file))?;
            Ok(text.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect())
        };
        let text = fs::read_to_string(folder.join("geonames_cities15000.tsv"))?;
        let population = |line: &str| line.split('\t').nth(3).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let mut rows: Vec<(&str, u64)> =
            text.lines().filter_map(|line| Some((line.split('\t').next()?, population(line)))).collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let large_cities = rows.iter().filter(|(_, people)| *people > 300_000).count();
        let cities: Vec<String> = rows.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut named = BTreeMap::new();
        for (title, body) in sections(PLACES).chain(sections(FILLERS)) {
            named.insert(title, body.trim().split(';').map(str::trim).collect());
        }
        let city_set = cities.iter().map(|name| plain(name)).collect();
        let all_surnames = first("us_census_1990_surnames.tsv")?;
        Ok(Self {
            given,
            surnames,
            frequent_given,
            frequent_surnames,
            cities,
            sections: named,
            city_set,
            all_surnames,
            large_cities,
        })
    }

    /// One of a section of `places.txt` or `fillers.txt`.
    pub(crate) fn one(&self, section: &str, prng: &mut Prng) -> &'static str {
        self.sections.get(section).filter(|list| !list.is_empty()).map_or("", |list| *prng.pick::<&str>(list))
    }

    pub(crate) fn given(&self, prng: &mut Prng) -> String {
        match prng.below(100) {
            0..45 => prng.pick_early(&self.frequent_given).clone(),
            45..85 => prng.pick(&self.given).clone(),
            _ => invented(&self.given, prng),
        }
    }

    pub(crate) fn surname(&self, prng: &mut Prng) -> String {
        match prng.below(100) {
            0..35 => prng.pick_early(&self.frequent_surnames).clone(),
            35..75 => prng.pick(&self.surnames).clone(),
            75..80 => prng.pick::<String>(&self.surnames).clone() + "-" + prng.pick::<String>(&self.surnames),
            _ => invented(&self.surnames, prng),
        }
    }

    pub(crate) fn city(&self, prng: &mut Prng) -> String {
        match prng.below(100) {
            0..30 => prng.pick_early(&self.cities[..self.large_cities]).clone(),
            30..85 => prng.pick(&self.cities).clone(),
            _ => invented(&self.cities, prng),
        }
    }

    pub(crate) fn is_city(&self, name: &str) -> bool {
        self.city_set.contains(&plain(name))
    }

    /// The gazetteer. `small` are words that the corpora often write in small letters.
    pub(crate) fn gazetteer(&self, small: &[String]) -> Vec<u8> {
        let mut words: BTreeMap<String, Classes> = BTreeMap::new();
        let mut add = |word: &str, classes: Classes| {
            if word.len() > 1 {
                let known = words.entry(plain(word)).or_default();
                *known = known.with(classes);
            }
        };
        for (title, body) in sections(CENSUS) {
            let (frequent, rest, count) = match title {
                "surname" => (Classes::SURNAME_FREQUENT, Classes::SURNAME, 1000),
                _ => (Classes::GIVEN_FREQUENT, Classes::GIVEN, 400),
            };
            for (rank, name) in body.split_whitespace().enumerate() {
                add(name, if rank < count { frequent } else { rest });
            }
        }
        for (list, classes) in [(&self.given, Classes::GIVEN), (&self.surnames, Classes::SURNAME)] {
            list.iter().for_each(|name| add(name, classes));
        }
        self.all_surnames.iter().for_each(|name| add(name, Classes::SURNAME_RARE));
        let mut phrase = |name: &str, classes: Classes| {
            let parts: Vec<&str> = name.split([' ', '-', '/', ',']).filter(|part| !part.is_empty()).collect();
            match parts.as_slice() {
                [_] => add(name, classes),
                [first, later @ ..] if later.len() < 4 => {
                    add(first, Classes::PLACE_FIRST);
                    later.iter().for_each(|part| add(part, Classes::PLACE_LATER));
                    add(&parts.join(" "), classes);
                    add(name, classes);
                }
                _ => {}
            }
        };
        for (rank, name) in self.cities.iter().enumerate() {
            phrase(name, if rank < self.large_cities { Classes::CITY_LARGE } else { Classes::CITY });
        }
        for (section, classes) in [
            ("country", Classes::COUNTRY),
            ("region", Classes::REGION),
            ("nationality", Classes::NATIONALITY),
            ("organisation", Classes::ORGANISATION),
            ("organisation-word", Classes::ORGANISATION_WORD),
            ("place-word", Classes::PLACE_WORD),
        ] {
            self.sections.get(section).into_iter().flatten().for_each(|name| phrase(name, classes));
        }
        for word in WORDS.split_whitespace().chain(small.iter().map(String::as_str)) {
            add(word, Classes::ORDINARY);
        }
        build_gazetteer(words.iter().map(|(word, classes)| (word.as_str(), *classes)))
    }
}

/// The beginning of one name and the end of another: no list knows it.
fn invented(names: &[String], prng: &mut Prng) -> String {
    for _ in 0..20 {
        let (left, right) = (prng.pick(names), prng.pick(names));
        let letters = |name: &str| name.chars().all(char::is_alphabetic) && name.chars().count() > 4;
        if letters(left) && letters(right) {
            let keep = left.chars().count() / 2 + 1;
            let skip = right.chars().count() / 2;
            return left.chars().take(keep).chain(right.chars().skip(skip)).collect();
        }
    }
    prng.pick(names).clone()
}
