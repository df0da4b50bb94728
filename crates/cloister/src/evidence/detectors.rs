//! What the detectors search for, what they do not, how much of it they find, and what is put in its place.
//!
//! Invariant: these are facts about the product, the same for all data; none of them is a measurement of a run. The
//! list of what is searched for follows [`Label::ALL`]; the tests hold the other list and the shares against the
//! detectors themselves.

use cloister_text::{Label, Profile, Scope};

use super::detection::DetectionFacts;
use super::html::{command, numbers};
use super::words::{NOT_MEASURED, counted, escape, percent_of};

/// How many of the labelled places of one type the detectors marked, at least in part, with that type.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    label: Label,
    found: u64,
    labelled: u64,
}

const EXAMPLE_RECORDS: u64 = 2000;

/// The example records, as `cloister scan examples/tickets.jsonl --gold examples/tickets.spans.jsonl --json` counts
/// them under `gold`, `by_label`.
const EXAMPLES: [Share; 10] = [
    share(Label::EMAIL_ADDRESS, 655, 655),
    share(Label::PHONE_NUMBER, 489, 489),
    share(Label::CREDIT_CARD, 141, 141),
    share(Label::IBAN_CODE, 122, 122),
    share(Label::US_SSN, 48, 48),
    share(Label::IP_ADDRESS, 121, 122),
    share(Label::URL, 104, 104),
    share(Label::CREDENTIAL, 176, 176),
    share(Label::PERSON, 1369, 1370),
    share(Label::LOCATION, 353, 363),
];

/// What people may expect to be found, and is not.
const NOT_SEARCHED: [&str; 11] = [
    "ages and dates in words; weekdays and relative dates such as “last Monday”; years alone",
    "coordinates",
    "bare postcodes and ZIP codes other than Eircodes, except in an address or beside a word for one",
    "PINs and door codes that no “PIN is” or “PIN:” announces",
    "national numbers without check digits, and bank accounts that are not IBAN, that no word announces",
    "numbers of customers, contracts, policies and cases that no word for an account announces",
    "names of people in other scripts than the Latin one",
    "special categories: health, religion, ethnic origin, political opinions, trade unions, sex life, genetic and \
     biometric data",
    "criminal convictions",
    "descriptions that fit one person only: an office, a family, an event",
    "pictures, sound, and text inside of them",
];

/// Names, on sets of text that nothing was trained on (`docs/guides/scan.md`).
pub(super) const UNSEEN_NAMES: &str = "of names in unseen text an eighth to a third is missed";

const fn share(label: Label, found: u64, labelled: u64) -> Share {
    Share { label, found, labelled }
}

/// What is searched for, with the share that was found of it, and what is not (HTML).
pub(super) fn detectors() -> String {
    let (in_list, in_table): (Vec<Label>, Vec<Label>) = Label::ALL.into_iter().partition(|label| is_national(*label));
    let rows: Vec<Vec<String>> = in_table.into_iter().map(row).collect();
    let table = numbers(&["Searched for", "Share found"], &rows, None);
    let national: String = in_list.into_iter().map(|label| format!("<li>{}</li>", named(label))).collect();
    let records = counted(EXAMPLE_RECORDS, "invented support ticket");
    format!(
        "<h3 id=\"searched\">What the detectors search for, and what they do not</h3>\
         <div class=\"pair\"><div>{table}</div>{}</div>\
         <details><summary>Searched for as well, by form, check digits and the words nearby; not measured on the \
         example records</summary><ul>{national}</ul></details>\
         <p>The shares are a fact about this version and not about these records: of all such values in {records} that \
         come with the product, so many were marked, whole or in part, with the right type. The detectors were tuned on \
         tickets made by the same program, so these are upper figures: of names in text that nothing was tuned on, an \
         eighth to a third is missed.</p>\
         <p>Measure it on your own data: label a sample by hand and run</p>{}<p>It prints the share found of each type, \
         and the records in which something was missed. GOLD holds lines like those of FOUND, corrected by hand.</p>",
        not_searched(),
        command("cloister scan DATA.jsonl --spans FOUND.jsonl --gold GOLD.jsonl")
    )
}

/// What people may expect to be found, and is not (HTML).
pub(super) fn not_searched() -> String {
    let missing: String = NOT_SEARCHED.iter().map(|what| format!("<li>{}</li>", escape(what))).collect();
    format!("<div class=\"unsearched\"><p>Not searched for</p><ul>{missing}</ul></div>")
}

