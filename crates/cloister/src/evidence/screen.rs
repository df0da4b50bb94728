//! The closing screen of a run: data, privacy, utility, verdict, next command.
//!
//! Invariants: at most 24 lines (the height of the smallest usual terminal), none wider than the terminal (or than
//! [`NARROWEST`], if that is wider); no control character; the next command can be pasted as it stands, or is left to
//! the report.

use super::facts::{Evidence, PrivacyFacts};
use super::meaning::hardly_limited;
use super::personal::Totals;
use super::words::{
    NOT_MEASURED, agreeing, bytes, change, clean, count, counted, epsilon, fixed, percent_up, scientific, setting,
};

/// No screen is laid out for less.
const NARROWEST: usize = 40;
const LINES_AT_MOST: usize = 24;
const INDENT: usize = 11;
const GATES_AT_MOST: usize = 3;
const COMMAND_LINES_AT_MOST: usize = 5;

/// How a line should stand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As the rest.
    Plain,
    /// What matters most.
    Strong,
    /// Good news.
    Good,
    /// What to look at.
    Warning,
    /// Bad news.
    Bad,
}

/// One line of the screen, without its line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it should stand out.
    pub tone: Tone,
    /// Plain text.
    pub text: String,
}

/// The screen for a terminal of `width` columns.
pub fn screen(evidence: &Evidence, width: usize) -> Vec<Line> {
    let mut screen = Screen { width: width.max(NARROWEST), lines: Vec::new() };
    let (base, data, file) = (&evidence.base.name, &evidence.data, evidence.data.name());
    screen.wrapped("", Tone::Strong, &format!("{}: {base} tuned on {file}", evidence.product), 1);
    screen.blank();

    let whose = data.subjects.map_or(String::new(), |subjects| format!(" of {}", counted(subjects, "subject")));
    let cut = match data.truncated {
        0 => String::new(),
        cut => format!(", {} cut at {}", count(cut), counted(data.max_tokens, "token")),
    };
    let records = counted(data.records, "record");
    screen.wrapped("data", Tone::Plain, &format!("{records}{whose} ({}){cut}", data.shape), 2);
    let (tone, entities) = entities(evidence);
    screen.wrapped("", tone, &entities, 2);
    let (tone, bound, plan) = privacy(evidence);
    screen.wrapped("privacy", tone, &bound, 2);
    if let Some(weakness) = weakness(&evidence.privacy) {
        screen.wrapped("", Tone::Warning, &weakness, 2);
    }
    screen.wrapped("", Tone::Plain, &plan, 2);
    if evidence.training.steps_lost > 0 {
        let (lost, steps) = (count(evidence.training.steps_lost), counted(evidence.privacy.steps, "step"));
        let text = format!("{lost} of {steps} charged and lost when the run was killed; epsilon counts them");
        screen.wrapped("", Tone::Warning, &text, 2);
    }
    let (tone, utility) = utility(evidence);
    screen.wrapped("utility", tone, &utility, 2);
    let (tone, adapter) = adapter(evidence);
    screen.wrapped("adapter", tone, &adapter, 2);
    screen.blank();
    screen.verdict(evidence);
    screen.command(&evidence.verdict.next);
    screen.lines
}

fn entities(evidence: &Evidence) -> (Tone, String) {
    let Some(protection) = &evidence.protection else {
        return (Tone::Warning, format!("personal data: {NOT_MEASURED}, the protect stage did not run"));
    };
    let total = Totals::of(&protection.labels);
    let tone = if total.residual > 0 || total.replaced < total.found { Tone::Warning } else { Tone::Plain };
    let (replaced, residual) = (count(total.replaced), count(total.residual));
    let found = agreeing(total.found, "entity", "entities");
    let profile = &protection.profile;
    (tone, format!("{replaced} of {found} replaced, {residual} still detected (profile {profile})"))
}

fn privacy(evidence: &Evidence) -> (Tone, String, String) {
    let privacy = &evidence.privacy;
    let plan = format!(
        "sigma {}, q {}, {}, clip norm {}; {}, see report",
        setting(privacy.sigma),
        setting(privacy.q),
        counted(privacy.steps, "step"),
        setting(privacy.clip_norm),
        counted(privacy.not_covered.len() as u64, "limit"),
    );
    let (unit, adjacency) = (&privacy.unit, &privacy.adjacency);
    let (tone, bound) = match privacy.epsilon {
        epsilon if epsilon.is_nan() => (Tone::Bad, format!("epsilon {NOT_MEASURED}")),
        f64::INFINITY => (Tone::Bad, "none: no bound on what the adapter reveals".into()),
        bound => {
            let (bound, delta) = (epsilon(bound), scientific(privacy.delta));
            (Tone::Plain, format!("epsilon {bound} at delta {delta} per {unit} ({adjacency})"))
        }
    };
    (tone, bound, plan)
}

