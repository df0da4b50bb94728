//! The stage: every input read twice, a decision on every record, a digest of those that stay.
//!
//! Invariant: `records` gets the records that were not rejected, in their order, each as one line of JSON, whatever form it came
//! in; the root is that of the commitments to exactly these lines. What the second reading sees is what the first saw: the
//! bytes of each file, and every record.

use std::collections::BTreeMap;
use std::io::Write as _;

use cloister_text::quality::commitment::Hash;
use cloister_text::quality::{
    Analyst, Assessment, Decision, Features, MerkleRoot, Quality, QualityOptions, RecordAt, RecordKey, Verdict,
    WordList,
};
use cloister_text::risk::anonymity::{Anonymity, anonymity, different_values};
use cloister_text::risk::quasi::{Quasi, Subjects};
use cloister_text::{Columns, Detector, Error as TextError, Piece, Record, Shape, Tally};

use super::{Error, Input, Unreadable};
use crate::files::WholeFile;
use crate::progress::Progress;

/// What to take in, and how to look at it.
pub struct Request<'a> {
    /// The inputs, in their order.
    pub inputs: &'a [Input],
    /// Records that the data must not hold.
    pub evaluation: Option<&'a [Input]>,
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
    pub records: &'a mut dyn Records,
    /// One line for every record about which something was noticed.
    pub decisions: &'a mut dyn Lines,
    /// What was rejected: lines, and whatever is no record, as they were read; records of other forms as lines of JSON.
    pub quarantine: Option<&'a mut WholeFile>,
}

/// Takes records.
pub trait Records {
    /// Takes the next one; `line` is its JSON, without an end.
    ///
    /// # Errors
    /// Whatever keeps it from being taken.
    fn put(&mut self, record: &Record, line: &[u8]) -> Result<(), Error>;
}

/// Takes lines.
pub trait Lines {
    /// Takes the next one, which has no end.
    ///
    /// # Errors
    /// Whatever keeps it from being taken.
    fn put_line(&mut self, line: &[u8]) -> Result<(), Error>;
}

impl Lines for WholeFile {
    fn put_line(&mut self, line: &[u8]) -> Result<(), Error> {
        let written = self.write_all(line).and_then(|()| self.write_all(b"\n"));
        Ok(written.map_err(|error| crate::Error::write(self.target())(error))?)
    }
}

impl Lines for Vec<u8> {
    fn put_line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.extend_from_slice(line);
        self.push(b'\n');
        Ok(())
    }
}

impl Records for WholeFile {
    fn put(&mut self, _: &Record, line: &[u8]) -> Result<(), Error> {
        self.put_line(line)
    }
}

/// What came of it.
pub struct Ingested {
    /// The decision on every record.
    pub quality: Quality,
    /// Lines that are no records, by kind.
    pub unreadable: BTreeMap<&'static str, usize>,
    /// The inputs.
    pub files: Vec<Taken>,
    /// The evaluation file, or all of a folder.
    pub evaluation: Option<Taken>,
    /// What is odd about records that were read.
    pub findings: Tally,
    /// Files that could not be read to their end, and why: nobody knows how many records are missing.
    pub incomplete: Vec<(String, &'static str)>,
    /// The shape of the records.
    pub shape: Shape,
    /// The digest of all records that were read.
    pub read: MerkleRoot,
    /// The digest of the records that were written.
    pub written: MerkleRoot,
    /// How far people can be told apart in the records that were written.
    pub risk: Option<Risk>,
    /// Lines or rows that were rejected and are not in the quarantine that was asked for, since nothing holds them: they are
    /// too long, or damaged.
    pub not_quarantined: usize,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its name, see [`Input::name`]; of several, that of the first and how many more there are.
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
    let (mut findings, mut incomplete) = (Tally::default(), Vec::new());
    let evaluation = match request.evaluation {
        Some(inputs) => Some(learn(inputs, request.columns, &mut analyst, (progress, &mut findings, &mut incomplete))?),
        None => None,
    };

    let mut first = FirstReading::default();
    let (mut files, mut digests) = (Vec::new(), Vec::new());
    for (file, input) in request.inputs.iter().enumerate() {
        let mut taken = Taken::of(input);
        let look = |piece: Piece<'_>| {
            let at = RecordAt { file, line: piece.place };
            let seen = piece.record.map(|record| Seen {
                shape: record.shape(),
                features: analyst.look(&record, at, Some(request.detector)),
                commitment: commitments.commit(record.to_json_line().as_bytes()),
            });
            (at, seen)
        };
        let digest = input.read(request.columns, (progress, &mut findings), look, |(at, seen)| {
            let unreadable = first.add(at, seen, input);
            taken.count(unreadable.is_none());
            if let Some(Unreadable { kind, ends_file: true }) = unreadable {
                incomplete.push((taken.name.clone(), kind));
            }
            Ok(())
        })?;
        files.push(taken);
        digests.push(digest);
    }
    let FirstReading { assessment, unreadable, root: read, shape, refusal } = first;
    let shape = shape.ok_or_else(|| refusal.unwrap_or(Error::NoRecord))?;
    request.detector.check()?;
    let quality = assessment.decide(&analyst);

