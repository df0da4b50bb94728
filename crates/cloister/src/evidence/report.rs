//! `report.html`: one page for a data protection officer, an engineer and a security reviewer.
//!
//! Invariants: the page is complete in itself (no script, no font, image or link from outside; its content security
//! policy forbids them); every text from the facts is escaped; it is well-formed XML after the doctype.

use super::facts::{Evidence, Gate};
use super::html::{absent, checks, command, frame, section};
use super::origin;
use super::personal::{self, Totals, bounded, unit_words};
use super::technical;
use super::words::{NOT_MEASURED, bytes, change, count, counted, epsilon, escape, fixed, powers, scientific};

/// The page, as UTF-8 text.
pub fn report(evidence: &Evidence) -> String {
    let title = format!("{}: evidence of a run on {}", escape(&evidence.base.name), escape(evidence.data.name()));
    let mut body = String::new();
    body += &header(evidence);
    body += &tiles(evidence);
    body += READERS;
    body += &verdict(evidence);
    body += &personal::privacy(evidence);
    body += &personal::not_covered(evidence);
    body += &personal::entities(evidence);
    body += &origin::section_of(&evidence.data);
    body += &technical::utility(evidence);
    body += &technical::plan(evidence);
    body += &technical::training(evidence);
    body += &technical::adapter(evidence);
    body += &technical::digests(evidence);
    body += &technical::repeat(evidence);
    body += &technical::glossary();
    body += &technical::footer(evidence);
    frame(&title, &body)
}

const READERS: &str = "<nav aria-label=\"Contents\"><dl>\
    <div><dt>For data protection</dt><dd><a href=\"#privacy\">What the adapter can reveal</a></dd>\
    <dd><a href=\"#limits\">What is not covered</a></dd><dd><a href=\"#entities\">Personal data replaced</a></dd>\
    <dd><a href=\"#data\">On what basis it was used</a></dd></div>\
    <div><dt>For engineering</dt><dd><a href=\"#utility\">What it has learnt</a></dd>\
    <dd><a href=\"#plan\">The privacy plan</a></dd><dd><a href=\"#training\">Data, base and training</a></dd></div>\
    <div><dt>For security</dt><dd><a href=\"#adapter\">Checks of the adapter</a></dd>\
    <dd><a href=\"#digests\">Digests</a></dd><dd><a href=\"#repeat\">How to check and repeat</a></dd></div>\
    </dl></nav>\n";

fn header(evidence: &Evidence) -> String {
    let class = if evidence.verdict.passed { "good" } else { "bad" };
    let (word, meaning) = judged(evidence);
    format!(
        "<header><p class=\"product\"><span>{}</span><span>{}</span></p><h1>{} <span class=\"on\">tuned on</span> {}</h1>\
         <p class=\"lead\"><strong class=\"verdict {class}\">{word}</strong> {}</p><p class=\"sub\">{meaning}</p>{}\
         </header>\n",
        escape(&evidence.product),
        escape(&evidence.created),
        escape(&evidence.base.name),
        escape(evidence.data.name()),
        summary(evidence),
        personal::weakness(&evidence.privacy)
    )
}

/// The verdict, and what it means (HTML).
fn judged(evidence: &Evidence) -> (String, &'static str) {
    let gates = &evidence.verdict.gates;
    let all = counted(gates.len() as u64, "gate");
    let passed = gates.iter().filter(|gate| gate.passed).count();
    match (evidence.verdict.passed, gates.len()) {
        (true, 0) => ("Passed".into(), "No gate was asked, so passing means nothing."),
        (false, 0) => ("Refused".into(), "No gate was asked, so nothing speaks for this adapter."),
        (true, _) => (
            format!("Passed {passed} of {all}"),
            "Passing means that the run met the demands under <a href=\"#verdict\">Verdict</a>. It does not mean that the \
             adapter is private, or that no personal data is left.",
        ),
        (false, gates) => (
            format!("Refused by {} of {all}", gates - passed),
            "The run missed what is marked under <a href=\"#verdict\">Verdict</a>. Do not use the adapter.",
        ),
    }
}

/// The run in one sentence (HTML).
fn summary(evidence: &Evidence) -> String {
    let (data, privacy) = (&evidence.data, &evidence.privacy);
    let of_subjects = match data.subjects {
        Some(subjects) => format!(" of {}", counted(subjects, "subject")),
        None => String::new(),
    };
    let promise = match bounded(privacy) {
        true => {
            format!("with ε\u{a0}=\u{a0}{} per {}", powers(&epsilon(privacy.epsilon)), escape(&unit_words(privacy).0))
        }
        false if privacy.epsilon == f64::INFINITY => "without any privacy bound".into(),
        false => "with a privacy loss that was not measured".into(),
    };
    let learnt = match &evidence.utility {
        Some(utility) => {
            let (base, tuned) = (utility.base_nats_per_token, utility.tuned_nats_per_token);
            match change(base, tuned) {
                Some(change) if tuned < base => {
                    format!("; its loss on the evaluation text fell by {}", change.trim_start_matches('−'))
                }
                Some(_) => "; its loss on the evaluation text did not fall".into(),
                None => "; its loss on the evaluation text was not measured".into(),
            }
        }
        None => "; its loss on the evaluation text was not measured".into(),
    };
    format!("The adapter was trained on {}{of_subjects} {promise}{learnt}.", counted(data.records, "record"))
}

