//! What is odd about declarations: no reason to refuse, and nothing to pass over in silence.
//!
//! Invariants: a notice quotes what people declared and nothing of a record; each says what to do.

use super::basis::Words;
use super::{Date, Field, Provenance};

/// Something to think about before relying on the declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A name for programs.
    pub code: &'static str,
    /// What is odd.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

/// What is odd about the declarations on the day on which the records are taken in. `also` is what else names the data: the
/// dataset's name, a sensitive column.
pub fn notices(provenance: &Provenance, day: Date, also: &[&str]) -> Vec<Notice> {
    let all = [basis(provenance), condition(provenance, also), period(provenance)];
    let later = [Field::RetentionFrom, Field::DecidedOn].into_iter().map(|field| later(provenance, field, day));
    all.into_iter().chain(later).flatten().collect()
}

fn basis(provenance: &Provenance) -> Option<Notice> {
    let text = provenance.value(Field::LegalBasis)?;
    let words = Words::of(text);
    if words.name_basis() || words.name_californian() || words.name_hipaa() {
        return None;
    }
    Some(Notice {
        code: "legal-basis",
        text: format!("the legal basis “{text}” names none of Article 6(1)(a) to (f) GDPR, and no counterpart of CCPA or HIPAA"),
        remedy: "ask the data protection officer which one it is, and declare it, such as --legal-basis \"Article 6(1)(f) GDPR, \
                 assessment LIA-12\""
            .into(),
    })
}

fn condition(provenance: &Provenance, also: &[&str]) -> Option<Notice> {
    let basis = provenance.value(Field::LegalBasis).map(Words::of);
    let named = |of: fn(&Words) -> bool| basis.as_ref().is_some_and(of);
    let remedy =
        "ask the data protection officer, and declare it, such as --article-9-condition \"Article 9(2)(a), explicit \
                  consent, form 3\"; if the records say nothing of the kind, declare who they are about in other words"
            .to_owned();
    if let Some(text) = provenance.value(Field::Article9Condition) {
        let says = Words::of(text).name_condition() || Words::of(text).name_hipaa();
        return (!says).then(|| Notice {
            code: "article-9-condition",
            text: format!("the condition “{text}” names none of Article 9(2)(a) to (j) GDPR"),
            remedy,
        });
    }
    // Health information under HIPAA and nothing else is not under Article 9.
    if named(Words::name_condition) || named(Words::name_hipaa) && !named(Words::name_basis) {
        return None;
    }
    const SAID: [Field; 6] =
        [Field::Subjects, Field::Source, Field::Purpose, Field::Contributor, Field::LegalBasis, Field::Dpia];
    let declared = SAID.into_iter().filter_map(|field| Some((field.name(), provenance.value(field)?)));
    let mut texts = declared.chain(also.iter().map(|text| ("the name of the dataset or of a column", *text)));
    let (place, word) = texts.find_map(|(place, text)| Some((place, Words::of(text).special()?)))?;
    Some(Notice {
        code: "special-categories",
        text: format!(
            "{place} says “{word}”: data on special categories may be processed only under a condition of Article 9(2) GDPR, \
             and none is declared"
        ),
        remedy,
    })
}

fn period(provenance: &Provenance) -> Option<Notice> {
    let from = provenance.kept_from.filter(|from| !from.declared)?;
    Some(Notice {
        code: "retention-from",
        text: format!(
            "the period of retention was counted from {}, the day of ingest, for no other day is declared: taking the records in \
             again would push its end on",
            from.day
        ),
        remedy: "declare the day on which the period began, such as the day of collection or of the end of the contract, with \
                 --retention-from DATE"
            .into(),
    })
}

fn later(provenance: &Provenance, field: Field, day: Date) -> Option<Notice> {
    let date: Date = provenance.value(field)?.parse().ok()?;
    (date > day).then(|| Notice {
        code: "later-date",
        text: format!("{field} is {date}, which is later than the day of ingest, {day}"),
        remedy: "check the year".into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Declared;
    use super::*;

    fn codes(declared: &Declared, also: &[&str]) -> Vec<&'static str> {
        let day: Date = "2026-11-27".parse().unwrap();
        notices(&declared.on(day).unwrap(), day, also).into_iter().map(|notice| notice.code).collect()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.into())
    }

    #[test]
    fn a_basis_that_is_none_and_special_categories_are_noticed() {
        let mut declared = Declared { legal_basis: text("because we can"), ..Declared::default() };
        assert_eq!(codes(&declared, &[]), ["legal-basis"]);
        declared.legal_basis = text("Article 6(1)(e) GDPR");
        assert_eq!(codes(&declared, &[]), [""; 0]);
        assert_eq!(codes(&declared, &["patients"]), ["special-categories"]);
        declared.subjects = Some(vec!["relatives".into(), "patients".into()]);
        assert_eq!(codes(&declared, &[]), ["special-categories"]);
        declared.article_9_condition = text("it is fine");
        assert_eq!(codes(&declared, &[]), ["article-9-condition"]);
        declared.article_9_condition = text("Art. 9(2)(h)");
        assert_eq!(codes(&declared, &[]), [""; 0]);
        declared.article_9_condition = None;
        declared.legal_basis = text("Articles 6(1)(e) and 9(2)(h) GDPR");
        assert_eq!(codes(&declared, &[]), [""; 0]);
        declared.legal_basis = text("HIPAA authorization, form 7");
        assert_eq!(codes(&declared, &[]), [""; 0]);
    }

    #[test]
    fn a_period_without_a_start_and_dates_to_come_are_noticed() {
        let mut declared = Declared { retention: text("P2Y"), ..Declared::default() };
        assert_eq!(codes(&declared, &[]), ["retention-from"]);
        declared.retention_from = text("2036-01-01");
        assert_eq!(codes(&declared, &[]), ["later-date"]);
        declared.retention_from = text("2026-01-01");
        assert_eq!(codes(&declared, &[]), [""; 0]);
        declared.decided_on = text("2026-11-28");
        assert_eq!(codes(&declared, &[]), ["later-date"]);
    }
}