/// What the bound leaves open, where that is more than one half.
fn weakness(privacy: &PrivacyFacts) -> Option<String> {
    let most = hardly_limited(privacy.epsilon, privacy.delta).filter(|_| privacy.epsilon.is_finite())?;
    let most = percent_up(most).replace('\u{a0}', " ");
    Some(format!("weak bound: recognised at up to {most} with 1 false alarm in 100"))
}

fn utility(evidence: &Evidence) -> (Tone, String) {
    let Some(utility) = &evidence.utility else {
        return (Tone::Warning, format!("{NOT_MEASURED}, give --evaluation FILE.jsonl"));
    };
    let (base, tuned) = (utility.base_nats_per_token, utility.tuned_nats_per_token);
    let Some(change) = change(base, tuned) else {
        return (Tone::Warning, format!("{NOT_MEASURED} on {}", utility.file));
    };
    let tone = if tuned < base { Tone::Plain } else { Tone::Warning };
    let (base, tuned, tokens) = (fixed(base, 3), fixed(tuned, 3), counted(utility.tokens, "token"));
    let change = change.replace('\u{a0}', " ");
    (tone, format!("{base} to {tuned} nats/token ({change}), {tokens} of {}", utility.file))
}

fn adapter(evidence: &Evidence) -> (Tone, String) {
    let adapter = &evidence.adapter;
    let passed = adapter.checks.iter().filter(|check| check.passed).count();
    let (tone, checks) = match adapter.checks.len() {
        0 => (Tone::Warning, "checks: not measured".into()),
        all if passed == all => (Tone::Plain, format!("{passed} of {all} checks passed")),
        all => (Tone::Bad, format!("{passed} of {all} checks passed")),
    };
    (tone, format!("{} ({}), {checks}", adapter.path, bytes(adapter.bytes)))
}

struct Screen {
    width: usize,
    lines: Vec<Line>,
}

impl Screen {
    fn blank(&mut self) {
        self.lines.push(Line { tone: Tone::Plain, text: String::new() });
    }

    /// A label and text on at most `most` lines; without a label the text of the label before goes on, or, at the
    /// top of the screen, stands alone.
    fn wrapped(&mut self, label: &str, tone: Tone, text: &str, most: usize) {
        let indent = if self.lines.is_empty() { 0 } else { INDENT };
        let mut rows = wrap(&clean(text), self.width - indent);
        if rows.len() > most {
            rows.truncate(most);
            if let Some(last) = rows.last_mut() {
                *last = cut(&format!("{last} …"), self.width - indent);
            }
        }
        for (index, row) in rows.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.lines.push(Line { tone, text: format!("{label:<indent$}{row}").trim_end().into() });
        }
    }

    fn verdict(&mut self, evidence: &Evidence) {
        let gates = &evidence.verdict.gates;
        let refusing: Vec<_> = gates.iter().filter(|gate| !gate.passed).collect();
        let (tone, word) = if evidence.verdict.passed { (Tone::Good, "PASSED") } else { (Tone::Bad, "REFUSED") };
        let (all, passing) = (counted(gates.len() as u64, "gate"), gates.len() - refusing.len());
        let tally = match (gates.len(), evidence.verdict.passed) {
            (0, _) => "though no gate was asked".into(),
            (_, true) => format!("{passing} of {all}; not a promise of privacy"),
            (_, false) => format!("by {} of {all}", refusing.len()),
        };
        self.wrapped("verdict", tone, &format!("{word} {tally}"), 2);
        for gate in refusing.iter().take(GATES_AT_MOST) {
            self.wrapped("", Tone::Bad, &format!("{}: {}", gate.name, gate.detail), 1);
        }
        if refusing.len() > GATES_AT_MOST {
            let more = refusing.len() - GATES_AT_MOST;
            self.wrapped("", Tone::Bad, &format!("{more} more in report.html"), 1);
        }
    }

    /// A command over several lines goes on after a backslash, as the shell reads it.
    fn command(&mut self, command: &str) {
        let command = clean(command);
        let command = command.trim();
        if command.is_empty() {
            return;
        }
        let rows = fill(&arguments(command), self.width - INDENT - 2);
        let whole = rows.join(" ") == command;
        let left = LINES_AT_MOST.saturating_sub(self.lines.len());
        if rows.len() > COMMAND_LINES_AT_MOST.min(left) || !whole {
            return self.wrapped("next", Tone::Strong, "the command in report.html", 1);
        }
        let last = rows.len() - 1;
        for (index, row) in rows.iter().enumerate() {
            let label = if index == 0 { "next" } else { "" };
            let more = if index < last { " \\" } else { "" };
            self.lines.push(Line { tone: Tone::Strong, text: format!("{label:<INDENT$}{row}{more}") });
        }
    }
}

/// Text in rows of at most `width` columns, broken between words; a word that is too long is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    fill(&words, width)
}

