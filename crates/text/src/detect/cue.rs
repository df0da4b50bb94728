//! What stands beside a name: the words that announce a person, and those that speak against one.
//!
//! Invariant: at most a dozen tokens around a run are looked at.

use std::borrow::Cow;

use super::names::{Known, Word};
use super::person::Finder;
use super::view::Form;

/// How strongly the words before a run announce a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cue {
    None,
    /// `hi`, `this is`, `thanks`: a greeting or an introduction.
    Greeting,
    /// `my name is`, `Name:`: what follows is a name.
    Naming,
    Honorific,
}

impl Finder<'_, '_> {
    /// What the words before `index` announce.
    pub(super) fn cue(&self, index: usize) -> Cue {
        let gap = self.gap_before(index);
        if index == 0 {
            return Cue::None;
        }
        let one = self.lower(index - 1);
        let before = self.known(index - 1);
        let near = matches!(gap, " " | ". " | "." | "  ") || gap == "\u{a0}";
        if self.is_monsieur(index - 1) {
            return Cue::Honorific;
        }
        if near && before.is(Word::Honorific) {
            // Honorifics that are also words count only with a capital, and "miss" not at all in small letters.
            if self.view.tokens[index - 1].form != Form::Lower || matches!(&*one, "mr" | "mrs" | "ms" | "dr" | "prof") {
                return Cue::Honorific;
            }
        }
        let labelled = gap.starts_with(':') && gap.len() <= 5 && !gap.contains("//");
        let two = if index > 1 { self.lower(index - 2) } else { Cow::Borrowed("") };
        if labelled
            && (one == "name"
                || one == "nombre"
                || one == "nom"
                || one == "surname"
                || one == "firstname"
                || one == "lastname")
        {
            return Cue::Naming;
        }
        if labelled && before.is(Word::FormLabel) {
            return Cue::Greeting;
        }
        let question = gap == "? " && one == "name";
        if question || (gap == " " && matches!(&*one, "is" | "was" | "s") && (two == "name" || two == "names")) {
            return Cue::Naming;
        }
        if one == "llamo" && two == "me"
            || one == "heisse" && two == "ich"
            || one == "appelle" && gap == " "
            || one == "chiamo" && two == "mi"
        {
            return Cue::Naming;
        }
        if matches!(gap, ",\n" | ",\n\n" | "\n" | ", " | "!\n" | ",\r\n") && before.is(Word::SignOff) {
            return Cue::Greeting;
        }
        if gap == " " || gap == ", " {
            let pair = PAIR_CUES.iter().any(|(a, b)| *a == two && *b == one);
            if gap == " " && one == "dear" {
                return Cue::Naming;
            }
            if pair || before.is(Word::Cue) {
                return Cue::Greeting;
            }
        }
        // "I'm" is one token.
        if gap == " " && matches!(&*one, "i'm" | "im" | "it's") {
            return Cue::Greeting;
        }
        if gap == ", " && self.sentence_greets(index) {
            return Cue::Greeting;
        }
        Cue::None
    }

    /// Whether `M.` at `index` is the French for Mr, and no initial: before a name, behind none, and where more speaks for French
    /// than for English around it.
    pub(super) fn is_monsieur(&self, index: usize) -> bool {
        const REACH: usize = 12;
        if !self.token(index).is_some_and(|title| matches!(self.view.word(title), "M" | "MM")) {
            return false;
        }
        let named = self.token(index + 1).is_some_and(|next| matches!(next.form, Form::Title | Form::Upper));
        if !named || !matches!(self.gap_before(index + 1), ". " | ".\u{a0}") {
            return false;
        }
        let joined = matches!(self.gap_before(index), " " | ". ");
        if joined
            && index > 0
            && self.token(index - 1).is_some_and(|before| matches!(before.form, Form::Title | Form::Initial))
        {
            // `Ana M. Ruiz`, but `Bonjour M. Ruiz` and `Monsieur M. Ruiz`.
            let known = self.known(index - 1);
            if known.is_name() || !(known.ordinary || FRENCH.contains(&&*self.lower(index - 1))) {
                return false;
            }
        }
        let around = (index.saturating_sub(REACH)..index).chain(index + 1..index + 1 + REACH);
        let (mut french, mut english) = (0, 0);
        for at in around {
            let Some(token) = self.token(at) else { break };
            let accents =
                self.view.word(token).contains(['é', 'è', 'ê', 'ë', 'à', 'â', 'ç', 'î', 'ï', 'ô', 'û', 'ù', 'œ']);
            let word = self.lower(at);
            french += usize::from(accents || FRENCH.contains(&&*word));
            english += usize::from(ENGLISH.contains(&&*word));
        }
        french > english
    }

    /// Whether a form of address ends after `last`: "Hi Tanvi," or the end of a line.
    pub(super) fn closes_address(&self, last: usize) -> bool {
        let gap = self.gap_before(last + 1);
        last + 1 >= self.view.tokens.len()
            || gap.starts_with([',', '!', '.', '\n', ';', '?', ':'])
            || gap.starts_with(" -")
            || gap.starts_with(" \u{2013}")
    }

    /// Whether what stands beside is said of persons: "says X", "X told", "X's wife", "his wife X", "X, can you".
    pub(super) fn acts(&self, first: usize, last: usize) -> bool {
        let gap = self.gap_before(last + 1);
        let after = self.lower(last + 1);
        let said = |index: usize| self.known(index).is(Word::Verb);
        let possessive = gap.starts_with(['\'', '\u{2019}', '\u{b4}']) && after == "s";
        let kin = (possessive && self.known(last + 2).is(Word::Kin)) || self.is_relative(first);
        let addressed = gap == ", "
            && self.starts_sentence(first)
            && [
                "can", "could", "please", "would", "you", "i", "thanks", "thank", "how", "what", "do", "did", "are",
                "your",
            ]
            .contains(&&*after);
        (gap == " " && said(last + 1))
            || (first > 0 && matches!(self.gap_before(first), " " | ", " | " \"") && said(first - 1))
            || kin
            || addressed
    }

