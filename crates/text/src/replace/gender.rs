//! Whether a word is somebody's given name, and of which gender its bearer is: what titles, kin words and pronouns beside
//! the name say, in English, German, Spanish, French and Italian.
//!
//! Invariants: only a bounded stretch on both sides of a name is read, so the time is linear; what is learned of a word
//! holds within one scope. Where nothing tells, a name that women and men bear is given.

use std::borrow::Cow;

use super::draw::folded;
use super::person::bearers;
use super::wrapped::Written;
use crate::detect::names::{self, Filler, Gender};
use crate::detect::nested::{BASE64, DEPTH};
use crate::detect::normal::undone;
use crate::detect::{Label, Span};

/// What is said of a word of a name within a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hint {
    female: u16,
    male: u16,
    /// Pronouns that follow, which are weaker.
    she: u16,
    he: u16,
    given: u16,
    surname: u16,
}

impl Hint {
    pub(super) fn add(&mut self, other: Self) {
        let sum = |a: &mut u16, b: u16| *a = a.saturating_add(b);
        sum(&mut self.female, other.female);
        sum(&mut self.male, other.male);
        sum(&mut self.she, other.she);
        sum(&mut self.he, other.he);
        sum(&mut self.given, other.given);
        sum(&mut self.surname, other.surname);
    }

    fn told(mut self, gender: Gender, weight: u16) -> Self {
        match gender {
            Gender::Female => self.female += weight,
            Gender::Male => self.male += weight,
            Gender::Surname => {}
        }
        self
    }
}

/// What kind of name takes the place of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Surname,
    Given(Gender),
    /// A given name of women and men.
    Either,
}

/// Weight of the lists of names against what the text says.
const LISTED: u16 = 3;

/// What a word is: by the lists (`listed`; absent for an unknown word), and by what the text says of it.
pub(super) fn sort(canonical: &str, listed: Option<Gender>, hint: Option<Hint>) -> Sort {
    let hint = hint.unwrap_or_default();
    let is_given = match listed {
        Some(Gender::Surname) => {
            hint.given >= LISTED && hint.surname == 0 && names::shared().look_up(canonical).is_given()
        }
        Some(_) => true,
        None => hint.given > hint.surname,
    };
    if !is_given {
        return Sort::Surname;
    }
    let mut balance = i32::from(hint.female) - i32::from(hint.male);
    balance += (i32::from(hint.she) - i32::from(hint.he)).clamp(-2, 2);
    if !DIFFERS.contains(&canonical) {
        balance += match listed {
            Some(Gender::Female) => i32::from(LISTED),
            Some(Gender::Male) => -i32::from(LISTED),
            _ => 0,
        };
    }
    match balance {
        0 => Sort::Either,
        1.. => Sort::Given(Gender::Female),
        _ => Sort::Given(Gender::Male),
    }
}

/// The gender that the lists give to a bearer of the name, if it is the same everywhere.
pub(super) fn listed(canonical: &str) -> Option<Gender> {
    let gender = names::shared().gender(canonical).filter(|gender| *gender != Gender::Surname)?;
    (!DIFFERS.contains(&canonical)).then_some(gender)
}

/// The gender of a title, lower case without diacritics.
fn title(word: &str) -> Option<Gender> {
    match word {
        "mrs" | "ms" | "miss" | "madam" | "dame" | "lady" | "frau" | "fraulein" | "senora" | "senorita" | "sra"
        | "srta" | "dona" | "dna" | "madame" | "mme" | "mlle" | "mademoiselle" | "signora" | "signorina"
        | "dottoressa" | "ssa" => Some(Gender::Female),
        "mr" | "mister" | "sir" | "lord" | "herr" | "herrn" | "senor" | "sr" | "don" | "monsieur" | "signor"
        | "sig" | "dottor" => Some(Gender::Male),
        _ => None,
    }
}

/// Titles that go with a given name: Doña Pilar, Sir Ian.
const WITH_GIVEN: [&str; 4] = ["dona", "don", "sir", "dame"];