fn tiles(evidence: &Evidence) -> String {
    let (privacy, adapter) = (&evidence.privacy, &evidence.adapter);
    let mut html = String::from("<dl class=\"tiles\">");
    let mut tile = |name: &str, figure: &str, below: &str| {
        html += &format!("<div><dt>{name}</dt><dd class=\"figure\">{figure}</dd><dd>{below}</dd></div>");
    };
    let (unit, _) = unit_words(privacy);
    let delta = powers(&scientific(privacy.delta));
    match bounded(privacy) {
        true => {
            let figure = format!("ε = {}", powers(&epsilon(privacy.epsilon)));
            let below = format!("per {}, at δ\u{a0}=\u{a0}{delta}{}", escape(&unit), personal::person(privacy));
            tile("Privacy loss", &figure, &below);
        }
        false if privacy.epsilon == f64::INFINITY => tile("Privacy loss", "no bound", "the plan adds no noise"),
        false => tile("Privacy loss", NOT_MEASURED, "see below"),
    }
    match &evidence.utility {
        Some(utility) if utility.tuned_nats_per_token.is_finite() => {
            let (base, tuned) = (utility.base_nats_per_token, utility.tuned_nats_per_token);
            let below = format!("nats per token; base {}", fixed(base, 3));
            tile("Loss on evaluation text", &fixed(tuned, 3), &below);
        }
        _ => tile("Loss on evaluation text", NOT_MEASURED, "needs an evaluation file"),
    }
    match &evidence.protection {
        Some(protection) => {
            let total = Totals::of(&protection.labels);
            let below = format!("of {} found; {} still detected", count(total.found), count(total.residual));
            tile("Entities replaced", &count(total.replaced), &below);
        }
        None => tile("Entities replaced", NOT_MEASURED, "the protect stage did not run"),
    }
    let passed = adapter.checks.iter().filter(|check| check.passed).count();
    let checked = match adapter.checks.len() {
        0 => NOT_MEASURED.to_owned(),
        all => format!("{passed} of {all}"),
    };
    let read = if adapter.checks.is_empty() { "not read back" } else { "read back from disk" };
    tile("Adapter checks passed", &checked, &format!("{read}, {}", bytes(adapter.bytes)));
    html + "</dl>\n"
}

