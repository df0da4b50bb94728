//! The sections about people: what the adapter can reveal of them, what epsilon leaves out, what was replaced.
//!
//! Invariant: a sentence about risk follows from epsilon and delta, or from counts; nothing soothes or alarms beyond
//! them.

use super::detectors;
use super::facts::{Evidence, LabelFacts, PrivacyFacts};
use super::html::{absent, caution, drawing, missing, numbers, section};
use super::meaning::{ONE_IN_A_HUNDRED, Tier, hardly_limited, recognised_at_most, tier};
use super::svg::{Bar, LineChart, bars, line};
use super::words::{NOT_MEASURED, agreeing, count, counted, epsilon, escape, percent_up, powers, scientific};

const BARS_AT_MOST: usize = 14;
const FORMULA: &str = "<p class=\"fine\">Chance of recognition ≤ min(e<sup>ε</sup> · FPR + δ, \
    1 − e<sup>−ε</sup> (1 − δ − FPR)), where FPR is the rate of false alarms (Kairouz, Oh and Viswanath 2015, theorem \
    2.1). Bounds are rounded up.</p>";

/// Whose presence is hidden: one and several.
pub(super) fn unit_words(privacy: &PrivacyFacts) -> (String, String) {
    (privacy.unit.clone(), format!("{}s", privacy.unit))
}

/// Whether the plan bounds anything.
pub(super) fn bounded(privacy: &PrivacyFacts) -> bool {
    privacy.epsilon.is_finite() && (0.0..1.0).contains(&privacy.delta)
}

/// What the verdict does not say: a warning in one sentence where the bound alone leaves more than one half.
pub(super) fn weakness(privacy: &PrivacyFacts) -> String {
    if privacy.epsilon == f64::INFINITY {
        return caution(
            "<strong>There is no bound:</strong> the plan adds no noise that limits what the adapter reveals.",
        );
    }
    let Some(most) = hardly_limited(privacy.epsilon, privacy.delta).map(percent_up) else { return String::new() };
    caution(&format!(
        "<strong>The bound is weak:</strong> somebody who accepts one false alarm in {} may recognise a {} that \
         took part with a chance of up to {most}. What attacks achieve in practice was not measured. \
         <a href=\"#privacy\">What the adapter can reveal</a>",
        count((1.0 / ONE_IN_A_HUNDRED).round() as u64),
        escape(&unit_words(privacy).0),
    ))
}

/// Privacy in plain words, with epsilon over the steps.
pub(super) fn privacy(evidence: &Evidence) -> String {
    let html = match (&evidence.privacy, bounded(&evidence.privacy)) {
        (privacy, true) => format!(
            "<div class=\"pair\"><div>{}</div><div>{}{}</div></div>{FORMULA}",
            plain_words(evidence),
            epsilon_chart(privacy),
            scale(privacy)
        ),
        (privacy, false) if privacy.epsilon == f64::INFINITY => "<p class=\"warning\"><strong>This run promises no \
             privacy.</strong> The plan adds no noise that bounds what the adapter reveals. Whoever sees the adapter may \
             learn any training record from it, word for word.</p><p>For a bound, train again with \
             <code class=\"flag\">--epsilon</code>.</p>"
            .into(),
        _ => missing("Epsilon or delta is absent from the evidence. Train with --epsilon, and both are computed before \
             the first step."),
    };
    let title = match evidence.privacy.unit.as_str() {
        "subject" => "What the adapter can reveal about one person",
        _ => "What the adapter can reveal about one record",
    };
    section("privacy", title, &html)
}

