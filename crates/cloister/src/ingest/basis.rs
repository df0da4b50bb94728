//! Whether a declaration names what the law asks it to name.
//!
//! A declaration is free text, and nobody here judges whether it is right: only whether it names one of the bases of Article
//! 6(1) GDPR, one of the conditions of Article 9(2), or their counterparts in the USA, so that "because we can" does not pass
//! for a basis without a word. Sources: Regulation (EU) 2016/679, Articles 4(13) to (15), 6(1), 9(1) and 9(2); UK GDPR
//! Article 6(1)(ea); Cal. Civ. Code § 1798.100 and following (CCPA); 45 CFR 164.502 to 164.514 (HIPAA).
//!
//! Invariant: every answer is about words, in linear time; a word behind "no", "not" or "without" names nothing.

/// Words between an article, its paragraph and its letter, as the languages of the Union write them.
const BETWEEN: [&str; 26] = [
    "abs",
    "absatz",
    "al",
    "alinéa",
    "apartado",
    "buchst",
    "buchstabe",
    "comma",
    "let",
    "letra",
    "lett",
    "lettera",
    "letter",
    "lettre",
    "lid",
    "lit",
    "litt",
    "onder",
    "par",
    "para",
    "paragraph",
    "paragraphe",
    "paragraaf",
    "point",
    "punkt",
    "sub",
];
/// Names of Article 6(1)(a) to (f), and of (ea).
const BASES: [&str; 24] = [
    "consent",
    "performance of a contract",
    "contractual necessity",
    "legal obligation",
    "vital interest*",
    "public interest",
    "public task",
    "official authority",
    "legitimate interest*",
    "einwilligung",
    "vertragserfüllung",
    "erfüllung eines vertrags",
    "rechtliche verpflichtung",
    "lebenswichtige* interesse*",
    "öffentliche* interesse*",
    "berechtigte* interesse*",
    "consentement",
    "obligation légale",
    "intérêt* légitime*",
    "intérêt public",
    "consentimiento",
    "obligación legal",
    "interés legítimo",
    "interés público",
];
/// Names of Article 9(2)(a) to (j).
const CONDITIONS: [&str; 20] = [
    "explicit consent",
    "social security",
    "employment law",
    "vital interest*",
    "not for profit",
    "manifestly public",
    "manifestly made public",
    "legal claim*",
    "substantial public interest",
    "preventive medicine",
    "occupational medicine",
    "medical diagnosis",
    "provision of health",
    "public health",
    "archiving",
    "scientific research",
    "historical research",
    "statistical purpose*",
    "ausdrückliche* einwilligung",
    "consentement explicite",
];
/// What, beside a section, the CCPA lets a business process for or on.
const CALIFORNIAN: [&str; 6] =
    ["business purpose*", "commercial purpose*", "notice at collection", "service provider", "opt out", "consent"];
/// What the Privacy Rule permits or requires.
const HIPAA: [&str; 12] = [
    "authorization",
    "authorisation",
    "treatment",
    "payment",
    "health care operations",
    "healthcare operations",
    "limited data set",
    "research",
    "public health",
    "required by law",
    "de identif*",
    "safe harbor",
];
/// What people write of data on special categories (Article 9(1)): beginnings of words with `*`.
const SPECIAL: [&str; 48] = [
    "patient*",
    "health*",
    "medic*",
    "clinic*",
    "hospital*",
    "diagnos*",
    "disease*",
    "illness*",
    "disabilit*",
    "disabled",
    "psychiatr*",
    "psycholog*",
    "therap*",
    "prescription*",
    "pregnan*",
    "hiv",
    "cancer",
    "icd",
    "phi",
    "genetic*",
    "genom*",
    "dna",
    "biometric*",
    "fingerprint*",
    "religio*",
    "belief*",
    "church*",
    "ethnic*",
    "racial",
    "race",
    "political",
    "politically",
    "trade union*",
    "union member*",
    "sexual*",
    "sex life",
    "special categor*",
    "article 9",
    "art 9",
    "artikel 9",
    "gesundheit*",
    "krank*",
    "arzt*",
    "santé",
    "salud",
    "paciente*",
    "enfermedad*",
    "gewerkschaft*",
];