/// What stands in the place of an original (HTML).
pub(super) fn replacement(profile: &str, scope: &str, detection: &DetectionFacts) -> String {
    let known = profile.parse::<Profile>().ok();
    let meaning = match known {
        Some(Profile::Surrogate) => {
            ": an invented value of the same kind and form stands in the place of each original"
        }
        Some(Profile::Redact) => ": the name of its type stands in the place of each original",
        Some(Profile::Mask) => ": asterisks stand in the place of the letters and digits of each original",
        Some(Profile::Hash) => {
            ": its type and eight digits of a hash, under a secret key, stand in the place of each original"
        }
        Some(Profile::HipaaSafeHarbor) => {
            ": an invented value from a random table stands in the place of each identifier; of dates the year is left, of \
             places the state and the first three digits of a ZIP code, and ages above 89 are one class"
        }
        Some(Profile::GdprPseudonymise) => {
            ": its type and sixteen digits of a hash, under a secret key, stand in the place of each original; dates are \
             moved, ages are in classes of five years"
        }
        _ => "",
    };
    let reach = match (known, scope.parse::<Scope>()) {
        (Some(Profile::Redact | Profile::Mask), _) => ": it makes no difference to this profile",
        (_, Ok(Scope::Document)) => {
            ": one original gets the same substitute within a record, and other ones in other records"
        }
        (_, Ok(Scope::Subject)) => {
            ": one original gets the same substitute in all records of one subject, and other ones elsewhere; where no \
             subject is named, within the record"
        }
        (_, Ok(Scope::Dataset)) => {
            ": one original gets the same substitute in all records, so that they can still be linked"
        }
        (_, Err(_)) => "",
    };
    let (profile, scope) = (escape(profile), escape(scope));
    let options = detection.in_words();
    format!("<p>Profile <em>{profile}</em>{meaning}. Scope <em>{scope}</em>{reach}.</p><p>{options}</p>")
}

/// A type in words, with its name, and the share that was found of it (HTML).
fn row(label: Label) -> Vec<String> {
    let share = match EXAMPLES.iter().find(|share| share.label == label) {
        Some(of) => percent_of(of.found, of.labelled),
        None => NOT_MEASURED.into(),
    };
    let elsewhere =
        if label == Label::PERSON { format!("<br/><span class=\"fine\">{UNSEEN_NAMES}</span>") } else { String::new() };
    vec![named(label), share + &elsewhere]
}

/// A type by its name, in words where they are known (HTML).
pub(super) fn described(name: &str) -> String {
    match Label::ALL.into_iter().find(|label| label.0 == name) {
        Some(label) => named(label),
        None => format!("<code class=\"type\">{}</code>", escape(name)),
    }
}

/// A type in words, with its name (HTML).
fn named(label: Label) -> String {
    format!("{} <code class=\"type\">{}</code>", escape(label.description()), escape(label.0))
}

/// Whether a number belongs to one country and is not among the measured ones.
fn is_national(label: Label) -> bool {
    let country = label.0.split('_').next().is_some_and(|first| first.len() == 2 && first != "IP");
    country && EXAMPLES.iter().all(|share| share.label != label)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;
    use std::io::BufReader;
    use std::path::Path;

    use cloister_text::{Columns, Detector, DetectorOptions, Source};

    use super::*;
    use crate::progress::{Progress, Show, Unit};
    use crate::scan::{Gold, Report, Scan};

    #[test]
    fn every_type_is_explained() {
        let page = detectors();
        for label in Label::ALL {
            assert!(page.contains(&format!(">{label}</code>")), "{label}");
            assert!(!label.description().is_empty(), "{label} has no words");
        }
    }

    #[test]
    fn the_share_of_names_does_not_stand_alone() {
        let page = detectors();
        let row = page.split("</tr>").find(|row| row.contains(">PERSON</code>")).unwrap();
        assert!(row.contains("99.9\u{a0}%<br/>") && row.contains(UNSEEN_NAMES), "{row}");
    }

    #[test]
    fn what_is_not_searched_for_is_not_found() {
        // One text for each line of the list, or more; a detector that learns to find one has to leave the list.
        let texts = [
            "She is fifty-two and came last Monday, or in 1984.",
            "The coordinates are 51.9244, 4.4777.",
            "Ours is 62704-1234, theirs 10115, and they wrote LS20 9FF.",
            "At the machine I type 4471, at the door 2580; PIN 4471.",
            "Mine is X4820193B, hers 219345678; the branch 20-00-00, and 5577 after it.",
            "I am customer K-77120, policy PL/88/2291-B, case 2024/771.",
            "请联系王小明先生。 يرجى الاتصال بمحمد عبد الله. Пишет Иван Петров. Γιώργος Παπαδόπουλος.",
            "She is diabetic, goes to the mosque and belongs to the union.",
            "He was convicted of theft.",
            "The only midwife of the island, mother of triplets.",
            "The picture is attached as scan.png.",
        ];
        assert_eq!(texts.len(), NOT_SEARCHED.len());
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        for text in texts {
            let spans = detector.detect(text);
            let found: Vec<_> = spans.iter().map(|span| (span.label, &text[span.start..span.end])).collect();
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn the_shares_are_those_of_the_detectors() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let columns = Columns::default();
        let mut source = Source::open(&folder.join("tickets.jsonl")).unwrap();
        let labelled = File::open(folder.join("tickets.spans.jsonl")).unwrap();
        let mut gold = Gold::read(BufReader::new(labelled)).unwrap();
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let mut progress = Progress::new(Show::Nothing, "", 0, Unit::Count("records"));
        let scan = Scan { detector: &detector, report: Report::Found, columns: &columns, strict: true, threads: 2 };
        let seen = scan.run(&mut source, &mut progress, |line| -> Result<(), Box<dyn std::error::Error>> {
            gold.compare(&line);
            Ok(())
        });
        assert_eq!(seen.unwrap().0.records as u64, EXAMPLE_RECORDS);
        let score = gold.score();
        let measured = EXAMPLES.map(|Share { label, .. }| {
            let of = &score.by_label[label.0];
            share(label, of.found as u64, of.gold as u64)
        });
        assert_eq!(measured, EXAMPLES);
        assert_eq!(score.by_label.len(), EXAMPLES.len(), "a type of the examples is missing");
    }
}
