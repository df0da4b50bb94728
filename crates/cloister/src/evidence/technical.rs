//! The sections for those who build and those who check: utility, plan, training, adapter, digests,
//! repetition, words.
//!
//! Invariant: every setting and digest of the evidence stands in the page, in the form in which it can be compared.

use serde_json::json;

use super::facts::{DataFacts, Evidence, PrivacyFacts, TrainingFacts};
use super::html::{Fact, checks, command, drawing, fact, facts, figure, markup, missing, numbers, printed, section};
use super::personal::{bounded, unit_words};
use super::svg::{LineChart, line};
use super::words::{
    NOT_MEASURED, bytes, change, clean, count, counted, duration, epsilon, escape, fixed, powers, scientific, setting,
    shell_word,
};

const NO_LIMIT: u64 = u32::MAX as u64;

/// The loss on the evaluation text, with its course over the steps.
pub(super) fn utility(evidence: &Evidence) -> String {
    let heading = "What the adapter has learnt";
    let Some(utility) = &evidence.utility else {
        let how = "No evaluation file was given. Give cloister run a file of public records in the same form with \
                   --evaluation FILE.jsonl.";
        return section("utility", heading, &missing(how));
    };
    let (base, tuned) = (utility.base_nats_per_token, utility.tuned_nats_per_token);
    let judged = match (base.is_finite() && tuned.is_finite()).then_some(tuned < base) {
        Some(true) => "The tuned model predicts this text better than the base does.",
        Some(false) => {
            "<strong class=\"bad\">The tuned model predicts this text no better than the base does.</strong>"
        }
        None => "Without both losses there is nothing to compare.",
    };
    let row = |name: &str, loss: f64| {
        let perplexity = if loss.is_finite() && loss < 500.0 { setting_short(loss.exp()) } else { NOT_MEASURED.into() };
        vec![name.to_owned(), fixed(loss, 3), powers(&perplexity)]
    };
    let mut rows = vec![row("Base model", base), row("With the adapter", tuned)];
    if let Some(change) = change(base, tuned) {
        rows.push(vec!["Change".into(), change, String::new()]);
    }
    let table = numbers(&["Model", "Nats per token", "Perplexity"], &rows, None);
    let intro = format!(
        "<p>Loss was measured on <em>{}</em>: {} with {}. They were declared public by whoever ran this; no record of \
         them stood in the training data word for word. If they tell nothing else about it, these figures reveal no \
         more than the adapter does. Lower is better. {judged}</p>",
        escape(&utility.file),
        counted(utility.records, "record"),
        counted(utility.tokens, "scored token"),
    );
    let description = format!("The loss goes from {} for the base to {} at the end.", fixed(base, 3), fixed(tuned, 3));
    let chart = line(&LineChart {
        id: "loss",
        title: "Loss on the evaluation text over training steps",
        description: &description,
        measure: "loss on the evaluation text, nats per token",
        ends: ("base", "tuned"),
        written: |value| fixed(value, 3),
        from_zero: false,
        points: &utility.curve,
    });
    let figure = match chart {
        Some(chart) => {
            let rows: Vec<Vec<String>> =
                utility.curve.iter().map(|&(step, loss)| vec![count(step), fixed(loss, 4)]).collect();
            let caption = "Step 0 is the base model.";
            drawing(&chart, caption, &numbers(&["Step", "Nats per token"], &rows, None))
        }
        None => drawing(&missing("The evidence holds no loss by step."), "Loss over the steps.", ""),
    };
    section("utility", heading, &format!("<div class=\"pair\"><div>{intro}{table}</div>{figure}</div>"))
}

fn setting_short(number: f64) -> String {
    if number < 1000.0 { fixed(number, 1) } else { setting(number.round()) }
}

