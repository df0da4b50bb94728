//! The classifier that the user names: a model of the model engine as a detector of the text engine.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use cloister_model::{Error, Precision, TokenClassifier};
use cloister_text::{ClassifiedToken, Detector};

use super::console::Console;
use super::hint::Usage;
use crate::evidence::ClassifierFacts;

/// Half the memory and up to three times the speed of `f32`; probabilities move by up to 0.02, and hardly ever over a threshold.
const PRECISION: Precision = Precision::Bf16;

/// `detector` with the classifier of `folder`, if one is named, and what the evidence says of it; names labels that are
/// not understood.
pub(super) fn join(
    console: &Console,
    detector: Detector,
    folder: Option<&Path>,
) -> anyhow::Result<(Detector, Option<ClassifierFacts>)> {
    let Some(folder) = folder else { return Ok((detector, None)) };
    let classifier = TokenClassifier::open(folder, PRECISION).map_err(|error| refused(folder, &error))?;
    let identity = classifier.identity();
    let facts =
        ClassifierFacts { name: identity.name.clone(), sha256: identity.sha256.clone(), files: identity.files.clone() };
    let detector = detector.with_classifier(Arc::new(Classifier(classifier)));
    let unknown = detector.unknown_labels();
    if !unknown.is_empty() {
        console.warn(format_args!("labels of the classifier that are not used: {}", unknown.join(", ")));
    }
    Ok((detector, Some(facts)))
}

fn refused(folder: &Path, error: &Error) -> Usage {
    let mut message = format!("the classifier `{}` cannot be used: {error}", folder.display());
    let mut cause = error.source();
    while let Some(reason) = cause {
        message = format!("{message}: {reason}");
        cause = reason.source();
    }
    let hint = match error {
        Error::Unsupported { what: "tokenizer" | "tokenizer setting" | "part of a tokenizer", .. } => {
            "its tokenizer must be WordPiece, in tokenizer.json or vocab.txt"
        }
        _ => "name a folder with config.json, model.safetensors and tokenizer.json of a BertForTokenClassification",
    };
    Usage::new(message, hint)
}

struct Classifier(TokenClassifier);

impl cloister_text::TokenClassifier for Classifier {
    fn labels(&self) -> &[String] {
        self.0.labels()
    }

    fn classify(
        &self,
        texts: &[&str],
        found: &mut dyn FnMut(ClassifiedToken<'_>),
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        self.0.classify(texts, |token| {
            let cloister_model::TokenLabels { text, start, end, probabilities } = token;
            found(ClassifiedToken { text, start, end, probabilities });
        })?;
        Ok(())
    }
}
