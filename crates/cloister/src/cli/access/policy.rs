//! `access policy`: a project's own policies, proposed by one person and approved by another.

use std::path::PathBuf;

use cloister_access::{Effect, Id, Step};
use serde_json::{Value, json};

use super::{did, told};
use crate::cli::Exit;
use crate::cli::console::Console;
use crate::cli::project::{Opening, id, text_of};
use crate::plain::plain;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Propose policies, in Cedar, to be added to the built-in ones
    Propose {
        /// Their text
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Approve policies that somebody else proposed
    Approve {
        /// The proposal, such as p1
        #[arg(value_name = "PROPOSAL", value_parser = id)]
        proposal: Id,
    },
    /// Let approved policies hold
    Apply {
        /// The proposal
        #[arg(value_name = "PROPOSAL", value_parser = id)]
        proposal: Id,
    },
    /// Show the policies that hold, or those of a proposal
    Show {
        /// The proposal
        #[arg(value_name = "PROPOSAL", value_parser = id)]
        proposal: Option<Id>,
    },
}

impl Args {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::Propose { file } => {
                let text = text_of(&file)?;
                let proposal = opening.with(console, |project| Ok(project.propose_policies(&text)?))?;
                console.say(format_args!("proposed policies {proposal}; somebody else approves them"));
                let mut fields = did("policy propose");
                fields.insert("id".into(), proposal.as_str().into());
                told(console, "passed", fields, proposal.as_str())
            }
            Verb::Approve { proposal } => {
                let step = opening.with(console, |project| Ok(project.approve_policies(&proposal)?))?;
                console.say(match step {
                    Step::Unchanged => "nothing changed: they were approved before".into(),
                    _ => format!(
                        "policies {proposal} are approved; `cloister access policy apply {proposal}` lets them hold"
                    ),
                });
                let mut fields = did("policy approve");
                fields.insert("id".into(), proposal.as_str().into());
                told(console, "passed", fields, "")
            }
            Verb::Apply { proposal } => {
                opening.with(console, |project| Ok(project.apply_policies(&proposal)?))?;
                console.say(format_args!("policies {proposal} hold from the next request on"));
                let mut fields = did("policy apply");
                fields.insert("id".into(), proposal.as_str().into());
                told(console, "passed", fields, "")
            }
            Verb::Show { proposal } => show(console, opening, proposal.as_ref()),
        }
    }
}

fn show(console: &Console, opening: &Opening, proposal: Option<&Id>) -> anyhow::Result<Exit> {
    let standing = opening.with(console, |project| Ok(project.show_policies(proposal)?))?;
    let effect = |effect| if effect == Effect::Allow { "permit" } else { "forbid" };
    let mut text = String::new();
    for rule in &standing.rules {
        text.push_str(&format!("{}  {:<28}  {}\n", effect(rule.effect), rule.id, plain(&rule.reason)));
    }
    let rules: Vec<Value> = standing
        .rules
        .iter()
        .map(|rule| json!({ "id": rule.id, "effect": effect(rule.effect), "reason": rule.reason, "alert": rule.alert, "file": rule.file }))
        .collect();
    let mut fields = did("policy show");
    fields.insert("id".into(), json!(standing.id));
    fields.insert("digest".into(), standing.digest.clone().into());
    fields.insert("policies".into(), json!(rules));
    fields.insert("text".into(), standing.text.clone().into());
    console.say(format_args!("policy set {}", standing.digest));
    told(console, "passed", fields, text.trim_end())
}