    let mut second = SecondReading {
        read: MerkleRoot::default(),
        written: MerkleRoot::default(),
        subjects: request.risk.clone().map(|risk| Subjects::new(risk.quasi, risk.sensitive)),
        not_quarantined: 0,
    };
    let mut verdicts = quality.verdicts.iter();
    let keep = outputs.quarantine.is_some();
    for (file, (input, before)) in request.inputs.iter().zip(&digests).enumerate() {
        let changed = || Error::Changed { path: input.path.clone() };
        let look = |piece: Piece<'_>| Reread::of(piece, shape, &commitments, keep);
        // What is odd was told at the first reading.
        let digest = input.read(request.columns, (progress, &mut Tally::default()), look, |reread| {
            let at = RecordAt { file, line: reread.place };
            let verdict = verdicts.next().filter(|verdict| verdict.at == at).ok_or_else(changed)?;
            second.write(verdict, reread, &mut outputs)
        })?;
        if digest != *before {
            return Err(changed());
        }
    }
    if second.read.root() != read.root() {
        // Not what the digests are of: a file was another one between its bytes and its rows.
        let path = request.inputs.first().map(|input| input.path.clone()).unwrap_or_default();
        return Err(Error::Changed { path });
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
        findings,
        incomplete,
        shape,
        read,
        written: second.written,
        risk,
        not_quarantined: second.not_quarantined,
    })
}