/// Forms of address that go with a given name where no title stands between.
const GREETINGS: &str = " hi hello hey dear hallo lieber liebe hola querido querida estimado estimada caro cara ciao salut \
                         cher chere bonjour ";

const WOMEN: &str = " wife mother mom mum mummy daughter sister aunt niece grandmother grandma granddaughter girlfriend \
                     widow fiancee stepmother stepdaughter stepsister ehefrau frau mutter mama tochter schwester tante \
                     nichte grossmutter oma enkelin freundin witwe schwagerin cousine schwiegermutter stieftochter esposa \
                     mujer madre hija hermana tia sobrina abuela nieta novia viuda prima cunada suegra nina femme epouse \
                     mere maman fille soeur niece copine veuve compagne moglie mamma figlia sorella zia nonna fidanzata \
                     vedova cugina suocera compagna girl woman ";

const MEN: &str = " husband father dad daddy son brother uncle nephew grandfather grandpa grandson boyfriend widower fiance \
                   stepfather stepson stepbrother ehemann mann vater papa sohn bruder onkel neffe grossvater opa enkel \
                   freund witwer schwager schwiegervater stiefsohn esposo marido padre hijo hermano tio sobrino abuelo \
                   nieto novio viudo primo cunado suegro nino mari pere fils frere oncle neveu copain veuf compagnon \
                   marito figlio fratello zio nonno fidanzato vedovo cugino suocero compagno boy ";

const CHILDREN: &str = " child kid baby friend partner twin cousin toddler sibling kind bebe enfant bambino bambina ";

/// What may stand between a kin word and the name: "su hija de 7 años, Nerea".
const LINKS: &str = " of aged age old year years month months named called is was who s de di von im mit alt jahre jahren \
                     jahriger jahrige monate namens heisst ist anos ano mes meses llamada llamado se llama es era ans an \
                     mois agee age appelee appele nommee nomme est anni mesi chiamata chiamato e the el la le il ";

const SHE: &str = " she her hers herself elle ella lei sie ihr ihre ihrem ihren ihrer ";
const HE: &str = " he him his himself er ihn ihm sein seine seinem seinen seiner egli ";

/// Given names that women bear in one country and men in another, or both anywhere: the lists do not decide.
const DIFFERS: [&str; 48] = [
    "alex",
    "alexis",
    "andrea",
    "angel",
    "ariel",
    "ashley",
    "camille",
    "carmel",
    "charlie",
    "chris",
    "claude",
    "cruz",
    "dana",
    "daniele",
    "dominique",
    "gabriele",
    "guadalupe",
    "jamie",
    "jan",
    "janne",
    "jean",
    "jessie",
    "jo",
    "jordan",
    "kai",
    "kelly",
    "kerry",
    "kim",
    "laurence",
    "laverne",
    "leslie",
    "luca",
    "marion",
    "maxime",
    "michele",
    "mika",
    "morgan",
    "nicola",
    "pat",
    "robin",
    "rosario",
    "sam",
    "sasha",
    "sascha",
    "simone",
    "taylor",
    "toni",
    "trinidad",
];

/// Given names of women and men, with each initial that surrogates may have.
const EITHER: &str = "Alex Ariel Avery Angel Ashton Aubrey Bailey Blair Blake Bobbie Brett Brook Cameron Casey Charlie \
                      Chris Corey Courtney Dakota Dale Dana Darcy Devon Drew Eden Ellery Ellis Emerson Emery Evan Finley \
                      Florian Frankie Fran Fenton Gale Gerry Glenn Greer Guadalupe Harley Harper Hayden Hollis Hilary \
                      Jackie Jaime Jamie Jessie Jody Jordan Kai Kelly Kendall Kerry Kim Kit Lane Lee Leslie Logan London \
                      Lou Marion Max Mel Merle Micah Morgan Nat Nicky Noa Noel Nevada Parker Pat Peyton Perry Phoenix Reese \
                      Remy Rene Riley Robin Rory Rowan Sam Sascha Sasha Shannon Shiloh Sidney Skyler Tatum Taylor Teddy \
                      Terry Toby Tracy Whitney Wallis Winter Wren Wynn";

