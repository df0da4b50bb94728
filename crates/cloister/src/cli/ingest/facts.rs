//! The evidence of a dataset, gathered from what the stage measured and what people declared.

use std::time::SystemTime;

use cloister_text::quality::{Code, Decision, QualityOptions, QualitySummary, Verdict};
use cloister_text::risk::anonymity::SIZE_BANDS;

use super::{ALGORITHM, Args, KEY};
use crate::evidence::DetectionFacts;
use crate::evidence::dataset::{
    AUDIENCE, ContentFacts, DATASET_SCHEMA, DatasetFacts, FieldFacts, FileFacts, KeptFromFacts, MeasuredOn,
    QualityFacts, ReasonFacts, RiskFacts, SpanFacts, WarningFacts, WordFacts,
};
use crate::files::hex;
use crate::ingest::{Date, DeclaredField, Ingested, Provenance, Taken, notices};

/// Places that evidence names of a code.
const FIRST_PLACES: usize = 20;

impl Args {
    pub(super) fn facts(
        &self,
        ingested: &Ingested,
        provenance: &Provenance,
        (options, detection): (&QualityOptions, DetectionFacts),
        now: SystemTime,
    ) -> anyhow::Result<DatasetFacts> {
        let gates = self.gates(ingested, provenance);
        let also = [Some(self.name()), self.risk.sensitive.clone()];
        let also: Vec<&str> = also.iter().flatten().map(String::as_str).collect();
        let warnings = notices(provenance, Date::of(now), &also);
        let field = |field: &DeclaredField| FieldFacts {
            field: field.field.name().into(),
            state: if field.value.is_some() { "declared" } else { "missing" }.into(),
            value: field.shown(),
            required: field.required,
            owner: field.owner.clone(),
        };
        Ok(DatasetFacts {
            schema: DATASET_SCHEMA.into(),
            product: concat!("cloister ", env!("CARGO_PKG_VERSION")).into(),
            created: crate::system::rfc3339(now),
            name: self.name(),
            audience: AUDIENCE.into(),
            passed: gates.iter().all(|gate| gate.passed),
            gates,
            warnings: warnings
                .into_iter()
                .map(|notice| WarningFacts { code: notice.code.into(), text: notice.text, remedy: notice.remedy })
                .collect(),
            files: ingested.files.iter().map(file_facts).collect(),
            evaluation: ingested.evaluation.as_ref().map(file_facts),
            shape: ingested.shape.to_string(),
            content: ContentFacts {
                algorithm: ALGORITHM.into(),
                root: hex(&ingested.written.root()),
                records: ingested.written.size(),
                key: (self.key.is_none() && self.into.is_none()).then(|| KEY.into()),
            },
            provenance: provenance.fields.iter().map(field).collect(),
            kept_from: provenance.kept_from.map(|from| KeptFromFacts {
                date: from.day.to_string(),
                state: if from.declared { "declared" } else { "assumed" }.into(),
            }),
            keep_until: provenance.keep_until.map(|date| date.to_string()),
            quality: quality_facts(ingested, options, detection)?,
            risk: risk_facts(ingested),
        })
    }
}

fn file_facts(taken: &Taken) -> FileFacts {
    FileFacts {
        name: taken.name.clone(),
        bytes: taken.bytes,
        records: taken.records as u64,
        unreadable: taken.unreadable as u64,
    }
}