fn learn(
    inputs: &[Input],
    columns: &Columns,
    analyst: &mut Analyst,
    (progress, findings, incomplete): (&mut Progress, &mut Tally, &mut Vec<(String, &'static str)>),
) -> Result<Taken, Error> {
    let name = match inputs {
        [] => return Err(Error::NoEvaluation),
        [one] => one.name().into(),
        [first, others @ ..] => format!("{} and {} more", first.name(), others.len()),
    };
    let mut all = Taken { name, bytes: 0, records: 0, unreadable: 0 };
    let mut refusal = None;
    for (file, input) in inputs.iter().enumerate() {
        all.bytes += input.bytes();
        let look = |piece: Piece<'_>| (piece.place, piece.record);
        input.read(columns, (&mut *progress, &mut *findings), look, |(line, record)| {
            all.count(record.is_ok());
            match record {
                Ok(record) => analyst.learn_evaluation(&record, RecordAt { file, line }),
                Err(source) => {
                    let Unreadable { kind, ends_file } = Unreadable::of(&source);
                    if ends_file {
                        incomplete.push((input.name().into(), kind));
                    }
                    refusal.get_or_insert(Error::Input { path: input.path.clone(), source });
                }
            }
            Ok(())
        })?;
    }
    match all.records {
        0 => Err(refusal.unwrap_or(Error::NoEvaluation)),
        _ => Ok(all),
    }
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
        Self { name: input.name().into(), bytes: input.bytes(), records: 0, unreadable: 0 }
    }

    fn count(&mut self, is_record: bool) {
        self.records += usize::from(is_record);
        self.unreadable += usize::from(!is_record);
    }
}

/// What was seen of a record.
struct Seen {
    shape: Shape,
    features: Features,
    commitment: Hash,
}

/// Gathers what was seen, in the order of the records.
#[derive(Default)]
struct FirstReading {
    assessment: Assessment,
    unreadable: BTreeMap<&'static str, usize>,
    root: MerkleRoot,
    /// The shape that all records share: that of the first.
    shape: Option<Shape>,
    /// The first refusal.
    refusal: Option<Error>,
}

impl FirstReading {
    /// Takes the next record, or gives the reason why it is none.
    fn add(&mut self, at: RecordAt, seen: Result<Seen, TextError>, input: &Input) -> Option<Unreadable> {
        let unreadable = match seen {
            Ok(Seen { shape, features, commitment }) if *self.shape.get_or_insert(shape) == shape => {
                self.assessment.push(features);
                self.root.push(&commitment);
                return None;
            }
            Ok(_) => Unreadable::OTHER_SHAPE,
            Err(source) => {
                let unreadable = Unreadable::of(&source);
                self.refusal.get_or_insert(Error::Input { path: input.path.clone(), source });
                unreadable
            }
        };
        self.assessment.push(Features::unreadable(at));
        *self.unreadable.entry(unreadable.kind).or_default() += 1;
        Some(unreadable)
    }
}

/// A piece at the second reading. Holds text: no `Debug`.
struct Reread {
    place: usize,
    record: Option<(Record, String, Hash)>,
    /// What goes into the quarantine if it is rejected, and there is one.
    kept: Option<Vec<u8>>,
}

impl Reread {
    fn of(piece: Piece<'_>, shape: Shape, key: &RecordKey, keep: bool) -> Self {
        let Piece { place, record, content, is_json } = piece;
        let record = record.ok().filter(|record| record.shape() == shape).map(|record| {
            let line = record.to_json_line();
            let commitment = key.commit(line.as_bytes());
            (record, line, commitment)
        });
        // A record that is one line of JSON stays as it was read; one of another form has a line of JSON.
        let as_read = |content: &[u8]| record.is_none() || is_json && !content.contains(&b'\n');
        let kept = content.filter(|content| keep && as_read(content)).map(|content| content.into_owned());
        Self { place, record, kept }
    }
}

/// Writes what was decided.
struct SecondReading {
    read: MerkleRoot,
    written: MerkleRoot,
    subjects: Option<Subjects>,
    not_quarantined: usize,
}

impl SecondReading {
    fn write(&mut self, verdict: &Verdict, reread: Reread, outputs: &mut Outputs<'_>) -> Result<(), Error> {
        if !verdict.reasons.is_empty() {
            // A verdict holds codes and places; it always serialises.
            outputs.decisions.put_line(&serde_json::to_vec(verdict).unwrap_or_default())?;
        }
        if let Some((_, _, commitment)) = &reread.record {
            self.read.push(commitment);
        }
        match (verdict.decision, reread.record) {
            (Decision::Accept | Decision::Review, Some((record, line, commitment))) => {
                self.written.push(&commitment);
                if let Some(subjects) = &mut self.subjects {
                    subjects.add(&record);
                }
                outputs.records.put(&record, line.as_bytes())
            }
            (_, record) => {
                let Some(quarantine) = &mut outputs.quarantine else { return Ok(()) };
                match (reread.kept, record) {
                    (Some(content), _) => quarantine.put_line(&content),
                    (None, Some((_, line, _))) => quarantine.put_line(line.as_bytes()),
                    (None, None) => {
                        self.not_quarantined += 1;
                        Ok(())
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use cloister_text::DetectorOptions;

    use super::*;
    use crate::files::{Keep, hex};
    use crate::progress::{Show, Unit};

    fn take(input: &Path, folder: &Path, detector: &Detector) -> Result<Ingested, Error> {
        let (inputs, _) = Input::open(input)?;
        let (columns, options) = (Columns::default(), QualityOptions::default());
        let request =
            Request { inputs: &inputs, evaluation: None, columns: &columns, options: &options, detector, risk: None };
        let file = |name: &str| WholeFile::create(&folder.join(name), Keep::Private);
        let (mut records, mut decisions) = (file("records")?, file("decisions")?);
        let outputs = Outputs { records: &mut records, decisions: &mut decisions, quarantine: None };
        let mut progress = Progress::new(Show::Nothing, "", 0, Unit::Bytes);
        ingest(&request, &[7; 32], WordList::standard(), &mut progress, outputs)
    }

    fn rows(texts: [&str; 2]) -> Vec<u8> {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut file = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file
    }

    /// Another program puts one of two files in the place of the input, over and over.
    #[test]
    fn a_file_that_changes_between_the_readings_is_told_and_never_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let detector = Detector::new(&DetectorOptions::default()).unwrap();
        let texts = [["the first record", "a second one"], ["the third record", "the fourth one"]];
        let lines = texts.map(|texts| texts.map(|text| format!("{{\"text\":\"{text}\"}}\n")).concat().into_bytes());
        for contents in [lines, texts.map(rows)] {
            let input = folder.path().join("in");
            let put = |content: &[u8]| {
                let beside = folder.path().join("beside");
                std::fs::write(&beside, content).unwrap();
                std::fs::rename(&beside, &input).unwrap();
            };
            let roots = contents.each_ref().map(|content| {
                put(content);
                hex(&take(&input, folder.path(), &detector).ok().unwrap().written.root())
            });
            let done = AtomicBool::new(false);
            let outcome = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for content in contents.iter().cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                        put(content);
                        std::thread::sleep(std::time::Duration::from_micros(200));
                    }
                });
                let outcome = (0..2000).find_map(|_| match take(&input, folder.path(), &detector) {
                    Ok(taken) => (!roots.contains(&hex(&taken.written.root()))).then_some("mixed"),
                    Err(Error::Changed { .. }) => Some("told"),
                    Err(_) => Some("another error"),
                });
                done.store(true, Ordering::Relaxed);
                outcome
            });
            assert_eq!(outcome, Some("told"));
        }
    }
}
