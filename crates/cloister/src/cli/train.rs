//! `cloister train`: private fine-tuning from records to an adapter folder: those of a file, or of a dataset of the project.

mod vault;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use cloister_dp::Unit;
use cloister_model::ExampleOptions;
use cloister_text::Dataset;
use serde_json::{Map, Value, json};

use super::Exit;
use super::console::{Console, Ink};
use super::hint::Usage;
use super::ranks::{suit, together};
use super::release;
use super::sealed::{DatasetArgs, Named};
use super::training::{
    Draft, Flags, Prepared, Steps, lost_steps, minutes, open_base, print_cost, shown_epsilon, snapshot_of,
};
use super::words::counted;
use crate::files::human_bytes;
use crate::interrupt;
use crate::pull::Base as Found;
use crate::train::child::{Apart, RecordLine, as_line, train_apart};
use crate::train::{Outcome, Reason, Request, Team, Unmetered, assist, remove_snapshot, snapshot_in, train};

/// Arguments of `train`.
#[derive(clap::Args)]
#[command(
    after_help = "Records are trained on as they are: run `cloister protect` first, or use `cloister run`, which does \
                        both. On dataset:NAME the privacy ledger of the project counts the steps, and what the limit does not \
                        allow is refused (exit 3). --export writes other forms of the adapter into OUT. Ctrl-C keeps a snapshot beside OUT; --resume \
                        goes on from it, also after a kill: steps that were under way then are lost, and counted."
)]
pub(super) struct Args {
    /// Records as JSON lines, JSON, CSV, TSV, Parquet or Arrow, also in gzip or zstd; a folder of such; `-` is stdin;
    /// dataset:NAME is one of the project
    data: PathBuf,
    /// Train in a process that reaches the base and the snapshot alone, as on datasets always; `--sandbox=weaker` also
    /// without Landlock
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "strict")]
    sandbox: Option<Walls>,
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    of: DatasetArgs,
}

/// What a sandbox must have.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Walls {
    /// Everything that is asked for
    Strict,
    /// What the kernel has
    Weaker,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        together(console, |console, team| self.work(console, team))
    }

    fn work(self, console: &Console, team: &Team) -> anyhow::Result<Exit> {
        if self.flags.settings.profile.is_some() || self.flags.settings.says_detection() {
            let hint = "protect the records first with `cloister protect`, or use `cloister run`, which does both";
            return Err(Usage::new("`train` replaces nothing: it takes records as they are", hint).into());
        }
        let named = Named::of(&self.data)?;
        if (self.sandbox.is_some() || named.is_some()) && team.size() > 1 {
            let hint = "leave --sandbox out, or start one process";
            return Err(Usage::new("the ranks of a team need a network, and a sandbox has none", hint).into());
        }
        let Self { data, sandbox, flags, of } = self;
        let mut flags = flags.resolve()?;
        suit(&mut flags, &data, console, team)?;
        let out = flags.out("adapter")?;
        // A killed process may have put the adapter in its place and have got no further.
        let goes_on = flags.resume && snapshot_in(&snapshot_of(&out));
        if team.leads() && !(flags.dry_run || goes_on) {
            refuse_full(&out)?;
        }
        let base = flags.settings.find_base()?;
        match named {
            Some(named) => vault::train_on(console, (flags, sandbox), (&of, &named), (&base, out)),
            None => on_file(console, team, (flags, sandbox), &data, (&base, out)),
        }
    }
}

/// From a file of records to a folder.
fn on_file(
    console: &Console,
    team: &Team,
    (flags, sandbox): (Flags, Option<Walls>),
    data: &Path,
    (base, out): (&Found, PathBuf),
) -> anyhow::Result<Exit> {
    let metrics = if team.leads() { flags.metrics(&[&out, &snapshot_of(&out)])? } else { None };
    let (draft, dataset) = Draft::of(console, &flags, data)?;
    let ready = open_base(console, base, &flags.settings)?;
    let public = sandbox.and_then(|_| draft.public_lines());
    let prepared = draft.prepare(console, &flags.settings, &dataset, ready)?;
    // only a process that trains apart still needs the texts
    let dataset = sandbox.is_some().then_some(dataset);
    prepared.print_plan(console);
    if flags.dry_run {
        if !team.leads() {
            return Ok(Exit::Passed);
        }
        return dry_run(console, &prepared, Map::new());
    }
    interrupt::watch();
    let request = Request {
        ready: &prepared.ready,
        corpus: &prepared.corpus,
        evaluation: prepared.evaluation(),
        plan: prepared.request.clone(),
        built: &prepared.plan,
        recipe: &prepared.recipe,
        protection: None,
        snapshot: snapshot_of(&out),
        adapter: out,
        resume: flags.resume,
    };
    if !team.leads() {
        assist(&request, team)?;
        return Ok(Exit::Passed);
    }
    let mut steps = Steps::new(console, &prepared.plan, metrics);
    let outcome = match (sandbox, dataset) {
        (Some(walls), Some(dataset)) => {
            let apart = apart(&flags, &prepared, (base, &request.adapter), walls)?;
            let lines = lines(&dataset, prepared.request.unit);
            train_apart(&apart, lines, public.as_deref(), &mut Unmetered, &mut steps)?
        }
        _ => train(&request, team, &mut steps)?,
    };
    steps.finish(&outcome);
    finish(console, (&flags, &prepared, base), &outcome, Map::new())
}