/// The privacy plan, number by number.
pub(super) fn plan(evidence: &Evidence) -> String {
    let privacy = &evidence.privacy;
    let (unit, units) = unit_words(privacy);
    let adjacency = match privacy.adjacency.as_str() {
        "zero-out" => {
            format!("two data sets are neighbours if one {unit} contributes nothing in one of them; N is public")
        }
        "add-remove" => {
            format!("two data sets are neighbours if one {unit} is missing from one of them; N is protected")
        }
        _ => "which two data sets must look alike".into(),
    };
    let cap = if privacy.unit_cap >= NO_LIMIT { "no limit".into() } else { count(privacy.unit_cap) };
    let cap_means = match privacy.unit.as_str() {
        "subject" if privacy.unit_cap < NO_LIMIT => format!(
            "at most {} of a subject in one draw; more are left out of that draw, chosen at random",
            counted(privacy.unit_cap, "record")
        ),
        _ => "that can take part in one step".into(),
    };
    let sampler = match (privacy.sampler.as_str(), privacy.largest_batch) {
        ("shuffled", _) => "each once in every pass over the data; accounted without amplification".to_owned(),
        (_, Some(largest)) => {
            format!("batches of more than {} are cut at random; the accountant assumes the same", count(largest))
        }
        _ => "how batches were drawn; the accountant assumes the same".to_owned(),
    };
    let rows = [
        fact("Unit", &privacy.unit, "whose presence is hidden"),
        fact("Adjacency", &privacy.adjacency, adjacency),
        figure("Units, N", count(privacy.units), format!("{units} in the data")),
        figure("Sampling rate, q", setting(privacy.q), format!("chance of each {unit} to take part in a step")),
        figure("Steps, T", count(privacy.steps), "updates of the adapter"),
        figure("Noise, sigma", setting(privacy.sigma), "standard deviation of the noise, divided by the clip norm"),
        figure("Clip norm, C", setting(privacy.clip_norm), format!("longest gradient that one {unit} can contribute")),
        figure(
            "Denominator",
            setting(privacy.denominator),
            "the noised sum is divided by it, whatever the batch drawn",
        ),
        figure("Records per unit", cap, cap_means),
        figure("Delta", scientific(privacy.delta), "chance that the bound leaves aside"),
        figure("Epsilon", epsilon(privacy.epsilon), "bound on the privacy loss after all steps"),
        figure("– by PLD", epsilon(privacy.epsilon_pld), "privacy loss distribution"),
        figure("– by RDP", epsilon(privacy.epsilon_rdp), "Rényi divergences, the cross-check"),
        fact("Accountant", &privacy.accountant, "method behind epsilon"),
        fact("Sampler", &privacy.sampler, sampler),
    ];
    let intro = "<p>One plan, fixed before training, built the sampler, the noise and the accountant together. No \
                 number in it was chosen from the course of this training.</p>";
    section("plan", "The privacy plan", &format!("{intro}{}", facts(&rows)))
}

/// Data, base and course of the training.
pub(super) fn training(evidence: &Evidence) -> String {
    let Evidence { base, data, privacy, training, .. } = evidence;
    let types: Vec<String> =
        base.tensor_types.iter().map(|(name, tensors)| format!("{} {name}", count(*tensors))).collect();
    let subjects = data.subjects.map_or(NOT_MEASURED.into(), count);
    let subjects_how =
        if data.subjects.is_some() { "people they are about" } else { "give each record a subject field" };
    let share = match (base.parameters, training.trainable_parameters) {
        (0, _) => String::new(),
        (all, some) => format!("{} % of the base", setting_of_share(some as f64 / all as f64 * 100.0)),
    };
    let speed = match training.tokens_per_second {
        speed if speed.is_finite() && speed > 0.0 => format!("{} tokens/s", fixed(speed, 0)),
        _ => NOT_MEASURED.into(),
    };
    let memory = if training.peak_rss_bytes == 0 { NOT_MEASURED.into() } else { bytes(training.peak_rss_bytes) };
    let listed = |items: &[String]| if items.is_empty() { NOT_MEASURED.into() } else { items.join(", ") };
    let rows = [
        fact("Data", data.name(), format!("shape: {}", data.shape)),
        figure("Records", count(data.records), "training examples"),
        figure("Subjects", subjects, subjects_how),
        figure("Cut short", count(data.truncated), format!("longer than {}", counted(data.max_tokens, "token"))),
        fact("Base", &base.name, format!("format: {}", base.format)),
        figure("Base parameters", count(base.parameters), "frozen"),
        fact("Stored tensors", listed(&types), "by storage type"),
        fact("Base precision", &base.precision, format!("kept in memory in {}", bytes(base.weight_bytes))),
        fact("Adapted projections", listed(&training.targets), "in every layer"),
        figure("Rank, alpha", format!("{}, {}", count(training.rank), count(training.alpha)), "of the adapter"),
        figure("Trained parameters", count(training.trainable_parameters), share),
        fact("Optimiser", &training.optimizer, rate(training)),
        figure("Steps in the adapter", count(privacy.steps.saturating_sub(training.steps_lost)), steps_lost(evidence)),
        fact(
            "Time",
            duration(training.seconds),
            if training.resumed { "resumed from a snapshot: since then" } else { "in one go" },
        ),
        figure("Throughput", speed, "tokens trained on"),
        fact("Peak memory", memory, "resident, of the whole process"),
        figure(
            "Processes",
            count(training.ranks),
            if training.ranks > 1 { "time and memory are the first's" } else { "on one machine" },
        ),
    ];
    section("training", "Data, base and training", &facts(&rows))
}

