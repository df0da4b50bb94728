//! Evidence for tests, and a small check that markup is well-formed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::dataset::{ContentFacts, FieldFacts, KeptFromFacts, WarningFacts};
use super::facts::*;
use super::{ClassifierFacts, DetectionFacts, not_recorded};

/// Text that breaks pages which do not escape.
pub(crate) const HOSTILE: &str =
    "</title></style><script>alert(1)</script>\"'&<img src=x onerror=\"x\">\u{202e}\u{1b}[2J\n]]>-->.jsonl";

/// A run at epsilon 8 that passed; the figures are made up for tests.
pub(crate) fn private() -> Evidence {
    let labels = [
        ("PERSON", 1370),
        ("EMAIL_ADDRESS", 655),
        ("PHONE_NUMBER", 489),
        ("LOCATION", 363),
        ("CREDENTIAL", 176),
        ("CREDIT_CARD", 141),
        ("IP_ADDRESS", 122),
        ("IBAN_CODE", 122),
        ("URL", 104),
        ("US_SSN", 48),
    ];
    let label = |(label, found): (&str, u64)| LabelFacts { label: label.into(), found, replaced: found, residual: 0 };
    let check = |name: &str, detail: &str| Check { name: name.into(), passed: true, detail: detail.into() };
    let gate = |name: &str, detail: &str| Gate { name: name.into(), passed: true, detail: detail.into(), remedy: None };
    Evidence {
        schema: SCHEMA.into(),
        product: "cloister 0.1.0".into(),
        created: "2026-03-04T15:12:09Z".into(),
        base: BaseFacts {
            name: "smollm2-135m-instruct-q4".into(),
            sha256: "3f1c9a0d5be27846".repeat(4),
            format: "gguf".into(),
            parameters: 134_515_008,
            precision: "f32".into(),
            weight_bytes: 537_919_488,
            tensor_types: vec![("F32".into(), 61), ("Q4_1".into(), 210), ("Q8_0".into(), 1)],
        },
        data: DataFacts {
            file: "tickets.jsonl".into(),
            shape: "messages".into(),
            records: 2000,
            subjects: Some(400),
            truncated: 3,
            max_tokens: 512,
            commitment: "a94e07d1c3b86f25".repeat(4),
            provenance: not_recorded(),
            dataset: None,
        },
        protection: Some(ProtectionFacts {
            profile: "surrogate".into(),
            scope: "subject".into(),
            detection: DetectionFacts {
                threshold: 0.5,
                thresholds: BTreeMap::from([("PERSON".into(), 0.4)]),
                locales: Some(vec!["us".into(), "gb".into()]),
                recall: 0.6,
                keep: vec!["Harbour Line".into()],
                classifier: Some(ClassifierFacts {
                    name: "names-small".into(),
                    sha256: "5d".repeat(32),
                    files: [("model.safetensors".to_owned(), "6e".repeat(32))].into(),
                }),
            },
            labels: labels.into_iter().map(label).collect(),
        }),
        privacy: PrivacyFacts {
            unit: "subject".into(),
            adjacency: "zero-out".into(),
            units: 400,
            q: 0.2,
            steps: 8,
            sigma: 0.797,
            clip_norm: 0.5,
            denominator: 80.0,
            delta: 1e-5,
            epsilon: 7.9975,
            epsilon_pld: 7.9975,
            epsilon_rdp: 8.8125,
            accountant: "PLD (connect-the-dots, pessimistic) and RDP, the smaller of two upper bounds".into(),
            sampler: "poisson".into(),
            largest_batch: None,
            unit_cap: 1,
            person: None,
            not_covered: vec![
                "what the base model learnt before, and prompts sent to the trained model".into(),
                "choices made by looking at this data: hyperparameters, earlier or failed runs, early stopping".into(),
                "statistics, vocabularies, filters and duplicates computed from this data without noise".into(),
                "training loss, gradient norms and evaluations on this data, if they are published".into(),
                "the running time of a step and the memory of the training process".into(),
            ],
            curve: vec![
                (0, 0.0),
                (1, 4.25),
                (2, 5.125),
                (3, 5.75),
                (4, 6.25),
                (5, 6.75),
                (6, 7.1875),
                (7, 7.625),
                (8, 7.9975),
            ],
        },
        training: TrainingFacts {
            targets: vec!["q".into(), "v".into()],
            rank: 8,
            alpha: 16,
            trainable_parameters: 460_800,
            optimizer: "DP-Adam (0.9, 0.999)".into(),
            learning_rate: 3e-3,
            schedule: "constant".into(),
            warmup_steps: 0,
            seconds: 402.5,
            tokens_per_second: 912.25,
            peak_rss_bytes: 1_643_000_000,
            resumed: false,
            steps_lost: 0,
            ranks: 1,
        },
        utility: Some(UtilityFacts {
            file: "evaluation.jsonl".into(),
            sha256: "07b5e8f2d16c4a39".repeat(4),
            records: 128,
            tokens: 9412,
            base_nats_per_token: 3.973,
            tuned_nats_per_token: 2.386,
            curve: vec![(0, 3.973), (2, 3.533), (4, 3.097), (6, 2.735), (8, 2.386)],
        }),
        adapter: AdapterFacts {
            path: "demo-out/adapter".into(),
            sha256: "d80f6b2791c5e34a".repeat(4),
            bytes: 1_849_216,
            checks: vec![
                check("every target has A and B", "60 of 60 projections"),
                check("B is not zero", "60 of 60 projections, largest absolute entry 0.0213"),
                check("logits differ from the base's", "largest absolute difference 6.41"),
                check("logits equal those in memory", "largest absolute difference 3.1e-6, at most 2e-3 allowed"),
            ],
        },
        exports: vec![ExportFacts {
            path: "adapter.gguf".into(),
            sha256: "5b0c1d77e3a94f28".repeat(4),
            bytes: 1_860_032,
        }],
        verdict: Verdict {
            passed: true,
            gates: vec![
                gate("epsilon cap", "7.998, at most 8 allowed"),
                gate("personal data replaced", "0 original values still detected, 0 allowed"),
                gate("utility", "loss on evaluation.jsonl fell by 1.587 nats per token"),
                gate("adapter", "4 of 4 checks passed"),
            ],
            next: "cloister generate --base smollm2-135m-instruct-q4 --adapter demo-out/adapter --prompts \
                   prompts.jsonl --chat --max-tokens 120 --out answers.jsonl"
                .into(),
        },
    }
}

