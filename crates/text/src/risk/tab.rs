//! Scores spans against labelled entities as the Text Anonymization Benchmark does.
//!
//! An identifier is hidden only if every mention of it is: one name left in a document names the person. So the recall of
//! entities counts an entity as found when all its mentions are covered, a mention being covered when every letter and digit
//! of it lies in some span, whatever the label. Precision counts covered words that lie in labelled mentions. All counts are
//! summed over annotators. Source: Pilán, Lison, Øvrelid, Papadopoulou, Sánchez and Batet 2022, "The Text Anonymization
//! Benchmark", section 5 (without its weights by information content, which need a language model).
//!
//! Offsets count Unicode code points. Holds the texts of labelled documents while they are scored: no `Debug`.

use std::collections::BTreeMap;

use serde::Serialize;

/// Whether a mention identifies by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// By itself: a name, a number.
    Direct,
    /// Together with others: a date, a place, a job.
    Quasi,
    /// Not at all.
    None,
}

/// One labelled mention.
pub struct Mention {
    /// The first code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// What it gives away.
    pub identifier: Identifier,
    /// The entity that it mentions.
    pub entity: String,
}

/// Found and all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Those that were found.
    pub found: usize,
    /// All of them.
    pub of: usize,
}

impl Share {
    /// Found over all; `None` where there is nothing.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.found as f64 / self.of as f64)
    }

    fn add(&mut self, found: bool) {
        self.found += usize::from(found);
        self.of += 1;
    }
}

/// The score, summed over documents and annotators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TabScore {
    /// Documents scored.
    pub documents: usize,
    /// Annotations of documents: one for each annotator of each.
    pub annotations: usize,
    /// Direct identifiers of which every mention is covered.
    pub direct_entities: Share,
    /// Quasi-identifiers of which every mention is covered.
    pub quasi_entities: Share,
    /// Mentions of direct identifiers that are covered.
    pub direct_mentions: Share,
    /// Mentions of quasi-identifiers that are covered.
    pub quasi_mentions: Share,
    /// Covered words that lie in labelled mentions.
    pub token_precision: Share,
}

impl TabScore {
    /// Adds a document: its text, the spans found in it, and the mentions of each annotator.
    pub fn add(&mut self, text: &str, spans: &[(usize, usize)], annotators: &[Vec<Mention>]) {
        let chars: Vec<char> = text.chars().collect();
        let mask = Mask::of(chars.len(), spans.iter().copied());
        let alphanumeric = |at: usize| chars[at].is_alphanumeric();
        self.documents += 1;
        for mentions in annotators {
            self.annotations += 1;
            let mut entities: BTreeMap<(bool, &str), bool> = BTreeMap::new();
            let labelled = mentions.iter().filter(|mention| mention.identifier != Identifier::None);
            for mention in labelled.clone() {
                let (start, end) = (mention.start.min(chars.len()), mention.end.min(chars.len()));
                let covered = (start..end).all(|at| mask.0[at] || !alphanumeric(at));
                let direct = mention.identifier == Identifier::Direct;
                *entities.entry((direct, &mention.entity)).or_insert(true) &= covered;
                let mentions = if direct { &mut self.direct_mentions } else { &mut self.quasi_mentions };
                mentions.add(covered);
            }
            for ((direct, _), covered) in entities {
                let entities = if direct { &mut self.direct_entities } else { &mut self.quasi_entities };
                entities.add(covered);
            }
            let gold = Mask::of(chars.len(), labelled.map(|mention| (mention.start, mention.end)));
            for (start, end) in tokens(&chars).filter(|(start, end)| mask.covers(*start, *end)) {
                self.token_precision.add(gold.covers(start, end));
            }
        }
    }
}

/// Which code points are covered.
struct Mask(Vec<bool>);

impl Mask {
    fn of(length: usize, spans: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut mask = vec![false; length];
        for (start, end) in spans {
            let end = end.min(length);
            mask[start.min(end)..end].fill(true);
        }
        Self(mask)
    }

    fn covers(&self, start: usize, end: usize) -> bool {
        self.0[start..end].iter().all(|covered| *covered)
    }
}

/// Runs of letters, digits and underscores.
fn tokens(chars: &[char]) -> impl Iterator<Item = (usize, usize)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + chars[at..].iter().position(|c| word(*c))?;
        at = start + chars[start..].iter().take_while(|c| word(**c)).count();
        Some((start, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(start: usize, end: usize, identifier: Identifier, entity: &str) -> Mention {
        Mention { start, end, identifier, entity: entity.into() }
    }

    #[test]
    fn an_entity_counts_with_all_its_mentions() {
        //          0123456789012345678901234567890123456
        let text = "Ana Ruiz, born 1980 in Ávila. A. Ruiz";
        let gold = vec![
            mention(0, 8, Identifier::Direct, "e1"),
            mention(30, 37, Identifier::Direct, "e1"),
            mention(15, 19, Identifier::Quasi, "e2"),
            mention(23, 28, Identifier::Quasi, "e3"),
            mention(10, 14, Identifier::None, "e4"),
        ];
        // found: "Ana", "Ruiz" as two spans, the year, "Ruiz" at the end without its initial, and "born" too much
        let spans = [(0, 3), (4, 8), (15, 19), (33, 37), (10, 14)];
        let mut score = TabScore::default();
        score.add(text, &spans, &[gold]);
        let share = |found, of| Share { found, of };
        assert_eq!((score.documents, score.annotations), (1, 1));
        assert_eq!(score.direct_entities, share(0, 1), "the initial is not covered");
        assert_eq!(score.direct_mentions, share(1, 2));
        assert_eq!(score.quasi_entities, share(1, 2));
        assert_eq!(score.quasi_mentions, share(1, 2));
        // covered words: Ana, Ruiz, 1980, Ruiz, born; four lie in mentions
        assert_eq!(score.token_precision, share(4, 5));
    }

    #[test]
    fn the_space_and_the_point_need_no_cover() {
        let mut score = TabScore::default();
        score.add("A. Ruiz", &[(0, 1), (3, 7)], &[vec![mention(0, 7, Identifier::Direct, "e")], Vec::new()]);
        assert_eq!(score.direct_entities.value(), Some(1.0));
        assert_eq!(score.annotations, 2);
        assert_eq!(score.token_precision, Share { found: 2, of: 4 }, "the second annotator marked nothing");
    }

    #[test]
    fn offsets_beyond_the_text_are_harmless() {
        let mut score = TabScore::default();
        score.add("ab", &[(1, 99), (50, 60)], &[vec![mention(0, 70, Identifier::Direct, "e")]]);
        assert_eq!(score.direct_mentions, Share { found: 0, of: 1 });
        assert_eq!(Share::default().value(), None);
    }
}