/// A run in a process of its own, with nobody who counts its steps.
fn apart<'a>(
    flags: &Flags,
    prepared: &'a Prepared,
    (base, adapter): (&'a Found, &Path),
    walls: Walls,
) -> anyhow::Result<Apart<'a>> {
    Ok(Apart {
        program: Apart::this_program()?,
        base: &base.path,
        base_sha256: &prepared.ready.base.identity.sha256,
        precision: prepared.ready.precision,
        kernels: flags.settings.kernels.unwrap_or_default(),
        plan: &prepared.request,
        built: &prepared.plan,
        recipe: &prepared.recipe,
        options: ExampleOptions { max_tokens: prepared.max_tokens, length: prepared.length },
        protection: None,
        adapter: adapter.into(),
        snapshot: snapshot_of(adapter),
        resume: flags.resume,
        charged: 0,
        key: None,
        weaker: walls == Walls::Weaker,
    })
}

/// Ends a run that came to its end, and tells of it.
fn finish(
    console: &Console,
    (flags, prepared, base): (&Flags, &Prepared, &Found),
    outcome: &Outcome,
    more: Map<String, Value>,
) -> anyhow::Result<Exit> {
    let adapter = &outcome.adapter.path;
    remove_snapshot(&snapshot_of(adapter));
    tell(console, prepared, outcome);
    let mut fields = document(prepared, outcome);
    fields.extend(more);
    let ready = (&prepared.ready, base);
    if let Some(exported) = release::export_trained(console, &flags.settings, ready, adapter, adapter)? {
        release::tell(console, &exported, base, adapter);
        fields.append(&mut release::document(&exported));
    }
    console.document("passed", fields)?;
    Ok(Exit::Passed)
}

/// The records as another process takes them. Where persons are the units they go by numbers.
fn lines(dataset: &Dataset, unit: Unit) -> impl Iterator<Item = Result<RecordLine, Reason>> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    dataset.records.iter().map(move |record| {
        let subject = record.subject.as_deref().filter(|_| unit == Unit::Subject).map(|subject| {
            let next = numbers.len();
            numbers.entry(subject).or_insert(next).to_string()
        });
        Ok(as_line(record, subject.as_deref()))
    })
}

/// A folder with something in it is not an output folder.
pub(super) fn refuse_full(out: &std::path::Path) -> anyhow::Result<()> {
    let full = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if full {
        return Err(Usage::new(format!("`{}` exists and is not empty", out.display()), "choose another --out").into());
    }
    Ok(())
}

pub(super) fn dry_run(console: &Console, prepared: &Prepared, more: Map<String, Value>) -> anyhow::Result<Exit> {
    console.say("measuring the speed of this machine");
    let cost = prepared.cost()?;
    print_cost(console, &cost);
    let mut fields = plan_fields(prepared);
    fields.insert(
        "cost".into(),
        json!({"memory_bytes": cost.memory_bytes, "tokens_per_second": cost.tokens_per_second,
               "tokens": cost.tokens, "seconds": cost.seconds, "evaluation_seconds": cost.evaluation_seconds}),
    );
    fields.extend(more);
    console.document("planned", fields)?;
    Ok(Exit::Passed)
}

fn tell(console: &Console, prepared: &Prepared, outcome: &Outcome) {
    let plan = &prepared.plan;
    console.say(format_args!(
        "trained {} in {} (about {:.0} tokens/s, peak memory {})",
        counted((plan.steps() - outcome.steps_lost) as usize, "step"),
        minutes(outcome.seconds),
        outcome.tokens_per_second,
        human_bytes(outcome.peak_rss_bytes)
    ));
    if outcome.steps_lost > 0 {
        console.say(format_args!("{}; epsilon counts them", lost_steps(outcome.steps_lost, plan.steps())));
    }
    console.say(format_args!(
        "privacy epsilon {} at delta {:e}, unit {}, {} adjacency",
        shown_epsilon(plan.epsilon()),
        plan.delta(),
        plan.unit(),
        plan.adjacency()
    ));
    if let [(_, base), .., (_, tuned)] = outcome.losses[..] {
        console.say(format_args!(
            "utility {:.3} nats per token, the base {:.3}, on {} public tokens",
            tuned.nats_per_token, base.nats_per_token, tuned.tokens
        ));
    }
    console.say(format_args!("{} {}", console.ink(Ink::Green, "adapter"), outcome.adapter.path.display()));
}

/// The plan's part of a document.
pub(super) fn plan_fields(prepared: &Prepared) -> Map<String, Value> {
    let plan = &prepared.plan;
    let value = json!({
        "epsilon": plan.epsilon(), "delta": plan.delta(), "sigma": plan.sigma(), "q": plan.q(), "steps": plan.steps(),
        "plan": plan, "recipe": prepared.recipe_fields(),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn document(prepared: &Prepared, outcome: &Outcome) -> Map<String, Value> {
    let mut fields = plan_fields(prepared);
    let losses: Vec<Value> = outcome
        .losses
        .iter()
        .map(|(step, loss)| json!({"step": step, "nats_per_token": loss.nats_per_token, "tokens": loss.tokens}))
        .collect();
    for (name, value) in [
        ("tokens_per_second", json!(outcome.tokens_per_second)),
        ("peak_rss_bytes", json!(outcome.peak_rss_bytes)),
        // the share of clipped examples is a statistic of the records, and no budget was spent on it
        ("clip_fraction", Value::Null),
        ("adapter", json!(outcome.adapter.path)),
        ("adapter_sha256", json!(outcome.adapter.sha256)),
        ("resumed", json!(outcome.resumed)),
        ("steps_lost", json!(outcome.steps_lost)),
        ("ranks", json!(outcome.ranks)),
        ("schedule", json!(prepared.recipe.schedule.decay.to_string())),
        ("warmup_steps", json!(prepared.recipe.schedule.warmup_steps)),
        ("evaluation", json!(losses)),
        ("provenance", json!(prepared.provenance.fields)),
        ("dataset", json!(prepared.provenance.dataset)),
    ] {
        fields.insert(name.into(), value);
    }
    fields
}