fn plain_words(evidence: &Evidence) -> String {
    let privacy = &evidence.privacy;
    let (unit, units) = unit_words(privacy);
    let (unit, units) = (escape(&unit), escape(&units));
    let (loss, delta) = (powers(&epsilon(privacy.epsilon)), powers(&scientific(privacy.delta)));
    let what = match privacy.unit.as_str() {
        "subject" => "A subject is a person, with all records about them.",
        "record" => "A record is one training example.",
        _ => "",
    };
    let rows: Vec<Vec<String>> = [ONE_IN_A_HUNDRED, 0.001, 1e-4, 1e-5]
        .into_iter()
        .map(|rate| {
            let most = match recognised_at_most(privacy.epsilon, privacy.delta, rate) {
                Some(most) if most > 0.5 => format!("<span class=\"amber\">{}</span>", percent_up(most)),
                Some(most) => percent_up(most),
                None => NOT_MEASURED.into(),
            };
            vec![format!("1 in {}", count((1.0 / rate).round() as u64)), most, percent_up(rate)]
        })
        .collect();
    let table = numbers(&["False alarms", "Recognised at most", "Blind guess"], &rows, None);
    let number = match privacy.adjacency.as_str() {
        "zero-out" => {
            let was = if privacy.units == 1 { "was" } else { "were" };
            format!("That there {was} {} counts as public knowledge.", escape(&counted(privacy.units, &privacy.unit)))
        }
        _ => format!("How many {units} there were is protected too."),
    };
    format!(
        "<p>Suppose that somebody holds the adapter, knows exactly how it was made, and knows every other {unit} of the \
         data. They want to tell whether one given {unit} took part. {what}</p>\
         <p>However clever the method, at ε\u{a0}=\u{a0}{loss} and δ\u{a0}=\u{a0}{delta} their success is limited. If they may raise a \
         false alarm about so many who did <em>not</em> take part, they recognise one who did with at most this \
         chance:</p>{table}<p>{number} Whatever holds for the adapter holds for every text that it writes.</p>"
    )
}

/// How good that is, and for whom it is worse.
fn scale(privacy: &PrivacyFacts) -> String {
    let rank = match tier(privacy.epsilon) {
        Some(Tier::Strong) => "At ε ≤ 1 the literature speaks of a strong formal guarantee",
        Some(Tier::Reasonable) => {
            "At ε between 1 and 10 the literature speaks of a reasonable guarantee, not a strong one"
        }
        _ => "At ε above 10 the literature speaks of a weak guarantee, or none",
    };
    let mut html = format!("<p>{rank} (Ponomareva et al., <cite>How to DP-fy ML</cite>, 2023).");
    if hardly_limited(privacy.epsilon, privacy.delta).is_some() {
        html += " Where the table comes near 100 %, the bound promises next to nothing at that rate of false alarms. \
                 It is a limit for the worst case; what real attacks achieve has to be measured, and this run did not \
                 measure it.";
    }
    html += "</p>";
    if privacy.unit == "record" {
        html += "<p>The bound is for one record. For a person with <em>k</em> records ε is up to <em>k</em> times as \
                 large, and δ grows too. To protect people, give every record a <code>subject</code> and train with \
                 <code class=\"flag\">--unit subject</code>.</p>";
    }
    html
}

fn epsilon_chart(privacy: &PrivacyFacts) -> String {
    let (unit, _) = unit_words(privacy);
    let delta = scientific(privacy.delta);
    let description =
        format!("Epsilon rises to {} after {}.", epsilon(privacy.epsilon), counted(privacy.steps, "step"));
    let chart = line(&LineChart {
        id: "epsilon",
        title: "Epsilon over training steps",
        description: &description,
        measure: &format!("ε per {unit}, at δ = {delta}"),
        ends: ("", "ε ="),
        written: epsilon,
        from_zero: true,
        points: &privacy.curve,
    });
    let Some(chart) = chart else {
        return drawing(&missing("The evidence holds no epsilon by step."), "Epsilon over the steps.", "");
    };
    let rows: Vec<Vec<String>> =
        privacy.curve.iter().map(|&(step, value)| vec![count(step), powers(&epsilon(value))]).collect();
    let caption =
        "Each step reads the data again and adds to the privacy loss; the plan fixed the end before training.";
    drawing(&chart, caption, &numbers(&["Step", "Epsilon"], &rows, None))
}

/// What epsilon says nothing about.
pub(super) fn not_covered(evidence: &Evidence) -> String {
    let items: String = evidence.privacy.not_covered.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
    let html = match items.as_str() {
        "" => absent("Not stated.", "The plan names no limits. That does not mean that there are none."),
        items => {
            format!("<p>Epsilon is a statement about the adapter alone. It says nothing about:</p><ul>{items}</ul>")
        }
    };
    section("limits", "What is not covered", &html)
}

