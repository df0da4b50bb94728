//! Quasi-identifiers of every subject: from columns of the data, or out of the text.
//!
//! A column is named by JSON pointer and can be made coarser: `/age:10` in bands of ten, `/zip:3` by the first three
//! characters. Out of the text come age, postcode, sex, dates and occupation, each only where a cue says so, because a stray
//! number is no age. All records of a subject count together: what several of them say is joined, since whoever knows the
//! subject may have seen any of them. Records without a subject stand for themselves.
//!
//! Invariants: values are compared without case and outer white space; reading a text takes linear time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::anonymity::Subject;
use super::occupation::is_occupation;
use crate::records::Record;

/// Where a quasi-identifier comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quasi {
    /// A column, by JSON pointer, perhaps made coarser.
    Column {
        /// The pointer.
        pointer: String,
        /// Width of the bands of numbers, number of first characters of other values.
        coarse: Option<u32>,
    },
    /// Something that the text says.
    Said(Said),
}

/// What a text can say about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// Age in years.
    Age,
    /// Postcode or ZIP code.
    Postcode,
    /// Sex, by titles, pronouns and words of kinship.
    Sex,
    /// Calendar dates.
    Date,
    /// Occupation.
    Job,
}

impl Said {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Age, Self::Postcode, Self::Sex, Self::Date, Self::Job];

    fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Postcode => "postcode",
            Self::Sex => "sex",
            Self::Date => "date",
            Self::Job => "job",
        }
    }

    /// What is read out of the text, and what counts as a value.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Age => "an age in years that a cue names, such as “aged 34” or “34 years old”",
            Self::Postcode => {
                "a British postcode by its form, or a code of five digits behind a word or state that announces it"
            }
            Self::Sex => {
                "whether titles, pronouns and words of kinship are more often female or male in a record, whoever they are \
                 about; the values are female, male, both where the records of one subject differ, and none"
            }
            Self::Date => "a calendar date with its year",
            Self::Job => "an occupation that a cue names, such as “works as a nurse”",
        }
    }
}

impl fmt::Display for Quasi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column { pointer, coarse: None } => f.write_str(pointer),
            Self::Column { pointer, coarse: Some(width) } => write!(f, "{pointer}:{width}"),
            Self::Said(said) => write!(f, "text:{}", said.name()),
        }
    }
}

impl FromStr for Quasi {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix("text:") {
            let said = Said::ALL.into_iter().find(|said| said.name() == name);
            return said.map(Self::Said).ok_or("a text says age, postcode, sex, date or job, such as text:age");
        }
        if !text.starts_with('/') {
            return Err("must be a JSON pointer such as /age, /zip:3, or text:age");
        }
        let coarse = text.rsplit_once(':').and_then(|(pointer, width)| Some((pointer, width.parse::<u32>().ok()?)));
        match coarse {
            Some((_, 0)) => Err("a width is at least 1"),
            Some((pointer, width)) => Ok(Self::Column { pointer: pointer.into(), coarse: Some(width) }),
            None => Ok(Self::Column { pointer: text.into(), coarse: None }),
        }
    }
}

/// Gathers quasi-identifiers by subject.
pub struct Subjects {
    quasi: Vec<Quasi>,
    sensitive: Option<String>,
    /// For each subject the values of every quasi-identifier, and of the sensitive column.
    gathered: BTreeMap<Who, Vec<BTreeSet<String>>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Named(String),
    Record(usize),
}

impl Subjects {
    /// For these quasi-identifiers, and a sensitive column by JSON pointer.
    pub fn new(quasi: Vec<Quasi>, sensitive: Option<String>) -> Self {
        Self { quasi, sensitive, gathered: BTreeMap::new() }
    }