/// The names of [`EITHER`] with an initial, in capitals.
pub(super) fn either(initial: u8) -> Vec<&'static str> {
    EITHER.split_whitespace().filter(|name| name.as_bytes()[0] == initial).collect()
}

/// What the text around a name says of it.
pub(super) struct Said {
    /// Index of the span.
    pub(super) at: usize,
    /// Its words without titles and particles, in canonical form; initials among them.
    pub(super) words: Vec<String>,
    /// The gender of its title.
    pub(super) title: Option<Gender>,
    hint: Hint,
}

impl Said {
    /// What is said of each word of the name.
    pub(super) fn hints(&self) -> impl Iterator<Item = (&str, Hint)> {
        let known = |word: &String| names::shared().gender(word);
        let is_given = |word: &String| matches!(known(word), Some(Gender::Female | Gender::Male));
        // "Kowalczyk Anna": the surname stands in front.
        let reversed = self.words.len() == 2 && !is_given(&self.words[0]) && is_given(&self.words[1]);
        let last = self.words.len() - 1;
        self.words.iter().enumerate().map(move |(at, word)| {
            let mut hint = self.hint;
            if last > 0 && (at == 0) != reversed {
                hint.given += 2;
            } else if last > 0 && (at == last || reversed) {
                hint = Hint { surname: hint.surname + 2, ..Hint::default() };
            }
            (word.as_str(), hint)
        })
    }
}

/// Bytes that are read on each side of a name.
const REACH: usize = 120;

/// Reads what stands around every name of a person.
pub(super) fn read(text: &str, spans: &[Span]) -> Vec<Said> {
    let people: Vec<usize> = (0..spans.len())
        .filter(|at| spans[*at].label == Label::PERSON && text.get(spans[*at].start..spans[*at].end).is_some())
        .collect();
    let mut said = Vec::with_capacity(people.len());
    for (n, at) in people.iter().enumerate() {
        let span = &spans[*at];
        let floor = n.checked_sub(1).map_or(0, |n| spans[people[n]].end).max(span.start.saturating_sub(REACH));
        let ceiling = people.get(n + 1).map_or(text.len(), |next| spans[*next].start).min(span.end + REACH);
        let written = Written::read(span, &text[span.start..span.end]);
        let value = written.value();
        let words = if span.kind == Some(BASE64) { Vec::new() } else { bearers(value) };
        if words.is_empty() {
            continue;
        }
        let before = tail(text, floor.min(span.start), span.start);
        let after = head(text, span.end, ceiling.max(span.end));
        let plain = |text| undone(text, DEPTH).map_or(Cow::Borrowed(text), Cow::Owned);
        said.push(around(*at, value, words, &plain(before), &plain(after)));
    }
    said
}

/// `text[from..to]`, shortened to the next border of a character.
fn tail(text: &str, from: usize, to: usize) -> &str {
    let from = (from..=to).find(|at| text.is_char_boundary(*at)).unwrap_or(to);
    &text[from..to]
}

fn head(text: &str, from: usize, to: usize) -> &str {
    let to = (from..=to.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(from);
    &text[from..to]
}

/// Words of a stretch in canonical form, with what stands before each.
fn words(text: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let gap = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
        let word = &rest[gap..];
        let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
        if end == 0 {
            return found;
        }
        found.push((names::plain(&word[..end]), &rest[..gap]));
        rest = &word[end..];
    }
}

fn among(list: &str, word: &str) -> bool {
    list.contains(&format!(" {word} "))
}

fn kin(word: &str) -> Option<Option<Gender>> {
    match word {
        _ if among(WOMEN, word) => Some(Some(Gender::Female)),
        _ if among(MEN, word) => Some(Some(Gender::Male)),
        _ if among(CHILDREN, word) => Some(None),
        _ => None,
    }
}

fn pronoun(word: &str) -> Option<Gender> {
    match word {
        _ if among(SHE, word) => Some(Gender::Female),
        _ if among(HE, word) => Some(Gender::Male),
        _ => None,
    }
}

