//! `cloister access`: who is in a project, who may do what, and grants.

mod members;
mod policy;
mod questions;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use cloister_access::{Action, Cases, Id, PolicySet, Principal, Resource, Role, Step};
use serde_json::{Map, Value, json};

use super::Exit;
use super::console::{Console, Ink};
use super::project::{Opening, action, id, somebody, text_of, thing};
use super::words::counted;
use crate::plain::plain;
use crate::project::{Approved, Wanted};

/// Arguments of `access`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    opening: Opening,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Show members, datasets, grants and policies
    List,
    /// Add a member, with a secret of their own
    Add(members::Add),
    /// Give a member other roles
    Roles(members::Change),
    /// Switch an account off, and take its secret out of the key ring
    Disable(members::Disable),
    /// Show everybody who can do something
    WhoCan(questions::WhoCan),
    /// Show what somebody would be answered, and why
    Why(questions::WhyArgs),
    /// Ask for a grant
    #[command(
        after_help = "A grant gives acts that need one, on one thing, for one purpose, until it ends. Others approve it with \
                            `access approve`, and whoever has it names it with --grant."
    )]
    Request(RequestArgs),
    /// Approve a grant that somebody else asked for
    Approve(One),
    /// Revoke a grant, or give it back
    Revoke(One),
    /// Run a file of cases against the policies; needs no project
    #[command(
        after_help = "See docs/guides/project.md for what a case holds. Exit 3 if an answer is another than expected."
    )]
    Test(TestArgs),
    /// Change the policies: one person proposes, another approves
    Policy(policy::Args),
}

/// A grant.
#[derive(clap::Args)]
struct One {
    /// Its id, such as g1
    #[arg(value_name = "GRANT", value_parser = id)]
    grant: Id,
}

#[derive(clap::Args)]
struct RequestArgs {
    /// What is to be done: an action, or several with commas between
    #[arg(long = "act", value_name = "ACTIONS", value_delimiter = ',', value_parser = action)]
    #[arg(required_unless_present = "emergency")]
    acts: Vec<Action>,
    /// What to: dataset:ID, run:ID, adapter:ID, key:ID or user:ID
    #[arg(long, value_name = "THING", value_parser = thing)]
    on: Resource,
    /// What for
    #[arg(long, value_name = "PURPOSE", value_parser = id)]
    purpose: Id,
    /// Whom it is for, if somebody else
    #[arg(long = "for", value_name = "WHO", value_parser = somebody)]
    who: Option<Principal>,
    /// How long it holds, in hours from now; 90 days at most
    #[arg(long, value_name = "HOURS", default_value = "24")]
    hours: u32,
    /// How many others have to approve
    #[arg(long, value_name = "N", default_value = "1")]
    approvals: u8,
    /// Why it is needed; the log holds a commitment to it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Read a dataset in an emergency: two approvals within ten minutes, for an hour, with an alert
    #[arg(long, conflicts_with_all = ["acts", "who", "hours", "approvals"])]
    emergency: bool,
}

#[derive(clap::Args)]
struct TestArgs {
    /// Cases in TOML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Policies to add to the built-in ones, unless the file has its own
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { opening, verb } = self;
        match verb {
            Verb::List => questions::list(console, &opening),
            Verb::Add(args) => args.run(console, &opening),
            Verb::Roles(args) => args.run(console, &opening),
            Verb::Disable(args) => args.run(console, &opening),
            Verb::WhoCan(args) => args.run(console, &opening),
            Verb::Why(args) => args.run(console, &opening),
            Verb::Request(args) => args.run(console, &opening),
            Verb::Approve(One { grant }) => approve(console, &opening, &grant),
            Verb::Revoke(One { grant }) => revoke(console, &opening, &grant),
            Verb::Test(args) => args.run(console),
            Verb::Policy(args) => args.run(console, &opening),
        }
    }
}