/// The learning rate and its course.
fn rate(training: &TrainingFacts) -> String {
    let warmup = match training.warmup_steps {
        0 => String::new(),
        steps => format!(" after {} of warm-up", counted(steps, "step")),
    };
    format!("learning rate {}, {}{warmup}", setting(training.learning_rate), training.schedule)
}

/// What a kill has cost.
fn steps_lost(evidence: &Evidence) -> String {
    let steps = counted(evidence.privacy.steps, "step");
    match evidence.training.steps_lost {
        0 => format!("all of {steps}"),
        lost => format!("{} of {steps} charged and lost when the run was killed; epsilon counts them", count(lost)),
    }
}

fn setting_of_share(percent: f64) -> String {
    if percent < 0.01 { setting(percent) } else { fixed(percent, 2) }
}

/// The adapter as it was read back.
pub(super) fn adapter(evidence: &Evidence) -> String {
    let adapter = &evidence.adapter;
    let (path, size) = (escape(&adapter.path), bytes(adapter.bytes));
    if adapter.checks.is_empty() {
        let html = missing("No check of the written adapter is in the evidence. Run cloister run to its end.");
        return section(
            "adapter",
            "Checks of the adapter",
            &format!("<p>Folder <code>{path}</code> ({size}).</p>{html}"),
        );
    }
    let intro = format!(
        "<p>An adapter whose weights carry the wrong names loads without a word and does nothing. So the folder \
         <code>{path}</code> ({size}) was read back from disk and checked.</p>"
    );
    let rows = adapter.checks.iter().map(|check| (check.name.as_str(), check.passed, check.detail.as_str(), None));
    let html = checks(rows, ("passed", "failed"));
    section("adapter", "Checks of the adapter", &format!("{intro}{html}"))
}

/// What each figure was measured on.
pub(super) fn digests(evidence: &Evidence) -> String {
    let hash = |text: &str| match text {
        "" => NOT_MEASURED.into(),
        text => format!("<code class=\"digest\">{}</code>", escape(text)),
    };
    let (base, data, adapter) = (&evidence.base, &evidence.data, &evidence.adapter);
    let mut rows: Vec<Fact> = vec![
        markup("Base model", hash(&base.sha256), format!("SHA-256 of {}", base.name)),
        markup(
            "Training data",
            hash(&data.commitment),
            format!("HMAC-SHA256 of the bytes {}, under a key that is kept aside", of_data(data)),
        ),
    ];
    if let Some(utility) = &evidence.utility {
        rows.push(markup("Evaluation text", hash(&utility.sha256), format!("SHA-256 of {}", utility.file)));
    }
    rows.push(markup("Adapter", hash(&adapter.sha256), "SHA-256 of adapter_model.safetensors"));
    let exports = evidence.exports.iter();
    rows.extend(exports.map(|file| {
        markup("Exported file", hash(&file.sha256), format!("SHA-256 of {} ({})", file.path, bytes(file.bytes)))
    }));
    let key = beside_adapter(evidence, "private/commitment.key");
    let (hashed, input) = match data.is_stdin() {
        true => (
            "The bytes that were piped in were hashed, and no file of them is known here: DATA stands for one.",
            "DATA".into(),
        ),
        false => ("The bytes of the data file were hashed.", file_word(&data.file)),
    };
    let note = format!(
        "<p>A plain digest of the training data would let anyone test a guess at it. The commitment does not: \
         without its key it says nothing, with key and file it proves which data were used. {hashed} The key is 32 \
         bytes, written as 64 hex digits in <code>{}</code>. This prints the same digest, given in the folder of this \
         page and with the path of the data:</p>{}",
        escape(&key),
        command(&format!("openssl dgst -sha256 -mac HMAC -macopt hexkey:$(cat {}) {input}", file_word(&key))),
    );
    section("digests", "Digests", &format!("{}{note}", facts(&rows)))
}