    /// Whether the word before says whose relative somebody is: "his wife X".
    pub(super) fn is_relative(&self, first: usize) -> bool {
        first > 0 && self.gap_before(first) == " " && RELATIVES.contains(&&*self.lower(first - 1))
    }

    /// What the neighbours say against a person: companies, places, groups.
    pub(super) fn against(&self, first: usize, last: usize) -> f32 {
        let beside = matches!(self.gap_before(last + 1), " " | ", ");
        let after = if beside { self.known(last + 1) } else { Known::default() };
        let capital = self.token(last + 1).is_some_and(|t| t.form != Form::Lower);
        let mut penalty = 0.0;
        if after.is(Word::Organisation) && capital {
            penalty += 0.45;
        }
        if after.is(Word::Company) {
            penalty += 0.45;
        }
        // "Jana Nerudy 894" is a street.
        if self.gap_before(last + 1) == " "
            && self.token(last + 1).is_some_and(|t| t.form == Form::Number && t.end - t.start < 5)
        {
            penalty += 0.15;
        }
        if self.gap_before(last + 1).contains('&') || self.gap_before(first).contains('&') {
            penalty += 0.3;
        }
        if first > 0 && self.gap_before(first) == " " {
            let before = self.lower(first - 1);
            if [
                "the",
                "university",
                "lake",
                "mount",
                "fort",
                "port",
                "san",
                "saint",
                "santa",
                "los",
                "las",
                "new",
                "north",
                "south",
                "st",
            ]
            .contains(&&*before)
            {
                penalty += 0.3;
            } else if before == "in" && last == first {
                penalty += 0.1;
            }
        }
        if self.gap_before(first).ends_with(['@', '#', '/', '_', '='])
            || self.gap_before(last + 1).starts_with(['_', '/', '=', '(', '@'])
        {
            penalty += 0.3;
        }
        penalty
    }

    /// "Thanks for writing back, Joost." : the sentence opens with a courtesy and ends with the word at `index`.
    pub(super) fn sentence_greets(&self, index: usize) -> bool {
        let ends = index + 1 >= self.view.tokens.len() || self.gap_before(index + 1).starts_with(['.', '!', '?', '\n']);
        let first = (index.saturating_sub(12)..index).rev().find(|at| self.starts_sentence(*at));
        ends && first.is_some_and(|first| {
            [
                "thanks",
                "thank",
                "sorry",
                "hello",
                "hi",
                "welcome",
                "understood",
                "sure",
                "great",
                "apologies",
                "goodbye",
            ]
            .contains(&&*self.lower(first))
        })
    }
}

/// Words that French has many of and English none, without diacritics.
const FRENCH: &[&str] = &[
    "le",
    "la",
    "les",
    "des",
    "du",
    "de",
    "et",
    "un",
    "une",
    "est",
    "sont",
    "ont",
    "dans",
    "pour",
    "avec",
    "sur",
    "par",
    "que",
    "qui",
    "au",
    "aux",
    "ce",
    "cette",
    "ces",
    "je",
    "il",
    "elle",
    "nous",
    "vous",
    "ils",
    "votre",
    "notre",
    "mon",
    "son",
    "sa",
    "ses",
    "leur",
    "chez",
    "pas",
    "ne",
    "bonjour",
    "bonsoir",
    "cher",
    "chere",
    "merci",
    "monsieur",
    "madame",
    "mme",
    "mlle",
    "docteur",
    "rendez-vous",
    "selon",
    "vu",
    "recu",
    "dossier",
    "patient",
    "client",
    "contacter",
    "appeler",
];

/// Words that English has many of and French none.
const ENGLISH: &[&str] = &[
    "the", "of", "and", "is", "are", "was", "were", "in", "to", "for", "with", "that", "this", "by", "his", "her",
    "my", "your", "he", "she", "it", "we", "you", "they", "at", "from", "not", "be", "has", "have", "had", "wrote",
    "said",
];

/// Who somebody is to another, right before the name.
const RELATIVES: &[&str] = &[
    "aunt",
    "boss",
    "boyfriend",
    "brother",
    "colleague",
    "cousin",
    "coworker",
    "dad",
    "daughter",
    "father",
    "fiance",
    "fiancee",
    "girlfriend",
    "grandfather",
    "grandmother",
    "granddaughter",
    "grandson",
    "husband",
    "mom",
    "mother",
    "mum",
    "neighbor",
    "neighbour",
    "nephew",
    "niece",
    "roommate",
    "sister",
    "son",
    "stepdaughter",
    "stepson",
    "uncle",
    "widow",
    "widower",
    "wife",
];

/// Two words before a name.
const PAIR_CUES: &[(&str, &str)] = &[
    ("i", "am"),
    ("this", "is"),
    ("hi", "its"),
    ("hey", "its"),
    ("hello", "its"),
    ("ask", "for"),
    ("loop", "in"),
    ("looping", "in"),
    ("looped", "in"),
    ("speak", "to"),
    ("speak", "with"),
    ("talk", "to"),
    ("talk", "with"),
    ("spoke", "to"),
    ("spoke", "with"),
    ("talked", "to"),
    ("signed", "by"),
    ("written", "by"),
    ("was", "called"),
    ("thank", "you"),
    ("good", "morning"),
    ("good", "afternoon"),
    ("good", "evening"),
    ("directed", "by"),
    ("care", "of"),
    ("behalf", "of"),
    ("attention", "of"),
    ("love", "from"),
    ("account", "of"),
    ("name", "of"),
];
