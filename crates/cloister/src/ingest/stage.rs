//! The stage: every input read twice, a decision on every record, a digest of those that stay.
//!
//! Invariant: `records` gets the records that were not rejected, in their order, each as one line of JSON; the root is that of
//! the commitments to exactly these lines.

use std::collections::BTreeMap;
use std::io::Write as _;

use cloister_text::quality::commitment::Hash;
use cloister_text::quality::{
    Analyst, Assessment, Decision, Features, MerkleRoot, Quality, QualityOptions, RecordAt, RecordKey, Verdict,
    WordList,
};
use cloister_text::risk::anonymity::{Anonymity, anonymity, different_values};
use cloister_text::risk::quasi::{Quasi, Subjects};
use cloister_text::{Columns, Detector, Record, Shape};
use sha2::{Digest as _, Sha256};

use super::{Error, Input, Unreadable};
use crate::files::WholeFile;
use crate::parallel;
use crate::progress::Progress;

const CHUNK_RECORDS: usize = 512;
/// Long records make a chunk of fewer.
const CHUNK_BYTES: usize = 32 << 20;

/// What to take in, and how to look at it.
pub struct Request<'a> {
    /// The inputs, in their order.
    pub inputs: &'a [Input],
    /// Records that the data must not hold.
    pub evaluation: Option<&'a Input>,
    /// Names of columns.
    pub columns: &'a Columns,
    /// What to look for.
    pub options: &'a QualityOptions,
    /// Finds personal data.
    pub detector: &'a Detector,
    /// Whether people can be told apart, if that is asked.
    pub risk: Option<RiskRequest>,
}

/// What tells people apart.
#[derive(Clone)]
pub struct RiskRequest {
    /// Quasi-identifiers.
    pub quasi: Vec<Quasi>,
    /// A column whose values nobody should learn, by JSON pointer.
    pub sensitive: Option<String>,
    /// People among whom the subjects are a sample.
    pub population: Option<u64>,
}

/// Where records go.
pub struct Outputs<'a> {
    /// Records that were not rejected.
    pub records: &'a mut WholeFile,
    /// One line for every record about which something was noticed.
    pub decisions: &'a mut WholeFile,
    /// Rejected lines as they were read.
    pub quarantine: Option<&'a mut WholeFile>,
}

/// What came of it.
pub struct Ingested {
    /// The decision on every record.
    pub quality: Quality,
    /// Lines that are no records, by kind.
    pub unreadable: BTreeMap<&'static str, usize>,
    /// The inputs.
    pub files: Vec<Taken>,
    /// The evaluation file.
    pub evaluation: Option<Taken>,
    /// The shape of the records.
    pub shape: Shape,
    /// The digest of all records that were read.
    pub read: MerkleRoot,
    /// The digest of the records that were written.
    pub written: MerkleRoot,
    /// How far people can be told apart in the records that were written.
    pub risk: Option<Risk>,
    /// Lines that were too long to keep whole, and were cut in the quarantine.
    pub cut_in_quarantine: usize,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its name, without folders.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Records in it.
    pub records: usize,
    /// Lines that are no records.
    pub unreadable: usize,
}

/// How far people can be told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// Quasi-identifiers by name, and how many different values they have.
    pub quasi: Vec<(String, usize)>,
    /// The sensitive column.
    pub sensitive: Option<String>,
    /// The figures.
    pub anonymity: Anonymity,
}

/// Takes records in under `key`, which commits to them. `progress` counts bytes, all twice.
///
/// # Errors
/// See [`Error`].
pub fn ingest(
    request: &Request<'_>,
    key: &[u8; 32],
    toxic: WordList,
    progress: &mut Progress,
    mut outputs: Outputs<'_>,
) -> Result<Ingested, Error> {
    let commitments = RecordKey::from_bytes(*key);
    let mut analyst = Analyst::new(request.options, RecordKey::from_bytes(*key), toxic)?;
    let evaluation = match request.evaluation {
        Some(input) => Some(learn(input, request.columns, &mut analyst, progress)?),
        None => None,
    };

    let mut first = FirstReading {
        analyst: &analyst,
        detector: request.detector,
        key: &commitments,
        chunk: Vec::new(),
        chunk_bytes: 0,
        assessment: Assessment::default(),
        unreadable: BTreeMap::new(),
        root: MerkleRoot::default(),
    };
    let (mut files, mut digests, mut shape) = (Vec::new(), Vec::new(), None);
    for (file, input) in request.inputs.iter().enumerate() {
        let (mut taken, mut digest) = (Taken::of(input), Sha256::new());
        let seen = |bytes: &[u8]| {
            digest.update(bytes);
            progress.advance(bytes.len() as u64);
        };
        input.lines(request.columns, &mut shape, seen, |line, content, record| {
            taken.count(record.is_ok());
            first.add(RecordAt { file, line }, content.len(), record);
            Ok(())
        })?;
        files.push(taken);
        digests.push(digest.finalize());
    }
    let shape = shape.ok_or(Error::NoRecord)?;
    let (assessment, unreadable, read) = first.end();
    request.detector.check()?;
    let quality = assessment.decide(&analyst);

    let mut second = SecondReading {
        key: &commitments,
        root: MerkleRoot::default(),
        subjects: request.risk.clone().map(|risk| Subjects::new(risk.quasi, risk.sensitive)),
        cut: 0,
    };
    let mut verdicts = quality.verdicts.iter();
    for (file, (input, before)) in request.inputs.iter().zip(&digests).enumerate() {
        let changed = || Error::Changed { path: input.path.clone() };
        let mut digest = Sha256::new();
        let seen = |bytes: &[u8]| {
            digest.update(bytes);
            progress.advance(bytes.len() as u64);
        };
        input.lines(request.columns, &mut Some(shape), seen, |line, content, record| {
            let verdict =
                verdicts.next().filter(|verdict| verdict.at == RecordAt { file, line }).ok_or_else(changed)?;
            second.write(verdict, content, record, &mut outputs)
        })?;
        if digest.finalize() != *before {
            return Err(changed());
        }
    }
    let risk = match (second.subjects, &request.risk) {
        (Some(subjects), Some(asked)) => risk(subjects, asked),
        _ => None,
    };
    Ok(Ingested {
        quality,
        unreadable,
        files,
        evaluation,
        shape,
        read,
        written: second.root,
        risk,
        cut_in_quarantine: second.cut,
    })
}

