//! The gazetteer of person names, shared by detection and replacement.
//!
//! Invariant: built once per process from the lists in `data/`; keys are lower case without diacritics.
//! Sources: US Census Bureau 1990 (public domain) and own lists, see `data/README.md`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;

const CENSUS: &str = include_str!("../../data/names.txt");
const INTERNATIONAL: &str = include_str!("../../data/international.txt");
const COMMON: &str = include_str!("../../data/common.txt");
const CUES: &str = include_str!("../../data/cues.txt");
const WORDS: &str = include_str!("../../data/words.txt");

/// Honorifics and forms of address, lower case without a full stop.
pub(crate) const HONORIFICS: &[&str] = &[
    "dr",
    "doctor",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "prof",
    "professor",
    "sir",
    "dame",
    "madam",
    "mister",
    "rev",
    "reverend",
    "fr",
    "father",
    "capt",
    "captain",
    "lt",
    "sgt",
    "col",
    "gen",
    "judge",
    "justice",
    "senator",
    "herr",
    "frau",
    "señor",
    "señora",
    "señorita",
    "sra",
    "srta",
    "doña",
    "monsieur",
    "madame",
    "mme",
    "mlle",
    "signor",
    "signora",
    "sig",
    "dott",
];

/// Words that stand inside names in lower case.
pub(crate) const PARTICLES: &[&str] = &[
    "de", "del", "della", "di", "da", "dos", "das", "do", "du", "la", "le", "van", "von", "der", "den", "ter", "ten",
    "bin", "binti", "ibn", "al", "el", "y", "e", "af", "zu", "zum", "san", "santa", "st", "ap", "ben", "bat",
];

/// Words that may follow a name.
pub(crate) const SUFFIXES: &[&str] = &["jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "dds", "rn"];

/// Which list a surrogate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    Female,
    Male,
    Surname,
}

/// What a word does beside a name: the sections of `data/cues.txt` in their order, then the lists above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Makes a place or body of the name before it.
    Organisation,
    /// Announces a name.
    Cue,
    /// With a colon, announces a name.
    FormLabel,
    /// Closes a letter; a name follows.
    SignOff,
    /// Never a name.
    Stop,
    /// Makes a company of the words before it.
    Company,
    /// Is said of persons.
    Verb,
    /// What a person has.
    Kin,
    /// A month, place or nationality that is also a name.
    Place,
    /// [`HONORIFICS`].
    Honorific,
    /// [`PARTICLES`].
    Particle,
}

/// What is known about a word.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known {
    female: Option<u16>,
    male: Option<u16>,
    surname: Option<u16>,
    /// Also an ordinary word, place or month.
    pub(crate) common: bool,
    /// An ordinary word and no name.
    pub(crate) ordinary: bool,
    roles: u16,
}

impl Known {
    pub(crate) fn is_given(self) -> bool {
        self.female.is_some() || self.male.is_some()
    }

    /// A given name, and no ordinary word, place or month.
    pub(crate) fn is_only_given(self) -> bool {
        self.is_given() && !self.common && !self.ordinary
    }

    pub(crate) fn is_surname(self) -> bool {
        self.surname.is_some()
    }

    pub(crate) fn is_name(self) -> bool {
        self.is_given() || self.is_surname()
    }

    pub(crate) fn is(self, word: Word) -> bool {
        self.roles & (1 << word as u16) != 0
    }

    /// More often a given name than a surname, by rank in the lists.
    pub(crate) fn mostly_given(self) -> bool {
        match (self.female.into_iter().chain(self.male).min(), self.surname) {
            (Some(given), Some(surname)) => given <= surname.saturating_mul(2),
            (given, _) => given.is_some(),
        }
    }
}

/// The gazetteer.
pub(crate) struct Names {
    /// By [`fingerprint`], so that a look-up reads one place and compares nothing else.
    words: HashMap<u64, Known, BuildHasherDefault<Fingerprint>>,
    /// One bit for each value of [`place`], set for given names that are no other words: small enough to stay near.
    given: Box<[u64; GIVEN_PLACES / 64]>,
    pools: [Vec<Vec<&'static str>>; 3],
}

/// A hash of eight bytes at a time, by multiplication: the keys are ours and short, so that no one can provoke collisions.
#[derive(Default)]
pub(super) struct ShortKeys(u64);

impl ShortKeys {
    fn mix(&mut self, value: u64) {
        // The multiplier of Knuth's multiplicative hashing: 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

impl Hasher for ShortKeys {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((eight, more)) = rest.split_first_chunk() {
            self.mix(u64::from_le_bytes(*eight));
            rest = more;
        }
        // Two halves that may share bytes; the length, which is hashed before, tells them apart.
        if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
            self.mix(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
        } else if let (Some(first), Some(last)) = (rest.first(), rest.last()) {
            let middle = rest[rest.len() / 2];
            self.mix(u64::from_le_bytes([*first, middle, *last, 0, 0, 0, 0, 0]));
        }
    }

    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the lowest bits and its tag from the highest.
        self.0 ^ self.0.rotate_left(32)
    }
}

/// A number for a word: no two of eight bytes or fewer share it, and of longer ones any two with a probability of 2^-64.
fn fingerprint(word: &[u8]) -> u64 {
    // Far enough apart that words of different lengths cannot meet before they are mixed: their bytes are ASCII.
    let mut hash = ShortKeys((word.len() as u64).wrapping_mul(0xA076_1D64_78BD_642F));
    hash.write(word);
    // Not `finish`, which folds it to half as many bits.
    hash.0
}

/// Places of [`Names::given`]: one in twenty-four is set.
const GIVEN_PLACES: usize = 1 << 17;

/// Where a fingerprint stands in [`Names::given`].
fn place(fingerprint: u64) -> usize {
    (fingerprint >> 32) as usize % GIVEN_PLACES
}

/// A number that is a hash already.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        // Only numbers are hashed with it; whatever else comes is folded.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The gazetteer of this process.
pub(crate) fn shared() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(Names::build)
}

