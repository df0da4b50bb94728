//! `quality.html`: one page for a data protection officer, with what an engineer needs below.
//!
//! Invariants: those of every page of evidence: complete in itself, no script, every text escaped, well-formed XML after the
//! doctype. The first screen says whether the dataset may be used, whose data it is and on what basis, what is missing, and
//! what was left out.

use cloister_text::risk::quasi::Quasi;

use super::super::detectors;
use super::super::html::{absent, caution, checks, drawing, fact, facts, frame, markup, numbers, section};
use super::super::origin;
use super::super::words::{bytes, count, counted, escape, fixed, percent_of};
use super::chart::{Row, bars};
use super::{DatasetFacts, Gate, MeasuredOn, QualityFacts, RiskFacts, SpanFacts, WarningFacts};

/// The page, as UTF-8 text.
pub fn page(facts: &DatasetFacts) -> String {
    let title = format!("{}: quality and provenance of a dataset", escape(&facts.name));
    let mut body = String::new();
    body += &header(facts);
    body += &tiles(facts);
    body += &provenance(facts);
    body += &gates(facts);
    body += &noticed(&facts.quality);
    body += &personal(&facts.quality);
    body += &risk(facts.risk.as_ref());
    body += &measured(facts);
    body += &digest(facts);
    let product = escape(&facts.product);
    body += &format!(
        "<footer><p>Written by {product} at {}. {}</p></footer>\n",
        escape(&facts.created),
        escape(&facts.audience)
    );
    frame(&title, &body)
}

fn header(facts: &DatasetFacts) -> String {
    let (class, word) = if facts.passed { ("good", "May be used") } else { ("bad", "Not yet") };
    let quality = &facts.quality;
    let missing = facts.missing().count() as u64;
    let what = match (facts.passed, missing) {
        (true, _) => "All gates passed. What a person should look at is listed below.".to_owned(),
        (false, 0) => "A gate says no: what to do stands beside it under Gates.".to_owned(),
        (false, missing) => format!("{} missing: see below who supplies it.", required(missing)),
    };
    let unclear = match facts.warnings.len() as u64 {
        0 => String::new(),
        1 => " One declaration is not clear.".into(),
        more => format!(" {} declarations are not clear.", count(more)),
    };
    let what = what + &unclear;
    let kept = quality.accepted + quality.review;
    format!(
        "<header><p class=\"product\"><span>{}</span><span>{}</span></p><h1>{} <span class=\"on\">dataset</span></h1>\
         <p class=\"lead\"><strong class=\"verdict {class}\">{word}</strong> {} of {} stay, {} to be looked at by a \
         person, {} left out.</p><p class=\"sub\">{}</p>{}</header>\n",
        escape(&facts.product),
        escape(&facts.created),
        escape(&facts.name),
        count(kept),
        counted(quality.lines, "line"),
        count(quality.review),
        count(quality.rejected),
        escape(&what),
        caution(&escape(&facts.audience))
    )
}

fn required(number: u64) -> String {
    if number == 1 { "1 required field is".into() } else { format!("{} required fields are", count(number)) }
}

fn tiles(facts: &DatasetFacts) -> String {
    let quality = &facts.quality;
    let mut html = String::from("<dl class=\"tiles\">");
    let mut tile = |name: &str, figure: &str, below: &str| {
        let (name, figure, below) = (escape(name), escape(figure), escape(below));
        html += &format!("<div><dt>{name}</dt><dd class=\"figure\">{figure}</dd><dd>{below}</dd></div>");
    };
    let declared = facts.provenance.iter().filter(|field| field.state == "declared").count();
    let missing = match facts.missing().count() as u64 {
        0 => "nothing that is required is missing".to_owned(),
        missing => format!("{} missing", required(missing)),
    };
    tile("Declared fields", &format!("{declared} of {}", facts.provenance.len()), &missing);
    let until = facts.keep_until.as_deref().unwrap_or("not declared");
    let by = match &facts.kept_from {
        Some(from) if from.state != "declared" => {
            format!("counted from the day of ingest, {}: declare another", from.date)
        }
        _ => "by the declared retention".into(),
    };
    tile("May be kept until", until, &by);
    let spans = quality.spans.map_or("not measured".into(), count);
    let density = quality.spans_per_1000_chars.map_or("the detector did not run".into(), |share| {
        format!("{} per 1,000 characters; health data are not searched for", fixed(share, 1))
    });
    tile("Personal data found", &spans, &density);
    match &facts.risk {
        Some(risk) => {
            let below = format!("smallest group of {} that look alike", counted(risk.subjects, "subject"));
            tile("k-anonymity", &format!("k = {}", count(risk.k)), &below);
        }
        None => tile("k-anonymity", "not measured", "needs --quasi"),
    }
    html + "</dl>\n"
}

