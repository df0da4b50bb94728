//! The language of a text, and which languages are strangers in a data set.
//!
//! Language identification is the crate `whatlang` (trigram profiles of 69 languages after Cavnar and Trenkle 1994): it needs
//! no file at run time, where an n-gram model of our own would need text of every language to train on. It is
//! asked only about texts with enough letters, and only a reliable answer counts.

use std::collections::BTreeMap;

/// Letters below which no language is told.
const FEWEST_LETTERS: usize = 40;
/// Characters of a text that are looked at: the trigrams of a page say enough.
const MOST_CHARS: usize = 2_000;
/// A language in fewer than this share of the records is a stranger where none was named.
const STRANGER_BELOW: f64 = 0.02;

/// The language of a text as an ISO 639-3 code, if it can be told.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(MOST_CHARS).map_or(text.len(), |(at, _)| at);
    let text = &text[..end];
    if text.chars().filter(|c| c.is_alphabetic()).take(FEWEST_LETTERS).count() < FEWEST_LETTERS {
        return None;
    }
    whatlang::detect(text).filter(whatlang::Info::is_reliable).map(|info| info.lang().code())
}

/// The three-letter code of a language that is named by two letters or three.
pub(super) fn code(name: &str) -> Option<&'static str> {
    const TWO_LETTERS: [(&str, &str); 26] = [
        ("ar", "ara"),
        ("bg", "bul"),
        ("cs", "ces"),
        ("da", "dan"),
        ("de", "deu"),
        ("el", "ell"),
        ("en", "eng"),
        ("es", "spa"),
        ("fi", "fin"),
        ("fr", "fra"),
        ("he", "heb"),
        ("hi", "hin"),
        ("hu", "hun"),
        ("it", "ita"),
        ("ja", "jpn"),
        ("ko", "kor"),
        ("nl", "nld"),
        ("no", "nob"),
        ("pl", "pol"),
        ("pt", "por"),
        ("ro", "ron"),
        ("ru", "rus"),
        ("sv", "swe"),
        ("tr", "tur"),
        ("uk", "ukr"),
        ("zh", "cmn"),
    ];
    let name = name.to_ascii_lowercase();
    let name = TWO_LETTERS.iter().find(|(two, _)| *two == name).map_or(name.as_str(), |(_, three)| three);
    whatlang::Lang::from_code(name).map(|language| language.code())
}

/// The languages that belong into a data set with so many records of each: `named` ones, or else those that are not rare.
pub(super) fn at_home(counts: &BTreeMap<&'static str, usize>, named: &[&'static str]) -> Vec<&'static str> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let all: usize = counts.values().sum();
    counts.iter().filter(|(_, count)| **count as f64 >= all as f64 * STRANGER_BELOW).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_languages_are_told_apart() {
        for (text, expected) in [
            ("My broadband has been down since yesterday evening and nobody answers the phone.", "eng"),
            ("Seit gestern Abend ist mein Anschluss gestört, und niemand geht ans Telefon.", "deu"),
            ("Depuis hier soir ma connexion ne fonctionne plus et personne ne répond au téléphone.", "fra"),
            ("Desde ayer por la noche no tengo conexión y nadie contesta el teléfono de atención.", "spa"),
            (
                "Это обычное обращение в службу поддержки: вчера вечером интернет перестал работать, и никто не отвечает.",
                "rus",
            ),
        ] {
            assert_eq!(language(text), Some(expected), "{text}");
        }
        assert_eq!(language("OK, thanks!"), None);
        assert_eq!(language("12345 67890 12345 67890 12345 67890 12345 67890"), None);
    }

    #[test]
    fn languages_are_named_by_either_code() {
        assert_eq!((code("de"), code("DEU"), code("eng")), (Some("deu"), Some("deu"), Some("eng")));
        assert_eq!(code("klingon"), None);
    }

    #[test]
    fn a_rare_language_is_a_stranger_unless_it_is_named() {
        let counts = BTreeMap::from([("eng", 970), ("deu", 20), ("fra", 10)]);
        assert_eq!(at_home(&counts, &[]), ["deu", "eng"]);
        assert_eq!(at_home(&counts, &["fra"]), ["fra"]);
    }
}
