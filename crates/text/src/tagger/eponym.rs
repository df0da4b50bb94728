//! Names of physicians that diseases, signs, tests and tools are called by: `Crohn's disease`, `Foley catheter`.
//!
//! Invariant: only listed names count, and only beside a listed noun or, for a few, behind a word for having or treating;
//! `Mr Crohn` stays a person, and so does a patient whose name nothing was called by.
//! Source: Who Named It?, and the eponyms among the main headings of MeSH.

use crate::detect::{View, plain};

/// Lower case, without diacritics. Surnames that many people have are left out: `the Jones test` may be a patient's.
const NAMES: &[&str] = &[
    "alzheimer",
    "apgar",
    "asperger",
    "babinski",
    "barre",
    "bartholin",
    "basedow",
    "bechterew",
    "behcet",
    "bence",
    "braxton",
    "broca",
    "brudzinski",
    "buerger",
    "burkitt",
    "charcot",
    "chiari",
    "creutzfeldt",
    "crohn",
    "cushing",
    "danlos",
    "doppler",
    "dressler",
    "duchenne",
    "dupuytren",
    "ebstein",
    "ehlers",
    "epstein",
    "ewing",
    "fallot",
    "fanconi",
    "foley",
    "fuchs",
    "gaucher",
    "glasgow",
    "goodpasture",
    "gram",
    "guillain",
    "hashimoto",
    "heimlich",
    "hirschsprung",
    "hodgkin",
    "homans",
    "horner",
    "huntington",
    "kaposi",
    "karnofsky",
    "kartagener",
    "kawasaki",
    "kegel",
    "kernig",
    "klinefelter",
    "korsakoff",
    "krabbe",
    "lasegue",
    "lewy",
    "lyme",
    "mantoux",
    "marfan",
    "mcburney",
    "meckel",
    "meniere",
    "merkel",
    "osgood",
    "paget",
    "pap",
    "parkinson",
    "perthes",
    "peyronie",
    "pott",
    "prader",
    "pugh",
    "raynaud",
    "rett",
    "reye",
    "rinne",
    "romberg",
    "rorschach",
    "sachs",
    "schlatter",
    "scheuermann",
    "sjogren",
    "sjoegren",
    "takayasu",
    "tay",
    "tinel",
    "tourette",
    "trendelenburg",
    "valsalva",
    "virchow",
    "waldenstrom",
    "wegener",
    "weil",
    "wernicke",
    "whipple",
    "wilms",
    "zollinger",
];

/// What is called by such a name.
const NOUNS: &[&str] = &[
    "anaemia",
    "anemia",
    "anomaly",
    "aphasia",
    "ataxia",
    "body",
    "bodies",
    "catheter",
    "chorea",
    "classification",
    "coma",
    "contracture",
    "contractions",
    "criteria",
    "cyst",
    "dementia",
    "disease",
    "disorder",
    "dystrophy",
    "encephalopathy",
    "esophagus",
    "exercises",
    "gait",
    "ganz",
    "hernia",
    "layer",
    "lymphoma",
    "malformation",
    "manoeuvre",
    "maneuver",
    "morbus",
    "myopathy",
    "neuroma",
    "node",
    "nodes",
    "oesophagus",
    "palsy",
    "paralysis",
    "phenomenon",
    "point",
    "position",
    "procedure",
    "psychosis",
    "pupil",
    "purpura",
    "reflex",
    "rule",
    "sarcoma",
    "scale",
    "score",
    "sign",
    "smear",
    "spots",
    "stain",
    "syndrome",
    "test",
    "tetralogy",
    "thyroiditis",
    "triad",
    "tube",
    "tumor",
    "tumour",
    "ulcer",
    "ultrasound",
    "virus",
];

/// Names that nobody takes for a person behind [`HAVING`]: `has Parkinson's`.
const ALONE: &[&str] = &["alzheimer", "asperger", "crohn", "hodgkin", "huntington", "parkinson", "raynaud", "tourette"];

/// Words before what somebody has.
const HAVING: &[&str] = &[
    "advanced",
    "against",
    "developed",
    "develops",
    "early",
    "familial",
    "for",
    "from",
    "had",
    "has",
    "have",
    "having",
    "juvenile",
    "late",
    "mild",
    "of",
    "or",
    "possible",
    "severe",
    "suspected",
    "with",
];

/// Whether the words from `start` on are such a name with its noun.
pub(super) fn is_eponym(view: &View<'_>, start: usize) -> bool {
    let tokens = &view.tokens;
    let first = tokens.partition_point(|token| token.start < start);
    let word = |at: usize| tokens.get(at).map(|token| plain(view.word(token))).unwrap_or_default();
    let gap = |at: usize| match (at.checked_sub(1).and_then(|before| tokens.get(before)), tokens.get(at)) {
        (Some(left), Some(right)) => view.gap(left, right),
        _ => "",
    };
    // `Guillain-Barré`, with a hyphen one word.
    let listed = |at: usize| word(at).split('-').all(|name| NAMES.contains(&name));
    if !listed(first) {
        return false;
    }
    let mut behind = first + 1;
    while behind < first + 3 && matches!(gap(behind), "\u{2011}" | "\u{2013}" | " ") && listed(behind) {
        behind += 1;
    }
    let owns = matches!(gap(behind), "'" | "\u{2019}") && word(behind) == "s";
    if gap(behind + usize::from(owns)) == " " && NOUNS.contains(&word(behind + usize::from(owns)).as_str()) {
        return true;
    }
    let had = first > 0 && gap(first) == " " && HAVING.contains(&word(first - 1).as_str());
    owns && had && ALONE.contains(&word(first).as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::detect::Context;

    fn of(text: &str, name: &str) -> bool {
        let context = Context::new();
        is_eponym(&View::new(text, &context), text.find(name).unwrap())
    }

    #[test]
    fn diseases_signs_and_tools_are_no_persons() {
        for (text, name) in [
            ("He has Crohn's disease.", "Crohn"),
            ("with Guillain-Barré syndrome", "Guillain"),
            ("Foley catheter in place", "Foley"),
            ("Glasgow Coma Scale 15", "Glasgow"),
            ("Sjögren\u{2019}s syndrome", "Sjögren"),
            ("she has Parkinson's and asthma", "Parkinson"),
        ] {
            assert!(of(text, name), "{text}");
        }
    }

    #[test]
    fn patients_stay_persons() {
        for (text, name) in [
            ("Mr Crohn was seen", "Crohn"),
            ("Emily's disease got worse", "Emily"),
            ("Parkinson's car", "Parkinson"),
            ("the car of Parkinson, who", "Parkinson"),
            ("Murphy called about the test", "Murphy"),
            ("Mrs Wilson's appointment", "Wilson"),
            ("the Jones test came back", "Jones"),
            ("Murphy sign", "Murphy"),
        ] {
            assert!(!of(text, name), "{text}");
        }
    }
}
