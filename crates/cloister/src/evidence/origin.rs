//! On what basis data is used: declared fields as pages show them, of a dataset and of a run.
//!
//! Invariant: a field is declared by a person or `MISSING` with an owner; a run that was given no dataset says so and names
//! what it does not know.

use super::dataset::{FieldFacts, KeptFromFacts};
use super::facts::DataFacts;
use super::html::{Fact, caution, fact, facts, markup, section};
use super::words::{counted, escape};

/// What a run that knows no dataset should know of its data.
const ASKED: [&str; 3] = ["legal_basis", "purpose", "retention"];
/// Who is asked for it.
const OWNER: &str = "controller";

/// The fields that a run without a dataset lacks.
pub fn not_recorded() -> Vec<FieldFacts> {
    let field = |field: &str| FieldFacts {
        field: field.into(),
        state: "missing".into(),
        value: format!("MISSING (owner: {OWNER})"),
        required: false,
        owner: OWNER.into(),
    };
    ASKED.map(field).into()
}

/// A row for each field; `retention` stands in the place of the declared one.
pub(super) fn rows(fields: &[FieldFacts], retention: Option<&str>) -> Vec<Fact> {
    let row = |field: &FieldFacts| {
        let (name, about) = named(&field.field);
        let need = if field.required { "required" } else { "not required" };
        let value = match field.state.as_str() {
            "missing" if field.required => format!("<strong class=\"bad\">{}</strong>", escape(&field.value)),
            "missing" => format!("<span class=\"amber\">{}</span>", escape(&field.value)),
            _ if field.field == "retention" => escape(retention.unwrap_or(&field.value)),
            _ => escape(&field.value),
        };
        markup(name, value, format!("{about}; {need}"))
    };
    fields.iter().map(row).collect()
}

/// How a field is called on the page, and what it says.
fn named(field: &str) -> (&'static str, &'static str) {
    match field {
        "controller" => ("Controller", "who determines purposes and means, Article 4(7) GDPR"),
        "source" => ("Source", "where the records come from"),
        "licence" => ("Licence", "under what terms they may be used"),
        "legal_basis" => ("Legal basis", "one of Article 6(1)(a) to (f) GDPR, or its counterpart"),
        "article_9_condition" => ("Article 9 condition", "for special categories: one of Article 9(2)(a) to (j) GDPR"),
        "purpose" => ("Purpose", "what they are processed for"),
        "retention" => ("Retention", "until when they may be kept"),
        "retention_from" => ("Retention from", "the day from which the period runs"),
        "contributor" => ("Contributor", "who handed them over"),
        "subjects" => ("Subjects", "what kinds of people they are about"),
        "dpia" => ("Impact assessment", "where it is, Article 35 GDPR"),
        "decided_by" => ("Decided by", "who decided that the records may be used"),
        "decided_on" => ("Decided on", "on which day"),
        _ => ("Other", "another field"),
    }
}

/// A retention with the days that follow from it: `24 months from 2026-11-20, until 2028-11-20`.
pub(super) fn kept(declared: &str, from: Option<&KeptFromFacts>, until: Option<&str>) -> String {
    let from = match from {
        Some(from) if from.state == "declared" => format!(" from {}", from.date),
        Some(from) => format!(" from {}, the day of ingest, for none is declared", from.date),
        None => return declared.into(),
    };
    let until = until.map_or(String::new(), |until| format!(", until {until}"));
    format!("{declared}{from}{until}")
}

/// The data of a run, and on what basis it was used.
pub(super) fn section_of(data: &DataFacts) -> String {
    let heading = "The data, and on what basis it was used";
    let read = fact("Data", data.name(), format!("{}, shape: {}", counted(data.records, "record"), data.shape));
    let Some(dataset) = &data.dataset else {
        let row = markup(
            "Legal basis, purpose and retention",
            format!("<span class=\"amber\">not recorded in this run (owner: {OWNER})</span>"),
            "cloister ingest records them; give its folder to this command with --dataset DIR",
        );
        return section("data", heading, &facts(&[read, row]));
    };
    let mut all = vec![
        read,
        fact("Dataset", &dataset.name, format!("taken in at {}", dataset.created)),
        markup(
            "Content digest",
            format!("<code>{}</code>", escape(&dataset.content.root)),
            format!(
                "over {}; computed again from the bytes that were trained on, and the same",
                counted(dataset.content.records, "record")
            ),
        ),
    ];
    let declared = data.provenance.iter().find(|field| field.field == "retention");
    let retention = declared.map(|field| kept(&field.value, dataset.kept_from.as_ref(), dataset.keep_until.as_deref()));
    all.extend(rows(&data.provenance, retention.as_deref()));
    let warnings: String = dataset
        .warnings
        .iter()
        .map(|warning| caution(&format!("{}: {}.", escape(&warning.text), escape(&warning.remedy))))
        .collect();
    let note = "<p class=\"fine\">Declared by people when the records were taken in; nothing of this was measured or guessed. \
                Personal data was replaced after that, in memory.</p>";
    section("data", heading, &format!("{warnings}{}{note}", facts(&all)))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{of_dataset, private};
    use super::*;

    #[test]
    fn a_run_without_a_dataset_says_what_is_not_recorded_and_who_is_asked() {
        let page = section_of(&private().data);
        for said in
            ["Legal basis, purpose and retention", "not recorded in this run (owner: controller)", "cloister ingest"]
        {
            assert!(page.contains(said), "{said}");
        }
        let fields = not_recorded();
        assert!(fields.iter().all(|field| field.state == "missing" && field.value == "MISSING (owner: controller)"));
        assert_eq!(fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>(), ASKED);
    }

    #[test]
    fn a_run_on_a_dataset_shows_its_declarations() {
        let page = section_of(&of_dataset().data);
        for said in [
            "Article 6(1)(f) GDPR, assessment LIA-12",
            "MISSING (owner: controller)",
            "24 months from 2026-02-01, until 2028-02-01",
            "something is odd",
            &"cd".repeat(32),
        ] {
            assert!(page.contains(said), "{said}");
        }
        assert!(!page.contains("not recorded"));
    }

    #[test]
    fn a_retention_is_read_as_a_person_reads_it() {
        let from = |state: &str| KeptFromFacts { date: "2026-11-20".into(), state: state.into() };
        let until = Some("2028-11-20");
        assert_eq!(kept("24 months", Some(&from("declared")), until), "24 months from 2026-11-20, until 2028-11-20");
        let assumed = "24 months from 2026-11-20, the day of ingest, for none is declared, until 2028-11-20";
        assert_eq!(kept("24 months", Some(&from("assumed")), until), assumed);
        assert_eq!(kept("2028-11-20", None, until), "2028-11-20");
    }
}