impl RequestArgs {
    fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { acts, on, purpose, who, hours, approvals, note, emergency } = self;
        let acts: BTreeSet<Action> = acts.into_iter().collect();
        let term = Duration::from_secs(3600 * u64::from(hours));
        let (grant_id, grant) = opening.with(console, |project| {
            let who = who.unwrap_or_else(|| project.who().clone());
            let wanted = Wanted { who, resource: on, acts, purpose, needed: approvals, term, emergency, note };
            Ok(project.request_grant(wanted)?)
        })?;
        let missing = counted(usize::from(grant.missing()), "approval");
        console.say(format_args!("asked for grant {grant_id}: {missing} missing, until {}", grant.expires()));
        console.say(format_args!("somebody else approves it: cloister access approve {grant_id}"));
        let mut fields = did("request");
        fields.insert("id".into(), grant_id.as_str().into());
        fields.insert("grant".into(), serde_json::to_value(&grant)?);
        told(console, "passed", fields, grant_id.as_str())
    }
}

fn approve(console: &Console, opening: &Opening, grant: &Id) -> anyhow::Result<Exit> {
    let Approved { step, missing } = opening.with(console, |project| Ok(project.approve_grant(grant)?))?;
    console.say(match step {
        Step::Complete => format!("grant {grant} is approved"),
        Step::Counted { missing } => format!("counted; {} missing", counted(usize::from(missing), "approval")),
        Step::Unchanged => "nothing changed: you had approved it before, or no approval is missing".into(),
    });
    let mut fields = did("approve");
    fields.insert("id".into(), grant.as_str().into());
    fields.insert("missing".into(), missing.into());
    told(console, "passed", fields, "")
}

fn revoke(console: &Console, opening: &Opening, grant: &Id) -> anyhow::Result<Exit> {
    let revoked = opening.with(console, |project| Ok(project.revoke_grant(grant)?))?;
    console.say(if revoked { format!("revoked grant {grant}") } else { format!("grant {grant} was revoked before") });
    let mut fields = did("revoke");
    fields.insert("id".into(), grant.as_str().into());
    fields.insert("changed".into(), revoked.into());
    told(console, "passed", fields, "")
}

impl TestArgs {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let cases = Cases::parse(&text_of(&self.file)?)?;
        let policies = match &self.policies {
            Some(path) => PolicySet::with_custom(&text_of(path)?)?,
            None => PolicySet::load()?,
        };
        let report = cases.run(&policies)?;
        for failure in &report.failures {
            let (case, problem) = (plain(&failure.case), plain(&failure.problem));
            console.say(format_args!("{} {case}: {problem}", console.ink(Ink::Red, "failed")));
            failure.why.lines().for_each(|line| console.say(format_args!("  {}", plain(line))));
        }
        let untested = policies.rules().iter().filter(|rule| !report.deciding.contains(&rule.id)).count();
        let (cases, failed) = (counted(report.cases, "case"), report.failures.len());
        console.say(format_args!(
            "{cases}, {failed} failed; {untested} of {} policies decided nothing",
            policies.rules().len()
        ));
        let exit = if failed == 0 { Exit::Passed } else { Exit::Refused };
        let mut fields = did("test");
        fields.insert("report".into(), serde_json::to_value(&report)?);
        console.document(if failed == 0 { "passed" } else { "refused" }, fields)?;
        Ok(exit)
    }
}

/// The fields of a document, which begin with what was done.
fn did(what: &str) -> Map<String, Value> {
    Map::from_iter([("did".into(), json!(what))])
}

/// The document, or a line for whoever reads stdout.
fn told(console: &Console, verdict: &str, fields: Map<String, Value>, line: &str) -> anyhow::Result<Exit> {
    console.document(verdict, fields)?;
    if !console.json() && !line.is_empty() {
        console.bytes(format!("{line}\n").as_bytes())?;
    }
    Ok(Exit::Passed)
}

/// For clap: a role.
fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: cloister_access::Error| error.to_string())
}