/// What was found and replaced, by type.
pub(super) fn entities(evidence: &Evidence) -> String {
    let heading = "Personal data found and replaced";
    let Some(protection) = &evidence.protection else {
        let how = "The records were not searched for personal data in this run. Use cloister run with a protection \
                   profile, or cloister protect before cloister train.";
        return section("entities", heading, &missing(how));
    };
    let mut labels: Vec<&LabelFacts> = protection.labels.iter().collect();
    labels.sort_by(|one, other| other.found.cmp(&one.found).then_with(|| one.label.cmp(&other.label)));
    let total = Totals::of(&protection.labels);
    let left = match total.residual {
        0 => "A second search, after replacement, found nothing left.".into(),
        residual => format!(
            "<strong class=\"bad\">A second search, after replacement, still found {}.</strong>",
            count(residual)
        ),
    };
    let intro = format!(
        "<p>Before training, the detectors searched the records. Of {} found, {} replaced. {left} What the detectors \
         <a href=\"#searched\">do not search for</a>, or do not recognise, is in no count.</p>{}",
        agreeing(total.found, "entity", "entities"),
        agreeing(total.replaced, "was", "were"),
        [
            detectors::replacement(&protection.profile, &protection.scope, &protection.keep),
            protection.classifier.as_ref().map(detectors::classifier).unwrap_or_default(),
        ]
        .concat(),
    );
    let note = "<p class=\"note\"><strong>Keep these counts inside.</strong> They are exact counts of this data set, \
                no noise was added to them, and epsilon does not cover them.</p>";
    if labels.is_empty() {
        return section("entities", heading, &format!("{intro}{note}{}", detectors::detectors()));
    }
    let rows: Vec<Vec<String>> = labels.iter().map(|label| entity_row(label)).collect();
    let foot = ["All types".into(), count(total.found), count(total.replaced), residual_cell(total.residual)];
    let table = numbers(&["Type", "Found", "Replaced", "Still found"], &rows, Some(&foot));
    let (chart, searched) = (entity_chart(&labels), detectors::detectors());
    let html = format!("{intro}<div class=\"pair\"><div>{chart}{note}</div>{table}</div>{searched}");
    section("entities", heading, &html)
}

fn entity_chart(labels: &[&LabelFacts]) -> String {
    let rows: Vec<Bar<'_>> = labels
        .iter()
        .map(|facts| Bar {
            label: &facts.label,
            found: facts.found,
            replaced: facts.replaced,
            residual: facts.residual,
        })
        .collect();
    let title = "Entities found and replaced, by type";
    let description = "One bar for each type: its length is the number found, its dark part the number replaced; a \
                       thin red bar below it is the number still found afterwards. The table beside it has the numbers.";
    let chart = bars("by-type", title, description, &rows, BARS_AT_MOST).unwrap_or_default();
    let hidden = labels.len().saturating_sub(BARS_AT_MOST);
    let more =
        if hidden > 0 { format!("; {} more in the table", counted(hidden as u64, "type")) } else { String::new() };
    let caption = format!(
        "<span class=\"key replaced\"></span> replaced <span class=\"key found\"></span> found, not replaced \
         <span class=\"key residual\"></span> still found{more}"
    );
    drawing(&chart, &caption, "")
}

fn entity_row(facts: &LabelFacts) -> Vec<String> {
    let label = format!("<code>{}</code>", escape(&facts.label));
    let replaced = count(facts.replaced);
    let replaced =
        if facts.replaced < facts.found { format!("<span class=\"bad\">{replaced}</span>") } else { replaced };
    vec![label, count(facts.found), replaced, residual_cell(facts.residual)]
}

fn residual_cell(residual: u64) -> String {
    if residual == 0 { "0".into() } else { format!("<strong class=\"bad\">{}</strong>", count(residual)) }
}

/// Sums over all types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) found: u64,
    pub(super) replaced: u64,
    pub(super) residual: u64,
}

impl Totals {
    pub(super) fn of(labels: &[LabelFacts]) -> Self {
        let sum = |number: fn(&LabelFacts) -> u64| labels.iter().map(number).fold(0, u64::saturating_add);
        Self {
            found: sum(|facts| facts.found),
            replaced: sum(|facts| facts.replaced),
            residual: sum(|facts| facts.residual),
        }
    }
}