fn around(at: usize, value: &str, own: Vec<String>, before: &str, after: &str) -> Said {
    let mut hint = Hint::default();
    let left = words(before);
    let is_title = |word: &str| {
        title(word).is_some()
            || names::name_filler(word) == Some(Filler::Honorific)
            || matches!(word, "dra" | "med" | "h" | "c" | "ra" | "dipl" | "ing")
    };
    let gap_to_name =
        before.rfind(char::is_alphanumeric).map_or(before, |n| before[n..].trim_start_matches(char::is_alphanumeric));
    // Titles before the name, the nearest first, and those within it.
    let tight = |gap: &str| gap.chars().all(|c| c == ' ' || c == '.' || c == '\u{a0}') && gap.len() < 4;
    let mut titles: Vec<String> = Vec::new();
    let mut gap = gap_to_name;
    let mut seen = left.len();
    while tight(gap) && seen > 0 && is_title(&left[seen - 1].0) && titles.len() < 6 {
        seen -= 1;
        titles.push(left[seen].0.clone());
        gap = left[seen].1;
    }
    titles.extend(words(value).into_iter().map(|(word, _)| word).take_while(|word| is_title(word)));
    let joined = titles.iter().any(|word| word == "ra") && titles.iter().any(|word| word == "sig");
    let of_title = if joined { Some(Gender::Female) } else { titles.iter().find_map(|word| title(word)) };
    if let Some(gender) = of_title {
        hint = hint.told(gender, 8);
    }
    let alone = own.len() == 1;
    if alone && !titles.is_empty() {
        if titles.iter().any(|word| WITH_GIVEN.contains(&word.as_str())) { hint.given += 3 } else { hint.surname += 3 }
    }
    // The nearest kin word, past nothing but words that link the two: "his wife, Ana", "su hija de 7 años, Nerea".
    for (word, gap_before) in left[..seen].iter().rev().take(8) {
        if gap.contains(['\n', ';', '!', '?', '"']) || gap.contains(". ") {
            break;
        }
        if let Some(gender) = kin(word) {
            // German `Frau` directly before a name is a title.
            hint = gender.map_or(hint, |gender| hint.told(gender, 6));
            if alone && titles.is_empty() {
                hint.given += 3;
            }
            break;
        }
        if gap.trim() == "("
            && let Some(gender) = pronoun(word)
        {
            hint = hint.told(gender, 6);
            hint.given += 3;
            break;
        }
        if !among(LINKS, word) && !word.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        gap = gap_before;
    }
    if alone && titles.is_empty() {
        let greeted = left.last().is_some_and(|(word, _)| among(GREETINGS, word)) && gap_to_name.trim().is_empty();
        let signed = before.trim_end_matches(' ').ends_with(['-', '–', '—', '\n']) && after.trim().is_empty();
        if greeted || signed {
            hint.given += 2;
        }
    }
    let right = words(after);
    if let Some(gender) = said_to_be(after, &right) {
        hint = hint.told(gender, 6);
    }
    if let Some(gender) = right
        .iter()
        .take_while(|(_, gap)| !gap.contains("\n\n"))
        .find_map(|(word, _)| pronoun(word).filter(|_| !is_formal(after, word)))
    {
        if gender == Gender::Female { hint.she += 1 } else { hint.he += 1 }
    }
    Said { at, words: own, title: of_title, hint }
}

/// German `Sie` and `Ihr` address the reader; small they are "she" and "her".
fn is_formal(after: &str, word: &str) -> bool {
    let capital = || word[..1].to_uppercase() + &word[1..];
    (word.starts_with("sie") || word.starts_with("ihr")) && after.contains(&capital())
}