fn provenance(facts: &DatasetFacts) -> String {
    let rows = origin::rows(&facts.provenance, facts.retention().as_deref());
    let note = "<p class=\"fine\">Declared by people; nothing of this was measured or guessed.</p>";
    let warnings = warnings(facts);
    section("provenance", "Where the data comes from", &format!("{warnings}{}{note}", self::facts(&rows)))
}

fn warnings(facts: &DatasetFacts) -> String {
    let warning = |warning: &WarningFacts| {
        caution(&format!(
            "<strong>Not clear:</strong> {}. What to do: {}.",
            escape(&warning.text),
            escape(&warning.remedy)
        ))
    };
    facts.warnings.iter().map(warning).collect()
}

fn gates(facts: &DatasetFacts) -> String {
    let html = if facts.gates.is_empty() {
        absent("Not decided.", "No gate stands in the evidence.")
    } else {
        checks(facts.gates.iter().map(Gate::row), ("passed", "refused"))
    };
    section("gates", "Gates", &html)
}

fn noticed(quality: &QualityFacts) -> String {
    let decisions = [
        ("accepted", quality.accepted, "found"),
        ("review", quality.review, "replaced"),
        ("rejected", quality.rejected, "residual"),
    ];
    let rows = decisions.map(|(name, count, class)| Row { name, count, class });
    let description =
        format!("{} accepted, {} for review, {} rejected", quality.accepted, quality.review, quality.rejected);
    let chart = bars("decisions", "Decisions", &description, &rows).unwrap_or_default();
    let caption = format!("Decisions on {}. {}", counted(quality.lines, "line"), on(&quality.measured_on));
    let seen: Vec<_> = quality.reasons.iter().filter(|reason| reason.records > 0).collect();
    let rows: Vec<Row<'_>> = seen
        .iter()
        .map(|reason| {
            let class = match reason.level.as_str() {
                "reject" => "residual",
                "review" => "replaced",
                _ => "found",
            };
            Row { name: &reason.code, count: reason.records, class }
        })
        .collect();
    let reasons = match bars("reasons", "Reasons", "Records by reason; a record can have several", &rows) {
        None => "<p>Nothing was noticed about any record.</p>".to_owned(),
        Some(svg) => {
            let share = |records: u64| percent_of(records, quality.lines);
            let table: Vec<Vec<String>> = seen
                .iter()
                .map(|reason| {
                    let first = &reason.first[..reason.first.len().min(3)];
                    let more = if reason.records > first.len() as u64 { ", …" } else { "" };
                    let lines = format!("{}{more}", first.join(", "));
                    vec![escape(&reason.code), count(reason.records), share(reason.records), escape(&lines)]
                })
                .collect();
            let table = numbers(&["reason", "records", "share", "first (file:line)"], &table, None);
            let caption = "Red leads to rejection, dark blue to review. A record can have several reasons.";
            let meanings: Vec<_> = seen
                .iter()
                .map(|reason| format!("<dt>{}</dt><dd>{}</dd>", escape(&reason.code), escape(&reason.meaning)))
                .collect();
            let meanings = meanings.into_iter().map(|pair| format!("<div>{pair}</div>")).collect::<String>();
            format!("{}<dl class=\"words\">{meanings}</dl>", drawing(&svg, caption, &table))
        }
    };
    let decisions = drawing(&chart, &escape(&caption), "");
    let html = format!("<div class=\"pair\"><div>{decisions}</div><div>{reasons}</div></div>");
    section("noticed", "What was noticed about the records", &html)
}

