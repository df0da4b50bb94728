//! `cloister budget show`, `limit` and `end`: what the datasets of a project have spent and may spend.

use cloister_access::Id;
use cloister_vault::ledger::{Limit, Mechanism, ReservationState, Standing, Unit};
use cloister_vault::store::Decimal;
use serde_json::{Map, Value, json};

use super::super::Exit;
use super::super::config::{Unit as Who, positive};
use super::super::console::Console;
use super::super::project::{Opening, id};
use super::super::training::shown_epsilon;
use super::super::words::counted;
use crate::project::Told;

#[derive(clap::Args)]
pub(super) struct Show {
    /// The dataset
    #[arg(value_name = "NAME", value_parser = dataset)]
    dataset: Id,
    #[command(flatten)]
    opening: Opening,
}

#[derive(clap::Args)]
pub(super) struct Limiting {
    /// The dataset
    #[arg(value_name = "NAME", value_parser = dataset)]
    dataset: Id,
    /// The most epsilon
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = positive)]
    epsilon: f64,
    /// At this delta; without it, that of the project's preset
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = positive)]
    delta: Option<f64>,
    /// What it counts by; without it, as the project's preset
    #[arg(long, value_name = "WHO")]
    unit: Option<Who>,
    #[command(flatten)]
    opening: Opening,
}

#[derive(clap::Args)]
pub(super) struct End {
    /// The run, such as r1
    #[arg(value_name = "RUN", value_parser = id)]
    run: Id,
    /// What the dataset was used for
    #[arg(long = "for", value_name = "PURPOSE", value_parser = id)]
    purpose: Option<Id>,
    /// The grant that it was used by
    #[arg(long, value_name = "GRANT", value_parser = id)]
    grant: Option<Id>,
    #[command(flatten)]
    opening: Opening,
}

impl Show {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let (standing, runs) = self.opening.with(console, |project| Ok(project.budget(&self.dataset)?))?;
        let mut fields = standing_fields(&standing);
        fields.insert("dataset".into(), json!(self.dataset.as_str()));
        fields.insert("runs".into(), runs.iter().map(run_fields).collect());
        console.document("passed", fields)?;
        if !console.json() {
            console.bytes(page(&self.dataset, &standing, &runs).as_bytes())?;
        }
        Ok(Exit::Passed)
    }
}

impl Limiting {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { dataset, epsilon, delta, unit, opening } = self;
        let (limit, cap, standing) = opening.with(console, |project| {
            let cap = project.cap()?;
            let unit = unit.map_or(cap.unit, |unit| match unit {
                Who::Record => Unit::Record,
                Who::Subject => Unit::Subject,
            });
            let delta = delta.map_or(Ok(cap.delta), Decimal::new)?;
            let limit = Limit { unit, epsilon: Decimal::new(epsilon)?, delta };
            project.set_limit(&dataset, &limit)?;
            Ok((limit, cap, project.budget(&dataset)?.0))
        })?;
        console.say(format_args!("the limit of dataset {dataset} is {}", of_limit(&limit)));
        if standing.limit.as_ref().is_some_and(|binding| *binding != limit) {
            console.warn(format_args!("the project allows {} at most: the stricter of both holds", of_limit(&cap)));
        }
        let mut fields = standing_fields(&standing);
        fields.insert("dataset".into(), json!(dataset.as_str()));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

impl End {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { run, purpose, grant, opening } = self;
        let ended = opening.with(console, |project| Ok(project.end_run(&run, purpose, grant)?))?;
        let back = counted((ended.plan.steps - ended.charged) as usize, "step");
        console.say(format_args!(
            "run {run} is over: {} spent, {back} given back",
            counted(ended.charged as usize, "step")
        ));
        let mut fields = Map::new();
        fields.insert("run".into(), json!(run.as_str()));
        fields.insert("steps_spent".into(), json!(ended.charged));
        fields.insert("steps_given_back".into(), json!(ended.plan.steps - ended.charged));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}

/// What a dataset has spent, on one line.
pub(in crate::cli) fn spent_of(dataset: &str, standing: &Standing) -> String {
    match (&standing.limit, standing.epsilon) {
        (Some(limit), Some(spent)) => {
            format!("dataset {dataset} has spent epsilon {} of {}", shown_epsilon(spent.get()), of_limit(limit))
        }
        _ => format!("dataset {dataset} has no limit"),
    }
}

/// The part of a document about what a dataset has spent.
pub(in crate::cli) fn standing_fields(standing: &Standing) -> Map<String, Value> {
    let mechanism = |&Mechanism { q, sigma, steps }: &Mechanism| json!({"q": q, "sigma": sigma, "steps": steps});
    let limit = standing
        .limit
        .as_ref()
        .map(|limit| json!({"unit": limit.unit.word(), "epsilon": limit.epsilon.get(), "delta": limit.delta.get()}));
    let spent = json!({
        "limit": limit, "epsilon": standing.epsilon.map(Decimal::get),
        "mechanisms": standing.mechanisms.iter().map(mechanism).collect::<Vec<_>>(),
    });
    Map::from_iter([("budget".into(), spent)])
}

fn run_fields(run: &Told) -> Value {
    let Told { id, version, state, reservation } = run;
    json!({
        "id": id, "version": version, "state": state, "steps": reservation.plan.steps,
        "leased": reservation.leased, "charged": reservation.charged,
    })
}

fn of_limit(limit: &Limit) -> String {
    let Limit { unit, epsilon, delta } = limit;
    format!("epsilon {epsilon} at delta {:e}, for every {}", delta.get(), unit.word())
}

/// What is shown of a dataset's budget.
fn page(dataset: &Id, standing: &Standing, runs: &[Told]) -> String {
    let mut page = format!("dataset {dataset}\n");
    if let Some(limit) = &standing.limit {
        page += &format!("  limit  {}\n", of_limit(limit));
    }
    if let Some(epsilon) = standing.epsilon {
        page += &format!("  spent  epsilon {}\n", shown_epsilon(epsilon.get()));
    }
    for Mechanism { q, sigma, steps } in &standing.mechanisms {
        page += &format!("         {} at q {q:.6}, noise {sigma:.4}\n", counted(*steps as usize, "step"));
    }
    for Told { id, version, state, reservation } in runs {
        let waits = match reservation.state {
            ReservationState::Open => ", the rest is reserved",
            _ => "",
        };
        page += &format!(
            "run {id} on {version}: {state}, {} of {} spent{waits}\n",
            reservation.leased,
            counted(reservation.plan.steps as usize, "step")
        );
    }
    page
}

/// For clap: a dataset, with or without what tells it from a file elsewhere.
fn dataset(text: &str) -> Result<Id, String> {
    id(text.strip_prefix("dataset:").unwrap_or(text))
}
