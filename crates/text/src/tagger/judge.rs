//! What is made of a name that the tagger proposes: where it ends, of what kind it is, and whether it can be one at all.
//!
//! Invariants: a name only becomes shorter or falls into parts, never longer; a bounded number of tokens around it is looked
//! at. Nothing is decided by the tagger's lists alone here: what stands around a word says whether it is a person, and how
//! it is written whether it can be a place.

use super::gazetteer::{Classes, Gazetteer};
use super::{Kind, Name};
use crate::detect::names::Word;
use crate::detect::whereabouts::leads_to_place;
use crate::detect::{Announced, Form, Token, View, announced, plain};

/// Capitals that announce a number or stand for a thing: nobody's name, whatever stands beside them.
const NAMES_OF_FIELDS: [&str; 37] = [
    "SSN", "ITIN", "EIN", "TIN", "NPI", "MRN", "MBI", "DOB", "IBAN", "BIC", "SWIFT", "VAT", "NINO", "NIE", "NIF",
    "DNI", "BSN", "PIN", "CVV", "IMEI", "VIN", "URL", "UUID", "ID", "NHS", "TEL", "SEX", "TFN", "ABN", "CPF", "CNPJ",
    "RUT", "CURP", "PESEL", "GSTIN", "NRIC", "PPSN",
];

/// Whether a text is such capitals.
pub(super) fn is_field_name(text: &str) -> bool {
    NAMES_OF_FIELDS.contains(&text)
}

/// Words before a thing: what follows in small letters is one, too.
const DETERMINERS: [&str; 36] = [
    "the", "a", "an", "this", "that", "these", "those", "my", "our", "your", "his", "her", "its", "their", "each",
    "every", "any", "no", "some", "one", "another", "other", "new", "old", "same", "first", "second", "last", "next",
    "which", "what", "whose", "both", "own", "or", "and",
];

/// Words before a place.
const BEFORE_PLACES: [&str; 22] = [
    "in", "from", "to", "near", "at", "around", "outside", "of", "via", "through", "visiting", "visit", "leaving",
    "reach", "reached", "city", "town", "between", "towards", "toward", "across", "into",
];

/// From this probability on the tagger's word for a place stands against a list of given names.
const PLAIN: f32 = 0.9;

/// From this probability on it stands against a verb that is said of persons, which metonymy uses of towns as well.
const DOUBTED: f32 = 0.75;

/// A name announced by an honorific or a word for "name" is one with at least this probability.
const ANNOUNCED: f32 = 0.8;

/// One behind a word for a relative.
const RELATED: f32 = 0.5;

pub(super) struct Judge<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) gazetteer: Gazetteer<'a>,
}

