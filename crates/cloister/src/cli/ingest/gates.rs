//! The gates of a dataset, and what to do where one says no.
//!
//! Invariant: a gate that says no has a remedy: what to change, with which flag, and whom to ask.

use super::super::words::counted;
use super::Args;
use crate::evidence::Gate;
use crate::ingest::{Field, Ingested, Provenance, Risk};

/// Files that a gate names.
const FILES_NAMED: usize = 20;

impl Args {
    pub(super) fn gates(&self, ingested: &Ingested, provenance: &Provenance) -> Vec<Gate> {
        let mut gates = vec![provenance_gate(provenance)];
        if let Some(until) = provenance.keep_until {
            let detail = if provenance.expired { format!("over since {until}") } else { format!("until {until}") };
            let remedy = || {
                "delete the records, or ask the data protection officer on what ground they may be kept longer, and declare \
                 that with --retention (and --retention-from); the outputs of this run must be deleted too"
                    .into()
            };
            gates.push(gate("retention", !provenance.expired, detail, remedy));
        }
        let summary = &ingested.quality.summary;
        let rejected = format!("{} of {} rejected", summary.rejected, counted(summary.records, "line"));
        let (passed, detail) = match (summary.rejected, self.drop_rejected) {
            (0, _) => (true, "no line was rejected".into()),
            (_, true) => (true, format!("{rejected} and left out, as asked")),
            (_, false) => (false, format!("{rejected} and left out")),
        };
        gates.push(gate("rejected records", passed, detail, || {
            "decisions.jsonl says which and why: mend them in their source and take them in again, or accept that they are left \
             out with --drop-rejected; which faults reject is set under [quality] in cloister.toml"
                .into()
        }));
        let whole = ingested.incomplete.is_empty();
        let detail = match whole {
            true => format!("{} read to the end", counted(ingested.files.len(), "file")),
            false => {
                let file = |(name, kind): &(String, &str)| format!("{name} ({kind})");
                ingested.incomplete.iter().take(FILES_NAMED).map(file).collect::<Vec<_>>().join(", ")
            }
        };
        gates.push(gate("whole files", whole, detail, || {
            "nobody knows how many records are missing: copy or write the file again, and take it in again; --drop-rejected does \
             not cover this"
                .into()
        }));
        let written = ingested.written.size() as usize;
        gates.push(gate("records", written > 0, format!("{} in records.jsonl", counted(written, "record")), || {
            "every record was rejected: see decisions.jsonl for the reasons".into()
        }));
        if let Some(least) = self.risk.min_k {
            let k = ingested.risk.as_ref().map_or(0, |risk| risk.anonymity.k);
            let detail = format!("k = {k}, at least {least} is asked");
            gates.push(gate("k-anonymity", k >= least, detail, || coarsen(ingested.risk.as_ref(), least)));
        }
        gates
    }
}

fn gate(name: &str, passed: bool, detail: String, remedy: impl FnOnce() -> String) -> Gate {
    Gate { name: name.into(), passed, detail, remedy: (!passed).then(remedy) }
}

fn provenance_gate(provenance: &Provenance) -> Gate {
    let required = provenance.fields.iter().filter(|field| field.required).count();
    let missing: Vec<String> =
        provenance.missing().map(|field| format!("{} (owner: {})", field.field, field.owner)).collect();
    let detail = match (required, missing.is_empty()) {
        (0, _) => "no field is required".into(),
        (all, true) => format!("{} declared", counted(all, "required field")),
        (_, false) => format!("MISSING {}", missing.join(", ")),
    };
    gate("provenance", missing.is_empty(), detail, || {
        let flags: Vec<String> = provenance
            .missing()
            .map(|field| format!("--{} {}", field.field.name().replace('_', "-"), value_name(field.field)))
            .collect();
        let start = match provenance.missing().any(|field| field.field == Field::RetentionFrom) {
            true => "; a period needs the day on which it began, or a retention that is a date",
            false => "",
        };
        format!(
            "ask the owner, then give {}, or the same keys under [dataset] in cloister.toml{start}",
            flags.join(" ")
        )
    })
}

fn value_name(field: Field) -> &'static str {
    match field {
        Field::Retention => "WHEN",
        Field::RetentionFrom | Field::DecidedOn => "DATE",
        Field::Subjects => "LIST",
        _ => "TEXT",
    }
}

/// What makes more subjects look alike. A coarser `--quasi` alone would only measure less exactly.
fn coarsen(risk: Option<&Risk>, least: usize) -> String {
    let Some(risk) = risk.filter(|risk| !risk.quasi.is_empty()) else {
        return "no subject was measured: take in records that say something of people, and name with --quasi what they say".into();
    };
    let mut quasi: Vec<&(String, usize)> = risk.quasi.iter().collect();
    quasi.sort_by_key(|(name, values)| (std::cmp::Reverse(*values), name));
    let how = |(name, values): &&(String, usize)| {
        let values = counted(*values, "value");
        let wider = |pointer: &str, width: &str| match width.parse::<u32>() {
            Ok(width) if width >= 5 => {
                format!("{pointer} ({values}; wider bands, such as {pointer}:{})", width.saturating_mul(2))
            }
            Ok(width) if width > 1 => {
                format!("{pointer} ({values}; fewer characters or wider bands: another number than {pointer}:{width})")
            }
            _ => {
                format!("{pointer} ({values}; bands such as {pointer}:10, or its first characters such as {pointer}:3)")
            }
        };
        match name.strip_prefix("text:") {
            Some(_) => {
                format!("{name} ({values}; it stands in the texts: rewrite or leave out the records that say it)")
            }
            None => match name.rsplit_once(':') {
                Some((pointer, width)) if width.parse::<u32>().is_ok() => wider(pointer, width),
                _ => wider(name, ""),
            },
        }
    };
    let list: Vec<String> = quasi.iter().map(how).collect();
    format!(
        "make the values coarser in the records themselves, most values first: {}; take them in again with the same coarseness \
         in --quasi (a coarser --quasi alone only measures less exactly); or leave out the subjects of smaller groups; or ask the \
         data protection officer whether less than --min-k {least} is acceptable",
        list.join(", "),
    )
}