    /// Adds what a record says about its subject.
    pub fn add(&mut self, record: &Record) {
        let who = record.subject.clone().map_or(Who::Record(self.gathered.len()), Who::Named);
        let said = self.quasi.iter().any(|quasi| matches!(quasi, Quasi::Said(_))).then(|| said(record));
        let values = self.gathered.entry(who).or_insert_with(|| vec![BTreeSet::new(); self.quasi.len() + 1]);
        for (quasi, values) in self.quasi.iter().zip(values.iter_mut()) {
            match quasi {
                Quasi::Column { pointer, coarse } => values.extend(column(record, pointer, *coarse)),
                Quasi::Said(what) => {
                    values
                        .extend(said.iter().flatten().filter(|(kind, _)| kind == what).map(|(_, value)| value.clone()));
                }
            }
        }
        if let (Some(pointer), Some(values)) = (&self.sensitive, values.last_mut()) {
            values.extend(column(record, pointer, None));
        }
    }

    /// One row for each subject.
    pub fn rows(self) -> Vec<Subject> {
        let joined = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(" | ");
        let row = |mut values: Vec<BTreeSet<String>>| {
            let sensitive = values.pop().map(joined).filter(|value| !value.is_empty());
            Subject { quasi: values.into_iter().map(joined).collect(), sensitive }
        };
        self.gathered.into_values().map(row).collect()
    }
}