/// What the detectors found, by type, and what they do not look for.
fn personal(quality: &QualityFacts) -> String {
    let heading = "Personal data in the records";
    let unsearched = format!("{}<p>{NOT_SEARCHED}</p>", detectors::not_searched());
    let Some(spans) = quality.spans else {
        let how = "The detector did not run, so nothing is known of personal data in these records.";
        return section("personal", heading, &format!("{}{unsearched}", absent("Not measured.", how)));
    };
    let row = |of: &SpanFacts| vec![detectors::described(&of.label), count(of.spans), count(of.records)];
    let rows: Vec<Vec<String>> = quality.spans_by_label.iter().map(row).collect();
    let table = match rows.is_empty() {
        true => "<p>Nothing of what is searched for was found. That does not mean that there is none.</p>".into(),
        false => {
            numbers(&["Type", "Found", "Records"], &rows, Some(&["All types".into(), count(spans), String::new()]))
        }
    };
    let about = format!(
        "<p>Counted before protection, in all records that were read, rejected ones too. The detectors miss some of what they look \
         for: {}. {}</p><p class=\"fine\">{}</p>",
        detectors::UNSEEN_NAMES,
        escape(&on(&quality.measured_on)),
        quality.detection.in_words()
    );
    let html = format!("<div class=\"pair\"><div>{table}{about}</div><div>{unsearched}</div></div>");
    section("personal", heading, &html)
}

const NOT_SEARCHED: &str = "<strong>Health data and the other special categories of Article 9 GDPR are not searched for.</strong> \
                            A count of 0, or none, says nothing about them: whether there are any has to be declared by people \
                            who know the records, or reviewed in a sample (<code>cloister scan FILE --sample 300 --review</code>).";

fn risk(risk: Option<&RiskFacts>) -> String {
    let Some(risk) = risk else {
        let how = "Name what could be known about people, such as --quasi /age:10,/zip:3, or --quasi text.";
        return section("risk", "Can people be told apart?", &absent("Not measured.", how));
    };
    let rows: Vec<Row<'_>> = risk
        .subjects_by_class_size
        .iter()
        .enumerate()
        .map(|(band, (name, subjects))| {
            let class = match band {
                0 => "residual",
                1 | 2 => "replaced",
                _ => "found",
            };
            Row { name, count: *subjects, class }
        })
        .collect();
    let description = "Subjects by the number of subjects that look like them, themselves included";
    let chart = bars("classes", "Subjects by size of their group", description, &rows).unwrap_or_default();
    let caption =
        format!("Subjects by the size of their group. Alone (red): nobody looks like them. {}", on(&risk.measured_on));
    let percent = |share: f64| format!("{} %", fixed(share * 100.0, 2));
    let quasi: Vec<String> =
        risk.quasi_identifiers.iter().map(|(name, values)| format!("{name} ({})", counted(*values, "value"))).collect();
    let mut rows = vec![
        fact("Quasi-identifiers", quasi.join(", "), "what an attacker may know"),
        fact(
            "k-anonymity",
            format!("k = {}", count(risk.k)),
            format!("{} in {}", counted(risk.subjects, "subject"), counted(risk.classes, "group")),
        ),
        fact(
            "Prosecutor risk",
            percent(risk.prosecutor_risk),
            "largest chance to be recognised, by someone who knows that the person is in the data",
        ),
        fact("Mean risk", percent(risk.mean_risk), "share that someone who matches everybody gets right"),
    ];
    if let (Some(journalist), Some(population)) = (risk.journalist_risk, risk.population) {
        let about = format!(
            "largest chance, by someone who does not know who is in the data, among {} people",
            count(population)
        );
        rows.push(fact("Journalist risk", percent(journalist), about));
    }
    if let Some(sensitive) = &risk.sensitive {
        rows.push(fact("Sensitive value", sensitive, "what nobody should learn of a person"));
        let l = risk.distinct_l.map_or("not measured".into(), |l| format!("l = {}", count(l)));
        let entropy = risk.entropy_l.map_or("not measured".into(), |l| format!("exp(H) = {}", fixed(l, 2)));
        rows.push(fact(
            "l-diversity",
            format!("{l}, {entropy}"),
            "fewest different values in a group; 1 gives it away",
        ));
        let t = risk.t_closeness.map_or("not measured".into(), |t| format!("t = {}", fixed(t, 3)));
        let ordered = risk.t_closeness_ordered.map_or(String::new(), |t| format!(", in order {}", fixed(t, 3)));
        rows.push(fact(
            "t-closeness",
            format!("{t}{ordered}"),
            "largest distance of a group from all; 0 tells nothing",
        ));
    }
    let html = format!(
        "<div class=\"pair\"><div>{}{}</div><div>{}</div></div>",
        drawing(&chart, &escape(&caption), ""),
        read_out(risk),
        self::facts(&rows)
    );
    section("risk", "Can people be told apart?", &html)
}