fn fill(words: &[&str], width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in words {
        match rows.last_mut() {
            Some(row) if columns(row) + 1 + columns(word) <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(cut(word, width)),
        }
    }
    rows
}

/// The arguments of a command, as written: a space inside quotes does not end one.
fn arguments(command: &str) -> Vec<&str> {
    let mut quote = None;
    let ends = |character: char| {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            _ => {}
        }
        character == ' ' && quote.is_none()
    };
    command.split(ends).collect()
}

fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.into();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if columns(&kept) + columns(character.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        kept.push(character);
    }
    kept.trim_end().to_owned() + "…"
}

/// Columns of a terminal that text takes, never too few: characters of East Asian scripts and pictures take two.
fn columns(text: &str) -> usize {
    const WIDE: [std::ops::RangeInclusive<char>; 7] = [
        '\u{1100}'..='\u{11ff}',
        '\u{2600}'..='\u{27bf}',
        '\u{2b00}'..='\u{2bff}',
        '\u{2e80}'..='\u{d7ff}',
        '\u{f900}'..='\u{faff}',
        '\u{fe30}'..='\u{ffe6}',
        '\u{1f000}'..='\u{3ffff}',
    ];
    text.chars().map(|character| if WIDE.iter().any(|range| range.contains(&character)) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{extreme, hostile, private, refused, unmeasured};
    use super::*;

    fn text(evidence: &Evidence, width: usize) -> String {
        screen(evidence, width).into_iter().map(|line| line.text + "\n").collect()
    }

    #[test]
    fn it_fits_every_terminal() {
        let mut long = refused();
        long.base.name = "模型".repeat(40);
        long.adapter.path = "a/".repeat(200);
        long.verdict.next = format!("cloister run {}", "--flag value ".repeat(60));
        for gate in 0..9 {
            long.verdict.gates.push(super::super::Gate {
                name: format!("gate {gate}"),
                passed: false,
                detail: "no ".repeat(90),
                remedy: None,
            });
        }
        let vast = [f64::NAN, f64::INFINITY, -1.0, 1e-320, f64::MAX].map(|real| extreme(u64::MAX, real));
        for evidence in [private(), refused(), unmeasured(), hostile(), long].into_iter().chain(vast) {
            for width in [0, 40, 60, 80, 100, 200] {
                let lines = screen(&evidence, width);
                assert!(lines.len() <= LINES_AT_MOST, "{} lines at {width}", lines.len());
                for Line { text, .. } in lines {
                    assert!(columns(&text) <= width.max(NARROWEST), "{width}: {text}");
                    assert!(!text.contains(char::is_control), "{text}");
                    let mut words = text.split(|character: char| !character.is_alphanumeric());
                    assert!(!words.any(|word| ["nan", "inf"].contains(&word.to_lowercase().as_str())), "{text}");
                }
            }
        }
    }

    #[test]
    fn it_says_data_privacy_utility_verdict_and_next() {
        let text = text(&private(), 80);
        let parts = [
            "data       2,000 records of 400 subjects (messages), 3 cut at 512 tokens",
            "3,590 of 3,590 entities replaced, 0 still detected",
            "privacy    epsilon 7.998 at delta 1e-5 per subject (zero-out)",
            "           weak bound: recognised at up to 99.97 % with 1 false alarm in 100\n",
            "utility    3.973 to 2.386 nats/token (−39.9 %), 9,412 tokens of evaluation.jsonl\n",
            "verdict    PASSED 4 of 4 gates; not a promise of privacy\n",
            "next       cloister generate ",
        ];
        let places: Vec<_> = parts.iter().map(|part| text.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    }

    #[test]
    fn a_refusal_names_its_gates() {
        let lines = screen(&refused(), 80);
        assert!(lines.iter().any(|line| line.tone == Tone::Bad && line.text.contains("REFUSED by 2 of 4 gates")));
        assert!(lines.iter().any(|line| line.tone == Tone::Bad && line.text.contains("epsilon cap: ")));
        assert!(!lines.iter().any(|line| line.tone == Tone::Good));
    }

    #[test]
    fn a_broken_command_joins_again() {
        let mut evidence = private();
        evidence.verdict.next =
            "cloister generate --base some-base --adapter out/adapter --prompts p.jsonl --out o".into();
        let lines = screen(&evidence, 50);
        let from = lines.iter().position(|line| line.text.starts_with("next ")).unwrap_or_default();
        let joined: String = lines[from..].iter().map(|line| line.text.trim_end_matches('\\')).collect();
        let words: Vec<&str> = joined.split_whitespace().skip(1).collect();
        assert_eq!(words.join(" "), evidence.verdict.next);
        assert_eq!(arguments("a 'b c' \"d 'e\" f"), ["a", "'b c'", "\"d 'e\"", "f"]);
        evidence.verdict.next = format!("cloister generate --prompts {}", "x".repeat(90));
        assert!(text(&evidence, 80).contains("next       the command in report.html"));
    }
}