/// The values of a column: one, those of a list, or none.
fn column(record: &Record, pointer: &str, coarse: Option<u32>) -> Vec<String> {
    let scalar = |value: &Value| {
        let text = match value {
            Value::String(text) => text.trim().to_lowercase(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => return None,
        };
        let is_number = value.is_number();
        (!text.is_empty()).then(|| coarse.map_or_else(|| text.clone(), |width| coarser(&text, is_number, width)))
    };
    match record.value(pointer) {
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(value) => scalar(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// A number as its band (`34` in bands of 10: `30-39`), anything else as its first characters. In quotation marks, what has a
/// leading zero, or five digits and more than `width`, is a code such as a postcode and not a number.
fn coarser(text: &str, is_number: bool, width: u32) -> String {
    let digits = text.len();
    let is_code = !is_number && (digits > 1 && text.starts_with('0') || digits > 4 && digits > width as usize);
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_code => {
            let width = f64::from(width);
            let from = (number / width).floor() * width;
            format!("{from}-{}", from + width - 1.0)
        }
        _ => {
            let kept: String = text.chars().take(width as usize).collect();
            if kept.len() < text.len() { kept + "*" } else { kept }
        }
    }
}

/// What the texts of a record say about a person.
fn said(record: &Record) -> Vec<(Said, String)> {
    let mut found = Vec::new();
    let (mut female, mut male) = (0, 0);
    for (_, text) in record.fields() {
        let words = Words::of(text);
        for at in 0..words.0.len() {
            found.extend(words.age(at).map(|age| (Said::Age, age)));
            found.extend(words.postcode(at).map(|code| (Said::Postcode, code)));
            found.extend(words.date(at).map(|date| (Said::Date, date)));
            found.extend(words.job(at).map(|job| (Said::Job, job)));
            female += usize::from(FEMALE.contains(&words.at(at)));
            male += usize::from(MALE.contains(&words.at(at)));
        }
    }
    if female != male {
        found.push((Said::Sex, if female > male { "female" } else { "male" }.into()));
    }
    found
}

const FEMALE: [&str; 24] = [
    "she",
    "her",
    "hers",
    "herself",
    "mrs",
    "ms",
    "miss",
    "madam",
    "woman",
    "female",
    "girl",
    "mother",
    "wife",
    "daughter",
    "sister",
    "grandmother",
    "aunt",
    "widow",
    "frau",
    "mme",
    "madame",
    "señora",
    "sra",
    "elle",
];
const MALE: [&str; 24] = [
    "he",
    "him",
    "his",
    "himself",
    "mr",
    "sir",
    "man",
    "male",
    "boy",
    "father",
    "husband",
    "son",
    "brother",
    "grandfather",
    "uncle",
    "widower",
    "herr",
    "monsieur",
    "señor",
    "sr",
    "lui",
    "gentleman",
    "dad",
    "grandson",
];

/// The words of a text in lower case, with what stood between them and whether they began with a capital.
struct Words(Vec<Word>);

struct Word {
    lower: String,
    capital: bool,
    /// The character before the word if it stands alone between two words, such as the `/` of a date.
    joint: Option<char>,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Vec::new();
        let mut start = None;
        let mut between: (usize, Option<char>) = (2, None);
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            match (c.is_alphanumeric(), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    let word = &text[from..at];
                    words.push(Word {
                        lower: word.to_lowercase(),
                        capital: word.starts_with(char::is_uppercase),
                        joint: between.1.filter(|_| between.0 == 1),
                    });
                    (start, between) = (None, (1, Some(c)));
                }
                (false, None) => between.0 += 1,
                (true, Some(_)) => {}
            }
        }
        Self(words)
    }

    fn at(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |word| word.lower.as_str())
    }

    fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.at(at))
    }

    fn joint(&self, at: usize) -> Option<char> {
        self.0.get(at).and_then(|word| word.joint)
    }

    /// A number that words around it make an age.
    fn age(&self, at: usize) -> Option<String> {
        let word = self.at(at);
        let years: u32 = word.parse().ok().filter(|years| (1..=120).contains(years))?;
        let (next, after) = (self.at(at + 1), self.at(at + 2));
        let (last, earlier) = (self.before(at, 1), self.before(at, 2));
        let english = matches!((next, after), ("years" | "year" | "yrs" | "yr", "old" | "of"))
            || matches!(next, "yo" | "yrold")
            || (next, after) == ("y", "o");
        let german = (next, after) == ("jahre", "alt") || next.starts_with("jährig") || next.starts_with("jaehrig");
        let romance = matches!(next, "ans" | "años" | "anni")
            && matches!(last, "ai" | "a" | "âgé" | "âgée" | "de" | "tengo" | "tiene" | "ho" | "ha");
        let cue = matches!(last, "age" | "aged" | "alter" | "âge" | "edad" | "età")
            || matches!(last, "is" | "of") && matches!(earlier, "age" | "alter");
        (english || german || romance || cue).then(|| years.to_string())
    }

    /// A British postcode by its form, a code of five digits by the word or the state before it.
    fn postcode(&self, at: usize) -> Option<String> {
        let word = self.0.get(at)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if word.lower.len() == 5 && digits(&word.lower) {
            let (last, earlier) = (self.before(at, 1), self.before(at, 2));
            let named = ["zip", "plz", "postcode", "zipcode", "postleitzahl", "cp"].contains(&last)
                || matches!((earlier, last), ("zip" | "postal", "code") | ("code", "postal") | ("código", "postal"));
            let state = at > 0 && self.0[at - 1].capital && STATES.contains(&last);
            return (named || state).then(|| word.lower.clone());
        }
        let outward = word.lower.as_bytes();
        let letters = outward.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        let form = (1..=2).contains(&letters)
            && (letters + 1..=letters + 2).contains(&outward.len())
            && outward[letters].is_ascii_digit()
            && outward[letters + 1..].iter().all(u8::is_ascii_alphanumeric);
        let areas = letters != 1 || b"beglmnsw".contains(&outward[0]);
        let inward = self.at(at + 1);
        let ends = inward.len() == 3
            && inward.as_bytes()[0].is_ascii_digit()
            && inward.as_bytes()[1..].iter().all(u8::is_ascii_lowercase)
            && self.joint(at + 1) == Some(' ');
        (form && areas && word.capital && ends).then(|| format!("{} {inward}", word.lower))
    }

    /// A calendar date: `2024-03-05`, `5.3.2024`, `3/5/2024`, `5 March 2024`, `March 5, 2024`.
    fn date(&self, at: usize) -> Option<String> {
        let (one, two, three) = (self.at(at), self.at(at + 1), self.at(at + 2));
        let number = |text: &str, most: u32| text.parse::<u32>().ok().filter(|n| (1..=most).contains(n));
        let year = |text: &str| number(text, 2100).filter(|year| *year >= 1900 && text.len() == 4);
        let joints = (self.joint(at + 1), self.joint(at + 2));
        if let (Some(joint), true) = (joints.0.filter(|c| matches!(c, '-' | '/' | '.')), joints.0 == joints.1) {
            if let (Some(year), Some(month), Some(day)) = (year(one), number(two, 12), number(three, 31)) {
                return Some(format!("{year}-{month:02}-{day:02}"));
            }
            // With a slash nobody knows which is the month: the figures are kept in their order.
            if let (Some(day), Some(month), Some(year)) = (number(one, 31), number(two, 31), year(three)) {
                return match joint {
                    '/' => Some(format!("{day}/{month}/{year}")),
                    _ => (month <= 12).then(|| format!("{year}-{month:02}-{day:02}")),
                };
            }
        }
        let day = |text: &str| number(text.trim_end_matches(['s', 't', 'n', 'd', 'r', 'h']), 31);
        let (middle, last) = if two == "of" { (three, self.at(at + 3)) } else { (two, three) };
        if let (Some(day), Some(month), Some(year)) = (day(one), month(middle), year(last)) {
            return Some(format!("{year}-{month:02}-{day:02}"));
        }
        let (Some(month), Some(day), Some(year)) = (month(one), day(two), year(three)) else { return None };
        Some(format!("{year}-{month:02}-{day:02}"))
    }

    /// An occupation that a word shortly before it makes somebody's.
    fn job(&self, at: usize) -> Option<String> {
        const CUES: [&str; 19] = [
            "as",
            "am",
            "m",
            "is",
            "was",
            "work",
            "works",
            "worked",
            "job",
            "occupation",
            "profession",
            "als",
            "bin",
            "ist",
            "beruf",
            "suis",
            "est",
            "soy",
            "es",
        ];
        let two = format!("{} {}", self.at(at), self.at(at + 1));
        let name = [two.as_str(), self.at(at)].into_iter().find(|name| is_occupation(name))?;
        // The second word of a longer name, such as the driver of a taxi driver.
        if is_occupation(&format!("{} {}", self.before(at, 1), self.at(at))) {
            return None;
        }
        let said = (1..=3).any(|back| CUES.contains(&self.before(at, back)));
        said.then(|| name.to_owned())
    }
}

