//! What every target checks of its input, and the keys of those of the vault.

use std::sync::OnceLock;

use cloister_text::{
    Columns, Detector, DetectorOptions, Profile, Reading, ReplaceContext, Replacer, Scope, Sequence, Source, Span,
    SurrogateKey, Tally,
};
use cloister_vault::log::VerifierKey;
use cloister_vault::sealed::{Context, Kek};

/// The key of a log that has signed nothing.
pub fn log_key() -> &'static VerifierKey {
    static KEY: OnceLock<VerifierKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        VerifierKey::parse(text).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// A key that wraps, and a place of sealed files.
pub fn place() -> (&'static Kek, Context<'static>) {
    static KEK: OnceLock<Kek> = OnceLock::new();
    let kek = KEK.get_or_init(|| Kek::random().unwrap_or_else(|error| panic!("{error}")));
    (kek, Context { tenant: "t", dataset: "d", version: "v" })
}

/// Whether `input` is Parquet whose reader could take seconds over a few bytes: the `parquet` crate (60.1) counts through
/// collections of booleans without reading them. A footer may claim so much by chance, so `records/footer.rs` refuses only
/// what would take longer; here it would be found again and again and hide what is slow for other reasons.
pub fn stalls_parquet(input: &[u8]) -> bool {
    const MANY: u64 = 1 << 22;
    let size = |bytes: &[u8]| {
        let length = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
        let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7F));
        Some((value, length))
    };
    input.ends_with(b"PAR1")
        && (0..input.len()).any(|at| {
            let Some((count, length)) = size(&input[at..]) else { return false };
            let list = at > 0 && matches!(input[at - 1], 0xF1 | 0xF2);
            let map = matches!(input.get(at + length), Some(0x11 | 0x12 | 0x21 | 0x22));
            count >= MANY && (list || map)
        })
}

/// Reads `input` under a name that may tell its format, in both manners; reading that mends never loses what a strict one gives.
pub fn read(input: &[u8], name: &str) {
    if stalls_parquet(input) {
        return;
    }
    let columns = Columns::default();
    let mending = Reading::mending(&columns);
    let mut source = Source::from_reader(input, name);
    let (mut tally, mut sequence, mut mended) = (Tally::default(), Sequence::default(), 0);
    while let Some(chunk) = source.next_chunk() {
        let batch =
            chunk.read(&mending, &mut None).unwrap_or_else(|error| panic!("nothing stops a mending reader: {error}"));
        tally.extend(batch.findings);
        for record in &batch.records {
            sequence.next(None, record.line, &record.id, record.shape(), |finding| tally.add(finding));
            record.fields().for_each(|(place, _)| drop(place.to_string()));
            record.body();
            record.to_json_line();
        }
        mended += batch.records.len();
    }
    match cloister_text::read_source(Source::from_reader(input, name), &columns) {
        Ok(dataset) => assert_eq!(dataset.records.len(), mended, "both manners read the same records"),
        Err(error) => drop(error.to_string()),
    }
}

/// The detectors as they come, built once.
pub fn detector() -> &'static Detector {
    static DETECTOR: OnceLock<Detector> = OnceLock::new();
    DETECTOR.get_or_init(|| Detector::new(&DetectorOptions::default()).unwrap_or_else(|error| panic!("{error}")))
}

/// Spans lie on borders of characters, inside the text, with scores from 0 to 1.
pub fn check_spans(text: &str, spans: &[Span]) {
    for span in spans {
        assert!(span.start < span.end && text.get(span.start..span.end).is_some());
        assert!((0.0..=1.0).contains(&span.score));
    }
}

/// Replaces what is found in `text`; the first byte of `choice` chooses the profile and the scope.
pub fn replace(text: &str, choice: u8) {
    let profiles = Profile::ALL;
    let scopes = [Scope::Document, Scope::Subject, Scope::Dataset];
    let profile = profiles[usize::from(choice) % profiles.len()];
    let scope = scopes[usize::from(choice) / profiles.len() % scopes.len()];
    let replacer = Replacer::new(SurrogateKey::from_bytes([7; 32]), profile, scope);
    let spans = detector().detect(text);
    let context = ReplaceContext { document: "d", subject: Some("s") };
    let replaced = replacer.replace(&context, text, &spans);
    let counted = replaced.counts.values().chain(replaced.kept.values()).sum::<usize>();
    assert_eq!(counted, replaced.spans.len());
    let mut kept = (0, 0);
    for (old, new) in spans.iter().zip(&replaced.spans) {
        assert!(replaced.text.get(new.start..new.end).is_some());
        assert_eq!(text[kept.0..old.start], replaced.text[kept.1..new.start], "what was not found stays");
        kept = (old.end, new.end);
    }
}