fn of_data(data: &DataFacts) -> String {
    if data.is_stdin() { "that came through stdin".into() } else { format!("of {}", data.file) }
}

/// A file that lies in the folder of the adapter's folder.
fn beside_adapter(evidence: &Evidence, file: &str) -> String {
    match clean(&evidence.adapter.path).trim_end_matches('/').rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{file}"),
        None => file.into(),
    }
}

/// A file as an argument of a shell command that does not take it for a flag.
fn file_word(file: &str) -> String {
    let word = clean(file);
    if word.starts_with('-') { shell_word(&format!("./{word}")) } else { shell_word(&word) }
}

/// Commands that check or repeat this run.
pub(super) fn repeat(evidence: &Evidence) -> String {
    let (privacy, adapter) = (&evidence.privacy, &evidence.adapter);
    let file = format!("{}/adapter_model.safetensors", clean(&adapter.path).trim_end_matches('/'));
    let mut html = format!(
        "<h3>The adapter is the one described here</h3>{}<p>prints <code class=\"digest\">{}</code>.</p>",
        command(&format!("sha256sum {}", file_word(&file))),
        escape(&adapter.sha256)
    );
    if bounded(privacy) && [privacy.q, privacy.sigma].iter().all(|number| number.is_finite()) {
        let (q, sigma, steps, delta) = (privacy.q, privacy.sigma, privacy.steps, privacy.delta);
        html += &match question(privacy) {
            None => format!(
                "<h3>Epsilon follows from the plan</h3>{}<p>prints, without the data or the model and rounded up:</p>{}\
                 <p>Any other accountant for the Poisson-subsampled Gaussian mechanism takes the same four numbers.</p>",
                command(&format!(
                    "cloister budget epsilon --q {q:?} --sigma {sigma:?} --steps {steps} --delta {delta:?}"
                )),
                printed(&budget_lines(privacy)),
            ),
            Some(question) => format!(
                "<h3>Epsilon follows from the plan</h3>{}<p>prints, without the data or the model, epsilon with all its \
                 digits: {}.</p>",
                command(&format!("echo {} | cloister budget epsilon --batch -", shell_word(&question.to_string()))),
                epsilon(privacy.epsilon),
            ),
        };
        html += &format!(
            "<h3>The whole run again</h3>{}<p>Files stand here by their names alone: add their paths. If the first run \
             was given <code class=\"flag\">--columns</code>, <code class=\"flag\">--length</code> or <code class=\"flag\">--dataset</code>, give them again; \
             the evidence does not hold them. Noise and batches come from fresh randomness that nobody keeps, so weights, digest and loss will differ; epsilon will not. \
             A second run on the same data spends as much privacy again.</p>",
            command(&whole_run(evidence)),
        );
    }
    section("repeat", "How to check and repeat this", &html)
}