fn month(name: &str) -> Option<u32> {
    const MONTHS: [&[&str]; 12] = [
        &["january", "jan", "januar", "janvier", "enero"],
        &["february", "feb", "februar", "février", "febrero"],
        &["march", "mar", "märz", "mars", "marzo"],
        &["april", "apr", "avril", "abril"],
        &["may", "mai", "mayo"],
        &["june", "jun", "juni", "juin", "junio"],
        &["july", "jul", "juli", "juillet", "julio"],
        &["august", "aug", "août", "agosto"],
        &["september", "sep", "sept", "septembre", "septiembre"],
        &["october", "oct", "oktober", "octobre", "octubre"],
        &["november", "nov", "novembre", "noviembre"],
        &["december", "dec", "dezember", "décembre", "diciembre"],
    ];
    MONTHS.iter().position(|names| names.contains(&name)).map(|index| index as u32 + 1)
}

/// Codes of the states of the USA, in lower case.
const STATES: [&str; 51] = [
    "al", "ak", "az", "ar", "ca", "co", "ct", "de", "dc", "fl", "ga", "hi", "id", "il", "in", "ia", "ks", "ky", "la",
    "me", "md", "ma", "mi", "mn", "ms", "mo", "mt", "ne", "nv", "nh", "nj", "nm", "ny", "nc", "nd", "oh", "ok", "or",
    "pa", "ri", "sc", "sd", "tn", "tx", "ut", "vt", "va", "wa", "wv", "wi", "wy",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::records::{Columns, read_from};

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let line = serde_json::json!({"text": text}).to_string();
        let dataset = read_from(line.as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
        said(&dataset.records[0]).into_iter().map(|(said, value)| (said.name(), value)).collect()
    }

    fn only(text: &str, name: &str) -> Vec<String> {
        found(text).into_iter().filter(|(said, _)| *said == name).map(|(_, value)| value).collect()
    }

    #[test]
    fn ages_need_a_cue() {
        for text in [
            "A 34-year-old patient",
            "She is 34 years old",
            "aged 34",
            "Age: 34",
            "34 yo",
            "Sie ist 34 Jahre alt",
            "ein 34-jähriger Mann",
            "j'ai 34 ans",
            "tengo 34 años",
            "34 y/o",
        ] {
            assert_eq!(only(text, "age"), ["34"], "{text}");
        }
        for text in ["34 boxes", "for 34 years", "since 34 ans", "age 340", "room 34"] {
            assert_eq!(only(text, "age"), [""; 0], "{text}");
        }
    }

    #[test]
    fn postcodes_by_form_or_cue() {
        assert_eq!(only("12 High Street, Leeds LS1 4AP, thanks", "postcode"), ["ls1 4ap"]);
        assert_eq!(only("Springfield, IL 62704", "postcode"), ["62704"]);
        assert_eq!(only("PLZ 10115 Berlin, zip code 94107", "postcode"), ["10115", "94107"]);
        assert_eq!(only("order 62704, in 12345 parts, take A1 4th", "postcode"), [""; 0]);
    }

    #[test]
    fn dates_in_one_form() {
        for text in ["2024-03-05", "5.3.2024", "5 March 2024", "March 5, 2024", "the 5th of March 2024", "5 mars 2024"]
        {
            assert_eq!(only(text, "date"), ["2024-03-05"], "{text}");
        }
        assert_eq!(only("on 3/5/2024", "date"), ["3/5/2024"]);
        for text in ["2024-13-05", "version 5.3.1", "32.1.2024", "March 2024", "5-3-24"] {
            assert_eq!(only(text, "date"), [""; 0], "{text}");
        }
    }

    #[test]
    fn sex_and_occupation() {
        assert_eq!(only("Mrs Lee called, she works as a nurse.", "sex"), ["female"]);
        assert_eq!(only("he and she", "sex"), [""; 0]);
        assert_eq!(only("Mrs Lee called, she works as a nurse.", "job"), ["nurse"]);
        assert_eq!(only("I'm a taxi driver", "job"), ["taxi driver"]);
        assert_eq!(only("the nurse called me back", "job"), [""; 0]);
    }

    #[test]
    fn columns_can_be_coarser() {
        let quoted = |text: &str, width| coarser(text, false, width);
        assert_eq!([quoted("34", 10), quoted("30", 10), quoted("9", 5)], ["30-39", "30-39", "5-9"]);
        assert_eq!([quoted("01234", 3), quoted("62704", 3), quoted("ls1 4ap", 3)], ["012*", "627*", "ls1*"]);
        assert_eq!(
            [quoted("52000", 1000), coarser("62704", true, 3), quoted("ab", 3)],
            ["52000-52999", "62703-62705", "ab"]
        );
        for text in ["/age", "/zip:3", "text:age", "/a:b"] {
            assert_eq!(text.parse::<Quasi>().unwrap().to_string(), text);
        }
        for bad in ["age", "/age:0", "text:name", ""] {
            assert!(bad.parse::<Quasi>().is_err(), "{bad}");
        }
    }

    #[test]
    fn records_of_a_subject_count_together() {
        let lines = r#"{"subject":"s1","age":34,"zip":"01234","ill":"flu","text":"t"}
{"subject":"s2","age":36,"zip":"01299","ill":"gout","text":"t"}
{"subject":"s1","age":35,"ill":"flu","text":"t"}
{"age":null,"text":"t"}"#;
        let dataset = read_from(lines.as_bytes(), &Columns::default()).unwrap_or_else(|e| panic!("{e}"));
        let quasi = ["/age:10", "/zip:3"].map(|text| text.parse().unwrap()).to_vec();
        let mut subjects = Subjects::new(quasi, Some("/ill".into()));
        dataset.records.iter().for_each(|record| subjects.add(record));
        let rows: Vec<_> = subjects.rows().into_iter().map(|row| (row.quasi.join(","), row.sensitive)).collect();
        let same = "30-39,012*".to_owned();
        assert_eq!(rows, [(same.clone(), Some("flu".into())), (same, Some("gout".into())), (",".into(), None)]);
    }
}