/// The same on the records of a dataset, the record being the unit.
pub(crate) fn of_dataset() -> Evidence {
    let mut evidence = private();
    let field = |field: &str, state: &str, value: &str| FieldFacts {
        field: field.into(),
        state: state.into(),
        value: value.into(),
        required: true,
        owner: "controller".into(),
    };
    evidence.data.provenance = vec![
        field("legal_basis", "declared", "Article 6(1)(f) GDPR, assessment LIA-12"),
        field("purpose", "missing", "MISSING (owner: controller)"),
        field("retention", "declared", "24 months"),
    ];
    evidence.data.dataset = Some(DatasetOf {
        name: "tickets".into(),
        created: "2026-03-01T09:00:00Z".into(),
        content: ContentFacts {
            algorithm: "RFC 6962".into(),
            root: "cd".repeat(32),
            records: 2000,
            key: Some("private/commitment.key".into()),
        },
        kept_from: Some(KeptFromFacts { date: "2026-02-01".into(), state: "declared".into() }),
        keep_until: Some("2028-02-01".into()),
        warnings: vec![WarningFacts { code: "c".into(), text: "something is odd".into(), remedy: "ask".into() }],
    });
    (evidence.privacy.unit, evidence.privacy.units) = ("record".into(), 2000);
    evidence.privacy.person = Some(PersonFacts { records: 8, epsilon: 9.25 });
    evidence
}

/// A run without noise, with entities left, that learnt nothing.
pub(crate) fn refused() -> Evidence {
    let mut evidence = private();
    let privacy = &mut evidence.privacy;
    (privacy.unit, privacy.unit_cap) = ("record".into(), u64::from(u32::MAX));
    (privacy.sigma, privacy.delta, privacy.clip_norm) = (0.0, 0.0, f64::INFINITY);
    (privacy.epsilon, privacy.epsilon_pld, privacy.epsilon_rdp) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    privacy.accountant = "none".into();
    privacy.not_covered = vec!["everything: this plan adds no noise and protects nobody".into()];
    privacy.curve = (0..=8).map(|step| (step, f64::INFINITY)).collect();
    if let Some(protection) = &mut evidence.protection {
        (protection.labels[0].replaced, protection.labels[0].residual) = (1362, 12);
    }
    if let Some(utility) = &mut evidence.utility {
        utility.tuned_nats_per_token = 4.25;
        utility.curve = vec![(0, 3.973), (8, 4.25)];
    }
    evidence.verdict.passed = false;
    evidence.verdict.gates[0].passed = false;
    evidence.verdict.gates[0].detail = "infinite, at most 8 allowed".into();
    evidence.verdict.gates[1].passed = false;
    evidence.verdict.gates[1].detail = "12 original values still detected, 0 allowed".into();
    evidence.verdict.gates[2].detail = "no gain is demanded".into();
    evidence.verdict.next = "cloister run tickets.jsonl --base smollm2-135m-instruct-q4 --epsilon 8 --out out".into();
    evidence
}

/// A run of which almost nothing is known.
pub(crate) fn unmeasured() -> Evidence {
    let mut evidence = private();
    evidence.protection = None;
    evidence.utility = None;
    evidence.data.subjects = None;
    evidence.adapter.checks.clear();
    evidence.verdict = Verdict { passed: false, gates: Vec::new(), next: String::new() };
    let privacy = &mut evidence.privacy;
    (privacy.q, privacy.sigma, privacy.clip_norm, privacy.denominator) = (f64::NAN, f64::NAN, f64::NAN, f64::NAN);
    (privacy.delta, privacy.epsilon) = (f64::NAN, f64::INFINITY);
    (privacy.epsilon_pld, privacy.epsilon_rdp) = (f64::NEG_INFINITY, f64::NAN);
    privacy.curve = vec![(0, f64::NAN), (1, f64::INFINITY)];
    privacy.not_covered.clear();
    let training = &mut evidence.training;
    (training.learning_rate, training.seconds, training.tokens_per_second) = (f64::NAN, f64::NAN, f64::INFINITY);
    training.peak_rss_bytes = 0;
    training.targets.clear();
    evidence.base.tensor_types.clear();
    evidence
}