/// "Andrea Schulz is his wife", "Paul, mein Sohn,".
fn said_to_be(after: &str, right: &[(String, &str)]) -> Option<Gender> {
    let is = right.first().is_some_and(|(word, gap)| {
        gap.trim().is_empty()
            && matches!(word.as_str(), "is" | "was" | "ist" | "war" | "es" | "era" | "est" | "e" | "etait")
    });
    let comma = right.first().is_some_and(|(_, gap)| gap.trim() == ",");
    let from = usize::from(is);
    if !is && !comma {
        return None;
    }
    let (whose, kin_word) = (right.get(from)?, right.get(from + 1)?);
    let possessive = matches!(
        whose.0.as_str(),
        "his"
            | "her"
            | "their"
            | "my"
            | "your"
            | "our"
            | "the"
            | "mein"
            | "meine"
            | "sein"
            | "seine"
            | "ihr"
            | "ihre"
            | "unser"
            | "unsere"
            | "mi"
            | "su"
            | "la"
            | "el"
            | "sa"
            | "son"
            | "ma"
            | "mon"
            | "sua"
            | "suo"
            | "mia"
            | "mio"
    );
    let gender = kin(&kin_word.0).flatten().filter(|_| possessive)?;
    // "John, his wife Ana" and "John, his wife and" speak of somebody else.
    let closed = right.get(from + 2).map_or_else(
        || after.trim_end().ends_with(|c: char| !c.is_alphanumeric()),
        |(_, gap)| gap.contains([',', '.', ';', ')', '\n']),
    );
    (is || closed).then_some(gender)
}

/// Whether two ways to write a name are of one gender, as far as both tell.
pub(super) fn agree(a: Option<Gender>, b: Option<Gender>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// The gender of the bearer of a name: its title's, or else that of its first word in the lists.
pub(super) fn of_bearer(title: Option<Gender>, words: &[String]) -> Option<Gender> {
    title.or_else(|| words.first().and_then(|word| listed(&folded(word))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hint of the first word of the first name.
    fn first(text: &str, name: &str) -> Hint {
        let start = text.find(name).unwrap_or(0);
        let said = read(text, &[Span::new(start, start + name.len(), Label::PERSON, 1.0)]);
        said[0].hints().next().map(|(_, hint)| hint).unwrap_or_default()
    }

    fn sorted(text: &str, name: &str) -> Sort {
        let word = name.split(' ').next().unwrap_or_default().to_lowercase();
        sort(&word, names::shared().gender(&word), Some(first(text, name)))
    }

    #[test]
    fn what_stands_beside_a_name_tells() {
        let (man, woman) = (Sort::Given(Gender::Male), Sort::Given(Gender::Female));
        for (text, name, want) in [
            ("Sig.ra Andrea Rossi", "Andrea Rossi", woman),
            ("Frau Prof. Dr. Dr. h.c. Andrea Rossi", "Andrea Rossi", woman),
            ("Mr. and Mrs. Xyxy Zuzu", "Xyxy Zuzu", woman),
            ("said that he (Nicola) left", "Nicola", man),
            ("Her son Xyxy came", "Xyxy", man),
            ("Xyxy, mein Sohn, kam", "Xyxy", Sort::Surname),
            ("Margaret said that he was ill, and he left", "Margaret", woman),
            ("Andrea Rossi, his wife Ana and", "Andrea Rossi", man),
            ("Andrea", "Andrea", Sort::Either),
            ("Hi Xyxy,", "Xyxy", Sort::Either),
            ("thanks,\n- Xyxy", "Xyxy", Sort::Either),
            ("Mr Xyxy", "Xyxy", Sort::Surname),
            ("Dr. Xyxy", "Xyxy", Sort::Surname),
            ("Andrea Rossi. Können Sie helfen?", "Andrea Rossi", Sort::Either),
        ] {
            assert_eq!(sorted(text, name), want, "{text}");
        }
    }

    #[test]
    fn every_initial_of_surrogates_has_names_of_women_and_men() {
        for initial in b"ABCDEFGHJKLMNPRSTW" {
            assert!(either(*initial).len() >= 4, "{}", char::from(*initial));
        }
    }

    #[test]
    fn odd_borders_are_read() {
        let text = "é".repeat(200) + "Ana" + &"é(".repeat(200);
        let at = text.find("Ana").unwrap_or(0);
        assert_eq!(read(&text, &[Span::new(at, at + 3, Label::PERSON, 1.0)]).len(), 1);
        assert!(read("é", &[Span::new(1, 2, Label::PERSON, 1.0)]).is_empty());
    }
}