/// A declaration as words in lower case; letters and digits that stand together are two words.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut last = None;
        for c in text.chars().flat_map(char::to_lowercase) {
            let kind = (c.is_alphabetic(), c.is_numeric());
            match words.last_mut().filter(|_| last == Some(kind)) {
                _ if kind == (false, false) => {}
                Some(word) => word.push(c),
                None => words.push(c.into()),
            }
            last = Some(kind);
        }
        Self(words)
    }

    /// Whether a basis of Article 6(1) is named, by letter or by name.
    pub(super) fn name_basis(&self) -> bool {
        self.article("6", "1", &["a", "b", "c", "d", "e", "f", "ea"]) || self.any(&BASES)
    }

    /// Whether a condition of Article 9(2) is named, by letter or by name.
    pub(super) fn name_condition(&self) -> bool {
        self.article("9", "2", &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]) || self.any(&CONDITIONS)
    }

    /// Whether the CCPA is named with a section or a ground.
    pub(super) fn name_californian(&self) -> bool {
        let named = self.any(&["ccpa", "cpra", "california consumer privacy act"]);
        self.any(&["1798"]) || named && self.any(&CALIFORNIAN)
    }

    /// Whether HIPAA is named with a section of the Privacy Rule or a permission.
    pub(super) fn name_hipaa(&self) -> bool {
        let section = |number: &str| (502..=514).contains(&number.parse::<u32>().unwrap_or_default());
        let sections = self.0.windows(2).any(|pair| pair[0] == "164" && section(&pair[1]));
        sections || self.any(&["hipaa", "privacy rule"]) && self.any(&HIPAA)
    }

    /// The first word or two that tell of special categories.
    pub(super) fn special(&self) -> Option<String> {
        (0..self.0.len()).find_map(|at| {
            let length = SPECIAL.iter().find_map(|phrase| self.phrase_at(at, phrase))?;
            Some(self.0[at..at + length].join(" "))
        })
    }

    /// Article, paragraph and letter: `Art. 6(1)(f)`, `6.1.f`, `Art. 6 Abs. 1 S. 1 lit. f`, or `point (f) of Article 6(1)`.
    fn article(&self, article: &str, paragraph: &str, letters: &[&str]) -> bool {
        let is_letter = |at: usize| self.0.get(at).is_some_and(|word| letters.contains(&word.as_str()));
        (0..self.0.len()).filter(|at| self.0[*at] == article).any(|at| {
            let number = self.behind(at + 1);
            let roman = "i".repeat(paragraph.parse().unwrap_or(1));
            if self.0.get(number).is_none_or(|word| *word != paragraph && *word != roman) {
                return false;
            }
            let mut letter = self.behind(number + 1);
            if matches!(self.word(letter), "s" | "satz" | "sentence" | "uabs" | "unterabs" | "subparagraph") {
                letter = self.behind(letter + 2);
            }
            let of = matches!(self.before(at, 1), "article" | "art" | "articles");
            let back = if of && self.before(at, 2) == "the" { 3 } else { 2 };
            let ahead = of && matches!(self.before(at, back), "of" | "des" | "de");
            is_letter(letter) || ahead && at > back && is_letter(at - back - 1)
        })
    }

    fn behind(&self, at: usize) -> usize {
        at + self.0.iter().skip(at).take_while(|word| BETWEEN.contains(&word.as_str())).count()
    }

    fn word(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.word(at))
    }

    fn any(&self, phrases: &[&str]) -> bool {
        (0..self.0.len()).any(|at| phrases.iter().any(|phrase| self.phrase_at(at, phrase).is_some()))
    }

    /// The number of words of `phrase`, if they stand at this place and are not denied.
    fn phrase_at(&self, at: usize, phrase: &str) -> Option<usize> {
        let mut length = 0;
        for part in phrase.split(' ') {
            let word = self.0.get(at + length)?;
            let same = part.strip_suffix('*').map_or(word == part, |start| word.starts_with(start));
            if !same {
                return None;
            }
            length += 1;
        }
        let denied =
            |back| matches!(self.before(at, back), "no" | "not" | "non" | "without" | "never" | "kein" | "keine");
        let is_denied = denied(1) || denied(2) && matches!(self.before(at, 1), "any" | "a" | "valid");
        (!is_denied).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_is_named_in_the_usual_ways() {
        for text in [
            "Article 6(1)(f) GDPR, assessment LIA-12",
            "Art. 6(1)(a)",
            "art 6 (1) b",
            "Art. 6.1.c GDPR",
            "GDPR 6(1)e",
            "Art6(1)d",
            "Art. 6 Abs. 1 lit. f DSGVO",
            "Art. 6 Abs.1 S.1 lit. b DS-GVO",
            "Artikel 6 Absatz 1 Buchstabe a",
            "Art. 6 I lit. f",
            "article 6, paragraphe 1, point f) du RGPD",
            "art. 6, par. 1, lett. f",
            "art. 6.1.f) RGPD",
            "artikel 6, lid 1, onder f",
            "point (f) of Article 6(1)",
            "ARTICLE 6 PARAGRAPH 1 POINT (C)",
            "UK GDPR Article 6(1)(ea)",
            "legitimate interests of the controller",
            "Consent, form 12",
            "berechtigtes Interesse",
        ] {
            assert!(Words::of(text).name_basis(), "{text}");
        }
        for text in [
            "because we can",
            "GDPR",
            "Article 6",
            "Article 6(1)",
            "Article 6(1)(g)",
            "Article 6(4)(a)",
            "Article 16(1)(f)",
            "6",
            "without consent",
            "we asked for no consent",
            "f",
            "legitimate",
            "HIPAA",
            "a public place",
            "",
        ] {
            assert!(!Words::of(text).name_basis(), "{text}");
        }
    }

    #[test]
    fn counterparts_need_more_than_the_name_of_a_law() {
        for text in ["HIPAA authorization", "45 CFR 164.506(c)", "45 CFR § 164.512", "HIPAA, health care operations"] {
            assert!(Words::of(text).name_hipaa(), "{text}");
        }
        for text in ["CCPA, business purpose", "Cal. Civ. Code § 1798.140(e)"] {
            assert!(Words::of(text).name_californian(), "{text}");
        }
        for text in ["HIPAA", "CCPA", "45 CFR 164.999", "treatment", "business purpose"] {
            let words = Words::of(text);
            assert!(!words.name_hipaa() && !words.name_californian(), "{text}");
        }
    }

    #[test]
    fn conditions_and_special_categories() {
        for text in
            ["Art. 9(2)(h) GDPR", "9(2)(j)", "Art. 9 Abs. 2 lit. a", "Art. 9 II lit. h", "explicit consent, form 3"]
        {
            assert!(Words::of(text).name_condition(), "{text}");
        }
        for text in ["Article 9", "9(2)(k)", "Article 9(1)(a)", "consent", "public interest"] {
            assert!(!Words::of(text).name_condition(), "{text}");
        }
        let special = |text: &str| Words::of(text).special();
        assert_eq!(special("patients of the ward").as_deref(), Some("patients"));
        assert_eq!(special("members of a trade union").as_deref(), Some("trade union"));
        assert_eq!(special("/diagnosis").as_deref(), Some("diagnosis"));
        for text in ["customers, agents", "no health data", "without any health data", "union of two files", "graphic"]
        {
            assert_eq!(special(text), None, "{text}");
        }
    }

    #[test]
    fn odd_text_is_only_text() {
        for text in
            ["6 6 6 1 1 f".repeat(500), "(((".repeat(1000), "６(１)(ｆ)".into(), "\u{202e}".into(), "of 6 1".into()]
        {
            let words = Words::of(&text);
            let _ = (words.name_basis(), words.name_condition(), words.name_hipaa(), words.special());
        }
    }
}