/// What was read out of the texts, for the quasi-identifiers that are no columns.
fn read_out(risk: &RiskFacts) -> String {
    let meaning = |(name, values): &(String, u64)| match name.parse() {
        Ok(Quasi::Said(said)) => Some(format!(
            "<div><dt>{}</dt><dd>{}: {}</dd></div>",
            escape(name),
            counted(*values, "value"),
            escape(said.meaning())
        )),
        _ => None,
    };
    let items: String = risk.quasi_identifiers.iter().filter_map(meaning).collect();
    match items.as_str() {
        "" => String::new(),
        items => format!(
            "<h3>What was read out of the text</h3><dl class=\"read\">{items}</dl><p class=\"fine\">No value at all counts as \
             one, and so does each combination of values that the records of one subject have together.</p>"
        ),
    }
}

fn measured(facts: &DatasetFacts) -> String {
    let quality = &facts.quality;
    let file = |file: &super::FileFacts| {
        vec![escape(&file.name), count(file.records), count(file.unreadable), escape(&bytes(file.bytes))]
    };
    let mut rows: Vec<Vec<String>> = facts.files.iter().map(file).collect();
    if let Some(evaluation) = &facts.evaluation {
        let mut row = file(evaluation);
        row[0] += " (evaluation)";
        rows.push(row);
    }
    let files = numbers(&["file", "records", "no record", "size"], &rows, None);
    let mut rows = vec![
        fact("Shape", &facts.shape, "what a record looks like"),
        fact("Characters", count(quality.chars), "of text"),
    ];
    if let Some(words) = &quality.words {
        let text = format!(
            "{} / {} / {} / {}",
            count(words.least),
            count(words.median),
            count(words.percentile_95),
            count(words.most)
        );
        rows.push(fact("Words of a record", text, "least / median / 95th percentile / most"));
    }
    let mut languages: Vec<(&String, &u64)> = quality.languages.iter().collect();
    languages.sort_by_key(|(name, records)| (std::cmp::Reverse(**records), *name));
    let shown: Vec<String> =
        languages.iter().take(6).map(|(name, records)| format!("{name} {}", count(**records))).collect();
    let shown = if shown.is_empty() { "not told".into() } else { shown.join(", ") };
    rows.push(fact("Languages", shown, "records whose language can be told, by ISO 639-3 code"));
    if let Some(labels) = quality.labels {
        rows.push(fact("Labels", count(labels), "different short answers"));
    }
    rows.push(fact("Repeated lines", count(quality.repeated_lines), "lines and sentences that many records share"));
    let on = format!("<p class=\"fine\">{}</p>", escape(&on(&quality.measured_on)));
    section("measured", "What was read", &format!("{files}{}{on}", self::facts(&rows)))
}