/// The command that makes such a run, every setting of the evidence written out.
fn whole_run(evidence: &Evidence) -> String {
    let (data, privacy, training) = (&evidence.data, &evidence.privacy, &evidence.training);
    let mut line = match data.is_stdin() {
        true => "cloister run -".to_owned(),
        false => format!("cloister run {}", file_word(&data.file)),
    };
    let mut flag = |name: &str, value: &str| line += &format!(" --{name} {}", shell_word(value));
    flag("base", &evidence.base.name);
    flag("base-precision", &evidence.base.precision);
    if let Some(protection) = &evidence.protection {
        flag("profile", &protection.profile);
    }
    flag("sigma", &format!("{:?}", privacy.sigma));
    flag("delta", &format!("{:?}", privacy.delta));
    flag("unit", &privacy.unit);
    flag("batch", &format!("{:.0}", privacy.denominator));
    match (privacy.sampler.as_str(), privacy.largest_batch) {
        ("shuffled", _) => flag("sampling", "shuffle"),
        ("truncated-poisson", Some(largest)) => {
            flag("sampling", "truncated-poisson");
            flag("max-batch", &largest.to_string());
        }
        _ => {}
    }
    flag("steps", &privacy.steps.to_string());
    for (name, value) in [("clip-norm", privacy.clip_norm), ("learning-rate", training.learning_rate)] {
        if value.is_finite() {
            flag(name, &format!("{value:?}"));
        }
    }
    flag("schedule", &training.schedule);
    flag("warmup", &training.warmup_steps.to_string());
    if !training.targets.is_empty() {
        flag("targets", &training.targets.join(","));
    }
    flag("rank", &training.rank.to_string());
    flag("alpha", &training.alpha.to_string());
    flag("max-tokens", &data.max_tokens.to_string());
    if let Some(utility) = &evidence.utility {
        flag("evaluation", &utility.file);
    }
    flag("out", "again");
    if data.is_stdin() { line + " < DATA" } else { line }
}

/// What `cloister budget epsilon --batch` is asked where the sampling is not plain Poisson.
fn question(privacy: &PrivacyFacts) -> Option<serde_json::Value> {
    let (sigma, steps, units) = (privacy.sigma, privacy.steps, privacy.units);
    let phase = match (privacy.sampler.as_str(), privacy.largest_batch) {
        ("shuffled", _) => {
            let batch = privacy.denominator as u64;
            json!({"sampling": "shuffle", "sigma": sigma, "steps": steps, "units": units, "batch": batch})
        }
        ("truncated-poisson", Some(cap)) => json!({
            "sampling": "truncated-poisson", "q": privacy.q, "sigma": sigma, "steps": steps, "units": units, "cap": cap
        }),
        _ => return None,
    };
    Some(json!({"phases": [phase], "delta": privacy.delta, "adjacency": privacy.adjacency}))
}

/// The lines that `cloister budget epsilon` prints for one plan: names padded to one width, four decimals, rounded up.
fn budget_lines(privacy: &PrivacyFacts) -> String {
    [("epsilon", privacy.epsilon), ("epsilon_pld", privacy.epsilon_pld), ("epsilon_rdp", privacy.epsilon_rdp)]
        .into_iter()
        .map(|(name, value)| (name, (value * 1e4).ceil() / 1e4))
        .filter(|(_, value)| value.is_finite())
        .map(|(name, value)| format!("{name:<11}  {value:.4}\n"))
        .collect()
}

/// Six words.
pub(super) fn glossary() -> String {
    const WORDS: [(&str, &str); 6] = [
        ("Adapter", "Small matrices (LoRA) that change a frozen base model. They are all that training wrote."),
        (
            "Epsilon, ε",
            "Privacy loss: taking part changes the probability of any outcome by a factor of at most e to the power of \
             epsilon. Smaller is better; 0 is perfect.",
        ),
        ("Delta, δ", "A small chance that epsilon leaves aside. It should be well below one in the number of people."),
        ("Clipping", "Shortening a contribution that is too long, so that nobody weighs more than the clip norm."),
        (
            "Noise, sigma",
            "Random numbers added to each step, large enough to hide one clipped contribution. More noise, smaller \
             epsilon.",
        ),
        (
            "Nats per token",
            "How surprised the model is by each piece of text, in natural units of information. Lower is better.",
        ),
    ];
    let words: String = WORDS
        .iter()
        .map(|(word, meaning)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(word), escape(meaning)))
        .collect();
    section("words", "Six words", &format!("<dl class=\"words\">{words}</dl>"))
}