impl Names {
    fn build() -> Self {
        let mut words: HashMap<u64, Known, BuildHasherDefault<Fingerprint>> = HashMap::default();
        let key = |word: &str| fingerprint(plain(word).as_bytes());
        words.reserve(40_000);
        for word in COMMON.split_whitespace() {
            words.entry(key(word)).or_default().common = true;
        }
        for (role, section) in CUES.split("# ").skip(1).enumerate() {
            for word in section.split_once('\n').map_or("", |(_, words)| words).split_whitespace() {
                words.entry(key(word)).or_default().roles |= 1 << role;
            }
        }
        for (list, role) in [(HONORIFICS, Word::Honorific), (PARTICLES, Word::Particle)] {
            for word in list {
                words.entry(key(word)).or_default().roles |= 1 << role as u16;
            }
        }
        for word in WORDS.split_whitespace() {
            words.entry(key(word)).or_default().ordinary = true;
        }
        let mut pools = [const { Vec::new() }; 3].map(|_: Vec<()>| vec![Vec::new(); 26]);
        for (list, base) in [(CENSUS, 0), (INTERNATIONAL, 400)] {
            for section in list.split("# ").skip(1) {
                let Some((title, names)) = section.split_once('\n') else { continue };
                let (gender, pool_size) = match title.trim() {
                    "female" => (Gender::Female, 900),
                    "male" => (Gender::Male, 700),
                    _ => (Gender::Surname, 4000),
                };
                for (rank, name) in names.split_whitespace().enumerate() {
                    let known = words.entry(key(name)).or_default();
                    let rank_here = u16::try_from(rank + base).unwrap_or(u16::MAX);
                    let slot = match gender {
                        Gender::Female => &mut known.female,
                        Gender::Male => &mut known.male,
                        Gender::Surname => &mut known.surname,
                    };
                    *slot = Some(slot.map_or(rank_here, |old| old.min(rank_here)));
                    let first = name.as_bytes()[0].wrapping_sub(b'a');
                    if base == 0 && rank < pool_size && !known.common && name.len() > 2 && first < 26 {
                        pools[gender as usize][usize::from(first)].push(name);
                    }
                }
            }
        }
        let mut given = Box::new([0; GIVEN_PLACES / 64]);
        for (fingerprint, _) in words.iter().filter(|(_, known)| known.is_only_given()) {
            given[place(*fingerprint) / 64] |= 1 << (place(*fingerprint) % 64);
        }
        Self { words, given, pools }
    }

    /// Whether a word in small letters may be known as [`Known::is_only_given`]; false is certain.
    pub(crate) fn may_be_only_given(&self, word: &str) -> bool {
        // A name of several parts is as well known as these.
        let one = word.bytes().all(|byte| byte.is_ascii_lowercase());
        let place = place(fingerprint(word.as_bytes()));
        !one || self.given[place / 64] >> (place % 64) & 1 == 1
    }

    /// What is known about a word in any case, with or without diacritics.
    pub(crate) fn look_up(&self, word: &str) -> Known {
        if word.len() > 40 {
            return Known::default();
        }
        let mut buffer = [0u8; 40];
        let folded;
        let key = if word.bytes().all(|byte| byte.is_ascii() & !byte.is_ascii_uppercase()) {
            word.as_bytes()
        } else if word.is_ascii() {
            for (lower, byte) in buffer.iter_mut().zip(word.as_bytes()) {
                *lower = byte.to_ascii_lowercase();
            }
            &buffer[..word.len()]
        } else {
            folded = plain(word);
            folded.as_bytes()
        };
        if let Some(known) = self.words.get(&fingerprint(key)) {
            return *known;
        }
        // `Smith-Jones` and `O'Brien` are as well known as their parts.
        match key.iter().position(|byte| matches!(byte, b'-' | b'\'')) {
            Some(joint) => {
                let (left, right) = (&key[..joint], &key[joint + 1..]);
                let right = self.words.get(&fingerprint(right)).copied().unwrap_or_default();
                let left_known =
                    left.len() < 3 || self.words.get(&fingerprint(left)).is_some_and(|known| known.is_name());
                if left_known { right } else { Known::default() }
            }
            None => Known::default(),
        }
    }

