//! `access list`, `who-can` and `why`.

use cloister_access::{Action, Id, Principal, Resource};
use serde_json::{Value, json};

use super::{did, told};
use crate::cli::Exit;
use crate::cli::console::{Console, Ink};
use crate::cli::project::{Opening, action, id, somebody, thing};
use crate::plain::plain;
use crate::project::{Ask, Listing};

#[derive(clap::Args)]
pub(super) struct WhoCan {
    /// What is to be done, such as member.change
    #[arg(value_name = "ACTION", value_parser = action)]
    action: Action,
    /// What to: a kind, a colon and an id, such as dataset:tickets; project:main and log:main are the project and its log
    #[arg(value_name = "THING", value_parser = thing)]
    thing: Resource,
}

#[derive(clap::Args)]
pub(super) struct WhyArgs {
    /// What is to be done
    #[arg(value_name = "ACTION", value_parser = action)]
    action: Action,
    /// What to, such as dataset:tickets
    #[arg(value_name = "THING", value_parser = thing)]
    thing: Resource,
    /// Who asks, if somebody else; their second factor is not known then
    #[arg(long = "as", value_name = "WHO", value_parser = somebody)]
    who: Option<Principal>,
    /// What for
    #[arg(long, value_name = "PURPOSE", value_parser = id)]
    purpose: Option<Id>,
    /// The grant that the request relies on
    #[arg(long, value_name = "GRANT", value_parser = id)]
    grant: Option<Id>,
}

pub(super) fn list(console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
    let listing = opening.with(console, |project| Ok(project.list()?))?;
    let mut fields = did("list");
    fields.extend(document(&listing));
    told(console, "passed", fields, lines(console, &listing).trim_end())
}

fn document(listing: &Listing) -> serde_json::Map<String, Value> {
    let Listing { tenant, members, datasets, grants, policies } = listing;
    let members: Vec<Value> = members
        .iter()
        .map(|row| {
            let roles: Vec<&str> = row.roles.iter().collect();
            json!({ "id": row.id, "name": row.name, "kind": row.kind.word(), "roles": roles, "state": row.state.word() })
        })
        .collect();
    let datasets: Vec<Value> = datasets
        .iter()
        .map(|row| {
            let purposes: Vec<&str> = row.purposes.iter().collect();
            json!({ "id": row.id, "owner": row.owner, "sensitivity": row.sensitivity, "purposes": purposes,
                    "state": row.state.word() })
        })
        .collect();
    let grants: Vec<Value> =
        grants.iter().map(|(id, grant, state)| json!({ "id": id, "state": state, "grant": grant })).collect();
    let policies: Vec<Value> = policies
        .iter()
        .map(|row| json!({ "id": row.id, "state": row.state.word(), "proposed_by": row.proposed_by }))
        .collect();
    let project =
        json!({ "tenant": tenant.id, "name": tenant.name, "preset": tenant.preset, "four_eyes": tenant.four_eyes });
    let parts = [("project", project), ("members", json!(members)), ("datasets", json!(datasets))];
    let more = [("grants", json!(grants)), ("policies", json!(policies))];
    parts.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn lines(console: &Console, listing: &Listing) -> String {
    let Listing { tenant, members, datasets, grants, policies } = listing;
    let head = |text: &str| console.paint(Ink::Bold, text);
    let eyes = if tenant.four_eyes { "four eyes" } else { "one person decides" };
    let mut text = format!("{} {} ({}, {eyes})\n", head("project"), plain(&tenant.name), tenant.preset);
    let mut add = |title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            text.push_str(&format!("{}\n", head(title)));
            rows.iter().for_each(|row| text.push_str(&format!("  {}\n", plain(row))));
        }
    };
    let member = members.iter().map(|row| {
        let name = if row.name == row.id { String::new() } else { format!("  {}", row.name) };
        format!("{:<12}  {:<8}  {}{name}", row.id, row.state.word(), row.roles)
    });
    add("members", member.collect());
    let dataset = datasets
        .iter()
        .map(|row| format!("{:<12}  {:<8}  {}, for {}", row.id, row.state.word(), row.sensitivity, row.purposes));
    add("datasets", dataset.collect());
    let grant = grants.iter().map(|(id, grant, state)| {
        let acts: Vec<&str> = grant.acts().iter().map(|act| act.name()).collect();
        let by: Vec<&str> = grant.approvals().keys().map(Id::as_str).collect();
        let by = if by.is_empty() { String::new() } else { format!(", approved by {}", by.join(", ")) };
        let (acts, who, what, purpose) = (acts.join(", "), grant.who(), grant.resource(), grant.purpose());
        format!("{id:<4}  {state:<9}  {who} {acts} {what} for {purpose}{by}, until {}", grant.expires())
    });
    add("grants", grant.collect());
    let policy = policies.iter().map(|row| format!("{:<4}  {:<9}  by {}", row.id, row.state.word(), row.proposed_by));
    add("policies", policy.collect());
    text
}

impl WhoCan {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { action, thing } = self;
        let found = opening.with(console, |project| Ok(project.who_can(action, &thing)?))?;
        let mut text = String::new();
        for way in &found {
            let purpose = way.purpose.as_ref().map(|purpose| format!(" for {purpose}")).unwrap_or_default();
            let grant = way.grant.as_ref().map(|grant| format!(" with grant {grant}")).unwrap_or_default();
            let factor = if way.after_second_factor { " after typing a passphrase" } else { "" };
            text.push_str(&format!("{}{purpose}{grant}{factor} ({})\n", way.principal, way.policies.join(", ")));
        }
        if found.is_empty() {
            console.say(format_args!("nobody can {action} {thing} now"));
        }
        let mut fields = did("who-can");
        fields.insert("who".into(), serde_json::to_value(&found)?);
        told(console, "passed", fields, text.trim_end())
    }
}

impl WhyArgs {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { action, thing, who, purpose, grant } = self;
        let question = Ask::new(action, thing).for_purpose(purpose).with_grant(grant);
        let (decision, why) = opening.with(console, |project| Ok(project.why(who, &question)?))?;
        for alert in &decision.alerts {
            console.warn(format_args!("it would raise an alert: {}", plain(alert)));
        }
        let mut fields = did("why");
        fields.insert("effect".into(), json!(decision.effect));
        fields.insert("policies".into(), json!(decision.policies));
        fields.insert("why".into(), serde_json::to_value(&why)?);
        let lines: Vec<String> = why.to_string().lines().map(plain).collect();
        told(console, "passed", fields, &lines.join("\n"))
    }
}