fn learn(input: &Input, columns: &Columns, analyst: &mut Analyst, progress: &mut Progress) -> Result<Taken, Error> {
    let mut taken = Taken::of(input);
    input.lines(
        columns,
        &mut None,
        |bytes| progress.advance(2 * bytes.len() as u64),
        |line, _, record| {
            taken.count(record.is_ok());
            if let Ok(record) = record {
                analyst.learn_evaluation(&record, RecordAt { file: 0, line });
            }
            Ok(())
        },
    )?;
    Ok(taken)
}

fn risk(subjects: Subjects, asked: &RiskRequest) -> Option<Risk> {
    let rows = subjects.rows();
    let names = asked.quasi.iter().map(Quasi::to_string);
    Some(Risk {
        quasi: names.zip(different_values(&rows)).collect(),
        sensitive: asked.sensitive.clone(),
        anonymity: anonymity(&rows, asked.population)?,
    })
}

impl Taken {
    fn of(input: &Input) -> Self {
        Self { name: input.name(), bytes: input.bytes(), records: 0, unreadable: 0 }
    }

    fn count(&mut self, is_record: bool) {
        self.records += usize::from(is_record);
        self.unreadable += usize::from(!is_record);
    }
}

/// Looks at records, some hundred at a time on all cores. Holds records: no `Debug`.
struct FirstReading<'a> {
    analyst: &'a Analyst,
    detector: &'a Detector,
    key: &'a RecordKey,
    chunk: Vec<(RecordAt, Result<Record, Unreadable>)>,
    chunk_bytes: usize,
    assessment: Assessment,
    unreadable: BTreeMap<&'static str, usize>,
    root: MerkleRoot,
}

impl FirstReading<'_> {
    fn add(&mut self, at: RecordAt, bytes: usize, record: Result<Record, Unreadable>) {
        self.chunk.push((at, record));
        self.chunk_bytes += bytes;
        if self.chunk.len() >= CHUNK_RECORDS || self.chunk_bytes >= CHUNK_BYTES {
            self.look();
        }
    }

    fn look(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        let looked = parallel::map(&chunk, |(at, record)| -> (Features, Option<Hash>) {
            match record {
                Ok(record) => {
                    let features = self.analyst.look(record, *at, Some(self.detector));
                    (features, Some(self.key.commit(record.to_json_line().as_bytes())))
                }
                Err(_) => (Features::unreadable(*at), None),
            }
        });
        for (features, commitment) in looked {
            self.assessment.push(features);
            if let Some(commitment) = commitment {
                self.root.push(&commitment);
            }
        }
        for Unreadable(kind) in chunk.into_iter().filter_map(|(_, record)| record.err()) {
            *self.unreadable.entry(kind).or_default() += 1;
        }
    }

    fn end(mut self) -> (Assessment, BTreeMap<&'static str, usize>, MerkleRoot) {
        self.look();
        (self.assessment, self.unreadable, self.root)
    }
}

/// Writes what was decided.
struct SecondReading<'a> {
    key: &'a RecordKey,
    root: MerkleRoot,
    subjects: Option<Subjects>,
    cut: usize,
}

impl SecondReading<'_> {
    fn write(
        &mut self,
        verdict: &Verdict,
        content: &[u8],
        record: Result<Record, Unreadable>,
        outputs: &mut Outputs<'_>,
    ) -> Result<(), Error> {
        if !verdict.reasons.is_empty() {
            // A verdict holds codes and places; it always serialises.
            put(outputs.decisions, &serde_json::to_vec(verdict).unwrap_or_default())?;
        }
        match (verdict.decision, record) {
            (Decision::Accept | Decision::Review, Ok(record)) => {
                let line = record.to_json_line();
                self.root.push(&self.key.commit(line.as_bytes()));
                if let Some(subjects) = &mut self.subjects {
                    subjects.add(&record);
                }
                put(outputs.records, line.as_bytes())
            }
            (_, record) => {
                self.cut += usize::from(matches!(record, Err(Unreadable("too long"))));
                match &mut outputs.quarantine {
                    Some(quarantine) => put(quarantine, content),
                    None => Ok(()),
                }
            }
        }
    }
}

fn put(file: &mut WholeFile, line: &[u8]) -> Result<(), Error> {
    let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
    Ok(written.map_err(|error| crate::Error::write(file.target())(error))?)
}