/// One line for the end of the page.
pub(super) fn footer(evidence: &Evidence) -> String {
    format!(
        "<footer><p>Written by {} at {}. The same facts for machines are in <code>evidence.json</code> (schema {}). This \
         page loads nothing and runs no script. {} in the verdict.</p></footer>",
        escape(&evidence.product),
        escape(&evidence.created),
        escape(&evidence.schema),
        counted(evidence.verdict.gates.len() as u64, "gate")
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample::private;
    use super::*;

    #[test]
    fn the_whole_run_names_every_setting() {
        let mut evidence = private();
        evidence.data.file = "Anna's tickets.jsonl".into();
        assert_eq!(
            whole_run(&evidence),
            r"cloister run 'Anna'\''s tickets.jsonl' --base smollm2-135m-instruct-q4 --base-precision f32 ".to_owned()
                + "--profile surrogate --sigma 0.797 --delta 1e-5 --unit subject --batch 80 --steps 8 --clip-norm 0.5 "
                + "--learning-rate 0.003 --schedule constant --warmup 0 --targets q,v --rank 8 --alpha 16 "
                + "--max-tokens 512 --evaluation evaluation.jsonl --out again"
        );
        evidence.data.file = "-".into();
        let piped = whole_run(&evidence);
        assert!(piped.starts_with("cloister run - --base ") && piped.ends_with(" --out again < DATA"), "{piped}");
        evidence.data.file = "-x.jsonl".into();
        assert!(whole_run(&evidence).starts_with("cloister run ./-x.jsonl --base "));
    }

    #[test]
    fn the_command_asks_for_what_was_sampled() {
        let mut evidence = private();
        let shown = |evidence: &Evidence| repeat(evidence).replace("<span>", "").replace("</span>", "");
        assert!(shown(&evidence).contains("budget epsilon --q 0.2 --sigma 0.797 --steps 8"));
        (evidence.privacy.sampler, evidence.privacy.largest_batch) = ("truncated-poisson".into(), Some(110));
        let asked = question(&evidence.privacy).unwrap_or_default().to_string();
        assert_eq!(
            asked,
            r#"{"phases":[{"sampling":"truncated-poisson","q":0.2,"sigma":0.797,"steps":8,"units":400,"cap":110}],"delta":0.00001,"adjacency":"zero-out"}"#
        );
        let page = shown(&evidence);
        assert!(page.contains("cloister budget epsilon --batch -") && !page.contains("--q 0.2"), "{page}");
        assert!(page.contains(" --sampling truncated-poisson --max-batch 110 "), "{page}");
        assert!(plan(&evidence).contains("batches of more than 110 are cut at random"));
        (evidence.privacy.sampler, evidence.privacy.largest_batch) = ("shuffled".into(), None);
        let asked = question(&evidence.privacy).unwrap_or_default().to_string();
        assert!(asked.contains(r#""sampling":"shuffle","sigma":0.797,"steps":8,"units":400,"batch":80"#), "{asked}");
        assert!(shown(&evidence).contains(" --sampling shuffle ") && plan(&evidence).contains("without amplification"));
    }

    #[test]
    fn the_commitment_comes_with_its_command() {
        let mut evidence = private();
        let shown = |evidence: &Evidence| digests(evidence).replace("<span>", "").replace("</span>", "");
        let command = "openssl dgst -sha256 -mac HMAC -macopt hexkey:$(cat demo-out/private/commitment.key) ";
        assert!(shown(&evidence).contains(&format!("<code>{command}tickets.jsonl</code>")));
        evidence.adapter.path = "adapter".into();
        assert!(shown(&evidence).contains("hexkey:$(cat private/commitment.key) tickets.jsonl"));
        evidence.data.file = "-".into();
        let page = shown(&evidence);
        assert!(page.contains("HMAC-SHA256 of the bytes that came through stdin"));
        assert!(page.contains("The bytes that were piped in were hashed") && page.contains("commitment.key) DATA<"));
    }

    #[test]
    fn the_cap_of_a_subject_is_explained() {
        let mut evidence = private();
        evidence.privacy.unit_cap = 8;
        let explained = "at most 8 records of a subject in one draw; more are left out of that draw, chosen at random";
        assert!(plan(&evidence).contains(explained));
        evidence.privacy.unit = "record".into();
        assert!(!plan(&evidence).contains("of a subject in one draw"));
    }
}
