//! `cloister train dataset:NAME`: the records come from the vault, the steps from the privacy ledger, and the trainer is shut in.
//!
//! A run that stops with a snapshot keeps its reservation, so that it can go on; `budget end` gives back what it did not lease.

use std::path::PathBuf;

use cloister_access::Action;
use cloister_text::Reading;
use serde_json::{Map, Value, json};

use super::super::Exit;
use super::super::budget::{spent_of, standing_fields};
use super::super::config::Unit;
use super::super::console::Console;
use super::super::hint::Usage;
use super::super::input;
use super::super::origin::of_version;
use super::super::sealed::{self, DatasetArgs, Named};
use super::super::training::{Commitment, Draft, Flags, Prepared, Steps, Taken, open_base, snapshot_of};
use super::{Walls, apart, dry_run, finish, lines};
use crate::interrupt;
use crate::project::{Pass, Project, Run};
use crate::pull::Base as Found;
use crate::train::child::{Apart, SnapshotKey, train_apart};
use crate::train::{Error, Leases, Reason, snapshot_in};

/// Trains on a dataset of the project.
pub(super) fn train_on(
    console: &Console,
    (mut flags, sandbox): (Flags, Option<Walls>),
    (of, named): (&DatasetArgs, &Named),
    (base, out): (&Found, PathBuf),
) -> anyhow::Result<Exit> {
    let snapshot = snapshot_of(&out);
    if snapshot_in(&snapshot) && !(flags.resume || flags.dry_run) {
        return Err(Error::SnapshotExists { path: snapshot }.into());
    }
    if flags.origin.is_given() {
        let hint = "leave --dataset out: what was declared of the records is sealed beside them";
        return Err(Usage::new("a dataset of the project has its own evidence", hint).into());
    }
    let columns = input::columns(flags.settings.columns.clone())?;
    of.opening.with(console, |project| {
        project.through(&of.ask(Action::Train, named), |pass| {
            let (dataset, opened) = sealed::read(console, pass, named, &Reading::strict(&columns))?;
            let (standing, _) = pass.standing()?;
            if let Some(limit) = &standing.limit {
                // What the limit asks for is the default, so that a plan is not refused for what nobody said.
                let persons = limit.unit == cloister_vault::ledger::Unit::Subject;
                flags.settings.unit = flags.settings.unit.or(persons.then_some(Unit::Subject));
                let usual = (dataset.records.len() as f64).powf(-1.1);
                let least = (limit.delta.get() < 1e-5).then(|| limit.delta.get().min(usual));
                flags.settings.delta = flags.settings.delta.or(least);
            }
            let version = &opened.version;
            let name = format!("dataset {}", version.id);
            let provenance = of_version(console, pass, version)?;
            let commitment = Commitment { key: pass.commitment_key()?, hmac: version.root.to_string() };
            let (draft, dataset) =
                Draft::decide(console, &flags, Taken { name, dataset, provenance, commitment })?;
            let ready = open_base(console, base, &flags.settings)?;
            let public = draft.public_lines();
            let prepared = draft.prepare(console, &flags.settings, &dataset, ready)?;
            prepared.print_plan(console);
            console.say(format_args!("budget {}", spent_of(&version.dataset, &standing)));
            if flags.dry_run {
                return dry_run(console, &prepared, standing_fields(&standing));
            }
            let metrics = flags.metrics(&[&out, &snapshot])?;
            interrupt::watch();
            let plan = (&prepared.request, &prepared.plan);
            let settings = serde_json::to_vec(&settings(&prepared, &out)?)?;
            let mut run = Run::of(pass, version, plan, &settings, flags.resume)?;
            let id = run.id().to_owned();
            console.say(format_args!("run {id} on {}", version.id));
            let apart = Apart {
                // A run that was killed before its first snapshot goes on without one: what was leased is lost.
                resume: flags.resume && snapshot_in(&snapshot),
                charged: run.leased(),
                key: Some(snapshot_key(project, pass, &run)?),
                ..apart(&flags, &prepared, (base, &out), sandbox.unwrap_or(Walls::Strict))?
            };
            let mut steps = Steps::new(console, &prepared.plan, metrics);
            let lines = lines(&dataset, prepared.request.unit);
            let outcome = match train_apart(&apart, lines, public.as_deref(), &mut Counted(&mut run), &mut steps) {
                Ok(outcome) => outcome,
                Err(error) => {
                    if snapshot_in(&snapshot) {
                        console.say(format_args!(
                            "run {id} keeps what is reserved for it; `cloister budget end {id}` gives back what it did not use"
                        ));
                    } else if run.is_reserved() && run.end(None).is_err() {
                        console.warn(format_args!("run {id} is still reserved: end it with `cloister budget end {id}`"));
                    }
                    return Err(error.into());
                }
            };
            run.end(Some(&outcome.adapter.sha256))?;
            steps.finish(&outcome);
            let (standing, _) = pass.standing()?;
            console.say(format_args!("budget {}", spent_of(&version.dataset, &standing)));
            let mut more = standing_fields(&standing);
            more.insert("run".into(), json!(id));
            more.insert("version".into(), json!(version.id));
            finish(console, (&flags, &prepared, base), &outcome, more)
        })
    })
}

/// What a run goes on with: its plan and recipe, the base and the folder.
fn settings(prepared: &Prepared, out: &std::path::Path) -> anyhow::Result<Map<String, Value>> {
    let mut settings = Map::new();
    settings.insert("plan".into(), serde_json::to_value(&prepared.request)?);
    settings.insert("recipe".into(), prepared.recipe_fields());
    settings.insert("base".into(), json!(prepared.ready.base.identity.sha256));
    settings.insert("adapter".into(), json!(std::path::absolute(out)?));
    Ok(settings)
}

fn snapshot_key(project: &Project, pass: &Pass<'_>, run: &Run<'_>) -> anyhow::Result<SnapshotKey> {
    let (id, key) = pass.snapshot_key(run.id())?;
    let (tenant, dataset) = (project.manifest().tenant.clone(), pass.resource().id().to_string());
    Ok(SnapshotKey { id, key, tenant, dataset, version: run.id().into() })
}

/// The ledger, as a trainer asks it.
struct Counted<'r, 'p>(&'r mut Run<'p>);

impl Leases for Counted<'_, '_> {
    fn stands(&mut self) -> Result<(), Reason> {
        Ok(self.0.reserve()?)
    }

    fn lease(&mut self, steps: u64) -> Result<u64, Reason> {
        Ok(self.0.lease(steps)?)
    }
}