fn digest(facts: &DatasetFacts) -> String {
    let content = &facts.content;
    let key = content.key.as_deref().unwrap_or("kept by the user");
    let rows = [
        markup(
            "Content digest",
            format!("<code>{}</code>", escape(&content.root)),
            format!("over {}", counted(content.records, "record")),
        ),
        fact(
            "Algorithm",
            &content.algorithm,
            "membership of a record can be proven with the key; without it no record can be guessed",
        ),
        fact("Key", key, "whoever has it can test guesses: keep it private"),
    ];
    section("digest", "Digest", &self::facts(&rows))
}

fn on(measured: &MeasuredOn) -> String {
    let root = measured.root.get(..16).unwrap_or(&measured.root);
    format!("Measured on {}: {}, digest {root}….", measured.what, counted(measured.records, "record"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::super::Gate;
    use super::super::super::sample::{HOSTILE, well_formed};
    use super::super::*;
    use super::*;

    fn facts() -> DatasetFacts {
        let measured_on = MeasuredOn { what: "all records read".into(), records: 1000, root: "ab".repeat(32) };
        let field = |field: &str, state: &str, value: &str, required| FieldFacts {
            field: field.into(),
            state: state.into(),
            value: value.into(),
            required,
            owner: "data owner".into(),
        };
        DatasetFacts {
            schema: DATASET_SCHEMA.into(),
            product: "cloister 0.1.0".into(),
            created: "2026-03-04T15:12:09Z".into(),
            name: "tickets".into(),
            audience: AUDIENCE.into(),
            passed: false,
            gates: vec![Gate {
                name: "provenance".into(),
                passed: false,
                detail: "licence is missing".into(),
                remedy: Some("ask the owner, then give --licence TEXT".into()),
            }],
            warnings: vec![WarningFacts {
                code: "legal-basis".into(),
                text: "the legal basis “because we can” names none".into(),
                remedy: "ask the data protection officer".into(),
            }],
            files: vec![FileFacts { name: "a.jsonl".into(), bytes: 123_456, records: 1000, unreadable: 2 }],
            evaluation: Some(FileFacts { name: "e.jsonl".into(), bytes: 10, records: 1, unreadable: 0 }),
            shape: "messages".into(),
            content: ContentFacts {
                algorithm: "RFC 6962".into(),
                root: "cd".repeat(32),
                records: 990,
                key: Some("private/commitment.key".into()),
            },
            provenance: vec![
                field("source", "declared", "ticket export", true),
                field("licence", "missing", "MISSING (owner: legal)", true),
                field("purpose", "missing", "MISSING (owner: project lead)", false),
                field("retention", "declared", "24 months", false),
            ],
            kept_from: Some(KeptFromFacts { date: "2026-01-15".into(), state: "declared".into() }),
            keep_until: Some("2028-01-15".into()),
            quality: QualityFacts {
                measured_on: measured_on.clone(),
                lines: 1002,
                accepted: 900,
                review: 90,
                rejected: 12,
                reasons: vec![ReasonFacts {
                    code: "near-duplicate".into(),
                    meaning: "An earlier record has most of its words in common.".into(),
                    level: "review".into(),
                    records: 90,
                    first: vec!["a.jsonl:7".into(), "a.jsonl:9".into()],
                }],
                unreadable: BTreeMap::from([("not JSON".into(), 2)]),
                chars: 50_000,
                words: Some(WordFacts { least: 1, median: 30, percentile_95: 80, most: 900 }),
                languages: BTreeMap::from([("eng".into(), 900), ("deu".into(), 90)]),
                spans: Some(2000),
                spans_by_label: vec![
                    SpanFacts { label: "PERSON".into(), spans: 1500, records: 700 },
                    SpanFacts { label: "EMAIL_ADDRESS".into(), spans: 500, records: 400 },
                ],
                detection: DetectionFacts::of(&cloister_text::DetectorOptions::default(), None),
                spans_per_1000_chars: Some(40.0),
                labels: None,
                repeated_lines: 3,
                options: serde_json::json!({}),
            },
            risk: Some(RiskFacts {
                measured_on,
                quasi_identifiers: vec![("/age:10".into(), 7), ("text:sex".into(), 4)],
                subjects: 400,
                classes: 40,
                k: 1,
                subjects_by_class_size: vec![("alone".into(), 5), ("2".into(), 10)],
                prosecutor_risk: 1.0,
                mean_risk: 0.1,
                population: Some(10_000),
                journalist_risk: Some(0.04),
                sensitive: Some("/diagnosis".into()),
                distinct_l: Some(1),
                entropy_l: Some(1.0),
                t_closeness: Some(0.5),
                t_closeness_ordered: None,
            }),
        }
    }

    #[test]
    fn the_page_is_well_formed_and_complete_in_itself() {
        let mut bare = facts();
        (bare.risk, bare.evaluation, bare.keep_until) = (None, None, None);
        (bare.quality.words, bare.quality.spans, bare.quality.spans_per_1000_chars) = (None, None, None);
        bare.quality.reasons.clear();
        bare.quality.spans_by_label.clear();
        bare.warnings.clear();
        bare.gates[0].remedy = None;
        for facts in [facts(), bare] {
            let page = page(&facts);
            well_formed(page.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
            let markup = page.split("</style>").nth(1).unwrap();
            for outside in ["http://", "https://", "<script", "<link", "<img", "src=", " style=", " on"] {
                let tags: String = markup.split('<').skip(1).filter_map(|tag| tag.split('>').next()).collect();
                assert!(!tags.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn the_first_screen_says_what_an_officer_asks() {
        let page = page(&facts());
        let first = page.split("id=\"noticed\"").next().unwrap();
        for said in [
            "Not yet",
            "1 required field is missing",
            "MISSING (owner: legal)",
            "2028-01-15",
            "k = 1",
            "not released with an adapter",
            "ticket export",
            "2,000",
            "24 months from 2026-01-15, until 2028-01-15",
            "One declaration is not clear",
            "names none. What to do: ask the data protection officer.",
            "ask the owner, then give --licence TEXT",
        ] {
            assert!(first.contains(said), "{said}");
        }
        assert!(page.contains("Measured on all records read: 1,000 records, digest abababababababab…."));
    }

    #[test]
    fn personal_data_is_told_by_type_with_what_is_not_searched_for() {
        let page = page(&facts());
        let personal = page.split("id=\"personal\"").nth(1).unwrap().split("</section>").next().unwrap();
        for said in [
            "EMAIL_ADDRESS</code></th><td>500</td><td>400</td>",
            "Not searched for",
            "criminal convictions",
            "Health data and the other special categories of Article 9 GDPR are not searched for.",
            detectors::UNSEEN_NAMES,
        ] {
            assert!(personal.contains(said), "{said}");
        }
        let mut unlooked = facts();
        unlooked.quality.spans = None;
        assert!(super::page(&unlooked).contains("Health data and the other special categories"));
    }

    #[test]
    fn what_was_read_out_of_the_text_is_said() {
        let page = page(&facts());
        assert!(page.contains("<dt>text:sex</dt><dd>4 values: whether titles, pronouns"));
        let mut columns = facts();
        columns.risk.as_mut().unwrap().quasi_identifiers.pop();
        assert!(!super::page(&columns).contains("read out of the text"));
    }

    #[test]
    fn hostile_text_stays_text() {
        fn poison(value: &mut serde_json::Value) {
            match value {
                serde_json::Value::String(text) => *text = HOSTILE.into(),
                serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
                serde_json::Value::Object(fields) => fields.values_mut().for_each(poison),
                _ => {}
            }
        }
        let mut value = serde_json::to_value(facts()).unwrap();
        poison(&mut value);
        let page = page(&serde_json::from_value(value).unwrap());
        assert!(!page.contains(HOSTILE) && !page.contains("<script") && !page.contains('\u{202e}'));
        well_formed(page.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
    }

    #[test]
    fn the_facts_survive_the_round_trip() {
        let text = serde_json::to_string(&facts()).unwrap();
        assert_eq!(serde_json::from_str::<DatasetFacts>(&text).unwrap(), facts());
    }
}