fn quality_facts(
    ingested: &Ingested,
    options: &QualityOptions,
    detection: DetectionFacts,
) -> anyhow::Result<QualityFacts> {
    let summary = &ingested.quality.summary;
    let places = |code: Code| {
        let verdicts = ingested.quality.verdicts.iter();
        let noticed = verdicts.filter(move |verdict| verdict.reasons.iter().any(|reason| reason.code == code));
        let place = |verdict: &Verdict| {
            let name = ingested.files.get(verdict.at.file).map_or("", |file| file.name.as_str());
            format!("{name}:{}", verdict.at.line)
        };
        noticed.take(FIRST_PLACES).map(place).collect()
    };
    let reason = |code: &Code| ReasonFacts {
        code: code.name().into(),
        meaning: code.meaning().into(),
        level: level(options.level(*code)).into(),
        records: summary.by_code.get(code).copied().unwrap_or_default() as u64,
        first: places(*code),
    };
    let counts = |(name, count): (&&str, &usize)| ((*name).to_owned(), *count as u64);
    Ok(QualityFacts {
        measured_on: MeasuredOn {
            what: "all records read".into(),
            records: ingested.read.size(),
            root: hex(&ingested.read.root()),
        },
        lines: summary.records as u64,
        accepted: summary.accepted as u64,
        review: summary.review as u64,
        rejected: summary.rejected as u64,
        reasons: Code::ALL.iter().map(reason).collect(),
        unreadable: ingested.unreadable.iter().map(counts).collect(),
        chars: summary.chars,
        words: summary.words.map(|words| WordFacts {
            least: words.least.into(),
            median: words.median.into(),
            percentile_95: words.percentile_95.into(),
            most: words.most.into(),
        }),
        languages: summary.languages.iter().map(counts).collect(),
        spans: summary.spans.map(|spans| spans as u64),
        spans_by_label: by_label(summary),
        detection,
        spans_per_1000_chars: summary.spans_per_1000_chars.map(|share| (share * 1e3).round() / 1e3),
        labels: summary.labels.map(|labels| labels as u64),
        repeated_lines: summary.repeated_lines as u64,
        options: serde_json::to_value(options)?,
    })
}

/// The most frequent first; equals by name.
fn by_label(summary: &QualitySummary) -> Vec<SpanFacts> {
    let mut labels: Vec<SpanFacts> = summary
        .by_label
        .iter()
        .map(|(label, of)| SpanFacts { label: label.to_string(), spans: of.spans as u64, records: of.records as u64 })
        .collect();
    labels.sort_by(|one, other| other.spans.cmp(&one.spans).then_with(|| one.label.cmp(&other.label)));
    labels
}

fn level(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => "accept",
        Decision::Review => "review",
        Decision::Reject => "reject",
    }
}

fn risk_facts(ingested: &Ingested) -> Option<RiskFacts> {
    let risk = ingested.risk.as_ref()?;
    let found = &risk.anonymity;
    let band = |(from, to): (usize, usize)| match (from, to) {
        (1, 1) => "alone".to_owned(),
        (from, usize::MAX) => format!("{from} or more"),
        (from, to) if from == to => format!("{from} alike"),
        (from, to) => format!("{from} to {to}"),
    };
    let sensitive = found.sensitive.as_ref();
    Some(RiskFacts {
        measured_on: MeasuredOn {
            what: "the records written".into(),
            records: ingested.written.size(),
            root: hex(&ingested.written.root()),
        },
        quasi_identifiers: risk.quasi.iter().map(|(name, values)| (name.clone(), *values as u64)).collect(),
        subjects: found.subjects as u64,
        classes: found.classes as u64,
        k: found.k as u64,
        subjects_by_class_size: SIZE_BANDS
            .into_iter()
            .map(band)
            .zip(found.subjects_by_band().map(|subjects| subjects as u64))
            .collect(),
        prosecutor_risk: found.prosecutor_risk,
        mean_risk: found.mean_risk,
        population: found.journalist.map(|journalist| journalist.population),
        journalist_risk: found.journalist.map(|journalist| journalist.risk),
        sensitive: risk.sensitive.clone(),
        distinct_l: sensitive.map(|of| of.distinct_l as u64),
        entropy_l: sensitive.map(|of| of.entropy_l),
        t_closeness: sensitive.map(|of| of.t),
        t_closeness_ordered: sensitive.and_then(|of| of.t_ordered),
    })
}