    /// The list that a name part belongs to; `None` for unknown ones.
    pub(crate) fn gender(&self, word: &str) -> Option<Gender> {
        let known = self.look_up(word);
        if known.mostly_given() {
            let better = known.female.unwrap_or(u16::MAX) <= known.male.unwrap_or(u16::MAX);
            return Some(if better { Gender::Female } else { Gender::Male });
        }
        known.is_surname().then_some(Gender::Surname)
    }

    /// Surrogates of one list that begin with a capital letter `initial`; ordinary words are not among them.
    pub(crate) fn pool(&self, gender: Gender, initial: u8) -> &[&'static str] {
        let letter = usize::from(initial.wrapping_sub(b'A')).min(25);
        &self.pools[gender as usize][letter]
    }

    /// Splits the joined names of a mail address: `anaruiz` into two names, `aruiz` into an initial and a name.
    pub(crate) fn split<'a>(&self, joined: &'a str) -> Vec<&'a str> {
        if joined.len() > 40 || !joined.is_ascii() || self.look_up(joined).is_name() {
            return vec![joined];
        }
        let long = |word: &str| word.len() > 2;
        for at in (1..joined.len()).rev() {
            let (left, right) = joined.split_at(at);
            if long(left) && long(right) && self.look_up(left).is_given() && self.look_up(right).is_surname() {
                return vec![left, right];
            }
        }
        match joined.split_at_checked(1) {
            Some((initial, rest)) if rest.len() > 3 && self.look_up(rest).is_surname() => vec![initial, rest],
            _ => vec![joined],
        }
    }
}

/// A word that accompanies a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filler {
    Honorific,
    Particle,
    Suffix,
}

/// Honorifics, particles and suffixes, lower case: where they stand as such, they stay when a name is replaced.
pub(crate) fn name_filler(word: &str) -> Option<Filler> {
    [(Filler::Honorific, HONORIFICS), (Filler::Particle, PARTICLES), (Filler::Suffix, SUFFIXES)]
        .into_iter()
        .find_map(|(filler, list)| list.contains(&word).then_some(filler))
}

/// Lower case without diacritics; letters that do not decompose are spelled out.
pub(crate) fn plain(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let mut result = String::with_capacity(word.len());
    for c in word.nfkd().flat_map(char::to_lowercase) {
        match c {
            '\u{300}'..='\u{36F}' => {}
            '\u{2019}' => result.push('\''),
            'ß' => result.push_str("ss"),
            'ø' => result.push('o'),
            'ł' => result.push('l'),
            'đ' | 'ð' => result.push('d'),
            'æ' => result.push_str("ae"),
            'œ' => result.push_str("oe"),
            'ı' => result.push('i'),
            'þ' => result.push_str("th"),
            c => result.push(c),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_spelling() {
        let names = shared();
        assert!(names.look_up("RUIZ").is_surname());
        assert!(names.look_up("José").is_given());
        assert!(names.look_up("jose").is_given());
        assert!(names.look_up("Łukasz").is_given());
        assert!(names.look_up("O\u{2019}Brien").is_surname());
        assert!(names.look_up("Smith-Jones").is_surname());
        assert!(names.look_up("Will").common);
        assert!(!names.look_up("Account").is_given());
    }

    #[test]
    fn no_two_words_share_a_fingerprint() {
        let lists = [CENSUS, INTERNATIONAL, COMMON, CUES, WORDS];
        let words: std::collections::BTreeSet<String> =
            lists.iter().flat_map(|list| list.split_whitespace()).map(plain).collect();
        let fingerprints: std::collections::HashSet<u64> =
            words.iter().map(|word| fingerprint(word.as_bytes())).collect();
        assert_eq!((fingerprints.len(), words.len() > 20_000), (words.len(), true));
    }

    #[test]
    fn every_initial_has_a_pool_without_ordinary_words() {
        let names = shared();
        for initial in b"ABCDEFGHJKLMNPRSTW" {
            for gender in [Gender::Female, Gender::Male, Gender::Surname] {
                let pool = names.pool(gender, *initial);
                assert!(pool.len() > 5, "{gender:?} {}", char::from(*initial));
                assert!(pool.iter().all(|name| !names.look_up(name).common));
            }
        }
    }

    #[test]
    fn joined_names_split() {
        let names = shared();
        assert_eq!(names.split("anaruiz"), ["ana", "ruiz"]);
        assert_eq!(names.split("aruiz"), ["a", "ruiz"]);
        assert_eq!(names.split("support"), ["support"]);
    }
}