/// Every text of the evidence is [`HOSTILE`].
pub(crate) fn hostile() -> Evidence {
    fn poison(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = HOSTILE.into(),
            serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(poison),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(of_dataset()).unwrap();
    poison(&mut value);
    serde_json::from_value(value).unwrap()
}

/// Every whole number of the evidence is `whole`, every other one `real`.
pub(crate) fn extreme(whole: u64, real: f64) -> Evidence {
    let mut evidence = private();
    let counts = [&mut evidence.base.parameters, &mut evidence.data.records, &mut evidence.data.truncated];
    counts.into_iter().for_each(|count| *count = whole);
    (evidence.data.subjects, evidence.data.max_tokens) = (Some(whole), whole);
    (evidence.adapter.bytes, evidence.training.trainable_parameters) = (whole, whole);
    (evidence.training.rank, evidence.training.alpha, evidence.training.peak_rss_bytes) = (whole, whole, whole);
    let training = &mut evidence.training;
    (training.learning_rate, training.seconds, training.tokens_per_second) = (real, real, real);
    let privacy = &mut evidence.privacy;
    (privacy.units, privacy.steps, privacy.unit_cap) = (whole, whole, whole);
    (privacy.q, privacy.sigma, privacy.clip_norm, privacy.denominator) = (real, real, real, real);
    (privacy.epsilon, privacy.epsilon_pld, privacy.epsilon_rdp) = (real, real, real);
    (privacy.unit, privacy.person) = ("record".into(), Some(PersonFacts { records: whole, epsilon: real }));
    privacy.curve = vec![(whole, real), (0, real), (whole / 2, 1.0)];
    if let Some(protection) = &mut evidence.protection {
        for label in &mut protection.labels {
            (label.found, label.replaced, label.residual) = (whole, whole, whole);
        }
    }
    if let Some(utility) = &mut evidence.utility {
        (utility.records, utility.tokens) = (whole, whole);
        (utility.base_nats_per_token, utility.tuned_nats_per_token) = (real, 1.0);
        utility.curve = vec![(0, real), (whole, 1.0)];
    }
    evidence
}

/// Whether `markup` is well-formed XML of one root element, as far as this product writes it: tags are balanced,
/// attributes quoted and unique, entities known.
pub(crate) fn well_formed(markup: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    let mut rest = markup.trim_end();
    let mut roots = 0;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        entities(text)?;
        if open.is_empty() && !text.is_empty() {
            return Err(format!("text outside the root: {text}"));
        }
        let Some(after) = after.strip_prefix('<') else { break };
        let end = after.find('>').ok_or("a tag does not end")?;
        let (tag, next) = (&after[..end], &after[end + 1..]);
        rest = next;
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(opened) if opened == name => continue,
                opened => return Err(format!("{opened:?} is closed by {name}")),
            }
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("no name for a tag: {tag}"));
        }
        for (attribute, value) in attributes_of(attributes)? {
            if attribute == "id" && ids.contains(&value) {
                return Err(format!("two elements have the id {value}"));
            }
            if attribute == "id" {
                ids.push(value);
            }
        }
        roots += usize::from(open.is_empty());
        if !alone {
            open.push(name);
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").ok_or("style does not end")?..];
        }
    }
    if open.is_empty() && roots == 1 { Ok(()) } else { Err(format!("{open:?} open, {roots} roots")) }
}

fn attributes_of(mut text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut attributes: Vec<(&str, &str)> = Vec::new();
    while !text.trim().is_empty() {
        let (name, after) = text.split_once("=\"").ok_or(format!("no quoted value: {text}"))?;
        let (value, after) = after.split_once('"').ok_or(format!("no end of a value: {text}"))?;
        let name = name.trim_start();
        if name.is_empty() || name.contains(' ') || attributes.iter().any(|(other, _)| *other == name) {
            return Err(format!("a wrong attribute: {name}"));
        }
        entities(value)?;
        attributes.push((name, value));
        text = after;
    }
    Ok(attributes)
}

fn entities(text: &str) -> Result<(), String> {
    for part in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        if !known.iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("a bare ampersand before {part:.20}"));
        }
    }
    Ok(())
}

#[test]
fn the_check_finds_what_is_broken() {
    assert_eq!(well_formed("<a b=\"1\"><c/>&amp;</a>"), Ok(()));
    for broken in ["<a>", "<a></b>", "<a b=1></a>", "<a>&</a>", "<a/><b/>", "<a><", "<a id=\"1\"><b id=\"1\"/></a>"] {
        assert!(well_formed(broken).is_err(), "{broken}");
    }
}