impl Judge<'_> {
    /// Gives `each` what is left of a name.
    pub(super) fn judge(&self, name: Name, mut each: impl FnMut(Name)) {
        let tokens = &self.view.tokens;
        let mut first = tokens.partition_point(|token| token.start < name.start);
        let end = first + tokens[first..].iter().take_while(|token| token.end <= name.end).count();
        while first < end {
            let parted = |at: &usize| self.view.gap(&tokens[at - 1], &tokens[*at]).contains(['|', ';', '\t', '\n']);
            let to = (first + 1..end).find(parted).unwrap_or(end);
            let is_part = to - first < end - first || tokens[first].start > name.start;
            if let Some(name) = self.part(name, first, to, is_part) {
                each(name);
            }
            first = to;
        }
    }

    /// The name of the tokens from `first` to before `to`; `is_part` where the tagger's name was longer.
    fn part(&self, name: Name, mut first: usize, mut to: usize, is_part: bool) -> Option<Name> {
        let tokens = &self.view.tokens;
        while first < to && self.names_a_field(first) {
            first += 1;
        }
        while first < to && (self.names_a_field(to - 1) || to - first > 1 && self.is_label(to - 1)) {
            to -= 1;
        }
        while name.kind == Kind::Person && to - first > 1 && self.leads_to_name(first) {
            first += 1;
        }
        // The label of a field alone, such as `E-mail:`.
        if to - first == 1 && name.kind != Kind::Person && self.is_label(first) {
            return None;
        }
        let own = tokens.get(first..to).filter(|own| !own.is_empty())?;
        let (start, end) = (own[0].start, own[own.len() - 1].end);
        let mut name = Name { start, end, ..name };
        let small = own.iter().all(|token| token.form == Form::Lower);
        if name.kind == Kind::Place && small && !self.may_be_place(first, to) {
            return None;
        }
        if name.kind == Kind::Place && self.is_nationality(first, to) {
            return None;
        }
        let said = announced(self.view, start, end);
        let kind = self.kind(name, own, said, is_part);
        if kind == Kind::Person {
            let least = match said {
                Announced::Sure => ANNOUNCED,
                Announced::Related => RELATED,
                _ => 0.0,
            };
            name.probability = name.probability.max(least);
        }
        Some(Name { kind, ..name })
    }

    /// The kind of a name, where what stands around it or what the lists know of the whole of it is plainer than the
    /// tagger's word.
    fn kind(&self, name: Name, own: &[Token], said: Announced, is_part: bool) -> Kind {
        let classes = self.gazetteer.look_up(&plain(&self.view.text[name.start..name.end]));
        let land = Classes::COUNTRY.with(Classes::REGION);
        let large = land.with(Classes::CITY_LARGE);
        let person =
            Classes::GIVEN.with(Classes::GIVEN_FREQUENT).with(Classes::SURNAME).with(Classes::SURNAME_FREQUENT);
        let first = self.view.tokens.partition_point(|token| token.start < name.start);
        match name.kind {
            Kind::Place if own.iter().all(Token::is_word) => {
                let mut rest = first + 1..first + own.len();
                let given = self.is_given_name(first) && !rest.any(|index| self.view.known(index).ordinary);
                let unsure = is_part || name.probability < PLAIN;
                let is_person = match said {
                    Announced::Sure => true,
                    // A small town has the name of somebody more often than it speaks.
                    Announced::Acting => {
                        given || !classes.any(large) && (name.probability < DOUBTED || !classes.any(Classes::CITY))
                    }
                    Announced::Addressed | Announced::Related => given || !classes.any(large),
                    Announced::No => {
                        given && unsure && !classes.any(large.with(Classes::CITY)) && !self.stands_as_place(first, own)
                    }
                };
                if is_person { Kind::Person } else { Kind::Place }
            }
            Kind::Person | Kind::Organisation if said == Announced::No && self.is_whereabouts(first) => Kind::Place,
            // A country, and a city that is nobody's name.
            Kind::Person if said == Announced::No && classes.any(large.with(Classes::CITY)) && !classes.any(person) => {
                Kind::Place
            }
            Kind::Organisation
                if said != Announced::Sure && classes.any(land) && !classes.any(Classes::ORGANISATION) =>
            {
                Kind::Place
            }
            kind => kind,
        }
    }

    /// Somebody lives there or goes there, and it is no given name: "lived in Carol's house".
    fn is_whereabouts(&self, first: usize) -> bool {
        leads_to_place(self.view, first) && !self.is_given_name(first)
    }

    fn word(&self, index: usize) -> &str {
        self.view.tokens.get(index).map_or("", |token| self.view.word(token))
    }

    fn names_a_field(&self, index: usize) -> bool {
        is_field_name(self.word(index))
    }

    /// `Ana Ruiz Phone: 555`: the next field of a form.
    fn is_label(&self, index: usize) -> bool {
        let known = self.view.known(index);
        let colon = self.view.at(self.view.tokens[index].end) == b':';
        colon && (known.ordinary || known.is(Word::FormLabel) || known.common && !known.is_name())
    }

    /// `Ciao Giulia`, `Driver Szymański`, `le saluda Joaquín`: a word before a name, and none of it.
    fn leads_to_name(&self, index: usize) -> bool {
        let tokens = &self.view.tokens;
        let known = self.view.known(index);
        let capital = tokens.get(index + 1).is_some_and(|token| token.form != Form::Lower);
        match tokens[index].form {
            Form::Lower => capital && !known.is(Word::Particle) && !known.is_name(),
            _ => {
                let cue = known.is(Word::Cue) || known.is(Word::Honorific) || known.is(Word::FormLabel);
                let rest = self.view.known(index + 1);
                let apart = !known.is_name() && !known.is(Word::Particle) && !rest.ordinary;
                apart && capital && (cue || known.ordinary)
            }
        }
    }

    /// Whether words in small letters can be a place: of countries and large cities, if no article makes a thing of them;
    /// of others, only behind a word for going or being there.
    fn may_be_place(&self, first: usize, to: usize) -> bool {
        let before = |back: usize| {
            let index = first.checked_sub(back)?;
            (self.view.gap(&self.view.tokens[index], &self.view.tokens[index + 1]) == " ")
                .then(|| plain(self.word(index)))
        };
        let one = before(1).unwrap_or_default();
        let classes = self.classes(first, to);
        if classes.any(Classes::COUNTRY.with(Classes::REGION)) {
            return true;
        }
        let there = BEFORE_PLACES.contains(&one.as_str());
        if DETERMINERS.contains(&one.as_str()) || self.is_ordinary(first, to) && !there {
            return false;
        }
        there || to - first > 1 || classes.any(Classes::CITY_LARGE)
    }

    fn is_ordinary(&self, first: usize, to: usize) -> bool {
        (first..to).all(|index| {
            let known = self.view.known(index);
            known.ordinary || known.common && !known.is_name() || self.classes(index, index + 1).any(Classes::ORDINARY)
        })
    }

    fn classes(&self, first: usize, to: usize) -> Classes {
        let words: Vec<String> = (first..to).map(|index| plain(self.word(index))).collect();
        self.gazetteer.look_up(&words.join(" "))
    }

    /// `Iraqi`, `African-American`: whence people come, and no place.
    fn is_nationality(&self, first: usize, to: usize) -> bool {
        self.classes(first, to).any(Classes::NATIONALITY)
            || (first..to).all(|index| {
                let place = Classes::COUNTRY.with(Classes::REGION).with(Classes::CITY_LARGE).with(Classes::CITY);
                plain(self.word(index)).split('-').all(|part| {
                    let classes = self.gazetteer.look_up(part);
                    let of_many = part.strip_suffix('s').map(|one| self.gazetteer.look_up(one)).unwrap_or_default();
                    classes.any(Classes::NATIONALITY) && !classes.any(place)
                        || of_many.any(Classes::NATIONALITY) && classes == Classes::default()
                })
            })
    }

    /// Behind a word for being somewhere, or with a word such as "River" at its end.
    fn stands_as_place(&self, first: usize, own: &[Token]) -> bool {
        let one = first.checked_sub(1).map(|index| plain(self.word(index))).unwrap_or_default();
        let part = Classes::PLACE_WORD.with(Classes::ORGANISATION_WORD);
        BEFORE_PLACES.contains(&one.as_str())
            || own.iter().any(|token| self.gazetteer.look_up(&plain(self.view.word(token))).any(part))
    }

    fn is_given_name(&self, index: usize) -> bool {
        let known = self.view.known(index);
        known.mostly_given() && !known.common && !known.is(Word::Place)
    }
}