fn verdict(evidence: &Evidence) -> String {
    let verdict = &evidence.verdict;
    let gates = if verdict.gates.is_empty() {
        absent("Not decided.", "No gate stands in the evidence, so nothing was decided about this adapter.")
    } else {
        checks(verdict.gates.iter().map(Gate::row), ("passed", "refused"))
    };
    let next = match verdict.next.trim() {
        "" => String::new(),
        next => format!("<h3>Next command</h3>{}", command(next)),
    };
    section("verdict", "Verdict", &format!("{gates}{next}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::facts::PersonFacts;
    use super::super::html::STYLE;
    use super::super::sample::{HOSTILE, extreme, hostile, of_dataset, private, refused, unmeasured, well_formed};
    use super::*;

    /// The words that a reader sees, in lower case.
    fn words(page: &str) -> Vec<String> {
        let body = page.split("</style>").nth(1).unwrap();
        let mut text = String::new();
        let mut inside = false;
        for character in body.chars() {
            inside = match character {
                '<' => true,
                '>' => false,
                _ => inside,
            };
            text.push(if inside || character == '>' { ' ' } else { character });
        }
        text.to_lowercase().split(|character: char| !character.is_alphanumeric()).map(str::to_owned).collect()
    }

    #[test]
    fn every_page_is_well_formed_and_complete_in_itself() {
        for evidence in [private(), of_dataset(), refused(), unmeasured(), hostile()] {
            let page = report(&evidence);
            well_formed(page.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
            for outside in ["http://", "https://", "<link", "<img", "@import", "url(", "src=", " style=", " on"] {
                let markup = page.split("</style>").nth(1).unwrap();
                let tags: String = markup.split('<').skip(1).filter_map(|tag| tag.split('>').next()).collect();
                assert!(!tags.contains(outside) && !STYLE.contains("url("), "{outside}");
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let page = report(&hostile());
        assert!(!page.contains("<script") && !page.contains("onerror=\"") && !page.contains('\u{202e}'));
        assert!(!page.contains(HOSTILE));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    #[test]
    fn the_same_evidence_gives_the_same_page() {
        assert_eq!(report(&private()), report(&private()));
    }

    #[test]
    fn no_number_is_printed_as_nan_or_inf() {
        for evidence in [private(), refused(), unmeasured(), hostile()] {
            let words = words(&report(&evidence));
            assert!(!words.iter().any(|word| ["nan", "inf", "infinity"].contains(&word.as_str())));
        }
        for real in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-320, 0.5, 1e6, f64::MAX] {
            for whole in [0, 1, u64::MAX] {
                let page = report(&extreme(whole, real));
                well_formed(page.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
                let words = words(&page);
                assert!(
                    !words.iter().any(|word| ["nan", "inf", "infinity"].contains(&word.as_str())),
                    "{whole} {real}"
                );
            }
        }
        let page = report(&unmeasured());
        assert!(page.matches("Not measured.").count() == 3 && page.contains("--evaluation FILE.jsonl"));
    }

    #[test]
    fn the_figures_are_those_of_the_evidence() {
        let evidence = private();
        let page = report(&evidence);
        for figure in [
            "7.998",
            "1\u{a0}×\u{a0}10<sup>−5</sup>",
            "3.973",
            "2.386",
            "39.9\u{a0}%",
            "3,590",
            "29.8\u{a0}%",
            "4 of 4",
        ] {
            assert!(page.contains(figure), "{figure}");
        }
        for digest in
            [&evidence.base.sha256, &evidence.data.commitment, &evidence.adapter.sha256, &evidence.exports[0].sha256]
        {
            assert!(page.contains(digest.as_str()));
        }
        for limit in &evidence.privacy.not_covered {
            assert!(page.contains(&escape(limit)));
        }
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<desc").count(), 3);
    }

    #[test]
    fn one_is_singular() {
        let mut evidence = extreme(1, 2.0);
        evidence.verdict.gates.truncate(1);
        evidence.adapter.checks.clear();
        evidence.verdict.gates[0].detail.clear();
        let lines = super::super::screen(&evidence, 80).into_iter().map(|line| line.text + "\n").collect::<String>();
        for text in [words(&report(&evidence)), words(&format!("</style>{lines}"))] {
            let plural = |pair: &&[String]| pair[0] == "1" && pair[1].ends_with('s') && pair[1] != "was";
            assert_eq!(text.windows(2).find(plural), None);
            assert!(!text.windows(2).any(|pair| pair[0] == "1" && pair[1] == "were"));
        }
    }

    #[test]
    fn passing_is_not_called_private() {
        let page = report(&private());
        assert!(
            page.contains(">Passed 4 of 4 gates</strong>") && page.contains("It does not mean that the adapter is")
        );
        assert!(page.contains("The bound is weak:") && page.contains("with a chance of up to 99.97\u{a0}%"));
        let mut strict = private();
        strict.privacy.epsilon = 1.0;
        let strict = report(&strict);
        let privacy = strict.split("id=\"privacy\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(!strict.contains("class=\"caution\"") && !privacy.contains("class=\"amber\""));
        assert!(report(&refused()).contains("There is no bound:"));
    }

    #[test]
    fn the_person_with_most_records_stands_beside_the_epsilon() {
        let mut evidence = of_dataset();
        let said = |evidence: &Evidence| {
            let page = report(evidence);
            let (tiles, below) = page.split_once("</dl>").unwrap();
            (tiles.to_owned(), below.to_owned())
        };
        let (tiles, below) = said(&evidence);
        assert!(tiles.contains("; 9.250 for the person with most records, 8"), "{tiles}");
        assert!(below.contains("For the person with most records, 8, all together"));
        for epsilon in [62.0, f64::INFINITY] {
            evidence.privacy.person = Some(PersonFacts { records: 8, epsilon });
            let (tiles, below) = said(&evidence);
            assert!(tiles.contains("; no useful bound for the person with most records, 8"), "{tiles}");
            assert!(below.contains("no useful bound."));
        }
        evidence.privacy.person = None;
        let (tiles, below) = said(&evidence);
        assert!(!tiles.contains("person with most") && below.contains("The records do not say whose they are"));
    }

    #[test]
    fn the_page_says_what_was_searched_for() {
        let page = report(&private());
        assert!(page.contains("Profile <em>surrogate</em>: an invented value") && page.contains("of one subject"));
        assert!(page.contains("id=\"searched\"") && page.contains("criminal convictions"));
        assert!(!report(&unmeasured()).contains("id=\"searched\""), "nothing was searched");
    }

    #[test]
    fn the_budget_prints_what_the_page_says() {
        let page = report(&private());
        assert!(page.contains("<span>--q</span> <span>0.2</span> <span>--sigma</span> <span>0.797</span>"));
        assert!(page.contains("<code>epsilon      7.9975\nepsilon_pld  7.9975\nepsilon_rdp  8.8125</code>"));
    }

    #[test]
    fn a_refusal_cannot_be_overlooked() {
        let page = report(&refused());
        assert!(page.contains("class=\"verdict bad\">Refused by 2 of 4 gates<"));
        assert!(page.contains("This run promises no privacy.") && page.contains("no better than the base"));
        assert!(page.contains("A second search, after replacement, still detected 12."));
    }
}
