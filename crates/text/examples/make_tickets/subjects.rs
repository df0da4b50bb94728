//! Invented people, and how many tickets each of them writes.
//!
//! Invariant: no two subjects share a full name or an e-mail address, and a subject keeps the same identifiers in
//! all tickets.

use std::collections::BTreeSet;

use crate::identifiers::{Kind, address, card, email, iban, phone, ssn};
use crate::names::{CULTURES, ascii, split};
use crate::places::{Country, DE_CITIES, ES_CITIES, FR_CITIES, UK_CITIES, US_CITIES};
use crate::prng::Prng;

/// A person and what belongs to the person; a kind that is absent does not exist for this person.
pub(crate) struct Subject {
    /// Values by kind.
    pub(crate) values: Vec<(Kind, String)>,
}

impl Subject {
    /// The value of `kind`, if the subject has one.
    pub(crate) fn value(&self, kind: Kind) -> Option<&str> {
        self.values.iter().find(|(own, _)| *own == kind).map(|(_, value)| value.as_str())
    }
}

/// `count` different people.
pub(crate) fn subjects(rng: &mut Prng, count: usize) -> Vec<Subject> {
    let mut given: Vec<Deck> = CULTURES.iter().map(|culture| Deck::new(rng, split(culture.given))).collect();
    let mut surnames: Vec<Deck> = CULTURES.iter().map(|culture| Deck::new(rng, split(culture.surnames))).collect();
    let (mut names, mut mailboxes) = (BTreeSet::new(), BTreeSet::new());
    let mut people = Vec::with_capacity(count);
    while people.len() < count {
        let culture = people.len() % CULTURES.len();
        let family = if rng.chance(85) { culture } else { rng.below(CULTURES.len()) };
        let (first, last) = (given[culture].draw(), surnames[family].draw());
        let name = format!("{first} {last}");
        if names.contains(&name) {
            continue;
        }
        let mut mailbox = mailbox(rng, &first, &last);
        while mailboxes.contains(&mailbox) {
            mailbox = self::mailbox(rng, &first, &last);
        }
        names.insert(name.clone());
        mailboxes.insert(mailbox.clone());
        people.push(person(rng, first, name, mailbox));
    }
    rng.shuffle(&mut people);
    people
}

/// The number of tickets of each subject: `low..=high`, `total` together.
pub(crate) fn ticket_counts(rng: &mut Prng, subjects: usize, total: usize, low: usize, high: usize) -> Vec<usize> {
    let mut counts = vec![low; subjects];
    let mut left = total.saturating_sub(low * subjects).min((high - low) * subjects);
    while left > 0 {
        let subject = rng.below(subjects);
        if counts[subject] < high {
            counts[subject] += 1;
            left -= 1;
        }
    }
    counts
}

fn mailbox(rng: &mut Prng, given: &str, surname: &str) -> String {
    let plain = |name: &str| ascii(name).filter(|name| !name.is_empty()).unwrap_or_else(|| "post".to_owned());
    email(rng, &plain(given), &plain(surname))
}

fn person(rng: &mut Prng, given: String, name: String, mailbox: String) -> Subject {
    let countries = [Country::Us, Country::Uk, Country::De, Country::Fr, Country::Es];
    let country = countries[rng.weighted(&[36, 30, 12, 11, 11])];
    let [city, state, dial, area] = match country {
        Country::Us => US_CITIES[rng.below(US_CITIES.len())],
        Country::Uk => {
            let [city, area] = UK_CITIES[rng.below(UK_CITIES.len())];
            [city, "", "", area]
        }
        Country::De => [rng.pick(DE_CITIES), "", "", ""],
        Country::Fr => [rng.pick(FR_CITIES), "", "", ""],
        Country::Es => [rng.pick(ES_CITIES), "", "", ""],
    };
    let mut values = vec![
        (Kind::Name, name),
        (Kind::Given, given),
        (Kind::Email, mailbox),
        (Kind::Phone, phone(rng, country, dial)),
        (Kind::Card, card(rng)),
        (Kind::Iban, iban(rng, country)),
        (Kind::City, city.to_owned()),
    ];
    if matches!(country, Country::Us | Country::Uk) {
        values.push((Kind::Address, address(rng, country, city, state, area)));
    }
    if country == Country::Us {
        values.push((Kind::Ssn, ssn(rng)));
    }
    Subject { values }
}

/// Shuffled names, dealt in turn, from the start again when all are used.
struct Deck {
    names: Vec<String>,
    next: usize,
}

impl Deck {
    fn new(rng: &mut Prng, mut names: Vec<String>) -> Self {
        rng.shuffle(&mut names);
        Self { names, next: 0 }
    }

    fn draw(&mut self) -> String {
        let name = self.names[self.next % self.names.len()].clone();
        self.next += 1;
        name
    }
}
